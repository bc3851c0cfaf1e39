//! What was asked: for the server, and for tests that look at the wire.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use hyper::http::request::Parts;

/// A request as it came.
///
/// The session id is replaced by `(session)` in the headers; the body is as it was, so that of a login has the
/// password. `Debug` shows neither.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{Server, ServerSettings};
///
/// # async fn example() -> bs2_events::Result<()> {
/// let server = Server::start(ServerSettings::default()).await?;
/// // … the client does its work …
/// for request in server.requests() {
///     println!("{} {} {:?}", request.method(), request.target(), request.header("content-type"));
/// }
/// # assert!(server.requests().is_empty());
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    session: Option<String>,
    body: Bytes,
}

impl Request {
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
    ///
    /// # Examples
    ///
    /// See [`Request`].
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Path and query, byte for byte.
    ///
    /// # Examples
    ///
    /// See [`Request`].
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The first header of this name, which is in lower case.
    ///
    /// # Examples
    ///
    /// See [`Request`].
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }

    /// All headers, with names in lower case.
    ///
    /// # Examples
    ///
    /// See [`Request`].
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The body, byte for byte.
    ///
    /// # Examples
    ///
    /// See [`Request`].
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    pub(super) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// A parameter of the query, decoded.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query().as_bytes())
            .find_map(|(known, value)| (known == name).then(|| value.into_owned()))
    }

    pub(super) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The last requests.
#[derive(Default)]
pub(super) struct Record {
    requests: VecDeque<Request>,
    bytes: usize,
}

impl Record {
    pub(super) fn add(&mut self, request: Request) {
        self.bytes = self.bytes.saturating_add(request.body.len());
        self.requests.push_back(request);
        while self.requests.len() > MOST_REQUESTS || self.bytes > MOST_BYTES {
            let Some(gone) = self.requests.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(gone.body.len());
        }
    }

    pub(super) fn all(&self) -> Vec<Request> {
        self.requests.iter().cloned().collect()
    }
}

/// The header of every request but a login.
pub(super) const SESSION: &str = "bs-session-id";
const SECRETS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];
const MOST_REQUESTS: usize = 100_000;
const MOST_BYTES: usize = 256 << 20;
