//! Looks up on the server which events of an import arrived.

use std::collections::{BTreeSet, HashMap, HashSet};

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
    /// A few windows with all of these times, without the longest spans between them: there are events of others.
    pub(super) fn around(times: impl Iterator<Item = Timestamp>) -> Self {
        let mut seconds: Vec<_> = times.map(Timestamp::as_unix_seconds).collect();
        seconds.sort_unstable();
        let mut between: Vec<_> = seconds
            .iter()
            .zip(seconds.iter().skip(1))
            .map(|(end, start)| (start.saturating_sub(*end), *end))
            .filter(|(length, _)| *length > NEAR)
            .collect();
        between.sort_unstable_by(|a, b| b.cmp(a));
        between.truncate(WINDOWS - 1);
        let ends: HashSet<_> = between.into_iter().map(|(_, end)| end).collect();
        let (mut windows, mut start) = (Vec::new(), None);
        for (position, second) in seconds.iter().enumerate() {
            let from = *start.get_or_insert(*second);
            let is_end = seconds.get(position + 1).is_none_or(|next| next != second && ends.contains(second));
            if is_end {
                windows.push((from, *second));
                start = None;
            }
        }
        let time = Timestamp::from_unix_seconds;
        Self(windows.into_iter().map(|(from, to)| (time(from), time(to))).collect())
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
    /// Searches for these rows. What can be none of them is counted and not kept.
    pub(super) async fn of(
        client: &BiostarX,
        device: VirtualDeviceId,
        windows: &Windows,
        wanted: &HashSet<MatchKey>,
    ) -> Result<Self> {
        let mut found = Self::default();
        for window in &windows.0 {
            match Self::within(client, device, *window, wanted, Some(MANY)).await? {
                Some(rows) => found.extend(rows),
                // Too many events of others: each second by itself.
                None => {
                    let seconds: BTreeSet<_> = wanted.iter().map(|key| key.time).collect();
                    for second in seconds.range(window.0..=window.1) {
                        let rows = Self::within(client, device, (*second, *second), wanted, None).await?;
                        found.extend(rows.unwrap_or_default());
                    }
                }
            }
        }
        Ok(found)
    }

    /// The rows of one window; `None` for more than this.
    async fn within(
        client: &BiostarX,
        device: VirtualDeviceId,
        (from, to): (Timestamp, Timestamp),
        wanted: &HashSet<MatchKey>,
        most: Option<usize>,
    ) -> Result<Option<Self>> {
        let query = EventQuery::new().between(from, to).devices([DeviceId::from(device)]);
        let (mut events, mut found) = (client.events(query), Self::default());
        while let Some(row) = events.next().await {
            if from < to && most.is_some_and(|most| found.length >= most) {
                return Ok(None);
            }
            found.add(&row?, device.into(), wanted)?;
        }
        Ok(Some(found))
    }

    fn extend(&mut self, other: Self) {
        self.length = self.length.saturating_add(other.length);
        for (key, mut rows) in other.rows {
            self.rows.entry(key).or_default().append(&mut rows);
        }
        self.ambiguous.0.extend(other.ambiguous.0);
    }

    fn add(&mut self, row: &EventRow, device: DeviceId, wanted: &HashSet<MatchKey>) -> Result<()> {
        if row.device.is_some_and(|other| other != device) {
            let message = "the server's search ignores its conditions, so nothing can be looked up";
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        self.length += 1;
        match MatchKey::of_row(row) {
            Some(key) if wanted.contains(&key) => self.rows.entry(key).or_default().push(row.tna_key),
            // For a person that it does not know a server shows 0.
            Some(key) if key.user == NOBODY => self.ambiguous.add(Some(key.code), None, Some(key.time)),
            Some(_) => {}
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

/// In seconds: events that are as near as this are searched for together.
const NEAR: u32 = 60;

/// Each window costs a request at least.
const WINDOWS: usize = 16;

/// So many rows in a window are more than events of the import.
const MANY: usize = 4_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_every_time_and_leave_out_the_longest_spans_between() {
        let around = |seconds: &[u32]| {
            let windows = Windows::around(seconds.iter().copied().map(Timestamp::from_unix_seconds));
            assert!(seconds.iter().all(|second| windows.hold(Timestamp::from_unix_seconds(*second))));
            windows
                .0
                .into_iter()
                .map(|(from, to)| (from.as_unix_seconds(), to.as_unix_seconds()))
                .collect::<Vec<_>>()
        };
        assert_eq!(around(&[]), []);
        assert_eq!(around(&[7, 7]), [(7, 7)]);
        assert_eq!(around(&[9_000, 100, 7, 7, 60, 100, 9_000]), [(7, 100), (9_000, 9_000)]);
        assert_eq!(around(&[0, u32::MAX]), [(0, 0), (u32::MAX, u32::MAX)]);
        let sparse: Vec<_> = (0..500).map(|number| number * 3_600 + number * number).collect();
        let windows = around(&sparse);
        assert_eq!((windows.len(), windows[0].0, windows[15].1), (WINDOWS, 0, sparse[499]));
        assert!(windows[14].0 == windows[14].1);
    }
}
