//! The verification of a store finds every defect.

use std::fs;
use std::path::PathBuf;

use bs2_events::ErrorKind;
use bs2_events::codec::{DeviceId, Event, EventCode, Subject, UserId};
use bs2_events::sink::sqlite::{self, Defect, SqliteSink};
use bs2_events::sink::{Batch, GapReason, Sink};
use rusqlite::Connection;
use tempfile::TempDir;

const DEVICE: DeviceId = DeviceId::new(540_000_001);

#[tokio::test]
async fn a_sound_store_is_described_in_numbers() {
    let (_folder, path) = store().await;
    let verification = sqlite::verify(&path).unwrap();
    assert!(verification.is_sound(), "{verification:?}");
    let [report] = &verification.epochs[..] else { panic!("not one epoch: {verification:?}") };
    assert_eq!((report.device, report.epoch), (DEVICE, 0));
    assert_eq!((report.first, report.watermark), (Some(10), Some(30)));
    assert_eq!((report.events, report.above), (14, 2));
    assert_eq!((report.first_event, report.last_event), (Some(10), Some(40)));
    let gaps: Vec<_> = report.gaps.iter().map(|gap| (gap.from, gap.to, gap.reason)).collect();
    assert_eq!(gaps, [(15, 19, GapReason::Cleared), (27, 30, GapReason::Unknown)]);
}

#[tokio::test]
async fn every_fault_is_found() {
    let column = |column| vec![Defect::Column { id: 12, column }];
    let cases = [
        ("DELETE FROM events WHERE event_id = 12", vec![Defect::Hole { from: 12, to: 12 }]),
        ("DELETE FROM events WHERE event_id < 13", vec![Defect::Hole { from: 10, to: 12 }]),
        ("DELETE FROM gaps WHERE from_id = 15", vec![Defect::Hole { from: 15, to: 19 }]),
        ("DELETE FROM gaps WHERE from_id = 27", vec![Defect::Hole { from: 27, to: 30 }]),
        ("DELETE FROM events; DELETE FROM gaps", vec![Defect::Hole { from: 10, to: 30 }]),
        (
            "UPDATE watermarks SET event_id = 41",
            vec![
                Defect::Hole { from: 31, to: 34 },
                Defect::Hole { from: 36, to: 39 },
                Defect::Hole { from: 41, to: 41 },
            ],
        ),
        ("UPDATE watermarks SET first_id = 9", vec![Defect::Hole { from: 9, to: 9 }]),
        ("UPDATE watermarks SET first_id = 11", vec![Defect::BelowFirst { id: 10 }]),
        ("DELETE FROM watermarks", vec![Defect::NoWatermark]),
        ("DELETE FROM watermarks; DELETE FROM events", vec![Defect::NoWatermark]),
        (
            "DELETE FROM events; DELETE FROM gaps; UPDATE watermarks SET event_id = 5",
            vec![Defect::WatermarkBelowFirst],
        ),
        (
            "UPDATE gaps SET to_id = 21 WHERE from_id = 15",
            vec![Defect::EventInGap { id: 20 }, Defect::EventInGap { id: 21 }],
        ),
        (
            "INSERT INTO gaps SELECT device_id, epoch, 17, 18, reason FROM gaps WHERE from_id = 15",
            vec![Defect::GapsOverlap { from: 17, to: 18 }],
        ),
        (
            "INSERT INTO gaps SELECT device_id, epoch, 29, 33, reason FROM gaps WHERE from_id = 15",
            vec![Defect::GapsOverlap { from: 29, to: 30 }],
        ),
        (
            "UPDATE gaps SET to_id = 14 WHERE from_id = 15",
            vec![Defect::GapBackwards { from: 15, to: 14 }, Defect::Hole { from: 15, to: 19 }],
        ),
        ("UPDATE gaps SET reason = 'lost' WHERE from_id = 15", vec![Defect::UnknownReason { from: 15 }]),
        ("UPDATE gaps SET reason = x'00' WHERE from_id = 15", vec![Defect::UnknownReason { from: 15 }]),
        ("UPDATE events SET time = time + 1 WHERE event_id = 12", column("time")),
        ("UPDATE events SET code = 0x1302 WHERE event_id = 12", column("code")),
        ("UPDATE events SET param = 256 WHERE event_id = 12", column("param")),
        ("UPDATE events SET flags = 'none' WHERE event_id = 12", column("flags")),
        ("UPDATE events SET user_id = '1002' WHERE event_id = 12", column("user_id")),
        ("UPDATE events SET user_id = NULL WHERE event_id = 12", column("user_id")),
        ("UPDATE events SET user_id = CAST(user_id AS BLOB) WHERE event_id = 12", column("user_id")),
        ("UPDATE events SET subject_id = 1 WHERE event_id = 12", column("subject_id")),
        ("UPDATE events SET source_device_id = 0 WHERE event_id = 12", column("source_device_id")),
        ("UPDATE events SET card_data = '00' WHERE event_id = 12", column("card_data")),
        ("UPDATE events SET card_text = '12' WHERE event_id = 12", column("card_text")),
        (
            "UPDATE events SET raw = (SELECT raw FROM events WHERE event_id = 13) WHERE event_id = 12",
            column("event_id"),
        ),
        (
            "UPDATE events SET raw = substr(raw, 1, 47) WHERE event_id = 12",
            vec![Defect::RecordSize { id: 12, size: 47 }],
        ),
        ("UPDATE events SET raw = 'text' WHERE event_id = 12", vec![Defect::RecordSize { id: 12, size: 0 }]),
        (
            "UPDATE events SET event_id = 12 + 900 WHERE event_id = 12",
            vec![Defect::Column { id: 912, column: "event_id" }, Defect::Hole { from: 12, to: 12 }],
        ),
    ];
    for (sql, faults) in cases {
        let (_folder, path) = store().await;
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let verification = sqlite::verify(&path).unwrap();
        assert!(!verification.is_sound(), "{sql}");
        let mut found = verification.epochs[0].defects.clone();
        assert_eq!(verification.epochs[0].defect_count, found.len() as u64, "{sql}");
        // Which of two is told first does not matter.
        found.sort_by_key(|fault| faults.iter().position(|expected| expected == fault));
        assert_eq!(found, faults, "{sql}");
        assert!(faults.iter().all(|fault| !fault.to_string().is_empty()));
    }
}

