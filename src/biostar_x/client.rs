//! The client of a server: calls with one shared session, and what the server reports about itself.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use super::lenient::{ApiResponse, at, flag, number, rows, text};
use super::options::{BiostarXOptions, read_policy};
use super::session::{Login, Session, Sessions};
use super::transport::{Request, Transport};
use crate::codec::EventCode;
use crate::error::invalid;
use crate::retry::Retry;
use crate::tls::Trust;
use crate::{Error, ErrorKind, Result, RetryPolicy};

/// A BioStar X server. BioStar 2 answers the same calls, except virtual devices and imports.
///
/// Clones are the same client and share one session. The first call logs in. When the server reports that the session
/// has ended, one of the calls logs in again, and each is sent once more. A refused password is not tried again before
/// [`login`](Self::login) is called.
///
/// Calls that read are retried while the server is busy, fails or cannot be reached, for as long as
/// [`BiostarXOptions::with_patience`] allows. Calls that change something are not.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::virtual_devices::NewVirtualDevice;
/// use bs2_events::biostar_x::{BiostarX, BiostarXOptions, ImportEvent, ImportOptions, VirtualDeviceId};
/// use bs2_events::codec::Timestamp;
/// use bs2_events::tls::Trust;
///
/// # #[tokio::main]
/// # async fn main() -> bs2_events::Result<()> {
/// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
/// let options = BiostarXOptions::new(server.url())
///     .with_credentials("admin", "simulated")
///     .with_trust(Trust::pin(server.certificate_pem()));
/// let client = BiostarX::new(options)?;
///
/// let gate = NewVirtualDevice::new(VirtualDeviceId::new(100_001)?, "Main gate");
/// let gate = client.ensure_virtual_device(&gate).await?.id;
/// let punch = ImportEvent::granted("1", Timestamp::from_unix_seconds(1_761_837_120)).tna_key(1);
/// let mut import = client.import(gate, vec![punch])?;
/// import.run(&ImportOptions::default(), |count| println!("{} confirmed", count.confirmed)).await?;
/// assert!(import.is_complete());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BiostarX(pub(super) Arc<Shared>, RetryPolicy);

/// What the clones share.
pub(super) struct Shared {
    pub(super) transport: Transport,
    pub(super) sessions: Sessions,
}

impl BiostarX {
    /// A client with these options. Nothing is sent; the first call logs in.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for an address that is wrong or holds a password, for `http://` to
    /// another computer, for certificates that cannot be read, and for a missing password;
    /// [`NotFound`](ErrorKind::NotFound) for a password file that cannot be read;
    /// [`Unsupported`](ErrorKind::Unsupported) without a provider of cryptography, as [`tls`](crate::tls) says.
    pub fn new(options: BiostarXOptions) -> Result<Self> {
        let address = options.address()?;
        // A connection in the clear needs no authority, and the operating system may have none.
        let trust =
            if address.is_tls { options.trust.clone() } else { Trust::danger_accept_any_certificate() };
        let credentials = options.credentials()?;
        let tls = trust.client_config(None, &[])?;
        let (connect, timeout, limit) = (options.connect_timeout, options.timeout, options.answer_limit);
        let transport = Transport::new(address, tls, connect, timeout, limit);
        let shared = Shared { transport, sessions: Sessions::new(credentials) };
        Ok(Self(Arc::new(shared), read_policy(options.patience)))
    }

    /// This client, with the same session, for a caller that retries itself: its reads are retried for this long at most.
    #[cfg(feature = "collect")]
    pub(crate) fn with_read_patience(self, limit: std::time::Duration) -> Self {
        Self(self.0, read_policy(limit))
    }

    /// A client for a URL such as `biostar-x://192.0.2.10?user=operator&pin=server.pem`; see [`BiostarXOptions`].
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn open(url: &str) -> Result<Self> {
        Self::new(url.parse()?)
    }

    /// The server's address, without `/api`.
    #[must_use]
    pub fn server(&self) -> String {
        self.0.transport.address.to_string()
    }

