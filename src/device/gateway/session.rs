//! A session: one connection to a gateway with its two streams, the subscribers, and the sessions one after another.

use std::collections::HashMap;
use std::fmt;
use std::future::{poll_fn, ready};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tonic::Status;
use tonic::codec::Streaming;
use tonic_prost::ProstCodec;

use super::channel::ChannelFactory;
use super::codec::{LiveCodec, LiveLog, LiveLogs};
use super::connections::{ConnectionState, ConnectionStates, Connections};
use super::event_log::UnrepresentableEvent;
use super::options::GatewayOptions;
use super::proto::gsdk::admin::{GetInfoRequest, GetInfoResponse};
use super::proto::gsdk::connect::{StatusChange, SubscribeStatusRequest};
use super::proto::gsdk::event::{
    EnableMonitoringRequest, EnableMonitoringResponse, SubscribeRealtimeLogRequest,
};
use super::rpc::RpcClient;
use super::support::Support;
use crate::codec::DeviceId;
use crate::device::backend::LiveSink;
use crate::device::sources::Sources;
use crate::{Error, ErrorKind, Result};

/// The sessions with one gateway. A new one is opened when it is needed and the last one has ended.
pub(super) struct Sessions {
    pub(super) options: GatewayOptions,
    channels: ChannelFactory,
    /// The client's own, for the login at a master gateway.
    certificate: Option<String>,
    pub(super) states: Arc<ConnectionStates>,
    /// Kept over sessions: what the logs have shown of slaves stays true.
    sources: Arc<Sources>,
    /// The current session, for the calls.
    current: RwLock<Option<Arc<Session>>>,
    /// The guard of the current session. Whoever holds the lock opens the next session.
    guard: Mutex<Option<SessionGuard>>,
    closed: AtomicBool,
}

impl Sessions {
    /// Reads the files of the options, and connects nothing.
    /// Errors: those of [`ChannelFactory::new`]; `InvalidInput` for a master gateway without a client certificate.
    pub(super) fn new(options: GatewayOptions) -> Result<Self> {
        let channels = ChannelFactory::new(&options)?;
        let certificate = match (&options.master, &options.identity) {
            (Some(_), Some(identity)) => Some(identity.certificate_pem()?),
            (Some(_), None) => {
                let message = "a master gateway requires `client-cert` and `client-key`";
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            (None, _) => None,
        };
        let (states, sources, current, guard, closed) = Default::default();
        Ok(Self { options, channels, certificate, states, sources, current, guard, closed })
    }

    /// The current session, or a new one.
    pub(super) async fn get(&self) -> Result<Arc<Session>> {
        if let Some(session) = self.current()? {
            return Ok(session);
        }
        let mut guard = self.guard.lock().await;
        if let Some(session) = self.current()? {
            return Ok(session);
        }
        *guard = None; // The tasks of the last session end here.
        let options = &self.options;
        let (gateway, certificate) = (options.authority.clone(), self.certificate.clone());
        let rpc = RpcClient::new(self.channels.channel(), gateway, options.deadline, certificate);
        let connections = Connections::new(rpc, options.master.clone());
        let known = (Arc::clone(&self.states), Arc::clone(&self.sources));
        // Whatever fails here concerns the gateway and not a device.
        let opened = SessionGuard::open(connections, known, options).await.map_err(Error::of_backend)?;
        let session = Arc::clone(&opened.session);
        *guard = Some(opened);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
        // A `close` in the meantime found no session to end.
        self.check_open().inspect_err(|_| session.end(closed))?;
        Ok(session)
    }

    /// The current session, if it has not ended.
    pub(super) fn current(&self) -> Result<Option<Arc<Session>>> {
        self.check_open()?;
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Ok(current.as_ref().filter(|session| !session.is_over()).map(Arc::clone))
    }

    /// Ends the current session, and every later call.
    pub(super) async fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            let current = self.current.write().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(session) = current {
                session.end(closed);
            }
            *self.guard.lock().await = None;
        }
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }
}

/// Runs the tasks of a session. They end when this is dropped.
struct SessionGuard {
    session: Arc<Session>,
    _tasks: JoinSet<()>,
}

