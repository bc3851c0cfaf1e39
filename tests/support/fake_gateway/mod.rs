//! A gateway for tests, over TLS. It responds with bytes, and a test can change every response.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};

use bs2_events::Result;
use bs2_events::device::gateway::{Gateway, GatewayOptions};
use bs2_events::tls::Trust;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use prost::Message;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_rustls::rustls::crypto::ring;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};

pub mod certificates;
#[path = "../../../src/device/gateway/proto.rs"]
#[allow(unexpected_cfgs, reason = "the feature is the library's")]
pub mod proto;
mod raw;

use certificates::Certificates;
use proto::gsdk::{admin, connect, device, event, time};
use raw::Raw;

/// The response to a call.
pub type Reply = Result<BoxStream<'static, Result<Bytes, Status>>, Status>;

/// A gateway with one device, on a runtime of its own. When it is dropped, every connection breaks.
pub struct Fake {
    pub address: SocketAddr,
    pub state: Arc<State>,
    pub folder: TempDir,
    runtime: Option<Runtime>,
}

/// What the gateway is and has, open to tests.
#[derive(Default)]
pub struct State {
    /// Encoded `EventLog`s by id: the log.
    pub logs: Mutex<Vec<(u32, Bytes)>>,
    /// The paths of all calls, in their order.
    pub calls: Mutex<Vec<String>>,
    /// Called before anything else. Its reply, if there is one, is the response.
    pub quirk: Mutex<Option<Quirk>>,
    /// Called before `quirk`, for the framed body of a response.
    pub body: Mutex<Option<Bodies>>,
    connected: Mutex<bool>,
    enabled: Mutex<bool>,
    filters: Mutex<Vec<event::ImageFilter>>,
    live: Mutex<Vec<mpsc::UnboundedSender<Result<Bytes, Status>>>>,
    statuses: Mutex<Vec<mpsc::UnboundedSender<Result<Bytes, Status>>>>,
}

/// From a path and a request to a reply.
pub type Quirk = Box<dyn FnMut(&str, &Bytes) -> Option<BoxFuture<'static, Reply>> + Send>;

/// From a path to the complete body of a response.
pub type Bodies = Box<dyn FnMut(&str) -> Option<Body> + Send>;

/// The only device.
pub const DEVICE: u32 = 541_000_543;

impl Fake {
    pub fn start() -> Self {
        Self::with_certificates(&Certificates::usual())
    }

    pub fn with_certificates(certificates: &Certificates) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificates.write(folder.path());
        // tonic's server takes the process's provider. The second test of a process finds it installed.
        let _ = ring::default_provider().install_default();
        let mut fake =
            Self { address: ([127, 0, 0, 1], 0).into(), state: Arc::default(), folder, runtime: None };
        fake.run();
        fake
    }

    /// Breaks every connection and serves again, at the same address, with the same logs.
    pub fn restart(&mut self) {
        self.stop();
        self.state.forget();
        self.run();
    }

    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    fn run(&mut self) {
        let listener = loop {
            // The connections of before take a moment to be gone.
            if let Ok(listener) = std::net::TcpListener::bind(self.address) {
                break listener;
            }
            std::thread::yield_now();
        };
        self.address = listener.local_addr().unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(serve(listener, Arc::clone(&self.state), self.tls()));
        self.runtime = Some(runtime);
    }

    fn tls(&self) -> ServerTlsConfig {
        let read = |name: &str| std::fs::read(self.folder.path().join(name));
        let identity = Identity::from_pem(read("server.crt").unwrap(), read("server.key").unwrap());
        let tls = ServerTlsConfig::new().identity(identity);
        match read("tenants.crt") {
            Ok(root) => tls.client_ca_root(tonic::transport::Certificate::from_pem(root)),
            Err(_) => tls,
        }
    }

    pub fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Options that trust the authority and name the device by its address.
    pub fn options(&self) -> GatewayOptions {
        GatewayOptions::new(self.address.to_string())
            .with_trust(Trust::ca_file(self.file("ca.crt")))
            .with_device("192.0.2.7".parse().unwrap())
    }

    pub fn gateway(&self) -> Gateway {
        Gateway::new(self.options()).unwrap()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>, tls: ServerTlsConfig) {
    listener.set_nonblocking(true).unwrap();
    let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener).unwrap());
    Server::builder()
        .tls_config(tls)
        .unwrap()
        .add_service(Raw::<0>(Arc::clone(&state)))
        .add_service(Raw::<1>(Arc::clone(&state)))
        .add_service(Raw::<2>(Arc::clone(&state)))
        .add_service(Raw::<3>(Arc::clone(&state)))
        .add_service(Raw::<4>(Arc::clone(&state)))
        .add_service(Raw::<5>(Arc::clone(&state)))
        .add_service(Raw::<6>(Arc::clone(&state)))
        .add_service(Raw::<7>(state))
        .serve_with_incoming(incoming.with_nodelay(Some(true)))
        .await
        .unwrap();
}

