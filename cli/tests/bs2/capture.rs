//! Captures in the command line: their way through JSON and back, and what stands beside the events in them.

use std::collections::BTreeMap;
use std::fs;

use crate::command_line::{bs2, bs2_in, lines, objects};
#[cfg(unix)]
use crate::command_line::{finish, signal, start_in};
use bs2_events::codec::blob::{BlobHead, BlobSubject, EventMask, ExtInfo};
use bs2_events::codec::capture::{
    CapturePayload, CaptureReader, CaptureRecord, CaptureWriter, ConnectionStateRecord,
};
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{
    DeviceId, Event, EventCode, EventFlags, JobCode, Subject, Temperature, Timestamp, UserId,
};
use bs2_events::device::Client;
use bs2_events::sim::Simulator;
use serde_json::json;

#[test]
fn a_capture_comes_back_through_json_as_hexadecimal_text_and_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = sample();
    fs::write(folder.path().join("a.bs2cap"), &file).unwrap();
    let decoded = bs2_in(folder.path(), &["decode", "a.bs2cap", "--json"]);
    assert_eq!((decoded.code, lines(&decoded.stdout).len()), (Some(0), PAYLOADS));

    let text = bs2(&["encode", "--as", "capture"], decoded.stdout.as_bytes());
    assert_eq!((text.stderr.as_str(), text.code), ("", Some(0)));
    assert_eq!((lines(&text.stdout).len(), lines(&text.stdout).concat()), (1 + PAYLOADS, hex(&file)));

    let copy = folder.path().join("copy.bs2cap");
    let run = bs2(&["encode", "--as", "capture", "--out", copy.to_str().unwrap()], decoded.stdout.as_bytes());
    assert_eq!((run.stdout.as_str(), run.stderr.as_str(), run.code), ("", "", Some(0)));
    assert!(fs::read(copy).unwrap() == file);

    // The text is a capture too, however its lines are broken.
    for text in [text.stdout.clone(), format!("# door\n\n{}\n", hex(&file)), spread(&hex(&file))] {
        let again = bs2(&["decode", "--as", "capture", "--json"], text.as_bytes());
        assert_eq!((again.stderr.as_str(), again.code), ("", Some(0)));
        assert!(again.stdout == decoded.stdout);
    }
    let [head, record, ..] = lines(&text.stdout)[..] else { panic!("{}", text.stdout) };
    let again = bs2(&["decode", "--as", "capture", "--json", "--hex", &format!("{head} {record}")], b"");
    assert_eq!((lines(&again.stdout), again.code), (lines(&decoded.stdout)[..1].to_vec(), Some(0)));
}

#[test]
fn of_a_damaged_capture_every_whole_record_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = sample();
    let whole: Vec<u8> = [&file[..12], &file[12 + 76..file.len() - 76]].concat();
    file[12 + 30] ^= 1;
    fs::write(folder.path().join("a.bs2cap"), &file[..file.len() - 1]).unwrap();
    let decoded = bs2_in(folder.path(), &["decode", "a.bs2cap", "--json"]);
    assert_eq!((decoded.code, lines(&decoded.stderr).len()), (Some(1), 2));
    let run = bs2(&["encode", "--as", "capture"], decoded.stdout.as_bytes());
    assert_eq!((lines(&run.stdout).concat(), run.code), (hex(&whole), Some(0)));
}

