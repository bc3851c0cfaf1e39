//! The collector and a model device whose answers cannot be relied on: they come late, have holes, repeat, disorder and
//! begin too early; some records cannot be read; the live stream drops, repeats, swaps and invents; the log is cleared,
//! overwritten, exchanged; and the collector is killed. In the end every event that the log has ever shown is stored,
//! once, and no gap covers it.
//!
//! `BS2_HISTORIES=1000000` runs as many histories instead of 10 000; `BS2_HISTORY=7` runs one of them and prints what it
//! traces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bs2_events::codec::blob::EventMask;
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{DeviceId, Event, EventCode, Timestamp};
use bs2_events::collect::{CollectOptions, Collector, Report, Stop};
use bs2_events::device::backend::*;
use bs2_events::device::*;
use bs2_events::sink::{Gap, MemorySink};
use bs2_events::{Error, ErrorKind, Result, RetryPolicy};
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::scripted_backend::DEVICE;

#[tokio::test(start_paused = true)]
async fn every_event_that_the_log_has_shown_is_stored_once_first_quarter() {
    histories(0).await;
}

#[tokio::test(start_paused = true)]
async fn every_event_that_the_log_has_shown_is_stored_once_second_quarter() {
    histories(1).await;
}

#[tokio::test(start_paused = true)]
async fn every_event_that_the_log_has_shown_is_stored_once_third_quarter() {
    histories(2).await;
}

#[tokio::test(start_paused = true)]
async fn every_event_that_the_log_has_shown_is_stored_once_last_quarter() {
    histories(3).await;
}

/// A quarter of the histories; four tests run at once.
async fn histories(quarter: u64) {
    if let Ok(seed) = std::env::var("BS2_HISTORY") {
        let subscriber =
            tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::DEBUG);
        let _traced = tracing::subscriber::set_default(subscriber.finish());
        return history(seed.parse().unwrap()).await;
    }
    let all = std::env::var("BS2_HISTORIES").map_or(10_000, |count| count.parse().unwrap());
    for seed in (quarter * all / 4)..((quarter + 1) * all / 4) {
        history(seed).await;
    }
}

async fn history(seed: u64) {
    let mut rng = Rng::new(seed);
    let model = Model::new(&mut rng);
    let sink = MemorySink::new();
    let mut run = Running::start(&model, &sink, &mut rng);
    for _ in 0..rng.below(60) {
        model.step(&mut rng);
        match rng.below(12) {
            0 => {
                run.kill(&model).await;
                run = Running::start(&model, &sink, &mut rng);
            }
            1 => {
                let how = if rng.below(2) == 0 { Stop::Now } else { Stop::AfterCatchUp };
                run.stop(how).await;
                run = Running::start(&model, &sink, &mut rng);
            }
            2 => model.exchange_device(&mut rng).await,
            3..8 => sleep(Duration::from_millis(u64::from(rng.below(3_000)))).await,
            _ => {}
        }
    }
    // In the end the device is whole, and everything that it has is in its log. Two polls later all is stored.
    model.recover();
    sleep(Duration::from_secs(100)).await;
    let report = run.stop(Stop::AfterCatchUp).await;
    assert!(report.is_complete(), "seed {seed}: {report:?}");
    check(&model, &sink, seed);
}

/// Every event that was shown is stored once; every id up to the watermark is stored or in one gap, not both.
fn check(model: &Model, sink: &MemorySink, seed: u64) {
    let mut stored: BTreeMap<Key, usize> = BTreeMap::new();
    let gaps = sink.gaps_of(DEVICE);
    for epoch in sink.epochs(DEVICE) {
        let (first, watermark) = sink.watermark(DEVICE, epoch).unwrap();
        let events = sink.events(DEVICE, epoch);
        events.iter().for_each(|event| *stored.entry(key(event)).or_default() += 1);
        let ids: BTreeSet<u32> = events.iter().map(Event::id).collect();
        let last = ids.last().copied().unwrap_or(first).min(watermark);
        for id in (first..=last).chain(ids.iter().copied().filter(|id| *id > watermark)) {
            let within = |gap: &&Gap| gap.epoch == epoch && (gap.from..=gap.to).contains(&id);
            let covered = gaps.iter().filter(within).count() + usize::from(ids.contains(&id));
            assert_eq!(covered, 1, "seed {seed}: id {id} of epoch {epoch}: {gaps:?} {ids:?}");
        }
        assert!(
            ids.first().is_none_or(|id| *id >= first),
            "seed {seed}: an event below the first id {first}"
        );
    }
    let state = model.lock();
    for event in
        state.shown.keys().chain(stored.iter().filter(|(_, times)| **times > 1).map(|(event, _)| event))
    {
        if stored.get(event) != Some(&1) {
            let epochs = sink.epochs(DEVICE);
            eprintln!(
                "{event:?} {:?}",
                epochs
                    .iter()
                    .map(|e| sink.events(DEVICE, *e).iter().map(key).filter(|k| k == event).count())
                    .collect::<Vec<_>>()
            );
        }
        assert_eq!(stored.get(event), Some(&1), "seed {seed}: {event:?} of {stored:?} {gaps:?}");
    }
    assert!(stored.values().all(|times| *times == 1), "seed {seed}: stored twice: {stored:?}");
}

