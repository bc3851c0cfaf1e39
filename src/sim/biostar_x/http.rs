//! Connections: TLS, HTTP, and their end before its time.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

use super::app::Site;
use super::control;
use super::fault::Fault;
use super::refusal::Refusal;
use super::request::{Request, SESSION};
use super::response::{Answer, Side};
use super::socket;

/// Accepts until the task is aborted; then every connection ends too.
pub(super) async fn accept(listener: TcpListener, acceptor: TlsAcceptor, site: Arc<Mutex<Site>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, acceptor.clone(), Arc::clone(&site)));
                }
                // Out of file descriptors, or gone before it was accepted: give the others time to end.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, site: Arc<Mutex<Site>>) {
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let cut = Arc::new(Notify::new());
    let service = service_fn(|request| {
        let (site, cut) = (Arc::clone(&site), Arc::clone(&cut));
        async move { Ok::<_, Infallible>(respond(request, site, cut).await) }
    });
    let builder = Builder::new(TokioExecutor::new());
    let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::select! {
        // Whatever ended it, the client sees it.
        _ = served => {}
        () = cut.notified() => {}
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn respond(
    mut request: hyper::Request<Incoming>,
    site: Arc<Mutex<Site>>,
    cut: Arc<Notify>,
) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MOST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return plain(Refusal::TOO_LONG.answer(Side::Core, false), &site, false);
        }
        // The client is gone.
        Err(_) => return end(&cut).await,
    };
    let request = Request::new(&parts, body);
    if request.path().starts_with(control::PREFIX) && lock(&site).settings.control {
        let (status, body) = control::answer(&mut lock(&site), &request);
        return written(status, body.into(), &[]);
    }
    let faults = {
        let mut site = lock(&site);
        site.record.add(request.clone());
        site.fate.next(request.path())
    };
    let slow = faults.iter().find_map(|fault| if let Fault::Slow(by) = fault { Some(*by) } else { None });
    if request.path() == "/wsapi" {
        let key = parts.headers.get(SEC_WEBSOCKET_KEY).filter(|_| parts.headers.contains_key(UPGRADE));
        let Some(key) = key.filter(|_| parts.version == Version::HTTP_11) else {
            return plain(Refusal::UNKNOWN_REQUEST.answer(Side::Core, false), &site, false);
        };
        if faults.iter().any(|fault| matches!(fault, Fault::CutBefore | Fault::CutAfter | Fault::CutWithin)) {
            return end(&cut).await;
        }
        let accept = derive_accept_key(key.as_bytes());
        tokio::spawn(async move {
            if let Ok(connection) = upgrade.await {
                socket::serve(site, connection, slow.unwrap_or_default()).await;
            }
        });
        return switching(&accept);
    }
    if let Some(by) = slow {
        tokio::time::sleep(by).await;
    }
    for fault in &faults {
        match fault {
            Fault::CutBefore => return end(&cut).await,
            Fault::Error => return plain(Refusal::FAILED.answer(Side::Core, false), &site, false),
            Fault::Answer { status, body } => return written(*status, body.clone().into(), &[]),
            _ => {}
        }
    }
    let answer = lock(&site).answer(&request, &faults);
    for fault in &faults {
        match fault {
            Fault::CutAfter => return end(&cut).await,
            Fault::CutWithin => return half(plain_bytes(&answer, &site, false), cut),
            Fault::ErrorAfter => return plain(Refusal::FAILED.answer(Side::Core, false), &site, false),
            _ => {}
        }
    }
    plain(answer, &site, faults.contains(&Fault::Strings))
}

/// Cuts the connection; no answer ever comes.
async fn end(cut: &Notify) -> Response<Body> {
    cut.notify_one();
    std::future::pending().await
}

fn plain_bytes(answer: &Answer, site: &Mutex<Site>, strings: bool) -> Bytes {
    answer.to_bytes(lock(site).settings.dialect, strings).into()
}

fn plain(answer: Answer, site: &Mutex<Site>, strings: bool) -> Response<Body> {
    let bytes = plain_bytes(&answer, site, strings);
    let mut headers: Vec<(&'static str, String)> = Vec::new();
    if answer.side == Side::Core {
        let reason = StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
        headers.push(("status", format!("{} {}", answer.status, reason.unwrap_or_default())));
    }
    if let Some(session) = answer.session {
        headers.push((SESSION, session));
    }
    if answer.close {
        headers.push(("connection", "close".to_owned()));
    }
    written(answer.status, bytes, &headers)
}

fn written(status: u16, body: Bytes, headers: &[(&'static str, String)]) -> Response<Body> {
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

/// The length of the whole body, and half of it; then the connection is cut.
fn half(body: Bytes, cut: Arc<Notify>) -> Response<Body> {
    let length = HeaderValue::from(body.len());
    let half = body.slice(..body.len() / 2);
    let rest = stream::once(async move {
        // What was written is on its way by then.
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

fn switching(accept: &str) -> Response<Body> {
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

fn lock(site: &Mutex<Site>) -> MutexGuard<'_, Site> {
    site.lock().unwrap_or_else(PoisonError::into_inner)
}

const HANDSHAKE: Duration = Duration::from_secs(10);
/// Of a request's body.
const MOST_BYTES: usize = 64 << 20;
