//! `EventLog`, from its bytes into an [`Event`] without a String or a Vec.
//!
//! | `EventLog` | `Event` |
//! |---|---|
//! | `ID`, `timestamp`, `deviceID` | the same |
//! | `eventCode`, `subCode` | the code: the one or-ed with the other |
//! | `TNAKey`, else `changedOnDevice` | `param` |
//! | `hasImage` | flag `IMAGE`; the other flags are not in the interface |
//! | by the code's [`SubjectKind`]: `userID`, `cardData`, `entityID`, `inputInfo`, … | the subject |
//!
//! `entityID` is the first four bytes of the subject where it is a door, a lift or a zone, and of relays, whose two
//! ports stand there. Where no source says what the subject is, it is the first that is set of `cardData`, `userID`,
//! `inputInfo`, `alarmZoneInfo`, `interlockZoneInfo` and `entityID`.
//!
//! A record has room for one subject. What else is set is an [`ExtraSubject`] of the kind that its field names;
//! `entityID` beside another subject is of none that a source would name. `temperature` is among the extras too. A
//! field is set when it is not empty and not 0: protobuf sends no others.
//!
//! What fits neither is a [`Misfit`].

use std::fmt;

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32};

use super::wire::{Reader, Value, WireError, WireFault, number};
use crate::codec::{
    DeviceId, Event, EventCode, EventFlags, ExtraSubject, Extras, Subject, SubjectKind, Temperature,
};

mod parts;

pub(super) use parts::{Alarm, Input, Interlock};

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

    /// Reads the fields; what is unknown is passed over, and of what stands twice the last counts.
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

    /// Reads the fields that nearly every event has for as long as nothing is odd; what is left begins with a field.
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

    /// The event, and its extras: the temperature, and what is set beyond its own subject.
    ///
    /// # Errors
    ///
    /// The field that has no room in either.
    #[inline]
    pub(super) fn to_event(&self) -> Result<(Event, Option<Extras>), Misfit> {
        let code = self.code()?;
        let set = self.set();
        let own = own(SubjectKind::of(code), set);
        let subject = self.subject(own).map_err(|field| self.misfit(field))?;
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
    fn code(&self) -> Result<EventCode, Misfit> {
        let main = u16::try_from(self.event_code).map_err(|_| self.misfit("eventCode"))?;
        let sub = u8::try_from(self.sub_code).map_err(|_| self.misfit("subCode"))?;
        Ok(EventCode::new(main | u16::from(sub)))
    }

    /// A key that no reader has is none, and so is a key that the byte cannot hold.
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
            | bit(self.input.is_some_and(Input::is_set), INPUT_INFO)
            | bit(self.alarm.is_some_and(Alarm::is_set), ALARM_INFO)
            | bit(self.interlock.is_some_and(Interlock::is_set), INTERLOCK_INFO)
            | bit(self.entity_id != 0, ENTITY)
    }

    /// What one field holds, as a record's subject.
    #[inline]
    fn subject(&self, field: u8) -> Result<[u8; 32], &'static str> {
        match field {
            USER => self.user(),
            ENTITY => Ok(self.entity()),
            CARD => self.card(),
            INPUT_INFO => self.input.unwrap_or_default().subject(),
            ALARM_INFO => self.alarm.unwrap_or_default().subject(),
            INTERLOCK_INFO => self.interlock.unwrap_or_default().subject(),
            _ => Ok([0; 32]),
        }
    }

    /// The temperature, which is 0 if there was no thermal camera, and the subjects in these fields.
    #[cold]
    fn extras(&self, fields: u8) -> Result<Extras, Misfit> {
        let mut extras = Extras::default();
        extras.temperature = (self.temperature != 0).then(|| Temperature::from_hundredths(self.temperature));
        for (field, kind) in KINDS.into_iter().filter(|(field, _)| fields & field != 0) {
            let bytes = self.subject(field).map_err(|field| self.misfit(field))?;
            extras.subjects.push(ExtraSubject::new(kind, bytes));
        }
        Ok(extras)
    }

    #[inline]
    fn user(&self) -> Result<[u8; 32], &'static str> {
        padded(self.user_id).ok_or("userID")
    }

    fn card(&self) -> Result<[u8; 32], &'static str> {
        padded(self.card_data).ok_or("cardData")
    }

    fn entity(&self) -> [u8; 32] {
        Subject::Zone { zone_id: self.entity_id }.to_bytes()
    }

    #[cold]
    fn misfit(&self, field: &'static str) -> Misfit {
        Misfit { device: DeviceId::new(self.device_id), id: self.id, field }
    }
}

/// The field that holds the subject of such a code; none where none is set and no source names one.
#[inline]
const fn own(kind: SubjectKind, set: u8) -> u8 {
    match kind {
        SubjectKind::User => USER,
        SubjectKind::Card => CARD,
        SubjectKind::Door | SubjectKind::Lift | SubjectKind::Relay | SubjectKind::Zone => ENTITY,
        SubjectKind::Input => INPUT_INFO,
        SubjectKind::AlarmZone => ALARM_INFO,
        SubjectKind::Interlock => INTERLOCK_INFO,
        // The first that is set: the lowest bit.
        SubjectKind::None | SubjectKind::Osdp | SubjectKind::Unknown => set & set.wrapping_neg(),
    }
}

/// The event's fields in their order, written all at once: the builder's steps would each copy the record.
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

/// An `EventLog` with a field that has no room in an [`Event`] or beside it. It says which, not what is in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Misfit {
    pub(super) device: DeviceId,
    pub(super) id: u32,
    pub(super) field: &'static str,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: field `{}` is larger than an event can hold", self.id, self.field)
    }
}

impl std::error::Error for Misfit {}

#[inline]
fn padded(bytes: &[u8]) -> Option<[u8; 32]> {
    let mut array = [0; 32];
    array.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(array)
}

/// Protobuf's way: of a longer number the low 32 bits.
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
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

/// The fields that may hold a subject, as bits: the lower goes before where no source says which.
const CARD: u8 = 1;
const USER: u8 = 1 << 1;
const INPUT_INFO: u8 = 1 << 2;
const ALARM_INFO: u8 = 1 << 3;
const INTERLOCK_INFO: u8 = 1 << 4;
const ENTITY: u8 = 1 << 5;

/// What each of them is beside another. Whose id `entityID` is only a code says, and that names another field.
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

#[cfg(test)]
mod tests;
