//! One life of the connection to a gateway: its two streams, and who listens.

use std::collections::HashMap;
use std::fmt;
use std::future::{poll_fn, ready};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tonic::Status;
use tonic::codec::Streaming;
use tonic_prost::ProstCodec;

use super::codec::{LiveCodec, LiveLogs};
use super::connections::Connections;
use super::event_log::Misfit;
use super::options::GatewaySettings;
use super::proto::gsdk::connect::{StatusChange, SubscribeStatusRequest};
use super::proto::gsdk::event::{
    EnableMonitoringRequest, EnableMonitoringResponse, SubscribeRealtimeLogRequest,
};
use super::readers::{Readers, State};
use super::rpc::Link;
use super::status::failure;
use crate::codec::{DeviceId, Event, Extras};
use crate::device::backend::LiveSink;
use crate::{Error, ErrorKind, Result};

/// A session under way; it ends with this value, or when one of its streams does.
pub(super) struct Running {
    pub(super) session: Arc<Session>,
    _tasks: JoinSet<()>,
}

/// What calls and tasks share.
pub(super) struct Session {
    pub(super) connections: Connections,
    pub(super) readers: Arc<Readers>,
    listeners: RwLock<Listeners>,
}

#[derive(Default)]
struct Listeners {
    by_device: HashMap<DeviceId, Vec<(u64, LiveSink)>>,
    tickets: u64,
    over: bool,
}

/// A stream on its way: a gateway may say nothing before the first item.
type Opening<T> = BoxFuture<'static, Result<Streaming<T>, Status>>;

impl Running {
    /// Opens the streams and takes over the gateway's list of readers.
    ///
    /// The streams come first: what happens while the list is on its way is not missed.
    pub(super) async fn open(
        connections: Connections,
        readers: Arc<Readers>,
        settings: &GatewaySettings,
    ) -> Result<Self> {
        let (queue, heartbeat) = (settings.queue, settings.heartbeat);
        let session = Arc::new(Session { connections, readers, listeners: RwLock::default() });
        // What has begun is not driven while the list is asked for, and must not hold the token meanwhile.
        session.link().log_in().await?;
        let asking = Arc::clone(&session);
        let mut statuses = begun(async move { asking.statuses(queue).await }).await;
        let asking = Arc::clone(&session);
        let mut events = begun(async move { asking.events(queue).await }).await;
        session.refresh().await?;
        // Where the answer comes at once, as from most gateways, what is enabled from now on is surely heard.
        settle(&mut statuses).await?;
        settle(&mut events).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(watch_events(Arc::clone(&session), events));
        tasks.spawn(watch_statuses(Arc::clone(&session), statuses));
        tasks.spawn(watch_silence(Arc::clone(&session), heartbeat));
        Ok(Self { session, _tasks: tasks })
    }
}

impl Session {
    pub(super) fn link(&self) -> &Link {
        self.connections.link()
    }

    pub(super) fn is_over(&self) -> bool {
        self.read().over
    }

    /// Takes over the gateway's list of readers.
    pub(super) async fn refresh(&self) -> Result<()> {
        let before = self.readers.changes();
        let list = self.connections.list().await?;
        for device in self.readers.reconcile(&list, &before) {
            self.lose(device);
        }
        Ok(())
    }

    /// Lets a sink hear what a reader reports.
    pub(super) fn listen(&self, sink: LiveSink) -> Result<u64> {
        let mut listeners = self.write();
        if listeners.over {
            return Err(Error::new(ErrorKind::Disconnected, "the connection to the gateway is lost"));
        }
        listeners.tickets += 1;
        let ticket = listeners.tickets;
        listeners.by_device.entry(sink.device()).or_default().push((ticket, sink));
        Ok(ticket)
    }

    pub(super) fn unlisten(&self, device: DeviceId, ticket: u64) {
        let mut listeners = self.write();
        if let Some(sinks) = listeners.by_device.get_mut(&device) {
            sinks.retain(|(of, _)| *of != ticket);
            if sinks.is_empty() {
                listeners.by_device.remove(&device);
            }
        }
    }

    /// Asks the gateway to report what happens at a reader.
    pub(super) async fn enable(&self, device: DeviceId) -> Result<()> {
        let request = EnableMonitoringRequest { device_id: device.get() };
        let EnableMonitoringResponse {} = self.link().call("monitoring", ENABLE, request).await?;
        Ok(())
    }

    /// Ends it for everybody who listens, with an error for each.
    pub(super) fn end(&self, error: impl Fn() -> Error) {
        let mut listeners = self.write();
        if std::mem::replace(&mut listeners.over, true) {
            return;
        }
        self.readers.forget_states();
        for (device, sinks) in listeners.by_device.drain() {
            for (_, sink) in sinks {
                sink.disconnected(error().with_device(device));
            }
        }
    }

    /// Tells those who listen to a reader that it is gone.
    fn lose(&self, device: DeviceId) {
        for (_, sink) in self.write().by_device.remove(&device).unwrap_or_default() {
            let error = Error::new(ErrorKind::Disconnected, "the gateway has lost the connection to it");
            sink.disconnected(error.with_device(device));
        }
    }

