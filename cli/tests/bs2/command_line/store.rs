//! Looks into a store with nothing but SQLite, and into a truth.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// Records as hexadecimal text, by device, epoch and id.
pub(crate) type Records = BTreeMap<(u32, u32, u32), String>;

/// Every event of a store.
pub(crate) fn stored(path: &Path) -> Records {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement =
        connection.prepare("SELECT device_id, epoch, event_id, lower(hex(raw)) FROM events").unwrap();
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// Every event of a truth, each of which must stand there once.
pub(crate) fn truth(path: &Path) -> Records {
    let mut records = Records::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        let [device, epoch, id, hex] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let key = [device, epoch, id].map(|number| number.parse().unwrap());
        assert_eq!(records.insert(key.into(), hex.to_owned()), None, "{line}");
    }
    records
}

/// Waits until a store that another process writes has so many events.
pub(crate) fn wait_for_events(path: &Path, count: u32) {
    // Before the file is there, and while its schema is made, there are none.
    while events(path).unwrap_or_default() < count {
        std::thread::yield_now();
    }
}

fn events(path: &Path) -> rusqlite::Result<u32> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0))
}
