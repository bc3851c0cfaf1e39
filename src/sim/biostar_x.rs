//! A simulated BioStar X server: the REST interface and the socket of live events, over TLS.
//!
//! A [`BiostarXServer`] implements what the published documents, captures and field notes describe: logins and
//! sessions, virtual devices, import of events, search, event types, pictures, version and licences, and live events
//! on a WebSocket. It refuses what they forbid. Faults occur at random ([`BiostarXFaults`]) or as a test plans them
//! ([`PlannedFault`]).
//!
//! | path | |
//! |---|---|
//! | `POST /api/login`, `POST /api/logout` | sessions, in the header `bs-session-id` |
//! | `GET`, `POST`, `DELETE /api/v2/virtual_devices`, `PUT /api/v2/virtual_devices/{id}` | virtual devices |
//! | `POST /api/events/import` | import |
//! | `POST /api/events/search` | search |
//! | `GET /api/events/images/{image_data}` | pictures |
//! | `GET /api/event_types` | event types |
//! | `GET /api/users`, `GET /api/users/{id}`, `GET /api/devices`, `GET /api/doors` | users, devices and doors, to read; lists by `limit` and `offset` |
//! | `GET /api/setting/biostar`, `GET /js/info.json` | licences, version |
//! | `/wsapi`, `POST /api/events/start` | live events |
//!
//! Where the documents contradict each other, a setting chooses ([`BiostarXServerOptions`]). Where they say nothing,
//! the simulator chooses:
//!
//! * A list of values matches like *in* (operator 2). A pattern matches a part of the value (operator 4).
//! * One error in an import refuses the whole import. A deletion of several devices deletes all or none.
//! * An event that is imported twice is stored twice.
//! * An error without a documented status is HTTP 400. A missing limit is no limit.
//! * The log of a month contains the events that happened in it.
//! * A socket whose session has ended stays open and sends nothing until it is bound again.
//!
//! Not simulated: changes of users, devices and doors, and the rest of the product; the export of a search as CSV, the search by temperature,
//! and `GET /api/v2/devices/search`.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Certificates;
use super::setting::SettingsTable;
use crate::codec::Event;
use crate::sync::lock;
use crate::{Error, ErrorKind, Result};

mod app;
mod control;
mod database;
mod devices;
mod events;
mod fault;
mod http;
mod info;
mod lists;
mod options;
mod records;
mod request;
mod response;
mod session;
mod socket;
mod virtual_devices;

pub use database::Snapshot;
pub use fault::{BiostarXFaults, PlannedFault, RowShape};
pub use options::{Account, AccountState, BiostarXServerOptions, Dialect, FlagForm, Frames, Unbound};
pub use records::{StoredEvent, StoredVirtualDevice};
pub use request::ReceivedRequest;

use app::App;

/// A simulated BioStar X server. It serves until it is dropped.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use bs2_events::ErrorKind;
/// use bs2_events::sim::biostar_x::{BiostarXServer, BiostarXServerOptions, PlannedFault};
///
/// # async fn example() -> bs2_events::Result<()> {
/// let server = BiostarXServer::start("backlog=10&licence=false".parse()?).await?;
/// // A client connects to `server.url()`, trusts `server.ca_pem()`, and logs in as `admin` with the password `simulated`.
/// assert!(server.url().starts_with("https://127.0.0.1:"));
/// assert_eq!(server.snapshot().events().len(), 10);
///
/// // A test changes the server while clients use it.
/// server.set_licence(true);
/// server.add_user("anna.novak")?;
/// server.advance(Duration::from_secs(3_600));
/// assert_eq!(server.make_event()?.index, 6);
/// server.plan("/api/events/import", PlannedFault::CutAfter);
/// assert_eq!(server.planned(), 1);
///
/// // … the client does its work …
/// for request in server.requests() {
///     println!("{} {} {:?}", request.method(), request.target(), request.header("content-type"));
/// }
/// # assert!(server.requests().is_empty());
///
/// // Two servers cannot listen on one address.
/// let same_address = BiostarXServerOptions::default().with_listen(server.address());
/// assert_eq!(BiostarXServer::start(same_address).await.unwrap_err().kind(), ErrorKind::Other);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
pub struct BiostarXServer {
    app: Arc<Mutex<App>>,
    address: SocketAddr,
    certificates: Certificates,
    tasks: [JoinHandle<()>; 2],
    /// Dropped with the server, which closes the sockets.
    /// Closes every socket, also when it is dropped.
    end: watch::Sender<()>,
}

