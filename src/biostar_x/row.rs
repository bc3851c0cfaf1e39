//! An event as the server tells it, in search and over the socket.

mod identity;
mod key;
mod local_time;

use std::fmt;

use serde_json::Value;

use crate::codec::{DeviceId, EventCode, Timestamp};

pub(super) use identity::Identity;
pub use key::EventKey;
pub use local_time::LocalTime;

use super::import::Verdict;
use super::json::{at, elements, flag, number, text};

/// An event of the server's log.
///
/// Servers leave out what is not set, and write numbers as strings or as numbers; so every field may be missing, and
/// one that cannot be read is. `Debug` and `Display` show no person.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::EventRow;
///
/// let row = EventRow::from_json(&serde_json::json!({
///     "id": "399603", "datetime": "2026-07-24T17:53:02.00Z", "server_datetime": "2026-07-24T14:52:57.00Z",
///     "device_id": {"id": "538150641", "name": "Reader 1"}, "event_type_id": {"code": "4867"},
/// }));
/// assert_eq!(row.time.unwrap().to_string(), "2026-07-24T17:53:02Z");
/// assert_eq!(row.server_time.unwrap().to_string(), "2026-07-24T14:52:57");
/// assert_eq!(row.to_string(), "538150641 2026-07-24T17:53:02Z IDENTIFY_SUCCESS_FACE");
/// assert_eq!(row.user_id, None);
/// ```
#[derive(Clone, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct EventRow {
    /// The row's number in the server's table of the month: it begins at 1 every month and identifies nothing.
    pub id: Option<u64>,
    /// What is unique for ever: 30 digits.
    pub hint: Option<String>,
    /// The number in the device's log.
    pub index: Option<u64>,
    /// When it happened, UTC. Fractions, which are 0 in what was seen, are cut off.
    pub time: Option<Timestamp>,
    /// When the server stored it, in the server's own zone, which the row does not tell.
    pub server_time: Option<LocalTime>,
    /// The offset of the device's zone from UTC in half hours; quarters are rounded by the server.
    pub device_offset_half_hours: Option<i8>,
    /// Whether the device's clock showed summer time.
    pub is_dst: Option<bool>,
    /// What happened.
    pub code: Option<EventCode>,
    /// The server's name of it; the socket tells it, search does not.
    pub code_name: Option<String>,
    /// The device.
    pub device: Option<DeviceId>,
    /// Its name.
    pub device_name: Option<String>,
    /// The doors concerned, id and name.
    pub doors: Vec<(Option<u32>, Option<String>)>,
    /// The person's id, which may hold letters. Personal.
    pub user_id: Option<String>,
    /// The person's name. Personal.
    pub user_name: Option<String>,
    /// The group that the person belongs to.
    pub user_group: Option<u32>,
    /// The time and attendance key that was pressed; 0 is none and read as such.
    pub tna_key: Option<u8>,
    /// The key under which there is a picture. [`Client::image`](super::Client::image) takes it.
    pub image: Option<String>,
    /// The event as it came, for what has no field here. Personal.
    pub json: Value,
}

impl EventRow {
    /// Reads an event; whatever the value is, something comes out.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::EventRow;
    /// let row = EventRow::from_json(&serde_json::json!({"id": 7, "datetime": "yesterday"}));
    /// assert_eq!((row.id, row.time), (Some(7), None));
    /// ```
    #[must_use]
    pub fn from_json(row: &Value) -> Self {
        let device = at(row, &["device_id"]);
        let user = at(row, &["user_id"]);
        let doors = ["door_id", "door_id_list"].map(|key| at(row, &[key]));
        let event_type = at(row, &["event_type_id"]);
        let group = at(row, &["user_group_id"]);
        Self {
            id: number::<i64>(at(row, &["id"])).and_then(|id| id.try_into().ok()),
            hint: text(at(row, &["hint"])),
            index: number::<i64>(at(row, &["index"])).and_then(|index| index.try_into().ok()),
            time: text(at(row, &["datetime"])).and_then(|text| local_time::utc(&text)),
            server_time: text(at(row, &["server_datetime"])).and_then(|text| LocalTime::read(&text)),
            device_offset_half_hours: local_time::offset(at(row, &["timezone"])),
            is_dst: flag(at(row, &["is_dst"])),
            code: number(at(event_type, &["code"])).or_else(|| number(event_type)).map(EventCode::new),
            code_name: text(at(event_type, &["name"])),
            device: number(at(device, &["id"])).or_else(|| number(device)).map(DeviceId::new),
            device_name: text(at(device, &["name"])),
            doors: doors
                .into_iter()
                .flat_map(|doors| elements(doors).unwrap_or_default())
                .map(|door| (number(at(door, &["id"])), text(at(door, &["name"]))))
                .collect(),
            user_id: text(at(user, &["user_id"])).or_else(|| text(user)),
            user_name: text(at(user, &["name"])),
            user_group: number(at(group, &["id"])).or_else(|| number(group)),
            tna_key: number(at(row, &["tna_key"])).filter(|key| *key != 0),
            image: text(at(row, &["image_id", "image_data"])),
            json: row.clone(),
        }
    }

    /// What identifies the event among all of the server; `None` where the row does not tell enough.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::EventRow;
    /// let by_hint = EventRow::from_json(&serde_json::json!({"hint": "164379073505437203680000021611"}));
    /// let by_parts = EventRow::from_json(&serde_json::json!({
    ///     "datetime": "2022-02-02T08:32:15.00Z", "index": "21611", "device_id": {"id": "543720368"},
    /// }));
    /// assert_eq!(by_hint.key(), by_parts.key());
    /// assert_eq!(EventRow::from_json(&serde_json::json!({"id": "1"})).key(), None);
    /// ```
    #[must_use]
    pub fn key(&self) -> Option<EventKey> {
        self.hint
            .as_deref()
            .and_then(EventKey::of_hint)
            .or_else(|| Some(EventKey::of_parts(self.device?, self.index?, self.time?)))
    }
}

impl fmt::Display for EventRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device {
            Some(device) => write!(f, "{device}")?,
            None => f.write_str("-")?,
        }
        match self.time {
            Some(time) => write!(f, " {time}")?,
            None => f.write_str(" -")?,
        }
        match self.code {
            Some(code) if code == Verdict::Granted.code() => f.write_str(" ACCESS_GRANTED"),
            Some(code) => write!(f, " {code}"),
            None => f.write_str(" -"),
        }
    }
}

impl fmt::Debug for EventRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRow")
            .field("id", &self.id)
            .field("index", &self.index)
            .field("time", &self.time)
            .field("code", &self.code)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}