#[test]
fn what_is_no_capture_is_told_with_its_place() {
    let head = "89425332434150 0a01000000";
    let state = "05000000070000000100000000000000 0a000000ec1fbe2d01636f6e6e6563746564c5f347c3";
    let cut = "record 1: capture record: field `kind` at offset 12: 4 bytes needed, 1 available";
    let magic = "record 0: capture: field `magic` at offset 0: other bytes than the fixed ones of this field";
    for (text, records, errors) in [
        (format!("{head}\n{state}\n"), 1, vec![]),
        (
            format!("{head}\n{state}\nZoe\n{state}"),
            2,
            vec!["line 3: character 1 is not a hexadecimal digit".to_owned()],
        ),
        (format!("{head}\n05"), 0, vec![format!("capture: {cut}")]),
        ("00".repeat(12), 0, vec![format!("capture: {magic}")]),
        ("Zoe".to_owned(), 0, vec!["line 1: character 1 is not a hexadecimal digit".to_owned()]),
        ("# nothing\n".to_owned(), 0, vec!["input: nothing to decode".to_owned()]),
    ] {
        let run = bs2(&["decode", "--as", "capture"], text.as_bytes());
        let errors: Vec<_> = errors.iter().map(|error| format!("bs2: {error}")).collect();
        assert_eq!(
            (lines(&run.stdout).len(), lines(&run.stderr)),
            (records, errors.iter().map(|error| &**error).collect())
        );
        assert_eq!(run.code, Some(i32::from(!errors.is_empty())));
    }
    let run = bs2(&["decode", "--as", "capture"], &[0; 60]);
    assert_eq!((run.stderr, run.code), (format!("bs2: capture: {magic}\n"), Some(1)));
    let run = bs2(&["decode", "--as", "capture", "--hex", ""], b"");
    assert_eq!((run.stderr.as_str(), run.code), ("bs2: --hex: nothing to decode\n", Some(1)));
}

#[test]
fn an_object_that_is_no_record_gives_an_error_with_its_number_and_its_fields_whole_name() {
    let good = json!({"kind": "unknown", "kind_number": 99, "device_id": 7, "received_at": 1});
    let mut wrong = json!({"kind": "event", "device_id": 7, "received_at": 1});
    wrong["event"] =
        json!({"event_id": 1, "device_id": 7, "time": 1, "code": 0x1000, "subject": {"user_id": 1815}});
    let input = format!("{good}\n{wrong}\n[{good}, {{\"Ada\": 1}}]\n{good}");
    let run = bs2(&["encode", "--as", "capture"], input.as_bytes());
    assert_eq!((lines(&run.stdout).len(), run.code), (1 + 3, Some(1)));
    assert_eq!(
        lines(&run.stderr),
        [
            "bs2: record 2: field `event.subject.user_id`: text is expected",
            "bs2: record 4: unknown field `Ada`"
        ]
    );
    let read = bs2(&["decode", "--as", "capture"], run.stdout.as_bytes());
    assert_eq!((lines(&read.stdout).len(), read.code), (3, Some(0)));
}

#[test]
fn a_new_file_takes_records_of_every_kind_and_one_that_is_there_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("inputs.bin");
    let input = br#"{"io_device_id": 1, "port": 2, "value": 3}{"io_device_id": 2, "port": 2, "value": 3}"#;
    let encode = || bs2(&["encode", "--as", "ext-io-device", "--out", out.to_str().unwrap()], input);
    let run = encode();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str(), run.code), ("", "", Some(0)));
    let bytes = [1, 0, 0, 0, 2, 0, 3, 0, 2, 0, 0, 0, 2, 0, 3, 0];
    assert_eq!(fs::read(&out).unwrap(), bytes);
    let run = encode();
    assert!(run.stderr.starts_with(&format!("bs2: cannot write {}: ", out.display())), "{}", run.stderr);
    assert_eq!((fs::read(&out).unwrap(), lines(&run.stderr).len(), run.code), (bytes.to_vec(), 1, Some(1)));
}

