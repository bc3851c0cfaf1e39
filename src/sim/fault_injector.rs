//! Faults around any backend.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bitflags::bitflags;
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::rng::SeededRng;
use super::setting::fault_text;
use crate::codec::blob::EventMask;
use crate::codec::portable::PortableBlob;
use crate::codec::sdk_code::SdkCode;
use crate::codec::{DeviceId, Event, Extras, Timestamp};
use crate::device::backend::{Backend, DeviceList, LiveSink, LiveTarget, Monitoring};
use crate::device::{Capabilities, DeviceInfo, EventPage, ImageFilter, ImageLog};
use crate::sync::lock;
use crate::{Error, Result};

bitflags! {
    /// The faults of a [`FaultInjector`]. They change what a caller gets, never the log of a device.
    ///
    /// | fault | as text | what happens | how often |
    /// |---|---|---|---|
    /// | `DROP` | `drop` | a live event is not reported; nothing reports the loss | 50 of 1,000 live events |
    /// | `DISCONNECT` | `disconnect` | the connection is lost, before or after the call did its work; up to two attempts to connect then fail | 3 of 1,000 live events and calls |
    /// | `REPEAT` | `repeat` | a page begins with the event before the requested ones; a live event arrives twice | 200 of 1,000 pages, 50 of 1,000 live events |
    /// | `REORDER` | `reorder` | a live event arrives after the next one | 50 of 1,000 live events |
    /// | `SLOW` | `slow` | a page takes 20 to 200 ms longer | 500 of 1,000 pages |
    /// | `ERROR` | `error` | a call fails with −601 (timeout) or −10007 (busy) | 20 of 1,000 calls |
    /// | `STUCK` | `stuck` | calls to the first device never return | always |
    /// | `HOLES` | `holes` | a page lacks one of its events, which may be the newest; the next answer has it | 50 of 1,000 pages |
    /// | `LARGE` | `large` | a page of more than 200 records fails with −601 (timeout), as over a slow link | always |
    /// | `DAMAGED` | `damaged` | a page with a damaged record fails with −204 (checksum) | 2 of 1,000 events are damaged |
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct Faults: u16 {
        /// Live events are lost.
        const DROP = 0x01;
        /// Connections are lost.
        const DISCONNECT = 0x02;
        /// Events are given twice.
        const REPEAT = 0x04;
        /// Live events change places.
        const REORDER = 0x08;
        /// Pages are slow.
        const SLOW = 0x10;
        /// Calls fail.
        const ERROR = 0x20;
        /// One device never answers.
        const STUCK = 0x40;
        /// Pages lack events for the moment.
        const HOLES = 0x80;
        /// Large pages do not arrive.
        const LARGE = 0x100;
        /// Some events cannot be read.
        const DAMAGED = 0x200;
    }
}

fault_text!(Faults);

/// What a [`FaultInjector`] does, and how often.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FaultOptions {
    faults: Faults,
    seed: u64,
    rates: Vec<(Faults, u32)>,
    codes: Vec<SdkCode>,
}

impl FaultOptions {
    /// These faults, as often as the table of [`Faults`] says.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self { faults, seed: 1, rates: Vec::new(), codes: vec![TIMEOUT, DEVICE_BUSY] }
    }

    /// Sets the seed; 1 unless set. The same seed and the same calls give the same faults.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets how many of 1,000 live events, pages or calls these faults strike.
    #[must_use]
    pub fn with_rate(mut self, faults: Faults, per_mille: u32) -> Self {
        self.rates.retain(|(of, _)| *of != faults);
        self.rates.insert(0, (faults, per_mille));
        self
    }

    /// Sets the codes that calls fail with where [`Faults::ERROR`] strikes.
    #[must_use]
    pub fn with_error_codes(mut self, codes: impl IntoIterator<Item = SdkCode>) -> Self {
        self.codes = codes.into_iter().collect();
        self
    }

    /// How many of 1,000 a fault strikes.
    fn rate(&self, fault: Faults, usual: u32) -> u32 {
        let set = self.rates.iter().find(|(of, _)| of.contains(fault));
        if self.faults.contains(fault) { set.map_or(usual, |(_, rate)| *rate) } else { 0 }
    }
}

