//! A simulated device gateway: the vendor's gRPC interface over simulated devices, for programs in any language.
//!
//! It serves Connect, Event, Device, TNA, Time and Admin over TLS, to many clients at once, as gateways of version 1.5
//! and later do. `bs2 sim gateway` runs it as a program.
//!
//! # Behaviour that no source describes
//!
//! | question | answer of this gateway |
//! |---|---|
//! | an asynchronous connection to a device that is connected | its state is sent again |
//! | which slaves are listed | those of the devices that are connected, or are to be; `SearchSlaveDevice` answers like `GetSlaveDevice` |
//! | the numbers that a stream's filter selects | the device whose log has the event, or the slave that saw it |
//! | a device that connects by itself and is refused | waits in the pending list until an accept filter lets it in |
//! | a call to a device that is not connected, or that does not exist | `NOT_FOUND` |
//! | an address without a device, a device that does not answer | `UNAVAILABLE` from `Connect` |
//! | a device that does not answer a call | `DEADLINE_EXCEEDED` after 20 s |
//! | a connection lost during a call, a busy device | `UNAVAILABLE` |
//! | pictures of a device without a camera | `UNIMPLEMENTED` |
//! | the code of a failed call to several devices | that of the first device that failed |
//! | which events a full queue drops | the newest; a queue is full when the client took nothing for a second |
//! | a queue size of 0, below 0 | holds one event, `INVALID_ARGUMENT` |
//! | monitoring after a lost connection | is off |
//! | whether clients share the switch of monitoring | they do |
//! | an image filter | selects all events with its high byte; one with a low byte selects that event alone |
//! | the maximum number of records in a response | none |
//! | the ids after a log was cleared | go on |
//! | the events that a stream's filter selects | those with this `eventCode`, whatever their `subCode` |

mod broadcast;
mod connect;
mod connections;
mod device;
mod event;
mod faults;
mod options;
mod serve;
mod state;
mod status;

pub use faults::GatewayFaults;
pub use options::{ApiVersion, GatewayServerOptions, SimDeviceAddress};

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::{Certificates, Simulator};
use crate::codec::DeviceId;
use crate::{Error, ErrorKind, Result};
use state::GatewayState;

/// A simulated gateway. It serves until it is dropped.
///
/// # Examples
///
/// ```
/// use bs2_events::ErrorKind;
/// use bs2_events::sim::gateway::{GatewayServer, GatewayServerOptions};
///
/// # async fn example() -> bs2_events::Result<()> {
/// let server = GatewayServer::start(GatewayServerOptions::new("backlog=10".parse()?)).await?;
/// println!("connect to {} and trust\n{}", server.address(), server.ca_pem().unwrap());
/// for (device, address) in server.devices() {
///     println!("device {device} is at {address}");
/// }
/// let device = server.simulator().device_ids()[0];
/// assert_eq!(server.simulator().make_event(device)?.id(), 11);
///
/// // Two servers cannot listen on one address.
/// let same_address = GatewayServerOptions::default().with_listen(server.address());
/// assert_eq!(GatewayServer::start(same_address).await.unwrap_err().kind(), ErrorKind::Other);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
pub struct GatewayServer {
    simulator: Simulator,
    state: Arc<GatewayState>,
    address: SocketAddr,
    ca: Option<String>,
    task: AbortHandle,
}

impl GatewayServer {
    /// Starts a gateway. Its devices make events by themselves after [`Simulator::start`].
    ///
    /// # Errors
    ///
    /// As [`Simulator::with_options`], [`Simulator::with_state`] and [`Certificates::make`].
    /// [`InvalidInput`](ErrorKind::InvalidInput) for certificates that cannot be used and for more addresses than
    /// devices, [`Other`](ErrorKind::Other) when the gateway cannot listen on the address.
    pub async fn start(options: GatewayServerOptions) -> Result<Self> {
        let simulator = simulator(&options)?;
        let certificates = match &options.certificates {
            Some(certificates) => certificates.clone(),
            None => {
                let ip = options.listen.ip();
                let listen = (!ip.is_unspecified()).then(|| ip.to_string());
                Certificates::make(Certificates::LOOPBACK.map(str::to_owned).into_iter().chain(listen))?
            }
        };
        let acceptor = certificates.acceptor(&[b"h2"])?;
        let cannot_listen = |error| {
            let message = format!("cannot listen on {}", options.listen);
            Error::new(ErrorKind::Other, message).with_source(error)
        };
        let listener = TcpListener::bind(options.listen).await.map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        let state = Arc::new(GatewayState::new(&simulator, &options, Handle::current()));
        let task = tokio::spawn(serve::serve(listener, acceptor, Arc::clone(&state))).abort_handle();
        Ok(Self { simulator, state, address, ca: certificates.ca_pem().map(str::to_owned), task })
    }

    /// Drops every client and forgets every connection, as a gateway does that is started again.
    pub fn restart(&self) {
        self.state.restart();
    }

    /// The address that the gateway listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority that clients must trust, in PEM; `None` if the certificates were given without it.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// The simulator of the devices behind the gateway.
    #[must_use]
    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// Every device that is in its place, and the address with which a client connects it.
    pub fn devices(&self) -> impl Iterator<Item = (DeviceId, SocketAddr)> {
        let connections = self.state.connections.iter();
        connections.filter_map(|(position, connection)| {
            Some((DeviceId::new(self.state.device(position)), connection.address()?.socket()))
        })
    }

    /// Puts the device `new` at the address of the device `old`, as somebody does who replaces a broken reader. The
    /// connection to `old` is lost, and nothing reaches it any more. The gateway says nothing of it: who connects the
    /// address finds another number.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) for a device that the gateway does not have,
    /// [`InvalidInput`](ErrorKind::InvalidInput) where both are the same.
    pub fn replace(&self, old: DeviceId, new: DeviceId) -> Result<()> {
        let position = |device: DeviceId| {
            let not_found =
                || Error::new(ErrorKind::NotFound, "the gateway has no such device").with_device(device);
            self.state.position(device.get()).ok_or_else(not_found)
        };
        let (old, new) = (position(old)?, position(new)?);
        if old == new {
            return Err(Error::new(ErrorKind::InvalidInput, "a device cannot replace itself"));
        }
        self.state.replace(old, new);
        Ok(())
    }
}

impl Drop for GatewayServer {
    fn drop(&mut self) {
        self.task.abort();
        self.state.end();
    }
}

impl fmt::Debug for GatewayServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayServer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Fails with [`ErrorKind::InvalidInput`] for more addresses than devices, and the errors of the simulator.
fn simulator(options: &GatewayServerOptions) -> Result<Simulator> {
    // Where a page begins is a matter of the gateway, not of its devices.
    let mut settings = options.simulator.clone().with_inclusive(false);
    settings.connections = settings.connections.or(Some(true));
    let (addresses, accepted) = (options.devices.len(), options.accept as usize);
    let named = addresses + accepted;
    if settings.devices.is_none() && settings.replay.is_none() && named > 0 {
        settings = settings.with_devices(u32::try_from(named).unwrap_or(u32::MAX));
    }
    let simulator = match &options.state {
        Some(path) => Simulator::with_state(settings, path)?,
        None => Simulator::with_options(settings)?,
    };
    let devices = simulator.inner.devices.len();
    if addresses > devices {
        let message =
            format!("{addresses} addresses are given for {devices} devices; give one address a device");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    if named > devices {
        let message = format!(
            "setting `accept`: {accepted} devices connect by themselves and {addresses} have an address, but there are \
             {devices}; give `devices={named}`"
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(simulator)
}