#[tokio::test]
async fn the_device_id_of_a_slave_is_no_fault_and_another_epoch_is_none_either() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    let slave = Event::builder(DeviceId::new(3), 1, EventCode::DOOR_OPENED).build();
    sink.store(Batch::new(DEVICE, 0, 1, 1).with_events([slave])).await.unwrap();
    sink.store(Batch::new(DEVICE, 1, 1, 1).with_events([slave])).await.unwrap();
    let verification = sqlite::verify(&path).unwrap();
    assert!(verification.is_sound(), "{verification:?}");
    assert_eq!(verification.epochs.len(), 2);
}

#[tokio::test]
async fn rows_that_belong_nowhere_are_counted() {
    let cases = [
        "UPDATE events SET device_id = -1 WHERE event_id = 35",
        "UPDATE events SET epoch = 'one' WHERE event_id = 35",
        "UPDATE events SET event_id = 4294967296 WHERE event_id = 35",
        "INSERT INTO gaps SELECT device_id, epoch, 50, -1, reason FROM gaps LIMIT 1",
        "INSERT INTO watermarks VALUES (1, 1, 1, 'x')",
    ];
    for sql in cases {
        let (_folder, path) = store().await;
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let verification = sqlite::verify(&path).unwrap();
        assert_eq!((verification.strays, verification.is_sound()), (1, false), "{sql}");
    }
}

