//! The collector and events that cannot be read.

use crate::scripted_backend::run::{Run, device, gaps, ids, once, until};
use crate::scripted_backend::{DEVICE, Failure, Scripted, event};
use bs2_events::collect::Stop;
use bs2_events::sink::{GapReason, MemorySink};

#[tokio::test(start_paused = true)]
async fn each_is_a_gap_with_a_reason_of_its_own_and_the_log_goes_on_behind_it() {
    let reader = Scripted::new([2, 3, 6, 7, 8, 9].map(|id| event(id, 0)));
    reader.spoil([1, 4, 5, 10]);
    let sink = MemorySink::new();
    let report = once(&reader, &sink).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(ids(&sink, 0), [2, 3, 6, 7, 8, 9]);
    assert_eq!(gaps(&sink), unreadable([1, 4, 5, 10]));
    // The watermark stands at one that cannot be read again for comparison.
    reader.put([event(11, 0)]);
    assert!(once(&reader, &sink).await.is_complete());
    assert_eq!((ids(&sink, 0).last(), gaps(&sink)), (Some(&11), unreadable([1, 4, 5, 10])));
}

#[tokio::test(start_paused = true)]
async fn one_right_behind_the_watermark_is_not_taken_for_the_end_of_the_log() {
    let reader = Scripted::new([1, 2].map(|id| event(id, 0)));
    let sink = MemorySink::new();
    once(&reader, &sink).await;
    reader.spoil([3]);
    reader.put([event(4, 0)]);
    once(&reader, &sink).await;
    assert_eq!((ids(&sink, 0), gaps(&sink)), (vec![1, 2, 4], unreadable([3])));
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_below_it_is_another_gap() {
    let reader = Scripted::new([1, 2, 6].map(|id| event(id, 0)));
    reader.spoil([5]);
    let sink = MemorySink::new();
    once(&reader, &sink).await;
    assert_eq!(gaps(&sink), [(0, 3, 4, GapReason::Unknown), (0, 5, 5, GapReason::Unreadable)]);
    assert_eq!(ids(&sink, 0), [1, 2, 6]);
}

#[tokio::test(start_paused = true)]
async fn live_it_is_passed_over_and_what_follows_is_stored() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.spoil([2]);
    reader.lost(1);
    reader.happen(event(3, 0));
    until(|| sink.watermark(DEVICE, 0).is_some_and(|(_, watermark)| watermark == 3)).await;
    let report = run.stop(Stop::AfterCatchUp).await;
    assert!(device(&report).error.is_none());
    assert_eq!((ids(&sink, 0), gaps(&sink)), (vec![1, 3], unreadable([2])));
}

#[tokio::test(start_paused = true)]
async fn a_hole_that_it_makes_below_a_live_event_is_explained_by_it() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    // No one reports the first, and the log has the second a moment after the stream.
    reader.spoil([2]);
    reader.report(event(3, 0));
    until(|| !gaps(&sink).is_empty()).await;
    run.stop(Stop::AfterCatchUp).await;
    assert_eq!((ids(&sink, 0), gaps(&sink)), (vec![1, 3], unreadable([2])));
}

#[tokio::test(start_paused = true)]
async fn one_that_reaches_the_log_between_the_last_page_and_the_search_for_a_hole_is_explained_by_itself() {
    let reader = Scripted::new([event(1, 0)]);
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.spoil([2]);
    // The page for comparison, the end of the log, and its end again after a moment; then the event is there.
    reader.fail_next([Failure::Nothing, Failure::Empty, Failure::Empty]);
    reader.report(event(3, 0));
    until(|| !gaps(&sink).is_empty()).await;
    run.stop(Stop::AfterCatchUp).await;
    assert_eq!((ids(&sink, 0), gaps(&sink)), (vec![1, 3], unreadable([2])));
}

#[tokio::test]
async fn the_newest_id_may_be_one_of_them() {
    let reader = Scripted::new([event(1, 0)]);
    reader.spoil([2, 5]);
    assert_eq!(reader.device().newest_id(0).await.unwrap(), Some(5));
    assert_eq!(reader.device().newest_id(5).await.unwrap(), None);
}

fn unreadable<const N: usize>(ids: [u32; N]) -> Vec<(u32, u32, u32, GapReason)> {
    ids.map(|id| (0, id, id, GapReason::Unreadable)).to_vec()
}
