//! `EventLog`: its bytes become an [`Event`] without a String or a Vec.
//!
//! | `EventLog` | `Event` |
//! |---|---|
//! | `ID`, `timestamp`, `deviceID` | the same |
//! | `eventCode`, `subCode` | the code: the one or-ed with the other |
//! | `TNAKey`, else `changedOnDevice` | `param` |
//! | `hasImage` | flag `IMAGE`; the other flags are not in the interface |
//! | by the code's [`SubjectKind`]: `userID`, `cardData`, `entityID`, `inputInfo`, … | the subject |
//!
//! For an unknown card it is `cardData`, and `userID` if that alone is set: some gateways write the card's number there.
//!
//! `entityID` is the first four bytes of the subject if the subject is a door, a lift or a zone, and also for relays,
//! whose two ports are there. If no source names the kind of the subject, it is the first set field of `cardData`,
//! `userID`, `inputInfo`, `alarmZoneInfo`, `interlockZoneInfo` and `entityID`.
//!
//! A record has room for one subject. Every other set field is an [`ExtraSubject`] of the kind that the field names. For
//! `entityID` besides another subject, no source names a kind. `temperature` is among the [`Extras`] too. A field is set
//! if it is not empty and not 0: protobuf sends no others.
//!
//! An `EventLog` with a field that fits neither is an [`UnrepresentableEvent`].

use std::fmt;

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32};

use super::wire::{Reader, Value, WireError, WireFault, number};
use crate::codec::subject::PortValue;
use crate::codec::{
    DeviceId, Event, EventCode, EventFlags, ExtraSubject, Extras, Subject, SubjectKind, Temperature,
};

/// The fields of one `EventLog`, borrowed from its bytes.
#[derive(Default, PartialEq)]
pub(super) struct EventLog<'a> {
    pub(super) id: u32,
    pub(super) timestamp: u32,
    pub(super) device_id: u32,
    pub(super) user_id: &'a [u8],
    pub(super) entity_id: u32,
    pub(super) event_code: u32,
    pub(super) sub_code: u32,
    pub(super) tna_key: i32,
    pub(super) has_image: bool,
    pub(super) changed_on_device: bool,
    pub(super) temperature: u32,
    pub(super) card_data: &'a [u8],
    pub(super) input: Option<Input>,
    pub(super) alarm: Option<Alarm>,
    pub(super) interlock: Option<Interlock>,
}

impl<'a> EventLog<'a> {
    /// The fields of a message.
    #[cfg(test)]
    pub(super) fn read(reader: Reader<'a>) -> Result<Self, WireError> {
        let mut log = Self::default();
        log.merge(reader)?;
        Ok(log)
    }

    /// Reads the fields. Skips unknown fields; if a field occurs twice, the last value counts.
    #[inline]
    pub(super) fn merge(&mut self, mut reader: Reader<'a>) -> Result<(), WireError> {
        let log = self;
        reader.plain(|fields| log.read_plain(fields));
        while let Some((number, value)) = reader.field(&NAMES)? {
            match (number, value) {
                (1, Value::Varint(value)) => log.id = low(value),
                (2, Value::Varint(value)) => log.timestamp = low(value),
                (3, Value::Varint(value)) => log.device_id = low(value),
                (4, Value::Bytes(value)) => log.user_id = text(value)?,
                (5, Value::Varint(value)) => log.entity_id = low(value),
                (6, Value::Varint(value)) => log.event_code = low(value),
                (7, Value::Varint(value)) => log.sub_code = low(value),
                (8, Value::Varint(value)) => log.tna_key = low(value).cast_signed(),
                (9, Value::Varint(value)) => log.has_image = value != 0,
                (10, Value::Varint(value)) => log.changed_on_device = value != 0,
                (11, Value::Varint(value)) => log.temperature = low(value),
                (12, Value::Bytes(value)) => log.card_data = value.bytes(),
                (13, Value::Bytes(value)) => log.input.get_or_insert_default().read(value)?,
                (14, Value::Bytes(value)) => log.alarm.get_or_insert_default().read(value)?,
                (15, Value::Bytes(value)) => log.interlock.get_or_insert_default().read(value)?,
                (1..=15, _) => return Err(reader.wrong_kind(&NAMES, number)),
                (_, value) => reader.skip(number, value)?,
            }
            reader.plain(|fields| log.read_plain(fields));
        }
        Ok(())
    }

