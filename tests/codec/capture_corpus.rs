//! The seeds of the fuzz target `capture`.
//!
//! `BS2_WRITE_CORPUS=1 cargo test --all-features --test codec capture_corpus` writes them again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bs2_events::codec::capture::{CapturePayload, CaptureRecord, CaptureWriter, ConnectionStateRecord};
use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags, Temperature};

#[test]
fn the_seeds_are_a_file_of_every_kind_and_its_damaged_forms() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/capture");
    if !corpus.parent().unwrap().exists() {
        return; // A packaged crate comes without the fuzzer.
    }
    let seeds = seeds();
    if std::env::var_os("BS2_WRITE_CORPUS").is_some() {
        fs::create_dir_all(&corpus).unwrap();
        for (name, bytes) in &seeds {
            fs::write(corpus.join(name), bytes).unwrap();
        }
    }
    let files = fs::read_dir(&corpus).unwrap().map(Result::unwrap);
    let found: BTreeMap<_, _> = files
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .filter(|(name, _)| name.ends_with(".seed"))
        .collect();
    assert!(found == seeds, "the corpus differs; BS2_WRITE_CORPUS=1 writes it anew");
}

fn seeds() -> BTreeMap<String, Vec<u8>> {
    let file = every_kind();
    let flipped = |at: usize| {
        let mut file = file.clone();
        file[at] ^= 0x80;
        file
    };
    // Kinds and lengths as the target reads them, for payloads that fit their kind and for some that do not.
    let piece = |kind: u8, payload: &[u8]| {
        [&[kind], u16::to_le_bytes(payload.len() as u16).as_slice(), payload].concat()
    };
    let state = b"\x01connected";
    let pieces = [
        piece(1, &file[36..84]),
        piece(1, b""),
        piece(2, &[&file[36..84], &[0; 4]].concat()),
        piece(2, &file[36..83]),
        piece(3, b"opaque"),
        piece(4, &[&file[36..84], b"\xFF\xD8\xFF\xD9"].concat()),
        piece(5, state),
        piece(5, b"\x01\xFF"),
        piece(9, b"later"),
    ];
    [
        ("cut_in_header", file[..12 + 76 + 10].to_vec()),
        ("cut_in_payload", file[..file.len() - 10].to_vec()),
        ("damaged_length", flipped(12 + 19)),
        ("damaged_payload", flipped(40)),
        ("every_kind", file.clone()),
        ("head_alone", file[..12].to_vec()),
        ("later_version", flipped(9)),
        ("pieces", pieces.concat()),
    ]
    .map(|(name, bytes)| (format!("{name}.seed"), bytes))
    .into()
}

/// A file whose first record is an event.
fn every_kind() -> Vec<u8> {
    let device = DeviceId::new(540_000_001);
    let event = Event::builder(device, 1, EventCode::DOOR_OPENED).flags(EventFlags::IMAGE).build();
    let mut writer = CaptureWriter::new(Vec::new()).unwrap();
    for payload in [
        CapturePayload::Event(&event),
        CapturePayload::EventWithTemperature(&event, Temperature::from_hundredths(3_655)),
        CapturePayload::SmallBlob(b"opaque"),
        CapturePayload::ImageLog { event: &event, jpeg: b"\xFF\xD8\xFF\xD9" },
        CapturePayload::State(ConnectionStateRecord { code: 1, name: "connected" }),
        CapturePayload::Unknown { kind: 9, bytes: b"later" },
    ] {
        let received_at = 1_766_587_217_000;
        writer.append(&CaptureRecord { device, received_at, payload }).unwrap();
    }
    writer.into_inner()
}
