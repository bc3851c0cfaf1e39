//! Reading a device's log: by time, and the pictures of some events.

use bs2_events::codec::{Event, EventFlags, Timestamp};
use bs2_events::device::Client;
use bs2_events::sim::Simulator;
use futures_util::TryStreamExt;

use crate::scripted_backend::{DEVICE, Scripted, coded, event};

#[tokio::test]
async fn the_first_id_since_a_time_is_found_by_bisection() {
    // In life 0, an event's time is its id.
    let ids = [3, 4, 5, 9, 10, 700, 5_000];
    let reader = Scripted::new(ids.map(|id| event(id, 0)));
    let device = reader.device();
    for time in 0..5_010 {
        let found = device.first_id_since(Timestamp::from_unix_seconds(time)).await.unwrap();
        assert_eq!(found, ids.into_iter().find(|id| *id >= time), "since {time}");
    }
    assert_eq!(Scripted::default().device().first_id_since(Timestamp::default()).await.unwrap(), None);
}

#[tokio::test]
async fn a_bisection_takes_few_reads() {
    let reader = Scripted::new((1..=50_000).map(|id| event(id, 0)));
    reader.device().first_id_since(Timestamp::from_unix_seconds(31_415)).await.unwrap();
    assert!(reader.reads() <= 80, "{}", reader.reads());
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_not_skipped_by_a_bisection() {
    let reader = Scripted::new([1, 2, 3, 7, 8].map(|id| event(id, 0)));
    reader.spoil([4, 5, 9]);
    let since =
        async |time| reader.device().first_id_since(Timestamp::from_unix_seconds(time)).await.unwrap();
    // Event 4 may have happened at or after second 4: it comes before an event that did.
    assert_eq!(
        (since(3).await, since(4).await, since(8).await, since(9).await),
        (Some(3), Some(4), Some(8), Some(9))
    );
}

#[tokio::test]
async fn where_times_are_not_in_order_a_bisection_finds_an_event_after_an_earlier_one() {
    let at = |id, seconds| {
        let event = coded(id, 0, event(id, 0).code());
        Event::builder(DEVICE, id, event.code()).timestamp(Timestamp::from_unix_seconds(seconds)).build()
    };
    let log = [at(1, 100), at(2, 200), at(3, 50), at(4, 60), at(5, 150), at(6, 160)];
    let device = Scripted::new(log).device();
    let found = device.first_id_since(Timestamp::from_unix_seconds(100)).await.unwrap();
    assert!(matches!(found, Some(1 | 5)), "{found:?}");
}

#[tokio::test]
async fn only_the_pictures_that_are_wanted_are_read() {
    let simulator = Simulator::new("devices=1&backlog=3000").unwrap();
    let device = Client::new(simulator.backend()).device(simulator.device_ids()[0]);
    let log: Vec<Event> = device
        .backlog(1_000)
        .try_fold(Vec::new(), async |mut log, page| {
            log.extend(page.iter().copied());
            Ok(log)
        })
        .await
        .unwrap();
    let odd = |event: &Event| event.id() % 2 == 1;
    let expected: Vec<Event> =
        log.into_iter().filter(|event| event.flags().contains(EventFlags::IMAGE) && odd(event)).collect();
    let pictures: Vec<_> = device.image_logs_of(1_000, odd).try_collect().await.unwrap();
    assert!(pictures.len() > 5, "{}", pictures.len());
    // The device keeps fewer pictures than events: those that it has are the newest.
    let found: Vec<Event> = pictures.iter().map(|picture| picture.event).collect();
    assert!(expected.ends_with(&found));
    assert_eq!(device.image_log(found[0].id()).await.unwrap(), pictures[0].jpeg);
}
