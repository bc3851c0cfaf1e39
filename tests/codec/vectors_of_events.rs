//! Known bytes and the values they hold, read both ways.
//!
//! `BS2_WRITE_CORPUS=1 cargo test --test codec vectors_of_events` writes the seeds of the fuzz corpus again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bs2_events::codec::{
    CardData, DecodeReason, DeviceId, Event, EventCode, EventFlags, Subject, SubjectKind, Timestamp, UserId,
};

#[test]
fn every_vector_decodes_to_its_values() {
    for vector in crate::vectors::events() {
        let event = Event::from_bytes(&vector.bytes).unwrap();
        let name = &vector.name;
        assert_eq!(event.id(), vector.id, "{name}");
        assert_eq!(event.timestamp().as_unix_seconds(), vector.time, "{name}");
        assert_eq!(event.device_id().get(), vector.device_id, "{name}");
        assert_eq!(event.code().get(), vector.code, "{name}");
        assert_eq!(event.param(), vector.param, "{name}");
        assert_eq!(event.flags().bits(), vector.flags, "{name}");
        assert_eq!(event.flags().has_image(), vector.image, "{name}");
        assert_eq!(event.flags().daylight_saving(), vector.daylight_saving, "{name}");
        assert_eq!(event.flags().utc_offset_minutes(), vector.utc_offset_minutes, "{name}");
        assert_eq!(SubjectKind::of(event.code()), vector.kind, "{name}");
        match (event.subject(), vector.subject()) {
            // What stands behind the id's NUL is no part of it.
            (Subject::User(found), Subject::User(expected)) => {
                assert_eq!(found.as_bytes(), expected.as_bytes(), "{name}");
                assert_eq!(found.as_text(), vector.user_id(), "{name}");
                assert_eq!(event.user_id(), Some(found).filter(|user| !user.is_empty()), "{name}");
            }
            (found, expected) => {
                assert!(found == expected, "{name}: {found} is not {expected}");
                assert_eq!(event.user_id(), None, "{name}");
            }
        }
    }
}

#[test]
fn every_vector_is_built_from_its_values() {
    for vector in crate::vectors::events().into_iter().filter(|vector| !vector.reserved_is_set) {
        let code = EventCode::new(vector.code);
        // Every setter writes over an earlier value, so that a byte it forgets shows.
        let event = Event::builder(DeviceId::new(vector.device_id), vector.id, code)
            .timestamp(Timestamp::from_unix_seconds(0xA5A5_A5A5))
            .subject(Subject::Unknown(&[0xA5; 32]))
            .param(0xA5)
            .flags(EventFlags::from_bits_retain(0xA5))
            .timestamp(Timestamp::from_unix_seconds(vector.time))
            .subject(vector.subject())
            .param(vector.param)
            .flags(EventFlags::from_bits_retain(vector.flags))
            .build();
        let mut buffer = [0xA5; 3 * Event::SIZE];
        buffer[Event::SIZE..2 * Event::SIZE].copy_from_slice(event.as_bytes());
        let expected = [[0xA5; Event::SIZE], vector.bytes, [0xA5; Event::SIZE]].concat();
        assert_eq!(buffer[..], expected, "{}", vector.name);
    }
}

#[test]
fn every_vector_survives_a_round_trip_byte_for_byte() {
    for vector in crate::vectors::events() {
        let event: Event = *Event::from_bytes(&vector.bytes).unwrap();
        assert_eq!(event.as_bytes(), &vector.bytes, "{}", vector.name);
    }
}

#[test]
fn every_kind_of_subject_has_a_vector() {
    let kinds: BTreeSet<_> = crate::vectors::events().iter().map(|vector| vector.kind).collect();
    let used: BTreeSet<_> = (0..=u16::MAX).map(|code| SubjectKind::of(EventCode::new(code))).collect();
    assert_eq!(kinds, used);
}

#[test]
fn every_shorter_length_names_the_field_it_ends_in() {
    for len in 0..Event::SIZE {
        let (field, place) = FIELDS.iter().find(|(_, place)| place.contains(&len)).unwrap();
        let error = Event::from_bytes(&[0; Event::SIZE][..len]).unwrap_err();
        assert_eq!((error.record, error.field, error.offset), ("event", *field, place.start), "{len}");
        let (needed, available) = (place.len(), len - place.start);
        assert_eq!(error.reason, DecodeReason::Truncated { needed, available }, "{len}");
    }
}

#[test]
fn a_longer_length_names_the_bytes_too_many() {
    for count in 1..=2 * Event::SIZE {
        let error = Event::from_bytes(&vec![0; Event::SIZE + count]).unwrap_err();
        assert_eq!((error.record, error.field, error.offset), ("event", "end", Event::SIZE));
        assert_eq!(error.reason, DecodeReason::TrailingBytes { count });
    }
}

