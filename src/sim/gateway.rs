//! A simulated device gateway: the vendor's gRPC interface before simulated readers, for programs in any language.
//!
//! It serves Connect, Event, Device, TNA, Time and Admin over TLS, to many clients at once, as gateways of version 1.5
//! and later do; what it does where the interface leaves things open stands in the tables below. `bs2 sim gateway` is
//! the same as a program.
//!
//! # What it does where no source says it
//!
//! | question | here |
//! |---|---|
//! | a call to a device that is not connected, or that there is not | `NOT_FOUND` |
//! | an address at which no reader is, a reader that does not answer | `UNAVAILABLE` from `Connect` |
//! | a reader that does not answer a call | `DEADLINE_EXCEEDED` after 20 s |
//! | a connection lost during a call, a busy reader | `UNAVAILABLE` |
//! | pictures of a reader without a camera | `UNIMPLEMENTED` |
//! | the code of a call to many devices that failed | that of the first device that failed |
//! | which end of a full queue is dropped | the newest; a queue is full when the client took nothing for a second |
//! | a queue size of 0, below 0 | holds one event, `INVALID_ARGUMENT` |
//! | monitoring after a lost connection | is off |
//! | whether clients share the switch of monitoring | they do |
//! | an image filter | keeps the whole code; one with a low byte is for that event alone |
//! | most records in one answer | no limit |
//! | the ids after a log was cleared | go on |
//! | the events that a stream is filtered by | those with this `eventCode`, whatever their `subCode` |
//!
//! # Examples
//!
//! ```
//! use bs2_events::sim::gateway::{Server, ServerSettings};
//!
//! # async fn example() -> bs2_events::Result<()> {
//! let server = Server::start(ServerSettings::new("devices=2&backlog=100".parse()?)).await?;
//! println!("dial {} and trust\n{}", server.address(), server.ca_pem().unwrap());
//! for (device, address) in server.readers() {
//!     println!("reader {device} is at {address}");
//! }
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```

mod certificates;
mod connect;
mod desk;
mod device;
mod event;
mod event_log;
mod faults;
mod link;
mod queue;
mod refusal;
mod serve;
mod settings;
mod time;
mod tna;

pub use certificates::Certificates;
pub use faults::GatewayFaults;
pub use settings::{Api, DeviceAddress, ServerSettings};

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::Simulator;
use super::backend::SimBackend;
use crate::codec::DeviceId;
use crate::{Error, ErrorKind, Result};
use desk::Desk;

/// A simulated gateway that serves until it is dropped.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::gateway::{Server, ServerSettings};
///
/// # async fn example() -> bs2_events::Result<()> {
/// let server = Server::start(ServerSettings::new("backlog=10".parse()?)).await?;
/// let device = server.simulator().device_ids()[0];
/// assert_eq!(server.simulator().make_event(device)?.id(), 11);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
pub struct Server {
    simulator: Simulator,
    desk: Arc<Desk>,
    address: SocketAddr,
    ca: Option<String>,
    task: AbortHandle,
}

impl Server {
    /// Starts a gateway. Its readers live from [`Simulator::start`] on; before that only what a program makes happens.
    ///
    /// # Errors
    ///
    /// As [`Simulator::with_options`], [`Simulator::with_state`] and [`Certificates::make`].
    /// [`InvalidInput`](ErrorKind::InvalidInput) for certificates that cannot be used and for more addresses than
    /// devices, [`Other`](ErrorKind::Other) when
    /// the address cannot be listened at.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{sim::gateway::{Server, ServerSettings}, ErrorKind};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default()).await?;
    ///
    /// let taken = ServerSettings::default().with_listen(server.address());
    /// assert_eq!(Server::start(taken).await.unwrap_err().kind(), ErrorKind::Other);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub async fn start(settings: ServerSettings) -> Result<Self> {
        let simulator = simulator(&settings)?;
        let certificates = match &settings.certificates {
            Some(certificates) => certificates.clone(),
            None => {
                let name = certificates::name_of(settings.listen.ip());
                Certificates::make(&name.into_iter().collect::<Vec<_>>())?
            }
        };
        let acceptor = certificates.acceptor()?;
        let cannot = |error| {
            let message = format!("cannot listen at {}", settings.listen);
            Error::new(ErrorKind::Other, message).with_source(error)
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let shared = Arc::clone(&simulator.shared);
        let door = SimBackend::new(Arc::clone(&shared), simulator.next_door());
        let desk = Arc::new(Desk::new(shared, door, &settings, Handle::current()));
        let task = tokio::spawn(serve::serve(listener, acceptor, Arc::clone(&desk))).abort_handle();
        Ok(Self { simulator, desk, address, ca: certificates.ca_pem().map(str::to_owned), task })
    }

    /// Drops every client and forgets every connection, as a gateway does that is started again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// Server::start(ServerSettings::default()).await?.restart();
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub fn restart(&self) {
        self.desk.restart();
    }

    /// Where it listens.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// assert!(Server::start(ServerSettings::default()).await?.address().ip().is_loopback());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority that clients must trust, in PEM; `None` where the certificates came without it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// assert!(Server::start(ServerSettings::default()).await?.ca_pem().is_some());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// The readers behind the gateway.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::new("devices=3".parse()?)).await?;
    /// assert_eq!(server.simulator().device_ids().len(), 3);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// Every reader, and the address that a client gives to connect it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let settings = ServerSettings::default().with_device("192.168.0.2".parse()?);
    /// let server = Server::start(settings).await?;
    /// assert_eq!(server.readers().next().map(|(_, at)| at.to_string()).as_deref(), Some("192.168.0.2:51211"));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub fn readers(&self) -> impl Iterator<Item = (DeviceId, SocketAddr)> {
        let readers = self.desk.links.iter();
        readers.map(|(position, link)| (self.desk.shared.readers[position].device(), link.address.socket()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        self.desk.restart();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// # Errors
///
/// [`ErrorKind::InvalidInput`] for more addresses than readers, and as the simulator.
fn simulator(settings: &ServerSettings) -> Result<Simulator> {
    let mut wanted = settings.simulator.clone();
    let addresses = settings.devices.len();
    if wanted.devices.is_none() && wanted.replay.is_none() && addresses > 0 {
        wanted = wanted.with_devices(u32::try_from(addresses).unwrap_or(u32::MAX));
    }
    let simulator = match &settings.state {
        Some(path) => Simulator::with_state(wanted, path)?,
        None => Simulator::with_options(wanted)?,
    };
    let readers = simulator.shared.readers.len();
    if addresses > readers {
        let message = format!("there are {addresses} addresses and {readers} readers");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(simulator)
}
