//! `bs2 record`, and the way of its file back through `decode` and the simulator.

use std::fs;
use std::path::Path;

use crate::command_line::store::{stored, truth};
use crate::command_line::{Run, bs2_in, lines, object, objects};
#[cfg(unix)]
use crate::command_line::{finish, signal, start_in};
use bs2_events::codec::blob::{BlobHead, BlobSubject, ExtInfo};
use bs2_events::codec::capture::{
    CapturePayload, CaptureReader, CaptureRecord, CaptureWriter, ConnectionStateRecord,
};
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags, Temperature, Timestamp};
use serde_json::{Value, json};

#[test]
fn a_log_that_was_recorded_replays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let source = "sim:devices=3&backlog=2500&seed=7&faults=repeat,disconnect,error";
    let run = bs2_in(folder.path(), &["record", source, "--out", "a.bs2cap", "--once", "--images", "--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let counts = object(&run);
    assert_eq!((&counts["events"], &counts["logs_read"]), (&json!(7_500), &json!(3)));

    for device in ["541000001", "541000002", "541000003"] {
        let logs = |source| {
            let mut events = objects(&bs2_in(folder.path(), &["logs", source, "--device", device, "--json"]));
            for event in &mut events {
                // Without --blobs they are not recorded.
                for field in ["temperature", "job_code"] {
                    event.as_object_mut().unwrap().remove(field);
                }
            }
            events
        };
        let log = logs("sim:devices=3&backlog=2500&seed=7");
        assert_eq!(log.len(), 2_500);
        assert!(logs("sim:replay=a.bs2cap") == log);

        let images = |source, out| {
            let run = bs2_in(folder.path(), &["images", source, "--device", device, "--out", out]);
            assert_eq!(run.code, Some(0), "{}", run.stderr);
        };
        images("sim:devices=3&backlog=2500&seed=7", "original");
        images("sim:replay=a.bs2cap", "replayed");
    }
    let original = files(&folder.path().join("original"));
    assert_eq!(counts["images"], original.len());
    assert!(original.len() > 64 && files(&folder.path().join("replayed")) == original);

    // Decoded, the file has the same events, in the order of each reader, and pictures behind them.
    let decoded = objects(&bs2_in(folder.path(), &["decode", "a.bs2cap", "--json"]));
    let events = decoded.iter().filter(|record| record["kind"] == "event");
    let of_one = events.filter(|record| record["device_id"] == 541_000_002).map(|record| &record["event"]);
    assert!(
        of_one.map(|event| &event["event_id"]).eq((1..=2_500).map(Value::from).collect::<Vec<_>>().iter())
    );
    assert_eq!(decoded.iter().filter(|record| record["kind"] == "image_log").count(), original.len());
    assert_eq!(decoded[0]["state"], "connecting");
}

#[test]
fn a_collection_of_the_replay_is_the_recorded_log() {
    let folder = tempfile::tempdir().unwrap();
    let source = "sim:devices=2&backlog=700&seed=3";
    assert_eq!(bs2_in(folder.path(), &["record", source, "--out", "x.bs2cap", "--once"]).code, Some(0));
    let collect = |from: &str, into, truth| {
        let arguments = ["collect", "--from", from, "--into", into, "--once", "--truth", truth];
        assert_eq!(bs2_in(folder.path(), &arguments).code, Some(0));
    };
    collect("sim:replay=x.bs2cap", "sqlite:replayed.db", "replayed.tsv");
    collect(source, "sqlite:original.db", "original.tsv");
    let replayed = stored(&folder.path().join("replayed.db"));
    assert_eq!(replayed.len(), 1_400);
    assert_eq!(replayed, stored(&folder.path().join("original.db")));
    assert_eq!(replayed, truth(&folder.path().join("replayed.tsv")));
}

#[test]
fn rows_of_the_bundled_log_keep_their_repetitions_out_and_their_hole() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["record", "sim:replay=bundled", "--out", "x.bs2cap", "--once"];
    let run = bs2_in(folder.path(), &arguments);
    assert_eq!(run.stdout, "55 events, 0 pictures and 2 states recorded in x.bs2cap\n");
    let collect = ["collect", "--from", "sim:replay=x.bs2cap", "--into", "sqlite:a.db", "--once", "--json"];
    let device = &object(&bs2_in(folder.path(), &collect))["devices"][0];
    assert_eq!((&device["stored"], &device["repeated"]), (&json!(55), &json!(0)));
    assert_eq!(device["gaps"], json!([{"from": 6_911, "to": 7_561, "reason": "cleared"}]));
}

