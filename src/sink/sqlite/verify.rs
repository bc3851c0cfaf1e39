//! Verifies a store from its file alone.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row};

use super::rows::{ADDED_COLUMNS, COLUMNS, event_values};
use super::schema;
use crate::codec::{DeviceId, Event};
use crate::sink::{Gap, GapReason};
use crate::{ErrorKind, Result};

/// Verifies a store from its file alone: every id that the collection covers is stored or in a gap, and the columns of
/// every row agree with its record.
///
/// It reads one state of the file, also while a collector writes, and changes nothing. It blocks until it has read
/// every row; its memory does not grow with the number of events. SQLite keeps two more files beside the store (`-wal`
/// and `-shm`), and the folder must allow them. An empty file is a store without rows: a collector that is killed in its
/// first moments leaves one.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) if there is no file, [`InvalidInput`](ErrorKind::InvalidInput) for a folder and for
/// the database of another program, [`InvalidData`](ErrorKind::InvalidData) for a file that is not a database or is
/// damaged, [`Unsupported`](ErrorKind::Unsupported) for a schema newer than this crate's, and the errors of a file that
/// cannot be read. What is wrong inside a store is not an error but a [`Defect`].
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, Event, EventCode};
/// use bs2_events::sink::sqlite::{self, Defect, SqliteSink};
/// use bs2_events::sink::{Batch, Sink};
///
/// # async fn example() -> bs2_events::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("events.db");
/// let (sink, device) = (SqliteSink::open(&path)?, DeviceId::new(7));
/// let events = [5, 9].map(|id| Event::builder(device, id, EventCode::DOOR_OPENED).build());
/// // A watermark of 9 says that 6 to 8 are stored, and they are not.
/// sink.store(Batch::new(device, 0, 5, 9).with_events(events)).await?;
///
/// let verification = sqlite::verify(&path)?;
/// assert!(!verification.is_sound());
/// assert_eq!(verification.epochs[0].defects, [Defect::Hole { from: 6, to: 8 }]);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
pub fn verify(path: impl AsRef<Path>) -> Result<Verification> {
    let (store, connection) = schema::open_read_only(path.as_ref())?;
    let Some((connection, version)) = connection else { return Ok(Verification::default()) };
    let failed = |error| store.failed(schema::VERIFY, &error);
    // The rows are read by their keys, so the keys must be in order. SQLite reports `ok` for a whole file.
    let order: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if order != "ok" {
        return Err(store.error(ErrorKind::InvalidData, "cannot verify: the file is damaged"));
    }
    read(&connection, version).map_err(failed)
}

/// What [`verify`] found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Verification {
    /// Every epoch of every device, ascending.
    pub epochs: Vec<EpochVerification>,
    /// Rows whose device, epoch or id is not a number of 32 bits.
    pub strays: u64,
}

impl Verification {
    /// Whether there is no defect.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.strays == 0 && self.epochs.iter().all(EpochVerification::is_sound)
    }
}

/// What [`verify`] found in one epoch of one device.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct EpochVerification {
    /// The device.
    pub device: DeviceId,
    /// The epoch: one life of the device's id counter.
    pub epoch: u32,
    /// The first id that the collection covers; `None` if no watermark is stored.
    pub first: Option<u32>,
    /// Every id from `first` to here must be stored or in a gap; `None` if no watermark is stored.
    pub watermark: Option<u32>,
    /// How many events are stored.
    pub events: u64,
    /// The lowest id of a stored event.
    pub first_event: Option<u32>,
    /// The highest id of a stored event.
    pub last_event: Option<u32>,
    /// How many events lie above the watermark: they wait until a hole below them is filled or explained.
    pub above: u64,
    /// The gaps, by id.
    pub gaps: Vec<Gap>,
    /// The defects, at most the first hundred.
    pub defects: Vec<Defect>,
    /// How many defects there are.
    pub defect_count: u64,
}

impl EpochVerification {
    /// Whether there is no defect.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.defect_count == 0
    }
}

