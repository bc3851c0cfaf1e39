//! Subscriptions: live events of devices, over lost connections.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet, coop};
use tokio::time::{Instant, sleep};

use super::backend::{LiveSink, Monitoring};
use super::calls::{Calls, of_device};
use super::connection::ConnectionState;
use super::live::{Live, Receiver, Sender, queue};
use crate::codec::{DeviceId, Event};
use crate::retry::Retry;
use crate::{Error, ErrorKind, Result};

/// Live events of one or more devices, as a bounded stream. Made by [`Client::subscribe`](super::Client::subscribe) and
/// [`Device::subscribe`](super::Device::subscribe).
///
/// The stream survives lost connections and says so ([`Live::Resumed`]). If its consumer is too slow, it loses events,
/// never memory, and says so in their place ([`Live::Lagged`]). It ends when the retry policy gives up on every device,
/// or when the client is closed. Dropping it ends the monitoring.
///
/// # Cancel safety
///
/// [`next`](Self::next) loses no item when it is dropped.
///
/// # Examples
///
/// ```
/// use bs2_events::device::{Client, Live};
/// use bs2_events::sim::Simulator;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let simulator = Simulator::new("devices=1&backlog=10&rate=0")?;
/// let client = Client::new(simulator.backend());
/// let device = client.devices().await?.remove(0);
/// let mut live = device.subscribe().await?;
/// simulator.make_event(device.id())?;
/// assert!(matches!(live.next().await, Some(Live::Event { event, .. }) if event.id() == 11));
/// # Ok::<(), bs2_events::Error>(()) }).unwrap();
/// ```
pub struct Subscription {
    queue: Receiver,
    /// Taken out of the queue already. Taking everything at once keeps the two sides out of each other's way.
    taken: VecDeque<Live>,
    unreached: Vec<Error>,
    /// Why the connection is lost at present. With several devices it is that of the last one that changed.
    #[cfg_attr(not(feature = "collect"), allow(dead_code, reason = "only the collector asks"))]
    interruption: watch::Receiver<Option<Interruption>>,
    _connections: JoinSet<()>,
}

impl Subscription {
    /// Of one connection, which is not watched.
    pub(super) fn new(queue: Receiver, unreached: Vec<Error>, connections: JoinSet<()>) -> Self {
        Self {
            queue,
            taken: VecDeque::new(),
            unreached,
            interruption: watch::channel(None).1,
            _connections: connections,
        }
    }

    /// Why the connection of the only device is lost at present; `None` while it is connected.
    #[cfg(feature = "collect")]
    pub(crate) fn interruption(&self) -> watch::Receiver<Option<Interruption>> {
        self.interruption.clone()
    }

    /// The next item; `None` when the stream has ended. The same as `StreamExt::next`, without an import.
    pub async fn next(&mut self) -> Option<Live> {
        StreamExt::next(self).await
    }

    /// Why devices could not be reached when the subscription began; each error names its device.
    ///
    /// They are tried again, and [`Live::Resumed`] says when one is connected. A device that supports no live events
    /// ([`Unsupported`](ErrorKind::Unsupported)) is not tried again.
    #[must_use]
    pub fn unreached(&self) -> &[Error] {
        &self.unreached
    }
}

impl Stream for Subscription {
    type Item = Live;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Live>> {
        let Self { queue, taken, .. } = self.get_mut();
        if taken.is_empty() {
            // A stream that always has something lets other tasks of its thread go on.
            let turn = ready!(coop::poll_proceed(cx));
            ready!(queue.poll_take(cx, taken));
            turn.made_progress();
        }
        Poll::Ready(taken.pop_front())
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("waiting", &(self.queue.len() + self.taken.len()))
            .finish_non_exhaustive()
    }
}

/// Since when and why a connection is lost.
#[derive(Clone)]
#[cfg_attr(not(feature = "collect"), allow(dead_code, reason = "only the collector asks"))]
pub(crate) struct Interruption {
    pub(crate) since: Instant,
    pub(crate) error: Error,
}

/// Calls a function for every live event until it is dropped. Made by
/// [`Client::on_log_received`](super::Client::on_log_received).
///
/// # Examples
///
/// ```
/// use bs2_events::codec::Event;
/// use bs2_events::device::Client;
/// use bs2_events::sim::Simulator;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let simulator = Simulator::new("devices=1&rate=0")?;
/// let client = Client::new(simulator.backend());
/// let (sender, mut ids) = tokio::sync::mpsc::unbounded_channel();
/// let report = move |_, event: &Event| drop(sender.send(event.id()));
/// let listener = client.on_log_received(&simulator.device_ids(), report).await?;
/// let event = simulator.make_event(simulator.device_ids()[0])?;
/// assert_eq!(ids.recv().await, Some(event.id()));
/// // The function is dropped with the listener, and the sender with it.
/// drop(listener);
/// assert_eq!(ids.recv().await, None);
/// # Ok::<(), bs2_events::Error>(()) }).unwrap();
/// ```
pub struct LogListener {
    task: JoinHandle<()>,
    missed: Arc<AtomicU64>,
}