#[test]
fn a_page_ends_where_its_last_whole_event_ends() {
    let vectors = crate::vectors::events();
    let page: Vec<u8> = vectors.iter().flat_map(|vector| vector.bytes).collect();
    for len in 0..=page.len() {
        let (whole, left) = (len / Event::SIZE, len % Event::SIZE);
        let (events, rest) = Event::slice_from_prefix(&page[..len]);
        assert_eq!((events.len(), rest), (whole, &page[len - left..len]));
        match Event::slice_from_bytes(&page[..len]) {
            Ok(events) => assert_eq!((events.len(), left), (whole, 0)),
            Err(error) => {
                let (field, place) = FIELDS.iter().find(|(_, place)| place.contains(&left)).unwrap();
                assert_eq!((error.field, error.offset), (*field, whole * Event::SIZE + place.start));
                let (needed, available) = (place.len(), left - place.start);
                assert_eq!(error.reason, DecodeReason::Truncated { needed, available });
            }
        }
    }
    let events = Event::slice_from_bytes(&page).unwrap();
    assert!(events.iter().zip(&vectors).all(|(event, vector)| event.as_bytes() == vector.bytes));
}

#[test]
fn a_cast_keeps_the_address_wherever_the_bytes_begin() {
    let page = [0xA5; 8 + 3 * Event::SIZE];
    for start in 0..8 {
        let bytes = &page[start..start + 3 * Event::SIZE];
        let events = Event::slice_from_bytes(bytes).unwrap();
        assert_eq!(events.as_ptr().addr(), bytes.as_ptr().addr());
        assert_eq!(Event::slice_as_bytes(events).as_ptr_range(), bytes.as_ptr_range());
        let first = Event::from_bytes(&bytes[..Event::SIZE]).unwrap();
        assert_eq!(first.as_bytes().as_ptr(), bytes.as_ptr());
    }
}

#[test]
fn debug_and_display_do_not_show_who_it_was() {
    let (one, other) = (b"Ada.Lovelace-1815", b"Grace.Hopper-1906");
    for code in [0x1300, 0x1102, 0x2000, 0x8000, 0xA500, 0xFFFF] {
        let shown = [one, other].map(|id| {
            let user = UserId::new(id).unwrap();
            let card = CardData::new(id).unwrap();
            let subject = match SubjectKind::of(EventCode::new(code)) {
                SubjectKind::Card => Subject::Card(&card),
                SubjectKind::User => Subject::User(&user),
                _ => Subject::Unknown(user.as_array()),
            };
            let builder = Event::builder(DeviceId::new(1), 1, EventCode::new(code)).subject(subject);
            let event = builder.build();
            let (read, error) = (event.subject(), Event::slice_from_bytes(&event.as_bytes()[..30]));
            format!(
                "{event} {event:?} {event:#?} {builder:?} {read} {read:?} {read:#?} {user:?} {card:?} {error:?}"
            )
        });
        assert_eq!(shown[0], shown[1], "0x{code:04X}");
        for secret in spellings(one) {
            assert!(!shown[0].to_lowercase().contains(&secret), "0x{code:04X} shows {secret}");
        }
    }
}

#[test]
fn the_fuzz_corpus_begins_with_the_vectors() {
    // The published package has no fuzz targets.
    let Some(fuzz) = Some(path("fuzz")).filter(|path| path.exists()) else { return };
    let vectors = crate::vectors::events();
    let page: Vec<u8> = vectors.iter().take(4).flat_map(|vector| vector.bytes).collect();
    let mut seeds: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for vector in &vectors {
        seeds.insert(format!("event/{}.seed", vector.name), vector.bytes.to_vec());
        let code = EventCode::new(vector.code);
        for (spelling, text) in [("name", code.to_string()), ("hex", format!("0x{:04X}", code.get()))] {
            seeds.insert(format!("event_code/{:04x}_{spelling}.seed", code.get()), text.into_bytes());
        }
    }
    seeds.insert("event/page_cut_in_its_last_field.seed".to_owned(), page[..page.len() - 1].to_vec());
    seeds.insert("event_code/4864_decimal.seed".to_owned(), b"4864".to_vec());
    seeds.insert("event_code/prefix.seed".to_owned(), b"BS2_EVENT_ACCESS_DENIED".to_vec());

    let corpus = fuzz.join("corpus");
    if std::env::var_os("BS2_WRITE_CORPUS").is_some() {
        for (name, bytes) in &seeds {
            std::fs::create_dir_all(corpus.join(name).parent().unwrap()).unwrap();
            std::fs::write(corpus.join(name), bytes).unwrap();
        }
    }
    let mut found = BTreeMap::new();
    for target in ["event", "event_code"] {
        for entry in std::fs::read_dir(corpus.join(target)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".seed") {
                let bytes = std::fs::read(corpus.join(target).join(&name)).unwrap();
                found.insert(format!("{target}/{name}"), bytes);
            }
        }
    }
    assert!(
        found == seeds,
        "the corpus differs from the vectors; BS2_WRITE_CORPUS=1 cargo test --test codec writes it again"
    );
}

/// The text of an id, and its bytes as `{:02x}`, `{:?}` and spaced hexadecimal digits would show them.
fn spellings(id: &[u8]) -> [String; 4] {
    let joined =
        |separator: &str, each: fn(&u8) -> String| id.iter().map(each).collect::<Vec<_>>().join(separator);
    [
        String::from_utf8(id.to_vec()).unwrap().to_lowercase(),
        joined("", |byte| format!("{byte:02x}")),
        joined(" ", |byte| format!("{byte:02x}")),
        joined(", ", u8::to_string),
    ]
}

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Where each field of an event stands.
const FIELDS: [(&str, Range<usize>); 7] = [
    ("id", 0..4),
    ("date_time", 4..8),
    ("device_id", 8..12),
    ("subject", 12..44),
    ("code", 44..46),
    ("param", 46..47),
    ("flags", 47..48),
];
