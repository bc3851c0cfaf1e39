//! HTTP transport: sends a request, returns status, session and raw body.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Response, Uri};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig};

use super::codes::{not_sent, unanswered};
use crate::error::invalid;
use crate::sync::lock;
use crate::{Error, ErrorKind, Result};

/// The address of a server.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) is_tls: bool,
    /// As in a URL: in brackets where it is an IPv6 address.
    host: String,
    port: Option<u16>,
    /// What precedes `/api`; empty, or without a slash at its end.
    path: String,
}

impl Address {
    /// Reads `https://HOST[:PORT][/PATH][/api]`. Errors do not repeat the text: it may hold a secret.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let expected = || invalid("setting `server`: an address such as https://192.0.2.10 is expected");
        let text = text.trim();
        if text.contains(['?', '#']) {
            return Err(invalid("setting `server`: an address has no `?` and no `#`"));
        }
        let uri: Uri = text.parse().map_err(|_| expected())?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(expected()),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(invalid("setting `server`: name and password do not belong into the address"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(expected)?.to_ascii_lowercase();
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix("/api").unwrap_or(path).trim_end_matches('/').to_owned();
        let port = uri.port_u16().filter(|port| *port != default_port(is_tls));
        Ok(Self { is_tls, host, port, path })
    }

    pub(super) fn is_this_computer(&self) -> bool {
        let host = self.plain_host();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The address of the socket for events.
    pub(super) fn socket(&self) -> String {
        let scheme = if self.is_tls { "wss" } else { "ws" };
        format!("{scheme}://{}{}/wsapi", self.authority(), self.path)
    }

    fn plain_host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }

    fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

/// Without `/api` and without a slash at its end.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.is_tls { "https" } else { "http" }, self.authority(), self.path)
    }
}

/// A request: what is sent, and its name in errors.
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

    /// A request without values in its path.
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

    /// Marks a request that must not be carried out twice.
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

/// What the server sent back.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) session: Option<SecretString>,
    pub(super) body: Vec<u8>,
}

/// A stream to the server, with or without TLS.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Connection for T {}

type Sender = SendRequest<Full<Bytes>>;

/// Connections to one server, kept open between requests.
pub(super) struct Transport {
    pub(super) address: Address,
    tls: Arc<ClientConfig>,
    connect_timeout: Duration,
    timeout: Duration,
    answer_limit: usize,
    /// Connections that wait for a request, and since when; the newest last.
    idle: Mutex<Vec<(Sender, Instant)>>,
}

impl Transport {
    pub(super) fn new(
        address: Address,
        tls: ClientConfig,
        connect_timeout: Duration,
        timeout: Duration,
        answer_limit: usize,
    ) -> Self {
        let (tls, idle) = (Arc::new(tls), Mutex::default());
        Self { address, tls, connect_timeout, timeout, answer_limit, idle }
    }

    /// Sends a request and receives the whole answer.
    pub(super) async fn send(&self, request: &Request, session: Option<&SecretString>) -> Result<Reply> {
        let endpoint = request.endpoint;
        let http = self.http(request, session)?;
        let started = Instant::now();
        let mut is_sent = false;
        let reply = match timeout(self.timeout, self.exchange(endpoint, http, &mut is_sent)).await {
            Ok(reply) => reply,
            Err(_) => {
                let failed = if is_sent { unanswered } else { not_sent };
                Err(failed(endpoint, ErrorKind::TimedOut, "the server did not answer in time"))
            }
        };
        let elapsed = started.elapsed();
        match &reply {
            Ok(reply) => tracing::debug!(endpoint, status = reply.status, ?elapsed, "answered"),
            Err(error) => tracing::debug!(endpoint, kind = ?error.kind(), ?elapsed, "not answered"),
        }
        reply
    }

    /// Opens a stream to the server, within the time that a connection may take.
    pub(super) async fn connect(&self, endpoint: &'static str) -> Result<Box<dyn Connection>> {
        let result = timeout(self.connect_timeout, self.connect_in_time()).await;
        let error = match result {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error,
            Err(_) => std::io::ErrorKind::TimedOut.into(),
        };
        if is_certificate(&error) {
            let message = "the server's certificate is not trusted: give its CA, or pin it";
            return Err(not_sent(endpoint, ErrorKind::CertificateRefused, message).with_source(error));
        }
        let message = format!("cannot connect to {}", self.address);
        Err(not_sent(endpoint, ErrorKind::Disconnected, message).with_source(error))
    }

