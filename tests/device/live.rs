//! Live events from a scripted reader: what the stream says, in which order, and what a callback hears.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use crate::scripted_backend::{DEVICE, Scripted, event};
use bs2_events::codec::{DeviceId, ExtraSubject, Extras, SubjectKind};
use bs2_events::device::{Client, ClientOptions, Live};
use bs2_events::{ErrorKind, RetryPolicy};

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_told_in_its_place() {
    let reader = Scripted::default();
    let mut live = client(&reader, ClientOptions::default().with_queue_capacity(2))
        .device(DEVICE)
        .subscribe()
        .await
        .unwrap();
    (1..=5).for_each(|id| reader.report(event(id, 0)));
    assert_eq!(live.next().await, Some(happened(1)));
    // Both that waited are in the stream's hands now, so two more may wait: what was lost, and one event.
    (6..=8).for_each(|id| reader.report(event(id, 0)));
    assert_eq!(live.next().await, Some(happened(2)));
    assert_eq!(live.next().await, Some(Live::Lagged { device: DEVICE, missed: 3 }));
    reader.report(event(9, 0));
    assert_eq!(live.next().await, Some(happened(6)));
    assert_eq!(live.next().await, Some(Live::Lagged { device: DEVICE, missed: 2 }));
    assert_eq!(live.next().await, Some(happened(9)));
    reader.report(event(10, 0));
    assert_eq!(live.next().await, Some(happened(10)));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_sleeps_is_woken_by_a_loss() {
    let reader = Scripted::default();
    let mut live = reader.device().subscribe().await.unwrap();
    let sleeper = tokio::spawn(async move { live.next().await });
    tokio::task::yield_now().await;
    reader.lost(3);
    let woken = tokio::time::timeout(Duration::from_secs(60), sleeper).await;
    assert_eq!(woken.unwrap().unwrap(), Some(Live::Lagged { device: DEVICE, missed: 3 }));
}

#[tokio::test]
async fn the_end_of_a_log_is_asked_for_once() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    assert!(reader.device().logs(10, 5).await.unwrap().is_empty());
    assert_eq!(reader.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_made_again_is_told_before_what_it_brings() {
    let reader = Scripted::default();
    let mut live = client(&reader, ClientOptions::default()).device(DEVICE).subscribe().await.unwrap();
    reader.report(event(1, 0));
    reader.happen_when_monitored([event(5, 0)]);
    reader.disconnect();
    let mut items = Vec::new();
    for _ in 0..3 {
        items.push(live.next().await.unwrap());
    }
    assert_eq!(items, [happened(1), Live::Resumed { device: DEVICE }, happened(5)]);
    reader.disconnect();
    assert_eq!(live.next().await, Some(Live::Resumed { device: DEVICE }));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_tells_of_the_new_connection_and_of_the_loss() {
    let reader = Scripted::default();
    let options = ClientOptions::default().with_queue_capacity(1);
    let mut live = client(&reader, options).device(DEVICE).subscribe().await.unwrap();
    reader.report(event(1, 0));
    reader.happen_when_monitored([event(5, 0), event(6, 0)]);
    reader.disconnect();
    while !reader.is_monitored() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(live.next().await, Some(happened(1)));
    assert_eq!(live.next().await, Some(Live::Resumed { device: DEVICE }));
    assert_eq!(live.next().await, Some(Live::Lagged { device: DEVICE, missed: 2 }));
}

#[tokio::test(start_paused = true)]
async fn extras_come_with_their_event_or_are_dropped_with_it() {
    let reader = Scripted::default();
    let options = ClientOptions::default().with_queue_capacity(2);
    let mut live = client(&reader, options).device(DEVICE).subscribe().await.unwrap();
    let two = card_and_door();
    reader.report_with(event(1, 0), two.clone());
    reader.report(event(2, 0));
    reader.report_with(event(3, 0), two.clone());
    assert_eq!(live.next().await, Some(with_extras(1, &two)));
    assert_eq!(live.next().await, Some(happened(2)));
    assert_eq!(live.next().await, Some(Live::Lagged { device: DEVICE, missed: 1 }));
    reader.report_with(event(4, 0), two.clone());
    assert_eq!(live.next().await, Some(with_extras(4, &two)));
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_when_the_policy_gives_up() {
    let reader = Scripted::default();
    let options = ClientOptions::default().with_retry(RetryPolicy::never());
    let mut live = client(&reader, options).device(DEVICE).subscribe().await.unwrap();
    reader.report(event(1, 0));
    reader.disconnect();
    assert_eq!(live.next().await, Some(happened(1)));
    assert_eq!(live.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_cannot_be_reached_at_the_start_does_not_end_the_others_and_is_tried_again() {
    let reader = Scripted::default();
    reader.fail_to_monitor(OTHER, [ErrorKind::Disconnected, ErrorKind::TimedOut, ErrorKind::TimedOut]);
    let options = ClientOptions::default().with_deadline(Duration::from_millis(1));
    let mut live = client(&reader, options).subscribe(&[DEVICE, OTHER]).await.unwrap();
    let unreached: Vec<_> = live.unreached().iter().map(|error| (error.device(), error.kind())).collect();
    assert_eq!(unreached, [(Some(OTHER), ErrorKind::TimedOut)]);
    reader.report(event(1, 0));
    assert_eq!(live.next().await, Some(happened(1)));
    assert_eq!(live.next().await, Some(Live::Resumed { device: OTHER }));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_of_which_no_device_can_be_reached_is_the_first_error() {
    let reader = Scripted::default();
    reader.fail_to_monitor(DEVICE, [ErrorKind::TimedOut]);
    reader.fail_to_monitor(OTHER, [ErrorKind::Unsupported]);
    let error = client(&reader, ClientOptions::default()).subscribe(&[DEVICE, OTHER]).await.unwrap_err();
    assert_eq!((error.device(), error.kind()), (Some(DEVICE), ErrorKind::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn a_device_without_live_events_is_not_tried_again() {
    let reader = Scripted::default();
    reader.fail_to_monitor(OTHER, [ErrorKind::Unsupported]);
    let mut live = client(&reader, ClientOptions::default()).subscribe(&[DEVICE, OTHER]).await.unwrap();
    assert_eq!(live.unreached()[0].kind(), ErrorKind::Unsupported);
    assert!(tokio::time::timeout(Duration::from_secs(3_600), live.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_largest_queue_is_a_queue_like_others() {
    let reader = Scripted::default();
    let options = ClientOptions::default().with_queue_capacity(usize::MAX).with_deadline(Duration::MAX);
    let mut live = client(&reader, options).device(DEVICE).subscribe().await.unwrap();
    reader.report(event(1, 0));
    assert_eq!(live.next().await, Some(happened(1)));
}

#[tokio::test]
async fn a_callback_hears_every_event_until_it_is_stopped_and_survives_its_own_panic() {
    let reader = Scripted::default();
    let (heard, hearing) = mpsc::channel();
    let device = reader.device();
    let listener = device.on_log_received(move |device, event| {
        heard.send((device, event.id())).unwrap();
        assert_ne!(event.id(), 2, "the script says so");
    });
    let listener = listener.await.unwrap();
    for id in 1..=3 {
        reader.report(event(id, 0));
        tokio::task::yield_now().await;
    }
    assert_eq!(listener.missed(), 0);
    listener.stop();
    // The callback is dropped with its end of the channel, so that this ends too.
    tokio::task::yield_now().await;
    reader.report(event(4, 0));
    assert_eq!(hearing.iter().collect::<Vec<_>>(), [(DEVICE, 1), (DEVICE, 2), (DEVICE, 3)]);
    assert!(!reader.is_monitored());
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_is_too_slow_is_counted() {
    let reader = Scripted::default();
    let client = client(&reader, ClientOptions::default().with_queue_capacity(1));
    let listener = client.on_log_received(&[DEVICE], |_, _| {}).await.unwrap();
    (1..=10).for_each(|id| reader.report(event(id, 0)));
    while listener.missed() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(listener.missed(), 9);
}

const OTHER: DeviceId = DeviceId::new(8);

fn client(reader: &Scripted, options: ClientOptions) -> Client {
    Client::with_options(Arc::new(reader.clone()), options)
}

fn card_and_door() -> Extras {
    let card = ExtraSubject::new(SubjectKind::Card, [9; 32]);
    Extras::default().with_subject(card).with_subject(ExtraSubject::new(SubjectKind::Door, [5; 32]))
}

fn with_extras(id: u32, extras: &Extras) -> Live {
    Live::Event { device: DEVICE, event: event(id, 0), extras: Some(Box::new(extras.clone())) }
}

fn happened(id: u32) -> Live {
    Live::Event { device: DEVICE, event: event(id, 0), extras: None }
}