/// A backend with faults: it wraps any other backend, so that a program can be tested against a device that
/// misbehaves.
///
/// Each device has faults of its own, and live events have others than calls. They depend on the seed alone. The
/// wrapped backend is called without any fault, so its log stays complete.
///
/// A lost connection is lost for the callers of the injector alone: the connection of the wrapped backend stays.
///
/// # Examples
///
/// ```
/// use bs2_events::device::backend::Backend;
/// use bs2_events::sim::{FaultInjector, FaultOptions, Faults, Simulator};
///
/// # async fn example() -> bs2_events::Result<()> {
/// // Your own backend in place of the simulated one.
/// let simulator = Simulator::new("devices=1&backlog=10")?;
/// let device = simulator.device_ids()[0];
/// let options = FaultOptions::new(Faults::ERROR).with_rate(Faults::ERROR, 500).with_seed(7);
/// let backend = FaultInjector::new(simulator.backend(), options);
///
/// backend.connect(device).await?;
/// let mut failures = 0;
/// for _ in 0..100 {
///     failures += u32::from(backend.logs(device, 0, 10).await.is_err());
/// }
/// assert!((30..70).contains(&failures));
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
pub struct FaultInjector {
    backend: Arc<dyn Backend>,
    options: Arc<FaultOptions>,
    /// The devices that were connected, or were set to something.
    devices: Mutex<BTreeMap<DeviceId, Arc<Mutex<DeviceFaults>>>>,
    /// The first device of the backend; known once it was needed.
    first: OnceCell<Option<DeviceId>>,
}

impl FaultInjector {
    /// Wraps a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, options: FaultOptions) -> Self {
        let options = Arc::new(options);
        Self { backend, options, devices: Mutex::default(), first: OnceCell::new() }
    }

    /// Loses the connection to a device now. The next attempt to connect succeeds.
    pub fn disconnect(&self, device: DeviceId) {
        lock(&self.faults(device)).lose_connection(0);
    }

    /// Sets whether a device is stuck: calls to it never return, and it reports nothing. Calls that hang already
    /// still hang after the device is freed.
    pub fn set_stuck(&self, device: DeviceId, is_stuck: bool) {
        lock(&self.faults(device)).is_stuck = Some(is_stuck);
    }

    /// Calls the wrapped backend, with what goes wrong.
    async fn call<T: Send, F: Future<Output = Result<T>> + Send>(
        &self,
        device: DeviceId,
        kind: CallKind,
        work: impl FnOnce(CallPlan) -> F + Send,
    ) -> Result<T> {
        let Some(faults) = self.connected(device).await else {
            return work(CallPlan::default()).await; // The wrapped backend refuses the call.
        };
        let plan = lock(&faults).plan(kind)?;
        if !plan.delay.is_zero() {
            tokio::time::sleep(plan.delay).await;
            lock(&faults).check(plan.generation)?;
        }
        match plan.fault {
            None => work(plan).await,
            Some(CallFault::Code(code)) => {
                Err(Error::from_sdk_code(code, "the device refuses the call").with_device(device))
            }
            Some(CallFault::LostBefore { refusals }) => Err(lock(&faults).lose_connection(refusals)),
            Some(CallFault::LostAfter { refusals }) => {
                let answer = work(plan).await;
                let lost = lock(&faults).lose_connection(refusals);
                drop(answer);
                Err(lost)
            }
        }
    }

    /// Fails where records with these ids do not arrive.
    fn deliver(
        &self,
        device: DeviceId,
        plan: CallPlan,
        mut ids: impl ExactSizeIterator<Item = u32>,
    ) -> Result<()> {
        let fail = |code, message| Err(Error::from_sdk_code(code, message).with_device(device));
        if plan.is_limited && ids.len() > LARGEST {
            return fail(TIMEOUT, "the page does not arrive in time");
        }
        let rate = self.options.rate(Faults::DAMAGED, EVENT_IS_DAMAGED);
        let is_damaged = |id| {
            let stream = u64::from(device.get()) << 32 | u64::from(id);
            SeededRng::new(self.options.seed, stream).per_mille(rate)
        };
        if rate > 0 && ids.any(is_damaged) {
            return fail(CHECKSUM, "a record of the page is damaged");
        }
        Ok(())
    }

    /// The faults of a device, if it was ever connected. For a stuck device this never returns.
    async fn connected(&self, device: DeviceId) -> Option<Arc<Mutex<DeviceFaults>>> {
        let faults = lock(&self.devices).get(&device).map(Arc::clone);
        let set = faults.as_ref().and_then(|faults| lock(faults).is_stuck);
        let is_stuck = match set {
            Some(is_stuck) => is_stuck,
            None => self.options.faults.contains(Faults::STUCK) && self.first().await == Some(device),
        };
        if is_stuck {
            return std::future::pending().await;
        }
        faults
    }

    async fn first(&self) -> Option<DeviceId> {
        let first = self.first.get_or_try_init(async || {
            let list = self.backend.devices().await?;
            Ok::<_, Error>(list.devices.into_iter().min())
        });
        first.await.copied().ok().flatten()
    }

    fn faults(&self, device: DeviceId) -> Arc<Mutex<DeviceFaults>> {
        let new = || Arc::new(Mutex::new(DeviceFaults::new(device, Arc::clone(&self.options))));
        Arc::clone(lock(&self.devices).entry(device).or_insert_with(new))
    }
}

