//! Connections over TLS: HTTP requests and responses, and connections that faults cut.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::service::service_fn;
use hyper::{Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::app::App;
use super::control;
use super::fault::PlannedFault;
use super::request::{ReceivedRequest, SESSION};
use super::response::{ApiResponse, Refusal, Side};
use super::socket;
use crate::sync::lock;

/// Accepts until the task is aborted; then every connection ends too.
pub(super) async fn accept(listener: TcpListener, acceptor: TlsAcceptor, app: Arc<Mutex<App>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, acceptor.clone(), Arc::clone(&app)));
                }
                // Too many open files, or the client disconnected early. Other connections get time to end.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, app: Arc<Mutex<App>>) {
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await else {
        return;
    };
    let cut = Arc::new(Notify::new());
    let service = service_fn(|request| {
        let (app, cut) = (Arc::clone(&app), Arc::clone(&cut));
        async move { Ok::<_, Infallible>(respond(request, app, cut).await) }
    });
    let builder = Builder::new(TokioExecutor::new());
    let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::select! {
        // An error needs no handling: the client sees that the connection ended.
        _ = served => {}
        () = cut.notified() => {}
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn respond(
    mut request: hyper::Request<Incoming>,
    app: Arc<Mutex<App>>,
    cut: Arc<Notify>,
) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return refuse(Refusal::TOO_LONG, &app);
        }
        // The client disconnected.
        Err(_) => return cut_connection(&cut).await,
    };
    let request = ReceivedRequest::new(&parts, body);
    if request.path().starts_with(control::PREFIX) && lock(&app).options.control {
        let (status, body) = control::respond(&mut lock(&app), &request);
        return http_response(status, body.into(), &[]);
    }
    let faults = {
        let mut app = lock(&app);
        app.requests.add(request.clone());
        app.faults.next(request.path())
    };
    let slow =
        faults.iter().find_map(|fault| if let PlannedFault::Slow(by) = fault { Some(*by) } else { None });
    if request.path() == "/wsapi" {
        let key = parts.headers.get(SEC_WEBSOCKET_KEY).filter(|_| parts.headers.contains_key(UPGRADE));
        let Some(key) = key.filter(|_| parts.version == Version::HTTP_11) else {
            return refuse(Refusal::UNKNOWN_REQUEST, &app);
        };
        if faults.iter().any(|fault| {
            matches!(fault, PlannedFault::CutBefore | PlannedFault::CutAfter | PlannedFault::CutWithin)
        }) {
            return cut_connection(&cut).await;
        }
        let accept = derive_accept_key(key.as_bytes());
        tokio::spawn(async move {
            if let Ok(connection) = upgrade.await {
                socket::serve(app, connection, slow.unwrap_or_default()).await;
            }
        });
        return switching_protocols(&accept);
    }
    if let Some(by) = slow {
        tokio::time::sleep(by).await;
    }
    for fault in &faults {
        match fault {
            PlannedFault::CutBefore => return cut_connection(&cut).await,
            PlannedFault::Error => return refuse(Refusal::FAILED, &app),
            PlannedFault::Answer { status, body } => return http_response(*status, body.clone().into(), &[]),
            _ => {}
        }
    }
    let response = lock(&app).respond(&request, &faults);
    for fault in &faults {
        match fault {
            PlannedFault::CutAfter => return cut_connection(&cut).await,
            PlannedFault::CutWithin => return cut_response(response_bytes(&response, &app, false), cut),
            PlannedFault::ErrorAfter => {
                return refuse(Refusal::FAILED, &app);
            }
            _ => {}
        }
    }
    send(response, &app, faults.contains(&PlannedFault::Strings))
}

/// Cuts the connection without a response.
async fn cut_connection(cut: &Notify) -> Response<Body> {
    cut.notify_one();
    std::future::pending().await
}

fn response_bytes(response: &ApiResponse, app: &Mutex<App>, numbers_as_text: bool) -> Bytes {
    response.to_bytes(lock(app).options.dialect, numbers_as_text).into()
}

fn refuse(refusal: Refusal, app: &Mutex<App>) -> Response<Body> {
    send(refusal.response(Side::Core, false), app, false)
}

fn send(response: ApiResponse, app: &Mutex<App>, numbers_as_text: bool) -> Response<Body> {
    let bytes = response_bytes(&response, app, numbers_as_text);
    let mut headers: Vec<(&'static str, String)> = Vec::new();
    if response.side == Side::Core {
        let reason = StatusCode::from_u16(response.status).ok().and_then(|status| status.canonical_reason());
        headers.push(("status", format!("{} {}", response.status, reason.unwrap_or_default())));
    }
    if let Some(session) = response.session {
        headers.push((SESSION, session));
    }
    if response.close {
        headers.push(("connection", "close".to_owned()));
    }
    http_response(response.status, bytes, &headers)
}

fn http_response(status: u16, body: Bytes, headers: &[(&'static str, String)]) -> Response<Body> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = HeaderValue::from_static("application/json;charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, json);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

/// The header with the length of the whole body, and half of the body. Then the connection is cut.
fn cut_response(body: Bytes, cut: Arc<Notify>) -> Response<Body> {
    let length = HeaderValue::from(body.len());
    let half = body.slice(..body.len() / 2);
    let rest = stream::once(async move {
        // This is enough time to send the half.
        tokio::time::sleep(Duration::from_millis(20)).await;
        cut.notify_one();
        std::future::pending().await
    });
    let frames = stream::once(async move { Ok(Frame::data(half)) }).chain(rest);
    let frames: Pin<Box<dyn stream::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>> =
        Box::pin(frames);
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

fn switching_protocols(accept: &str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::new()).boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert("sec-websocket-accept", accept);
    }
    response
}

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Of a request, in bytes.
const MAX_BODY: usize = 64 << 20;
