//! `bs2 encode` and `bs2 decode`, one the inverse of the other.

#[cfg(target_os = "linux")]
use std::{io::Write, process::Stdio};

#[cfg(target_os = "linux")]
use crate::command_line::command;
use crate::command_line::{Run, bs2, lines, objects};
use crate::vectors::records::rows;
use serde_json::json;

#[test]
fn every_vector_is_decoded_and_encoded_to_itself() {
    let events = crate::vectors::events().into_iter().map(|event| ("event".to_owned(), event.bytes.to_vec()));
    for (kind, bytes) in rows().into_iter().map(|row| (row.kind, row.bytes)).chain(events) {
        let hex = hex(&bytes) + "\n";
        assert_eq!(there_and_back(&kind, hex.as_bytes()), hex, "{kind}");
    }
}

#[test]
fn random_bytes_of_every_kind_are_decoded_and_encoded_to_themselves() {
    let mut random = Random(0x5EED);
    for (kind, size, count) in KINDS {
        let bytes: Vec<u8> = (0..size * count).map(|_| random.byte()).collect();
        let found = there_and_back(kind, &bytes);
        let expected: Vec<String> = bytes.chunks(size).map(hex).collect();
        assert!(lines(&found) == expected, "{kind}");
        // As text the same.
        let text = expected.join("\n");
        assert!(there_and_back(kind, text.as_bytes()) == found, "{kind} as text");
    }
}

#[test]
fn portable_blobs_one_after_the_other_are_decoded_and_encoded_to_themselves() {
    let rows: Vec<_> = rows().into_iter().filter(|row| row.kind == "portable").collect();
    // Long enough that blobs begin in one piece of the input and end in the next.
    let bytes: Vec<u8> = rows.iter().flat_map(|row| row.bytes.clone()).collect::<Vec<_>>().repeat(5);
    let expected: Vec<String> = (0..5).flat_map(|_| rows.iter().map(|row| hex(&row.bytes))).collect();
    let found = there_and_back("portable", &bytes);
    assert!(lines(&found) == expected);

    let run = bs2(&["decode", "--as", "portable", "--json"], &bytes[..bytes.len() - 1]);
    assert_eq!((lines(&run.stdout).len(), run.code), (expected.len() - 1, Some(1)));
    let offset = bytes.len() - 4;
    assert_eq!(
        run.stderr,
        format!(
            "bs2: input: portable blob: field `job_code` at offset {offset}: 4 bytes needed, 3 available\n"
        )
    );
}

#[test]
fn a_blob_is_printed_with_every_field_whatever_its_mask() {
    let row = rows().into_iter().find(|row| row.name == "small_blob_64_door").unwrap();
    let run = bs2(&["decode", "--as", "small-blob-64", "--json", "--hex", &hex(&row.bytes)], b"");
    let expected = json!({
        "event_mask": 265,
        "event_id": 16_909_060,
        "info": {"time": 1_518_025_757, "device_id": 541_371_067, "code": "0x1307", "reserved": [225, 226]},
        "subject": {"kind": "door", "door_id": 3_490_561_775_u32, "raw": format!("efbe0dd0{}", "00".repeat(28))},
        "tna_key": 12,
        "job_code": 2_712_847_316_u32,
        "image_size": 65_244,
        "image_address": "0x1122334455667788",
        "reserved": 126,
    });
    assert_eq!(objects(&run), [expected]);
}

#[test]
fn fields_alone_make_a_record_and_what_is_left_out_is_zero() {
    let encode = |kind: &str, object: serde_json::Value| {
        let run = bs2(&["encode", "--as", kind], object.to_string().as_bytes());
        assert_eq!((run.stderr.as_str(), run.code), ("", Some(0)));
        run.stdout
    };
    let input = json!({"io_device_id": 283_013_377, "port": 515, "value": -1, "reserved": 0x99});
    assert_eq!(encode("ext-io-device", input), "0171de100302ff99\n");
    let door = json!({"event_mask": 0x0008, "event_id": 1, "subject": {"kind": "door", "door_id": 2}});
    assert_eq!(
        encode("portable", door.clone()),
        format!("08000100000000{:064}\n", "02".to_owned() + &"0".repeat(62))
    );
    let small = format!("080001000000{}02{}\n", "00".repeat(12), "00".repeat(47));
    assert_eq!(encode("small-blob-64", door), small);
    let event = json!({"event_id": 1, "device_id": 2, "time": 3, "code": "VERIFY_SUCCESS", "param": 4,
        "subject": {"kind": "user", "user_id": "Zoë"}, "image": true, "dst": true, "utc_offset_minutes": -330});
    let expected = format!("0100000003000000020000005a6fc3ab{}001004af\n", "00".repeat(28));
    assert_eq!(encode("event", event), expected);
}

