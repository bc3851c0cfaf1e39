//! serde: records as objects of named fields.
//!
//! Every record goes through an object of optional fields (`object!`). To write a record fills in all of them. To read
//! one builds the record from the fields that are given, turns it into fields again, and compares: a field that differs
//! would be lost silently, so it is an error.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::blob::EventMask;
use super::hex::to_hex;
use super::sdk_code::SdkCode;
use super::subject::PortValue;
use super::{CardData, DeviceId, EventCode, EventFlags, JobCode, Temperature, Timestamp};

mod capture;
mod records;

/// A type that a field of an object can have.
trait Value: DeserializeOwned + PartialEq {
    /// What an error says is expected.
    const EXPECTED: &'static str;

    /// Reads the value of this field.
    fn read<'de, D: Deserializer<'de>>(deserializer: D, field: Field) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
            .map_err(|_| D::Error::custom(format_args!("field `{field}`: {} is expected", Self::EXPECTED)))
    }

    /// The field, this one or one inside it, whose given value differs from the record's.
    fn contradiction(&self, truth: &Self, field: Field) -> Option<Field> {
        (self != truth).then_some(field)
    }
}

/// The name of a field, after those of the objects that contain it: `event.subject.kind`. Missing names are empty and
/// come first. There are at most three levels.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Field([&'static str; 3]);

impl Field {
    const fn new(name: &'static str) -> Self {
        Self(["", "", name])
    }

    /// Whether it is the outermost object, which has no name.
    const fn is_nameless(self) -> bool {
        let Self([.., name]) = self;
        name.is_empty()
    }

    /// The field of this name in this object.
    const fn inside(self, name: &'static str) -> Self {
        let Self([_, outer, object]) = self;
        Self([outer, object, name])
    }

    /// This field, if it belongs to the object of this name.
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

/// A field that is wrong. The error does not show the value, which may be personal.
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

    /// This error, for a field of the object of this name.
    fn inside(self, object: &'static str) -> Self {
        Self { field: self.field.within(object), ..self }
    }
}

/// The value of a field that must be present.
fn required<T: Clone>(value: &Option<T>, field: &'static str) -> Result<T, FieldError> {
    present(value, field).cloned()
}

/// Like [`required`], by reference.
fn present<'a, T>(value: &'a Option<T>, field: &'static str) -> Result<&'a T, FieldError> {
    value.as_ref().ok_or(FieldError::new(field, Reason::Missing))
}

/// Compares the given fields with those of the record that was made of them.
fn compare<T: Value>(given: &T, truth: &T) -> Result<(), FieldError> {
    match given.contradiction(truth, Field::default()) {
        None => Ok(()),
        Some(field) => Err(FieldError { field, reason: Reason::Contradiction }),
    }
}

/// Serializes a record as the object of its fields.
macro_rules! serialize_as_fields {
    ($record:ty as $fields:ident $(, $parameter:ident: $bound:path)?) => {
        impl $(<$parameter: $bound>)? serde::Serialize for $record {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(&$fields::from(self), serializer)
            }
        }
    };
}

/// Deserializes a record from the object of its fields, and compares.
macro_rules! deserialize_from_fields {
    ($record:ty as $fields:ident $(, $parameter:ident: $bound:path)?) => {
        impl<'de $(, $parameter: $bound)?> serde::Deserialize<'de> for $record {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let fields = <$fields as serde::Deserialize>::deserialize(deserializer)?;
                let record = Self::try_from(&fields).map_err(serde::de::Error::custom)?;
                let truth = $fields::from(&record);
                $crate::codec::fields::compare(&fields, &truth).map_err(serde::de::Error::custom)?;
                Ok(record)
            }
        }
    };
}
/// Both ways.
macro_rules! as_fields {
    ($($kind:tt)*) => {
        serialize_as_fields!($($kind)*);
        deserialize_from_fields!($($kind)*);
    };
}
use {as_fields, deserialize_from_fields, serialize_as_fields};