/// What the calls and the tasks of a session share.
pub(super) struct Session {
    pub(super) connections: Connections,
    pub(super) states: Arc<ConnectionStates>,
    pub(super) sources: Arc<Sources>,
    pub(super) support: Support,
    subscribers: RwLock<Subscribers>,
    /// Notified when a live event is of a number that nobody knows.
    unplaced: Notify,
    /// When the last read of the slaves began; `None` if the gateway has no such call. Whoever holds the lock reads.
    slaves_read: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Subscribers {
    by_device: HashMap<DeviceId, Vec<(u64, LiveSink)>>,
    tickets: u64,
    is_over: bool,
}

/// A stream that is being opened. A gateway may respond only with the first item.
type Opening<T> = BoxFuture<'static, Result<Streaming<T>, Status>>;

impl SessionGuard {
    /// Opens the streams and reads the gateway's list of devices.
    ///
    /// The streams come first, so that no change between list and stream is missed.
    async fn open(
        connections: Connections,
        (states, sources): (Arc<ConnectionStates>, Arc<Sources>),
        options: &GatewayOptions,
    ) -> Result<Self> {
        let (queue, heartbeat) = (options.queue, options.heartbeat);
        let (support, subscribers, unplaced) = Default::default();
        let slaves_read = Mutex::new(Some(Instant::now()));
        let session =
            Arc::new(Session { connections, states, sources, support, subscribers, unplaced, slaves_read });
        // The streams below begin to open and then wait for the list. They must not hold the lock of the token then.
        session.rpc().log_in().await?;
        let asking = Arc::clone(&session);
        let mut statuses = begin(async move { asking.statuses(queue).await }).await;
        let asking = Arc::clone(&session);
        let mut events = begin(async move { asking.events(queue).await }).await;
        session.refresh().await?;
        session.know_slaves().await;
        // Most gateways respond at once. Then every event of a device that is enabled from now on arrives.
        session.settle(&mut statuses).await?;
        session.settle(&mut events).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(watch_events(Arc::clone(&session), events));
        tasks.spawn(watch_statuses(Arc::clone(&session), statuses));
        tasks.spawn(watch_silence(Arc::clone(&session), heartbeat));
        tasks.spawn(watch_slaves(Arc::clone(&session), heartbeat));
        Ok(Self { session, _tasks: tasks })
    }
}

impl Session {
    pub(super) fn rpc(&self) -> &RpcClient {
        self.connections.rpc()
    }

    fn is_over(&self) -> bool {
        self.read().is_over
    }

    /// Takes over the gateway's list of devices.
    pub(super) async fn refresh(&self) -> Result<()> {
        let before = self.states.changes();
        let list = self.connections.list().await?;
        for device in self.states.reconcile(&list, &before) {
            self.report_lost(device);
        }
        Ok(())
    }

    /// Reads which devices have slaves, from the connected ones. Callers share a read that begins after their call.
    ///
    /// A gateway that does not respond in time is asked again beside the work, and what it does not know is found in the
    /// logs.
    pub(super) async fn know_slaves(&self) {
        let called = Instant::now();
        let mut last = self.slaves_read.lock().await;
        if last.is_none_or(|began| began > called) {
            return;
        }
        *last = Some(Instant::now());
        match timeout(PATIENCE, self.read_slaves()).await {
            Ok(Err(error)) if error.kind() == ErrorKind::Unsupported => *last = None,
            Ok(Err(error)) => tracing::debug!(%error, "the slaves of the devices cannot be read"),
            Ok(Ok(())) | Err(_) => {}
        }
    }

    async fn read_slaves(&self) -> Result<()> {
        for master in self.connections.slaves().await? {
            let slaves = master.rs485_slave_device_i_ds.iter().chain(&master.wiegand_slave_device_i_ds);
            self.sources.declare(DeviceId::new(master.device_id), slaves.map(|slave| DeviceId::new(*slave)));
        }
        Ok(())
    }

    /// Adds a sink for the live events of its device. Returns a ticket for [`unsubscribe`](Self::unsubscribe).
    pub(super) fn subscribe(&self, sink: LiveSink) -> Result<u64> {
        let mut subscribers = self.write();
        if subscribers.is_over {
            let lost = Error::new(ErrorKind::Disconnected, "the connection to the gateway is lost");
            return Err(lost.of_backend());
        }
        subscribers.tickets += 1;
        let ticket = subscribers.tickets;
        subscribers.by_device.entry(sink.device()).or_default().push((ticket, sink));
        Ok(ticket)
    }

    pub(super) fn unsubscribe(&self, device: DeviceId, ticket: u64) {
        let mut subscribers = self.write();
        if let Some(sinks) = subscribers.by_device.get_mut(&device) {
            sinks.retain(|(of, _)| *of != ticket);
            if sinks.is_empty() {
                subscribers.by_device.remove(&device);
            }
        }
    }

    /// Makes the gateway report the events of a device.
    pub(super) async fn enable(&self, device: DeviceId) -> Result<()> {
        let request = EnableMonitoringRequest { device_id: device.get() };
        let EnableMonitoringResponse {} = self.rpc().call("enabling live events", ENABLE, request).await?;
        Ok(())
    }

