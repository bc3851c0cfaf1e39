//! An event as the server reports it, in search and over the socket.

use std::fmt;

use jiff::civil::DateTime;
use serde_json::Value;

use super::codes::GRANTED;
use super::lenient::{at, elements, flag, number, text};
use crate::codec::{DeviceId, EventCode, Timestamp};

/// An event of the server's log.
///
/// Servers leave out what is not set, and write numbers as strings or as numbers. So every field may be missing, and a
/// field that cannot be read is missing. `Debug` and `Display` show no person.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::EventRow;
/// use serde_json::json;
///
/// let row = EventRow::from_json(&json!({
///     "datetime": "2026-07-24T17:53:02.00Z", "device_id": {"id": "543"}, "event_type_id": {"code": "4867"},
///     "user_id": {"user_id": "1001", "name": "Ada"},
/// }));
/// assert_eq!(row.user_name.as_deref(), Some("Ada"));
/// assert_eq!(row.to_string(), "543 2026-07-24T17:53:02Z IDENTIFY_SUCCESS_FACE");
/// ```
#[derive(Clone, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct EventRow {
    /// The row's number in the server's table of the month: it begins at 1 every month and identifies nothing.
    pub id: Option<u64>,
    /// The server's unique key of the event: 30 digits.
    pub hint: Option<String>,
    /// The number in the device's log.
    pub index: Option<u64>,
    /// When it happened, UTC. Fractions, which are 0 in what was seen, are cut off.
    pub time: Option<Timestamp>,
    /// When the server stored it, in the server's own zone, which the row does not name.
    pub server_time: Option<LocalTime>,
    /// The offset of the device's zone from UTC in half hours; quarters are rounded by the server.
    pub device_offset_half_hours: Option<i8>,
    /// Whether the device's clock showed summer time.
    pub is_dst: Option<bool>,
    /// What happened.
    pub code: Option<EventCode>,
    /// The server's name of it; the socket sends it, search does not.
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
    /// The time and attendance key that was pressed; the server's 0 means none.
    pub tna_key: Option<u8>,
    /// The key of the picture, for [`BiostarX::image`](super::BiostarX::image).
    pub image: Option<String>,
    /// The event as the server sent it, for what has no field here. Personal.
    pub json: Value,
}

impl EventRow {
    /// Reads an event. Every value gives a row, perhaps one without any field.
    #[must_use]
    pub fn from_json(row: &Value) -> Self {
        Self::from_value(row.clone())
    }

    /// The same without a copy.
    pub(super) fn from_value(json: Value) -> Self {
        let row = &json;
        let device = at(row, &["device_id"]);
        let user = at(row, &["user_id"]);
        let doors = ["door_id", "door_id_list"].map(|key| at(row, &[key]));
        let event_type = at(row, &["event_type_id"]);
        let group = at(row, &["user_group_id"]);
        Self {
            id: number::<i64>(at(row, &["id"])).and_then(|id| id.try_into().ok()),
            hint: text(at(row, &["hint"])),
            index: number::<i64>(at(row, &["index"])).and_then(|index| index.try_into().ok()),
            time: text(at(row, &["datetime"])).and_then(|text| utc(&text)),
            server_time: text(at(row, &["server_datetime"])).and_then(|text| LocalTime::read(&text)),
            device_offset_half_hours: offset(at(row, &["timezone"])),
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
            json,
        }
    }

    /// What identifies the event among all of the server; `None` where the row has too little for it.
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
            Some(code) if code == GRANTED => f.write_str(" ACCESS_GRANTED"),
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

/// What identifies an event among all of a server: second, device, and number in the device's log.
///
/// The server's `hint` has these three; for a row without a hint they come from the row. The row's `id` is no part of the
/// key, because it starts again every month.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EventKey {
    second: u64,
    device: u64,
    index: u64,
}

impl EventKey {
    /// The key in a hint; `None` for anything but 30 digits.
    #[must_use]
    pub fn of_hint(hint: &str) -> Option<Self> {
        if hint.len() != 30 || !hint.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let part = |start: usize| hint.get(start..start + 10).and_then(|digits| digits.parse().ok());
        Some(Self { second: part(0)?, device: part(10)?, index: part(20)? })
    }

    fn of_parts(device: DeviceId, index: u64, time: Timestamp) -> Self {
        Self { second: time.as_unix_seconds().into(), device: device.get().into(), index }
    }
}

