//! The rows of an answer, read one at a time: as JSON values, all of them would take many times the memory of the text.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Map, Value};

/// An answer, taken apart: the collection of events as text, everything else as values.
#[derive(Default)]
pub(super) struct Body {
    pub(super) rest: Value,
    /// The collection as it stands in the answer.
    pub(super) events: Option<String>,
}

/// Reads an answer; `None` for what is not JSON, or has too many values for an answer of this server.
pub(super) fn read_body(text: &str) -> Option<Body> {
    if !text.starts_with('{') {
        return Some(Body { rest: value(text)?, events: None });
    }
    let mut deserializer = Deserializer::from_str(text);
    let Parts { keys, events } = deserializer.deserialize_map(PartsVisitor).ok()?;
    deserializer.end().ok()?;
    let mut rest = Map::new();
    let mut left = MOST_VALUES;
    for (key, part) in keys {
        left = left.checked_sub(values(part.get()))?;
        rest.insert(key, serde_json::from_str(part.get()).ok()?);
    }
    Some(Body { rest: Value::Object(rest), events: events.map(|events| events.get().to_owned()) })
}

/// Reads one value, unless it has too many parts.
pub(super) fn value(text: &str) -> Option<Value> {
    if values(text) > MOST_VALUES { None } else { serde_json::from_str(text).ok() }
}

/// The rows of a collection, such as `{"rows":[…]}`. A missing, an empty or a lone row are rows too.
#[derive(Default)]
pub(super) struct Rows {
    /// An array, or the only row; empty where there are no rows.
    text: String,
    /// Where the next row begins.
    position: usize,
    /// How many values the rows had that were read.
    values: usize,
}

impl Rows {
    /// The rows in the text of a collection; `None` where it holds something else.
    pub(super) fn of(collection: &str) -> Option<Self> {
        let is_empty = |text: &str| matches!(text, "null" | "\"\"") || is_blank(text);
        let collection = collection.trim();
        if collection.starts_with('[') {
            return Some(Self { text: collection.to_owned(), position: 1, values: 0 });
        }
        if is_empty(collection) {
            return Some(Self::default());
        }
        let rows = serde_json::from_str::<Collection<'_>>(collection).ok()?.rows;
        let rows = rows.map_or("null", RawValue::get).trim();
        match rows.chars().next() {
            Some('[') => Some(Self { text: rows.to_owned(), position: 1, values: 0 }),
            Some('{') => Some(Self { text: rows.to_owned(), position: 0, values: 0 }),
            _ => is_empty(rows).then(Self::default),
        }
    }

    /// How many values the rows had that were read, at most.
    pub(super) const fn values(&self) -> usize {
        self.values
    }

    fn next_row(&mut self) -> Option<Result<Value, NoRow>> {
        let rest = self.text.get(self.position..)?;
        let row = rest.trim_start_matches(|c: char| c == ',' || c.is_ascii_whitespace());
        if row.is_empty() || row.starts_with(']') {
            return None;
        }
        let mut stream = Deserializer::from_str(row).into_iter::<&RawValue>();
        let Some(Ok(raw)) = stream.next() else { return Some(Err(NoRow)) };
        let length = stream.byte_offset();
        self.position = self.text.len().saturating_sub(row.len()).saturating_add(length);
        let raw = raw.get();
        let values = values(raw);
        self.values = self.values.saturating_add(values);
        let is_row = raw.starts_with('{') && raw.len() <= LONGEST_ROW && values <= MOST_VALUES_OF_ROW;
        Some(if is_row { serde_json::from_str(raw).map_err(|_| NoRow) } else { Err(NoRow) })
    }
}

impl Iterator for Rows {
    type Item = Result<Value, NoRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.next_row();
        if !matches!(row, Some(Ok(_))) {
            // Nothing follows an error.
            *self = Self::default();
        }
        row
    }
}

/// A row that is no object, or larger than a row can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NoRow;

/// How many values a text has at most: each takes up to a hundred times the memory of its text.
fn values(json: &str) -> usize {
    json.bytes().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count()
}

/// A string of spaces alone.
fn is_blank(text: &str) -> bool {
    serde_json::from_str::<&str>(text).is_ok_and(|text| text.trim().is_empty())
}