    /// The gateway's version, as the gateway writes it.
    pub(super) async fn version(&self) -> Result<String> {
        let request = GetInfoRequest {};
        let response: GetInfoResponse = self.rpc().call("gateway version", VERSION, request).await?;
        Ok(response.version)
    }

    /// Ends the session. Every subscriber gets an error.
    fn end(&self, error: impl Fn() -> Error) {
        let mut subscribers = self.write();
        if std::mem::replace(&mut subscribers.is_over, true) {
            return;
        }
        self.states.forget_states();
        self.sources.report_unplaced();
        for (_, sink) in subscribers.by_device.drain().flat_map(|(_, sinks)| sinks) {
            sink.disconnected(error().of_backend());
        }
    }

    /// Reports to the subscribers of a device that its connection is lost.
    fn report_lost(&self, device: DeviceId) {
        for (_, sink) in self.write().by_device.remove(&device).unwrap_or_default() {
            let error =
                Error::new(ErrorKind::Disconnected, "the gateway has lost the connection to the device");
            sink.disconnected(error.with_device(device));
        }
    }

    /// Passes events that arrived together to the subscribers.
    fn deliver(&self, logs: &[LiveLog]) {
        let subscribers = self.read();
        for logs in logs.chunk_by(|(a, _), (b, _)| a.device_id() == b.device_id()) {
            let Some(source) = logs.first().map(|(event, _)| event.device_id()) else { continue };
            match self.sinks(&subscribers, source) {
                Some(sinks) => sinks.iter().for_each(|(_, sink)| sink.push_all(logs.iter().cloned())),
                None => self.look_for(&subscribers, source, logs.len()),
            }
        }
    }

    /// The subscribers of the device whose log has the events of this source: the device itself, or its master. There may
    /// be none: the stream has the events of every device of the gateway. `None` for a number that nobody knows.
    fn sinks<'a>(&self, subscribers: &'a Subscribers, source: DeviceId) -> Option<&'a [(u64, LiveSink)]> {
        let of = |device| subscribers.by_device.get(&device).map(Vec::as_slice);
        of(source).or_else(|| match self.sources.master(source) {
            Some(master) => Some(of(master).unwrap_or_default()),
            None => self.states.state(source).map(|_| Default::default()),
        })
    }

    /// Has the logs read in which events of an unknown number may be: those of the masters, and if there are none, all.
    #[cold]
    fn look_for(&self, subscribers: &Subscribers, source: DeviceId, events: usize) {
        if !self.sources.count_unplaced(source, u64::try_from(events).unwrap_or(u64::MAX)) {
            return;
        }
        self.unplaced.notify_one();
        let by_device = &subscribers.by_device;
        let has_masters = by_device.keys().any(|device| self.sources.is_master(*device));
        let may_have = |device| !has_masters || self.sources.is_master(device);
        for (_, sink) in
            by_device.iter().filter(|(device, _)| may_have(**device)).flat_map(|(_, sinks)| sinks)
        {
            sink.lost(1);
        }
    }

    #[cold]
    fn report_unrepresentable(&self, event: UnrepresentableEvent) {
        tracing::warn!(device = %event.device, "{event}, so the event is not in the live stream");
        let subscribers = self.read();
        match self.sinks(&subscribers, event.device) {
            Some(sinks) => sinks.iter().for_each(|(_, sink)| sink.lost(1)),
            None => self.look_for(&subscribers, event.device, 1),
        }
    }

    async fn events(&self, queue: u32) -> Result<Streaming<LiveLogs>, Status> {
        let queue_size = i32::try_from(queue).unwrap_or(i32::MAX);
        // For all devices: some versions of the gateway ignore a filter, and devices may be added later.
        let request = SubscribeRealtimeLogRequest { queue_size, ..Default::default() };
        self.rpc().batched_stream::<LiveCodec>(SUBSCRIBE, request).await
    }

    async fn statuses(&self, queue: u32) -> Result<Streaming<StatusChange>, Status> {
        let request = SubscribeStatusRequest { queue_size: i32::try_from(queue).unwrap_or(i32::MAX) };
        self.rpc().stream::<ProstCodec<_, _>>(self.connections.status_path(), request).await
    }

    /// Waits a little for a stream to be open. A stream without a response until its first item stays as it is.
    async fn settle<T: 'static>(&self, opening: &mut Opening<T>) -> Result<()> {
        if let Ok(stream) = timeout(PATIENCE, &mut *opening).await {
            let stream = stream.map_err(|status| self.rpc().error("subscribing to live events", &status))?;
            *opening = ready(Ok(stream)).boxed();
        }
        Ok(())
    }

    /// The error of a stream that the gateway has ended, as it does when it is stopped.
    fn ended(&self, what: &str) -> Error {
        let gateway = self.rpc().gateway();
        Error::new(ErrorKind::Disconnected, format!("{what}: the gateway at {gateway} has ended the stream"))
    }

    fn read(&self) -> RwLockReadGuard<'_, Subscribers> {
        self.subscribers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Subscribers> {
        self.subscribers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("over", &self.is_over()).finish_non_exhaustive()
    }
}

