//! The SQLite store: what is in the file, what a file must be, and what its failures look like.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bs2_events::ErrorKind;
use bs2_events::codec::code::Outcome;
use bs2_events::codec::{CardData, DeviceId, Event, EventCode, EventFlags, Subject, Timestamp, UserId};
use bs2_events::device::DeviceInfo;
use bs2_events::sink::sqlite::{self, SqliteSink};
use bs2_events::sink::{self, Batch, GapReason, Sink, Stored};
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

const DEVICE: DeviceId = DeviceId::new(540_000_001);

#[tokio::test]
async fn the_views_give_every_code_the_name_that_the_codec_gives_it() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    let events = (0..=u16::MAX).map(|code| event(code.into(), code, Subject::None));
    let stored = sink.store(Batch::new(DEVICE, 0, 0, 65_535).with_events(events)).await.unwrap();
    assert_eq!(stored, Stored { new: 65_536, repeated: 0 });

    let connection = Connection::open(&path).unwrap();
    let sql = "SELECT event_id, code, name, category, outcome FROM named_events ORDER BY event_id";
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    for number in 0..=u16::MAX {
        let (row, code) = (rows.next().unwrap().unwrap(), EventCode::new(number));
        let outcome = match code.outcome() {
            Outcome::Granted => Some("granted"),
            Outcome::Denied => Some("denied"),
            Outcome::Neither => None,
        };
        let text = |column| row.get_unwrap::<_, Option<String>>(column);
        assert_eq!(row.get_unwrap::<_, u16>(0), number);
        assert_eq!(text(1), Some(format!("0x{number:04X}")));
        assert_eq!(text(2).as_deref(), code.full_name().as_deref(), "{number:04X}");
        assert_eq!(text(3), code.category().map(|category| category.to_string()), "{number:04X}");
        assert_eq!(text(4).as_deref(), outcome, "{number:04X}");
    }
}

#[tokio::test]
async fn the_views_read_like_the_events() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    let address = "192.0.2.7:51211".parse().unwrap();
    sink.resume(&DeviceInfo::new(DEVICE).with_model("BioStation 3").with_address(address)).await.unwrap();
    let (plain, bytes, nobody) =
        (UserId::new("Zoë").unwrap(), UserId::new(b"\xFFx").unwrap(), UserId::new("").unwrap());
    let finger = Event::builder(DEVICE, 1, EventCode::new(0x1301))
        .subject(Subject::User(&plain))
        .timestamp(Timestamp::from_unix_seconds(1_518_025_757))
        .param(2)
        .flags(EventFlags::from_bits_retain(0xAD));
    let events = [
        finger.build(),
        event(2, 0x1900, Subject::User(&bytes)),
        event(3, 0x1400, Subject::User(&nobody)),
        event(4, 0x5500, Subject::Door { door_id: 77 }),
        event(5, 0xC300, Subject::Relay { relay_port: 3, input_port: 4 }),
        event(6, 0x3200, Subject::None),
    ];
    let batch = Batch::new(DEVICE, 0, 1, 20).with_events(events);
    let batch = batch.with_gap(7, 20, GapReason::Cleared).with_gap(21, u32::MAX, GapReason::Reset);
    sink.store(batch).await.unwrap();

    let connection = Connection::open(&path).unwrap();
    let first: (String, String, String, u8, u8, i16) = connection
        .query_row(
            "SELECT model, time, name, tna_key, has_image, utc_offset_minutes FROM named_events WHERE event_id = 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)),
        )
        .unwrap();
    let expected = ("BioStation 3", "2018-02-07T17:49:17Z", "IDENTIFY_SUCCESS_FINGER", 2, 1, -330);
    assert_eq!((&*first.0, &*first.1, &*first.2, first.3, first.4, first.5), expected);

    let subjects =
        rows(&connection, "SELECT subject, user_id, subject_id FROM named_events ORDER BY event_id");
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(
        subjects,
        [
            [text("user"), text("Zoë"), Value::Null],
            [text("user"), Value::Blob(b"\xFFx".to_vec()), Value::Null],
            [text("user"), Value::Null, Value::Null],
            [text("door"), Value::Null, Value::Integer(77)],
            [text("relay"), Value::Null, Value::Integer(3)],
            [text("none"), Value::Null, Value::Null],
        ]
    );
    let gaps = rows(&connection, "SELECT from_id, reason, missing FROM named_gaps ORDER BY from_id");
    let expected = [
        [Value::Integer(7), text("cleared"), Value::Integer(14)],
        [Value::Integer(21), text("reset"), Value::Null],
    ];
    assert_eq!(gaps, expected);
    let received =
        rows(&connection, "SELECT received_at, received_at, received_at FROM named_events LIMIT 1");
    let Value::Text(received) = &received[0][0] else { panic!("no text: {received:?}") };
    assert!(received.parse::<jiff::Timestamp>().unwrap() > jiff::Timestamp::UNIX_EPOCH);
}

