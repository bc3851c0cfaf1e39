//! Puts the events of one epoch in the order of their ids, and finds what is missing; no I/O.

use std::collections::BTreeMap;

use crate::codec::{DeviceId, Event};
use crate::sink::{Batch, Gap, GapReason, ResumePoint};

/// The events of one epoch of one device, in the order of their ids: a contiguous watermark, the events that wait above
/// it, the gaps below it, and the batch that is not stored yet.
///
/// The watermark passes an id only when its event is stored or in the batch, or when a gap covers the id. A hole becomes a
/// gap only when the log has shown an event above it: a live event proves nothing of the log.
pub(super) struct Sequencer {
    device: DeviceId,
    epoch: u32,
    /// The first id that the collection covers; not known until the device's log was read for the first time.
    first: Option<u32>,
    watermark: u32,
    /// The watermark of the last batch.
    kept: u32,
    /// The event at the watermark; `None` if only the sink has it.
    last: Option<Event>,
    /// The events above the watermark, and whether each is stored already.
    waiting: BTreeMap<u32, (Event, bool)>,
    /// How many of them are not.
    unstored: usize,
    /// The gaps up to the watermark, by their first id.
    gaps: BTreeMap<u32, Gap>,
    /// The newest id that the log has shown.
    shown: Option<u32>,
    /// The newest event up to the watermark is stored with a clock, or from this run.
    has_clock: bool,
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
    /// Its id is not above the watermark: the event is a repetition, came late, or the device has restarted its event ids.
    Below,
}

impl Sequencer {
    /// An epoch of which nothing is known.
    pub(super) fn new(device: DeviceId, epoch: u32) -> Self {
        let (first, watermark, kept, last, waiting, unstored, gaps, shown, abandoned) = Default::default();
        let batch = Batch::new(device, epoch, 0, 0);
        let has_clock = true;
        Self {
            device,
            epoch,
            first,
            watermark,
            kept,
            last,
            has_clock,
            waiting,
            unstored,
            gaps,
            shown,
            batch,
            abandoned,
        }
    }

