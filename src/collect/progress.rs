//! Numbers that rise while a collector runs.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a running collector has done so far, over all readers; to show, not to prove: the proof is in the store.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use bs2_events::collect::Collector;
/// use bs2_events::sink::MemorySink;
///
/// let collector = Collector::new(Arc::new(MemorySink::new()));
/// assert_eq!(collector.progress().stored(), 0);
/// ```
#[derive(Debug, Default)]
pub struct Progress {
    pub(super) expected: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) caught_up: AtomicU64,
}

impl Progress {
    /// Events that the backlogs were found to hold, for readers that were asked
    /// ([`CollectOptions::with_estimate`](super::CollectOptions::with_estimate)).
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::{CollectOptions, Collector}, device::Client, sim::Simulator, sink::MemorySink};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let devices = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?;
    /// # let collector = Collector::new(std::sync::Arc::new(MemorySink::new())).with_devices(devices);
    /// # let collector = collector.with_options(CollectOptions::default().with_estimate());
    /// let progress = collector.progress();
    /// collector.run_once().await;
    /// assert_eq!(progress.expected(), 10);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected.load(Ordering::Relaxed)
    }

    /// Events stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::{CollectOptions, Collector}, device::Client, sim::Simulator, sink::MemorySink};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let devices = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?;
    /// # let collector = Collector::new(std::sync::Arc::new(MemorySink::new())).with_devices(devices);
    /// # let collector = collector.with_options(CollectOptions::default().with_estimate());
    /// let progress = collector.progress();
    /// collector.run_once().await;
    /// assert_eq!(progress.stored(), 10);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Events dropped because they were there already.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::{CollectOptions, Collector}, device::Client, sim::Simulator, sink::MemorySink};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let devices = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?;
    /// # let collector = Collector::new(std::sync::Arc::new(MemorySink::new())).with_devices(devices);
    /// # let collector = collector.with_options(CollectOptions::default().with_estimate());
    /// let progress = collector.progress();
    /// collector.run_once().await;
    /// assert_eq!(progress.repeated(), 0);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Readers whose backlog is in.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::{CollectOptions, Collector}, device::Client, sim::Simulator, sink::MemorySink};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let devices = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?;
    /// # let collector = Collector::new(std::sync::Arc::new(MemorySink::new())).with_devices(devices);
    /// # let collector = collector.with_options(CollectOptions::default().with_estimate());
    /// let progress = collector.progress();
    /// collector.run_once().await;
    /// assert_eq!(progress.caught_up(), 1);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn caught_up(&self) -> u64 {
        self.caught_up.load(Ordering::Relaxed)
    }
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
