//! The bytes of a record with the names and meanings of its fields, for people.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

use bs2_events::codec::blob::{BlobHead, BlobSubject, EventMask, ExtInfo, ExtIoDevice};
use bs2_events::codec::capture::{CapturePayload, ConnectionStateRecord};
use bs2_events::codec::filter::EventFilter;
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{Event, Subject, Temperature, UserId};

use crate::format::Record;

/// A line of offset, bytes, field and value for each field; further lines for a field of more than 16 bytes.
pub(crate) fn explain(record: &Record<'_>) -> String {
    let bytes = record.bytes();
    let mut dump = Dump::new(&bytes);
    match record {
        Record::Event(event) => dump.event(event),
        Record::ExtInfo(info) => dump.info(info, ""),
        Record::ExtIoDevice(input) => dump.io_device(input),
        Record::EventFilter(filter) => dump.filter(filter),
        Record::Blob(blob) => {
            dump.head(blob.head());
            let len = blob.image().map_or(0, <[u8]>::len);
            dump.field(blob.image_field().len(), "image", format_args!("{len} bytes of it valid"));
            dump.field(1, "reserved", blob.reserved());
        }
        Record::SmallBlob64(blob) => dump.small(blob.head(), 8, blob.image_address(), blob.reserved()),
        Record::SmallBlob32(blob) => dump.small(blob.head(), 4, blob.image_address(), blob.reserved()),
        Record::SmallBlobEx64(ex) => {
            let blob = ex.small_blob();
            dump.small(blob.head(), 8, blob.image_address(), blob.reserved());
            dump.temperature(blob.head(), ex.temperature_field());
        }
        Record::SmallBlobEx32(ex) => {
            let blob = ex.small_blob();
            dump.small(blob.head(), 4, blob.image_address(), blob.reserved());
            dump.temperature(blob.head(), ex.temperature_field());
        }
        Record::Portable(blob) => dump.portable(blob),
    }
    dump.text
}

/// The same for the payload of a capture's record; offsets count from its beginning. `has_clock` says whether the clock
/// byte of its event is known.
pub(crate) fn explain_payload(payload: &CapturePayload<'_>, has_clock: bool) -> String {
    let dump_of = |bytes| Dump { has_clock, ..Dump::new(bytes) };
    match *payload {
        CapturePayload::Event(event) => {
            let mut dump = dump_of(event.as_bytes());
            dump.event(event);
            dump.text
        }
        CapturePayload::EventWithTemperature(event, temperature) => {
            let bytes = [event.as_bytes(), &temperature.hundredths().to_le_bytes()].concat();
            let mut dump = dump_of(&bytes);
            dump.event(event);
            dump.field(4, "temperature", celsius(temperature));
            dump.text
        }
        CapturePayload::ImageLog { event, jpeg } => {
            let bytes = [event.as_bytes(), jpeg].concat();
            let mut dump = dump_of(&bytes);
            dump.event(event);
            dump.field(jpeg.len(), "image", "");
            dump.text
        }
        CapturePayload::SmallBlob(bytes) => match PortableBlob::decode(bytes) {
            Ok(blob) => explain(&Record::Portable(blob)),
            Err(_) => unexplained(bytes),
        },
        CapturePayload::State(ConnectionStateRecord { code, name }) => {
            let bytes = [&[code], name.as_bytes()].concat();
            let mut dump = Dump::new(&bytes);
            dump.field(1, "code", code);
            dump.field(name.len(), "name", name.escape_debug());
            dump.text
        }
        CapturePayload::Unknown { bytes, .. } => unexplained(bytes),
        // A kind of a later version.
        _ => unexplained(&[]),
    }
}

fn unexplained(bytes: &[u8]) -> String {
    let mut dump = Dump::new(bytes);
    dump.field(bytes.len(), "payload", "");
    dump.text
}

struct Dump<'a> {
    text: String,
    /// The bytes of the fields to come.
    rest: &'a [u8],
    offset: usize,
    /// Whether the flags of an event say the offset from UTC and daylight saving.
    has_clock: bool,
}

