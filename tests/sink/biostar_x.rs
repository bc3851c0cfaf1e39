//! The BioStar X server as a destination: the contract of sinks, and every authentication once whatever fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bs2_events::biostar_x::import::Unmapped;
use bs2_events::biostar_x::{BiostarX, ImportEvent, VirtualDeviceId};
use bs2_events::codec::{DeviceId, Event, EventCode, Subject, Timestamp, UserId};
use bs2_events::collect::{CollectOptions, Collector, Stop};
use bs2_events::device::{Client, DeviceInfo};
use bs2_events::sim::Simulator;
use bs2_events::sim::biostar_x::{BiostarXFaults, BiostarXServer, PlannedFault};
use bs2_events::sink::biostar_x::BiostarXSink;
use bs2_events::sink::conformance::{self, SinkStage};
use bs2_events::sink::{Batch, GapReason, Sink, Stored, async_trait};
use bs2_events::{ErrorKind, RetryPolicy};

use crate::biostar_x_simulated::{builder, client, gate, options, start};

const IMPORT: &str = "/api/events/import";
const SEARCH: &str = "/api/events/search";
const READER: DeviceId = DeviceId::new(7);

fn entry(id: u32, user: &str) -> Event {
    Event::builder(READER, id, EventCode::new(0x1301))
        .subject(Subject::User(&UserId::new(user).unwrap()))
        .timestamp(Timestamp::from_unix_seconds(1_761_837_120 + id / 4))
        .build()
}

/// Lookups need not wait, and every failure is returned at once.
fn sink(
    client: BiostarX,
    device: VirtualDeviceId,
    path: impl AsRef<Path>,
) -> bs2_events::Result<BiostarXSink> {
    let options = options().with_chunk(100).with_patience(Duration::ZERO);
    Ok(BiostarXSink::new(client, device, path)?.with_import_options(options))
}

fn batch(ids: std::ops::RangeInclusive<u32>) -> Batch {
    let (first, last) = (*ids.start(), *ids.end());
    Batch::new(READER, 0, first, last).with_events(ids.map(|id| entry(id, "1")))
}

#[tokio::test]
async fn the_contract_of_sinks_is_kept() {
    let server = start("").await;
    server.add_user("1001").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    conformance::check(&Stage { server: &server, path }).await.unwrap();
    assert!(server.snapshot().imported().count() > 20);
}

struct Stage<'a> {
    server: &'a BiostarXServer,
    path: PathBuf,
}

