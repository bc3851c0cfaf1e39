//! Recorded logs: captures and files of rows.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::{fs, io};

use bytes::Bytes;
use nom::bytes::complete::{is_not, tag};
use nom::combinator::{all_consuming, map_res};
use nom::error::{ErrorKind as NomKind, FromExternalError, ParseError};
use nom::sequence::terminated;
use nom::{IResult, Parser};

use super::options::ReplaySource;
use crate::codec::capture::{CaptureError, CapturePayload, CaptureReader, CaptureRecord};
use crate::codec::portable::PortableBlob;
use crate::codec::{DeviceId, Event, EventCode, Extras, Timestamp};
use crate::{Error, ErrorKind, Result};

/// The devices of a source.
#[derive(Default)]
pub(super) struct RecordedLogs {
    pub(super) devices: BTreeMap<DeviceId, RecordedLog>,
    /// The device of each row, in the order of the source.
    pub(super) order: Vec<DeviceId>,
    /// The record inside which a capture ends.
    pub(super) cut: Option<CaptureError>,
    /// Whether a device has events without a clock byte: rows have none, and a capture says so.
    pub(super) lacks_clock: bool,
}

/// The log of one device of a source.
#[derive(Default)]
pub(super) struct RecordedLog {
    /// The rows in their order, repeated rows included.
    pub(super) rows: Vec<Event>,
    /// The pictures of events, by id.
    pub(super) pictures: BTreeMap<u32, Bytes>,
    /// The extras of events, by id.
    pub(super) extras: BTreeMap<u32, Extras>,
}

impl RecordedLogs {
    /// Reads a source.
    /// Fails with [`ErrorKind::NotFound`] for a file that does not exist, [`ErrorKind::PermissionDenied`] and
    /// [`ErrorKind::Storage`] for one that cannot be read, [`ErrorKind::InvalidData`] for rows that cannot be read, and
    /// for a damaged capture.
    pub(super) fn read(source: &ReplaySource) -> Result<Self> {
        match source {
            ReplaySource::Bundled => parse(BUNDLED),
            ReplaySource::File(path) => {
                let bytes =
                    fs::read(path).map_err(|error| file_error("replayed file", path, "read", error))?;
                let logs = if CaptureReader::is_capture(&bytes) {
                    read_capture(&bytes)
                } else {
                    parse_bytes(&bytes)
                };
                logs.map_err(|error| {
                    let message = format!("replayed file `{}`: {error}", path.display());
                    Error::new(error.kind(), message)
                })
            }
        }
    }
}

/// An error of a file: `cannot_be` is what was done with it.
pub(super) fn file_error(file: &str, path: &Path, cannot_be: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("{file} `{}` cannot be {cannot_be}", path.display())).with_source(error)
}

/// The devices of a capture that have an event. A record that is not complete is left out: the capture may still be
/// written.
fn read_capture(bytes: &[u8]) -> Result<RecordedLogs> {
    let damaged = |error: CaptureError| Error::new(ErrorKind::InvalidData, error.to_string());
    let (mut devices, mut order, mut cut) = (BTreeMap::<DeviceId, RecordedLog>::new(), Vec::new(), None);
    let mut lacks_clock = false;
    // For each event the row that a blob or an image log stands for, until the event itself is found.
    let mut substitutes: HashMap<(DeviceId, u32), Option<usize>> = HashMap::new();
    for record in CaptureReader::new(bytes).map_err(damaged)?.with_blobs_checked() {
        let record = match record {
            Ok(record) => record,
            Err(error) if error.is_cut() => {
                tracing::debug!(%error, "the replayed capture ends inside a record");
                cut = Some(error);
                break;
            }
            Err(error) => return Err(damaged(error)),
        };
        if let CapturePayload::State(state) = record.payload {
            lacks_clock |= state.is_no_clock();
        }
        let Some((event, extras, picture)) = event(&record) else { continue };
        let (log, id) = (devices.entry(record.device).or_default(), event.id());
        log.pictures.extend(picture.map(|jpeg| (id, jpeg)));
        if !extras.is_empty() {
            let known = log.extras.entry(id).or_default();
            known.temperature = extras.temperature.or(known.temperature);
            known.job_code = extras.job_code.or(known.job_code);
        }
        let is_blob = matches!(record.payload, CapturePayload::SmallBlob(_));
        let is_substitute = is_blob || matches!(record.payload, CapturePayload::ImageLog { .. });
        let row = log.rows.len();
        match substitutes.get(&(record.device, id)) {
            // A blob holds less of an event than the other records do.
            Some(Some(row)) if !is_blob => {
                if let Some(row) = log.rows.get_mut(*row) {
                    *row = event;
                }
            }
            Some(_) if is_substitute => {}
            _ => {
                log.rows.push(event);
                order.push(record.device);
            }
        }
        if is_substitute {
            substitutes.entry((record.device, id)).or_insert(Some(row));
        } else {
            substitutes.insert((record.device, id), None);
        }
    }
    if devices.is_empty() {
        return Err(Error::new(ErrorKind::InvalidData, "it holds no event"));
    }
    Ok(RecordedLogs { devices, order, cut, lacks_clock })
}

