//! Live events: a bounded queue that says what it could not hold.

use std::collections::VecDeque;
use std::fmt;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet, coop};

use super::FurtherSubject;
use crate::Error;
use crate::codec::{DeviceId, Event, Temperature};

mod queue;

pub(super) use queue::{Receiver, Sender, queue};

/// An item of a [`Subscription`].
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
/// use bs2_events::device::Live;
///
/// let item = Live::Lagged { device: DeviceId::new(7), missed: 3 };
/// assert_eq!(item.device(), DeviceId::new(7));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Live {
    /// An event happened.
    Event {
        /// The reader that reported it, in whose log it stands.
        device: DeviceId,
        /// The event.
        event: Event,
        /// The person's temperature, where the reader measured one and the way to it tells.
        temperature: Option<Temperature>,
    },
    /// What stands beside the event before it, of the same reader: a device gateway tells more of an event than a
    /// record holds. It comes directly behind its event; there may be several.
    Further {
        /// The reader.
        device: DeviceId,
        /// What it is, and the id of the event.
        subject: FurtherSubject,
    },
    /// Events were lost because the consumer was too slow; read the log from the last id that you have.
    Lagged {
        /// The reader.
        device: DeviceId,
        /// How many.
        missed: u64,
    },
    /// The connection was lost and is back; what happened between is in the log and not in this stream.
    Resumed {
        /// The reader.
        device: DeviceId,
    },
}

impl Live {
    /// The reader that the item concerns.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, device::Live};
    /// let item = Live::Resumed { device: DeviceId::new(7) };
    /// assert_eq!(item.device(), DeviceId::new(7));
    /// ```
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        match *self {
            Self::Event { device, .. }
            | Self::Further { device, .. }
            | Self::Lagged { device, .. }
            | Self::Resumed { device } => device,
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
                    // Who wants it takes the stream.
                    Live::Further { .. } => {}
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

/// The sending side of a subscription, for one reader and one connection of it.
#[derive(Clone)]
pub(super) struct DeviceQueue {
    device: DeviceId,
    queue: Sender,
    breaks: mpsc::Sender<Error>,
    /// Whether the connection was made again and the stream does not know it yet.
    resumed: Arc<AtomicBool>,
}

impl DeviceQueue {
    /// A queue end for `device`, and where the end of its connection will be told.
    pub(super) fn new(
        device: DeviceId,
        queue: Sender,
        resumed: Arc<AtomicBool>,
    ) -> (Self, mpsc::Receiver<Error>) {
        let (breaks, broken) = mpsc::channel(1);
        (Self { device, queue, breaks, resumed }, broken)
    }

    pub(super) fn push(&self, event: Event, temperature: Option<Temperature>, further: &[FurtherSubject]) {
        self.queue.push(self.device, &self.resumed, iter::once((event, temperature)), further);
    }

    /// Pushes events that came together and have nothing beside them.
    #[cfg(feature = "gateway")]
    pub(super) fn push_all(&self, events: &[(Event, Option<Temperature>)]) {
        self.queue.push(self.device, &self.resumed, events.iter().copied(), &[]);
    }

    pub(super) fn lost(&self, count: u64) {
        self.queue.lost(self.device, count);
    }

    pub(super) fn disconnected(&self, error: Error) {
        // Only the first end of a connection counts.
        let _ = self.breaks.try_send(error);
    }

    pub(super) fn device(&self) -> DeviceId {
        self.device
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }
}
