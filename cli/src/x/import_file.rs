//! Events in a `.csv` or `.jsonl` file. Errors name the line and the field, never their content.

use std::fmt;
use std::path::Path;

use bs2_events::biostar_x::{ImportEvent, Verdict, VirtualDeviceId};
use bs2_events::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::search::parse_time;

/// The fields of an event, as text, in the order of [`NAMES`].
#[derive(Default)]
pub(super) struct Fields([String; 5]);

/// Reads the events in a file, in the format of its name.
pub(super) fn read(path: &Path, bytes: &[u8], device: VirtualDeviceId) -> Result<Vec<ImportEvent>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let read = match extension.as_deref() {
        Some("csv") => read_csv,
        Some("jsonl" | "ndjson") => read_json,
        _ => {
            let message = "the name of the file must end with .csv or .jsonl";
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
            Some(_) => return Err(invalid(1, &format!("{} is given twice", shown(column, name)))),
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
            invalid(
                error.position().map_or(0, csv::Position::line),
                "the line has another number of fields than the header",
            )
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut fields = Fields::default();
        for ((name, place), field) in NAMES.iter().zip(places).zip(&mut fields.0) {
            let bytes = place.and_then(|column| record.get(column)).unwrap_or_default();
            let text = std::str::from_utf8(bytes);
            *field = text.map_err(|_| invalid(line, &format!("field `{name}` is not UTF-8")))?.to_owned();
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
        let text = std::str::from_utf8(text).map_err(|_| invalid(line, "the line is not UTF-8"))?;
        let object: Object =
            serde_json::from_str(text).map_err(|_| invalid(line, "the line is not a JSON object"))?;
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
            _ => return Err(invalid(line, "field `evt` is not 4088 or 6400")),
        };
        let time = parse_time(&datetime).map_err(|_| {
            invalid(line, "field `datetime` is not a whole second such as 2026-01-31T12:00:00Z")
        })?;
        if !dev_id.is_empty() && dev_id != device.to_string() {
            return Err(invalid(line, "field `dev_id` is another device than --virtual-device"));
        }
        let event = ImportEvent::new(verdict, user_id, time);
        // The check refuses zero, and so text that is not a number.
        let event =
            if tna_key.is_empty() { event } else { event.tna_key(tna_key.parse().unwrap_or_default()) };
        match event.check() {
            Ok(()) => Ok(event),
            Err(error) => Err(invalid(line, &error.to_string())),
        }
    }
}

/// A column by its name, unless the name may be a person's: a file without a header begins with an event.
fn shown(column: usize, name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(name) if is_word(name) => format!("column `{name}`"),
        _ => format!("column {}", column + 1),
    }
}

fn invalid(line: u64, problem: &str) -> Error {
    let error = Error::new(ErrorKind::InvalidInput, format!("line {line}: {problem}"));
    error.with_position(usize::try_from(line).unwrap_or(usize::MAX))
}

/// An object of a `.jsonl` file: its keys and values in order, also a key that is given twice.
struct Object(Vec<(String, Value)>);

impl Object {
    /// The values of these keys as text, empty if one is missing; or the problem.
    fn fields<const N: usize>(self, names: [&str; N]) -> Result<[String; N], String> {
        let mut fields = [const { None }; N];
        for (key, value) in self.0 {
            let place = names.iter().position(|name| *name == key);
            let Some(field) = place.and_then(|place| fields.get_mut(place)) else {
                let key = if is_word(&key) { format!("key `{key}`") } else { "a key".to_owned() };
                return Err(format!("{key} is not known; there are {}", names.join(", ")));
            };
            if field.is_some() {
                return Err(format!("field `{key}` is given twice"));
            }
            *field = Some(match value {
                Value::Null => String::new(),
                Value::String(text) => text.trim().to_owned(),
                // Larger numbers and fractions have lost digits.
                Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string(),
                Value::Number(_) => {
                    return Err(format!("field `{key}` is not a whole number of 64 bits: write it as text"));
                }
                _ => return Err(format!("field `{key}` is not text or a number")),
            });
        }
        Ok(fields.map(Option::unwrap_or_default))
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Object(pairs))
    }
}

/// Whether this looks like the name of a field, and not like a misplaced value.
fn is_word(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
}

/// The first three are required.
const NAMES: [&str; 5] = ["datetime", "user_id", "evt", "tna_key", "dev_id"];
const NEEDED: usize = 3;
