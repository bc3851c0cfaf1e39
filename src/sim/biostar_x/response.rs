//! What the server says, and the two ways in which it says it.

use serde_json::{Map, Value, json};

use super::options::Dialect;

/// An answer before it is bytes.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) side: Side,
    /// Set by a login.
    pub(super) session: Option<String>,
    /// Whether the server ends the connection afterwards.
    pub(super) close: bool,
}

/// The two servers behind one host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// The old core: every scalar is text, slashes are escaped.
    Core,
    /// The newer web tier: numbers are numbers, and the envelope says `by`.
    Web,
}

impl Answer {
    /// What was asked for, with the envelope behind it.
    pub(super) fn ok(side: Side, payload: Value) -> Self {
        Self::said(side, payload, "0", "Success")
    }

    pub(super) fn said(side: Side, payload: Value, code: &str, message: &str) -> Self {
        let mut body = match payload {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        body.insert("Response".to_owned(), envelope(side, code, message));
        Self::bare(side, Value::Object(body))
    }

    /// A body without the envelope.
    pub(super) fn bare(side: Side, body: Value) -> Self {
        Self { status: 200, body, side, session: None, close: false }
    }

    /// The bytes of the body, in the dialect of this answer or in the one that is forced on all.
    pub(super) fn to_bytes(&self, dialect: Dialect, flip: bool) -> Vec<u8> {
        let side = match (dialect, self.side) {
            (Dialect::Core, _) => Side::Core,
            (Dialect::V2, _) => Side::Web,
            (Dialect::Documented, side) => side,
        };
        match (side, flip) {
            (Side::Core, _) => text_of(&stringly(&self.body)).replace('/', "\\/").into_bytes(),
            (Side::Web, false) => text_of(&self.body).into_bytes(),
            (Side::Web, true) => text_of(&stringly(&self.body)).into_bytes(),
        }
    }
}

/// `Response`: the code is text on both sides.
pub(super) fn envelope(side: Side, code: &str, message: &str) -> Value {
    let mut envelope = json!({ "code": code, "link": LINK, "message": message });
    if side == Side::Web {
        envelope["by"] = "web".into();
    }
    envelope
}

/// The same value with every number and every truth as text.
fn stringly(value: &Value) -> Value {
    match value {
        Value::Bool(truth) => truth.to_string().into(),
        Value::Number(number) => number.to_string().into(),
        Value::Array(items) => items.iter().map(stringly).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), stringly(value))).collect(),
        Value::Null | Value::String(_) => value.clone(),
    }
}

/// Minified, as both sides send it.
fn text_of(value: &Value) -> String {
    value.to_string()
}

const LINK: &str = "https://support.supremainc.com/en/support/home";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_of_the_core_has_the_106_bytes_of_the_capture() {
        let bytes = Answer::ok(Side::Core, json!({})).to_bytes(Dialect::Documented, false);
        assert_eq!(bytes.len(), 106);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(r#""link":"https:\/\/support.supremainc.com\/en\/support\/home""#), "{text}");
    }

    #[test]
    fn each_side_has_its_own_scalars() {
        let payload = json!({ "id": 100_001, "on": true, "name": "a/b", "none": null });
        let text = |side, dialect, flip| {
            String::from_utf8(Answer::bare(side, payload.clone()).to_bytes(dialect, flip)).unwrap()
        };
        let core = r#"{"id":"100001","on":"true","name":"a\/b","none":null}"#;
        let web = r#"{"id":100001,"on":true,"name":"a/b","none":null}"#;
        assert_eq!(text(Side::Core, Dialect::Documented, false), core);
        assert_eq!(text(Side::Web, Dialect::Documented, false), web);
        assert_eq!(text(Side::Web, Dialect::Core, false), core);
        assert_eq!(text(Side::Core, Dialect::V2, false), web);
        assert_eq!(text(Side::Web, Dialect::Documented, true), core.replace("\\/", "/"));
    }
}
