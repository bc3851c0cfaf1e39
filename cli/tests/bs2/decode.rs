//! `bs2 decode`, run as its users run it.

use std::fmt::Write as _;
use std::io;

use crate::command_line::{bs2, command, lines};
use serde_json::{Value, json};

#[test]
fn prints_the_object_of_a_measured_event_field_by_field() {
    let run = bs2(&["decode", "--as", "event", "--json", "--hex", TOUCH], b"");
    let expected = concat!(
        r#"{"event_id":1,"time":1518025757,"time_utc":"2018-02-07T17:49:17Z","device_id":541371067,"#,
        r#""code":"0x1301","name":"IDENTIFY_SUCCESS_FINGER","main":"0x1300","sub":1,"param":3,"image":true,"#,
        r#""dst":false,"utc_offset_minutes":0,"outcome":"granted","subject":{"kind":"user","user_id":"1001"},"#,
        r#""raw":"RAW"}"#
    );
    assert_eq!(run.stdout, expected.replace("RAW", TOUCH) + "\n");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn bytes_are_read_as_people_paste_them() {
    let pairs: Vec<_> = TOUCH.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap()).collect();
    let of = |before: &str, between: &str| format!("{before}{}", pairs.join(between));
    let forms = [
        of("", "-").to_uppercase(),
        of("", ":"),
        format!(r"\x{TOUCH}"),
        of(r"\x", r"\x"),
        format!("X'{TOUCH}'"),
        of("0x", ", 0x"),
        format!("{{ {} }}", of("0x", ", 0x")),
        format!("unsigned char event[48] = {{{}}};", of("0x", ",0x")),
    ];
    for form in &forms {
        let run = bs2(&["decode", "--json", "--hex", form], b"");
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{form}");
        assert_eq!(serde_json::from_str::<Value>(&run.stdout).unwrap()["raw"], TOUCH, "{form}");
    }
    // A file has one record a line, each in a form of its own.
    let run = bs2(&["decode", "--json"], forms.join("\n").as_bytes());
    assert_eq!((run.code, run.stderr.as_str(), lines(&run.stdout).len()), (Some(0), "", forms.len()));
    let over_lines = format!("{{\n    {}\n}};\n", of("0x", ",\n    0x"));
    let run = bs2(&["decode", "--hex", &over_lines], b"");
    assert_eq!((run.code, lines(&run.stdout).len(), run.stderr.as_str()), (Some(0), 1, ""));
}

#[test]
fn reads_measured_subjects_as_the_member_that_the_code_stands_for() {
    for (hex, subject) in [
        (DOOR, json!({"kind": "door", "door_id": 3_490_561_775_u32})),
        (LIFT, json!({"kind": "lift", "lift_id": 301_400_065})),
        (ZONE, json!({"kind": "zone", "zone_id": 541_982_721})),
        (INPUT, json!({"kind": "input", "io_device_id": 283_013_377, "port": 515, "value": 2})),
        (
            ALARM,
            json!({"kind": "alarm_zone", "zone_id": 2_711_724_449_u32, "door_id": 2_998_055_602_u32,
                "io_device_id": 3_284_386_755_u32, "port": 54_485}),
        ),
        (FULL_USER_ID, json!({"kind": "user", "user_id": "Z".repeat(32)})),
    ] {
        assert_eq!(object(hex)["subject"], subject);
    }
}

#[test]
fn reads_subjects_made_by_hand_and_ignores_their_reserved_bytes() {
    let data = "a5".repeat(28);
    for (code, subject, expected) in [
        (0x1102, "cafe00", json!({"kind": "card", "card_data": format!("cafe00{}a5", data)})),
        (
            0x1102,
            &format!("3735{}", "00".repeat(30)),
            json!({"kind": "card", "card_data": format!("3735{}", "00".repeat(30)), "card_text": "75"}),
        ),
        (0x3F00, "010000000200ff", json!({"kind": "input", "io_device_id": 1, "port": 2, "value": -1})),
        (
            0xA000,
            "0900000001000000020000000300000004000000",
            json!({"kind": "interlock", "zone_id": 9, "door_ids": [1, 2, 3, 4]}),
        ),
        (0xC300, "03000400", json!({"kind": "relay", "relay_port": 3, "input_port": 4})),
        (0x4E00, "07000000", json!({"kind": "osdp", "device_id": 7, "data": data})),
        (0x4200, "", json!({"kind": "none"})),
        (0xFFFF, "00", json!({"kind": "unknown", "data": format!("00{data}a5a5a5")})),
        (0x1400, "00", json!({"kind": "user", "user_id": ""})),
        (0x1000, "5a6fc3ab00", json!({"kind": "user", "user_id": "Zoë"})),
        (0x1000, "ff0100", json!({"kind": "user", "user_id_hex": "ff01"})),
    ] {
        assert_eq!(object(&record(code, subject))["subject"], expected, "0x{code:04X}");
    }
}

