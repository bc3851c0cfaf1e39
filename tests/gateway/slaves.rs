//! Slaves: they keep no log, and their events are in their master's log, with their own number.

use std::sync::Arc;
use std::time::Duration;

use bs2_events::ErrorKind;
use bs2_events::codec::blob::EventMask;
use bs2_events::codec::{DeviceId, Event};
use bs2_events::collect::{CollectOptions, Collector, Stop};
use bs2_events::device::{Client, Live, Subscription};
use bs2_events::sink::MemorySink;
use futures_util::FutureExt;
use prost::Message;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::Status;

use crate::fake_gateway::proto::gsdk::{connect, device, event};
use crate::fake_gateway::{DEVICE, Fake, Reply, message};

#[tokio::test(flavor = "multi_thread")]
async fn a_live_event_of_a_slave_arrives_as_one_of_its_master() {
    let fake = Fake::start();
    fake.state.set_quirk(|path, _| path.ends_with("GetSlaveDevice").then(|| reply(slaves())));
    let mut live = client(&fake).device(MASTER).subscribe().await.unwrap();
    for (id, source) in [(1, DEVICE), (2, SLAVE), (3, WIEGAND_SLAVE), (4, DEVICE)] {
        fake.state.make(log(id, source));
    }
    for (id, source) in [(1, DEVICE), (2, SLAVE), (3, WIEGAND_SLAVE), (4, DEVICE)] {
        let Live::Event { device, event, .. } = next(&mut live).await else { panic!("no event") };
        assert_eq!((device, event.id(), event.device_id().get()), (MASTER, id, source));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_number_has_the_log_read_which_shows_whose_slave_it_is() {
    // This gateway does not know the call for slaves.
    let fake = Fake::start();
    fake.state.make(log(1, DEVICE));
    let device = client(&fake).device(MASTER);
    let mut live = device.subscribe().await.unwrap();
    fake.state.make(log(2, SLAVE));
    assert_eq!(next(&mut live).await, Live::Lagged { device: MASTER, missed: 1 });
    assert_eq!(device.logs(1, 10).await.unwrap().iter().map(Event::id).collect::<Vec<_>>(), [2]);
    fake.state.make(log(3, SLAVE));
    assert!(matches!(next(&mut live).await, Live::Event { device: MASTER, event, .. } if event.id() == 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_stores_live_events_of_a_slave_at_once_and_under_its_master() {
    let fake = Fake::start();
    fake.state.make(log(1, DEVICE));
    let (sink, (stop, stopped)) = (MemorySink::new(), oneshot::channel());
    // Without a poll, only the live stream can show the event.
    let options = CollectOptions::default().with_poll(Duration::from_secs(3_600));
    let collector = Collector::new(Arc::new(sink.clone())).with_options(options).with_client(client(&fake));
    let run = tokio::spawn(collector.run_until(async { stopped.await.unwrap() }));
    while fake.state.called("EnableMonitoring") == 0 {
        tokio::task::yield_now().await;
    }
    fake.state.make(log(2, SLAVE));
    let stored = async {
        while sink.watermark(MASTER, 0) != Some((1, 2)) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, stored).await.expect("it is not stored");
    stop.send(Stop::Now).unwrap();
    assert!(run.await.unwrap().is_complete());
    assert_eq!(sink.devices(), [MASTER]);
    assert_eq!(sink.events(MASTER, 0)[1].device_id().get(), SLAVE);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_device_that_nobody_listens_to_wake_nobody() {
    let fake = Fake::start();
    let other = 541_000_777;
    fake.state.set_quirk(move |path, _| {
        let info = |device_id, ip_addr: &str| connect::DeviceInfo {
            device_id,
            ip_addr: ip_addr.into(),
            port: 51_211,
            status: 1,
            ..Default::default()
        };
        path.ends_with("GetDeviceList").then(|| {
            let device_infos = vec![info(DEVICE, "192.0.2.7"), info(other, "192.0.2.8")];
            reply(connect::GetDeviceListResponse { device_infos })
        })
    });
    let mut live = client(&fake).device(MASTER).subscribe().await.unwrap();
    fake.state.make(log(1, other));
    fake.state.make(log(2, DEVICE));
    assert!(matches!(next(&mut live).await, Live::Event { event, .. } if event.id() == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slave_that_the_gateway_lists_is_no_device_of_its_own() {
    let fake = Fake::start();
    fake.state.set_quirk(|path, _| match path.rsplit('/').next() {
        Some("GetSlaveDevice") => Some(reply(slaves())),
        Some("GetDeviceList") => {
            let info = |device_id| connect::DeviceInfo { device_id, status: 1, ..Default::default() };
            Some(reply(connect::GetDeviceListResponse { device_infos: vec![info(DEVICE), info(SLAVE)] }))
        }
        _ => None,
    });
    let options = bs2_events::device::gateway::GatewayOptions::new(fake.address.to_string());
    let options = options.with_trust(bs2_events::tls::Trust::ca_file(fake.file("ca.crt")));
    let gateway = bs2_events::device::gateway::Gateway::new(options).unwrap();
    let devices = Client::new(Arc::new(gateway)).devices().await.unwrap();
    assert_eq!(devices.iter().map(|device| device.id()).collect::<Vec<_>>(), [MASTER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_a_slave_are_asked_of_the_owner_of_the_log_and_an_empty_one_is_none() {
    let fake = Fake::start();
    for (id, source) in [(1, DEVICE), (2, SLAVE), (3, DEVICE)] {
        fake.state.make(event::EventLog { has_image: true, ..log(id, source) });
    }
    fake.state.set_quirk(|path, request| {
        path.ends_with("GetImageLog").then(|| {
            let request = event::GetImageLogRequest::decode(&**request).unwrap();
            assert_eq!(request.device_id, DEVICE);
            let images = [(1, DEVICE, &b"\xFF\xD8\x01"[..]), (2, SLAVE, b"\xFF\xD8\x02"), (3, DEVICE, b"")];
            let images = images.into_iter().filter(|(id, ..)| *id >= request.start_event_id);
            let images = images.take(request.max_num_of_log as usize).map(|(id, source, jpeg)| {
                let log = log(id, source);
                event::ImageLog {
                    id,
                    timestamp: log.timestamp,
                    device_id: source,
                    user_id: log.user_id,
                    event_code: log.event_code,
                    jpg_image: jpeg.to_vec().into(),
                    ..Default::default()
                }
            });
            reply(event::GetImageLogResponse { image_events: images.collect() })
        })
    });
    let device = client(&fake).device(MASTER);
    let blobs = device.blobs(0, 10, EventMask::all()).await.unwrap();
    let images: Vec<_> = blobs.iter().map(|blob| blob.image().map(|jpeg| jpeg[2])).collect();
    assert_eq!(images, [Some(1), Some(2), None]);
    assert_eq!(device.image_log(2).await.unwrap()[2], 2);
    assert_eq!(device.image_log(3).await.unwrap_err().kind(), ErrorKind::NotFound);
    let images = device.image_logs(0, 10).await.unwrap();
    let found: Vec<_> =
        images.iter().map(|image| (image.event.device_id().get(), image.is_empty())).collect();
    assert_eq!(found, [(DEVICE, false), (SLAVE, false), (DEVICE, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_pictures_is_asked_for_its_capabilities_and_then_once_for_a_picture() {
    for (max_image_logs, asked) in [(0, 1), (500, 1)] {
        let fake = Fake::start();
        fake.state.make(event::EventLog { has_image: true, ..log(1, DEVICE) });
        fake.state.set_quirk(move |path, _| match path.rsplit('/').next() {
            Some("GetCapability") => {
                let capability = device::DeviceCapability { max_image_logs, ..Default::default() };
                Some(reply(device::GetCapabilityResponse { device_capability: Some(capability) }))
            }
            Some("GetImageLog" | "GetJobCodeLog") => {
                let text = "Cannot get log: Packet error: 256: user 4711: BS_ERR_NOT_SUPPORTED";
                Some(std::future::ready(Err(Status::internal(text))).boxed())
            }
            _ => None,
        });
        let device = client(&fake).device(MASTER);
        for _ in 0..3 {
            let error = device.image_logs(0, 10).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(!error.to_string().contains("4711"), "{error}");
            // The event is there without its picture and its job code.
            assert_eq!(device.blobs(0, 10, EventMask::all()).await.unwrap().len(), 1);
        }
        assert_eq!((fake.state.called("GetImageLog"), fake.state.called("GetJobCodeLog")), (asked, 1));
        assert_eq!(fake.state.called("GetCapability"), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_says_that_there_is_no_data_has_an_empty_log() {
    let fake = Fake::start();
    fake.state.set_quirk(|path, _| {
        let is_log = path.ends_with("GetLog") || path.ends_with("GetImageLog");
        is_log.then(|| std::future::ready(Err(Status::internal("Packet error: BS_ERR_NO_DATA"))).boxed())
    });
    let device = client(&fake).device(MASTER);
    assert!(device.logs(0, 10).await.unwrap().is_empty());
    assert!(device.image_logs(0, 10).await.unwrap().is_empty());
    assert!(!device.has_clock());
}

const SLAVE: u32 = 541_000_900;
const WIEGAND_SLAVE: u32 = 541_000_901;
const MASTER: DeviceId = DeviceId::new(DEVICE);
const PATIENCE: Duration = Duration::from_secs(30);

fn client(fake: &Fake) -> Client {
    Client::new(Arc::new(fake.gateway()))
}

async fn next(live: &mut Subscription) -> Live {
    timeout(PATIENCE, live.next()).await.expect("the stream is silent").expect("the stream has ended")
}

fn reply(response: impl Message) -> futures_util::future::BoxFuture<'static, Reply> {
    std::future::ready(message(&response)).boxed()
}

fn slaves() -> connect::GetSlaveDeviceResponse {
    let info = connect::SlaveDeviceInfo {
        device_id: DEVICE,
        rs485_slave_device_i_ds: vec![SLAVE],
        wiegand_slave_device_i_ds: vec![WIEGAND_SLAVE],
    };
    connect::GetSlaveDeviceResponse { slave_device_infos: vec![info] }
}

fn log(id: u32, device_id: u32) -> event::EventLog {
    let (timestamp, user_id) = (1_700_000_000 + id, "17".to_owned());
    event::EventLog { id, timestamp, device_id, user_id, event_code: 0x1000, ..Default::default() }
}
