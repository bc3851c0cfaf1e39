//! Reading back: what a collector needs to go on.

use rusqlite::types::{FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::codec::{DeviceId, Event};
use crate::sink::{Gap, ResumePoint};

/// The newest epoch of a reader.
pub(super) fn resume(connection: &Connection, device: DeviceId) -> rusqlite::Result<Option<ResumePoint>> {
    let newest =
        "SELECT epoch, first_id, event_id FROM watermarks WHERE device_id = ?1 ORDER BY epoch DESC LIMIT 1";
    let point = connection.prepare_cached(newest)?.query_row([device.get()], |row| {
        Ok(ResumePoint { epoch: row.get(0)?, first: row.get(1)?, watermark: row.get(2)?, above: Vec::new() })
    });
    let Some(mut point) = point.optional()? else { return Ok(None) };
    let above =
        "SELECT raw FROM events WHERE device_id = ?1 AND epoch = ?2 AND event_id > ?3 ORDER BY event_id";
    let mut statement = connection.prepare_cached(above)?;
    let rows = statement.query_map(params![device.get(), point.epoch, point.watermark], raw)?;
    point.above = rows.collect::<Result<_, _>>()?;
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

/// Every gap of a reader, by epoch and id.
pub(super) fn gaps(connection: &Connection, device: DeviceId) -> rusqlite::Result<Vec<Gap>> {
    let sql = "SELECT device_id, epoch, from_id, to_id, reason FROM gaps WHERE device_id = ?1 ORDER BY epoch, from_id";
    connection.prepare_cached(sql)?.query_map([device.get()], gap)?.collect()
}

/// The gaps of an epoch that touch these ids, by id.
pub(super) fn gaps_between(
    connection: &Connection,
    device: DeviceId,
    epoch: u32,
    from: u32,
    to: u32,
) -> rusqlite::Result<Vec<Gap>> {
    let sql = "SELECT device_id, epoch, from_id, to_id, reason FROM gaps
               WHERE device_id = ?1 AND epoch = ?2 AND from_id <= ?4 AND to_id >= ?3 ORDER BY from_id";
    connection.prepare_cached(sql)?.query_map([device.get(), epoch, from, to], gap)?.collect()
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
