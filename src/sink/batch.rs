//! What a collector stores in a sink, and what a sink returns.

use std::fmt;

use crate::Result;
use crate::codec::{DeviceId, Event};
use crate::error::invalid;

/// What a collector stores at once: events, gaps and the watermark of one epoch of one device.
///
/// `Debug` shows how many events there are, not the events. With the feature `serde` a batch is read and written as an
/// object with these fields.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, Event, EventCode};
/// use bs2_events::sink::{Batch, GapReason};
///
/// let device = DeviceId::new(7);
/// let event = Event::builder(device, 9, EventCode::DOOR_OPENED).build();
/// // The log began at 1; 1 to 8 are gone, 9 is here: all up to 9 is stored or explained.
/// let batch = Batch::new(device, 0, 1, 9).with_events([event]).with_gap(1, 8, GapReason::Overwritten);
/// assert_eq!(batch.gaps[0].to, 8);
/// ```
#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Batch {
    /// The device whose log holds the events.
    pub device: DeviceId,
    /// The epoch: one life of the device's id counter.
    pub epoch: u32,
    /// The first id of this epoch that the collection covers.
    pub first: u32,
    /// Once this batch is stored, every id from `first` to here is stored or in a gap; `first - 1` for none yet.
    pub watermark: u32,
    /// The events, in any order. An event above the watermark waits until the hole below it is filled or explained.
    pub events: Vec<Event>,
    /// The ids that are missing, with the reason.
    pub gaps: Vec<Gap>,
    /// Whether the flags of the events say the UTC offset and daylight saving
    /// ([`Device::has_clock`](crate::device::Device::has_clock)). If not, a sink stores both as unknown.
    #[cfg_attr(feature = "serde", serde(default = "has_clock"))]
    pub has_clock: bool,
}

impl Batch {
    /// A batch with a watermark and without events and gaps.
    #[must_use]
    pub const fn new(device: DeviceId, epoch: u32, first: u32, watermark: u32) -> Self {
        Self { device, epoch, first, watermark, events: Vec::new(), gaps: Vec::new(), has_clock: true }
    }

    /// Adds events.
    #[must_use]
    pub fn with_events(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.events.extend(events);
        self
    }

    /// Adds a gap; both ends are missing.
    #[must_use]
    pub fn with_gap(mut self, from: u32, to: u32, reason: GapReason) -> Self {
        self.gaps.push(Gap { device: self.device, epoch: self.epoch, from, to, reason });
        self
    }

    /// Sets whether the flags of the events say the UTC offset and daylight saving; they do unless set.
    #[must_use]
    pub const fn with_clock(mut self, has_clock: bool) -> Self {
        self.has_clock = has_clock;
        self
    }

    /// The record of a stored event, with what an event of this batch knows beyond it: the picture, the parameter, and, if
    /// the stored record has no clock, the UTC offset and daylight saving. `None` if it is another event, or knows no more.
    ///
    /// For sinks, which replace the stored record with it. `has_clock` is [`Batch::has_clock`] of the batch that the
    /// stored event came with; afterwards it is `true` if it is so for either batch.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags};
    /// use bs2_events::sink::Batch;
    ///
    /// // Stored from a device gateway; and once more, from the vendor's library: UTC+9.
    /// let event = Event::builder(DeviceId::new(7), 9, EventCode::VERIFY_SUCCESS);
    /// let (stored, again) = (event.build(), event.flags(EventFlags::from_bits_retain(72)).build());
    /// let batch = Batch::new(DeviceId::new(7), 0, 9, 9);
    /// assert_eq!(batch.completed(&again, &stored, false), Some(again));
    /// assert_eq!(batch.completed(&again, &again, true), None);
    /// ```
    #[must_use]
    pub fn completed(&self, event: &Event, stored: &Event, has_clock: bool) -> Option<Event> {
        let learns_clock = self.has_clock && !has_clock;
        let completed = stored.completed_with(event, learns_clock);
        (stored.is_same_event(event) && (learns_clock || completed != *stored)).then_some(completed)
    }