#[tokio::test]
async fn no_more_than_a_hundred_faults_are_kept_and_all_are_counted() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    let events = (1..=500).map(|id| Event::builder(DEVICE, id * 2, EventCode::DOOR_OPENED).build());
    sink.store(Batch::new(DEVICE, 0, 1, 1_000).with_events(events)).await.unwrap();
    let report = sqlite::verify(&path).unwrap().epochs.remove(0);
    assert_eq!((report.defects.len(), report.defect_count), (100, 500));
}

#[tokio::test]
async fn both_ends_of_the_numbers_verify() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    let event = |id| Event::builder(DEVICE, id, EventCode::DOOR_OPENED).build();
    let batch = Batch::new(DEVICE, 0, 0, u32::MAX).with_events([event(0), event(u32::MAX)]);
    sink.store(batch.clone()).await.unwrap();
    let faults = sqlite::verify(&path).unwrap().epochs.remove(0).defects;
    assert_eq!(faults, [Defect::Hole { from: 1, to: u32::MAX - 1 }]);
    sink.store(batch.with_gap(1, u32::MAX - 1, GapReason::Reset)).await.unwrap();
    assert!(sqlite::verify(&path).unwrap().is_sound());
}

#[tokio::test]
async fn damage_to_the_file_is_an_error_wherever_it_is() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    let events = (1..=5_000).map(|id| Event::builder(DEVICE, id, EventCode::DOOR_OPENED).build());
    sink.store(Batch::new(DEVICE, 0, 1, 5_000).with_events(events)).await.unwrap();
    sink.close().await.unwrap();
    let whole = fs::read(&path).unwrap();
    let root: u32 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'events'", [], |row| row.get(0))
        .unwrap();
    for page in [root as usize - 1, whole.len() / 4_096 - 1] {
        let mut damaged = whole.clone();
        damaged[page * 4_096..][..64].fill(0xA5);
        fs::write(&path, damaged).unwrap();
        let error = sqlite::verify(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "page {page}: {error}");
        assert!(error.to_string().ends_with("the file is damaged"), "{error}");
    }
}

#[test]
fn an_empty_file_is_a_store_in_which_nothing_is_yet() {
    let (_folder, path) = temporary();
    fs::write(&path, "").unwrap();
    let verification = sqlite::verify(&path).unwrap();
    assert!(verification.is_sound() && verification.epochs.is_empty());
    drop(SqliteSink::open(&path).unwrap());
}

#[test]
fn a_file_that_cannot_be_verified_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name| folder.path().join(name);
    fs::write(file("text"), "time;user;door\n".repeat(100)).unwrap();
    Connection::open(file("other")).unwrap().execute_batch("CREATE TABLE accounts (name)").unwrap();
    let cases = [
        ("missing", ErrorKind::NotFound, "there is no such file"),
        ("text", ErrorKind::InvalidData, "the file is not an SQLite database"),
        ("other", ErrorKind::InvalidInput, "this is the database of another program"),
        (".", ErrorKind::InvalidInput, "this is a folder, not a file"),
    ];
    for (name, kind, sentence) in cases {
        let error = sqlite::verify(file(name)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().ends_with(sentence), "{error}");
    }
    assert!(!file("missing").exists());
}

/// Events 10 to 14, a gap to 19, 20 to 26, a gap to 30; two events above that wait.
async fn store() -> (TempDir, PathBuf) {
    let (folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    let user = UserId::new("1001").unwrap();
    let event = |id| {
        let code = EventCode::IDENTIFY_SUCCESS;
        Event::builder(DEVICE, id, code).subject(Subject::User(&user)).build()
    };
    let events = (10..15).chain(20..27).chain([35, 40]).map(event);
    let batch = Batch::new(DEVICE, 0, 10, 30).with_events(events);
    let batch = batch.with_gap(15, 19, GapReason::Cleared).with_gap(27, 30, GapReason::Unknown);
    sink.store(batch).await.unwrap();
    sink.close().await.unwrap();
    (folder, path)
}

fn temporary() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    (folder, path)
}
