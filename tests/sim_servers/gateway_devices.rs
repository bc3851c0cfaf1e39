//! What the simulated gateway says of its devices, and what their log says of its clients.

use std::collections::BTreeSet;
use std::time::Duration;

use bs2_events::ErrorKind;
use bs2_events::codec::{DeviceId, Event, EventCode, ExtraSubject, Extras, Subject, SubjectKind, UserId};
use bs2_events::sim::SimOptions;
use bs2_events::sim::gateway::{GatewayServer, GatewayServerOptions};
use bytes::Bytes;
use prost::Message;
use tokio::time::timeout;
use tonic::Streaming;

use crate::gateway_client::proto::gsdk::connect::{self, AcceptFilter, Status as State, StatusChange};
use crate::gateway_client::proto::gsdk::{device, event};
use crate::gateway_client::{GatewayClient, make, quiet, server};

const FIRST: u32 = 541_000_001;
const CONNECTED: u16 = EventCode::DEVICE_TCP_CONNECTED.get();
const DISCONNECTED: u16 = EventCode::DEVICE_TCP_DISCONNECTED.get();

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_fresh_connections_are_told_of_their_device() {
    let server = server("devices=25&backlog=0").await;
    let (address, ca) = (server.address().to_string(), server.ca_pem().unwrap().to_owned());
    let rounds = (0..25).map(|number| {
        let (address, ca, device) = (address.clone(), ca.clone(), FIRST + number);
        tokio::spawn(async move {
            for round in 0..40 {
                // The vendor's examples do not wait for the first response. Here neither request waits for the other,
                // and in every second round the one for the connection is sent first.
                let client = GatewayClient::connect_to(&address, &ca).await;
                let (mut status, mut adding) = (client.clone(), client);
                let adds = async { adding.keep_connected(&[device]).await };
                let told = told_of(device, &mut status);
                if round % 2 == 0 {
                    tokio::join!(told, adds);
                } else {
                    tokio::join!(adds, told);
                }
                let request = connect::DeleteAsyncConnectionRequest { device_i_ds: vec![device] };
                adding.connect.delete_async_connection(request).await.unwrap();
            }
        })
    });
    for task in rounds.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Subscribes to connection states, and waits until this device is connected.
async fn told_of(device: u32, client: &mut GatewayClient) {
    let mut statuses = client.statuses().await;
    while next(&mut statuses).await != (device, State::TcpConnected) {}
}

#[tokio::test]
async fn who_asks_for_a_connection_again_and_again_does_not_defer_it() {
    let server = server("devices=1&backlog=0").await;
    let mut client = GatewayClient::new(&server).await;
    let mut statuses = client.statuses().await;
    let mut asked = 0;
    let told = loop {
        tokio::select! {
            told = next(&mut statuses) => break told,
            () = tokio::time::sleep(Duration::from_millis(5)) => {
                client.keep_connected(&[FIRST]).await;
                asked += 1;
                assert!(asked < 5_000);
            }
        }
    };
    assert_eq!(told, (FIRST, State::TcpConnected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_counts_from_its_request() {
    let server = server("devices=1&backlog=0").await;
    let mut client = GatewayClient::new(&server).await;
    let device = client.connect_nth(0).await;
    for _ in 0..300 {
        let fresh = GatewayClient::new(&server).await;
        let (mut stream, mut switch) = (fresh.clone(), fresh);
        let makes = async {
            switch.monitor(device).await.unwrap();
            make(server.simulator(), device, 1)[0]
        };
        let (mut live, made) = tokio::join!(stream.live(16), makes);
        let told = timeout(PATIENCE, live.message()).await.unwrap().unwrap().unwrap();
        assert_eq!(told.id, made);
    }
}

#[tokio::test]
async fn slaves_are_listed_and_what_they_see_is_their_masters_in_pages_and_live() {
    let server = server("devices=2&backlog=2000&slaves=2").await;
    let mut client = GatewayClient::new(&server).await;
    assert!(slaves(&mut client).await.is_empty(), "the gateway knows no device yet");
    let (device, other) = (client.connect_nth(0).await, client.connect_nth(1).await);
    let listed = slaves(&mut client).await;
    assert_eq!(listed.iter().map(|info| info.device_id).collect::<Vec<_>>(), [device, other]);
    let reader = server.simulator().reader(DeviceId::new(device)).unwrap();
    let numbers: Vec<u32> = reader.slaves().iter().map(|slave| slave.get()).collect();
    assert_eq!(listed[0].rs485_slave_device_i_ds, numbers);
    let found = client.connect.search_slave_device(connect::SearchSlaveDeviceRequest {}).await.unwrap();
    assert_eq!(found.into_inner().slave_device_infos, listed);

    let logs = client.log(device, 0, 0).await.unwrap();
    let makers: BTreeSet<u32> = logs.iter().map(|log| log.device_id).collect();
    assert_eq!(makers, [device, numbers[0], numbers[1]].into());
    assert_eq!(client.log(numbers[0], 0, 0).await.unwrap_err().code(), tonic::Code::NotFound);

    // Whether a filter names the device or the slave.
    client.monitor(device).await.unwrap();
    let mut of_master = client.live_of(8, &[device], &[]).await;
    let mut of_slave = client.live_of(8, &[numbers[1]], &[]).await;
    let denied = Event::builder(DeviceId::new(numbers[1]), 0, EventCode::ACCESS_DENIED);
    let denied = reader.push_with(denied, Extras::default(), Bytes::from_static(b"jpeg"));
    for live in [&mut of_master, &mut of_slave] {
        let log = live.message().await.unwrap().unwrap();
        assert_eq!((log.id, log.device_id, log.has_image), (denied.id(), numbers[1], true));
    }
    let request =
        event::GetImageLogRequest { device_id: device, start_event_id: denied.id(), max_num_of_log: 1 };
    let images = client.event.get_image_log(request).await.unwrap().into_inner().image_events;
    assert_eq!(
        (images[0].id, images[0].device_id, &images[0].jpg_image[..]),
        (denied.id(), numbers[1], &b"jpeg"[..])
    );
}

#[tokio::test]
async fn a_device_logs_that_a_client_connects_and_disconnects() {
    let settings: SimOptions = "devices=1&backlog=5".parse().unwrap();
    let server = GatewayServer::start(GatewayServerOptions::new(settings)).await.unwrap();
    let reader = server.simulator().reader(DeviceId::new(FIRST)).unwrap();
    let mut client = GatewayClient::new(&server).await;
    client.connect_nth(0).await;
    client.connect_nth(0).await;
    assert_eq!(codes_after(&mut client, 5).await, [CONNECTED]);
    client.connect.disconnect(connect::DisconnectRequest { device_i_ds: vec![FIRST] }).await.unwrap();
    client.connect_nth(0).await;
    assert_eq!(codes_after(&mut client, 6).await, [DISCONNECTED, CONNECTED]);
    // A lost connection is the device's too, and one that is made again.
    let mut statuses = client.statuses().await;
    client.keep_connected(&[FIRST]).await;
    assert_eq!(
        next(&mut statuses).await,
        (FIRST, State::TcpConnected),
        "who waits for it is told, also again"
    );
    reader.disconnect();
    for expected in [State::Disconnected, State::TcpConnected] {
        assert_eq!(next(&mut statuses).await, (FIRST, expected));
    }
    assert_eq!(codes_after(&mut client, 8).await, [DISCONNECTED, CONNECTED]);
    // Who reads when told of the connection finds it; who listens from then on does not miss it.
    let request = connect::DeleteAsyncConnectionRequest { device_i_ds: vec![FIRST] };
    client.connect.delete_async_connection(request).await.unwrap();
    client.connect_nth(0).await;
    assert_eq!(codes_after(&mut client, 10).await, [DISCONNECTED, CONNECTED]);
    assert_eq!((reader.newest_id(), reader.epoch()), (Some(12), 0));
}

#[tokio::test]
async fn the_truth_and_the_state_have_the_connections_and_the_end_of_a_gateway_adds_none() {
    let folder = tempfile::tempdir().unwrap();
    let (path, truth) = (folder.path().join("state"), folder.path().join("truth.tsv"));
    let options = || {
        let settings: SimOptions = "devices=1&backlog=5".parse().unwrap();
        GatewayServerOptions::new(settings).with_state(&path)
    };
    for life in 0..2_u32 {
        let server = loop {
            // The clients of the first end on the runtime.
            match GatewayServer::start(options()).await {
                Ok(server) => break server,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Busy),
            }
            tokio::task::yield_now().await;
        };
        let simulator = server.simulator().clone();
        simulator.write_truth_to(std::fs::File::create(&truth).unwrap()).unwrap();
        let mut client = GatewayClient::new(&server).await;
        client.connect_nth(0).await;
        let ids = client.ids(FIRST, 0, 0).await;
        assert!(ids.iter().copied().eq(1..=6 + life));
        drop(server);
        simulator.flush_truth().unwrap();
        let written = std::fs::read_to_string(&truth).unwrap();
        assert_eq!(written.lines().count(), ids.len());
    }
}

#[tokio::test]
async fn nothing_happens_without_the_office_not_even_a_connection() {
    let settings: SimOptions = "office=0".parse().unwrap();
    let server = GatewayServer::start(GatewayServerOptions::new(settings)).await.unwrap();
    let mut client = GatewayClient::new(&server).await;
    let device = client.connect_nth(0).await;
    assert!(client.ids(device, 0, 0).await.is_empty());
    let mut live = client.live(8).await;
    client.monitor(device).await.unwrap();
    let reader = server.simulator().reader(DeviceId::new(device)).unwrap();
    let door = ExtraSubject::new(SubjectKind::Door, Subject::Door { door_id: 3 }.to_bytes());
    let card = ExtraSubject::new(SubjectKind::Card, [7; 32]);
    let user = UserId::new("42").unwrap();
    let denied = Event::builder(reader.id(), 0, EventCode::ACCESS_DENIED).subject(Subject::User(&user));
    reader.push_with(denied, Extras::default().with_subject(door).with_subject(card), None);
    let log = live.message().await.unwrap().unwrap();
    assert_eq!((log.id, log.user_id.as_str(), log.entity_id, &log.card_data[..]), (1, "42", 3, &[7; 32][..]));
    assert_eq!(client.log(device, 0, 0).await.unwrap(), [log]);
}

#[tokio::test]
async fn doors_and_cards_stand_beside_a_share_of_the_authentications() {
    let server = server("devices=1&backlog=5000").await;
    let mut client = GatewayClient::new(&server).await;
    let device = client.connect_nth(0).await;
    let people: Vec<_> = client.log(device, 0, 0).await.unwrap();
    let people: Vec<_> = people
        .into_iter()
        .filter(|log| (0x1000..0x1F00).contains(&log.event_code) && !log.user_id.is_empty())
        .collect();
    let share =
        |is: fn(&event::EventLog) -> bool| people.iter().filter(|log| is(log)).count() * 100 / people.len();
    assert!((10..30).contains(&share(|log| log.entity_id == 1)));
    assert!((10..30).contains(&share(|log| log.card_data.len() == 32)));
    assert!((3..12).contains(&share(|log| log.entity_id == 1 && log.card_data.len() == 32)));
}

#[tokio::test]
async fn a_device_says_the_same_of_itself_in_every_call() {
    let server = server("devices=1&images=0").await;
    let mut client = GatewayClient::new(&server).await;
    let device_id = client.connect_nth(0).await;
    let profile = server.simulator().reader(DeviceId::new(device_id)).unwrap().profile();
    let info = client.device.get_info(device::GetInfoRequest { device_id }).await.unwrap().into_inner();
    let info = info.info.unwrap();
    assert_eq!(info.mac_addr, "02:00:20:3f:01:41");
    assert_eq!((info.model_name.as_str(), info.firmware_version.as_str()), (profile.model, profile.firmware));
    let list = client.connect.get_device_list(connect::GetDeviceListRequest {}).await.unwrap().into_inner();
    let found = client.connect.search_device(connect::SearchDeviceRequest { timeout: 1 }).await.unwrap();
    let request = device::GetCapabilityInfoRequest { device_id };
    let bytes = client.device.get_capability_info(request).await.unwrap().into_inner().cap_info;
    let told = device::CapabilityInfoFrom18::decode(bytes).unwrap();
    let types = [list.device_infos[0].r#type, found.into_inner().device_infos[0].r#type, told.r#type];
    assert_eq!(types, [0x23; 3]);
    let capability = client.device.get_capability(device::GetCapabilityRequest { device_id }).await.unwrap();
    let capability = capability.into_inner().device_capability.unwrap();
    assert_eq!((told.max_num_of_user, capability.max_users), (profile.max_users, profile.max_users));
    assert_eq!((capability.max_event_logs, capability.max_image_logs), (profile.max_event_logs, 0));
    assert!(told.alphanumeric_id_supported && told.user_name_supported && capability.face_ex_supported);
    // Nobody serves these: the vendor's first example asks for a card where it finds a card reader.
    assert!(!told.card_supported && !told.image_log_supported && !capability.camera_supported);
}

#[tokio::test]
async fn devices_that_connect_by_themselves_wait_until_the_filter_lets_them_in() {
    let options = quiet("backlog=3").with_device("192.168.0.2".parse().unwrap()).with_accept(2);
    let server = GatewayServer::start(options).await.unwrap();
    let mut client = GatewayClient::new(&server).await;
    let mut statuses = client.statuses().await;
    assert_eq!(pending(&mut client).await, [FIRST + 1, FIRST + 2], "they are there from the start");
    assert!(listed(&mut client).await.is_empty());
    assert!(client.connect_at("10.0.0.2").await.is_err());
    assert_eq!(client.connect_at("192.168.0.2").await.unwrap(), FIRST);
    assert_eq!(next(&mut statuses).await, (FIRST, State::TcpConnected));

    let one = AcceptFilter { device_i_ds: vec![FIRST + 2], ..Default::default() };
    let_in(&mut client, one).await;
    assert_eq!(next(&mut statuses).await, (FIRST + 2, State::TcpConnected));
    assert_eq!(pending(&mut client).await, [FIRST + 1]);
    // All that some programs do: they let everybody in, and look who is there.
    let_in(&mut client, AcceptFilter { allow_all: true, ..Default::default() }).await;
    assert_eq!(next(&mut statuses).await, (FIRST + 1, State::TcpConnected));
    assert!(pending(&mut client).await.is_empty());
    assert_eq!(listed(&mut client).await, [FIRST, FIRST + 1, FIRST + 2]);
    assert_eq!(client.ids(FIRST + 2, 0, 0).await, [1, 2, 3]);

    // They come again, whoever ends the connection.
    client.connect.disconnect(connect::DisconnectRequest { device_i_ds: vec![FIRST + 1] }).await.unwrap();
    server.simulator().reader(DeviceId::new(FIRST + 2)).unwrap().disconnect();
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        seen.insert(next(&mut statuses).await);
    }
    let expected = [FIRST + 1, FIRST + 2].map(|id| [(id, State::Disconnected), (id, State::TcpConnected)]);
    assert_eq!(seen, expected.concat().into_iter().collect());

    // Who is not let in any more waits again once its connection is lost.
    let_in(&mut client, AcceptFilter { device_i_ds: vec![FIRST + 1], ..Default::default() }).await;
    server.simulator().reader(DeviceId::new(FIRST + 2)).unwrap().disconnect();
    assert_eq!(next(&mut statuses).await, (FIRST + 2, State::Disconnected));
    assert_eq!(pending(&mut client).await, [FIRST + 2]);

    // A gateway that is started again has forgotten the filter.
    server.restart();
    let mut client = GatewayClient::new(&server).await;
    assert_eq!(pending(&mut client).await, [FIRST + 1, FIRST + 2]);
}

#[tokio::test]
async fn more_devices_than_there_are_cannot_connect_by_themselves() {
    let settings: SimOptions = "devices=2".parse().unwrap();
    let options = GatewayServerOptions::new(settings).with_accept(3);
    let error = GatewayServer::start(options).await.unwrap_err().to_string();
    assert!(error.starts_with("setting `accept`: 3 devices connect by themselves"), "{error}");
}

async fn slaves(client: &mut GatewayClient) -> Vec<connect::SlaveDeviceInfo> {
    let response = client.connect.get_slave_device(connect::GetSlaveDeviceRequest {}).await.unwrap();
    response.into_inner().slave_device_infos
}

async fn pending(client: &mut GatewayClient) -> Vec<u32> {
    let response = client.connect.get_pending_list(connect::GetPendingListRequest {}).await.unwrap();
    let infos = response.into_inner().device_infos;
    assert!(infos.iter().all(|info| info.last_try > 1_700_000_000 && info.r#type == 0x23));
    infos.iter().map(|info| info.device_id).collect()
}

async fn listed(client: &mut GatewayClient) -> Vec<u32> {
    let response = client.connect.get_device_list(connect::GetDeviceListRequest {}).await.unwrap();
    response.into_inner().device_infos.iter().map(|info| info.device_id).collect()
}

async fn let_in(client: &mut GatewayClient, filter: AcceptFilter) {
    let request = connect::SetAcceptFilterRequest { filter: Some(filter) };
    client.connect.set_accept_filter(request).await.unwrap();
}

/// The codes of the first device's events after this id.
async fn codes_after(client: &mut GatewayClient, id: u32) -> Vec<u16> {
    let logs = client.log(FIRST, id + 1, 0).await.unwrap();
    logs.iter().map(|log| u16::try_from(log.event_code | log.sub_code).unwrap()).collect()
}

async fn next(statuses: &mut Streaming<StatusChange>) -> (u32, State) {
    let change = timeout(PATIENCE, statuses.message()).await.unwrap().unwrap().unwrap();
    (change.device_id, change.status())
}

/// A busy machine may need a minute.
const PATIENCE: Duration = Duration::from_secs(60);
