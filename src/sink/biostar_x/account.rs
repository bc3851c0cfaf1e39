//! The account of one epoch of one reader: which ids are done with, and some of the events.

use std::collections::BTreeMap;

use crate::codec::{DeviceId, Event};
use crate::sink::{Gap, GapReason};

/// Which ids of an epoch are done with.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) first: u32,
    pub(super) watermark: u32,
    pub(super) gaps: BTreeMap<u32, (u32, GapReason)>,
    /// The oldest, the newest, and all outside the span from `first` to `watermark`.
    pub(super) events: BTreeMap<u32, Event>,
}

impl Account {
    /// An account in which no id is done with.
    pub(super) const fn new(first: u32) -> Self {
        Self { first, watermark: first.saturating_sub(1), gaps: BTreeMap::new(), events: BTreeMap::new() }
    }

    /// Whether the event with this id is stored, also where the event itself was forgotten.
    pub(super) fn holds(&self, id: u32) -> bool {
        self.events.contains_key(&id) || self.spans(id) && !self.is_missing(id)
    }

    /// Takes a batch in, and gives what is not kept any more.
    pub(super) fn take(
        &mut self,
        device: DeviceId,
        epoch: u32,
        events: impl Iterator<Item = Event>,
        gaps: &[Gap],
        (first, watermark): (u32, u32),
    ) -> Vec<Event> {
        for event in events {
            self.take_out(device, epoch, event.id());
            self.events.insert(event.id(), event);
        }
        for gap in gaps {
            self.add(*gap);
        }
        if first <= self.watermark.saturating_add(1) && self.first <= watermark.saturating_add(1) {
            self.first = self.first.min(first);
            self.watermark = self.watermark.max(watermark);
        }
        self.forget()
    }

    pub(super) fn gaps(&self, device: DeviceId, epoch: u32) -> impl Iterator<Item = Gap> {
        self.gaps.iter().map(move |(&from, &(to, reason))| Gap { device, epoch, from, to, reason })
    }

    /// Whether the id lies in the span; an account that begins at 0 with the watermark 0 may have none.
    fn spans(&self, id: u32) -> bool {
        self.has_span() && (self.first..=self.watermark).contains(&id)
    }

    /// An account from 0 on has no watermark for "nothing yet"; then only what is stored or missing counts.
    fn has_span(&self) -> bool {
        self.watermark > 0 || self.first > 0 || self.events.contains_key(&0) || self.is_missing(0)
    }

    fn is_missing(&self, id: u32) -> bool {
        self.gaps.range(..=id).next_back().is_some_and(|(_, (to, _))| *to >= id)
    }

    /// Takes an event out of the gap that it lies in.
    fn take_out(&mut self, device: DeviceId, epoch: u32, id: u32) {
        let Some((&from, &(to, reason))) = self.gaps.range(..=id).next_back() else { return };
        if to >= id {
            self.gaps.remove(&from);
            let gap = Gap { device, epoch, from, to, reason };
            self.gaps
                .extend(gap.without([(id, id)]).into_iter().map(|piece| (piece.from, (piece.to, reason))));
        }
    }

    /// Adds a gap around what is done with.
    fn add(&mut self, gap: Gap) {
        let span = (self.has_span() && self.first <= self.watermark).then_some((self.first, self.watermark));
        let span = span.filter(|(first, last)| *first <= gap.to && *last >= gap.from);
        let events = self.events.range(gap.from..=gap.to).map(|(id, _)| (*id, *id));
        let gaps = self.gaps.range(..=gap.to).filter(|(_, (to, _))| *to >= gap.from);
        let mut taken: Vec<_> = events.chain(gaps.map(|(from, (to, _))| (*from, *to))).chain(span).collect();
        taken.sort_unstable();
        self.gaps.extend(gap.without(taken).into_iter().map(|piece| (piece.from, (piece.to, piece.reason))));
    }

    /// Keeps of the events inside the span the oldest and the newest.
    fn forget(&mut self) -> Vec<Event> {
        let (first, watermark) = (self.first, self.watermark);
        if first > watermark {
            return Vec::new();
        }
        let inside: Vec<u32> = self.events.range(first..=watermark).map(|(id, _)| *id).collect();
        inside.iter().skip(1).rev().skip(KEPT).filter_map(|id| self.events.remove(id)).collect()
    }
}

/// How many of the newest events are kept.
const KEPT: usize = 128;
