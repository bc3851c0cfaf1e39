//! `bs2 verify`, run as its users run it.

use std::fs;

use crate::command_line::{Run, bs2_in, object};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

#[test]
fn a_sound_store_is_told_with_what_it_has_and_what_is_missing() {
    let folder = collected();
    let run = bs2_in(folder.path(), &["verify", "sqlite:a.db", "--json"]);
    let gap = json!({"from": 6_911, "to": 7_561, "reason": "cleared"});
    let device = json!({"device_id": 540_000_001, "epoch": 0, "events": 55, "first": 6_861, "first_event": 6_861,
        "last_event": 7_566, "watermark": 7_566, "above": 0, "gaps": [gap], "holes": [], "faults": [],
        "fault_count": 0});
    let expected = json!({"sound": true, "faults": 0, "stray_rows": 0, "devices": [device]});
    assert_eq!((run.code, object(&run), run.stderr.as_str()), (Some(0), expected, ""));

    let run = bs2_in(folder.path(), &["verify", "sqlite:a.db"]);
    let row = run.stdout.lines().find(|line| line.contains("540000001")).unwrap();
    let cells: Vec<_> = row.trim_matches('│').split('┆').map(str::trim).collect();
    assert_eq!(cells, ["540000001", "0", "55", "6861", "7566", "0", "6911–7561 cleared (651)"]);
    let last = "sound: sqlite:a.db has 55 events, 651 missing and explained";
    assert_eq!(run.stdout.lines().last(), Some(last));
}

#[test]
fn a_hole_that_nothing_explains_fails() {
    let run = spoiled("DELETE FROM events WHERE event_id IN (6870, 6871, 7564)");
    let report = object(&run);
    assert_eq!((run.code, &report["sound"], &report["faults"]), (Some(1), &json!(false), &json!(2)));
    let holes = json!([{"from": 6_870, "to": 6_871}, {"from": 7_564, "to": 7_564}]);
    assert_eq!(report["devices"][0]["holes"], holes);
}

#[test]
fn a_row_that_disagrees_with_its_record_fails() {
    for (change, fault) in [
        (
            "UPDATE events SET code = 1 WHERE event_id = 6862",
            "event 6862: column `code` disagrees with the record",
        ),
        ("UPDATE events SET raw = x'00' WHERE event_id = 6862", "event 6862: the record has 1 bytes, not 48"),
        ("UPDATE gaps SET reason = 'lost'", "gap 6911 has an unknown reason"),
        ("DELETE FROM watermarks", "there is no watermark"),
    ] {
        let run = spoiled(change);
        assert_eq!((run.code, &object(&run)["devices"][0]["faults"]), (Some(1), &json!([fault])), "{change}");
    }
}

#[test]
fn what_is_wrong_is_told_to_people_too() {
    let folder = collected();
    spoil(&folder, "DELETE FROM events WHERE event_id > 6870 AND event_id < 6880");
    let run = bs2_in(folder.path(), &["verify", "sqlite:a.db"]);
    let end = "reader 540000001, epoch 0: ids 6871 to 6879 are neither stored nor explained\n\
               NOT SOUND: sqlite:a.db has 46 events, 651 missing and explained, 1 fault\n";
    assert_eq!(run.code, Some(1));
    assert!(run.stdout.ends_with(end), "{}", run.stdout);
}

#[test]
fn what_is_no_store_is_an_error_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text"), "not a database, only a text of some length ".repeat(40)).unwrap();
    Connection::open(folder.path().join("other.db")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    for (store, error) in [
        ("sqlite:missing.db", "/missing.db`: there is no such file\n"),
        ("sqlite:text", "/text`: cannot open: the file is not an SQLite database"),
        ("sqlite:other.db", "/other.db`: "),
        ("missing.db", "the URL has no scheme, such as `gateway:` or `sqlite:`\n"),
    ] {
        let run = bs2_in(folder.path(), &["verify", store]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{store}");
        assert!(run.stderr.starts_with("bs2: ") && run.stderr.contains(error), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }
    assert!(!folder.path().join("missing.db").exists());
}

/// A folder with the bundled log in `a.db`.
fn collected() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["collect", "--from", "sim:replay=bundled", "--into", "sqlite:a.db", "--once"];
    assert_eq!(bs2_in(folder.path(), &arguments).code, Some(0));
    folder
}

/// What is said of that store after a change.
fn spoiled(change: &str) -> Run {
    let folder = collected();
    spoil(&folder, change);
    bs2_in(folder.path(), &["verify", "sqlite:a.db", "--json"])
}

fn spoil(folder: &TempDir, change: &str) {
    let connection = Connection::open(folder.path().join("a.db")).unwrap();
    // The schema refuses most of this by itself; a damaged file was not asked.
    connection.execute_batch(&format!("PRAGMA ignore_check_constraints = ON; {change}")).unwrap();
}
