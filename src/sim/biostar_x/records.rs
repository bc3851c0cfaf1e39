//! The records that the server stores, and the JSON in which it returns them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::codec::{EventCode, Timestamp};

/// An event in the server's log.
///
/// `Debug` does not show the user.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct StoredEvent {
    /// The row in the log of its month. It begins at 1 each month, so it is not unique.
    pub id: u32,
    /// The number that its device gave it.
    pub index: u32,
    /// The device that reported it, or for which it was imported.
    pub device_id: u32,
    /// The event code.
    pub code: u16,
    /// The time of the event, in Unix seconds.
    pub time: u32,
    /// When the server stored it, in Unix seconds.
    pub stored: u32,
    /// The user of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The T&A key that was pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tna_key: Option<String>,
    /// The door of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door_id: Option<u32>,
    /// The time zone of the device's clock, in minutes ahead of UTC; virtual devices have no clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_offset_minutes: Option<i16>,
    /// Whether the device's clock had daylight saving.
    #[serde(default, skip_serializing_if = "is_false")]
    pub daylight_saving: bool,
    /// Whether the event has a picture.
    #[serde(default, skip_serializing_if = "is_false")]
    pub image: bool,
    /// Whether the event was imported. Otherwise a device reported it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub imported: bool,
}

impl StoredEvent {
    /// The key that is unique over all months: ten digits each for the time, the device and the index.
    #[must_use]
    pub fn hint(&self) -> String {
        format!("{:010}{:010}{:010}", self.time, self.device_id, self.index)
    }

    /// The time and the code as types of this crate.
    #[must_use]
    pub fn meaning(&self) -> (Timestamp, EventCode) {
        (Timestamp::from_unix_seconds(self.time), EventCode::new(self.code))
    }

    /// The name with which a client requests the picture.
    pub(super) fn image_name(&self) -> String {
        format!("{}_{}_{}", self.time, self.device_id, self.index)
    }

    /// The event in a snapshot.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "hint": self.hint(),
            "index": self.index,
            "device_id": self.device_id,
            "code": self.code,
            "datetime": Timestamp::from_unix_seconds(self.time).to_string(),
            "stored": Timestamp::from_unix_seconds(self.stored).to_string(),
            "user_id": self.user_id,
            "tna_key": self.tna_key,
            "image": self.image.then(|| self.image_name()),
            "imported": self.imported,
        })
    }

    /// A row of a search. Fields without a value are left out.
    pub(super) fn row(&self, device_name: Option<&str>, zone_minutes: i16) -> Value {
        without_null(json!({
            "id": self.id,
            "index": self.index,
            "datetime": time_text(self.time.into()),
            "server_datetime": self.server_time(zone_minutes),
            "user_id_name": self.user_id.as_ref().map(|user| format!("{user}({})", user_name(user))),
            "user_id": self.user(),
            "user_group_id": self.user_group(),
            "tna_key": self.tna_key,
            "device_id": self.device(device_name),
            "event_type_id": { "code": self.code },
            "is_dst": u8::from(self.daylight_saving),
            "timezone": self.time_zone(),
            "user_update_by_device": false,
            "hint": self.hint(),
            "door_id": self.doors(),
            "image_id": self.picture(),
        }))
    }

    /// A frame of the socket. It has another key for the door than a row, and the event type has names.
    pub(super) fn frame(&self, device_name: Option<&str>, zone_minutes: i16) -> Value {
        let event = without_null(json!({
            "id": self.id,
            "index": self.index,
            "datetime": time_text(self.time.into()),
            "server_datetime": self.server_time(zone_minutes),
            "event_type_id": {
                "code": self.code, "name": type_name(self.code).unwrap_or(""), "description": "",
                "enable_alert": false, "alertable": false, "alert_name": "", "alert_message": "",
            },
            "device_id": self.device(device_name),
            "user_id": self.user(),
            "user_group_id": self.user_group(),
            "tna_key": self.tna_key,
            "parameter": 0,
            "is_dst": u8::from(self.daylight_saving),
            "timezone": self.time_zone(),
            "temperature": 0,
            "door_id_list": self.doors(),
            "image_id": self.picture(),
        }));
        json!({ "Event": event })
    }

    fn server_time(&self, zone_minutes: i16) -> String {
        time_text(i64::from(self.stored) + i64::from(zone_minutes) * 60)
    }

    fn user(&self) -> Option<Value> {
        let user = self.user_id.as_ref()?;
        Some(json!({ "user_id": user, "name": user_name(user), "photo_exists": false }))
    }

    fn user_group(&self) -> Option<Value> {
        self.user_id.as_ref().map(|_| json!({ "id": 1, "name": "All Users" }))
    }

    fn device(&self, name: Option<&str>) -> Value {
        without_null(json!({ "id": self.device_id, "name": name }))
    }

    fn time_zone(&self) -> Option<Value> {
        let minutes = self.utc_offset_minutes?;
        let (hours, rest) = (minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60);
        Some(json!({ "half": u8::from(rest != 0), "hour": hours, "negative": u8::from(minutes < 0) }))
    }

    fn doors(&self) -> Option<Value> {
        self.door_id.map(|door| json!([{ "id": door, "name": door_name(door) }]))
    }

    fn picture(&self) -> Option<Value> {
        let image = || json!({ "image_data": self.image_name(), "image_type": "JPG", "photo": false });
        self.image.then(image)
    }
}

impl fmt::Debug for StoredEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, code) = self.meaning();
        f.debug_struct("StoredEvent")
            .field("id", &self.id)
            .field("index", &self.index)
            .field("device_id", &self.device_id)
            .field("code", &code)
            .field("time", &time)
            .field("imported", &self.imported)
            .finish_non_exhaustive()
    }
}

/// A virtual device in the server's database. Events are imported for virtual devices.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StoredVirtualDevice {
    /// Its number, unique among all devices.
    pub id: u32,
    /// Its name, unique among all devices.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// The number of its device group; group 1 contains all devices.
    pub group: u32,
}

/// One change of the database: a line of the state file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// A server started. The sessions of the one before are over.
    Start,
    User(String),
    /// A device was created or changed: the whole device.
    VirtualDevice(StoredVirtualDevice),
    Deleted(Vec<u32>),
    /// Events that are stored together or not at all.
    Events(Vec<StoredEvent>),
    /// Events of the backlog, if it ended at the present time of the first start.
    Backlog(Vec<StoredEvent>),
}

/// The symbolic name of an event type.
pub(super) fn type_name(code: u16) -> Option<&'static str> {
    SERVER_TYPES
        .iter()
        .find_map(|(known, name)| (*known == code).then_some(*name))
        .or_else(|| EventCode::new(code).name())
}

/// An object without the fields that have no value.
pub(super) fn without_null(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    object
}

/// The name of a simulated user contains the id.
pub(super) fn user_name(user: &str) -> String {
    format!("User {user}")
}

pub(super) fn door_name(door: u32) -> String {
    format!("Door {door}")
}

/// A time as the core writes it: two digits of a second, and `Z` even if it is local.
fn time_text(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.00Z").to_string())
        .unwrap_or_default()
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Event types of the server itself; devices do not report them.
pub(super) const SERVER_TYPES: [(u16, &str); 3] =
    [(4_001, "MAXIMUM_INVALID_LOGIN_ATTEMPTS"), (4_088, "ACCESS_GRANTED"), (4_095, "DEVICE_DISCONNECT")];
