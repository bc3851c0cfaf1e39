//! The client: what users hold.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_util::future::try_join_all;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use super::live::{Sender, queue};
use super::state::StateBoard;
use super::{Backend, ConnectionState, Device, LiveSink, LogListener, Monitoring, StateStream, Subscription};
use crate::codec::{DeviceId, Event};
use crate::retry::Retry;
use crate::{Error, ErrorKind, Result};

mod options;

pub use options::ClientOptions;

/// A client of the readers that a [`Backend`] reaches. Cheap to clone; clones share everything.
///
/// The client adds to its backend: a deadline on every call, connecting and connecting again, pages in order, and
/// bounded streams that say what they lost. It needs a tokio runtime with time.
///
/// # Examples
///
/// ```
/// use bs2_events::device::Client;
/// use bs2_events::sim::Simulator;
///
/// # async fn example() -> bs2_events::Result<()> {
/// let client = Client::new(Simulator::new("devices=1&backlog=100")?.backend());
/// for device in client.devices().await? {
///     let page = device.logs(0, 10).await?;
///     assert_eq!(page.len(), 10);
/// }
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Arc<dyn Backend>,
    options: ClientOptions,
    states: StateBoard,
}

impl Client {
    /// A client with the usual options.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// let client = Client::new(Simulator::new("devices=1")?.backend());
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self::with_options(backend, ClientOptions::default())
    }

    /// A client with these options.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::{Client, ClientOptions}, sim::Simulator};
    /// let options = ClientOptions::default().with_queue_capacity(100);
    /// let client = Client::with_options(Simulator::new("devices=1")?.backend(), options);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn with_options(backend: Arc<dyn Backend>, options: ClientOptions) -> Self {
        Self { shared: Arc::new(Shared { backend, options, states: StateBoard::new() }) }
    }

    /// The reader with this number. Whether it exists shows at the first call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, device::Client, sim::Simulator, ErrorKind};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let client = Client::new(Simulator::new("devices=1")?.backend());
    /// let device = client.device(DeviceId::new(7));
    /// assert_eq!(device.info().await.unwrap_err().kind(), ErrorKind::NotFound);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Device {
        Device::new(self.clone(), id)
    }

    /// Every reader that the backend reaches, ascending.
    ///
    /// Readers that cannot be reached are left out, with a warning; [`discover`](Self::discover) tells of them.
    ///
    /// # Errors
    ///
    /// Those of the backend; [`TimedOut`](ErrorKind::TimedOut) past the deadline; the first reader's where none can be
    /// reached.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let client = Client::new(Simulator::new("devices=3")?.backend());
    /// assert_eq!(client.devices().await?.len(), 3);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias("BS2_SearchDevices", "GetDeviceList"))]
    pub async fn devices(&self) -> Result<Vec<Device>> {
        let (devices, failures) = self.discover().await?;
        for error in failures {
            if devices.is_empty() {
                return Err(error);
            }
            tracing::warn!("a device cannot be reached: {error}");
        }
        Ok(devices)
    }

    /// Every reader that the backend reaches, ascending, and an error for each that its settings name and that it does
    /// not reach.
    ///
    /// # Errors
    ///
    /// Those of the backend; [`TimedOut`](ErrorKind::TimedOut) past the deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let client = Client::new(Simulator::new("devices=3")?.backend());
    /// let (devices, unreached) = client.discover().await?;
    /// assert_eq!((devices.len(), unreached.len()), (3, 0));
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    pub async fn discover(&self) -> Result<(Vec<Device>, Vec<Error>)> {
        // Each reader has its deadline below; the list waits for the last of them.
        let deadline = self.shared.options.deadline.saturating_mul(2);
        let list = within(deadline, "the list of devices", self.backend().devices()).await?;
        Ok((list.devices.into_iter().map(|id| self.device(id)).collect(), list.failures))
    }

    /// Live events of several readers in one stream.
    ///
    /// Returns when every reader reports, so that what happens from then on is in the stream. From then on lost
    /// connections are made again by the reconnect policy.
    ///
    /// # Errors
    ///
    /// The first error of a reader that cannot be connected or monitored; [`InvalidInput`](ErrorKind::InvalidInput)
    /// for no reader at all.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator, codec::DeviceId};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let simulator = Simulator::new("devices=2")?;
    /// let client = Client::new(simulator.backend());
    /// let mut live = client.subscribe(&simulator.device_ids()).await?;
    /// simulator.make_event(simulator.device_ids()[1])?;
    /// assert_eq!(live.next().await.unwrap().device(), simulator.device_ids()[1]);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[doc(alias("BS2_StartMonitoringLog", "SubscribeRealtimeLog", "EnableMonitoring"))]
    pub async fn subscribe(&self, devices: &[DeviceId]) -> Result<Subscription> {
        if devices.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a subscription needs at least one device"));
        }
        let (sender, receiver) = queue(self.shared.options.queue_capacity);
        let starts = devices.iter().map(|&device| {
            let feed = Feed { client: self.clone(), device, queue: sender.clone() };
            async move { feed.start(false).await.map(|connection| (feed, connection)) }
        });
        let mut supervisors = JoinSet::new();
        for (feed, connection) in try_join_all(starts).await? {
            supervisors.spawn(feed.keep_alive(connection));
        }
        Ok(Subscription::new(receiver, supervisors))
    }

    /// Calls `callback` for every live event of these readers, until the returned listener is dropped.
    ///
    /// The function runs on a task of its own and may take its time; when it is too slow, events are lost and
    /// counted ([`LogListener::missed`]). A panic in it is logged and stops no other event. It hears events alone.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let simulator = Simulator::new("devices=2")?;
    /// # let client = Client::new(simulator.backend());
    /// let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
    /// let devices = simulator.device_ids();
    /// let listener = client.on_log_received(&devices, move |device, _| drop(heard.send(device))).await?;
    /// simulator.make_event(devices[1])?;
    /// assert_eq!(hearing.recv().await, Some(devices[1]));
    /// assert_eq!(listener.missed(), 0);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias("OnLogReceived", "BS2_StartMonitoringLog"))]
    pub async fn on_log_received(
        &self,
        devices: &[DeviceId],
        callback: impl FnMut(DeviceId, &Event) + Send + 'static,
    ) -> Result<LogListener> {
        Ok(LogListener::start(self.subscribe(devices).await?, callback))
    }

    /// The changes of all connections from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// use tokio_stream::StreamExt;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let client = Client::new(Simulator::new("devices=1")?.backend());
    /// let mut states = client.states();
    /// client.devices().await?[0].time().await?;
    /// assert!(states.next().await.is_some());
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias("BS2_SetDeviceEventListener", "SubscribeStatus"))]
    #[must_use]
    pub fn states(&self) -> StateStream {
        self.shared.states.subscribe()
    }

    /// Closes the backend for all clones of this client.
    ///
    /// # Errors
    ///
    /// Those of the backend.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let client = Client::new(Simulator::new("devices=1")?.backend());
    /// client.close().await?;
    /// assert_eq!(client.devices().await.unwrap_err().kind(), bs2_events::ErrorKind::Closed);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    pub async fn close(&self) -> Result<()> {
        self.within_deadline("closing", self.backend().close()).await
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.shared.backend
    }

    /// One call to a connected reader, made again when the connection was lost, at most [`CALL_RETRIES`] times and not
    /// after the deadline.
    pub(super) async fn call<T, F>(&self, device: DeviceId, what: &str, call: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let ClientOptions { retry, deadline, .. } = self.shared.options;
        let policy = retry.within(CALL_RETRIES, deadline);
        let connection_lost = |error: &Error| error.kind() == ErrorKind::Disconnected;
        policy.retry(|| self.call_once(device, what, call()), connection_lost).await
    }

    /// One call to a connected reader, for what must not be done twice.
    pub(super) async fn call_once<T>(
        &self,
        device: DeviceId,
        what: &str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let result = match self.connect(device).await {
            Ok(()) => self.within_deadline(what, call).await,
            Err(error) => Err(error),
        };
        result.map_err(|error| {
            if error.kind() == ErrorKind::Disconnected {
                self.shared.states.set(device, ConnectionState::Disconnected);
            }
            if error.device().is_some() { error } else { error.with_device(device) }
        })
    }

    async fn connect(&self, device: DeviceId) -> Result<()> {
        let states = &self.shared.states;
        if states.get(device) != Some(ConnectionState::Connected) {
            states.set(device, ConnectionState::Connecting);
        }
        let result = self.within_deadline("connecting", self.backend().connect(device)).await;
        let state = if result.is_ok() { ConnectionState::Connected } else { ConnectionState::Disconnected };
        states.set(device, state);
        result
    }

    async fn within_deadline<T>(&self, what: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        within(self.shared.options.deadline, what, call).await
    }
}

