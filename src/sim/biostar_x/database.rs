//! The server's database, its state file, and a snapshot of it for tests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

use super::options::BiostarXServerOptions;
use super::records::{Change, StoredEvent, StoredVirtualDevice};
use crate::codec::Timestamp;
use crate::sim::generator;
use crate::sim::journal::{Journal, whole_lines};
use crate::{Error, ErrorKind, Result};

/// The server's tables. Every change is in the state file before any client sees it.
#[derive(Default)]
pub(super) struct Database {
    pub(super) virtual_devices: BTreeMap<u32, StoredVirtualDevice>,
    /// In the order in which they were stored.
    pub(super) events: Vec<StoredEvent>,
    /// The names of the real devices, by number.
    pub(super) devices: BTreeMap<u32, String>,
    users: BTreeSet<String>,
    /// The last row of each month's log.
    rows: HashMap<(i16, i8), u32>,
    /// The last index of each virtual device.
    indexes: HashMap<u32, u32>,
    /// How many servers have started on this state.
    pub(super) starts: u64,
    /// The state file: one line of JSON for each change, written before the server responds.
    journal: Option<Journal>,
}

impl Database {
    /// Opens the tables of the state file, or creates them. `make_backlog` makes the events that devices reported before
    /// the start, at a fixed time or, if it gets `true`, up to the present one; these are kept in the file.
    /// Fails with [`Storage`](ErrorKind::Storage) when the file cannot be read or written, [`Busy`](ErrorKind::Busy)
    /// when another server writes it, [`InvalidData`](ErrorKind::InvalidData) when it is not a state file.
    pub(super) fn open(
        options: &BiostarXServerOptions,
        devices: BTreeMap<u32, String>,
        make_backlog: impl FnOnce(bool) -> Result<Vec<StoredEvent>>,
    ) -> Result<Self> {
        let (journal, changes) = match &options.state {
            Some(path) => {
                let (journal, bytes) = Journal::open(path)?;
                let lines = whole_lines(&bytes);
                let changes = changes(path, lines)?;
                // The file of another program may have no line break, and stays as it is.
                if lines.is_empty() && !FIRST_LINE.starts_with(&bytes) {
                    return Err(no_change(path, 1));
                }
                // A part of a line was never acknowledged.
                journal.truncate(lines.len() as u64)?;
                (Some(journal), changes)
            }
            None => (None, Vec::new()),
        };
        let mut users: BTreeSet<String> = (1..=options.users).map(|id| id.to_string()).collect();
        let generated = generator::users(options.seed)?;
        users.extend(generated.iter().filter_map(|user| user.as_text().map(str::to_owned)));
        let mut database = Self { devices, users, journal, ..Self::default() };
        // A backlog of a fixed time is the same at every start, so it is not in the state file.
        let is_kept = changes.iter().any(|change| matches!(change, Change::Backlog(_)));
        let is_now = options.start.is_now() && (is_kept || changes.is_empty());
        let mut backlog = if is_kept { Vec::new() } else { make_backlog(is_now)? };
        for event in &mut backlog {
            event.id = next(database.rows.entry(month(event.time)).or_default());
        }
        if is_now && !is_kept {
            // In pieces, since each is a line; the first is there also if the backlog is empty.
            let pieces: Vec<_> = backlog.chunks(BACKLOG_LINE).map(<[_]>::to_vec).collect();
            for piece in if pieces.is_empty() { vec![Vec::new()] } else { pieces } {
                database.change(Change::Backlog(piece))?;
            }
        } else {
            database.apply(Change::Backlog(backlog));
        }
        for change in changes {
            database.apply(change);
        }
        database.change(Change::Start)?;
        Ok(database)
    }

    /// The ids of all users, in their order.
    pub(super) fn users(&self) -> impl ExactSizeIterator<Item = &str> {
        self.users.iter().map(String::as_str)
    }

    pub(super) fn add_user(&mut self, user_id: &str) -> Result<()> {
        self.change(Change::User(user_id.to_owned()))
    }

    pub(super) fn has_user(&self, user_id: &str) -> bool {
        self.users.contains(user_id)
    }

    pub(super) fn set_virtual_device(&mut self, device: StoredVirtualDevice) -> Result<()> {
        self.change(Change::VirtualDevice(device))
    }

    pub(super) fn delete_virtual_devices(&mut self, ids: Vec<u32>) -> Result<()> {
        self.change(Change::Deleted(ids))
    }

    /// Stores all these events or none, and gives each a row and an index.
    pub(super) fn import(&mut self, mut events: Vec<StoredEvent>, now: Timestamp) -> Result<()> {
        let mut indexes = self.indexes.clone();
        let mut rows = self.rows.clone();
        for event in &mut events {
            event.index = next(indexes.entry(event.device_id).or_default());
            event.id = next(rows.entry(month(event.time)).or_default());
            event.stored = now.as_unix_seconds();
        }
        self.change(Change::Events(events))
    }

    /// Stores the event of a device, and gives it a row.
    pub(super) fn report(&mut self, mut event: StoredEvent) -> Result<StoredEvent> {
        event.id = self.next_row(event.time);
        self.change(Change::Events(vec![event.clone()]))?;
        Ok(event)
    }