/// An event by its time, which tells the lives apart, and its id.
type Key = (u32, u32);

fn key(event: &Event) -> Key {
    (event.timestamp().as_unix_seconds(), event.id())
}

/// A collector under way.
struct Running {
    stop: oneshot::Sender<Stop>,
    task: JoinHandle<Report>,
}

impl Running {
    fn start(model: &Model, sink: &MemorySink, rng: &mut Rng) -> Self {
        let retry = RetryPolicy::default().with_longest(Duration::from_secs(2));
        let options =
            ClientOptions::default().with_queue_capacity(4 + rng.below(40) as usize).with_retry(retry);
        let client = Client::with_options(Arc::new(model.clone()), options);
        let options = CollectOptions::default().with_page(1 + rng.below(40)).with_retry(retry);
        let collector = Collector::new(Arc::new(sink.reopen())).with_options(options);
        let collector = collector.with_devices([client.device(DEVICE)]);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(collector.run_until(async { stopped.await.unwrap() }));
        Self { stop, task }
    }

    /// What was shown to it alone, and is gone, nobody can store.
    async fn kill(self, model: &Model) {
        self.task.abort();
        let _ = self.task.await;
        let state = &mut *model.lock();
        let log: BTreeSet<Key> = state.log.values().map(|entry| key(&entry.event)).collect();
        state.shown.retain(|event, _| log.contains(event));
    }

    async fn stop(self, how: Stop) -> Report {
        self.stop.send(how).unwrap();
        self.task.await.unwrap()
    }
}

/// The model device.
#[derive(Clone, Debug)]
struct Model(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    rng: Rng,
    life: u32,
    next: u32,
    log: BTreeMap<u32, Entry>,
    /// The logs of devices that were exchanged, with the next id of each.
    elsewhere: Vec<(u32, BTreeMap<u32, Entry>, u32)>,
    /// The events that an answer has shown, and since when.
    shown: BTreeMap<Key, Instant>,
    listeners: Vec<LiveSink>,
    /// The device was there before.
    is_back: bool,
    /// How many of a hundred answers are wrong in some way.
    faulty: u32,
    /// More records at once are refused.
    most: u32,
}

#[derive(Clone, Debug)]
struct Entry {
    event: Event,
    /// The log shows it from now on.
    from: Instant,
    is_damaged: bool,
}