    /// An epoch that continues where a sink left it, with the gaps of the device.
    ///
    /// An epoch that was closed ends with a gap up to the last possible id, and with gaps between events that waited then.
    /// It continues before them.
    pub(super) fn resume(device: DeviceId, point: ResumePoint, gaps: &[Gap]) -> Self {
        let gaps = gaps.iter().filter(|gap| gap.epoch == point.epoch);
        let mut watermark = point.watermark;
        for gap in gaps.clone().rev() {
            let is_end = gap.reason == GapReason::Reset && watermark - gap.to.min(watermark) <= MOST_WAITING;
            if point.watermark < u32::MAX || !is_end || watermark == u32::MAX && !gap.is_open() {
                break;
            }
            watermark = gap.from.saturating_sub(1);
        }
        Self {
            first: Some(point.first),
            watermark,
            kept: watermark,
            has_clock: point.has_clock,
            waiting: point.above.into_iter().map(|event| (event.id(), (event, true))).collect(),
            gaps: gaps.filter(|gap| gap.from <= watermark).map(|gap| (gap.from, *gap)).collect(),
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

    /// Covers the ids from `id` on, which the log shows below the first one: those between become a gap.
    pub(super) fn extend_to(&mut self, id: u32) {
        if let Some(first) = self.first.filter(|first| id < *first) {
            self.gap(id, first - 1, GapReason::Unknown);
            self.first = Some(id);
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
        if let Some((known, is_stored)) = self.waiting.get_mut(&event.id()) {
            if !known.is_same_event(&event) {
                return Offered::Below;
            }
            let completed = known.completed_with(&event, false);
            if completed != *known {
                // A sink learns from the repetition.
                *known = completed;
                if *is_stored {
                    self.batch.events.push(completed);
                }
            }
            return Offered::Repeated;
        }
        self.waiting.insert(event.id(), (event, false));
        self.unstored += 1;
        self.advance();
        Offered::Taken
    }

    /// Takes an event that the log shows. It stands for the log where another event was reported live under its id, as
    /// long as that one is not stored.
    pub(super) fn offer_logged(&mut self, event: Event) -> Offered {
        if let Some((known, false)) = self.waiting.get_mut(&event.id())
            && !known.is_same_event(&event)
        {
            *known = event;
            return Offered::Taken;
        }
        self.offer(event)
    }

    /// Notes that the log has shown this id.
    pub(super) fn show(&mut self, id: u32) {
        self.shown = self.shown.max(Some(id));
    }

    /// Whether this id is missing up to the watermark, or below the first id.
    pub(super) fn lacks(&self, id: u32) -> bool {
        self.first.is_some_and(|first| id < first) || self.gap_of(id).is_some()
    }

    /// Takes an event that is missing up to the watermark, or below the first id.
    pub(super) fn take_late(&mut self, event: Event) {
        let id = event.id();
        self.extend_to(id);
        if let Some(gap) = self.gap_of(id) {
            self.gaps.remove(&gap.from);
            self.gaps.extend(gap.without([(id, id)]).into_iter().map(|piece| (piece.from, piece)));
        }
        self.batch.events.push(event);
    }

    /// The part of the first gap at or above `id`: its ids from `id` on.
    pub(super) fn gap_from(&self, id: u32) -> Option<Gap> {
        let gap = self.gap_of(id).or_else(|| self.gaps.range(id..).next().map(|(_, gap)| *gap))?;
        Some(Gap { from: gap.from.max(id), ..gap })
    }

    /// The last missing id from `from` to `to`.
    pub(super) fn last_missing(&self, from: u32, to: u32) -> u32 {
        self.gaps.range(..=to).next_back().map_or(to, |(_, gap)| gap.to.min(to)).max(from)
    }

    /// The first hole: the ids that are missing below the first waiting event, both ends included.
    pub(super) fn hole(&self) -> Option<(u32, u32)> {
        self.first?;
        let (&next, _) = self.waiting.first_key_value()?;
        Some((self.watermark.checked_add(1)?, next.checked_sub(1)?))
    }

    /// The first hole, if the log has shown an event above it.
    pub(super) fn shown_hole(&self) -> Option<(u32, u32)> {
        self.hole().filter(|(_, to)| self.shown.is_some_and(|shown| *to < shown))
    }

    /// The last id of the last hole above which the log has shown an event.
    pub(super) fn end_of_holes(&self) -> Option<u32> {
        let (_, mut end) = self.shown_hole()?;
        let shown = self.waiting.range(..=self.shown?);
        let mut above: Option<u32> = None;
        for (&id, _) in shown.rev() {
            if above.is_some_and(|above| above - id > 1) {
                end = above.map_or(end, |above| above - 1);
                break;
            }
            above = Some(id);
        }
        Some(end)
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
            self.last = None;
            self.advance();
        }
    }

    /// Makes a gap of events that the log has and that cannot be read. They are the first ones of the log after the
    /// watermark, so the log lacks the ids below them. Returns `false` if they are not above the watermark.
    pub(super) fn pass_over(&mut self, from: u32, to: u32) -> bool {
        self.begin_at(from);
        self.show(to);
        if to <= self.watermark {
            return false;
        }
        while self.watermark < to {
            let next = self.watermark + 1;
            let end = self.first_waiting().map_or(to, |waiting| to.min(waiting - 1));
            if next < from {
                self.gap(next, end.min(from - 1), GapReason::Unknown);
            }
            if end >= from {
                self.gap(next.max(from), end, GapReason::Unreadable);
            }
            self.watermark = end;
            self.last = None;
            self.advance();
        }
        true
    }

    /// Ends the epoch: no further event of it will come. Returns the waiting events that are not stored; they belong to
    /// this epoch or to the next one.
    pub(super) fn close(&mut self) -> Vec<Event> {
        let waiting = std::mem::take(&mut self.waiting);
        let (stored, unstored): (BTreeMap<_, _>, BTreeMap<_, _>) =
            waiting.into_iter().partition(|(_, (_, stored))| *stored);
        (self.waiting, self.unstored) = (stored, 0);
        while self.hole().is_some() {
            self.explain_hole(GapReason::Reset);
        }
        if let Some(from) = self.watermark.checked_add(1).filter(|_| self.first.is_some()) {
            self.gap(from, u32::MAX, GapReason::Reset);
            self.watermark = u32::MAX;
        }
        unstored.into_values().map(|(event, _)| event).collect()
    }

    /// Takes what is not stored yet, with the watermark that is right once it is stored; `None` if nothing changed.
    ///
    /// Waiting events are left out unless `all` is set: usually the hole below them is filled in a moment. Before the
    /// log was read there is no batch without `all`; with it, the account begins at the first waiting event.
    pub(super) fn take_batch(&mut self, all: bool) -> Option<Batch> {
        if let Some(waiting) = self.first_waiting().filter(|_| all) {
            self.begin_at(waiting);
        }
        let first = self.first?;
        if all && self.unstored > 0 {
            for (event, stored) in self.waiting.values_mut().filter(|(_, stored)| !stored) {
                self.batch.events.push(*event);
                *stored = true;
            }
            self.unstored = 0;
        }
        if self.abandoned || self.batch.events.is_empty() && self.batch.gaps.is_empty() {
            return None;
        }
        let mut batch = std::mem::replace(&mut self.batch, Batch::new(self.device, self.epoch, 0, 0));
        (batch.first, batch.watermark) = (first, self.watermark);
        self.kept = self.watermark;
        Some(batch)
    }

    /// Takes the events that are not stored out again: they are of another epoch.
    pub(super) fn take_unstored(&mut self) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.batch.events);
        events.extend(self.waiting.values().filter(|(_, stored)| !stored).map(|(event, _)| *event));
        self.waiting.retain(|_, (_, stored)| *stored);
        (self.unstored, self.watermark, self.last) = (0, self.kept, None);
        events
    }