/// What is wrong in one epoch of one device.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Defect {
    /// An event lies below the first id that the collection covers.
    BelowFirst {
        /// The event.
        id: u32,
    },
    /// A column disagrees with the record.
    Column {
        /// The event.
        id: u32,
        /// The column's name.
        column: &'static str,
    },
    /// An event is stored although a gap covers its id.
    EventInGap {
        /// The event.
        id: u32,
    },
    /// A gap ends before it begins.
    GapBackwards {
        /// The first id of the gap.
        from: u32,
        /// The last id of the gap.
        to: u32,
    },
    /// Two gaps cover the same ids.
    GapsOverlap {
        /// The first id that both cover.
        from: u32,
        /// The last id that both cover.
        to: u32,
    },
    /// Ids up to the watermark are neither stored nor in a gap.
    Hole {
        /// The first of them.
        from: u32,
        /// The last of them.
        to: u32,
    },
    /// There are events or gaps, and no watermark.
    NoWatermark,
    /// A record is not 48 bytes long; a value that is not a BLOB counts as 0 bytes.
    RecordSize {
        /// The event.
        id: u32,
        /// The length of the record.
        size: usize,
    },
    /// The reason of a gap is not a known word.
    UnknownReason {
        /// The first id of the gap.
        from: u32,
    },
    /// The watermark is more than one below the first id.
    WatermarkBelowFirst,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BelowFirst { id } => write!(f, "event {id} lies below the first id"),
            Self::Column { id, column } => {
                write!(f, "event {id}: column `{column}` disagrees with the record")
            }
            Self::EventInGap { id } => write!(f, "event {id} is stored, and a gap covers it"),
            Self::GapBackwards { from, to } => write!(f, "gap {from} ends before it begins, at {to}"),
            Self::GapsOverlap { from, to } => write!(f, "ids {from} to {to} are in two gaps"),
            Self::Hole { from, to } if from == to => write!(f, "id {from} is neither stored nor explained"),
            Self::Hole { from, to } => write!(f, "ids {from} to {to} are neither stored nor explained"),
            Self::NoWatermark => f.write_str("there is no watermark"),
            Self::RecordSize { id, size } => write!(f, "event {id}: the record has {size} bytes, not 48"),
            Self::UnknownReason { from } => write!(f, "gap {from} has an unknown reason"),
            Self::WatermarkBelowFirst => f.write_str("the watermark is more than one below the first id"),
        }
    }
}

type Epochs = BTreeMap<(u32, u32), Checker>;

fn read(connection: &Connection, version: i64) -> rusqlite::Result<Verification> {
    // One transaction shows one state of the store, whatever is written meanwhile.
    let snapshot = connection.unchecked_transaction()?;
    let mut epochs = Epochs::new();
    let strays = watermarks(&snapshot, &mut epochs)?
        + gaps(&snapshot, &mut epochs)?
        + events(&snapshot, version, &mut epochs)?;
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
            checker.defect(Defect::UnknownReason { from });
        }
        let reason = reason.unwrap_or(GapReason::Unknown);
        checker.gap(Gap { device: DeviceId::new(device), epoch, from, to, reason });
        Some(())
    })
}

fn events(connection: &Connection, version: i64, epochs: &mut Epochs) -> rusqlite::Result<u64> {
    let columns = COLUMNS.map(|column| if exists(column, version) { column } else { "NULL" }).join(", ");
    let sql = format!("SELECT device_id, epoch, {columns} FROM events ORDER BY device_id, epoch, event_id");
    each(connection, &sql, |row| {
        let [device, epoch, id] = numbers(row)?;
        let checker = epochs.entry((device, epoch)).or_default();
        checker.event(id);
        compare(row, (device, id), version, |defect| checker.defect(defect));
        Some(())
    })
}

/// Whether a store of this version has this column.
fn exists(column: &str, version: i64) -> bool {
    version > 1 || !ADDED_COLUMNS.contains(&column)
}

/// Compares the columns of a row with its record. The device id of the record may differ from that of the row: it can be
/// that of a slave.
fn compare(row: &Row<'_>, (device, id): (u32, u32), version: i64, mut report: impl FnMut(Defect)) {
    let value = |column| row.get_ref(2 + column).ok();
    let raw = value(COLUMNS.len() - 1).and_then(|raw| raw.as_blob().ok()).unwrap_or_default();
    let Ok(event) = Event::from_bytes(raw) else {
        return report(Defect::RecordSize { id, size: raw.len() });
    };
    let expected = event_values(event, DeviceId::new(device));
    for (index, (column, expected)) in COLUMNS.into_iter().zip(&expected).enumerate() {
        let expected = match expected {
            ToSqlOutput::Borrowed(value) => *value,
            ToSqlOutput::Owned(value) => value.into(),
            _ => ValueRef::Null,
        };
        if exists(column, version) && value(index) != Some(expected) {
            report(Defect::Column { id, column });
        }
    }
}

