//! Looks up on the server which events of an import arrived.

use std::collections::{HashMap, HashSet};

use super::client::BiostarX;
use super::import_event::ImportEvent;
use super::query::EventQuery;
use super::row::EventRow;
use super::virtual_devices::VirtualDeviceId;
use crate::codec::{DeviceId, EventCode, Timestamp};
use crate::{Error, ErrorKind, Result};

/// The spans of time in which events may have arrived, in order and without overlap.
pub(super) struct Windows(Vec<(Timestamp, Timestamp)>);

impl Windows {
    /// One window for each run of neighbours with a time, which are mostly the events of one request.
    pub(super) fn around(times: impl Iterator<Item = Option<Timestamp>>) -> Self {
        let mut runs = Vec::new();
        let mut run: Option<(Timestamp, Timestamp)> = None;
        for time in times {
            run = match (run, time) {
                (Some((from, to)), Some(time)) => Some((from.min(time), to.max(time))),
                (None, Some(time)) => Some((time, time)),
                (ended, None) => {
                    runs.extend(ended);
                    None
                }
            };
        }
        runs.extend(run);
        runs.sort_unstable();
        let mut windows: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (from, to) in runs {
            match windows.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => windows.push((from, to)),
            }
        }
        Self(windows)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn hold(&self, time: Timestamp) -> bool {
        let next = self.0.partition_point(|(from, _)| *from <= time);
        next.checked_sub(1).and_then(|last| self.0.get(last)).is_some_and(|(_, to)| time <= *to)
    }
}

/// The rows that the server shows of a virtual device.
#[derive(Default)]
pub(super) struct ServerRows {
    length: usize,
    /// The time and attendance keys of the rows that are otherwise the same.
    rows: HashMap<MatchKey, Vec<Option<u8>>>,
    ambiguous: AmbiguousRows,
}

/// Rows without a person, a time or a code, which may be any event that agrees with the rest.
#[derive(Default)]
pub(super) struct AmbiguousRows(HashSet<(Option<EventCode>, Option<String>, Option<Timestamp>)>);

impl ServerRows {
    pub(super) async fn of(client: &BiostarX, device: VirtualDeviceId, windows: &Windows) -> Result<Self> {
        let mut found = Self::default();
        for (from, to) in &windows.0 {
            let query = EventQuery::new().between(*from, *to).devices([DeviceId::from(device)]);
            let mut events = client.events(query);
            while let Some(row) = events.next().await {
                found.add(&row?, device.into())?;
            }
        }
        Ok(found)
    }

    fn add(&mut self, row: &EventRow, device: DeviceId) -> Result<()> {
        if row.device.is_some_and(|other| other != device) {
            let message = "the server's search ignores its conditions, so nothing can be looked up";
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        self.length += 1;
        match MatchKey::of_row(row) {
            Some(key) => self.rows.entry(key).or_default().push(row.tna_key),
            None => self.ambiguous.add(row.code, row.user_id.as_deref(), row.time),
        }
        Ok(())
    }

    /// How many rows there are.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Removes a row that is this event, and returns whether there was one: a row with its key, or else, with
    /// `shown` false, one without a key.
    pub(super) fn take(&mut self, event: &ImportEvent, shown: bool) -> bool {
        let Some(keys) = self.rows.get_mut(&MatchKey::of_event(event)) else { return false };
        let expected = if shown { event.key() } else { None };
        match keys.iter().position(|key| *key == expected) {
            Some(place) => {
                keys.swap_remove(place);
                true
            }
            None => false,
        }
    }

    /// What remains when every event has its row, as far as it is ambiguous.
    pub(super) fn ambiguous(mut self) -> AmbiguousRows {
        for (row, keys) in self.rows {
            // For a person that it does not know a server shows 0.
            if !keys.is_empty() && row.user == NOBODY {
                self.ambiguous.add(Some(row.code), None, Some(row.time));
            }
        }
        self.ambiguous
    }

    /// The rows that look like one of these events, as events.
    #[cfg(feature = "collect")]
    pub(super) fn like(&mut self, events: &[ImportEvent]) -> Vec<ImportEvent> {
        let mut alike = Vec::new();
        for event in events {
            for key in self.rows.remove(&MatchKey::of_event(event)).into_iter().flatten() {
                let plain = ImportEvent::new(event.verdict(), event.user(), event.time());
                alike.push(key.map_or(plain.clone(), |key| plain.tna_key(key)));
            }
        }
        alike
    }
}

/// What an imported event has in common with the row that it became. The time and attendance key is not part of it,
/// because not every server shows it.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(super) struct MatchKey {
    code: EventCode,
    user: String,
    time: Timestamp,
}

impl MatchKey {
    pub(super) fn of_event(event: &ImportEvent) -> Self {
        Self { code: event.verdict().code(), user: event.user().trim().to_owned(), time: event.time() }
    }

    fn of_row(row: &EventRow) -> Option<Self> {
        let user = row.user_id.as_deref()?.trim().to_owned();
        Some(Self { code: row.code?, user, time: row.time? })
    }
}

impl AmbiguousRows {
    fn add(&mut self, code: Option<EventCode>, user: Option<&str>, time: Option<Timestamp>) {
        let user = user.map(str::trim).filter(|user| *user != NOBODY).map(ToOwned::to_owned);
        self.0.insert((code, user, time));
    }

    /// Whether one of the rows may be this event.
    pub(super) fn could_be(&self, event: &MatchKey) -> bool {
        let (codes, times) = ([Some(event.code), None], [Some(event.time), None]);
        let users = [Some(event.user.clone()), None];
        !self.0.is_empty()
            && codes.iter().any(|code| {
                users
                    .iter()
                    .any(|user| times.iter().any(|time| self.0.contains(&(*code, user.clone(), *time))))
            })
    }
}

const NOBODY: &str = "0";
