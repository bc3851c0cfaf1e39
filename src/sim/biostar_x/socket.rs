//! The WebSocket `/wsapi`: live events.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::app::App;
use super::options::{Dialect, Frames};
use super::response::{Refusal, Side};
use super::session::Socket;
use crate::sync::lock;

/// Serves a socket until it is closed. When its session ends, the socket stays open and sends nothing. The response to
/// the binding comes after `delay`.
pub(super) async fn serve(app: Arc<Mutex<App>>, connection: Upgraded, delay: Duration) {
    let limits =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    let io = TokioIo::new(connection);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(limits)).await;
    let (mut end, form, number) = {
        let mut app = lock(&app);
        app.sockets += 1;
        (app.end.clone(), app.options.frames, app.sockets)
    };
    // Only what is closed from now on concerns this socket.
    end.mark_unchanged();
    let (sender, mut frames) = mpsc::channel(MAX_FRAMES);
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
                    let is_known = is_session(&app, id);
                    let response = if is_known { Message::text(r#"{"Response":{"code":"0"}}"#) } else { refusal() };
                    if socket.send(response).await.is_err() { break }
                    if is_known {
                        let frames = sender.clone();
                        lock(&app).sessions.bind(id, Socket { number, frames, is_started: false });
                        if let Some(former) = session.replace(id.to_owned()).filter(|former| former != id) {
                            lock(&app).sessions.unbind(&former, number);
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
        lock(&app).sessions.unbind(&session, number);
    }
}

type ServerSocket = WebSocketStream<TokioIo<Upgraded>>;

async fn send(
    socket: &mut ServerSocket,
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
    let bytes = Refusal::BAD_SOCKET_SESSION.response(Side::Core, false).to_bytes(Dialect::Documented, false);
    Message::text(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_session(app: &Mutex<App>, id: &str) -> bool {
    let mut app = lock(app);
    let (timeout, now) = (app.options.session, app.clock.now());
    app.sessions.of_request(Some(id), timeout, now).is_ok()
}

/// The start of the message that binds the socket to a session.
const BINDING: &str = "bs-session-id=";
const MAX_FRAMES: usize = 100_000;
const MAX_MESSAGE: usize = 64 << 10;
