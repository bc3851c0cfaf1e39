//! Lenient reading of answers: two servers answer behind one host, and one of them writes every scalar as a string.

use serde_json::Value;

use super::codes::{refused, unreadable};
use super::rows::{self, Body, Rows};
use super::transport::Reply;
use crate::error::HttpError;
use crate::{Error, Result};

/// The value at a path of keys; `Null` where a key is missing.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, key| value.get(key).unwrap_or(&Value::Null))
}

/// A scalar as text; `None` for what is missing, and for an empty string.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A number, written as one or as a string.
pub(super) fn number<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.and_then(|number| number.try_into().ok())
}

/// A flag: `true`, `"True"`, `1`, `"1"`, and their opposites.
pub(super) fn flag(value: &Value) -> Option<bool> {
    match text(value)?.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// The elements of an array. A missing value, `null` and `""` have none; an object is the only element.
pub(super) fn elements(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(elements) => Some(elements),
        Value::Object(_) => Some(std::slice::from_ref(value)),
        Value::Null => Some(&[]),
        Value::String(text) if text.trim().is_empty() => Some(&[]),
        _ => None,
    }
}

/// The rows of a collection such as `{"EventCollection":{"rows":[…]}}`: all of them objects.
pub(super) fn rows<'a>(reply: &'a ApiResponse, collection: &'static str) -> Result<&'a [Value]> {
    let collection = match at(&reply.body, &[collection]) {
        Value::Array(_) => at(&reply.body, &[collection]),
        value => at(value, &["rows"]),
    };
    objects(reply, collection)
}

/// An array of objects.
pub(super) fn objects<'a>(reply: &'a ApiResponse, value: &'a Value) -> Result<&'a [Value]> {
    elements(value)
        .filter(|rows| rows.iter().all(Value::is_object))
        .ok_or_else(|| reply.unreadable(NO_OBJECTS))
}

/// An answer that reports success.
pub(super) struct ApiResponse {
    /// The answer without its events.
    pub(super) body: Value,
    events: Option<String>,
    /// Whether the answer confirms it with a code 0.
    pub(super) is_confirmed: bool,
    http: HttpError,
}

impl ApiResponse {
    /// Decides by status and code. The body has the code in `Response`, at the top, or nowhere.
    pub(super) fn of(endpoint: &'static str, reply: &Reply) -> Result<Self> {
        let mut http = HttpError::answered(endpoint, reply.status, &reply.body);
        let is_success = (200..300).contains(&reply.status);
        let Body { rest: body, events } = match parsed(&reply.body) {
            Some(body) => body,
            None if is_success => {
                let sentence = "the answer is not JSON: perhaps another server runs at this address";
                return Err(unreadable(http, sentence));
            }
            None => return Err(refused(http)),
        };
        let response = match at(&body, &["Response"]) {
            Value::Object(_) => at(&body, &["Response"]),
            _ => &body,
        };
        http.code = text(at(response, &["code"])).map(|code| code.trim().to_owned());
        http.message = text(at(response, &["message"]));
        http.by = text(at(response, &["by"]));
        match http.code() {
            Some("0") | None if is_success => {
                Ok(Self { is_confirmed: http.code.is_some(), body, events, http })
            }
            _ => Err(refused(http)),
        }
    }

    /// Fails with this sentence unless the answer confirms success: it may come from another server, or be cut.
    pub(super) fn confirmed(&self, sentence: &str) -> Result<()> {
        if self.is_confirmed { Ok(()) } else { Err(self.unreadable(sentence)) }
    }

    /// The events that a search found; `None` where the answer has no collection of events.
    pub(super) fn events(&self) -> Result<Option<Rows>> {
        let rows = |events| Rows::of(events).ok_or_else(|| self.unreadable(NO_OBJECTS));
        self.events.as_deref().filter(|events| *events != "null").map(rows).transpose()
    }

    pub(super) fn into_http(self) -> HttpError {
        self.http
    }

