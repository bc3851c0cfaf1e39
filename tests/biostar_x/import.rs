//! Imports against the simulated server: every event once, whatever is cut, refused or stored in part.

use std::collections::HashMap;
use std::time::Duration;

use bs2_events::ErrorKind;
use bs2_events::biostar_x::*;
use bs2_events::codec::Timestamp;
use bs2_events::sim::biostar_x::{BiostarXFaults, BiostarXServer, BiostarXServerOptions, PlannedFault};

use crate::biostar_x_simulated::{builder, client, gate, start};

const IMPORT: &str = "/api/events/import";

fn events(count: u32) -> Vec<ImportEvent> {
    (0..count)
        .map(|number| {
            // Several events a second, some of one person in one second, some of them alike in everything.
            let time = Timestamp::from_unix_seconds(1_761_837_120 + number / 7);
            let user = (number % 3 + 1).to_string();
            let verdict = if number % 5 == 0 { Verdict::Denied } else { Verdict::Granted };
            let event = ImportEvent::new(verdict, user, time);
            if number % 2 == 0 { event.tna_key(1) } else { event }
        })
        .collect()
}

/// How often each event is there, by what the server stores of it.
fn stored(server: &BiostarXServer) -> HashMap<(u32, u16, String, Option<String>), usize> {
    let mut counts = HashMap::new();
    for event in server.snapshot().imported() {
        let user = event.user_id.clone().unwrap();
        *counts.entry((event.time, event.code, user, event.tna_key.clone())).or_default() += 1;
    }
    counts
}

fn expected(events: &[ImportEvent]) -> HashMap<(u32, u16, String, Option<String>), usize> {
    let mut counts = HashMap::new();
    for event in events {
        let key = format!("{event:?}").contains("Some(1)").then(|| "1".to_owned());
        let code = event.verdict().code().get();
        *counts.entry((event.time().as_unix_seconds(), code, event.user().to_owned(), key)).or_default() += 1;
    }
    counts
}

async fn finish(import: &mut Import) -> usize {
    let mut turns = 0;
    while import.count().unknown + import.count().waiting > 0 {
        turns += 1;
        assert!(turns < 10_000, "the import does not come to an end: {:?}", import.count());
        import.reconcile().await.ok();
    }
    turns
}

#[tokio::test]
async fn each_way_to_lose_an_answer_leaves_every_event_there_once() {
    for fault in [
        PlannedFault::CutBefore,
        PlannedFault::CutAfter,
        PlannedFault::CutWithin,
        PlannedFault::Error,
        PlannedFault::ErrorAfter,
        PlannedFault::Partial,
        PlannedFault::EndSession,
    ] {
        let server = start("").await;
        let client = builder(&server).with_import_chunk(40).build().unwrap();
        let given = events(100);
        let mut import = client.import(gate(), given.clone()).unwrap();
        assert!(import.step().await.unwrap());
        server.plan(IMPORT, fault.clone());
        let result = import.send().await;
        let count = import.count();
        assert_eq!(count.certain + count.unknown + count.waiting, 100, "{fault:?}");
        if fault == PlannedFault::EndSession {
            assert!(result.is_ok() && import.is_complete(), "{fault:?}");
        } else {
            assert_eq!(count.unknown, 40, "{fault:?}: {result:?}");
        }
        import.reconcile().await.unwrap();
        assert!(import.is_complete(), "{fault:?}: {import:?}");
        assert_eq!(stored(&server), expected(&given), "{fault:?}");
    }
}

#[tokio::test]
async fn a_refused_event_is_found_among_many_and_the_others_arrive() {
    let server = start("users=3").await;
    let client = builder(&server).with_import_chunk(64).build().unwrap();
    let mut given = events(200);
    let stranger = |time| ImportEvent::granted("nobody-here", Timestamp::from_unix_seconds(time));
    given[17] = stranger(1_761_837_122);
    given[150] = stranger(1_761_837_141);
    let mut import = client.import(gate(), given.clone()).unwrap();
    import.send().await.unwrap();
    assert_eq!((import.count().certain, import.count().unknown), (72, 128));
    import.reconcile().await.unwrap();
    let refused: Vec<_> = import.refused().map(|(position, error)| (position, error.kind())).collect();
    assert_eq!(refused, [(17, ErrorKind::NotFound), (150, ErrorKind::NotFound)]);
    assert_eq!(import.count(), ImportCount { certain: 198, refused: 2, unknown: 0, waiting: 0 });
    given.retain(|event| event.user() != "nobody-here");
    assert_eq!(stored(&server), expected(&given));
}

