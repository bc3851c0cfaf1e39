//! Records as named fields, for serde.
//!
//! Every record goes through an object of optional fields (`object!`). Writing fills in all of them. Reading builds the
//! record from those that are there, writes it again, and compares: a field that comes out otherwise would have been
//! lost without a word, so it is an error.

use serde::de::DeserializeOwned;

mod blob;
mod event;
mod ext;
mod object;
#[cfg(feature = "portable")]
mod portable;
mod scalar;
mod subject;
mod text;
mod user;

use object::object;
use text::{Base64, Hex, Wide};

/// What a field of an object can be.
trait Value: DeserializeOwned + PartialEq {
    /// What to say when it is something else. Empty for what says so itself.
    const EXPECTED: &'static str;

    /// The field, this one or one inside it, in which a value that was given differs from the record's.
    fn contradiction(&self, truth: &Self, field: &'static str) -> Option<&'static str> {
        (self != truth).then_some(field)
    }
}

/// A field that makes no record. It does not say what the field holds, which may be personal.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("field `{field}`: {reason}")]
struct FieldError {
    field: &'static str,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Reason {
    #[error("contradicts the other fields or has no place in this record")]
    Contradiction,
    #[error("missing")]
    Missing,
    #[error("{0} bytes are expected")]
    Size(usize),
    #[error("more than {0} bytes")]
    TooLong(usize),
    #[error("not a kind of subject")]
    Kind,
    #[error("not a multiple of 30 from -930 to 930")]
    Offset,
}

impl FieldError {
    const fn new(field: &'static str, reason: Reason) -> Self {
        Self { field, reason }
    }
}

/// The field's value, which has to be there.
fn required<T: Clone>(value: &Option<T>, field: &'static str) -> Result<T, FieldError> {
    value.clone().ok_or(FieldError::new(field, Reason::Missing))
}

/// Whether every field that was given is the same in the record that was made of them.
fn hold_against<T: Value>(given: &T, truth: &T) -> Result<(), FieldError> {
    match given.contradiction(truth, "") {
        None => Ok(()),
        Some(field) => Err(FieldError::new(field, Reason::Contradiction)),
    }
}

/// Writes a record as the object of its fields.
macro_rules! serialize_as_fields {
    ($record:ty as $fields:ident $(, $parameter:ident: $bound:path)?) => {
        impl $(<$parameter: $bound>)? serde::Serialize for $record {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(&$fields::from(self), serializer)
            }
        }
    };
}

/// Reads a record from the object of its fields, and compares.
macro_rules! deserialize_from_fields {
    ($record:ty as $fields:ident $(, $parameter:ident: $bound:path)?) => {
        impl<'de $(, $parameter: $bound)?> serde::Deserialize<'de> for $record {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let fields = <$fields as serde::Deserialize>::deserialize(deserializer)?;
                let record = Self::try_from(&fields).map_err(serde::de::Error::custom)?;
                let truth = $fields::from(&record);
                $crate::codec::fields::hold_against(&fields, &truth).map_err(serde::de::Error::custom)?;
                Ok(record)
            }
        }
    };
}
use {deserialize_from_fields, serialize_as_fields};
