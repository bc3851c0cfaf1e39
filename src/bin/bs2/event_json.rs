//! An event as one JSON object.

use bs2_events::codec::{Event, EventCode, Outcome, Subject};
use serde::Serialize;

use crate::hex::to_hex;

/// The object that `decode`, `logs` and `watch` print for an event; it holds user ids and card data.
#[derive(Serialize)]
pub(crate) struct EventJson<'a> {
    event_id: u32,
    time: u32,
    time_utc: String,
    device_id: u32,
    code: String,
    name: Option<&'static str>,
    main: String,
    sub: u8,
    param: u8,
    image: bool,
    dst: bool,
    utc_offset_minutes: i16,
    outcome: Option<String>,
    subject: SubjectJson<'a>,
    raw: String,
}

impl<'a> EventJson<'a> {
    pub(crate) fn new(event: &'a Event) -> Self {
        let (code, flags) = (event.code(), event.flags());
        Self {
            event_id: event.id(),
            time: event.timestamp().as_unix_seconds(),
            time_utc: event.timestamp().to_string(),
            device_id: event.device_id().get(),
            code: number(code),
            name: code.name(),
            main: number(code.main()),
            sub: code.sub(),
            param: event.param(),
            image: flags.has_image(),
            dst: flags.daylight_saving(),
            utc_offset_minutes: flags.utc_offset_minutes(),
            outcome: outcome(code),
            subject: SubjectJson::new(event.subject()),
            raw: to_hex(event.as_bytes()),
        }
    }
}

/// A code as `0x` and four digits.
pub(crate) fn number(code: EventCode) -> String {
    format!("0x{:04X}", code.get())
}

/// What a code decided; `None` for what decides nothing.
pub(crate) fn outcome(code: EventCode) -> Option<String> {
    match code.outcome() {
        Outcome::Neither => None,
        outcome => Some(outcome.to_string()),
    }
}

/// The kinds are the words of [`SubjectKind`](bs2_events::codec::SubjectKind).
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum SubjectJson<'a> {
    AlarmZone {
        zone_id: u32,
        door_id: u32,
        io_device_id: u32,
        port: u16,
    },
    Card {
        card_data: String,
    },
    Door {
        door_id: u32,
    },
    Input {
        io_device_id: u32,
        port: u16,
        value: i8,
    },
    Interlock {
        zone_id: u32,
        door_ids: [u32; 4],
    },
    Lift {
        lift_id: u32,
    },
    None,
    Osdp {
        device_id: u32,
        data: String,
    },
    Relay {
        relay_port: u16,
        input_port: u16,
    },
    Unknown {
        data: String,
    },
    User {
        user_id: &'a str,
    },
    /// A user id that is not UTF-8.
    #[serde(rename = "user")]
    UserBytes {
        user_id_hex: String,
    },
    Zone {
        zone_id: u32,
    },
}

impl<'a> SubjectJson<'a> {
    fn new(subject: Subject<'a>) -> Self {
        match subject {
            Subject::AlarmZone { zone_id, door_id, io_device_id, port } => {
                Self::AlarmZone { zone_id, door_id, io_device_id, port }
            }
            Subject::Card(card) => Self::Card { card_data: to_hex(card.as_bytes()) },
            Subject::Door { door_id } => Self::Door { door_id },
            Subject::Input { io_device_id, port, value } => {
                Self::Input { io_device_id, port, value: value.get() }
            }
            Subject::Interlock { zone_id, door_ids } => Self::Interlock { zone_id, door_ids },
            Subject::Lift { lift_id } => Self::Lift { lift_id },
            Subject::None => Self::None,
            Subject::Osdp { device_id, data } => Self::Osdp { device_id, data: to_hex(data) },
            Subject::Relay { relay_port, input_port } => Self::Relay { relay_port, input_port },
            Subject::User(user) => match user.as_text() {
                Some(user_id) => Self::User { user_id },
                None => Self::UserBytes { user_id_hex: to_hex(user.as_bytes()) },
            },
            Subject::Zone { zone_id } => Self::Zone { zone_id },
            // `Unknown`, and whatever a later codec tells apart.
            subject => Self::Unknown { data: to_hex(&subject.to_bytes()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use bs2_events::codec::{DeviceId, SubjectKind};

    use super::*;

    #[test]
    fn the_kind_of_every_code_is_the_word_of_its_subject_kind() {
        for code in (0..=u16::MAX).map(EventCode::new) {
            let event = Event::builder(DeviceId::new(1), 1, code).build();
            let json = serde_json::to_value(EventJson::new(&event)).unwrap();
            assert_eq!(json["subject"]["kind"], SubjectKind::of(code).to_string(), "{code:?}");
        }
    }
}