#[tokio::test]
async fn what_would_refuse_every_event_ends_the_import_and_leaves_them_waiting() {
    let server = start("").await;
    let mut import = client(&server).import(VirtualDeviceId::MAX, events(10)).unwrap();
    assert_eq!(import.send().await.unwrap_err().kind(), ErrorKind::NotFound);
    // The answer says no to the device; only a look says that nothing was done before.
    assert_eq!(import.count().unknown, 10);
    import.look_up().await.unwrap();
    assert_eq!(import.count().waiting, 10);
    server.set_licence(false);
    let mut import = client(&server).import(gate(), events(10)).unwrap();
    assert_eq!(import.send().await.unwrap_err().kind(), ErrorKind::LicenceMissing);
    assert_eq!(import.count().waiting, 10);
    server.set_licence(true);
    import.send().await.unwrap();
    assert!(import.is_complete());
}

#[tokio::test]
async fn a_request_of_which_the_future_is_dropped_is_unknown_and_not_sent_again() {
    let server = start("").await;
    let mut import = client(&server).import(gate(), events(10)).unwrap();
    server.plan(IMPORT, PlannedFault::Slow(Duration::from_secs(3_600)));
    let dropped = tokio::time::timeout(Duration::from_millis(300), import.send()).await;
    assert!(dropped.is_err());
    assert_eq!(import.count().unknown, 10);
    import.send().await.unwrap();
    assert_eq!(import.count().unknown, 10);
    import.reconcile().await.unwrap();
    assert!(import.is_complete());
    assert_eq!(stored(&server), expected(&events(10)));
}

#[tokio::test]
async fn an_import_that_an_earlier_process_began_goes_on_where_that_ended() {
    let server = start("").await;
    let client = builder(&server).with_import_chunk(30).build().unwrap();
    let mut first = client.import(gate(), events(100)).unwrap();
    first.step().await.unwrap();
    first.step().await.unwrap();
    drop(first);
    for _ in 0..2 {
        let mut second = client.import(gate(), events(100)).unwrap().resumed();
        second.reconcile().await.unwrap();
        assert!(second.is_complete());
        assert_eq!(stored(&server), expected(&events(100)));
    }
}

#[tokio::test]
async fn events_of_another_origin_are_not_taken_for_those_of_the_import() {
    let server = start("").await;
    let client = client(&server);
    let event = events(1).remove(0);
    client.import(gate(), vec![event.clone()]).unwrap().send().await.unwrap();
    let mut again = client.import(gate(), vec![event.clone()]).unwrap().after([event]);
    server.plan(IMPORT, PlannedFault::CutBefore);
    assert!(again.send().await.is_err());
    again.reconcile().await.unwrap();
    assert_eq!(server.snapshot().imported().count(), 2);
}

#[tokio::test]
async fn a_hundred_thousand_events_arrive_once_each_under_random_faults() {
    let settings: BiostarXServerOptions = "seed=7&batch=2500".parse().unwrap();
    let faults = BiostarXFaults::CUT | BiostarXFaults::ERROR | BiostarXFaults::SESSION | BiostarXFaults::ROWS;
    let server = BiostarXServer::start(settings.with_faults(faults)).await.unwrap();
    let client = builder(&server).with_import_chunk(2_000).build().unwrap();
    while crate::biostar_x_simulated::make_gate(&client).await.is_err() {}
    let given = events(100_000);
    let mut import = client.import(gate(), given.clone()).unwrap();
    import.send().await.ok();
    let turns = finish(&mut import).await;
    assert!(turns > 0, "nothing went wrong");
    assert!(import.is_complete(), "{import:?}");
    assert!(stored(&server) == expected(&given), "an event is not there once");
}
