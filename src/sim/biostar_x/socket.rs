//! `/wsapi`: live events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::app::Site;
use super::options::{Dialect, Frames, Unbound};
use super::refusal::Refusal;
use super::request::Request;
use super::response::{Answer, Side};
use super::session::Socket;

impl Site {
    /// `POST /api/events/start`: what comes before the socket's answer is lost, and nobody is told.
    pub(super) fn start_events(&mut self, request: &Request) -> Result<Answer, Refusal> {
        let unbound = self.settings.unbound;
        let session = self.sessions.get_mut(request.session().unwrap_or_default());
        match (session.and_then(|session| session.socket.as_mut()), unbound) {
            (Some(socket), _) => socket.started = true,
            (None, Unbound::Silence) => {}
            (None, Unbound::Error) => return Err(Refusal::NOT_BOUND),
        }
        Ok(Answer::ok(Side::Core, json!({})))
    }
}

/// Serves one socket to its end, which that of its session is not: then it stays open in silence. The answer to the binding comes after `delay`.
pub(super) async fn serve(site: Arc<Mutex<Site>>, connection: Upgraded, delay: Duration) {
    let limits =
        WebSocketConfig::default().max_message_size(Some(MOST_BYTES)).max_frame_size(Some(MOST_BYTES));
    let io = TokioIo::new(connection);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(limits)).await;
    let (mut end, form, number) = {
        let mut site = lock(&site);
        site.sockets += 1;
        (site.end.clone(), site.settings.frames, site.sockets)
    };
    let (sender, mut frames) = mpsc::channel(QUEUE);
    let mut session: Option<String> = None;
    loop {
        tokio::select! {
            _ = end.changed() => break,
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let Some(id) = text.strip_prefix(BINDING) else {
                        if socket.send(refusal()).await.is_err() { break }
                        continue;
                    };
                    tokio::time::sleep(delay).await;
                    let known = lock(&site).knows_session(id);
                    let answer = if known { Message::text(r#"{"Response":{"code":"0"}}"#) } else { refusal() };
                    if socket.send(answer).await.is_err() { break }
                    if known {
                        let frames = sender.clone();
                        lock(&site).bind(id, Socket { number, frames, started: false });
                        if let Some(former) = session.replace(id.to_owned()).filter(|former| former != id) {
                            lock(&site).unbind(&former, number);
                        }
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
            Some(frame) = frames.recv() => if send(&mut socket, frame, form).await.is_err() { break },
        }
    }
    if let Some(session) = session {
        lock(&site).unbind(&session, number);
    }
}

impl Site {
    fn knows_session(&mut self, id: &str) -> bool {
        self.sessions.used(Some(id), self.settings.session, self.clock.now()).is_ok()
    }

    fn bind(&mut self, id: &str, socket: Socket) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.socket = Some(socket);
        }
    }

    fn unbind(&mut self, id: &str, number: u64) {
        if let Some(session) = self.sessions.get_mut(id)
            && session.socket.as_ref().is_some_and(|socket| socket.number == number)
        {
            session.socket = None;
        }
    }
}

type Line = WebSocketStream<TokioIo<Upgraded>>;

async fn send(
    socket: &mut Line,
    frame: String,
    form: Frames,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    match form {
        Frames::Text => socket.send(Message::text(frame)).await,
        Frames::Binary => socket.send(Message::binary(frame)).await,
        Frames::Fragmented => {
            let bytes = Bytes::from(frame);
            let third = bytes.len() / 3;
            let parts = [bytes.slice(..third), bytes.slice(third..2 * third), bytes.slice(2 * third..)];
            let codes = [Data::Text, Data::Continue, Data::Continue];
            for (part, (code, last)) in parts.into_iter().zip(codes.into_iter().zip([false, false, true])) {
                let frame = Frame::message(part, OpCode::Data(code), last);
                socket.send(Message::Frame(frame)).await?;
            }
            Ok(())
        }
    }
}

fn refusal() -> Message {
    let bytes = Refusal::BAD_SOCKET_SESSION.answer(Side::Core, false).to_bytes(Dialect::Documented, false);
    Message::text(String::from_utf8_lossy(&bytes).into_owned())
}

fn lock(site: &Mutex<Site>) -> std::sync::MutexGuard<'_, Site> {
    site.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the first message begins with.
const BINDING: &str = "bs-session-id=";
const QUEUE: usize = 100_000;
const MOST_BYTES: usize = 64 << 10;
