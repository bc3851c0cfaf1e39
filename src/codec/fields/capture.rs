//! Records of captures.

use alloc::string::String;
use alloc::vec::Vec;

use super::records::{BlobFields, EventFields};
use super::{
    Base64, FieldError, Hex, Reason, deserialize_from_fields, object, present, required, serialize_as_fields,
};
use crate::codec::capture::{
    CapturePayload, CapturePayloadBuf, CaptureRecord, CaptureRecordBuf, ConnectionStateRecord,
};
use crate::codec::portable::PortableBlob;
use crate::codec::{DeviceId, Event, Temperature};

object! {
    /// The fields of all kinds. A payload without its record has no device and no time.
    CaptureFields {
        kind: String,
        device_id: DeviceId,
        received_at: u64,
        event: EventFields,
        temperature: Temperature,
        image: Base64,
        state: String,
        state_code: u8,
        blob: BlobFields,
        kind_number: u32,
        payload: Hex,
    }
}

serialize_as_fields!(CaptureRecord<'_> as CaptureFields);
serialize_as_fields!(CapturePayload<'_> as CaptureFields);
serialize_as_fields!(ConnectionStateRecord<'_> as CaptureFields);
deserialize_from_fields!(CaptureRecordBuf as CaptureFields);
deserialize_from_fields!(CapturePayloadBuf as CaptureFields);

/// Like the record that it lends: `payload` is not written if `blob` has the same bytes.
impl serde::Serialize for CaptureRecordBuf {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_record().serialize(serializer)
    }
}

impl serde::Serialize for CapturePayloadBuf {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_payload().serialize(serializer)
    }
}

impl From<&CaptureRecord<'_>> for CaptureFields {
    fn from(record: &CaptureRecord<'_>) -> Self {
        Self::from(&record.payload).of_record(record.device, record.received_at)
    }
}

impl From<&CapturePayload<'_>> for CaptureFields {
    fn from(payload: &CapturePayload<'_>) -> Self {
        match *payload {
            CapturePayload::Event(event) => Self::of_event("event", event),
            CapturePayload::EventWithTemperature(event, temperature) => {
                Self { temperature: Some(temperature), ..Self::of_event("event_with_temperature", event) }
            }
            CapturePayload::ImageLog { event, jpeg } => {
                Self { image: Some(Base64(jpeg.into())), ..Self::of_event("image_log", event) }
            }
            CapturePayload::SmallBlob(bytes) => match PortableBlob::decode(bytes) {
                Ok(blob) => Self { blob: Some((&blob).into()), ..Self::of_kind("small_blob") },
                Err(_) => Self { payload: Some(bytes.into()), ..Self::of_kind("small_blob") },
            },
            CapturePayload::State(state) => Self::from(&state),
            CapturePayload::Unknown { kind, bytes } => {
                Self { kind_number: Some(kind), payload: Some(bytes.into()), ..Self::of_kind("unknown") }
            }
        }
    }
}

impl From<&ConnectionStateRecord<'_>> for CaptureFields {
    fn from(&ConnectionStateRecord { code, name }: &ConnectionStateRecord<'_>) -> Self {
        Self { state: Some(name.into()), state_code: Some(code), ..Self::of_kind("state") }
    }
}

/// With every field that may be given: a small blob also has its bytes.
impl From<&CapturePayloadBuf> for CaptureFields {
    fn from(payload: &CapturePayloadBuf) -> Self {
        let payload = payload.as_payload();
        match payload {
            CapturePayload::SmallBlob(bytes) => Self { payload: Some(bytes.into()), ..Self::from(&payload) },
            payload => Self::from(&payload),
        }
    }
}

impl From<&CaptureRecordBuf> for CaptureFields {
    fn from(record: &CaptureRecordBuf) -> Self {
        Self::from(&record.payload).of_record(record.device, record.received_at)
    }
}

impl TryFrom<&CaptureFields> for CaptureRecordBuf {
    type Error = FieldError;

    fn try_from(fields: &CaptureFields) -> Result<Self, FieldError> {
        let device = required(&fields.device_id, "device_id")?;
        let received_at = required(&fields.received_at, "received_at")?;
        Ok(Self { device, received_at, payload: fields.try_into()? })
    }
}

impl TryFrom<&CaptureFields> for CapturePayloadBuf {
    type Error = FieldError;

    fn try_from(fields: &CaptureFields) -> Result<Self, FieldError> {
        let payload = fields.payload.as_ref().map_or(&[][..], |payload| &payload.0);
        Ok(match present(&fields.kind, "kind")?.as_str() {
            "event" => CapturePayload::Event(&fields.to_event()?).into(),
            "event_with_temperature" => {
                let temperature = fields.temperature.unwrap_or_default();
                CapturePayload::EventWithTemperature(&fields.to_event()?, temperature).into()
            }
            "image_log" => {
                let jpeg = fields.image.as_ref().map_or(&[][..], |image| &image.0);
                CapturePayload::ImageLog { event: &fields.to_event()?, jpeg }.into()
            }
            // The bytes may not be a blob. They may also be given beside `blob`.
            "small_blob" if fields.payload.is_some() => CapturePayload::SmallBlob(payload).into(),
            "small_blob" => CapturePayload::SmallBlob(&fields.to_blob()?).into(),
            "state" => CapturePayload::State(ConnectionStateRecord {
                code: required(&fields.state_code, "state_code")?,
                name: present(&fields.state, "state")?,
            })
            .into(),
            "unknown" => match required(&fields.kind_number, "kind_number")? {
                kind if CapturePayload::is_known(kind) => {
                    return Err(FieldError::new("kind_number", Reason::Contradiction));
                }
                kind => CapturePayload::Unknown { kind, bytes: payload }.into(),
            },
            _ => return Err(FieldError::new("kind", Reason::RecordKind)),
        })
    }
}

impl CaptureFields {
    fn of_kind(kind: &str) -> Self {
        Self { kind: Some(kind.into()), ..Self::default() }
    }

    fn of_event(kind: &str, event: &Event) -> Self {
        Self { event: Some(event.into()), ..Self::of_kind(kind) }
    }

    /// The record of a device, whose log has the event.
    fn of_record(self, device: DeviceId, received_at: u64) -> Self {
        let event = self.event.map(|event| event.of_log(device));
        Self { device_id: Some(device), received_at: Some(received_at), event, ..self }
    }

    fn to_event(&self) -> Result<Event, FieldError> {
        present(&self.event, "event")?.try_into().map_err(|error: FieldError| error.inside("event"))
    }

    /// The bytes of the blob.
    fn to_blob(&self) -> Result<Vec<u8>, FieldError> {
        let blob = PortableBlob::try_from(present(&self.blob, "blob")?);
        let blob = blob.map_err(|error| error.inside("blob"))?;
        let mut bytes = Vec::with_capacity(blob.encoded_len());
        blob.encode(&mut bytes);
        Ok(bytes)
    }
}
