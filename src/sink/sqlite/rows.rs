//! Rows of the tables: what a batch writes, and what a collector reads to continue.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::types::{FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::codec::hex::to_hex;
use crate::codec::{DeviceId, Event, Subject};
use crate::device::DeviceInfo;
use crate::sink::{Batch, Gap, Ledger, ResumePoint, Stored};

/// The columns of `events` that the record itself decides, in this order everywhere.
pub(super) const COLUMNS: [&str; 11] = [
    "event_id",
    "time",
    "code",
    "param",
    "flags",
    "user_id",
    "subject_id",
    "source_device_id",
    "card_data",
    "card_text",
    "raw",
];

/// Those of them that a store of version 1 does not have.
pub(super) const ADDED_COLUMNS: [&str; 3] = ["source_device_id", "card_data", "card_text"];

/// The values of [`COLUMNS`] of an event in the log of `owner`.
pub(super) fn event_values(event: &Event, owner: DeviceId) -> [ToSqlOutput<'_>; 11] {
    let [card_data, card_text] = card(event.subject());
    [
        integer(event.id()),
        integer(event.timestamp().as_unix_seconds()),
        integer(event.code().get()),
        integer(event.param()),
        integer(event.flags().bits()),
        ToSqlOutput::Borrowed(user_id(event)),
        subject_id(event.subject()).map_or(NULL, integer),
        integer(event.source_device(owner).get()),
        card_data,
        card_text,
        ToSqlOutput::Borrowed(ValueRef::Blob(event.as_bytes())),
    ]
}

fn integer(value: impl Into<i64>) -> ToSqlOutput<'static> {
    ToSqlOutput::Borrowed(ValueRef::Integer(value.into()))
}

/// The data of an unknown card: all bytes as hexadecimal digits, and as text if they are digits.
pub(super) fn card(subject: Subject<'_>) -> [ToSqlOutput<'_>; 2] {
    let Subject::Card(card) = subject else { return [NULL, NULL] };
    let text = card.as_text().map_or(NULL, |text| ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())));
    [to_hex(card.as_bytes()).into(), text]
}

fn user_id(event: &Event) -> ValueRef<'_> {
    match event.user_id() {
        Some(user) if !user.is_empty() => match user.as_text() {
            Some(text) => ValueRef::Text(text.as_bytes()),
            None => ValueRef::Blob(user.as_bytes()),
        },
        _ => ValueRef::Null,
    }
}

const fn subject_id(subject: Subject<'_>) -> Option<u32> {
    match subject {
        Subject::Door { door_id: id }
        | Subject::Lift { lift_id: id }
        | Subject::AlarmZone { zone_id: id, .. }
        | Subject::Interlock { zone_id: id, .. }
        | Subject::Zone { zone_id: id }
        | Subject::Input { io_device_id: id, .. }
        | Subject::Osdp { device_id: id, .. } => Some(id),
        Subject::Relay { relay_port, .. } => Some(relay_port as u32),
        Subject::Card(_) | Subject::None | Subject::Unknown(_) | Subject::User(_) => None,
    }
}

/// Notes a device. What it does not report now stays as it reported it before.
pub(super) fn upsert_device(connection: &Connection, info: &DeviceInfo) -> rusqlite::Result<()> {
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

/// Stores a batch inside the caller's transaction.
pub(super) fn store(connection: &Connection, batch: &Batch) -> rusqlite::Result<Stored> {
    upsert_device(connection, &DeviceInfo::new(batch.device))?;
    let all = u64::try_from(batch.events.len()).unwrap_or(u64::MAX);
    let new = insert_events(connection, batch)?;
    if new < all {
        complete_events(connection, batch)?;
    }
    let before = ledger(connection, batch)?;
    // Most batches touch no gap: then only the span changes.
    let mut recorded = Batch::new(batch.device, batch.epoch, batch.first, batch.watermark);
    if !batch.gaps.is_empty() || before.gaps().next().is_some() {
        recorded = batch.clone();
    }
    let mut after = before.clone();
    if after.record(&mut recorded).is_err() {
        return Err(rusqlite::Error::InvalidQuery); // The sink has checked the batch.
    }
    write_ledger(connection, &before, &after)?;
    Ok(Stored { new, repeated: all.saturating_sub(new) })
}

/// Inserts the events, many in a statement, and counts those that were not stored before.
fn insert_events(connection: &Connection, batch: &Batch) -> rusqlite::Result<u64> {
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
        statement.raw_bind_parameter(4, batch.has_clock)?;
        for events in events.chunks(rows) {
            let values = events.iter().flat_map(|event| event_values(event, batch.device));
            for (index, value) in (5..).zip(values) {
                statement.raw_bind_parameter(index, value)?;
            }
            new += u64::try_from(statement.raw_execute()?).unwrap_or(u64::MAX);
        }
    }
    Ok(new)
}