#[tokio::test]
async fn what_a_reader_does_not_say_leaves_what_it_said_before() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    let said = DeviceInfo::new(DEVICE).with_model("BioEntry W2").with_firmware("1.8.0");
    sink.resume(&said).await.unwrap();
    sink.resume(&DeviceInfo::new(DEVICE).with_firmware("1.9.0")).await.unwrap();
    sink.store(Batch::new(DEVICE, 0, 1, 0)).await.unwrap();
    let devices = rows(&Connection::open(&path).unwrap(), "SELECT model, firmware, address FROM devices");
    assert_eq!(devices, [[Value::Text("BioEntry W2".into()), Value::Text("1.9.0".into()), Value::Null]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_and_two_processes_store_into_one_file() {
    let (_folder, path) = temporary();
    // Two sinks on one file share nothing but the file, as two processes do; opened at the same time, both make it.
    let open = || {
        let path = path.clone();
        tokio::task::spawn_blocking(move || SqliteSink::open(path).map(Arc::new))
    };
    let (one, two) = tokio::join!(open(), open());
    let sinks = [one.unwrap().unwrap(), two.unwrap().unwrap()];
    let mut tasks = tokio::task::JoinSet::new();
    for (number, sink) in (0..60).flat_map(|number| sinks.each_ref().map(|sink| (number, Arc::clone(sink)))) {
        tasks.spawn(async move {
            let device = DeviceId::new(number);
            let mut new = 0;
            for last in (10..=200).step_by(10) {
                let events = (last - 9..=last).map(|id| event(id, 0x1301, Subject::None));
                new += sink.store(Batch::new(device, 0, 1, last).with_events(events)).await.unwrap().new;
            }
            new
        });
    }
    // Whoever reads meanwhile sees a sound store at every moment.
    for _ in 0..5 {
        let path = path.clone();
        let seen = tokio::task::spawn_blocking(move || sqlite::verify(path)).await.unwrap().unwrap();
        assert!(seen.is_sound(), "{seen:?}");
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<u64>(), 60 * 200);
    let verification = sqlite::verify(&path).unwrap();
    assert!(verification.is_sound(), "{verification:?}");
    assert_eq!(verification.epochs.len(), 60);
    assert!(verification.epochs.iter().all(|epoch| (epoch.events, epoch.watermark) == (200, Some(200))));
}

#[test]
fn processes_that_make_one_store_at_the_same_time_all_get_it() {
    for _ in 0..25 {
        let (_folder, path) = temporary();
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..4).map(|_| scope.spawn(|| SqliteSink::open(&path))).collect();
            opened.into_iter().for_each(|opened| drop(opened.join().unwrap().unwrap()));
        });
    }
}

