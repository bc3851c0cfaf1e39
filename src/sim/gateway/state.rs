//! What all calls of all clients share: the devices, their connections, and the streams to clients.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::codegen::http::Extensions;

use super::broadcast::{Broadcast, StreamOptions};
use super::connections::{ConnectionState, Connections, OpenConnection};
use super::faults::{GatewayFaultInjector, GatewayFaults};
use super::options::{ApiVersion, GatewayServerOptions};
use super::status::{not_connected, status, timed_out};
use crate::codec::{DeviceId, Event, Extras};
use crate::device::backend::{Backend, LiveSink, LiveTarget};
use crate::device::gateway::proto::gsdk::connect::{AcceptFilter, Status as WireStatus, StatusChange};
use crate::sim::{DeviceProfile, Simulator};
use crate::sync::now;
use crate::{Error, Result};

/// The gateway behind its services.
pub(super) struct GatewayState {
    pub(super) simulator: Simulator,
    /// The devices, with their faults.
    pub(super) backend: Arc<dyn Backend>,
    pub(super) connections: Connections,
    pub(super) events: Broadcast<LiveEvent>,
    pub(super) statuses: Broadcast<StatusChange>,
    pub(super) faults: GatewayFaultInjector,
    pub(super) api: ApiVersion,
    runtime: Handle,
    reconnect: Duration,
    queue_timeout: Duration,
    /// How many connections were opened.
    opened: AtomicU64,
    /// Rises with every restart; clients that connected before are dropped.
    restarts: watch::Sender<u64>,
    /// Whether the server is dropped. What devices log then, no client could ever read.
    is_ending: AtomicBool,
}

/// An event as streams send it.
#[derive(Clone)]
pub(super) struct LiveEvent {
    /// The device whose log has the event.
    pub(super) device: DeviceId,
    pub(super) event: Event,
    pub(super) extras: Option<Box<Extras>>,
}

impl GatewayState {
    pub(super) fn new(simulator: &Simulator, options: &GatewayServerOptions, runtime: Handle) -> Self {
        Self {
            connections: Connections::new(
                simulator.inner.devices.len(),
                &options.devices,
                options.accept as usize,
            ),
            faults: GatewayFaultInjector::new(options.faults, simulator.inner.options.seed),
            simulator: simulator.clone(),
            backend: simulator.make_backend(true),
            events: Broadcast::default(),
            statuses: Broadcast::default(),
            api: options.api,
            runtime,
            reconnect: options.reconnect,
            queue_timeout: options.queue_timeout,
            opened: AtomicU64::new(0),
            restarts: watch::Sender::new(0),
            is_ending: AtomicBool::new(false),
        }
    }

    /// Changes with every restart of the gateway.
    pub(super) fn restarts(&self) -> watch::Receiver<u64> {
        self.restarts.subscribe()
    }

    /// Drops every client and forgets every connection, as a gateway does that was started again.
    pub(super) fn restart(self: &Arc<Self>) {
        self.restarts.send_modify(|restarts| *restarts += 1);
        self.connections.unreachable().clear();
        *self.connections.filter() = AcceptFilter::default();
        for (position, _) in self.connections.iter() {
            self.stop_reconnecting(position);
            self.admit(position);
        }
    }

    /// Drops every client and every connection, for ever.
    pub(super) fn end(self: &Arc<Self>) {
        self.is_ending.store(true, Ordering::Relaxed);
        self.restart();
    }

    /// Begins the stream that a request asks for, if it asks for one. A client that subscribes and at once connects a
    /// device must hear of it, so a subscription counts from the moment at which its request arrives.
    pub(super) fn reserve_stream(&self, path: &str, extensions: &mut Extensions) {
        let call = path.rsplit('.').next().unwrap_or_default();
        match call {
            "Connect/SubscribeStatus" => drop(extensions.insert(self.statuses.reserve())),
            "Event/SubscribeRealtimeLog" => drop(extensions.insert(self.events.reserve())),
            _ => {}
        }
    }

    // Calls.

    /// Begins a call of a client. This is where calls fail at random.
    /// Fails with the status of an injected fault.
    pub(super) fn begin_call(self: &Arc<Self>) -> Result<(), Status> {
        if self.faults.restarts() {
            self.restart();
        }
        self.faults.fail_call()
    }

