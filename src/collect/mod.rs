//! Flow: from readers to a sink, every event once, in order, and what is missing with its reason.
//!
//! ```text
//!            ┌── live events ──┐
//!  reader ───┤                 ├──► ledger ──► batch ──► sink
//!            └── log, by page ─┘      │                    │
//!                   ▲                 │                    │
//!                   └── holes are read again        resume point
//! ```
//!
//! # How nothing is lost
//!
//! * **Live first.** A collector listens before it reads the backlog, so that nothing falls between the two. What
//!   comes twice is dropped by its id.
//! * **The log is the truth.** A live event is a hint: whenever its id is not the next one, or the stream says that it
//!   lost something, the log is read again from the watermark. Queues may overflow; the log fills what they dropped.
//! * **The watermark is contiguous**, never a maximum: all ids up to it are stored or explained. It is stored in the
//!   same transaction as the events, and every start goes on from there.
//! * **Holes are read again**, and when the reader does not have them they become gaps with a reason
//!   ([`GapReason`](crate::sink::GapReason)), stored like events. So does an event of which no record can be made
//!   ([`Error::unreadable_event`](crate::Error::unreadable_event)): it keeps back none behind it.
//! * **Epochs.** When a reader's ids begin anew (a reset, another unit behind the same number), what it says under a
//!   known id differs from what is stored. Then a new epoch begins; the old one ends with a gap whose end nobody saw.
//! * **Order is by id, never by time**: clocks are set back.
//! * **Readers do not wait for each other.** Each has a task of its own; a slow or silent one delays nobody.
//! * **The log is never cleared.**
//! * **Events are stored, and what stands beside them is not.** A record holds one subject; what a device gateway tells
//!   beside it ([`EventPage::extras`](crate::device::EventPage::extras)), and a person's temperature, reach no sink.
//!   The log has both for as long as the reader keeps the event.
//!
//! A reader's account begins at the oldest event that it has when it is first met. What it had lost before then is
//! not a gap.

mod discover;
mod epoch;
mod fill;
mod follow;
mod ledger;
mod options;
mod progress;
mod report;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

pub use options::CollectOptions;
pub use progress::Progress;
pub use report::{DeviceReport, EpochReport, Report};

use crate::device::{Client, Device};
use crate::sink::Sink;
use crate::{Error, ErrorKind};
use discover::Discovery;
use follow::Follower;

/// Stores the events of readers into a sink, every event once.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use bs2_events::collect::Collector;
/// use bs2_events::device::Client;
/// use bs2_events::sim::Simulator;
/// use bs2_events::sink::MemorySink;
///
/// # async fn example() -> bs2_events::Result<()> {
/// let client = Client::new(Simulator::new("devices=3&backlog=100")?.backend());
/// let sink = Arc::new(MemorySink::new());
/// let collector = Collector::new(sink).with_devices(client.devices().await?);
/// let report = collector.run_once().await;
/// assert_eq!(report.stored(), 300);
/// assert!(report.is_complete());
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Debug)]
#[must_use]
pub struct Collector {
    devices: Vec<Device>,
    clients: Vec<Client>,
    sink: Arc<dyn Sink>,
    options: CollectOptions,
    progress: Arc<Progress>,
    trouble: Trouble,
}