    pub(super) fn unreadable(&self, sentence: &str) -> Error {
        unreadable(self.http.clone(), sentence)
    }
}

/// The JSON in these bytes; `Null` for an answer without content.
fn parsed(bytes: &[u8]) -> Option<Body> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() { Some(Body::default()) } else { rows::read_body(text) }
}

pub(super) const NO_OBJECTS: &str = "the rows are not objects of an ordinary size";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::ErrorKind;

    use super::*;

    fn response(status: u16, body: &str) -> Result<ApiResponse> {
        ApiResponse::of("GET /", &Reply { status, session: None, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn scalars_are_read_in_every_spelling() {
        assert_eq!(number::<u32>(&json!("4867")), Some(4_867));
        assert_eq!(number::<u32>(&json!(4867)), Some(4_867));
        assert_eq!(number::<u8>(&json!("-1")), None);
        assert_eq!(number::<u32>(&json!([1])), None);
        for yes in [json!(true), json!("True"), json!("1"), json!(1)] {
            assert_eq!(flag(&yes), Some(true), "{yes}");
        }
        assert_eq!(flag(&json!("perhaps")), None);
        assert_eq!(text(&json!("")), None);
        assert_eq!(text(&json!(7)), Some("7".to_owned()));
    }

    #[test]
    fn success_is_decided_from_status_and_code() {
        assert!(response(200, r#"{"Response":{"code":"0"}}"#).unwrap().is_confirmed);
        assert!(response(200, r#"{"Response":{"code":0}}"#).unwrap().is_confirmed);
        assert!(!response(200, r#"{"EventTypeCollection":{}}"#).unwrap().is_confirmed);
        assert!(!response(200, "").unwrap().is_confirmed);
        let kind = |status, body| response(status, body).err().map(|error| error.kind());
        assert_eq!(kind(200, r#"{"Response":{"code":"1"}}"#), Some(ErrorKind::PartlyDone));
        assert_eq!(kind(200, "<html>"), Some(ErrorKind::InvalidData));
        assert_eq!(kind(500, r#"{"Response":{"code":"0"}}"#), Some(ErrorKind::ServerFailed));
        assert_eq!(kind(403, r#"{"code":"331791","by":"web"}"#), Some(ErrorKind::LicenceMissing));
        assert_eq!(kind(403, r#"{"Response":{"code":"331791"}}"#), Some(ErrorKind::LicenceMissing));
        assert_eq!(kind(401, "gone"), Some(ErrorKind::SessionExpired));
        assert_eq!(kind(400, r#"{"Response":{"code":"u1001"}}"#), Some(ErrorKind::Refused));
    }

    #[test]
    fn rows_are_read_from_every_shape_that_servers_use() {
        for (body, expected) in [
            (r#"{"C":{"rows":""}}"#, 0),
            (r#"{"C":{"rows":[]}}"#, 0),
            (r#"{"C":{"rows":null}}"#, 0),
            (r#"{"C":{}}"#, 0),
            (r#"{"C":""}"#, 0),
            (r#"{"Response":{"code":"0"}}"#, 0),
            (r#"{"C":{"rows":{"id":"1"}}}"#, 1),
            (r#"{"C":{"rows":[{"id":"1"},{}]}}"#, 2),
            (r#"{"C":[{"id":"1"}]}"#, 1),
        ] {
            assert_eq!(rows(&response(200, body).unwrap(), "C").unwrap().len(), expected, "{body}");
            let body = body.replace("\"C\"", "\"EventCollection\"");
            let events = response(200, &body).unwrap().events().unwrap();
            assert_eq!(events.map_or(0, Iterator::count), expected, "{body}");
        }
        for body in [r#"{"C":{"rows":"seven"}}"#, r#"{"C":{"rows":[1]}}"#, r#"{"C":{"rows":true}}"#] {
            let reply = response(200, body).unwrap();
            assert_eq!(rows(&reply, "C").unwrap_err().kind(), ErrorKind::InvalidData, "{body}");
        }
    }
}
