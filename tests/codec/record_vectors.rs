//! Known bytes of the records beside the event, read both ways.

#[cfg(feature = "serde")]
use bs2_events::codec::Event;
use bs2_events::codec::blob::{
    BlobHead, BlobSubject, EventBlob, EventMask, ExtInfo, ExtIoDevice, SmallBlob32, SmallBlob64,
    SmallBlobEx32, SmallBlobEx64,
};
use bs2_events::codec::filter::EventFilter;
use bs2_events::codec::subject::PortValue;
use bs2_events::codec::{DecodeReason, Temperature, UserId};

use crate::vectors::records::{Row, rows};

#[test]
fn every_vector_decodes_to_its_values() {
    for row in rows() {
        let (name, bytes) = (&row.name, &row.bytes[..]);
        match row.kind.as_str() {
            "ext-info" => check_info(&row, ExtInfo::from_bytes(bytes).unwrap(), "reserved"),
            "ext-io-device" => {
                let input = ExtIoDevice::from_bytes(bytes).unwrap();
                let found = (input.io_device_id(), input.port(), input.value().get(), input.reserved());
                let expected = (
                    row.number("io_device_id"),
                    row.number("port"),
                    row.number("value"),
                    row.number("reserved"),
                );
                assert_eq!(found, expected, "{name}");
            }
            "event-filter" => {
                let filter = EventFilter::from_bytes(bytes).unwrap();
                assert_eq!(filter.user_id().as_text(), Some(row.text("user_id")), "{name}");
                assert_eq!((filter.start(), filter.end()), (row.time("start"), row.time("end")), "{name}");
                assert_eq!((filter.code(), filter.tna_key()), (row.code(), row.number("tna_key")), "{name}");
            }
            "blob" => {
                let blob = EventBlob::from_bytes(bytes).unwrap();
                check_head(&row, blob.head());
                let image = row.bytes_of("image");
                let expected = row.mask().contains(EventMask::IMAGE).then_some(&image[..]);
                assert_eq!((blob.image(), blob.reserved()), (expected, row.number("reserved")), "{name}");
            }
            "small-blob-64" => {
                let blob = SmallBlob64::from_bytes(bytes).unwrap();
                check_head(&row, blob.head());
                let found = (blob.image_address(), blob.reserved());
                assert_eq!(found, (row.wide("image_address"), row.number("reserved")), "{name}");
            }
            "small-blob-32" => {
                let blob = SmallBlob32::from_bytes(bytes).unwrap();
                check_head(&row, blob.head());
                let found = (blob.image_address(), blob.reserved());
                assert_eq!(found, (row.wide("image_address"), row.number("reserved")), "{name}");
            }
            "small-blob-ex-64" => {
                let blob = SmallBlobEx64::from_bytes(bytes).unwrap();
                check_head(&row, blob.small_blob().head());
                let (small, temperature) = (blob.small_blob(), blob.temperature().unwrap());
                let found = (small.image_address(), small.reserved(), temperature.hundredths());
                let address = row.wide("image_address");
                assert_eq!(found, (address, row.number("reserved"), row.number("temperature")), "{name}");
            }
            "small-blob-ex-32" => {
                let blob = SmallBlobEx32::from_bytes(bytes).unwrap();
                check_head(&row, blob.small_blob().head());
                let (small, temperature) = (blob.small_blob(), blob.temperature().unwrap());
                let found = (small.image_address(), small.reserved(), temperature.hundredths());
                let address = row.wide("image_address");
                assert_eq!(found, (address, row.number("reserved"), row.number("temperature")), "{name}");
            }
            "portable" => portable::check(&row),
            kind => panic!("{kind}"),
        }
    }
}

