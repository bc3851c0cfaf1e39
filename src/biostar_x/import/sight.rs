//! What search shows of a virtual device in the seconds in question.

use std::collections::{HashMap, HashSet};

use super::ImportEvent;
use super::event::Trace;
use crate::biostar_x::VirtualDeviceId;
use crate::biostar_x::client::Client;
use crate::biostar_x::query::EventQuery;
use crate::biostar_x::row::EventRow;
use crate::codec::{DeviceId, EventCode, Timestamp};
use crate::{Error, ErrorKind, Result};

/// The spans of time in which events may have arrived, apart from each other and in order.
pub(super) struct Windows(Vec<(Timestamp, Timestamp)>);

impl Windows {
    /// A window around each run of neighbours that have a time here: mostly those of one request.
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

/// The rows of a virtual device.
#[derive(Default)]
pub(super) struct Sight {
    length: usize,
    /// The keys of the rows that look the same otherwise.
    rows: HashMap<Trace, Vec<Option<u8>>>,
    dim: Dim,
}

/// Rows that do not show all that tells events apart: what they do show.
#[derive(Default)]
pub(super) struct Dim(HashSet<(Option<EventCode>, Option<String>, Option<Timestamp>)>);

impl Sight {
    pub(super) async fn of(client: &Client, device: VirtualDeviceId, windows: &Windows) -> Result<Self> {
        let mut sight = Self::default();
        for (from, to) in &windows.0 {
            let query = EventQuery::new().between(*from, *to).devices([DeviceId::from(device)]);
            let mut events = client.events_with_patience(query);
            while let Some(row) = events.next().await {
                sight.add(&row?, device.into())?;
            }
        }
        Ok(sight)
    }

    fn add(&mut self, row: &EventRow, device: DeviceId) -> Result<()> {
        if row.device.is_some_and(|other| other != device) {
            let message =
                "the server's search does not heed its conditions, so that nothing can be looked up";
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        self.length += 1;
        match Trace::of_row(row) {
            Some(trace) => self.rows.entry(trace).or_default().push(row.tna_key),
            None => self.dim.add(row.code, row.user_id.as_deref(), row.time),
        }
        Ok(())
    }

    /// How many rows there are.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Takes a row out that stands for this event: one that shows its key, or else one that shows none.
    pub(super) fn take(&mut self, event: &ImportEvent, shown: bool) -> bool {
        let Some(keys) = self.rows.get_mut(&event.trace()) else { return false };
        let expected = if shown { event.key() } else { None };
        match keys.iter().position(|key| *key == expected) {
            Some(place) => {
                keys.swap_remove(place);
                true
            }
            None => false,
        }
    }

    /// What is left when every event has its row, where it cannot be told apart.
    pub(super) fn dim(mut self) -> Dim {
        for (trace, keys) in self.rows {
            // A server shows a person that it does not know as 0.
            if !keys.is_empty() && trace.user() == NOBODY {
                self.dim.add(Some(trace.code()), None, Some(trace.time()));
            }
        }
        self.dim
    }

    /// The rows that look like one of these events, as events.
    #[cfg(feature = "collect")]
    pub(super) fn like(&mut self, events: &[ImportEvent]) -> Vec<ImportEvent> {
        let mut alike = Vec::new();
        for event in events {
            for key in self.rows.remove(&event.trace()).into_iter().flatten() {
                let plain = ImportEvent::new(event.verdict(), event.user(), event.time());
                alike.push(key.map_or(plain.clone(), |key| plain.tna_key(key)));
            }
        }
        alike
    }
}

impl Dim {
    fn add(&mut self, code: Option<EventCode>, user: Option<&str>, time: Option<Timestamp>) {
        let user = user.map(str::trim).filter(|user| *user != NOBODY).map(ToOwned::to_owned);
        self.0.insert((code, user, time));
    }

    /// Whether one of the rows may be this event.
    pub(super) fn could_be(&self, event: &Trace) -> bool {
        let (codes, times) = ([Some(event.code()), None], [Some(event.time()), None]);
        let users = [Some(event.user().to_owned()), None];
        !self.0.is_empty()
            && codes.iter().any(|code| {
                users
                    .iter()
                    .any(|user| times.iter().any(|time| self.0.contains(&(*code, user.clone(), *time))))
            })
    }
}

const NOBODY: &str = "0";
