//! Flow: from devices to a sink, every event once, in order, and what is missing with its reason.
//!
//! ```text
//!            ┌── live events ──┐
//!  device ───┤                 ├──► sequencer ──► batch ──► sink
//!            └── log, by page ─┘        │                     │
//!                   ▲                   │                     │
//!                   └── holes are read again            resume point
//! ```
//!
//! [`Collector`] does it; [`CollectOptions`] says how, [`Stop`] how it ends, [`Progress`] and [`Report`] what it did.
//!
//! # How nothing is lost
//!
//! * **Live first.** A collector listens before it reads the log, so that no event falls between the two. It drops what
//!   comes twice by its id.
//! * **The log decides.** A live event is a hint: if its id is not the next one, or if the stream reports a loss, the
//!   collector reads the log from the watermark. Queues may overflow; the log still has what they dropped.
//! * **The watermark is contiguous**, never a maximum: every id up to it is stored or in a gap. It is stored in the
//!   transaction that stores the events, and every start continues from it.
//! * **Holes are read again.** If the device does not have the events, the hole becomes a gap with a reason
//!   ([`GapReason`](crate::sink::GapReason)), which is stored like events. An event that cannot be read
//!   ([`Error::unreadable_event`](crate::Error::unreadable_event)) becomes a gap too, and does not keep back the events
//!   behind it.
//! * **Epochs.** When the ids of a device restart (after a reset, or with a new unit under the same number), the device
//!   has other events with known ids. Then a new epoch begins, and the old one ends with an open gap.
//! * **Order is by id, never by time**: clocks are set back.
//! * **Devices do not wait for each other.** Each has a task of its own; a slow or silent one delays no other.
//! * **The log is never cleared.**
//! * **Events are stored, and extras are not.** A record holds one subject. The further subjects that a device gateway
//!   reports and a person's temperature reach no sink; the log has them as long as the device keeps the event.
//!
//! A collection begins at the oldest event that a device has when the collector first reads its log. What the device lost
//! before then is not a gap.

mod catch_up;
mod discover;
mod follow;
mod options;
mod report;
mod sequencer;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

pub use options::{CollectOptions, Stop};
pub use report::{DeviceReport, EpochReport, Progress, Report};

use crate::device::{Client, Device};
use crate::sink::Sink;
use crate::{Error, ErrorKind};
use catch_up::CatchUp;
use discover::Discovery;
use follow::Follower;
use options::{OnFailure, StopSignal};

/// Stores the events of devices in a sink, every event once.
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
/// #[tokio::main]
/// async fn main() -> bs2_events::Result<()> {
///     let client = Client::new(Simulator::new("devices=3&backlog=100")?.backend());
///     let sink = MemorySink::new();
///     let collect = || Collector::new(Arc::new(sink.clone())).with_client(client.clone());
///
///     let report = collect().run_once().await;
///     assert!(report.is_complete());
///     assert_eq!(report.stored(), 300);
///
///     // The next run continues where the first one ended.
///     assert_eq!(collect().run_once().await.stored(), 0);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Collector {
    devices: Vec<Device>,
    clients: Vec<Client>,
    sink: Arc<dyn Sink>,
    options: CollectOptions,
    progress: Arc<Progress>,
    on_failure: OnFailure,
}

impl Collector {
    /// A collector without devices.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        let (devices, clients, options, progress, on_failure) = Default::default();
        Self { devices, clients, sink, options, progress, on_failure }
    }

    /// Adds devices, of one client or of several.
    pub fn with_devices(mut self, devices: impl IntoIterator<Item = Device>) -> Self {
        self.devices.extend(devices);
        self
    }

    /// Adds every device of a client, also those that are reached only later: while a collector listens, it looks for
    /// them again and again.
    pub fn with_client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Sets a callback for failures that persist while the collector listens, to inform its operator. It is called once
    /// for a failure, and again only after the device has worked in between. The work on the device continues.
    pub fn on_failure(mut self, call: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_failure = OnFailure::new(call);
        self
    }

    /// Sets the options.
    pub fn with_options(mut self, options: CollectOptions) -> Self {
        self.options = options;
        self
    }

    /// What the collector has done so far; keep it to show numbers while the collector runs.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Reads the log of every device to its end, and returns. It does not listen to live events.
    ///
    /// Errors are in the report, by device: the failure of one device does not end the work on the others. A device that
    /// fails is tried again by [`CollectOptions::with_retry`], at most [`CollectOptions::with_attempts`] times in a row.
    pub async fn run_once(self) -> Report {
        self.run(false, std::future::pending()).await
    }

    /// Collects, live, until `stop` returns a [`Stop`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use bs2_events::collect::{Collector, Stop};
    /// # use bs2_events::{device::Client, sim::Simulator, sink::MemorySink};
    ///
    /// # async fn example() -> bs2_events::Result<()> {
    /// # let client = Client::new(Simulator::new("devices=1&backlog=10")?.backend());
    /// # let sink = Arc::new(MemorySink::new());
    /// # let ctrl_c = async {};
    /// let collector = Collector::new(sink).with_client(client).on_failure(|error| eprintln!("{error}"));
    /// let stop = async {
    ///     ctrl_c.await; // For example tokio::signal::ctrl_c().
    ///     Stop::AfterCatchUp
    /// };
    /// let report = collector.run_until(stop).await;
    /// assert_eq!(report.stored(), 10);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub async fn run_until(self, stop: impl Future<Output = Stop>) -> Report {
        self.run(true, stop).await
    }

    async fn run(self, live: bool, stop: impl Future<Output = Stop>) -> Report {
        let (stopper, stopped) = StopSignal::new();
        let (mut followers, mut discoveries) = (JoinSet::new(), JoinSet::new());
        let (found, mut arrived) = mpsc::unbounded_channel();
        let (mut report, mut seen) = (Report::default(), BTreeSet::new());
        let mut waiting = self.devices;
        for client in self.clients {
            let (options, on_failure, stop) = (self.options, self.on_failure.clone(), stopped.clone());
            discoveries.spawn(Discovery { client, options, on_failure, stop }.run(live, found.clone()));
        }
        drop(found);
        let mut stop = std::pin::pin!(stop);
        loop {
            for device in waiting.drain(..) {
                if !seen.insert(device.id()) {
                    let message = "the device is given twice; name it in one source only";
                    let error = Error::new(ErrorKind::InvalidInput, message).with_device(device.id());
                    report.devices.push(DeviceReport::failed(device.id(), error));
                    continue;
                }
                let (sink, progress) = (Arc::clone(&self.sink), Arc::clone(&self.progress));
                let log = CatchUp::new(device, sink, self.options, progress, stopped.clone());
                let follower = Follower { log, on_failure: self.on_failure.clone() };
                followers.spawn(async move {
                    if live { follower.run_live().await } else { follower.run_once().await }
                });
            }
            if followers.is_empty() && discoveries.is_empty() && arrived.is_empty() {
                break;
            }
            tokio::select! {
                // Stops the tasks, also if some of them have ended.
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

fn unless_panicked<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
