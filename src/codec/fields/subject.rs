//! To whom or what it happened, for events and blobs alike.

use alloc::string::{String, ToString};

use super::user::user_id;
use super::{FieldError, Hex, Reason, object, required, serialize_as_fields};
use crate::codec::{BlobSubject, PortValue, Subject, SubjectKind, UserId};

object! {
    /// `kind` and the fields of that kind. In a blob also the 32 bytes, since more than those fields may be set.
    SubjectFields {
        kind: String,
        user_id: String,
        user_id_hex: Hex,
        card_data: Hex,
        lift_id: u32,
        relay_port: u16,
        input_port: u16,
        device_id: u32,
        zone_id: u32,
        door_id: u32,
        door_ids: [u32; 4],
        io_device_id: u32,
        port: u16,
        value: PortValue,
        data: Hex,
        raw: Hex,
    }
}

serialize_as_fields!(Subject<'_> as SubjectFields);
serialize_as_fields!(BlobSubject<'_> as SubjectFields);

impl SubjectFields {
    /// The bytes, from `raw` or the fields of the kind.
    pub(super) fn to_bytes(&self) -> Result<[u8; 32], FieldError> {
        if let Some(raw) = &self.raw {
            return raw.array("raw");
        }
        let kind = required(&self.kind, "kind")?;
        Ok(match kind.as_str() {
            "alarm_zone" => Subject::AlarmZone {
                zone_id: required(&self.zone_id, "zone_id")?,
                door_id: required(&self.door_id, "door_id")?,
                io_device_id: required(&self.io_device_id, "io_device_id")?,
                port: required(&self.port, "port")?,
            }
            .to_bytes(),
            "card" => required(&self.card_data, "card_data")?.array("card_data")?,
            "door" => Subject::Door { door_id: required(&self.door_id, "door_id")? }.to_bytes(),
            "input" | "io_device" => Subject::Input {
                io_device_id: required(&self.io_device_id, "io_device_id")?,
                port: required(&self.port, "port")?,
                value: required(&self.value, "value")?,
            }
            .to_bytes(),
            "interlock" => Subject::Interlock {
                zone_id: required(&self.zone_id, "zone_id")?,
                door_ids: required(&self.door_ids, "door_ids")?,
            }
            .to_bytes(),
            "lift" => Subject::Lift { lift_id: required(&self.lift_id, "lift_id")? }.to_bytes(),
            "none" => Subject::None.to_bytes(),
            "osdp" => Subject::Osdp {
                device_id: required(&self.device_id, "device_id")?,
                data: &required(&self.data, "data")?.array("data")?,
            }
            .to_bytes(),
            "relay" => Subject::Relay {
                relay_port: required(&self.relay_port, "relay_port")?,
                input_port: required(&self.input_port, "input_port")?,
            }
            .to_bytes(),
            "unknown" => required(&self.data, "data")?.array("data")?,
            "user" => *user_id(&self.user_id, &self.user_id_hex)?.as_array(),
            "zone" => Subject::Zone { zone_id: required(&self.zone_id, "zone_id")? }.to_bytes(),
            _ => return Err(FieldError::new("kind", Reason::Kind)),
        })
    }

    fn of_user(user: &UserId) -> Self {
        let user_id = user.as_text().map(String::from);
        let user_id_hex = if user_id.is_none() { Some(user.as_bytes().into()) } else { None };
        Self { user_id, user_id_hex, ..Self::of_kind(SubjectKind::User) }
    }

    fn of_kind(kind: impl ToString) -> Self {
        Self { kind: Some(kind.to_string()), ..Self::default() }
    }
}

impl From<&Subject<'_>> for SubjectFields {
    fn from(subject: &Subject<'_>) -> Self {
        let hex = |bytes: &[u8]| Some(bytes.into());
        match *subject {
            Subject::AlarmZone { zone_id, door_id, io_device_id, port } => Self {
                zone_id: Some(zone_id),
                door_id: Some(door_id),
                io_device_id: Some(io_device_id),
                port: Some(port),
                ..Self::of_kind(SubjectKind::AlarmZone)
            },
            Subject::Card(card) => {
                Self { card_data: hex(card.as_bytes()), ..Self::of_kind(SubjectKind::Card) }
            }
            Subject::Door { door_id } => Self { door_id: Some(door_id), ..Self::of_kind(SubjectKind::Door) },
            Subject::Input { io_device_id, port, value } => Self {
                io_device_id: Some(io_device_id),
                port: Some(port),
                value: Some(value),
                ..Self::of_kind(SubjectKind::Input)
            },
            Subject::Interlock { zone_id, door_ids } => Self {
                zone_id: Some(zone_id),
                door_ids: Some(door_ids),
                ..Self::of_kind(SubjectKind::Interlock)
            },
            Subject::Lift { lift_id } => Self { lift_id: Some(lift_id), ..Self::of_kind(SubjectKind::Lift) },
            Subject::None => Self::of_kind(SubjectKind::None),
            Subject::Osdp { device_id, data } => {
                Self { device_id: Some(device_id), data: hex(data), ..Self::of_kind(SubjectKind::Osdp) }
            }
            Subject::Relay { relay_port, input_port } => Self {
                relay_port: Some(relay_port),
                input_port: Some(input_port),
                ..Self::of_kind(SubjectKind::Relay)
            },
            Subject::Unknown(bytes) => Self { data: hex(bytes), ..Self::of_kind(SubjectKind::Unknown) },
            Subject::User(user) => Self::of_user(user),
            Subject::Zone { zone_id } => Self { zone_id: Some(zone_id), ..Self::of_kind(SubjectKind::Zone) },
        }
    }
}

impl From<&BlobSubject<'_>> for SubjectFields {
    fn from(subject: &BlobSubject<'_>) -> Self {
        match *subject {
            BlobSubject::Card(card) => Self::from(&Subject::Card(card)),
            BlobSubject::Door { door_id } => Self::from(&Subject::Door { door_id }),
            BlobSubject::IoDevice(input) => Self {
                io_device_id: Some(input.io_device_id()),
                port: Some(input.port()),
                value: Some(input.value()),
                ..Self::of_kind("io_device")
            },
            BlobSubject::None => Self::of_kind(SubjectKind::None),
            BlobSubject::User(user) => Self::of_user(user),
            BlobSubject::Zone { zone_id } => Self::from(&Subject::Zone { zone_id }),
        }
    }
}
