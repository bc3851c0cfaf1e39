//! A destination in memory, for tests and for programs that keep nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use super::{Batch, Gap, Ledger, ResumePoint, Sink, Stored};
use crate::codec::{DeviceId, Event};
use crate::device::DeviceInfo;
use crate::sync::lock;
use crate::{Error, ErrorKind, Result};

/// A destination in memory. It keeps the contract of [`Sink`] as long as the process lives.
///
/// Clones are the same sink: each shows what another one stored, and closing one closes all. The content can be read
/// without a runtime, also after closing. `Debug` shows how many events there are, not the events.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, Event, EventCode};
/// use bs2_events::sink::{Batch, MemorySink, Sink};
///
/// # async fn example() -> bs2_events::Result<()> {
/// let (sink, device) = (MemorySink::new(), DeviceId::new(7));
/// let event = Event::builder(device, 5, EventCode::DOOR_OPENED).build();
/// sink.clone().store(Batch::new(device, 0, 5, 5).with_events([event])).await?;
/// assert_eq!(sink.events(device, 0), [event]);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct MemorySink {
    store: Arc<Mutex<Epochs>>,
    closed: Arc<AtomicBool>,
}

impl MemorySink {
    /// An empty sink.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An open sink with the same content, as a new process finds it after [`close`](Sink::close).
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self { store: Arc::clone(&self.store), closed: Arc::default() }
    }

    /// The devices of which something is stored, ascending.
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceId> {
        let mut devices: Vec<_> = self.lock().iter().map(|epoch| epoch.ledger.device()).collect();
        devices.dedup();
        devices
    }

    /// The epochs of a device, ascending.
    #[must_use]
    pub fn epochs(&self, device: DeviceId) -> Vec<u32> {
        self.lock().of(device).map(|epoch| epoch.ledger.epoch()).collect()
    }

    /// The events of an epoch, by id.
    #[must_use]
    pub fn events(&self, device: DeviceId, epoch: u32) -> Vec<Event> {
        let store = self.lock();
        store.get(device, epoch).map_or_else(Vec::new, |epoch| epoch.events.values().copied().collect())
    }

    /// The gaps of a device, by epoch and id.
    #[must_use]
    pub fn gaps_of(&self, device: DeviceId) -> Vec<Gap> {
        self.lock().gaps(device)
    }

    /// The first id and the watermark of an epoch; `None` if nothing is stored.
    #[must_use]
    pub fn watermark(&self, device: DeviceId, epoch: u32) -> Option<(u32, u32)> {
        let store = self.lock();
        let ledger = &store.get(device, epoch)?.ledger;
        ledger.first().zip(ledger.watermark())
    }

    fn lock(&self) -> MutexGuard<'_, Epochs> {
        lock(&self.store)
    }

    fn lock_open(&self) -> Result<MutexGuard<'_, Epochs>> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, "the store in memory is closed; open it again"));
        }
        Ok(self.lock())
    }
}

#[async_trait]
impl Sink for MemorySink {
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>> {
        Ok(self.lock_open()?.resume(device.id))
    }

    async fn resume_epoch(&self, device: DeviceId, epoch: u32) -> Result<Option<ResumePoint>> {
        Ok(self.lock_open()?.get(device, epoch).and_then(Epoch::resume_point))
    }

    async fn store(&self, batch: Batch) -> Result<Stored> {
        Ok(self.lock_open()?.store(batch)?.0)
    }

    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>> {
        Ok(self.lock_open()?.event(device, epoch, id))
    }

    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>> {
        Ok(self.lock_open()?.gaps(device))
    }

    async fn close(&self) -> Result<()> {
        drop(self.lock_open()?);
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}

impl fmt::Debug for MemorySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: usize = self.lock().iter().map(|epoch| epoch.events.len()).sum();
        f.debug_struct("MemorySink").field("events", &events).field("closed", &self.closed).finish()
    }
}

/// The epochs of devices, for sinks that keep events in memory.
#[derive(Clone, Default)]
pub(super) struct Epochs(BTreeMap<(DeviceId, u32), Epoch>);

/// The ledger of an epoch, and its events or some of them.
#[derive(Clone)]
pub(super) struct Epoch {
    pub(super) ledger: Ledger,
    pub(super) events: BTreeMap<u32, Event>,
    /// The ids of events that came without a clock.
    pub(super) clockless: BTreeSet<u32>,
}

impl Epoch {
    pub(super) fn resume_point(&self) -> Option<ResumePoint> {
        let Self { ledger, events, clockless } = self;
        let (first, watermark) = ledger.first().zip(ledger.watermark())?;
        let above = ledger.above().filter_map(|id| events.get(&id).copied()).collect();
        let newest = events.range(..=watermark).next_back();
        let has_clock = newest.is_none_or(|(id, _)| !clockless.contains(id));
        Some(ResumePoint { epoch: ledger.epoch(), first, watermark, above, has_clock })
    }
}

impl Epochs {
    #[cfg(feature = "biostar-x")]
    pub(super) fn insert(&mut self, epoch: Epoch) {
        self.0.insert((epoch.ledger.device(), epoch.ledger.epoch()), epoch);
    }

    /// Records a batch in its epoch, which is returned too.
    pub(super) fn store(&mut self, mut batch: Batch) -> Result<(Stored, &mut Epoch)> {
        batch.check()?;
        let (device, epoch) = (batch.device, batch.epoch);
        let new = || Epoch {
            ledger: Ledger::new(device, epoch),
            events: BTreeMap::new(),
            clockless: BTreeSet::new(),
        };
        let epoch = self.0.entry((device, epoch)).or_insert_with(new);
        for event in &batch.events {
            let has_clock = !epoch.clockless.contains(&event.id());
            if let Some(stored) = epoch.events.get_mut(&event.id())
                && let Some(completed) = batch.completed(event, stored, has_clock)
            {
                *stored = completed;
                if batch.has_clock {
                    epoch.clockless.remove(&event.id());
                }
            }
        }
        let stored = epoch.ledger.record(&mut batch)?;
        if !batch.has_clock {
            epoch.clockless.extend(batch.events.iter().map(Event::id));
        }
        epoch.events.extend(batch.events.into_iter().map(|event| (event.id(), event)));
        Ok((stored, epoch))
    }

    pub(super) fn get(&self, device: DeviceId, epoch: u32) -> Option<&Epoch> {
        self.0.get(&(device, epoch))
    }

    pub(super) fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Option<Event> {
        self.get(device, epoch)?.events.get(&id).copied()
    }

    pub(super) fn gaps(&self, device: DeviceId) -> Vec<Gap> {
        self.of(device).flat_map(|epoch| epoch.ledger.gaps()).collect()
    }

    pub(super) fn resume(&self, device: DeviceId) -> Option<ResumePoint> {
        self.of(device).last()?.resume_point()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Epoch> {
        self.0.values()
    }

    fn of(&self, device: DeviceId) -> impl Iterator<Item = &Epoch> {
        self.0.range((device, 0)..=(device, u32::MAX)).map(|(_, epoch)| epoch)
    }
}