/// A struct of optional fields. Missing fields are not written. Errors of reading name the field, and never show its
/// value, as serde's own errors do.
macro_rules! object {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Default, PartialEq, serde::Serialize)]
        pub(super) struct $name {
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                pub(super) $field: Option<$type>,
            )*
        }

        impl super::Value for $name {
            const EXPECTED: &'static str = "an object of named fields";

            fn read<'de, D: serde::Deserializer<'de>>(
                deserializer: D,
                field: super::Field,
            ) -> Result<Self, D::Error> {
                super::deserialize_object(deserializer, field)
            }

            fn contradiction(&self, truth: &Self, field: super::Field) -> Option<super::Field> {
                $(
                    if let Some(given) = &self.$field {
                        let inner = field.inside(stringify!($field));
                        match &truth.$field {
                            None => return Some(inner),
                            Some(truth) => {
                                if let Some(field) = super::Value::contradiction(given, truth, inner) {
                                    return Some(field);
                                }
                            }
                        }
                    }
                )*
                None
            }
        }

        impl super::Fields for $name {
            fn read<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                object: super::Field,
                key: &str,
                map: &mut A,
            ) -> Result<(), A::Error> {
                match key {
                    $(stringify!($field) => {
                        super::read_field(&mut self.$field, object.inside(stringify!($field)), map)
                    })*
                    _ => Err(super::unknown_field(object, key)),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::deserialize_object(deserializer, super::Field::default())
            }
        }
    };
}
use object;

/// The structs that `object!` makes.
trait Fields: Default {
    /// Reads the value of this key of an object.
    fn read<'de, A: MapAccess<'de>>(&mut self, object: Field, key: &str, map: &mut A)
    -> Result<(), A::Error>;
}

/// Reads the value of one field.
fn read_field<'de, T: Value, A: MapAccess<'de>>(
    value: &mut Option<T>,
    field: Field,
    map: &mut A,
) -> Result<(), A::Error> {
    if value.is_some() {
        return Err(A::Error::custom(format_args!("duplicate field `{field}`")));
    }
    *value = Some(map.next_value_seed(Named(field, PhantomData))?);
    Ok(())
}

/// The error for an unknown key. It shows the first characters of the key.
fn unknown_field<E: Error>(object: Field, key: &str) -> E {
    let (dot, shown) = (if object.is_nameless() { "" } else { "." }, key.chars().take(SHOWN));
    let shown: String = shown.flat_map(char::escape_debug).collect();
    let rest = if key.chars().nth(SHOWN).is_some() { "…" } else { "" };
    E::custom(format_args!("unknown field `{object}{dot}{shown}{rest}`"))
}

/// Reads the object of this field.
fn deserialize_object<'de, T: Fields, D: Deserializer<'de>>(
    deserializer: D,
    field: Field,
) -> Result<T, D::Error> {
    // The visitor accepts any type: an error of the deserializer itself would show the value.
    deserializer.deserialize_any(Object(field, PhantomData))
}

/// The value of a field, with errors that name it.
struct Named<T>(Field, PhantomData<T>);

impl<'de, T: Value> DeserializeSeed<'de> for Named<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer, self.0)
    }
}

struct Object<T>(Field, PhantomData<T>);

macro_rules! wrong_type {
    ($($visit:ident($($value:ty)?);)*) => {
        $(fn $visit<E: Error>(self $(, _: $value)?) -> Result<T, E> {
            Err(self.wrong_type())
        })*
    };
}

impl<'de, T: Fields> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of named fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut fields = T::default();
        while let Some(key) = map.next_key::<String>()? {
            fields.read(self.0, &key, &mut map)?;
        }
        Ok(fields)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        Err(self.wrong_type())
    }

    wrong_type! {
        visit_bool(bool);
        visit_unit();
        visit_str(&str);
        visit_u64(u64);
        visit_i64(i64);
        visit_f64(f64);
    }
}

impl<T> Object<T> {
    fn wrong_type<E: Error>(self) -> E {
        match self.0 {
            field if field.is_nameless() => E::custom("an object of named fields is expected"),
            field => E::custom(format_args!("field `{field}`: an object of named fields is expected")),
        }
    }
}

/// A type that is written as its number.
macro_rules! number {
    ($type:ty, $number:ty, $to:expr, $from:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let to: fn(Self) -> $number = $to;
                to(*self).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$number>::deserialize(deserializer).map($from)
            }
        }

        impl Value for $type {
            const EXPECTED: &'static str = <$number>::EXPECTED;
        }
    };
}

number!(DeviceId, u32, DeviceId::get, DeviceId::new);
number!(EventFlags, u8, |flags| flags.bits(), EventFlags::from_bits_retain);
number!(EventMask, u16, |mask| mask.bits(), EventMask::from_bits_retain);
number!(JobCode, u32, |code| code.0, JobCode);
number!(PortValue, i8, PortValue::get, PortValue::new);
number!(SdkCode, i32, SdkCode::get, SdkCode::new);
number!(Timestamp, u32, Timestamp::as_unix_seconds, Timestamp::from_unix_seconds);

macro_rules! expected {
    ($($type:ty: $expected:literal,)*) => {
        $(impl Value for $type {
            const EXPECTED: &'static str = $expected;
        })*
    };
}