/// The event of a record, with its extras and its picture.
fn event(record: &CaptureRecord<'_>) -> Option<(Event, Extras, Option<Bytes>)> {
    let (mut extras, mut picture) = (Extras::default(), None);
    match record.payload {
        CapturePayload::SmallBlob(bytes) => {
            let blob = PortableBlob::decode(bytes).ok()?; // The reader has checked it.
            return Some((blob.to_event()?, blob.extras(), blob.image().map(Bytes::copy_from_slice)));
        }
        CapturePayload::EventWithTemperature(_, temperature) => extras.temperature = Some(temperature),
        CapturePayload::ImageLog { jpeg, .. } => picture = Some(Bytes::copy_from_slice(jpeg)),
        _ => {}
    }
    Some((*record.event()?, extras, picture))
}

fn parse_bytes(bytes: &[u8]) -> Result<RecordedLogs> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Error::new(ErrorKind::InvalidData, format!("neither a capture nor text: {error}"))
    })?;
    parse(text)
}

fn parse(text: &str) -> Result<RecordedLogs> {
    let (mut devices, mut order) = (BTreeMap::<DeviceId, RecordedLog>::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        if line.is_empty() || line.starts_with('#') || line == HEADER {
            continue;
        }
        let event = match all_consuming(row).parse(line) {
            Ok((_, event)) => event,
            Err(error) => return Err(located(number, line, error)),
        };
        devices.entry(event.device_id()).or_default().rows.push(event);
        order.push(event.device_id());
    }
    if devices.is_empty() {
        return Err(Error::new(ErrorKind::InvalidData, "it holds no row"));
    }
    Ok(RecordedLogs { devices, order, cut: None, lacks_clock: true })
}

/// One row, such as `7562`, `0x4200`, `2025-12-24T14:40:17`, `540000001`.
fn row(line: &str) -> IResult<&str, Event, Expected<'_>> {
    let (rest, id) = terminated(cell("an event id", |text| text.parse().ok()), tag("\t")).parse(line)?;
    let code = cell("an event code", |text| text.parse::<EventCode>().ok());
    let (rest, code) = terminated(code, tag("\t")).parse(rest)?;
    let time = cell("a time such as 2025-12-24T14:40:17", wall_clock);
    let (rest, time) = terminated(time, tag("\t")).parse(rest)?;
    let (rest, device) = cell("a device id", |text| text.parse().ok()).parse(rest)?;
    Ok((rest, Event::builder(DeviceId::new(device), id, code).timestamp(time).build()))
}

/// The text up to the next tab, read by `read`.
fn cell<'a, T>(
    expected: &'static str,
    read: impl Fn(&'a str) -> Option<T>,
) -> impl Parser<&'a str, Output = T, Error = Expected<'a>> {
    let mut text = map_res(is_not("\t"), move |text| read(text).ok_or(()));
    move |input: &'a str| {
        text.parse(input)
            .map_err(|error: nom::Err<Expected<'a>>| error.map(|_| Expected { input, what: expected }))
    }
}