    /// Gives events that came together to those who listen.
    fn deliver(&self, logs: &[(Event, Option<Box<Extras>>)]) {
        let listeners = self.read();
        for logs in logs.chunk_by(|(a, _), (b, _)| a.device_id() == b.device_id()) {
            let device = logs.first().map(|(event, _)| event.device_id());
            for (_, sink) in device.and_then(|device| listeners.by_device.get(&device)).into_iter().flatten()
            {
                sink.push_all(logs.iter().cloned());
            }
        }
    }

    #[cold]
    fn miss(&self, misfit: Misfit) {
        tracing::warn!(device = %misfit.device, "{misfit}, and is not in the stream");
        for (_, sink) in self.read().by_device.get(&misfit.device).into_iter().flatten() {
            sink.lost(1);
        }
    }

    async fn events(&self, queue: u32) -> Result<Streaming<LiveLogs>, Status> {
        let queue_size = i32::try_from(queue).unwrap_or(i32::MAX);
        // Of all readers: some versions of the gateway do not heed a filter, and readers may come later.
        let request = SubscribeRealtimeLogRequest { queue_size, ..Default::default() };
        self.link().bundles::<LiveCodec>(SUBSCRIBE, request).await
    }

    async fn statuses(&self, queue: u32) -> Result<Streaming<StatusChange>, Status> {
        let request = SubscribeStatusRequest { queue_size: i32::try_from(queue).unwrap_or(i32::MAX) };
        self.link().stream::<ProstCodec<_, _>>(self.connections.status_path(), request).await
    }

    fn read(&self) -> RwLockReadGuard<'_, Listeners> {
        self.listeners.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Listeners> {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("over", &self.is_over()).finish_non_exhaustive()
    }
}

/// Begins to open a stream: when this returns the request is on its way, before any that follows.
async fn begun<T: 'static>(
    open: impl Future<Output = Result<Streaming<T>, Status>> + Send + 'static,
) -> Opening<T> {
    let mut opening = open.boxed();
    match poll_fn(|context| Poll::Ready(opening.poll_unpin(context))).await {
        Poll::Ready(answer) => ready(answer).boxed(),
        Poll::Pending => opening,
    }
}

/// Waits a little for a stream to be open. One that stays silent until it has something to say is left as it is.
async fn settle<T: 'static>(opening: &mut Opening<T>) -> Result<()> {
    if let Ok(answer) = timeout(PATIENCE, &mut *opening).await {
        let stream = answer.map_err(|status| failure("subscribing", &status))?;
        *opening = ready(Ok(stream)).boxed();
    }
    Ok(())
}

/// Takes every event from the gateway as soon as it is there, whatever those who listen do: a stream that is not read
/// costs the connection.
async fn watch_events(session: Arc<Session>, opening: Opening<LiveLogs>) {
    let mut stream = match opening.await {
        Ok(stream) => stream,
        Err(status) => return session.end(|| failure("live events", &status)),
    };
    loop {
        match stream.message().await {
            Ok(Some(LiveLogs { logs, misfits })) => {
                let mut delivered = 0;
                for (before, misfit) in misfits {
                    session.deliver(&logs[delivered..before]);
                    session.miss(misfit);
                    delivered = before;
                }
                session.deliver(&logs[delivered..]);
            }
            Ok(None) => return session.end(|| ended("live events")),
            Err(status) => return session.end(|| failure("live events", &status)),
        }
        // Those who listen may share this thread.
        consume_budget().await;
    }
}

async fn watch_statuses(session: Arc<Session>, opening: Opening<StatusChange>) {
    let mut stream = match opening.await {
        Ok(stream) => stream,
        Err(status) => return session.end(|| failure("connection states", &status)),
    };
    loop {
        let change = match stream.message().await {
            Ok(Some(change)) => change,
            Ok(None) => return session.end(|| ended("connection states")),
            Err(status) => return session.end(|| failure("connection states", &status)),
        };
        let device = DeviceId::new(change.device_id);
        let Some(state) = State::of(change.status) else { continue };
        session.readers.set(device, state);
        if state != State::Connected {
            session.lose(device);
        } else if session.read().by_device.contains_key(&device) {
            // It was gone and is back before we heard of it, and a reader does not remember who listens.
            tokio::spawn(enable_again(Arc::clone(&session), device));
        }
    }
}

async fn enable_again(session: Arc<Session>, device: DeviceId) {
    if session.enable(device).await.is_err() {
        session.lose(device);
    }
}

/// Asks for the list of readers now and then: that finds a gateway that has fallen silent, and changes of which its
/// stream of states has said nothing.
async fn watch_silence(session: Arc<Session>, heartbeat: Duration) {
    let mut ticks = interval_at(Instant::now() + heartbeat, heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Ok(Ok(())) = timeout(heartbeat, session.refresh()).await {
            continue;
        }
        let silent = || Error::new(ErrorKind::Disconnected, "the gateway has fallen silent");
        return session.end(silent);
    }
}

fn ended(what: &str) -> Error {
    Error::new(ErrorKind::Disconnected, format!("{what}: the gateway has ended the stream"))
}

/// How long a stream may take to be open before it is taken for one that is silent until its first item.
const PATIENCE: Duration = Duration::from_millis(200);
const SUBSCRIBE: &str = "/gsdk.event.Event/SubscribeRealtimeLog";
const ENABLE: &str = "/gsdk.event.Event/EnableMonitoring";