#[async_trait]
impl SinkStage for Stage<'_> {
    async fn open(&self) -> bs2_events::Result<Arc<dyn Sink>> {
        Ok(Arc::new(sink(client(self.server), gate(), &self.path)?))
    }

    async fn crash(&self, sink: Arc<dyn Sink>) {
        drop(sink);
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_for_before_anything_else_is_sent() {
    for fault in [
        PlannedFault::CutBefore,
        PlannedFault::CutAfter,
        PlannedFault::ErrorAfter,
        PlannedFault::Error,
        PlannedFault::Partial,
    ] {
        for reopens in [false, true] {
            let server = start("").await;
            let folder = tempfile::tempdir().unwrap();
            let client = || BiostarX::new(builder(&server).with_patience(Duration::ZERO)).unwrap();
            let open = || sink(client(), gate(), folder.path().join("state")).unwrap();
            let mut sink = open();
            sink.store(batch(1..=10)).await.unwrap();
            server.plan(IMPORT, fault.clone());
            if fault != PlannedFault::Partial {
                // The lookup fails too, so that the next call finds what the file says.
                server.plan(SEARCH, PlannedFault::Error);
            }
            let result = sink.store(batch(11..=30)).await;
            assert_eq!(result.is_ok(), fault == PlannedFault::Partial, "{fault:?}");
            if reopens {
                drop(sink);
                sink = open();
            }
            let resumed = sink.resume(&DeviceInfo::new(READER)).await.unwrap().unwrap();
            assert_eq!((resumed.first, resumed.watermark), (1, 30), "{fault:?}");
            let stored = sink.store(batch(11..=32)).await.unwrap();
            assert_eq!(stored, Stored { new: 2, repeated: 20 });
            assert_eq!(server.snapshot().imported().count(), 32, "{fault:?} {reopens}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_imported_is_counted_and_named() {
    let server = start("users=3").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let sink = sink(client(&server), gate(), &path).unwrap();
    let door = Event::builder(READER, 2, EventCode::DOOR_OPENED).build();
    let card = Event::builder(READER, 3, EventCode::new(0x1400)).build();
    let batch = Batch::new(READER, 0, 1, 6)
        .with_events([entry(1, "1"), door, card, entry(4, "stranger-canary"), entry(5, "2")])
        .with_gap(6, 6, GapReason::Unknown);
    assert_eq!(sink.store(batch).await.unwrap(), Stored { new: 5, repeated: 0 });
    for _ in 0..2 {
        let summary = sink.summary().await;
        let unmapped: Vec<_> = summary.unmapped.iter().collect();
        assert_eq!(unmapped, [(Unmapped::NoAuthentication, 1), (Unmapped::NoUser, 1)]);
        assert_eq!((summary.refused.len(), summary.refused[0].id), (1, 4));
        assert!(!format!("{summary:?} {sink:?}").contains("canary"));
    }
    assert_eq!(server.snapshot().imported().count(), 2);
    assert_eq!(sink.gaps(READER).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_person_that_the_server_does_not_know_costs_one_request_for_each_group() {
    let server = start("users=3").await;
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(client(&server), gate(), folder.path().join("state")).unwrap();
    let requests = || server.requests().iter().filter(|request| request.target() == IMPORT).count();
    let batch = |ids: std::ops::RangeInclusive<u32>| {
        let (first, last) = (*ids.start(), *ids.end());
        let person = |id: u32| if id.is_multiple_of(3) { "stranger" } else { "1" };
        Batch::new(READER, 0, first, last).with_events(ids.map(|id| entry(id, person(id))))
    };
    sink.store(batch(1..=90)).await.unwrap();
    let before = requests();
    sink.store(batch(91..=180)).await.unwrap();
    assert_eq!(requests() - before, 2);
    assert_eq!((sink.summary().await.imported, sink.summary().await.refused.len()), (120, 60));
    // Once the server knows the person, the events arrive.
    server.add_user("stranger").unwrap();
    sink.store(batch(181..=270)).await.unwrap();
    assert_eq!((sink.summary().await.imported, sink.summary().await.refused.len()), (210, 60));
    assert_eq!(server.snapshot().imported().count(), 210);
}

#[tokio::test]
async fn a_state_file_is_for_one_sink_one_server_and_one_virtual_device() {
    let (server, other) = (start("").await, start("").await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let open = |server: &BiostarXServer, device| sink(client(server), device, &path);
    let sink = open(&server, gate()).unwrap();
    let kind = |result: bs2_events::Result<BiostarXSink>| result.err().map(|error| error.kind());
    assert_eq!(kind(open(&server, gate())), Some(ErrorKind::Busy));
    sink.store(batch(1..=1)).await.unwrap();
    drop(sink);
    assert_eq!(kind(open(&server, VirtualDeviceId::MAX)), Some(ErrorKind::InvalidInput));
    assert_eq!(kind(open(&other, gate())), Some(ErrorKind::InvalidInput));
    assert_eq!(kind(open(&server, gate())), None);
    let text = std::fs::read_to_string(&path).unwrap();
    let first_line = text.find('\n').unwrap();
    for damaged in [&text[..first_line], "", "[]", &text.replacen("format", "fromat", 1), r#"{"format":3}"#] {
        std::fs::write(&path, damaged).unwrap();
        assert_eq!(kind(open(&server, gate())), Some(ErrorKind::InvalidData), "{damaged}");
    }
    // The end of a change that was being written.
    std::fs::write(&path, format!("{text}0123abcd {{\"begun\":")).unwrap();
    assert_eq!(kind(open(&server, gate())), None);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_state_and_its_lock_overwrites_nothing() {
    use std::os::unix::fs::PermissionsExt as _;

    let server = start("").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    std::fs::write(folder.path().join("state.lock"), "of another program").unwrap();
    let sink = sink(client(&server), gate(), &path).unwrap();
    sink.store(batch(1..=1)).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(folder.path().join("state.lock")).unwrap(), "of another program");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

fn entry_of(device: u32, id: u32) -> Event {
    Event::builder(DeviceId::new(device), id, EventCode::new(0x1301))
        .subject(Subject::User(&UserId::new("1").unwrap()))
        .timestamp(Timestamp::from_unix_seconds(1_761_837_120 + id))
        .build()
}

#[tokio::test]
async fn batches_of_many_devices_share_their_requests_and_their_failures() {
    let server = start("").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let sink = Arc::new(sink(client(&server), gate(), &path).unwrap());
    let store = |id: u32| {
        let calls = (1..=300).map(|device| {
            let sink = Arc::clone(&sink);
            let batch = Batch::new(DeviceId::new(device), 0, 1, id).with_events([entry_of(device, id)]);
            tokio::spawn(async move { sink.store(batch).await })
        });
        futures_util::future::join_all(calls.collect::<Vec<_>>())
    };
    let requests = || server.requests().iter().filter(|request| request.target() == IMPORT).count();
    for result in store(1).await {
        assert_eq!(result.unwrap().unwrap(), Stored { new: 1, repeated: 0 });
    }
    assert!(requests() <= 10, "{}", requests());
    // All calls learn that the server fails, and those that come again find what arrived.
    server.plan(IMPORT, PlannedFault::CutAfter);
    server.plan(SEARCH, PlannedFault::Answer { status: 403, body: String::new() });
    let before = requests();
    let results: Vec<_> = store(2).await.into_iter().map(Result::unwrap).collect();
    assert!(results.iter().any(Result::is_err) && requests() - before <= 10, "{}", requests());
    for again in store(2).await {
        let again = again.unwrap().unwrap();
        assert_eq!(again.new + again.repeated, 1);
    }
    assert_eq!(server.snapshot().imported().count(), 600);
    // Calls that are dropped, of which one may be sending, leave nothing undecided.
    let calls = (1..=20).map(|device| sink.store(Batch::new(DeviceId::new(device), 0, 1, 3)));
    drop(futures_util::future::select_all(calls.map(Box::pin)).await);
    sink.close().await.unwrap();
    drop(sink);
    let sink = self::sink(client(&server), gate(), &path).unwrap();
    sink.resume(&DeviceInfo::new(READER)).await.unwrap();
    let imported = u64::try_from(server.snapshot().imported().count()).unwrap();
    assert_eq!(sink.summary().await.imported, imported);
}

#[tokio::test]
async fn what_a_collector_brings_arrives_once_under_random_faults() {
    let server = BiostarXServer::start("seed=3&users=100000".parse().unwrap()).await.unwrap();
    let faulty: bs2_events::sim::biostar_x::BiostarXServerOptions = "seed=3&users=100000".parse().unwrap();
    let faulty = BiostarXServer::start(
        faulty.with_faults(BiostarXFaults::CUT | BiostarXFaults::ERROR | BiostarXFaults::SESSION),
    )
    .await
    .unwrap();
    for server in [server, faulty] {
        while crate::biostar_x_simulated::make_gate(&client(&server)).await.is_err() {}
        let simulator = Simulator::new("devices=3&backlog=2000").unwrap();
        let devices = Client::new(simulator.backend()).devices().await.unwrap();
        let mut expected = BTreeMap::<_, usize>::new();
        for device in &devices {
            for event in device.logs(0, 10_000).await.unwrap().iter() {
                if let Ok(event) = ImportEvent::try_from(event) {
                    server.add_user(event.user()).ok();
                    let time = event.time().as_unix_seconds();
                    *expected
                        .entry((time, event.user().to_owned(), event.verdict().code().get()))
                        .or_default() += 1;
                }
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let sink = Arc::new(sink(client(&server), gate(), folder.path().join("state")).unwrap());
        let mut complete = false;
        for _ in 0..200 {
            let collector = Collector::new(sink.clone()).with_devices(devices.clone());
            complete = collector.run_once().await.is_complete();
            if complete {
                break;
            }
        }
        assert!(complete);
        let mut stored = BTreeMap::<_, usize>::new();
        for event in server.snapshot().imported() {
            *stored.entry((event.time, event.user_id.clone().unwrap(), event.code)).or_default() += 1;
        }
        assert!(!expected.is_empty());
        assert_eq!(stored, expected);
    }
}

#[tokio::test]
async fn an_event_of_another_reader_is_not_taken_for_one_that_did_not_arrive() {
    let server = start("").await;
    let folder = tempfile::tempdir().unwrap();
    let open = || sink(client(&server), gate(), folder.path().join("state")).unwrap();
    let sink = open();
    // More than a sink keeps, so that the first of them are forgotten.
    sink.store(batch(1..=1)).await.unwrap();
    sink.store(batch(2..=600)).await.unwrap();
    let other = DeviceId::new(8);
    let same = |id: u32| {
        Event::builder(other, id, EventCode::new(0x1301))
            .subject(Subject::User(&UserId::new("1").unwrap()))
            .timestamp(Timestamp::from_unix_seconds(1_761_837_120 + id / 4))
            .build()
    };
    server.plan(IMPORT, PlannedFault::CutBefore);
    let batch = || Batch::new(other, 0, 100, 119).with_events((100..=119).map(same));
    assert!(sink.store(batch()).await.is_err());
    drop(sink);
    let sink = open();
    assert_eq!(sink.store(batch()).await.unwrap(), Stored { new: 0, repeated: 20 });
    assert_eq!(server.snapshot().imported().count(), 620);
    assert_eq!(sink.summary().await.imported, 620);
    assert_eq!(sink.summary_of_run().await.imported, 20);
}

#[tokio::test]
async fn maintenance_pages_are_waited_for_and_cost_no_event() {
    // At the same time: each is mostly waiting.
    futures_util::future::join_all([200, 400, 401, 403, 503].map(maintenance)).await;
}

/// A proxy shows a page with this status while the server is in maintenance, whatever is asked; then the server is back.
async fn maintenance(status: u16) {
    let server = start("users=100000").await;
    let simulator = Simulator::new("devices=2&backlog=20&rate=40&seed=3").unwrap();
    let collected = Client::new(simulator.backend());
    let folder = tempfile::tempdir().unwrap();
    let sink = Arc::new(sink(client(&server), gate(), folder.path().join("state")).unwrap());
    let said = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&said);
    let retry = RetryPolicy::default().with_longest(Duration::from_millis(500));
    let collector = Collector::new(sink.clone())
        .with_client(collected)
        .with_options(CollectOptions::default().with_retry(retry))
        .on_notice(move |notice| log.lock().unwrap().push(notice.to_string()));
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(collector.run_until(async { stopped.await.unwrap() }));
    let imported = || server.snapshot().imported().count();
    until(&format!("{status}: the backlog"), || imported() > 5).await;

    let body = "<html><body>We are back soon.</body></html>".to_owned();
    for path in [IMPORT, SEARCH, "/api/login"] {
        for _ in 0..1_000 {
            server.plan(path, PlannedFault::Answer { status, body: body.clone() });
        }
    }
    until(&format!("{status}: a sentence"), || !said.lock().unwrap().is_empty()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = imported();
    server.clear_plans();
    let is_over = || said.lock().unwrap().len() > 1 && imported() > before + 20;
    until(&format!("{status}: the end: {said:?}"), is_over).await;
    simulator.stop();
    stop.send(Stop::AfterCatchUp).unwrap();
    let report = task.await.unwrap();
    assert!(report.is_complete(), "{status}: {report:?}");
    let said = said.lock().unwrap().clone();
    assert_eq!(said.len(), 2, "{status}: {said:#?}");
    assert!(said[0].ends_with("; it is tried again") && said[1] == "events are stored again", "{said:#?}");
    // Every event that can be imported is on the server, once.
    let mut expected = 0;
    for device in simulator.device_ids() {
        let device = Client::new(simulator.backend()).device(device);
        let page = device.logs(0, 100_000).await.unwrap();
        expected += page.iter().filter(|event| ImportEvent::try_from(*event).is_ok()).count();
    }
    let summary = sink.summary().await;
    assert_eq!(
        (imported() + summary.refused.len(), summary.imported as usize),
        (expected, imported()),
        "{status}"
    );
    assert!(summary.refused.iter().all(|event| event.code == "201"), "{status}: {:?}", summary.refused);
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never held: {what}");
}
