//! `bs2 logs` and `bs2 watch`, run as their users run them.

use crate::command_line::{bs2, lines, objects};
use serde_json::Value;

#[test]
fn the_whole_log_comes_in_the_order_of_ids_each_once() {
    let run = bs2(&["logs", "sim:replay=bundled", "--json"], b"");
    let ids: Vec<_> = objects(&run).iter().map(id).collect();
    assert!(ids.into_iter().eq((6_861..=6_910).chain(7_562..=7_566)));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));

    let run = bs2(&["logs", "sim:replay=bundled", "--device", "540000001"], b"");
    assert_eq!(lines(&run.stdout).len(), 55);
    assert_eq!(lines(&run.stdout)[0], "540000001 #6861 2025-12-11T17:38:54Z DEVICE_EVENT_LOG_CLEARED");
}

#[test]
fn an_object_is_the_one_that_decode_prints() {
    let run = bs2(&["logs", "sim:", "--json", "--after", "17", "--max", "20"], b"");
    let mut events = objects(&run);
    let raw: Vec<_> = events.iter().map(|event| event["raw"].as_str().unwrap().to_owned()).collect();
    assert_eq!(raw.len(), 20);
    let decoded = bs2(&["decode", "--json"], raw.join("\n").as_bytes());
    for event in &mut events {
        // What the record of 48 bytes does not hold.
        for field in ["temperature", "job_code"] {
            event.as_object_mut().unwrap().remove(field);
        }
    }
    assert_eq!(objects(&decoded), events);
}

#[test]
fn an_object_has_the_temperature_in_degrees_and_the_job_code_of_its_event() {
    let run = bs2(&["logs", "sim:backlog=3000", "--json"], b"");
    let events = objects(&run);
    assert_eq!((run.code, events.len()), (Some(0), 3_000));
    let is_authentication = |event: &&Value| ("0x1000".."0x1F00").contains(&event["main"].as_str().unwrap());
    let mut codes = 0;
    for event in events.iter().filter(is_authentication) {
        let degrees = event["temperature"].as_f64().unwrap();
        assert!((36.1..37.4).contains(&degrees), "{event}");
        assert_eq!(event.get("job_code").is_some(), event["param"] != 0, "{event}");
        codes += usize::from(event.get("job_code").is_some_and(Value::is_u64));
    }
    assert!(codes > 0);
    assert!(
        events
            .iter()
            .filter(|event| !is_authentication(event))
            .all(|event| event.get("temperature").is_none())
    );
}

#[test]
fn a_live_event_has_its_temperature_and_its_job_code_too() {
    let run = bs2(&["watch", "sim:rate=400", "--json", "--max", "400"], b"");
    let events = objects(&run);
    let keyed: Vec<_> = events.iter().filter(|event| event.get("job_code").is_some()).collect();
    assert_eq!((run.code, events.len()), (Some(0), 400));
    assert!(!keyed.is_empty());
    assert!(keyed.iter().all(|event| event["param"] != 0 && event["temperature"].is_f64()), "{keyed:?}");
}

#[test]
fn faults_on_the_way_neither_repeat_nor_lose_a_line() {
    let smooth = bs2(&["logs", "sim:backlog=6000&seed=9"], b"");
    assert_eq!(lines(&smooth.stdout).len(), 6_000);
    let rough = "sim:backlog=6000&seed=9&page=150&inclusive=1&faults=disconnect,repeat,error";
    let rough = bs2(&["logs", rough], b"");
    assert_eq!((rough.code, rough.stdout), (Some(0), smooth.stdout));
}

#[test]
fn a_part_of_the_log_begins_behind_an_id_and_ends_after_a_number() {
    for (after, max, first, last) in [
        ("0", "1", 1, 1),
        ("4000", "2", 4_001, 4_002),
        ("100", "4500", 101, 4_600),
        ("4990", "50", 4_991, 5_000),
    ] {
        let run = bs2(&["logs", "sim:backlog=5000", "--json", "--after", after, "--max", max], b"");
        assert!(objects(&run).iter().map(id).eq(first..=last), "{after} {max}");
    }
    let run = bs2(&["logs", "sim:backlog=5000", "--after", "5000"], b"");
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""));
}

#[test]
fn a_reader_must_be_chosen_among_several_and_be_one_of_them() {
    for (arguments, error) in [
        (["sim:devices=3", "--after=0"].as_slice(), "the source has 3 devices: choose one with --device"),
        (&["sim:devices=3", "--device", "7"], "device 7: the source has no such device"),
        (&["gate://localhost"], "scheme `gate` is not known; known are `gateway`, `sdk` and `sim`"),
    ] {
        let run = bs2(&[&["logs"], arguments].concat(), b"");
        assert_eq!((run.code, run.stdout.as_str(), run.stderr), (Some(1), "", format!("bs2: {error}\n")));
    }
    let run = bs2(&["watch", "sim:", "--device", "7"], b"");
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), "bs2: device 7: the source has no such device\n"));
}

#[test]
fn numbers_that_are_none_cannot_be_understood() {
    for verb in ["logs", "watch"] {
        for arguments in
            [["--max", "-1"], ["--max", "0"], ["--max", "x"], ["--device", "-7"], ["--device", "x"]]
        {
            let run = bs2(&[&[verb, "sim:"], arguments.as_slice()].concat(), b"");
            assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{verb} {arguments:?}");
        }
    }
}

#[test]
fn watching_shows_the_events_of_the_chosen_readers_as_they_happen() {
    let chosen = ["--device", "541000002", "--device", "541000003", "--device", "541000002"];
    let arguments = ["watch", "sim:devices=3&backlog=10&rate=200", "--json", "--max", "60"];
    let run = bs2(&[arguments.as_slice(), &chosen].concat(), b"");
    let events = objects(&run);
    assert_eq!((run.code, events.len(), run.stderr.as_str()), (Some(0), 60, ""));
    for device in [541_000_002_u64, 541_000_003] {
        let ids: Vec<_> = events.iter().filter(|event| event["device_id"] == device).map(id).collect();
        assert!(!ids.is_empty());
        assert!(ids.iter().copied().eq((11..).take(ids.len())), "{ids:?}");
    }
    assert!(events.iter().all(|event| event["device_id"] != 541_000_001));
}

#[test]
fn watching_ends_after_its_time_and_shows_events_without_being_told_a_rate() {
    let run = bs2(&["watch", "sim:", "--for", "1s"], b"");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert!((1..=6).contains(&lines(&run.stdout).len()), "{}", run.stdout);
    let run = bs2(&["watch", "sim:rate=0", "--for", "200ms"], b"");
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""));
}

#[test]
fn watching_tells_on_stderr_when_events_may_be_missing() {
    let run = bs2(&["watch", "sim:rate=4000&faults=disconnect&seed=3", "--json", "--max", "300"], b"");
    assert_eq!((run.code, objects(&run).len()), (Some(0), 300));
    let told = "bs2: device 541000001: connected again; what happened meanwhile is in the log";
    assert!(!run.stderr.is_empty());
    assert!(run.stderr.lines().all(|line| line == told), "{}", run.stderr);
}

fn id(event: &Value) -> u64 {
    event["event_id"].as_u64().unwrap()
}
