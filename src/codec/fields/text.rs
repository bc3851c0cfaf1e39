//! Bytes and wide numbers as text.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FieldError, Reason, Value};

/// Bytes as hexadecimal digits, in lower case; either case is read.
#[derive(Clone, PartialEq)]
pub(super) struct Hex(pub(super) Vec<u8>);

impl Hex {
    /// The bytes, if there are as many as the field has.
    pub(super) fn array<const N: usize>(&self, field: &'static str) -> Result<[u8; N], FieldError> {
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
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
        let text: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        serializer.serialize_str(&text)
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
pub(super) struct Base64(pub(super) Vec<u8>);

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
pub(super) struct Wide(pub(super) u64);

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