#[tokio::test]
async fn a_batch_that_fails_does_not_take_others_with_it() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN new.event_id = 13
                  BEGIN SELECT raise(ABORT, 'secret'); END";
    Connection::open(&path).unwrap().execute_batch(refuse).unwrap();
    let store = |id: u32| {
        let events = [id - 1, id].map(|id| event(id, 0x1301, Subject::None));
        sink.store(Batch::new(DEVICE, id, id - 1, id).with_events(events))
    };
    let (ten, thirteen, twenty) = tokio::join!(store(10), store(13), store(20));
    assert_eq!((ten.unwrap().new, twenty.unwrap().new), (2, 2));
    let error = thirteen.unwrap_err();
    assert_eq!((error.kind(), error.device()), (ErrorKind::Storage, Some(DEVICE)));
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    assert_eq!(sink.event(DEVICE, 13, 12).await.unwrap(), None);
    let epochs: Vec<_> = sqlite::verify(&path).unwrap().epochs.iter().map(|epoch| epoch.epoch).collect();
    assert_eq!(epochs, [10, 20]);
}

#[tokio::test]
async fn a_store_of_the_first_edition_opens_and_continues() {
    let (_folder, path) = temporary();
    Connection::open(&path).unwrap().execute_batch(include_str!("first_edition.sql")).unwrap();
    assert!(sqlite::verify(&path).unwrap().is_sound());

    let sink = SqliteSink::open(&path).unwrap();
    let device = DeviceId::new(541_000_001);
    let resumed = sink.resume(&DeviceInfo::new(device)).await.unwrap().unwrap();
    let above: Vec<_> = resumed.above.iter().map(Event::id).collect();
    assert_eq!((resumed.epoch, resumed.first, resumed.watermark, above), (0, 4, 11, vec![12]));
    let event = sink.event(device, 0, 5).await.unwrap().unwrap();
    assert_eq!(event.user_id().unwrap().as_text(), Some("anna.sato3752@example.com"));

    let late = Event::builder(device, 10, EventCode::DOOR_OPENED).build();
    let batch = Batch::new(device, 0, 4, 12).with_events([event, late]);
    assert_eq!(sink.store(batch).await.unwrap(), Stored { new: 1, repeated: 1 });
    let gaps = sink.gaps(device).await.unwrap();
    assert_eq!((gaps.len(), gaps[0].from, gaps[0].to, gaps[0].reason), (1, 11, 11, GapReason::Overwritten));
    sink.close().await.unwrap();
    let verification = sqlite::verify(&path).unwrap();
    assert!(verification.is_sound() && verification.epochs[0].watermark == Some(12), "{verification:?}");

    let connection = Connection::open(&path).unwrap();
    let named = rows(&connection, "SELECT event_id, name, has_image FROM named_events WHERE event_id = 12");
    assert_eq!(named[0][1], Value::Text(EventCode::new(0x5100).name().unwrap().into()));
}

