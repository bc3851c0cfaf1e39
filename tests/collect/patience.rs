//! A listening collector gives up no device: which failures it reports, and what it does after them.

use std::sync::{Arc, Mutex};

use crate::scripted_backend::run::{Run, gaps, ids, until};
use crate::scripted_backend::{DEVICE, Failure, Scripted, event};
use bs2_events::ErrorKind;
use bs2_events::collect::{Collector, Report, Stop};
use bs2_events::device::Client;
use bs2_events::sink::MemorySink;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[tokio::test(start_paused = true)]
async fn a_reader_that_answers_what_no_retry_cures_is_asked_again_while_it_is_listened_to() {
    for kind in [ErrorKind::Other, ErrorKind::InvalidData, ErrorKind::InvalidInput, ErrorKind::NotFound] {
        let reader = Scripted::new((1..=5).map(|id| event(id, 0)));
        let sink = MemorySink::new();
        let run = Run::start(&reader, &sink).await;
        reader.fail_next([Failure::Error(kind)]);
        reader.put([event(6, 0)]);
        reader.happen(event(7, 0)); // A hole, so that the log is read.
        until(|| sink.watermark(DEVICE, 0) == Some((1, 7))).await;
        assert!(run.stop(Stop::Now).await.is_complete(), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_persists_is_reported_once_and_the_work_goes_on() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let listening = Listening::begin(&reader, &sink);
    until(|| sink.watermark(DEVICE, 0) == Some((1, 1))).await;
    assert!(listening.reported().is_empty());
    reader.fail_next([Failure::Error(ErrorKind::Busy); 220]);
    reader.put([event(2, 0)]);
    reader.happen(event(3, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 3)) && listening.reported().len() > 1).await;
    let said = ["device 7: the script says so; it is tried again", "device 7 works again"];
    assert_eq!(listening.reported(), said);
    assert!(listening.stop().await.is_complete());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_reports_nothing_has_a_log_all_the_same() {
    let reader = Scripted::new([event(1, 0)]);
    reader.mute();
    let sink = MemorySink::new();
    let listening = Listening::begin(&reader, &sink);
    until(|| sink.watermark(DEVICE, 0) == Some((1, 1))).await;
    reader.put([event(2, 0)]);
    until(|| sink.watermark(DEVICE, 0) == Some((1, 2))).await;
    assert_eq!(listening.reported().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_reached_later_is_collected() {
    let reader = Scripted::new([event(1, 0)]);
    reader.hide(true);
    let sink = MemorySink::new();
    let listening = Listening::begin(&reader, &sink);
    until(|| listening.reported() == ["nobody answers where the reader should be; it is tried again"]).await;
    reader.hide(false);
    until(|| sink.watermark(DEVICE, 0) == Some((1, 1))).await;
    assert_eq!(listening.reported()[1..], ["nobody answers where the reader should be: reached now"]);
    let report = listening.stop().await;
    assert!(report.is_complete() && report.devices.len() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_never_reached_is_in_the_report() {
    let reader = Scripted::new([event(1, 0)]);
    reader.hide(true);
    let collector = Collector::new(Arc::new(MemorySink::new())).with_client(client(&reader));
    let report = collector.run_once().await;
    assert!(!report.is_complete() && report.devices.is_empty());
    assert_eq!(report.unreached[0].kind(), ErrorKind::Disconnected);
}

#[tokio::test(start_paused = true)]
async fn a_live_event_far_beyond_the_log_gives_nothing_up() {
    let reader = Scripted::new((1..=5).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.report(event(5_000_000, 0));
    until(|| ids(&sink, 0).contains(&5_000_000)).await;
    (6..=9).for_each(|id| reader.happen(event(id, 0)));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 9))).await;
    assert!(run.stop(Stop::AfterCatchUp).await.is_complete());
    assert_eq!(gaps(&sink), []);
    assert_eq!(ids(&sink, 0), [1, 2, 3, 4, 5, 6, 7, 8, 9, 5_000_000]);

    // The next run begins where the log goes on, although that event is stored above it.
    let run = Run::begin(reader.device(), Arc::new(sink.clone()));
    reader.put([event(10, 0)]);
    until(|| sink.watermark(DEVICE, 0) == Some((1, 10))).await;
    run.stop(Stop::Now).await;
    assert_eq!(gaps(&sink), []);
}

/// A collector of a client, and the failures that it reports.
struct Listening {
    reported: Arc<Mutex<Vec<String>>>,
    stop: oneshot::Sender<Stop>,
    task: JoinHandle<Report>,
}

impl Listening {
    fn begin(reader: &Scripted, sink: &MemorySink) -> Self {
        let reported = Arc::new(Mutex::new(Vec::new()));
        let failures = Arc::clone(&reported);
        let collector = Collector::new(Arc::new(sink.clone()))
            .with_client(client(reader))
            .on_notice(move |notice| failures.lock().unwrap().push(notice.to_string()));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(collector.run_until(async { stopped.await.unwrap() }));
        Self { reported, stop, task }
    }

    fn reported(&self) -> Vec<String> {
        self.reported.lock().unwrap().clone()
    }

    async fn stop(self) -> Report {
        self.stop.send(Stop::Now).unwrap();
        self.task.await.unwrap()
    }
}

fn client(reader: &Scripted) -> Client {
    Client::new(Arc::new(reader.clone()))
}