impl State {
    /// Writes events to the log, and reports them to the live streams.
    pub fn make_events(&self, count: u32) {
        for _ in 0..count {
            let id = self.logs().last().map_or(0, |(id, _)| *id) + 1;
            self.make(event::EventLog {
                id,
                timestamp: 1_700_000_000 + id,
                device_id: DEVICE,
                user_id: "17".into(),
                event_code: 0x1000,
                ..Default::default()
            });
        }
    }

    pub fn make(&self, log: event::EventLog) {
        self.make_encoded(log.id, log.encode_to_vec().into());
    }

    pub fn make_encoded(&self, id: u32, log: Bytes) {
        // Whoever asks for the log after hearing of the event finds it there.
        self.logs().push((id, log.clone()));
        if *self.enabled.lock().unwrap() {
            self.report(log);
        }
    }

    pub fn report(&self, log: Bytes) {
        self.live.lock().unwrap().retain(|listener| listener.send(Ok(log.clone())).is_ok());
    }

    /// Ends the streams of events, with a status or without.
    pub fn end_live(&self, status: Option<Status>) {
        for listener in self.live.lock().unwrap().drain(..) {
            if let Some(status) = status.clone() {
                drop(listener.send(Err(status)));
            }
        }
    }

    pub fn tell(&self, status: i32) {
        let change = connect::StatusChange { device_id: DEVICE, status, timestamp: 0 }.encode_to_vec();
        *self.connected.lock().unwrap() = matches!(status, 1 | 2);
        if !matches!(status, 1 | 2) {
            *self.enabled.lock().unwrap() = false;
        }
        let change = Bytes::from(change);
        self.statuses.lock().unwrap().retain(|listener| listener.send(Ok(change.clone())).is_ok());
    }

    pub fn set_quirk(
        &self,
        quirk: impl FnMut(&str, &Bytes) -> Option<BoxFuture<'static, Reply>> + Send + 'static,
    ) {
        *self.quirk.lock().unwrap() = Some(Box::new(quirk));
    }

