//! What goes into a sink, and what comes back.

use std::fmt;

use crate::codec::{DeviceId, Event};
use crate::{Error, ErrorKind, Result};

/// What a collector stores in one go: events, gaps and the watermark of one epoch of one reader.
///
/// `Debug` shows the numbers, not the events.
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
#[non_exhaustive]
pub struct Batch {
    /// The reader.
    pub device: DeviceId,
    /// The life of its id counter.
    pub epoch: u32,
    /// The first id that this collection is answerable for in this epoch.
    pub first: u32,
    /// All ids from `first` to here are stored or explained, once this batch is stored; `first - 1` for none yet.
    pub watermark: u32,
    /// The events, in any order; an event above the watermark waits for a hole below it to be filled or explained.
    pub events: Vec<Event>,
    /// What is missing, with its reason; never covers an event that is stored.
    pub gaps: Vec<Gap>,
}

impl Batch {
    /// A batch that moves the watermark and holds nothing yet.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::{DeviceId, Event, EventCode}, sink::{Batch, Gap, GapReason}};
    /// assert!(Batch::new(DeviceId::new(7), 0, 5, 4).events.is_empty());
    /// ```
    #[must_use]
    pub const fn new(device: DeviceId, epoch: u32, first: u32, watermark: u32) -> Self {
        Self { device, epoch, first, watermark, events: Vec::new(), gaps: Vec::new() }
    }

    /// Adds events.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::{DeviceId, Event, EventCode}, sink::{Batch, Gap, GapReason}};
    /// let event = Event::builder(DeviceId::new(7), 5, EventCode::DOOR_OPENED).build();
    /// assert_eq!(Batch::new(DeviceId::new(7), 0, 5, 5).with_events([event]).events, [event]);
    /// ```
    #[must_use]
    pub fn with_events(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.events.extend(events);
        self
    }

    /// Adds a gap, both ends included.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::{DeviceId, Event, EventCode}, sink::{Batch, Gap, GapReason}};
    /// let batch = Batch::new(DeviceId::new(7), 0, 5, 9).with_gap(5, 9, GapReason::Cleared);
    /// assert_eq!(batch.gaps[0].len(), 5);
    /// ```
    #[must_use]
    pub fn with_gap(mut self, from: u32, to: u32, reason: GapReason) -> Self {
        self.gaps.push(Gap { device: self.device, epoch: self.epoch, from, to, reason });
        self
    }

    /// Whether the batch agrees with itself; a sink asks before it stores.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a watermark more than one below `first`, and for a gap of another reader or
    /// epoch or whose end lies before its beginning.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::DeviceId;
    /// use bs2_events::sink::Batch;
    ///
    /// assert!(Batch::new(DeviceId::new(7), 0, 5, 4).check().is_ok());
    /// let error = Batch::new(DeviceId::new(7), 0, 5, 3).check().unwrap_err();
    /// assert_eq!(error.to_string(), "device 7: batch: watermark 3 lies below the first id 5 by more than one");
    /// ```
    pub fn check(&self) -> Result<()> {
        let refuse =
            |message: String| Err(Error::new(ErrorKind::InvalidInput, message).with_device(self.device));
        if self.watermark.saturating_add(1) < self.first {
            let (first, watermark) = (self.first, self.watermark);
            return refuse(format!(
                "batch: watermark {watermark} lies below the first id {first} by more than one"
            ));
        }
        for gap in &self.gaps {
            if (gap.device, gap.epoch) != (self.device, self.epoch) {
                return refuse(format!("batch: gap {} is of another reader or epoch", gap.from));
            }
            if gap.from > gap.to {
                return refuse(format!("batch: gap {} ends before it begins, at {}", gap.from, gap.to));
            }
        }
        Ok(())
    }
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
            .finish()
    }
}

/// Ids that a reader used and that cannot be had.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
/// use bs2_events::sink::{Gap, GapReason};
///
/// let gap = Gap { device: DeviceId::new(7), epoch: 0, from: 6_911, to: 7_561, reason: GapReason::Cleared };
/// assert_eq!(gap.len(), 651);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Gap {
    /// The reader.
    pub device: DeviceId,
    /// The life of its id counter.
    pub epoch: u32,
    /// The first missing id.
    pub from: u32,
    /// The last missing id; `u32::MAX` where the end of an epoch was not seen.
    pub to: u32,
    /// Why.
    pub reason: GapReason,
}

impl Gap {
    /// How many ids are missing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::{DeviceId, Event, EventCode}, sink::{Batch, Gap, GapReason}};
    /// let gap = Gap { device: DeviceId::new(7), epoch: 0, from: 11, to: 20, reason: GapReason::Unknown };
    /// assert_eq!(gap.len(), 10);
    /// ```
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // A gap is never empty.
    pub const fn len(&self) -> u64 {
        (self.to as u64).saturating_sub(self.from as u64) + 1
    }