async fn within<T>(deadline: Duration, what: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(deadline, call).await.unwrap_or_else(|_| {
        let message = format!("{what}: no answer within {} ms", deadline.as_millis());
        Err(Error::new(ErrorKind::TimedOut, message))
    })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("backend", &self.shared.backend)
            .field("options", &self.shared.options)
            .finish()
    }
}

/// One reader's part of a subscription.
struct Feed {
    client: Client,
    device: DeviceId,
    queue: Sender,
}

/// A monitoring under way, and where its end will be told.
struct Connection {
    _monitoring: Monitoring,
    broken: mpsc::Receiver<Error>,
    resumed: Arc<AtomicBool>,
}

impl Feed {
    async fn start(&self, again: bool) -> Result<Connection> {
        let monitor = || async {
            let resumed = Arc::new(AtomicBool::new(again));
            let (sink, broken) = LiveSink::new(self.device, self.queue.clone(), Arc::clone(&resumed));
            let monitoring = self.client.backend().monitor(self.device, sink).await?;
            Ok(Connection { _monitoring: monitoring, broken, resumed })
        };
        self.client.call(self.device, "monitoring", monitor).await
    }

    /// Waits for the end of the connection and makes it again, until the policy gives up or nobody listens.
    async fn keep_alive(self, mut connection: Connection) {
        let mut retry = Retry::new(self.client.shared.options.retry);
        loop {
            // `None` without a word: the backend has dropped its sink, which ends the monitoring too.
            let error = connection.broken.recv().await;
            drop(connection);
            tracing::info!(device = %self.device, ?error, "monitoring was interrupted");
            self.client.shared.states.set(self.device, ConnectionState::Disconnected);
            retry.reset();
            match self.restart(&mut retry).await {
                Some(again) => connection = again,
                None => return,
            }
            // Unless an event has come already, and this before it.
            self.queue.resumed(self.device, &connection.resumed);
        }
    }

    async fn restart(&self, retry: &mut Retry) -> Option<Connection> {
        while let Some(delay) = retry.next_delay() {
            sleep(delay).await;
            match self.start(true).await {
                Ok(connection) => return Some(connection),
                Err(error) if error.kind() == ErrorKind::Closed => return None,
                Err(error) => tracing::debug!(device = %self.device, %error, "not connected yet"),
            }
        }
        None
    }
}

const CALL_RETRIES: usize = 3;
