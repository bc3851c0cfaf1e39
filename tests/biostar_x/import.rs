//! Imports against the simulated server: every event once, whatever is cut, refused or stored in part.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bs2_events::ErrorKind;
use bs2_events::biostar_x::import::*;
use bs2_events::biostar_x::*;
use bs2_events::codec::Timestamp;
use bs2_events::sim::biostar_x::{BiostarXFaults, BiostarXServer, BiostarXServerOptions, PlannedFault};

use crate::biostar_x_simulated::{client, gate, options, start};

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

async fn finish(import: &mut Import, options: &ImportOptions) -> usize {
    let mut turns = 0;
    while import.count().unknown + import.count().pending > 0 {
        turns += 1;
        assert!(turns < 10_000, "the import does not come to an end: {:?}", import.count());
        import.reconcile(options).await.ok();
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
        let (client, options) = (client(&server), options().with_chunk(40));
        let given = events(100);
        let mut import = client.import(gate(), given.clone()).unwrap();
        assert!(import.step(&options).await.unwrap());
        server.plan(IMPORT, fault.clone());
        let result = import.send(&options).await;
        let count = import.count();
        assert_eq!(count.confirmed + count.unknown + count.pending, 100, "{fault:?}");
        if fault == PlannedFault::EndSession {
            assert!(result.is_ok() && import.is_complete(), "{fault:?}");
        } else {
            assert_eq!(count.unknown, 40, "{fault:?}: {result:?}");
        }
        import.reconcile(&options).await.unwrap();
        assert!(import.is_complete(), "{fault:?}: {import:?}");
        assert_eq!(stored(&server), expected(&given), "{fault:?}");
    }
}

#[tokio::test]
async fn a_refused_event_is_found_among_many_and_the_others_arrive() {
    let server = start("users=3").await;
    let (client, options) = (client(&server), options().with_chunk(64));
    let mut given = events(200);
    let stranger = |time| ImportEvent::granted("nobody-here", Timestamp::from_unix_seconds(time));
    given[17] = stranger(1_761_837_122);
    given[150] = stranger(1_761_837_141);
    let mut import = client.import(gate(), given.clone()).unwrap();
    import.send(&options).await.unwrap();
    assert_eq!((import.count().confirmed, import.count().unknown), (72, 128));
    import.reconcile(&options).await.unwrap();
    let refused: Vec<_> = import.rejected().map(|(position, error)| (position, error.kind())).collect();
    assert_eq!(refused, [(17, ErrorKind::NotFound), (150, ErrorKind::NotFound)]);
    assert_eq!(import.count(), ImportCount { confirmed: 198, rejected: 2, unknown: 0, pending: 0 });
    given.retain(|event| event.user() != "nobody-here");
    assert_eq!(stored(&server), expected(&given));
}

#[tokio::test]
async fn five_unknown_persons_among_500_cost_an_import_a_few_seconds() {
    for seconds_between in [1, 600, 100_000] {
        let server = start("users=3").await;
        let mut given: Vec<_> = (0..500)
            .map(|number| {
                let time = Timestamp::from_unix_seconds(1_700_000_000 + number * seconds_between);
                ImportEvent::granted((number % 3 + 1).to_string(), time)
            })
            .collect();
        let strangers = [3, 120, 121, 333, 499];
        for position in strangers {
            given[position] = ImportEvent::granted(format!("nobody-{position}"), given[position].time());
        }
        let mut import = client(&server).import(gate(), given).unwrap();
        let began = Instant::now();
        // As the command line does, with all its waits.
        let count = import.run(&ImportOptions::default(), |_| ()).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!((count.confirmed, count.rejected), (495, 5));
        assert_eq!(import.rejected().map(|(position, _)| position).collect::<Vec<_>>(), strangers);
        assert_eq!(server.snapshot().imported().count(), 495);
    }
}

