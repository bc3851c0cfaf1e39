//! An object of a `.jsonl` file, with nothing dropped and nothing rounded.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The keys and values as they stand there, also those that are there twice.
pub(super) struct Object(Vec<(String, Value)>);

impl Object {
    /// The values of these keys as text, empty where one is missing; or what is wrong with one.
    pub(super) fn fields<const N: usize>(self, names: [&str; N]) -> Result<[String; N], String> {
        let mut fields = [const { None }; N];
        for (key, value) in self.0 {
            let place = names.iter().position(|name| *name == key);
            let Some(field) = place.and_then(|place| fields.get_mut(place)) else {
                let key = if is_word(&key) { format!("key `{key}`") } else { "a key".to_owned() };
                return Err(format!("{key} is not known; there are {}", names.join(", ")));
            };
            if field.is_some() {
                return Err(format!("field `{key}` is there twice"));
            }
            *field = Some(match value {
                Value::Null => String::new(),
                Value::String(text) => text.trim().to_owned(),
                // Larger ones and fractions have lost digits already.
                Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string(),
                Value::Number(_) => {
                    return Err(format!("field `{key}` is no whole number of 64 bits: write it as text"));
                }
                _ => return Err(format!("field `{key}` is neither text nor a number")),
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

/// Whether this looks like the name of a field, and not like a value that lost its place.
pub(super) fn is_word(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
}
