//! The collector against a reader that does exactly what each test tells it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::scripted_backend::run::{Failing, Run, device, gaps, ids, once, until};
use crate::scripted_backend::{DEVICE, Failure, Scripted, coded, event};
use bs2_events::ErrorKind;
use bs2_events::codec::EventCode;
use bs2_events::collect::{Collector, Stop};
use bs2_events::sink::{GapReason, MemorySink};

#[tokio::test(start_paused = true)]
async fn stores_the_whole_log_and_a_second_run_adds_nothing() {
    let reader = Scripted::new((1..=5_000).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let report = once(&reader, &sink).await;
    assert_eq!((report.stored(), report.repeated()), (5_000, 0));
    assert_eq!(ids(&sink, 0), (1..=5_000).collect::<Vec<_>>());
    let report = once(&reader, &sink).await;
    assert_eq!((report.stored(), report.repeated()), (0, 0));
    assert_eq!(device(&report).epochs[0].watermark, 5_000);
}

#[tokio::test(start_paused = true)]
async fn an_account_begins_at_the_oldest_event_of_the_log() {
    let reader = Scripted::new((6_861..=6_870).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    once(&reader, &sink).await;
    assert_eq!(sink.watermark(DEVICE, 0), Some((6_861, 6_870)));
    assert_eq!(sink.gaps_of(DEVICE), []);
}

#[tokio::test(start_paused = true)]
async fn stores_what_happens_live() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    for id in 11..=20 {
        reader.happen(event(id, 0));
    }
    until(|| sink.watermark(DEVICE, 0) == Some((1, 20))).await;
    let reads = reader.reads();
    reader.happen(event(21, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 21))).await;
    assert_eq!(reader.reads(), reads, "an event that is next needs no look into the log");
    run.stop(Stop::Now).await;
}

#[tokio::test(start_paused = true)]
async fn fills_from_the_log_what_the_live_stream_dropped() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.put((2..=9).map(|id| event(id, 0)));
    reader.happen(event(10, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 10))).await;
    run.stop(Stop::Now).await;
    assert_eq!(ids(&sink, 0), (1..=10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn swapped_live_events_need_no_look_into_the_log() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    let reads = reader.reads();
    reader.happen(event(3, 0));
    reader.happen(event(2, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 3))).await;
    assert_eq!(reader.reads(), reads);
    run.stop(Stop::Now).await;
}

#[tokio::test(start_paused = true)]
async fn finds_in_time_what_was_never_reported() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.put([event(2, 0)]);
    until(|| sink.watermark(DEVICE, 0) == Some((1, 2))).await;
    run.stop(Stop::Now).await;
}

#[tokio::test(start_paused = true)]
async fn repeated_live_events_are_dropped_and_counted() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    let reads = reader.reads();
    reader.happen(event(2, 0));
    reader.report(event(2, 0));
    reader.report(event(1, 0));
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(reader.reads(), reads, "a repetition needs no look into the log");
    let report = run.stop(Stop::AfterCatchUp).await;
    assert_eq!((report.stored(), report.repeated()), (2, 2));
    assert_eq!(ids(&sink, 0), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn goes_on_after_a_lost_connection_with_what_happened_meanwhile() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.disconnect();
    reader.put((2..=6).map(|id| event(id, 0)));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 6))).await;
    until(|| reader.is_monitored()).await;
    reader.happen(event(7, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 7))).await;
    run.stop(Stop::Now).await;
}

#[tokio::test(start_paused = true)]
async fn a_hole_before_a_cleared_event_is_cleared() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    once(&reader, &sink).await;
    reader.wipe();
    reader.put([coded(15, 0, EventCode::DEVICE_EVENT_LOG_CLEARED), event(16, 0)]);
    once(&reader, &sink).await;
    assert_eq!(gaps(&sink), [(0, 11, 14, GapReason::Cleared)]);
    assert_eq!(sink.watermark(DEVICE, 0), Some((1, 16)));
}