#[tokio::test]
async fn the_server_is_asked_about_each_of_many_unknown_persons_once() {
    let server = start("users=20").await;
    let given: Vec<_> = (0..1_000)
        .map(|number| {
            let time = Timestamp::from_unix_seconds(1_700_000_000 + number);
            let person = number * 7 % 60;
            let known = ImportEvent::granted((person + 1).to_string(), time);
            if person < 20 { known } else { ImportEvent::granted(format!("nobody-{person}"), time) }
        })
        .collect();
    let known = given.iter().filter(|event| !event.user().starts_with("nobody")).count();
    let mut import = client(&server).import(gate(), given).unwrap();
    let count = import.run(&options(), |_| ()).await.unwrap();
    assert_eq!((count.confirmed, count.rejected), (known, 1_000 - known));
    assert_eq!(server.snapshot().imported().count(), known);
    let imports = server.requests().iter().filter(|request| request.target() == IMPORT).count();
    // Two requests, their parts down to eight events, the persons, and what is left.
    assert!(imports < 400, "{imports}");
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_among_many_events_of_others() {
    let server = start("").await;
    let (client, options) = (client(&server), options().with_chunk(6_000));
    let time = |second| Timestamp::from_unix_seconds(1_761_837_120 + second);
    let others = (0..6_000).map(|second| ImportEvent::granted("3", time(second)));
    client.import(gate(), others.collect()).unwrap().send(&options).await.unwrap();
    for fault in [PlannedFault::CutAfter, PlannedFault::CutBefore] {
        let before = server.snapshot().imported().count();
        let given = (0..40).map(|number| ImportEvent::denied("2", time(number * 150 + before as u32)));
        let mut import = client.import(gate(), given.collect()).unwrap();
        server.plan(IMPORT, fault);
        assert!(import.send(&options).await.is_err());
        import.reconcile(&options).await.unwrap();
        assert!(import.is_complete());
        assert_eq!(server.snapshot().imported().count(), before + 40);
    }
}

#[tokio::test]
async fn what_would_refuse_every_event_ends_the_import_and_leaves_them_waiting() {
    let server = start("").await;
    let mut import = client(&server).import(VirtualDeviceId::MAX, events(10)).unwrap();
    assert_eq!(import.send(&options()).await.unwrap_err().kind(), ErrorKind::NotFound);
    // The answer says no to the device; only a look says that nothing was done before.
    assert_eq!(import.count().unknown, 10);
    import.look_up(&options()).await.unwrap();
    assert_eq!(import.count().pending, 10);
    server.set_licence(false);
    let mut import = client(&server).import(gate(), events(10)).unwrap();
    assert_eq!(import.send(&options()).await.unwrap_err().kind(), ErrorKind::LicenceMissing);
    assert_eq!(import.count().pending, 10);
    server.set_licence(true);
    import.send(&options()).await.unwrap();
    assert!(import.is_complete());
}

#[tokio::test]
async fn a_request_of_which_the_future_is_dropped_is_unknown_and_not_sent_again() {
    let server = start("").await;
    let mut import = client(&server).import(gate(), events(10)).unwrap();
    server.plan(IMPORT, PlannedFault::Slow(Duration::from_secs(3_600)));
    let dropped = tokio::time::timeout(Duration::from_millis(300), import.send(&options())).await;
    assert!(dropped.is_err());
    assert_eq!(import.count().unknown, 10);
    import.send(&options()).await.unwrap();
    assert_eq!(import.count().unknown, 10);
    import.reconcile(&options()).await.unwrap();
    assert!(import.is_complete());
    assert_eq!(stored(&server), expected(&events(10)));
}

#[tokio::test]
async fn an_import_that_an_earlier_process_began_goes_on_where_that_ended() {
    let server = start("").await;
    let (client, options) = (client(&server), options().with_chunk(30));
    let mut first = client.import(gate(), events(100)).unwrap();
    first.step(&options).await.unwrap();
    first.step(&options).await.unwrap();
    drop(first);
    for _ in 0..2 {
        let mut second = client.import(gate(), events(100)).unwrap().resumed();
        second.reconcile(&options).await.unwrap();
        assert!(second.is_complete());
        assert_eq!(stored(&server), expected(&events(100)));
    }
}

#[tokio::test]
async fn events_of_another_origin_are_not_taken_for_those_of_the_import() {
    let server = start("").await;
    let client = client(&server);
    let event = events(1).remove(0);
    client.import(gate(), vec![event.clone()]).unwrap().send(&options()).await.unwrap();
    let mut again = client.import(gate(), vec![event.clone()]).unwrap().after([event]);
    server.plan(IMPORT, PlannedFault::CutBefore);
    assert!(again.send(&options()).await.is_err());
    again.reconcile(&options()).await.unwrap();
    assert_eq!(server.snapshot().imported().count(), 2);
}

#[tokio::test]
async fn a_run_brings_every_event_once_whatever_answer_is_lost() {
    for fault in [
        PlannedFault::CutBefore,
        PlannedFault::CutAfter,
        PlannedFault::Error,
        PlannedFault::ErrorAfter,
        PlannedFault::Partial,
    ] {
        let server = start("").await;
        let given = events(100);
        let mut import = client(&server).import(gate(), given.clone()).unwrap();
        server.plan(IMPORT, fault.clone());
        let mut done = Vec::new();
        let count = import.run(&options().with_chunk(40), |count| done.push(count.done())).await.unwrap();
        assert!(count.is_done() && import.is_complete(), "{fault:?}: {import:?}");
        assert!(done.is_sorted(), "{fault:?}: {done:?}");
        assert_eq!(stored(&server), expected(&given), "{fault:?}");
    }
}

#[tokio::test]
async fn a_run_finds_the_rejected_event_and_gives_up_where_the_server_refuses_for_good() {
    let server = start("users=3").await;
    let mut given = events(50);
    given[17] = ImportEvent::granted("nobody-here", Timestamp::from_unix_seconds(1_761_837_122));
    let mut import = client(&server).import(gate(), given).unwrap();
    let count = import.run(&options(), |_| ()).await.unwrap();
    assert_eq!(count, ImportCount { confirmed: 49, rejected: 1, unknown: 0, pending: 0 });
    assert_eq!(import.rejected().map(|(position, _)| position).collect::<Vec<_>>(), [17]);
    server.set_licence(false);
    let mut import = client(&server).import(gate(), events(10)).unwrap();
    let error = import.run(&options(), |_| ()).await.unwrap_err();
    assert_eq!((error.kind(), import.count().pending), (ErrorKind::LicenceMissing, 10));
}

#[tokio::test]
async fn a_run_without_patience_returns_the_failure_and_continues_later() {
    let server = start("").await;
    let mut import = client(&server).import(gate(), events(10)).unwrap();
    server.plan(IMPORT, PlannedFault::CutBefore);
    let error = import.run(&options().with_patience(Duration::ZERO), |_| ()).await.unwrap_err();
    assert!(error.is_retryable() && !import.count().is_done());
    import.run(&options(), |_| ()).await.unwrap();
    assert_eq!(stored(&server), expected(&events(10)));
}

#[tokio::test]
async fn a_hundred_thousand_events_arrive_once_each_under_random_faults() {
    let settings: BiostarXServerOptions = "seed=7&batch=2500".parse().unwrap();
    let faults = BiostarXFaults::CUT | BiostarXFaults::ERROR | BiostarXFaults::SESSION | BiostarXFaults::ROWS;
    let server = BiostarXServer::start(settings.with_faults(faults)).await.unwrap();
    let (client, options) = (client(&server), options().with_chunk(2_000));
    while crate::biostar_x_simulated::make_gate(&client).await.is_err() {}
    let given = events(100_000);
    let mut import = client.import(gate(), given.clone()).unwrap();
    import.send(&options).await.ok();
    let turns = finish(&mut import, &options).await;
    assert!(turns > 0, "nothing went wrong");
    assert!(import.is_complete(), "{import:?}");
    assert!(stored(&server) == expected(&given), "an event is not there once");
}