/// In the form of a hint.
impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}{:010}{:010}", self.second, self.device, self.index)
    }
}

/// A time on a clock whose zone is not known: the server's own.
///
/// The server writes it with a `Z` at its end, as if it were UTC, which it is not. So there is no conversion to an
/// instant: the caller has to know the server's zone.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LocalTime(DateTime);

impl LocalTime {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches(['Z', 'z']);
        text.parse::<DateTime>().ok().map(Self)
    }

    /// Year, month and day.
    #[must_use]
    pub fn date(&self) -> (i16, u8, u8) {
        (self.0.year(), self.0.month().unsigned_abs(), self.0.day().unsigned_abs())
    }

    /// Hour, minute and second.
    #[must_use]
    pub fn clock(&self) -> (u8, u8, u8) {
        (self.0.hour().unsigned_abs(), self.0.minute().unsigned_abs(), self.0.second().unsigned_abs())
    }
}

/// Without a zone.
impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((year, month, day), (hour, minute, second)) = (self.date(), self.clock());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

/// An instant, written with `Z` or an offset; fractions are cut off.
fn utc(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.trim().parse().ok()?;
    time.as_second().try_into().ok().map(Timestamp::from_unix_seconds)
}

/// Half hours from UTC in `{"half":"0","hour":"9","negative":"0"}`.
fn offset(zone: &Value) -> Option<i8> {
    let hours: i8 = number(at(zone, &["hour"])).filter(|hours| (0..=14).contains(hours))?;
    let halves = hours * 2 + i8::from(flag(at(zone, &["half"])).unwrap_or(false));
    Some(if flag(at(zone, &["negative"])).unwrap_or(false) { -halves } else { halves })
}

/// Decides whether two rows are the same event.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(super) enum Identity {
    /// What search and the socket both report.
    Key(EventKey),
    /// The fields of a row that never change. Rows that differ in any of them are two events.
    Row(Box<Traits>),
}

#[derive(Clone, Eq, Hash, PartialEq)]
pub(super) struct Traits {
    id: Option<u64>,
    hint: Option<String>,
    index: Option<u64>,
    device: Option<DeviceId>,
    time: Option<Timestamp>,
    code: Option<EventCode>,
    user_id: Option<String>,
    tna_key: Option<u8>,
}

impl Identity {
    /// For rows of search and of the socket, which show different fields of the same event.
    pub(super) fn of(row: &EventRow) -> Self {
        // Imported events have no number in a device's log; their index is 0.
        match row.key().filter(|key| key.index != 0) {
            Some(key) => Self::Key(key),
            None => Self::in_search(row),
        }
    }

    /// For rows of one search, where the same event has the same fields.
    pub(super) fn in_search(row: &EventRow) -> Self {
        Self::Row(Box::new(Traits {
            id: row.id,
            hint: row.hint.clone(),
            index: row.index,
            device: row.device,
            time: row.time,
            code: row.code,
            user_id: row.user_id.clone(),
            tna_key: row.tna_key,
        }))
    }

    /// Whether two events may have the same identity.
    pub(super) fn is_vague(&self) -> bool {
        match self {
            Self::Key(_) => false,
            Self::Row(traits) => traits.id.is_none() && traits.index.is_none_or(|index| index == 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_spelling_of_an_instant_is_read() {
        for text in [
            "2026-07-24T17:53:02Z",
            "2026-07-24T17:53:02.00Z",
            "2026-07-24T17:53:02.000Z",
            "2026-07-24T17:53:02.1234567Z",
            "2026-07-24T19:53:02+02:00",
        ] {
            assert_eq!(utc(text).map(Timestamp::as_unix_seconds), Some(1_784_915_582), "{text}");
        }
        for text in ["", "2026-07-24", "2026-07-24T17:53:02", "1815-01-01T00:00:00Z", "2206-01-01T00:00:00Z"]
        {
            assert_eq!(utc(text), None, "{text}");
        }
    }

    #[test]
    fn the_zone_of_a_device_is_read_with_its_sign() {
        assert_eq!(offset(&json!({"half":"0","hour":"9","negative":"0"})), Some(18));
        assert_eq!(offset(&json!({"half":1,"hour":3,"negative":true})), Some(-7));
        assert_eq!(offset(&json!({"half":"1","hour":"99","negative":"0"})), None);
        assert_eq!(offset(&json!("")), None);
    }
}