    /// Reads the fields that nearly every event has, and stops before the first other field or form. Returns the rest,
    /// which begins with a field.
    #[inline(always)]
    fn read_plain(&mut self, mut fields: &'a [u8]) -> &'a [u8] {
        while let [key, rest @ ..] = fields {
            fields = match key {
                0x22 => {
                    let [size @ 0..=0x7F, rest @ ..] = rest else { return fields };
                    match rest.split_at_checked(usize::from(*size)) {
                        Some((id, rest)) if id.is_ascii() => {
                            self.user_id = id;
                            rest
                        }
                        _ => return fields,
                    }
                }
                0x08 | 0x10 | 0x18 | 0x28 | 0x30 | 0x38 | 0x40 | 0x48 | 0x50 | 0x58 => {
                    let Some((value, rest)) = number(rest) else { return fields };
                    match key {
                        0x08 => self.id = low(value),
                        0x10 => self.timestamp = low(value),
                        0x18 => self.device_id = low(value),
                        0x28 => self.entity_id = low(value),
                        0x30 => self.event_code = low(value),
                        0x38 => self.sub_code = low(value),
                        0x40 => self.tna_key = low(value).cast_signed(),
                        0x48 => self.has_image = value != 0,
                        0x50 => self.changed_on_device = value != 0,
                        _ => self.temperature = low(value),
                    }
                    rest
                }
                _ => return fields,
            };
        }
        fields
    }

    /// The event, and its extras: the temperature, and the subjects beyond its own.
    /// Errors: the field that fits neither.
    #[inline]
    pub(super) fn to_event(&self) -> Result<(Event, Option<Extras>), UnrepresentableEvent> {
        let code = self.code()?;
        let set = self.set();
        let own = own(SubjectKind::of(code), set);
        let subject = self.subject(own).map_err(|field| self.unrepresentable(field))?;
        let extras = match set & !own {
            0 if self.temperature == 0 => None,
            more => Some(self.extras(more)?),
        };
        let flags = if self.has_image { EventFlags::IMAGE } else { EventFlags::empty() };
        let event = zerocopy::transmute!(Fields {
            id: self.id.into(),
            date_time: self.timestamp.into(),
            device_id: self.device_id.into(),
            subject,
            code: code.get().into(),
            param: self.param(code),
            flags: flags.bits(),
        });
        Ok((event, extras))
    }

    #[inline]
    fn code(&self) -> Result<EventCode, UnrepresentableEvent> {
        let main = u16::try_from(self.event_code).map_err(|_| self.unrepresentable("eventCode"))?;
        let sub = u8::try_from(self.sub_code).map_err(|_| self.unrepresentable("subCode"))?;
        Ok(EventCode::new(main | u16::from(sub)))
    }

    /// A T&A key that does not fit the byte is no key.
    #[inline]
    fn param(&self, code: EventCode) -> u8 {
        match u8::try_from(self.tna_key) {
            Ok(0) | Err(_) if matches!(code.get(), 0x2000..=0x2AFF) => self.changed_on_device.into(),
            Ok(key) => key,
            Err(_) => 0,
        }
    }

    /// Which of the fields that hold a subject are set, as bits.
    #[inline]
    fn set(&self) -> u8 {
        let bit = |is_set: bool, field: u8| if is_set { field } else { 0 };
        bit(!self.card_data.is_empty(), CARD)
            | bit(!self.user_id.is_empty(), USER)
            | bit(is_set(self.input), INPUT_INFO)
            | bit(is_set(self.alarm), ALARM_INFO)
            | bit(is_set(self.interlock), INTERLOCK_INFO)
            | bit(self.entity_id != 0, ENTITY)
    }

    /// The value of one field, as a record's subject.
    #[inline]
    fn subject(&self, field: u8) -> Result<[u8; 32], &'static str> {
        match field {
            USER => padded(self.user_id).ok_or("userID"),
            ENTITY => Ok(Subject::Zone { zone_id: self.entity_id }.to_bytes()),
            CARD => padded(self.card_data).ok_or("cardData"),
            INPUT_INFO => self.input.unwrap_or_default().subject(),
            ALARM_INFO => self.alarm.unwrap_or_default().subject(),
            INTERLOCK_INFO => self.interlock.unwrap_or_default().subject(),
            _ => Ok([0; 32]),
        }
    }

