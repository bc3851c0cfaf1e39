//! `bs2` over a gateway that does what a test wants, run as its users run it.

use futures_util::FutureExt;
use prost::Message;
use serde_json::json;
use tonic::{Code, Status};

use crate::command_line::{Run, bs2, bs2_in, finish, lines, objects, start_in};
use crate::fake_gateway::proto::gsdk::event;
use crate::fake_gateway::{DEVICE, Fake};

#[test]
fn what_stands_beside_an_event_is_in_its_object_and_behind_it_for_people() {
    let fake = Fake::start();
    fake.state.make(log(1));
    fake.state.make(with_card_and_door(2));
    let run = run(&fake, &["logs", &source(&fake), "--json"]);
    let events = objects(&run);
    assert_eq!((run.code, events.len(), run.stderr.as_str()), (Some(0), 2, ""));
    let door = format!("05{}", "00".repeat(31));
    let card = format!("{}{}", "63".repeat(8), "00".repeat(24));
    assert_eq!(
        events[1]["extras"]["subjects"],
        json!([{"kind": "card", "card_data": card}, {"kind": "unknown", "data": door}])
    );
    // Without it the object is the one of every event, which `bs2 encode` reads.
    assert_eq!(events[0].get("extras"), None);
    let mut plain = events[1].clone();
    plain.as_object_mut().unwrap().remove("extras");
    let encoded = bs2(&["encode"], plain.to_string().as_bytes());
    assert_eq!(encoded.code, Some(0), "{}", encoded.stderr);

    let text = self::run(&fake, &["logs", &source(&fake)]).stdout;
    assert_eq!(
        lines(&text),
        [
            format!("{DEVICE} #1 2023-11-14T22:13:21Z VERIFY_SUCCESS user"),
            format!("{DEVICE} #2 2023-11-14T22:13:22Z VERIFY_SUCCESS user, also: card, unknown"),
        ]
    );
}