#[async_trait]
impl Backend for FaultInjector {
    async fn devices(&self) -> Result<DeviceList> {
        self.backend.devices().await
    }

    async fn connect(&self, device: DeviceId) -> Result<()> {
        if let Some(faults) = self.connected(device).await {
            lock(&faults).refuse_connection()?;
        }
        self.backend.connect(device).await?;
        lock(&self.faults(device)).is_lost = false;
        Ok(())
    }

    async fn info(&self, device: DeviceId) -> Result<DeviceInfo> {
        self.call(device, CallKind::Command, |_| self.backend.info(device)).await
    }

    async fn capabilities(&self, device: DeviceId) -> Result<Capabilities> {
        self.call(device, CallKind::Command, |_| self.backend.capabilities(device)).await
    }

    async fn time(&self, device: DeviceId) -> Result<Timestamp> {
        self.call(device, CallKind::Command, |_| self.backend.time(device)).await
    }

    async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
        self.call(device, CallKind::Page, |plan| async move {
            let mut page = EventPage::default();
            if plan.repeats && after > 0 {
                page = self.backend.logs(device, after - 1, max).await?;
            }
            // A backend that repeats by itself is not made to repeat twice.
            if page.is_empty() || page.iter().any(|event| event.id() < after) {
                page = self.backend.logs(device, after, max).await?;
            }
            self.deliver(device, plan, page.iter().map(Event::id))?;
            let count = u32::try_from(page.len()).unwrap_or(u32::MAX);
            Ok(match plan.hole.and_then(|hole| hole.checked_rem(count)) {
                Some(at) => page.without(at as usize),
                None => page,
            })
        })
        .await
    }

    async fn blobs(
        &self,
        device: DeviceId,
        after: u32,
        max: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>> {
        self.call(device, CallKind::Page, |plan| async move {
            let blobs = self.backend.blobs(device, after, max, mask).await?;
            self.deliver(device, plan, blobs.iter().map(|blob| blob.head().id()))?;
            Ok(blobs)
        })
        .await
    }

    async fn image_log(&self, device: DeviceId, id: u32) -> Result<Bytes> {
        self.call(device, CallKind::Command, |_| self.backend.image_log(device, id)).await
    }

    async fn image_logs(&self, device: DeviceId, after: u32, max: u32) -> Result<Vec<ImageLog>> {
        self.call(device, CallKind::Page, |plan| async move {
            let images = self.backend.image_logs(device, after, max).await?;
            self.deliver(device, plan, images.iter().map(|image| image.event.id()))?;
            Ok(images)
        })
        .await
    }

    async fn image_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>> {
        self.call(device, CallKind::Command, |_| self.backend.image_filters(device)).await
    }

    async fn set_image_filters(&self, device: DeviceId, filters: &[ImageFilter]) -> Result<()> {
        self.call(device, CallKind::Command, |_| self.backend.set_image_filters(device, filters)).await
    }

    async fn clear_log(&self, device: DeviceId) -> Result<()> {
        self.call(device, CallKind::Command, |_| self.backend.clear_log(device)).await
    }

    async fn monitor(&self, device: DeviceId, sink: LiveSink) -> Result<Monitoring> {
        self.call(device, CallKind::Command, |_| async move {
            // Known before the first event can arrive; forgotten when the guard is dropped, also after a failure.
            let faults = self.faults(device);
            let number = lock(&faults).subscribe(sink);
            let subscription = FaultySubscription { faults: Arc::clone(&faults), number };
            let target = Arc::new(FaultySink { faults, number });
            let monitoring = self.backend.monitor(device, LiveSink::to_target(device, target)).await?;
            Ok(Monitoring::new((subscription, monitoring)))
        })
        .await
    }

    async fn close(&self) -> Result<()> {
        self.backend.close().await
    }

    fn has_clock(&self) -> bool {
        self.backend.has_clock()
    }
}

impl fmt::Debug for FaultInjector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultInjector")
            .field("backend", &self.backend)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Which faults may strike a call.
#[derive(Clone, Copy, Eq, PartialEq)]
enum CallKind {
    Command,
    Page,
}

