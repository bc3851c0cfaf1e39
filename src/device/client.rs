//! The client of all devices that one backend reaches.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::backend::Backend;
use super::calls::{Calls, within};
use super::connection::StateBoard;
use super::subscription::subscribe;
use super::{ConnectionSubscription, Device, LogListener, Subscription};
use crate::codec::{DeviceId, Event};
use crate::{Error, Result, RetryPolicy};

/// A client of the devices that a [`Backend`] reaches. Cheap to clone; clones share everything.
///
/// The client adds to its backend: a deadline for every call, connecting and reconnecting, pages in order, and bounded
/// streams that say what they lost. It needs a tokio runtime with time.
///
/// # Examples
///
/// ```
/// use bs2_events::device::Client;
/// use bs2_events::sim::Simulator;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = Client::new(Simulator::new("devices=1&backlog=100")?.backend());
/// for device in client.devices().await? {
///     let page = device.logs(0, 10).await?;
///     assert_eq!(page.len(), 10);
/// }
/// # Ok::<(), bs2_events::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Client {
    calls: Arc<Calls>,
}

impl Client {
    /// A client with the default options.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self::with_options(backend, ClientOptions::default())
    }

    /// A client with these options.
    pub fn with_options(backend: Arc<dyn Backend>, options: ClientOptions) -> Self {
        let ClientOptions { deadline, queue_capacity, retry } = options;
        let (name, states, page_sizes) = (OnceLock::new(), StateBoard::new(), Mutex::default());
        let calls = Calls { backend, name, deadline, queue_capacity, retry, states, page_sizes };
        Self { calls: Arc::new(calls) }
    }

    /// Sets what messages call this client, for all its clones; the first name counts. [`open`](Self::open) takes it
    /// from the URL.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        let _ = self.calls.name.set(name.into());
        self
    }

    /// What messages call this client; empty if it has no name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.calls.name()
    }

    /// The device with this id. Whether it exists shows at the first call.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Device {
        Device::new(Arc::clone(&self.calls), id)
    }

    /// Every device that the backend reaches, ascending.
    ///
    /// A device that cannot be reached is left out, with a warning in the log. [`discover`](Self::discover) returns the
    /// errors.
    ///
    /// # Errors
    ///
    /// Those of the backend; [`TimedOut`](crate::ErrorKind::TimedOut) after the deadline; the error of the first device
    /// if no device can be reached.
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

    /// Every device that the backend reaches, ascending, and an error for each device that the backend's options name
    /// and that it does not reach.
    ///
    /// # Errors
    ///
    /// Those of the backend; [`TimedOut`](crate::ErrorKind::TimedOut) after the deadline.
    pub async fn discover(&self) -> Result<(Vec<Device>, Vec<Error>)> {
        // The backend gives each device the deadline, and the list waits for the last of them.
        let deadline = self.calls.deadline.saturating_mul(2);
        let list = within(deadline, "the list of devices", self.calls.backend.devices()).await?;
        Ok((list.devices.into_iter().map(|id| self.device(id)).collect(), list.failures))
    }

    /// Live events of several devices in one stream; [`Subscription`] has an example.
    ///
    /// Returns when the first try to connect has ended for every device. What happens from then on at a connected
    /// device is in the stream. A device that cannot be reached does not end the others: its error is among
    /// [`Subscription::unreached`], and it is tried again, like a lost connection, by the client's
    /// [retry policy](ClientOptions::with_retry).
    ///
    /// # Errors
    ///
    /// The first device's error if none can be reached; [`InvalidInput`](crate::ErrorKind::InvalidInput) for no device.
    #[doc(alias("BS2_StartMonitoringLog", "SubscribeRealtimeLog", "EnableMonitoring"))]
    pub async fn subscribe(&self, devices: &[DeviceId]) -> Result<Subscription> {
        subscribe(&self.calls, devices).await
    }

    /// Calls `callback` for every live event of these devices, until the returned listener is dropped.
    ///
    /// The callback runs on a task of its own. If it is too slow, events are lost and counted
    /// ([`LogListener::missed`]). A panic in it is logged, and the next event is delivered. The callback receives events
    /// only: use [`subscribe`](Self::subscribe) for extras and for what was lost.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    #[doc(alias("OnLogReceived", "BS2_StartMonitoringLog"))]
    pub async fn on_log_received(
        &self,
        devices: &[DeviceId],
        callback: impl FnMut(DeviceId, &Event) + Send + 'static,
    ) -> Result<LogListener> {
        Ok(LogListener::start(self.subscribe(devices).await?, callback))
    }

    /// The changes of all connections from now on.
    #[doc(alias("BS2_SetDeviceEventListener", "SubscribeStatus"))]
    #[must_use]
    pub fn states(&self) -> ConnectionSubscription {
        self.calls.states.subscribe()
    }

    /// Closes the backend for all clones of this client. Later calls fail with [`Closed`](crate::ErrorKind::Closed).
    ///
    /// # Errors
    ///
    /// Those of the backend.
    pub async fn close(&self) -> Result<()> {
        self.calls.within_deadline("closing", self.calls.backend.close()).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.calls).finish()
    }
}

/// Options of a [`Client`].
#[derive(Clone, Copy, Debug)]
pub struct ClientOptions {
    deadline: Duration,
    queue_capacity: usize,
    retry: RetryPolicy,
}

impl ClientOptions {
    /// Sets how long one call may take; 15 s by default.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets how many live items wait for a subscription before it loses events; 4 096 by default, at least 1.
    ///
    /// Memory is taken as items come, not in advance. The subscription takes over what waits all at once, so it may hold
    /// as many items again.
    #[must_use]
    pub const fn with_queue_capacity(mut self, items: usize) -> Self {
        self.queue_capacity = match items {
            0 => 1,
            MOST_ITEMS.. => MOST_ITEMS,
            items => items,
        };
        self
    }

    /// Sets when to connect again: after a lost connection, and for a subscription also if a device cannot be reached.
    /// A single call is made again at most 3 times. By default the waits are at most 5 s, and a random part of as much.
    #[must_use]
    pub const fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        let retry = RetryPolicy::default().with_longest(Duration::from_secs(5));
        Self { deadline: Duration::from_secs(15), queue_capacity: 4_096, retry }
    }
}

/// The most that a queue of tokio can count; more would panic.
const MOST_ITEMS: usize = Semaphore::MAX_PERMITS;
