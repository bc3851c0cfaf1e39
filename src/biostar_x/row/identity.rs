//! Whether two rows are the same event.

use super::{EventKey, EventRow};
use crate::codec::{DeviceId, EventCode, Timestamp};

/// What tells whether a row was given already.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(in crate::biostar_x) enum Identity {
    /// What search and socket agree on.
    Key(EventKey),
    /// What a row says of an event and what never changes. Rows that differ in any of it are two events.
    Row(Box<Traits>),
}

#[derive(Clone, Eq, Hash, PartialEq)]
pub(in crate::biostar_x) struct Traits {
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
    /// Of a row that search or the socket gave: the two show different fields of one event.
    pub(in crate::biostar_x) fn of(row: &EventRow) -> Self {
        // An index of 0 says nothing: imported events have no number in a device's log.
        match row.key().filter(|key| key.index != 0) {
            Some(key) => Self::Key(key),
            None => Self::in_search(row),
        }
    }

    /// Among rows of one search, where the same event looks the same.
    pub(in crate::biostar_x) fn in_search(row: &EventRow) -> Self {
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

    /// Whether two events may have it.
    pub(in crate::biostar_x) fn is_vague(&self) -> bool {
        match self {
            Self::Key(_) => false,
            Self::Row(traits) => traits.id.is_none() && traits.index.is_none_or(|index| index == 0),
        }
    }
}
