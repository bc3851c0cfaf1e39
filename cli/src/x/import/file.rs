//! Events in a file. Errors name the line and the field, never what stands there.

use std::path::Path;

use bs2_events::biostar_x::{ImportEvent, Verdict, VirtualDeviceId};
use bs2_events::{Error, ErrorKind, Result};

use super::object::Object;
use crate::x::row;

/// The fields of an event, as text, in the order of [`NAMES`].
#[derive(Default)]
pub(super) struct Fields([String; 5]);

/// The events in the bytes of a file, read as its name says.
pub(super) fn read(path: &Path, bytes: &[u8], device: VirtualDeviceId) -> Result<Vec<ImportEvent>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let read = match extension.as_deref() {
        Some("csv") => read_csv,
        Some("jsonl" | "ndjson") => read_json,
        _ => {
            let message = "the file's name ends neither with .csv nor with .jsonl";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    };
    if bytes.trim_ascii().is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "the file is empty"));
    }
    read(bytes, device)
}

fn read_csv(bytes: &[u8], device: VirtualDeviceId) -> Result<Vec<ImportEvent>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = reader.byte_headers().map_err(|_| invalid(1, "the header cannot be read"))?.clone();
    let mut places = [None; 5];
    let mut unknown = None;
    for (column, name) in header.iter().enumerate() {
        match NAMES.iter().position(|known| known.as_bytes() == name).and_then(|place| places.get_mut(place))
        {
            Some(place) if place.is_none() => *place = Some(column),
            Some(_) => return Err(invalid(1, &format!("{} is there twice", shown(column, name)))),
            None => unknown = unknown.or_else(|| Some(shown(column, name))),
        }
    }
    for (name, place) in NAMES.iter().zip(places).take(NEEDED) {
        if place.is_none() {
            return Err(invalid(1, &format!("there is no column `{name}`")));
        }
    }
    if let Some(unknown) = unknown {
        return Err(invalid(1, &format!("{unknown} is not known; there are {}", NAMES.join(", "))));
    }
    let mut events = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(|error| {
            invalid(error.position().map_or(0, csv::Position::line), "the line has another number of fields")
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut fields = Fields::default();
        for ((name, place), field) in NAMES.iter().zip(places).zip(&mut fields.0) {
            let bytes = place.and_then(|column| record.get(column)).unwrap_or_default();
            let text = std::str::from_utf8(bytes);
            *field = text.map_err(|_| invalid(line, &format!("field `{name}` is no UTF-8")))?.to_owned();
        }
        events.push(fields.event(line, device)?);
    }
    Ok(events)
}

fn read_json(bytes: &[u8], device: VirtualDeviceId) -> Result<Vec<ImportEvent>> {
    let mut events = Vec::new();
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let text = std::str::from_utf8(text).map_err(|_| invalid(line, "the line is no UTF-8"))?;
        let object: Object =
            serde_json::from_str(text).map_err(|_| invalid(line, "the line is no JSON object"))?;
        let fields = object.fields(NAMES).map_err(|problem| invalid(line, &problem))?;
        events.push(Fields(fields).event(line, device)?);
    }
    Ok(events)
}

impl Fields {
    fn event(self, line: u64, device: VirtualDeviceId) -> Result<ImportEvent> {
        let [datetime, user_id, evt, tna_key, dev_id] = self.0;
        let verdict = match evt.to_ascii_lowercase().as_str() {
            "4088" | "granted" => Verdict::Granted,
            "6400" | "denied" => Verdict::Denied,
            _ => return Err(invalid(line, "field `evt` is neither 4088 nor 6400")),
        };
        let time = row::time(&datetime).ok_or_else(|| {
            invalid(line, "field `datetime` is no whole second such as 2026-01-31T12:00:00Z")
        })?;
        if user_id.is_empty() {
            return Err(invalid(line, "field `user_id` is empty"));
        }
        if user_id.chars().any(char::is_control) {
            return Err(invalid(line, "field `user_id` holds a control character"));
        }
        if !dev_id.is_empty() && dev_id != device.to_string() {
            return Err(invalid(line, "field `dev_id` is another device than --virtual-device"));
        }
        let event = ImportEvent::new(verdict, user_id, time);
        if tna_key.is_empty() {
            return Ok(event);
        }
        let key = tna_key.parse().ok().filter(|key| (1..=16).contains(key));
        Ok(event.tna_key(key.ok_or_else(|| invalid(line, "field `tna_key` lies outside 1 to 16"))?))
    }
}

/// A column by its name, unless that may be a person's: a file without a header begins with an event.
fn shown(column: usize, name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(name) if super::object::is_word(name) => format!("column `{name}`"),
        _ => format!("column {}", column + 1),
    }
}

fn invalid(line: u64, problem: &str) -> Error {
    let error = Error::new(ErrorKind::InvalidInput, format!("line {line}: {problem}"));
    error.with_position(usize::try_from(line).unwrap_or(usize::MAX))
}

/// The first are needed.
const NAMES: [&str; 5] = ["datetime", "user_id", "evt", "tna_key", "dev_id"];
const NEEDED: usize = 3;