impl Model {
    fn new(rng: &mut Rng) -> Self {
        let state = State {
            rng: Rng::new(rng.next()),
            life: 0,
            next: 1 + rng.below(100),
            log: BTreeMap::new(),
            elsewhere: Vec::new(),
            shown: BTreeMap::new(),
            listeners: Vec::new(),
            is_back: false,
            faulty: rng.below(60),
            most: if rng.below(3) == 0 { 1 + rng.below(10) } else { u32::MAX },
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Something happens at the device.
    fn step(&self, rng: &mut Rng) {
        let state = &mut *self.lock();
        match rng.below(16) {
            0..8 => (0..1 + rng.below(8)).for_each(|_| state.happen(rng, EventCode::DOOR_OPENED)),
            // The log of a device that came back has to be recognised, also by a collector that is started anew.
            8..11 if state.is_back => {}
            8 => {
                while state.vanish() {}
                state.happen(rng, EventCode::DEVICE_EVENT_LOG_CLEARED);
            }
            9 | 10 => {
                for _ in 0..rng.below(10) {
                    state.vanish();
                }
            }
            11 => state.next += rng.below(5),
            12 => state.report(any(&state.log, rng)),
            13 => {
                // Its id is far ahead of the log, and the device never reaches it.
                let event = event(state.next + 50_000, state.life, EventCode::DOOR_OPENED);
                state.report(Some(event));
            }
            14 => {
                let id = rng.below(state.next);
                if let Some(entry) = state.log.get_mut(&id) {
                    entry.is_damaged = !entry.is_damaged;
                }
            }
            _ => state.disconnect(),
        }
    }

    /// Another device takes its place, or one that was there before. The collector has met the first one, and meets the
    /// second.
    async fn exchange_device(&self, rng: &mut Rng) {
        if rng.below(4) > 0 {
            return;
        }
        self.calm().await;
        {
            let state = &mut *self.lock();
            if state.log.is_empty() {
                return; // It would come back as a device that nobody has met.
            }
            let log = std::mem::take(&mut state.log);
            let back = rng.below(2) == 0 && !state.elsewhere.is_empty();
            let old = (state.life, log, state.next);
            state.is_back = back;
            if back {
                let at = rng.below(state.elsewhere.len() as u32) as usize;
                (state.life, state.log, state.next) = state.elsewhere.swap_remove(at);
            } else {
                state.life =
                    1 + state.elsewhere.iter().map(|(life, ..)| *life).max().unwrap_or(0).max(state.life);
                state.next = 1;
            }
            state.elsewhere.push(old);
            state.disconnect();
            for _ in 0..3 + rng.below(20) {
                state.happen_unseen();
            }
        }
        self.calm().await;
        let faulty = rng.below(60);
        self.lock().faulty = faulty;
    }

    /// Answers well until the collector has read the log.
    async fn calm(&self) {
        self.recover();
        sleep(Duration::from_secs(100)).await;
    }

    fn recover(&self) {
        let state = &mut *self.lock();
        (state.faulty, state.most) = (0, u32::MAX);
        state.log.values_mut().for_each(|entry| entry.is_damaged = false);
    }
}

impl State {
    /// An event: the log shows it at once or later, and it is reported or not.
    fn happen(&mut self, rng: &mut Rng, code: EventCode) {
        let event = event(self.next, self.life, code);
        self.next += 1;
        let late = if rng.below(4) == 0 { rng.below(5_000) } else { 0 };
        let from = Instant::now() + Duration::from_millis(late.into());
        self.log.insert(event.id(), Entry { event, from, is_damaged: rng.below(40) == 0 });
        match rng.below(10) {
            0 | 1 => {}
            2 => (0..2).for_each(|_| self.report(Some(event))),
            3 => {
                self.report(any(&self.log, rng));
                self.report(Some(event));
            }
            _ => self.report(Some(event)),
        }
    }

    /// Takes the oldest event out of the log. One that was shown only a moment ago may be lost with it: the answer may
    /// have been one of those that are asked for again.
    fn vanish(&mut self) -> bool {
        let Some((_, Entry { event, .. })) = self.log.pop_first() else { return false };
        let event = key(&event);
        if self.shown.get(&event).is_some_and(|since| since.elapsed() < Duration::from_secs(90)) {
            self.shown.remove(&event);
        }
        true
    }

    fn happen_unseen(&mut self) {
        let event = event(self.next, self.life, EventCode::DOOR_OPENED);
        self.next += 1;
        self.log.insert(event.id(), Entry { event, from: Instant::now(), is_damaged: false });
    }

    fn report(&self, event: Option<Event>) {
        if let Some(event) = event {
            self.listeners.iter().for_each(|listener| listener.push(&event, None));
        }
    }

    fn disconnect(&mut self) {
        for listener in self.listeners.drain(..) {
            listener.disconnected(Error::new(ErrorKind::Disconnected, "the model says so"));
        }
    }

    /// One answer.
    fn logs(&mut self, after: u32, max: u32) -> Result<EventPage> {
        let result = self.answer(after, max);
        let ids = result.as_ref().map(|page| page.iter().map(Event::id).collect::<Vec<_>>());
        tracing::debug!(after, max, ?ids, life = self.life, "answer");
        result
    }

    fn answer(&mut self, after: u32, max: u32) -> Result<EventPage> {
        let now = Instant::now();
        let log = self.log.values().filter(|entry| entry.from <= now);
        let mut page: Vec<&Entry> = log.filter(|entry| entry.event.id() > after).take(max as usize).collect();
        if page.len() as u64 > u64::from(self.most) {
            return Err(Error::new(ErrorKind::TimedOut, "the link is too slow for so many"));
        }
        if page.iter().any(|entry| entry.is_damaged) {
            return Err(Error::new(ErrorKind::Busy, "a record is damaged"));
        }
        let rng = &mut self.rng;
        if rng.below(100) < self.faulty {
            match rng.below(7) {
                0 => return Err(Error::new(ErrorKind::TimedOut, "this answer is lost")),
                1 => return Err(Error::new(ErrorKind::Other, "this answer is wrong")),
                2 => page.truncate(rng.below(page.len() as u32 + 1) as usize),
                3 => {
                    // A hole.
                    let from = rng.below(page.len() as u32 + 1) as usize;
                    let to = from + rng.below((page.len() - from) as u32 + 1) as usize;
                    page.drain(from..to);
                }
                4 => {
                    let repeated: Vec<_> = page.iter().take(rng.below(5) as usize).copied().collect();
                    page.splice(0..0, repeated);
                }
                5 => page.reverse(),
                _ => {
                    // It begins before the id that was asked for.
                    let before = self.log.values().filter(|entry| entry.from <= now && !entry.is_damaged);
                    let before: Vec<_> = before.filter(|entry| entry.event.id() <= after).collect();
                    let skipped = before.len().saturating_sub(rng.below(4) as usize);
                    page.splice(0..0, before.into_iter().skip(skipped));
                }
            }
        }
        let events: Vec<Event> = page.into_iter().map(|entry| entry.event).collect();
        // A single record may be a probe, which the collector does not take.
        if max > 1 {
            for event in events.iter().filter(|event| event.id() > after) {
                self.shown.entry(key(event)).or_insert(now);
            }
        }
        Ok(events.into())
    }
}

fn event(id: u32, life: u32, code: EventCode) -> Event {
    let time = Timestamp::from_unix_seconds(life * 1_000_000 + id);
    Event::builder(DEVICE, id, code).timestamp(time).build()
}

fn any(log: &BTreeMap<u32, Entry>, rng: &mut Rng) -> Option<Event> {
    let at = rng.below(log.len() as u32) as usize;
    log.values().nth(at).map(|entry| entry.event)
}

#[async_trait]
impl Backend for Model {
    async fn devices(&self) -> Result<DeviceList> {
        Ok(DeviceList::new([DEVICE]))
    }

    async fn connect(&self, _: DeviceId) -> Result<()> {
        Ok(())
    }

    async fn info(&self, device: DeviceId) -> Result<DeviceInfo> {
        Ok(DeviceInfo::new(device))
    }

    async fn capabilities(&self, _: DeviceId) -> Result<Capabilities> {
        Ok(Capabilities::default())
    }

    async fn time(&self, _: DeviceId) -> Result<Timestamp> {
        Ok(Timestamp::default())
    }

    async fn logs(&self, _: DeviceId, after: u32, max: u32) -> Result<EventPage> {
        self.lock().logs(after, max)
    }

    async fn blobs(&self, _: DeviceId, _: u32, _: u32, _: EventMask) -> Result<Vec<PortableBlob<'static>>> {
        Err(Error::new(ErrorKind::Unsupported, "no blobs"))
    }

    async fn image_log(&self, _: DeviceId, _: u32) -> Result<Bytes> {
        Err(Error::new(ErrorKind::Unsupported, "no pictures"))
    }

    async fn image_logs(&self, _: DeviceId, _: u32, _: u32) -> Result<Vec<ImageLog>> {
        Err(Error::new(ErrorKind::Unsupported, "no pictures"))
    }

    async fn image_filters(&self, _: DeviceId) -> Result<Vec<ImageFilter>> {
        Ok(Vec::new())
    }

    async fn set_image_filters(&self, _: DeviceId, _: &[ImageFilter]) -> Result<()> {
        Ok(())
    }

    async fn clear_log(&self, _: DeviceId) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "a collector clears nothing"))
    }

    async fn monitor(&self, _: DeviceId, sink: LiveSink) -> Result<Monitoring> {
        self.lock().listeners.push(sink);
        struct Guard(Model);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.lock().listeners.retain(|listener| !listener.is_closed());
            }
        }
        Ok(Monitoring::new(Guard(self.clone())))
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    fn has_clock(&self) -> bool {
        true
    }
}

/// A small generator, so that a failing seed is a failing script.
#[derive(Debug)]
struct Rng(u64);

impl Rng {
    fn new(seed: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        rng.next();
        rng
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u32) -> u32 {
        (self.next() >> 33) as u32 % limit.max(1)
    }
}
