//! Whose log has the events of a source device.
//!
//! A slave (an RS-485 reader, a door module) keeps no log. Its events are in the log of its master, and a live event of it
//! may come with its own number alone. Which slave belongs to which master is learned from the backend, and from the logs
//! themselves: a record with another number than that of its log is of a slave.
// With both features everything is used.
#![cfg_attr(not(all(feature = "gateway", feature = "native")), allow(dead_code))]

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::codec::{DeviceId, Event};
use crate::sync::lock;

/// The masters of slaves, and the numbers that belong to nobody.
#[derive(Default)]
pub(super) struct Sources {
    masters: RwLock<BTreeMap<DeviceId, Master>>,
    unplaced: Mutex<BTreeMap<DeviceId, u64>>,
}

#[derive(Clone, Copy)]
struct Master {
    device: DeviceId,
    /// Whether the backend says so, and not only a log. A log may have events of a number that its device had before.
    is_declared: bool,
}

impl Sources {
    pub(super) const fn new() -> Self {
        Self { masters: RwLock::new(BTreeMap::new()), unplaced: Mutex::new(BTreeMap::new()) }
    }

    /// The master of a slave.
    pub(super) fn master(&self, source: DeviceId) -> Option<DeviceId> {
        self.read().get(&source).map(|master| master.device)
    }

    /// Whether the backend has declared this device a slave of another one.
    pub(super) fn is_slave(&self, device: DeviceId) -> bool {
        self.read().get(&device).is_some_and(|master| master.is_declared)
    }

    /// Whether this device has slaves.
    pub(super) fn is_master(&self, device: DeviceId) -> bool {
        self.read().values().any(|master| master.device == device)
    }

    /// Adds the slaves that the backend names of a device.
    pub(super) fn declare(&self, master: DeviceId, slaves: impl IntoIterator<Item = DeviceId>) {
        let slaves = slaves.into_iter().filter(|slave| *slave != master && slave.get() != 0);
        self.write().extend(slaves.map(|slave| (slave, Master { device: master, is_declared: true })));
    }

    /// Learns from the log of a device who its slaves are.
    pub(super) fn learn(&self, owner: DeviceId, log: &[Event]) {
        let mut known = owner;
        for source in log.iter().map(|event| event.source_device(owner)) {
            // Most events are the device's own, or of the same slave as the one before.
            if source != owner && source != known {
                known = source;
                if self.master(source) != Some(owner) {
                    self.write().insert(source, Master { device: owner, is_declared: false });
                }
            }
        }
    }

    /// Whether live events came of a number that belongs to no device.
    pub(super) fn has_unplaced(&self) -> bool {
        !lock(&self.unplaced).is_empty()
    }

    /// Counts live events of a number that belongs to no device. Returns whether it is time to look into the logs for
    /// them: at the first, the second, the fourth event and so on, so that a number that is in no log costs little.
    pub(super) fn count_unplaced(&self, source: DeviceId, events: u64) -> bool {
        let mut unplaced = lock(&self.unplaced);
        // A backend that invents numbers must not fill the memory.
        let is_full = unplaced.len() >= MOST_UNPLACED && !unplaced.contains_key(&source);
        let source = if is_full { OTHERS } else { source };
        let count = unplaced.entry(source).or_default();
        let before = *count;
        *count = count.saturating_add(events);
        let is_due = before == 0 || count.ilog2() > before.ilog2();
        drop(unplaced);
        if before == 0 {
            tracing::warn!(%source, "a live event is of an unknown device; if that is a slave, the log of its master has the event");
        }
        is_due
    }

    /// Writes the counts of the numbers that still belong to nobody into the log, and begins again at 0.
    pub(super) fn report_unplaced(&self) {
        let all = std::mem::take(&mut *lock(&self.unplaced));
        for (source, events) in all {
            match self.master(source) {
                Some(device) => {
                    tracing::info!(%source, %device, events, "live events came before their device was known")
                }
                None => {
                    tracing::warn!(%source, events, "live events are of an unknown device, and no log that was read has events of it")
                }
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<DeviceId, Master>> {
        self.masters.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<DeviceId, Master>> {
        self.masters.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As many devices as the vendor's library can be connected to.
const MOST_UNPLACED: usize = 1_024;
/// Stands for all further numbers: no device has this one.
const OTHERS: DeviceId = DeviceId::new(0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::EventCode;

    const MASTER: DeviceId = DeviceId::new(541_000_001);
    const SLAVE: DeviceId = DeviceId::new(541_000_900);

    #[test]
    fn a_log_shows_whose_slaves_its_events_are() {
        let sources = Sources::new();
        let event = |device| Event::builder(device, 1, EventCode::DOOR_OPENED).build();
        sources.learn(MASTER, &[MASTER, DeviceId::new(0), SLAVE, SLAVE, MASTER].map(event));
        assert_eq!(
            [MASTER, SLAVE, DeviceId::new(0)].map(|id| sources.master(id)),
            [None, Some(MASTER), None]
        );
        assert!(sources.is_master(MASTER) && !sources.is_master(SLAVE) && !sources.is_slave(SLAVE));
        // The slave was moved to another master.
        let other = DeviceId::new(541_000_002);
        sources.learn(other, &[event(SLAVE)]);
        assert_eq!(sources.master(SLAVE), Some(other));
        sources.declare(other, [SLAVE, other, DeviceId::new(0)]);
        assert_eq!([SLAVE, other].map(|id| sources.is_slave(id)), [true, false]);
    }

    #[test]
    fn a_number_that_belongs_to_nobody_costs_ever_fewer_reads() {
        let sources = Sources::new();
        let due: Vec<_> = (1..=16).filter(|_| sources.count_unplaced(SLAVE, 1)).collect();
        assert_eq!(due, [1, 2, 4, 8, 16]);
        for number in 0..5_000 {
            sources.count_unplaced(DeviceId::new(number), 1);
        }
        assert!(lock(&sources.unplaced).len() <= MOST_UNPLACED + 1);
        sources.report_unplaced();
        assert!(lock(&sources.unplaced).is_empty());
    }
}
