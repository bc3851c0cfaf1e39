//! Makes a store of version 1 a store of today's version, in the caller's transaction.

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::rows::card;
use crate::codec::{Event, EventFlags};

/// Adds the columns of version 2, and fills them from the records. No row is written again that does not change, and
/// indexes of other programs stay.
///
/// Version 1 did not say whether an event came with a clock byte. One that is not 0 came from the device; of the others
/// the offset is unknown, until the event is read again.
pub(super) fn from_version_1(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(COLUMNS)?;
    sources(connection)?;
    cards(connection)?;
    connection.execute_batch(include_str!("names.sql"))
}

/// A log has the events of few devices: the distinct numbers in its records are found first, and then each of them is
/// written into all of its rows at once.
fn sources(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT DISTINCT device_id, substr(CAST(raw AS BLOB), 9, 4) FROM events";
    let mut statement = connection.prepare(sql)?;
    let pairs = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let pairs = pairs.collect::<rusqlite::Result<Vec<(Value, Vec<u8>)>>>()?;
    let mut update = connection.prepare(
        "UPDATE events SET source_device_id = ?3, has_clock = flags & ?4 <> 0
         WHERE device_id = ?1 AND substr(CAST(raw AS BLOB), 9, 4) = ?2",
    )?;
    let clock = !EventFlags::IMAGE.bits();
    for (device, bytes) in pairs {
        // A damaged record has no number. `verify` finds it.
        let source = match bytes.as_slice().try_into().map_or(0, u32::from_le_bytes) {
            0 => device.clone(),
            number => Value::from(number),
        };
        update.execute(params![device, bytes, source, clock])?;
    }
    Ok(())
}

/// Events of unknown cards are rare.
fn cards(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT device_id, epoch, event_id, CAST(raw AS BLOB) FROM events WHERE code = 0x1102";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok(([row.get(0)?, row.get(1)?, row.get(2)?], row.get(3)?)))?;
    let rows = rows.collect::<rusqlite::Result<Vec<([Value; 3], Vec<u8>)>>>()?;
    let sql = "UPDATE events SET card_data = ?4, card_text = ?5 WHERE device_id = ?1 AND epoch = ?2 AND event_id = ?3";
    let mut update = connection.prepare(sql)?;
    for ([device, epoch, id], raw) in rows {
        if let Ok(event) = Event::from_bytes(&raw) {
            let [card_data, card_text] = card(event.subject());
            update.execute(params![device, epoch, id, card_data, card_text])?;
        }
    }
    Ok(())
}

const COLUMNS: &str = "
    DROP VIEW named_events;
    DROP VIEW named_gaps;
    DROP TABLE codes;
    ALTER TABLE events ADD COLUMN source_device_id INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE events ADD COLUMN card_data TEXT;
    ALTER TABLE events ADD COLUMN card_text TEXT;
    ALTER TABLE events ADD COLUMN has_clock INTEGER NOT NULL DEFAULT 0;
";
