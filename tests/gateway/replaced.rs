//! A device that somebody replaces by another one at the same address, behind a gateway that says nothing of it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bs2_events::codec::DeviceId;
use bs2_events::collect::{Collector, Stop};
use bs2_events::device::Client;
use bs2_events::device::backend::Backend;
use bs2_events::device::gateway::Gateway;
use bs2_events::sink::MemorySink;
use futures_util::FutureExt;
use prost::Message;
use tokio::sync::oneshot;
use tonic::Status;

use crate::fake_gateway::proto::gsdk::{connect, event};
use crate::fake_gateway::{DEVICE, Fake, State, message};

const NEW: u32 = DEVICE + 1;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_collected_as_a_further_device_and_the_account_of_the_old_one_ends() {
    let fake = Fake::start();
    let there = put(&fake.state, DEVICE);
    fake.state.make_events(3);
    let gateway = Gateway::new(fake.options().with_heartbeat(Duration::from_millis(300))).unwrap();
    let sink = MemorySink::new();
    let said = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&said);
    let collector = Collector::new(Arc::new(sink.clone()))
        .with_client(Client::new(Arc::new(gateway)))
        .on_notice(move |notice| log.lock().unwrap().push(notice.to_string()));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(collector.run_until(async { stopped.await.unwrap() }));
    let [old, new] = [DEVICE, NEW].map(DeviceId::new);
    until(|| sink.watermark(old, 0) == Some((1, 3))).await;
    there.store(NEW, Ordering::SeqCst);
    until(|| sink.watermark(new, 0) == Some((1, 3))).await;
    stop.send(Stop::AfterCatchUp).unwrap();
    let report = task.await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.devices.iter().map(|one| one.device).collect::<Vec<_>>(), [old, new]);
    let ends = format!(
        "device {DEVICE} was replaced: device {NEW} is at its address, and the account of device {DEVICE} ends"
    );
    assert_eq!(*said.lock().unwrap(), [ends]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_for_the_old_one_names_the_new_one_until_the_old_one_is_back() {
    let fake = Fake::start();
    let there = put(&fake.state, DEVICE);
    let gateway = Gateway::new(fake.options().with_heartbeat(Duration::from_millis(100))).unwrap();
    let [old, new] = [DEVICE, NEW].map(DeviceId::new);
    for (here, gone) in [(old, None), (new, Some(old)), (old, Some(new))] {
        there.store(here.get(), Ordering::SeqCst);
        for _ in 0..100 {
            // The next look of the session at the gateway's list finds it.
            if gateway.devices().await.unwrap().devices == [here] && gateway.connect(here).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(gateway.devices().await.unwrap().devices, [here]);
        gateway.connect(here).await.unwrap();
        if let Some(gone) = gone {
            for _ in 0..2 {
                let error = gateway.connect(gone).await.unwrap_err();
                assert_eq!((error.device(), error.replacement()), (Some(gone), Some(here)), "{error}");
            }
        }
    }
}

/// Makes the gateway have the device with this number at the address of its device. The number may change.
fn put(state: &Arc<State>, device: u32) -> Arc<AtomicU32> {
    let there = Arc::new(AtomicU32::new(device));
    let (id, log) = (Arc::clone(&there), Arc::clone(state));
    state.set_quirk(move |path, request| {
        let device = id.load(Ordering::SeqCst);
        let name = path.rsplit('/').next().unwrap();
        let reply = match name {
            "Connect" => message(&connect::ConnectResponse { device_id: device }),
            "GetDeviceList" => {
                let ip_addr = "192.0.2.7".into();
                let info = connect::DeviceInfo {
                    device_id: device,
                    ip_addr,
                    port: 51_211,
                    status: 1,
                    ..Default::default()
                };
                message(&connect::GetDeviceListResponse { device_infos: vec![info] })
            }
            "GetLog" => {
                let request = event::GetLogRequest::decode(&**request).unwrap();
                if request.device_id == device {
                    crate::fake_gateway::message_bytes(
                        log.page(request.start_event_id, request.max_num_of_log),
                    )
                } else {
                    Err(Status::not_found("Cannot get connection"))
                }
            }
            _ => return None,
        };
        Some(std::future::ready(reply).boxed())
    });
    there
}

async fn until(holds: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never held");
}
