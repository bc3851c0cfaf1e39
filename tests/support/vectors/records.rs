//! The rows of `records.tsv`.
#![allow(dead_code)] // Each test file uses its own part.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::str::FromStr;

use bs2_events::codec::blob::{BlobHead, BlobSubject, EventMask, ExtInfo, ExtIoDevice};
use bs2_events::codec::subject::PortValue;
use bs2_events::codec::{CardData, DeviceId, EventCode, JobCode, Timestamp, UserId};

/// One row: bytes and what they hold.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
    fields: BTreeMap<String, String>,
}

/// Every row.
pub(crate) fn rows() -> Vec<Row> {
    let text = include_str!("records.tsv");
    text.lines().filter(|line| !line.starts_with('#')).skip(1).map(parse).collect()
}

impl Row {
    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.fields.get(field).unwrap_or_else(|| panic!("{} has no {field}", self.name))
    }

    pub(crate) fn number<T: FromStr<Err: Debug>>(&self, field: &str) -> T {
        self.text(field).parse().unwrap()
    }

    /// A number written as `0x` and digits.
    pub(crate) fn wide(&self, field: &str) -> u64 {
        u64::from_str_radix(self.text(field).strip_prefix("0x").unwrap(), 16).unwrap()
    }

    pub(crate) fn bytes_of(&self, field: &str) -> Vec<u8> {
        bytes(self.text(field))
    }

    pub(crate) fn code(&self) -> EventCode {
        EventCode::new(self.wide("code").try_into().unwrap())
    }

    pub(crate) fn mask(&self) -> EventMask {
        EventMask::from_bits_retain(self.wide("mask").try_into().unwrap())
    }

    pub(crate) fn time(&self, field: &str) -> Timestamp {
        Timestamp::from_unix_seconds(self.number(field))
    }

    pub(crate) fn info(&self, reserved: &str) -> ExtInfo {
        let info = ExtInfo::new(self.time("time"), DeviceId::new(self.number("device_id")), self.code());
        info.with_reserved([0xA5; 2]).with_reserved(self.bytes_of(reserved).try_into().unwrap())
    }

    /// The 32 bytes of the subject, and the bit that stands for it.
    pub(crate) fn subject(&self) -> ([u8; 32], EventMask) {
        let subject = |subject: BlobSubject<'_>| (subject.to_bytes(), subject.bit());
        if self.has("user_id") {
            subject(BlobSubject::User(&UserId::new(self.text("user_id")).unwrap()))
        } else if self.has("card_data") {
            subject(BlobSubject::Card(&CardData::new(self.bytes_of("card_data")).unwrap()))
        } else if self.has("door_id") {
            subject(BlobSubject::Door { door_id: self.number("door_id") })
        } else if self.has("zone_id") {
            subject(BlobSubject::Zone { zone_id: self.number("zone_id") })
        } else if self.has("io_device") {
            let parts: Vec<&str> = self.text("io_device").split(':').collect();
            let [id, port, value, reserved] = parts[..] else { panic!("{}", self.name) };
            let value = PortValue::new(value.parse().unwrap());
            let input = ExtIoDevice::new(id.parse().unwrap(), port.parse().unwrap(), value);
            subject(BlobSubject::IoDevice(&input.with_reserved(reserved.parse().unwrap())))
        } else {
            assert!(self.has("none"), "{}", self.name);
            subject(BlobSubject::None)
        }
    }

    /// The head of these values. Every setter writes over an earlier value, so that a byte it forgets shows.
    pub(crate) fn head(&self) -> BlobHead {
        let (subject, bit) = self.subject();
        assert!(self.mask().contains(bit), "{}", self.name);
        BlobHead::new(self.number("id"))
            .with_info(ExtInfo::new(Timestamp::from_unix_seconds(0xA5A5), DeviceId::new(0xA5), self.code()))
            .with_subject_field([0xA5; 32])
            .with_tna_key(0xA5)
            .with_job_code(JobCode(0xA5A5_A5A5))
            .with_image_size(0xA5A5)
            .with_info(self.info("info_reserved"))
            .with_subject_field(subject)
            .with_tna_key(self.number("tna_key"))
            .with_job_code(JobCode(self.number("job_code")))
            .with_image_size(self.number("image_size"))
            .with_mask(self.mask())
    }
}

fn parse(line: &str) -> Row {
    let columns: Vec<&str> = line.split('\t').collect();
    let [name, kind, origin, digits, fields] = columns[..] else { panic!("{line}") };
    assert!(["measured", "hand"].contains(&origin), "{line}");
    let fields = fields.split(' ').map(|field| field.split_once('=').unwrap());
    Row {
        name: name.to_owned(),
        kind: kind.to_owned(),
        bytes: bytes(digits),
        fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    }
}

/// Pieces of hexadecimal digits, of which `hh*n` is a byte n times.
fn bytes(text: &str) -> Vec<u8> {
    let piece = |piece: &str| match piece.split_once('*') {
        Some((byte, count)) => super::hex(byte).repeat(count.parse().unwrap()),
        None => super::hex(piece),
    };
    text.split(' ').flat_map(piece).collect()
}
