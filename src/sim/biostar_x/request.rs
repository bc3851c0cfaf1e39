//! Requests, as the server reads them and as tests see them.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;

use super::response::Refusal;

/// A request as the server received it.
///
/// The headers show `(session)` instead of the session id. The body is unchanged, so that of a login contains the
/// password. `Debug` shows neither headers nor body.
#[derive(Clone)]
pub struct ReceivedRequest {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    session: Option<String>,
    body: Bytes,
}

impl ReceivedRequest {
    pub(super) fn new(parts: &Parts, body: Bytes) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let target = parts.uri.path_and_query().map_or_else(String::new, |target| target.as_str().to_owned());
        let mut session = None;
        let mut headers = Vec::with_capacity(parts.headers.len());
        for (name, value) in &parts.headers {
            let value = text(value.as_bytes());
            let secret = SECRETS.contains(&name.as_str());
            if name.as_str() == SESSION {
                session = Some(value);
                headers.push((SESSION.to_owned(), "(session)".to_owned()));
            } else {
                headers.push((name.as_str().to_owned(), if secret { "(hidden)".to_owned() } else { value }));
            }
        }
        Self { method: parts.method.as_str().to_owned(), target, headers, session, body }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Path and query, byte for byte.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The first header with this name. The name is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }

    /// All headers, with names in lower case.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The body, byte for byte.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON, or `refusal`.
    pub(super) fn json(&self, refusal: Refusal) -> Result<Value, Refusal> {
        serde_json::from_slice(&self.body).map_err(|_| refusal)
    }

    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// A parameter of the query, decoded.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        form_urlencoded::parse(query.as_bytes())
            .find_map(|(known, value)| (known == name).then(|| value.into_owned()))
    }

    pub(super) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }
}

impl fmt::Debug for ReceivedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedRequest")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The last requests.
#[derive(Default)]
pub(super) struct RequestLog {
    requests: VecDeque<ReceivedRequest>,
    bytes: usize,
}

impl RequestLog {
    pub(super) fn add(&mut self, request: ReceivedRequest) {
        self.bytes = self.bytes.saturating_add(request.body.len());
        self.requests.push_back(request);
        while self.requests.len() > MAX_REQUESTS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.requests.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.body.len());
        }
    }

    pub(super) fn all(&self) -> Vec<ReceivedRequest> {
        self.requests.iter().cloned().collect()
    }
}

// Fields of JSON bodies. The documentation says that numbers may be in quotes.

/// A whole number, in quotes or not.
pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// A boolean, in quotes or not.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A text that is not empty.
pub(super) fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// The header with the session id. Every request has it, except a login.
pub(super) const SESSION: &str = "bs-session-id";
const SECRETS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];
const MAX_REQUESTS: usize = 100_000;
const MAX_BYTES: usize = 256 << 20;