expected! {
    bool: "true or false",
    i8: "a number from -128 to 127",
    i16: "a number from -32768 to 32767",
    i32: "a number from -2147483648 to 2147483647",
    u8: "a number from 0 to 255",
    u16: "a number from 0 to 65535",
    u32: "a number from 0 to 4294967295",
    u64: "a number from 0 to 18446744073709551615",
    [u8; 2]: "an array of two numbers from 0 to 255",
    [u32; 4]: "an array of four numbers from 0 to 4294967295",
}

/// Degrees Celsius, such as 36.77.
impl Serialize for Temperature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The nearest number to two decimals, which is written with two decimals.
        serializer.serialize_f64(f64::from(self.hundredths()) / 100.0)
    }
}

impl<'de> Deserialize<'de> for Temperature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let degrees = f64::deserialize(deserializer)?;
        let rounded = degrees * 100.0 + 0.5;
        if !(0.5..f64::from(u32::MAX) + 1.0).contains(&rounded) {
            return Err(D::Error::custom(Self::EXPECTED));
        }
        #[allow(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is in the range"
        )]
        let hundredths = rounded as u32;
        let difference = f64::from(hundredths) / 100.0 - degrees;
        if (-1e-6..1e-6).contains(&difference) {
            Ok(Self::from_hundredths(hundredths))
        } else {
            Err(D::Error::custom(Self::EXPECTED))
        }
    }
}

impl Value for Temperature {
    const EXPECTED: &'static str = "degrees Celsius from 0 to 42949672.95, with at most two decimals";
}

/// Text such as `"0x1301"`; a number and a name are read too.
impl Serialize for EventCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("0x{:04X}", self.get()))
    }
}

impl<'de> Deserialize<'de> for EventCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CodeVisitor)
    }
}

impl Value for EventCode {
    const EXPECTED: &'static str = "an event code such as \"0x1301\"";
}

struct CodeVisitor;

impl Visitor<'_> for CodeVisitor {
    type Value = EventCode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EventCode::EXPECTED)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<EventCode, E> {
        u16::try_from(number).map(EventCode::new).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<EventCode, E> {
        EventCode::from_str(text).map_err(E::custom)
    }
}

/// 64 hexadecimal digits.
impl Serialize for CardData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Hex::from(self.as_bytes().as_slice()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CardData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: [u8; 32] = Hex::deserialize(deserializer)?.array("card_data").map_err(D::Error::custom)?;
        Self::new(bytes).map_err(D::Error::custom)
    }
}

/// Bytes as hexadecimal digits, in lower case; either case is read.
#[derive(Clone, PartialEq)]
struct Hex(Vec<u8>);

impl Hex {
    /// The bytes, if there are as many as the field has.
    fn array<const N: usize>(&self, field: &'static str) -> Result<[u8; N], FieldError> {
        self.0.as_slice().try_into().map_err(|_| FieldError::new(field, Reason::Size(N)))
    }
}

impl From<&[u8]> for Hex {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl Value for Hex {
    const EXPECTED: &'static str = "text of two hexadecimal digits a byte";
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |&byte: &u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pair = |pair: &[u8]| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
        bytes.map(Self).ok_or_else(|| D::Error::custom(Self::EXPECTED))
    }
}

/// Bytes as base64 with padding, RFC 4648.
#[derive(Clone, Default, PartialEq)]
struct Base64(Vec<u8>);

impl Value for Base64 {
    const EXPECTED: &'static str = "base64 text";
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(|_| D::Error::custom(Self::EXPECTED))
    }
}

/// A number of 64 bits as text such as `"0x1122334455667788"`, since many readers of JSON keep 53; a number is read too.
#[derive(Clone, Copy, PartialEq)]
struct Wide(u64);

impl Value for Wide {
    const EXPECTED: &'static str = "text such as \"0x1122334455667788\" or a number";
}

impl Serialize for Wide {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Wide {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WideVisitor)
    }
}

struct WideVisitor;

impl Visitor<'_> for WideVisitor {
    type Value = Wide;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Wide::EXPECTED)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Wide, E> {
        Ok(Wide(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Wide, E> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        // The standard library's numbers may have a sign; an address has none.
        let digits = digits.filter(|digits| !digits.starts_with('+'));
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.map(Wide).ok_or_else(|| E::custom(Wide::EXPECTED))
    }
}

impl Value for String {
    const EXPECTED: &'static str = "text";
}

impl Value for Option<String> {
    const EXPECTED: &'static str = "text or null";
}

/// Characters of an unknown key that an error shows.
const SHOWN: usize = 40;
