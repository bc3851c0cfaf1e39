//! Puts the events of one epoch in the order of their ids, and finds what is missing; no I/O.

use std::collections::BTreeMap;

use crate::codec::{DeviceId, Event, EventFlags};
use crate::sink::{Batch, Gap, GapReason, ResumePoint};

/// The events of one epoch of one device, in the order of their ids: a contiguous watermark, the events that wait above
/// it, and the batch that is not stored yet.
///
/// The watermark passes an id only when its event is stored or in the batch, or when a gap covers the id.
pub(super) struct Sequencer {
    device: DeviceId,
    epoch: u32,
    /// The first id that the collection covers; not known until the device's log was read for the first time.
    first: Option<u32>,
    watermark: u32,
    /// The event at the watermark; `None` if only the sink has it.
    last: Option<Event>,
    /// The events above the watermark, and whether each is stored already.
    waiting: BTreeMap<u32, (Event, bool)>,
    batch: Batch,
    /// A batch did not reach the sink: no further batch may be taken.
    abandoned: bool,
}

/// What [`Sequencer::offer`] did with an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Offered {
    /// It is in the batch, or waits because of a hole below it.
    Taken,
    /// The same event waits already.
    Repeated,
    /// Its id is not above the watermark: the event is a repetition, or the device has restarted its event ids.
    Below,
}

impl Sequencer {
    /// An epoch of which nothing is known.
    pub(super) fn new(device: DeviceId, epoch: u32) -> Self {
        let (first, watermark, last, waiting, abandoned) = Default::default();
        let batch = Batch::new(device, epoch, 0, 0);
        Self { device, epoch, first, watermark, last, waiting, batch, abandoned }
    }

    /// An epoch that continues where a sink left it.
    pub(super) fn resume(device: DeviceId, point: ResumePoint) -> Self {
        Self {
            first: Some(point.first),
            watermark: point.watermark,
            waiting: point.above.into_iter().map(|event| (event.id(), (event, true))).collect(),
            ..Self::new(device, point.epoch)
        }
    }

    /// Makes `id` the first id, or the id of an older event that was reported live. Older ids are not covered.
    pub(super) fn begin_at(&mut self, id: u32) {
        if self.first.is_none() {
            let id = self.first_waiting().map_or(id, |waiting| waiting.min(id));
            self.first = Some(id);
            self.watermark = id.saturating_sub(1);
            if id == 0 {
                // An id of 0 occurs only after an overflow of the counter; there is no watermark below it.
                if let Some((event, stored)) = self.waiting.remove(&0) {
                    self.put(event, stored);
                }
            }
            self.advance();
        }
    }

    /// Takes the first of these events, as long as each is the next one and nothing waits; returns how many. They go
    /// into the batch at once; the others are for [`offer`](Self::offer).
    pub(super) fn take_run(&mut self, events: &[Event]) -> usize {
        if self.first.is_none() || !self.waiting.is_empty() {
            return 0;
        }
        let next = (1..).map(|offset| self.watermark.checked_add(offset));
        let run = events.iter().zip(next).take_while(|(event, id)| Some(event.id()) == *id).count();
        let Some(run) = events.get(..run) else { return 0 };
        if let Some(last) = run.last() {
            self.batch.events.extend_from_slice(run);
            self.watermark = last.id();
            self.last = Some(*last);
        }
        run.len()
    }

    /// Takes an event of the log or of the live stream, in any order.
    pub(super) fn offer(&mut self, event: Event) -> Offered {
        // Most events are the next one, and never wait.
        if self.take_run(&[event]) == 1 {
            return Offered::Taken;
        }
        if self.first.is_some() && event.id() <= self.watermark {
            return Offered::Below;
        }
        if let Some((known, _)) = self.waiting.get(&event.id()) {
            return if is_same(known, &event) { Offered::Repeated } else { Offered::Below };
        }
        self.waiting.insert(event.id(), (event, false));
        self.advance();
        Offered::Taken
    }

