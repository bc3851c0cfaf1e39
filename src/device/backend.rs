//! For implementors of backends: the trait, its contract, and what it uses.

use std::any::Any;
use std::fmt;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[doc(no_inline)]
pub use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::live::Sender;
use super::paging::{self, PageSize};
use super::{Capabilities, DeviceInfo, EventPage, ImageFilter, ImageLog};
use crate::codec::blob::EventMask;
use crate::codec::portable::PortableBlob;
use crate::codec::{DeviceId, Event, Extras, Timestamp};
use crate::{Error, Result};

/// A way to reach devices: the vendor's library, a gateway, a simulator, or your own.
///
/// Users do not call it. They hold a [`Client`](super::Client), which adds deadlines, reconnection and order. Every
/// method is required, so that a wrapper cannot forget one.
///
/// # Contract
///
/// [`conformance::check_backend`](super::conformance::check_backend) checks these points:
///
/// * **Answers.** [`logs`](Self::logs), [`blobs`](Self::blobs) and [`image_logs`](Self::image_logs) ask the device once
///   for what is after `after`, and return what it answered. They need not order, cut or ask again: an answer may begin
///   with `after` itself, repeat or disorder records, and be short. The client handles all of that. An empty answer means
///   that nothing is after `after`.
/// * **Unknown devices** are [`NotFound`](crate::ErrorKind::NotFound), in every method.
/// * **Connection.** [`connect`](Self::connect) returns at once if the device is connected. The other methods fail with
///   [`Disconnected`](crate::ErrorKind::Disconnected) if it is not; they do not connect by themselves.
/// * **Live events.** Between the return of [`monitor`](Self::monitor) and the drop of its guard, every event that the
///   device reports goes to the sink, in the order of the device. The sink never blocks. A lost connection is reported to
///   the sink, once, and ends the monitoring.
/// * **Cancellation.** Dropping a future may leave the call running. It must not corrupt a later call.
///
/// # Errors
///
/// Every method may fail with [`NotFound`](crate::ErrorKind::NotFound) for a device that it does not know,
/// [`Disconnected`](crate::ErrorKind::Disconnected) for one that is not connected,
/// [`Closed`](crate::ErrorKind::Closed) after [`close`](Self::close),
/// [`Unsupported`](crate::ErrorKind::Unsupported) if the device or the backend has no such function, and with what the
/// device answers.
///
/// # Implementing it
///
/// Put [`#[async_trait]`](macro@async_trait) on your `impl` and write the methods as `async fn`, with the signatures of this
/// example. `examples/custom_backend.rs` does it for a list of events in memory.
///
/// ```
/// use std::sync::Arc;
///
/// use bs2_events::codec::blob::EventMask;
/// use bs2_events::codec::portable::PortableBlob;
/// use bs2_events::codec::{DeviceId, Timestamp};
/// use bs2_events::device::backend::{Backend, DeviceList, LiveSink, Monitoring, async_trait};
/// use bs2_events::device::{Capabilities, DeviceInfo, EventPage, ImageFilter, ImageLog};
/// use bs2_events::Result;
///
/// /// Adds a log line to every read of another backend.
/// #[derive(Debug)]
/// struct Logged(Arc<dyn Backend>);
///
/// #[async_trait]
/// impl Backend for Logged {
///     async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
///         println!("{device}: {max} events after {after}");
///         self.0.logs(device, after, max).await
///     }
///     // The other methods likewise.
///     async fn devices(&self) -> Result<DeviceList> { self.0.devices().await }
///     async fn connect(&self, device: DeviceId) -> Result<()> { self.0.connect(device).await }
///     async fn info(&self, device: DeviceId) -> Result<DeviceInfo> { self.0.info(device).await }
///     async fn capabilities(&self, device: DeviceId) -> Result<Capabilities> { self.0.capabilities(device).await }
///     async fn time(&self, device: DeviceId) -> Result<Timestamp> { self.0.time(device).await }
///     async fn blobs(&self, device: DeviceId, after: u32, max: u32, mask: EventMask) -> Result<Vec<PortableBlob<'static>>> {
///         self.0.blobs(device, after, max, mask).await
///     }
///     async fn image_log(&self, device: DeviceId, id: u32) -> Result<bytes::Bytes> { self.0.image_log(device, id).await }
///     async fn image_logs(&self, device: DeviceId, after: u32, max: u32) -> Result<Vec<ImageLog>> {
///         self.0.image_logs(device, after, max).await
///     }
///     async fn image_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>> { self.0.image_filters(device).await }
///     async fn set_image_filters(&self, device: DeviceId, filters: &[ImageFilter]) -> Result<()> {
///         self.0.set_image_filters(device, filters).await
///     }
///     async fn clear_log(&self, device: DeviceId) -> Result<()> { self.0.clear_log(device).await }
///     async fn monitor(&self, device: DeviceId, sink: LiveSink) -> Result<Monitoring> {
///         self.0.monitor(device, sink).await
///     }
///     async fn close(&self) -> Result<()> { self.0.close().await }
///     fn has_clock(&self) -> bool { self.0.has_clock() }
/// }
/// ```
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// The devices that this backend reaches. A device that cannot be reached is no error of the call.
    async fn devices(&self) -> Result<DeviceList>;

    /// Connects the device; returns at once if it is connected.
    async fn connect(&self, device: DeviceId) -> Result<()>;

    /// Model, firmware and address.
    async fn info(&self, device: DeviceId) -> Result<DeviceInfo>;

    /// What the device can do.
    async fn capabilities(&self, device: DeviceId) -> Result<Capabilities>;

    /// The clock of the device.
    async fn time(&self, device: DeviceId) -> Result<Timestamp>;

    /// One answer of the device to the question for up to `max` events after `after`. `max` is at least 1.
    async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage>;

    /// One answer of the device to the question for up to `max` blobs after `after`: of events to which a field of `mask`
    /// applies, each with the fields of `mask` that do. It is empty only if no such event follows.
    async fn blobs(
        &self,
        device: DeviceId,
        after: u32,
        max: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>>;

    /// The image of one event, a JPEG.
    async fn image_log(&self, device: DeviceId, id: u32) -> Result<Bytes>;

    /// One answer of the device to the question for up to `max` images after `after`. A backend whose protocol has no such
    /// call uses [`scan_image_logs`].
    async fn image_logs(&self, device: DeviceId, after: u32, max: u32) -> Result<Vec<ImageLog>>;

    /// For which events the device takes a picture.
    async fn image_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>>;

    /// Sets for which events the device takes a picture.
    async fn set_image_filters(&self, device: DeviceId, filters: &[ImageFilter]) -> Result<()>;

    /// Deletes the whole log of the device. Ids continue.
    async fn clear_log(&self, device: DeviceId) -> Result<()>;

    /// Reports events to `sink` as they happen, until the guard is dropped.
    async fn monitor(&self, device: DeviceId, sink: LiveSink) -> Result<Monitoring>;

    /// Closes every connection. Later calls fail with [`Closed`](crate::ErrorKind::Closed).
    async fn close(&self) -> Result<()>;

    /// Whether the events of this backend have the device's UTC offset and daylight saving in their
    /// [flags](crate::codec::EventFlags). If not, these bits are 0 and mean nothing: the offset is unknown, not UTC.
    fn has_clock(&self) -> bool;
}

