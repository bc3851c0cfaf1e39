//! The collector when it is interrupted: by a stop, by failures of the device and of the sink, by a lost connection.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use crate::scripted_backend::run::{Failing, Run, device, gaps, ids, once, until};
use crate::scripted_backend::{DEVICE, Failure, Scripted, event};
use bs2_events::ErrorKind;
use bs2_events::collect::{CollectOptions, Collector, Stop};
use bs2_events::sink::{Batch, GapReason, MemorySink, Sink};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn stopping_at_once_keeps_every_event_that_waits_in_the_queue() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    let reads = reader.reads();
    reader.fail_next([Failure::Silence]);
    reader.happen(event(3, 0));
    until(|| reader.reads() > reads).await;
    for id in [2].into_iter().chain(4..=1_000) {
        reader.happen(event(id, 0));
    }
    run.stop(Stop::Now).await;
    assert_eq!(ids(&sink, 0), (1..=1_000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn stopping_at_once_takes_an_event_that_waits_in_the_queue_out_of_its_gap() {
    let reader = Scripted::new([1, 2, 5].map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    assert_eq!(gaps(&sink), [(0, 3, 4, GapReason::Unknown)]);
    hang(&reader).await;
    reader.report(event(4, 0));
    run.stop(Stop::Now).await;
    assert_eq!(ids(&sink, 0), [1, 2, 4, 5, 9]);
    assert_eq!(gaps(&sink), [(0, 3, 3, GapReason::Unknown)]);
}

#[tokio::test(start_paused = true)]
async fn stopping_at_once_leaves_what_came_over_a_new_connection_to_the_log() {
    let reader = Scripted::new([1, 2, 5].map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    hang(&reader).await;
    reader.disconnect();
    until(|| reader.is_monitored()).await;
    reader.report(event(4, 1));
    run.stop(Stop::Now).await;
    assert_eq!(ids(&sink, 0), [1, 2, 5, 9]);
}

/// Makes the collector look into the log for what is missing below event 9, and the reader not answer.
async fn hang(reader: &Scripted) {
    let reads = reader.reads();
    reader.fail_next([Failure::Silence]);
    reader.report(event(9, 0));
    until(|| reader.reads() > reads).await;
}

#[tokio::test(start_paused = true)]
async fn a_steady_stream_does_not_put_off_the_search_for_what_is_missing() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.put([event(2, 0)]);
    for id in 3..=40 {
        reader.happen(event(id, 0));
        sleep(Duration::from_millis(50)).await;
    }
    assert!(sink.watermark(DEVICE, 0).is_some_and(|(_, watermark)| watermark >= 38));
    run.stop(Stop::Now).await;
}

#[tokio::test(start_paused = true)]
async fn the_longest_waits_are_waits_like_others() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let options = CollectOptions::default().with_poll(Duration::MAX).with_settle(Duration::MAX);
    let collector = Collector::new(Arc::new(sink.clone())).with_devices([reader.device()]);
    let report = collector.with_options(options).run_until(async {
        until(|| reader.is_monitored()).await;
        reader.happen(event(3, 0));
        reader.put([event(2, 0)]);
        sleep(Duration::from_secs(3_600)).await;
        Stop::AfterCatchUp
    });
    assert!(report.await.is_complete());
    assert_eq!(ids(&sink, 0), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn failures_count_in_a_row_and_not_over_a_long_log() {
    let reader = Scripted::new((1..=2_000).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let failures = [Failure::Nothing, Failure::Error(ErrorKind::TimedOut)].into_iter().cycle().take(40);
    reader.fail_next(failures);
    let options = CollectOptions::default().with_page(100).with_attempts(3);
    let collector = Collector::new(Arc::new(sink.clone())).with_devices([reader.device()]);
    assert!(collector.with_options(options).run_once().await.is_complete());
    assert_eq!(ids(&sink, 0).len(), 2_000);
}

#[tokio::test(start_paused = true)]
async fn live_events_behind_a_batch_that_does_not_reach_the_sink_do_not_hide_it() {
    let reader = Scripted::new([event(1, 0)]);
    let memory = MemorySink::new();
    let countdown = AtomicUsize::new(2);
    let sink = Failing { inner: memory.clone(), countdown, kind: ErrorKind::Busy };
    let run = Run::begin(reader.device(), Arc::new(sink));
    until(|| reader.is_monitored() && memory.watermark(DEVICE, 0).is_some()).await;
    (2..=3_000).for_each(|id| reader.happen(event(id, 0)));
    until(|| memory.watermark(DEVICE, 0) == Some((1, 3_000))).await;
    run.stop(Stop::Now).await;
    assert_eq!(ids(&memory, 0), (1..=3_000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn after_the_order_to_stop_a_reader_that_fails_is_not_waited_for_long() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.fail_next([Failure::Error(ErrorKind::TimedOut); 5_000]);
    let ordered = Instant::now();
    assert!(!run.stop(Stop::AfterCatchUp).await.is_complete());
    assert!(ordered.elapsed() < Duration::from_secs(30), "{:?}", ordered.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_last_batch_that_does_not_reach_the_sink_is_reported() {
    let reader = Scripted::new([event(1, 0)]);
    let memory = MemorySink::new();
    let countdown = AtomicUsize::new(2);
    let sink = Failing { inner: memory.clone(), countdown, kind: ErrorKind::Busy };
    let run = Run::begin(reader.device(), Arc::new(sink));
    until(|| reader.is_monitored() && memory.watermark(DEVICE, 0).is_some()).await;
    reader.report(event(5, 0));
    let report = run.stop(Stop::Now).await;
    assert_eq!(device(&report).error.as_ref().map(|error| error.kind()), Some(ErrorKind::Busy));
    assert_eq!(ids(&memory, 0), [1]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waited_when_its_epoch_ended_survives_a_failure_of_the_sink() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let memory = MemorySink::new();
    // The backlog, the end of the epoch, the new epoch; then the event that waited.
    let countdown = AtomicUsize::new(4);
    let sink = Failing { inner: memory.clone(), countdown, kind: ErrorKind::Busy };
    let run = Run::begin(reader.device(), Arc::new(sink));
    until(|| reader.is_monitored() && memory.watermark(DEVICE, 0) == Some((1, 10))).await;
    reader.report(event(13, 0));
    reader.wipe();
    reader.put((1..=11).map(|id| event(id, 1)));
    until(|| memory.watermark(DEVICE, 1) == Some((1, 11))).await;
    assert!(run.stop(Stop::AfterCatchUp).await.is_complete());
    assert_eq!(memory.events(DEVICE, 0).last(), Some(&event(13, 0)));
    assert_eq!(ids(&memory, 1), (1..=11).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waited_when_its_epoch_ended_survives_a_stop_before_the_new_one_is_read() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.fail_next([Failure::Nothing, Failure::Silence]);
    reader.report(event(13, 0));
    reader.wipe();
    reader.put((1..=11).map(|id| event(id, 1)));
    until(|| !gaps(&sink).is_empty()).await;
    run.stop(Stop::Now).await;
    assert_eq!(sink.events(DEVICE, 0).last(), Some(&event(13, 0)));
    once(&reader, &sink).await;
    assert_eq!(sink.events(DEVICE, 1), reader.log());
}

#[tokio::test(start_paused = true)]
async fn an_epoch_that_was_closed_before_the_next_one_was_stored_does_not_go_on() {
    let sink = MemorySink::new();
    let first = Batch::new(DEVICE, 0, 1, 10).with_events((1..=10).map(|id| event(id, 0)));
    sink.store(first).await.unwrap();
    let end = Batch::new(DEVICE, 0, 1, u32::MAX).with_gap(11, u32::MAX, GapReason::Reset);
    sink.store(end).await.unwrap();
    // The oldest events are those of the old life: a reader that was set back, and counted on from there.
    let reader = Scripted::new((1..=12).map(|id| event(id, u32::from(id > 5))));
    once(&reader, &sink).await;
    assert_eq!(sink.events(DEVICE, 1), reader.log());
}

#[tokio::test(start_paused = true)]
async fn an_event_older_than_the_first_of_the_account_moves_its_beginning() {
    let reader = Scripted::new([event(10, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.report(event(8, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((8, 10))).await;
    reader.report(event(7, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((7, 10))).await;
    run.stop(Stop::Now).await;
    assert_eq!(ids(&sink, 0), [7, 8, 10]);
    assert_eq!(gaps(&sink), [(0, 9, 9, GapReason::Unknown)]);
}

#[tokio::test(start_paused = true)]
async fn ids_that_began_anew_while_the_connection_was_lost_do_not_continue_the_old_ones() {
    let reader = Scripted::new([event(1, 0), event(2, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.wipe();
    reader.put([event(1, 1), event(2, 1)]);
    // The first thing heard after the break has the very id that is expected.
    reader.happen_when_monitored([event(3, 1)]);
    reader.disconnect();
    until(|| reader.is_monitored()).await;
    let report = run.stop(Stop::AfterCatchUp).await;
    assert!(report.is_complete());
    assert_eq!(sink.events(DEVICE, 0), [event(1, 0), event(2, 0)]);
    assert_eq!(sink.events(DEVICE, 1), reader.log());
}