    /// Takes an event below the watermark that arrived after its id had become a gap, or after a higher id had become the
    /// first one; then its id becomes the first one.
    pub(super) fn take_late(&mut self, event: Event) {
        if let Some(before) = self.first.filter(|first| event.id() < *first).map(|first| first - 1) {
            if event.id() < before {
                self.gap(event.id() + 1, before, GapReason::Unknown);
            }
            self.first = Some(event.id());
        }
        self.batch.events.push(event);
    }

    /// The first hole: the ids that are missing below the first waiting event, both ends included.
    pub(super) fn hole(&self) -> Option<(u32, u32)> {
        self.first?;
        let (&next, _) = self.waiting.first_key_value()?;
        Some((self.watermark.checked_add(1)?, next.checked_sub(1)?))
    }

    /// The event that follows the first hole.
    pub(super) fn after_hole(&self) -> Option<&Event> {
        self.waiting.first_key_value().map(|(_, (event, _))| event)
    }

    /// Makes a gap of the first hole.
    pub(super) fn explain_hole(&mut self, reason: GapReason) {
        if let Some((from, to)) = self.hole() {
            self.gap(from, to, reason);
            self.watermark = to;
            self.advance();
        }
    }

    /// Makes a gap of an event that the log has and that cannot be read. It is the first one of the log after the
    /// watermark, so the log lacks the ids below it. Returns `false` if it is not above the watermark.
    pub(super) fn pass_over(&mut self, id: u32) -> bool {
        self.begin_at(id);
        if id <= self.watermark {
            return false;
        }
        while self.hole().is_some_and(|(_, to)| to < id) {
            self.explain_hole(GapReason::Unknown);
        }
        if self.watermark < id {
            let missing = self.watermark.saturating_add(1);
            if missing < id {
                self.gap(missing, id - 1, GapReason::Unknown);
            }
            self.gap(id, id, GapReason::Unreadable);
            self.watermark = id;
            self.advance();
        }
        true
    }

    /// Removes the event above the first hole: it will be stored, and the watermark does not wait for it. Returns its id.
    pub(super) fn set_aside(&mut self) -> Option<u32> {
        let (id, (event, stored)) = self.waiting.pop_first()?;
        if !stored {
            self.batch.events.push(event);
        }
        Some(id)
    }

    /// Ends the epoch: no further event of it will come. Returns the waiting events that are not stored; they belong to
    /// this epoch or to the next one.
    pub(super) fn close(&mut self) -> Vec<Event> {
        let waiting = std::mem::take(&mut self.waiting);
        let (stored, unstored): (BTreeMap<_, _>, BTreeMap<_, _>) =
            waiting.into_iter().partition(|(_, (_, stored))| *stored);
        self.waiting = stored;
        while self.hole().is_some() {
            self.explain_hole(GapReason::Reset);
        }
        if let Some(from) = self.watermark.checked_add(1) {
            self.gap(from, u32::MAX, GapReason::Reset);
            self.watermark = u32::MAX;
        }
        unstored.into_values().map(|(event, _)| event).collect()
    }

    /// Takes what is not stored yet, with the watermark that is right once it is stored; `None` if nothing changed.
    ///
    /// Waiting events are left out unless `all` is set: usually the hole below them is filled in a moment. Before the
    /// first id is known there is no batch: a watermark made from live events alone would skip the log.
    pub(super) fn take_batch(&mut self, all: bool) -> Option<Batch> {
        let first = self.first?;
        if all {
            for (event, stored) in self.waiting.values_mut().filter(|(_, stored)| !stored) {
                self.batch.events.push(*event);
                *stored = true;
            }
        }
        if self.abandoned || self.batch.events.is_empty() && self.batch.gaps.is_empty() {
            return None;
        }
        let mut batch = std::mem::replace(&mut self.batch, Batch::new(self.device, self.epoch, 0, 0));
        (batch.first, batch.watermark) = (first, self.watermark);
        Some(batch)
    }

