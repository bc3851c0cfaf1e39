//! `bs2 images`, run as its users run it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::command_line::{bs2, bs2_in, objects};

#[test]
fn every_picture_becomes_a_file_named_by_device_and_event() {
    let folder = tempfile::tempdir().unwrap();
    let run = bs2_in(folder.path(), &["images", "sim:backlog=1500&faults=disconnect,error", "--out", "a/b"]);
    let log = bs2(&["logs", "sim:backlog=1500", "--json"], b"");
    let events = objects(&log);
    let taken = events.iter().filter(|event| event["image"] == true);
    let names: Vec<_> = taken.map(|event| format!("541000001-{}.jpg", event["event_id"])).collect();
    assert!(names.len() > 32, "more than one page: {}", names.len());

    let files = files(&folder.path().join("a/b"));
    assert_eq!(files.len(), names.len());
    for name in &names {
        let jpeg = &files[name];
        assert!(jpeg.starts_with(&[0xFF, 0xD8]) && jpeg.ends_with(&[0xFF, 0xD9]), "{name}");
    }
    let told = format!("{} pictures written to a/b, 0 existed already\n", names.len());
    assert_eq!((run.code, run.stdout, run.stderr.as_str()), (Some(0), told, ""));
}

#[test]
fn pictures_that_the_log_announces_and_the_reader_lacks_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let log = objects(&bs2(&["logs", "sim:backlog=500", "--json"], b""));
    let record = ["record", "sim:backlog=500", "--once", "--out", "door.bs2cap"];
    assert_eq!(bs2_in(folder.path(), &record).code, Some(0));
    let pictures = log.iter().filter(|event| event["image"] == true).count();
    assert!(pictures > 0);
    let run = bs2_in(folder.path(), &["images", "sim:replay=door.bs2cap", "--out", "."]);
    let told = format!("the device does not have {pictures} pictures that its log announces");
    assert_eq!(run.stdout.lines().last(), Some(told.as_str()), "{}", run.stderr);
}

#[test]
fn a_part_is_taken_and_what_is_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let save = |arguments: &[&str]| {
        let all = [&["images", "sim:devices=2", "--device", "541000002", "--out", "."], arguments].concat();
        bs2_in(folder.path(), &all)
    };
    assert_eq!(save(&["--max", "3"]).stdout, "3 pictures written to ., 0 existed already\n");
    let first = files(folder.path());
    assert_eq!(save(&["--max", "5"]).stdout, "2 pictures written to ., 3 existed already\n");
    let five = files(folder.path());
    assert!(first.iter().all(|(name, bytes)| five[name] == *bytes));

    let ids = five.keys().map(|name| name["541000002-".len()..name.len() - 4].parse::<u32>().unwrap());
    let last = ids.max().unwrap().to_string();
    assert_eq!(save(&["--after", &last, "--max", "1"]).stdout, "1 picture written to ., 0 existed already\n");
    assert_eq!(files(folder.path()).len(), 6);
}

#[test]
fn another_file_of_the_same_name_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["images", "sim:", "--out", ".", "--max", "1"];
    assert_eq!(bs2_in(folder.path(), &arguments).code, Some(0));
    let name = files(folder.path()).into_keys().next().unwrap();
    fs::write(folder.path().join(&name), "mine").unwrap();
    let run = bs2_in(folder.path(), &arguments);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert_eq!(run.stderr, format!("bs2: ./{name} exists and is another picture\n"));
    assert_eq!(files(folder.path())[&name], b"mine");
}

#[test]
#[cfg(unix)]
fn a_picture_that_cannot_be_written_leaves_no_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    // No file may be longer than a kilobyte: a full disk that every machine has.
    let script = format!("ulimit -f 1; trap '' XFSZ; exec \"$0\" images sim: --out '{out}'");
    let shell = std::process::Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_bs2")]).output();
    let run = shell.unwrap();
    let complaint = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1), "{complaint}");
    assert!(complaint.starts_with(&format!("bs2: cannot write {out}/541000001-")), "{complaint}");
    assert!(files(folder.path()).is_empty());
}

#[test]
fn what_cannot_be_saved_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for (arguments, error) in [
        (["sim:", "--out", "file"].as_slice(), "bs2: cannot make the folder file: "),
        (&["sim:devices=2", "--out", "b"], "bs2: the source has 2 devices: choose one with --device\n"),
        (&["sim:", "--device", "7", "--out", "b"], "bs2: device 7: the source has no such device\n"),
    ] {
        let run = bs2_in(folder.path(), &[&["images"], arguments].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(run.stderr.starts_with(error), "{}", run.stderr);
    }
    assert!(!folder.path().join("b").exists());
}

#[test]
fn a_device_without_pictures_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let run = bs2_in(folder.path(), &["images", "sim:images=0", "--out", "a"]);
    let told = "device 541000001 takes no pictures\n";
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), told, ""));
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}
