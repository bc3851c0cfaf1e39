//! A reader that does exactly what a test tells it: its log is a map, its live stream is a call.
#![allow(dead_code)] // Every test uses its own part of it.

#[cfg(feature = "collect")]
pub(crate) mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bs2_events::codec::blob::EventMask;
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{DeviceId, Event, EventCode, Extras, Timestamp};
use bs2_events::device::backend::*;
use bs2_events::device::*;
use bs2_events::{Error, ErrorKind, Result};
use bytes::Bytes;

pub(crate) const DEVICE: DeviceId = DeviceId::new(7);

/// The event that the scripted reader has under an id, in its n-th life.
pub(crate) fn event(id: u32, life: u32) -> Event {
    coded(id, life, EventCode::DOOR_OPENED)
}

pub(crate) fn coded(id: u32, life: u32, code: EventCode) -> Event {
    Event::builder(DEVICE, id, code).timestamp(Timestamp::from_unix_seconds(life * 1_000_000 + id)).build()
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Scripted {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    log: BTreeMap<u32, Event>,
    /// Ids of events that the log has and that no record can hold.
    unreadable: BTreeSet<u32>,
    /// Ids of events with which a page is refused.
    damaged: BTreeSet<u32>,
    /// Pages with more events are not given in time.
    most: Option<usize>,
    /// What was asked for, and whether it was given.
    asked: Vec<(u32, u32, bool)>,
    listeners: Vec<LiveSink>,
    /// The next calls of `logs` fail with these kinds, or never return.
    failures: Vec<Failure>,
    reads: usize,
    /// What happens the moment that somebody listens again.
    greeting: Vec<Event>,
    /// Nobody knows its number: it is on the list as a failure.
    is_hidden: bool,
    /// It cannot be listened to.
    is_mute: bool,
    /// Its events come without the clock byte, as over a gateway.
    lacks_clock: bool,
    /// The next tries to listen to a device fail with these kinds.
    deaf: Vec<(DeviceId, ErrorKind)>,
    /// The gateway of the reader is not there.
    is_broken_down: bool,
    /// The gateway has no reader.
    is_empty: bool,
    /// The list of readers is refused.
    refusal: Option<ErrorKind>,
    /// Another reader with the same log is at the address.
    replaced_by: Option<DeviceId>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    Error(ErrorKind),
    /// None: this call succeeds.
    Nothing,
    /// The log does not have its newest events yet: the page is empty.
    Empty,
    Silence,
}

impl Scripted {
    pub(crate) fn new(events: impl IntoIterator<Item = Event>) -> Self {
        let reader = Self::default();
        reader.put(events);
        reader
    }

    pub(crate) fn device(&self) -> Device {
        Client::new(Arc::new(self.clone())).device(DEVICE)
    }

    /// Puts events into the log without reporting them.
    pub(crate) fn put(&self, events: impl IntoIterator<Item = Event>) {
        self.lock().log.extend(events.into_iter().map(|event| (event.id(), event)));
    }

    /// What the log holds.
    pub(crate) fn log(&self) -> Vec<Event> {
        self.lock().log.values().copied().collect()
    }

    /// Takes events out of the log.
    pub(crate) fn lose(&self, ids: impl IntoIterator<Item = u32>) {
        let mut state = self.lock();
        for id in ids {
            state.log.remove(&id);
        }
    }

    /// Puts events into the log that no record can hold.
    pub(crate) fn spoil(&self, ids: impl IntoIterator<Item = u32>) {
        self.lock().unreadable.extend(ids);
    }

    /// Refuses every page with one of these events, and no other for that reason.
    pub(crate) fn damage(&self, ids: impl IntoIterator<Item = u32>) {
        self.lock().damaged = ids.into_iter().collect();
    }

    /// Gives no larger pages in time.
    pub(crate) fn limit(&self, most: usize) {
        self.lock().most = Some(most);
    }

    /// The questions to the log so far: after which id, for how many events, and whether they were given.
    pub(crate) fn asked(&self) -> Vec<(u32, u32, bool)> {
        self.lock().asked.clone()
    }

    /// Empties the log.
    pub(crate) fn wipe(&self) {
        self.lock().log.clear();
    }

    /// Reports an event live without putting it into the log.
    pub(crate) fn report(&self, event: Event) {
        for listener in &self.lock().listeners {
            listener.push(&event, None);
        }
    }

    /// The same with extras.
    pub(crate) fn report_with(&self, event: Event, extras: Extras) {
        for listener in &self.lock().listeners {
            listener.push(&event, Some(Box::new(extras.clone())));
        }
    }

    /// Says that events were lost on the way.
    pub(crate) fn lost(&self, count: u64) {
        self.lock().listeners.iter().for_each(|listener| listener.lost(count));
    }

    /// Puts an event into the log and reports it.
    pub(crate) fn happen(&self, event: Event) {
        self.put([event]);
        self.report(event);
    }

    /// Has events happen the next time that somebody begins to listen, before that call returns.
    pub(crate) fn happen_when_monitored(&self, events: impl IntoIterator<Item = Event>) {
        self.lock().greeting.extend(events);
    }

    pub(crate) fn disconnect(&self) {
        for listener in self.lock().listeners.drain(..) {
            listener.disconnected(Error::new(ErrorKind::Disconnected, "the script says so"));
        }
    }

    pub(crate) fn fail_next(&self, failures: impl IntoIterator<Item = Failure>) {
        self.lock().failures.extend(failures);
    }

    /// The same reader behind another gateway: with the log of this moment.
    pub(crate) fn twin(&self) -> Self {
        Self::new(self.log())
    }

    /// Breaks every connection to the gateway, or has it be there again.
    pub(crate) fn break_down(&self, is_broken_down: bool) {
        let mut state = self.lock();
        state.is_broken_down = is_broken_down;
        if is_broken_down {
            state.listeners.drain(..).for_each(|listener| listener.disconnected(no_gateway()));
        }
    }

    /// Takes the reader from the gateway, or gives it back.
    pub(crate) fn empty(&self, is_empty: bool) {
        self.lock().is_empty = is_empty;
    }

    /// Refuses the list of readers.
    pub(crate) fn refuse_to_list(&self, kind: ErrorKind) {
        self.lock().refusal = Some(kind);
    }

    /// Puts a reader with another number and the same log at the address.
    pub(crate) fn replace(&self, by: DeviceId) {
        self.lock().replaced_by = Some(by).filter(|by| *by != DEVICE);
        self.disconnect();
    }

    fn check(&self, device: DeviceId) -> Result<()> {
        let state = self.lock();
        if state.is_broken_down {
            return Err(no_gateway());
        }
        match state.replaced_by {
            Some(now) if now != device => {
                let error = Error::new(ErrorKind::NotFound, "another reader is at the address");
                Err(error.with_replacement(now))
            }
            _ => Ok(()),
        }
    }

    /// Fails no more.
    pub(crate) fn forgive(&self) {
        self.lock().failures.clear();
    }

    /// Whether nobody can find out its number.
    pub(crate) fn hide(&self, is_hidden: bool) {
        self.lock().is_hidden = is_hidden;
    }

    /// Gives its events without the clock byte.
    pub(crate) fn without_clock(self) -> Self {
        self.lock().lacks_clock = true;
        self
    }

    /// Refuses to be listened to.
    pub(crate) fn mute(&self) {
        self.lock().is_mute = true;
    }

    /// Has the next calls of `monitor` for a device fail.
    pub(crate) fn fail_to_monitor(&self, device: DeviceId, kinds: impl IntoIterator<Item = ErrorKind>) {
        self.lock().deaf.extend(kinds.into_iter().map(|kind| (device, kind)));
    }

    pub(crate) fn is_monitored(&self) -> bool {
        self.lock().listeners.iter().any(|listener| !listener.is_closed())
    }

    pub(crate) fn reads(&self) -> usize {
        self.lock().reads
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

#[async_trait]
impl Backend for Scripted {
    async fn devices(&self) -> Result<DeviceList> {
        let state = self.lock();
        if state.is_broken_down {
            return Err(no_gateway());
        }
        if let Some(kind) = state.refusal {
            return Err(Error::new(kind, "the list is refused"));
        }
        if state.is_hidden {
            let failure = Error::new(ErrorKind::Disconnected, "nobody answers where the reader should be");
            return Ok(DeviceList::default().with_failures([failure]));
        }
        Ok(DeviceList::new(Some(state.replaced_by.unwrap_or(DEVICE)).filter(|_| !state.is_empty)))
    }

    async fn connect(&self, device: DeviceId) -> Result<()> {
        self.check(device)
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

    async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
        self.check(device)?;
        let failure = {
            let mut state = self.lock();
            state.reads += 1;
            if state.failures.is_empty() { None } else { Some(state.failures.remove(0)) }
        };
        match failure {
            Some(Failure::Error(kind)) => {
                return Err(Error::new(kind, "the script says so").with_device(device));
            }
            Some(Failure::Silence) => std::future::pending().await,
            Some(Failure::Empty) => return Ok(EventPage::default()),
            Some(Failure::Nothing) | None => {}
        }
        let state = self.lock();
        let odd = state.unreadable.iter().copied().find(|id| *id > after);
        let newer = state.log.values().filter(|event| event.id() > after);
        let mut newer = newer.take_while(|event| odd.is_none_or(|odd| event.id() < odd)).peekable();
        if let (None, Some(id)) = (newer.peek(), odd) {
            return Err(Error::new(ErrorKind::InvalidData, "the script says so").with_unreadable_event(id));
        }
        let page: Vec<Event> = newer.take(max as usize).copied().collect();
        let is_slow = state.most.is_some_and(|most| page.len() > most);
        let is_damaged = page.iter().any(|event| state.damaged.contains(&event.id()));
        drop(state);
        self.lock().asked.push((after, max, !is_slow && !is_damaged));
        match (is_slow, is_damaged) {
            (true, _) => Err(Error::new(ErrorKind::TimedOut, "the link is slow").with_device(device)),
            (_, true) => Err(Error::new(ErrorKind::Busy, "a record is damaged").with_device(device)),
            _ => Ok(page.into()),
        }
    }

    async fn blobs(
        &self,
        device: DeviceId,
        _: u32,
        _: u32,
        _: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>> {
        Err(Error::new(ErrorKind::Unsupported, "no blobs").with_device(device))
    }

    async fn image_log(&self, device: DeviceId, _: u32) -> Result<Bytes> {
        Err(Error::new(ErrorKind::Unsupported, "no pictures").with_device(device))
    }

    async fn image_logs(&self, device: DeviceId, after: u32, max: u32) -> Result<Vec<ImageLog>> {
        scan_image_logs(self, device, after, max).await
    }

    async fn image_filters(&self, _: DeviceId) -> Result<Vec<ImageFilter>> {
        Ok(Vec::new())
    }

    async fn set_image_filters(&self, _: DeviceId, _: &[ImageFilter]) -> Result<()> {
        Ok(())
    }

    async fn clear_log(&self, _: DeviceId) -> Result<()> {
        self.wipe();
        Ok(())
    }

    async fn monitor(&self, device: DeviceId, sink: LiveSink) -> Result<Monitoring> {
        let greeting = {
            let mut state = self.lock();
            if let Some(at) = state.deaf.iter().position(|(deaf, _)| *deaf == device) {
                let (_, kind) = state.deaf.remove(at);
                return Err(Error::new(kind, "the script says so"));
            }
            if state.is_mute {
                return Err(Error::new(ErrorKind::Unsupported, "it reports nothing"));
            }
            state.listeners.push(sink);
            std::mem::take(&mut state.greeting)
        };
        greeting.into_iter().for_each(|event| self.happen(event));
        let state = Arc::clone(&self.state);
        struct Guard(Arc<Mutex<State>>);
        impl Drop for Guard {
            fn drop(&mut self) {
                if let Ok(mut state) = self.0.lock() {
                    state.listeners.retain(|listener| !listener.is_closed());
                }
            }
        }
        Ok(Monitoring::new(Guard(state)))
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    fn has_clock(&self) -> bool {
        !self.lock().lacks_clock
    }
}

fn no_gateway() -> Error {
    Error::new(ErrorKind::Disconnected, "there is no gateway").of_backend()
}
