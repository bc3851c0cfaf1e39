//! The socket against the simulated server, and trust in its certificate.

use std::time::Duration;

use bs2_events::ErrorKind;
use bs2_events::biostar_x::subscription::*;
use bs2_events::biostar_x::*;
use bs2_events::codec::{DeviceId, Event, EventCode, Timestamp};
use bs2_events::sim::biostar_x::{BiostarXServer, PlannedFault, StoredEvent};
use bs2_events::tls::Trust;
use tokio::time::timeout;

use crate::biostar_x_simulated::{builder, client, start};

async fn next(live: &mut EventSubscription) -> LiveRow {
    timeout(Duration::from_secs(20), live.next()).await.expect("nothing comes").unwrap().unwrap()
}

fn same(item: &LiveRow, event: &StoredEvent) -> bool {
    item.event().is_some_and(|row| {
        row.device == Some(DeviceId::new(event.device_id)) && row.index == Some(event.index.into())
    })
}

#[tokio::test]
async fn events_come_as_text_as_binary_and_in_fragments() {
    for frames in ["text", "binary", "fragmented"] {
        let server = start(&format!("frames={frames}")).await;
        let mut live = client(&server).subscribe(&Default::default()).await.unwrap();
        for _ in 0..5 {
            let event = server.make_event().unwrap();
            assert!(same(&next(&mut live).await, &event), "{frames}");
        }
    }
}

#[tokio::test]
async fn a_replaced_session_opens_the_socket_anew_and_nothing_is_lost() {
    let server = start("backlog=50").await;
    // The simulated readers are up to some hours apart.
    let client = client(&server);
    let options = EventSubscriptionOptions::default().with_overlap(Duration::from_secs(86_400));
    let mut live = client.subscribe(&options).await.unwrap();
    let first = server.make_event().unwrap();
    assert!(same(&next(&mut live).await, &first));
    server.end_sessions();
    let missed = server.make_event().unwrap();
    // Any call finds that the session has ended, and logs in again.
    client.event_types().await.unwrap();
    let mut items = Vec::new();
    loop {
        items.push(next(&mut live).await);
        if items.last() == Some(&LiveRow::Resumed) {
            break;
        }
    }
    assert_eq!(items.iter().filter(|item| same(item, &missed)).count(), 1, "{items:?}");
    assert_eq!(items.iter().filter(|item| same(item, &first)).count(), 0, "{items:?}");
    let last = server.make_event().unwrap();
    assert!(same(&next(&mut live).await, &last));
}

/// A door event of a device at this time.
fn event(index: u32, seconds: u32) -> Event {
    Event::builder(DeviceId::new(543), index, EventCode::DOOR_OPENED)
        .timestamp(Timestamp::from_unix_seconds(seconds))
        .build()
}

#[tokio::test]
async fn what_reached_the_server_late_is_found_after_the_connection_was_lost() {
    let server = start("backlog=40").await;
    let client = client(&server);
    // A day in March 2025, an hour before the backlog ends, the first day of a clock without a battery, and months of
    // which nothing is known.
    let now = server.snapshot().events().iter().map(|event| event.time).max().unwrap();
    let times = [now - 7_200, 946_684_800, now - 90 * 86_400, 0, now - 7_200, now + 5, u32::MAX];
    let early = server.report(&event(1, 946_684_805)).unwrap();
    let mut live = client.subscribe(&Default::default()).await.unwrap();
    let first = server.report(&event(2, now)).unwrap();
    assert!(same(&next(&mut live).await, &first));
    for round in 0..3 {
        server.end_sessions();
        let number = |place: usize| 10 + 10 * round + u32::try_from(place).unwrap();
        let late = |(place, time): (usize, &u32)| server.report(&event(number(place), *time)).unwrap();
        let late: Vec<_> = times.iter().enumerate().map(late).collect();
        client.event_types().await.unwrap();
        let mut items = Vec::new();
        loop {
            items.push(next(&mut live).await);
            if items.last() == Some(&LiveRow::Resumed) {
                break;
            }
        }
        for event in late.iter().filter(|event| event.time < u32::MAX) {
            assert_eq!(items.iter().filter(|item| same(item, event)).count(), 1, "{round}: {event:?}");
        }
        assert!(!items.iter().any(|item| same(item, &early) || same(item, &first)), "{round}");
        assert!(items.len() <= late.len() + 1, "{round}: {items:?}");
    }
}

