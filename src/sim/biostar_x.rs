//! A simulated BioStar X server: the REST interface and the socket of live events, over TLS.
//!
//! A [`Server`] speaks what the published documents, captures and field notes say of the interface: logins and
//! sessions, virtual devices, import of events, search, event types, pictures, version and licences, and live events
//! on a WebSocket. It refuses what they forbid, and goes wrong on demand: by chance ([`Faults`]) or as planned
//! ([`Fault`]).
//!
//! | path | |
//! |---|---|
//! | `POST /api/login`, `POST /api/logout` | sessions, in the header `bs-session-id` |
//! | `GET`, `POST`, `DELETE /api/v2/virtual_devices`, `PUT /api/v2/virtual_devices/{id}` | virtual devices |
//! | `POST /api/events/import` | import |
//! | `POST /api/events/search` | search |
//! | `GET /api/events/images/{image_data}` | pictures |
//! | `GET /api/event_types` | event types |
//! | `GET /api/setting/biostar`, `GET /js/info.json` | licences, version |
//! | `/wsapi`, `POST /api/events/start` | live events |
//!
//! Where documents contradict each other a setting chooses ([`ServerSettings`]); where they are silent the choice is
//! the simulator's: a list of values matches like *in* (operator 2), a pattern matches as a part (operator 4), errors
//! of an import refuse all of it and a deletion of several devices takes all or none, what is imported twice is stored
//! twice, errors without a documented status are HTTP 400, a missing limit is none, the log of a month is that of the
//! events' own times, and a socket whose session has ended stays open in silence until it is bound again.
//!
//! Not simulated: users, doors and everything else of the product; the export of a search as CSV, the search by
//! temperature, and `GET /api/v2/devices/search`.
//!
//! # Examples
//!
//! ```
//! use bs2_events::sim::biostar_x::{Server, ServerSettings};
//!
//! # async fn example() -> bs2_events::Result<()> {
//! let server = Server::start(ServerSettings::default().with_backlog(100)).await?;
//! // Point a client at `server.url()`, trusting `server.ca_pem()`, as `admin` with the password `simulated`.
//! assert!(server.url().starts_with("https://127.0.0.1:"));
//! assert_eq!(server.state().events().len(), 100);
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{Error, ErrorKind, Result};

mod app;
mod clock;
mod control;
mod database;
mod devices;
mod events;
mod fault;
mod field;
mod hands;
mod http;
mod import;
mod info;
mod journal;
mod live;
mod login;
mod options;
mod records;
mod refusal;
mod request;
mod response;
mod row;
mod session;
mod socket;
mod tls;
mod virtual_devices;

pub use fault::{Fault, Faults, Rows};
pub use options::{Account, AccountState, Dialect, FlagForm, Frames, ServerSettings, Unbound};
pub use records::{State, StoredEvent, VirtualDevice};
pub use request::Request;
pub use tls::Certificates;

use app::Site;

/// A server that runs until it is dropped.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{Server, ServerSettings};
///
/// # async fn example() -> bs2_events::Result<()> {
/// let server = Server::start("backlog=10&licence=0".parse()?).await?;
/// println!("{}", server.url());
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
pub struct Server {
    site: Arc<Mutex<Site>>,
    address: SocketAddr,
    ca: Option<String>,
    certificate: String,
    tasks: [JoinHandle<()>; 2],
    /// Dropped with the server, which ends the sockets.
    _end: watch::Sender<()>,
}

impl Server {
    /// Starts a server on the runtime that it is called in.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a setting or a certificate that cannot be right,
    /// [`Storage`](ErrorKind::Storage) or [`InvalidData`](ErrorKind::InvalidData) for the state file,
    /// [`Busy`](ErrorKind::Busy) when another server writes that file, [`Other`](ErrorKind::Other) when the address
    /// cannot be had and outside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{ErrorKind, sim::biostar_x::{Server, ServerSettings}};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let first = Server::start(ServerSettings::default()).await?;
    /// let same = ServerSettings::default().with_address(first.address());
    /// assert_eq!(Server::start(same).await.unwrap_err().kind(), ErrorKind::Other);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub async fn start(settings: ServerSettings) -> Result<Self> {
        settings.check()?;
        if Handle::try_current().is_err() {
            return Err(Error::new(ErrorKind::Other, "the simulated server needs a tokio runtime"));
        }
        let (ca, identity) = match &settings.certificate {
            Some(identity) => (None, identity.clone()),
            None => {
                let made = Certificates::make(settings.names.iter().cloned())?;
                (Some(made.ca_pem().to_owned()), made.identity())
            }
        };
        let acceptor = tls::acceptor(&identity, settings.http2)?;
        let refused = |error| {
            Error::new(ErrorKind::Other, format!("cannot listen on {}", settings.address)).with_source(error)
        };
        let listener = TcpListener::bind(settings.address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (sender, end) = watch::channel(());
        let rate = settings.rate;
        let site = Arc::new(Mutex::new(Site::new(settings, end)?));
        let tasks = [
            tokio::spawn(http::accept(listener, acceptor, Arc::clone(&site))),
            tokio::spawn(live::run(Arc::clone(&site), rate)),
        ];
        Ok(Self { site, address, ca, certificate: identity.certificates, tasks, _end: sender })
    }

    /// Where it is: `https://127.0.0.1:` and the port.
    ///
    /// # Examples
    ///
    /// See [`Server`].
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The address that it listens on.
    ///
    /// # Examples
    ///
    /// See [`start`](Self::start).
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root of the certificate that the server made, as PEM; `None` where a certificate was given.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default()).await?;
    /// assert!(server.ca_pem().is_some_and(|pem| pem.starts_with("-----BEGIN CERTIFICATE-----")));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// The server's own certificate, as PEM.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default()).await?;
    /// assert_ne!(Some(server.certificate_pem()), server.ca_pem());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// What is stored now.
    ///
    /// # Examples
    ///
    /// See [`State`].
    #[must_use]
    pub fn state(&self) -> State {
        self.lock().store.copy()
    }

    /// The last requests, as they came: at most 100 000, and 256 MiB of bodies.
    ///
    /// # Examples
    ///
    /// See [`Request`].
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.lock().record.all()
    }

    /// How many sessions there are.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default()).await?;
    /// assert_eq!(server.sessions(), 0);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.lock().sessions.len()
    }

    fn lock(&self) -> MutexGuard<'_, Site> {
        self.site.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
