//! Records as named fields, for serde.
//!
//! Every record goes through an object of optional fields (`object!`). Writing fills in all of them. Reading builds the
//! record from those that are there, writes it again, and compares: a field that comes out otherwise would have been
//! lost without a word, so it is an error.

use core::fmt;

use serde::de::{DeserializeOwned, Deserializer, Error};

mod blob;
mod capture;
mod event;
mod ext;
mod extras;
mod object;
mod portable;
mod scalar;
mod subject;
mod text;
mod user;

use object::object;
use text::{Base64, Hex, Wide};

/// What a field of an object can be.
trait Value: DeserializeOwned + PartialEq {
    /// What to say when it is something else.
    const EXPECTED: &'static str;

    /// Reads the value of this field.
    fn read<'de, D: Deserializer<'de>>(deserializer: D, field: Field) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
            .map_err(|_| D::Error::custom(format_args!("field `{field}`: {} is expected", Self::EXPECTED)))
    }

    /// The field, this one or one inside it, in which a value that was given differs from the record's.
    fn contradiction(&self, truth: &Self, field: Field) -> Option<Field> {
        (self != truth).then_some(field)
    }
}

/// The name of a field, after those of the objects that it stands in, where these are fields themselves:
/// `event.subject.kind`. Names that are missing are empty and come first. Objects stand no deeper.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Field([&'static str; 3]);

impl Field {
    const fn new(name: &'static str) -> Self {
        Self(["", "", name])
    }

    /// Whether it is the object that everything stands in, which has no name.
    const fn is_nameless(self) -> bool {
        let Self([.., name]) = self;
        name.is_empty()
    }

    /// The field of this name in the object that is this field.
    const fn inside(self, name: &'static str) -> Self {
        let Self([_, outer, object]) = self;
        Self([outer, object, name])
    }

    /// This field, where what it stands in is the object of this name.
    fn within(self, object: &'static str) -> Self {
        match self.0 {
            [_, "", name] => Self(["", object, name]),
            [_, outer, name] => Self([object, outer, name]),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([objects @ .., name]) = self;
        for object in objects.iter().filter(|object| !object.is_empty()) {
            write!(f, "{object}.")?;
        }
        f.write_str(name)
    }
}

/// A field that makes no record. It does not say what the field holds, which may be personal.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("field `{field}`: {reason}")]
struct FieldError {
    field: Field,
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
    #[error("not a kind of record")]
    RecordKind,
    #[error("not a multiple of 30 from -930 to 930")]
    Offset,
}

impl FieldError {
    const fn new(field: &'static str, reason: Reason) -> Self {
        Self { field: Field::new(field), reason }
    }

    /// The same in an object that is this field.
    fn inside(self, object: &'static str) -> Self {
        Self { field: self.field.within(object), ..self }
    }
}

/// The field's value, which has to be there.
fn required<T: Clone>(value: &Option<T>, field: &'static str) -> Result<T, FieldError> {
    present(value, field).cloned()
}

/// The same where it is lent.
fn present<'a, T>(value: &'a Option<T>, field: &'static str) -> Result<&'a T, FieldError> {
    value.as_ref().ok_or(FieldError::new(field, Reason::Missing))
}

/// Whether every field that was given is the same in the record that was made of them.
fn hold_against<T: Value>(given: &T, truth: &T) -> Result<(), FieldError> {
    match given.contradiction(truth, Field::default()) {
        None => Ok(()),
        Some(field) => Err(FieldError { field, reason: Reason::Contradiction }),
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
