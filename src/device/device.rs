//! One device.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream;

use super::calls::{Calls, Records, of_device};
use super::subscription::subscribe;
use super::{Capabilities, DeviceInfo, EventPage, ImageFilter, ImageLog, LogListener, Subscription, paging};
use crate::codec::blob::EventMask;
use crate::codec::portable::PortableBlob;
use crate::codec::{DeviceId, Event, Timestamp};
use crate::{Error, ErrorKind, Result};

/// One device, through its [`Client`](super::Client). Cheap to clone.
///
/// Calls that read connect by themselves, and are made again if the connection is lost meanwhile. Every call has the
/// deadline of the client.
///
/// # Errors
///
/// Every call may fail with [`Disconnected`](ErrorKind::Disconnected), [`TimedOut`](ErrorKind::TimedOut),
/// [`NotFound`](ErrorKind::NotFound) if the backend does not know the device, [`Closed`](ErrorKind::Closed),
/// [`Unsupported`](ErrorKind::Unsupported) if the backend or the device has no such function, as a device without
/// pictures, and with what the device itself answers. Each method lists only what it adds to these.
///
/// # Examples
///
/// ```
/// use bs2_events::device::Client;
/// use bs2_events::sim::Simulator;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = Client::new(Simulator::new("devices=1&backlog=50")?.backend());
/// let device = client.devices().await?.remove(0);
/// let page = device.logs(20, 5).await?;
/// assert_eq!(page.iter().map(|event| event.id()).collect::<Vec<_>>(), [21, 22, 23, 24, 25]);
/// assert_eq!(device.log(50).await?.id(), 50);
/// assert_eq!(device.newest_id(0).await?, Some(50));
/// assert_eq!(device.log(51).await.unwrap_err().kind(), bs2_events::ErrorKind::NotFound);
/// # Ok::<(), bs2_events::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Device {
    calls: Arc<Calls>,
    id: DeviceId,
}

impl Device {
    pub(super) fn new(calls: Arc<Calls>, id: DeviceId) -> Self {
        Self { calls, id }
    }

    /// The id of the device.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// What messages call the client of the device; empty if it has no name.
    #[cfg(feature = "collect")]
    pub(crate) fn client_name(&self) -> &str {
        self.calls.name()
    }

