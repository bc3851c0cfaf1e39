//! What a record of a capture holds.

use core::fmt;

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::codec::record::Layout;
use crate::codec::{DecodeError, DecodeReason, Event, Temperature};

/// What came.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::capture::{CapturePayload, LinkState};
///
/// let payload = CapturePayload::State(LinkState { code: 1, name: "connected" });
/// assert_eq!(payload.kind(), 5);
/// ```
#[derive(Clone, Copy, Eq, PartialEq)]
#[non_exhaustive]
pub enum CapturePayload<'a> {
    /// An event.
    Event(&'a Event),
    /// An event of a reader with a thermal camera.
    EventWithTemperature(&'a Event, Temperature),
    /// The picture of an event.
    ImageLog {
        /// The event.
        event: &'a Event,
        /// Its picture, a JPEG.
        jpeg: &'a [u8],
    },
    /// A portable small blob.
    SmallBlob(&'a [u8]),
    /// The connection to the reader became this.
    State(LinkState<'a>),
    /// What this version does not know.
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
            STATE => LinkState::read(bytes).map(Self::State),
            kind => Ok(Self::Unknown { kind, bytes }),
        }
    }

    /// Whether this number stands for a kind that is told apart.
    #[cfg(feature = "capture")]
    pub(in crate::codec) const fn is_known(kind: u32) -> bool {
        matches!(kind, EVENT..=STATE)
    }

    /// The number that stands for this kind in a file.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::capture::CapturePayload;
    /// assert_eq!(CapturePayload::SmallBlob(b"").kind(), 3);
    /// assert_eq!(CapturePayload::Unknown { kind: 99, bytes: b"" }.kind(), 99);
    /// ```
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

/// Shows how many bytes there are, and none of them.
struct Size<'a>(&'a [u8]);

impl fmt::Debug for Size<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A state of the connection to a reader.
///
/// The codes are 1 connected, 2 connecting, 3 disconnected; a later version may know more, and so the name stands
/// beside it.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::capture::LinkState;
///
/// assert_eq!(LinkState { code: 9, name: "asleep" }.to_string(), "asleep");
/// // What a terminal might obey is escaped.
/// assert_eq!(LinkState { code: 9, name: "\x1B[31m" }.to_string(), r"\u{1b}[31m");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LinkState<'a> {
    /// The number of the state.
    pub code: u8,
    /// The word for it.
    pub name: &'a str,
}

impl<'a> LinkState<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let layout = Layout { record: "state", fields: &[("code", 0)], size: 1 };
        let (&code, name) = bytes.split_first().ok_or_else(|| layout.truncated(0, 0))?;
        let name = core::str::from_utf8(name).map_err(|_| layout.error("name", 1, DecodeReason::Text))?;
        Ok(Self { code, name })
    }
}

impl fmt::Display for LinkState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.escape_debug().fmt(f)
    }
}

#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct WithTemperature {
    pub(super) event: Event,
    pub(super) temperature: U32,
}

impl WithTemperature {
    const LAYOUT: Layout = Layout {
        record: "event with temperature",
        fields: &[("event", 0), ("temperature", Event::SIZE)],
        size: size_of::<Self>(),
    };
}

pub(super) const EVENT: u32 = 1;
pub(super) const EVENT_WITH_TEMPERATURE: u32 = 2;
pub(super) const SMALL_BLOB: u32 = 3;
pub(super) const IMAGE_LOG: u32 = 4;
pub(super) const STATE: u32 = 5;

const _: () = assert!(size_of::<WithTemperature>() == 52 && align_of::<WithTemperature>() == 1);
