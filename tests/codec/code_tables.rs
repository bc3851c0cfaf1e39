//! The tables in `src/codec/tables` are the source of every name; the Rust files made from them must say the same.
//!
//! `BS2_WRITE_TABLES=1 cargo test --test codec code_tables` writes the Rust files again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bs2_events::codec::code::{Category, NameStatus, Severity};
use bs2_events::codec::sdk_code::SdkCode;
use bs2_events::codec::subject::Confidence;
use bs2_events::codec::{EventCode, SubjectKind};

#[test]
fn constants_are_those_of_the_table() {
    let mut text = String::from(
        "//! Made from `src/codec/tables/event_codes.tsv` by `tests/codec/code_tables.rs`; do not edit.\n\n\
         use super::EventCode;\n\n\
         macro_rules! constants {\n    ($($(#[$attribute:meta])* $name:ident = $code:literal;)*) => {\n\
         \x20       /// Names of the SDK, up to 2.9.12.\n        impl EventCode {\n\
         \x20           $($(#[$attribute])* #[doc = concat!(\"`\", stringify!($code), \"`\")] pub const $name: Self = Self($code);)*\n\
         \x20       }\n    };\n}\n\nconstants! {\n",
    );
    for row in rows("event_codes.tsv") {
        let [code, name, status, .., note] = &row[..] else { panic!("{row:?}") };
        match status.as_str() {
            "current" | "also" => {}
            "deprecated" => writeln!(text, "    #[deprecated(note = \"{note}\")]").unwrap(),
            _ => continue,
        }
        writeln!(text, "    {name} = {code};").unwrap();
    }
    text.push_str("}\n");
    check("src/codec/code/constants.rs", &text);
}

#[test]
fn event_names_are_those_of_the_tables() {
    let mut text = String::from(
        "//! Made from `src/codec/tables/{event,sub,catalogue}_codes.tsv` by `tests/codec/code_tables.rs`; do not edit.\n\n\
         use super::Category::{self, *};\nuse super::NameStatus::{self, *};\nuse super::Severity::{self, *};\n\
         use super::{CodeName, EventCode};\n\n/// By code; the first row of a code has its present name.\n#[rustfmt::skip]\n\
         pub(super) static NAMES: &[CodeName] = &[\n",
    );
    for name in expected_names() {
        let Name { code, name, sub_name, status, category, severity, note, .. } = name;
        let category = category.to_string();
        let category = category[..1].to_uppercase() + &category[1..];
        match sub_name {
            Some(sub) => writeln!(
                text,
                "    sub(0x{code:04X}, {name:?}, {sub:?}, {status:?}, {category}, {severity:?}, {note:?}),"
            ),
            None => writeln!(
                text,
                "    main(0x{code:04X}, {name:?}, {status:?}, {category}, {severity:?}, {note:?}),"
            ),
        }
        .unwrap();
    }
    text.push_str(
        "];\n\n#[rustfmt::skip]\nconst fn main(code: u16, name: &'static str, status: NameStatus, category: Category, severity: Severity, note: &'static str) -> CodeName {\n\
         \x20   CodeName { code: EventCode(code), name, sub_name: None, status, category, severity, note }\n}\n\n\
         #[rustfmt::skip]\nconst fn sub(code: u16, name: &'static str, sub_name: &'static str, status: NameStatus, category: Category, severity: Severity, note: &'static str) -> CodeName {\n\
         \x20   CodeName { code: EventCode(code), name, sub_name: Some(sub_name), status, category, severity, note }\n}\n",
    );
    check("src/codec/code/names.rs", &text);
}

#[test]
fn error_names_are_those_of_the_table() {
    let mut text = String::from(
        "//! Made from `src/codec/tables/error_codes.tsv` by `tests/codec/code_tables.rs`; do not edit.\n\n\
         use super::{SdkCode, SdkCodeName};\nuse crate::codec::code::NameStatus::{self, *};\n\n\
         /// By descending code; the first row of a code has its present name.\n#[rustfmt::skip]\n\
         pub(super) static NAMES: &[SdkCodeName] = &[\n",
    );
    for row in rows("error_codes.tsv") {
        let [value, name, group, status, _] = &row[..] else { panic!("{row:?}") };
        writeln!(text, "    row({value}, {name:?}, {group:?}, {:?}),", parse_status(status)).unwrap();
    }
    text.push_str(
        "];\n\n#[rustfmt::skip]\nconst fn row(code: i32, name: &'static str, group: &'static str, status: NameStatus) -> SdkCodeName {\n\
         \x20   SdkCodeName { code: SdkCode(code), name, group, status }\n}\n",
    );
    check("src/codec/sdk_code/names.rs", &text);
}

