//! Live events of the simulated gateway.

use std::time::Duration;

use bs2_events::sim::gateway::{GatewayFaults, GatewayServer};
use tonic::Streaming;

use crate::gateway_client::proto::gsdk::event::{self, EventLog};
use crate::gateway_client::{GatewayClient, make, quiet, server};

const FIRST: u32 = 541_000_001;

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_one_loses_nothing_while_the_client_reads() {
    let server = server("devices=2").await;
    let mut client = GatewayClient::new(&server).await;
    let (device, other) = (client.connect_nth(0).await, client.connect_nth(1).await);
    for queue_size in [0, 1] {
        let mut live = client.live(queue_size).await;
        client.monitor(device).await.unwrap();
        client.monitor(other).await.unwrap();
        for _ in 0..5 {
            let made = make(server.simulator(), device, 2_000);
            for id in made {
                assert_eq!(next(&mut live).await, (device, id));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_drops_the_newest_without_notice() {
    let settings = quiet("devices=1&backlog=0").with_queue_timeout(Duration::ZERO);
    let server = GatewayServer::start(settings).await.unwrap();
    let mut client = GatewayClient::new(&server).await;
    let device = client.connect_nth(0).await;
    let mut live = client.live(16).await;
    client.monitor(device).await.unwrap();
    // More than the windows of HTTP/2 hold for a client that reads nothing.
    let count = 200_000;
    make(server.simulator(), device, count);
    // Now the client reads. As soon as the queue has room, the client receives new events again.
    let mut ids = Vec::new();
    while ids.last().is_none_or(|id| *id <= count) {
        ids.push(next(&mut live).await.1);
        make(server.simulator(), device, 1);
    }
    assert!(ids.is_sorted_by(|a, b| a < b));
    let received = u32::try_from(ids.len()).unwrap();
    assert!((17..count / 2).contains(&received), "{received} of {count}");
    assert!(ids[..16].iter().copied().eq(1..=16), "the oldest stay");
}

#[tokio::test]
async fn a_stream_has_the_devices_and_codes_that_were_asked_for() {
    let server = server("devices=2").await;
    let mut client = GatewayClient::new(&server).await;
    let (device, other) = (client.connect_nth(0).await, client.connect_nth(1).await);
    let mut of_device = client.live_of(8, &[device], &[]).await;
    let mut of_code = client.live_of(8, &[], &[0x1300]).await;
    client.monitor(device).await.unwrap();
    client.monitor(other).await.unwrap();
    let theirs = make(server.simulator(), other, 200);
    let ours = make(server.simulator(), device, 200);
    for id in &ours {
        assert_eq!(next(&mut of_device).await, (device, *id));
    }
    let mut expected = Vec::new();
    for (device, ids) in [(other, theirs), (device, ours)] {
        let logs = client.log(device, ids[0], 200).await.unwrap();
        expected.extend(logs.iter().filter(|log| log.event_code == 0x1300).map(|log| (device, log.id)));
    }
    assert!(expected.len() > 4);
    for expected in expected {
        assert_eq!(next(&mut of_code).await, expected);
    }
}

#[tokio::test]
async fn monitoring_is_one_switch_for_all_clients() {
    let server = server("devices=1&backlog=0").await;
    let (mut one, mut two) = (GatewayClient::new(&server).await, GatewayClient::new(&server).await);
    let device = one.connect_nth(0).await;
    let mut live = two.live(8).await;
    make(server.simulator(), device, 1);
    one.monitor(device).await.unwrap();
    make(server.simulator(), device, 1);
    let disable = event::DisableMonitoringMultiRequest { device_i_ds: vec![device] };
    one.event.disable_monitoring_multi(disable).await.unwrap();
    make(server.simulator(), device, 1);
    let enable = event::EnableMonitoringMultiRequest { device_i_ds: vec![device] };
    one.event.enable_monitoring_multi(enable).await.unwrap();
    make(server.simulator(), device, 1);
    assert_eq!((next(&mut live).await, next(&mut live).await), ((FIRST, 2), (FIRST, 4)));
}

#[tokio::test]
async fn an_event_is_the_same_live_and_in_the_log() {
    let server = server("devices=1&backlog=0").await;
    let mut client = GatewayClient::new(&server).await;
    let device = client.connect_nth(0).await;
    let mut live = client.live(8).await;
    client.monitor(device).await.unwrap();
    make(server.simulator(), device, 500);
    for log in client.log(device, 0, 0).await.unwrap() {
        assert_eq!(live.message().await.unwrap().unwrap(), log);
    }
}

#[tokio::test]
async fn a_queue_below_nothing_is_refused() {
    let server = server("devices=1").await;
    let mut client = GatewayClient::new(&server).await;
    let request = event::SubscribeRealtimeLogRequest { queue_size: -1, ..Default::default() };
    let refused = client.event.subscribe_realtime_log(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_or_fall_silent_where_that_is_the_fault() {
    for (faults, ends) in [(GatewayFaults::END, true), (GatewayFaults::SILENT, false)] {
        let settings = quiet("devices=1&backlog=0").with_faults(faults);
        let server = GatewayServer::start(settings).await.unwrap();
        let mut client = GatewayClient::new(&server).await;
        let device = client.connect_nth(0).await;
        client.monitor(device).await.unwrap();
        let mut clean = 0;
        for _ in 0..5 {
            let mut live = client.live(8).await;
            let made = make(server.simulator(), device, 500);
            let mut received = 0;
            while let Ok(Ok(Some(_))) = tokio::time::timeout(PATIENCE, live.message()).await {
                received += 1;
            }
            assert!((1..=400).contains(&received), "{received} of {}", made.len());
            match tokio::time::timeout(PATIENCE, live.message()).await {
                Ok(_) => clean += 1,
                Err(_) => assert!(!ends),
            }
        }
        assert_eq!(clean, if ends { 5 } else { 0 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_a_frame_of_its_own_where_that_is_the_fault() {
    let settings = quiet("devices=1").with_faults(GatewayFaults::FRAMES);
    let server = GatewayServer::start(settings).await.unwrap();
    let mut client = GatewayClient::new(&server).await;
    let device = client.connect_nth(0).await;
    let mut live = client.live(8).await;
    client.monitor(device).await.unwrap();
    for id in make(server.simulator(), device, 1_000) {
        assert_eq!(next(&mut live).await, (device, id));
    }
}

async fn next(live: &mut Streaming<EventLog>) -> (u32, u32) {
    let log = live.message().await.unwrap().unwrap();
    (log.device_id, log.id)
}

/// Long enough for events on their way, short enough for a silent stream.
const PATIENCE: Duration = Duration::from_millis(500);
