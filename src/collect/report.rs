//! What a collector does, while it runs and in the end.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;
use crate::codec::DeviceId;
use crate::sink::Gap;

/// What a collector did, by device.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// use bs2_events::collect::Collector;
/// # use bs2_events::{device::Client, sim::Simulator, sink::MemorySink};
///
/// # #[tokio::main]
/// # async fn main() -> bs2_events::Result<()> {
/// let client = Client::new(Simulator::new("replay=bundled")?.backend());
/// let report = Collector::new(Arc::new(MemorySink::new())).with_client(client).run_once().await;
/// assert!(report.is_complete());
/// assert_eq!((report.stored(), report.repeated()), (55, 7));
///
/// let epoch = &report.devices[0].epochs[0];
/// assert_eq!((epoch.watermark, epoch.gaps[0].from, epoch.gaps[0].to), (7_566, 6_911, 7_561));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The devices, ascending.
    pub devices: Vec<DeviceReport>,
    /// Why devices of a [client](super::Collector::with_client), or the client as a whole
    /// ([`Error::concerns_backend`]), were not reached in the end.
    pub unreached: Vec<Error>,
}

impl Report {
    /// How many events were stored in this run.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.epochs().map(|epoch| epoch.stored).sum()
    }

    /// How many events were dropped in this run because they were stored before.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.epochs().map(|epoch| epoch.repeated).sum()
    }

    /// Whether no device failed. Gaps are not failures.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unreached.is_empty() && self.devices.iter().all(|device| device.error.is_none())
    }

    fn epochs(&self) -> impl Iterator<Item = &EpochReport> {
        self.devices.iter().flat_map(|device| &device.epochs)
    }
}

/// What a collector did with one device.
#[derive(Debug)]
#[non_exhaustive]
pub struct DeviceReport {
    /// The device.
    pub device: DeviceId,
    /// The epochs that the collector worked on, and the newest one in any case. Empty only if the device failed at once
    /// or has no event.
    pub epochs: Vec<EpochReport>,
    /// Why the work on this device ended early.
    pub error: Option<Error>,
}

impl DeviceReport {
    pub(super) fn failed(device: DeviceId, error: Error) -> Self {
        Self { device, epochs: Vec::new(), error: Some(error) }
    }

    /// This report with the counts of an earlier one of the same run.
    pub(super) fn after(mut self, before: Self) -> Self {
        for old in before.epochs {
            match self.epochs.iter_mut().find(|epoch| epoch.epoch == old.epoch) {
                Some(epoch) => {
                    epoch.stored += old.stored;
                    epoch.repeated += old.repeated;
                }
                None => self.epochs.push(old),
            }
        }
        self.epochs.sort_by_key(|epoch| epoch.epoch);
        self
    }
}

/// What a collector did with one epoch of one device.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct EpochReport {
    /// The epoch: one life of the device's id counter.
    pub epoch: u32,
    /// How many events were stored in this run.
    pub stored: u64,
    /// How many events were dropped in this run because they were stored before.
    pub repeated: u64,
    /// All gaps of this epoch, found in this run or before.
    pub gaps: Vec<Gap>,
    /// Every id up to here is stored or in a gap.
    pub watermark: u32,
}

/// What a running collector has done so far, over all devices: numbers to show, which only rise.
#[derive(Debug, Default)]
pub struct Progress {
    pub(super) expected: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) caught_up: AtomicU64,
    pub(super) devices: AtomicU64,
}

impl Progress {
    /// How many events the logs held that the sink lacked; 0 without
    /// [`CollectOptions::with_estimate`](super::CollectOptions::with_estimate).
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected.load(Ordering::Relaxed)
    }

    /// How many events were stored.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// How many events were dropped because they were stored before.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// How many devices were found.
    #[must_use]
    pub fn devices(&self) -> u64 {
        self.devices.load(Ordering::Relaxed)
    }

    /// How many devices have been read to the end of their log.
    #[must_use]
    pub fn caught_up(&self) -> u64 {
        self.caught_up.load(Ordering::Relaxed)
    }
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