    /// Checks that the batch does not contradict itself. Every sink calls this before it stores a batch.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a watermark more than one below `first`, for a gap of
    /// another device or epoch, and for a gap that ends before it begins.
    pub fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(invalid(message).with_device(self.device));
        if self.watermark.saturating_add(1) < self.first {
            let (first, watermark) = (self.first, self.watermark);
            return refuse(format!(
                "batch: watermark {watermark} is more than one below the first id {first}"
            ));
        }
        for gap in &self.gaps {
            if (gap.device, gap.epoch) != (self.device, self.epoch) {
                return refuse(format!("batch: gap {} is of another device or epoch", gap.from));
            }
            if gap.from > gap.to {
                return refuse(format!("batch: gap {} ends before it begins, at {}", gap.from, gap.to));
            }
        }
        Ok(())
    }
}

/// What a batch of an earlier version, which has no such field, says of its clock.
#[cfg(feature = "serde")]
const fn has_clock() -> bool {
    true
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("device", &self.device)
            .field("epoch", &self.epoch)
            .field("first", &self.first)
            .field("watermark", &self.watermark)
            .field("events", &self.events.len())
            .field("gaps", &self.gaps)
            .field("has_clock", &self.has_clock)
            .finish()
    }
}

/// Ids that a device used and whose events are missing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct Gap {
    /// The device whose log lacks the events.
    pub device: DeviceId,
    /// The epoch: one life of the device's id counter.
    pub epoch: u32,
    /// The first missing id.
    pub from: u32,
    /// The last missing id; `u32::MAX` where the collector did not see the end of the epoch.
    pub to: u32,
    /// Why they are missing.
    pub reason: GapReason,
}

impl Gap {
    /// How many ids are missing.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // A gap is never empty.
    pub const fn len(&self) -> u64 {
        (self.to as u64).saturating_sub(self.from as u64) + 1
    }

    /// Whether the end of the gap is unknown.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.to == u32::MAX
    }

    /// The parts of the gap that lie outside `taken`: ranges of ids, ascending by their first id.
    pub(crate) fn without(self, taken: impl IntoIterator<Item = (u32, u32)>) -> Vec<Self> {
        let mut pieces = Vec::new();
        // The next id that may be missing; `None` when nothing of the gap is left.
        let mut next = Some(self.from);
        for (from, to) in taken {
            let Some(start) = next else { break };
            if from > start {
                pieces.push(Self { from: start, to: from - 1, ..self });
            }
            next = to.checked_add(1).map(|after| after.max(start)).filter(|after| *after <= self.to);
        }
        pieces.extend(next.map(|from| Self { from, ..self }));
        pieces
    }
}

/// Why ids are missing.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum GapReason {
    /// The device's log was cleared: an event `0x4200` follows the gap.
    Cleared,
    /// The device's log was full and overwrote its oldest events: the oldest event that is left follows the gap.
    Overwritten,
    /// The device was reset: a reset event follows the gap, or the ids began again.
    Reset,
    /// The device has events before and after the gap and lacks these; the reason is not known. The device may have them
    /// later: a collector reads such a gap again.
    Unknown,
    /// The device has the events, and does not give them, or a record of 48 bytes cannot hold their values
    /// ([`Error::unreadable_event`](crate::Error::unreadable_event)). A collector tries again.
    Unreadable,
}

impl GapReason {
    /// The word for this reason in stores and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cleared => "cleared",
            Self::Overwritten => "overwritten",
            Self::Reset => "reset",
            Self::Unknown => "unknown",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for GapReason {
    type Err = ParseGapReasonError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Cleared, Self::Overwritten, Self::Reset, Self::Unknown, Self::Unreadable]
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or(ParseGapReasonError(()))
    }
}

/// The error of parsing a word that is not a [`GapReason`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the reason of a gap: use cleared, overwritten, reset, unknown or unreadable")]
pub struct ParseGapReasonError(());

/// How many events of a batch a sink stored.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stored {
    /// Events that were not stored before.
    pub new: u64,
    /// Events that were stored before; the sink drops them.
    pub repeated: u64,
}