/// Completes stored records with what repetitions of their events know.
fn complete_events(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    let key = "device_id = ?1 AND epoch = ?2 AND event_id = ?3";
    let mut select = connection.prepare_cached(&format!("SELECT raw, has_clock FROM events WHERE {key}"))?;
    let mut update = connection.prepare_cached(&format!(
        "UPDATE events SET param = ?4, flags = ?5, raw = ?6, has_clock = ?7 WHERE {key}"
    ))?;
    for event in &batch.events {
        let (device, epoch, id) = (batch.device.get(), batch.epoch, event.id());
        let (stored, has_clock) =
            select.query_row(params![device, epoch, id], |row| Ok((raw(row)?, row.get::<_, bool>(1)?)))?;
        if let Some(event) = batch.completed(event, &stored, has_clock) {
            let (flags, has_clock) = (event.flags().bits(), has_clock || batch.has_clock);
            update.execute(params![device, epoch, id, event.param(), flags, event.as_bytes(), has_clock])?;
        }
    }
    Ok(())
}

/// What the store knows of the batch's epoch, as far as the batch touches it: the span, the gaps that it may change, and
/// the stored ids below its gaps.
fn ledger(connection: &Connection, batch: &Batch) -> rusqlite::Result<Ledger> {
    let (device, epoch) = (batch.device.get(), batch.epoch);
    let mut ledger = Ledger::new(batch.device, epoch);
    let span = connection
        .prepare_cached("SELECT first_id, event_id FROM watermarks WHERE device_id = ?1 AND epoch = ?2")?
        .query_row([device, epoch], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((first, watermark)) = span {
        ledger = ledger.with_span(first, watermark);
    }
    let from = batch.events.iter().map(Event::id).chain(batch.gaps.iter().map(|gap| gap.from)).min();
    let to = batch.events.iter().map(Event::id).chain(batch.gaps.iter().map(|gap| gap.to)).max();
    if let (Some(from), Some(to)) = (from, to) {
        let sql = "SELECT device_id, epoch, from_id, to_id, reason FROM gaps
                   WHERE device_id = ?1 AND epoch = ?2 AND from_id <= ?4 AND to_id >= ?3 ORDER BY from_id";
        let mut statement = connection.prepare_cached(sql)?;
        let gaps =
            statement.query_map([device, epoch, from, to], gap)?.collect::<rusqlite::Result<Vec<_>>>()?;
        ledger = ledger.with_gaps(gaps);
    }
    for gap in &batch.gaps {
        let sql =
            "SELECT event_id FROM events WHERE device_id = ?1 AND epoch = ?2 AND event_id BETWEEN ?3 AND ?4";
        let mut statement = connection.prepare_cached(sql)?;
        let ids = statement.query_map([device, epoch, gap.from, gap.to], |row| row.get(0))?;
        let ids = ids.map(|id| id.map(|id: u32| id..=id)).collect::<rusqlite::Result<Vec<_>>>()?;
        ledger = ledger.with_stored(ids);
    }
    Ok(ledger)
}

/// Writes what a batch has changed: gaps, and the span.
fn write_ledger(connection: &Connection, before: &Ledger, after: &Ledger) -> rusqlite::Result<()> {
    let (device, epoch) = (after.device().get(), after.epoch());
    let [old, new] = [before, after].map(|ledger| ledger.gaps().collect::<Vec<_>>());
    if old != new {
        let sql = "DELETE FROM gaps WHERE device_id = ?1 AND epoch = ?2 AND from_id = ?3";
        let mut delete = connection.prepare_cached(sql)?;
        for gap in old.iter().filter(|gap| !new.contains(gap)) {
            delete.execute([device, epoch, gap.from])?;
        }
        let sql = "INSERT INTO gaps (device_id, epoch, from_id, to_id, reason) VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut insert = connection.prepare_cached(sql)?;
        for gap in new.iter().filter(|gap| !old.contains(gap)) {
            insert.execute(params![device, epoch, gap.from, gap.to, gap.reason.as_str()])?;
        }
    }
    let span = |ledger: &Ledger| ledger.first().zip(ledger.watermark());
    if let Some((first, watermark)) = span(after).filter(|_| span(before) != span(after)) {
        let sql = "REPLACE INTO watermarks (device_id, epoch, first_id, event_id) VALUES (?1, ?2, ?3, ?4)";
        connection.prepare_cached(sql)?.execute([device, epoch, first, watermark])?;
    }
    Ok(())
}

/// Milliseconds since 1970; 0 if the clock shows an earlier time.
fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

/// The statement that inserts `rows` events: device, epoch, time of storing and whether there is a clock byte are bound
/// once, the rest for each row.
///
/// `OR IGNORE` and not `ON CONFLICT DO NOTHING`: with the latter SQLite copies every page that a statement with several
/// rows changes, so that it can undo the statement. No value here is one that a column refuses.
fn insert(rows: usize) -> String {
    let mut sql = format!(
        "INSERT OR IGNORE INTO events (device_id, epoch, received_at, has_clock, {}) VALUES ",
        COLUMNS.join(", ")
    );
    for row in 0..rows {
        sql.push_str(if row == 0 { "(?1, ?2, ?3, ?4" } else { ", (?1, ?2, ?3, ?4" });
        for column in 0..COLUMNS.len() {
            // Writing to a String cannot fail.
            let _ = write!(sql, ", ?{}", 5 + row * COLUMNS.len() + column);
        }
        sql.push(')');
    }
    sql
}

/// The resume point of an epoch, or of the newest one of a device.
pub(super) fn resume(
    connection: &Connection,
    device: DeviceId,
    epoch: Option<u32>,
) -> rusqlite::Result<Option<ResumePoint>> {
    let sql = "SELECT epoch, first_id, event_id FROM watermarks
               WHERE device_id = ?1 AND epoch = coalesce(?2, epoch) ORDER BY epoch DESC LIMIT 1";
    let point = connection.prepare_cached(sql)?.query_row(params![device.get(), epoch], |row| {
        let (epoch, first, watermark) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(ResumePoint { epoch, first, watermark, above: Vec::new(), has_clock: true })
    });
    let Some(mut point) = point.optional()? else { return Ok(None) };
    let above =
        "SELECT raw FROM events WHERE device_id = ?1 AND epoch = ?2 AND event_id > ?3 ORDER BY event_id";
    let mut statement = connection.prepare_cached(above)?;
    let rows = statement.query_map(params![device.get(), point.epoch, point.watermark], raw)?;
    point.above = rows.collect::<Result<_, _>>()?;
    let newest = "SELECT has_clock FROM events WHERE device_id = ?1 AND epoch = ?2 AND event_id <= ?3
                  ORDER BY event_id DESC LIMIT 1";
    let newest = connection
        .prepare_cached(newest)?
        .query_row(params![device.get(), point.epoch, point.watermark], |row| row.get(0));
    point.has_clock = newest.optional()?.unwrap_or(true);
    Ok(Some(point))
}

/// The event with this identity.
pub(super) fn event(
    connection: &Connection,
    device: DeviceId,
    epoch: u32,
    id: u32,
) -> rusqlite::Result<Option<Event>> {
    let sql = "SELECT raw FROM events WHERE device_id = ?1 AND epoch = ?2 AND event_id = ?3";
    connection.prepare_cached(sql)?.query_row(params![device.get(), epoch, id], raw).optional()
}

/// Every gap of a device, by epoch and id.
pub(super) fn gaps(connection: &Connection, device: DeviceId) -> rusqlite::Result<Vec<Gap>> {
    let sql = "SELECT device_id, epoch, from_id, to_id, reason FROM gaps WHERE device_id = ?1 ORDER BY epoch, from_id";
    connection.prepare_cached(sql)?.query_map([device.get()], gap)?.collect()
}

fn gap(row: &Row<'_>) -> rusqlite::Result<Gap> {
    Ok(Gap {
        device: DeviceId::new(row.get(0)?),
        epoch: row.get(1)?,
        from: row.get(2)?,
        to: row.get(3)?,
        reason: convert(row, 4, |value| value.as_str()?.parse().map_err(FromSqlError::other))?,
    })
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Event> {
    convert(row, 0, |value| Event::from_bytes(value.as_blob()?).copied().map_err(FromSqlError::other))
}

fn convert<T>(
    row: &Row<'_>,
    index: usize,
    convert: impl FnOnce(ValueRef<'_>) -> FromSqlResult<T>,
) -> rusqlite::Result<T> {
    let value = row.get_ref(index)?;
    convert(value).map_err(|_| rusqlite::Error::InvalidColumnType(index, String::new(), value.data_type()))
}

const NULL: ToSqlOutput<'static> = ToSqlOutput::Borrowed(ValueRef::Null);

/// Events in one statement. More do not make it faster.
const ROWS: usize = 16;

static INSERT_MANY: LazyLock<String> = LazyLock::new(|| insert(ROWS));
static INSERT_ONE: LazyLock<String> = LazyLock::new(|| insert(1));