#[tokio::test]
async fn a_store_of_the_first_edition_gets_the_columns_of_today_filled_from_its_records() {
    let (_folder, path) = temporary();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("first_edition.sql")).unwrap();
    let (device, slave) = (DeviceId::new(541_000_001), DeviceId::new(541_000_900));
    let card = CardData::new("2147483647").unwrap();
    // Of a slave, an unknown card; one of a gateway, without a clock byte; one without a number of its device.
    for (source, id, flags, subject) in [
        (slave, 20, 0x4A, Subject::Card(&card)),
        (device, 21, 0x01, Subject::None),
        (DeviceId::new(0), 22, 0x80, Subject::None),
    ] {
        let code = EventCode::new(if id == 20 { 0x1102 } else { 0x3200 });
        let flags = EventFlags::from_bits_retain(flags);
        let event = Event::builder(source, id, code).flags(flags).subject(subject).build();
        let sql = "INSERT INTO events VALUES (?1, 0, ?2, 0, ?3, 0, ?4, NULL, NULL, 1, ?5)";
        old.execute(sql, rusqlite::params![device.get(), id, code.get(), flags.bits(), event.as_bytes()])
            .unwrap();
    }
    old.execute_batch("CREATE INDEX of_another_program ON events (time)").unwrap();
    drop(old);

    drop(SqliteSink::open(&path).unwrap());
    let store = Connection::open(&path).unwrap();
    let sql = "SELECT source_device_id, card_text, utc_offset_minutes FROM named_events WHERE event_id > 11 ORDER BY event_id";
    let number = |number: i64| Value::Integer(number);
    assert_eq!(
        rows(&store, sql),
        [
            [number(541_000_001), Value::Null, number(540)],
            [number(541_000_900), Value::Text("2147483647".into()), number(540)],
            [number(541_000_001), Value::Null, Value::Null],
            [number(541_000_001), Value::Null, number(0)],
        ]
    );
    let card_data: String =
        store.query_row("SELECT card_data FROM events WHERE event_id = 20", [], |row| row.get(0)).unwrap();
    assert_eq!(card_data, format!("{}{}", "32313437343833363437", "00".repeat(22)));
    assert!(sqlite::verify(&path).unwrap().epochs[0].defects.iter().all(|defect| !matches!(
        defect,
        sqlite::Defect::Column { column: "source_device_id" | "card_data" | "card_text", .. }
    )));

    // The same columns in the same order as in a store that was made today, and the other program's index.
    let (_new_folder, new) = temporary();
    drop(SqliteSink::open(&new).unwrap());
    let columns = |store: &Connection| {
        let mut statement = store.prepare("SELECT name FROM pragma_table_info('events')").unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.collect::<Result<Vec<String>, _>>().unwrap()
    };
    assert_eq!(columns(&store), columns(&Connection::open(&new).unwrap()));
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'of_another_program'";
    assert_eq!(store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[test]
fn an_upgrade_that_fails_leaves_the_store_as_it_was() {
    let (_folder, path) = temporary();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("first_edition.sql")).unwrap();
    old.execute_batch(
        "CREATE TRIGGER refuse BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'secret'); END",
    )
    .unwrap();
    let content = |store: &Connection| {
        let mut statement = store.prepare("SELECT sql FROM sqlite_schema ORDER BY name").unwrap();
        let schema = statement.query_map([], |row| row.get(0)).unwrap();
        let schema = schema.collect::<Result<Vec<Option<String>>, _>>().unwrap();
        (schema, rows(store, "SELECT event_id, flags, raw FROM events"))
    };
    let before = content(&old);
    drop(old);
    let error = SqliteSink::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    assert_eq!(content(&Connection::open(&path).unwrap()), before);
    assert!(sqlite::verify(&path).unwrap().is_sound());
}

#[tokio::test]
async fn the_store_says_who_saw_an_event_and_what_is_not_known() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    let slave = DeviceId::new(541_000_900);
    let flags = EventFlags::IMAGE;
    let of = |device, id, code| Event::builder(device, id, EventCode::new(code)).flags(flags).build();
    let batch = |epoch, events: [Event; 2]| Batch::new(DEVICE, epoch, 1, 2).with_events(events);
    sink.store(batch(0, [of(DEVICE, 1, 0x1301), of(slave, 2, 0x6109)])).await.unwrap();
    sink.store(batch(1, [of(DEVICE, 1, 0x1301), of(slave, 2, 0x6109)]).with_clock(false)).await.unwrap();
    sink.close().await.unwrap();

    let store = Connection::open(&path).unwrap();
    let sql = "SELECT source_device_id, utc_offset_minutes, daylight_saving FROM named_events ORDER BY epoch, event_id";
    let number = |number: u32| Value::Integer(number.into());
    let (own, other) = (number(DEVICE.get()), number(541_000_900));
    assert_eq!(
        rows(&store, sql),
        [
            [own.clone(), number(0), number(0)],
            [other.clone(), number(0), number(0)],
            [own.clone(), Value::Null, Value::Null],
            [other, Value::Null, Value::Null],
        ]
    );
    let sql = "SELECT device_id, name, has_image FROM named_events WHERE epoch = 1 AND event_id = 2";
    assert_eq!(rows(&store, sql), [[own, Value::Text("ZONE_APB_ALARM+0x09".into()), number(1)]]);
    assert!(sqlite::verify(&path).unwrap().is_sound());
}

