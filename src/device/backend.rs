//! The contract between the client and whatever reaches the readers.

use std::any::Any;
use std::fmt;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::live::Sender;
use super::paging;
use super::{Capabilities, DeviceInfo, DeviceList, EventPage, ImageFilter, ImageLog};
use crate::codec::{DeviceId, Event, EventMask, Extras, PortableBlob, Timestamp};
use crate::{Error, Result};

/// A way to reach readers: a library, a gateway, a simulator, or your own.
///
/// Users do not call it; they hold a [`Client`](super::Client), which adds deadlines, reconnection and order.
/// Every method is required, so that a wrapper cannot forget one.
///
/// # Contract
///
/// The conformance suite (feature `conformance`) checks these points:
///
/// * **Ids.** [`logs`](Self::logs) returns events with ids greater than `after`, ascending, at most `max`, the oldest
///   first; `after` 0 begins at the oldest that the reader still has. An empty page means that there is none. (The
///   client also copes with a backend that repeats or disorders records; it must not lose any.)
/// * **Unknown readers** are [`NotFound`](crate::ErrorKind::NotFound), in every method.
/// * **Connection.** [`connect`](Self::connect) returns at once when the reader is connected. The other methods fail
///   with [`Disconnected`](crate::ErrorKind::Disconnected) when it is not; they do not connect by themselves.
/// * **Live events.** Between the return of [`monitor`](Self::monitor) and the drop of its guard, every event that the
///   reader reports goes to the sink, in the reader's order; the sink never blocks. A lost connection is told to the
///   sink, once, and ends the monitoring.
/// * **Cancellation.** Dropping a future may leave the call running; it must not corrupt a later one.
///
/// # Errors
///
/// Every method may fail with [`NotFound`](crate::ErrorKind::NotFound) for a reader that it does not know,
/// [`Disconnected`](crate::ErrorKind::Disconnected) for one that is not connected,
/// [`Closed`](crate::ErrorKind::Closed) after [`close`](Self::close),
/// [`Unsupported`](crate::ErrorKind::Unsupported) where the reader or the backend has no such function, and with what
/// the reader answers.
///
/// # Examples
///
/// `examples/custom_backend.rs` implements it for a list of events in memory.
///
/// ```
/// use bs2_events::device::Backend;
/// use bs2_events::sim::Simulator;
///
/// # async fn example() -> bs2_events::Result<()> {
/// let backend: std::sync::Arc<dyn Backend> = Simulator::new("devices=2")?.backend();
/// assert_eq!(backend.devices().await?.devices.len(), 2);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// The readers that this backend reaches. One that cannot be reached is no error of the call.
    async fn devices(&self) -> Result<DeviceList>;

    /// Connects the reader; at once if it is connected.
    async fn connect(&self, device: DeviceId) -> Result<()>;

    /// What the reader says of itself.
    async fn info(&self, device: DeviceId) -> Result<DeviceInfo>;

    /// What the reader can do.
    async fn capabilities(&self, device: DeviceId) -> Result<Capabilities>;

    /// The reader's clock.
    async fn time(&self, device: DeviceId) -> Result<Timestamp>;

    /// Up to `max` events with ids greater than `after`, ascending. `max` is at least 1.
    async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage>;

    /// Up to `max` blobs of events with ids greater than `after`, ascending: of those to which a field of `mask`
    /// applies, each with the fields of `mask` that do.
    async fn blobs(
        &self,
        device: DeviceId,
        after: u32,
        max: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>>;

    /// The image of one event, a JPEG.
    async fn image_log(&self, device: DeviceId, id: u32) -> Result<Bytes>;

    /// Up to `max` images of events with ids greater than `after`, ascending. A backend whose protocol has no such
    /// call uses [`scan_image_logs`].
    async fn image_logs(&self, device: DeviceId, after: u32, max: u32) -> Result<Vec<ImageLog>>;

    /// For which events the reader takes a picture.
    async fn image_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>>;

    /// Sets for which events the reader takes a picture.
    async fn set_image_filters(&self, device: DeviceId, filters: &[ImageFilter]) -> Result<()>;

    /// Deletes the reader's whole log. Ids go on.
    async fn clear_log(&self, device: DeviceId) -> Result<()>;

    /// Starts to report events as they happen, until the guard is dropped.
    async fn monitor(&self, device: DeviceId, sink: LiveSink) -> Result<Monitoring>;

    /// Closes every connection. Later calls fail with [`Closed`](crate::ErrorKind::Closed).
    async fn close(&self) -> Result<()>;
}

/// Where a backend puts the live events of one device. Cheap to clone. No call blocks, so a callback of a C library may
/// use it.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::Event;
/// use bs2_events::device::LiveSink;
///
/// // What a callback of a backend does with the record that it borrows.
/// fn on_log_received(sink: &LiveSink, record: &[u8; 48]) {
///     match Event::from_bytes(record) {
///         Ok(event) => sink.push(event, None),
///         Err(_) => sink.lost(1),
///     }
/// }
/// ```
#[derive(Clone)]
pub struct LiveSink {
    device: DeviceId,
    target: Target,
}

#[derive(Clone)]
enum Target {
    /// The queue of a subscription.
    Queue {
        queue: Sender,
        /// Where the end of the connection is reported.
        breaks: mpsc::Sender<Error>,
        /// Whether the connection was made again and the stream does not say so yet.
        resumed: Arc<AtomicBool>,
    },
    Other(Arc<dyn LiveTarget>),
}