#[cfg(unix)]
#[test]
fn what_happens_live_is_recorded_once_behind_the_log_and_can_be_read_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let source = "sim:devices=2&backlog=300&rate=400&seed=5&faults=repeat";
    let child = start_in(folder.path(), &["record", source, "--out", "a.bs2cap", "--images"]);
    let path = folder.path().join("a.bs2cap");
    wait_for_events(&path, 1_000);
    signal(&child, "INT");
    let run = finish(child);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));

    let file = fs::read(path).unwrap();
    let mut ids = [vec![], vec![]];
    let (mut pictures, mut temperatures) = (0, 0);
    for record in CaptureReader::new(&file).unwrap().map(Result::unwrap) {
        match record.payload {
            CapturePayload::Event(event) | CapturePayload::EventWithTemperature(event, _) => {
                ids[(record.device.get() - 541_000_001) as usize].push(event.id());
                temperatures +=
                    usize::from(matches!(record.payload, CapturePayload::EventWithTemperature(..)));
            }
            CapturePayload::ImageLog { event, .. } => {
                assert!(event.flags().has_image());
                pictures += 1;
            }
            _ => {}
        }
    }
    for ids in &ids {
        assert!(ids.len() > 300 && (1..=ids.len() as u32).eq(ids.iter().copied()));
    }
    assert!(pictures > 0 && temperatures > 0);
}

#[test]
fn a_recording_ends_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let run = bs2_in(folder.path(), &["record", "sim:backlog=9&rate=0", "--out", "a.bs2cap", "--for", "2s"]);
    assert_eq!(run.stdout, "9 events, 0 pictures and 2 states recorded in a.bs2cap\n");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_further_run_appends_behind_the_last_whole_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bs2cap");
    let record = || bs2_in(folder.path(), &["record", "sim:backlog=20", "--out", "a.bs2cap", "--once"]);
    assert_eq!(record().code, Some(0));
    let file = fs::read(&path).unwrap();
    fs::write(&path, &file[..file.len() - 3]).unwrap();
    let run = record();
    assert_eq!(run.stdout, "20 events, 0 pictures and 2 states recorded in a.bs2cap\n");
    let cut = "bs2: a.bs2cap: 73 bytes of a record without an end were cut off\n";
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), cut));
    let both = fs::read(&path).unwrap();
    assert_eq!((both.len(), &both[..file.len() - 76]), (2 * file.len() - 76 - 12, &file[..file.len() - 76]));
    assert_eq!(CaptureReader::new(&both).unwrap().filter(Result::is_ok).count(), 21 + 22);
}

