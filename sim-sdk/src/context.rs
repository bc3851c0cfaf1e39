//! Contexts: what `BS2_AllocateContext` returns, and their sessions, which `BS2_Initialize` opens.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use bs2_events::codec::DeviceId;
use bs2_events::device::{Client, ClientOptions, Subscription, backend::Backend};
use bs2_events::{Error, ErrorKind, Result, RetryPolicy};
use tokio::runtime::{Builder, Runtime};

use crate::devices::{Connection, Devices};
use crate::ffi::{
    CANNOT_CONNECT, EXISTS, INVALID_CONFIG, INVALID_PARAMETER, NOT_CONNECTED, NULL_POINTER, SdkResult,
    TIMEOUT, UNINITIALIZED, code_of, lock,
};
use crate::monitor::{Callback, Monitor, MonitorState};
use crate::settings::{SETTINGS, Settings};
use crate::simulation::Simulation;
use crate::threads::{Deadline, Notice, NoticeQueue, Worker};

/// One context. It is initialised once.
#[derive(Default)]
pub(crate) struct Context {
    pub(crate) options: Mutex<Options>,
    listener: Mutex<Listener>,
    session: OnceLock<Session>,
}

/// What programs set and read by functions.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) server_port: u16,
    pub(crate) ssl_server_port: u16,
    /// Seconds.
    pub(crate) handshake: u32,
    pub(crate) auto_connection: bool,
    pub(crate) response: Duration,
    pub(crate) long_response: Duration,
    pub(crate) socket_retries: u32,
}

/// A callback about a device.
pub(crate) type OnDevice = extern "C" fn(device: u32);

/// The callbacks about devices. Each may be missing.
#[derive(Clone, Copy, Default)]
pub(crate) struct DeviceCallbacks {
    pub(crate) found: Option<OnDevice>,
    pub(crate) accepted: Option<OnDevice>,
    pub(crate) connected: Option<OnDevice>,
    pub(crate) disconnected: Option<OnDevice>,
}

/// Who hears of devices.
#[derive(Default)]
struct Listener {
    /// `None` until the program has set its callbacks.
    callbacks: Option<DeviceCallbacks>,
    /// What devices did by themselves before that. A device may be faster than the program's next call, and the program
    /// would wait for it for ever.
    unheard: Vec<Notice>,
}

impl Listener {
    /// Keeps a notice that nobody hears yet.
    fn keep(&mut self, notice: Notice) {
        let device = notice.device();
        let connected =
            |known: &Notice| matches!(known, Notice::Connected { .. }) && known.device() == device;
        match notice {
            Notice::Connected { by_itself: true, .. } => self.unheard.push(notice),
            // Whoever comes later has missed both.
            Notice::Disconnected(_) => self.unheard.retain(|known| !connected(known)),
            Notice::Accepted(_) | Notice::Connected { .. } | Notice::Found(_) => {}
        }
    }
}

/// The simulated devices of an initialised context, and the threads for callbacks.
pub(crate) struct Session {
    pub(crate) settings: Settings,
    pub(crate) simulation: Arc<Simulation>,
    pub(crate) backend: Arc<dyn Backend>,
    /// For live events only: the client would repeat and sort calls.
    client: Client,
    pub(crate) devices: Devices,
    /// Delivers found and accepted devices.
    arrivals: NoticeQueue,
    /// Delivers connections and disconnections.
    connections: NoticeQueue,
    /// Whether the devices that connect by themselves have been announced.
    announced: AtomicBool,
    closed: AtomicBool,
    /// Stopped threads on which a callback still ran.
    stopping: Mutex<Vec<Worker>>,
    runtime: Runtime,
}

impl Context {
    pub(crate) fn allocate() -> *mut c_void {
        let context = Arc::new(Self::default());
        let address = Arc::as_ptr(&context).cast_mut().cast::<c_void>();
        lock(&CONTEXTS).insert(address.addr(), context);
        address
    }

    /// The context at this address. Fails if the settings make this call of the function fail.
    pub(crate) fn find(address: *mut c_void, function: &str) -> SdkResult<Arc<Self>> {
        if address.is_null() {
            return Err(NULL_POINTER);
        }
        let context = lock(&CONTEXTS).get(&address.addr()).map(Arc::clone).ok_or(INVALID_PARAMETER)?;
        match context.session.get() {
            Some(session) => session.settings.injected_errors.check(function).map(|()| context),
            None => Ok(context),
        }
    }

    /// As [`find`](Self::find), for the functions that only this library has. NULL is any context, for programs that
    /// cannot get the pointer of theirs.
    pub(crate) fn find_any(address: *mut c_void, function: &str) -> SdkResult<Arc<Self>> {
        if address.is_null() {
            lock(&CONTEXTS).values().next().map(Arc::clone).ok_or(NULL_POINTER)
        } else {
            Self::find(address, function)
        }
    }

