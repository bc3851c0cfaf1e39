//! Proving a store from its file alone.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, Row};

use super::event_row::{self, COLUMNS};
use super::schema;
use crate::codec::{DeviceId, Event};
use crate::sink::{Gap, GapReason};
use crate::{ErrorKind, Result};

mod epoch;
mod fault;

use epoch::Checker;
pub use fault::Fault;

/// Proves a store from its file alone: that every id which the collection answers for is there or explained, and that
/// every row says what its record says.
///
/// It reads one state of the file, also while a collector writes, and changes nothing. It blocks until it has read
/// every row; memory does not grow with the number of events. Beside the file SQLite keeps two others (`-wal` and
/// `-shm`); they belong to the store, and the folder must allow them. An empty file is a store in which nothing is
/// yet: a collector that was killed in its first moments leaves one.
///
/// # Errors
///
/// [`NotFound`](crate::ErrorKind::NotFound) where there is no file,
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a folder and for the database of another program,
/// [`InvalidData`](crate::ErrorKind::InvalidData) for a file that is no database or is damaged,
/// [`Unsupported`](crate::ErrorKind::Unsupported) for a schema newer than this crate's, and the kinds of a file that
/// cannot be read. What is wrong inside a store is no error but a [`Fault`].
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, Event, EventCode};
/// use bs2_events::sink::sqlite::{self, Fault, SqliteSink};
/// use bs2_events::sink::{Batch, Sink};
///
/// # async fn example() -> bs2_events::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("events.db");
/// let (sink, device) = (SqliteSink::open(&path)?, DeviceId::new(7));
/// let events = [5, 9].map(|id| Event::builder(device, id, EventCode::DOOR_OPENED).build());
/// // A watermark of 9 promises 6 to 8, which are not there.
/// sink.store(Batch::new(device, 0, 5, 9).with_events(events)).await?;
///
/// let verification = sqlite::verify(&path)?;
/// assert!(!verification.is_sound());
/// assert_eq!(verification.epochs[0].faults, [Fault::Hole { from: 6, to: 8 }]);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
pub fn verify(path: impl AsRef<Path>) -> Result<Verification> {
    let (store, connection) = schema::open_read_only(path.as_ref())?;
    let Some(connection) = connection else { return Ok(Verification::default()) };
    let failed = |error| store.failed("verify", &error);
    // The rows are read by their keys, so the keys must be in order; `ok` is SQLite's word for it.
    let order: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if order != "ok" {
        return Err(store.error(ErrorKind::InvalidData, "cannot verify: the file is damaged"));
    }
    read(&connection).map_err(failed)
}

/// What [`verify`] found.
///
/// # Examples
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("events.db");
/// use bs2_events::sink::sqlite::{self, SqliteSink};
///
/// SqliteSink::open(&path)?;
/// let verification = sqlite::verify(&path)?;
/// assert!(verification.is_sound() && verification.epochs.is_empty());
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Verification {
    /// Every epoch of every reader, ascending.
    pub epochs: Vec<EpochReport>,
    /// Rows whose reader, epoch or id is no number of 32 bits, so that they belong nowhere.
    pub strays: u64,
}

impl Verification {
    /// Whether nothing is wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, sink::{Batch, Sink, sqlite::{self, SqliteSink}}};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("events.db");
    /// SqliteSink::open(&path)?.store(Batch::new(DeviceId::new(7), 0, 5, 9)).await?;
    /// assert!(!sqlite::verify(&path)?.is_sound());
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.strays == 0 && self.epochs.iter().all(EpochReport::is_sound)
    }
}

/// What [`verify`] found in one epoch of one reader.
///
/// # Examples
///
/// ```
/// use bs2_events::sink::sqlite::EpochReport;
///
/// fn line(report: &EpochReport) -> String {
///     let missing: u64 = report.gaps.iter().map(|gap| gap.len()).sum();
///     format!("{}: {} events, {missing} missing, {} faults", report.device, report.events, report.fault_count)
/// }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct EpochReport {
    /// The reader.
    pub device: DeviceId,
    /// The life of its id counter.
    pub epoch: u32,
    /// The first id that the collection answers for; `None` where no watermark is stored.
    pub first: Option<u32>,
    /// All ids from `first` to here ought to be stored or explained; `None` where no watermark is stored.
    pub watermark: Option<u32>,
    /// How many events are stored.
    pub events: u64,
    /// The lowest id of a stored event.
    pub first_event: Option<u32>,
    /// The highest id of a stored event.
    pub last_event: Option<u32>,
    /// How many of the events lie above the watermark: they wait for a hole below them to be filled or explained.
    pub above: u64,
    /// What is missing and explained, by id.
    pub gaps: Vec<Gap>,
    /// What is wrong; no more than the first hundred.
    pub faults: Vec<Fault>,
    /// How much is wrong.
    pub fault_count: u64,
}

