//! Accepts clients and routes their calls to the services.

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
use super::state::GatewayState;
use crate::device::gateway::proto::gsdk::admin::admin_server::AdminServer;
use crate::device::gateway::proto::gsdk::connect::connect_server::ConnectServer;
use crate::device::gateway::proto::gsdk::device::device_server::DeviceServer;
use crate::device::gateway::proto::gsdk::event::event_server::EventServer;
use crate::device::gateway::proto::gsdk::time::time_server::TimeServer;
use crate::device::gateway::proto::gsdk::tna::tna_server::TnaServer;

/// Serves clients until it is dropped.
pub(super) async fn serve(listener: TcpListener, acceptor: TlsAcceptor, gateway: Arc<GatewayState>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                tokio::spawn(serve_until_restart(socket, acceptor.clone(), Arc::clone(&gateway)));
            }
            // A client that vanished or too many open files must not end the gateway.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves a client until it disconnects, the gateway restarts, or the server is dropped.
async fn serve_until_restart(socket: TcpStream, acceptor: TlsAcceptor, gateway: Arc<GatewayState>) {
    let mut restarts = gateway.restarts();
    let client = serve_client(socket, acceptor, gateway);
    tokio::select! {
        () = client => {}
        _ = restarts.changed() => {}
    }
}

async fn serve_client(socket: TcpStream, acceptor: TlsAcceptor, gateway: Arc<GatewayState>) {
    // Small frames must not wait for each other. A socket without this option works too.
    let _ = socket.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(socket)).await else {
        tracing::debug!("a client failed the TLS handshake");
        return;
    };
    // This is called for each request at once and in the order of their arrival; what it returns runs later.
    let service = service_fn(move |mut request: Request<Incoming>| {
        let gateway = Arc::clone(&gateway);
        let path = request.uri().path().to_owned();
        gateway.reserve_stream(&path, request.extensions_mut());
        async move { Ok::<_, Infallible>(respond(request, gateway).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        // Clients treat every header of a response as gRPC metadata, and one client parses them all.
        .auto_date_header(false)
        .max_concurrent_streams(MAX_CALLS)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a client disconnected");
    }
}

/// Routes a call to its service. Paths of gateways before 1.5 lack the first part of the name.
async fn respond(mut request: Request<Incoming>, gateway: Arc<GatewayState>) -> Response<Body> {
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
        ("connect.Connect", _) => infallible(ConnectServer::new(ConnectService(gateway)).call(request).await),
        ("event.Event", _) => infallible(EventServer::new(EventService(gateway)).call(request).await),
        ("device.Device", _) => infallible(DeviceServer::new(DeviceService(gateway)).call(request).await),
        ("tna.TNA", "GetConfig" | "SetConfig" | "SetConfigMulti") => empty(request).await,
        ("tna.TNA", _) => infallible(TnaServer::new(EventService(gateway)).call(request).await),
        ("time.Time", "GetDSTConfig" | "SetDSTConfig" | "SetDSTConfigMulti") => empty(request).await,
        ("time.Time", _) => infallible(TimeServer::new(DeviceService(gateway)).call(request).await),
        ("admin.Admin", _) => infallible(AdminServer::new(DeviceService(gateway)).call(request).await),
        // Clients that follow changes of users request them, and the vendor's first example enrols one and deletes it;
        // without a response they end.
        (
            "user.User",
            "Delete" | "DeleteMulti" | "Enroll" | "EnrollMulti" | "Get" | "GetList" | "GetPartial",
        ) => empty(request).await,
        _ => Status::unimplemented(format!("the simulated gateway has no {path}")).into_http(),
    }
}

fn infallible(result: Result<Response<Body>, Infallible>) -> Response<Body> {
    match result {
        Ok(response) => response,
    }
}

/// A response in which no field is set.
async fn empty(request: Request<Incoming>) -> Response<Body> {
    Grpc::new(ProstCodec::<(), ()>::default()).unary(Empty, request).await
}

#[derive(Clone)]
struct Empty;

impl tonic::server::UnaryService<()> for Empty {
    type Response = ();
    type Future = std::future::Ready<Result<tonic::Response<()>, Status>>;

    fn call(&mut self, _: tonic::Request<()>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(())))
    }
}

const PACKAGE: &str = "/gsdk.";
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Concurrent calls on one connection.
const MAX_CALLS: u32 = 10_000;