    /// Whether both devices come from one client.
    #[cfg(feature = "collect")]
    pub(crate) fn has_client_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.calls, &other.calls)
    }

    /// Whether the flags of this device's events say its UTC offset and daylight saving. A device gateway does not report
    /// them: both are unknown then, and the bits are 0.
    #[must_use]
    pub fn has_clock(&self) -> bool {
        self.calls.backend.has_clock()
    }

    /// Model, firmware and address.
    #[doc(alias = "BS2_GetDeviceInfo")]
    pub async fn info(&self) -> Result<DeviceInfo> {
        self.calls.call(self.id, "device info", || self.calls.backend.info(self.id)).await
    }

    /// What the device can do.
    #[doc(alias("BS2_GetDeviceCapabilities", "GetCapabilityInfo"))]
    pub async fn capabilities(&self) -> Result<Capabilities> {
        self.calls.call(self.id, "capabilities", || self.calls.backend.capabilities(self.id)).await
    }

    /// The clock of the device.
    #[doc(alias("BS2_GetDeviceTime", "GetTime"))]
    pub async fn time(&self) -> Result<Timestamp> {
        self.calls.call(self.id, "device time", || self.calls.backend.time(self.id)).await
    }

    /// Events with ids greater than `after`, ascending, at most `max`, each once; 0 begins with the oldest.
    ///
    /// A short page does not mean the end of the log; only an empty page does.
    ///
    /// A device or a link that fails with many events is asked again for half as many, down to one. The client remembers
    /// what worked, for each device.
    ///
    /// The vendor's library takes an exclusive id, its gateway an inclusive one; here the id is always exclusive. Records
    /// that a device gives twice are left out and counted ([`EventPage::repeated`]).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if `max` is 0. [`InvalidData`](ErrorKind::InvalidData) if no record can
    /// hold the first event, or if the device does not give it and gives others: read on from its id,
    /// [`Error::unreadable_event`]. Also if different events have one id, and if full answers never get beyond `after`.
    #[doc(alias("BS2_GetLog", "GetLog"))]
    pub async fn logs(&self, after: u32, max: u32) -> Result<EventPage> {
        if max == 0 {
            return Err(Error::new(ErrorKind::InvalidInput, "`max` is 0: a page holds at least one event")
                .with_device(self.id));
        }
        let ask = |from, amount| {
            self.calls.call(self.id, "logs", move || self.calls.backend.logs(self.id, from, amount))
        };
        paging::page(after, max, &self.calls.page_size(self.id, Records::Events), ask)
            .await
            .map_err(|error| of_device(error, self.id))
    }

    /// The whole log after `after`, page by page, to its end.
    ///
    /// # Errors
    ///
    /// Those of [`logs`](Self::logs), as the last item.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::device::Client;
    /// use bs2_events::sim::Simulator;
    /// use futures_util::TryStreamExt;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let client = Client::new(Simulator::new("devices=1&backlog=5000")?.backend());
    /// let device = client.devices().await?.remove(0);
    /// let events = device.backlog(0).try_fold(0, async |sum, page| Ok(sum + page.len())).await?;
    /// assert_eq!(events, 5_000);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    pub fn backlog(&self, after: u32) -> impl Stream<Item = Result<EventPage>> + Send + use<'_> {
        Box::pin(stream::try_unfold(after, async move |cursor| {
            let page = self.logs(cursor, PAGE).await?;
            Ok(page.last().map(Event::id).map(|last| (page, last)))
        }))
    }

    /// The event with this id.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the device does not have it, or no longer has it.
    pub async fn log(&self, id: u32) -> Result<Event> {
        let page = match id.checked_sub(1) {
            Some(after) => self.logs(after, 1).await?,
            None => EventPage::default(),
        };
        page.first().copied().filter(|event| event.id() == id).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the log has no event {id}")).with_device(self.id)
        })
    }

    /// The newest id of the log, if it is greater than `after`.
    ///
    /// Devices have no call for this (nor for the number of events). So this searches, with about 40 reads of one event
    /// each at most.
    pub async fn newest_id(&self, after: u32) -> Result<Option<u32>> {
        let Some(first) = self.first_id(after).await? else { return Ok(None) };
        let (mut known, mut step) = (first, 1_024_u32);
        let mut beyond = loop {
            let probe = known.saturating_add(step);
            match self.first_id(probe).await? {
                Some(id) => known = id,
                None => break probe,
            }
            step = step.saturating_mul(2);
        };
        while known < beyond {
            let middle = known + (beyond - known) / 2;
            match self.first_id(middle).await? {
                Some(id) => known = id,
                None => beyond = middle,
            }
        }
        Ok(Some(known))
    }

    /// The id of the first event at or after `time`; `None` if the log has none.
    ///
    /// This is a bisection, with about 80 reads of one event each at most, where reading the log costs a page for every
    /// few thousand events. If the log is ordered by time, no event at or after `time` has a lower id.
    ///
    /// A log is not ordered by time where the clock of the device was set back. Then the result is one of the places
    /// where an event at or after `time` follows an earlier one (or the beginning of the log), and other such events may
    /// have lower ids. To find them all, read the whole log and compare.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::Timestamp;
    /// use bs2_events::device::Client;
    /// use bs2_events::sim::Simulator;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let client = Client::new(Simulator::new("devices=1&backlog=5000")?.backend());
    /// let device = client.devices().await?.remove(0);
    /// let time = device.log(4_000).await?.timestamp();
    /// let first = device.first_id_since(time).await?.unwrap_or_default();
    /// // The events since then, and nothing before them is read.
    /// assert!(device.logs(first - 1, 100).await?.iter().all(|event| event.timestamp() >= time));
    /// assert_eq!(device.first_id_since(Timestamp::from_unix_seconds(u32::MAX)).await?, None);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    pub async fn first_id_since(&self, time: Timestamp) -> Result<Option<u32>> {
        let Some(newest) = self.newest_id(0).await? else { return Ok(None) };
        // Every event up to `before` is earlier; from the first readable event after `until` on, none is.
        let (mut before, mut until) = (0, newest);
        while before < until {
            let middle = before + (until - before) / 2;
            match self.first_readable(middle, newest).await? {
                Some(event) if event.timestamp() < time => before = event.id(),
                _ => until = middle,
            }
        }
        self.first_id(before).await
    }

    /// The first event after `after` that can be read, up to `newest`.
    async fn first_readable(&self, mut after: u32, newest: u32) -> Result<Option<Event>> {
        while after < newest {
            match self.logs(after, 1).await {
                Ok(page) => return Ok(page.first().copied()),
                Err(error) => after = error.unreadable_event().ok_or(error)?,
            }
        }
        Ok(None)
    }

    /// The first id after `after`, even of an event that cannot be read.
    async fn first_id(&self, after: u32) -> Result<Option<u32>> {
        match self.logs(after, 1).await {
            Ok(page) => Ok(page.first().map(Event::id)),
            Err(error) => error.unreadable_event().map(Some).ok_or(error),
        }
    }

    /// Up to `max` events with ids greater than `after`, ascending, with what an event cannot hold: job code,
    /// temperature, image.
    ///
    /// The mask says which fields are wanted. Events to which none of them applies are left out, and a blob has only the
    /// fields that were asked for. So [`EventMask::JOB_CODE`] alone finds the events that have a job code, and nothing
    /// else of them. Images make answers large: leave out [`EventMask::IMAGE`] if you do not need them.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::blob::EventMask;
    /// use bs2_events::device::Client;
    /// use bs2_events::sim::Simulator;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let client = Client::new(Simulator::new("devices=1&backlog=500")?.backend());
    /// let device = client.devices().await?.remove(0);
    /// let mask = EventMask::INFO | EventMask::SUBJECT | EventMask::TNA_KEY | EventMask::JOB_CODE;
    /// for blob in device.blobs(0, 100, mask).await? {
    ///     if let Some(event) = blob.to_event() {
    ///         println!("{event} {:?}", blob.extras().job_code);
    ///     }
    /// }
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias("BS2_GetLogBlob", "BS2_GetLogSmallBlob", "BS2_GetLogSmallBlobEx"))]
    pub async fn blobs(&self, after: u32, max: u32, mask: EventMask) -> Result<Vec<PortableBlob<'static>>> {
        let ask = |from, amount| {
            let call = move || self.calls.backend.blobs(self.id, from, amount, mask);
            self.calls.call(self.id, "blobs", call)
        };
        paging::fill(after, max, &self.calls.page_size(self.id, Records::Blobs), ask)
            .await
            .map_err(|error| of_device(error, self.id))
    }

    /// The picture of one event, a JPEG. Call this only if the event's flags say that there is one.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is none, or no longer, or if it is empty.
    #[doc(alias = "BS2_GetImageLog")]
    pub async fn image_log(&self, id: u32) -> Result<Bytes> {
        let jpeg =
            self.calls.call(self.id, "image log", || self.calls.backend.image_log(self.id, id)).await?;
        if jpeg.is_empty() {
            let message = format!("the picture of event {id} is empty");
            return Err(Error::new(ErrorKind::NotFound, message).with_device(self.id));
        }
        Ok(jpeg)
    }

    /// Pictures of events with ids greater than `after`, ascending, at most `max`.
    ///
    /// A picture may be [empty](ImageLog::is_empty): the device has announced it and returns nothing. It is no picture;
    /// ask for it again later.
    #[doc(alias = "GetImageLog")]
    pub async fn image_logs(&self, after: u32, max: u32) -> Result<Vec<ImageLog>> {
        let ask = |from, amount| {
            let call = move || self.calls.backend.image_logs(self.id, from, amount);
            self.calls.call(self.id, "image logs", call)
        };
        paging::fill(after, max, &self.calls.page_size(self.id, Records::Images), ask)
            .await
            .map_err(|error| of_device(error, self.id))
    }

    /// The pictures of the events after `after` for which `wanted` is true, one by one.
    ///
    /// Events are small and pictures are large, so this reads the log and then only the pictures that are wanted. A
    /// picture that the device no longer has is left out. For one day, begin at
    /// [`first_id_since`](Self::first_id_since).
    ///
    /// # Errors
    ///
    /// Those of [`image_log`](Self::image_log) and [`logs`](Self::logs), as the last item.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::EventCode;
    /// use bs2_events::device::Client;
    /// use bs2_events::sim::Simulator;
    /// use futures_util::TryStreamExt;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let client = Client::new(Simulator::new("devices=1&backlog=5000")?.backend());
    /// let device = client.devices().await?.remove(0);
    /// let since = device.log(4_000).await?.timestamp();
    /// let Some(first) = device.first_id_since(since).await? else { return Ok(()) };
    /// let mut pictures = device
    ///     .image_logs_of(first - 1, |event| event.code().main() == EventCode::ACCESS_DENIED.main());
    /// while let Some(picture) = pictures.try_next().await? {
    ///     assert!(picture.event.timestamp() >= since && picture.event.flags().has_image());
    /// }
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    pub fn image_logs_of<'a, F>(
        &'a self,
        after: u32,
        wanted: F,
    ) -> impl Stream<Item = Result<ImageLog>> + Send + use<'a, F>
    where
        F: Fn(&Event) -> bool + Send + Sync + 'a,
    {
        let begin = (after, VecDeque::<Event>::new(), wanted);
        Box::pin(stream::try_unfold(begin, async move |(mut cursor, mut events, wanted)| {
            loop {
                while let Some(event) = events.pop_front() {
                    match self.image_log(event.id()).await {
                        Ok(jpeg) => return Ok(Some((ImageLog::new(event, jpeg), (cursor, events, wanted)))),
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        Err(error) => return Err(error),
                    }
                }
                let page = self.logs(cursor, PAGE).await?;
                let Some(last) = page.last() else { return Ok(None) };
                cursor = last.id();
                events.extend(page.iter().filter(|event| event.flags().has_image() && wanted(event)));
            }
        }))
    }

    /// For which events the device takes a picture.
    #[doc(alias("BS2_GetEventConfig", "GetImageFilter"))]
    pub async fn image_filters(&self) -> Result<Vec<ImageFilter>> {
        self.calls.call(self.id, "image filters", || self.calls.backend.image_filters(self.id)).await
    }

    /// Sets for which events the device takes a picture, in place of what was set before.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for more than 32 filters, which is all that a device holds.
    #[doc(alias("BS2_SetEventConfig", "SetImageFilter"))]
    pub async fn set_image_filters(&self, filters: &[ImageFilter]) -> Result<()> {
        if filters.len() > IMAGE_FILTERS {
            let message = format!("{} image filters: a device holds {IMAGE_FILTERS}", filters.len());
            return Err(Error::new(ErrorKind::InvalidInput, message).with_device(self.id));
        }
        let call = || self.calls.backend.set_image_filters(self.id, filters);
        self.calls.call(self.id, "setting image filters", call).await
    }

    /// Deletes the whole log of the device. Ids continue from where they were, and an event `0x4200` follows.
    ///
    /// What was not read before is lost for good; a collector never calls this. The call is made once: after an error
    /// the log may or may not be cleared.
    #[doc(alias = "BS2_ClearLog")]
    pub async fn clear_log(&self) -> Result<()> {
        self.calls.call_once(self.id, "clearing the log", self.calls.backend.clear_log(self.id)).await
    }

    /// Live events of this device; see [`Client::subscribe`](super::Client::subscribe).
    #[doc(alias = "BS2_StartMonitoringLog")]
    pub async fn subscribe(&self) -> Result<Subscription> {
        subscribe(&self.calls, &[self.id]).await
    }

    /// Calls `callback` for every live event of this device; see
    /// [`Client::on_log_received`](super::Client::on_log_received).
    #[doc(alias = "OnLogReceived")]
    pub async fn on_log_received(
        &self,
        callback: impl FnMut(DeviceId, &Event) + Send + 'static,
    ) -> Result<LogListener> {
        Ok(LogListener::start(self.subscribe().await?, callback))
    }
}

/// Large enough that asking costs little, small enough that a page stays in the cache.
const PAGE: u32 = 2_048;
const IMAGE_FILTERS: usize = 32;
