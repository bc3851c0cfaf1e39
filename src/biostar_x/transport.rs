//! Requests and answers, before anybody knows what they mean.

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::codes::{not_sent, unanswered};
use crate::{Error, ErrorKind, Result};

/// The way to the server.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) http: reqwest::Client,
    /// The address without `/api` and without a slash at its end.
    pub(super) base: Url,
    pub(super) answer_limit: usize,
}

/// A call: what is sent, and how it is named in errors.
#[derive(Clone)]
pub(super) struct Request {
    method: Method,
    path: String,
    endpoint: &'static str,
    body: Option<Vec<u8>>,
    may_repeat: bool,
}

impl Request {
    /// `endpoint` is the method and the path, with names in braces where `path` has values.
    pub(super) const fn new(method: Method, endpoint: &'static str, path: String) -> Self {
        Self { method, path, endpoint, body: None, may_repeat: true }
    }

    /// A call whose path is the one that it is named by.
    pub(super) fn plain(method: Method, endpoint: &'static str) -> Self {
        let path = endpoint.split_once(' ').map_or(endpoint, |(_, path)| path);
        Self::new(method, endpoint, path.to_owned())
    }

    pub(super) fn with_json(mut self, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(body)
            .map_err(|_| Error::new(ErrorKind::Other, "the request cannot be written as JSON"))?;
        self.body = Some(body);
        Ok(self)
    }

    /// One that does harm when it is done twice.
    pub(super) const fn once(mut self) -> Self {
        self.may_repeat = false;
        self
    }

    pub(super) const fn may_repeat(&self) -> bool {
        self.may_repeat
    }

    pub(super) const fn endpoint(&self) -> &'static str {
        self.endpoint
    }
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) session: Option<SecretString>,
    pub(super) body: Vec<u8>,
}

impl Transport {
    pub(super) async fn send(&self, request: &Request, session: Option<&SecretString>) -> Result<Reply> {
        let endpoint = request.endpoint;
        let mut url = self.base.clone();
        let (path, query) = match request.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.path.as_str(), None),
        };
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        url.set_query(query);
        let mut call = self.http.request(request.method.clone(), url);
        if let Some(session) = session {
            let mut value = HeaderValue::from_str(session.expose_secret()).map_err(|_| {
                not_sent(endpoint, ErrorKind::InvalidData, "the session id is no header value", None)
            })?;
            value.set_sensitive(true);
            call = call.header(SESSION_HEADER, value);
        }
        if let Some(body) = &request.body {
            call = call.header(CONTENT_TYPE, "application/json").body(body.clone());
        } else if request.method == Method::POST {
            // Without it some servers wait for a body.
            call = call.header(CONTENT_LENGTH, 0);
        }
        let started = tokio::time::Instant::now();
        let reply = self.receive(endpoint, call).await;
        match &reply {
            Ok(reply) => {
                tracing::debug!(endpoint, status = reply.status, elapsed = ?started.elapsed(), "answered");
            }
            Err(error) => {
                tracing::debug!(endpoint, kind = ?error.kind(), elapsed = ?started.elapsed(), "not answered");
            }
        }
        reply
    }

    async fn receive(&self, endpoint: &'static str, call: reqwest::RequestBuilder) -> Result<Reply> {
        let failed = |error| failed(endpoint, error);
        let mut response = call.send().await.map_err(failed)?;
        let session = response
            .headers()
            .get(SESSION_HEADER)
            .and_then(|value| value.to_str().ok())
            .filter(|value| !value.is_empty())
            .map(SecretString::from);
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len().saturating_add(chunk.len()) > self.answer_limit {
                let message =
                    "the answer is larger than the limit: raise it with `with_answer_limit`, or ask for less";
                return Err(unanswered(endpoint, ErrorKind::InvalidData, message, None));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, session, body })
    }
}

/// What a failure means: whether the request can have reached the server decides.
fn failed(endpoint: &'static str, error: reqwest::Error) -> Error {
    if is_certificate(&error) {
        let source = Some(error.without_url().into());
        let message = "the server's certificate is not trusted: give its CA, or pin it";
        return not_sent(endpoint, ErrorKind::CertificateRefused, message, source);
    }
    if error.is_connect() || error.is_builder() {
        let source = Some(error.without_url().into());
        return not_sent(endpoint, ErrorKind::Disconnected, "the server cannot be reached", source);
    }
    let (kind, message) = if error.is_timeout() {
        (ErrorKind::TimedOut, "the server did not answer in time")
    } else {
        (ErrorKind::Disconnected, "the connection broke before the answer")
    };
    unanswered(endpoint, kind, message, Some(error.without_url().into()))
}

/// Whether a failure to connect is one of trust. The reason lies inside `io::Error`s, whose `source` skips what they
/// hold.
pub(super) fn is_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(tokio_rustls::rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
        return true;
    }
    let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    held.is_some_and(|held| is_certificate(held)) || error.source().is_some_and(is_certificate)
}

/// The name of the header that holds the session, in calls and in the answer to a login.
pub(super) const SESSION_HEADER: &str = "bs-session-id";