#[test]
fn every_vector_is_built_from_its_values() {
    for row in rows() {
        let built = match row.kind.as_str() {
            "ext-info" => row.info("reserved").as_bytes().to_vec(),
            "ext-io-device" => {
                let value = PortValue::new(row.number("value"));
                let input = ExtIoDevice::new(row.number("io_device_id"), row.number("port"), value);
                input.with_reserved(0xA5).with_reserved(row.number("reserved")).as_bytes().to_vec()
            }
            "event-filter" => EventFilter::default()
                .with_user_id(*UserId::from_array(&[0xA5; 32]))
                .with_time(row.time("end"), row.time("start"))
                .with_tna_key(0xA5)
                .with_user_id(UserId::new(row.text("user_id")).unwrap())
                .with_time(row.time("start"), row.time("end"))
                .with_code(row.code())
                .with_tna_key(row.number("tna_key"))
                .as_bytes()
                .to_vec(),
            "blob" => {
                let mut buffer = vec![0xA5; EventBlob::SIZE];
                let blob = EventBlob::fill(&mut buffer, row.head(), &row.bytes_of("image")).unwrap();
                blob.set_reserved(row.number("reserved"));
                buffer
            }
            "small-blob-64" => {
                let blob = SmallBlob64::new(row.head(), row.wide("image_address")).with_reserved(0xA5);
                blob.with_reserved(row.number("reserved")).as_bytes().to_vec()
            }
            "small-blob-32" => {
                let blob = SmallBlob32::new(row.head(), row.wide("image_address")).with_reserved(0xA5);
                blob.with_reserved(row.number("reserved")).as_bytes().to_vec()
            }
            "small-blob-ex-64" => {
                let blob = SmallBlob64::new(row.head(), row.wide("image_address"));
                let temperature = Temperature::from_hundredths(row.number("temperature"));
                let blob = blob.with_reserved(row.number("reserved"));
                SmallBlobEx64::new(blob, temperature).as_bytes().to_vec()
            }
            "small-blob-ex-32" => {
                let blob = SmallBlob32::new(row.head(), row.wide("image_address"));
                let temperature = Temperature::from_hundredths(row.number("temperature"));
                let blob = blob.with_reserved(row.number("reserved"));
                SmallBlobEx32::new(blob, temperature).as_bytes().to_vec()
            }
            "portable" => portable::build(&row),
            kind => panic!("{kind}"),
        };
        assert!(built == row.bytes, "{}", row.name);
    }
}

#[test]
fn a_size_greater_than_the_image_is_cut_and_kept() {
    let mut bytes = vec![0xD8; EventBlob::SIZE];
    bytes[..2].copy_from_slice(&[0xFF; 2]);
    bytes[55..57].copy_from_slice(&[0xFF; 2]);
    let blob = EventBlob::from_bytes(&bytes).unwrap();
    assert_eq!(blob.head().image_size(), u16::MAX);
    assert_eq!(blob.image(), Some(&[0xD8; 16_384][..]));
    assert!(blob.as_bytes() == bytes);
}

#[test]
fn every_shorter_blob_names_the_field_it_ends_in() {
    let bytes = vec![0; EventBlob::SIZE];
    for len in (0..60).chain(16_400..EventBlob::SIZE) {
        let error = EventBlob::from_bytes(&bytes[..len]).unwrap_err();
        let (field, start) = FIELDS.iter().rev().find(|(_, start)| *start <= len).unwrap();
        assert_eq!((error.record, error.field, error.offset), ("event blob", *field, *start), "{len}");
        let DecodeReason::Truncated { needed, available } = error.reason else { panic!("{error}") };
        assert_eq!((available, needed > available), (len - start, true), "{len}");
    }
}

#[cfg(feature = "serde")]
#[test]
fn the_fuzz_corpora_begin_with_the_vectors() {
    use std::collections::BTreeMap;
    use std::path::Path;

    // The published package has no fuzz targets.
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    if !corpus.exists() {
        return;
    }
    let mut seeds = BTreeMap::new();
    for row in rows() {
        let target = if row.kind == "portable" { "portable" } else { "blob" };
        // A target takes the bytes that are missing from a long image for zeros, or for the end.
        let start = row.bytes[..row.bytes.len().min(100)].to_vec();
        seeds.insert(format!("{target}/{}.seed", row.name), start);
        // A long image in base64 makes no new way through the target.
        if let Some(json) = json(&row).filter(|json| json.len() < 1_000) {
            seeds.insert(format!("json/{}.seed", row.name), json.into_bytes());
        }
    }
    for event in crate::vectors::events() {
        let json = serde_json::to_vec(Event::from_bytes(&event.bytes).unwrap()).unwrap();
        seeds.insert(format!("json/event_{}.seed", event.name), json);
    }
    if std::env::var_os("BS2_WRITE_CORPUS").is_some() {
        for (name, bytes) in &seeds {
            std::fs::create_dir_all(corpus.join(name).parent().unwrap()).unwrap();
            std::fs::write(corpus.join(name), bytes).unwrap();
        }
    }
    let mut found = BTreeMap::new();
    for target in ["blob", "json", "portable"] {
        for entry in std::fs::read_dir(corpus.join(target)).unwrap() {
            let name = format!("{target}/{}", entry.unwrap().file_name().into_string().unwrap());
            if name.ends_with(".seed") {
                found.insert(name.clone(), std::fs::read(corpus.join(name)).unwrap());
            }
        }
    }
    assert!(
        found == seeds,
        "a corpus differs from the vectors; BS2_WRITE_CORPUS=1 cargo test --all-features --test codec writes it again"
    );
}

