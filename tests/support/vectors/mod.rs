//! The rows of `events.tsv`, and in `records` those of the other records.
#![allow(dead_code)] // Each test file uses its own part.

pub(crate) mod records;

use std::collections::BTreeMap;

use bs2_events::codec::subject::PortValue;
use bs2_events::codec::{CardData, Subject, SubjectKind, UserId};

/// One row: 48 bytes and what they hold.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) bytes: [u8; 48],
    pub(crate) id: u32,
    pub(crate) time: u32,
    pub(crate) device_id: u32,
    pub(crate) code: u16,
    pub(crate) param: u8,
    pub(crate) flags: u8,
    pub(crate) image: bool,
    pub(crate) daylight_saving: bool,
    pub(crate) utc_offset_minutes: i16,
    pub(crate) kind: SubjectKind,
    /// Whether bytes that no field covers are not 0: such bytes cannot be built from the values alone.
    pub(crate) reserved_is_set: bool,
    subject: Held,
}

/// The fields of the subject column; what [`Subject`] borrows is owned here.
struct Held {
    fields: BTreeMap<String, String>,
    array: [u8; 32],
    data: [u8; 28],
}

impl Vector {
    /// The subject that the row's values make.
    pub(crate) fn subject(&self) -> Subject<'_> {
        let Held { array, data, .. } = &self.subject;
        match self.kind {
            SubjectKind::AlarmZone => Subject::AlarmZone {
                zone_id: self.field("zone_id"),
                door_id: self.field("door_id"),
                io_device_id: self.field("io_device_id"),
                port: self.field("port"),
            },
            SubjectKind::Card => Subject::Card(zerocopy::transmute_ref!(array)),
            SubjectKind::Door => Subject::Door { door_id: self.field("door_id") },
            SubjectKind::Input => Subject::Input {
                io_device_id: self.field("io_device_id"),
                port: self.field("port"),
                value: PortValue::new(self.field("value")),
            },
            SubjectKind::Interlock => {
                let doors = self.subject.fields["door_ids"].split(',').map(|id| id.parse().unwrap());
                let door_ids = doors.collect::<Vec<_>>().try_into().unwrap();
                Subject::Interlock { zone_id: self.field("zone_id"), door_ids }
            }
            SubjectKind::Lift => Subject::Lift { lift_id: self.field("lift_id") },
            SubjectKind::None => Subject::None,
            SubjectKind::Osdp => Subject::Osdp { device_id: self.field("device_id"), data },
            SubjectKind::Relay => {
                Subject::Relay { relay_port: self.field("relay_port"), input_port: self.field("input_port") }
            }
            SubjectKind::Unknown => Subject::Unknown(array),
            SubjectKind::User => Subject::User(UserId::from_array(array)),
            SubjectKind::Zone => Subject::Zone { zone_id: self.field("zone_id") },
            kind => panic!("{kind:?} has no column"),
        }
    }

    /// The user id as text, where the row says that it is text.
    pub(crate) fn user_id(&self) -> Option<&str> {
        self.subject.fields.get("user_id").map(String::as_str)
    }

    fn field<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, name: &str) -> T {
        self.subject.fields[name].parse().unwrap()
    }
}

/// Every row.
pub(crate) fn events() -> Vec<Vector> {
    let text = include_str!("events.tsv");
    text.lines().filter(|line| !line.starts_with('#')).skip(1).map(parse).collect()
}

fn parse(line: &str) -> Vector {
    let columns: Vec<&str> = line.split('\t').collect();
    let [
        name,
        origin,
        bytes,
        id,
        time,
        device_id,
        code,
        param,
        flags,
        image,
        daylight_saving,
        offset,
        kind,
        subject,
        reserved,
    ] = columns[..]
    else {
        panic!("{line}")
    };
    assert!(["measured", "field", "hand"].contains(&origin), "{line}");
    Vector {
        name: name.to_owned(),
        bytes: hex(bytes).try_into().unwrap(),
        id: id.parse().unwrap(),
        time: time.parse().unwrap(),
        device_id: device_id.parse().unwrap(),
        code: u16::from_str_radix(&code[2..], 16).unwrap(),
        param: param.parse().unwrap(),
        flags: u8::from_str_radix(&flags[2..], 16).unwrap(),
        image: yes(image),
        daylight_saving: yes(daylight_saving),
        utc_offset_minutes: offset.parse().unwrap(),
        kind: parse_kind(kind),
        reserved_is_set: match reserved {
            "set" => true,
            "zero" => false,
            _ => panic!("{line}"),
        },
        subject: parse_subject(subject),
    }
}

fn parse_subject(text: &str) -> Held {
    let fields: BTreeMap<_, _> = text
        .split(' ')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let array = match (fields.get("user_id"), fields.get("user_id_hex"), fields.get("card_data")) {
        (Some(text), _, _) => *UserId::new(text).unwrap().as_array(),
        (_, Some(digits), _) => *UserId::new(hex(digits)).unwrap().as_array(),
        (_, _, Some(digits)) => *CardData::new(hex(digits)).unwrap().as_bytes(),
        _ => fields.get("bytes").map_or([0; 32], |digits| hex(digits).try_into().unwrap()),
    };
    let data = fields.get("data").map_or([0; 28], |digits| hex(digits).try_into().unwrap());
    Held { fields, array, data }
}

fn parse_kind(text: &str) -> SubjectKind {
    match text {
        "alarm_zone" => SubjectKind::AlarmZone,
        "card" => SubjectKind::Card,
        "door" => SubjectKind::Door,
        "input" => SubjectKind::Input,
        "interlock" => SubjectKind::Interlock,
        "lift" => SubjectKind::Lift,
        "none" => SubjectKind::None,
        "osdp" => SubjectKind::Osdp,
        "relay" => SubjectKind::Relay,
        "unknown" => SubjectKind::Unknown,
        "user" => SubjectKind::User,
        "zone" => SubjectKind::Zone,
        other => panic!("{other}"),
    }
}

fn yes(text: &str) -> bool {
    match text {
        "yes" => true,
        "no" => false,
        other => panic!("{other}"),
    }
}

fn hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
