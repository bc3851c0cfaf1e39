//! From sockets to services.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::http::{Request, Response, Uri};
use tonic::{Status, server::Grpc};
use tonic_prost::ProstCodec;

use super::connect::ConnectService;
use super::device::DeviceService;
use super::event::EventService;
use super::state::Desk;
use super::time::TimeService;
use super::tna::TnaService;
use crate::device::gateway::proto::gsdk::admin::admin_server::AdminServer;
use crate::device::gateway::proto::gsdk::connect::connect_server::ConnectServer;
use crate::device::gateway::proto::gsdk::device::device_server::DeviceServer;
use crate::device::gateway::proto::gsdk::event::event_server::EventServer;
use crate::device::gateway::proto::gsdk::time::time_server::TimeServer;
use crate::device::gateway::proto::gsdk::tna::tna_server::TnaServer;

/// Serves clients until it is dropped.
pub(super) async fn serve(listener: TcpListener, acceptor: TlsAcceptor, desk: Arc<Desk>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                tokio::spawn(until_restart(socket, acceptor.clone(), Arc::clone(&desk)));
            }
            // One client that vanished, or too many open files: neither ends the gateway.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Serves a client until it goes, the gateway restarts, or the server is dropped.
async fn until_restart(socket: TcpStream, acceptor: TlsAcceptor, desk: Arc<Desk>) {
    let mut life = desk.life();
    let client = client(socket, acceptor, desk);
    tokio::select! {
        () = client => {}
        _ = life.changed() => {}
    }
}

async fn client(socket: TcpStream, acceptor: TlsAcceptor, desk: Arc<Desk>) {
    // Small frames must not wait for each other; a socket that cannot do it works all the same.
    let _ = socket.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(socket)).await else {
        tracing::debug!("a client did not come through the handshake of TLS");
        return;
    };
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(answer(request, desk).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        // Clients take every header of an answer for one of gRPC's, and one client parses them all.
        .auto_date_header(false)
        .max_concurrent_streams(MOST_CALLS)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a client is gone");
    }
}

/// Gives a call to its service. Paths of gateways before 1.5 lack the first part of the name.
async fn answer(mut request: Request<Incoming>, desk: Arc<Desk>) -> Response<Body> {
    let path = request.uri().path();
    if !path.starts_with(PACKAGE)
        && let Ok(whole) = PathAndQuery::try_from(format!("{PACKAGE}{}", &path[path.len().min(1)..]))
    {
        *request.uri_mut() = Uri::from(whole);
    }
    let path = request.uri().path().to_owned();
    let name = path.strip_prefix(PACKAGE).unwrap_or_default();
    let (service, call) = name.split_once('/').unwrap_or_default();
    match (service, call) {
        ("connect.Connect", _) => whole(ConnectServer::new(ConnectService(desk)).call(request).await),
        ("event.Event", _) => whole(EventServer::new(EventService(desk)).call(request).await),
        ("device.Device", _) => whole(DeviceServer::new(DeviceService(desk)).call(request).await),
        ("tna.TNA", "GetConfig" | "SetConfig" | "SetConfigMulti") => nothing(request).await,
        ("tna.TNA", _) => whole(TnaServer::new(TnaService(desk)).call(request).await),
        ("time.Time", "GetDSTConfig" | "SetDSTConfig" | "SetDSTConfigMulti") => nothing(request).await,
        ("time.Time", _) => whole(TimeServer::new(TimeService(desk)).call(request).await),
        ("admin.Admin", _) => whole(AdminServer::new(DeviceService(desk)).call(request).await),
        // Clients that follow changes of users ask for them, and some end where they get no answer.
        ("user.User", "Get" | "GetList" | "GetPartial") => nothing(request).await,
        _ => Status::unimplemented(format!("the simulated gateway has no {path}")).into_http(),
    }
}

fn whole(answer: Result<Response<Body>, Infallible>) -> Response<Body> {
    match answer {
        Ok(answer) => answer,
    }
}

/// An answer in which no field is set.
async fn nothing(request: Request<Incoming>) -> Response<Body> {
    Grpc::new(ProstCodec::<(), ()>::default()).unary(Nothing, request).await
}

#[derive(Clone)]
struct Nothing;

impl tonic::server::UnaryService<()> for Nothing {
    type Response = ();
    type Future = std::future::Ready<Result<tonic::Response<()>, Status>>;

    fn call(&mut self, _: tonic::Request<()>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(())))
    }
}

const PACKAGE: &str = "/gsdk.";
const PAUSE: Duration = Duration::from_millis(100);
const HANDSHAKE: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// At the same time, on one connection.
const MOST_CALLS: u32 = 10_000;