#[test]
fn every_row_of_the_event_table_is_found_by_code_and_by_name() {
    let names = expected_names();
    assert_eq!(names.len(), EventCode::catalogue().len());
    for (expected, row) in names.iter().zip(EventCode::catalogue()) {
        assert_eq!(
            (row.code.get(), row.name, row.sub_name, row.status, row.category, row.severity, row.note),
            (
                expected.code,
                expected.name.as_str(),
                expected.sub_name.as_deref(),
                expected.status,
                expected.category,
                expected.severity,
                expected.note.as_str()
            )
        );
        assert!(row.code.names().contains(row));
        assert_eq!(row.code.category(), Some(expected.category));
        if !matches!(expected.status, NameStatus::Conflict | NameStatus::Catalogue) {
            for spelling in [row.name.to_owned(), row.name.to_lowercase(), format!("BS2_EVENT_{}", row.name)]
            {
                assert_eq!(spelling.parse(), Ok(row.code), "{spelling}");
            }
        }
    }
}

#[test]
fn a_conflicting_name_means_the_code_to_which_the_sdk_gives_it() {
    let conflicts: Vec<_> =
        EventCode::catalogue().iter().filter(|row| row.status == NameStatus::Conflict).collect();
    assert_eq!(conflicts.len(), 4);
    for row in conflicts {
        let meant: EventCode = row.name.parse().unwrap();
        assert_eq!(meant.get(), row.code.get() + 0x100, "{}", row.name);
        assert!(row.note.contains(&format!("0x{:04X}", meant.get())));
    }
}

#[test]
fn a_code_of_the_message_catalogue_has_a_name_of_its_own_and_no_other() {
    let rows = rows("catalogue_codes.tsv");
    assert_eq!(rows.len(), 108);
    for row in rows {
        let code = EventCode::new(hex(&row[0]));
        assert_eq!((code.name(), code.names().len()), (Some(row[1].as_str()), 1), "{code:?}");
        // Three of the names are those of another code too: the SDK's is meant, or the lowest.
        let named: EventCode = row[1].parse().unwrap();
        assert_eq!(named.name(), code.name());
        assert!(named <= code || named.names()[0].status == NameStatus::Current, "{code:?}");
    }
    assert_eq!("LICENSE_EXPIRED".parse(), Ok(EventCode::new(0x4D04)));
    assert_eq!("VIDEO_RECORDING_SPACE_SHORTAGE".parse(), Ok(EventCode::new(0x0C1C)));
}

#[test]
fn a_code_of_which_only_the_main_code_is_known_says_so_and_is_read_back() {
    let mut main_alone = 0;
    for number in 0..=u16::MAX {
        let code = EventCode::new(number);
        let expected = match (code.name(), code.main_name()) {
            (Some(name), _) => Some(name.to_owned()),
            (None, Some(main)) => {
                main_alone += 1;
                Some(format!("{main}+0x{:02X}", number & 0xFF))
            }
            (None, None) => None,
        };
        assert_eq!(code.full_name().as_deref(), expected.as_deref());
        assert_eq!(code.to_string(), expected.clone().unwrap_or_else(|| format!("0x{number:04X}")));
        if let Some(name) = expected.filter(|_| code.name().is_none()) {
            assert_eq!(name.parse(), Ok(code), "{name}");
            assert_eq!(format!("BS2_EVENT_{}", name.to_lowercase()).parse(), Ok(code), "{name}");
            assert!(code.describe().ends_with(&format!("unknown sub code 0x{:02X}", number & 0xFF)));
        }
    }
    assert!(main_alone > 10_000);
    assert_eq!(EventCode::new(0x6109).to_string(), "ZONE_APB_ALARM+0x09");
    for text in ["ZONE_APB_ALARM+9", "ZONE_APB_ALARM+0x9", "ZONE_APB_ALARM+0x+9", "NOBODY+0x09", "24832+0x09"]
    {
        assert!(text.parse::<EventCode>().is_err(), "{text}");
    }
}

#[test]
fn a_number_with_a_sign_is_no_code() {
    for text in ["+12", "-1", "0x+12", "0x-1", "", "0x", "65536", "0x10000", "12+1"] {
        assert!(text.parse::<EventCode>().is_err(), "{text}");
    }
}

#[test]
fn every_error_code_has_the_name_of_its_current_row() {
    for row in rows("error_codes.tsv") {
        let code = SdkCode::new(row[0].parse().unwrap());
        if row[3] == "current" {
            assert_eq!(code.name(), Some(row[1].as_str()));
        }
        assert!(SdkCode::catalogue().iter().any(|entry| entry.code == code && entry.name == row[1]));
    }
}