/// What happens to one call.
#[derive(Clone, Copy, Default)]
struct CallPlan {
    generation: u64,
    delay: Duration,
    repeats: bool,
    /// A number that decides which event the page lacks.
    hole: Option<u32>,
    /// Whether the page does not arrive if it is large.
    is_limited: bool,
    fault: Option<CallFault>,
}

#[derive(Clone, Copy)]
enum CallFault {
    /// The device answers with this code.
    Code(SdkCode),
    /// The connection is lost before the device has done anything; so many attempts to connect then fail.
    LostBefore { refusals: u32 },
    /// The connection is lost after it, and with it the answer.
    LostAfter { refusals: u32 },
}

/// The faults of one device.
struct DeviceFaults {
    device: DeviceId,
    options: Arc<FaultOptions>,
    calls: SeededRng,
    live: SeededRng,
    pages: SeededRng,
    /// Raised whenever the connection is lost by a fault.
    generation: u64,
    /// Whether the connection was lost by a fault and is not made again yet.
    is_lost: bool,
    /// How many attempts to connect will fail.
    refusals: u32,
    is_stuck: Option<bool>,
    subscribers: Vec<FaultySubscriber>,
    next_number: u64,
}

struct FaultySubscriber {
    number: u64,
    sink: LiveSink,
    /// A live event that waits until the next one has passed it.
    held: Option<HeldEvent>,
}

type HeldEvent = (Event, Option<Box<Extras>>);

impl DeviceFaults {
    fn new(device: DeviceId, options: Arc<FaultOptions>) -> Self {
        let rng = |offset| SeededRng::new(options.seed, u64::from(device.get()) << 1 | offset);
        Self {
            device,
            calls: rng(0),
            live: rng(1),
            pages: rng(1 << 33),
            options,
            generation: 0,
            is_lost: false,
            refusals: 0,
            is_stuck: None,
            subscribers: Vec::new(),
            next_number: 0,
        }
    }

    /// Draws what happens to the next call.
    /// Fails with [`Disconnected`](crate::ErrorKind::Disconnected) where the connection was lost by a fault.
    fn plan(&mut self, kind: CallKind) -> Result<CallPlan> {
        if self.is_lost {
            return Err(self.lost());
        }
        let mut plan = CallPlan { generation: self.generation, ..CallPlan::default() };
        let (options, rng) = (&self.options, &mut self.calls);
        if kind == CallKind::Page {
            if rng.per_mille(options.rate(Faults::SLOW, PAGE_IS_SLOW)) {
                plan.delay = Duration::from_millis(20 + u64::from(rng.below(181)));
            }
            plan.repeats = rng.per_mille(options.rate(Faults::REPEAT, PAGE_REPEATS));
            let pages = &mut self.pages;
            plan.hole =
                pages.per_mille(options.rate(Faults::HOLES, PAGE_HAS_HOLE)).then(|| pages.below(u32::MAX));
            plan.is_limited = pages.per_mille(options.rate(Faults::LARGE, ALWAYS));
        }
        if rng.per_mille(options.rate(Faults::DISCONNECT, CONNECTION_IS_LOST)) {
            let refusals = rng.below(MOST_REFUSALS + 1);
            plan.fault = Some(match rng.below(2) {
                0 => CallFault::LostBefore { refusals },
                _ => CallFault::LostAfter { refusals },
            });
        } else if rng.per_mille(options.rate(Faults::ERROR, CALL_FAILS)) {
            let codes = u32::try_from(options.codes.len()).unwrap_or(u32::MAX);
            plan.fault = options.codes.get(rng.below(codes) as usize).copied().map(CallFault::Code);
        }
        Ok(plan)
    }

    /// Fails with [`Disconnected`](crate::ErrorKind::Disconnected) where the connection of this generation was lost by
    /// a fault.
    fn check(&self, generation: u64) -> Result<()> {
        if self.is_lost || generation != self.generation { Err(self.lost()) } else { Ok(()) }
    }

    /// Fails if the attempt to connect is to fail.
    fn refuse_connection(&mut self) -> Result<()> {
        match self.refusals.checked_sub(1) {
            Some(left) if self.is_lost => {
                self.refusals = left;
                Err(Error::from_sdk_code(CANNOT_CONNECT, "the device cannot be connected")
                    .with_device(self.device))
            }
            _ => Ok(()),
        }
    }