#[tokio::test]
async fn a_slow_consumer_loses_events_and_is_told() {
    let server = start("").await;
    let mut live =
        client(&server).subscribe(&EventSubscriptionOptions::default().with_queue(3)).await.unwrap();
    for _ in 0..20 {
        server.make_event().unwrap();
    }
    let (mut events, mut missed) = (0, 0);
    while events + missed < 20 {
        match next(&mut live).await {
            LiveRow::Event(_) => events += 1,
            LiveRow::Lagged { missed: more } => missed += more,
            other => panic!("{other:?}"),
        }
        // Slower than the server.
        tokio::task::yield_now().await;
    }
    assert_eq!(events + missed, 20);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_refuses_fails_at_once() {
    let server = start("").await;
    let wrong = BiostarX::new(builder(&server).with_credentials("admin", "wrong")).unwrap();
    assert_eq!(wrong.subscribe(&Default::default()).await.unwrap_err().kind(), ErrorKind::LoginRefused);
    server.plan("/api/events/start", PlannedFault::Answer { status: 403, body: String::new() });
    assert_eq!(
        client(&server).subscribe(&Default::default()).await.unwrap_err().kind(),
        ErrorKind::PermissionDenied
    );
}

#[tokio::test]
async fn a_server_that_fails_once_at_the_first_socket_is_asked_again() {
    let server = start("").await;
    server.plan("/api/events/start", PlannedFault::Answer { status: 500, body: String::new() });
    let mut live = client(&server).subscribe(&Default::default()).await.unwrap();
    let made = server.make_event().unwrap();
    assert!(same(&next(&mut live).await, &made));
}

#[tokio::test]
async fn a_certificate_is_trusted_by_its_authority_or_by_itself_and_not_otherwise() {
    let server = BiostarXServer::start("".parse().unwrap()).await.unwrap();
    let other = BiostarXServer::start("".parse().unwrap()).await.unwrap();
    let plain = || BiostarXOptions::new(server.url()).with_credentials("admin", "simulated");
    for trust in [
        Trust::ca(server.ca_pem().unwrap()),
        Trust::pin(server.certificate_pem()),
        Trust::danger_accept_any_certificate(),
    ] {
        let client = BiostarX::new(plain().with_trust(trust.clone())).unwrap();
        assert!(client.subscribe(&Default::default()).await.is_ok(), "{trust:?}");
    }
    for trust in [Trust::ca(other.ca_pem().unwrap()), Trust::pin(other.certificate_pem())] {
        let error = BiostarX::new(plain().with_trust(trust)).unwrap().login().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CertificateRefused, "{error:?}");
        assert!(!error.may_have_been_done());
    }
}

#[tokio::test]
async fn a_pinned_certificate_may_have_another_name_and_one_of_an_authority_may_not() {
    let settings: bs2_events::sim::biostar_x::BiostarXServerOptions = "".parse().unwrap();
    let server = BiostarXServer::start(settings.with_names(["biostar.example"])).await.unwrap();
    let plain = || BiostarXOptions::new(server.url()).with_credentials("admin", "simulated");
    let by_name = BiostarX::new(plain().with_trust(Trust::ca(server.ca_pem().unwrap()))).unwrap();
    assert_eq!(by_name.login().await.unwrap_err().kind(), ErrorKind::CertificateRefused);
    BiostarX::new(plain().with_trust(Trust::pin(server.certificate_pem()))).unwrap().login().await.unwrap();
}