#[test]
fn every_code_has_the_subject_and_confidence_of_its_row() {
    let mut expected = BTreeMap::new();
    for row in rows("subjects.tsv") {
        let kind = match row[2].as_str() {
            "alarm_zone" => SubjectKind::AlarmZone,
            "card" => SubjectKind::Card,
            "door" => SubjectKind::Door,
            "input" => SubjectKind::Input,
            "interlock" => SubjectKind::Interlock,
            "lift" => SubjectKind::Lift,
            "none" => SubjectKind::None,
            "osdp" => SubjectKind::Osdp,
            "relay" => SubjectKind::Relay,
            "unknown" => SubjectKind::Unknown,
            "user" => SubjectKind::User,
            "zone" => SubjectKind::Zone,
            other => panic!("{other}"),
        };
        let confidence = match row[3].as_str() {
            "high" => Confidence::High,
            "medium" => Confidence::Medium,
            "low" => Confidence::Low,
            other => panic!("{other}"),
        };
        for code in hex(&row[0])..=hex(&row[1]) {
            expected.insert(code, (kind, confidence));
        }
    }
    for code in 0..=u16::MAX {
        let (kind, confidence) =
            expected.get(&code).copied().unwrap_or((SubjectKind::Unknown, Confidence::Low));
        assert_eq!(SubjectKind::of(EventCode::new(code)), kind, "0x{code:04X}");
        assert_eq!(SubjectKind::confidence(EventCode::new(code)), confidence, "0x{code:04X}");
    }
}

#[derive(Clone)]
struct Name {
    code: u16,
    name: String,
    sub_name: Option<String>,
    status: NameStatus,
    category: Category,
    severity: Severity,
    note: String,
    rank: u8,
}

/// The event tables joined: every full code, every main + sub, and the codes of the message catalogue, with the present
/// name of each code first.
fn expected_names() -> Vec<Name> {
    let mut names: Vec<Name> = rows("event_codes.tsv")
        .iter()
        .map(|row| Name {
            code: hex(&row[0]),
            name: row[1].clone(),
            sub_name: None,
            status: parse_status(&row[2]),
            category: parse_category(&row[3]),
            severity: match row[4].as_str() {
                "" => Severity::Normal,
                "alert" => Severity::Alert,
                "alarm" => Severity::Alarm,
                other => panic!("{other}"),
            },
            note: row[5].clone(),
            // A full code comes before main + sub; a bare main code after its sub code 0.
            rank: if hex(&row[0]) & 0xFF == 0 { 1 } else { 0 },
        })
        .collect();
    let mains = names.clone();
    for row in rows("sub_codes.tsv") {
        let [main_codes, sub, sub_name, adds, status, note] = &row[..] else { panic!("{row:?}") };
        for main_code in main_codes.split(',').map(hex) {
            let main = mains
                .iter()
                .find(|name| name.code == main_code && name.status == NameStatus::Current)
                .unwrap_or_else(|| panic!("0x{main_code:04X} has sub codes and no name"));
            let code = main_code | hex(sub);
            names.push(Name {
                code,
                name: if adds.is_empty() { sub_name.clone() } else { format!("{}_{adds}", main.name) },
                sub_name: Some(sub_name.clone()),
                status: parse_status(status),
                category: main.category,
                severity: main.severity,
                note: note.clone(),
                rank: if code & 0xFF == 0 { 0 } else { 1 },
            });
        }
    }
    for row in rows("catalogue_codes.tsv") {
        let [code, name, category, writer] = &row[..] else { panic!("{row:?}") };
        names.push(Name {
            code: hex(code),
            name: name.clone(),
            sub_name: None,
            status: NameStatus::Catalogue,
            category: parse_category(category),
            severity: Severity::Normal,
            note: match writer.as_str() {
                "device" => String::new(),
                "server" => "written by the BioStar server alone".to_owned(),
                other => panic!("{other}"),
            },
            rank: 0,
        });
    }
    names.sort_by_key(|name| (name.code, name.status != NameStatus::Current, name.rank));
    names
}

fn parse_status(text: &str) -> NameStatus {
    match text {
        "also" => NameStatus::Also,
        "conflict" => NameStatus::Conflict,
        "current" => NameStatus::Current,
        "deprecated" => NameStatus::Deprecated,
        "misspelt" => NameStatus::Misspelt,
        other => panic!("{other}"),
    }
}

fn parse_category(text: &str) -> Category {
    use Category::*;
    [Authentication, Device, Door, Input, Lift, Relay, Server, User, Zone]
        .into_iter()
        .find(|category| category.to_string() == text)
        .unwrap_or_else(|| panic!("{text}"))
}

fn hex(text: &str) -> u16 {
    u16::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

/// The rows of a table, without comments and heading.
fn rows(table: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path("src/codec/tables").join(table)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// Holds a file against the text that the tables make, or writes it.
fn check(file: &str, text: &str) {
    if std::env::var_os("BS2_WRITE_TABLES").is_some() {
        std::fs::write(path(file), text).unwrap();
        return;
    }
    let found = std::fs::read_to_string(path(file)).unwrap();
    assert!(
        found == text,
        "{file} differs from the tables; BS2_WRITE_TABLES=1 cargo test --test codec code_tables writes it"
    );
}

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}
