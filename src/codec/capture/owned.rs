//! Records that hold what they have themselves, for serde to read into.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{CapturePayload, CaptureRecord, LinkState};
use crate::codec::{DeviceId, Event, Temperature};

/// A [`CaptureRecord`] that borrows nothing: what serde reads.
///
/// `Debug` shows what that of the record does: nothing personal.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
/// use bs2_events::codec::capture::{CapturePayload, CaptureRecord, CaptureRecordBuf, LinkState};
///
/// let payload = CapturePayload::State(LinkState { code: 1, name: "connected" });
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CaptureRecordBuf {
    /// The reader that delivered it.
    pub device: DeviceId,
    /// When it came: milliseconds since 1970-01-01 00:00:00 UTC.
    pub received_at: u64,
    /// What came.
    pub payload: CapturePayloadBuf,
}

impl CaptureRecordBuf {
    /// The record, as readers of captures give it and writers take it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::DeviceId;
    /// # use bs2_events::codec::capture::{CapturePayload, CaptureRecord, CaptureRecordBuf};
    /// let payload = CapturePayload::Unknown { kind: 99, bytes: b"later" };
    /// let record = CaptureRecord { device: DeviceId::new(7), received_at: 9, payload };
    /// assert_eq!(CaptureRecordBuf::from(record).as_record(), record);
    /// ```
    #[must_use]
    pub fn as_record(&self) -> CaptureRecord<'_> {
        let Self { device, received_at, ref payload } = *self;
        CaptureRecord { device, received_at, payload: payload.as_payload() }
    }
}

impl From<CaptureRecord<'_>> for CaptureRecordBuf {
    fn from(record: CaptureRecord<'_>) -> Self {
        let CaptureRecord { device, received_at, payload } = record;
        Self { device, received_at, payload: payload.into() }
    }
}

/// A [`CapturePayload`] that borrows nothing: what serde reads, also of a [`LinkState`].
///
/// # Examples
///
/// ```
/// use bs2_events::codec::capture::{CapturePayload, CapturePayloadBuf, LinkState};
///
/// let state = LinkState { code: 9, name: "asleep" };
/// let payload: CapturePayloadBuf = serde_json::from_str(&serde_json::to_string(&state)?)?;
/// assert_eq!(payload.as_payload(), CapturePayload::State(state));
///
/// let error = serde_json::from_str::<CapturePayloadBuf>(r#"{"kind": "Ada"}"#).unwrap_err();
/// assert!(error.to_string().starts_with("field `kind`: not a kind of record"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct CapturePayloadBuf(Held);

impl CapturePayloadBuf {
    /// What came, in the bytes that are held here.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::capture::{CapturePayload, CapturePayloadBuf};
    /// let blob = CapturePayload::SmallBlob(&[0, 0, 7, 0, 0, 0, 0]);
    /// assert_eq!(CapturePayloadBuf::from(blob).as_payload(), blob);
    /// ```
    #[must_use]
    pub fn as_payload(&self) -> CapturePayload<'_> {
        match &self.0 {
            Held::Event(event) => CapturePayload::Event(event),
            Held::EventWithTemperature(event, temperature) => {
                CapturePayload::EventWithTemperature(event, *temperature)
            }
            Held::ImageLog { event, jpeg } => CapturePayload::ImageLog { event, jpeg },
            Held::SmallBlob(bytes) => CapturePayload::SmallBlob(bytes),
            Held::State { code, name } => CapturePayload::State(LinkState { code: *code, name }),
            Held::Unknown { kind, bytes } => CapturePayload::Unknown { kind: *kind, bytes },
        }
    }
}

impl From<CapturePayload<'_>> for CapturePayloadBuf {
    fn from(payload: CapturePayload<'_>) -> Self {
        Self(match payload {
            CapturePayload::Event(event) => Held::Event(*event),
            CapturePayload::EventWithTemperature(event, temperature) => {
                Held::EventWithTemperature(*event, temperature)
            }
            CapturePayload::ImageLog { event, jpeg } => Held::ImageLog { event: *event, jpeg: jpeg.into() },
            CapturePayload::SmallBlob(bytes) => Held::SmallBlob(bytes.into()),
            CapturePayload::State(LinkState { code, name }) => Held::State { code, name: name.into() },
            CapturePayload::Unknown { kind, bytes } => Held::Unknown { kind, bytes: bytes.into() },
        })
    }
}

impl fmt::Debug for CapturePayloadBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_payload().fmt(f)
    }
}

#[derive(Clone, Eq, PartialEq)]
enum Held {
    Event(Event),
    EventWithTemperature(Event, Temperature),
    ImageLog { event: Event, jpeg: Vec<u8> },
    SmallBlob(Vec<u8>),
    State { code: u8, name: String },
    Unknown { kind: u32, bytes: Vec<u8> },
}
