//! Responses of the server, in both of its dialects, and its refusals.

use serde_json::{Map, Value, json};

use super::options::Dialect;

/// A response before it is bytes.
pub(super) struct ApiResponse {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) side: Side,
    /// The session id that a login returns.
    pub(super) session: Option<String>,
    /// Whether the server closes the connection afterwards.
    pub(super) close: bool,
}

/// The two servers behind one host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// The older core: every scalar is text, and slashes are escaped.
    Core,
    /// The newer web tier: numbers are numbers, and the envelope has the field `by`.
    Web,
}

impl ApiResponse {
    /// A success: the payload and the envelope.
    pub(super) fn success(side: Side, payload: Value) -> Self {
        Self::with_code(side, payload, "0", "Success")
    }

    pub(super) fn with_code(side: Side, payload: Value, code: &str, message: &str) -> Self {
        let mut body = match payload {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        body.insert("Response".to_owned(), envelope(side, code, message));
        Self::without_envelope(side, Value::Object(body))
    }

    pub(super) fn without_envelope(side: Side, body: Value) -> Self {
        Self { status: 200, body, side, session: None, close: false }
    }

    /// The bytes of the body, in the dialect of its side unless `dialect` sets one for all. With `numbers_as_text` the
    /// web tier also writes numbers as text.
    pub(super) fn to_bytes(&self, dialect: Dialect, numbers_as_text: bool) -> Vec<u8> {
        let side = match (dialect, self.side) {
            (Dialect::Core, _) => Side::Core,
            (Dialect::V2, _) => Side::Web,
            (Dialect::Documented, side) => side,
        };
        // Minified, as both sides send it.
        match (side, numbers_as_text) {
            (Side::Core, _) => scalars_as_text(&self.body).to_string().replace('/', "\\/").into_bytes(),
            (Side::Web, false) => self.body.to_string().into_bytes(),
            (Side::Web, true) => scalars_as_text(&self.body).to_string().into_bytes(),
        }
    }
}

/// A documented way to refuse a request: HTTP status, code and message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    status: u16,
    code: u32,
    message: &'static str,
    /// Whether the body is the envelope alone, without `Response` around it.
    bare: bool,
}

impl Refusal {
    pub(super) fn response(self, side: Side, wrap: bool) -> ApiResponse {
        let envelope = envelope(side, &self.code.to_string(), self.message);
        let body = if self.bare && !wrap { envelope } else { json!({ "Response": envelope }) };
        let close = self == Self::BAD_LOGIN;
        ApiResponse { status: self.status, close, ..ApiResponse::without_envelope(side, body) }
    }

    const fn new(status: u16, code: u32, message: &'static str) -> Self {
        Self { status, code, message, bare: false }
    }

    // Documented with status and code.
    pub(super) const BAD_LOGIN: Self =
        Self::new(400, 101, "Failed to login for invalid username or password");
    pub(super) const LICENCE: Self = Self { bare: true, ..Self::new(403, 331_791, "License is required.") };
    pub(super) const LOGIN_REQUIRED: Self = Self::new(401, 10, "Login required.");
    pub(super) const NOT_BOUND: Self = Self::new(500, 1_100, "Web socket is not found.");
    pub(super) const NO_PERMISSION: Self = Self::new(403, 20, "Permission denied.");
    pub(super) const UNKNOWN_REQUEST: Self = Self::new(400, 103, "Request is not supported");

    // Documented with the code, without a status.
    pub(super) const BAD_ID: Self = Self::new(400, 317, "Invalid device ID.");
    pub(super) const BAD_JSON: Self = Self::new(400, 104, "Invalid JSON.");
    pub(super) const BAD_JSON_WEB: Self = Self::new(400, 1_000, "Malformed request JSON.");
    pub(super) const BAD_PARAMETER: Self = Self::new(400, 30, "Invalid parameters.");
    pub(super) const BAD_QUERY: Self = Self::new(400, 105, "Invalid query.");
    pub(super) const BAD_SOCKET_SESSION: Self = Self::new(400, 1_101, "Invalid session in web socket.");
    pub(super) const BARRED: Self = Self::new(400, 121, "This ID cannot be used to log in.");
    pub(super) const FAILED: Self = Self::new(500, 1_000, "Unknown error.");
    pub(super) const LOCKED: Self =
        Self::new(400, 113, "Login is locked because of too many failed attempts. Try again later.");
    pub(super) const METHOD: Self = Self::new(400, 102, "Method is not allowed.");
    pub(super) const MFA: Self = Self::new(400, 122, "Multi-factor login is enabled for this account.");
    pub(super) const NO_DEVICE: Self = Self::new(400, 301, "Device is not found.");
    pub(super) const NO_FILE: Self = Self::new(400, 107, "File is not found.");
    pub(super) const NO_GROUP: Self = Self::new(400, 500, "Device group is not found.");
    pub(super) const NO_USER: Self = Self::new(400, 201, "User is not found.");
    pub(super) const NOT_FOUND: Self = Self::new(404, 103, "Request is not supported");
    pub(super) const TAKEN_ID: Self = Self::new(400, 65_663, "Device ID already exists.");
    pub(super) const TAKEN_NAME: Self = Self::new(400, 65_664, "Device name already exists.");
    pub(super) const TOO_LONG: Self = Self::new(413, 702, "Bad request.");
}

/// The value of `Response`. The code is text on both sides.
fn envelope(side: Side, code: &str, message: &str) -> Value {
    let mut envelope = json!({ "code": code, "link": LINK, "message": message });
    if side == Side::Web {
        envelope["by"] = "web".into();
    }
    envelope
}

/// The same value with every number and every boolean as text.
fn scalars_as_text(value: &Value) -> Value {
    match value {
        Value::Bool(value) => value.to_string().into(),
        Value::Number(number) => number.to_string().into(),
        Value::Array(items) => items.iter().map(scalars_as_text).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), scalars_as_text(value))).collect(),
        Value::Null | Value::String(_) => value.clone(),
    }
}

const LINK: &str = "https://support.supremainc.com/en/support/home";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_of_the_core_has_the_106_bytes_of_the_capture() {
        let bytes = ApiResponse::success(Side::Core, json!({})).to_bytes(Dialect::Documented, false);
        assert_eq!(bytes.len(), 106);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(r#""link":"https:\/\/support.supremainc.com\/en\/support\/home""#), "{text}");
    }

    #[test]
    fn each_side_has_its_own_scalars() {
        let payload = json!({ "id": 100_001, "on": true, "name": "a/b", "none": null });
        let text = |side, dialect, numbers_as_text| {
            let response = ApiResponse::without_envelope(side, payload.clone());
            String::from_utf8(response.to_bytes(dialect, numbers_as_text)).unwrap()
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
