//! The event, with its meaning beside its fields.

use alloc::string::{String, ToString};

use super::subject::SubjectFields;
use super::{FieldError, Hex, Reason, deserialize_from_fields, object, required, serialize_as_fields};
use crate::codec::{DeviceId, Event, EventCode, EventFlags, Outcome, Subject, Timestamp};

object! {
    /// `raw` is the event. Without it, the fields are, and those that only explain are not needed.
    EventFields {
        event_id: u32,
        time: Timestamp,
        time_utc: String,
        device_id: DeviceId,
        code: EventCode,
        name: Option<String>,
        main: EventCode,
        sub: u8,
        param: u8,
        image: bool,
        dst: bool,
        utc_offset_minutes: i16,
        outcome: Option<String>,
        subject: SubjectFields,
        raw: Hex,
    }
}

serialize_as_fields!(Event as EventFields);
deserialize_from_fields!(Event as EventFields);

impl From<&Event> for EventFields {
    fn from(event: &Event) -> Self {
        let (code, flags) = (event.code(), event.flags());
        let outcome = match code.outcome() {
            Outcome::Neither => None,
            outcome => Some(outcome.to_string()),
        };
        Self {
            event_id: Some(event.id()),
            time: Some(event.timestamp()),
            time_utc: Some(event.timestamp().to_string()),
            device_id: Some(event.device_id()),
            code: Some(code),
            name: Some(code.name().map(String::from)),
            main: Some(code.main()),
            sub: Some(code.sub()),
            param: Some(event.param()),
            image: Some(flags.has_image()),
            dst: Some(flags.daylight_saving()),
            utc_offset_minutes: Some(flags.utc_offset_minutes()),
            outcome: Some(outcome),
            subject: Some((&event.subject()).into()),
            raw: Some(event.as_bytes().into()),
        }
    }
}

impl TryFrom<&EventFields> for Event {
    type Error = FieldError;

    fn try_from(fields: &EventFields) -> Result<Self, FieldError> {
        if let Some(raw) = &fields.raw {
            let event = Self::from_bytes(&raw.0);
            return event.copied().map_err(|_| FieldError::new("raw", Reason::Size(Self::SIZE)));
        }
        let device_id = required(&fields.device_id, "device_id")?;
        let (id, code) = (required(&fields.event_id, "event_id")?, required(&fields.code, "code")?);
        let subject = fields.subject.as_ref().map_or(Ok([0; 32]), SubjectFields::to_bytes);
        let subject = subject.map_err(|error| error.inside("subject"))?;
        Ok(Self::builder(device_id, id, code)
            .timestamp(required(&fields.time, "time")?)
            .subject(Subject::Unknown(&subject))
            .param(fields.param.unwrap_or_default())
            .flags(fields.flags()?)
            .build())
    }
}

impl EventFields {
    fn flags(&self) -> Result<EventFlags, FieldError> {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IMAGE, self.image.unwrap_or_default());
        flags.set(EventFlags::DAYLIGHT_SAVING, self.dst.unwrap_or_default());
        let half_hours = match self.utc_offset_minutes {
            Some(minutes) if minutes % 30 == 0 => i8::try_from(minutes / 30).ok(),
            Some(_) => None,
            None => Some(0),
        };
        half_hours
            .and_then(|half_hours| flags.with_utc_offset_half_hours(half_hours))
            .ok_or(FieldError::new("utc_offset_minutes", Reason::Offset))
    }
}
