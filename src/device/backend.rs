//! The contract between the client and whatever reaches the readers.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::live::DeviceQueue;
use super::{Capabilities, DeviceInfo, DeviceList, EventPage, FurtherSubject, ImageFilter, ImageLog};
use crate::codec::{DeviceId, Event, EventMask, PortableBlob, Temperature, Timestamp};
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

/// Where a backend puts the live events of one reader. Cheap to clone; no call blocks, so it may be used from a
/// callback of a C library.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::Event;
/// use bs2_events::device::LiveSink;
///
/// // In a backend: what a callback does with the record that it is lent.
/// fn on_log_received(sink: &LiveSink, record: &[u8; 48]) {
///     if let Ok(event) = Event::from_bytes(record) {
///         sink.push(event);
///     }
/// }
/// ```
#[derive(Clone)]
pub struct LiveSink {
    target: Target,
}

#[derive(Clone)]
enum Target {
    /// The queue of a subscription.
    Queue(DeviceQueue),
    Other(DeviceId, Arc<dyn LiveTarget>),
}

/// Receives what a backend puts into a [`LiveSink`]: for a backend that wraps another one, and for tests of a backend.
///
/// The backend calls it from its own threads, perhaps while it holds a lock. No method may wait, and none may call the
/// backend or drop a [`Monitoring`] of it.
pub trait LiveTarget: Send + Sync + 'static {
    /// An event that the device reports, and what it reports beyond the 48 bytes.
    fn event(&self, event: &Event, temperature: Option<Temperature>, further: &[FurtherSubject]);

    /// The backend lost `count` events.
    fn lost(&self, count: u64);

    /// The connection is lost, and this monitoring has ended.
    fn disconnected(&self, error: Error);

    /// Whether nobody listens any more.
    fn is_closed(&self) -> bool;
}

impl LiveSink {
    pub(super) fn new(queue: DeviceQueue) -> Self {
        Self { target: Target::Queue(queue) }
    }

    /// A sink for one device that passes everything on to `target`.
    pub fn to_target(device: DeviceId, target: Arc<dyn LiveTarget>) -> Self {
        Self { target: Target::Other(device, target) }
    }

    /// Puts an event into the queue; if the queue is full the event is dropped and counted, and the stream will say
    /// so.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::Event, device::LiveSink, Error, ErrorKind};
    /// fn report(sink: &LiveSink, record: &[u8; 48]) {
    ///     Event::from_bytes(record).into_iter().for_each(|event| sink.push(event));
    /// }
    /// ```
    pub fn push(&self, event: &Event) {
        self.push_with_further(event, None, &[]);
    }

    /// The same for an event with which the reader told a person's temperature.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::{Event, Temperature}, device::LiveSink};
    /// fn report(sink: &LiveSink, event: &Event, hundredths: u32) {
    ///     sink.push_with_temperature(event, Temperature::from_hundredths(hundredths));
    /// }
    /// ```
    pub fn push_with_temperature(&self, event: &Event, temperature: Temperature) {
        self.push_with_further(event, Some(temperature), &[]);
    }

    /// The same for an event beside which more stands; it goes with its event, or is dropped with it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::{Event, SubjectKind}, device::{FurtherSubject, LiveSink}};
    /// fn report(sink: &LiveSink, event: &Event, card: [u8; 32]) {
    ///     sink.push_with_further(event, None, &[FurtherSubject::new(event.id(), SubjectKind::Card, card)]);
    /// }
    /// ```
    pub fn push_with_further(
        &self,
        event: &Event,
        temperature: Option<Temperature>,
        further: &[FurtherSubject],
    ) {
        match &self.target {
            Target::Queue(queue) => queue.push(*event, temperature, further),
            Target::Other(_, target) => target.event(event, temperature, further),
        }
    }

    /// The same for events that came together, with nothing beside them: one turn at the queue for all of them.
    #[cfg(feature = "gateway")]
    pub(super) fn push_all(&self, events: &[(Event, Option<Temperature>)]) {
        match &self.target {
            Target::Queue(queue) => queue.push_all(events),
            Target::Other(_, target) => {
                events.iter().for_each(|(event, temperature)| target.event(event, *temperature, &[]));
            }
        }
    }

    /// Says that `count` events were lost before they came here.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::Event, device::LiveSink, Error, ErrorKind};
    /// fn overflowed(sink: &LiveSink, events: u64) {
    ///     sink.lost(events);
    /// }
    /// ```
    pub fn lost(&self, count: u64) {
        match &self.target {
            Target::Queue(queue) => queue.lost(count),
            Target::Other(_, target) => target.lost(count),
        }
    }

    /// Says that the connection is gone, and with it this monitoring.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::Event, device::LiveSink, Error, ErrorKind};
    /// fn broken(sink: &LiveSink) {
    ///     sink.disconnected(Error::new(ErrorKind::Disconnected, "the socket was closed"));
    /// }
    /// ```
    pub fn disconnected(&self, error: Error) {
        match &self.target {
            Target::Queue(queue) => queue.disconnected(error),
            Target::Other(_, target) => target.disconnected(error),
        }
    }

    /// The reader.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::Event, device::LiveSink, Error, ErrorKind};
    /// fn key(sink: &LiveSink) -> u32 {
    ///     sink.device().get()
    /// }
    /// ```
    #[must_use]
    pub fn device(&self) -> DeviceId {
        match &self.target {
            Target::Queue(queue) => queue.device(),
            Target::Other(device, _) => *device,
        }
    }

    /// Whether nobody listens any more.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::Event, device::LiveSink, Error, ErrorKind};
    /// fn tidy(listeners: &mut Vec<LiveSink>) {
    ///     listeners.retain(|sink| !sink.is_closed());
    /// }
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match &self.target {
            Target::Queue(queue) => queue.is_closed(),
            Target::Other(_, target) => target.is_closed(),
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
    let mut images = Vec::new();
    let mut cursor = after;
    loop {
        let page = backend.logs(device, cursor, SCAN_PAGE).await?.in_order(cursor)?;
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
