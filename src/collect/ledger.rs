//! What of one epoch is stored, what waits, and what is missing; no I/O.

use std::collections::BTreeMap;

use crate::codec::{DeviceId, Event, EventFlags};
use crate::sink::{Batch, GapReason, ResumePoint};

/// The account of one epoch of one reader: a contiguous watermark, the events that wait above it, and the batch of
/// what is not stored yet.
///
/// The watermark passes an id only when its event is in the batch or stored, or a gap explains it.
pub(super) struct Ledger {
    device: DeviceId,
    epoch: u32,
    /// The first id to account for; unknown until the reader's log was read for the first time.
    first: Option<u32>,
    watermark: u32,
    /// The event at the watermark, if it passed through here.
    last: Option<Event>,
    /// Events above the watermark, and whether they are stored already.
    waiting: BTreeMap<u32, (Event, bool)>,
    batch: Batch,
    /// A batch did not reach the sink: nothing more may be stored from this account.
    abandoned: bool,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Offered {
    /// It is in the batch, or waits for a hole below it.
    Taken,
    /// The very same event waits already.
    Repeated,
    /// Its id is not above the watermark: it is a repetition, or the reader began to count anew.
    Below,
}

impl Ledger {
    /// The account of an epoch of which nothing is known.
    pub(super) fn new(device: DeviceId, epoch: u32) -> Self {
        let batch = Batch::new(device, epoch, 0, 0);
        Self {
            device,
            epoch,
            first: None,
            watermark: 0,
            last: None,
            waiting: BTreeMap::new(),
            batch,
            abandoned: false,
        }
    }

    /// The account that a sink left.
    pub(super) fn resume(device: DeviceId, point: ResumePoint) -> Self {
        Self {
            first: Some(point.first),
            watermark: point.watermark,
            waiting: point.above.into_iter().map(|event| (event.id(), (event, true))).collect(),
            ..Self::new(device, point.epoch)
        }
    }

    /// Begins the account at `id`, or at an older event that was reported live; what is older is not accounted for.
    pub(super) fn begin_at(&mut self, id: u32) {
        if self.first.is_none() {
            let id = self.first_waiting().map_or(id, |waiting| waiting.min(id));
            self.first = Some(id);
            self.watermark = id.saturating_sub(1);
            if id == 0 {
                // An id of 0 exists only after a counter ran over; there is no watermark below it.
                if let Some((event, stored)) = self.waiting.remove(&0) {
                    self.put(event, stored);
                }
            }
            self.advance();
        }
    }

    /// Takes an event of the log or of the live stream, in any order.
    pub(super) fn offer(&mut self, event: Event) -> Offered {
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

    /// Takes an event below the watermark that turned up after its id had been given up as a gap, or after the account
    /// had begun above it; then the account begins with it.
    pub(super) fn take_late(&mut self, event: Event) {
        if let Some(before) = self.first.filter(|first| event.id() < *first).map(|first| first - 1) {
            if event.id() < before {
                self.gap(event.id() + 1, before, GapReason::Unknown);
            }
            self.first = Some(event.id());
        }
        self.batch.events.push(event);
    }

    /// The first ids that are missing below a waiting event, both ends included.
    pub(super) fn hole(&self) -> Option<(u32, u32)> {
        self.first?;
        let (&next, _) = self.waiting.first_key_value()?;
        Some((self.watermark.checked_add(1)?, next.checked_sub(1)?))
    }

    /// The event that follows the first hole.
    pub(super) fn after_hole(&self) -> Option<&Event> {
        self.waiting.first_key_value().map(|(_, (event, _))| event)
    }

    /// Gives the first hole up, for this reason.
    pub(super) fn explain_hole(&mut self, reason: GapReason) {
        if let Some((from, to)) = self.hole() {
            self.gap(from, to, reason);
            self.watermark = to;
            self.advance();
        }
    }

    /// Passes over an event that the log has and that cannot be read: the first of the log after the watermark, so what
    /// is missing below it is not there either. `false` if it is not above the watermark.
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

    /// Takes the event above the first hole out of the account: it is stored, and the watermark does not wait for it.
    pub(super) fn set_aside(&mut self) -> Option<u32> {
        let (id, (event, stored)) = self.waiting.pop_first()?;
        if !stored {
            self.batch.events.push(event);
        }
        Some(id)
    }

    /// Ends the epoch: whatever came after the watermark and is not stored will never come. Gives back the events
    /// that wait unstored; they may be of this life or of the next.
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

    /// What is not stored yet, with the watermark that holds once it is; `None` if nothing changed.
    ///
    /// Waiting events are left out unless `all` is asked for: usually the hole below them closes in a moment. Before
    /// the account has begun there is nothing to store: a watermark made from live events alone would skip the log.
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

    /// Gives the account up after a batch did not reach the sink: a later one would hide the loss. The sink's resume
    /// point is the next account.
    pub(super) fn abandon(&mut self) {
        self.abandoned = true;
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The event at the watermark, unless only the sink knows it.
    pub(super) fn last(&self) -> Option<&Event> {
        self.last.as_ref()
    }

    pub(super) fn has_begun(&self) -> bool {
        self.first.is_some()
    }

    /// Where to read on: the watermark, or 0 for a log that was never read.
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
        let batch = std::mem::replace(&mut self.batch, Batch::new(self.device, self.epoch, 0, 0));
        self.batch = batch.with_gap(from, to, reason);
    }

    /// Moves the watermark over every waiting event that follows it without a hole.
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

/// Whether two records with one id tell of the same event: all their bytes are the same, except the flag of the image.
/// No source says that a reader has its picture ready when it reports the event, and another life of its counter is too
/// grave a conclusion from one bit.
pub(super) fn is_same(one: &Event, other: &Event) -> bool {
    match (one.as_bytes().split_last(), other.as_bytes().split_last()) {
        (Some((flags, record)), Some((other_flags, other_record))) => {
            record == other_record && (flags ^ other_flags) & !EventFlags::IMAGE.bits() == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
