//! Blobs one after the other, and blobs that are still coming in.

use core::iter::FusedIterator;
use core::num::NonZeroUsize;

use super::PortableBlob;
use crate::codec::DecodeError;

/// How many more bytes a blob needs at least, as [`PortableBlob::decode_streaming`] says it.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::PortableBlob;
///
/// let needed = PortableBlob::decode_streaming(&[0, 0, 7]).unwrap_err();
/// assert_eq!(needed.get(), 4);
/// assert_eq!(needed.to_string(), "4 more bytes needed");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error("{0} more byte{plural} needed", plural = if self.get() == 1 { "" } else { "s" })]
pub struct Needed(NonZeroUsize);

impl Needed {
    /// The number, never 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::PortableBlob;
    /// assert_eq!(PortableBlob::decode_streaming(&[]).unwrap_err().get(), 2);
    /// ```
    #[must_use]
    pub const fn get(self) -> usize {
        self.0.get()
    }

    pub(super) fn of<E>(error: &nom::Err<E>) -> Self {
        match error {
            nom::Err::Incomplete(nom::Needed::Size(size)) => Self(*size),
            // No field is of unknown size, and no value is wrong.
            _ => Self(NonZeroUsize::MIN),
        }
    }
}

/// Blobs one after the other; made by [`PortableBlob::decode_all`].
///
/// # Examples
///
/// ```
/// use bs2_events::codec::PortableBlob;
///
/// let mut blobs = PortableBlob::decode_all(&[0; 8]);
/// assert!(blobs.next().is_some_and(|blob| blob.is_ok()));
/// assert_eq!(blobs.rest(), [0]);
/// ```
#[derive(Clone)]
pub struct PortableBlobs<'a> {
    rest: &'a [u8],
    /// Bytes before the rest.
    offset: usize,
}

impl<'a> PortableBlobs<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    /// The bytes that were not read yet; none after an error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::PortableBlob;
    /// assert_eq!(PortableBlob::decode_all(&[1, 2]).rest(), [1, 2]);
    /// ```
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for PortableBlobs<'a> {
    type Item = Result<PortableBlob<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match PortableBlob::decode_prefix(self.rest) {
            Ok((blob, rest)) => {
                self.offset = self.offset.saturating_add(self.rest.len().saturating_sub(rest.len()));
                self.rest = rest;
                Some(Ok(blob))
            }
            Err(mut error) => {
                error.offset = error.offset.saturating_add(self.offset);
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

impl FusedIterator for PortableBlobs<'_> {}

impl core::fmt::Debug for PortableBlobs<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PortableBlobs").field("offset", &self.offset).finish_non_exhaustive()
    }
}
