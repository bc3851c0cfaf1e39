//! `bs2 codes`, run as its users run it.

use std::io;

use crate::command_line::{bs2, command, lines};
use bs2_events::codec::EventCode;
use serde_json::{Value, json};

#[test]
fn every_spelling_explains_the_same_code() {
    let expected = "\
code        0x1901 (6401)
name        ACCESS_DENIED_ACCESS_GROUP (current)
main code   0x1900 ACCESS_DENIED
sub code    1
category    authentication
outcome     denied
subject     user (medium confidence)
";
    for spelling in ["6401", "0x1901", "ACCESS_DENIED_ACCESS_GROUP", "bs2_event_access_denied_access_group"] {
        let run = bs2(&["codes", spelling], b"");
        assert_eq!((run.stdout.as_str(), run.stderr.as_str(), run.code), (expected, "", Some(0)));
    }
}

#[test]
fn a_main_code_comes_with_its_other_names_and_its_sub_codes() {
    for spelling in ["ACCESS_DENIED", "BS2_EVENT_ACCESS_DENIED", "6400"] {
        let run = bs2(&["codes", spelling], b"");
        assert_eq!(run.code, Some(0));
        for line in [
            "code        0x1900 (6400)",
            "name        ACCESS_DENIED (current)",
            "other name  ACCESS_EXCUSED (also): soft (timed) anti-passback: sub codes 0x08, 0x09 and 0x10 let the person in",
            "sub codes   0x1901 ACCESS_DENIED_ACCESS_GROUP",
            "            0x1908 ACCESS_EXCUSED_APB",
        ] {
            assert!(lines(&run.stdout).contains(&line), "{line:?} is not in\n{}", run.stdout);
        }
        // Each once, although 0x1907 has two names.
        assert_eq!(run.stdout.matches("0x1907").count(), 1);
    }
}

#[test]
fn a_name_that_an_old_page_gave_to_another_code_is_noted() {
    let explained = object(&["codes", "0x6900", "--json"]);
    assert_eq!(explained["name"], "ZONE_SCHEDULED_LOCK_VIOLATION");
    let conflict =
        explained["names"].as_array().unwrap().iter().find(|name| name["status"] == "conflict").unwrap();
    assert_eq!(conflict["name"], "ZONE_FORCED_LOCK_START");
    assert!(conflict["note"].as_str().unwrap().contains("0x6A00"));
}

#[test]
fn the_object_of_a_code_has_all_that_is_known() {
    assert_eq!(
        object(&["codes", "BYPASS_FAIL", "--json"]),
        json!({
            "code": "0x1C00", "number": 7_168, "name": "BYPASS_FAIL_NO_VIOLATION",
            "main": "0x1C00", "main_name": "BYPASS_FAIL", "sub": 0,
            "category": "authentication", "outcome": "denied",
            "subject": {"kind": "user", "confidence": "medium"},
            "names": [
                {"name": "BYPASS_FAIL_NO_VIOLATION", "status": "current",
                    "note": "0x1B00 stays BYPASS_SUCCESS: no source gives its sub code 0 a meaning"},
                {"name": "BYPASS_FAIL", "status": "current", "note": "decided by temperature or mask"},
            ],
            "sub_codes": [
                {"code": "0x1C01", "name": "BYPASS_FAIL_THERMAL_VIOLATION"},
                {"code": "0x1C02", "name": "BYPASS_FAIL_MASK_VIOLATION"},
                {"code": "0x1C03", "name": "BYPASS_FAIL_MASK_THERMAL_VIOLATION"},
                {"code": "0x1C14", "name": "ACCESS_DENIED_TEMPERATURE_NOT_MEASURED_PROPERLY"},
            ],
        })
    );
}

#[test]
fn a_number_without_a_name_is_explained_as_unknown() {
    let run = bs2(&["codes", "65535"], b"");
    assert!(
        lines(&run.stdout).contains(&"name        unknown: the catalogue has none for this code"),
        "{}",
        run.stdout
    );
    assert_eq!(run.code, Some(0));
    let explained = object(&["codes", "0xffff", "--json"]);
    for field in ["name", "main_name", "category", "outcome"] {
        assert_eq!(explained[field], Value::Null, "{field}");
    }
    assert_eq!(explained["subject"], json!({"kind": "unknown", "confidence": "low"}));
}