#[tokio::test]
async fn what_was_asked_before_closing_is_done() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    let batch = Batch::new(DEVICE, 0, 1, 1).with_events([event(1, 0x1301, Subject::None)]);
    let (stored, closed) = tokio::join!(sink.store(batch), sink.close());
    assert_eq!(stored.unwrap().new, 1);
    closed.unwrap();
    assert_eq!(sink.close().await.unwrap_err().kind(), ErrorKind::Closed);
    // A closed store is one file: the log beside it is written back.
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name| folder.path().join(name);
    fs::write(file("text"), "time;user;door\n".repeat(100)).unwrap();
    let other = "CREATE TABLE accounts (name); INSERT INTO accounts VALUES ('secret')";
    Connection::open(file("other")).unwrap().execute_batch(other).unwrap();
    drop(SqliteSink::open(file("newer")).unwrap());
    Connection::open(file("newer")).unwrap().pragma_update(None, "user_version", 3).unwrap();
    drop(SqliteSink::open(file("locked")).unwrap());
    let mut read_only = fs::metadata(file("locked")).unwrap().permissions();
    read_only.set_readonly(true);
    fs::set_permissions(file("locked"), read_only).unwrap();

    let cases = [
        ("text", ErrorKind::InvalidData, "the file is not an SQLite database"),
        ("other", ErrorKind::InvalidInput, "this is the database of another program"),
        (
            "newer",
            ErrorKind::Unsupported,
            "its schema has version 3, and this program knows versions up to 2",
        ),
        ("locked", ErrorKind::PermissionDenied, "the file may not be written"),
        (".", ErrorKind::InvalidInput, "this is a folder, not a file"),
        ("no/such/folder", ErrorKind::NotFound, "its folder does not exist"),
    ];
    for (name, kind, sentence) in cases {
        let before = fs::read(file(name)).ok();
        let error = SqliteSink::open(file(name)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().ends_with(sentence), "{error}");
        assert_eq!(fs::read(file(name)).ok(), before, "{name} was changed");
    }
    assert_eq!(SqliteSink::open("").unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_name_that_is_special_to_sqlite_is_a_file_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    for name in [":memory:", "file:x?mode=memory"] {
        drop(SqliteSink::open(folder.path().join(name)).unwrap());
        assert!(folder.path().join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn a_url_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("50%25 of%3F.db").display());
    sink::open(&url).unwrap().close().await.unwrap();
    assert!(folder.path().join("50% of?.db").exists());

    for url in ["sqlite:", "sqlite://host/a.db", "sqlite:a.db?mode=ro", "sqlite:/no/such/folder/a.db", "a.db"]
    {
        let kind = sink::open(url).unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::InvalidInput | ErrorKind::NotFound), "{url}");
    }
    assert_eq!(sink::open("memory:a").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(sink::open("memory:").unwrap().gaps(DEVICE).await.unwrap().is_empty());
}

#[test]
fn debug_shows_the_path_alone() {
    let (_folder, path) = temporary();
    let sink = SqliteSink::open(&path).unwrap();
    assert_eq!(format!("{sink:?}"), format!("SqliteSink {{ path: {path:?}, .. }}"));
}

fn temporary() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    (folder, path)
}

fn event(id: u32, code: u16, subject: Subject<'_>) -> Event {
    Event::builder(DEVICE, id, EventCode::new(code)).subject(subject).build()
}

fn rows(connection: &Connection, sql: &str) -> Vec<[Value; 3]> {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?])).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}