    async fn connect_in_time(&self) -> std::io::Result<Box<dyn Connection>> {
        let (host, is_tls) = (self.address.plain_host(), self.address.is_tls);
        let tcp = TcpStream::connect((host, self.address.port.unwrap_or(default_port(is_tls)))).await?;
        tcp.set_nodelay(true)?;
        if !is_tls {
            return Ok(Box::new(tcp));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        Ok(Box::new(TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await?))
    }

    async fn exchange(
        &self,
        endpoint: &'static str,
        mut http: hyper::Request<Full<Bytes>>,
        is_sent: &mut bool,
    ) -> Result<Reply> {
        let broken = |source: hyper::Error| {
            let message = "the connection broke before the answer";
            unanswered(endpoint, ErrorKind::Disconnected, message).with_source(source)
        };
        loop {
            let idle = self.take_idle();
            let is_new = idle.is_none();
            let mut sender = match idle {
                Some(sender) => sender,
                None => self.open(endpoint).await?,
            };
            if sender.ready().await.is_err() && !is_new {
                continue;
            }
            *is_sent = true;
            match sender.try_send_request(http).await {
                Ok(response) => {
                    let reply = self.receive(endpoint, response, broken).await?;
                    lock(&self.idle).push((sender, Instant::now()));
                    return Ok(reply);
                }
                // The server has closed a connection that waited: nothing was written, so another one can be used.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_new => {
                        http = unsent;
                        *is_sent = false;
                    }
                    Some(_) => {
                        let message = "the server closed the connection";
                        let closed = not_sent(endpoint, ErrorKind::Disconnected, message);
                        return Err(closed.with_source(error.into_error()));
                    }
                    None => return Err(broken(error.into_error())),
                },
            }
        }
    }

    async fn receive(
        &self,
        endpoint: &'static str,
        response: Response<Incoming>,
        broken: impl Fn(hyper::Error) -> Error,
    ) -> Result<Reply> {
        let session = response
            .headers()
            .get(SESSION_HEADER)
            .and_then(|value| value.to_str().ok())
            .filter(|value| !value.is_empty())
            .map(SecretString::from);
        let status = response.status().as_u16();
        let (mut incoming, mut body) = (response.into_body(), Vec::new());
        while let Some(frame) = incoming.frame().await {
            let Ok(chunk) = frame.map_err(&broken)?.into_data() else { continue };
            if body.len().saturating_add(chunk.len()) > self.answer_limit {
                return Err(unanswered(endpoint, ErrorKind::InvalidData, TOO_LARGE));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, session, body })
    }

    async fn open(&self, endpoint: &'static str) -> Result<Sender> {
        let stream = TokioIo::new(self.connect(endpoint).await?);
        let (sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(|error| {
            not_sent(endpoint, ErrorKind::Disconnected, "cannot open an HTTP connection").with_source(error)
        })?;
        // Ends with the sender, or when the server closes. What fails there fails the request too.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = lock(&self.idle);
        idle.retain(|(sender, since)| since.elapsed() < IDLE_LIMIT && !sender.is_closed());
        idle.pop().map(|(sender, _)| sender)
    }

    fn http(&self, request: &Request, session: Option<&SecretString>) -> Result<hyper::Request<Full<Bytes>>> {
        let endpoint = request.endpoint;
        let failed = |message| not_sent(endpoint, ErrorKind::InvalidData, message);
        let mut http = hyper::Request::builder()
            .method(request.method.clone())
            .uri(format!("{}{}", self.address.path, request.path))
            .header(HOST, self.address.authority())
            .header(ACCEPT, "*/*");
        if let Some(session) = session {
            let mut value = HeaderValue::from_str(session.expose_secret())
                .map_err(|_| failed("the session id is no header value"))?;
            value.set_sensitive(true);
            http = http.header(SESSION_HEADER, value);
        }
        if request.body.is_some() {
            http = http.header(CONTENT_TYPE, "application/json");
        } else if request.method == Method::POST {
            // Without it some servers wait for a body.
            http = http.header(CONTENT_LENGTH, 0);
        }
        let body = request.body.clone().unwrap_or_default();
        http.body(Full::new(body.into())).map_err(|_| failed("the request cannot be written as HTTP"))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Whether an answer was larger than the limit.
pub(super) fn is_too_large(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidData && error.http().is_some_and(|http| http.status().is_none())
}

/// Whether a connection failed because of a certificate.
fn is_certificate(error: &std::io::Error) -> bool {
    let tls = error.get_ref().and_then(|held| held.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

const fn default_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 80 }
}

const TOO_LARGE: &str = "the answer is larger than the limit: raise `answer-limit`, or ask for less";

/// The name of the header that holds the session, in requests and in the answer to a login.
const SESSION_HEADER: &str = "bs-session-id";

/// Shorter than the five seconds after which the server closes a connection that waits.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