#[tokio::test(start_paused = true)]
async fn a_hole_before_a_reset_event_is_reset() {
    for code in [
        EventCode::DEVICE_FACTORY_RESET,
        EventCode::DEVICE_FACTORY_RESET_WITHOUT_ETHERNET,
        EventCode::DEVICE_DATABASE_RESET,
    ] {
        let reader = Scripted::new([event(1, 0)]);
        let sink = MemorySink::new();
        once(&reader, &sink).await;
        reader.wipe();
        reader.put([coded(5, 0, code)]);
        once(&reader, &sink).await;
        assert_eq!(gaps(&sink), [(0, 2, 4, GapReason::Reset)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hole_before_the_oldest_event_is_overwritten() {
    let reader = Scripted::new([event(1, 0), event(2, 0)]);
    let sink = MemorySink::new();
    once(&reader, &sink).await;
    reader.wipe();
    reader.put((100..=110).map(|id| event(id, 0)));
    once(&reader, &sink).await;
    assert_eq!(gaps(&sink), [(0, 3, 99, GapReason::Overwritten)]);
}

#[tokio::test(start_paused = true)]
async fn a_hole_between_events_that_are_there_is_unknown() {
    let reader = Scripted::new((1..=20).filter(|id| ![5, 6, 11].contains(id)).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let report = once(&reader, &sink).await;
    assert_eq!(gaps(&sink), [(0, 5, 6, GapReason::Unknown), (0, 11, 11, GapReason::Unknown)]);
    assert_eq!(device(&report).epochs[0].gaps.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_turns_up_late_leaves_its_gap() {
    let reader = Scripted::new([1, 2, 5, 6].map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    assert_eq!(gaps(&sink), [(0, 3, 4, GapReason::Unknown)]);
    reader.report(event(4, 0));
    until(|| ids(&sink, 0) == [1, 2, 4, 5, 6]).await;
    assert_eq!(gaps(&sink), [(0, 3, 3, GapReason::Unknown)]);
    run.stop(Stop::Now).await;
}

#[tokio::test(start_paused = true)]
async fn a_live_event_that_the_log_does_not_show_is_stored_and_explains_nothing_until_the_log_passes_it() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.report(event(4, 0));
    until(|| ids(&sink, 0) == [1, 4]).await;
    tokio::time::sleep(std::time::Duration::from_secs(300)).await;
    assert_eq!((sink.watermark(DEVICE, 0), gaps(&sink)), (Some((1, 1)), vec![]));
    reader.put([event(5, 0)]);
    until(|| sink.watermark(DEVICE, 0) == Some((1, 5))).await;
    assert_eq!(gaps(&sink), [(0, 2, 3, GapReason::Unknown)]);
    run.stop(Stop::Now).await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_shows_late_what_was_reported_has_its_time() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    let reads = reader.reads();
    reader.report(event(3, 0));
    until(|| reader.reads() > reads).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    reader.put([event(2, 0), event(3, 0)]);
    until(|| sink.watermark(DEVICE, 0) == Some((1, 3))).await;
    run.stop(Stop::Now).await;
    assert_eq!((ids(&sink, 0), gaps(&sink)), (vec![1, 2, 3], vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_account_of_an_empty_log_begins_with_what_is_reported() {
    let reader = Scripted::new([]);
    let sink = MemorySink::new();
    let run = Run::begin(reader.device(), Arc::new(sink.clone()));
    until(|| reader.is_monitored()).await;
    let reported = tokio::time::Instant::now();
    reader.report(event(5, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((5, 5))).await;
    assert!(reported.elapsed().as_secs() < 5, "the log is not looked into only when its time comes");
    run.stop(Stop::Now).await;
}

#[tokio::test(start_paused = true)]
async fn live_events_before_the_first_look_into_the_log_do_not_hide_it() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    reader.fail_next([Failure::Error(ErrorKind::TimedOut); 6]);
    let (run, reader) = (Run::begin(reader.device(), Arc::new(sink.clone())), reader);
    until(|| reader.is_monitored()).await;
    reader.happen(event(11, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 11))).await;
    run.stop(Stop::Now).await;
    assert_eq!(ids(&sink, 0), (1..=11).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_returns_is_given_up_and_made_again() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    reader.fail_next([Failure::Silence]);
    assert_eq!(once(&reader, &sink).await.stored(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_fails_for_good_is_reported_and_keeps_what_was_stored() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    once(&reader, &sink).await;
    reader.fail_next([Failure::Error(ErrorKind::PermissionDenied)]);
    let report = once(&reader, &sink).await;
    let error = device(&report).error.as_ref().unwrap();
    assert_eq!((error.kind(), error.device()), (ErrorKind::PermissionDenied, Some(DEVICE)));
    assert!(!report.is_complete());
    assert_eq!(ids(&sink, 0).len(), 10);
}

#[tokio::test(start_paused = true)]
async fn stopping_at_once_keeps_what_waits_above_a_hole() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.report(event(5, 0));
    tokio::task::yield_now().await;
    run.stop(Stop::Now).await;
    assert_eq!(ids(&sink, 0), [1, 5]);
    assert_eq!(sink.watermark(DEVICE, 0), Some((1, 1)));
    reader.put((2..=5).map(|id| event(id, 0)));
    once(&reader, &sink).await;
    assert_eq!((ids(&sink, 0), sink.watermark(DEVICE, 0)), (vec![1, 2, 3, 4, 5], Some((1, 5))));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_does_not_reach_the_sink_is_not_hidden_by_a_later_one() {
    let reader = Scripted::new((1..=5_000).map(|id| event(id, 0)));
    for kind in [ErrorKind::Busy, ErrorKind::Storage] {
        let memory = MemorySink::new();
        let sink = Arc::new(Failing { inner: memory.clone(), countdown: AtomicUsize::new(2), kind });
        let report = Collector::new(sink).with_devices([reader.device()]).run_once().await;
        let (first, watermark) = memory.watermark(DEVICE, 0).unwrap();
        assert_eq!(ids(&memory, 0), (first..=watermark).collect::<Vec<_>>());
        assert_eq!(report.is_complete(), kind == ErrorKind::Busy);
        once(&reader, &memory).await;
        assert_eq!(ids(&memory, 0), (1..=5_000).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn one_device_that_is_given_twice_is_collected_once() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = Arc::new(MemorySink::new());
    let report = Collector::new(sink).with_devices([reader.device(), reader.device()]).run_once().await;
    assert!(report.is_complete());
    assert_eq!((report.devices.len(), report.stored()), (1, 1));
}