    /// The name of a virtual or real device.
    pub(super) fn device_name(&self, id: u32) -> Option<&str> {
        let device = self.virtual_devices.get(&id).map(|device| device.name.as_str());
        device.or_else(|| self.devices.get(&id).map(String::as_str))
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            virtual_devices: self.virtual_devices.values().cloned().collect(),
            events: self.events.clone(),
        }
    }

    fn next_row(&self, time: u32) -> u32 {
        next(&mut self.rows.get(&month(time)).copied().unwrap_or_default())
    }

    fn change(&mut self, change: Change) -> Result<()> {
        if let Some(journal) = &self.journal {
            let mut line = serde_json::to_vec(&change).map_err(|error| {
                Error::new(ErrorKind::Storage, "the change cannot be written as JSON").with_source(error)
            })?;
            line.push(b'\n');
            journal.append(&line)?;
        }
        self.apply(change);
        Ok(())
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Start => self.starts = self.starts.wrapping_add(1),
            Change::User(id) => {
                self.users.insert(id);
            }
            Change::VirtualDevice(device) => {
                self.virtual_devices.insert(device.id, device);
            }
            Change::Deleted(ids) => self.virtual_devices.retain(|id, _| !ids.contains(id)),
            Change::Backlog(events) | Change::Events(events) => {
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

/// A copy of what the server has stored, taken at one moment.
///
/// `Debug` shows counts only. The methods return user ids.
///
/// # Examples
///
/// ```
/// use bs2_events::ErrorKind;
/// use bs2_events::sim::biostar_x::{BiostarXServer, BiostarXServerOptions, Snapshot};
///
/// # async fn example() -> bs2_events::Result<()> {
/// let server = BiostarXServer::start(BiostarXServerOptions::default().with_backlog(20)).await?;
/// let snapshot = server.snapshot();
/// assert_eq!(snapshot.events().len(), 20);
/// let event = &snapshot.events()[0];
/// assert_eq!((event.id, event.index), (1, 1));
/// assert!(event.hint().ends_with("05410000010000000001"));
/// assert!(snapshot.imported().next().is_none());
/// assert_eq!(snapshot.to_json()["virtual_devices"], serde_json::json!([]));
///
/// let error = Snapshot::read("nowhere/server.jsonl".as_ref()).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Snapshot {
    virtual_devices: Vec<StoredVirtualDevice>,
    events: Vec<StoredEvent>,
}

impl Snapshot {
    /// Reads a state file, also while a server writes it. The events of a backlog of a fixed time are not in the file:
    /// every start makes them again.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) or [`Storage`](ErrorKind::Storage) when the file cannot be
    /// read, [`InvalidData`](ErrorKind::InvalidData) when it is not a state file.
    pub fn read(path: &Path) -> Result<Self> {
        let mut database = Database::default();
        for change in changes(path, whole_lines(&Journal::read(path)?))? {
            database.apply(change);
        }
        Ok(database.snapshot())
    }

    /// The virtual devices, in the order of their ids.
    #[must_use]
    pub fn virtual_devices(&self) -> &[StoredVirtualDevice] {
        &self.virtual_devices
    }

    /// All events, in the order in which they were stored.
    #[must_use]
    pub fn events(&self) -> &[StoredEvent] {
        &self.events
    }

    /// The imported events, in the order in which they were stored.
    pub fn imported(&self) -> impl Iterator<Item = &StoredEvent> {
        self.events.iter().filter(|event| event.imported)
    }

    /// The snapshot as JSON, with `virtual_devices` and `events`. It contains user ids.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let events: Vec<_> = self.events.iter().map(StoredEvent::to_json).collect();
        json!({ "virtual_devices": self.virtual_devices, "events": events })
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("virtual_devices", &self.virtual_devices.len())
            .field("events", &self.events.len())
            .finish()
    }
}

/// The changes in the lines of a state file.
/// Fails with [`InvalidData`](ErrorKind::InvalidData) for a line that is not a change.
fn changes(path: &Path, lines: &[u8]) -> Result<Vec<Change>> {
    let lines = (1..).zip(lines.split_inclusive(|byte| *byte == b'\n'));
    let changes = lines.map(|(number, line)| {
        // The source would quote the line.
        serde_json::from_slice(line).map_err(|_| no_change(path, number))
    });
    changes.collect()
}

fn no_change(path: &Path, line: u64) -> Error {
    let message = format!("state file `{}`, line {line} is not a change", path.display());
    Error::new(ErrorKind::InvalidData, message)
}

/// What every state file begins with: the first start of the server.
const FIRST_LINE: &[u8] = b"\"start\"\n";

/// Year and month of a time: each month has its own log.
fn month(seconds: u32) -> (i16, i8) {
    let time = jiff::Timestamp::from_second(i64::from(seconds)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
    (date.year(), date.month())
}

/// Events of the backlog in a line of the state file.
const BACKLOG_LINE: usize = 1_000;

fn next(number: &mut u32) -> u32 {
    *number = number.saturating_add(1);
    *number
}