/// The devices that a [`Backend`] reaches, and why it does not reach the others.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
/// use bs2_events::device::backend::DeviceList;
///
/// let list = DeviceList::new([9, 7, 9].map(DeviceId::new));
/// assert_eq!(list.devices, [7, 9].map(DeviceId::new));
/// assert!(list.failures.is_empty());
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DeviceList {
    /// The devices, ascending, each once.
    pub devices: Vec<DeviceId>,
    /// An error for each device that the options name and that could not be identified.
    pub failures: Vec<Error>,
}

impl DeviceList {
    /// These devices, in any order; repeated ones count once.
    pub fn new(devices: impl IntoIterator<Item = DeviceId>) -> Self {
        let mut devices: Vec<_> = devices.into_iter().collect();
        devices.sort_unstable();
        devices.dedup();
        Self { devices, failures: Vec::new() }
    }

    /// Adds errors for devices that cannot be reached now.
    #[must_use]
    pub fn with_failures(mut self, failures: impl IntoIterator<Item = Error>) -> Self {
        self.failures.extend(failures);
        self
    }
}

/// Where a backend puts the live events of one device. Cheap to clone. No call blocks, so a callback of a C library may
/// use it.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::Event;
/// use bs2_events::device::backend::LiveSink;
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
/// use bs2_events::device::backend::Monitoring;
///
/// // Any value that ends the reports when it is dropped.
/// let registration = std::sync::Arc::new("registration");
/// let monitoring = Monitoring::new(registration.clone());
/// drop(monitoring);
/// assert_eq!(std::sync::Arc::strong_count(&registration), 1);
/// ```
pub struct Monitoring {
    _guard: Box<dyn Any + Send + Sync>,
}

impl Monitoring {
    /// A monitoring that ends when `guard` is dropped.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self { _guard: Box::new(guard) }
    }
}

impl fmt::Debug for Monitoring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Monitoring")
    }
}

/// [`Backend::image_logs`] for a backend whose protocol reads images one by one: reads the log, and the image of each event
/// whose flags say that there is one.
///
/// An image that the device no longer has is left out: a device keeps fewer images than events.
///
/// # Errors
///
/// Those of [`Backend::logs`] and [`Backend::image_log`], except [`NotFound`](crate::ErrorKind::NotFound) of a single
/// image.
pub async fn scan_image_logs(
    backend: &dyn Backend,
    device: DeviceId,
    after: u32,
    max: u32,
) -> Result<Vec<ImageLog>> {
    let (mut images, mut cursor, size) = (Vec::new(), after, PageSize::default());
    loop {
        let ask = |from, amount| backend.logs(device, from, amount);
        let page = paging::page(cursor, SCAN_PAGE, &size, ask).await?;
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
