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
//! [`Collector`] does it; [`CollectOptions`] says how, [`Stop`] how it ends, [`Notice`] what an operator should know,
//! [`Progress`] and [`Report`] what it did.
//!
//! # How nothing is lost
//!
//! * **Live first.** A collector listens before it reads the log, so that no event falls between the two. It drops what
//!   comes twice by its id.
//! * **The log decides.** A live event is a hint: if its id is not the next one, or if the stream reports a loss, the
//!   collector reads the log from the watermark. Queues may overflow; the log still has what they dropped. A live event
//!   that the log does not show yet is stored above the watermark, and explains nothing.
//! * **The watermark is contiguous**, never a maximum: every id up to it is stored or in a gap. It is stored in the
//!   transaction that stores the events, and every start continues from it.
//! * **Holes are read again.** If the log has events above a hole and not in it, the hole becomes a gap with a reason
//!   ([`GapReason`](crate::sink::GapReason)), which is stored like events. An event that cannot be read
//!   ([`Error::unreadable_event`](crate::Error::unreadable_event)) becomes a gap too, and does not keep back the events
//!   behind it.
//! * **A gap is provisional** as long as the oldest event of the log lies below it: it is read again at every start and
//!   from time to time, and what the log shows then is stored and leaves the gap. The same holds for ids below the first
//!   one.
//! * **Epochs.** When the ids of a device restart (after a reset, with a new unit under the same number, or after
//!   4 294 967 295), the device has other events with known ids. Then a new epoch begins, and the old one ends with an open
//!   gap. A device that comes back with the log of an earlier epoch continues that epoch.
//! * **Two ways, one event.** Two records are the same event when id, time, code and subject agree
//!   ([`Event::is_same_event`](crate::codec::Event::is_same_event)). What another way to the device knows more, the sink
//!   learns; what came without a clock byte is read again once it can be had with it.
//! * **Order is by id, never by time**: clocks are set back.
//! * **Devices do not wait for each other.** Each has a task of its own; a slow or silent one delays no other.
//! * **Nothing is given up.** A device, a source or a sink that fails is reported once ([`Notice`]) and tried again for as
//!   long as the collector listens. A device that two sources reach has a standby.
//! * **The log is never cleared.**
//! * **Events are stored, and extras are not.** A record holds one subject. The further subjects that a device gateway
//!   reports and a person's temperature reach no sink; the log has them as long as the device keeps the event.
//!
//! A collection begins at the oldest event that a device has when the collector first reads its log. What the device lost
//! before then is not a gap. If that event cannot be read, the collection begins at the first id.

mod catch_up;
mod discover;
mod follow;
mod notice;
mod options;
mod report;
mod routes;
mod sequencer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::error::SendError;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinError, JoinSet};

pub use notice::{Notice, Party};
pub use options::{CollectOptions, Stop};
pub use report::{DeviceReport, EpochReport, Progress, Report};

use crate::codec::DeviceId;
use crate::device::{Client, Device};
use crate::sink::Sink;
use catch_up::CatchUp;
use discover::Discovery;
use follow::{Ended, Follower};
use notice::{Observer, Outages};
use options::StopSignal;
use report::add;
use routes::{Route, Routes, Source};

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
    observer: Observer,
}

impl Collector {
    /// A collector without devices.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        let (devices, clients, options, progress, observer) = Default::default();
        Self { devices, clients, sink, options, progress, observer }
    }

    /// Adds devices, of one client or of several.
    pub fn with_devices(mut self, devices: impl IntoIterator<Item = Device>) -> Self {
        self.devices.extend(devices);
        self
    }

    /// Adds every device of a client, also those that are reached only later: while a collector listens, it looks for
    /// them again and again, and waits for a client that reaches nothing yet.
    ///
    /// A device that several clients reach is collected once. The first client that reaches it is used; the others stand
    /// by, and the next one takes over when the device or its client fails.
    pub fn with_client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Sets a callback for what an operator should know while the collector runs: each outage once, its end once, and
    /// which source is used where a device is reached over several.
    ///
    /// The collector waits for the callback, so it should return soon.
    pub fn on_notice(mut self, call: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.observer = Observer::new(call);
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
    /// After a failure of a device, a client or the sink the work goes on as soon as it can, for as long as the collector
    /// runs; [`on_notice`](Self::on_notice) reports it. The collector ends early only if the sink fails in a way that
    /// nobody can cure while it is open ([`Sink`] lists them), or if the first look at a client shows that its settings
    /// are wrong. The report then has the error.
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
    /// let collector = Collector::new(sink).with_client(client).on_notice(|notice| eprintln!("{notice}"));
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
        let mut discoveries = JoinSet::new();
        let (found, mut arrived) = mpsc::unbounded_channel();
        let mut report = Report::default();
        let mut names: Vec<_> = self.clients.iter().map(|client| client.name().to_owned()).collect();
        let given = group(self.devices, &mut names);
        let outages = Arc::new(Outages::new(self.observer, names, live));
        for (number, client) in self.clients.into_iter().enumerate() {
            let source = Arc::new(Source { number, look: Some(Notify::new()) });
            let (options, outages, stop) = (self.options, Arc::clone(&outages), stopped.clone());
            discoveries.spawn(Discovery { client, source, options, outages, stop }.run(live, found.clone()));
        }
        drop(found);
        let (sink, options, progress) = (self.sink, self.options, self.progress);
        let mut work = Work {
            live,
            sink,
            options,
            progress,
            outages,
            stopped,
            followers: JoinSet::new(),
            devices: BTreeMap::new(),
        };
        work.take(given);
        let mut stop = std::pin::pin!(stop);
        while !(work.followers.is_empty() && discoveries.is_empty() && arrived.is_empty()) {
            tokio::select! {
                // Stops the tasks, also if some of them have ended.
                how = &mut stop, if stopper.borrow().is_none() => {
                    stopper.send_replace(Some(how));
                }
                Some(routes) = arrived.recv() => work.take(routes),
                Some(ended) = work.followers.join_next() => {
                    if work.ended(unless_panicked(ended), stopper.borrow().is_some()) {
                        // No device can go on, and the caller learns it from the end of the run.
                        stopper.send_replace(Some(Stop::Now));
                    }
                }
                Some(ended) = discoveries.join_next() => match unless_panicked(ended) {
                    Ok(unreached) => report.unreached.extend(unreached),
                    Err(error) => {
                        report.unreached.push(error);
                        stopper.send_replace(Some(Stop::Now));
                    }
                },
            }
        }
        report.devices = work.devices.into_values().filter_map(|assignment| assignment.report).collect();
        report
    }
}

