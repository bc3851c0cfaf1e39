//! `bs2 collect`, run as its users run it.

use std::fs;

use crate::command_line::store::{stored, truth};
use crate::command_line::{bs2_in, lines, object};
use serde_json::{Value, json};

#[test]
fn without_arguments_it_collects_five_readers_and_then_nothing_new() {
    let folder = tempfile::tempdir().unwrap();
    let run = bs2_in(folder.path(), &["collect"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{}", run.stdout);
    let totals =
        "80055 events of 5 devices stored in sqlite:bs2-events.db, 7 dropped as repeated, 651 missing";
    assert_eq!(run.stdout.lines().last(), Some(totals));
    let row = lines(&run.stdout).into_iter().find(|line| line.contains("540000001")).unwrap();
    let cells: Vec<_> = row.trim_matches('│').split('┆').map(str::trim).collect();
    assert_eq!(cells, ["540000001", "0", "55", "7", "6911–7561 cleared (651)"]);

    let again = bs2_in(folder.path(), &["collect"]);
    let nothing = "nothing new: sqlite:bs2-events.db has all events of 5 devices";
    assert_eq!((again.code, again.stdout.lines().last()), (Some(0), Some(nothing)));
    assert!(again.stdout.contains("6911–7561 cleared (651)"), "{}", again.stdout);

    let proof = bs2_in(folder.path(), &["verify", "sqlite:bs2-events.db"]);
    assert_eq!(proof.code, Some(0), "{}", proof.stdout);
}

#[test]
fn a_replayed_log_is_stored_without_its_repeated_rows_and_with_its_gap() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "collect",
        "--from",
        "sim:replay=bundled",
        "--into",
        "sqlite:a.db",
        "--once",
        "--json",
        "--truth",
        "truth.tsv",
    ];
    let run = bs2_in(folder.path(), &arguments);
    let gap = json!({"from": 6_911, "to": 7_561, "reason": "cleared"});
    let device = json!({"device_id": 540_000_001, "epoch": 0, "stored": 55, "repeated": 7, "gaps": [gap],
        "watermark": 7_566});
    assert_eq!((run.code, object(&run)), (Some(0), json!({"devices": [device]})));
    assert_eq!(run.stdout.lines().count(), 1);
    let records = stored(&folder.path().join("a.db"));
    assert_eq!(records, truth(&folder.path().join("truth.tsv")));
    assert!(records.into_keys().map(|key| key.2).eq((6_861..=6_910).chain(7_562..=7_566)));
}

#[test]
fn whatever_goes_wrong_on_the_way_every_event_is_stored_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let sources = [
        "sim:devices=6&backlog=3000&rate=400&faults=drop,disconnect,repeat,reorder,slow,error&seed=41",
        "sim:?replay=bundled&faults=repeat",
    ];
    let [office, log] = sources;
    let arguments = ["collect", "--from", office, "--from", log, "--into", "sqlite:a.db", "--for", "2s"];
    let run = bs2_in(folder.path(), &[arguments.as_slice(), &["--truth", "truth.tsv", "--json"]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);

    let records = stored(&folder.path().join("a.db"));
    assert!(records.len() > 6 * 3_000 + 55 + 400, "{}", records.len());
    assert_eq!(records, truth(&folder.path().join("truth.tsv")), "the same seed would fail again");
    let report = object(&run);
    let devices = report["devices"].as_array().unwrap();
    let sum = |field: &str| devices.iter().map(|device| device[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("stored"), records.len() as u64);
    assert!(sum("repeated") > 0);
    assert!(devices[1..].iter().all(|device| device["gaps"] == json!([])), "{report}");

    let proof = bs2_in(folder.path(), &["verify", "sqlite:a.db", "--json"]);
    assert_eq!((proof.code, &object(&proof)["sound"]), (Some(0), &Value::Bool(true)));
}

#[test]
fn a_second_run_goes_on_where_the_first_one_ended() {
    let folder = tempfile::tempdir().unwrap();
    for (backlog, stored, watermark) in [(100, 100, 100), (250, 150, 250), (250, 0, 250)] {
        let source = format!("sim:backlog={backlog}");
        let arguments = ["collect", "--from", &source, "--into", "sqlite:a.db", "--once", "--json"];
        let report = object(&bs2_in(folder.path(), &arguments));
        let device = &report["devices"][0];
        assert_eq!((&device["stored"], &device["watermark"]), (&json!(stored), &json!(watermark)));
    }
}

#[test]
fn a_reader_without_events_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["collect", "--from", "sim:backlog=0", "--once"];
    let device = json!({"device_id": 541_000_001, "epoch": 0, "stored": 0, "repeated": 0, "gaps": [],
        "watermark": 0});
    let run = bs2_in(folder.path(), &[arguments.as_slice(), &["--json"]].concat());
    assert_eq!((run.code, object(&run)), (Some(0), json!({"devices": [device]})));
    let run = bs2_in(folder.path(), &arguments);
    assert!(run.stdout.ends_with("has all events of 1 device\n"), "{}", run.stdout);
}

