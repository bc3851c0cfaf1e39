//! The handle to a server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ClientConfig;

use super::builder::ClientBuilder;
use super::builder::options::{ImportOptions, LiveOptions};
use super::json::Done;
use super::session::{Login, Session, Sessions};
use super::transport::{Request, Transport};
use crate::{ErrorKind, Result};

/// A BioStar X server; BioStar 2 answers the same calls except virtual devices and imports.
///
/// Clones are the same client and share one session. The first call logs in; when the server says that the session has
/// ended, one of the calls logs in again and each is sent once more. A refused password is not tried again before
/// [`login`](Self::login) is called.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::{Client, ImportEvent, VirtualDeviceId};
/// use bs2_events::codec::Timestamp;
///
/// # #[tokio::main]
/// # async fn main() -> bs2_events::Result<()> {
/// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
/// let client = Client::builder(&server.url())
///     .with_credentials("admin", "simulated")
///     .with_pinned_certificate(server.certificate_pem())
///     .build()?;
/// # let new = bs2_events::biostar_x::NewVirtualDevice::new(VirtualDeviceId::new(100_001)?, "Main gate");
/// # client.create_virtual_device(&new).await?;
/// let door = VirtualDeviceId::new(100_001)?;
/// let events = vec![ImportEvent::granted("1", Timestamp::from_unix_seconds(1_761_837_120)).tna_key(1)];
/// let mut import = client.import(door, events)?;
/// import.send().await?;
/// assert!(import.is_complete());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(pub(super) Arc<Shared>);

/// What the clones share.
pub(super) struct Shared {
    pub(super) transport: Transport,
    pub(super) sessions: Sessions,
    /// How long a page of a search is asked for again.
    pub(super) patience: Duration,
    pub(super) import: ImportOptions,
    pub(super) live: LiveOptions,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) connect_timeout: Duration,
}

impl Client {
    /// Begins a client of the server at this address, such as `https://192.0.2.10` or `https://biostar.example:4433`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// let builder = Client::builder("https://192.0.2.10").with_credentials("operator", "secret");
    /// ```
    pub fn builder(server: &str) -> ClientBuilder {
        ClientBuilder::new(server)
    }

    /// The server's address, without `/api`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// let client = Client::builder("https://192.0.2.10/api/").danger_accept_any_certificate().build()?;
    /// assert_eq!(client.server(), "https://192.0.2.10");
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn server(&self) -> String {
        self.0.transport.base.as_str().trim_end_matches('/').to_owned()
    }

    /// Logs in now, and anew. Other calls do so by themselves; this one shows whether it works.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LoginRefused`], [`ErrorKind::AccountLocked`], [`ErrorKind::MfaRequired`] and
    /// [`ErrorKind::PermissionDenied`] as the server says; [`ErrorKind::CertificateRefused`] and [`ErrorKind::Disconnected`]
    /// when it is not reached.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// let login = client.login().await?;
    /// assert_ne!(login.must_change_password, Some(true));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn login(&self) -> Result<Login> {
        self.0.sessions.login(&self.0.transport).await
    }

    /// Ends the session, if there is one. A later call logs in again.
    ///
    /// # Errors
    ///
    /// Those of every call; the session is forgotten in any case.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// client.logout().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn logout(&self) -> Result<()> {
        self.0.sessions.logout(&self.0.transport).await
    }

    /// Sends a call with the session; once more with another session if that one has ended. What must not be done
    /// twice is repeated only where the answer proves that nothing was done.
    pub(super) async fn call(&self, request: &Request) -> Result<Done> {
        let session = self.session().await?;
        match self.call_with(request, &session).await {
            Err(error)
                if error.kind() == ErrorKind::SessionExpired
                    && (request.may_repeat() || !error.may_have_been_done()) =>
            {
                let session = self.0.sessions.renew(&self.0.transport, session.generation).await?;
                self.call_with(request, &session).await
            }
            result => result,
        }
    }

    /// Sends a call with this session and no other.
    pub(super) async fn call_with(&self, request: &Request, session: &Session) -> Result<Done> {
        let reply = self.0.transport.send(request, Some(&session.id)).await?;
        Done::of(request.endpoint(), &reply)
    }

    pub(super) async fn session(&self) -> Result<Session> {
        self.0.sessions.current(&self.0.transport).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.0.transport.base.as_str())
            .field("sessions", &self.0.sessions)
            .finish_non_exhaustive()
    }
}