#[test]
fn what_readers_keep_beside_their_events_is_recorded_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let source = "devices=2&backlog=1500&seed=7";
    let record = ["record", &format!("sim:{source}"), "--out", "a.bs2cap", "--once", "--images", "--blobs"];
    let run = bs2_in(folder.path(), &record);
    assert_eq!((run.stderr.as_str(), run.code), ("", Some(0)));
    assert!(run.stdout.starts_with("3000 events, 3000 blobs, "), "{}", run.stdout);

    let replay = format!("replay={}", folder.path().join("a.bs2cap").display());
    let told = told(source);
    assert!(told.iter().any(|(_, blob)| blob.head().job_code().is_some()));
    assert!(told.iter().any(|(_, blob)| blob.temperature().is_some()));
    assert!(told.iter().any(|(_, blob)| blob.image().is_some()));
    assert!(told.iter().any(|(event, _)| event.flags().daylight_saving() || event.flags().has_image()));
    assert!(told == self::told(&replay), "the replay tells something else");

    // Without the switch, as before, there is nothing of it.
    let record = ["record", &format!("sim:{source}"), "--out", "b.bs2cap", "--once", "--json"];
    assert_eq!(objects(&bs2_in(folder.path(), &record))[0]["blobs"], 0);
    let blobs = self::told(&format!("replay={}", folder.path().join("b.bs2cap").display()));
    assert!(blobs.iter().all(|(_, blob)| blob.head().job_code().is_none() && blob.temperature().is_none()));
}

#[cfg(unix)]
#[test]
fn live_the_blob_of_an_event_stands_once_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = "sim:devices=2&backlog=300&rate=400&seed=5&faults=repeat";
    let child = start_in(folder.path(), &["record", source, "--out", "a.bs2cap", "--blobs"]);
    let path = folder.path().join("a.bs2cap");
    while fs::read(&path).map(|file| standing(&file).len()).unwrap_or_default() < 1_000 {
        std::thread::yield_now();
    }
    signal(&child, "INT");
    let run = finish(child);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let file = fs::read(path).unwrap();
    let standing = standing(&file);
    // At the end events may stand there whose blobs were still asked for.
    let alone = standing.values().filter(|(_, blobs)| *blobs == 0).count();
    assert!(standing.values().all(|(events, blobs)| *events == 1 && *blobs <= 1), "{standing:?}");
    assert!(alone < standing.len() / 2, "{alone} of {}", standing.len());
}

#[test]
fn what_came_beside_an_event_gives_way_to_it_wherever_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let event = event();
    let head = BlobHead::from_event(&event).with_job_code(JobCode(777));
    let blob = encoded(&PortableBlob::new(head, &[]).unwrap());
    let blob = CapturePayload::SmallBlob(&blob);
    let image = CapturePayload::ImageLog { event: &event, jpeg: b"\xFF\xD8" };
    let came = CapturePayload::Event(&event);
    let mut whole = [json!(event)];
    whole[0]["job_code"] = json!(777);
    for payloads in [
        vec![came, blob, image],
        vec![blob, image, came],
        vec![image, came, blob],
        vec![image, blob, came],
        vec![blob, came],
        vec![blob, image],
        vec![image, blob],
    ] {
        fs::write(folder.path().join("a.bs2cap"), written(&payloads)).unwrap();
        let logs = objects(&bs2_in(folder.path(), &["logs", "sim:replay=a.bs2cap", "--json"]));
        assert_eq!(logs, whole, "{payloads:?}");
        let replay = format!("replay={}", folder.path().join("a.bs2cap").display());
        let [(_, beside)] = &told(&replay)[..] else { panic!("{payloads:?}") };
        assert_eq!(beside.head().job_code(), Some(JobCode(777)), "{payloads:?}");
    }
    // What is told twice as an event was told twice.
    fs::write(folder.path().join("a.bs2cap"), written(&[blob, came, came])).unwrap();
    let collect = ["collect", "--from", "sim:replay=a.bs2cap", "--into", "sqlite:a.db", "--once", "--json"];
    let device = &objects(&bs2_in(folder.path(), &collect))[0]["devices"][0];
    assert_eq!((&device["stored"], &device["repeated"]), (&json!(1), &json!(1)));
}

/// How often each event, and each blob of an event that came before, stands in a capture.
#[cfg(unix)]
fn standing(file: &[u8]) -> BTreeMap<(DeviceId, u32), (u32, u32)> {
    let mut standing = BTreeMap::new();
    for record in CaptureReader::new(file).into_iter().flatten().flatten() {
        if let CapturePayload::SmallBlob(bytes) = record.payload {
            let id = PortableBlob::decode(bytes).unwrap().head().id();
            let (_, blobs): &mut (u32, u32) =
                standing.get_mut(&(record.device, id)).expect("its event comes first");
            *blobs += 1;
        } else if let Some(event) = record.event() {
            standing.entry((record.device, event.id())).or_default().0 += 1;
        }
    }
    standing
}