impl Collector {
    /// A collector without readers yet.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::Collector, sink::MemorySink};
    /// let collector = Collector::new(std::sync::Arc::new(MemorySink::new()));
    /// ```
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        let (devices, clients, options, progress, trouble) = Default::default();
        Self { devices, clients, sink, options, progress, trouble }
    }

    /// Adds readers, of one client or of several.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::Collector, device::Client, sim::Simulator, sink::MemorySink};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let client = Client::new(Simulator::new("devices=2")?.backend());
    /// let sink = std::sync::Arc::new(MemorySink::new());
    /// let collector = Collector::new(sink).with_devices(client.devices().await?);
    /// assert_eq!(collector.run_once().await.devices.len(), 2);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    pub fn with_devices(mut self, devices: impl IntoIterator<Item = Device>) -> Self {
        self.devices.extend(devices);
        self
    }

    /// Adds every reader of a client, also those that can be reached only later: while a collector listens, it looks
    /// for them again and again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::Collector, device::Client, sim::Simulator, sink::MemorySink};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let client = Client::new(Simulator::new("devices=2")?.backend());
    /// let collector = Collector::new(std::sync::Arc::new(MemorySink::new())).with_client(client);
    /// assert_eq!(collector.run_once().await.devices.len(), 2);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    pub fn with_client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Calls a function with what keeps a listening collector from a reader's events, for who operates it: once when it
    /// lasts, and again only after the reader was well in between. The work on the reader goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::Collector, sink::MemorySink};
    /// let collector = Collector::new(std::sync::Arc::new(MemorySink::new()));
    /// let collector = collector.with_trouble(|error| eprintln!("{error}"));
    /// ```
    pub fn with_trouble(mut self, tell: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.trouble = Trouble(Some(Arc::new(tell)));
        self
    }

    /// Sets the options.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::{CollectOptions, Collector}, sink::MemorySink};
    /// let sink = std::sync::Arc::new(MemorySink::new());
    /// let collector = Collector::new(sink).with_options(CollectOptions::default().with_page(100));
    /// ```
    pub fn with_options(mut self, options: CollectOptions) -> Self {
        self.options = options;
        self
    }

    /// Numbers that rise while the collector runs, to show.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::Collector, device::Client, sim::Simulator, sink::MemorySink};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let client = Client::new(Simulator::new("backlog=10")?.backend());
    /// # let sink = std::sync::Arc::new(MemorySink::new());
    /// let collector = Collector::new(sink).with_devices(client.devices().await?);
    /// let progress = collector.progress();
    /// collector.run_once().await;
    /// assert_eq!(progress.stored(), 10);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Reads every reader's log to its end, and returns. Nothing is monitored.
    ///
    /// Errors stand in the report, by reader: one reader's failure does not end the others. A reader that fails is
    /// tried again by [`CollectOptions::with_retry`], at most [`CollectOptions::with_attempts`] times in a row.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{collect::Collector, device::Client, sim::Simulator, sink::MemorySink};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let client = Client::new(Simulator::new("backlog=10")?.backend());
    /// let sink = MemorySink::new();
    /// let run = || Collector::new(std::sync::Arc::new(sink.clone()));
    /// let devices = client.devices().await?;
    /// assert_eq!(run().with_devices(devices.clone()).run_once().await.stored(), 10);
    /// assert_eq!(run().with_devices(devices).run_once().await.stored(), 0);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    pub async fn run_once(self) -> Report {
        self.run(false, std::future::pending()).await
    }

    /// Collects, live, until `stop` gives a [`Stop`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use bs2_events::collect::{Collector, Stop};
    /// # use bs2_events::{device::Client, sim::Simulator, sink::MemorySink};
    ///
    /// # async fn example() -> bs2_events::Result<()> {
    /// let simulator = Simulator::new("devices=1&backlog=10")?;
    /// let devices = Client::new(simulator.backend()).devices().await?;
    /// let collector = Collector::new(Arc::new(MemorySink::new())).with_devices(devices);
    /// let report = collector.run_until(async { Stop::AfterCatchUp }).await;
    /// assert_eq!(report.stored(), 10);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub async fn run_until(self, stop: impl Future<Output = Stop>) -> Report {
        self.run(true, stop).await
    }

    async fn run(self, live: bool, stop: impl Future<Output = Stop>) -> Report {
        let (stopper, stopped) = watch::channel(None);
        let (mut followers, mut discoveries) = (JoinSet::new(), JoinSet::new());
        let (arrivals, mut arrived) = mpsc::unbounded_channel();
        let (mut report, mut seen) = (Report::default(), BTreeSet::new());
        let mut waiting = self.devices;
        for client in self.clients {
            let (options, trouble, stop) = (self.options, self.trouble.clone(), stopped.clone());
            discoveries.spawn(Discovery { client, options, trouble, stop }.run(live, arrivals.clone()));
        }
        drop(arrivals);
        let mut stop = std::pin::pin!(stop);
        loop {
            for device in waiting.drain(..) {
                if !seen.insert(device.id()) {
                    let message = "the device was given twice: two sources must not claim one device";
                    let error = Error::new(ErrorKind::InvalidInput, message).with_device(device.id());
                    report.devices.push(DeviceReport::failed(device.id(), error));
                    continue;
                }
                let (sink, progress) = (Arc::clone(&self.sink), Arc::clone(&self.progress));
                let (options, trouble) = (self.options, self.trouble.clone());
                let follower = Follower::new(device, sink, options, progress, trouble, stopped.clone());
                followers.spawn(async move {
                    if live { follower.run_live().await } else { follower.run_once().await }
                });
            }
            if followers.is_empty() && discoveries.is_empty() && arrived.is_empty() {
                break;
            }
            tokio::select! {
                // Tell the readers even if some of them have ended meanwhile.
                how = &mut stop, if stopper.borrow().is_none() => {
                    stopper.send_replace(Some(how));
                }
                Some(device) = arrived.recv() => waiting.push(device),
                Some(ended) = followers.join_next() => report.devices.push(unless_panicked(ended)),
                Some(ended) = discoveries.join_next() => report.unreached.extend(unless_panicked(ended)),
            }
        }
        report.devices.sort_by_key(|device| device.device);
        report
    }
}

/// Whom lasting failures are told.
#[derive(Clone, Default)]
struct Trouble(Option<Arc<Tell>>);

type Tell = dyn Fn(&Error) + Send + Sync;

impl Trouble {
    fn tell(&self, error: &Error) {
        if let Some(tell) = &self.0 {
            tell(error);
        }
    }
}

impl fmt::Debug for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trouble").field(&self.0.is_some()).finish()
    }
}

fn unless_panicked<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// How a running collector ends.
///
/// # Examples
///
/// ```
/// use bs2_events::collect::Stop;
///
/// assert_ne!(Stop::Now, Stop::AfterCatchUp);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// Stores what has been received and ends. What a reader still holds is read at the next start.
    Now,
    /// Reads every log to its present end first; a reader that fails is tried again for ten seconds.
    AfterCatchUp,
}
