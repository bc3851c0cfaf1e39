//! One reader: its connection, its thread, and who listens to it.

use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::callbacks;
use super::context::Context;
use super::worker::{Worker, closed};
use crate::codec::DeviceId;
use crate::device::{LiveSink, Monitoring};
use crate::{Error, ErrorKind, Result};

/// One reader.
pub(super) struct Link {
    context: Context,
    state: Arc<LinkState>,
    worker: Worker,
}

/// What callbacks may change. Its lock is held for single assignments only.
#[derive(Default)]
pub(super) struct LinkState {
    address: Option<SocketAddrV4>,
    /// Who the reader is; known when it was connected once.
    device: OnceLock<DeviceId>,
    connection: Mutex<Connection>,
    /// Whether it was told that the library has called back with no event.
    told_of_nothing: AtomicBool,
}

#[derive(Clone, Copy, Default)]
struct Connection {
    is_open: bool,
    /// How many connections were lost.
    lost: u64,
    /// In which connection the library was asked to report events.
    monitored: Option<u64>,
}

impl Link {
    /// A reader at an address, who will be known when it is connected.
    pub(super) fn at(address: SocketAddrV4, context: Context, deadline: Duration) -> Result<Arc<Self>> {
        let state = LinkState { address: Some(address), ..LinkState::default() };
        Self::start(state, context, deadline)
    }

    /// A reader that the library knows.
    pub(super) fn known(device: DeviceId, context: Context, deadline: Duration) -> Result<Arc<Self>> {
        let state = LinkState { device: device.into(), ..LinkState::default() };
        Self::start(state, context, deadline)
    }

    fn start(state: LinkState, context: Context, deadline: Duration) -> Result<Arc<Self>> {
        let state = Arc::new(state);
        let here = Arc::clone(&state);
        let worker = Worker::start(deadline, move || here.look(context))?;
        Ok(Arc::new(Self { context, state, worker }))
    }

    pub(super) fn device(&self) -> Option<DeviceId> {
        self.state.device.get().copied()
    }

    pub(super) fn address(&self) -> Option<SocketAddrV4> {
        self.state.address
    }

    /// Connects, unless it is connected.
    pub(super) async fn connect(&self) -> Result<()> {
        if self.state.get().is_open {
            return Ok(());
        }
        let (state, context) = (Arc::clone(&self.state), self.context);
        self.worker.call(move || state.connect(context)).await
    }

    /// A call to the connected reader, in turn.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(Context, DeviceId) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (state, context, device) = (Arc::clone(&self.state), self.context, self.connected()?);
        let job = move || {
            state.check()?; // It may have been lost while others had their turn.
            call(context, device).inspect_err(|error| notice(device, error))
        };
        self.worker.call(job).await
    }

    /// Reports events to the sink until the guard is dropped.
    pub(super) async fn monitor(self: &Arc<Self>, sink: LiveSink) -> Result<Monitoring> {
        let device = self.connected()?;
        // First, since the library may report while it is still being asked to.
        let ticket = callbacks::listen(device, sink);
        let listening = Listening { link: Arc::clone(self), device, ticket };
        let state = Arc::clone(&self.state);
        self.call(move |context, device| state.monitor(context, device)).await?;
        Ok(Monitoring::new(listening))
    }

    /// Ends the connection after the call that is under way. The thread can be waited for.
    pub(super) fn finish(&self) -> Option<JoinHandle<()>> {
        let (state, context) = (Arc::clone(&self.state), self.context);
        if let Some(device) = self.device() {
            callbacks::end_listening(device, || closed().with_device(device));
        }
        self.worker.finish(move || state.finish(context))
    }

    /// The function that has not returned in time.
    pub(super) fn overdue(&self) -> Option<(&'static str, Duration)> {
        self.worker.overdue()
    }

    fn connected(&self) -> Result<DeviceId> {
        self.state.check()?;
        self.device().ok_or_else(disconnected)
    }
}

impl LinkState {
    /// The connection is gone.
    pub(super) fn lost(&self) {
        let mut connection = self.lock();
        connection.is_open = false;
        connection.lost = connection.lost.wrapping_add(1);
    }

    /// How the reader is reached.
    pub(super) fn way(&self) -> String {
        self.address.map_or_else(|| "by its number".to_owned(), |address| format!("at {address}"))
    }