/// Receives what a backend puts into a [`LiveSink`]: for a backend that wraps another one, and for tests of a backend.
///
/// The backend calls it from its own threads, perhaps while it holds a lock. No method may wait, and none may call the
/// backend or drop a [`Monitoring`] of it.
pub trait LiveTarget: Send + Sync + 'static {
    /// An event that the device reports, and what it reports beyond the 48 bytes.
    fn event(&self, event: &Event, extras: Option<Box<Extras>>);

    /// The backend lost `count` events.
    fn lost(&self, count: u64);

    /// The connection is lost, and this monitoring has ended.
    fn disconnected(&self, error: Error);

    /// Whether nobody listens any more.
    fn is_closed(&self) -> bool;
}

impl LiveSink {
    /// A sink for one connection of a device, and where the end of the connection is reported.
    pub(super) fn new(
        device: DeviceId,
        queue: Sender,
        resumed: Arc<AtomicBool>,
    ) -> (Self, mpsc::Receiver<Error>) {
        let (breaks, broken) = mpsc::channel(1);
        (Self { device, target: Target::Queue { queue, breaks, resumed } }, broken)
    }

    /// A sink for one device that passes everything on to `target`.
    pub fn to_target(device: DeviceId, target: Arc<dyn LiveTarget>) -> Self {
        Self { device, target: Target::Other(target) }
    }

    /// Adds an event, with its extras, to the stream. If the queue is full, both are dropped and counted, and the
    /// stream says so.
    pub fn push(&self, event: &Event, extras: Option<Box<Extras>>) {
        self.push_all(iter::once((*event, extras)));
    }

    /// Adds events that came together, in one access to the queue.
    pub(crate) fn push_all(&self, events: impl IntoIterator<Item = (Event, Option<Box<Extras>>)>) {
        match &self.target {
            Target::Queue { queue, resumed, .. } => queue.push(self.device, resumed, events.into_iter()),
            Target::Other(target) => {
                events.into_iter().for_each(|(event, extras)| target.event(&event, extras));
            }
        }
    }

    /// Says that `count` events were lost before they came here.
    pub fn lost(&self, count: u64) {
        match &self.target {
            Target::Queue { queue, .. } => queue.lost(self.device, count),
            Target::Other(target) => target.lost(count),
        }
    }

    /// Says that the connection is lost. This ends the monitoring.
    pub fn disconnected(&self, error: Error) {
        match &self.target {
            // The first error counts: a connection ends once.
            Target::Queue { breaks, .. } => drop(breaks.try_send(error)),
            Target::Other(target) => target.disconnected(error),
        }
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Whether the subscription was dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match &self.target {
            Target::Queue { queue, .. } => queue.is_closed(),
            Target::Other(target) => target.is_closed(),
        }
    }
}

impl fmt::Debug for LiveSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSink").field("device", &self.device()).finish_non_exhaustive()
    }
}

/// Keeps a monitoring alive; dropping it ends the monitoring.
///
/// # Examples
///
/// ```
/// use bs2_events::device::Monitoring;
///
/// // Any value whose drop stops the reports will do.
/// let monitoring = Monitoring::new(std::sync::Arc::new("registration"));
/// drop(monitoring);
/// ```
pub struct Monitoring {
    _guard: Box<dyn Any + Send + Sync>,
}

impl Monitoring {
    /// A monitoring that ends when `guard` is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::Monitoring;
    /// let stopped = std::sync::Arc::new(());
    /// let monitoring = Monitoring::new(stopped.clone());
    /// drop(monitoring);
    /// assert_eq!(std::sync::Arc::strong_count(&stopped), 1);
    /// ```
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self { _guard: Box::new(guard) }
    }
}

impl fmt::Debug for Monitoring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Monitoring")
    }
}

/// [`Backend::image_logs`] for backends whose protocol reads images one by one: pages through the log and asks for
/// the image of each event whose flags say that there is one.
///
/// An image that the reader no longer has is left out; the rings of events and of images are not of the same size.
///
/// # Errors
///
/// Those of [`Backend::logs`] and [`Backend::image_log`], except [`NotFound`](crate::ErrorKind::NotFound) of a
/// single image.
///
/// # Examples
///
/// ```
/// # use bs2_events::{device::scan_image_logs, sim::Simulator};
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let simulator = Simulator::new("backlog=500")?;
/// let (backend, device) = (simulator.backend(), simulator.device_ids()[0]);
/// backend.connect(device).await?;
/// assert_eq!(scan_image_logs(&*backend, device, 0, 2).await?.len(), 2);
/// # Ok::<(), bs2_events::Error>(()) }).unwrap();
/// ```
pub async fn scan_image_logs(
    backend: &dyn Backend,
    device: DeviceId,
    after: u32,
    max: u32,
) -> Result<Vec<ImageLog>> {
    let (mut images, mut cursor) = (Vec::new(), after);
    loop {
        let ask = |from, amount| backend.logs(device, from, amount);
        let page = paging::page(cursor, SCAN_PAGE, ask).await?;
        let Some(last) = page.last() else { return Ok(images) };
        cursor = last.id();
        for event in page.iter().filter(|event| event.flags().has_image()) {
            match backend.image_log(device, event.id()).await {
                Ok(jpeg) => images.push(ImageLog::new(*event, jpeg)),
                Err(error) if error.kind() == crate::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if images.len() >= usize::try_from(max).unwrap_or(usize::MAX) {
                return Ok(images);
            }
        }
    }
}

const SCAN_PAGE: u32 = 1_024;