    /// Ends a context. Ignores an address that is not one.
    pub(crate) fn release(address: *mut c_void) {
        let context = lock(&CONTEXTS).remove(&address.addr());
        if let Some(session) = context.as_ref().and_then(|context| context.session.get()) {
            session.close();
        }
    }

    /// Opens the session, and starts the devices.
    pub(crate) fn initialize(self: &Arc<Self>, function: &str) -> SdkResult {
        let _one_at_a_time = lock(&INITIALIZING);
        if lock(&CONTEXTS).values().any(|context| context.session.get().is_some()) {
            return Err(EXISTS);
        }
        let session = Session::open(self)?;
        session.settings.injected_errors.check(function).inspect_err(|_| session.close())?;
        // Only this function sets it, under a lock.
        let _ = self.session.set(session);
        self.announce_devices();
        Ok(())
    }

    pub(crate) fn session(&self) -> SdkResult<&Session> {
        self.session.get().ok_or(UNINITIALIZED)
    }

    /// Calls a connected device, with the response time as the limit.
    pub(crate) fn call<T>(
        &self,
        device: u32,
        call: impl AsyncFnOnce(&dyn Backend, DeviceId) -> Result<T>,
    ) -> SdkResult<T> {
        let limit = lock(&self.options).response;
        self.call_within(limit, device, call)
    }

    /// Calls a connected device.
    pub(crate) fn call_within<T>(
        &self,
        limit: Duration,
        device: u32,
        call: impl AsyncFnOnce(&dyn Backend, DeviceId) -> Result<T>,
    ) -> SdkResult<T> {
        let session = self.session()?;
        let connection = session.devices.connected(device)?;
        let result = session.wait(limit, call(&*session.backend, connection.device));
        self.note_loss(connection, result)
    }

    pub(crate) fn connect(&self, device: DeviceId) -> SdkResult {
        self.open_connection(device, false)
    }

    /// Connects a device; `by_itself` if no call of the program asks for it.
    fn open_connection(&self, device: DeviceId, by_itself: bool) -> SdkResult {
        let session = self.session()?;
        if session.devices.connection(device).is_some() {
            return Ok(());
        }
        session.wait(CONNECT_LIMIT, session.backend.connect(device)).map_err(|code| match code {
            TIMEOUT => CANNOT_CONNECT,
            code => code,
        })?;
        if session.devices.connect(device) {
            session.log_connection(device, true);
            session.push(Notice::Connected { device, by_itself });
        }
        Ok(())
    }

    pub(crate) fn disconnect(&self, device: u32) -> SdkResult {
        let session = self.session()?;
        let connection = session.devices.connected(device)?;
        let monitors = session.devices.disconnect(connection).ok_or(NOT_CONNECTED)?;
        let deadline = Deadline::new();
        for monitor in monitors {
            session.keep_stopping(monitor.stop(deadline));
        }
        session.log_connection(connection.device, false);
        session.push(Notice::Disconnected(connection.device));
        Ok(())
    }

    /// Ends a lost connection. A device that connects by itself connects again.
    pub(crate) fn connection_lost(&self, connection: Connection) {
        let Some(session) = self.session.get() else { return };
        let Some(monitors) = session.devices.disconnect(connection) else { return };
        for monitor in monitors {
            // The caller may be the monitor's own thread, so nothing waits for it here.
            session.keep_stopping(Some(monitor.request_stop()));
        }
        session.log_connection(connection.device, false);
        session.push(Notice::Disconnected(connection.device));
        if session.settings.accept {
            session.push(Notice::Accepted(connection.device));
        }
    }

    /// Monitors a device. If it is already monitored with the same kind of callback, only the callback changes: events
    /// that wait for the old callback go to the new one.
    pub(crate) fn monitor(self: &Arc<Self>, device: u32, callback: Callback) -> SdkResult {
        let session = self.session()?;
        let connection = session.devices.connected(device)?;
        let limit = lock(&self.options).response;
        let (client, device) = (session.client.clone(), connection.device);
        let subscription = session.wait(limit, async {
            // On a thread of the runtime: the client's random numbers leave memory behind on the thread that uses them.
            let subscription = session.runtime.spawn(async move { client.subscribe(&[device]).await });
            let ended = |error| Error::new(ErrorKind::Other, "the subscription ended").with_source(error);
            subscription.await.map_err(ended)?
        });
        let subscription = self.note_loss(connection, subscription)?;
        let start = || {
            let context = Arc::downgrade(self);
            Monitor::start(callback, session.settings.old_flag_byte, move |state| {
                run_monitor(&context, connection, subscription, state);
            })
        };
        if let Some(unused) = session.devices.monitor(connection, callback, start)? {
            // After this call the program may free what the old callback uses.
            unused.wait(Deadline::new());
        }
        // Closing the session stops the monitors that it finds; this one may have come later.
        if session.closed.load(Ordering::SeqCst) {
            session.stop_monitoring(connection);
        }
        Ok(())
    }