#[test]
fn decode_prints_an_object_for_each_record_and_ends_with_the_error_of_a_cut_tail() {
    let folder = tempfile::tempdir().unwrap();
    let file = sample();
    fs::write(folder.path().join("a.bs2cap"), &file[..file.len() - 1]).unwrap();
    let run = bs2_in(folder.path(), &["decode", "a.bs2cap", "--json"]);
    let records = objects(&run);
    let raw = |record: &Value| record["event"]["raw"].as_str().unwrap().to_owned();
    assert_eq!(records[0]["event"], json!(object(&hex_decoded(&raw(&records[0])))));
    let mut plain = records.clone();
    plain.iter_mut().for_each(|record| drop(record.as_object_mut().unwrap().remove("event")));
    assert_eq!(
        plain,
        [
            json!({"kind": "event", "device_id": 7, "received_at": 1}),
            json!({"kind": "event_with_temperature", "device_id": 7, "received_at": 2, "temperature": 36.55}),
            json!({"kind": "image_log", "device_id": 7, "received_at": 3, "image": "/9j/2Q=="}),
            json!({"kind": "small_blob", "device_id": 7, "received_at": 4,
                "blob": {"event_mask": 0, "event_id": 7, "reserved": 0}}),
            json!({"kind": "state", "device_id": 7, "received_at": u64::MAX, "state": "connected", "state_code": 1}),
            json!({"kind": "unknown", "device_id": 7, "received_at": 6, "kind_number": 99, "payload": "ff"}),
        ]
    );
    let at = file.len() - 4;
    let error =
        format!("record 7: capture record: field `checksum` at offset {at}: 4 bytes needed, 3 available");
    assert_eq!((run.code, run.stderr), (Some(1), format!("bs2: capture: {error}\n")));
}

#[test]
fn decode_shows_people_no_person_and_goes_on_after_damage() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = sample();
    file[12 + 76 + 30] ^= 1;
    fs::write(folder.path().join("a.bs2cap"), &file).unwrap();
    let run = bs2_in(folder.path(), &["decode", "a.bs2cap"]);
    assert_eq!(
        lines(&run.stdout),
        [
            "1970-01-01T00:00:00.001Z 7 #1 1970-01-01T00:00:00Z DOOR_OPENED door 0",
            "1970-01-01T00:00:00.003Z 7 #1 1970-01-01T00:00:00Z DOOR_OPENED door 0 picture of 4 bytes",
            "1970-01-01T00:00:00.004Z 7 small blob of 7 bytes",
            "18446744073709551615 ms 7 connected",
            "1970-01-01T00:00:00.006Z 7 record of kind 99 and 1 byte",
            "1970-01-01T00:00:00.007Z 7 #1 1970-01-01T00:00:00Z DOOR_OPENED door 0",
        ]
    );
    let error = "bs2: capture: record 2: capture record: field `payload` at offset 112: the checksum does not match\n";
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), error));
}

#[test]
fn a_capture_under_way_is_replayed_and_a_damaged_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = sample();
    let logs = |bytes: &[u8]| {
        fs::write(folder.path().join("a.bs2cap"), bytes).unwrap();
        bs2_in(folder.path(), &["logs", "sim:replay=a.bs2cap"])
    };
    let run = logs(&file[..file.len() - 1]);
    let at = file.len() - 4;
    let cut =
        format!("record 7: capture record: field `checksum` at offset {at}: 4 bytes needed, 3 available");
    let told = format!("bs2: the replayed capture ends inside a record: {cut}\n");
    assert_eq!((lines(&run.stdout).len(), run.stderr, run.code), (1, told, Some(0)));
    let refused = |run: Run, reason: &str| {
        let error = format!("bs2: replayed file `a.bs2cap`: {reason}\n");
        assert_eq!((run.code, run.stdout.as_str(), run.stderr), (Some(1), "", error));
    };
    let mut damaged = file.clone();
    damaged[40] ^= 1;
    refused(
        logs(&damaged),
        "record 1: capture record: field `payload` at offset 36: the checksum does not match",
    );
    refused(logs(&file[..12]), "it holds no event");
    refused(logs(&file[..5]), "record 0: capture: field `magic` at offset 0: 8 bytes needed, 5 available");
    refused(logs(&file[..11]), "record 0: capture: field `version` at offset 8: 4 bytes needed, 3 available");
}

