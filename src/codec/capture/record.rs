//! The records of a capture.

#[cfg(feature = "serde")]
use alloc::string::String;
#[cfg(feature = "serde")]
use alloc::vec::Vec;
use core::fmt;

use zerocopy::little_endian::U32;

use crate::codec::record::{Layout, record};
use crate::codec::{DecodeError, DecodeReason, DeviceId, Event, Extras, Temperature};

/// One record of a capture, in the bytes of the capture.
///
/// `Debug` shows no user id, no card data, no temperature and no image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CaptureRecord<'a> {
    /// The device that delivered it. The events may be those of a slave device.
    pub device: DeviceId,
    /// When it was received, by the clock of the machine that wrote it: milliseconds since 1970-01-01 00:00:00 UTC.
    pub received_at: u64,
    /// What was received.
    pub payload: CapturePayload<'a>,
}

impl<'a> CaptureRecord<'a> {
    /// The event of this record, alone or with a temperature or an image. `None` for a record without an event, and for
    /// a small blob, which has to be decoded.
    #[must_use]
    pub const fn event(&self) -> Option<&'a Event> {
        match self.payload {
            CapturePayload::Event(event)
            | CapturePayload::EventWithTemperature(event, _)
            | CapturePayload::ImageLog { event, .. } => Some(event),
            _ => None,
        }
    }

    /// The extras of that event: its temperature, if it has one.
    #[must_use]
    pub fn extras(&self) -> Extras {
        match self.payload {
            CapturePayload::EventWithTemperature(_, temperature) => {
                Extras::default().with_temperature(temperature)
            }
            _ => Extras::default(),
        }
    }
}

/// What was received.
#[derive(Clone, Copy, Eq, PartialEq)]
#[non_exhaustive]
pub enum CapturePayload<'a> {
    /// An event.
    Event(&'a Event),
    /// An event of a device with a thermal camera.
    EventWithTemperature(&'a Event, Temperature),
    /// The image of an event.
    ImageLog {
        /// The event.
        event: &'a Event,
        /// Its image, a JPEG.
        jpeg: &'a [u8],
    },
    /// The bytes of a portable blob.
    SmallBlob(&'a [u8]),
    /// The new state of the connection to the device.
    State(ConnectionStateRecord<'a>),
    /// A kind that this version does not know.
    Unknown {
        /// Its kind.
        kind: u32,
        /// Its bytes.
        bytes: &'a [u8],
    },
}

impl<'a> CapturePayload<'a> {
    /// The payload of a record of this kind.
    pub(super) fn read(kind: u32, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match kind {
            EVENT => Event::from_bytes(bytes).map(Self::Event),
            EVENT_WITH_TEMPERATURE => {
                let both: &WithTemperature = WithTemperature::LAYOUT.one(bytes)?;
                let temperature = Temperature::from_hundredths(both.temperature.get());
                Ok(Self::EventWithTemperature(&both.event, temperature))
            }
            SMALL_BLOB => Ok(Self::SmallBlob(bytes)),
            IMAGE_LOG => {
                let (event, jpeg) = bytes.split_at_checked(Event::SIZE).unwrap_or((bytes, &[]));
                Ok(Self::ImageLog { event: Event::from_bytes(event)?, jpeg })
            }
            STATE => ConnectionStateRecord::read(bytes).map(Self::State),
            kind => Ok(Self::Unknown { kind, bytes }),
        }
    }

    /// Whether this number is the kind of a variant other than `Unknown`.
    #[cfg(any(feature = "capture", feature = "serde"))]
    pub(in crate::codec) const fn is_known(kind: u32) -> bool {
        matches!(kind, EVENT..=STATE)
    }

    /// The number of this kind in a file.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::Event(_) => EVENT,
            Self::EventWithTemperature(..) => EVENT_WITH_TEMPERATURE,
            Self::ImageLog { .. } => IMAGE_LOG,
            Self::SmallBlob(_) => SMALL_BLOB,
            Self::State(_) => STATE,
            Self::Unknown { kind, .. } => *kind,
        }
    }
}

impl fmt::Debug for CapturePayload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
            Self::EventWithTemperature(event, temperature) => {
                f.debug_tuple("EventWithTemperature").field(event).field(temperature).finish()
            }
            Self::ImageLog { event, jpeg } => {
                f.debug_struct("ImageLog").field("event", event).field("jpeg", &Size(jpeg)).finish()
            }
            Self::SmallBlob(bytes) => f.debug_tuple("SmallBlob").field(&Size(bytes)).finish(),
            Self::State(state) => f.debug_tuple("State").field(state).finish(),
            Self::Unknown { kind, bytes } => {
                f.debug_struct("Unknown").field("kind", kind).field("bytes", &Size(bytes)).finish()
            }
        }
    }
}

