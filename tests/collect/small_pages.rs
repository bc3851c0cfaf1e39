//! The collector and pages that a device does not give: too large ones, and ones with a damaged record.

use std::sync::Arc;

use crate::scripted_backend::run::{Run, device, gaps, ids, once, until};
use crate::scripted_backend::{DEVICE, Failure, Scripted, event};
use bs2_events::ErrorKind;
use bs2_events::collect::Stop;
use bs2_events::sink::{GapReason, MemorySink};

#[tokio::test(start_paused = true)]
async fn a_slow_link_is_read_in_pages_that_fit_and_few_are_asked_for_in_vain() {
    for most in [1, 37, 500, 2_048] {
        let reader = Scripted::new((1..=6_000).map(|id| event(id, 0)));
        reader.limit(most);
        let sink = MemorySink::new();
        assert!(once(&reader, &sink).await.is_complete());
        assert_eq!((ids(&sink, 0).len(), gaps(&sink)), (6_000, vec![]));
        let asked: Vec<bool> = reader.asked().into_iter().map(|(.., given)| given).collect();
        let known = asked.iter().position(|given| *given).unwrap();
        assert!(asked[..known].len() <= 13, "{most}: halved until it fits");
        for (end, _) in asked.iter().enumerate().skip(known + 4) {
            let in_vain = asked[known..end].iter().filter(|given| !**given).count();
            assert!(in_vain * 4 <= end - known, "{most}: {in_vain} of {}", end - known);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_grow_again_when_the_link_is_fast_again() {
    let reader = Scripted::new((1..=2_000).map(|id| event(id, 0)));
    reader.limit(100);
    let client = reader.device();
    assert_eq!(client.logs(0, 2_000).await.unwrap().len(), 62);
    reader.limit(2_000);
    let (mut after, mut sizes) = (62, Vec::new());
    while after < 1_900 {
        let page = client.logs(after, 2_000).await.unwrap();
        after = page.last().unwrap().id();
        sizes.push(page.len());
    }
    assert!(sizes.iter().max() >= Some(&248), "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_had_is_a_gap_and_everything_else_is_stored() {
    type Case = (&'static [u32], &'static [(u32, u32)]);
    let cases: [Case; 6] = [
        (&[5], &[(5, 5)]),
        (&[1], &[(1, 1)]),
        (&[10], &[(10, 10)]),
        (&[4, 5, 6], &[(4, 6)]),
        (&[3, 5, 7], &[(3, 3), (5, 5), (7, 7)]),
        (&[1, 2, 9, 10], &[(1, 2), (9, 10)]),
    ];
    for (damaged, expected) in cases {
        let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
        reader.damage(damaged.iter().copied());
        let sink = MemorySink::new();
        let report = once(&reader, &sink).await;
        assert!(report.is_complete(), "{damaged:?}: {report:?}");
        let readable: Vec<u32> = (1..=10).filter(|id| !damaged.contains(id)).collect();
        assert_eq!(ids(&sink, 0), readable, "{damaged:?}");
        let expected: Vec<_> =
            expected.iter().map(|(from, to)| (0, *from, *to, GapReason::Unreadable)).collect();
        assert_eq!((gaps(&sink), sink.watermark(DEVICE, 0)), (expected, Some((1, 10))), "{damaged:?}");

        // It can be had later.
        reader.damage([]);
        once(&reader, &sink).await;
        assert_eq!((ids(&sink, 0).len(), gaps(&sink)), (10, vec![]), "{damaged:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn behind_a_damaged_oldest_record_of_a_full_ring_the_account_begins_at_the_first_id() {
    let reader = Scripted::new((701..=710).map(|id| event(id, 0)));
    reader.damage([701]);
    let sink = MemorySink::new();
    assert!(once(&reader, &sink).await.is_complete());
    assert_eq!(gaps(&sink), [(0, 1, 701, GapReason::Unreadable)]);
    assert_eq!((ids(&sink, 0).len(), sink.watermark(DEVICE, 0)), (9, Some((1, 710))));
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_read_the_device_has_failed_and_no_record_is_damaged() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    reader.damage(1..=10);
    let sink = MemorySink::new();
    let report = once(&reader, &sink).await;
    assert_eq!(device(&report).error.as_ref().map(|error| error.kind()), Some(ErrorKind::Busy));
    assert_eq!((sink.devices(), gaps(&sink)), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_failure_now_and_then_damages_no_record() {
    let reader = Scripted::new((1..=300).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let failures = [Failure::Error(ErrorKind::TimedOut), Failure::Nothing, Failure::Error(ErrorKind::Other)];
    reader.fail_next(failures.into_iter().cycle().take(2_000));
    once(&reader, &sink).await;
    once(&reader, &sink).await;
    assert_eq!((ids(&sink, 0).len(), gaps(&sink)), (300, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_record_that_was_reported_live_is_stored() {
    let reader = Scripted::new((1..=4).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.damage([5, 6]);
    reader.put([event(6, 0)]);
    reader.happen(event(5, 0));
    reader.happen(event(7, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 7))).await;
    run.stop(Stop::AfterCatchUp).await;
    assert_eq!(
        (ids(&sink, 0), gaps(&sink)),
        (vec![1, 2, 3, 4, 5, 7], vec![(0, 6, 6, GapReason::Unreadable)])
    );
}

#[tokio::test(start_paused = true)]
async fn live_events_are_stored_while_the_log_cannot_be_read() {
    let reader = Scripted::new((1..=4).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    reader.fail_next([Failure::Error(ErrorKind::TimedOut); 100_000]);
    let run = Run::begin(reader.device(), Arc::new(sink.clone()));
    until(|| reader.is_monitored()).await;
    reader.happen(event(5, 0));
    until(|| ids(&sink, 0) == [5]).await;
    reader.put([event(6, 0)]);
    reader.happen(event(7, 0));
    until(|| ids(&sink, 0) == [5, 7]).await;
    assert_eq!(gaps(&sink), []);
    reader.forgive();
    until(|| ids(&sink, 0).len() == 7).await;
    run.stop(Stop::Now).await;
    assert_eq!((ids(&sink, 0), gaps(&sink)), ((1..=7).collect(), vec![]));
}