    /// The temperature, which is 0 if there was no thermal camera, and the subjects in these fields.
    #[cold]
    fn extras(&self, fields: u8) -> Result<Extras, UnrepresentableEvent> {
        let temperature = (self.temperature != 0).then(|| Temperature::from_hundredths(self.temperature));
        let mut extras = Extras { temperature, ..Extras::default() };
        for (field, kind) in KINDS.into_iter().filter(|(field, _)| fields & field != 0) {
            let bytes = self.subject(field).map_err(|field| self.unrepresentable(field))?;
            extras.subjects.push(ExtraSubject::new(kind, bytes));
        }
        Ok(extras)
    }

    #[cold]
    fn unrepresentable(&self, field: &'static str) -> UnrepresentableEvent {
        UnrepresentableEvent { device: DeviceId::new(self.device_id), id: self.id, field }
    }
}

/// `DetectInputInfo`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Input {
    pub(super) io_device_id: u32,
    pub(super) port: u32,
    pub(super) value: i32,
}

/// `AlarmZoneInfo`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Alarm {
    pub(super) zone_id: u32,
    pub(super) door_id: u32,
    pub(super) io_device_id: u32,
    pub(super) port: u32,
}

/// `InterlockZoneInfo`: as many doors as an event can hold, and the number of doors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Interlock {
    pub(super) zone_id: u32,
    pub(super) door_ids: [u32; 4],
    pub(super) doors: usize,
}

impl Input {
    fn read(&mut self, mut reader: Reader<'_>) -> Result<(), WireError> {
        while let Some((number, value)) = reader.field(&INPUT)? {
            match (number, value) {
                (1, Value::Varint(value)) => self.io_device_id = low(value),
                (2, Value::Varint(value)) => self.port = low(value),
                (3, Value::Varint(value)) => self.value = low(value).cast_signed(),
                (1..=3, _) => return Err(reader.wrong_kind(&INPUT, number)),
                (_, value) => reader.skip(number, value)?,
            }
        }
        Ok(())
    }

    fn subject(self) -> Result<[u8; 32], &'static str> {
        let port = self.port.try_into().map_err(|_| "inputInfo.port")?;
        // A state that does not fit the byte is unknown.
        let value = self.value.try_into().map_or(PortValue::UNKNOWN, PortValue::new);
        Ok(Subject::Input { io_device_id: self.io_device_id, port, value }.to_bytes())
    }
}

impl Alarm {
    fn read(&mut self, mut reader: Reader<'_>) -> Result<(), WireError> {
        while let Some((number, value)) = reader.field(&ALARM)? {
            match (number, value) {
                (1, Value::Varint(value)) => self.zone_id = low(value),
                (2, Value::Varint(value)) => self.door_id = low(value),
                (3, Value::Varint(value)) => self.io_device_id = low(value),
                (4, Value::Varint(value)) => self.port = low(value),
                (1..=4, _) => return Err(reader.wrong_kind(&ALARM, number)),
                (_, value) => reader.skip(number, value)?,
            }
        }
        Ok(())
    }