/// Begins to open a stream. When this returns, the request is on its way, before every later one.
async fn begin<T: 'static>(
    open: impl Future<Output = Result<Streaming<T>, Status>> + Send + 'static,
) -> Opening<T> {
    let mut opening = open.boxed();
    match poll_fn(|context| Poll::Ready(opening.poll_unpin(context))).await {
        Poll::Ready(stream) => ready(stream).boxed(),
        Poll::Pending => opening,
    }
}

/// Receives every event from the gateway as soon as it arrives, however slow the subscribers are: a stream that is not
/// read costs the connection.
async fn watch_events(session: Arc<Session>, opening: Opening<LiveLogs>) {
    let mut stream = match opening.await {
        Ok(stream) => stream,
        Err(status) => return session.end(|| session.rpc().error(LIVE_EVENTS, &status)),
    };
    loop {
        match stream.message().await {
            Ok(Some(LiveLogs { logs, unrepresentable })) => {
                let mut delivered = 0;
                for (before, event) in unrepresentable {
                    session.deliver(&logs[delivered..before]);
                    session.report_unrepresentable(event);
                    delivered = before;
                }
                session.deliver(&logs[delivered..]);
            }
            Ok(None) => return session.end(|| session.ended(LIVE_EVENTS)),
            Err(status) => return session.end(|| session.rpc().error(LIVE_EVENTS, &status)),
        }
        // The subscribers may run on this thread too.
        consume_budget().await;
    }
}

async fn watch_statuses(session: Arc<Session>, opening: Opening<StatusChange>) {
    let mut stream = match opening.await {
        Ok(stream) => stream,
        Err(status) => return session.end(|| session.rpc().error(CONNECTION_STATES, &status)),
    };
    loop {
        let change = match stream.message().await {
            Ok(Some(change)) => change,
            Ok(None) => return session.end(|| session.ended(CONNECTION_STATES)),
            Err(status) => return session.end(|| session.rpc().error(CONNECTION_STATES, &status)),
        };
        let device = DeviceId::new(change.device_id);
        let Some(state) = ConnectionState::of(change.status) else { continue };
        session.states.set(device, state);
        if state != ConnectionState::Connected {
            session.report_lost(device);
        } else if session.read().by_device.contains_key(&device) {
            // The connection was lost and is back before the report of it. The device has forgotten its subscribers.
            tokio::spawn(enable_again(Arc::clone(&session), device));
        }
    }
}

async fn enable_again(session: Arc<Session>, device: DeviceId) {
    if session.enable(device).await.is_err() {
        session.report_lost(device);
    }
}

/// Reads the list of devices now and then. So a gateway that has become silent is found, and a change of state that the
/// stream did not report.
async fn watch_silence(session: Arc<Session>, heartbeat: Duration) {
    let mut ticks = interval_at(Instant::now() + heartbeat, heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Ok(Ok(())) = timeout(heartbeat, session.refresh()).await {
            continue;
        }
        let silent = || {
            let gateway = session.rpc().gateway();
            Error::new(ErrorKind::Disconnected, format!("the gateway at {gateway} has become silent"))
        };
        return session.end(silent);
    }
}

/// Reads now and then who the slaves of the devices are, and when an event of an unknown number arrives.
async fn watch_slaves(session: Arc<Session>, heartbeat: Duration) {
    loop {
        let _ = timeout(heartbeat, session.unplaced.notified()).await;
        session.know_slaves().await;
        sleep(BETWEEN_READS).await;
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the client of the gateway is closed")
}

/// How long a stream may take to open. A slower one may be silent until its first item.
const PATIENCE: Duration = Duration::from_millis(200);
/// Many unknown numbers at once cost one read.
const BETWEEN_READS: Duration = Duration::from_secs(1);
const LIVE_EVENTS: &str = "live events";
const CONNECTION_STATES: &str = "connection states";
const SUBSCRIBE: &str = "/gsdk.event.Event/SubscribeRealtimeLog";
const VERSION: &str = "/gsdk.admin.Admin/GetInfo";
const ENABLE: &str = "/gsdk.event.Event/EnableMonitoring";