#[test]
fn a_reader_of_two_sources_is_collected_once_and_it_is_said_which_one_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let sources = ["sim:backlog=1000", "sim:devices=2&backlog=1000"];
    let arguments = ["collect", "--from", sources[0], "--from", sources[1], "--once"];
    let run = bs2_in(folder.path(), &[arguments.as_slice(), &["--json"]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let said = |used: &str, standby: &str| {
        format!(
            "bs2: device 541000001 is reached over `{used}` and over `{standby}`: `{used}` is used, `{standby}` stands by\n"
        )
    };
    let [one, two] = sources;
    assert!([said(one, two), said(two, one)].contains(&run.stderr), "{}", run.stderr);
    let report = object(&run);
    let devices: Vec<_> =
        report["devices"].as_array().unwrap().iter().map(|one| one["device_id"].as_u64().unwrap()).collect();
    assert_eq!(devices, [541_000_001, 541_000_002]);
    assert_eq!(stored(&folder.path().join("bs2-events.db")).len(), 2_000);

    let run = bs2_in(folder.path(), &arguments);
    assert!(run.stdout.ends_with("has all events of 2 devices\n"), "{}", run.stdout);
}

#[test]
fn arguments_that_cannot_be_right_are_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text"), "not a database, only a text of some length ".repeat(40)).unwrap();
    let refused: [(&[&str], &str); 12] = [
        (&["--from", "readers:1"], "scheme `readers` is not known; known are `gateway`, `sdk` and `sim`"),
        (
            &["--from", "sdk:libBS_SDK_V2.so"],
            "no device is named: give `device` (an address), `search`, or `accept` (how many devices connect)",
        ),
        (&["--from", "readers"], "the URL has no scheme, such as `gateway:` or `sqlite:`"),
        (&["--from", "sim:devices=0"], "setting `devices`: `0` is not a number from 1 to 100000"),
        (&["--from", "sim:rate=-1"], "setting `rate`: `-1` is not a number"),
        (&["--from", "sim:devises=2"], "setting `devises` is not known"),
        (&["--from", "sim:replay=no/such.tsv"], "replayed file `no/such.tsv` cannot be read"),
        (
            &["--into", "postgres:events"],
            "destination `postgres:` is not known; known are `biostar-x://HOST`, `memory:` and `sqlite:PATH`",
        ),
        (
            &["--into", "sqlite:"],
            "destination `sqlite:` needs the path of a file, such as `sqlite:events.db`",
        ),
        (&["--truth", "no/such/folder/truth.tsv"], "cannot write the truth into no/such/folder/truth.tsv"),
        (&["--into", "sqlite:text"], "cannot open: the file is not an SQLite database"),
        (&["--into", "sqlite:no/such/folder/a.db"], "no/such/folder"),
    ];
    for (arguments, error) in refused {
        let run = bs2_in(folder.path(), &[&["collect", "--once"], arguments].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(
            run.stderr.starts_with("bs2: ") && run.stderr.contains(error),
            "{arguments:?}: {}",
            run.stderr
        );
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["text"]);
}

#[test]
fn a_command_line_that_cannot_be_understood_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        ["--for", "soon"].as_slice(),
        &["--for", "-1s"],
        &["--once", "--for", "1s"],
        &["--from"],
        &["sim:devices=2"],
    ] {
        let run = bs2_in(folder.path(), &[&["collect"], arguments].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{arguments:?}");
    }
    assert!(!folder.path().join("bs2-events.db").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_truth_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let run = bs2_in(folder.path(), &["collect", "--from", "sim:", "--once", "--truth", "/dev/full"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.starts_with("bs2: cannot write the truth into /dev/full: "), "{}", run.stderr);
}
