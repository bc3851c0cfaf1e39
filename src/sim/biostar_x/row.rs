//! An event as the server tells it: a row of a search, or a frame of the socket.

use serde_json::{Map, Value, json};

use super::database::Store;
use super::records::StoredEvent;
use crate::codec::EventCode;

/// A row of a search; what is not set is left out.
pub(super) fn row(event: &StoredEvent, store: &Store, zone_minutes: i16) -> Value {
    let mut row = start(event, zone_minutes);
    if let Some(user) = &event.user_id {
        row.insert("user_id_name".into(), format!("{user}({})", name_of(user)).into());
    }
    people(event, &mut row);
    row.insert("device_id".into(), device(event, store));
    row.insert("event_type_id".into(), json!({ "code": event.code }));
    clock(event, &mut row);
    row.insert("user_update_by_device".into(), false.into());
    row.insert("hint".into(), event.hint().into());
    if let Some(door) = event.door_id {
        row.insert("door_id".into(), json!([{ "id": door, "name": format!("Door {door}") }]));
    }
    if event.image {
        row.insert("image_id".into(), image(event));
    }
    row.into()
}

/// A frame of the socket: the door has another key there, and the event type has names.
pub(super) fn frame(event: &StoredEvent, store: &Store, zone_minutes: i16) -> Value {
    let mut row = start(event, zone_minutes);
    let name = type_name(event.code).unwrap_or("");
    row.insert(
        "event_type_id".into(),
        json!({
            "code": event.code, "name": name, "description": "", "enable_alert": false, "alertable": false,
            "alert_name": "", "alert_message": "",
        }),
    );
    row.insert("device_id".into(), device(event, store));
    people(event, &mut row);
    row.insert("parameter".into(), 0.into());
    clock(event, &mut row);
    row.insert("temperature".into(), 0.into());
    if let Some(door) = event.door_id {
        row.insert("door_id_list".into(), json!([{ "id": door, "name": format!("Door {door}") }]));
    }
    if event.image {
        row.insert("image_id".into(), image(event));
    }
    json!({ "Event": row })
}

/// The symbolic name of an event type.
pub(super) fn type_name(code: u16) -> Option<&'static str> {
    SERVER_TYPES
        .iter()
        .find_map(|(known, name)| (*known == code).then_some(*name))
        .or_else(|| EventCode::new(code).name())
}

/// Under this name the picture is asked for.
pub(super) fn image_name(event: &StoredEvent) -> String {
    format!("{}_{}_{}", event.time, event.device_id, event.index)
}

fn start(event: &StoredEvent, zone_minutes: i16) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("id".into(), event.id.into());
    row.insert("index".into(), event.index.into());
    row.insert("datetime".into(), time(i64::from(event.time)).into());
    let local = i64::from(event.stored) + i64::from(zone_minutes) * 60;
    row.insert("server_datetime".into(), time(local).into());
    row
}

fn people(event: &StoredEvent, row: &mut Map<String, Value>) {
    if let Some(user) = &event.user_id {
        row.insert(
            "user_id".into(),
            json!({ "user_id": user, "name": name_of(user), "photo_exists": false }),
        );
        row.insert("user_group_id".into(), json!({ "id": 1, "name": "All Users" }));
    }
    if let Some(key) = &event.tna_key {
        row.insert("tna_key".into(), key.as_str().into());
    }
}

fn device(event: &StoredEvent, store: &Store) -> Value {
    match store.device_name(event.device_id) {
        Some(name) => json!({ "id": event.device_id, "name": name }),
        None => json!({ "id": event.device_id }),
    }
}

fn clock(event: &StoredEvent, row: &mut Map<String, Value>) {
    row.insert("is_dst".into(), u8::from(event.daylight_saving).into());
    if let Some(minutes) = event.utc_offset_minutes {
        let (hours, rest) = (minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60);
        row.insert(
            "timezone".into(),
            json!({ "half": u8::from(rest != 0), "hour": hours, "negative": u8::from(minutes < 0) }),
        );
    }
}

fn image(event: &StoredEvent) -> Value {
    json!({ "image_data": image_name(event), "image_type": "JPG", "photo": false })
}

/// Simulated people are called by their ids.
fn name_of(user: &str) -> String {
    format!("User {user}")
}

/// As the core writes times: two digits of a second, and `Z` even where it is local.
fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.00Z").to_string())
        .unwrap_or_default()
}

/// Types that only the server makes; readers have none of them.
pub(super) const SERVER_TYPES: [(u16, &str); 3] =
    [(4_001, "MAXIMUM_INVALID_LOGIN_ATTEMPTS"), (4_088, "ACCESS_GRANTED"), (4_095, "DEVICE_DISCONNECT")];
