//! The socket for events: open it, send the session, wait for the confirmation, then start the events.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::Method;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;
use tokio_websockets::{Limits, Message, WebSocketStream};

use super::client::BiostarX;
use super::codes::{not_sent, unanswered};
use super::lenient::{at, number, text};
use super::rows;
use super::session::Session;
use super::transport::{Connection, Request};
use crate::{Error, ErrorKind, Result};

/// An open socket, to which the server sends events.
pub(super) struct Socket {
    stream: WebSocketStream<Box<dyn Connection>>,
    session: Session,
}

/// A message of the socket.
pub(super) enum Frame {
    Json(Value),
    /// A sign of life without content.
    Beat,
    /// Something that is not JSON.
    Unreadable,
}

impl Socket {
    /// Opens a socket, with another session if the current one has ended.
    pub(super) async fn open(client: &BiostarX) -> Result<Self> {
        let session = client.session().await?;
        match Self::with(client, session.clone()).await {
            Err(error) if error.kind() == ErrorKind::SessionExpired => {
                let session = client.0.sessions.renew(&client.0.transport, session.generation).await?;
                Self::with(client, session).await
            }
            result => result,
        }
    }

    async fn with(client: &BiostarX, session: Session) -> Result<Self> {
        let stream = connect(client).await?;
        let mut socket = Self { stream, session };
        timeout(BIND_LIMIT, socket.bind()).await.map_err(|_| {
            let message = "the server did not confirm the session of the socket in time";
            unanswered(ENDPOINT, ErrorKind::TimedOut, message)
        })??;
        socket.start(client).await?;
        Ok(socket)
    }

    /// Sends the session that the socket belongs to, and waits for the confirmation. Without it no event arrives.
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

    /// Starts the events, with the socket's own session. It also keeps the session from ending.
    pub(super) async fn start(&self, client: &BiostarX) -> Result<()> {
        let request = Request::plain(Method::POST, "POST /api/events/start").with_json(&Nothing {})?;
        client.call_with(&request, &self.session).await.map(drop)
    }

    pub(super) async fn next(&mut self) -> Result<Frame> {
        let message = match self.stream.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(broken().with_source(error)),
            None => return Err(broken()),
        };
        if !message.is_text() && !message.is_binary() {
            return Ok(Frame::Beat);
        }
        let text = std::str::from_utf8(message.as_payload()).ok();
        Ok(text.and_then(rows::value).map_or(Frame::Unreadable, Frame::Json))
    }

    pub(super) async fn ping(&mut self) -> Result<()> {
        self.send(Message::ping("")).await
    }

    pub(super) const fn generation(&self) -> u64 {
        self.session.generation
    }

    async fn send(&mut self, message: Message) -> Result<()> {
        self.stream.send(message).await.map_err(|error| broken().with_source(error))
    }
}

/// Opens the connection, and the socket on it.
async fn connect(client: &BiostarX) -> Result<WebSocketStream<Box<dyn Connection>>> {
    let transport = &client.0.transport;
    let stream = transport.connect(ENDPOINT).await?;
    let builder = tokio_websockets::ClientBuilder::new()
        .uri(&transport.address.socket())
        .map_err(|error| unreached().with_source(error))?
        .limits(Limits::default().max_payload_len(Some(LONGEST_FRAME)));
    let opened = timeout(BIND_LIMIT, builder.connect_on(stream)).await.map_err(|_| unreached())?;
    Ok(opened.map_err(|error| unreached().with_source(error))?.0)
}

fn unreached() -> Error {
    not_sent(ENDPOINT, ErrorKind::Disconnected, "the server does not open the socket for events")
}

/// The error of a server that does not answer a ping.
pub(super) fn silent() -> Error {
    not_sent(ENDPOINT, ErrorKind::Disconnected, "the server does not answer on the socket")
}

/// The error of a socket whose session was replaced by another.
pub(super) fn replaced() -> Error {
    not_sent(ENDPOINT, ErrorKind::SessionExpired, "the socket's session has ended")
}

fn broken() -> Error {
    not_sent(ENDPOINT, ErrorKind::Disconnected, "the socket is closed")
}

/// The error of a server that refuses the session for the socket. Codes 10, 11 and 1101 mean that it has ended.
fn refused(code: Option<&str>) -> Error {
    let (kind, message) = match code {
        Some("10" | "11" | "1101") => (ErrorKind::SessionExpired, "the session has ended"),
        _ => (ErrorKind::Disconnected, "the server refuses the session for the socket"),
    };
    not_sent(ENDPOINT, kind, message)
}

#[derive(Serialize)]
struct Nothing {}

const ENDPOINT: &str = "GET /wsapi";

/// An event has less than 2 kB.
const LONGEST_FRAME: usize = 1 << 20;

/// How long the server may take to open the socket, and to confirm the session.
const BIND_LIMIT: Duration = Duration::from_secs(10);
