//! One reader.

use futures_core::Stream;
use futures_util::stream;

use super::paging;
use super::{Capabilities, Client, DeviceInfo, EventPage, LogListener, Subscription};
use crate::codec::{DeviceId, Event, Timestamp};
use crate::{Error, ErrorKind, Result};

mod blobs;
mod pictures;

/// One reader, through its [`Client`]. Cheap to clone.
///
/// Reading calls connect by themselves and are made again when the connection is lost on the way. All of them are
/// subject to the client's deadline.
///
/// # Errors
///
/// Every call may fail with [`Disconnected`](ErrorKind::Disconnected), [`TimedOut`](ErrorKind::TimedOut),
/// [`NotFound`](ErrorKind::NotFound) for a reader that the backend does not know, [`Closed`](ErrorKind::Closed), and
/// with what the reader itself answers; what a call adds to these stands at the call.
///
/// # Examples
///
/// ```
/// use bs2_events::device::Client;
/// use bs2_events::sim::Simulator;
///
/// # async fn example() -> bs2_events::Result<()> {
/// let client = Client::new(Simulator::new("devices=1&backlog=50")?.backend());
/// let device = client.devices().await?.remove(0);
/// let page = device.logs(20, 5).await?;
/// assert_eq!(page.iter().map(|event| event.id()).collect::<Vec<_>>(), [21, 22, 23, 24, 25]);
/// assert_eq!(device.log(50).await?.id(), 50);
/// assert_eq!(device.newest_id(0).await?, Some(50));
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Device {
    client: Client,
    id: DeviceId,
}

impl Device {
    pub(super) fn new(client: Client, id: DeviceId) -> Self {
        Self { client, id }
    }

