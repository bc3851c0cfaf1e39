//! The connection to one device, with its thread and its listeners.

use std::net::SocketAddrV4;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use super::callbacks::{self, Status};
use super::context::Context;
use super::worker::{Worker, closed};
use crate::codec::DeviceId;
use crate::device::backend::{LiveSink, Monitoring};
use crate::{Error, ErrorKind, Result};

/// The connection to one device.
pub(super) struct Connection {
    endpoint: Arc<Endpoint>,
    worker: Worker,
}

/// What the thread of a connection works with. The state is in the table of `callbacks`, which can change it.
struct Endpoint {
    context: Context,
    /// `None` for a device that is connected by its id.
    address: Option<SocketAddrV4>,
    /// Known from the first connection on.
    device: OnceLock<DeviceId>,
}

impl Connection {
    /// A device at an address. Its id is known once it is connected.
    pub(super) fn at(address: SocketAddrV4, context: Context, deadline: Duration) -> Result<Arc<Self>> {
        Self::start(Endpoint { context, address: Some(address), device: OnceLock::new() }, deadline)
    }

    /// A device that the library knows by its id.
    pub(super) fn known(device: DeviceId, context: Context, deadline: Duration) -> Result<Arc<Self>> {
        Self::start(Endpoint { context, address: None, device: device.into() }, deadline)
    }

    fn start(endpoint: Endpoint, deadline: Duration) -> Result<Arc<Self>> {
        let endpoint = Arc::new(endpoint);
        let idle = Arc::clone(&endpoint);
        let worker = Worker::start(deadline, move || idle.check_connection())?;
        Ok(Arc::new(Self { endpoint, worker }))
    }

    pub(super) fn device(&self) -> Option<DeviceId> {
        self.endpoint.device.get().copied()
    }

    pub(super) fn address(&self) -> Option<SocketAddrV4> {
        self.endpoint.address
    }

    /// Connects, unless the device is connected.
    pub(super) async fn connect(&self) -> Result<()> {
        if self.endpoint.status().is_open {
            return Ok(());
        }
        let endpoint = Arc::clone(&self.endpoint);
        self.worker.call(move || endpoint.connect()).await
    }

    /// Makes a call to the connected device, after the calls before it.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(Context, DeviceId) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.endpoint.connected()?;
        let endpoint = Arc::clone(&self.endpoint);
        let job = move || {
            let device = endpoint.connected()?; // An earlier call may have lost the connection.
            call(endpoint.context, device).inspect_err(|error| endpoint.note_failure(device, error))
        };
        self.worker.call(job).await
    }

    /// Reports events to the sink until the guard is dropped.
    pub(super) async fn monitor(self: &Arc<Self>, sink: LiveSink) -> Result<Monitoring> {
        let device = self.endpoint.connected()?;
        // Before the call, since the library may report events before the call returns.
        let ticket = callbacks::listen(device, sink);
        let listening = Listening { connection: Arc::clone(self), device, ticket };
        let endpoint = Arc::clone(&self.endpoint);
        self.call(move |_, device| endpoint.start_monitoring(device)).await?;
        Ok(Monitoring::new(listening))
    }

    /// Closes the connection after the running call. The caller can wait for the thread.
    pub(super) fn finish(&self) -> Option<JoinHandle<()>> {
        if let Some(device) = self.device() {
            callbacks::end_listening(device, || closed().with_device(device));
        }
        let endpoint = Arc::clone(&self.endpoint);
        self.worker.finish(move || endpoint.disconnect())
    }

    /// The function that has not returned in time, and how long ago it was called.
    pub(super) fn overdue(&self) -> Option<(&'static str, Duration)> {
        self.worker.overdue()
    }
}

