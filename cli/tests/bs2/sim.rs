//! `bs2 sim`, run as its users run it.

use crate::command_line::store::truth;
use crate::command_line::{bs2, bs2_in, object};
use serde_json::json;

#[test]
fn the_readers_of_a_source_are_shown() {
    let run = bs2(&["sim", "sim:devices=2&backlog=700&capacity=500&seed=3", "--json"], b"");
    let mut report = object(&run);
    assert_eq!(report["source"], "sim:devices=2&backlog=700&capacity=500&seed=3");
    for (device, id) in report["devices"].as_array_mut().unwrap().iter_mut().zip(541_000_001..) {
        let time = device.as_object_mut().unwrap().remove("time_utc").unwrap();
        assert!(time.as_str().unwrap().starts_with("2025-03-2"), "{time}");
        let expected = json!({"device_id": id, "model": "simulated reader", "epoch": 0, "events": 500, "slaves": [],
            "oldest_id": 201, "newest_id": 700});
        assert_eq!(*device, expected);
    }
    assert_eq!(report["devices"].as_array().unwrap().len(), 2);

    let run = bs2(&["sim", "sim:?replay=bundled"], b"");
    assert!(run.stdout.ends_with("\n1 device with 62 events: sim:?replay=bundled\n"), "{}", run.stdout);
    assert!(bs2(&["sim"], b"").stdout.ends_with("\n1 device with 1000 events: sim:\n"));
}

#[test]
fn readers_live_for_the_time_given_and_tell_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["sim", "sim:devices=3&backlog=10&rate=300", "--for", "1s", "--truth", "truth.tsv", "--json"];
    let begun = std::time::Instant::now();
    let report = object(&bs2_in(folder.path(), &arguments));
    let most = 30 + (300.0 * begun.elapsed().as_secs_f64()) as u64;
    let devices = report["devices"].as_array().unwrap();
    let events: u64 = devices.iter().map(|device| device["events"].as_u64().unwrap()).sum();
    assert!((31..=most).contains(&events), "{events} of {most}");
    assert_eq!(truth(&folder.path().join("truth.tsv")).len() as u64, events);
}

#[test]
fn a_reader_that_is_stuck_is_shown_all_the_same() {
    let run = bs2(&["sim", "sim:devices=2&faults=stuck", "--json"], b"");
    let report = object(&run);
    assert_eq!(
        (&report["devices"][0]["model"], &report["devices"][0]["events"]),
        (&json!(null), &json!(1_000))
    );
    assert_eq!(report["devices"][1]["model"], "simulated reader");
}

#[test]
fn the_help_lists_every_setting_and_every_fault() {
    let help = bs2(&["sim", "--help"], b"").stdout;
    let first_words: Vec<_> = help.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for source in ["sim:x=1", "sim:faults=x"] {
        let error = bs2(&["sim", source], b"").stderr;
        let (_, known) = error.trim_end().split_once("known are ").unwrap();
        assert!(known.split(", ").count() >= 7, "{known}");
        for word in known.split(", ") {
            assert!(first_words.contains(&word), "{word} is not in {help}");
        }
    }
}
