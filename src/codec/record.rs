//! What every fixed layout can do: bytes ⇄ record, without copying.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{DecodeError, DecodeReason};

/// The name of a record, its fields in order with their offsets, and its size; for errors.
pub(super) struct Layout {
    pub(super) record: &'static str,
    pub(super) fields: &'static [(&'static str, usize)],
    pub(super) size: usize,
}

impl Layout {
    /// The record in these bytes.
    pub(super) fn one<'a, T>(&self, bytes: &'a [u8]) -> Result<&'a T, DecodeError>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        match T::ref_from_prefix(bytes) {
            Ok((record, [])) => Ok(record),
            Ok((_, rest)) => {
                Err(self.error("end", self.size, DecodeReason::TrailingBytes { count: rest.len() }))
            }
            Err(_) => Err(self.truncated(0, bytes.len())),
        }
    }

    /// The whole records at the start of these bytes, and the rest.
    pub(super) fn prefix<'a, T>(&self, bytes: &'a [u8]) -> (&'a [T], &'a [u8])
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        let count = bytes.len().checked_div(self.size).unwrap_or_default();
        <[T]>::ref_from_prefix_with_elems(bytes, count).unwrap_or((&[], bytes))
    }

    /// The records in these bytes, one after the other.
    pub(super) fn all<'a, T>(&self, bytes: &'a [u8]) -> Result<&'a [T], DecodeError>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        match self.prefix(bytes) {
            (records, []) => Ok(records),
            (_, rest) => Err(self.truncated(bytes.len().saturating_sub(rest.len()), rest.len())),
        }
    }

    /// The field in which `available` bytes of a record end; the record begins at `start`.
    pub(super) fn truncated(&self, start: usize, available: usize) -> DecodeError {
        let mut end = self.size;
        for &(field, offset) in self.fields.iter().rev() {
            if offset <= available {
                let needed = end.saturating_sub(offset);
                let available = available.saturating_sub(offset);
                return self.error(
                    field,
                    start.saturating_add(offset),
                    DecodeReason::Truncated { needed, available },
                );
            }
            end = offset;
        }
        self.error("", start, DecodeReason::Truncated { needed: self.size, available })
    }

    pub(super) const fn error(
        &self,
        field: &'static str,
        offset: usize,
        reason: DecodeReason,
    ) -> DecodeError {
        DecodeError { record: self.record, field, offset, reason }
    }
}

/// Gives a record its bytes, and bytes their record. The record has a constant `LAYOUT`.
macro_rules! bytes_and_records {
    ($record:ident $(<$parameter:ident: $bound:ident>)?, $example:literal) => {
        impl$(<$parameter: $bound>)? $record$(<$parameter>)? {
            /// The record in these bytes, without copying them. Any bytes of the right number are a record.
            ///
            /// # Errors
            ///
            /// [`DecodeReason::Truncated`](crate::codec::DecodeReason::Truncated) with the field in which the bytes
            /// end, or [`DecodeReason::TrailingBytes`](crate::codec::DecodeReason::TrailingBytes).
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("use bs2_events::codec::", $example, ";")]
            ///
            #[doc = concat!("let bytes = [0xA5; ", $example, "::SIZE];")]
            #[doc = concat!("assert_eq!(", $example, "::from_bytes(&bytes)?.as_bytes(), bytes);")]
            #[doc = concat!("let error = ", $example, "::from_bytes(&bytes[1..]).unwrap_err();")]
            #[doc = concat!("assert!(error.offset < ", $example, "::SIZE);")]
            /// # Ok::<(), bs2_events::codec::DecodeError>(())
            /// ```
            pub fn from_bytes(bytes: &[u8]) -> Result<&Self, $crate::codec::DecodeError> {
                Self::LAYOUT.one(bytes)
            }

            /// The records in these bytes, one after the other, without copying them: constant time, whatever the
            /// number.
            ///
            /// # Errors
            ///
            /// [`DecodeReason::Truncated`](crate::codec::DecodeReason::Truncated) when the bytes end inside a record;
            /// [`slice_from_prefix`](Self::slice_from_prefix) gives those before it.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("use bs2_events::codec::", $example, ";")]
            ///
            #[doc = concat!("let bytes = vec![0; 3 * ", $example, "::SIZE];")]
            #[doc = concat!("assert_eq!(", $example, "::slice_from_bytes(&bytes)?.len(), 3);")]
            #[doc = concat!("let error = ", $example, "::slice_from_bytes(&bytes[..2 * ", $example, "::SIZE + 1]).unwrap_err();")]
            #[doc = concat!("assert_eq!(error.offset, 2 * ", $example, "::SIZE);")]
            /// # Ok::<(), bs2_events::codec::DecodeError>(())
            /// ```
            pub fn slice_from_bytes(bytes: &[u8]) -> Result<&[Self], $crate::codec::DecodeError> {
                Self::LAYOUT.all(bytes)
            }

            /// The whole records at the start of these bytes, and the bytes after the last of them.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("use bs2_events::codec::", $example, ";")]
            ///
            #[doc = concat!("let bytes = vec![0; 2 * ", $example, "::SIZE + 4];")]
            #[doc = concat!("let (records, rest) = ", $example, "::slice_from_prefix(&bytes);")]
            /// assert_eq!((records.len(), rest.len()), (2, 4));
            /// ```
            #[must_use]
            pub fn slice_from_prefix(bytes: &[u8]) -> (&[Self], &[u8]) {
                Self::LAYOUT.prefix(bytes)
            }

            /// The bytes of this record, which hold whatever the record holds, people included.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("use bs2_events::codec::", $example, ";")]
            ///
            #[doc = concat!("let bytes = [7; ", $example, "::SIZE];")]
            #[doc = concat!("assert_eq!(", $example, "::from_bytes(&bytes)?.as_bytes(), bytes);")]
            /// # Ok::<(), bs2_events::codec::DecodeError>(())
            /// ```
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                zerocopy::IntoBytes::as_bytes(self)
            }

            /// The bytes of these records, one after the other, without copying them.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("use bs2_events::codec::", $example, ";")]
            ///
            #[doc = concat!("let bytes = vec![7; 2 * ", $example, "::SIZE];")]
            #[doc = concat!("let records = ", $example, "::slice_from_bytes(&bytes)?;")]
            #[doc = concat!("assert_eq!(", $example, "::slice_as_bytes(records), bytes);")]
            /// # Ok::<(), bs2_events::codec::DecodeError>(())
            /// ```
            #[must_use]
            pub fn slice_as_bytes(records: &[Self]) -> &[u8] {
                zerocopy::IntoBytes::as_bytes(records)
            }

            /// Bytes of one record.
            pub const SIZE: usize = size_of::<Self>();
        }
    };
}
pub(super) use bytes_and_records;