    /// Whether the gap goes on to an end that nobody saw.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::{DeviceId, Event, EventCode}, sink::{Batch, Gap, GapReason}};
    /// let gap = Gap { device: DeviceId::new(7), epoch: 0, from: 11, to: u32::MAX, reason: GapReason::Reset };
    /// assert!(gap.is_open());
    /// ```
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.to == u32::MAX
    }

    /// What remains of the gap around ids that are stored or missing already: ranges that touch it, by their first id.
    pub(super) fn around(self, taken: impl IntoIterator<Item = (u32, u32)>) -> Vec<Self> {
        let mut pieces = Vec::new();
        // The next id that may be missing; none once the gap is used up.
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
///
/// # Examples
///
/// ```
/// use bs2_events::sink::GapReason;
///
/// assert_eq!(GapReason::Cleared.to_string(), "cleared");
/// assert_eq!("reset".parse(), Ok(GapReason::Reset));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum GapReason {
    /// The reader's log was cleared: an event `0x4200` follows the gap.
    Cleared,
    /// The reader's ring was full: its oldest event follows the gap.
    Overwritten,
    /// The reader was reset: a reset event follows the gap, or its ids began again.
    Reset,
    /// The reader has events before and after, and not these; nothing says why.
    Unknown,
    /// The reader has the event, and no record can hold what it says
    /// ([`Error::unreadable_event`](crate::Error::unreadable_event)).
    Unreadable,
}

impl GapReason {
    /// The word that stores and reports use.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sink::GapReason;
    /// assert_eq!(GapReason::Overwritten.as_str(), "overwritten");
    /// ```
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

/// A word that is no [`GapReason`].
///
/// # Examples
///
/// ```
/// use bs2_events::sink::GapReason;
///
/// assert!("lost".parse::<GapReason>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a reason of a gap: cleared, overwritten, reset, unknown or unreadable is expected")]
pub struct ParseGapReasonError(());

/// What a sink did with a batch.
///
/// # Examples
///
/// ```
/// use bs2_events::sink::Stored;
///
/// assert_eq!(Stored { new: 3, repeated: 1 }.new, 3);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stored {
    /// Events that were not there before.
    pub new: u64,
    /// Events whose identity was there already; dropped.
    pub repeated: u64,
}

/// Where a collector goes on: the newest epoch of a reader.
///
/// `Debug` shows the numbers, not the events.
///
/// # Examples
///
/// ```
/// use bs2_events::sink::ResumePoint;
///
/// let point = ResumePoint { epoch: 0, first: 6_861, watermark: 6_910, above: vec![] };
/// assert_eq!(format!("{point:?}"), "ResumePoint { epoch: 0, first: 6861, watermark: 6910, above: 0 }");
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct ResumePoint {
    /// The life of the id counter.
    pub epoch: u32,
    /// The first id that the collection is answerable for in this epoch.
    pub first: u32,
    /// All ids from `first` to here are stored or explained.
    pub watermark: u32,
    /// Stored events above the watermark, ascending.
    pub above: Vec<Event>,
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

    fn around(from: u32, to: u32, taken: &[(u32, u32)]) -> Vec<(u32, u32)> {
        let gap = Gap { device: DeviceId::new(7), epoch: 0, from, to, reason: GapReason::Unknown };
        gap.around(taken.iter().copied()).into_iter().map(|piece| (piece.from, piece.to)).collect()
    }

    #[test]
    fn a_gap_is_cut_at_its_ends_and_in_the_middle() {
        assert_eq!(around(5, 9, &[]), [(5, 9)]);
        assert_eq!(around(5, 9, &[(5, 5)]), [(6, 9)]);
        assert_eq!(around(5, 9, &[(9, 9)]), [(5, 8)]);
        assert_eq!(around(5, 9, &[(7, 7)]), [(5, 6), (8, 9)]);
        assert_eq!(around(5, 9, &[(2, 6), (6, 7), (9, 20)]), [(8, 8)]);
        assert_eq!(around(5, 9, &[(5, 7), (8, 9)]), []);
        assert_eq!(around(5, 9, &[(2, 20), (7, 7)]), []);
    }

    #[test]
    fn a_gap_is_cut_at_both_ends_of_the_numbers() {
        assert_eq!(around(0, u32::MAX, &[(0, 0), (u32::MAX, u32::MAX)]), [(1, u32::MAX - 1)]);
        assert_eq!(around(u32::MAX, u32::MAX, &[(u32::MAX, u32::MAX)]), []);
    }
}