impl BiostarXServer {
    /// Starts a server on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for an option out of its range and for certificates that cannot be
    /// used, [`Storage`](ErrorKind::Storage) or [`InvalidData`](ErrorKind::InvalidData) for the state file,
    /// [`Busy`](ErrorKind::Busy) when another server writes that file, [`Other`](ErrorKind::Other) when the server
    /// cannot listen on the address and outside a tokio runtime.
    pub async fn start(options: BiostarXServerOptions) -> Result<Self> {
        options.check_ranges()?;
        if Handle::try_current().is_err() {
            return Err(Error::new(ErrorKind::Other, "the simulated server needs a tokio runtime"));
        }
        let certificates = match &options.certificates {
            Some(certificates) => certificates.clone(),
            None => Certificates::make(options.names.iter().cloned())?,
        };
        let alpn: &[&[u8]] = if options.http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        let acceptor = certificates.acceptor(alpn)?;
        let cannot_listen = |error| {
            Error::new(ErrorKind::Other, format!("cannot listen on {}", options.listen)).with_source(error)
        };
        let listener = TcpListener::bind(options.listen).await.map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        let (sender, end) = watch::channel(());
        let rate = options.rate;
        let app = Arc::new(Mutex::new(App::new(options, end)?));
        let tasks = [
            tokio::spawn(http::accept(listener, acceptor, Arc::clone(&app))),
            tokio::spawn(app::make_events(Arc::clone(&app), rate)),
        ];
        Ok(Self { app, address, certificates, tasks, end: sender })
    }

    // How clients reach it.

    /// The URL of the server: `https://127.0.0.1:` and the port.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The address that the server listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority that clients must trust, in PEM; `None` if the certificates were given without it.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.certificates.ca_pem()
    }

    /// The server's own certificate, in PEM, for clients to pin.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        self.certificates.certificate_pem()
    }

    // What happened.

    /// A copy of what the server has stored.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        lock(&self.app).database.snapshot()
    }

    /// The last requests: at most 100 000, with at most 256 MiB of bodies.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        lock(&self.app).requests.all()
    }

    /// The number of sessions.
    #[must_use]
    pub fn sessions(&self) -> usize {
        lock(&self.app).sessions.len()
    }

    // Control by a test.

    /// Plans a fault of the next request whose path begins with `path`. Several plans for a path apply one after
    /// another.
    pub fn plan(&self, path: impl Into<String>, fault: PlannedFault) {
        lock(&self.app).faults.plan(path.into(), fault);
    }

    /// The number of planned faults that have not occurred yet.
    #[must_use]
    pub fn planned(&self) -> usize {
        lock(&self.app).faults.planned()
    }

    /// Removes all planned faults.
    pub fn clear_plans(&self) {
        lock(&self.app).faults.clear();
    }

    /// Closes every socket of live events, as a network that fails. The sessions stay. What happens before a client has
    /// opened another socket is sent to nobody.
    pub fn cut_sockets(&self) {
        lock(&self.app).sessions.unbind_all();
        self.end.send_replace(());
    }

    /// Ends every session. The server refuses the next request of each with HTTP 401 and code 10.
    pub fn end_sessions(&self) {
        lock(&self.app).sessions.end_all();
    }

    /// Unlocks the accounts that wrong passwords have locked.
    pub fn unlock_accounts(&self) {
        lock(&self.app).sessions.unlock_accounts();
    }

    /// Grants or removes the licence of the Event Log API.
    pub fn set_licence(&self, licence: bool) {
        lock(&self.app).options.licence = licence;
    }

    /// Moves the server's clock forward, in whole seconds. Sessions expire, and months change.
    pub fn advance(&self, by: Duration) {
        lock(&self.app).clock.advance(by);
    }

    /// Adds a user.
    ///
    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) when the state file cannot be written.
    pub fn add_user(&self, user_id: &str) -> Result<()> {
        lock(&self.app).database.add_user(user_id)
    }

    /// Makes the next event of an office device. The server stores it and sends it to the sockets.
    ///
    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) when the state file cannot be written.
    pub fn make_event(&self) -> Result<StoredEvent> {
        lock(&self.app).make_event()
    }

    /// Reports this event for its device. The server stores it and sends it to the sockets.
    ///
    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) when the state file cannot be written.
    pub fn report(&self, event: &Event) -> Result<StoredEvent> {
        lock(&self.app).report(devices::stored(event))
    }
}

impl Drop for BiostarXServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for BiostarXServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BiostarXServer").field("address", &self.address).finish_non_exhaustive()
    }
}
