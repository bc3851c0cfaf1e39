//! Connections of the simulated gateway to its devices, and the streams that report them.

use std::time::Duration;

use bs2_events::codec::DeviceId;
use bs2_events::sim::Certificates;
use bs2_events::sim::gateway::GatewayServer;
use prost::Message;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use crate::gateway_client::proto::google::rpc;
use crate::gateway_client::proto::gsdk::connect::{
    self, AcceptFilter, AsyncConnectInfo, ConnectionMode, Status as State, StatusChange,
};
use crate::gateway_client::proto::gsdk::err::MultiErrorResponse;
use crate::gateway_client::proto::gsdk::event;
use crate::gateway_client::{GatewayClient, make, quiet, server};

const FIRST: u32 = 541_000_001;

#[tokio::test]
async fn what_is_not_connected_is_refused_in_every_call() {
    let server = server("devices=1").await;
    let mut client = GatewayClient::new(&server).await;
    for device in [FIRST, 1, 0] {
        let refused = client.log(device, 0, 0).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
        assert!(refused.message().contains("connection"), "{refused}");
        assert_eq!(client.monitor(device).await.unwrap_err().code(), Code::NotFound);
        let request = connect::DisconnectRequest { device_i_ds: vec![device] };
        assert_eq!(client.connect.disconnect(request).await.unwrap_err().code(), Code::NotFound);
        let request = connect::DeleteAsyncConnectionRequest { device_i_ds: vec![device] };
        assert_eq!(client.connect.delete_async_connection(request).await.unwrap_err().code(), Code::NotFound);
    }
    for address in ["192.0.2.1", "gateway.example", ""] {
        assert_eq!(client.connect_at(address).await.unwrap_err().code(), Code::Unavailable);
    }
    let nothing = connect::ConnectRequest { connect_info: None };
    assert_eq!(client.connect.connect(nothing).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn an_error_of_many_devices_is_one_detail_and_no_other_trailer() {
    let server = server("devices=2").await;
    let mut client = GatewayClient::new(&server).await;
    let device = client.connect_nth(0).await;
    let request = event::EnableMonitoringMultiRequest { device_i_ds: vec![7, device, FIRST + 1] };
    let refused = client.event.enable_monitoring_multi(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);

    let status = rpc::Status::decode(refused.details()).unwrap();
    assert_eq!((status.code, status.message.as_str()), (5, refused.message()));
    let [detail] = &status.details[..] else { panic!("{} details", status.details.len()) };
    assert_eq!(detail.type_url, "type.googleapis.com/gsdk.err.MultiErrorResponse");
    let errors = MultiErrorResponse::decode(&*detail.value).unwrap().device_errors;
    let failed: Vec<_> = errors.iter().map(|error| (error.device_id, error.code)).collect();
    assert_eq!(failed, [(7, 5), (FIRST + 1, 5)]);
    assert!(errors.iter().all(|error| error.msg.contains("connection")));

    let others: Vec<_> = refused.metadata().keys().map(|key| format!("{key:?}")).collect();
    assert!(others.iter().all(|key| key.contains("content-type")), "{others:?}");

    // The devices that the status does not list succeeded.
    let mut live = client.live(16).await;
    make(server.simulator(), device, 1);
    assert_eq!(live.message().await.unwrap().unwrap().device_id, device);
}

#[tokio::test]
async fn a_connection_is_listed_reported_and_ended() {
    let settings = quiet("devices=2").with_device("192.168.0.2".parse().unwrap());
    let server = GatewayServer::start(settings).await.unwrap();
    let mut client = GatewayClient::new(&server).await;
    let mut statuses = client.statuses().await;
    assert!(list(&mut client).await.is_empty());
    assert_eq!(client.connect_at("192.168.0.2").await.unwrap(), FIRST);
    assert_eq!(client.connect_at("192.168.0.2").await.unwrap(), FIRST);
    let listed = list(&mut client).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].device_id, listed[0].ip_addr.as_str(), listed[0].port),
        (FIRST, "192.168.0.2", 51_211)
    );
    assert_eq!((listed[0].status(), listed[0].auto_reconnect), (State::TcpConnected, false));
    client.connect.disconnect(connect::DisconnectRequest { device_i_ds: vec![FIRST] }).await.unwrap();
    assert!(list(&mut client).await.is_empty());
    client.connect_at("10.0.0.2").await.unwrap();
    client.connect.disconnect_all(connect::DisconnectAllRequest {}).await.unwrap();
    assert_eq!(
        next_changes(&mut statuses, 4).await,
        [
            (FIRST, State::TcpConnected),
            (FIRST, State::Disconnected),
            (FIRST + 1, State::TcpConnected),
            (FIRST + 1, State::Disconnected),
        ]
    );
}