#[test]
fn says_what_the_code_and_the_last_byte_mean() {
    for (code, name, main, sub, outcome) in [
        (0x1301, json!("IDENTIFY_SUCCESS_FINGER"), "0x1300", 1, json!("granted")),
        (0x1901, json!("ACCESS_DENIED_ACCESS_GROUP"), "0x1900", 1, json!("denied")),
        (0x1908, json!("ACCESS_EXCUSED_APB"), "0x1900", 8, json!("granted")),
        (0x3201, json!("DEVICE_TIMEZONE_SET"), "0x3200", 1, json!(null)),
        (0xFFFF, json!(null), "0xFF00", 255, json!(null)),
    ] {
        let event = object(&record(code, ""));
        assert_eq!(event["code"], format!("0x{code:04X}"));
        let found = (&event["name"], &event["main"], &event["sub"], &event["outcome"]);
        assert_eq!(found, (&name, &json!(main), &json!(sub), &outcome));
    }
    for (last, image, dst, offset) in [
        ("4a", false, true, 540),
        ("48", false, false, 540),
        ("ad", true, false, -330),
        ("06", false, true, 30),
    ] {
        let event = object(&format!("{}{last}", &TOUCH[..94]));
        let found = (&event["image"], &event["dst"], &event["utc_offset_minutes"]);
        assert_eq!(found, (&json!(image), &json!(dst), &json!(offset)), "{last}");
    }
}

#[test]
fn a_line_for_people_names_things_and_no_person() {
    let run = bs2(&["decode", "--hex", &format!("{TOUCH}{DOOR}")], b"");
    assert_eq!(
        lines(&run.stdout),
        [
            "541371067 #1 2018-02-07T17:49:17Z IDENTIFY_SUCCESS_FINGER user",
            "541371067 #2 2018-02-07T17:49:17Z DOOR_UNLOCK_REQ_BY_OPERATOR door 3490561775",
        ]
    );
}

#[test]
fn hexadecimal_text_may_be_spaced_prefixed_and_in_capitals() {
    let spaced = format!("0x{} {}\n\t0X{DOOR}", &TOUCH[..7], TOUCH[7..].to_uppercase());
    let run = bs2(&["decode", "--json", "--hex", &spaced], b"");
    assert_eq!((raw(&run.stdout), run.code), (format!("{TOUCH}{DOOR}"), Some(0)));
}

#[test]
fn truncated_and_overlong_hexadecimal_text_gives_an_error_with_the_offset() {
    let two = format!("{TOUCH}{DOOR}");
    for (bytes, events, error) in [
        (0, 0, "nothing to decode"),
        (1, 0, "event: field `id` at offset 0: 4 bytes needed, 1 available"),
        (43, 0, "event: field `subject` at offset 12: 32 bytes needed, 31 available"),
        (47, 0, "event: field `flags` at offset 47: 1 byte needed, 0 available"),
        (49, 1, "event: field `id` at offset 48: 4 bytes needed, 1 available"),
        (95, 1, "event: field `flags` at offset 95: 1 byte needed, 0 available"),
    ] {
        let run = bs2(&["decode", "--hex", &two[..bytes * 2]], b"");
        assert_eq!((run.code, lines(&run.stdout).len()), (Some(1), events), "{bytes} bytes");
        assert_eq!(run.stderr, format!("bs2: --hex: {error}\n"));
    }
}

#[test]
fn what_is_not_hexadecimal_gives_an_error_with_its_place() {
    for (rest, error) in [
        ("0", "the byte at offset 48 has one digit instead of two"),
        ("0z", "character 98 is not a hexadecimal digit"),
        (" é", "character 98 is not a hexadecimal digit"),
    ] {
        let run = bs2(&["decode", "--hex", &format!("{TOUCH}{rest}")], b"");
        assert_eq!((run.code, lines(&run.stdout).len()), (Some(1), 1));
        assert_eq!(run.stderr, format!("bs2: --hex: {error}\n"));
    }
}

