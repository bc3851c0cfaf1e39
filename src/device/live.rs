//! Live events: a bounded queue that says what it could not hold.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::Error;
use crate::codec::{DeviceId, Event, Temperature};

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
    items: mpsc::Receiver<Live>,
    /// Taken out of the queue already, the next one last. To take many at once keeps the two sides from working on the
    /// same counter with every item.
    taken: Vec<Live>,
    missed: Arc<Missed>,
    _supervisors: JoinSet<()>,
}

impl Subscription {
    pub(super) fn new(items: mpsc::Receiver<Live>, missed: Arc<Missed>, supervisors: JoinSet<()>) -> Self {
        Self { items, taken: Vec::new(), missed, _supervisors: supervisors }
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
        let Self { items, taken, missed, .. } = self.get_mut();
        if let Some(item) = taken.pop() {
            return Poll::Ready(Some(item));
        }
        // So few of a short queue that it stays about as short as it was asked to be.
        let most = (items.max_capacity() / 8).clamp(1, MOST_TAKEN);
        match items.poll_recv_many(cx, taken, most) {
            Poll::Ready(0) => Poll::Ready(missed.take()),
            Poll::Ready(_) => {
                taken.reverse();
                Poll::Ready(taken.pop())
            }
            Poll::Pending => match missed.take() {
                Some(item) => Poll::Ready(Some(item)),
                None => Poll::Pending,
            },
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("waiting", &(self.items.len() + self.taken.len()))
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

/// The sending side of a subscription, for one reader and one connection of it.
#[derive(Clone)]
pub(super) struct DeviceQueue {
    device: DeviceId,
    items: mpsc::Sender<Live>,
    missed: Arc<Missed>,
    breaks: mpsc::Sender<Error>,
    /// Whether the connection was made again and the stream does not know it yet.
    resumed: Arc<AtomicBool>,
}

impl DeviceQueue {
    /// A queue end for `device`, and where the end of its connection will be told.
    pub(super) fn new(
        device: DeviceId,
        items: mpsc::Sender<Live>,
        missed: Arc<Missed>,
        resumed: Arc<AtomicBool>,
    ) -> (Self, mpsc::Receiver<Error>) {
        let (breaks, broken) = mpsc::channel(1);
        (Self { device, items, missed, breaks, resumed }, broken)
    }

    pub(super) fn push(&self, event: Event, temperature: Option<Temperature>) {
        self.missed.resumed(self.device, &self.resumed);
        if self.missed.any.load(Ordering::Acquire) && !self.missed.flush(&self.items) {
            return self.lost(1); // What was lost is told before what came after it.
        }
        let item = Live::Event { device: self.device, event, temperature };
        if let Err(mpsc::error::TrySendError::Full(_)) = self.items.try_send(item) {
            self.lost(1);
        }
    }

    /// Pushes events that came together; if they do not all fit, one by one.
    #[cfg(feature = "gateway")]
    pub(super) fn push_all(&self, events: &[(Event, Option<Temperature>)]) {
        self.missed.resumed(self.device, &self.resumed);
        if !self.missed.any.load(Ordering::Acquire)
            && let Ok(places) = self.items.try_reserve_many(events.len())
        {
            for (place, &(event, temperature)) in places.zip(events) {
                place.send(Live::Event { device: self.device, event, temperature });
            }
            return;
        }
        for &(event, temperature) in events {
            self.push(event, temperature);
        }
    }

    pub(super) fn lost(&self, count: u64) {
        self.missed.add(self.device, count);
        // The consumer may have emptied the queue meanwhile and gone to sleep: wake it with what it missed.
        self.missed.flush(&self.items);
    }

    pub(super) fn disconnected(&self, error: Error) {
        // Only the first end of a connection counts.
        let _ = self.breaks.try_send(error);
    }

    pub(super) fn device(&self) -> DeviceId {
        self.device
    }

    pub(super) fn is_closed(&self) -> bool {
        self.items.is_closed()
    }
}

/// What the stream must be told before anything else: of connections made again, and of what did not fit the queue.
#[derive(Default)]
pub(super) struct Missed {
    any: AtomicBool,
    by_device: Mutex<BTreeMap<DeviceId, Untold>>,
}

#[derive(Default)]
struct Untold {
    resumed: bool,
    missed: u64,
}

impl Missed {
    /// Notes that the connection was made again, if `flag` says that this was not noted yet.
    pub(super) fn resumed(&self, device: DeviceId, flag: &AtomicBool) {
        if !flag.load(Ordering::Acquire) {
            return;
        }
        let mut by_device = self.lock();
        if flag.load(Ordering::Acquire) {
            by_device.entry(device).or_default().resumed = true;
            self.any.store(true, Ordering::Release);
            // Last: whoever finds it taken back finds `any` set, and tells this first.
            flag.store(false, Ordering::Release);
        }
    }

    fn add(&self, device: DeviceId, count: u64) {
        let mut by_device = self.lock();
        let untold = by_device.entry(device).or_default();
        untold.missed = untold.missed.saturating_add(count);
        self.any.store(true, Ordering::Release);
    }

    /// Moves what is noted into the queue; `false` if it does not fit.
    pub(super) fn flush(&self, items: &mpsc::Sender<Live>) -> bool {
        let mut by_device = self.lock();
        while let Some(item) = first(&by_device) {
            if let Err(mpsc::error::TrySendError::Full(_)) = items.try_send(item) {
                return false;
            }
            told(&mut by_device, item);
        }
        self.any.store(false, Ordering::Release);
        true
    }

    fn take(&self) -> Option<Live> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut by_device = self.lock();
        let item = first(&by_device)?;
        told(&mut by_device, item);
        self.any.store(!by_device.is_empty(), Ordering::Release);
        Some(item)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Untold>> {
        self.by_device.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn first(untold: &BTreeMap<DeviceId, Untold>) -> Option<Live> {
    untold.first_key_value().map(|(&device, untold)| {
        if untold.resumed { Live::Resumed { device } } else { Live::Lagged { device, missed: untold.missed } }
    })
}

/// Strikes out what [`first`] gave.
fn told(untold: &mut BTreeMap<DeviceId, Untold>, item: Live) {
    if let Some(mut entry) = untold.first_entry() {
        match item {
            Live::Resumed { .. } if entry.get().missed > 0 => entry.get_mut().resumed = false,
            _ => drop(entry.remove()),
        }
    }
}

/// Few enough to stay in the nearest cache.
const MOST_TAKEN: usize = 128;