#[test]
fn watching_shows_it_with_its_event_also_with_the_last_one() {
    let fake = Fake::start();
    let source = source(&fake);
    let watching = start_in(fake.folder.path(), &["watch", &source, "--json", "--max", "2"]);
    while fake.state.called("EnableMonitoring") == 0 {
        std::thread::yield_now(); // By then it listens, and hears what is reported.
    }
    for log in [log(1), with_card_and_door(2)] {
        fake.state.report(log.encode_to_vec().into());
    }
    let events = objects(&finish(watching));
    let further: Vec<_> =
        events.iter().map(|event| event["extras"]["subjects"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(further, [0, 2]);
}

#[test]
fn watching_ends_with_the_reason_where_listening_is_impossible_or_never_began() {
    for (code, listening, said) in [
        (Code::Unimplemented, "1h", "UNIMPLEMENTED (12)"),
        (Code::Unavailable, "1s", "ended before every device could be reached"),
    ] {
        let fake = Fake::start();
        fake.state.set_quirk(move |path, _| {
            let refused = path.ends_with("EnableMonitoring");
            refused.then(|| std::future::ready(Err(Status::new(code, "no"))).boxed())
        });
        let run = run(&fake, &["watch", &source(&fake), "--for", listening]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
        assert!(run.stderr.lines().last().unwrap().contains(said), "{}", run.stderr);
    }
}

#[test]
fn over_a_gateway_the_offset_is_missing_and_an_event_of_a_slave_is_its_masters() {
    let fake = Fake::start();
    fake.state.make(event::EventLog { temperature: 3_677, ..log(1) });
    let of_slave = event::EventLog { device_id: 541_000_900, event_code: 0x6109, entity_id: 4, ..log(2) };
    fake.state.make(event::EventLog { user_id: String::new(), ..of_slave });
    let run = run(&fake, &["logs", &source(&fake), "--json"]);
    let events = objects(&run);
    assert_eq!((run.code, events.len(), run.stderr.as_str()), (Some(0), 2, ""));
    for event in &events {
        assert_eq!(event["device_id"], DEVICE);
        assert_eq!((event.get("dst"), event.get("utc_offset_minutes")), (None, None));
    }
    assert_eq!((&events[0]["temperature"], events[0].get("source_device_id")), (&json!(36.77), None));
    assert_eq!((&events[1]["source_device_id"], events[1].get("temperature")), (&json!(541_000_900), None));
    assert_eq!(events[1]["name"], "ZONE_APB_ALARM+0x09");
    let encoded = bs2(&["encode"], events[1].to_string().as_bytes());
    let raw = events[1]["raw"].as_str().unwrap();
    assert_eq!((encoded.code, encoded.stdout.trim()), (Some(0), raw), "{}", encoded.stderr);

    let text = self::run(&fake, &["logs", &source(&fake)]).stdout;
    let seen = "2023-11-14T22:13:22Z ZONE_APB_ALARM+0x09 zone 4, seen by 541000900";
    assert_eq!(lines(&text)[1], format!("{DEVICE} #2 {seen}"));
    // A capture has both numbers too, and gives the record back.
    let record = ["record", &source(&fake), "--once", "--out", "door.bs2cap"];
    assert_eq!(self::run(&fake, &record).code, Some(0));
    let decoded = self::run(&fake, &["decode", "--json", "door.bs2cap"]).stdout;
    let slaves: Vec<_> =
        lines(&decoded).into_iter().filter(|line| line.contains("source_device_id")).collect();
    assert_eq!(slaves.len(), 1);
    assert_eq!(bs2(&["encode", "--as", "capture"], slaves[0].as_bytes()).code, Some(0));
    // It says too that the offset is unknown, and so does a replay of it.
    assert!(decoded.contains("\"event_id\"") && !decoded.contains("utc_offset_minutes"), "{decoded}");
    let explained = self::run(&fake, &["decode", "--explain", "door.bs2cap"]).stdout;
    assert_eq!(explained.matches("daylight saving and offset from UTC unknown").count(), 2);
    let replayed = self::run(&fake, &["logs", "sim:replay=door.bs2cap", "--json"]).stdout;
    assert!(replayed.contains("\"event_id\"") && !replayed.contains("utc_offset_minutes"), "{replayed}");
}

#[test]
fn a_store_of_a_gateway_says_who_saw_an_event_which_card_it_was_and_that_the_offset_is_unknown() {
    let fake = Fake::start();
    let card = |id, user_id: &str, card_data: &'static [u8]| event::EventLog {
        event_code: 0x1100,
        sub_code: 2,
        user_id: user_id.into(),
        card_data: card_data.into(),
        ..log(id)
    };
    fake.state.make(event::EventLog { device_id: 541_000_900, ..log(1) });
    fake.state.make(card(2, "3735928559", b""));
    fake.state.make(card(3, "12", b"\x04\xA1\xB2"));
    let source = source(&fake);
    let run = run(&fake, &["collect", "--from", &source, "--into", "sqlite:a.db", "--once"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let store = rusqlite::Connection::open(fake.folder.path().join("a.db")).unwrap();
    let sql = "SELECT device_id, source_device_id, card_data, card_text, utc_offset_minutes, daylight_saving
               FROM named_events ORDER BY event_id";
    let mut statement = store.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let unknown: (Option<i64>, Option<i64>) = (row.get(4)?, row.get(5)?);
        assert_eq!(unknown, (None, None));
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    });
    let rows: Vec<(u32, u32, Option<String>, Option<String>)> = rows.unwrap().map(Result::unwrap).collect();
    let hex = |digits: &str| Some(format!("{digits:0<64}"));
    assert_eq!(
        rows,
        [
            (DEVICE, 541_000_900, None, None),
            (DEVICE, DEVICE, hex("33373335393238353539"), Some("3735928559".to_owned())),
            (DEVICE, DEVICE, hex("04a1b2"), None),
        ]
    );
    assert_eq!(self::run(&fake, &["verify", "sqlite:a.db"]).code, Some(0));
}

#[test]
fn a_live_event_that_is_reported_twice_is_printed_once() {
    let fake = Fake::start();
    let source = source(&fake);
    let watching = start_in(fake.folder.path(), &["watch", &source, "--json", "--max", "3"]);
    while fake.state.called("EnableMonitoring") == 0 {
        std::thread::yield_now(); // By then it listens, and hears what is reported.
    }
    // Twice at once, twice with another between them, and another event of the same id, as after a reset.
    let after_a_reset = event::EventLog { timestamp: 1_700_009_999, ..log(1) };
    for log in [log(1), log(1), log(2), log(1), log(2), after_a_reset] {
        fake.state.report(log.encode_to_vec().into());
    }
    let events = objects(&finish(watching));
    let ids: Vec<_> = events.iter().map(|event| (&event["event_id"], &event["time"])).collect();
    let expected = [(1, 1_700_000_001), (2, 1_700_000_002), (1, 1_700_009_999)]
        .map(|(id, time)| (json!(id), json!(time)));
    assert!(ids.into_iter().eq(expected.iter().map(|(id, time)| (id, time))));
}

#[test]
fn an_empty_picture_is_reported_and_no_file_and_asked_for_again() {
    let fake = Fake::start();
    for id in 1..=3 {
        fake.state.make(event::EventLog { has_image: true, ..log(id) });
    }
    let pictures = |second: &'static [u8]| {
        move |path: &str, request: &bytes::Bytes| {
            path.ends_with("GetImageLog").then(|| {
                let request = event::GetImageLogRequest::decode(&**request).unwrap();
                let all = [(1, &b"\xFF\xD8\x01"[..]), (2, second), (3, b"\xFF\xD8\x03")];
                let rest = all.into_iter().filter(|(id, _)| *id >= request.start_event_id);
                let images = rest.take(request.max_num_of_log as usize).map(|(id, jpeg)| event::ImageLog {
                    id,
                    device_id: DEVICE,
                    jpg_image: jpeg.to_vec().into(),
                    ..Default::default()
                });
                let response = event::GetImageLogResponse { image_events: images.collect() };
                std::future::ready(crate::fake_gateway::message(&response)).boxed()
            })
        }
    };
    let save = ["images", &source(&fake), "--out", "pictures"];
    let file = fake.folder.path().join(format!("pictures/{DEVICE}-2.jpg"));
    fake.state.set_quirk(pictures(b""));
    for _ in 0..2 {
        let run = run(&fake, &save);
        let note = format!(
            "bs2: device {DEVICE}: the picture of event 2 is empty; the next run asks for it again\n"
        );
        assert_eq!((run.code, run.stderr), (Some(0), note));
        assert!(!file.exists());
    }
    // An earlier version left an empty file.
    std::fs::write(&file, b"").unwrap();
    fake.state.set_quirk(pictures(b"\xFF\xD8\x02"));
    let run = run(&fake, &save);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (Some(0), "1 picture written to pictures, 2 existed already\n")
    );
    assert_eq!(std::fs::read(&file).unwrap(), b"\xFF\xD8\x02");
}