#[test]
fn an_unknown_sub_code_has_the_name_of_its_main_code_and_says_so() {
    for spelling in ["0x10F0", "VERIFY_SUCCESS+0xF0"] {
        let run = bs2(&["codes", spelling], b"");
        let name = "name        VERIFY_SUCCESS+0xF0: only the main code is known, sub code 240 is not";
        assert!(lines(&run.stdout).contains(&name), "{}", run.stdout);
    }
    let explained = object(&["codes", "0x6109", "--json"]);
    assert_eq!((&explained["name"], &explained["names"]), (&json!("ZONE_APB_ALARM+0x09"), &json!([])));
}

#[test]
fn an_unknown_name_is_an_error_that_suggests_near_ones() {
    for (text, error) in [
        ("ACCES_DENIED", "near names are ACCESS_DENIED"),
        ("bs2_event_dor_opened", "near names are DOOR_OPENED"),
        ("DOOR_OPEN_LOUDLY", ERROR),
        ("0x10000", ERROR),
        ("70000", ERROR),
        ("", ERROR),
    ] {
        let run = bs2(&["codes", text], b"");
        assert_eq!(run.stderr, format!("bs2: cannot explain {text:?}: {error}\n"));
        assert_eq!((run.stdout.as_str(), run.code), ("", Some(1)));
    }
    let run = bs2(&["codes", "TAILGATE"], b"");
    assert!(run.stderr.contains("ACCESS_DENIED_ANTI_TAILGATE"), "{}", run.stderr);
}

#[test]
fn the_catalogue_has_an_object_and_a_line_for_every_name() {
    let (objects, table) = (bs2(&["codes", "--json"], b"").stdout, bs2(&["codes"], b"").stdout);
    let (objects, table, rows) = (lines(&objects), lines(&table), EventCode::catalogue());
    assert_eq!((objects.len(), table.len()), (rows.len(), rows.len()));
    for ((row, object), line) in rows.iter().zip(objects).zip(table) {
        let object: Value = serde_json::from_str(object).unwrap();
        let text = |field: &str| object[field].as_str().unwrap_or("-").to_owned();
        assert_eq!((text("name"), text("note")), (row.name.to_owned(), row.note.to_owned()));
        assert_eq!(text("code"), format!("0x{:04X}", row.code.get()));
        let mut words = line.split_whitespace();
        for field in ["code", "name", "status", "category", "outcome"] {
            assert_eq!(words.next(), Some(text(field).as_str()), "{line:?}");
        }
        assert!(line.ends_with(row.note), "{line:?}");
    }
}

#[test]
fn the_columns_of_the_catalogue_are_aligned() {
    let table = bs2(&["codes"], b"").stdout;
    let width = EventCode::catalogue().iter().map(|row| row.name.len()).max().unwrap();
    for line in table.lines() {
        for column in [8, width + 10, width + 22, width + 38] {
            assert_eq!(&line[column - 2..column], "  ", "{line:?}");
            assert_ne!(&line[column..=column], " ", "{line:?}");
        }
    }
}

#[test]
fn ends_quietly_when_nobody_reads_the_catalogue() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = command(&["codes"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn the_help_of_every_verb_shows_an_example() {
    let help = bs2(&["--help"], b"").stdout;
    let verbs =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // What is indented further goes on the line of a verb.
    let verbs = verbs.filter(|line| !line.starts_with("   "));
    let verbs: Vec<_> =
        verbs.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help").collect();
    assert_eq!(
        verbs,
        ["collect", "verify", "logs", "watch", "images", "decode", "encode", "codes", "record", "sim", "x"]
    );
    for verb in verbs {
        let run = bs2(&[verb, "--help"], b"");
        assert!(run.stdout.contains(&format!("\n  bs2 {verb} ")), "{}", run.stdout);
        assert_eq!(run.code, Some(0));
    }
}

/// The one object that this command prints.
fn object(arguments: &[&str]) -> Value {
    let run = bs2(arguments, b"");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&run.stdout).unwrap()
}

const ERROR: &str = "not an event code: a number up to 65535, 0x0000 to 0xFFFF, or a name is expected";