    /// Makes a call to a connected device.
    /// Fails with `NOT_FOUND` for a device that is not connected, `DEADLINE_EXCEEDED` when it does not answer, and the
    /// status of the error that it answers with.
    pub(super) async fn call_device<T>(
        self: &Arc<Self>,
        device: u32,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T, Status> {
        self.begin_call()?;
        self.connected(device)?;
        let response = timeout(COMMAND_TIMEOUT, call).await.map_err(|_| timed_out(device))?;
        response.map_err(|error| status(&error))
    }

    /// The position of a connected device.
    /// Fails with `NOT_FOUND` for any other.
    pub(super) fn connected(&self, device: u32) -> Result<usize, Status> {
        let position =
            self.position(device).filter(|position| self.connections.at(*position).lock().is_open());
        position.ok_or_else(|| not_connected(device))
    }

    pub(super) fn position(&self, device: u32) -> Option<usize> {
        self.simulator.inner.position(DeviceId::new(device)).ok()
    }

    /// The number of the device at this position.
    pub(super) fn device(&self, position: usize) -> u32 {
        self.simulator.inner.devices[position].device().get()
    }

    /// The numbers of the slaves of the device at this position.
    pub(super) fn slaves(&self, position: usize) -> Vec<u32> {
        self.simulator.inner.devices[position].slaves().iter().map(|slave| slave.get()).collect()
    }

    /// What a device says of itself.
    pub(super) fn profile(&self, device: u32) -> DeviceProfile {
        DeviceProfile::new(DeviceId::new(device), &self.simulator.inner.options)
    }

    /// The number of the device type, which is that of every device.
    pub(super) fn device_type(&self) -> i32 {
        self.profile(0).device_type.into()
    }

    /// How a stream behaves whose client asks for a queue of this size.
    /// Fails with `INVALID_ARGUMENT` for a size below 0. A queue of size 0 holds one item.
    pub(super) fn stream_options(&self, queue_size: i32) -> Result<StreamOptions, Status> {
        let size = usize::try_from(queue_size)
            .map_err(|_| Status::invalid_argument(format!("queueSize: {queue_size} is below 0")))?;
        let (end, ends_after) = self.faults.stream_end();
        Ok(StreamOptions {
            size: size.max(1),
            timeout: self.queue_timeout,
            end,
            ends_after,
            one_by_one: self.faults.has(GatewayFaults::FRAMES),
        })
    }

    // Logs.

    /// Returns up to `max` events of a device from `start` on, all for 0. A start below the oldest is the oldest.
    /// Fails as [`call_device`](Self::call_device).
    pub(super) async fn page(
        self: &Arc<Self>,
        device: u32,
        start: u32,
        max: u32,
    ) -> Result<Vec<Event>, Status> {
        let (after, max) = self.after_and_max(start, max);
        let call = self.backend.logs(DeviceId::new(device), after, max);
        let mut page = self.call_device(device, call).await?.to_vec();
        self.faults.spoil_page(&mut page);
        Ok(page)
    }

    /// A page that a client asks for, as backends count: behind an id, and with a limit.
    pub(super) fn after_and_max(&self, start: u32, max: u32) -> (u32, u32) {
        let is_exclusive = self.faults.has(GatewayFaults::EXCLUSIVE);
        let after = if is_exclusive { start } else { start.saturating_sub(1) };
        (after, if max == 0 { u32::MAX } else { max })
    }

    /// What the device knows of each of these events beyond its 48 bytes.
    pub(super) fn extras(&self, device: u32, events: &[Event]) -> Vec<Extras> {
        let Some(position) = self.position(device) else { return Vec::new() };
        let parts = self.simulator.inner.devices[position].lock();
        events.iter().map(|event| parts.state.extras(event)).collect()
    }

    // Connections.

    /// Connects a device, if `is_wanted` still holds when the device has accepted. A connected device stays connected.
    /// Fails with `UNAVAILABLE` when the device cannot be connected.
    pub(super) async fn connect(
        self: &Arc<Self>,
        position: usize,
        tls: bool,
        is_wanted: impl Fn(&ConnectionState) -> bool + Send,
    ) -> Result<(), Status> {
        let cannot = |why: &str| Status::unavailable(format!("cannot handshake the connection: {why}"));
        {
            let connection = self.connections.at(position).lock();
            if connection.is_open() {
                return Ok(());
            }
            if self.connections.at(position).address().is_none() {
                return Err(cannot("nothing answers at this address"));
            }
            if connection.wants_tls && !tls {
                return Err(cannot("the device wants TLS"));
            }
        }
        let device = DeviceId::new(self.device(position));
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let feed =
            DeviceFeed { gateway: Arc::downgrade(self), position, number, is_lost: AtomicBool::new(false) };
        let feed = Arc::new(feed);
        let sink = LiveSink::to_target(device, Arc::clone(&feed) as Arc<dyn LiveTarget>);
        let attempt = timeout(HANDSHAKE_TIMEOUT, async {
            self.backend.connect(device).await?;
            self.backend.monitor(device, sink).await
        });
        let monitoring =
            attempt.await.map_err(|_| cannot("i/o timeout"))?.map_err(|error| cannot(&error.to_string()))?;

        let mut logged = self.connections.at(position).logged();
        if self.connections.at(position).lock().is_open() {
            return Ok(()); // Another call was faster.
        }
        // Before the status, so that a client that hears of the connection finds it in the log.
        self.log_connection(position, &mut logged, true);
        let opened = {
            let mut connection = self.connections.at(position).lock();
            if !is_wanted(&connection) {
                Err(cannot("it is not wanted any more"))
            } else if feed.is_lost.load(Ordering::Relaxed) {
                Err(cannot("the connection is lost"))
            } else {
                connection.open = Some(OpenConnection { tls, number, is_monitored: false });
                connection.refused_at = None;
                self.send_status(self.device(position), connection.status());
                Ok(connection.monitoring.replace(monitoring))
            }
        };
        if opened.is_err() {
            self.log_connection(position, &mut logged, false);
        }
        opened.map(drop) // Outside the lock: it locks the device.
    }

    /// Lets the device log that a client is connected or not, if its log says something else.
    fn log_connection(&self, position: usize, logged: &mut bool, is_connected: bool) {
        if self.is_ending.load(Ordering::Relaxed) {
            return;
        }
        let Ok(reader) = self.simulator.reader(DeviceId::new(self.device(position))) else { return };
        if *logged && is_connected {
            reader.note_connection(false); // The loss of the connection before, which nobody has noted yet.
        }
        if *logged || is_connected {
            reader.note_connection(is_connected);
        }
        *logged = is_connected;
    }

    /// Lets the device log that its connection was closed or lost, unless it is open again.
    fn log_closed(&self, position: usize) {
        let connection = self.connections.at(position);
        let mut logged = connection.logged();
        let is_open = connection.lock().is_open();
        if !is_open {
            self.log_connection(position, &mut logged, false);
        }
    }

    /// Closes the connection to a device; `false` if there was none.
    pub(super) fn close(&self, position: usize) -> bool {
        let monitoring = {
            let mut connection = self.connections.at(position).lock();
            if connection.open.take().is_none() {
                return false;
            }
            self.send_status(self.device(position), WireStatus::Disconnected);
            connection.monitoring.take()
        };
        drop(monitoring); // Outside the lock: it locks the device.
        self.log_closed(position);
        true
    }

    /// Puts a device at the address of another one, whose connection is lost. The new one is as it comes: nobody has
    /// connected it.
    pub(super) fn replace(self: &Arc<Self>, old: usize, new: usize) {
        self.stop_reconnecting(new);
        self.connections.replace(old, new);
        self.disconnect(old);
    }

    /// Closes a connection at the request of a client; an asynchronous one is opened again. `false` if there was none.
    pub(super) fn disconnect(self: &Arc<Self>, position: usize) -> bool {
        let (tls, is_asynchronous) = {
            let connection = self.connections.at(position).lock();
            (connection.uses_tls(), connection.is_asynchronous)
        };
        let was_open = self.close(position);
        if was_open && is_asynchronous {
            self.keep_connected(position, tls);
        }
        self.admit(position);
        was_open
    }

    /// Connects a device in the background, and again whenever the connection is lost. The state of a device that is
    /// connected already is sent again: the client waits for it.
    pub(super) fn keep_connected(self: &Arc<Self>, position: usize, tls: bool) {
        let mut connection = self.connections.at(position).lock();
        connection.is_asynchronous = true;
        self.try_until_connected(position, tls, &mut connection);
    }

    /// Ends [`keep_connected`](Self::keep_connected) and closes the connection; `false` if the connection was not
    /// asynchronous.
    pub(super) fn stop_reconnecting(&self, position: usize) -> bool {
        let was_asynchronous = {
            let mut connection = self.connections.at(position).lock();
            connection.stop_trying();
            std::mem::take(&mut connection.is_asynchronous)
        };
        self.close(position);
        was_asynchronous
    }

    /// Accepts or refuses a device that connects by itself, unless it is connected.
    pub(super) fn admit(self: &Arc<Self>, position: usize) {
        let is_allowed = self.is_allowed(position);
        let mut connection = self.connections.at(position).lock();
        if !connection.connects_itself() || connection.is_open() {
            return;
        }
        if is_allowed {
            let tls = connection.wants_tls;
            self.try_until_connected(position, tls, &mut connection);
        } else {
            connection.refused_at = Some(now().as_unix_seconds());
        }
    }

    /// Whether the accept filter lets a device in.
    fn is_allowed(&self, position: usize) -> bool {
        let filter = self.connections.filter();
        filter.allow_all || filter.device_i_ds.contains(&self.device(position))
    }

    /// Fails with `NOT_FOUND` for a device that is not connected.
    pub(super) fn monitor(self: &Arc<Self>, device: u32, is_monitored: bool) -> Result<(), Status> {
        self.begin_call()?;
        let position = self.connected(device)?;
        if let Some(open) = &mut self.connections.at(position).lock().open {
            open.is_monitored = is_monitored;
        }
        Ok(())
    }

    /// Sends the status of a device to the clients that subscribed to it.
    pub(super) fn send_status(&self, device_id: u32, status: WireStatus) {
        let timestamp = now().as_unix_seconds();
        self.statuses.send(&StatusChange { device_id, status: status.into(), timestamp });
    }

    fn try_until_connected(self: &Arc<Self>, position: usize, tls: bool, connection: &mut ConnectionState) {
        connection.stop_trying();
        let now = Instant::now();
        let accepts_at = connection.accepts_at.filter(|at| *at > now).unwrap_or(now + CONNECT_TIME);
        connection.accepts_at = Some(accepts_at);
        let gateway = Arc::downgrade(self);
        let attempt = self.runtime.spawn(async move {
            tokio::time::sleep_until(accepts_at).await;
            if let Some(gateway) = gateway.upgrade() {
                let connection = gateway.connections.at(position).lock();
                if connection.is_open() {
                    return gateway.send_status(gateway.device(position), connection.status());
                }
            }
            while let Some(gateway) = gateway.upgrade() {
                let is_wanted = |connection: &ConnectionState| {
                    connection.is_asynchronous || connection.connects_itself() && gateway.is_allowed(position)
                };
                if gateway.connect(position, tls, is_wanted).await.is_ok() {
                    return;
                }
                let is_wanted = is_wanted(&gateway.connections.at(position).lock());
                if !is_wanted {
                    return gateway.admit(position); // It waits again.
                }
                let status = if tls { WireStatus::TlsCannotConnect } else { WireStatus::TcpCannotConnect };
                gateway.send_status(gateway.device(position), status);
                let pause = gateway.reconnect;
                drop(gateway);
                tokio::time::sleep(pause).await;
            }
        });
        connection.attempt = Some(attempt.abort_handle());
    }
}

/// Receives the events of one connection to a device for the streams of the clients.
struct DeviceFeed {
    gateway: Weak<GatewayState>,
    position: usize,
    number: u64,
    /// Whether the connection was lost before it was open. Set and read under the lock of the connection.
    is_lost: AtomicBool,
}

impl LiveTarget for DeviceFeed {
    fn event(&self, event: &Event, extras: Option<Box<Extras>>) {
        let Some(gateway) = self.gateway.upgrade() else { return };
        let is_monitored = {
            let connection = gateway.connections.at(self.position).lock();
            let open = connection.open.as_ref().filter(|open| open.number == self.number);
            open.is_some_and(|open| open.is_monitored)
        };
        if is_monitored {
            let device = DeviceId::new(gateway.device(self.position));
            gateway.events.send(&LiveEvent { device, event: *event, extras });
        }
    }