#[test]
fn a_whole_document_may_be_an_array_or_spread_over_lines() {
    let object = json!({"io_device_id": 1, "port": 2, "value": 3});
    let pretty = serde_json::to_string_pretty(&object).unwrap();
    let array = json!([object, object]).to_string();
    let run =
        bs2(&["encode", "--as", "ext-io-device", "-"], format!("{pretty}\n{pretty} {array}").as_bytes());
    assert_eq!((run.stdout, run.code), ("0100000002000300\n".repeat(4), Some(0)));
}

#[test]
fn an_object_that_is_no_record_gives_an_error_with_its_number_and_not_what_it_holds() {
    let good = r#"{"io_device_id": 1, "port": 2, "value": 3}"#;
    let input = format!("{good}\n{{\"io_device_id\": \"Ada\"}}\n\"Ada\"\n[1815, {good}]\n{good} Ada {good}");
    let run = bs2(&["encode", "--as", "ext-io-device"], input.as_bytes());
    assert_eq!(run.stdout, "0100000002000300\n".repeat(3));
    assert_eq!(
        lines(&run.stderr),
        [
            "bs2: record 2: field `io_device_id`: a number from 0 to 4294967295 is expected",
            "bs2: record 3: an object of named fields is expected",
            "bs2: record 4: an object of named fields is expected",
            "bs2: input: expected value at line 5 column 44",
        ]
    );
    assert_eq!(run.code, Some(1));
}

#[test]
fn a_field_that_stands_twice_is_an_error_and_not_the_last_one() {
    let twice = r#"{"io_device_id": 1, "port": 2, "port": 3, "value": -1}"#;
    for input in [twice.to_owned(), format!("[{twice}]")] {
        let run = bs2(&["encode", "--as", "ext-io-device"], input.as_bytes());
        let found = (run.stdout.as_str(), run.stderr.as_str(), run.code);
        assert_eq!(found, ("", "bs2: record 1: duplicate field `port`\n", Some(1)));
    }
}

