//! Errors of decoding: which field of which record is wrong, and why.

use core::fmt;

/// Bytes that are not the expected record: which record, which field, at which offset, and why.
///
/// The error is small and `Copy`. It never holds the bytes themselves, which may be personal data.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DecodeReason, Event};
///
/// let error = Event::from_bytes(&[0; 47]).unwrap_err();
/// assert_eq!(error.field, "flags");
/// assert_eq!(error.offset, 47);
/// assert_eq!(error.reason, DecodeReason::Truncated { needed: 1, available: 0 });
/// assert_eq!(error.to_string(), "event: field `flags` at offset 47: 1 byte needed, 0 available");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error("{record}: field `{field}` at offset {offset}: {reason}")]
#[non_exhaustive]
pub struct DecodeError {
    /// The record that was expected, such as `event`.
    pub record: &'static str,
    /// The field that could not be read.
    pub field: &'static str,
    /// Where that field begins, in bytes from the start of the input.
    pub offset: usize,
    /// What is wrong with it.
    pub reason: DecodeReason,
}

/// What is wrong with the bytes of a [`DecodeError`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DecodeReason {
    /// The checksum of the bytes does not match: they were changed after they were written.
    Checksum,
    /// The field has other bytes than the fixed ones.
    Constant,
    /// The bytes are not UTF-8.
    Text,
    /// A value is longer than its field.
    TooLong {
        /// Bytes that the field holds.
        limit: usize,
        /// Bytes that the value has.
        actual: usize,
    },
    /// The input continues after the record.
    TrailingBytes {
        /// Bytes after the record's end.
        count: usize,
    },
    /// The input ends inside the field.
    Truncated {
        /// Bytes that the field takes.
        needed: usize,
        /// Bytes of it that are present.
        available: usize,
    },
    /// The version of the layout is not known to this crate.
    Version {
        /// The version.
        version: u32,
    },
}

impl fmt::Display for DecodeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Checksum => f.write_str("the checksum does not match"),
            Self::Constant => f.write_str("other bytes than the fixed ones of this field"),
            Self::Text => f.write_str("not UTF-8"),
            Self::TooLong { limit, actual } => {
                write!(f, "{actual} byte{} in a field of {limit}", plural(actual))
            }
            Self::TrailingBytes { count } => write!(f, "{count} byte{} too many", plural(count)),
            Self::Truncated { needed, available } => {
                write!(f, "{needed} byte{} needed, {available} available", plural(needed))
            }
            Self::Version { version } => write!(f, "version {version} is not known"),
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