#[test]
fn every_line_of_a_text_stands_alone() {
    let text = format!(
        "# id, time, reader, subject, code\n\n{TOUCH}\r\n{TOUCH}00\nevent\n  0x{DOOR}\t\n{}\n12 3\n{ZONE}",
        &TOUCH[..50]
    );
    let run = bs2(&["decode", "--json"], text.as_bytes());
    assert_eq!(raw(&run.stdout), format!("{TOUCH}{DOOR}{ZONE}"));
    assert_eq!(
        lines(&run.stderr),
        [
            "bs2: line 4: event: field `end` at offset 48: 1 byte too many",
            "bs2: line 5: character 2 is not a hexadecimal digit",
            "bs2: line 7: event: field `subject` at offset 12: 32 bytes needed, 13 available",
            "bs2: line 8: the byte at offset 1 has one digit instead of two",
        ]
    );
    assert_eq!(run.code, Some(1));
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let text = format!("{}\n{TOUCH}\n#{}\n{DOOR}\n", "0".repeat(1_000_000), "#".repeat(1_000_000));
    let run = bs2(&["decode", "--json", "-"], text.as_bytes());
    assert_eq!(raw(&run.stdout), format!("{TOUCH}{DOOR}"));
    assert_eq!((run.stderr.as_str(), run.code), ("bs2: line 1: longer than 524288 characters\n", Some(1)));
}

#[test]
fn a_binary_file_is_decoded_to_its_last_whole_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.bin");
    let whole = bytes(&TOUCH.repeat(3_000));
    for (rest, error, code) in [
        (&[][..], "", Some(0)),
        (
            &[1, 2, 3, 4, 5],
            "bs2: input: event: field `date_time` at offset 144004: 4 bytes needed, 1 available\n",
            Some(1),
        ),
    ] {
        std::fs::write(&path, [&whole, rest].concat()).unwrap();
        let run = bs2(&["decode", "--json", path.to_str().unwrap()], b"");
        assert_eq!((raw(&run.stdout), run.stderr.as_str(), run.code), (TOUCH.repeat(3_000), error, code));
    }
}

#[test]
fn an_input_without_a_record_is_nothing_to_decode() {
    for input in ["", "\u{FEFF}", "# no record\n\n"] {
        let run = bs2(&["decode", "--json"], input.as_bytes());
        let found = (run.stdout.as_str(), run.stderr.as_str(), run.code);
        assert_eq!(found, ("", "bs2: input: nothing to decode\n", Some(1)));
    }
}

#[test]
fn a_text_may_have_a_mark_and_comments_in_any_language_and_its_lines_are_named() {
    let hex = "0171de100302ff99";
    for (text, records, error) in [
        (format!("\u{FEFF}{hex}\n"), 1, ""),
        (format!("# relevé nº 1, dans l'entrée principale du bâtiment\n{hex}"), 1, ""),
        (format!("# öäü\n{hex}\nöffnen\n{hex}\n"), 2, "line 3: character 1 is not a hexadecimal digit"),
        ("\u{FEFF}ABCDEFGH".to_owned(), 0, "line 1: character 7 is not a hexadecimal digit"),
        ("ABCDEFGHI".to_owned(), 0, "line 1: character 7 is not a hexadecimal digit"),
        ("ABCDEFG\n".to_owned(), 0, "line 1: character 7 is not a hexadecimal digit"),
    ] {
        let run = bs2(&["decode", "--as", "ext-io-device"], text.as_bytes());
        let error = if error.is_empty() { String::new() } else { format!("bs2: {error}\n") };
        assert_eq!((run.stderr, lines(&run.stdout).len()), (error, records), "{text}");
    }
}

#[test]
fn a_short_record_of_printable_bytes_is_binary() {
    for (kind, bytes) in [("ext-io-device", &b"ABCDEFGH"[..]), ("ext-info", b"ABCDEFGHIJKLabcdefghijkl")] {
        let run = bs2(&["decode", "--as", kind], bytes);
        assert_eq!((run.stderr.as_str(), run.code), ("", Some(0)), "{kind}");
    }
}

#[test]
fn the_beginning_of_a_capture_is_a_capture_that_was_cut() {
    for len in 1..12 {
        let run = bs2(&["decode"], &b"\x89BS2CAP\n\x01\0\0"[..len]);
        let start = "bs2: capture: record 0: capture: field `";
        assert!(run.stderr.starts_with(start) && run.stderr.ends_with(" available\n"), "{}", run.stderr);
        assert_eq!(run.code, Some(1));
    }
}

#[test]
fn the_longest_record_may_have_a_prefix_and_a_space_for_every_byte() {
    let blob = [&[0, 1, 7, 0, 0, 0, 0, 0xFF, 0xFF][..], &[0; 65_535]].concat();
    let text: Vec<String> = blob.iter().map(|byte| format!("0x{byte:02x}")).collect();
    let run = bs2(&["decode", "--as", "portable"], text.join(" ").as_bytes());
    assert_eq!((run.stderr.as_str(), lines(&run.stdout).len(), run.code), ("", 1, Some(0)));
}

