//! The collector and simulated devices with faults; the result is compared with every event that the devices made.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bs2_events::codec::{DeviceId, Event};
use bs2_events::collect::{Collector, Report, Stop};
use bs2_events::device::{Client, ClientOptions};
use bs2_events::sim::{FaultInjector, FaultOptions, Faults, Simulator};
use bs2_events::sink::{GapReason, MemorySink};

#[tokio::test(start_paused = true)]
async fn the_bundled_log_gives_its_events_once_and_one_explained_gap() {
    let simulator = Simulator::new("replay=bundled").unwrap();
    let sink = MemorySink::new();
    let report = collector(&simulator, &sink).run_once().await;
    let device = &report.devices[0];
    let epoch = &device.epochs[0];
    assert_eq!((epoch.stored, epoch.repeated, epoch.watermark), (55, 7, 7_566));
    let [gap] = epoch.gaps[..] else { panic!("{:?}", epoch.gaps) };
    assert_eq!((gap.from, gap.to, gap.reason), (6_911, 7_561, GapReason::Cleared));

    let again = collector(&simulator, &sink).run_once().await;
    assert_eq!((again.stored(), again.repeated()), (0, 0));
    assert_eq!(again.devices[0].epochs[0].gaps, [gap]);
}

#[tokio::test(start_paused = true)]
async fn every_event_is_stored_once_whatever_goes_wrong() {
    for seed in 0..6 {
        let faults = "drop,disconnect,repeat,reorder,slow,error";
        let settings = format!("devices=10&backlog=3000&rate=200&faults={faults}&seed={seed}");
        let (simulator, truth) = with_truth(&settings);
        let sink = MemorySink::new();
        let report = live(&simulator, &sink, Duration::from_secs(20), |_| {}).await;
        let missing = hold_against(&sink, &truth, &settings);
        assert_eq!(missing, 0, "{settings}: nothing was overwritten, so nothing may be missing");
        assert!(report.repeated() > 0 && truth.lines() > 33_000, "{settings}: {} lines", truth.lines());
    }
}

