//! Whether two rows are the same event.

use super::{EventKey, EventRow};
use crate::codec::{DeviceId, EventCode, Timestamp};

/// What tells whether a row was given already.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(in crate::biostar_x) enum Identity {
    Key(EventKey),
    /// A row without a key: its number in the month's table, and what else it says.
    Row {
        id: Option<u64>,
        device: Option<DeviceId>,
        time: Option<Timestamp>,
        code: Option<EventCode>,
        user_id: Option<String>,
    },
}

impl Identity {
    pub(in crate::biostar_x) fn of(row: &EventRow) -> Self {
        // An index of 0 says nothing: imported events have no number in a device's log.
        match row.key().filter(|_| row.hint.is_some() || row.index != Some(0)) {
            Some(key) => Self::Key(key),
            None => Self::Row {
                id: row.id,
                device: row.device,
                time: row.time,
                code: row.code,
                user_id: row.user_id.clone(),
            },
        }
    }

    pub(in crate::biostar_x) const fn is_vague(&self) -> bool {
        matches!(self, Self::Row { id: None, .. })
    }
}
