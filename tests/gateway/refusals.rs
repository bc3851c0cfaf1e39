//! Gateways that refuse: readers that are not there, calls that fail for a while, texts that name people, events that no
//! record can hold.

use std::sync::Arc;
use std::time::Duration;

use bs2_events::codec::DeviceId;
use bs2_events::collect::{CollectOptions, Collector, Stop};
use bs2_events::device::Client;
use bs2_events::device::backend::Backend;
use bs2_events::device::gateway::{Gateway, TargetAddress};
use bs2_events::sink::{GapReason, MemorySink};
use bs2_events::{Error, ErrorKind, RetryPolicy};
use futures_util::FutureExt;
use prost::Message;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::fake_gateway::proto::gsdk::{connect, event};
use crate::fake_gateway::{DEVICE, Fake};
use crate::traces::Traces;

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_not_there_is_reported_and_costs_no_other() {
    let fake = Fake::start();
    fake.state.make_events(3);
    fake.state.set_quirk(|path, request| {
        let is_away = path.ends_with("Connect") && {
            let info = connect::ConnectRequest::decode(&**request).unwrap().connect_info.unwrap();
            info.ip_addr != "192.0.2.7"
        };
        is_away.then(|| std::future::ready(Err(Status::unavailable("i/o timeout"))).boxed())
    });
    let away: TargetAddress = "192.0.2.8".parse().unwrap();
    let gateway = Gateway::new(fake.options().with_device(away)).unwrap();
    let list = gateway.devices().await.unwrap();
    assert_eq!(list.devices, [READER]);
    assert_is_away(&list.failures);

    let client = Client::new(Arc::new(gateway));
    let (devices, failures) = client.discover().await.unwrap();
    assert_is_away(&failures);
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].logs(0, 10).await.unwrap().len(), 3);
    assert_eq!(client.devices().await.unwrap()[0].id(), READER);
}

fn assert_is_away(failures: &[Error]) {
    let found: Vec<_> = failures.iter().map(|error| (error.kind(), error.to_string())).collect();
    let text = "device at 192.0.2.8:51211: connecting a device: the gateway responds UNAVAILABLE (14)";
    assert_eq!(found, [(ErrorKind::Disconnected, text.to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_fails_because_of_the_gateway_is_requested_again() {
    let fake = Fake::start();
    fake.state.make_events(3);
    refuse(&fake, [Code::Unknown, Code::Internal], "");
    let sink = MemorySink::new();
    let report = collector(&sink).with_devices([client(&fake).device(READER)]).run_once().await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.stored(), 3);
    // Two that failed, one for the events, and two to see that nothing follows.
    assert_eq!(fake.state.called("GetLog"), 5);

    // So is one that is read by hand: for fewer events, and a gateway that refuses all fails.
    refuse(&fake, [Code::Unknown, Code::Internal], "");
    assert_eq!(client(&fake).device(READER).logs(0, 10).await.unwrap().len(), 2);
    assert_eq!(fake.state.called("GetLog"), 8);
    for (code, text) in [(Code::Unknown, "UNKNOWN (2)"), (Code::Internal, "INTERNAL (13)")] {
        refuse(&fake, [code; 200], "");
        let error = client(&fake).device(READER).logs(0, 10).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Busy, true));
        assert!(error.to_string().ends_with(&format!("the gateway responds {text}")), "{error}");
    }
}

#[tokio::test]
async fn the_text_that_a_gateway_writes_with_a_code_is_never_shown() {
    let (traces, _recording) = Traces::begin();
    let fake = Fake::start();
    fake.state.make_events(1);
    let text = "user-canary with card-canary is not known";
    let device = client(&fake).device(READER);
    let mut shown = String::new();
    for code in [Code::Unknown, Code::NotFound, Code::InvalidArgument, Code::DataLoss] {
        refuse(&fake, [code; 200], text);
        let error = device.logs(0, 10).await.unwrap_err();
        shown += &format!("{error} {error:?} {error:#?}");
    }
    let traces = traces.text();
    assert!(shown.contains("UNKNOWN") && !traces.is_empty());
    for text in [shown, traces] {
        assert!(!text.contains("canary"), "{}", text.lines().find(|line| line.contains("canary")).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_no_record_can_hold_keeps_back_neither_its_own_reader_nor_another() {
    let (odd, other) = (Fake::start(), Fake::start());
    odd.state.make(log(1));
    odd.state.make(event::EventLog { user_id: "8".repeat(33), ..log(2) });
    odd.state.make(log(3));
    let device = client(&odd).device(READER);
    assert_eq!(device.logs(0, 10).await.unwrap().last().unwrap().id(), 1);
    let error = device.logs(1, 10).await.unwrap_err();
    assert_eq!((error.device(), error.unreadable_event()), (Some(READER), Some(2)));
    assert!(error.to_string().contains("event 2: field `userID`"), "{error}");

    // Two stores: both gateways have a reader of the same number.
    let stores = [MemorySink::new(), MemorySink::new()];
    let (runs, stops): (Vec<_>, Vec<_>) = [&odd, &other]
        .into_iter()
        .zip(&stores)
        .map(|(fake, sink)| {
            let (stop, stopped) = oneshot::channel();
            let collector = collector(sink).with_client(client(fake));
            (tokio::spawn(collector.run_until(async { stopped.await.unwrap() })), stop)
        })
        .unzip();
    let until = async |sink: &MemorySink, id| {
        let reached = async {
            while sink.watermark(READER, 0).is_none_or(|(_, watermark)| watermark < id) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, reached).await.expect("it is not stored");
    };
    until(&stores[0], 3).await;
    // And live: it is reported as lost, and the log has what follows.
    odd.state.make(event::EventLog { card_data: vec![8; 33].into(), ..log(4) });
    odd.state.make(log(5));
    other.state.make_events(2);
    until(&stores[0], 5).await;
    until(&stores[1], 2).await;
    stops.into_iter().for_each(|stop| stop.send(Stop::AfterCatchUp).unwrap());
    for run in runs {
        assert!(run.await.unwrap().is_complete());
    }
    let gaps: Vec<_> = stores[0].gaps_of(READER).iter().map(|gap| (gap.from, gap.to, gap.reason)).collect();
    assert_eq!(gaps, [(2, 2, GapReason::Unreadable), (4, 4, GapReason::Unreadable)]);
    assert_eq!(stores[1].gaps_of(READER), []);
}

const READER: DeviceId = DeviceId::new(DEVICE);
const PATIENCE: Duration = Duration::from_secs(30);

/// Refuses GetLog with each of these codes and this text, and then works.
fn refuse<const N: usize>(fake: &Fake, codes: [Code; N], text: &'static str) {
    let mut codes = codes.into_iter();
    fake.state.set_quirk(move |path, _| {
        let code = if path.ends_with("GetLog") { codes.next() } else { None };
        code.map(|code| std::future::ready(Err(Status::new(code, text))).boxed())
    });
}

fn client(fake: &Fake) -> Client {
    Client::new(Arc::new(fake.gateway()))
}

fn collector(sink: &MemorySink) -> Collector {
    let policy = RetryPolicy::default().with_first(Duration::from_millis(5));
    Collector::new(Arc::new(sink.clone())).with_options(CollectOptions::default().with_retry(policy))
}

fn log(id: u32) -> event::EventLog {
    let (timestamp, user_id) = (1_700_000_000 + id, "17".to_owned());
    event::EventLog { id, timestamp, device_id: DEVICE, user_id, event_code: 0x1000, ..Default::default() }
}
