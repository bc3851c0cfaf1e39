//! An event as the columns of a row: written from here, and verified against it.

use rusqlite::types::ValueRef;

use crate::codec::{Event, Subject};

/// The columns of `events` that the record itself decides, in this order everywhere.
pub(super) const COLUMNS: [&str; 8] =
    ["event_id", "time", "code", "param", "flags", "user_id", "subject_id", "raw"];

/// The values of [`COLUMNS`].
pub(super) fn values(event: &Event) -> [ValueRef<'_>; 8] {
    [
        ValueRef::Integer(event.id().into()),
        ValueRef::Integer(event.timestamp().as_unix_seconds().into()),
        ValueRef::Integer(event.code().get().into()),
        ValueRef::Integer(event.param().into()),
        ValueRef::Integer(event.flags().bits().into()),
        user_id(event),
        subject_id(event.subject()).map_or(ValueRef::Null, |id| ValueRef::Integer(id.into())),
        ValueRef::Blob(event.as_bytes()),
    ]
}

fn user_id(event: &Event) -> ValueRef<'_> {
    match event.user_id() {
        Some(user) if !user.is_empty() => match user.as_text() {
            Some(text) => ValueRef::Text(text.as_bytes()),
            None => ValueRef::Blob(user.as_bytes()),
        },
        _ => ValueRef::Null,
    }
}

const fn subject_id(subject: Subject<'_>) -> Option<u32> {
    match subject {
        Subject::Door { door_id: id }
        | Subject::Lift { lift_id: id }
        | Subject::AlarmZone { zone_id: id, .. }
        | Subject::Interlock { zone_id: id, .. }
        | Subject::Zone { zone_id: id }
        | Subject::Input { io_device_id: id, .. }
        | Subject::Osdp { device_id: id, .. } => Some(id),
        Subject::Relay { relay_port, .. } => Some(relay_port as u32),
        Subject::Card(_) | Subject::None | Subject::Unknown(_) | Subject::User(_) => None,
    }
}