/// Passes every row to `take`, and counts the rows for which it returns `None`.
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

/// The first columns; `None` if one of them is not a number of 32 bits.
fn numbers<const N: usize>(row: &Row<'_>) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    for (index, number) in numbers.iter_mut().enumerate() {
        *number = row.get(index).ok()?;
    }
    Some(numbers)
}

/// Checks one epoch. It takes the watermark first, then the gaps, then the events, each in ascending order.
#[derive(Default)]
struct Checker {
    span: Option<(u32, u32)>,
    gaps: Vec<Gap>,
    /// The highest id that a gap covers.
    gaps_end: Option<u32>,
    /// How many of the gaps begin at or below the last event.
    passed: usize,
    /// The highest id that one of these covers.
    passed_end: Option<u32>,
    /// The lowest id that is not covered yet; one more than the greatest id at the end.
    next: u64,
    events: u64,
    ends: Option<(u32, u32)>,
    above: u64,
    defects: Vec<Defect>,
    defect_count: u64,
}

impl Checker {
    fn watermark(&mut self, first: u32, watermark: u32) {
        self.span = Some((first, watermark));
        self.next = u64::from(first);
        if watermark.saturating_add(1) < first {
            self.defect(Defect::WatermarkBelowFirst);
        }
    }

    fn gap(&mut self, gap: Gap) {
        if gap.from > gap.to {
            return self.defect(Defect::GapBackwards { from: gap.from, to: gap.to });
        }
        if let Some(end) = self.gaps_end.filter(|end| *end >= gap.from) {
            self.defect(Defect::GapsOverlap { from: gap.from, to: end.min(gap.to) });
        }
        self.gaps_end = self.gaps_end.max(Some(gap.to));
        self.gaps.push(gap);
    }

    fn event(&mut self, id: u32) {
        self.pass_gaps(id);
        if self.passed_end.is_some_and(|end| end >= id) {
            self.defect(Defect::EventInGap { id });
        }
        self.cover(id, id);
        self.events += 1;
        self.ends = Some((self.ends.map_or(id, |(first, _)| first), id));
        if let Some((first, watermark)) = self.span {
            if id < first {
                self.defect(Defect::BelowFirst { id });
            }
            self.above += u64::from(id > watermark);
        }
    }

    fn defect(&mut self, defect: Defect) {
        self.defect_count += 1;
        if self.defects.len() < DEFECTS_KEPT {
            self.defects.push(defect);
        }
    }

    fn finish(mut self, device: u32, epoch: u32) -> EpochVerification {
        self.pass_gaps(u32::MAX);
        match self.span {
            Some((_, watermark)) => self.hole_below(u64::from(watermark) + 1),
            None => self.defect(Defect::NoWatermark),
        }
        EpochVerification {
            device: DeviceId::new(device),
            epoch,
            first: self.span.map(|(first, _)| first),
            watermark: self.span.map(|(_, watermark)| watermark),
            events: self.events,
            first_event: self.ends.map(|(first, _)| first),
            last_event: self.ends.map(|(_, last)| last),
            above: self.above,
            gaps: self.gaps,
            defects: self.defects,
            defect_count: self.defect_count,
        }
    }

    /// Covers the ids of the gaps that begin at or below `id`.
    fn pass_gaps(&mut self, id: u32) {
        while let Some(gap) = self.gaps.get(self.passed).copied().filter(|gap| gap.from <= id) {
            self.passed += 1;
            self.passed_end = self.passed_end.max(Some(gap.to));
            self.cover(gap.from, gap.to);
        }
    }

    fn cover(&mut self, from: u32, to: u32) {
        self.hole_below(u64::from(from));
        self.next = self.next.max(u64::from(to) + 1);
    }

    /// Reports the ids between the covered ones and `id` as a hole, up to the watermark.
    fn hole_below(&mut self, id: u64) {
        let Some((_, watermark)) = self.span else { return };
        let end = id.min(u64::from(watermark) + 1);
        if let (Ok(from), Ok(to)) = (u32::try_from(self.next), u32::try_from(end.saturating_sub(1)))
            && self.next < end
        {
            self.defect(Defect::Hole { from, to });
        }
    }
}

const DEFECTS_KEPT: usize = 100;
