//! What the server stores: events, virtual devices, and who is known.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::journal::{Journal, Line};
use super::settings::ServerSettings;
use super::state::{State, StoredEvent, VirtualDevice};
use crate::Result;
use crate::codec::Timestamp;
use crate::sim::generator::users::people;

/// The server's tables. Every change is in the journal before anybody is told of it.
pub(super) struct Store {
    pub(super) virtual_devices: BTreeMap<u32, VirtualDevice>,
    /// In the order in which they came.
    pub(super) events: Vec<StoredEvent>,
    /// Readers, by number.
    pub(super) readers: BTreeMap<u32, String>,
    users: HashSet<String>,
    /// The last row of each month's table.
    rows: HashMap<(i16, i8), u32>,
    /// The last index that each virtual device gave.
    indexes: HashMap<u32, u32>,
    /// How often a server began on this state.
    pub(super) starts: u64,
    journal: Journal,
}

/// An event that is about to be stored: the server gives it a row and, if it is imported, an index.
pub(super) struct NewEvent {
    pub(super) device_id: u32,
    pub(super) code: u16,
    pub(super) time: u32,
    pub(super) user_id: String,
    pub(super) tna_key: Option<String>,
}

impl Store {
    /// The tables as the state file has them, or new ones.
    ///
    /// # Errors
    ///
    /// [`Storage`](crate::ErrorKind::Storage) when the file cannot be read,
    /// [`InvalidData`](crate::ErrorKind::InvalidData) when it is none of these.
    pub(super) fn open(
        settings: &ServerSettings,
        readers: BTreeMap<u32, String>,
        backlog: Vec<StoredEvent>,
    ) -> Result<Self> {
        let (journal, lines) = match &settings.state {
            Some(path) => Journal::open(path)?,
            None => (Journal::nowhere(), Vec::new()),
        };
        let mut users: HashSet<String> = (1..=settings.users).map(|id| id.to_string()).collect();
        users.extend(people(settings.seed)?.iter().filter_map(|user| user.as_text().map(str::to_owned)));
        let mut store = Self {
            virtual_devices: BTreeMap::new(),
            events: Vec::new(),
            readers,
            users,
            rows: HashMap::new(),
            indexes: HashMap::new(),
            starts: 0,
            journal,
        };
        // The same at every start, so it is not in the journal.
        for mut event in backlog {
            event.id = store.next_row(event.time);
            store.apply(Line::Events(vec![event]));
        }
        for line in lines {
            store.apply(line);
        }
        store.change(Line::Start)?;
        Ok(store)
    }

    pub(super) fn add_user(&mut self, user_id: &str) -> Result<()> {
        self.change(Line::User(user_id.to_owned()))
    }

    pub(super) fn knows(&self, user_id: &str) -> bool {
        self.users.contains(user_id)
    }

    pub(super) fn set_device(&mut self, device: VirtualDevice) -> Result<()> {
        self.change(Line::VirtualDevice(device))
    }

    pub(super) fn delete_devices(&mut self, ids: Vec<u32>) -> Result<()> {
        self.change(Line::Deleted(ids))
    }

    /// Stores these events together or not at all; gives how many there were before.
    pub(super) fn import(&mut self, events: Vec<NewEvent>, now: Timestamp) -> Result<usize> {
        let before = self.events.len();
        let mut indexes = self.indexes.clone();
        let mut rows = self.rows.clone();
        let events = events.into_iter().map(|event| {
            let index = next(indexes.entry(event.device_id).or_default());
            StoredEvent {
                id: next(rows.entry(month(event.time)).or_default()),
                index,
                device_id: event.device_id,
                code: event.code,
                time: event.time,
                stored: now.as_unix_seconds(),
                user_id: Some(event.user_id),
                tna_key: event.tna_key,
                door_id: None,
                utc_offset_minutes: None,
                daylight_saving: false,
                image: false,
                imported: true,
            }
        });
        let events = events.collect();
        self.change(Line::Events(events))?;
        Ok(before)
    }

    /// Stores what a reader reported; the row is given here.
    pub(super) fn report(&mut self, mut event: StoredEvent) -> Result<StoredEvent> {
        event.id = self.next_row(event.time);
        self.change(Line::Events(vec![event.clone()]))?;
        Ok(event)
    }

    pub(super) fn device_name(&self, id: u32) -> Option<&str> {
        let device = self.virtual_devices.get(&id).map(|device| device.name.as_str());
        device.or_else(|| self.readers.get(&id).map(String::as_str))
    }

    pub(super) fn copy(&self) -> State {
        State {
            virtual_devices: self.virtual_devices.values().cloned().collect(),
            events: self.events.clone(),
        }
    }

    fn next_row(&self, time: u32) -> u32 {
        next(&mut self.rows.get(&month(time)).copied().unwrap_or_default())
    }

    fn change(&mut self, line: Line) -> Result<()> {
        self.journal.write(&line)?;
        self.apply(line);
        Ok(())
    }

    fn apply(&mut self, line: Line) {
        match line {
            Line::Start => self.starts = self.starts.wrapping_add(1),
            Line::User(id) => {
                self.users.insert(id);
            }
            Line::VirtualDevice(device) => {
                self.virtual_devices.insert(device.id, device);
            }
            Line::Deleted(ids) => self.virtual_devices.retain(|id, _| !ids.contains(id)),
            Line::Events(events) => {
                for event in &events {
                    let row = self.rows.entry(month(event.time)).or_default();
                    *row = event.id.max(*row);
                    if event.imported {
                        let index = self.indexes.entry(event.device_id).or_default();
                        *index = event.index.max(*index);
                    }
                }
                self.events.extend(events);
            }
        }
    }
}

/// Year and month of a time: each month has a table of its own.
fn month(seconds: u32) -> (i16, i8) {
    let time = jiff::Timestamp::from_second(i64::from(seconds)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
    (date.year(), date.month())
}

fn next(number: &mut u32) -> u32 {
    *number = number.saturating_add(1);
    *number
}