    /// How often something was called, by the last part of its path.
    pub fn called(&self, name: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|path| path.rsplit('/').next() == Some(name)).count()
    }

    pub fn logs(&self) -> MutexGuard<'_, Vec<(u32, Bytes)>> {
        self.logs.lock().unwrap()
    }

    /// A gateway keeps nothing of its connections over a restart.
    fn forget(&self) {
        *self.connected.lock().unwrap() = false;
        *self.enabled.lock().unwrap() = false;
        self.live.lock().unwrap().clear();
        self.statuses.lock().unwrap().clear();
    }

    /// The response to a call.
    async fn answer(&self, path: &str, request: Bytes) -> Reply {
        self.calls.lock().unwrap().push(path.to_owned());
        let quirk = self.quirk.lock().unwrap().as_mut().and_then(|quirk| quirk(path, &request));
        match quirk {
            Some(answer) => answer.await,
            None => self.usual(path, &request),
        }
    }

    fn usual(&self, path: &str, request: &Bytes) -> Reply {
        let name = path.rsplit('/').next().unwrap();
        if matches!(name, "Get" | "GetLog") && !*self.connected.lock().unwrap() {
            return Err(Status::not_found("no connection"));
        }
        match name {
            "Connect" => {
                self.tell(1);
                message(&connect::ConnectResponse { device_id: DEVICE })
            }
            "AddAsyncConnection" => {
                self.tell(2);
                message(&())
            }
            "GetDeviceList" => {
                let status = i32::from(*self.connected.lock().unwrap());
                let info = connect::DeviceInfo {
                    device_id: DEVICE,
                    ip_addr: "192.0.2.7".into(),
                    port: 51_211,
                    status,
                    ..Default::default()
                };
                let device_infos = if status == 0 { Vec::new() } else { vec![info] };
                message(&connect::GetDeviceListResponse { device_infos })
            }
            "SubscribeStatus" => Ok(subscribe(&self.statuses)),
            "SubscribeRealtimeLog" => Ok(subscribe(&self.live)),
            "EnableMonitoring" => {
                *self.enabled.lock().unwrap() = true;
                message(&())
            }
            "GetLog" => {
                let request = event::GetLogRequest::decode(&**request).unwrap();
                message_bytes(self.page(request.start_event_id, request.max_num_of_log))
            }
            "ClearLog" => {
                let last = self.logs().last().map(|(id, _)| *id);
                // The next event goes on from here.
                *self.logs() = Vec::new();
                let event =
                    last.map(|id| event::EventLog { id: id + 1, device_id: DEVICE, ..Default::default() });
                self.logs().extend(event.map(|event| (event.id, event.encode_to_vec().into())));
                message(&())
            }
            "GetImageFilter" => {
                message(&event::GetImageFilterResponse { filters: self.filters.lock().unwrap().clone() })
            }
            "SetImageFilter" => {
                let request = event::SetImageFilterRequest::decode(&**request).unwrap();
                *self.filters.lock().unwrap() = request.filters;
                message(&())
            }
            "GetInfo" if path.contains("admin") => {
                message(&admin::GetInfoResponse { version: "1.8.0".into(), build_date: String::new() })
            }
            "GetInfo" => {
                let info = device::FactoryInfo { model_name: "model".into(), ..Default::default() };
                message(&device::GetInfoResponse { info: Some(info) })
            }
            "GetCapability" => {
                let capability = device::DeviceCapability { max_event_logs: 100, ..Default::default() };
                message(&device::GetCapabilityResponse { device_capability: Some(capability) })
            }
            "Get" => message(&time::GetResponse { gmt_time: 1_700_000_000 }),
            _ => Err(Status::unimplemented(name)),
        }
    }

    /// A `GetLogResponse` of what begins at `start`.
    pub fn page(&self, start: u32, max: u32) -> Bytes {
        let max = if max == 0 { usize::MAX } else { max as usize };
        response(self.logs().iter().filter(|(id, _)| *id >= start).take(max).map(|(_, log)| log))
    }
}

/// A `GetLogResponse` of these encoded logs.
pub fn response<'a>(logs: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let mut bytes = Vec::new();
    for log in logs {
        bytes.push(0x0A);
        prost::encoding::encode_varint(log.len() as u64, &mut bytes);
        bytes.extend_from_slice(log);
    }
    bytes.into()
}

pub fn message(message: &impl Message) -> Reply {
    message_bytes(message.encode_to_vec().into())
}

pub fn message_bytes(bytes: Bytes) -> Reply {
    Ok(stream::iter([Ok(bytes)]).boxed())
}

fn subscribe(
    listeners: &Mutex<Vec<mpsc::UnboundedSender<Result<Bytes, Status>>>>,
) -> BoxStream<'static, Result<Bytes, Status>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    listeners.lock().unwrap().push(sender);
    UnboundedReceiverStream::new(receiver).boxed()
}