#[derive(Deserialize)]
struct Collection<'a> {
    #[serde(borrow, default)]
    rows: Option<&'a RawValue>,
}

/// The keys of an answer, with the text of their values.
struct Parts<'a> {
    keys: Vec<(String, &'a RawValue)>,
    events: Option<&'a RawValue>,
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts<'de>, A::Error> {
        let mut parts = Parts { keys: Vec::new(), events: None };
        while let Some(key) = map.next_key::<String>()? {
            if parts.keys.len() >= MOST_KEYS {
                map.next_value::<IgnoredAny>()?;
                return Err(A::Error::custom("an answer has too many keys"));
            }
            let value = map.next_value::<&RawValue>()?;
            if key == EVENTS {
                parts.events = Some(value);
            } else {
                parts.keys.push((key, value));
            }
        }
        Ok(parts)
    }
}

/// The key of the collection that search returns.
const EVENTS: &str = "EventCollection";

/// No answer of the server has more keys at its top.
const MOST_KEYS: usize = 1_000;

/// Values of an answer, its events aside: a list of all kinds of event has some ten thousand.
const MOST_VALUES: usize = 300_000;

/// A row has less than 2 kB and 100 values.
const LONGEST_ROW: usize = 256 << 10;
const MOST_VALUES_OF_ROW: usize = 10_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn all(collection: &str) -> Option<Result<Vec<Value>, NoRow>> {
        Rows::of(collection).map(Iterator::collect)
    }

    #[test]
    fn rows_are_read_from_every_shape_that_servers_use() {
        for (collection, expected) in [
            (r#"{"rows":""}"#, 0),
            (r#"{"rows":" "}"#, 0),
            (r#"{"rows":[]}"#, 0),
            (r#"{"rows":[ ]}"#, 0),
            (r#"{"rows":null}"#, 0),
            ("{}", 0),
            (r#""""#, 0),
            ("null", 0),
            (r#"{"total":"1","rows":{"id":"1"}}"#, 1),
            (r#"{"rows":[{"id":"1"},{}]}"#, 2),
            (" [\n {\"id\":\"1\"} ,\t{\"a\":[{},{}]},{}\n]", 3),
        ] {
            assert_eq!(all(collection).unwrap().unwrap().len(), expected, "{collection}");
        }
        for collection in ["7", r#""seven""#, r#"{"rows":"seven"}"#, r#"{"rows":true}"#] {
            assert!(all(collection).is_none(), "{collection}");
        }
        for collection in ["[1]", r#"[{},"a"]"#, r#"{"rows":[[{}]]}"#] {
            assert_eq!(all(collection), Some(Err(NoRow)), "{collection}");
        }
        let rows = all(r#"[{"id":1},{"name":"a,[]{}\"]"}]"#).unwrap().unwrap();
        assert_eq!(rows, [json!({"id": 1}), json!({"name": "a,[]{}\"]"})]);
    }

    #[test]
    fn a_row_of_many_values_is_refused_without_being_built() {
        let many = format!("[{{}},{{\"a\":[{}0]}}]", "0,".repeat(MOST_VALUES_OF_ROW));
        assert_eq!(all(&many), Some(Err(NoRow)));
        assert!(value(&format!("[{}0]", "0,".repeat(MOST_VALUES))).is_none());
        let keys: String = (0..=MOST_KEYS).map(|key| format!("\"{key}\":0,")).collect();
        assert!(read_body(&format!("{{{keys}\"a\":0}}")).is_none());
    }

    #[test]
    fn the_events_of_an_answer_stay_text_and_the_rest_is_read() {
        let body = read_body(r#"{"Response":{"code":"0"},"EventCollection":{"rows":[{}]}}"#).unwrap();
        assert_eq!(body.rest, json!({"Response": {"code": "0"}}));
        assert_eq!(body.events.as_deref(), Some(r#"{"rows":[{}]}"#));
        assert_eq!(read_body("[1]").unwrap().rest, json!([1]));
        for text in ["", "{", "{}x", r#"{"a":}"#, "<html>"] {
            assert!(read_body(text).is_none(), "{text}");
        }
    }
}