impl EpochReport {
    /// Whether nothing is wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, sink::{Batch, Sink, sqlite::{self, SqliteSink}}};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("events.db");
    /// SqliteSink::open(&path)?.store(Batch::new(DeviceId::new(7), 0, 5, 4)).await?;
    /// assert!(sqlite::verify(&path)?.epochs[0].is_sound());
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.fault_count == 0
    }
}

type Epochs = BTreeMap<(u32, u32), Checker>;

fn read(connection: &Connection) -> rusqlite::Result<Verification> {
    // One transaction shows one state of the store, whatever is written meanwhile.
    let snapshot = connection.unchecked_transaction()?;
    let mut epochs = Epochs::new();
    let strays =
        watermarks(&snapshot, &mut epochs)? + gaps(&snapshot, &mut epochs)? + events(&snapshot, &mut epochs)?;
    let epochs = epochs.into_iter().map(|((device, epoch), checker)| checker.finish(device, epoch)).collect();
    Ok(Verification { epochs, strays })
}

fn watermarks(connection: &Connection, epochs: &mut Epochs) -> rusqlite::Result<u64> {
    let sql = "SELECT device_id, epoch, first_id, event_id FROM watermarks";
    each(connection, sql, |row| {
        let [device, epoch, first, watermark] = numbers(row)?;
        epochs.entry((device, epoch)).or_default().watermark(first, watermark);
        Some(())
    })
}

fn gaps(connection: &Connection, epochs: &mut Epochs) -> rusqlite::Result<u64> {
    let sql = "SELECT device_id, epoch, from_id, to_id, reason FROM gaps ORDER BY device_id, epoch, from_id";
    each(connection, sql, |row| {
        let [device, epoch, from, to] = numbers(row)?;
        let checker = epochs.entry((device, epoch)).or_default();
        let reason = row.get_ref(4).ok().and_then(|word| word.as_str().ok()?.parse().ok());
        if reason.is_none() {
            checker.fault(Fault::UnknownReason { from });
        }
        let reason = reason.unwrap_or(GapReason::Unknown);
        checker.gap(Gap { device: DeviceId::new(device), epoch, from, to, reason });
        Some(())
    })
}

fn events(connection: &Connection, epochs: &mut Epochs) -> rusqlite::Result<u64> {
    let columns = COLUMNS.join(", ");
    let sql = format!("SELECT device_id, epoch, {columns} FROM events ORDER BY device_id, epoch, event_id");
    each(connection, &sql, |row| {
        let [device, epoch, id] = numbers(row)?;
        let checker = epochs.entry((device, epoch)).or_default();
        checker.event(id);
        compare(row, id, |fault| checker.fault(fault));
        Some(())
    })
}

/// Tells what a row's columns say against its record. The record's device id may differ from the row's: it can be that
/// of a slave.
fn compare(row: &Row<'_>, id: u32, mut tell: impl FnMut(Fault)) {
    let value = |column| row.get_ref(2 + column).ok();
    let raw = value(COLUMNS.len() - 1).and_then(|raw| raw.as_blob().ok()).unwrap_or_default();
    let Ok(event) = Event::from_bytes(raw) else {
        return tell(Fault::RecordSize { id, size: raw.len() });
    };
    for (index, (column, expected)) in COLUMNS.into_iter().zip(event_row::values(event)).enumerate() {
        if value(index) != Some(expected) {
            tell(Fault::Column { id, column });
        }
    }
}

/// Hands every row to `take`, and counts those that it gives back as belonging nowhere.
fn each(
    connection: &Connection,
    sql: &str,
    mut take: impl FnMut(&Row<'_>) -> Option<()>,
) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut strays = 0;
    while let Some(row) = rows.next()? {
        if take(row).is_none() {
            strays += 1;
        }
    }
    Ok(strays)
}

/// The first columns, where each is a number of 32 bits.
fn numbers<const N: usize>(row: &Row<'_>) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    for (index, number) in numbers.iter_mut().enumerate() {
        *number = row.get(index).ok()?;
    }
    Some(numbers)
}