#[test]
fn an_array_that_breaks_off_gives_what_it_has() {
    let good = r#"{"io_device_id": 1, "port": 2, "value": 3}"#;
    let run = bs2(&["encode", "--as", "ext-io-device"], format!("[{good}, [{good}], {good}").as_bytes());
    assert_eq!(run.stdout, "0100000002000300\n".repeat(2));
    assert_eq!(
        lines(&run.stderr),
        [
            "bs2: record 2: an object of named fields is expected",
            "bs2: input: EOF while parsing a list at line 1 column 133",
        ]
    );
    assert_eq!(run.code, Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn of_an_array_one_object_is_held_at_a_time_and_of_a_long_value_its_text() {
    let object = r#"{"io_device_id": 1, "port": 2, "value": 3}"#;
    for (input, end) in [
        (format!("[{object}{}", format!(", {object}").repeat(200_000)), "]"),
        (format!("{{\"x\": [0{}", ",0".repeat(4_000_000)), "]}"),
    ] {
        let mut child = command(&["encode", "--as", "ext-io-device"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        // All but what waits in the pipe was read by now.
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        stdin.write_all(end.as_bytes()).unwrap();
        drop(stdin);
        child.wait().unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim_end_matches("kB").trim().parse().unwrap();
        assert!(peak < 64_000, "{peak} kB for {} bytes", input.len());
    }
}

#[test]
fn hostile_bytes_give_a_value_or_an_error_with_record_field_and_offset() {
    let mut blob = vec![0xFF; 16_442];
    blob[57..].fill(0xD8);
    let hex_of_blob = hex(&blob) + "\n";
    assert_eq!(there_and_back("blob", hex_of_blob.as_bytes()), hex_of_blob);

    for (kind, hex, error) in [
        (
            "portable",
            "00010100000000ffff",
            "portable blob: field `image` at offset 9: 65535 bytes needed, 0 available",
        ),
        ("portable", "ffff", "portable blob: field `event_id` at offset 2: 4 bytes needed, 0 available"),
        ("blob", "ffff", "event blob: field `event_id` at offset 2: 4 bytes needed, 0 available"),
        ("small-blob-32", "00", "small blob: field `event_mask` at offset 0: 2 bytes needed, 1 available"),
        (
            "ext-info",
            "000102030405060708090a",
            "ext info: field `reserved` at offset 10: 2 bytes needed, 1 available",
        ),
    ] {
        let run = bs2(&["decode", "--as", kind, "--json", "--hex", hex], b"");
        assert_eq!((run.stdout.as_str(), run.code), ("", Some(1)));
        assert_eq!(run.stderr, format!("bs2: --hex: {error}\n"));
    }
}

#[test]
fn a_line_for_people_shows_no_person_and_an_explanation_does() {
    for (kind, bytes) in rows().into_iter().map(|row| (row.kind, row.bytes)) {
        let shown = bs2(&["decode", "--as", &kind], &bytes);
        assert_eq!((lines(&shown.stdout).len(), shown.code), (1, Some(0)), "{kind}");
        assert!(!shown.stdout.contains("alpha_1") && !shown.stdout.contains("616c706861"));
        let explained = bs2(&["decode", "--as", &kind, "--explain"], &bytes);
        assert_eq!((explained.stderr.as_str(), explained.code), ("", Some(0)));
        assert_eq!(end_of_last_line(&explained), bytes.len(), "{kind}: {}", explained.stdout);
    }
    let row = rows().into_iter().find(|row| row.name == "small_blob_ex_64").unwrap();
    let run = bs2(&["decode", "--as", "small-blob-ex-64", "--explain", "--hex", &hex(&row.bytes)], b"");
    let fields: Vec<_> = lines(&run.stdout).iter().map(|line| line.split_at(57.min(line.len()))).collect();
    assert_eq!(fields[0].0.trim_end(), "offset  bytes");
    assert_eq!(fields[0].1, "field          value");
    assert_eq!(fields[7].0, "    18  61 6c 70 68 61 5f 31 00 00 00 00 00 00 00 00 00  ");
    assert_eq!(fields[7].1, "subject        user \"alpha_1\"");
    assert_eq!(
        lines(&run.stdout).last(),
        Some(&&*format!("{:57}temperature    36.55 °C", "    66  47 0e 00 00"))
    );
}

/// `decode --json` and `encode` of what it prints.
fn there_and_back(kind: &str, input: &[u8]) -> String {
    let decoded = bs2(&["decode", "--as", kind, "--json"], input);
    assert_eq!((decoded.stderr.as_str(), decoded.code), ("", Some(0)), "{kind}");
    let encoded = bs2(&["encode", "--as", kind], decoded.stdout.as_bytes());
    assert_eq!((encoded.stderr.as_str(), encoded.code), ("", Some(0)), "{kind}");
    encoded.stdout
}

/// Where the bytes end of which an explanation tells.
fn end_of_last_line(explained: &Run) -> usize {
    let last = explained.stdout.lines().last().unwrap();
    let offset: usize = last[..6].trim().parse().unwrap();
    offset + last[8..55.min(last.len())].split_whitespace().count()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SplitMix64: enough chance for a test, and the same everywhere.
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as u8
    }
}

/// Every kind of fixed size, its bytes, and how many are tried.
const KINDS: [(&str, usize, usize); 9] = [
    ("event", 48, 2_000),
    ("ext-info", 12, 2_000),
    ("ext-io-device", 8, 2_000),
    ("event-filter", 44, 2_000),
    ("blob", 16_442, 40),
    ("small-blob-64", 66, 2_000),
    ("small-blob-32", 62, 2_000),
    ("small-blob-ex-64", 70, 2_000),
    ("small-blob-ex-32", 66, 2_000),
];
