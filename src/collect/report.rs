//! What a collector did.

use crate::Error;
use crate::codec::DeviceId;
use crate::sink::Gap;

/// What a collector did, by reader.
///
/// # Examples
///
/// ```
/// use bs2_events::collect::Report;
///
/// let report = Report::default();
/// assert_eq!(report.stored(), 0);
/// assert!(report.is_complete());
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The readers, ascending.
    pub devices: Vec<DeviceReport>,
    /// Why readers that a [client](super::Collector::with_client) names were not reached in the end.
    pub unreached: Vec<Error>,
}

impl Report {
    /// Events stored in this run.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::Collector, device::Client, sim::Simulator, sink::MemorySink};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let devices = Client::new(Simulator::new("devices=2&backlog=10")?.backend()).devices().await?;
    /// # let collector = Collector::new(std::sync::Arc::new(MemorySink::new())).with_devices(devices);
    /// let report = collector.run_once().await;
    /// assert_eq!(report.stored(), 20);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.epochs().map(|epoch| epoch.stored).sum()
    }

    /// Events dropped in this run because they were there already.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::Collector, device::Client, sim::Simulator, sink::MemorySink};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let devices = Client::new(Simulator::new("replay=bundled")?.backend()).devices().await?;
    /// # let collector = Collector::new(std::sync::Arc::new(MemorySink::new())).with_devices(devices);
    /// let report = collector.run_once().await;
    /// assert_eq!(report.repeated(), 7);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.epochs().map(|epoch| epoch.repeated).sum()
    }

    /// Whether no reader failed. Gaps are not failures.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::Collector, device::Client, sim::Simulator, sink::MemorySink};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let devices = Client::new(Simulator::new("replay=bundled")?.backend()).devices().await?;
    /// # let collector = Collector::new(std::sync::Arc::new(MemorySink::new())).with_devices(devices);
    /// let report = collector.run_once().await;
    /// assert!(report.is_complete());
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unreached.is_empty() && self.devices.iter().all(|device| device.error.is_none())
    }

    fn epochs(&self) -> impl Iterator<Item = &EpochReport> {
        self.devices.iter().flat_map(|device| &device.epochs)
    }
}

/// What a collector did with one reader.
///
/// # Examples
///
/// ```
/// # use bs2_events::{collect::Collector, device::Client, sim::Simulator, sink::MemorySink};
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let devices = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?;
/// # let collector = Collector::new(std::sync::Arc::new(MemorySink::new())).with_devices(devices);
/// let report = collector.run_once().await;
/// assert_eq!(report.devices[0].epochs.len(), 1);
/// assert!(report.devices[0].error.is_none());
/// # Ok::<(), bs2_events::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct DeviceReport {
    /// The reader.
    pub device: DeviceId,
    /// The epochs that were touched, and the newest in any case; empty only if the reader failed at once or has no
    /// event.
    pub epochs: Vec<EpochReport>,
    /// Why the work on this reader ended early.
    pub error: Option<Error>,
}

impl DeviceReport {
    pub(super) fn failed(device: DeviceId, error: Error) -> Self {
        Self { device, epochs: Vec::new(), error: Some(error) }
    }
}

/// What a collector did with one epoch of one reader.
///
/// # Examples
///
/// ```
/// # use bs2_events::{collect::Collector, device::Client, sim::Simulator, sink::MemorySink};
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let devices = Client::new(Simulator::new("replay=bundled")?.backend()).devices().await?;
/// # let collector = Collector::new(std::sync::Arc::new(MemorySink::new())).with_devices(devices);
/// let report = collector.run_once().await;
/// let epoch = &report.devices[0].epochs[0];
/// assert_eq!((epoch.stored, epoch.repeated, epoch.watermark), (55, 7, 7_566));
/// assert_eq!((epoch.gaps[0].from, epoch.gaps[0].to), (6_911, 7_561));
/// # Ok::<(), bs2_events::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct EpochReport {
    /// The life of the id counter.
    pub epoch: u32,
    /// Events stored in this run.
    pub stored: u64,
    /// Events dropped in this run because they were there already.
    pub repeated: u64,
    /// Everything that is missing in this epoch, found in this run or before.
    pub gaps: Vec<Gap>,
    /// All ids up to here are stored or explained.
    pub watermark: u32,
}