/// Every event of these simulated readers, with all that they tell beside it.
fn told(settings: &str) -> Vec<(Event, PortableBlob<'static>)> {
    let read = async {
        let client = Client::new(Simulator::new(settings)?.backend());
        let mut told = Vec::new();
        for device in client.devices().await? {
            let mut after = 0;
            loop {
                let page = device.logs(after, 2_048).await?;
                let Some(last) = page.last() else { break };
                let blobs = device.blobs(after, 2_048, EventMask::all()).await?;
                after = last.id();
                told.extend(page.iter().copied().zip(blobs));
            }
        }
        Ok::<_, bs2_events::Error>(told)
    };
    tokio::runtime::Runtime::new().unwrap().block_on(read).unwrap()
}

/// Every kind, and an event at the beginning and at the end.
fn sample() -> Vec<u8> {
    let event = event();
    let info = ExtInfo::new(Timestamp::from_unix_seconds(7), DeviceId::new(7), EventCode::DOOR_OPENED);
    let head =
        BlobHead::new(5).with_info(info.with_reserved([1, 2])).with_subject(BlobSubject::Door { door_id: 9 });
    let head = head.with_job_code(JobCode(8)).with_tna_key(3);
    let blob = PortableBlob::new(head.with_mask(head.mask() | EventMask::from_bits_retain(0xF400)), b"jpeg");
    let blob = encoded(&blob.unwrap().with_reserved(9).with_temperature(Temperature::from_hundredths(3_655)));
    let payloads: [_; PAYLOADS] = [
        CapturePayload::Event(&event),
        CapturePayload::EventWithTemperature(&event, Temperature::from_hundredths(3_655)),
        CapturePayload::ImageLog { event: &event, jpeg: &[0xD8; 70_000] },
        CapturePayload::ImageLog { event: &event, jpeg: b"" },
        CapturePayload::SmallBlob(&[0, 0, 7, 0, 0, 0, 0]),
        CapturePayload::SmallBlob(&blob),
        CapturePayload::State(ConnectionStateRecord { code: 9, name: "\u{1B}[31m \"asleep\" ☾" }),
        CapturePayload::State(ConnectionStateRecord { code: 0, name: "" }),
        CapturePayload::Unknown { kind: 0, bytes: b"" },
        CapturePayload::Unknown { kind: u32::MAX, bytes: &[0xFF] },
        CapturePayload::Event(&event),
    ];
    written(&payloads)
}

/// An event whose flags and user id are no blob's and no text.
fn event() -> Event {
    let user = UserId::new(b"Zelda\xFF").unwrap();
    let flags = EventFlags::IMAGE | EventFlags::DAYLIGHT_SAVING;
    let event = Event::builder(DeviceId::new(7), 1, EventCode::VERIFY_SUCCESS).subject(Subject::User(&user));
    event.timestamp(Timestamp::from_unix_seconds(7)).param(3).flags(flags).build()
}

/// A file of these, of reader 7; the last one comes at the end of time.
fn written(payloads: &[CapturePayload<'_>]) -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new()).unwrap();
    for (position, payload) in payloads.iter().enumerate() {
        let received_at = u64::MAX - (payloads.len() - 1 - position) as u64;
        writer.append(&CaptureRecord { device: DeviceId::new(7), received_at, payload: *payload }).unwrap();
    }
    writer.into_inner()
}

fn encoded(blob: &PortableBlob<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    blob.encode(&mut bytes);
    bytes
}

/// These digits, a few in a line, as other programs print them.
fn spread(hex: &str) -> String {
    let lines: Vec<_> = hex.as_bytes().chunks(32).map(|line| str::from_utf8(line).unwrap()).collect();
    lines.join("\r\n")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const PAYLOADS: usize = 11;
