//! The formats that `decode` reads and `encode` writes: records of one kind, and captures.

use std::borrow::Cow;
use std::fmt;
use std::io;

use bs2_events::codec::blob::{
    BlobSubject, EventBlob, ExtInfo, ExtIoDevice, SmallBlob32, SmallBlob64, SmallBlobEx32, SmallBlobEx64,
};
use bs2_events::codec::capture::{CapturePayload, CaptureRecord, CaptureRecordBuf, CaptureWriter};
use bs2_events::codec::filter::EventFilter;
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{DecodeError, Event, LoggedEvent};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use jiff::Timestamp;
use serde::Serialize;

use crate::stdio::count;

/// What `--as` names: records of one kind, or a capture, whose records have kinds of their own.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    Records(Kind),
    Capture,
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        FORMATS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Records(kind) => kind.to_possible_value(),
            Self::Capture => Some(PossibleValue::new("capture").help("a capture file, head and all")),
        }
    }
}

/// Declares the kinds of fixed size, one a line. Only the portable blob has a variable size.
macro_rules! records {
    ($($(#[$help:meta])* $kind:ident($record:ty) = $name:literal,)*) => {
        /// What the bytes are.
        #[derive(Clone, Copy, ValueEnum)]
        pub(crate) enum Kind {
            $($(#[$help])* #[value(name = $name)] $kind,)*
            /// 7 to 65 597 bytes: the valid fields of a small blob, with the image inside
            Portable,
        }

        const FORMATS: &[Format] =
            &[$(Format::Records(Kind::$kind),)* Format::Records(Kind::Portable), Format::Capture];

        /// A record; as JSON the object of its fields.
        #[derive(Serialize)]
        #[serde(untagged)]
        pub(crate) enum Record<'a> {
            $($kind(&'a $record),)*
            Portable(PortableBlob<'a>),
        }

        impl Kind {
            /// The record in these bytes, all of them.
            pub(crate) fn one(self, bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
                Ok(match self {
                    $(Self::$kind => Record::$kind(<$record>::from_bytes(bytes)?),)*
                    Self::Portable => Record::Portable(PortableBlob::decode(bytes)?),
                })
            }

            /// The record at the start of these bytes, and the bytes after it.
            pub(crate) fn first(self, bytes: &[u8]) -> Result<(Record<'_>, &[u8]), DecodeError> {
                let size = match self {
                    $(Self::$kind => <$record>::SIZE,)*
                    Self::Portable => {
                        let (blob, rest) = PortableBlob::decode_prefix(bytes)?;
                        return Ok((Record::Portable(blob), rest));
                    }
                };
                let (bytes, rest) = bytes.split_at_checked(size).unwrap_or((bytes, &[]));
                Ok((self.one(bytes)?, rest))
            }

            /// The bytes of the record that this object of JSON describes.
            pub(crate) fn encode(self, object: &str) -> serde_json::Result<Vec<u8>> {
                Ok(match self {
                    $(Self::$kind => serde_json::from_str::<$record>(object)?.as_bytes().into(),)*
                    Self::Portable => encoded(&serde_json::from_str(object)?),
                })
            }
        }

        impl Record<'_> {
            fn as_debug(&self) -> &dyn fmt::Debug {
                match self {
                    $(Self::$kind(record) => record,)*
                    Self::Portable(blob) => blob,
                }
            }

            pub(crate) fn bytes(&self) -> Cow<'_, [u8]> {
                match self {
                    $(Self::$kind(record) => record.as_bytes().into(),)*
                    Self::Portable(blob) => encoded(blob).into(),
                }
            }
        }
    };
}

records! {
    /// 48 bytes of a device's log
    Event(Event) = "event",
    /// 12 bytes: time, device and code of a blob
    ExtInfo(ExtInfo) = "ext-info",
    /// 8 bytes: the input port of a blob
    ExtIoDevice(ExtIoDevice) = "ext-io-device",
    /// 44 bytes: the filter of a read
    EventFilter(EventFilter) = "event-filter",
    /// 16 442 bytes: an event with its image inside
    Blob(EventBlob) = "blob",
    /// 66 bytes: an event with the address of its image, of a 64-bit library
    SmallBlob64(SmallBlob64) = "small-blob-64",
    /// 62 bytes: the same of a 32-bit library
    SmallBlob32(SmallBlob32) = "small-blob-32",
    /// 70 bytes: the small blob with a temperature, of a 64-bit library
    SmallBlobEx64(SmallBlobEx64) = "small-blob-ex-64",
    /// 66 bytes: the same of a 32-bit library
    SmallBlobEx32(SmallBlobEx32) = "small-blob-ex-32",
}

/// A line for people, without personal data.
impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => event.fmt(f),
            Self::ExtIoDevice(input) => BlobSubject::IoDevice(input).fmt(f),
            other => other.as_debug().fmt(f),
        }
    }
}

/// The bytes of a blob.
pub(crate) fn encoded(blob: &PortableBlob<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(blob.encoded_len());
    blob.encode(&mut bytes);
    bytes
}

/// The head of a capture, before its records.
pub(crate) fn capture_head() -> io::Result<Vec<u8>> {
    Ok(CaptureWriter::new(Vec::new())?.into_inner())
}

/// The bytes of the capture's record that this object of JSON describes.
pub(crate) fn encode_capture_record(object: &str) -> serde_json::Result<Vec<u8>> {
    let record: CaptureRecordBuf = serde_json::from_str(object)?;
    let framed = || {
        let mut writer = CaptureWriter::new(Vec::new())?;
        writer.append(&record.as_record())?;
        Ok(writer.into_inner().split_off(capture_head()?.len()))
    };
    framed().map_err(serde_json::Error::io)
}

/// A capture's record as a line for people, without personal data.
pub(crate) fn capture_line(record: &CaptureRecord<'_>) -> String {
    let milliseconds = i64::try_from(record.received_at).ok();
    let time = milliseconds.and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok());
    let time = time.map_or_else(|| format!("{} ms", record.received_at), |time| format!("{time:.3}"));
    let bytes = |bytes: &[u8]| count(bytes.len() as u64, "byte");
    let device = record.device;
    let logged = |event| LoggedEvent::new(device, event);
    match record.payload {
        CapturePayload::Event(event) => format!("{time} {}", logged(event)),
        CapturePayload::EventWithTemperature(event, _) => {
            format!("{time} {} with temperature", logged(event))
        }
        CapturePayload::ImageLog { event, jpeg } => {
            format!("{time} {} picture of {}", logged(event), bytes(jpeg))
        }
        CapturePayload::SmallBlob(blob) => format!("{time} {device} small blob of {}", bytes(blob)),
        CapturePayload::State(state) => format!("{time} {device} {state}"),
        CapturePayload::Unknown { kind, bytes: payload } => {
            format!("{time} {device} record of kind {kind} and {}", bytes(payload))
        }
        // A kind of a later version.
        payload => format!("{time} {device} record of kind {}", payload.kind()),
    }
}