    fn subject(self) -> Result<[u8; 32], &'static str> {
        let Self { zone_id, door_id, io_device_id, port } = self;
        let port = port.try_into().map_err(|_| "alarmZoneInfo.port")?;
        Ok(Subject::AlarmZone { zone_id, door_id, io_device_id, port }.to_bytes())
    }
}

impl Interlock {
    fn read(&mut self, mut reader: Reader<'_>) -> Result<(), WireError> {
        while let Some((number, value)) = reader.field(&INTERLOCK)? {
            match (number, value) {
                (1, Value::Varint(value)) => self.zone_id = low(value),
                (2, Value::Varint(value)) => self.add(low(value)),
                (2, Value::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        self.add(low(packed.varint("interlockZoneInfo.doorIDs")?));
                    }
                }
                (1..=2, _) => return Err(reader.wrong_kind(&INTERLOCK, number)),
                (_, value) => reader.skip(number, value)?,
            }
        }
        Ok(())
    }

    fn add(&mut self, door: u32) {
        if let Some(slot) = self.door_ids.get_mut(self.doors) {
            *slot = door;
        }
        self.doors = self.doors.saturating_add(1);
    }

    fn subject(self) -> Result<[u8; 32], &'static str> {
        if self.doors > self.door_ids.len() {
            return Err("interlockZoneInfo.doorIDs");
        }
        Ok(Subject::Interlock { zone_id: self.zone_id, door_ids: self.door_ids }.to_bytes())
    }
}

/// The field with the subject of an event of this kind; none if no source names the kind and no field is set.
#[inline]
const fn own(kind: SubjectKind, set: u8) -> u8 {
    match kind {
        SubjectKind::User => USER,
        // Some gateways write the number of an unknown card into the field of the user id, and no card data.
        SubjectKind::Card if set & CARD == 0 && set & USER != 0 => USER,
        SubjectKind::Card => CARD,
        SubjectKind::Door | SubjectKind::Lift | SubjectKind::Relay | SubjectKind::Zone => ENTITY,
        SubjectKind::Input => INPUT_INFO,
        SubjectKind::AlarmZone => ALARM_INFO,
        SubjectKind::Interlock => INTERLOCK_INFO,
        // The first that is set: the lowest bit.
        SubjectKind::None | SubjectKind::Osdp | SubjectKind::Unknown => set & set.wrapping_neg(),
    }
}

/// The event's fields in their order, written at once: each step of the builder would copy the record.
#[derive(IntoBytes)]
#[repr(C)]
struct Fields {
    id: U32,
    date_time: U32,
    device_id: U32,
    subject: [u8; 32],
    code: U16,
    param: u8,
    flags: u8,
}

/// An event of which no [`Event`] can be made. It names the field that is too large, not its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct UnrepresentableEvent {
    pub(super) device: DeviceId,
    pub(super) id: u32,
    pub(super) field: &'static str,
}

impl fmt::Display for UnrepresentableEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: field `{}` is larger than an event can hold", self.id, self.field)
    }
}

impl std::error::Error for UnrepresentableEvent {}

/// Whether there is a message; an empty one means the same as none.
#[inline]
fn is_set<T: Default + PartialEq>(message: Option<T>) -> bool {
    message.is_some_and(|message| message != T::default())
}

#[inline]
fn padded(bytes: &[u8]) -> Option<[u8; 32]> {
    let mut array = [0; 32];
    array.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(array)
}

/// The low 32 bits of a longer number, as protobuf reads it.
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "the low bits are the value")]
#[inline]
const fn low(value: u64) -> u32 {
    value as u32
}

#[inline]
fn text(value: Reader<'_>) -> Result<&[u8], WireError> {
    let bytes = value.bytes();
    if bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() {
        Ok(bytes)
    } else {
        Err(value.error("userID", WireFault::Text))
    }
}