impl LogListener {
    pub(super) fn start(
        mut subscription: Subscription,
        mut callback: impl FnMut(DeviceId, &Event) + Send + 'static,
    ) -> Self {
        let missed = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&missed);
        let task = tokio::spawn(async move {
            while let Some(item) = subscription.next().await {
                match item {
                    Live::Event { device, event, .. } => {
                        // A panic in the callback must not hold back the events after it.
                        let called = catch_unwind(AssertUnwindSafe(|| callback(device, &event)));
                        if called.is_err() {
                            tracing::error!(%device, id = event.id(), "the callback panicked");
                        }
                    }
                    Live::Lagged { device, missed } => {
                        counter.fetch_add(missed, Ordering::Relaxed);
                        tracing::warn!(%device, missed, "live events were lost");
                    }
                    Live::Resumed { device } => tracing::info!(%device, "monitoring resumed"),
                }
            }
        });
        Self { task, missed }
    }

    /// How many events did not reach the function because it was too slow.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Stops calling the function; the same as dropping the listener.
    pub fn stop(self) {}
}

impl Drop for LogListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for LogListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogListener").field("missed", &self.missed()).finish_non_exhaustive()
    }
}

/// Begins a subscription. Returns when the first try has ended for every device.
pub(super) async fn subscribe(calls: &Arc<Calls>, devices: &[DeviceId]) -> Result<Subscription> {
    if devices.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "a subscription needs at least one device"));
    }
    let (sender, receiver) = queue(calls.queue_capacity);
    let interruption = watch::Sender::default();
    let interruptions = interruption.subscribe();
    let starts = devices.iter().map(|&device| {
        let (calls, queue, interruption) = (Arc::clone(calls), sender.clone(), interruption.clone());
        let feed = Feed { calls, device, queue, interruption };
        async move {
            let connection = feed.start(false).await;
            (feed, connection)
        }
    });
    let (mut connections, mut unreached) = (JoinSet::new(), Vec::new());
    for (feed, connection) in join_all(starts).await {
        match connection {
            Ok(connection) => drop(connections.spawn(feed.run(Some(connection)))),
            Err(error) => {
                if !matches!(error.kind(), ErrorKind::Closed | ErrorKind::Unsupported) {
                    connections.spawn(feed.run(None));
                }
                unreached.push(error);
            }
        }
    }
    if unreached.len() == devices.len() {
        return Err(unreached.swap_remove(0));
    }
    for error in &unreached {
        tracing::warn!("a device reports no live events yet: {error}");
    }
    Ok(Subscription { interruption: interruptions, ..Subscription::new(receiver, unreached, connections) })
}

/// One device's part of a subscription.
struct Feed {
    calls: Arc<Calls>,
    device: DeviceId,
    queue: Sender,
    interruption: watch::Sender<Option<Interruption>>,
}

/// A monitoring under way, and where its end is reported.
struct Connection {
    _monitoring: Monitoring,
    broken: mpsc::Receiver<Error>,
    resumed: Arc<AtomicBool>,
}

impl Feed {
    /// Begins the monitoring. With `again` the stream says that the device is back, before its next event.
    async fn start(&self, again: bool) -> Result<Connection> {
        let monitor = || async {
            let resumed = Arc::new(AtomicBool::new(again));
            let (sink, broken) = LiveSink::new(self.device, self.queue.clone(), Arc::clone(&resumed));
            let monitoring = self.calls.backend.monitor(self.device, sink).await?;
            Ok(Connection { _monitoring: monitoring, broken, resumed })
        };
        self.calls.call(self.device, "monitoring", monitor).await
    }

    /// Keeps the device connected until the policy gives up or the subscription is dropped.
    async fn run(self, mut connection: Option<Connection>) {
        let mut retry = Retry::new(self.calls.retry);
        loop {
            if let Some(mut connection) = connection.take() {
                // `None`: the backend has dropped its sink without a reason, which ends the monitoring too.
                let error = connection.broken.recv().await;
                tracing::info!(device = %self.device, ?error, "monitoring was interrupted");
                let error =
                    error.unwrap_or_else(|| Error::new(ErrorKind::Disconnected, "the connection is lost"));
                let error = of_device(error, self.device);
                self.interruption.send_replace(Some(Interruption { since: Instant::now(), error }));
                self.calls.states.set(self.device, ConnectionState::Disconnected);
                retry.reset();
            }
            let Some(again) = self.restart(&mut retry).await else { return };
            // Unless an event has come already, and this before it.
            self.queue.resumed(self.device, &again.resumed);
            self.interruption.send_replace(None);
            connection = Some(again);
        }
    }

    async fn restart(&self, retry: &mut Retry) -> Option<Connection> {
        while let Some(delay) = retry.next_delay() {
            sleep(delay).await;
            match self.start(true).await {
                Ok(connection) => return Some(connection),
                Err(error) if error.kind() == ErrorKind::Closed || error.replacement().is_some() => {
                    return None;
                }
                Err(error) => tracing::debug!(device = %self.device, %error, "not connected yet"),
            }
        }
        None
    }
}
