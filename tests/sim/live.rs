//! Live events of simulated readers: rate, queue, faults. Time is paused in all of them.

use std::sync::Arc;
use std::time::Duration;

use bs2_events::codec::{DeviceId, Event, Extras};
use bs2_events::device::backend::{LiveSink, LiveTarget};
use bs2_events::device::{Client, ClientOptions, Live, Subscription};
use bs2_events::sim::{FaultInjector, FaultOptions, Faults, Simulator};
use bs2_events::{ErrorKind, Result};
use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout};

#[tokio::test(start_paused = true)]
async fn events_happen_at_the_rate_of_the_settings_over_all_readers() {
    let simulator = Simulator::new("devices=10&backlog=0&rate=500").unwrap();
    simulator.start().unwrap();
    simulator.start().unwrap();
    sleep(Duration::from_millis(10_005)).await;
    simulator.stop();
    let made: Vec<usize> = lengths(&simulator);
    assert_eq!(made.iter().sum::<usize>(), 5_000);
    assert!(made.iter().all(|count| (350..650).contains(count)), "{made:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_rate_is_kept_too() {
    let simulator = Simulator::new("devices=2&backlog=0&rate=2").unwrap();
    simulator.start().unwrap();
    sleep(Duration::from_millis(60_100)).await;
    assert_eq!(lengths(&simulator).iter().sum::<usize>(), 120);
}

#[tokio::test(start_paused = true)]
async fn nothing_happens_after_the_stop_and_again_after_another_start() {
    let simulator = Simulator::new("devices=2&backlog=0&rate=100").unwrap();
    let total = || lengths(&simulator).iter().sum::<usize>();
    simulator.start().unwrap();
    sleep(Duration::from_millis(1_005)).await;
    simulator.stop();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(total(), 100);
    simulator.start().unwrap();
    sleep(Duration::from_millis(1_005)).await;
    assert_eq!(total(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_first_subscription_starts_the_live_events_and_a_stop_is_final() {
    let simulator = Simulator::new("devices=2&backlog=0&rate=100").unwrap();
    let total = || lengths(&simulator).iter().sum::<usize>();
    let client = Client::new(simulator.backend());
    client.devices().await.unwrap();
    client.device(simulator.device_ids()[0]).logs(0, 10).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(total(), 0, "a reader alone starts nothing");

    let mut live = client.subscribe(&simulator.device_ids()).await.unwrap();
    assert!(matches!(live.next().await, Some(Live::Event { .. })));
    sleep(Duration::from_secs(1)).await;
    assert!((100..110).contains(&total()), "{}", total());
    simulator.stop();
    let made = total();
    let again = client.subscribe(&simulator.device_ids()).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(total(), made, "only a start begins again after a stop");
    simulator.start().unwrap();
    sleep(Duration::from_secs(1)).await;
    assert!(total() > made);
    drop(again);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_outside_a_runtime_is_an_error_only_where_events_are_to_happen() {
    let subscribe = |settings: &'static str| {
        std::thread::spawn(move || {
            let simulator = Simulator::new(settings).unwrap();
            let device = simulator.device_ids()[0];
            let backend = simulator.backend();
            backend.connect(device).now_or_never().unwrap().unwrap();
            let sink = LiveSink::to_target(device, Arc::new(Deaf));
            backend.monitor(device, sink).now_or_never().unwrap().map(drop).map_err(|error| error.kind())
        })
        .join()
        .unwrap()
    };
    assert_eq!(subscribe("rate=0"), Ok(()));
    assert_eq!(subscribe("rate=1"), Err(ErrorKind::Other));
}

#[tokio::test(start_paused = true)]
async fn replayed_readers_have_no_life() {
    let simulator = Simulator::new("replay=bundled&rate=100").unwrap();
    simulator.start().unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(lengths(&simulator), [62]);

    let both = Simulator::new("replay=bundled&devices=1&backlog=0&rate=100").unwrap();
    both.start().unwrap();
    sleep(Duration::from_millis(1_005)).await;
    assert_eq!(lengths(&both), [62, 100]);
}

#[test]
fn a_start_outside_a_runtime_is_an_error() {
    let simulator = Simulator::new("rate=1").unwrap();
    assert_eq!(simulator.start().unwrap_err().kind(), ErrorKind::Other);
    assert!(Simulator::new("rate=0").unwrap().start().is_ok());
}

#[tokio::test(start_paused = true)]
async fn every_event_is_reported_in_order_without_faults() {
    let (simulator, mut live) = subscribed("devices=1&backlog=5").await.unwrap();
    let reader = simulator.reader(simulator.device_ids()[0]).unwrap();
    let mut expected = reader.make(1_000).unwrap();
    expected.push(reader.clear_log());
    expected.push(reader.factory_reset(true));
    expected.push(reader.set_clock(reader.time()));
    assert!(waiting(&mut live).await == expected);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_without_a_word() {
    let (simulator, mut live) = subscribed("devices=1&backlog=0&queue=20").await.unwrap();
    simulator.reader(simulator.device_ids()[0]).unwrap().make(50).unwrap();
    // The pump runs once this test waits.
    let first = live.next().await;
    assert!(matches!(first, Some(Live::Event { event, .. }) if event.id() == 1));
    assert_eq!(ids(&waiting(&mut live).await), (2..=20).collect::<Vec<_>>());
    let next = simulator.make_event(simulator.device_ids()[0]).unwrap();
    assert!(matches!(live.next().await, Some(Live::Event { event, .. }) if event == next));
}

#[tokio::test(start_paused = true)]
async fn dropped_events_show_only_by_the_jump_of_the_ids() {
    let (simulator, mut live) = subscribed("devices=1&backlog=0&faults=drop").await.unwrap();
    simulator.reader(simulator.device_ids()[0]).unwrap().make(1_000).unwrap();
    let ids = ids(&waiting(&mut live).await);
    assert!((900..990).contains(&ids.len()), "{}", ids.len());
    assert!(ids.is_sorted_by(|a, b| a < b));
}

#[tokio::test(start_paused = true)]
async fn some_events_come_twice() {
    let (simulator, mut live) = subscribed("devices=1&backlog=0&faults=repeat").await.unwrap();
    simulator.reader(simulator.device_ids()[0]).unwrap().make(1_000).unwrap();
    let mut ids = ids(&waiting(&mut live).await);
    assert!((1_010..1_100).contains(&ids.len()), "{}", ids.len());
    ids.dedup();
    assert_eq!(ids, (1..=1_000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn some_events_overtake_their_neighbour() {
    let (simulator, mut live) = subscribed("devices=1&backlog=0&faults=reorder").await.unwrap();
    simulator.reader(simulator.device_ids()[0]).unwrap().make(1_001).unwrap();
    let ids = ids(&waiting(&mut live).await);
    let swapped = ids.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!((10..100).contains(&swapped), "{swapped}");
    for (at, id) in (1_u32..).zip(&ids) {
        assert!(at.abs_diff(*id) <= 1, "{id} at {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn connections_break_and_come_back() {
    let (simulator, mut live) = subscribed("devices=1&backlog=0&faults=disconnect&rate=100").await.unwrap();
    simulator.start().unwrap();
    let mut resumed = 0;
    let count = async {
        while let Some(item) = live.next().await {
            resumed += u32::from(matches!(item, Live::Resumed { .. }));
        }
    };
    assert!(timeout(Duration::from_secs(60), count).await.is_err(), "the subscription ended");
    assert!((5..60).contains(&resumed), "{resumed}");
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_is_told_once_and_the_reader_can_be_connected_again() {
    let (simulator, mut live) = subscribed("devices=1&backlog=0").await.unwrap();
    let device = simulator.device_ids()[0];
    simulator.reader(device).unwrap().disconnect();
    simulator.make_event(device).unwrap();
    assert_eq!(live.next().await, Some(Live::Resumed { device }));
    let second = simulator.make_event(device).unwrap();
    assert!(matches!(live.next().await, Some(Live::Event { event, .. }) if event == second));
}

#[tokio::test(start_paused = true)]
async fn a_closed_door_ends_its_listeners_and_no_others() {
    let simulator = Simulator::new("devices=1&backlog=0").unwrap();
    let ids = simulator.device_ids();
    let (closing, staying) = (Client::new(simulator.backend()), Client::new(simulator.backend()));
    let mut ended = closing.subscribe(&ids).await.unwrap();
    let mut going_on = staying.subscribe(&ids).await.unwrap();
    closing.close().await.unwrap();
    assert_eq!(ended.next().await, None);
    let event = simulator.make_event(ids[0]).unwrap();
    assert!(matches!(going_on.next().await, Some(Live::Event { event: found, .. }) if found == event));
}

#[tokio::test(start_paused = true)]
async fn a_second_subscription_hears_everything_once_after_the_first_is_dropped() {
    let (simulator, first) = subscribed("devices=1&backlog=0&queue=5").await.unwrap();
    drop(first);
    let client = Client::new(simulator.backend());
    let mut second = client.subscribe(&simulator.device_ids()).await.unwrap();
    let event = simulator.make_event(simulator.device_ids()[0]).unwrap();
    assert!(waiting(&mut second).await == [event]);
}

#[tokio::test(start_paused = true)]
async fn every_second_page_takes_its_time_when_readers_are_slow() {
    let simulator = Simulator::new("devices=1&backlog=500&faults=slow").unwrap();
    let device = Client::new(simulator.backend()).device(simulator.device_ids()[0]);
    let mut slow = 0;
    for after in 0..400 {
        let begun = Instant::now();
        device.logs(after, 1).await.unwrap();
        let took = begun.elapsed();
        assert!(took.is_zero() || (20..=202).contains(&took.as_millis()), "{took:?}");
        slow += u32::from(!took.is_zero());
    }
    assert!((150..250).contains(&slow), "{slow}");
}

#[tokio::test(start_paused = true)]
async fn some_calls_fail_in_a_way_that_a_retry_mends() {
    let simulator = Simulator::new("devices=1&backlog=10&faults=error").unwrap();
    let backend = simulator.backend();
    let device = simulator.device_ids()[0];
    backend.connect(device).await.unwrap();
    let mut failed = 0;
    for _ in 0..1_000 {
        if let Err(error) = backend.time(device).await {
            assert!(error.is_retryable() && error.sdk_code().is_some(), "{error}");
            failed += 1;
        }
    }
    assert!((5..60).contains(&failed), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn who_asks_again_gets_the_whole_log_in_spite_of_all_faults() {
    let calm = Simulator::new("devices=3&backlog=0&seed=5").unwrap();
    let stormy =
        Simulator::new("devices=3&backlog=3000&seed=5&page=50&faults=disconnect,repeat,slow,error").unwrap();
    let client = Client::new(stormy.backend());
    let begun = Instant::now();
    for id in calm.device_ids() {
        let mut log: Vec<Event> = Vec::new();
        loop {
            match client.device(id).logs(log.last().map_or(0, Event::id), 1_000).await {
                Ok(page) if page.is_empty() => break,
                Ok(page) => log.extend_from_slice(&page),
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
        assert!(log == calm.reader(id).unwrap().make(3_000).unwrap());
    }
    // Half of the pages are slow, so the faults did strike.
    assert!(begun.elapsed() > Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_stuck_reader_never_answers_and_the_others_do() {
    let simulator = Simulator::new("devices=2&backlog=10").unwrap();
    let injector = FaultInjector::new(simulator.backend(), FaultOptions::new(Faults::STUCK));
    let injector = Arc::new(injector);
    let simulated = Simulator::new("devices=2&backlog=10&faults=stuck").unwrap().backend();
    for backend in [simulated, injector.clone()] {
        let options = ClientOptions::default().with_deadline(Duration::from_secs(5));
        let client = Client::with_options(backend, options);
        let [stuck, free] = simulator.device_ids().try_into().unwrap();
        assert_eq!(client.device(stuck).time().await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(client.device(free).time().now_or_never().unwrap().is_ok());
    }
    let [stuck, _] = simulator.device_ids().try_into().unwrap();
    injector.set_stuck(stuck, false);
    let client = Client::new(injector);
    assert!(client.device(stuck).time().now_or_never().unwrap().is_ok());
}

async fn subscribed(settings: &str) -> Result<(Simulator, Subscription)> {
    let simulator = Simulator::new(settings)?;
    let client = Client::new(simulator.backend());
    let live = client.subscribe(&simulator.device_ids()).await?;
    Ok((simulator, live))
}

/// The events that come without anything else happening.
async fn waiting(live: &mut Subscription) -> Vec<Event> {
    let mut events = Vec::new();
    while let Ok(item) = timeout(Duration::from_millis(1), live.next()).await {
        match item {
            Some(Live::Event { event, .. }) => events.push(event),
            other => panic!("{other:?}"),
        }
    }
    events
}

fn ids(events: &[Event]) -> Vec<u32> {
    events.iter().map(Event::id).collect()
}

fn lengths(simulator: &Simulator) -> Vec<usize> {
    let length = |device: DeviceId| simulator.reader(device).unwrap().len();
    simulator.device_ids().into_iter().map(length).collect()
}

/// Hears nothing.
struct Deaf;

impl LiveTarget for Deaf {
    fn event(&self, _: &Event, _: Option<Box<Extras>>) {}
    fn lost(&self, _: u64) {}
    fn disconnected(&self, _: bs2_events::Error) {}
    fn is_closed(&self) -> bool {
        false
    }
}
