//! Live events: a bounded queue that says what it could not hold.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::StreamExt;
use tokio::task::{JoinHandle, JoinSet, coop};

use crate::codec::{DeviceId, Event, Extras};

mod queue;

pub(super) use queue::{Receiver, Sender, queue};

/// An item of a [`Subscription`].
///
/// # Examples
///
/// ```
/// use bs2_events::device::Live;
///
/// fn print(item: Live) {
///     match item {
///         Live::Event { device, event, extras } => println!("{device}: {event}, with extras: {}", extras.is_some()),
///         Live::Lagged { device, missed } => println!("{device}: {missed} events lost; they are in the log"),
///         Live::Resumed { device } => println!("{device}: connected again; what happened meanwhile is in the log"),
///         _ => {}
///     }
/// }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Live {
    /// An event happened.
    Event {
        /// The device that reported the event and keeps it in its log.
        device: DeviceId,
        /// The event.
        event: Event,
        /// What the backend reports of the event beyond its 48 bytes; `None` for most events.
        extras: Option<Box<Extras>>,
    },
    /// Events were lost because the consumer was too slow. Read the log from the last id that you have.
    Lagged {
        /// The device.
        device: DeviceId,
        /// How many events.
        missed: u64,
    },
    /// The device is connected again, or for the first time if it could not be reached when the subscription began.
    /// What happened meanwhile is in the log and not in this stream.
    Resumed {
        /// The device.
        device: DeviceId,
    },
}

impl Live {
    /// The device that the item concerns.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        match *self {
            Self::Event { device, .. } | Self::Lagged { device, .. } | Self::Resumed { device } => device,
        }
    }
}

/// Live events of one or more readers, as a bounded stream; made by
/// [`Client::subscribe`](super::Client::subscribe) and [`Device::subscribe`](super::Device::subscribe).
///
/// The stream goes on over lost connections and says so ([`Live::Resumed`]). When its consumer is too slow it loses
/// events, never memory, and says so in their place ([`Live::Lagged`]). It ends when the reconnect policy gives up
/// on every reader, or the client is closed. Dropping it ends the monitoring.
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
/// # async fn example() -> bs2_events::Result<()> {
/// let simulator = Simulator::new("devices=1&backlog=10")?;
/// let client = Client::new(simulator.backend());
/// let device = client.devices().await?.remove(0);
/// let mut live = device.subscribe().await?;
/// simulator.make_event(device.id())?;
/// assert!(matches!(live.next().await, Some(Live::Event { event, .. }) if event.id() == 11));
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
pub struct Subscription {
    queue: Receiver,
    /// Taken out of the queue already. To take all at once keeps the two sides out of each other's way.
    taken: VecDeque<Live>,
    _supervisors: JoinSet<()>,
}

impl Subscription {
    pub(super) fn new(queue: Receiver, supervisors: JoinSet<()>) -> Self {
        Self { queue, taken: VecDeque::new(), _supervisors: supervisors }
    }

    /// The next item; `None` when the stream has ended.
    ///
    /// The same as `StreamExt::next`, for those who need no other stream tools.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let simulator = Simulator::new("devices=1")?;
    /// # let client = Client::new(simulator.backend());
    /// let mut live = client.subscribe(&simulator.device_ids()).await?;
    /// client.close().await?;
    /// assert_eq!(live.next().await, None);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    pub async fn next(&mut self) -> Option<Live> {
        StreamExt::next(self).await
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

/// Calls a function for every live event until it is dropped; made by
/// [`Client::on_log_received`](super::Client::on_log_received).
///
/// # Examples
///
/// ```
/// # use bs2_events::{device::Client, sim::Simulator};
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let simulator = Simulator::new("devices=1")?;
/// # let client = Client::new(simulator.backend());
/// let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
/// let report = move |_, event: &bs2_events::codec::Event| drop(heard.send(event.id()));
/// let listener = client.on_log_received(&simulator.device_ids(), report).await?;
/// let event = simulator.make_event(simulator.device_ids()[0])?;
/// assert_eq!(hearing.recv().await, Some(event.id()));
/// // The function is dropped with the listener, and with it the channel's end.
/// drop(listener);
/// assert_eq!(hearing.recv().await, None);
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
                        // A panic in somebody's callback must not silence the events after it.
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let simulator = Simulator::new("devices=1")?;
    /// # let client = Client::new(simulator.backend());
    /// let listener = client.on_log_received(&simulator.device_ids(), |_, _| {}).await?;
    /// assert_eq!(listener.missed(), 0);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Stops calling the function; the same as dropping the listener.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let simulator = Simulator::new("devices=1")?;
    /// # let client = Client::new(simulator.backend());
    /// let listener = client.on_log_received(&simulator.device_ids(), |_, _| {}).await?;
    /// listener.stop();
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
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