#[test]
fn a_device_that_supports_neither_pictures_nor_job_codes_fails_no_verb() {
    let fake = Fake::start();
    fake.state.make(event::EventLog { has_image: true, ..log(1) });
    fake.state.set_quirk(|path, _| {
        let is_missing = path.ends_with("GetImageLog") || path.ends_with("GetJobCodeLog");
        let text =
            "Cannot get log: Packet error: 256: Async packet error: Packet error: BS_ERR_NOT_SUPPORTED";
        is_missing.then(|| std::future::ready(Err(Status::internal(text))).boxed())
    });
    let images = run(&fake, &["images", &source(&fake), "--out", "pictures"]);
    let told = format!("device {DEVICE} takes no pictures\n");
    assert_eq!((images.code, images.stdout, images.stderr.as_str()), (Some(0), told, ""));
    let record = ["record", &source(&fake), "--once", "--images", "--blobs", "--out", "door.bs2cap"];
    let record = run(&fake, &record);
    let told = "1 event, 1 blob, 0 pictures and 2 states recorded in door.bs2cap\n";
    assert_eq!((record.code, record.stdout.as_str(), record.stderr.as_str()), (Some(0), told, ""));
    // Each was tried once in each run.
    assert_eq!((fake.state.called("GetImageLog"), fake.state.called("GetJobCodeLog")), (2, 1));
}

#[test]
fn a_recording_says_what_it_leaves_out() {
    let fake = Fake::start();
    fake.state.make(log(1));
    fake.state.make(with_card_and_door(2));
    let record = ["record", &source(&fake), "--once", "--out", "door.bs2cap"];
    let run = run(&fake, &record);
    assert_eq!(run.code, Some(0));
    assert_eq!(run.stderr, "bs2: 2 extra subjects of events left out: a capture has no record for them\n");
}

fn source(fake: &Fake) -> String {
    format!("gateway://{}?ca=ca.crt&device=192.0.2.7", fake.address)
}

fn run(fake: &Fake, arguments: &[&str]) -> Run {
    bs2_in(fake.folder.path(), arguments)
}

fn log(id: u32) -> event::EventLog {
    let (timestamp, user_id) = (1_700_000_000 + id, "17".to_owned());
    event::EventLog { id, timestamp, device_id: DEVICE, user_id, event_code: 0x1000, ..Default::default() }
}

fn with_card_and_door(id: u32) -> event::EventLog {
    event::EventLog { card_data: vec![99; 8].into(), entity_id: 5, ..log(id) }
}
