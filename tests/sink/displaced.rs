//! The SQLite store when its file is deleted, replaced or damaged while it is open.

use std::fs;
use std::path::{Path, PathBuf};

use bs2_events::ErrorKind;
use bs2_events::codec::{DeviceId, Event, EventCode, Timestamp};
use bs2_events::device::DeviceInfo;
use bs2_events::sink::sqlite::{self, SqliteSink};
use bs2_events::sink::{Batch, Sink, Stored};
use tempfile::TempDir;

const DEVICE: DeviceId = DeviceId::new(7);
const OTHER: DeviceId = DeviceId::new(8);

#[tokio::test]
async fn a_deleted_store_is_noticed_and_a_new_one_begins() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    sink.store(batch(DEVICE, 1..=5)).await.unwrap();
    sink.store(batch(OTHER, 1..=5)).await.unwrap();
    for name in ["events.db", "events.db-wal", "events.db-shm"] {
        fs::remove_file(path.with_file_name(name)).unwrap();
    }
    // What a collector has read belongs to the old store: each device must begin again.
    for device in [DEVICE, OTHER, OTHER] {
        let error = sink.store(batch(device, 6..=9)).await.unwrap_err();
        assert_eq!((error.kind(), error.device()), (ErrorKind::Storage, Some(device)), "{error}");
        assert!(error.to_string().contains("was deleted or replaced"), "{error}");
    }
    assert_eq!(sink.resume(&DeviceInfo::new(DEVICE)).await.unwrap(), None);
    assert_eq!(sink.store(batch(DEVICE, 1..=9)).await.unwrap(), Stored { new: 9, repeated: 0 });
    assert!(sink.store(batch(OTHER, 6..=9)).await.is_err());
    sink.close().await.unwrap();
    assert_eq!(watermarks(&path), [(DEVICE, 1, 9)]);
}

#[tokio::test]
async fn a_store_that_was_moved_away_is_complete_where_it_is() {
    let (folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    sink.store(batch(DEVICE, 1..=500)).await.unwrap();
    let moved = folder.path().join("moved.db");
    fs::rename(&path, &moved).unwrap();
    assert!(sink.resume(&DeviceInfo::new(DEVICE)).await.is_err());
    assert_eq!(sink.resume(&DeviceInfo::new(DEVICE)).await.unwrap(), None);
    sink.store(batch(DEVICE, 1..=3)).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(watermarks(&moved), [(DEVICE, 1, 500)]);
    assert_eq!(watermarks(&path), [(DEVICE, 1, 3)]);
}

#[tokio::test]
async fn a_store_that_takes_the_place_of_another_is_continued_where_it_is() {
    let (folder, path) = temporary();
    let copy = folder.path().join("copy.db");
    let sink = SqliteSink::open(&copy).unwrap();
    sink.store(batch(DEVICE, 1..=3)).await.unwrap();
    sink.close().await.unwrap();

    let sink = SqliteSink::open(&path).unwrap();
    sink.store(batch(DEVICE, 1..=2_000)).await.unwrap();
    fs::rename(&copy, &path).unwrap();
    assert!(sink.store(batch(DEVICE, 2_001..=2_002)).await.is_err());
    // The log beside the old store is not applied to the new one.
    let point = sink.resume(&DeviceInfo::new(DEVICE)).await.unwrap().unwrap();
    assert_eq!((point.first, point.watermark), (1, 3));
    sink.store(batch(DEVICE, 4..=9)).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(watermarks(&path), [(DEVICE, 1, 9)]);
}

#[tokio::test]
async fn a_log_that_is_deleted_beside_the_store_loses_nothing() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    sink.store(batch(DEVICE, 1..=50)).await.unwrap();
    fs::remove_file(path.with_file_name("events.db-wal")).unwrap();
    assert_eq!(sink.store(batch(DEVICE, 51..=60)).await.unwrap_err().kind(), ErrorKind::Storage);
    let point = sink.resume(&DeviceInfo::new(DEVICE)).await.unwrap().unwrap();
    assert_eq!(point.watermark, 50);
    sink.store(batch(DEVICE, 51..=60)).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(watermarks(&path), [(DEVICE, 1, 60)]);
}