/// A time without a zone. Rows have no zone, so it is read as UTC.
fn wall_clock(text: &str) -> Option<Timestamp> {
    let time: jiff::civil::DateTime = text.parse().ok()?;
    let seconds = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    u32::try_from(seconds).ok().map(Timestamp::from_unix_seconds)
}

fn located(number: u64, line: &str, error: nom::Err<Expected<'_>>) -> Error {
    let (rest, what) = match error {
        nom::Err::Error(expected) | nom::Err::Failure(expected) => (expected.input, expected.what),
        // Complete parsers never need more.
        nom::Err::Incomplete(_) => ("", "a whole row"),
    };
    let column = line.len() - rest.len() + 1;
    Error::new(ErrorKind::InvalidData, format!("line {number}, column {column}: {what} is expected"))
}

/// What is expected, and where.
struct Expected<'a> {
    input: &'a str,
    what: &'static str,
}

impl<'a> ParseError<&'a str> for Expected<'a> {
    fn from_error_kind(input: &'a str, kind: NomKind) -> Self {
        Self { input, what: if kind == NomKind::Eof { "the end of the row" } else { "a tab" } }
    }

    fn append(_: &'a str, _: NomKind, other: Self) -> Self {
        other
    }
}

impl<'a, E> FromExternalError<&'a str, E> for Expected<'a> {
    fn from_external_error(input: &'a str, kind: NomKind, _: E) -> Self {
        Self::from_error_kind(input, kind)
    }
}

const HEADER: &str = "event_id\tevent_code\tdevice_time\tdevice_id";
const BUNDLED: &str = include_str!("reader_log.tsv");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_bundled_log_has_62_rows_of_55_events_of_one_device() {
        let devices = RecordedLogs::read(&ReplaySource::Bundled).unwrap().devices;
        let (device, RecordedLog { rows, .. }) = devices.first_key_value().unwrap();
        assert_eq!((devices.len(), device.get()), (1, 540_000_001));
        assert_eq!(rows.len(), 62);
        let ids: BTreeSet<_> = rows.iter().map(Event::id).collect();
        assert_eq!(ids.len(), 55);
        assert!(ids.into_iter().eq((6_861..=6_910).chain(7_562..=7_566)));
        assert_eq!(rows[50].code(), EventCode::DEVICE_EVENT_LOG_CLEARED);
        assert_eq!(rows[50].timestamp().to_string(), "2025-12-24T14:40:17Z");
    }

    #[test]
    fn several_devices_may_share_a_file() {
        let logs = parse("9\t0x5200\t2025-01-01T00:00:00\t2\n1\t0x5300\t2025-01-01T00:00:00\t1\n").unwrap();
        assert_eq!(logs.order, [2, 1].map(DeviceId::new));
        assert_eq!(logs.devices.keys().map(|device| device.get()).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn errors_name_line_column_and_reason() {
        let good = "1\t0x5200\t2025-01-01T00:00:00\t7";
        for (row, expected) in [
            ("x\t0x5200\t2025-01-01T00:00:00\t7", "column 1: an event id is expected"),
            ("1", "column 2: a tab is expected"),
            ("1\t0x52000\t2025-01-01T00:00:00\t7", "column 3: an event code is expected"),
            (
                "1\t0x5200\t2025-13-01T00:00:00\t7",
                "column 10: a time such as 2025-12-24T14:40:17 is expected",
            ),
            (
                "1\t0x5200\t1969-12-31T23:59:59\t7",
                "column 10: a time such as 2025-12-24T14:40:17 is expected",
            ),
            ("1\t0x5200\t2025-01-01T00:00:00\t", "column 30: a device id is expected"),
            (&format!("{good}\t1"), "column 31: the end of the row is expected"),
        ] {
            let error = parse(&format!("# log\n{good}\n{row}")).err().unwrap();
            assert_eq!(error.to_string(), format!("line 3, {expected}"));
        }
        assert_eq!(parse("# nothing\n").err().unwrap().to_string(), "it holds no row");
    }

    #[test]
    fn a_file_that_does_not_exist_is_named() {
        let error = RecordedLogs::read(&ReplaySource::File("no/such.tsv".into())).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("`no/such.tsv`"));
    }
}