/// Shows the number of bytes, and none of the bytes.
struct Size<'a>(&'a [u8]);

impl fmt::Debug for Size<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A state of the connection to a device.
///
/// The codes are 1 connected, 2 connecting, 3 disconnected, and 4 no clock ([`NO_CLOCK`](Self::NO_CLOCK)). A later version
/// may know more, so the name is stored too.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::capture::ConnectionStateRecord;
///
/// assert_eq!(ConnectionStateRecord { code: 9, name: "asleep" }.to_string(), "asleep");
/// // Characters that a terminal might obey are escaped.
/// assert_eq!(ConnectionStateRecord { code: 9, name: "\x1B[31m" }.to_string(), r"\u{1b}[31m");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ConnectionStateRecord<'a> {
    /// The number of the state.
    pub code: u8,
    /// The name of the state.
    pub name: &'a str,
}

impl<'a> ConnectionStateRecord<'a> {
    /// The connection does not pass on the clock byte of events, like that over a device gateway: in the events of the
    /// device that follow, the UTC offset and daylight saving are unknown, and their bits are 0.
    pub const NO_CLOCK: ConnectionStateRecord<'static> = ConnectionStateRecord { code: 4, name: "no clock" };

    /// Whether this is [`NO_CLOCK`](Self::NO_CLOCK).
    #[must_use]
    pub const fn is_no_clock(&self) -> bool {
        self.code == Self::NO_CLOCK.code
    }

    fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let layout = Layout { record: "state", start: None, fields: &[("code", 0)], size: 1 };
        let (&code, name) = bytes.split_first().ok_or_else(|| layout.truncated(0, 0))?;
        let name = core::str::from_utf8(name).map_err(|_| layout.error("name", 1, DecodeReason::Text))?;
        Ok(Self { code, name })
    }
}

impl fmt::Display for ConnectionStateRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.escape_debug().fmt(f)
    }
}

/// A [`CaptureRecord`] that owns its bytes: the type that serde reads.
///
/// `Debug` shows what that of the record shows: nothing personal.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
/// use bs2_events::codec::capture::{CapturePayload, CaptureRecord, CaptureRecordBuf, ConnectionStateRecord};
///
/// let payload = CapturePayload::State(ConnectionStateRecord { code: 1, name: "connected" });
/// let record = CaptureRecord { device: DeviceId::new(7), received_at: 9, payload };
/// let text = serde_json::to_string(&record)?;
/// assert_eq!(
///     text,
///     r#"{"kind":"state","device_id":7,"received_at":9,"state":"connected","state_code":1}"#
/// );
/// assert_eq!(serde_json::from_str::<CaptureRecordBuf>(&text)?.as_record(), record);
///
/// let text = r#"{"kind": "event", "device_id": 7, "received_at": 9, "event": {"raw": ""}}"#;
/// let error = serde_json::from_str::<CaptureRecordBuf>(text).unwrap_err();
/// assert!(error.to_string().starts_with("field `event.raw`: 48 bytes are expected"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[cfg(feature = "serde")]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CaptureRecordBuf {
    /// The device that delivered it.
    pub device: DeviceId,
    /// When it was received: milliseconds since 1970-01-01 00:00:00 UTC.
    pub received_at: u64,
    /// What was received.
    pub payload: CapturePayloadBuf,
}