impl<'a> Dump<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { text: String::from(HEADER), rest: bytes, offset: 0, has_clock: true }
    }

    fn event(&mut self, event: &Event) {
        let flags = event.flags();
        self.field(4, "event_id", event.id());
        self.field(4, "time", event.timestamp());
        self.field(4, "device_id", event.device_id());
        let subject = event.subject();
        self.field(
            32,
            "subject",
            match subject {
                Subject::User(id) => user(id),
                subject => subject.to_string().into(),
            },
        );
        self.field(2, "code", format_args!("{:?}", event.code()));
        self.field(1, "param", event.param());
        let (image, summer) = (flags.has_image(), flags.daylight_saving());
        let offset = flags.utc_offset_minutes();
        let meaning = match self.has_clock {
            true => format!("image {image}, daylight saving {summer}, {offset} minutes from UTC"),
            false => format!("image {image}, daylight saving and offset from UTC unknown"),
        };
        self.field(1, "flags", meaning);
    }

    fn info(&mut self, info: &ExtInfo, note: &str) {
        self.field(4, "time", format_args!("{}{note}", info.timestamp()));
        self.field(4, "device_id", format_args!("{}{note}", info.device_id()));
        self.field(2, "code", format_args!("{:?}{note}", info.code()));
        let [first, second] = info.reserved();
        self.field(2, "reserved", format_args!("{first}, {second}"));
    }

    fn io_device(&mut self, input: &ExtIoDevice) {
        self.field(4, "io_device_id", input.io_device_id());
        self.field(2, "port", input.port());
        self.field(1, "value", format_args!("{} {}", input.value().get(), input.value()));
        self.field(1, "reserved", input.reserved());
    }

    fn filter(&mut self, filter: &EventFilter) {
        self.field(32, "user_id", user(filter.user_id()));
        self.field(4, "start", filter.start());
        self.field(4, "end", filter.end());
        self.field(2, "code", format_args!("{:?}", filter.code()));
        self.field(1, "tna_key", filter.tna_key());
        self.field(1, "padding", "");
    }

    /// The fields that all blobs of the SDK have, also those that are not valid.
    fn head(&mut self, head: &BlobHead) {
        let (tna_key, job_code) = head.key_fields();
        self.mask_and_id(head);
        self.info(head.info_field(), note(head, EventMask::INFO));
        self.field(32, "subject", subject(head));
        self.field(1, "tna_key", format_args!("{tna_key}{}", note(head, EventMask::TNA_KEY)));
        self.field(4, "job_code", format_args!("{}{}", job_code.0, note(head, EventMask::JOB_CODE)));
        self.field(2, "image_size", format_args!("{}{}", head.image_size(), note(head, EventMask::IMAGE)));
    }

    fn small(&mut self, head: &BlobHead, width: usize, address: u64, reserved: u8) {
        self.head(head);
        self.field(width, "image_address", format_args!("{address:#x}"));
        self.field(1, "reserved", reserved);
    }

    /// The fields that the blob has.
    fn portable(&mut self, blob: &PortableBlob<'_>) {
        let head = blob.head();
        self.mask_and_id(head);
        self.field(1, "reserved", blob.reserved());
        if let Some(info) = head.info() {
            self.info(info, "");
        }
        if head.mask().intersects(EventMask::SUBJECT) {
            self.field(32, "subject", subject(head));
        }
        if let Some(key) = head.tna_key() {
            self.field(1, "tna_key", key);
        }
        if let Some(code) = head.job_code() {
            self.field(4, "job_code", code.0);
        }
        if let Some(temperature) = blob.temperature() {
            self.temperature(head, temperature);
        }
        if let Some(image) = blob.image() {
            self.field(2, "image_size", head.image_size());
            self.field(image.len(), "image", "");
        }
    }

    fn mask_and_id(&mut self, head: &BlobHead) {
        let names: Vec<_> = head.mask().iter_names().map(|(name, _)| name).collect();
        self.field(2, "event_mask", format_args!("0x{:04X} {}", head.mask(), names.join(" ")));
        self.field(4, "event_id", head.id());
    }

    fn temperature(&mut self, head: &BlobHead, temperature: Temperature) {
        let note = note(head, EventMask::TEMPERATURE);
        self.field(4, "temperature", format_args!("{}{note}", celsius(temperature)));
    }

    /// One field. A `*` stands for lines of bytes that repeat the line before.
    fn field(&mut self, len: usize, name: &str, value: impl Display) {
        let (field, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        let mut before: &[u8] = &[];
        let mut is_repeated = false;
        for (index, line) in field.chunks(LINE).enumerate() {
            let offset = self.offset + index * LINE;
            match (index, line == before) {
                (0, _) => self.line(offset, line, format_args!("{name:13}  {value}")),
                (_, false) => self.line(offset, line, format_args!("")),
                (_, true) if !is_repeated => self.text.push_str("\n     *"),
                (_, true) => {}
            }
            (is_repeated, before) = (line == before, line);
        }
        self.offset += field.len();
        self.rest = rest;
    }

    fn line(&mut self, offset: usize, bytes: &[u8], meaning: fmt::Arguments<'_>) {
        let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = format!("{offset:6}  {:WIDTH$}  {meaning}", bytes.join(" "));
        // Writing into memory does not fail.
        let _ = write!(self.text, "\n{}", line.trim_end());
    }
}

/// What follows the value of a field that the mask does not have.
fn note(head: &BlobHead, bit: EventMask) -> &'static str {
    if head.mask().contains(bit) { "" } else { " (not valid)" }
}

fn celsius(temperature: Temperature) -> String {
    let hundredths = temperature.hundredths();
    format!("{}.{:02} °C", hundredths / 100, hundredths % 100)
}

fn subject(head: &BlobHead) -> Cow<'static, str> {
    match head.subject() {
        BlobSubject::None => "(not valid)".into(),
        BlobSubject::User(id) => user(id),
        subject => subject.to_string().into(),
    }
}

/// A user id. Characters that control a terminal are escaped.
fn user(id: &UserId) -> Cow<'static, str> {
    match id.as_text() {
        Some(text) => format!("user {text:?}").into(),
        None => "user, not UTF-8".into(),
    }
}

const HEADER: &str = "offset  bytes                                            field          value";

/// Bytes in a line, and the columns that they take.
const LINE: usize = 16;
const WIDTH: usize = LINE * 3 - 1;
