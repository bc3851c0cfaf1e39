//! Fixed layouts: `record!` makes a struct whose C layout is stated once, and bytes ⇄ record without copying.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{DecodeError, DecodeReason};

/// The name of a record, its fields in order with their offsets, and its size; for errors.
pub(super) struct Layout {
    pub(super) record: &'static str,
    /// The layout of the record that this one begins with, if there is one.
    pub(super) start: Option<&'static Layout>,
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
        let mut layout = Some(self);
        while let Some(Self { fields, start: first, .. }) = layout {
            for &(field, offset) in fields.iter().rev() {
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
            layout = *first;
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

/// Declares a record: a struct beside its C declaration, with its name in errors, its size, and for each field the
/// offset, the type and the vendor's name.
///
/// From this it makes the struct, the table in its documentation, `LAYOUT`, and asserts that compare the stated size
/// and offsets with the compiler's. A `pub` record can also be converted from and to bytes. `..` marks a record that
/// this one begins with; errors name the fields of that one. A generic record states the layout of one `as` type.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $record:ident $(<$parameter:ident: $bound:ident>)?
            ($name:literal, $size:literal bytes $(as $concrete:ty)?) $fields:tt
    ) => {
        record! {
            @struct
            $(#[$meta])*
            [pub] $record [$(<$parameter: $bound>)?] [$(<$parameter>)?] ($name, $size, [$($concrete)?]) $fields
        }
        bytes_and_records!($record $(<$parameter: $bound>)?);
    };
    (
        $(#[$meta:meta])*
        pub(super) struct $record:ident ($name:literal, $size:literal bytes) $fields:tt
    ) => {
        record! { @struct $(#[$meta])* [pub(super)] $record [] [] ($name, $size, []) $fields }
    };
    (
        @struct
        $(#[$meta:meta])*
        [$visibility:vis] $record:ident [$($parameters:tt)*] [$($arguments:tt)*]
            ($name:literal, $size:literal, [$($concrete:ty)?])
        {
            $(..$start:ident: $start_type:ty = $start_vendor:literal,)?
            $([$offset:literal] $access:vis $field:ident: $type:ty = $vendor:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[doc = ""]
        #[doc = "# Layout"]
        #[doc = ""]
        #[doc = concat!(stringify!($size), " bytes, alignment 1; `U16`, `U32` and `U64` are little-endian.")]
        #[doc = ""]
        #[doc = "| offset | field | type | vendor's name |"]
        #[doc = "|---:|---|---|---|"]
        $(#[doc = concat!(
            "| 0 | `", stringify!($start), "` | `", stringify!($start_type), "` | ", $start_vendor, " |"
        )])?
        $(#[doc = concat!(
            "| ", $offset, " | `", stringify!($field), "` | `", stringify!($type), "` | ", $vendor, " |"
        )])*
        #[derive(
            Clone,
            Copy,
            Eq,
            zerocopy::FromBytes,
            Hash,
            zerocopy::Immutable,
            zerocopy::IntoBytes,
            zerocopy::KnownLayout,
            PartialEq,
            zerocopy::Unaligned,
        )]
        #[repr(C)]
        $visibility struct $record $($parameters)* {
            $($start: $start_type,)?
            $($access $field: $type,)*
        }

        impl $($parameters)* $record $($arguments)* {
            pub(in crate::codec) const LAYOUT: Layout = Layout {
                record: $name,
                start: record!(@start $($start_type)?),
                fields: &[$((stringify!($field), core::mem::offset_of!(Self, $field))),*],
                size: size_of::<Self>(),
            };
        }

        const _: () = {
            type Checked = record!(@checked $record $(, $concrete)?);
            assert!(size_of::<Checked>() == $size && align_of::<Checked>() == 1);
            $(assert!(core::mem::offset_of!(Checked, $field) == $offset);)*
        };
    };
    (@start) => { None };
    (@start $start:ty) => { Some(&<$start>::LAYOUT) };
    (@checked $record:ident) => { $record };
    (@checked $record:ident, $concrete:ty) => { $concrete };
}
pub(super) use record;

/// Gives a record its bytes, and bytes their record. The record has a constant `LAYOUT`.
macro_rules! bytes_and_records {
    ($record:ident $(<$parameter:ident: $bound:ident>)?) => {
        impl$(<$parameter: $bound>)? $record$(<$parameter>)? {
            /// The record in these bytes, without copying them. Any bytes of the right number are a record.
            ///
            /// # Errors
            ///
            /// [`DecodeReason::Truncated`](crate::codec::DecodeReason::Truncated) with the field in which the bytes
            /// end, or [`DecodeReason::TrailingBytes`](crate::codec::DecodeReason::TrailingBytes).
            pub fn from_bytes(bytes: &[u8]) -> Result<&Self, $crate::codec::DecodeError> {
                Self::LAYOUT.one(bytes)
            }

            /// The records in these bytes, one after the other, without copying them. It takes constant time for any
            /// number of records.
            ///
            /// # Errors
            ///
            /// [`DecodeReason::Truncated`](crate::codec::DecodeReason::Truncated) if the bytes end inside a record;
            /// [`slice_from_prefix`](Self::slice_from_prefix) returns the records before it.
            pub fn slice_from_bytes(bytes: &[u8]) -> Result<&[Self], $crate::codec::DecodeError> {
                Self::LAYOUT.all(bytes)
            }

            /// The whole records at the start of these bytes, and the bytes after the last of them.
            #[must_use]
            pub fn slice_from_prefix(bytes: &[u8]) -> (&[Self], &[u8]) {
                Self::LAYOUT.prefix(bytes)
            }

            /// The bytes of this record, personal data included.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                zerocopy::IntoBytes::as_bytes(self)
            }

            /// The bytes of these records, one after the other, without copying them.
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