    /// Sets whether devices that connect by themselves are connected without a call. Those that were not are announced
    /// again.
    pub(crate) fn set_auto_connection(&self, enable: bool) {
        let before = std::mem::replace(&mut lock(&self.options).auto_connection, enable);
        if let Some(session) = self.session.get().filter(|_| enable && !before) {
            session.announced.store(false, Ordering::Release);
        }
        self.announce_devices();
    }

    /// Sets the callbacks about devices, and passes on what devices did by themselves before that.
    pub(crate) fn set_device_callbacks(&self, callbacks: DeviceCallbacks) {
        let unheard = {
            let mut listener = lock(&self.listener);
            listener.callbacks = Some(callbacks);
            std::mem::take(&mut listener.unheard)
        };
        if let Some(session) = self.session.get() {
            unheard.into_iter().for_each(|notice| session.push(notice));
        }
        self.announce_devices();
    }

    /// Announces the devices that connect by themselves, once the program has asked for them.
    pub(crate) fn announce_devices(&self) {
        let Some(session) = self.session.get().filter(|session| session.settings.accept) else { return };
        let is_heard = lock(&self.listener).callbacks.is_some_and(|callbacks| callbacks.accepted.is_some());
        let wanted = is_heard || lock(&self.options).auto_connection;
        if wanted && !session.announced.swap(true, Ordering::AcqRel) {
            session.simulation.devices.iter().for_each(|device| session.push(Notice::Accepted(*device)));
        }
    }

    /// Passes the result on. If it says that there is no connection, the connection is lost.
    fn note_loss<T>(&self, connection: Connection, result: SdkResult<T>) -> SdkResult<T> {
        if matches!(result, Err(NOT_CONNECTED)) {
            self.connection_lost(connection);
        }
        result
    }

    /// Calls the program's callback for a notice, on a thread of the library.
    fn deliver(&self, notice: Notice) {
        let Some(session) = self.session.get().filter(|session| !session.closed.load(Ordering::Acquire))
        else {
            return;
        };
        let device = notice.device();
        if matches!(notice, Notice::Accepted(_)) && session.devices.connection(device).is_some() {
            return;
        }
        let callbacks = {
            let mut listener = lock(&self.listener);
            if listener.callbacks.is_none() {
                listener.keep(notice);
            }
            listener.callbacks.unwrap_or_default()
        };
        let callback = match notice {
            Notice::Found(_) => callbacks.found,
            Notice::Accepted(_) => callbacks.accepted,
            Notice::Connected { .. } => callbacks.connected,
            Notice::Disconnected(_) => callbacks.disconnected,
        };
        if let Some(callback) = callback {
            callback(device.get());
        }
        let automatic = matches!(notice, Notice::Accepted(_)) && lock(&self.options).auto_connection;
        if automatic && self.open_connection(device, true) == Err(CANNOT_CONNECT) {
            // A device that connects by itself tries again.
            session.push(Notice::Accepted(device));
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server_port: 51_212,
            ssl_server_port: 51_213,
            handshake: 20,
            auto_connection: false,
            response: Duration::from_secs(10),
            long_response: Duration::from_secs(30),
            socket_retries: 10,
        }
    }
}