#[test]
fn an_image_log_brings_its_event_where_that_did_not_come_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (seen, other) = (event(5), event(3));
    let image = |event| CapturePayload::ImageLog { event, jpeg: b"\xFF\xD8\xFF\xD9" };
    let file = written([CapturePayload::Event(&other), image(&other), image(&seen)]);
    fs::write(folder.path().join("a.bs2cap"), file).unwrap();
    let logs = bs2_in(folder.path(), &["logs", "sim:replay=a.bs2cap", "--json"]);
    assert!(objects(&logs).iter().map(|event| &event["event_id"]).eq([&json!(3), &json!(5)]));
    let run = bs2_in(folder.path(), &["images", "sim:replay=a.bs2cap", "--out", "p"]);
    assert_eq!(run.stdout, "2 pictures written to p, 0 existed already\n");
    assert_eq!(files(&folder.path().join("p"))[1].1, b"\xFF\xD8\xFF\xD9");
}

#[test]
fn a_file_of_something_else_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "notes").unwrap();
    let run = bs2_in(folder.path(), &["record", "sim:", "--out", "notes.txt", "--once"]);
    let error = "bs2: cannot write notes.txt: record 0: capture: field `magic` at offset 0: other bytes than the fixed ones";
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.starts_with(error), "{}", run.stderr);
    assert_eq!(fs::read(folder.path().join("notes.txt")).unwrap(), b"notes");
}

#[cfg(unix)]
#[test]
fn a_reader_that_is_stuck_does_not_hold_up_the_others_and_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let source = "sim:devices=2&backlog=50&faults=stuck";
    let child = start_in(folder.path(), &["record", source, "--out", "a.bs2cap", "--once"]);
    wait_for_events(&folder.path().join("a.bs2cap"), 50);
    signal(&child, "TERM");
    let run = finish(child);
    assert!(run.stdout.contains(" recorded in a.bs2cap\n"), "{}", run.stdout);
    let error = "bs2: ended before every log was read: the file has what was read\n";
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), error));
    let logs =
        bs2_in(folder.path(), &["logs", "sim:replay=a.bs2cap", "--device", "541000002", "--max", "50"]);
    assert_eq!(lines(&logs.stdout).len(), 50);
}

#[test]
fn a_portable_blob_is_decoded_by_its_fields_and_replayed_with_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blobs.bs2cap");
    let info = ExtInfo::new(Timestamp::from_unix_seconds(7), DeviceId::new(7), EventCode::DOOR_OPENED);
    let head = BlobHead::new(5).with_info(info).with_subject(BlobSubject::Door { door_id: 9 });
    let mut portable = Vec::new();
    PortableBlob::new(head, &b"\xFF\xD8\xFF\xD9"[..]).unwrap().encode(&mut portable);
    fs::write(&file, written([CapturePayload::SmallBlob(&portable)])).unwrap();
    let path = file.to_str().unwrap();

    let decoded = crate::command_line::bs2(&["decode", path, "--json"], b"");
    let record: Value = serde_json::from_str(&decoded.stdout).unwrap();
    assert_eq!(record["blob"]["subject"]["door_id"], 9, "{}", decoded.stdout);
    assert_eq!(record["payload"], Value::Null);

    let source = format!("sim:replay={path}");
    let logged = crate::command_line::bs2(&["logs", &source, "--json"], b"");
    let event: Value = serde_json::from_str(&logged.stdout).unwrap();
    assert_eq!((&event["event_id"], &event["subject"]["door_id"]), (&5.into(), &9.into()));
    let out = folder.path().join("pictures");
    let images = crate::command_line::bs2(&["images", &source, "--out", out.to_str().unwrap()], b"");
    assert_eq!(images.code, Some(0), "{}", images.stderr);
    assert_eq!(files(&out), [("7-5.jpg".to_owned(), b"\xFF\xD8\xFF\xD9".to_vec())]);
}

