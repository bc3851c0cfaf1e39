//! The messages inside an `EventLog`.

use super::super::wire::{Reader, Value, WireError};
use super::low;
use crate::codec::{PortValue, Subject};

/// `DetectInputInfo`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in super::super) struct Input {
    pub(in super::super) io_device_id: u32,
    pub(in super::super) port: u32,
    pub(in super::super) value: i32,
}

/// `AlarmZoneInfo`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in super::super) struct Alarm {
    pub(in super::super) zone_id: u32,
    pub(in super::super) door_id: u32,
    pub(in super::super) io_device_id: u32,
    pub(in super::super) port: u32,
}

/// `InterlockZoneInfo`: as many doors as an event holds, and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in super::super) struct Interlock {
    pub(in super::super) zone_id: u32,
    pub(in super::super) door_ids: [u32; 4],
    pub(in super::super) doors: usize,
}

impl Input {
    /// An empty message says no more than none.
    pub(super) fn is_set(self) -> bool {
        self != Self::default()
    }

    pub(super) fn read(&mut self, mut reader: Reader<'_>) -> Result<(), WireError> {
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

    pub(super) fn subject(self) -> Result<[u8; 32], &'static str> {
        let port = self.port.try_into().map_err(|_| "inputInfo.port")?;
        // A state that no byte holds is one that nobody here knows.
        let value = self.value.try_into().map_or(PortValue::UNKNOWN, PortValue::new);
        Ok(Subject::Input { io_device_id: self.io_device_id, port, value }.to_bytes())
    }
}

impl Alarm {
    /// An empty message says no more than none.
    pub(super) fn is_set(self) -> bool {
        self != Self::default()
    }

    pub(super) fn read(&mut self, mut reader: Reader<'_>) -> Result<(), WireError> {
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

    pub(super) fn subject(self) -> Result<[u8; 32], &'static str> {
        let Self { zone_id, door_id, io_device_id, port } = self;
        let port = port.try_into().map_err(|_| "alarmZoneInfo.port")?;
        Ok(Subject::AlarmZone { zone_id, door_id, io_device_id, port }.to_bytes())
    }
}

impl Interlock {
    /// An empty message says no more than none.
    pub(super) fn is_set(self) -> bool {
        self != Self::default()
    }

    pub(super) fn read(&mut self, mut reader: Reader<'_>) -> Result<(), WireError> {
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
        if let Some(place) = self.door_ids.get_mut(self.doors) {
            *place = door;
        }
        self.doors = self.doors.saturating_add(1);
    }

    pub(super) fn subject(self) -> Result<[u8; 32], &'static str> {
        if self.doors > self.door_ids.len() {
            return Err("interlockZoneInfo.doorIDs");
        }
        Ok(Subject::Interlock { zone_id: self.zone_id, door_ids: self.door_ids }.to_bytes())
    }
}

const INPUT: [&str; 4] = ["", "inputInfo.ioDeviceID", "inputInfo.port", "inputInfo.value"];
const ALARM: [&str; 5] =
    ["", "alarmZoneInfo.zoneID", "alarmZoneInfo.doorID", "alarmZoneInfo.ioDeviceID", "alarmZoneInfo.port"];
const INTERLOCK: [&str; 3] = ["", "interlockZoneInfo.zoneID", "interlockZoneInfo.doorIDs"];