#[cfg(feature = "serde")]
impl CaptureRecordBuf {
    /// The record, as [`CaptureReader`](super::CaptureReader) returns it and `CaptureWriter` takes it.
    #[must_use]
    pub fn as_record(&self) -> CaptureRecord<'_> {
        let Self { device, received_at, ref payload } = *self;
        CaptureRecord { device, received_at, payload: payload.as_payload() }
    }
}

#[cfg(feature = "serde")]
impl From<CaptureRecord<'_>> for CaptureRecordBuf {
    fn from(record: CaptureRecord<'_>) -> Self {
        let CaptureRecord { device, received_at, payload } = record;
        Self { device, received_at, payload: payload.into() }
    }
}

/// A [`CapturePayload`] that owns its bytes: the type that serde reads, also for a [`ConnectionStateRecord`].
#[cfg(feature = "serde")]
#[derive(Clone, Eq, PartialEq)]
pub struct CapturePayloadBuf(Owned);

#[cfg(feature = "serde")]
impl CapturePayloadBuf {
    /// The payload, in the bytes of this value.
    #[must_use]
    pub fn as_payload(&self) -> CapturePayload<'_> {
        match &self.0 {
            Owned::Event(event) => CapturePayload::Event(event),
            Owned::EventWithTemperature(event, temperature) => {
                CapturePayload::EventWithTemperature(event, *temperature)
            }
            Owned::ImageLog { event, jpeg } => CapturePayload::ImageLog { event, jpeg },
            Owned::SmallBlob(bytes) => CapturePayload::SmallBlob(bytes),
            Owned::State { code, name } => CapturePayload::State(ConnectionStateRecord { code: *code, name }),
            Owned::Unknown { kind, bytes } => CapturePayload::Unknown { kind: *kind, bytes },
        }
    }
}

#[cfg(feature = "serde")]
impl From<CapturePayload<'_>> for CapturePayloadBuf {
    fn from(payload: CapturePayload<'_>) -> Self {
        Self(match payload {
            CapturePayload::Event(event) => Owned::Event(*event),
            CapturePayload::EventWithTemperature(event, temperature) => {
                Owned::EventWithTemperature(*event, temperature)
            }
            CapturePayload::ImageLog { event, jpeg } => Owned::ImageLog { event: *event, jpeg: jpeg.into() },
            CapturePayload::SmallBlob(bytes) => Owned::SmallBlob(bytes.into()),
            CapturePayload::State(ConnectionStateRecord { code, name }) => {
                Owned::State { code, name: name.into() }
            }
            CapturePayload::Unknown { kind, bytes } => Owned::Unknown { kind, bytes: bytes.into() },
        })
    }
}

#[cfg(feature = "serde")]
impl fmt::Debug for CapturePayloadBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_payload().fmt(f)
    }
}

#[cfg(feature = "serde")]
#[derive(Clone, Eq, PartialEq)]
enum Owned {
    Event(Event),
    EventWithTemperature(Event, Temperature),
    ImageLog { event: Event, jpeg: Vec<u8> },
    SmallBlob(Vec<u8>),
    State { code: u8, name: String },
    Unknown { kind: u32, bytes: Vec<u8> },
}

record! {
    /// The payload of kind 2.
    pub(super) struct WithTemperature("event with temperature", 52 bytes) {
        [0] event: Event = "",
        [48] temperature: U32 = "",
    }
}

const EVENT: u32 = 1;
const EVENT_WITH_TEMPERATURE: u32 = 2;
const SMALL_BLOB: u32 = 3;
const IMAGE_LOG: u32 = 4;
const STATE: u32 = 5;