#[tokio::test]
async fn only_asynchronous_connections_are_made_again() {
    let server = server("devices=2").await;
    let mut client = GatewayClient::new(&server).await;
    let mut statuses = client.statuses().await;
    client.connect_nth(0).await;
    client.keep_connected(&[FIRST + 1]).await;
    assert_eq!(
        next_changes(&mut statuses, 2).await,
        [(FIRST, State::TcpConnected), (FIRST + 1, State::TcpConnected)]
    );
    for device in [FIRST, FIRST + 1] {
        client.monitor(device).await.unwrap();
        server.simulator().reader(DeviceId::new(device)).unwrap().disconnect();
    }
    assert_eq!(
        next_changes(&mut statuses, 3).await,
        [(FIRST, State::Disconnected), (FIRST + 1, State::Disconnected), (FIRST + 1, State::TcpConnected)]
    );
    assert_eq!(list(&mut client).await.len(), 1);
    // Monitoring ended with the connection.
    let mut live = client.live(16).await;
    let silent = make(server.simulator(), FIRST + 1, 3);
    client.monitor(FIRST + 1).await.unwrap();
    let heard = make(server.simulator(), FIRST + 1, 1);
    assert_eq!(live.message().await.unwrap().unwrap().id, heard[0]);
    assert!(silent[2] < heard[0]);

    let request = connect::DeleteAsyncConnectionRequest { device_i_ds: vec![FIRST + 1] };
    client.connect.delete_async_connection(request).await.unwrap();
    assert_eq!(next_changes(&mut statuses, 1).await, [(FIRST + 1, State::Disconnected)]);
    assert!(list(&mut client).await.is_empty());
}

#[tokio::test]
async fn a_device_that_was_never_connected_is_never_reported_as_disconnected() {
    let server = server("devices=2").await;
    let mut client = GatewayClient::new(&server).await;
    let mut statuses = client.statuses().await;
    let unreachable = [(FIRST, "192.0.2.1"), (99, "10.0.0.1")];
    let info = |(device_id, ip): (u32, &str)| AsyncConnectInfo {
        device_id,
        ip_addr: ip.to_owned(),
        port: 51_211,
        use_ssl: false,
    };
    let request =
        connect::AddAsyncConnectionRequest { connect_infos: unreachable.into_iter().map(info).collect() };
    client.connect.add_async_connection(request).await.unwrap();
    let listed = list(&mut client).await;
    assert!(listed.len() == 2 && listed.iter().all(|info| info.status() == State::TcpCannotConnect));
    let request = connect::DeleteAsyncConnectionRequest { device_i_ds: vec![FIRST, 99] };
    client.connect.delete_async_connection(request).await.unwrap();
    client.connect.disconnect_all(connect::DisconnectAllRequest {}).await.unwrap();
    client.connect_nth(1).await;
    assert_eq!(
        next_changes(&mut statuses, 3).await,
        [(FIRST, State::TcpCannotConnect), (99, State::TcpCannotConnect), (FIRST + 1, State::TcpConnected),]
    );
}

