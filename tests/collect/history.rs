//! The collector and random histories of a device.

use std::sync::Arc;
use std::time::Duration;

use crate::scripted_backend::run::Run;
use crate::scripted_backend::{DEVICE, Failure, Scripted, coded, event};
use bs2_events::ErrorKind;
use bs2_events::codec::{Event, EventCode};
use bs2_events::collect::Stop;
use bs2_events::device::{Client, ClientOptions};
use bs2_events::sink::{Gap, MemorySink};

#[tokio::test(start_paused = true)]
async fn any_history_leaves_every_event_stored_or_explained() {
    for seed in 0..1_000 {
        let reader = Scripted::new([]);
        let sink = MemorySink::new();
        // A queue of three: overflow is part of the history.
        let options = ClientOptions::default().with_queue_capacity(3);
        let client = Client::with_options(Arc::new(reader.clone()), options);
        let run = Run::begin(client.device(DEVICE), Arc::new(sink.clone()));
        live_a_while(&reader, Rng(seed)).await;
        let report = run.stop(Stop::AfterCatchUp).await;
        assert!(report.is_complete(), "seed {seed}: {report:?}");

        let mut found = Vec::new();
        for epoch in sink.epochs(DEVICE) {
            let (first, watermark) = sink.watermark(DEVICE, epoch).unwrap();
            let (stored, gaps) = (sink.events(DEVICE, epoch), sink.gaps_of(DEVICE));
            let last = stored.last().map_or(0, Event::id).max(first);
            for id in first..=watermark.min(last) {
                let within = |gap: &&Gap| gap.epoch == epoch && (gap.from..=gap.to).contains(&id);
                let explained = gaps.iter().filter(within).count();
                let present = usize::from(stored.binary_search_by_key(&id, Event::id).is_ok());
                assert_eq!(explained + present, 1, "seed {seed}: id {id} of epoch {epoch}");
            }
            let lives = |event: &Event| event.timestamp().as_unix_seconds() / 1_000_000;
            let mixed: Vec<_> = stored.windows(2).filter(|pair| lives(&pair[0]) != lives(&pair[1])).collect();
            assert!(mixed.is_empty(), "seed {seed}: two lives in epoch {epoch}: {mixed:?}");
            found.extend(stored);
        }
        for event in reader.log() {
            assert!(found.contains(&event), "seed {seed}: id {} is in the log", event.id());
        }
    }
}

/// A reader's life under a collector: events seen and unseen, repetitions, breaks, losses, clearings, restarts.
async fn live_a_while(reader: &Scripted, mut rng: Rng) {
    let mut made: Vec<Event> = Vec::new();
    let first = 1 + rng.below(3);
    let (mut failures, mut life) = (0, 0);
    for _ in 0..rng.below(200) {
        let next = made.last().map_or(first, |event| event.id() + 1);
        let any = made.get(rng.below(next) as usize).copied();
        let mut make = |event| {
            made.push(event);
            event
        };
        match rng.below(33) {
            0..=13 => reader.happen(make(event(next, life))),
            14..=19 => reader.put([make(event(next, life))]),
            20 | 21 => any.into_iter().for_each(|event| reader.report(event)),
            22 | 23 => reader.disconnect(),
            24 | 25 => reader.lose((0..rng.below(5)).map(|_| 1 + rng.below(next))),
            // A few at most: a reader that fails for ever is given up after the order to stop.
            26 | 27 if failures < 4 => {
                failures += 1;
                reader.fail_next([Failure::Error(ErrorKind::TimedOut)]);
            }
            28 | 29 => {
                reader.wipe();
                reader.happen(make(coded(next, life, EventCode::DEVICE_EVENT_LOG_CLEARED)));
            }
            30 => {
                // A reset ends the connection. The reader is met before and after: a life that nobody sees leaves no
                // trace, and one whose first events are gone when it is met looks like the one before.
                tokio::time::sleep(Duration::from_secs(200)).await;
                reader.wipe();
                reader.disconnect();
                life += 1;
                made.clear();
                for id in 1..=1 + rng.below(20) {
                    made.push(event(id, life));
                    reader.put([event(id, life)]);
                }
                tokio::time::sleep(Duration::from_secs(200)).await;
            }
            _ => tokio::time::sleep(Duration::from_millis(u64::from(rng.below(2_000)))).await,
        }
    }
}

/// A small generator, so that a failing seed is a failing script.
struct Rng(u64);

impl Rng {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % limit.max(1)
    }
}
