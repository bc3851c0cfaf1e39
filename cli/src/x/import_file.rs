//! Events in a `.csv` or `.jsonl` file. Errors name the line and the field, never their content.

use std::borrow::Cow;
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
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let read = match extension.as_deref() {
        Some("csv" | "tsv" | "txt") => read_csv,
        Some("jsonl" | "ndjson") => read_json,
        _ => {
            let message = "the name of the file must end with .csv, .tsv, .txt or .jsonl";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    };
    let bytes = as_utf8(bytes)?;
    if bytes.trim_ascii().is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "the file is empty"));
    }
    read(&bytes, device)
}

/// The text without its byte order mark, which says whether it is UTF-16.
fn as_utf8(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    let (units, is_little) = match bytes {
        [0xef, 0xbb, 0xbf, text @ ..] => return Ok(text.into()),
        [0xff, 0xfe, text @ ..] => (text, true),
        [0xfe, 0xff, text @ ..] => (text, false),
        // Text of this kind has bytes of 0 and no mark.
        [_, 0, ..] | [0, ..] => {
            return Err(invalid(1, "the text is UTF-16 without a byte order mark: save it as UTF-8"));
        }
        _ => return Ok(bytes.into()),
    };
    let (units, rest) = units.as_chunks::<2>();
    let read = if is_little { u16::from_le_bytes } else { u16::from_be_bytes };
    let mut text = String::with_capacity(units.len());
    for unit in char::decode_utf16(units.iter().copied().map(read)) {
        let Ok(character) = unit else {
            let line = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
            return Err(invalid(line as u64, "the text is not UTF-16, as its byte order mark says"));
        };
        text.push(character);
    }
    if !rest.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "the file ends within a character of UTF-16"));
    }
    Ok(text.into_bytes().into())
}

fn read_csv(bytes: &[u8], device: VirtualDeviceId) -> Result<Vec<ImportEvent>> {
    // The reader counts lines wrongly where they end with two characters.
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines: Vec<_> = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    let bytes = lines.join(&b'\n');
    let mut builder = csv::ReaderBuilder::new();
    let mut reader = builder.delimiter(separator(&bytes)).trim(csv::Trim::All).from_reader(&bytes[..]);
    let header = reader.byte_headers().map_err(|_| invalid(1, "the header cannot be read"))?.clone();
    let places = places(&header)?;
    let mut events = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(|error| {
            invalid(
                error.position().map_or(0, csv::Position::line),
                "the line has another number of fields than the header",
            )
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        // A spreadsheet writes the lines below a table too.
        if record.iter().all(<[u8]>::is_empty) {
            continue;
        }
        let nameless =
            header.iter().zip(&record).position(|(name, field)| name.is_empty() && !field.is_empty());
        if let Some(column) = nameless {
            return Err(invalid(line, &format!("column {} has a value and no name", column + 1)));
        }
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

/// What separates the fields of the header: the character with which it has most of the known names, or most fields.
fn separator(bytes: &[u8]) -> u8 {
    let header = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let names = |separator: &u8| {
        let fields = || header.split(|byte| byte == separator);
        (fields().filter(|field| place_of(unquoted(field)).is_some()).count(), fields().count())
    };
    SEPARATORS.into_iter().max_by_key(names).unwrap_or(b',')
}

fn unquoted(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field)
}

/// The column of each known name.
fn places(header: &csv::ByteRecord) -> Result<[Option<usize>; 5]> {
    // Without a header the first line is an event, which has a time, and perhaps a person.
    let is_header = header.iter().all(|name| !name.iter().any(u8::is_ascii_digit));
    let shown = |column: usize, name: &[u8]| match std::str::from_utf8(name) {
        Ok(name) if is_header && !name.chars().any(char::is_control) => format!("column `{name}`"),
        _ => format!("column {}", column + 1),
    };
    let wrong = |problem: &str| {
        let columns: Vec<_> = header.iter().enumerate().map(|(column, name)| shown(column, name)).collect();
        let (columns, known) = (columns.join(", "), NAMES.join(", "));
        Err(invalid(1, &format!("{problem}; there are {columns}; known are {known}")))
    };
    let mut places = [None; 5];
    let mut unknown = None;
    for (column, name) in header.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        match place_of(name).and_then(|place| places.get_mut(place)) {
            Some(place) if place.is_none() => *place = Some(column),
            Some(_) => return wrong(&format!("{} is given twice", shown(column, name))),
            None => unknown = unknown.or_else(|| Some(shown(column, name))),
        }
    }
    for (name, place) in NAMES.iter().zip(places).take(NEEDED) {
        if place.is_none() {
            return wrong(&format!("there is no column `{name}`"));
        }
    }
    unknown.map_or(Ok(places), |unknown| wrong(&format!("{unknown} is not known")))
}

/// The place of a name in [`NAMES`], in whatever case it is written.
fn place_of(name: &[u8]) -> Option<usize> {
    NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name))
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
        let event = match tna_key.as_str() {
            "" => event,
            // The check refuses what is too large, and so text that is not a number.
            key => match key.parse().unwrap_or(u8::MAX) {
                0 => event,
                key => event.tna_key(key),
            },
        };
        match event.check() {
            Ok(()) => Ok(event),
            Err(error) => Err(invalid(line, &error.to_string())),
        }
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
            let place = names.iter().position(|name| name.eq_ignore_ascii_case(&key));
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

/// The last of equals is taken: a file of one column has none.
const SEPARATORS: [u8; 3] = [b'\t', b';', b','];

/// The first three are required.
const NAMES: [&str; 5] = ["datetime", "user_id", "evt", "tna_key", "dev_id"];
const NEEDED: usize = 3;
