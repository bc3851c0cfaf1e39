//! Events in a file. Errors name the line and the field, never what stands there.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use bs2_events::biostar_x::{ImportEvent, Verdict, VirtualDeviceId};
use bs2_events::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::x::row;

/// The fields of an event, as text.
#[derive(Default)]
struct Fields {
    datetime: String,
    user_id: String,
    evt: String,
    tna_key: String,
    dev_id: String,
}

pub(super) fn read(path: &Path, device: VirtualDeviceId) -> Result<Vec<ImportEvent>> {
    let file = File::open(path).map_err(|error| {
        Error::new(ErrorKind::NotFound, format!("file `{}`", path.display())).with_source(error)
    })?;
    let reader = BufReader::new(file);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => read_csv(reader, device),
        Some("jsonl" | "ndjson") => read_json(reader, device),
        _ => {
            Err(Error::new(ErrorKind::InvalidInput, "the file's name ends neither with .csv nor with .jsonl"))
        }
    }
}

fn read_csv(reader: impl BufRead, device: VirtualDeviceId) -> Result<Vec<ImportEvent>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(reader);
    let header = reader.headers().map_err(|_| invalid(1, "the header cannot be read"))?.clone();
    let column = |name: &str| header.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
    for name in ["datetime", "user_id", "evt"] {
        if column(name).is_none() {
            return Err(invalid(1, &format!("there is no column `{name}`")));
        }
    }
    let mut events = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            invalid(error.position().map_or(0, csv::Position::line), "the line has another number of fields")
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |name| column(name).and_then(|column| record.get(column)).unwrap_or_default().to_owned();
        let fields = Fields {
            datetime: field("datetime"),
            user_id: field("user_id"),
            evt: field("evt"),
            tna_key: field("tna_key"),
            dev_id: field("dev_id"),
        };
        events.push(fields.event(line, device)?);
    }
    Ok(events)
}

fn read_json(reader: impl BufRead, device: VirtualDeviceId) -> Result<Vec<ImportEvent>> {
    let mut events = Vec::new();
    for (line, text) in (1..).zip(reader.lines()) {
        let text = text.map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("line {line} cannot be read")).with_source(error)
        })?;
        if text.trim().is_empty() {
            continue;
        }
        let object: Value =
            serde_json::from_str(&text).map_err(|_| invalid(line, "the line is no JSON object"))?;
        let field = |name: &str| match object.get(name) {
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let fields = Fields {
            datetime: field("datetime"),
            user_id: field("user_id"),
            evt: field("evt"),
            tna_key: field("tna_key"),
            dev_id: field("dev_id"),
        };
        events.push(fields.event(line, device)?);
    }
    Ok(events)
}

impl Fields {
    fn event(self, line: u64, device: VirtualDeviceId) -> Result<ImportEvent> {
        let verdict = match self.evt.to_ascii_lowercase().as_str() {
            "4088" | "granted" => Verdict::Granted,
            "6400" | "denied" => Verdict::Denied,
            _ => return Err(invalid(line, "field `evt` is neither 4088 nor 6400")),
        };
        let time = row::time(&self.datetime).ok_or_else(|| {
            invalid(line, "field `datetime` is no whole second such as 2026-01-31T12:00:00Z")
        })?;
        if self.user_id.is_empty() {
            return Err(invalid(line, "field `user_id` is empty"));
        }
        if !self.dev_id.is_empty() && self.dev_id != device.to_string() {
            return Err(invalid(line, "field `dev_id` is another device than --virtual-device"));
        }
        let event = ImportEvent::new(verdict, self.user_id, time);
        if self.tna_key.is_empty() {
            return Ok(event);
        }
        let key = self.tna_key.parse().ok().filter(|key| (1..=16).contains(key));
        Ok(event.tna_key(key.ok_or_else(|| invalid(line, "field `tna_key` lies outside 1 to 16"))?))
    }
}

fn invalid(line: u64, problem: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("line {line}: {problem}"))
}