    /// Whether this is the first time that the library has called back with no event.
    pub(super) fn is_first_nothing(&self) -> bool {
        !self.told_of_nothing.swap(true, Ordering::Relaxed)
    }

    fn connect(self: &Arc<Self>, context: Context) -> Result<()> {
        if self.get().is_open {
            return Ok(()); // Somebody was faster.
        }
        let known = self.device.get().copied();
        let disconnections = callbacks::disconnections();
        // The library may have connected again by itself. One that cannot tell is simply asked to connect.
        let is_connected = known.is_some_and(|device| context.is_connected(device).unwrap_or(false));
        let device = match (known, self.address) {
            (Some(device), _) if is_connected => device,
            (_, Some(address)) => context.connect_to(address)?,
            (Some(device), None) => context.connect(device).map(|()| device)?,
            (None, None) => return Err(disconnected()),
        };
        if let Some(expected) = known.filter(|known| *known != device) {
            // Its events must not be taken for those of the other one.
            let _ = context.disconnect(device);
            let message = format!("device {device} answers at its address");
            return Err(Error::new(ErrorKind::NotFound, message).with_device(expected));
        }
        callbacks::register(device, self)?;
        let _ = self.device.set(device); // It may be known already.
        self.lock().is_open = true;
        // What was reported before this line has found nobody to tell.
        if callbacks::disconnections() != disconnections && matches!(context.is_connected(device), Ok(false))
        {
            callbacks::lost(device, disconnected);
            return Err(disconnected().with_device(device));
        }
        Ok(())
    }

    fn monitor(&self, context: Context, device: DeviceId) -> Result<()> {
        let connection = self.get();
        if connection.is_monitored() {
            return Ok(());
        }
        if let Err(error) = context.start_monitoring(device) {
            if matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::TimedOut | ErrorKind::Unsupported)
            {
                return Err(error);
            }
            // It may be monitoring from before, for a connection that we took for lost.
            let _ = context.stop_monitoring(device);
            context.start_monitoring(device)?;
        }
        // Of the connection that there was: if it is lost by now, nothing is monitored.
        self.lock().monitored = Some(connection.lost);
        Ok(())
    }

    fn stop_if_unheard(&self, context: Context, device: DeviceId) {
        if self.get().is_monitored() && !callbacks::has_listeners(device) {
            self.lock().monitored = None;
            if let Err(error) = context.stop_monitoring(device) {
                tracing::debug!(%device, %error, "the reader goes on reporting to nobody");
                notice(device, &error);
            }
        }
    }

    /// Whether the connection stands, for readers about which the library said nothing.
    fn look(&self, context: Context) {
        let Some(&device) = self.device.get().filter(|_| self.get().is_open) else { return };
        if let Ok(false) = context.is_connected(device) {
            callbacks::lost(device, disconnected);
        }
    }

    fn finish(&self, context: Context) {
        let Some(&device) = self.device.get() else { return };
        let connection = self.get();
        self.lost();
        if connection.is_monitored() {
            let _ = context.stop_monitoring(device);
        }
        if connection.is_open {
            let _ = context.disconnect(device);
        }
    }

    /// # Errors
    ///
    /// `Disconnected` unless it is connected.
    fn check(&self) -> Result<()> {
        if self.get().is_open { Ok(()) } else { Err(disconnected()) }
    }

    fn get(&self) -> Connection {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    fn is_monitored(self) -> bool {
        self.is_open && self.monitored == Some(self.lost)
    }
}

/// Ends a monitoring when it is dropped.
struct Listening {
    link: Arc<Link>,
    device: DeviceId,
    ticket: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        callbacks::unlisten(self.device, self.ticket);
        let (state, context, device) = (Arc::clone(&self.link.state), self.link.context, self.device);
        self.link.worker.send(Box::new(move || state.stop_if_unheard(context, device)));
    }
}

/// An error that says that the connection is gone ends it for everybody.
fn notice(device: DeviceId, error: &Error) {
    if error.kind() == ErrorKind::Disconnected {
        callbacks::lost(device, disconnected);
    }
}

fn disconnected() -> Error {
    Error::new(ErrorKind::Disconnected, "the reader is not connected")
}
