//! A destination in memory, for tests and for programs that keep nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Batch, Gap, GapReason, ResumePoint, Sink, Stored};
use crate::codec::{DeviceId, Event};
use crate::device::DeviceInfo;
use crate::{Error, ErrorKind, Result};

/// A destination in memory: it keeps the contract of [`Sink`] as long as the process lives.
///
/// Clones are the same sink: what one stores the others show, and closing one closes all. What is stored can be read
/// back without a runtime, also after closing. `Debug` shows numbers, not events.
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
    store: Arc<Mutex<Store>>,
    closed: Arc<AtomicBool>,
}

impl MemorySink {
    /// An empty sink.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sink::MemorySink;
    /// assert!(MemorySink::new().devices().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same content behind an open sink, as a new process would find it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, sink::{MemorySink, Sink}};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let sink = MemorySink::new();
    /// sink.close().await?;
    /// assert!(sink.gaps(DeviceId::new(7)).await.is_err());
    /// assert!(sink.reopen().gaps(DeviceId::new(7)).await.is_ok());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self { store: Arc::clone(&self.store), closed: Arc::default() }
    }

    /// The readers of which something is stored, ascending.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sink::MemorySink;
    /// assert!(MemorySink::new().devices().is_empty());
    /// ```
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceId> {
        let mut devices: Vec<_> = self.lock().epochs.keys().map(|(device, _)| *device).collect();
        devices.dedup();
        devices
    }

    /// The epochs of a reader, ascending.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, sink::MemorySink};
    /// assert!(MemorySink::new().epochs(DeviceId::new(7)).is_empty());
    /// ```
    #[must_use]
    pub fn epochs(&self, device: DeviceId) -> Vec<u32> {
        self.lock().of(device).map(|(epoch, _)| epoch).collect()
    }

    /// The events of an epoch, by id.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, sink::MemorySink};
    /// assert!(MemorySink::new().events(DeviceId::new(7), 0).is_empty());
    /// ```
    #[must_use]
    pub fn events(&self, device: DeviceId, epoch: u32) -> Vec<Event> {
        let store = self.lock();
        store
            .epochs
            .get(&(device, epoch))
            .map_or_else(Vec::new, |epoch| epoch.events.values().copied().collect())
    }

    /// The gaps of a reader, by epoch and id.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, sink::MemorySink};
    /// assert!(MemorySink::new().gaps_of(DeviceId::new(7)).is_empty());
    /// ```
    #[must_use]
    pub fn gaps_of(&self, device: DeviceId) -> Vec<Gap> {
        let gap = |epoch, (&from, &(to, reason)): (&u32, &(u32, GapReason))| Gap {
            device,
            epoch,
            from,
            to,
            reason,
        };
        let store = self.lock();
        store.of(device).flat_map(|(epoch, life)| life.gaps.iter().map(move |row| gap(epoch, row))).collect()
    }

    /// The first id and the watermark of an epoch; `None` where nothing is stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, sink::MemorySink};
    /// assert_eq!(MemorySink::new().watermark(DeviceId::new(7), 0), None);
    /// ```
    #[must_use]
    pub fn watermark(&self, device: DeviceId, epoch: u32) -> Option<(u32, u32)> {
        self.lock().epochs.get(&(device, epoch)).map(|epoch| (epoch.first, epoch.watermark))
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // Nothing panics while the lock is held, so a poisoned one is whole.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, Store>> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, "the store in memory is closed"));
        }
        Ok(self.lock())
    }
}

#[async_trait]
impl Sink for MemorySink {
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>> {
        let store = self.open()?;
        Ok(store.of(device.id).last().map(|(epoch, life)| ResumePoint {
            epoch,
            first: life.first,
            watermark: life.watermark,
            above: life.above().copied().collect(),
        }))
    }

    async fn store(&self, batch: Batch) -> Result<Stored> {
        let mut store = self.open()?;
        batch.check()?;
        Ok(match store.epochs.entry((batch.device, batch.epoch)) {
            Entry::Occupied(entry) => entry.into_mut().store(batch),
            Entry::Vacant(entry) => entry.insert(Epoch::new(batch.first, batch.watermark)).store(batch),
        })
    }

    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>> {
        let store = self.open()?;
        Ok(store.epochs.get(&(device, epoch)).and_then(|epoch| epoch.events.get(&id).copied()))
    }

    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>> {
        drop(self.open()?);
        Ok(self.gaps_of(device))
    }

    async fn close(&self) -> Result<()> {
        drop(self.open()?);
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}

impl fmt::Debug for MemorySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: usize = self.lock().epochs.values().map(|epoch| epoch.events.len()).sum();
        f.debug_struct("MemorySink").field("events", &events).field("closed", &self.closed).finish()
    }
}

#[derive(Default)]
struct Store {
    epochs: BTreeMap<(DeviceId, u32), Epoch>,
}

impl Store {
    fn of(&self, device: DeviceId) -> impl DoubleEndedIterator<Item = (u32, &Epoch)> {
        self.epochs.range((device, 0)..=(device, u32::MAX)).map(|((_, epoch), life)| (*epoch, life))
    }
}

struct Epoch {
    first: u32,
    watermark: u32,
    events: BTreeMap<u32, Event>,
    /// By first id: the last id and the reason.
    gaps: BTreeMap<u32, (u32, GapReason)>,
}

impl Epoch {
    const fn new(first: u32, watermark: u32) -> Self {
        Self { first, watermark, events: BTreeMap::new(), gaps: BTreeMap::new() }
    }

    fn store(&mut self, batch: Batch) -> Stored {
        let mut stored = Stored::default();
        for event in batch.events {
            match self.events.entry(event.id()) {
                Entry::Vacant(entry) => {
                    entry.insert(event);
                    stored.new += 1;
                }
                Entry::Occupied(_) => stored.repeated += 1,
            }
            self.take_out(batch.device, batch.epoch, event.id());
        }
        for gap in batch.gaps {
            self.add(gap);
        }
        let follows = batch.first <= self.watermark.saturating_add(1);
        let precedes = self.first <= batch.watermark.saturating_add(1);
        if follows && precedes {
            self.first = self.first.min(batch.first);
            self.watermark = self.watermark.max(batch.watermark);
        }
        stored
    }

    /// Takes an event out of the gap that it lies in.
    fn take_out(&mut self, device: DeviceId, epoch: u32, id: u32) {
        let Some((&from, &(to, reason))) = self.gaps.range(..=id).next_back() else { return };
        if to >= id {
            self.gaps.remove(&from);
            let gap = Gap { device, epoch, from, to, reason };
            self.gaps
                .extend(gap.around([(id, id)]).into_iter().map(|piece| (piece.from, (piece.to, reason))));
        }
    }

    /// Adds a gap around what is stored.
    fn add(&mut self, gap: Gap) {
        let events = self.events.range(gap.from..=gap.to).map(|(id, _)| (*id, *id));
        let gaps = self.gaps.range(..=gap.to).filter(|(_, (to, _))| *to >= gap.from);
        let mut taken: Vec<_> = events.chain(gaps.map(|(from, (to, _))| (*from, *to))).collect();
        taken.sort_unstable();
        self.gaps.extend(gap.around(taken).into_iter().map(|piece| (piece.from, (piece.to, piece.reason))));
    }

    fn above(&self) -> impl Iterator<Item = &Event> {
        self.watermark
            .checked_add(1)
            .into_iter()
            .flat_map(|from| self.events.range(from..))
            .map(|(_, event)| event)
    }
}
