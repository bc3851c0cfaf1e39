//! Fields of requests: numbers may stand in quotes, says the documentation.

use serde_json::Value;

use super::refusal::Refusal;

/// A request's body as JSON.
pub(super) fn parse(body: &[u8], refusal: Refusal) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|_| refusal)
}

/// A whole number, in quotes or not.
pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// The truth, in quotes or not.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Text that says something.
pub(super) fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}