    /// The reader's number.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, device::Client, sim::Simulator};
    /// # let client = Client::new(Simulator::new("devices=1")?.backend());
    /// assert_eq!(client.device(DeviceId::new(7)).id(), DeviceId::new(7));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// What the reader says of itself.
    ///
    /// # Errors
    ///
    /// As every call: see [`Device`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let device = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?.remove(0);
    /// assert_eq!(device.info().await?.id, device.id());
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias = "BS2_GetDeviceInfo")]
    pub async fn info(&self) -> Result<DeviceInfo> {
        self.client.call(self.id, "device info", || self.client.backend().info(self.id)).await
    }

    /// What the reader can do.
    ///
    /// # Errors
    ///
    /// As every call: see [`Device`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let device = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?.remove(0);
    /// assert_eq!(device.capabilities().await?.max_event_logs, 50_000);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias("BS2_GetDeviceCapabilities", "GetCapabilityInfo"))]
    pub async fn capabilities(&self) -> Result<Capabilities> {
        self.client.call(self.id, "capabilities", || self.client.backend().capabilities(self.id)).await
    }

    /// The reader's clock.
    ///
    /// # Errors
    ///
    /// As every call: see [`Device`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let device = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?.remove(0);
    /// assert!(device.time().await? >= device.log(10).await?.timestamp());
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias("BS2_GetDeviceTime", "GetTime"))]
    pub async fn time(&self) -> Result<Timestamp> {
        self.client.call(self.id, "device time", || self.client.backend().time(self.id)).await
    }

    /// Events with ids greater than `after`, ascending, at most `max`, each once; 0 begins at the oldest.
    ///
    /// An empty page means that there is none. A page shorter than `max` says nothing.
    ///
    /// The vendor's library takes an exclusive id, its gateway an inclusive one; here it is always exclusive,
    /// and records that a reader gives twice are left out and counted ([`EventPage::repeated`]).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a `max` of 0; [`InvalidData`](ErrorKind::InvalidData) where no
    /// record can hold the first event, whose id is [`Error::unreadable_event`]: from it the log goes on; and where
    /// different events have one id, or answers are full and never get beyond `after`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let device = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?.remove(0);
    /// assert_eq!(device.logs(8, 100).await?.first().map(|event| event.id()), Some(9));
    /// assert!(device.logs(10, 100).await?.is_empty());
    /// assert!(device.logs(0, 0).await.is_err());
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias("BS2_GetLog", "GetLog"))]
    pub async fn logs(&self, after: u32, max: u32) -> Result<EventPage> {
        if max == 0 {
            return Err(Error::new(ErrorKind::InvalidInput, "`max` is 0: a page holds at least one event")
                .with_device(self.id));
        }
        let ask = |from, amount| {
            self.client.call(self.id, "logs", move || self.client.backend().logs(self.id, from, amount))
        };
        paging::page(after, max, ask).await.map_err(|error| self.named(error))
    }

    /// The whole log after `after`, page by page, until the reader has no more.
    ///
    /// # Errors
    ///
    /// Those of [`logs`](Self::logs), as an item; the stream ends with it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn example() -> bs2_events::Result<()> {
    /// let client = Client::new(Simulator::new("devices=1&backlog=5000")?.backend());
    /// let device = client.devices().await?.remove(0);
    /// let events = device.backlog(0).try_fold(0, async |sum, page| Ok(sum + page.len())).await?;
    /// assert_eq!(events, 5_000);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
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
    /// [`NotFound`](ErrorKind::NotFound) when the reader does not have it, or no longer.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let device = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?.remove(0);
    /// assert_eq!(device.log(3).await?.id(), 3);
    /// assert_eq!(device.log(11).await.unwrap_err().kind(), bs2_events::ErrorKind::NotFound);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
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
    /// Readers have no call that tells it (nor the number of events), so this searches, with about 40 reads of one
    /// event each at most.
    ///
    /// # Errors
    ///
    /// As every call: see [`Device`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let device = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?.remove(0);
    /// assert_eq!(device.newest_id(0).await?, Some(10));
    /// assert_eq!(device.newest_id(10).await?, None);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
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

    /// The error, with the device.
    fn named(&self, error: Error) -> Error {
        if error.device().is_some() { error } else { error.with_device(self.id) }
    }

    /// The first id after `after`, also of an event that cannot be read.
    async fn first_id(&self, after: u32) -> Result<Option<u32>> {
        match self.logs(after, 1).await {
            Ok(page) => Ok(page.first().map(Event::id)),
            Err(error) => error.unreadable_event().map(Some).ok_or(error),
        }
    }

    /// Deletes the reader's whole log. Ids go on from where they were, and an event `0x4200` follows.
    ///
    /// What was not read before is lost for good; a collector never calls this. The call is made once: after an
    /// error the log may or may not be cleared.
    ///
    /// # Errors
    ///
    /// As every call: see [`Device`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let device = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?.remove(0);
    /// device.clear_log().await?;
    /// assert_eq!(device.logs(0, 100).await?.first().map(|event| event.id()), Some(11));
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias = "BS2_ClearLog")]
    pub async fn clear_log(&self) -> Result<()> {
        self.client.call_once(self.id, "clearing the log", self.client.backend().clear_log(self.id)).await
    }

    /// Live events of this reader; see [`Client::subscribe`].
    ///
    /// # Errors
    ///
    /// As [`Client::subscribe`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let simulator = Simulator::new("devices=1")?;
    /// # let device = Client::new(simulator.backend()).devices().await?.remove(0);
    /// let mut live = device.subscribe().await?;
    /// simulator.make_event(device.id())?;
    /// assert!(live.next().await.is_some());
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias = "BS2_StartMonitoringLog")]
    pub async fn subscribe(&self) -> Result<Subscription> {
        self.client.subscribe(&[self.id]).await
    }

    /// Calls `callback` for every live event of this reader; see [`Client::on_log_received`].
    ///
    /// # Errors
    ///
    /// As [`Client::subscribe`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let simulator = Simulator::new("devices=1")?;
    /// # let device = Client::new(simulator.backend()).devices().await?.remove(0);
    /// let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
    /// let listener = device.on_log_received(move |_, event| drop(heard.send(event.id()))).await?;
    /// let event = simulator.make_event(device.id())?;
    /// assert_eq!(hearing.recv().await, Some(event.id()));
    /// # drop(listener);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias = "OnLogReceived")]
    pub async fn on_log_received(
        &self,
        callback: impl FnMut(DeviceId, &Event) + Send + 'static,
    ) -> Result<LogListener> {
        self.client.on_log_received(&[self.id], callback).await
    }
}

/// Large enough that asking costs little, small enough that a page stays in the cache.
const PAGE: u32 = 2_048;
