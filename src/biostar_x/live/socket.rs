//! The socket: open, say who we are, wait for the answer, and only then ask for events.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_websockets::{Message, WebSocketStream};

use crate::biostar_x::client::Client;
use crate::biostar_x::codes::{not_sent, unanswered};
use crate::biostar_x::json::{at, number, text};
use crate::biostar_x::session::Session;
use crate::biostar_x::transport::{Request, is_certificate};
use crate::{Error, ErrorKind, Result};

/// What a socket runs over.
trait Connection: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Connection for T {}

/// An open socket to which the server reports events.
pub(super) struct Socket {
    stream: WebSocketStream<Box<dyn Connection>>,
    session: Session,
}

/// What came over the socket.
pub(super) enum Frame {
    Json(Value),
    /// Nothing but a sign of life.
    Beat,
    /// Something that is no JSON.
    Unreadable,
}

impl Socket {
    /// Opens a socket; with another session if that one has ended.
    pub(super) async fn open(client: &Client) -> Result<Self> {
        let session = client.session().await?;
        match Self::with(client, session.clone()).await {
            Err(error) if error.kind() == ErrorKind::SessionExpired => {
                let session = client.0.sessions.renew(&client.0.transport, session.generation).await?;
                Self::with(client, session).await
            }
            result => result,
        }
    }

    async fn with(client: &Client, session: Session) -> Result<Self> {
        let limit = client.0.connect_timeout;
        let stream = timeout(limit, connect(client)).await.map_err(|_| unreached(None))??;
        let mut socket = Self { stream, session };
        timeout(BIND_LIMIT, socket.bind()).await.map_err(|_| {
            let message = "the server did not say in time that the socket belongs to the session";
            unanswered(ENDPOINT, ErrorKind::TimedOut, message, None)
        })??;
        socket.start(client).await?;
        Ok(socket)
    }

    /// Says which session the socket belongs to, and waits for the answer: without it no event ever arrives.
    async fn bind(&mut self) -> Result<()> {
        let words = format!("bs-session-id={}", self.session.id.expose_secret());
        self.send(Message::text(words)).await?;
        loop {
            let Frame::Json(frame) = self.next().await? else { continue };
            match at(&frame, &["Response", "code"]) {
                Value::Null => continue,
                code if number(code) == Some(0) => return Ok(()),
                code => return Err(refused(text(code).as_deref())),
            }
        }
    }

    /// Asks for events, with the socket's session and no other; it also keeps the session from ending.
    pub(super) async fn start(&self, client: &Client) -> Result<()> {
        let request = Request::plain(Method::POST, "POST /api/events/start").with_json(&Nothing {})?;
        client.call_with(&request, &self.session).await.map(drop)
    }

    pub(super) async fn next(&mut self) -> Result<Frame> {
        let message = match self.stream.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(broken(Some(error))),
            None => return Err(broken(None)),
        };
        if !message.is_text() && !message.is_binary() {
            return Ok(Frame::Beat);
        }
        Ok(serde_json::from_slice(message.as_payload()).map_or(Frame::Unreadable, Frame::Json))
    }

    pub(super) async fn ping(&mut self) -> Result<()> {
        self.send(Message::ping("")).await
    }

    pub(super) const fn generation(&self) -> u64 {
        self.session.generation
    }

    async fn send(&mut self, message: Message) -> Result<()> {
        self.stream.send(message).await.map_err(|error| broken(Some(error)))
    }
}

async fn connect(client: &Client) -> Result<WebSocketStream<Box<dyn Connection>>> {
    let base = &client.0.transport.base;
    let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = base.port_or_known_default().unwrap_or(443);
    let tcp =
        TcpStream::connect((host.as_str(), port)).await.map_err(|error| unreached(Some(error.into())))?;
    let mut address = base.clone();
    address.set_path(&format!("{}/wsapi", base.path().trim_end_matches('/')));
    let (scheme, stream): (_, Box<dyn Connection>) = if base.scheme() == "https" {
        let name = ServerName::try_from(host).map_err(|error| unreached(Some(error.into())))?;
        let connector = TlsConnector::from(Arc::clone(&client.0.tls));
        ("wss", Box::new(connector.connect(name, tcp).await.map_err(untrusted)?))
    } else {
        ("ws", Box::new(tcp))
    };
    let address =
        address.as_str().split_once(':').map_or_else(String::new, |(_, rest)| format!("{scheme}:{rest}"));
    let builder = tokio_websockets::ClientBuilder::new()
        .uri(&address)
        .map_err(|error| unreached(Some(error.into())))?;
    let (stream, _) = builder.connect_on(stream).await.map_err(|error| unreached(Some(error.into())))?;
    Ok(stream)
}

fn untrusted(error: std::io::Error) -> Error {
    if !is_certificate(&error) {
        return unreached(Some(error.into()));
    }
    let message = "the server's certificate is not trusted: give its CA, or pin it";
    not_sent(ENDPOINT, ErrorKind::CertificateRefused, message, Some(error.into()))
}

fn unreached(source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = "the server does not open a socket for events";
    not_sent(ENDPOINT, ErrorKind::Disconnected, message, source)
}

/// The server does not answer a ping.
pub(super) fn silent() -> Error {
    not_sent(ENDPOINT, ErrorKind::Disconnected, "the socket is silent", None)
}

/// The socket's session is another one's now.
pub(super) fn replaced() -> Error {
    not_sent(ENDPOINT, ErrorKind::SessionExpired, "the socket's session has ended", None)
}

fn broken(source: Option<tokio_websockets::Error>) -> Error {
    let message = "the socket is closed";
    not_sent(ENDPOINT, ErrorKind::Disconnected, message, source.map(Into::into))
}

/// The server does not take the session for the socket. Codes 10, 11 and 1101 say that it has ended.
fn refused(code: Option<&str>) -> Error {
    match code {
        Some("10" | "11" | "1101") => {
            not_sent(ENDPOINT, ErrorKind::SessionExpired, "the session has ended", None)
        }
        _ => {
            let message = "the server does not take the session for the socket";
            not_sent(ENDPOINT, ErrorKind::Disconnected, message, None)
        }
    }
}

#[derive(Serialize)]
struct Nothing {}

const ENDPOINT: &str = "GET /wsapi";

/// How long the server may take to answer the first message.
const BIND_LIMIT: Duration = Duration::from_secs(10);