#[tokio::test]
async fn a_file_that_is_no_store_is_left_alone_until_it_is_gone() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    sink.store(batch(DEVICE, 1..=5)).await.unwrap();
    let text = "the accounts of the year ".repeat(100);
    fs::remove_file(&path).unwrap();
    fs::write(&path, &text).unwrap();
    for _ in 0..3 {
        let error = sink.store(batch(DEVICE, 6..=6)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        assert!(sink.resume(&DeviceInfo::new(DEVICE)).await.is_err());
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    fs::remove_file(&path).unwrap();
    assert_eq!(sink.resume(&DeviceInfo::new(DEVICE)).await.unwrap(), None);
    sink.store(batch(DEVICE, 1..=6)).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(watermarks(&path), [(DEVICE, 1, 6)]);
}

#[tokio::test]
async fn a_store_whose_folder_is_gone_comes_back_with_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk").join("events.db");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let sink = SqliteSink::open(&path).unwrap();
    sink.store(batch(DEVICE, 1..=5)).await.unwrap();
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    for _ in 0..2 {
        let error = sink.resume(&DeviceInfo::new(DEVICE)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    fs::create_dir(path.parent().unwrap()).unwrap();
    assert_eq!(sink.resume(&DeviceInfo::new(DEVICE)).await.unwrap(), None);
    sink.close().await.unwrap();
}

#[tokio::test]
async fn a_damaged_page_is_found_when_the_store_is_opened() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    for device in (1..=20).map(DeviceId::new) {
        sink.store(batch(device, 1..=500)).await.unwrap();
    }
    sink.close().await.unwrap();
    let whole = fs::read(&path).unwrap();
    let pages = whole.len() / 4_096;
    for page in [pages / 3, pages / 2, pages - 2] {
        let mut damaged = whole.clone();
        damaged[page * 4_096..][..4_096].fill(0xA5);
        fs::write(&path, damaged).unwrap();
        let error = SqliteSink::open(&path).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "page {page}: {error}");
        assert!(error.to_string().contains("bs2 verify sqlite:"), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_page_of_a_large_store_is_found_while_it_is_used() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    for device in (1..=20).map(DeviceId::new) {
        sink.store(batch(device, 1..=500)).await.unwrap();
    }
    sink.close().await.unwrap();
    // An empty table with much room: the file is large, and the test is not.
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE room (x); INSERT INTO room VALUES (zeroblob(70000000)); DELETE FROM room",
        )
        .unwrap();
    drop(connection);
    let pages = fs::metadata(&path).unwrap().len() / 4_096;
    assert!(pages > 16_384);
    drop(SqliteSink::open(&path).unwrap());

    let mut bytes = fs::read(&path).unwrap();
    bytes[100 * 4_096..][..4_096].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let sink = SqliteSink::open(&path).unwrap();
    let error = sink.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    assert!(error.to_string().contains("bs2 verify sqlite:"), "{error}");
}

/// What a sound store says of its devices.
fn watermarks(path: &Path) -> Vec<(DeviceId, u32, u32)> {
    let verification = sqlite::verify(path).unwrap();
    assert!(verification.is_sound(), "{verification:?}");
    let epochs = verification.epochs.iter();
    epochs.map(|epoch| (epoch.device, epoch.first.unwrap(), epoch.watermark.unwrap())).collect()
}

fn batch(device: DeviceId, ids: std::ops::RangeInclusive<u32>) -> Batch {
    let event = |id| {
        let builder = Event::builder(device, id, EventCode::DOOR_OPENED);
        builder.timestamp(Timestamp::from_unix_seconds(id)).build()
    };
    Batch::new(device, 0, 1, *ids.end()).with_events(ids.map(event))
}

fn temporary() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    (folder, path)
}
