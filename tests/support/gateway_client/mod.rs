//! A client of the simulated gateway that uses the generated code only, not the backend of this crate.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use bs2_events::sim::gateway::{GatewayServer, GatewayServerOptions};
use bs2_events::sim::{SimOptions, Simulator};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status, Streaming};

#[path = "../../../src/device/gateway/proto.rs"]
#[allow(unexpected_cfgs, reason = "the feature is the library's")]
pub mod proto;

use proto::gsdk::admin::admin_client::AdminClient;
use proto::gsdk::connect::connect_client::ConnectClient;
use proto::gsdk::connect::{self, AsyncConnectInfo, ConnectInfo, StatusChange};
use proto::gsdk::device::device_client::DeviceClient;
use proto::gsdk::event::event_client::EventClient;
use proto::gsdk::event::{self, EventLog};
use proto::gsdk::time::time_client::TimeClient;
use proto::gsdk::tna::tna_client::TnaClient;

/// Every service, over one connection.
#[derive(Clone)]
pub struct GatewayClient {
    pub channel: Channel,
    pub admin: AdminClient<Channel>,
    pub connect: ConnectClient<Channel>,
    pub device: DeviceClient<Channel>,
    pub event: EventClient<Channel>,
    pub time: TimeClient<Channel>,
    pub tna: TnaClient<Channel>,
}

/// A gateway to devices with these settings, which log no connection of a client: their ids are those of the events that
/// a test makes.
pub fn quiet(settings: &str) -> GatewayServerOptions {
    let settings: SimOptions = settings.parse().unwrap();
    GatewayServerOptions::new(settings.with_connections(false))
}

pub async fn server(settings: &str) -> GatewayServer {
    GatewayServer::start(quiet(settings)).await.unwrap()
}

impl GatewayClient {
    pub async fn new(server: &GatewayServer) -> Self {
        Self::connect_to(&server.address().to_string(), server.ca_pem().unwrap()).await
    }

    pub async fn connect_to(address: &str, ca: &str) -> Self {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
        let channel = endpoint.tls_config(tls).unwrap().connect().await.unwrap();
        Self::over(channel)
    }

    pub fn over(channel: Channel) -> Self {
        Self {
            admin: AdminClient::new(channel.clone()),
            connect: ConnectClient::new(channel.clone()),
            device: DeviceClient::new(channel.clone()),
            event: EventClient::new(channel.clone()).max_decoding_message_size(usize::MAX),
            time: TimeClient::new(channel.clone()),
            tna: TnaClient::new(channel.clone()),
            channel,
        }
    }

    /// Connects the n-th device at the address that it has by default.
    pub async fn connect_nth(&mut self, n: u8) -> u32 {
        self.connect_at(&format!("10.0.0.{}", n + 1)).await.unwrap()
    }

    pub async fn connect_at(&mut self, ip: &str) -> Result<u32, Status> {
        let info = ConnectInfo { ip_addr: ip.to_owned(), port: 51_211, use_ssl: false };
        let request = connect::ConnectRequest { connect_info: Some(info) };
        Ok(self.connect.connect(request).await?.into_inner().device_id)
    }

    pub async fn keep_connected(&mut self, devices: &[u32]) {
        let info = |device: &u32| AsyncConnectInfo {
            device_id: *device,
            ip_addr: format!("10.0.0.{}", device - 541_000_000),
            port: 51_211,
            use_ssl: false,
        };
        let request =
            connect::AddAsyncConnectionRequest { connect_infos: devices.iter().map(info).collect() };
        self.connect.add_async_connection(request).await.unwrap();
    }

    pub async fn log(&mut self, device: u32, start: u32, max: u32) -> Result<Vec<EventLog>, Status> {
        let request = event::GetLogRequest { device_id: device, start_event_id: start, max_num_of_log: max };
        Ok(self.event.get_log(request).await?.into_inner().events)
    }

    pub async fn ids(&mut self, device: u32, start: u32, max: u32) -> Vec<u32> {
        self.log(device, start, max).await.unwrap().iter().map(|log| log.id).collect()
    }

    pub async fn monitor(&mut self, device: u32) -> Result<(), Status> {
        let request = event::EnableMonitoringRequest { device_id: device };
        self.event.enable_monitoring(request).await.map(drop)
    }

    pub async fn live(&mut self, queue_size: i32) -> Streaming<EventLog> {
        self.live_of(queue_size, &[], &[]).await
    }

    pub async fn live_of(&mut self, queue_size: i32, devices: &[u32], codes: &[u32]) -> Streaming<EventLog> {
        let request = event::SubscribeRealtimeLogRequest {
            queue_size,
            device_i_ds: devices.to_vec(),
            event_codes: codes.to_vec(),
        };
        self.event.subscribe_realtime_log(Request::new(request)).await.unwrap().into_inner()
    }

    pub async fn statuses(&mut self) -> Streaming<StatusChange> {
        let request = connect::SubscribeStatusRequest { queue_size: 16 };
        self.connect.subscribe_status(request).await.unwrap().into_inner()
    }
}

/// Makes events of a device and returns their ids.
pub fn make(simulator: &Simulator, device: u32, count: u32) -> Vec<u32> {
    let reader = simulator.reader(bs2_events::codec::DeviceId::new(device)).unwrap();
    reader.make(count).unwrap().iter().map(|event| event.id()).collect()
}
