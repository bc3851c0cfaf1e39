//! Writing: one batch, and what a reader says of itself.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, params};

use super::event_row::{self, COLUMNS};
use super::read;
use crate::codec::Event;
use crate::device::DeviceInfo;
use crate::sink::{Batch, Gap, Stored};

/// Notes a reader; what it does not say leaves what it said before.
pub(super) fn device(connection: &Connection, info: &DeviceInfo) -> rusqlite::Result<()> {
    let known = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let address = info.address.map(|address| address.to_string());
    let row = params![info.id.get(), known(&info.model), known(&info.firmware), address, now()];
    connection
        .prepare_cached(
            "INSERT INTO devices (device_id, model, firmware, address, first_seen, last_seen)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5)
             ON CONFLICT DO UPDATE SET
                 model = coalesce(excluded.model, model), firmware = coalesce(excluded.firmware, firmware),
                 address = coalesce(excluded.address, address), last_seen = excluded.last_seen",
        )?
        .execute(row)?;
    Ok(())
}

/// Stores a batch inside the transaction of whoever calls.
pub(super) fn batch(connection: &Connection, batch: &Batch) -> rusqlite::Result<Stored> {
    device(connection, &DeviceInfo::new(batch.device))?;
    let new = events(connection, batch)?;
    take_out(connection, batch)?;
    for gap in &batch.gaps {
        add(connection, *gap)?;
    }
    raise_watermark(connection, batch)?;
    let all = u64::try_from(batch.events.len()).unwrap_or(u64::MAX);
    Ok(Stored { new, repeated: all.saturating_sub(new) })
}

/// Inserts the events, many in a statement, and counts those that were not there.
fn events(connection: &Connection, batch: &Batch) -> rusqlite::Result<u64> {
    let now = now();
    let (many, rest) = batch.events.as_chunks::<ROWS>();
    let mut new = 0;
    for (events, rows, sql) in [(many.as_flattened(), ROWS, &INSERT_MANY), (rest, 1, &INSERT_ONE)] {
        if events.is_empty() {
            continue;
        }
        let mut statement = connection.prepare_cached(sql)?;
        statement.raw_bind_parameter(1, batch.device.get())?;
        statement.raw_bind_parameter(2, batch.epoch)?;
        statement.raw_bind_parameter(3, now)?;
        for events in events.chunks(rows) {
            for (index, value) in (4..).zip(events.iter().flat_map(event_row::values)) {
                statement.raw_bind_parameter(index, ToSqlOutput::Borrowed(value))?;
            }
            new += u64::try_from(statement.raw_execute()?).unwrap_or(u64::MAX);
        }
    }
    Ok(new)
}

/// Takes the batch's events out of the gaps that they lie in.
fn take_out(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    let ids = || batch.events.iter().map(Event::id);
    let (Some(from), Some(to)) = (ids().min(), ids().max()) else { return Ok(()) };
    let gaps = read::gaps_between(connection, batch.device, batch.epoch, from, to)?;
    if gaps.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<_> = ids().map(|id| (id, id)).collect();
    ids.sort_unstable();
    for gap in gaps {
        let inside = ids.iter().copied().filter(|(id, _)| (gap.from..=gap.to).contains(id));
        let pieces = gap.around(inside);
        if pieces != [gap] {
            connection
                .prepare_cached("DELETE FROM gaps WHERE device_id = ?1 AND epoch = ?2 AND from_id = ?3")?
                .execute(params![gap.device.get(), gap.epoch, gap.from])?;
            insert_gaps(connection, &pieces)?;
        }
    }
    Ok(())
}

/// Adds a gap around what is stored.
fn add(connection: &Connection, gap: Gap) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT event_id, event_id FROM events WHERE device_id = ?1 AND epoch = ?2 AND event_id BETWEEN ?3 AND ?4
         UNION ALL
         SELECT from_id, to_id FROM gaps WHERE device_id = ?1 AND epoch = ?2 AND from_id <= ?4 AND to_id >= ?3
         ORDER BY 1",
    )?;
    let scope = params![gap.device.get(), gap.epoch, gap.from, gap.to];
    let taken = statement.query_map(scope, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let taken: Vec<_> = taken.collect::<Result<_, _>>()?;
    insert_gaps(connection, &gap.around(taken))
}

fn insert_gaps(connection: &Connection, gaps: &[Gap]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO gaps (device_id, epoch, from_id, to_id, reason) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = connection.prepare_cached(sql)?;
    for gap in gaps {
        statement.execute(params![gap.device.get(), gap.epoch, gap.from, gap.to, gap.reason.as_str()])?;
    }
    Ok(())
}

/// Widens the span of ids answered for, if the batch's span overlaps it or follows on it.
fn raise_watermark(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO watermarks (device_id, epoch, first_id, event_id) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET
                 first_id = min(first_id, excluded.first_id), event_id = max(event_id, excluded.event_id)
             WHERE excluded.first_id <= event_id + 1 AND first_id <= excluded.event_id + 1",
        )?
        .execute(params![batch.device.get(), batch.epoch, batch.first, batch.watermark])?;
    Ok(())
}

/// Milliseconds since 1970; 0 on a machine whose clock stands before that.
fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

/// The statement that inserts `rows` events: reader, epoch and time of storing are bound once, the rest by row.
fn insert(rows: usize) -> String {
    let mut sql =
        format!("INSERT INTO events (device_id, epoch, received_at, {}) VALUES ", COLUMNS.join(", "));
    for row in 0..rows {
        sql.push_str(if row == 0 { "(?1, ?2, ?3" } else { ", (?1, ?2, ?3" });
        for column in 0..COLUMNS.len() {
            // Writing to a String cannot fail.
            let _ = write!(sql, ", ?{}", 4 + row * COLUMNS.len() + column);
        }
        sql.push(')');
    }
    sql + " ON CONFLICT DO NOTHING"
}

/// Events in one statement: more cost more to prepare and gain nothing that can be measured.
const ROWS: usize = 16;

static INSERT_MANY: LazyLock<String> = LazyLock::new(|| insert(ROWS));
static INSERT_ONE: LazyLock<String> = LazyLock::new(|| insert(1));
