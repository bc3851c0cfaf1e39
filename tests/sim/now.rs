//! `start=now`: the backlog ends now, and later events have the present second.

use std::time::{Duration, SystemTime};

use bs2_events::codec::{Event, EventCode, Timestamp};
use bs2_events::device::{Client, Live};
use bs2_events::sim::{Reader, SimOptions, Simulator};
use futures_util::FutureExt;

#[test]
fn the_backlog_ends_now_whatever_its_length() {
    for backlog in [1, 7, 1_000, 20_000] {
        let before = now();
        let simulator = Simulator::new(&format!("devices=3&backlog={backlog}&start=now")).unwrap();
        for device in simulator.device_ids() {
            let events = log(&simulator.reader(device).unwrap(), &simulator);
            let ids: Vec<_> = events.iter().map(Event::id).collect();
            assert_eq!(ids, (1..=backlog).collect::<Vec<_>>());
            let last = seconds(events.last().unwrap());
            assert!((before..=now()).contains(&last), "{backlog}: {last}");
            assert!(events.is_sorted_by_key(Event::timestamp));
        }
    }
}

#[test]
fn a_backlog_of_a_day_has_events_of_the_last_24_hours_and_none_of_the_future() {
    let simulator = Simulator::new("devices=4&backlog=1000&start=now&seed=3").unwrap();
    for device in simulator.device_ids() {
        let events = log(&simulator.reader(device).unwrap(), &simulator);
        let recent = events.iter().filter(|event| seconds(event) > now() - 86_400).count();
        assert!(recent > 10, "{recent}");
        assert!(events.iter().all(|event| seconds(event) <= now()));
    }
}

#[test]
fn people_come_in_the_morning_also_now() {
    // The device is in Seoul, which has no summer time.
    let simulator = Simulator::new("devices=1&backlog=20000&start=now").unwrap();
    let events = log(&simulator.reader(simulator.device_ids()[0]).unwrap(), &simulator);
    let hour = |event: &Event| (seconds(event) + 9 * 3_600) / 3_600 % 24;
    let people = events.iter().filter(|event| event.code().is_authentication());
    let mut counts = [0; 24];
    people.for_each(|event| counts[hour(event) as usize] += 1);
    let (morning, night) = (counts[6..12].iter().sum::<u32>(), counts[0..4].iter().sum::<u32>());
    assert!(morning > 3 * night, "{counts:?}");
}

#[test]
fn what_happens_later_has_the_present_second_by_whatever_it_is_made() {
    let simulator = Simulator::new("devices=1&backlog=5&start=now").unwrap();
    let reader = simulator.reader(simulator.device_ids()[0]).unwrap();
    let present = |make: &dyn Fn() -> Event| {
        let before = now();
        let event = make();
        assert!((before..=now()).contains(&seconds(&event)), "{event}");
    };
    present(&|| reader.make(1).unwrap()[0]);
    std::thread::sleep(Duration::from_millis(1_100));
    present(&|| simulator.make_event(reader.id()).unwrap());
    present(&|| reader.push(Event::builder(reader.id(), 0, EventCode::DOOR_OPENED)));
    present(&|| reader.clear_log());
    present(&|| reader.factory_reset(true));
    assert!(reader.time().as_unix_seconds() >= now() - 1);

    // A clock that was set goes on from there.
    reader.set_time(Timestamp::from_unix_seconds(1_000_000));
    assert!((1_000_000..1_000_100).contains(&seconds(&reader.make(1).unwrap()[0])));
    assert!((1_000_000..1_000_100).contains(&reader.time().as_unix_seconds()));
}

#[tokio::test]
async fn live_events_carry_the_present_second() {
    let simulator = Simulator::new("devices=2&backlog=5&rate=100&start=now").unwrap();
    let mut live = Client::new(simulator.backend()).subscribe(&simulator.device_ids()).await.unwrap();
    for _ in 0..30 {
        let Some(Live::Event { event, .. }) = live.next().await else { panic!() };
        assert!(now() - seconds(&event) <= 5, "{event}");
    }
    simulator.stop();
}

#[test]
fn a_state_file_keeps_the_times_at_which_things_happened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let options = || "devices=2&backlog=20&start=now".parse::<SimOptions>().unwrap();
    let whole = |simulator: &Simulator| {
        simulator
            .device_ids()
            .into_iter()
            .map(|id| log(&simulator.reader(id).unwrap(), simulator))
            .collect::<Vec<_>>()
    };
    let before = {
        let simulator = Simulator::with_state(options(), &path).unwrap();
        let reader = simulator.reader(simulator.device_ids()[1]).unwrap();
        reader.make(3).unwrap();
        std::thread::sleep(Duration::from_millis(1_100));
        reader.make(2).unwrap();
        reader.set_clock(Timestamp::from_unix_seconds(5_000));
        reader.make(2).unwrap();
        whole(&simulator)
    };
    std::thread::sleep(Duration::from_millis(1_100));
    let simulator = Simulator::with_state(options(), &path).unwrap();
    assert_eq!(whole(&simulator), before);
    let next = simulator.make_event(simulator.device_ids()[0]).unwrap();
    assert!(now() - seconds(&next) <= 2, "a second life is now too: {next}");
    drop(simulator);
    // A file of a fixed time goes on with it.
    let fixed = folder.path().join("fixed");
    drop(Simulator::with_state("devices=1&backlog=3".parse().unwrap(), &fixed).unwrap());
    let simulator = Simulator::with_state("devices=1&backlog=3&start=now".parse().unwrap(), &fixed).unwrap();
    assert!(seconds(&simulator.make_event(simulator.device_ids()[0]).unwrap()) < 1_743_000_000);
}

fn log(reader: &Reader, simulator: &Simulator) -> Vec<Event> {
    let read = async {
        let backend = simulator.backend();
        backend.connect(reader.id()).await.unwrap();
        backend.logs(reader.id(), 0, u32::MAX).await.unwrap().to_vec()
    };
    read.now_or_never().unwrap()
}

fn seconds(event: &Event) -> u32 {
    event.timestamp().as_unix_seconds()
}

fn now() -> u32 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    u32::try_from(now.as_secs()).unwrap()
}