#[tokio::test(start_paused = true)]
async fn holes_slow_links_and_damaged_records_keep_back_no_other_event_and_are_read_again() {
    let faults = Faults::HOLES | Faults::LARGE | Faults::DAMAGED | Faults::DROP | Faults::REORDER;
    for seed in 0..3 {
        let settings = format!("devices=4&backlog=2000&rate=100&seed={seed}");
        let (simulator, truth) = with_truth(&settings);
        let sink = MemorySink::new();
        let injector = FaultInjector::new(simulator.backend(), FaultOptions::new(faults).with_seed(seed));
        let injected = Collector::new(Arc::new(sink.clone())).with_client(Client::new(Arc::new(injector)));
        follow(injected, &simulator, Duration::from_secs(10), |_| {}).await;
        let missing = hold_against(&sink, &truth, &settings);
        assert!((1..100).contains(&missing), "{settings}: {missing}");
        let gaps = simulator.device_ids().into_iter().flat_map(|device| sink.gaps_of(device));
        assert!(gaps.map(|gap| gap.reason).any(|reason| reason == GapReason::Unreadable), "{settings}");

        // The records can be read again.
        assert!(collector(&simulator, &sink).run_once().await.is_complete());
        assert_eq!(hold_against(&sink, &truth, &settings), 0, "{settings}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_small_ring_overwrites_is_a_gap() {
    let settings = "devices=4&backlog=300&capacity=300&rate=400&faults=disconnect,drop,slow";
    let (simulator, truth) = with_truth(settings);
    let sink = MemorySink::new();
    // The logs are known from their first event on.
    live(&simulator, &sink, Duration::ZERO, |_| {}).await;
    // An outage in which more happens than the rings hold.
    live(&simulator, &sink, Duration::from_secs(2), |_| {}).await;
    for device in simulator.device_ids() {
        simulator.reader(device).unwrap().make(1_000).unwrap();
    }
    live(&simulator, &sink, Duration::from_secs(2), |_| {}).await;
    assert!(hold_against(&sink, &truth, settings) >= 4 * 700);
    let gaps: Vec<_> = simulator.device_ids().into_iter().flat_map(|device| sink.gaps_of(device)).collect();
    assert!(gaps.iter().all(|gap| gap.reason == GapReason::Overwritten), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn clearing_and_resets_while_listening_leave_nothing_unexplained() {
    let settings = "devices=4&backlog=500&rate=100&faults=disconnect,drop,repeat";
    let (simulator, truth) = with_truth(settings);
    let sink = MemorySink::new();
    live(&simulator, &sink, Duration::from_secs(60), |second| {
        let reader = |n: usize| simulator.reader(simulator.device_ids()[n]).unwrap();
        match second {
            10 => drop(reader(0).clear_log()),
            20 => drop(reader(1).factory_reset(false)),
            30 => drop(reader(2).factory_reset(true)),
            40 => drop(reader(2).factory_reset(true)),
            _ => {}
        }
    })
    .await;
    hold_against(&sink, &truth, settings);
    assert_eq!(sink.epochs(simulator.device_ids()[1]), [0]);
    assert_eq!(sink.epochs(simulator.device_ids()[2]), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_second_run_with_the_same_seed_completes_the_first() {
    let settings = "devices=3&backlog=2000&rate=300&seed=9";
    let sink = MemorySink::new();
    let (first, _) = with_truth(settings);
    live(&first, &sink, Duration::from_secs(5), |_| {}).await;
    // A new process: its devices begin where those of the first run began, and make the same events again.
    let (second, truth) = with_truth(settings);
    live(&second, &sink, Duration::from_secs(30), |_| {}).await;
    assert_eq!(hold_against(&sink, &truth, settings), 0);
    assert!(second.device_ids().iter().all(|device| sink.epochs(*device) == [0]));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_answers_does_not_hold_up_the_others() {
    let simulator = Simulator::new("devices=20&backlog=500&faults=stuck").unwrap();
    let sink = MemorySink::new();
    let collector = collector(&simulator, &sink);
    let progress = collector.progress();
    let run = tokio::spawn(collector.run_once());
    let begun = tokio::time::Instant::now();
    while progress.caught_up() < 19 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let report = run.await.unwrap();
    assert_eq!(report.stored(), 19 * 500);
    let failed: Vec<_> = report.devices.iter().filter_map(|device| device.error.as_ref()).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].kind(), bs2_events::ErrorKind::TimedOut);
}

/// Collects live for a time of the paused clock, and calls `each_second` every second.
async fn live(
    simulator: &Simulator,
    sink: &MemorySink,
    time: Duration,
    each_second: impl FnMut(u64),
) -> Report {
    follow(collector(simulator, sink), simulator, time, each_second).await
}

async fn follow(
    collector: Collector,
    simulator: &Simulator,
    time: Duration,
    mut each_second: impl FnMut(u64),
) -> Report {
    simulator.start().unwrap();
    let stop = async {
        for second in 0..time.as_secs() {
            each_second(second);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        simulator.stop();
        Stop::AfterCatchUp
    };
    let report = collector.run_until(stop).await;
    assert!(report.is_complete(), "{report:?}");
    report
}

fn collector(simulator: &Simulator, sink: &MemorySink) -> Collector {
    let client = Client::with_options(simulator.backend(), ClientOptions::default().with_queue_capacity(64));
    let devices = simulator.device_ids().into_iter().map(|id| client.device(id));
    Collector::new(Arc::new(sink.clone())).with_devices(devices)
}

/// Every event that was ever made is stored byte for byte, or a gap covers it; nothing is stored that was never made,
/// and what the devices still hold is stored. Returns how many are missing.
fn hold_against(sink: &MemorySink, truth: &Truth, settings: &str) -> usize {
    let mut made: BTreeMap<(u32, u32), BTreeMap<u32, String>> = BTreeMap::new();
    for line in truth.text().lines() {
        let [device, epoch, id, hex] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let lives = made.entry((device.parse().unwrap(), epoch.parse().unwrap())).or_default();
        assert!(
            lives.insert(id.parse().unwrap(), hex.to_owned()).is_none(),
            "{settings}: made twice: {line}"
        );
    }
    let mut missing = 0;
    for ((device, epoch), events) in &made {
        let device = DeviceId::new(*device);
        let stored: BTreeMap<u32, Event> =
            sink.events(device, *epoch).into_iter().map(|event| (event.id(), event)).collect();
        assert!(stored.keys().all(|id| events.contains_key(id)), "{settings}: stored and never made");
        let gaps = sink.gaps_of(device);
        for (id, hex) in events {
            let explained = gaps.iter().any(|gap| gap.epoch == *epoch && (gap.from..=gap.to).contains(id));
            match stored.get(id) {
                Some(event) => {
                    assert!(to_hex(event) == *hex && !explained, "{settings}: {device} {epoch} {id}")
                }
                None => {
                    assert!(explained, "{settings}: {device} {epoch} {id} is neither stored nor explained");
                    missing += 1;
                }
            }
        }
    }
    missing
}

fn to_hex(event: &Event) -> String {
    event.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn with_truth(settings: &str) -> (Simulator, Truth) {
    let simulator = Simulator::new(settings).unwrap();
    let truth = Truth { simulator: simulator.clone(), written: Arc::default() };
    simulator.write_truth_to(Shared(Arc::clone(&truth.written))).unwrap();
    (simulator, truth)
}

struct Truth {
    simulator: Simulator,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Truth {
    fn text(&self) -> String {
        self.simulator.flush_truth().unwrap();
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self) -> usize {
        self.text().lines().count()
    }
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