    /// Ends the work after a batch did not reach the sink: a later batch would hide the loss. The work continues with a
    /// new sequencer from the sink's resume point.
    pub(super) fn abandon(&mut self) {
        self.abandoned = true;
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The event at the watermark; `None` if only the sink has it.
    pub(super) fn last(&self) -> Option<&Event> {
        self.last.as_ref()
    }

    pub(super) fn has_begun(&self) -> bool {
        self.first.is_some()
    }

    /// The id after which to read: the watermark, or 0 for a log that was never read.
    pub(super) fn watermark(&self) -> u32 {
        if self.first.is_some() { self.watermark } else { 0 }
    }

    /// How many events are ready to be stored.
    pub(super) fn ready(&self) -> usize {
        self.batch.events.len()
    }

    /// The smallest waiting id.
    pub(super) fn first_waiting(&self) -> Option<u32> {
        self.waiting.keys().next().copied()
    }

    /// How many events wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn gap(&mut self, from: u32, to: u32, reason: GapReason) {
        self.batch.gaps.push(Gap { device: self.device, epoch: self.epoch, from, to, reason });
    }

    /// Moves the watermark over the waiting events that follow it without a hole.
    fn advance(&mut self) {
        if self.first.is_none() {
            return;
        }
        while let Some(entry) = self.waiting.first_entry() {
            if Some(*entry.key()) != self.watermark.checked_add(1) {
                return;
            }
            let (event, stored) = entry.remove();
            self.put(event, stored);
        }
    }

    fn put(&mut self, event: Event, stored: bool) {
        self.watermark = event.id();
        self.last = Some(event);
        if !stored {
            self.batch.events.push(event);
        }
    }
}