impl Session {
    /// Opens the devices that the environment describes, and starts them.
    ///
    /// # Errors
    ///
    /// `INVALID_CONFIG` for wrong settings, otherwise the code of the failure. Its message goes to standard error.
    fn open(context: &Arc<Context>) -> SdkResult<Self> {
        Self::start(context).map_err(|error| {
            eprintln!("{SETTINGS}: {error}");
            let config = matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::NotFound
            );
            if config { INVALID_CONFIG } else { code_of(&error) }
        })
    }

    fn start(context: &Arc<Context>) -> Result<Self> {
        let settings = Settings::from_environment()?;
        let simulation = Simulation::open(&settings)?;
        let no_thread = |error| Error::new(ErrorKind::Other, "cannot start a thread").with_source(error);
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("bs2-devices").enable_time().build();
        let runtime = runtime.map_err(no_thread)?;
        let backend = simulation.simulator.backend();
        let options = ClientOptions::default()
            .with_retry(RetryPolicy::never())
            .with_deadline(LIVE_DEADLINE)
            .with_queue_capacity(LIVE_QUEUE);
        let client = Client::with_options(Arc::clone(&backend), options);
        let devices = Devices::default();
        if settings.accept {
            simulation.devices.iter().for_each(|device| devices.add(*device, false));
        }
        {
            let _inside = runtime.enter();
            simulation.simulator.start()?;
        }
        let queue = |name| {
            let context = Arc::downgrade(context);
            let deliver = move |notice| {
                if let Some(context) = context.upgrade() {
                    context.deliver(notice);
                }
            };
            NoticeQueue::start(name, deliver).map_err(no_thread)
        };
        Ok(Self {
            client,
            settings,
            simulation,
            backend,
            devices,
            arrivals: queue("bs2-arrivals")?,
            connections: queue("bs2-connections")?,
            announced: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            stopping: Mutex::default(),
            runtime,
        })
    }

    /// Waits for a device, at most for this time.
    fn wait<T>(&self, limit: Duration, call: impl Future<Output = Result<T>>) -> SdkResult<T> {
        let latency = self.settings.latency;
        let result = self.runtime.block_on(async {
            tokio::time::timeout(limit, async {
                if !latency.is_zero() {
                    tokio::time::sleep(latency).await;
                }
                call.await
            })
            .await
        });
        result.map_err(|_| TIMEOUT)?.map_err(|error| code_of(&error))
    }

    pub(crate) fn push(&self, notice: Notice) {
        match notice {
            Notice::Found(_) | Notice::Accepted(_) => self.arrivals.push(notice),
            Notice::Connected { .. } | Notice::Disconnected(_) => self.connections.push(notice),
        }
    }

    /// Lets a device log that the program has connected or disconnected.
    fn log_connection(&self, device: DeviceId, is_connected: bool) {
        if let Ok(device) = self.simulation.simulator.reader(device) {
            device.note_connection(is_connected);
        }
    }

    /// Waits until the found devices are delivered.
    pub(crate) fn flush_arrivals(&self) {
        self.arrivals.flush(Deadline::new());
    }

    /// Stops the monitors of a device.
    pub(crate) fn stop_monitoring(&self, connection: Connection) {
        let deadline = Deadline::new();
        for monitor in self.devices.take_monitors(connection) {
            self.keep_stopping(monitor.stop(deadline));
        }
    }

    /// Keeps a thread that has not ended yet until the session closes.
    fn keep_stopping(&self, worker: Option<Worker>) {
        let mut stopping = lock(&self.stopping);
        stopping.retain(|worker| !worker.is_ended());
        stopping.extend(worker);
    }

    /// Delivers the waiting notices, then ends all threads, as far as no callback occupies them.
    fn close(&self) {
        let deadline = Deadline::new();
        self.arrivals.flush(deadline);
        self.connections.flush(deadline);
        self.closed.store(true, Ordering::SeqCst);
        self.simulation.simulator.stop();
        // Stops all of them before it waits for one.
        let monitors: Vec<_> =
            self.devices.take_all_monitors().into_iter().map(Monitor::request_stop).collect();
        for worker in monitors {
            self.keep_stopping(worker.join(deadline));
        }
        self.arrivals.close(deadline);
        self.connections.close(deadline);
        let stopping = std::mem::take(&mut *lock(&self.stopping));
        stopping.into_iter().for_each(|worker| drop(worker.join(deadline)));
        self.devices.disconnect_all().into_iter().for_each(|device| self.log_connection(device, false));
        if let Err(error) = self.simulation.simulator.flush_truth() {
            eprintln!("{SETTINGS}: {error}");
        }
    }
}

/// The work of a monitor's thread.
fn run_monitor(
    context: &Weak<Context>,
    connection: Connection,
    mut subscription: Subscription,
    state: &MonitorState,
) {
    while let Some(context) = context.upgrade() {
        let Ok(session) = context.session() else { return };
        // Leaves the runtime before the callback, which may call functions of the library.
        let item = session.runtime.block_on(state.next(subscription.next()));
        if state.is_stopped() {
            return;
        }
        let Some(item) = item else {
            // The subscription ends by itself only when the connection is lost.
            return context.connection_lost(connection);
        };
        state.deliver(&item);
    }
}

static CONTEXTS: Mutex<BTreeMap<usize, Arc<Context>>> = Mutex::new(BTreeMap::new());
static INITIALIZING: Mutex<()> = Mutex::new(());

/// The vendor's library gives up after this time, whatever a program sets.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The limits of the library's calls are shorter, unless a program has set longer ones.
const LIVE_DEADLINE: Duration = Duration::from_secs(3_600);
/// How many live events wait for a slow callback before events are dropped.
const LIVE_QUEUE: usize = 1_000_000;
