//! Events in any order, holes, and what ends an account.

use proptest::prelude::*;

use super::*;
use crate::codec::EventCode;

const DEVICE: DeviceId = DeviceId::new(1);

#[test]
fn an_event_above_a_hole_waits_until_the_hole_is_filled() {
    let mut ledger = begun(10);
    assert_eq!(ledger.offer(event(10)), Offered::Taken);
    assert_eq!(ledger.offer(event(12)), Offered::Taken);
    assert_eq!(ledger.hole(), Some((11, 11)));
    assert_eq!(ledger.watermark(), 10);
    assert_eq!(ledger.offer(event(11)), Offered::Taken);
    assert_eq!((ledger.hole(), ledger.watermark()), (None, 12));
    assert_eq!(ids(&ledger.take_batch(false).unwrap()), [10, 11, 12]);
}

#[test]
fn another_event_under_a_waiting_id_is_not_taken_for_a_repetition() {
    let mut ledger = begun(1);
    ledger.offer(event(5));
    assert_eq!(ledger.offer(event(5)), Offered::Repeated);
    let other = Event::builder(DEVICE, 5, EventCode::DOOR_CLOSED).build();
    assert_eq!(ledger.offer(other), Offered::Below);
}

#[test]
fn an_explained_hole_becomes_a_gap_and_the_watermark_passes_it() {
    let mut ledger = begun(1);
    ledger.offer(event(5));
    ledger.explain_hole(GapReason::Cleared);
    let batch = ledger.take_batch(false).unwrap();
    assert_eq!((batch.watermark, ids(&batch)), (5, vec![5]));
    assert_eq!((batch.gaps[0].from, batch.gaps[0].to), (1, 4));
}

#[test]
fn what_is_passed_over_is_a_gap_of_its_own_above_what_is_missing_and_what_waits() {
    let mut ledger = begun(1);
    ledger.offer(event(1));
    ledger.offer(event(4));
    assert!(ledger.pass_over(7));
    assert!(!ledger.pass_over(7));
    ledger.offer(event(8));
    let batch = ledger.take_batch(false).unwrap();
    let gaps: Vec<_> = batch.gaps.iter().map(|gap| (gap.from, gap.to, gap.reason)).collect();
    let (unknown, unreadable) = (GapReason::Unknown, GapReason::Unreadable);
    assert_eq!(gaps, [(2, 3, unknown), (5, 6, unknown), (7, 7, unreadable)]);
    assert_eq!((batch.watermark, ids(&batch)), (8, vec![1, 4, 8]));
}

#[test]
fn a_closed_epoch_accounts_for_every_id_to_the_last() {
    let mut ledger = begun(1);
    ledger.offer(event(1));
    ledger.offer(event(4));
    ledger.take_batch(true);
    ledger.offer(event(9));
    assert_eq!(ledger.close(), [event(9)]);
    let batch = ledger.take_batch(false).unwrap();
    let gaps: Vec<_> = batch.gaps.iter().map(|gap| (gap.from, gap.to)).collect();
    assert_eq!(gaps, [(2, 3), (5, u32::MAX)]);
    assert_eq!(batch.watermark, u32::MAX);
}

#[test]
fn the_last_id_of_a_counter_and_the_first_after_it_are_no_hole() {
    let mut ledger = begun(u32::MAX);
    assert_eq!(ledger.offer(event(u32::MAX)), Offered::Taken);
    assert_eq!(ledger.hole(), None);
    assert_eq!(ledger.offer(event(0)), Offered::Below);
    let mut ledger = Ledger::new(DEVICE, 1);
    ledger.offer(event(0));
    ledger.begin_at(0);
    ledger.offer(event(1));
    assert_eq!(ids(&ledger.take_batch(false).unwrap()), [0, 1]);
}

#[test]
fn nothing_is_stored_before_the_log_was_read() {
    let mut ledger = Ledger::new(DEVICE, 0);
    ledger.offer(event(500));
    assert!(ledger.take_batch(true).is_none());
    ledger.begin_at(1);
    assert_eq!((ledger.hole(), ledger.watermark()), (Some((1, 499)), 0));
}

#[test]
fn an_event_reported_before_the_oldest_of_the_log_begins_the_account() {
    let mut ledger = Ledger::new(DEVICE, 0);
    ledger.offer(event(8));
    ledger.begin_at(10);
    ledger.offer(event(10));
    assert_eq!((ledger.watermark(), ledger.hole()), (8, Some((9, 9))));
}

#[test]
fn waiting_events_are_stored_on_demand_and_only_once() {
    let mut ledger = begun(1);
    ledger.offer(event(3));
    assert!(ledger.take_batch(false).is_none());
    let batch = ledger.take_batch(true).unwrap();
    assert_eq!((ids(&batch), batch.watermark), (vec![3], 0));
    assert!(ledger.take_batch(true).is_none());
    ledger.offer(event(1));
    ledger.offer(event(2));
    let batch = ledger.take_batch(false).unwrap();
    assert_eq!((ids(&batch), batch.watermark), (vec![1, 2], 3));
}

proptest! {
    #[test]
    fn any_order_gives_every_event_once_and_a_contiguous_watermark(
        present in proptest::collection::btree_set(1u32..60, 1..50), seed in any::<u64>()
    ) {
        let mut order: Vec<u32> = present.iter().chain(present.iter()).copied().collect();
        let mut state = seed;
        order.sort_by_cached_key(|_| { state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1); state >> 33 });
        let mut ledger = begun(1);
        let mut taken = 0;
        for id in order {
            taken += usize::from(ledger.offer(event(id)) == Offered::Taken);
        }
        prop_assert_eq!(taken, present.len());
        while ledger.hole().is_some() {
            ledger.explain_hole(GapReason::Unknown);
        }
        let batch = ledger.take_batch(false).unwrap();
        let mut stored = ids(&batch);
        stored.sort_unstable();
        prop_assert_eq!(&stored, &present.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(Some(&batch.watermark), present.last());
        for id in 1..=batch.watermark {
            let explained = batch.gaps.iter().any(|gap| (gap.from..=gap.to).contains(&id));
            prop_assert_ne!(explained, present.contains(&id));
        }
    }
}

fn begun(first: u32) -> Ledger {
    let mut ledger = Ledger::new(DEVICE, 0);
    ledger.begin_at(first);
    ledger
}

fn event(id: u32) -> Event {
    Event::builder(DEVICE, id, EventCode::DOOR_OPENED).build()
}

fn ids(batch: &Batch) -> Vec<u32> {
    batch.events.iter().map(Event::id).collect()
}
