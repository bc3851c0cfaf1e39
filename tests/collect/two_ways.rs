//! One device that is reached in two ways: over the vendor's library, and over a gateway, which has no clock byte.

use crate::scripted_backend::run::{gaps, ids, once};
use crate::scripted_backend::{DEVICE, Scripted};
use bs2_events::codec::{Event, EventCode, EventFlags, Subject, Timestamp, UserId};
use bs2_events::sink::MemorySink;

#[tokio::test(start_paused = true)]
async fn alternating_six_times_stores_each_event_once_with_what_either_way_knows() {
    let sink = MemorySink::new();
    for turn in 0..6 {
        let newest = 20 * (turn + 1);
        let reader = if turn % 2 == 0 {
            Scripted::new((1..=newest).map(over_gateway)).without_clock()
        } else {
            Scripted::new((1..=newest).map(over_library))
        };
        let report = once(&reader, &sink).await;
        assert_eq!((report.stored(), report.is_complete()), (20, true), "turn {turn}");
        assert_eq!((sink.epochs(DEVICE), gaps(&sink)), (vec![0], vec![]), "turn {turn}");
        assert_eq!(ids(&sink, 0), (1..=newest).collect::<Vec<_>>());
    }
    // The library had the last word, and the gateway alone knows of the pictures.
    for event in sink.events(DEVICE, 0) {
        let whole = event.flags() == EventFlags::from_bits_retain(73) && event.param() == 3;
        let seen = over_library(event.id());
        assert!(whole || event == seen, "{event:?}");
        assert_eq!(event.flags().utc_offset_minutes(), 540);
    }
}

#[tokio::test(start_paused = true)]
async fn a_way_that_knows_less_takes_nothing_back_and_reads_nothing_again() {
    let sink = MemorySink::new();
    once(&Scripted::new((1..=3_000).map(over_library)), &sink).await;
    let gateway = Scripted::new((1..=3_000).map(over_gateway)).without_clock();
    once(&gateway, &sink).await;
    assert!(gateway.reads() < 6, "{}", gateway.reads());
    assert!(sink.events(DEVICE, 0).into_iter().eq((1..=3_000).map(over_library)));
}

#[tokio::test(start_paused = true)]
async fn another_event_under_a_known_id_is_a_new_epoch_also_over_the_other_way() {
    let sink = MemorySink::new();
    once(&Scripted::new((1..=10).map(over_gateway)).without_clock(), &sink).await;
    once(&Scripted::new((1..=10).map(|id| of_user(id, 1, b"9"))), &sink).await;
    assert_eq!(sink.epochs(DEVICE), [0, 1]);
}

/// With a picture, and without clock and parameter.
fn over_gateway(id: u32) -> Event {
    let event = of_user(id, 0, b"1001");
    Event::builder(DEVICE, id, event.code())
        .subject(event.subject())
        .timestamp(event.timestamp())
        .flags(EventFlags::IMAGE)
        .build()
}

/// At UTC+9, with a T&A key; and bytes behind the user id, which mean nothing.
fn over_library(id: u32) -> Event {
    let event = of_user(id, 0, b"1001\0rest");
    Event::builder(DEVICE, id, event.code())
        .subject(event.subject())
        .timestamp(event.timestamp())
        .flags(EventFlags::from_bits_retain(72))
        .param(3)
        .build()
}

fn of_user(id: u32, second: u32, user: &[u8]) -> Event {
    let mut bytes = [0; 32];
    bytes[..user.len()].copy_from_slice(user);
    Event::builder(DEVICE, id, EventCode::VERIFY_SUCCESS)
        .subject(Subject::User(UserId::from_array(&bytes)))
        .timestamp(Timestamp::from_unix_seconds(1_700_000_000 + id + second))
        .build()
}