/// The fields that can hold a subject, as bits. If no source names the field, the lowest set bit counts.
const CARD: u8 = 1;
const USER: u8 = 1 << 1;
const INPUT_INFO: u8 = 1 << 2;
const ALARM_INFO: u8 = 1 << 3;
const INTERLOCK_INFO: u8 = 1 << 4;
const ENTITY: u8 = 1 << 5;

/// The kind of each of them besides another subject. Only a code says whose id `entityID` is, and here the code names
/// another field.
const KINDS: [(u8, SubjectKind); 6] = [
    (CARD, SubjectKind::Card),
    (USER, SubjectKind::User),
    (INPUT_INFO, SubjectKind::Input),
    (ALARM_INFO, SubjectKind::AlarmZone),
    (INTERLOCK_INFO, SubjectKind::Interlock),
    (ENTITY, SubjectKind::Unknown),
];

const NAMES: [&str; 16] = [
    "",
    "ID",
    "timestamp",
    "deviceID",
    "userID",
    "entityID",
    "eventCode",
    "subCode",
    "TNAKey",
    "hasImage",
    "changedOnDevice",
    "temperature",
    "cardData",
    "inputInfo",
    "alarmZoneInfo",
    "interlockZoneInfo",
];

const INPUT: [&str; 4] = ["", "inputInfo.ioDeviceID", "inputInfo.port", "inputInfo.value"];
const ALARM: [&str; 5] =
    ["", "alarmZoneInfo.zoneID", "alarmZoneInfo.doorID", "alarmZoneInfo.ioDeviceID", "alarmZoneInfo.port"];
