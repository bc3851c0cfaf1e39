//! Types that are one number or one word.

use alloc::format;
use core::fmt;
use core::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Hex, Value};
use crate::codec::{
    CardData, DeviceId, EventCode, EventFlags, EventMask, JobCode, PortValue, SdkCode, Temperature, Timestamp,
};

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
number!(Temperature, u32, Temperature::hundredths, Temperature::from_hundredths);
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
