//! A collector over outages: of the sink, of a source, of the devices; what it says, and that it goes on by itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bs2_events::codec::{DeviceId, Event};
use bs2_events::collect::{Collector, Report, Stop};
use bs2_events::device::{Client, DeviceInfo};
use bs2_events::sink::{Batch, Gap, MemorySink, ResumePoint, Sink, Stored};
use bs2_events::{Error, ErrorKind, Result};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::scripted_backend::run::{ids, until};
use crate::scripted_backend::{DEVICE, Failure, Scripted, event};

#[tokio::test(start_paused = true)]
async fn what_an_operator_can_cure_at_the_sink_is_tried_again_as_long_as_the_collector_runs() {
    for kind in [
        ErrorKind::Storage,
        ErrorKind::PermissionDenied,
        ErrorKind::LicenceMissing,
        ErrorKind::NotFound,
        ErrorKind::Refused,
        ErrorKind::ServerFailed,
        ErrorKind::Disconnected,
    ] {
        let reader = Scripted::new([event(1, 0)]);
        let sick = Sick::default();
        let running = Running::begin(&[&reader], Arc::new(sick.clone()));
        until(|| sick.memory.watermark(DEVICE, 0) == Some((1, 1))).await;
        sick.fail(Some(kind));
        let began = Instant::now();
        (2..=9).for_each(|id| reader.happen(event(id, 0)));
        until(|| !running.said().is_empty()).await;
        assert!(began.elapsed() < Duration::from_secs(15), "{kind:?}: {:?}", began.elapsed());
        sleep(Duration::from_secs(3_600)).await;
        (10..=20).for_each(|id| reader.happen(event(id, 0)));
        sick.fail(None);
        until(|| sick.memory.watermark(DEVICE, 0) == Some((1, 20)) && running.said().len() > 1).await;
        assert!(running.stop(Stop::Now).await.is_complete(), "{kind:?}");
        let said = ["the sink is sick; it is tried again", "events are stored again"];
        assert_eq!(running.said(), said, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_nobody_can_cure_ends_the_run_with_an_error() {
    for kind in [ErrorKind::InvalidData, ErrorKind::InvalidInput, ErrorKind::LoginRefused, ErrorKind::Closed]
    {
        let reader = Scripted::new([event(1, 0)]);
        let sick = Sick::default();
        sick.fail(Some(kind));
        let running = Running::begin(&[&reader], Arc::new(sick));
        let began = Instant::now();
        let report = running.end().await;
        assert!(began.elapsed() < Duration::from_secs(60), "{kind:?}: {:?}", began.elapsed());
        assert_eq!(report.devices[0].error.as_ref().map(Error::kind), Some(kind));
        assert_eq!(running.said(), ["the sink is sick; it is tried again"], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_the_sink_fails_is_no_success() {
    let reader = Scripted::new([event(1, 0)]);
    let sick = Sick::default();
    let running = Running::begin(&[&reader], Arc::new(sick.clone()));
    until(|| reader.is_monitored() && sick.memory.watermark(DEVICE, 0).is_some()).await;
    sick.fail(Some(ErrorKind::Storage));
    reader.happen(event(2, 0));
    until(|| !running.said().is_empty()).await;
    sleep(Duration::from_secs(60)).await;
    assert!(!running.stop(Stop::Now).await.is_complete());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_not_there_yet_is_waited_for() {
    let reader = Scripted::new((1..=5).map(|id| event(id, 0)));
    reader.break_down(true);
    let sink = MemorySink::new();
    let running = Running::begin(&[&reader], Arc::new(sink.clone()));
    sleep(Duration::from_secs(600)).await;
    assert_eq!(running.said(), ["there is no gateway; it is tried again"]);
    reader.break_down(false);
    until(|| sink.watermark(DEVICE, 0) == Some((1, 5))).await;
    assert_eq!(running.said()[1..], ["source `gateway://1` works now"]);
    assert!(running.stop(Stop::Now).await.is_complete());
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_settings_are_wrong_ends_the_run_at_the_start() {
    let reader = Scripted::new([]);
    reader.refuse_to_list(ErrorKind::CertificateRefused);
    let running = Running::begin(&[&reader], Arc::new(MemorySink::new()));
    let report = running.end().await;
    assert_eq!(report.unreached[0].kind(), ErrorKind::CertificateRefused);
    assert!(running.said().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_source_without_devices_is_noted_at_once_and_watched() {
    let reader = Scripted::new([event(1, 0)]);
    reader.empty(true);
    let sink = MemorySink::new();
    let running = Running::begin(&[&reader], Arc::new(sink.clone()));
    sleep(Duration::from_secs(300)).await;
    assert_eq!(running.said(), ["source `gateway://1` has no device yet; the collector waits for one"]);
    reader.empty(false);
    until(|| sink.watermark(DEVICE, 0).is_some()).await;
    assert_eq!(running.said()[1..], ["source `gateway://1` works now"]);
    running.stop(Stop::Now).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_a_whole_source_is_one_outage_for_all_its_devices() {
    let reader = Scripted::new((1..=5).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let running = Running::begin(&[&reader], Arc::new(sink.clone()));
    until(|| reader.is_monitored()).await;
    for last in [7, 9] {
        reader.break_down(true);
        reader.put((last - 1..=last).map(|id| event(id, 0)));
        sleep(Duration::from_secs(300)).await;
        reader.break_down(false);
        until(|| sink.watermark(DEVICE, 0) == Some((1, last))).await;
    }
    sleep(Duration::from_secs(30)).await;
    assert!(running.stop(Stop::Now).await.is_complete());
    let outage = ["there is no gateway; it is tried again", "source `gateway://1` works now"];
    assert_eq!(running.said(), [outage, outage].concat());
}

#[tokio::test(start_paused = true)]
async fn a_device_behind_two_sources_has_a_standby_that_takes_over() {
    let one = Scripted::new((1..=5).map(|id| event(id, 0)));
    let two = one.twin();
    let sink = MemorySink::new();
    let running = Running::begin(&[&one, &two], Arc::new(sink.clone()));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 5)) && !running.said().is_empty()).await;
    let standby = "device 7 is reached over `gateway://1` and over `gateway://2`: `gateway://1` is used, \
                   `gateway://2` stands by";
    assert_eq!(running.said(), [standby]);

    // The first gateway dies, then the second one, when the first one is back.
    let (mut broken, mut other) = (&one, &two);
    for last in (7..=13).step_by(2) {
        broken.break_down(true);
        let began = Instant::now();
        other.put([event(last - 1, 0)]);
        until(|| other.is_monitored()).await;
        other.happen(event(last, 0));
        until(|| sink.watermark(DEVICE, 0) == Some((1, last))).await;
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        sleep(Duration::from_secs(120)).await;
        broken.break_down(false);
        sleep(Duration::from_secs(120)).await;
        (broken, other) = (other, broken);
    }
    let report = running.stop(Stop::Now).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((report.devices.len(), report.stored()), (1, 13));
    assert_eq!(ids(&sink, 0), (1..=13).collect::<Vec<_>>());
    let said = running.said();
    assert_eq!(said.len(), 1 + 4 * 3, "{said:#?}");
    let lost = "there is no gateway";
    assert_eq!(
        said[1..4],
        [
            format!("{lost}; it is tried again"),
            format!("`gateway://2` takes over from `gateway://1`: {lost}"),
            "source `gateway://1` works now".to_owned(),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_standby_takes_over_when_only_the_device_fails() {
    let one = Scripted::new((1..=5).map(|id| event(id, 0)));
    let two = one.twin();
    let sink = MemorySink::new();
    let running = Running::begin(&[&one, &two], Arc::new(sink.clone()));
    until(|| one.is_monitored() && !running.said().is_empty()).await;
    // The first gateway has lost the device, and does not get it back.
    one.fail_next([Failure::Error(ErrorKind::Disconnected); 1_000]);
    one.fail_to_monitor(DEVICE, [ErrorKind::Disconnected; 1_000]);
    one.disconnect();
    let began = Instant::now();
    until(|| two.is_monitored()).await;
    two.happen(event(6, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 6))).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(running.stop(Stop::Now).await.is_complete());
    let takes_over = "device 7: `gateway://2` takes over from `gateway://1`: the script says so";
    assert_eq!(running.said()[1..], [takes_over]);
}

#[tokio::test(start_paused = true)]
async fn a_device_over_two_sources_is_read_once_and_counted_once_without_listening_too() {
    let one = Scripted::new((1..=5).map(|id| event(id, 0)));
    let two = one.twin();
    for fails in [false, true] {
        if fails {
            one.fail_next([Failure::Error(ErrorKind::InvalidData); 1_000]);
        }
        let sink = MemorySink::new();
        let collector = [&one, &two]
            .into_iter()
            .enumerate()
            .fold(Collector::new(Arc::new(sink.clone())), |collector, (number, reader)| {
                collector.with_client(client(reader, number))
            });
        let report = collector.run_once().await;
        assert!(report.is_complete(), "{report:?}");
        assert_eq!((report.devices.len(), report.stored()), (1, 5));
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_was_replaced_ends_with_a_sentence_and_the_new_one_is_collected() {
    let reader = Scripted::new((1..=5).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let running = Running::begin(&[&reader], Arc::new(sink.clone()));
    until(|| reader.is_monitored() && sink.watermark(DEVICE, 0) == Some((1, 5))).await;
    let new = DeviceId::new(8);
    reader.replace(new);
    until(|| sink.watermark(new, 0) == Some((1, 5))).await;
    until(|| reader.is_monitored()).await;
    reader.happen(event(6, 0));
    until(|| sink.watermark(new, 0) == Some((1, 6))).await;
    let ends = "device 7 was replaced: device 8 is at its address, and the account of device 7 ends";
    assert_eq!(running.said(), [ends]);

    // The old one comes back.
    reader.replace(DEVICE);
    until(|| sink.watermark(DEVICE, 0) == Some((1, 6))).await;
    let report = running.stop(Stop::Now).await;
    assert!(report.is_complete(), "{report:?}");
    let stored: Vec<_> = report.devices.iter().map(|one| (one.device.get(), one.epochs[0].stored)).collect();
    assert_eq!(stored, [(7, 6), (8, 6)]);
}

/// A collector of clients, and what it says.
struct Running {
    said: Arc<Mutex<Vec<String>>>,
    stop: Mutex<Option<oneshot::Sender<Stop>>>,
    task: Mutex<Option<JoinHandle<Report>>>,
}

impl Running {
    fn begin(readers: &[&Scripted], sink: Arc<dyn Sink>) -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&said);
        let mut collector =
            Collector::new(sink).on_notice(move |notice| log.lock().unwrap().push(notice.to_string()));
        for (number, reader) in readers.iter().enumerate() {
            collector = collector.with_client(client(reader, number));
        }
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(collector.run_until(async { stopped.await.unwrap() }));
        Self { said, stop: Mutex::new(Some(stop)), task: Mutex::new(Some(task)) }
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    async fn stop(&self, how: Stop) -> Report {
        let stop = self.stop.lock().unwrap().take().unwrap();
        stop.send(how).unwrap();
        self.end().await
    }

    async fn end(&self) -> Report {
        let task = self.task.lock().unwrap().take().unwrap();
        task.await.unwrap()
    }
}

fn client(reader: &Scripted, number: usize) -> Client {
    Client::new(Arc::new(reader.clone())).with_name(format!("gateway://{}", number + 1))
}

/// A sink that fails as long as it is told to.
#[derive(Clone, Debug, Default)]
struct Sick {
    memory: MemorySink,
    kind: Arc<Mutex<Option<ErrorKind>>>,
}

impl Sick {
    fn fail(&self, kind: Option<ErrorKind>) {
        *self.kind.lock().unwrap() = kind;
    }

    fn check(&self, device: DeviceId) -> Result<()> {
        match *self.kind.lock().unwrap() {
            Some(kind) => Err(Error::new(kind, "the sink is sick").with_device(device)),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Sink for Sick {
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>> {
        self.check(device.id)?;
        self.memory.resume(device).await
    }

    async fn resume_epoch(&self, device: DeviceId, epoch: u32) -> Result<Option<ResumePoint>> {
        self.memory.resume_epoch(device, epoch).await
    }

    async fn store(&self, batch: Batch) -> Result<Stored> {
        self.check(batch.device)?;
        self.memory.store(batch).await
    }

    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>> {
        self.memory.event(device, epoch, id).await
    }

    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>> {
        self.memory.gaps(device).await
    }

    async fn close(&self) -> Result<()> {
        self.memory.close().await
    }
}