impl Endpoint {
    fn connect(&self) -> Result<()> {
        if self.status().is_open {
            return Ok(()); // An earlier job connected it.
        }
        let known = self.device.get().copied();
        let disconnections = callbacks::disconnections();
        // The library may have reconnected by itself. If it cannot say so, we connect.
        let is_connected = known.is_some_and(|device| self.context.is_connected(device).unwrap_or(false));
        let device = match (known, self.address) {
            (Some(device), _) if is_connected => device,
            (_, Some(address)) => self.context.connect_to(address)?,
            (Some(device), None) => self.context.connect(device).map(|()| device)?,
            (None, None) => return Err(self.not_connected()),
        };
        if let Some(expected) = known.filter(|known| *known != device) {
            // Its events must not be mixed with those of the expected device.
            let _ = self.context.disconnect(device);
            let message = format!("another device, {device}, is at its address");
            let error = Error::new(ErrorKind::NotFound, message);
            return Err(error.with_device(expected).with_replacement(device));
        }
        callbacks::connected(device, self.address)?;
        let _ = self.device.set(device); // It may be known already.
        // The callback for a loss before this line found no open connection.
        if callbacks::disconnections() != disconnections
            && matches!(self.context.is_connected(device), Ok(false))
        {
            callbacks::lost(device, || self.lost());
            return Err(self.lost().with_device(device));
        }
        Ok(())
    }

    fn start_monitoring(&self, device: DeviceId) -> Result<()> {
        let status = self.status();
        if status.is_monitored() {
            return Ok(());
        }
        if let Err(error) = self.context.start_monitoring(device) {
            if matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::TimedOut | ErrorKind::Unsupported)
            {
                return Err(error);
            }
            // Monitoring may still run for a connection that we considered lost.
            let _ = self.context.stop_monitoring(device);
            self.context.start_monitoring(device)?;
        }
        // The status from before the call: if the connection was lost meanwhile, nothing is monitored.
        callbacks::monitored(device, status);
        Ok(())
    }

    fn stop_monitoring_without_listeners(&self, device: DeviceId) {
        if self.status().is_monitored() && !callbacks::has_listeners(device) {
            callbacks::not_monitored(device);
            if let Err(error) = self.context.stop_monitoring(device) {
                tracing::debug!(%device, %error, "cannot stop the monitoring of a device without listeners");
                self.note_failure(device, &error);
            }
        }
    }

    /// Asks the library whether the device is still connected, in case it has not reported a loss.
    fn check_connection(&self) {
        let Ok(device) = self.connected() else { return };
        if let Ok(false) = self.context.is_connected(device) {
            callbacks::lost(device, || self.lost());
        }
    }

    fn disconnect(&self) {
        let Some(&device) = self.device.get() else { return };
        let status = self.status();
        callbacks::closed(device);
        if status.is_monitored() {
            let _ = self.context.stop_monitoring(device);
        }
        if status.is_open {
            let _ = self.context.disconnect(device);
        }
    }

    /// Ends the connection for all its users if the error says that it is lost.
    fn note_failure(&self, device: DeviceId, error: &Error) {
        if error.kind() == ErrorKind::Disconnected {
            callbacks::lost(device, || self.lost());
        }
    }

    /// The connected device.
    /// Errors: `Disconnected` if it is not connected.
    fn connected(&self) -> Result<DeviceId> {
        let device = self.device.get().copied().filter(|_| self.status().is_open);
        device.ok_or_else(|| self.not_connected())
    }

    fn status(&self) -> Status {
        self.device.get().map_or_else(Status::default, |device| callbacks::status(*device, self.address))
    }

    fn not_connected(&self) -> Error {
        Error::new(ErrorKind::Disconnected, format!("not connected{}", self.place()))
    }

    fn lost(&self) -> Error {
        Error::new(ErrorKind::Disconnected, format!("the connection{} is lost", self.place()))
    }

    /// The address as part of a message.
    fn place(&self) -> String {
        self.address.map(|address| format!(" to {address}")).unwrap_or_default()
    }
}

/// Ends one listener's reports when it is dropped.
struct Listening {
    connection: Arc<Connection>,
    device: DeviceId,
    ticket: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        callbacks::unlisten(self.device, self.ticket);
        let (endpoint, device) = (Arc::clone(&self.connection.endpoint), self.device);
        self.connection.worker.send(Box::new(move || endpoint.stop_monitoring_without_listeners(device)));
    }
}