    /// Loses the connection and reports it to every subscriber.
    fn lose_connection(&mut self, refusals: u32) -> Error {
        self.generation += 1;
        self.is_lost = true;
        self.refusals = refusals;
        for subscriber in std::mem::take(&mut self.subscribers) {
            subscriber.sink.disconnected(self.lost());
        }
        self.lost()
    }

    fn lost(&self) -> Error {
        Error::from_sdk_code(NOT_CONNECTED, "the device is not connected").with_device(self.device)
    }

    fn subscribe(&mut self, sink: LiveSink) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.subscribers.push(FaultySubscriber { number, sink, held: None });
        number
    }

    fn subscriber(&self, number: u64) -> Option<&FaultySubscriber> {
        self.subscribers.iter().find(|subscriber| subscriber.number == number)
    }

    fn unsubscribe(&mut self, number: u64) -> Option<FaultySubscriber> {
        let at = self.subscribers.iter().position(|subscriber| subscriber.number == number)?;
        Some(self.subscribers.swap_remove(at))
    }

    /// Reports a live event, with what goes wrong.
    fn report(&mut self, number: u64, event: HeldEvent) {
        let (options, rng) = (&self.options, &mut self.live);
        let subscriber = self.subscribers.iter_mut().find(|subscriber| subscriber.number == number);
        let Some(subscriber) = subscriber.filter(|_| self.is_stuck != Some(true)) else { return };
        let held = subscriber.held.take();
        if !rng.per_mille(options.rate(Faults::DROP, EVENT_IS_DROPPED)) {
            if held.is_none() && rng.per_mille(options.rate(Faults::REORDER, EVENT_IS_LATE)) {
                subscriber.held = Some(event);
            } else {
                if rng.per_mille(options.rate(Faults::REPEAT, EVENT_REPEATS)) {
                    subscriber.push(event.clone());
                }
                subscriber.push(event);
            }
        }
        if let Some(held) = held {
            subscriber.push(held);
        }
        if rng.per_mille(options.rate(Faults::DISCONNECT, CONNECTION_IS_LOST)) {
            let refusals = rng.below(MOST_REFUSALS + 1);
            self.lose_connection(refusals);
        }
    }
}

impl FaultySubscriber {
    fn push(&self, (event, extras): HeldEvent) {
        self.sink.push(&event, extras);
    }
}

/// Stands between the wrapped backend and the sink of one subscriber.
struct FaultySink {
    faults: Arc<Mutex<DeviceFaults>>,
    number: u64,
}

impl LiveTarget for FaultySink {
    fn event(&self, event: &Event, extras: Option<Box<Extras>>) {
        lock(&self.faults).report(self.number, (*event, extras));
    }

    fn lost(&self, count: u64) {
        if let Some(subscriber) = lock(&self.faults).subscriber(self.number) {
            subscriber.sink.lost(count);
        }
    }

    fn disconnected(&self, error: Error) {
        let subscriber = lock(&self.faults).unsubscribe(self.number);
        if let Some(subscriber) = subscriber {
            subscriber.sink.disconnected(error);
        }
    }

    fn is_closed(&self) -> bool {
        lock(&self.faults).subscriber(self.number).is_none_or(|subscriber| subscriber.sink.is_closed())
    }
}

/// Forgets a subscriber when it is dropped.
struct FaultySubscription {
    faults: Arc<Mutex<DeviceFaults>>,
    number: u64,
}

impl Drop for FaultySubscription {
    fn drop(&mut self) {
        let subscriber = lock(&self.faults).unsubscribe(self.number);
        drop(subscriber); // Outside the lock.
    }
}

// How often, in 1,000 cases. The table of `Faults` shows them.
const EVENT_IS_DROPPED: u32 = 50;
const EVENT_IS_LATE: u32 = 50;
const EVENT_REPEATS: u32 = 50;
const PAGE_REPEATS: u32 = 200;
const PAGE_IS_SLOW: u32 = 500;
const PAGE_HAS_HOLE: u32 = 50;
const EVENT_IS_DAMAGED: u32 = 2;
const ALWAYS: u32 = 1_000;
const CALL_FAILS: u32 = 20;
const CONNECTION_IS_LOST: u32 = 3;
const MOST_REFUSALS: u32 = 2;
/// How many records arrive in one page where large ones do not.
const LARGEST: usize = 200;

const CANNOT_CONNECT: SdkCode = SdkCode::new(-102);
const NOT_CONNECTED: SdkCode = SdkCode::new(-107);
const CHECKSUM: SdkCode = SdkCode::new(-204);
const TIMEOUT: SdkCode = SdkCode::new(-601);
const DEVICE_BUSY: SdkCode = SdkCode::new(-10007);