#[test]
fn what_cannot_be_read_or_written_gives_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let run = bs2(&["decode", missing.to_str().unwrap()], b"");
    assert!(run.stderr.starts_with(&format!("bs2: cannot open {}: ", missing.display())), "{}", run.stderr);
    assert_eq!((lines(&run.stderr).len(), run.code), (1, Some(1)));

    let run = bs2(&["decode", "--hex", TOUCH, "events.bin"], b"");
    assert_eq!(run.code, Some(2), "{}", run.stderr);

    if let Ok(full) = std::fs::File::options().write(true).open("/dev/full") {
        let output = command(&["decode", "--hex", TOUCH]).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stderr.starts_with(b"bs2: cannot write the output: "));
    }
}

#[test]
fn ends_quietly_when_nobody_reads_what_it_prints() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = command(&["decode", "--hex", TOUCH]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));

    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let status = command(&["decode", "--hex", "zz"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn random_records_come_back_byte_for_byte() {
    let mut random = Random(0x5EED);
    let records: Vec<u8> = (0..10_000 * 48).map(|_| random.byte()).collect();
    let run = bs2(&["decode", "--json"], &records);
    assert_eq!((run.stderr.as_str(), run.code, lines(&run.stdout).len()), ("", Some(0), 10_000));
    assert!(bytes(&raw(&run.stdout)) == records, "the raw bytes differ from the input");
}

#[test]
fn every_random_line_is_an_event_or_an_error() {
    let mut random = Random(0xBAD);
    let mut text = String::new();
    let mut events = String::new();
    for _ in 0..10_000 {
        // Two of three lines have the right length; one character in 2 000 is no digit.
        let len = if random.byte().is_multiple_of(3) { usize::from(random.byte()) + 1 } else { 96 };
        let line: String = (0..len)
            .map(|_| match random.next() % 2_000 {
                0 => char::from(b'g' + random.byte() % 20),
                digit => char::from_digit(digit as u32 % 16, 16).unwrap(),
            })
            .collect();
        if len == 96 && line.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            events += &line;
        }
        writeln!(text, "{line}").unwrap();
    }
    let run = bs2(&["decode", "--json"], text.as_bytes());
    assert_eq!(run.code, Some(1));
    assert!(raw(&run.stdout) == events, "the events differ from the lines that hold one");
    assert_eq!(lines(&run.stderr).len(), 10_000 - events.len() / 96);
    assert!(lines(&run.stderr).iter().all(|line| line.starts_with("bs2: line ")));
}

#[test]
fn lines_of_random_bytes_do_no_harm() {
    for seed in 0..8 {
        let mut random = Random(seed);
        let mut input = Vec::new();
        for _ in 0..10_000 {
            let len = random.byte() % 100;
            // Even seeds begin as text, so that what follows is met as lines.
            let mask = if seed % 2 == 0 && input.len() < 48 { 0 } else { 0xFF };
            input.extend((0..len).map(|_| b' ' ^ (random.byte() & mask)));
            input.push(b'\n');
        }
        let run = bs2(&["decode", "--json"], &input);
        assert_eq!(run.code, Some(1), "seed {seed}");
        assert!(
            lines(&run.stderr).iter().all(|line| line.starts_with("bs2: ")),
            "seed {seed}: {}",
            run.stderr
        );
    }
}

/// The one object that `--json` prints for this record.
fn object(hex: &str) -> Value {
    let run = bs2(&["decode", "--json", "--hex", hex], b"");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let event: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(event["raw"], hex);
    event
}

/// The `raw` of every line, joined.
fn raw(stdout: &str) -> String {
    let events = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.map(|event| event["raw"].as_str().unwrap().to_owned()).collect()
}

/// A record of this code, whose subject goes on with `0xA5` after the bytes given.
fn record(code: u16, subject: &str) -> String {
    let [sub, main] = code.to_le_bytes();
    let rest = "a5".repeat(32 - subject.len() / 2);
    format!("{}{subject}{rest}{sub:02x}{main:02x}0000", &TOUCH[..24])
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// SplitMix64: enough chance for a test, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}

const TOUCH: &str =
    "010000001d3c7b5abbaa4420313030310000000000000000000000000000000000000000000000000000000001130301";
const FULL_USER_ID: &str =
    "ffffffff1d3c7b5abbaa44205a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a0610100a";
const DOOR: &str =
    "020000001d3c7b5abbaa4420efbe0dd000000000000000000000000000000000000000000000000000000000045e0000";
const LIFT: &str =
    "030000001d3c7b5abbaa44200100f7110000000000000000000000000000000000000000000000000000000008730700";
const ZONE: &str =
    "040000001d3c7b5abbaa442001004e200000000000000000000000000000000000000000000000000000000002600000";
const INPUT: &str =
    "050000001d3c7b5abbaa44200171de100302020000000000000000000000000000000000000000000000000000460006";
const ALARM: &str =
    "070000001d3c7b5abbaa4420a1a1a1a1b2b2b2b2c3c3c3c3d5d45a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a00930000";