#[cfg(feature = "serde")]
fn json(row: &Row) -> Option<String> {
    use bs2_events::codec::portable::PortableBlob;
    use serde_json::to_string;

    let bytes = &row.bytes[..];
    match row.kind.as_str() {
        "ext-info" => to_string(ExtInfo::from_bytes(bytes).unwrap()),
        "ext-io-device" => to_string(ExtIoDevice::from_bytes(bytes).unwrap()),
        "event-filter" => to_string(EventFilter::from_bytes(bytes).unwrap()),
        "blob" => to_string(EventBlob::from_bytes(bytes).unwrap()),
        "small-blob-64" => to_string(SmallBlob64::from_bytes(bytes).unwrap()),
        "small-blob-32" => to_string(SmallBlob32::from_bytes(bytes).unwrap()),
        "small-blob-ex-64" => to_string(SmallBlobEx64::from_bytes(bytes).unwrap()),
        "small-blob-ex-32" => to_string(SmallBlobEx32::from_bytes(bytes).unwrap()),
        "portable" => to_string(&PortableBlob::decode(bytes).unwrap()),
        kind => panic!("{kind}"),
    }
    .ok()
}

fn check_info(row: &Row, info: &ExtInfo, reserved: &str) {
    let name = &row.name;
    assert_eq!(info.timestamp(), row.time("time"), "{name}");
    assert_eq!((info.device_id().get(), info.code()), (row.number("device_id"), row.code()), "{name}");
    assert_eq!(info.reserved(), row.bytes_of(reserved)[..], "{name}");
}

fn check_head(row: &Row, head: &BlobHead) {
    let (name, mask) = (&row.name, row.mask());
    assert_eq!((head.mask(), head.id()), (mask, row.number("id")), "{name}");
    check_info(row, head.info_field(), "info_reserved");
    assert_eq!(head.info().is_some(), mask.contains(EventMask::INFO), "{name}");
    let (subject, bit) = row.subject();
    assert_eq!((head.subject_field(), head.subject().bit()), (&subject, bit), "{name}");
    if let BlobSubject::User(user) = head.subject() {
        assert_eq!(user.as_text(), Some(row.text("user_id")), "{name}");
    }
    let (key, job_code) = head.key_fields();
    assert_eq!((key, job_code.0), (row.number("tna_key"), row.number("job_code")), "{name}");
    assert_eq!(head.tna_key(), mask.contains(EventMask::TNA_KEY).then_some(key), "{name}");
    assert_eq!(head.job_code(), mask.contains(EventMask::JOB_CODE).then_some(job_code), "{name}");
    assert_eq!(head.image_size(), row.number::<u16>("image_size"), "{name}");
}

mod portable {
    use bs2_events::codec::Temperature;
    use bs2_events::codec::blob::EventMask;
    use bs2_events::codec::portable::PortableBlob;

    use super::{Row, check_head};

    pub(super) fn check(row: &Row) {
        let (name, blob) = (&row.name, PortableBlob::decode(&row.bytes).unwrap());
        check_head(row, blob.head());
        let (image, temperature) = (row.bytes_of("image"), row.has("temperature"));
        let expected = row.mask().contains(EventMask::IMAGE).then_some(&image[..]);
        assert_eq!((blob.image(), blob.reserved()), (expected, row.number("reserved")), "{name}");
        let expected = temperature.then(|| row.number("temperature"));
        assert_eq!(blob.temperature().map(Temperature::hundredths), expected, "{name}");
    }

    pub(super) fn build(row: &Row) -> Vec<u8> {
        let mut blob = PortableBlob::new(row.head(), row.bytes_of("image")).unwrap();
        if row.has("temperature") {
            blob = blob.with_temperature(Temperature::from_hundredths(row.number("temperature")));
        }
        let mut bytes = vec![0xA5];
        blob.with_reserved(row.number("reserved")).encode(&mut bytes);
        bytes.split_off(1)
    }
}

/// Where each field of a blob begins.
const FIELDS: [(&str, usize); 9] = [
    ("event_mask", 0),
    ("event_id", 2),
    ("info", 6),
    ("subject", 18),
    ("tna_key", 50),
    ("job_code", 51),
    ("image_size", 55),
    ("image", 57),
    ("reserved", 16_441),
];