    /// Ends the work after a batch did not reach the sink: a later batch would hide the loss. The work continues with a
    /// new sequencer from the sink's resume point.
    pub(super) fn abandon(&mut self) {
        self.abandoned = true;
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The event at the watermark; `None` if only the sink has it, or nobody.
    pub(super) fn last(&self) -> Option<&Event> {
        self.last.as_ref()
    }

    /// The stored ids at which the log can be compared with the account, the newest first: those that the log has shown,
    /// or all.
    pub(super) fn stored_ids(&self) -> impl Iterator<Item = u32> {
        let newest = self.shown.map_or(self.watermark, |shown| shown.min(self.watermark));
        let first = self.first.unwrap_or(u32::MAX);
        let mut next = Some(newest);
        std::iter::from_fn(move || {
            let mut id = next?;
            while let Some(gap) = self.gap_of(id) {
                id = gap.from.checked_sub(1)?;
            }
            next = id.checked_sub(1);
            Some(id).filter(|id| *id >= first)
        })
    }

    /// Whether stored events lack the clock that the log may give: the newest one does.
    pub(super) fn lacks_clock(&self) -> bool {
        !self.has_clock
    }

    /// The events up to the watermark have been read with their clock.
    pub(super) fn set_has_clock(&mut self) {
        self.has_clock = true;
    }

    pub(super) fn has_begun(&self) -> bool {
        self.first.is_some()
    }

    /// The first id that the collection covers.
    pub(super) fn first(&self) -> Option<u32> {
        self.first
    }

    /// Whether ids up to the watermark, or below the first one, are missing that the log may show later.
    pub(super) fn may_lack(&self) -> bool {
        !self.gaps.is_empty() || self.first.is_some_and(|first| first > 1)
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

    /// How many events wait, stored or not.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many waiting events are not stored.
    pub(super) fn unstored(&self) -> usize {
        self.unstored
    }

    fn gap_of(&self, id: u32) -> Option<Gap> {
        self.gaps.range(..=id).next_back().map(|(_, gap)| *gap).filter(|gap| gap.to >= id)
    }

    fn gap(&mut self, from: u32, to: u32, reason: GapReason) {
        let gap = Gap { device: self.device, epoch: self.epoch, from, to, reason };
        self.gaps.insert(from, gap);
        self.batch.gaps.push(gap);
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
            self.unstored = self.unstored.saturating_sub(1);
        }
    }
}

/// Whether ids lie so far apart that the counter went past its end between them.
pub(super) const fn is_lap(low: u32, high: u32) -> bool {
    high.saturating_sub(low) >= LAP
}

/// Half of all ids: far more than any device keeps.
const LAP: u32 = 1 << 31;

/// No more events wait when an epoch is closed.
const MOST_WAITING: u32 = 1_024;

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
        assert!(sequencer.pass_over(7, 7));
        assert!(!sequencer.pass_over(7, 7));
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
    fn live_events_alone_begin_an_account_and_what_the_log_shows_below_them_is_a_gap() {
        let mut sequencer = Sequencer::new(DEVICE, 0);
        sequencer.offer(event(500));
        assert!(sequencer.take_batch(false).is_none());
        let batch = sequencer.take_batch(true).unwrap();
        assert_eq!((batch.first, batch.watermark, ids(&batch)), (500, 500, vec![500]));
        assert!(sequencer.lacks(1) && !sequencer.lacks(500));
        let gap_from = |sequencer: &Sequencer, id| sequencer.gap_from(id).map(|gap| (gap.from, gap.to));
        sequencer.extend_to(3);
        assert_eq!(
            (gap_from(&sequencer, 0), gap_from(&sequencer, 7), gap_from(&sequencer, 500)),
            (Some((3, 499)), Some((7, 499)), None)
        );
        sequencer.take_late(event(4));
        let batch = sequencer.take_batch(false).unwrap();
        assert_eq!((batch.first, batch.watermark, ids(&batch)), (3, 500, vec![4]));
        assert_eq!((gap_from(&sequencer, 0), gap_from(&sequencer, 4)), (Some((3, 3)), Some((5, 499))));
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
