//! The fault injector, around a backend that is not its own.

use std::sync::{Arc, Mutex};

use bs2_events::codec::blob::EventMask;
use bs2_events::codec::sdk_code::SdkCode;
use bs2_events::codec::{DeviceId, Event, Extras};
use bs2_events::device::backend::{Backend, LiveSink, LiveTarget, Monitoring};
use bs2_events::sim::{FaultInjector, FaultOptions, Faults, Simulator};
use bs2_events::{Error, ErrorKind};

#[test]
fn faults_survive_their_text() {
    for faults in [Faults::empty(), Faults::DROP, Faults::REPEAT | Faults::STUCK, Faults::all()] {
        assert_eq!(faults.to_string().parse::<Faults>().unwrap(), faults);
    }
    assert_eq!((Faults::DROP | Faults::SLOW).to_string(), "drop,slow");
    let error = "drop,fire".parse::<Faults>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("fault `fire` is not known; known are drop, "), "{error}");
}

#[tokio::test]
async fn calls_fail_with_the_codes_and_as_often_as_the_options_say() {
    let code = SdkCode::new(-500);
    let options = FaultOptions::new(Faults::ERROR).with_rate(Faults::ERROR, 1_000).with_error_codes([code]);
    let (injector, device) = connected(options).await;
    for _ in 0..100 {
        let error = injector.time(device).await.unwrap_err();
        assert_eq!((error.sdk_code(), error.device()), (Some(code), Some(device)));
    }
    let (injector, device) = connected(FaultOptions::new(Faults::ERROR).with_rate(Faults::all(), 0)).await;
    for _ in 0..100 {
        injector.time(device).await.unwrap();
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults() {
    async fn failures(seed: u64) -> Vec<bool> {
        let (injector, device) = connected(FaultOptions::new(Faults::ERROR).with_seed(seed)).await;
        let mut failed = Vec::new();
        for _ in 0..300 {
            failed.push(injector.time(device).await.is_err());
        }
        failed
    }
    assert_eq!(failures(1).await, failures(1).await);
    assert_ne!(failures(1).await, failures(2).await);
}

#[tokio::test]
async fn a_lost_connection_is_reported_once_and_leaves_the_wrapped_backend_connected() {
    let simulator = Simulator::new("devices=1&backlog=5").unwrap();
    let device = simulator.device_ids()[0];
    let wrapped = simulator.backend();
    let injector = FaultInjector::new(Arc::clone(&wrapped), FaultOptions::new(Faults::empty()));
    injector.connect(device).await.unwrap();
    let (heard, monitoring) = monitored(&injector, device).await;
    let first = simulator.make_event(device).unwrap();
    injector.disconnect(device);
    simulator.make_event(device).unwrap();
    assert_eq!(*heard.events.lock().unwrap(), [first]);
    assert_eq!(*heard.breaks.lock().unwrap(), [ErrorKind::Disconnected]);

    assert_eq!(injector.logs(device, 0, 9).await.unwrap_err().kind(), ErrorKind::Disconnected);
    assert_eq!(wrapped.logs(device, 0, 9).await.unwrap().len(), 7);
    injector.connect(device).await.unwrap();
    assert_eq!(injector.logs(device, 0, 9).await.unwrap().len(), 7);
    drop(monitoring);
}

#[tokio::test]
async fn a_stuck_device_reports_nothing_until_it_is_freed() {
    let simulator = Simulator::new("devices=1&backlog=0").unwrap();
    let device = simulator.device_ids()[0];
    let injector = FaultInjector::new(simulator.backend(), FaultOptions::new(Faults::empty()));
    injector.connect(device).await.unwrap();
    let (heard, _monitoring) = monitored(&injector, device).await;
    injector.set_stuck(device, true);
    simulator.make_event(device).unwrap();
    assert!(heard.events.lock().unwrap().is_empty());
    injector.set_stuck(device, false);
    let event = simulator.make_event(device).unwrap();
    assert_eq!(*heard.events.lock().unwrap(), [event]);
}

#[tokio::test]
async fn the_end_of_the_wrapped_connection_is_passed_on_and_a_dropped_guard_ends_the_reports() {
    let simulator = Simulator::new("devices=1&backlog=0").unwrap();
    let device = simulator.device_ids()[0];
    let injector = FaultInjector::new(simulator.backend(), FaultOptions::new(Faults::empty()));
    injector.connect(device).await.unwrap();
    let (ended, monitoring) = monitored(&injector, device).await;
    drop(monitoring);
    let (heard, _monitoring) = monitored(&injector, device).await;
    simulator.make_event(device).unwrap();
    simulator.reader(device).unwrap().disconnect();
    assert_eq!((ended.events.lock().unwrap().len(), ended.breaks.lock().unwrap().len()), (0, 0));
    assert_eq!((heard.events.lock().unwrap().len(), heard.breaks.lock().unwrap().len()), (1, 1));
    assert_eq!(injector.time(device).await.unwrap_err().kind(), ErrorKind::Disconnected);
    injector.connect(device).await.unwrap();
    injector.time(device).await.unwrap();
}

#[tokio::test]
async fn a_page_lacks_one_event_for_the_moment() {
    let options = FaultOptions::new(Faults::HOLES).with_rate(Faults::HOLES, 500);
    let (injector, device) = connected(options).await;
    let mut lacking = std::collections::BTreeSet::new();
    let mut whole = 0;
    for _ in 0..200 {
        let page = injector.logs(device, 0, 10).await.unwrap();
        let missing: Vec<u32> = (1..=5).filter(|id| page.iter().all(|event| event.id() != *id)).collect();
        assert_eq!(page.len() + missing.len(), 5);
        match missing[..] {
            [] => whole += 1,
            [id] => _ = lacking.insert(id),
            _ => panic!("{missing:?}"),
        }
    }
    assert!((60..140).contains(&whole), "{whole}");
    assert!(lacking.into_iter().eq(1..=5), "each of them, also the newest");
}

#[tokio::test]
async fn a_large_page_does_not_arrive_and_a_smaller_one_does() {
    let (injector, device) = connected_to("devices=1&backlog=400", FaultOptions::new(Faults::LARGE)).await;
    assert_eq!(injector.logs(device, 0, 201).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(injector.logs(device, 0, 200).await.unwrap().len(), 200);
    assert_eq!(
        injector.blobs(device, 0, 201, EventMask::all()).await.unwrap_err().kind(),
        ErrorKind::TimedOut
    );
}

#[tokio::test]
async fn a_damaged_event_spoils_every_page_that_has_it_and_no_other() {
    let (injector, device) = connected_to("devices=1&backlog=2000", FaultOptions::new(Faults::DAMAGED)).await;
    let mut damaged = Vec::new();
    for id in 1..=2_000 {
        match injector.logs(device, id - 1, 1).await {
            Ok(page) => assert_eq!(page.len(), 1),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidData);
                damaged.push(id);
            }
        }
    }
    assert!((1..15).contains(&damaged.len()), "{damaged:?}");
    let first = damaged[0];
    for after in first.saturating_sub(3)..first {
        assert!(injector.logs(device, after, 4).await.is_err(), "{after}");
        assert!(injector.blobs(device, after, 4, EventMask::all()).await.is_err(), "{after}");
    }
}

async fn connected(options: FaultOptions) -> (FaultInjector, DeviceId) {
    connected_to("devices=1&backlog=5", options).await
}

async fn connected_to(settings: &str, options: FaultOptions) -> (FaultInjector, DeviceId) {
    let simulator = Simulator::new(settings).unwrap();
    let device = simulator.device_ids()[0];
    let injector = FaultInjector::new(simulator.backend(), options);
    injector.connect(device).await.unwrap();
    (injector, device)
}

async fn monitored(backend: &dyn Backend, device: DeviceId) -> (Arc<Heard>, Monitoring) {
    let heard = Arc::new(Heard::default());
    let target: Arc<dyn LiveTarget> = heard.clone();
    let monitoring = backend.monitor(device, LiveSink::to_target(device, target)).await.unwrap();
    (heard, monitoring)
}

#[derive(Default)]
struct Heard {
    events: Mutex<Vec<Event>>,
    breaks: Mutex<Vec<ErrorKind>>,
}

impl LiveTarget for Heard {
    fn event(&self, event: &Event, _: Option<Box<Extras>>) {
        self.events.lock().unwrap().push(*event);
    }

    fn lost(&self, _: u64) {}

    fn disconnected(&self, error: Error) {
        self.breaks.lock().unwrap().push(error.kind());
    }

    fn is_closed(&self) -> bool {
        false
    }
}
