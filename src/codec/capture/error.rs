//! Where a capture is not what its layout says.

use super::frame::Broken;
use crate::codec::DecodeError;

/// A record that could not be read, or the end of a file inside one.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::capture::CaptureReader;
///
/// let error = CaptureReader::new(b"\x89BS2CAP\n\x01\0").unwrap_err();
/// assert_eq!(error.record, 0);
/// assert!(error.is_cut());
/// assert_eq!(
///     error.to_string(),
///     "record 0: capture: field `version` at offset 8: 4 bytes needed, 2 available"
/// );
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("record {record}: {error}")]
#[non_exhaustive]
pub struct CaptureError {
    /// Which record of the file it is, counted from 1; 0 is the head of the file.
    pub record: u64,
    /// What is wrong with it; the offset counts from the start of the file.
    pub error: DecodeError,
    cut: bool,
}

impl CaptureError {
    /// What is broken at a record that begins at `start`.
    pub(super) const fn new(broken: Broken, record: u64, start: usize) -> Self {
        let cut = matches!(broken, Broken::Cut(_));
        let (Broken::Cut(mut error) | Broken::Header(mut error) | Broken::Payload(mut error, _)) = broken;
        error.offset = error.offset.saturating_add(start);
        Self { record, error, cut }
    }

    /// Whether the bytes end here inside a record that is right as far as it goes: the file is being written, or its
    /// writer was stopped. Nothing follows this error.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::capture::CaptureReader;
    ///
    /// assert!(CaptureReader::new(b"").unwrap_err().is_cut());
    /// assert!(!CaptureReader::new(b"PK").unwrap_err().is_cut());
    /// ```
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }
}