/// The work on all devices, each with a task of its own.
struct Work {
    live: bool,
    sink: Arc<dyn Sink>,
    options: CollectOptions,
    progress: Arc<Progress>,
    outages: Arc<Outages>,
    stopped: StopSignal,
    followers: JoinSet<Ended>,
    devices: BTreeMap<DeviceId, Assignment>,
}

/// The work on one device: its task, or what a task has left.
#[derive(Default)]
struct Assignment {
    /// While a task runs: where it takes further routes from, and the number of the source that it uses.
    task: Option<(mpsc::UnboundedSender<Route>, Arc<AtomicUsize>)>,
    /// The numbers of the sources that the task knows.
    sources: BTreeSet<usize>,
    /// Routes that came in the moment in which the task ended.
    late: Vec<Route>,
    report: Option<DeviceReport>,
}

impl Work {
    /// Takes devices that were found together.
    fn take(&mut self, routes: Vec<Route>) {
        let (mut standbys, mut new) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
        for route in routes {
            let (device, number) = (route.device.id(), route.source.number);
            let assignment = self.devices.entry(device).or_insert_with(|| {
                add(&self.progress.devices, 1);
                Assignment::default()
            });
            let is_other = assignment.sources.insert(number);
            match &assignment.task {
                Some((task, used)) => {
                    let used = used.load(Ordering::Relaxed);
                    if is_other && used != number {
                        standbys.entry((used, number)).or_default().push(device);
                    }
                    if let Err(SendError(route)) = task.send(route) {
                        assignment.late.push(route);
                    }
                }
                // Its log was read over another source.
                None if !self.live
                    && assignment.report.as_ref().is_some_and(|report| report.error.is_none()) => {}
                None => {
                    let (sender, arrivals) = mpsc::unbounded_channel();
                    let routes = Routes::new(route, arrivals, Arc::clone(&self.outages));
                    assignment.task = Some((sender, routes.used_number()));
                    new.push(routes);
                }
            }
        }
        new.into_iter().for_each(|routes| self.follow(routes));
        for ((used, standby), devices) in standbys {
            self.outages.standby(devices, used, standby);
        }
    }

    fn follow(&mut self, routes: Routes) {
        let (sink, progress) = (Arc::clone(&self.sink), Arc::clone(&self.progress));
        let log = CatchUp::new(routes, sink, self.options, progress, self.stopped.clone());
        let (follower, live) = (Follower { log }, self.live);
        self.followers
            .spawn(async move { if live { follower.run_live().await } else { follower.run_once().await } });
    }

    /// Notes the end of a task. Returns whether no device can go on.
    fn ended(&mut self, ended: Ended, is_stopped: bool) -> bool {
        let Ended { report, is_sink_lost, mut unused } = ended;
        let (device, has_failed) = (report.device, report.error.is_some());
        if let Some(error) = report.error.clone().filter(|_| self.live && !is_stopped && !is_sink_lost) {
            self.outages.report(&Notice::Ended { device, error });
        }
        let assignment = self.devices.entry(device).or_default();
        assignment.task = None;
        assignment.sources.clear();
        unused.append(&mut assignment.late);
        assignment.report = Some(match assignment.report.take() {
            Some(before) => report.after(before),
            None => report,
        });
        if !is_sink_lost && !is_stopped && (self.live || has_failed) {
            self.take(unused);
        }
        is_sink_lost
    }
}

/// Devices of one client come from one source.
fn group(devices: Vec<Device>, names: &mut Vec<String>) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::with_capacity(devices.len());
    for device in devices {
        let known = routes.iter().find(|known| known.device.has_client_of(&device));
        let source = known.map(|known| Arc::clone(&known.source)).unwrap_or_else(|| {
            names.push(device.client_name().to_owned());
            Arc::new(Source { number: names.len() - 1, look: None })
        });
        routes.push(Route { device, source });
    }
    routes
}

fn unless_panicked<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
