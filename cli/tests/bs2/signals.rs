//! `bs2` when it is stopped from outside: what is stored stays, and the next run completes it.

use std::io::{BufRead, BufReader, Read};

use crate::command_line::store::{stored, truth, wait_for_events};
use crate::command_line::{Run, bs2_in, finish, object, signal, start_in};
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn a_store_survives_being_killed_at_any_moment_and_is_completed_later() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("a.db");
    let source = "sim:devices=6&backlog=3000&page=300&faults=slow,repeat,reorder&seed=5";
    let live = format!("{source}&rate=2000");
    let collect = |source| start_in(folder.path(), &["collect", "--from", source, "--into", "sqlite:a.db"]);

    let mut child = collect(source);
    while !store.exists() {
        std::thread::yield_now(); // Killed while the schema is being made, or soon after.
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for events in [1, 0, 1_500, 6_000, 18_500] {
        let mut child = collect(&live);
        if events > 0 {
            wait_for_events(&store, events);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if events > 0 {
            assert_sound(&folder);
        }
    }

    // The live events of the killed runs are those of the same seed, so a longer backlog has them all.
    let arguments =
        ["collect", "--from", "sim:devices=6&backlog=20000&seed=5", "--into", "sqlite:a.db", "--once"];
    let run = bs2_in(folder.path(), &[arguments.as_slice(), &["--truth", "truth.tsv"]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(stored(&store), truth(&folder.path().join("truth.tsv")));
    assert_sound(&folder);
}

#[test]
fn a_live_collection_ends_in_good_order_with_ctrl_c_and_sigterm() {
    for name in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let arguments =
            ["collect", "--from", "sim:devices=3&backlog=500&rate=500", "--json", "--truth", "truth.tsv"];
        let child = start_in(folder.path(), &arguments);
        let store = folder.path().join("bs2-events.db");
        wait_for_events(&store, 1_600);
        signal(&child, name);
        let run = finish(child);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));

        let (stored, truth) = (stored(&store), truth(&folder.path().join("truth.tsv")));
        assert!(stored.iter().all(|(key, hex)| truth.get(key) == Some(hex)));
        assert!(truth.len() >= stored.len());
        let report = object(&run);
        let devices = report["devices"].as_array().unwrap();
        let told: u64 = devices.iter().map(|device| device["stored"].as_u64().unwrap()).sum();
        assert_eq!(told, stored.len() as u64);
        let proof = bs2_in(folder.path(), &["verify", "sqlite:bs2-events.db"]);
        assert_eq!(proof.code, Some(0), "{}", proof.stdout);
    }
}

#[test]
fn a_single_pass_that_is_interrupted_says_so_and_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let source = "sim:devices=2&backlog=5000&page=50&faults=slow";
    let arguments = ["collect", "--from", source, "--into", "sqlite:a.db", "--once"];
    let child = start_in(folder.path(), &arguments);
    wait_for_events(&folder.path().join("a.db"), 1);
    signal(&child, "INT");
    let Run { code, stdout, stderr } = finish(child);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_eq!(
        stderr,
        "bs2: interrupted: the events read so far are stored, and the next run continues there\n"
    );
    assert_sound(&folder);
}

#[test]
fn who_asks_again_does_not_wait_for_a_reader_that_is_stuck() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["collect", "--from", "sim:devices=2&faults=stuck", "--into", "sqlite:a.db", "--for", "0s"];
    let child = start_in(folder.path(), &arguments);
    // The other reader is in; the first one would be tried for half a minute.
    wait_for_events(&folder.path().join("a.db"), 1_000);
    signal(&child, "INT");
    assert_eq!(finish(child).code, Some(130));
    assert_sound(&folder);
}

#[test]
fn watching_shows_each_event_at_once_and_ends_well_with_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start_in(folder.path(), &["watch", "sim:rate=4", "--max", "40"]);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.starts_with("541000001 #1001 "), "{line}");
    assert_eq!(child.try_wait().unwrap(), None);
    signal(&child, "INT");
    output.read_to_string(&mut line).unwrap();
    assert!(line.ends_with('\n'));
    assert_eq!(finish(child).code, Some(0));
}

fn assert_sound(folder: &TempDir) {
    let proof = bs2_in(folder.path(), &["verify", "sqlite:a.db", "--json"]);
    assert_eq!((proof.code, &object(&proof)["sound"]), (Some(0), &Value::Bool(true)), "{}", proof.stdout);
}