/// Whether two records with one id are the same event: all their bytes agree, except the flag of the image. A device may
/// report an event before its picture is ready, and one bit is not enough to conclude that the ids have restarted.
pub(super) fn is_same(one: &Event, other: &Event) -> bool {
    match (one.as_bytes().split_last(), other.as_bytes().split_last()) {
        (Some((flags, record)), Some((other_flags, other_record))) => {
            record == other_record && (flags ^ other_flags) & !EventFlags::IMAGE.bits() == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::EventCode;

    const DEVICE: DeviceId = DeviceId::new(1);

    #[test]
    fn an_event_above_a_hole_waits_until_the_hole_is_filled() {
        let mut sequencer = begun(10);
        assert_eq!(sequencer.offer(event(10)), Offered::Taken);
        assert_eq!(sequencer.offer(event(12)), Offered::Taken);
        assert_eq!(sequencer.hole(), Some((11, 11)));
        assert_eq!(sequencer.watermark(), 10);
        assert_eq!(sequencer.offer(event(11)), Offered::Taken);
        assert_eq!((sequencer.hole(), sequencer.watermark()), (None, 12));
        assert_eq!(ids(&sequencer.take_batch(false).unwrap()), [10, 11, 12]);
    }

    #[test]
    fn another_event_with_a_waiting_id_is_not_a_repetition() {
        let mut sequencer = begun(1);
        sequencer.offer(event(5));
        assert_eq!(sequencer.offer(event(5)), Offered::Repeated);
        let other = Event::builder(DEVICE, 5, EventCode::DOOR_CLOSED).build();
        assert_eq!(sequencer.offer(other), Offered::Below);
    }

    #[test]
    fn an_explained_hole_becomes_a_gap_and_the_watermark_passes_it() {
        let mut sequencer = begun(1);
        sequencer.offer(event(5));
        sequencer.explain_hole(GapReason::Cleared);
        let batch = sequencer.take_batch(false).unwrap();
        assert_eq!((batch.watermark, ids(&batch)), (5, vec![5]));
        assert_eq!((batch.gaps[0].from, batch.gaps[0].to), (1, 4));
    }

    #[test]
    fn what_is_passed_over_is_a_gap_of_its_own_above_holes_and_waiting_events() {
        let mut sequencer = begun(1);
        sequencer.offer(event(1));
        sequencer.offer(event(4));
        assert!(sequencer.pass_over(7));
        assert!(!sequencer.pass_over(7));
        sequencer.offer(event(8));
        let batch = sequencer.take_batch(false).unwrap();
        let gaps: Vec<_> = batch.gaps.iter().map(|gap| (gap.from, gap.to, gap.reason)).collect();
        let (unknown, unreadable) = (GapReason::Unknown, GapReason::Unreadable);
        assert_eq!(gaps, [(2, 3, unknown), (5, 6, unknown), (7, 7, unreadable)]);
        assert_eq!((batch.watermark, ids(&batch)), (8, vec![1, 4, 8]));
    }

    #[test]
    fn a_closed_epoch_covers_every_id_to_the_last() {
        let mut sequencer = begun(1);
        sequencer.offer(event(1));
        sequencer.offer(event(4));
        sequencer.take_batch(true);
        sequencer.offer(event(9));
        assert_eq!(sequencer.close(), [event(9)]);
        let batch = sequencer.take_batch(false).unwrap();
        let gaps: Vec<_> = batch.gaps.iter().map(|gap| (gap.from, gap.to)).collect();
        assert_eq!(gaps, [(2, 3), (5, u32::MAX)]);
        assert_eq!(batch.watermark, u32::MAX);
    }

    #[test]
    fn the_last_id_of_a_counter_and_the_first_after_it_are_no_hole() {
        let mut sequencer = begun(u32::MAX);
        assert_eq!(sequencer.offer(event(u32::MAX)), Offered::Taken);
        assert_eq!(sequencer.hole(), None);
        assert_eq!(sequencer.offer(event(0)), Offered::Below);
        let mut sequencer = Sequencer::new(DEVICE, 1);
        sequencer.offer(event(0));
        sequencer.begin_at(0);
        sequencer.offer(event(1));
        assert_eq!(ids(&sequencer.take_batch(false).unwrap()), [0, 1]);
    }

    #[test]
    fn a_run_ends_where_an_id_is_not_the_next_one() {
        let mut sequencer = begun(5);
        let events = [5, 6, 7, 9].map(event);
        assert_eq!((sequencer.take_run(&events), sequencer.watermark(), sequencer.ready()), (3, 7, 3));
        assert_eq!(sequencer.take_run(&events[3..]), 0);
        sequencer.offer(event(9));
        assert_eq!(sequencer.take_run(&[event(8)]), 0);
        assert_eq!(Sequencer::new(DEVICE, 0).take_run(&events), 0);
        assert_eq!(begun(u32::MAX).take_run(&[u32::MAX, 0].map(event)), 1);
    }

    #[test]
    fn nothing_is_stored_before_the_log_was_read() {
        let mut sequencer = Sequencer::new(DEVICE, 0);
        sequencer.offer(event(500));
        assert!(sequencer.take_batch(true).is_none());
        sequencer.begin_at(1);
        assert_eq!((sequencer.hole(), sequencer.watermark()), (Some((1, 499)), 0));
    }

    #[test]
    fn an_event_reported_before_the_oldest_of_the_log_is_the_first() {
        let mut sequencer = Sequencer::new(DEVICE, 0);
        sequencer.offer(event(8));
        sequencer.begin_at(10);
        sequencer.offer(event(10));
        assert_eq!((sequencer.watermark(), sequencer.hole()), (8, Some((9, 9))));
    }

    #[test]
    fn waiting_events_are_stored_on_demand_and_only_once() {
        let mut sequencer = begun(1);
        sequencer.offer(event(3));
        assert!(sequencer.take_batch(false).is_none());
        let batch = sequencer.take_batch(true).unwrap();
        assert_eq!((ids(&batch), batch.watermark), (vec![3], 0));
        assert!(sequencer.take_batch(true).is_none());
        sequencer.offer(event(1));
        sequencer.offer(event(2));
        let batch = sequencer.take_batch(false).unwrap();
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
            let mut sequencer = begun(1);
            let mut taken = 0;
            for id in order {
                taken += usize::from(sequencer.offer(event(id)) == Offered::Taken);
            }
            prop_assert_eq!(taken, present.len());
            while sequencer.hole().is_some() {
                sequencer.explain_hole(GapReason::Unknown);
            }
            let batch = sequencer.take_batch(false).unwrap();
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

    fn begun(first: u32) -> Sequencer {
        let mut sequencer = Sequencer::new(DEVICE, 0);
        sequencer.begin_at(first);
        sequencer
    }

    fn event(id: u32) -> Event {
        Event::builder(DEVICE, id, EventCode::DOOR_OPENED).build()
    }

    fn ids(batch: &Batch) -> Vec<u32> {
        batch.events.iter().map(Event::id).collect()
    }
}