#[test]
fn a_small_blob_that_is_none_is_told_with_its_place_and_not_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let (event, state) =
        (event(1), CapturePayload::State(ConnectionStateRecord { code: 1, name: "\x1B[31mconnected" }));
    let file = written([CapturePayload::Event(&event), CapturePayload::SmallBlob(&[0, 0, 7]), state]);
    fs::write(folder.path().join("a.bs2cap"), file).unwrap();
    let reason = "record 2: portable blob: field `event_id` at offset 114: 4 bytes needed, 1 available";
    for mode in [&[][..], &["--json"], &["--explain"]] {
        let run = bs2_in(folder.path(), &[&["decode", "a.bs2cap"], mode].concat());
        assert_eq!((run.stderr, run.code), (format!("bs2: capture: {reason}\n"), Some(1)));
        assert!(!run.stdout.contains('\x1B') && run.stdout.contains("[31mconnected"), "{}", run.stdout);
    }
    let run = bs2_in(folder.path(), &["logs", "sim:replay=a.bs2cap"]);
    let error = format!("bs2: replayed file `a.bs2cap`: {reason}\n");
    assert_eq!((run.stdout.as_str(), run.stderr, run.code), ("", error, Some(1)));
}

#[test]
fn every_byte_of_the_records_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.bs2cap"), sample()).unwrap();
    let run = bs2_in(folder.path(), &["decode", "a.bs2cap", "--explain"]);
    assert_eq!((run.stderr.as_str(), run.code), ("", Some(0)));
    let fields = |name: &str| -> Vec<&str> {
        run.stdout
            .lines()
            .filter(|line| line.get(57..).is_some_and(|field| field.starts_with(name)))
            .collect()
    };
    assert_eq!((fields("field ").len(), fields("event_id ").len()), (7, 5));
    assert!(fields("temperature")[0].starts_with("    48  47 0e 00 00 "));
    assert!(fields("temperature")[0].ends_with(" 36.55 °C"));
    assert!(fields("image")[0].starts_with("    48  ff d8 ff d9 "));
    assert!(fields("name")[0].ends_with(" connected") && fields("payload")[0].starts_with("     0  ff "));
}

/// Waits until a file that another process writes has so many events.
#[cfg(unix)]
fn wait_for_events(path: &Path, count: usize) {
    let events = |bytes: Vec<u8>| {
        let records = CaptureReader::new(&bytes).into_iter().flatten();
        records
            .filter(|record| record.is_ok_and(|record| matches!(record.payload, CapturePayload::Event(_))))
            .count()
    };
    while fs::read(path).map(events).unwrap_or_default() < count {
        std::thread::yield_now();
    }
}

/// Every kind, and an event at the end.
fn sample() -> Vec<u8> {
    let event = event(1);
    written([
        CapturePayload::Event(&event),
        CapturePayload::EventWithTemperature(&event, Temperature::from_hundredths(3_655)),
        CapturePayload::ImageLog { event: &event, jpeg: b"\xFF\xD8\xFF\xD9" },
        CapturePayload::SmallBlob(&[0, 0, 7, 0, 0, 0, 0]),
        CapturePayload::State(ConnectionStateRecord { code: 1, name: "connected" }),
        CapturePayload::Unknown { kind: 99, bytes: &[0xFF] },
        CapturePayload::Event(&event),
    ])
}

/// A file of these, of reader 7, one a millisecond; states come at the end of time.
fn written<const N: usize>(payloads: [CapturePayload<'_>; N]) -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new()).unwrap();
    for (payload, number) in payloads.into_iter().zip(1..) {
        let received_at = if matches!(payload, CapturePayload::State(_)) { u64::MAX } else { number };
        writer.append(&CaptureRecord { device: DeviceId::new(7), received_at, payload }).unwrap();
    }
    writer.into_inner()
}

fn event(id: u32) -> Event {
    Event::builder(DeviceId::new(7), id, EventCode::DOOR_OPENED).flags(EventFlags::IMAGE).build()
}

fn hex_decoded(hex: &str) -> Run {
    crate::command_line::bs2(&["decode", "--json", "--hex", hex], b"")
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}
