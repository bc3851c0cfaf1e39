//! The SQLite store: what is in the file, and what a file must be.
#![cfg(feature = "sqlite")]

use std::path::PathBuf;

use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags, Outcome, Subject, Timestamp, UserId};
use bs2_events::device::DeviceInfo;
use bs2_events::sink::sqlite::SqliteSink;
use bs2_events::sink::{Batch, GapReason, Sink};
use rusqlite::Connection;
use tempfile::TempDir;

const DEVICE: DeviceId = DeviceId::new(540_000_001);

fn temporary() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    (folder, path)
}

fn event(id: u32, code: u16, subject: [u8; 32]) -> Event {
    Event::builder(DEVICE, id, EventCode::new(code))
        .subject(Subject::Unknown(&subject))
        .timestamp(Timestamp::from_unix_seconds(1_518_025_757))
        .build()
}

#[tokio::test]
async fn the_views_give_every_code_the_name_that_the_codec_gives_it() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    let events = (0..=u16::MAX).map(|code| event(u32::from(code), code, [0; 32]));
    let stored = sink.store(Batch::new(DEVICE, 0, 0, 65_535).with_events(events)).await.unwrap();
    assert_eq!((stored.new, stored.repeated), (65_536, 0));

    let connection = Connection::open(&path).unwrap();
    let mut statement = connection
        .prepare("SELECT event_id, code, name, category, outcome, time FROM named_events ORDER BY event_id")
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    for number in 0..=u16::MAX {
        let (row, code) = (rows.next().unwrap().unwrap(), EventCode::new(number));
        let outcome = match code.outcome() {
            Outcome::Granted => Some("granted"),
            Outcome::Denied => Some("denied"),
            Outcome::Neither => None,
        };
        assert_eq!(row.get_unwrap::<_, u16>(0), number);
        assert_eq!(row.get_unwrap::<_, String>(1), format!("0x{number:04X}"));
        assert_eq!(row.get_unwrap::<_, Option<String>>(2).as_deref(), code.name(), "{number:04X}");
        let category = code.category().map(|category| category.to_string());
        assert_eq!(row.get_unwrap::<_, Option<String>>(3), category, "{number:04X}");
        assert_eq!(row.get_unwrap::<_, Option<String>>(4).as_deref(), outcome, "{number:04X}");
        assert_eq!(row.get_unwrap::<_, String>(5), "2018-02-07T17:49:17Z");
    }
}
