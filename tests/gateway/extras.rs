//! Extras: what a gateway reports of an event beyond its own subject.

use std::sync::Arc;
use std::time::Duration;

use bs2_events::codec::{DeviceId, Event, ExtraSubject, Extras, SubjectKind, Temperature};
use bs2_events::device::{Client, Live, Subscription};
use prost::Message;
use tokio::time::timeout;

use crate::fake_gateway::proto::gsdk::event;
use crate::fake_gateway::{DEVICE, Fake, message_bytes, response};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_beyond_the_subject_is_among_the_extras_of_the_page() {
    let fake = Fake::start();
    fake.state.make(log(1));
    fake.state.make(with_card_and_door(2));
    fake.state.make(log(3));
    fake.state.make(with_card_and_door(4));
    let device = client(&fake).device(READER);
    let page = device.logs(0, 10).await.unwrap();
    assert_eq!(page.iter().map(Event::id).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(page.extras(), [(2, card_and_door()), (4, card_and_door())]);
    // The record that the client requests twice, and records beyond `max`, leave no extras.
    assert_eq!(device.logs(2, 1).await.unwrap().extras(), []);
    assert_eq!(device.logs(2, 2).await.unwrap().extras(), [(4, card_and_door())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disordered_response_keeps_the_extras_of_its_events() {
    let fake = Fake::start();
    let logs = [with_card_and_door(4), log(3), with_card_and_door(2), with_card_and_door(4)];
    let page = response(logs.iter().map(|log| log.encode_to_vec().into()).collect::<Vec<_>>().iter());
    fake.state.set_quirk(move |path, _| {
        let reply = message_bytes(page.clone());
        path.ends_with("GetLog").then(|| Box::pin(std::future::ready(reply)) as _)
    });
    let page = client(&fake).device(READER).logs(0, 10).await.unwrap();
    assert_eq!(page.iter().map(Event::id).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(page.extras(), [(2, card_and_door()), (4, card_and_door())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn different_events_under_one_id_are_an_error_and_none_is_dropped() {
    let fake = Fake::start();
    let logs = [log(4), event::EventLog { user_id: "18".into(), ..log(4) }];
    let page = response(logs.iter().map(|log| log.encode_to_vec().into()).collect::<Vec<_>>().iter());
    fake.state.set_quirk(move |path, _| {
        let reply = message_bytes(page.clone());
        path.ends_with("GetLog").then(|| Box::pin(std::future::ready(reply)) as _)
    });
    let error = client(&fake).device(READER).logs(0, 10).await.unwrap_err();
    assert!(error.to_string().contains("different events have the id 4"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_extras_come_with_their_event() {
    let fake = Fake::start();
    let mut live = client(&fake).device(READER).subscribe().await.unwrap();
    fake.state.make(log(1));
    fake.state.make(event::EventLog { temperature: 3_700, ..with_card_and_door(2) });
    fake.state.make(event::EventLog { user_id: "8".repeat(33), event_code: 0x5000, ..log(3) });
    fake.state.make(log(4));
    assert!(matches!(next(&mut live).await, Live::Event { event, .. } if event.id() == 1));
    let expected = card_and_door().with_temperature(Temperature::from_hundredths(3_700));
    assert!(matches!(
        next(&mut live).await,
        Live::Event { event, extras: Some(found), .. } if event.id() == 2 && *found == expected
    ));
    // An extra that does not fit takes its event with it; both count as one lost event.
    assert_eq!(next(&mut live).await, Live::Lagged { device: READER, missed: 1 });
    assert!(matches!(next(&mut live).await, Live::Event { event, .. } if event.id() == 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_of_it_is_shown() {
    let fake = Fake::start();
    fake.state.make(event::EventLog { event_code: 0x5000, user_id: "4711".into(), ..with_card_and_door(1) });
    let page = client(&fake).device(READER).logs(0, 10).await.unwrap();
    let shown = format!("{page:?} {:?}", page.extras());
    assert_eq!(page.extras()[0].1.subjects.len(), 2);
    assert!(!shown.contains("4711") && !shown.contains("99") && shown.contains("user"), "{shown}");
}

const READER: DeviceId = DeviceId::new(DEVICE);
const PATIENCE: Duration = Duration::from_secs(30);

fn client(fake: &Fake) -> Client {
    Client::new(Arc::new(fake.gateway()))
}

async fn next(live: &mut Subscription) -> Live {
    timeout(PATIENCE, live.next()).await.expect("the stream is silent").expect("the stream has ended")
}

fn log(id: u32) -> event::EventLog {
    let (timestamp, user_id) = (1_700_000_000 + id, "17".to_owned());
    event::EventLog { id, timestamp, device_id: DEVICE, user_id, event_code: 0x1000, ..Default::default() }
}

fn with_card_and_door(id: u32) -> event::EventLog {
    event::EventLog { card_data: vec![99; 8].into(), entity_id: 5, ..log(id) }
}

fn card_and_door() -> Extras {
    let of = |kind, bytes: &[u8]| {
        let mut array = [0; 32];
        array[..bytes.len()].copy_from_slice(bytes);
        ExtraSubject::new(kind, array)
    };
    Extras::default()
        .with_subject(of(SubjectKind::Card, &[99; 8]))
        .with_subject(of(SubjectKind::Unknown, &[5]))
}