    /// Logs in now, and anew. Other calls log in by themselves; this one shows whether it works.
    ///
    /// # Errors
    ///
    /// [`LoginRefused`](ErrorKind::LoginRefused), [`AccountLocked`](ErrorKind::AccountLocked) and
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) from the server;
    /// [`CertificateRefused`](ErrorKind::CertificateRefused) and [`Disconnected`](ErrorKind::Disconnected) when it
    /// cannot be reached.
    pub async fn login(&self) -> Result<Login> {
        self.0.sessions.login(&self.0.transport).await
    }

    /// Ends the session, if there is one. A later call logs in again.
    ///
    /// # Errors
    ///
    /// Those of every call; the session is forgotten in any case.
    pub async fn logout(&self) -> Result<()> {
        self.0.sessions.logout(&self.0.transport).await
    }

    /// The server's version, without a login; `None` where the server does not report it.
    ///
    /// # Errors
    ///
    /// Those of every call except the session's.
    pub async fn version(&self) -> Result<Option<String>> {
        let request = Request::plain(Method::GET, "GET /js/info.json");
        let call = || async {
            let reply = self.0.transport.send(&request, None).await?;
            ApiResponse::of(request.endpoint(), &reply)
        };
        let response = self.1.retry(call, Error::is_retryable).await?;
        // No document shows the file; these are the names that other answers have for it.
        let places: [&[&str]; 4] =
            [&["version"], &["biostarVersion"], &["version", "biostarVersion"], &["info", "version"]];
        Ok(places.into_iter().find_map(|place| text(at(&response.body, place))))
    }

    /// What the server is licensed for.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn licences(&self) -> Result<Licences> {
        let response = self.read(&Request::plain(Method::GET, "GET /api/setting/biostar")).await?;
        // Beside the settings or inside them.
        let inside = || response.body.as_object()?.values().find_map(|part| part.get("licenses"));
        let found = response.body.get("licenses").or_else(inside);
        Ok(Licences(found.cloned().unwrap_or_default()))
    }

    /// All kinds of event that the server knows.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn event_types(&self) -> Result<Vec<EventType>> {
        let request = Request::plain(Method::GET, "GET /api/event_types?setting_all=true");
        let response = self.read(&request).await?;
        Ok(rows(&response, "EventTypeCollection")?.iter().map(EventType::read).collect())
    }

    /// The picture of an event, mostly a JPEG, by the key in [`EventRow::image`](super::EventRow::image).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a malformed key; [`InvalidData`](ErrorKind::InvalidData) where the
    /// answer has no picture; and those of every call.
    pub async fn image(&self, key: &str) -> Result<Bytes> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if key.is_empty() || !key.bytes().all(is_plain) {
            return Err(invalid("the key of an image has only letters, digits, `_` and `-`"));
        }
        let path = format!("/api/events/images/{key}");
        let request = Request::new(Method::GET, "GET /api/events/images/{image_data}", path);
        let response = self.read(&request).await?;
        let data = text(at(&response.body, &["ImageLog", "data"]))
            .ok_or_else(|| response.unreadable("the answer has no picture"))?;
        // Some servers put a line break after every 76 characters.
        let data: String = data.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        let picture = STANDARD.decode(data).map_err(|_| response.unreadable("the picture is not base64"))?;
        Ok(picture.into())
    }

    /// A call that only reads: retried while the server is busy, fails or cannot be reached.
    pub(super) async fn read(&self, request: &Request) -> Result<ApiResponse> {
        self.read_with(&self.1, request).await
    }

    pub(super) async fn read_with(&self, policy: &RetryPolicy, request: &Request) -> Result<ApiResponse> {
        let mut retry = Retry::new(*policy);
        let mut endings = 0;
        loop {
            let error = match self.call(request).await {
                Err(error) if error.is_retryable() => error,
                result => return result,
            };
            endings += u32::from(error.kind() == ErrorKind::SessionExpired);
            if endings >= SESSION_ENDINGS {
                return Err(error);
            }
            tracing::debug!(kind = ?error.kind(), endpoint = request.endpoint(), "the read is retried");
            retry.wait(error).await?;
        }
    }

    /// Sends a call with the session; once more with another session if that one has ended. What must not be done twice
    /// is repeated only where the answer proves that nothing was done.
    pub(super) async fn call(&self, request: &Request) -> Result<ApiResponse> {
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
    pub(super) async fn call_with(&self, request: &Request, session: &Session) -> Result<ApiResponse> {
        let reply = self.0.transport.send(request, Some(&session.id)).await?;
        ApiResponse::of(request.endpoint(), &reply)
    }

    pub(super) async fn session(&self) -> Result<Session> {
        self.0.sessions.current(&self.0.transport).await
    }

    pub(super) fn read_policy(&self) -> RetryPolicy {
        self.1
    }
}

impl fmt::Debug for BiostarX {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BiostarX")
            .field("server", &self.server())
            .field("sessions", &self.0.sessions)
            .finish_non_exhaustive()
    }
}

/// What a server is licensed for.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Licences(Value);

impl Licences {
    /// Whether virtual devices and imports are licensed; `None` where the server does not report it, as BioStar 2.
    #[must_use]
    pub fn event_log_api(&self) -> Option<bool> {
        self.feature("evtLogApi")
    }

    /// Whether a feature is licensed, by the server's name of it: `api`, `visitor`, `mobile`, `advancedAcs`.
    #[must_use]
    pub fn feature(&self, name: &str) -> Option<bool> {
        flag(at(&self.0, &["feature", name]))
    }

    /// How many of something are licensed, by the server's name of it: `door`, `user`, `operator`.
    #[must_use]
    pub fn capacity(&self, name: &str) -> Option<i64> {
        number(at(&self.0, &["capacity", name]))
    }
}

impl fmt::Debug for Licences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Licences").field("event_log_api", &self.event_log_api()).finish_non_exhaustive()
    }
}

/// A kind of event of the server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct EventType {
    /// Its code; missing where it is 0. Codes below 0x1000 are the server's own.
    pub code: Option<EventCode>,
    /// Its name, such as `VERIFY_SUCCESS`.
    pub name: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// Whether the server can raise an alert for it.
    pub alertable: Option<bool>,
    /// Whether it does.
    pub enable_alert: Option<bool>,
}

impl EventType {
    fn read(row: &Value) -> Self {
        Self {
            code: number(at(row, &["code"])).map(EventCode::new),
            name: text(at(row, &["name"])),
            description: text(at(row, &["description"])),
            alertable: flag(at(row, &["alertable"])),
            enable_alert: flag(at(row, &["enable_alert"])),
        }
    }
}

/// After so many sessions that ended at once, another program logs in with the same account again and again.
const SESSION_ENDINGS: u32 = 4;