const INTERLOCK: [&str; 3] = ["", "interlockZoneInfo.zoneID", "interlockZoneInfo.doorIDs"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_is_read_by_the_code() {
        let log = EventLog { user_id: b"17", entity_id: 5, card_data: &[9; 32], ..EventLog::default() };
        let of = |event_code| EventLog { event_code, ..log }.to_event().unwrap().0;
        assert!(matches!(of(0x1000).subject(), Subject::User(user) if user.as_bytes() == b"17"));
        assert!(matches!(of(0x1102).subject(), Subject::Card(card) if card.as_bytes() == &[9; 32]));
        assert_eq!(of(0x5000).subject(), Subject::Door { door_id: 5 });
        let ports = EventLog { event_code: 0xC300, entity_id: 0x0002_0001, ..EventLog::default() };
        let subject = Subject::Relay { relay_port: 1, input_port: 2 };
        assert_eq!(ports.to_event().unwrap().0.subject(), subject);
        assert_eq!(of(0xF000).subject(), Subject::Unknown(&[9; 32]));
    }

    #[test]
    fn what_is_set_beyond_the_subject_is_an_extra_of_the_kind_that_its_field_names() {
        let input = Input { io_device_id: 6, port: 2, value: 1 };
        let log = EventLog {
            id: 4,
            user_id: b"17",
            entity_id: 5,
            card_data: &[9; 32],
            input: Some(input),
            alarm: Some(Alarm::default()),
            ..EventLog::default()
        };
        let of = |event_code| EventLog { event_code, ..log }.to_event().unwrap().1.unwrap().subjects;
        let texts = |code| of(code).iter().map(|extra| extra.subject().to_string()).collect::<Vec<_>>();
        assert_eq!(texts(0x1000), ["card", "input 6:2 CLOSED", "unknown"]);
        assert_eq!(texts(0x5000), ["card", "user", "input 6:2 CLOSED"]);
        assert_eq!(texts(0xF000), ["user", "input 6:2 CLOSED", "unknown"]);
        let entity = Subject::Zone { zone_id: 5 }.to_bytes();
        assert_eq!(of(0x1000)[2].subject(), Subject::Unknown(&entity));
        let alone = EventLog { event_code: 0x1000, user_id: b"17", ..EventLog::default() };
        assert_eq!(alone.to_event().unwrap().1, None);
    }

    #[test]
    fn the_number_of_an_unknown_card_may_be_in_the_field_of_the_user_id() {
        let of = |user_id, card_data| {
            let log = EventLog { event_code: 0x1102, user_id, card_data, ..EventLog::default() };
            let (event, extras) = log.to_event().unwrap();
            let Subject::Card(card) = event.subject() else { panic!("no card") };
            (card.as_bytes()[..4].to_vec(), card.as_text().map(str::to_owned), extras.is_some())
        };
        assert_eq!(of(b"3735928559", &[]), (b"3735".to_vec(), Some("3735928559".to_owned()), false));
        assert_eq!(of(b"12", &[4, 0xA1, 0xB2, 0xC3]), (vec![4, 0xA1, 0xB2, 0xC3], None, true));
        assert_eq!(of(b"", b"2147483647\0\0").1.as_deref(), Some("2147483647"));
        assert_eq!(of(b"", &[]), (vec![0; 4], None, false));
    }

    #[test]
    fn a_temperature_is_an_extra_and_0_is_none() {
        let of = |temperature| EventLog { event_code: 0x1000, temperature, ..EventLog::default() }.to_event();
        let warm = Extras::default().with_temperature(Temperature::from_hundredths(3_655));
        assert_eq!((of(3_655).unwrap().1, of(0).unwrap().1), (Some(warm), None));
    }

    #[test]
    fn what_does_not_fit_among_the_extras_is_named() {
        let log =
            EventLog { event_code: 0x5000, card_data: &[9; 32], user_id: &[b'7'; 33], ..Default::default() };
        assert_eq!(log.to_event().unwrap_err().field, "userID");
    }

    #[test]
    fn param_is_the_key_or_where_a_user_was_changed() {
        let of = |event_code, tna_key, changed_on_device| {
            EventLog { event_code, tna_key, changed_on_device, ..EventLog::default() }.to_event().unwrap().0
        };
        assert_eq!(of(0x1000, 3, true).tna_key(), Some(3));
        assert_eq!(of(0x2000, 0, true).changed_on_device(), Some(true));
        assert_eq!(of(0x2000, 0, false).changed_on_device(), Some(false));
        assert_eq!(of(0x1000, 99, false).param(), 99);
        assert_eq!(of(0x1000, -1, false).param(), 0);
        assert_eq!(of(0x1000, 300, true).param(), 0);
    }

    #[test]
    fn what_does_not_fit_is_named_and_not_shown() {
        let id = [b'7'; 33];
        let doors = Interlock { zone_id: 1, door_ids: [1, 2, 3, 4], doors: 5 };
        let log =
            EventLog { id: 4, user_id: &id, card_data: &id, interlock: Some(doors), ..Default::default() };
        let refused = |event_code| EventLog { event_code, ..log }.to_event().unwrap_err().to_string();
        assert_eq!(refused(0x1000), "event 4: field `userID` is larger than an event can hold");
        assert!(refused(0x1102).contains("`cardData`"));
        assert!(refused(0xA000).contains("`interlockZoneInfo.doorIDs`"));
        assert!(refused(0x1_0000).contains("`eventCode`"));
    }

    #[test]
    fn a_state_of_a_port_that_nobody_knows_is_unknown() {
        let value = |value| {
            let input = Some(Input { io_device_id: 1, port: 2, value });
            let event = EventLog { event_code: 0x4F00, input, ..EventLog::default() }.to_event().unwrap().0;
            match event.subject() {
                Subject::Input { value, .. } => value,
                other => panic!("{other}"),
            }
        };
        assert_eq!(value(1), PortValue::CLOSED);
        assert_eq!(value(7), PortValue::new(7));
        assert_eq!(value(1_000), PortValue::UNKNOWN);
    }
}
