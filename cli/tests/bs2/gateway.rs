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
