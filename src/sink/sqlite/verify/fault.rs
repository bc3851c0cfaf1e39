//! What can be wrong in a store.

use std::fmt;

/// Something that is wrong in one epoch of one reader.
///
/// # Examples
///
/// ```
/// use bs2_events::sink::sqlite::Fault;
///
/// let fault = Fault::Hole { from: 6, to: 8 };
/// assert_eq!(fault.to_string(), "ids 6 to 8 are neither stored nor explained");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// An event lies below the first id that the collection answers for.
    BelowFirst {
        /// The event.
        id: u32,
    },
    /// A column says something else than the record.
    Column {
        /// The event.
        id: u32,
        /// The column's name.
        column: &'static str,
    },
    /// An event is stored, and a gap says that it is missing.
    EventInGap {
        /// The event.
        id: u32,
    },
    /// A gap ends before it begins.
    GapBackwards {
        /// Where it begins.
        from: u32,
        /// Where it ends.
        to: u32,
    },
    /// Two gaps explain the same ids.
    GapsOverlap {
        /// The first id that both explain.
        from: u32,
        /// The last id that both explain.
        to: u32,
    },
    /// Ids up to the watermark are neither stored nor in a gap.
    Hole {
        /// The first of them.
        from: u32,
        /// The last of them.
        to: u32,
    },
    /// There are events or gaps, and no watermark.
    NoWatermark,
    /// A record is not 48 bytes; a value that is no BLOB counts as 0 bytes.
    RecordSize {
        /// The event.
        id: u32,
        /// Its bytes.
        size: usize,
    },
    /// The reason of a gap is none of the known words.
    UnknownReason {
        /// Where the gap begins.
        from: u32,
    },
    /// The watermark lies more than one below the first id.
    WatermarkBelowFirst,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BelowFirst { id } => write!(f, "event {id} lies below the first id"),
            Self::Column { id, column } => {
                write!(f, "event {id}: column `{column}` disagrees with the record")
            }
            Self::EventInGap { id } => write!(f, "event {id} is stored, and a gap says that it is missing"),
            Self::GapBackwards { from, to } => write!(f, "gap {from} ends before it begins, at {to}"),
            Self::GapsOverlap { from, to } => write!(f, "ids {from} to {to} are in two gaps"),
            Self::Hole { from, to } if from == to => write!(f, "id {from} is neither stored nor explained"),
            Self::Hole { from, to } => write!(f, "ids {from} to {to} are neither stored nor explained"),
            Self::NoWatermark => f.write_str("there is no watermark"),
            Self::RecordSize { id, size } => write!(f, "event {id}: the record has {size} bytes, not 48"),
            Self::UnknownReason { from } => write!(f, "gap {from} has no known reason"),
            Self::WatermarkBelowFirst => {
                f.write_str("the watermark lies below the first id by more than one")
            }
        }
    }
}