#[tokio::test]
async fn a_reader_that_connects_by_itself_waits_until_it_is_let_in() {
    let server = server("devices=2").await;
    let mut client = GatewayClient::new(&server).await;
    let mut statuses = client.statuses().await;
    let device = client.connect_nth(0).await;
    let mode = ConnectionMode::DeviceToServer.into();
    let request = connect::SetConnectionModeRequest { device_id: device, connection_mode: mode };
    client.connect.set_connection_mode(request).await.unwrap();
    let pending = client.connect.get_pending_list(connect::GetPendingListRequest {}).await.unwrap();
    let pending = pending.into_inner().device_infos;
    assert_eq!(pending.iter().map(|info| info.device_id).collect::<Vec<_>>(), [device]);
    assert!(pending[0].last_try > 0);
    assert_eq!(client.connect_at("10.0.0.1").await.unwrap_err().code(), Code::Unavailable);

    let filter = Some(AcceptFilter { device_i_ds: vec![device], ..Default::default() });
    client
        .connect
        .set_accept_filter(connect::SetAcceptFilterRequest { filter: filter.clone() })
        .await
        .unwrap();
    let states = [State::TcpConnected, State::Disconnected, State::TcpConnected];
    assert_eq!(next_changes(&mut statuses, 3).await, states.map(|state| (device, state)));
    let kept = client.connect.get_accept_filter(connect::GetAcceptFilterRequest {}).await.unwrap();
    assert_eq!(kept.into_inner().filter, filter);
    client.log(device, 0, 1).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_wants_tls_is_connected_with_it() {
    let server = server("devices=1").await;
    let mut client = GatewayClient::new(&server).await;
    let device_id = client.connect_nth(0).await;
    client.connect.enable_ssl(connect::EnableSslRequest { device_id }).await.unwrap();
    client.connect.disconnect_all(connect::DisconnectAllRequest {}).await.unwrap();
    assert_eq!(client.connect_at("10.0.0.1").await.unwrap_err().code(), Code::Unavailable);
    let info = connect::ConnectInfo { ip_addr: "10.0.0.1".to_owned(), port: 51_211, use_ssl: true };
    client.connect.connect(connect::ConnectRequest { connect_info: Some(info) }).await.unwrap();
    let listed = list(&mut client).await;
    assert_eq!((listed[0].status(), listed[0].use_ssl), (State::TlsConnected, true));
    let request = connect::DisableSslMultiRequest { device_i_ds: vec![device_id] };
    client.connect.disable_ssl_multi(request).await.unwrap();
}

#[tokio::test]
async fn a_search_finds_every_reader() {
    let server = server("devices=300").await;
    let mut client = GatewayClient::new(&server).await;
    let found = client.connect.search_device(connect::SearchDeviceRequest { timeout: 500 }).await.unwrap();
    let found = found.into_inner().device_infos;
    assert_eq!(found.len(), 300);
    assert_eq!((found[299].device_id, found[299].ip_addr.as_str()), (FIRST + 299, "10.0.1.44"));
}

#[tokio::test]
async fn a_restart_drops_clients_and_forgets_connections_but_no_event() {
    let server = server("devices=1&backlog=10").await;
    let mut client = GatewayClient::new(&server).await;
    let device = client.connect_nth(0).await;
    let mut live = client.live(16).await;
    client.monitor(device).await.unwrap();
    make(server.simulator(), device, 1);
    assert_eq!(live.message().await.unwrap().unwrap().id, 11);
    server.restart();
    assert!(live.message().await.is_err());
    let mut client = GatewayClient::new(&server).await;
    assert!(list(&mut client).await.is_empty());
    let device = client.connect_nth(0).await;
    assert_eq!(client.ids(device, 10, 0).await, [10, 11]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clients_are_served_at_the_same_time() {
    let server = server("devices=4&backlog=200").await;
    GatewayClient::new(&server).await.connect_nth(0).await;
    let clients = (0..100).map(|_| {
        let (address, ca) = (server.address().to_string(), server.ca_pem().unwrap().to_owned());
        tokio::spawn(async move {
            let mut client = GatewayClient::connect_to(&address, &ca).await;
            let live = client.live(16).await;
            assert!(client.ids(FIRST, 1, 0).await.into_iter().eq(1..=200));
            live
        })
    });
    let mut lives = Vec::new();
    for one in clients.collect::<Vec<_>>() {
        lives.push(one.await.unwrap());
    }
    GatewayClient::new(&server).await.monitor(FIRST).await.unwrap();
    let made = make(server.simulator(), FIRST, 20);
    for mut live in lives {
        for id in &made {
            assert_eq!(live.message().await.unwrap().unwrap().id, *id);
        }
    }
}

#[tokio::test]
async fn certificates_have_the_names_that_clients_connect_to_and_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let names = Certificates::LOOPBACK.into_iter().chain(["gateway.example"]);
        let certificates = Certificates::open_or_make(folder.path(), names).unwrap();
        let settings = quiet("devices=1").with_certificates(certificates);
        let server = GatewayServer::start(settings).await.unwrap();
        let ca = std::fs::read_to_string(folder.path().join("ca.crt")).unwrap();
        assert_eq!(server.ca_pem(), Some(ca.as_str()));
        for host in ["127.0.0.1", "localhost"] {
            GatewayClient::connect_to(&format!("{host}:{}", server.address().port()), &ca)
                .await
                .connect_nth(0)
                .await;
        }
    }
}

async fn list(client: &mut GatewayClient) -> Vec<connect::DeviceInfo> {
    let response = client.connect.get_device_list(connect::GetDeviceListRequest {}).await.unwrap();
    response.into_inner().device_infos
}

/// The next changes. A busy machine may need a minute.
async fn next_changes(statuses: &mut Streaming<StatusChange>, count: usize) -> Vec<(u32, State)> {
    let mut changes = Vec::new();
    while changes.len() < count {
        let change = timeout(Duration::from_secs(60), statuses.message()).await;
        let change = change.unwrap_or_else(|_| panic!("only {changes:?}")).unwrap().unwrap();
        assert!(change.timestamp > 1_700_000_000);
        changes.push((change.device_id, change.status()));
    }
    changes
}