    /// Clients see lost events by their ids alone.
    fn lost(&self, _: u64) {}

    /// Monitoring ends with the connection. Only an asynchronous connection is opened again.
    fn disconnected(&self, _: Error) {
        let Some(gateway) = self.gateway.upgrade() else { return };
        let mut connection = gateway.connections.at(self.position).lock();
        let Some(open) = connection.open.take_if(|open| open.number == self.number) else {
            self.is_lost.store(true, Ordering::Relaxed);
            return;
        };
        gateway.send_status(gateway.device(self.position), WireStatus::Disconnected);
        if connection.is_asynchronous {
            gateway.try_until_connected(self.position, open.tls, &mut connection);
        }
        drop(connection);
        gateway.admit(self.position);
        // Not here: the device may be locked.
        let (runtime, position) = (gateway.runtime.clone(), self.position);
        runtime.spawn(async move { gateway.log_closed(position) });
    }

    fn is_closed(&self) -> bool {
        self.gateway.strong_count() == 0
    }
}

/// A limit of the interface, in which 0 means no limit.
pub(super) fn limit(max: u32) -> usize {
    if max == 0 { usize::MAX } else { max as usize }
}

/// How long a device takes at least to accept a connection that a client waits for only by its status. Some clients
/// subscribe and connect in no certain order.
const CONNECT_TIME: Duration = Duration::from_millis(50);
/// How long a device may take to answer. A real gateway gives short commands half of it.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a device may take to accept a connection.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