/// Where a collector continues: the newest epoch of a device.
///
/// `Debug` shows how many events there are, not the events.
#[derive(Clone, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct ResumePoint {
    /// The epoch: one life of the device's id counter.
    pub epoch: u32,
    /// The first id of this epoch that the collection covers.
    pub first: u32,
    /// Every id from `first` to here is stored or in a gap.
    pub watermark: u32,
    /// Stored events above the watermark, ascending.
    pub above: Vec<Event>,
    /// Whether the newest stored event up to the watermark came with a clock ([`Batch::has_clock`]); `true` if there is
    /// none.
    #[cfg_attr(feature = "serde", serde(default = "has_clock"))]
    pub has_clock: bool,
}

impl fmt::Debug for ResumePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumePoint")
            .field("epoch", &self.epoch)
            .field("first", &self.first)
            .field("watermark", &self.watermark)
            .field("above", &self.above.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_cut_at_its_ends_in_the_middle_and_at_both_ends_of_the_numbers() {
        let without = |from, to, taken: &[(u32, u32)]| -> Vec<(u32, u32)> {
            let gap = Gap { device: DeviceId::new(7), epoch: 0, from, to, reason: GapReason::Unknown };
            gap.without(taken.iter().copied()).into_iter().map(|piece| (piece.from, piece.to)).collect()
        };
        assert_eq!(without(5, 9, &[]), [(5, 9)]);
        assert_eq!(without(5, 9, &[(5, 5)]), [(6, 9)]);
        assert_eq!(without(5, 9, &[(9, 9)]), [(5, 8)]);
        assert_eq!(without(5, 9, &[(7, 7)]), [(5, 6), (8, 9)]);
        assert_eq!(without(5, 9, &[(2, 6), (6, 7), (9, 20)]), [(8, 8)]);
        assert_eq!(without(5, 9, &[(5, 7), (8, 9)]), []);
        assert_eq!(without(5, 9, &[(2, 20), (7, 7)]), []);
        assert_eq!(without(0, u32::MAX, &[(0, 0), (u32::MAX, u32::MAX)]), [(1, u32::MAX - 1)]);
        assert_eq!(without(u32::MAX, u32::MAX, &[(u32::MAX, u32::MAX)]), []);
    }

    #[test]
    fn a_watermark_may_be_one_below_the_first_id_and_no_lower() {
        assert!(Batch::new(DeviceId::new(7), 0, 5, 4).check().is_ok());
        let error = Batch::new(DeviceId::new(7), 0, 5, 3).check().unwrap_err();
        assert_eq!(error.to_string(), "device 7: batch: watermark 3 is more than one below the first id 5");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn batches_gaps_and_resume_points_survive_json() {
        use crate::codec::EventCode;

        let device = DeviceId::new(7);
        let event = Event::builder(device, 9, EventCode::DOOR_OPENED).param(3).build();
        let reasons = [
            GapReason::Cleared,
            GapReason::Overwritten,
            GapReason::Reset,
            GapReason::Unknown,
            GapReason::Unreadable,
        ];
        let batch = Batch::new(device, 1, 1, 9).with_events([event]);
        let batch = (1..).zip(reasons).fold(batch, |batch, (id, reason)| batch.with_gap(id, id, reason));
        let text = serde_json::to_string(&batch).unwrap();
        let read: Batch = serde_json::from_str(&text).unwrap();
        assert_eq!((read.device, read.epoch, read.first, read.watermark), (device, 1, 1, 9));
        assert_eq!((read.events, read.gaps), (batch.events, batch.gaps));

        let point = ResumePoint { epoch: 1, first: 1, watermark: 8, above: vec![event], has_clock: false };
        let text = serde_json::to_string(&point).unwrap();
        assert_eq!(serde_json::from_str::<ResumePoint>(&text).unwrap(), point);

        for reason in reasons {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{reason}\""));
            assert_eq!(reason.to_string().parse(), Ok(reason));
        }
    }
}
