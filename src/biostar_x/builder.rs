//! What a client is told.

pub(super) mod options;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use options::{ImportOptions, LiveOptions};

use super::client::{Client, Shared};
use super::session::{Credentials, Sessions};
use super::transport::Transport;
use crate::biostar_x::codes::invalid;
use crate::tls::Trust;
use crate::{Error, ErrorKind, Result};

/// Settings of a [`Client`]; made by [`Client::builder`].
///
/// Unless told otherwise it trusts the authorities of the operating system, waits ten seconds for a connection and
/// thirty for an answer. No proxy is used and no redirection followed, since either would see the session.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use bs2_events::biostar_x::Client;
///
/// # fn main() -> bs2_events::Result<()> {
/// let client = Client::builder("https://192.0.2.10")
///     .with_credentials("operator", "secret")
///     .with_timeout(Duration::from_secs(10))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    base: String,
    credentials: Option<Credentials>,
    trust: Trust,
    allow_plain: bool,
    connect_timeout: Duration,
    timeout: Duration,
    answer_limit: usize,
    patience: Duration,
    import: ImportOptions,
    live: LiveOptions,
}

/// How a request says that its device is a virtual one: the vendor's documents disagree.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::VirtualDeviceFlag;
///
/// assert_eq!(VirtualDeviceFlag::default(), VirtualDeviceFlag::Boolean);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum VirtualDeviceFlag {
    /// `true`, as the support article and the interface description have it.
    #[default]
    Boolean,
    /// `"true"`, as the vendor's recorded call has it.
    Text,
}

impl ClientBuilder {
    pub(super) fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            credentials: None,
            trust: Trust::system(),
            allow_plain: false,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            answer_limit: ANSWER_LIMIT,
            patience: Duration::from_secs(60),
            import: ImportOptions {
                chunk: 500,
                flag: VirtualDeviceFlag::default(),
                settle: Duration::from_secs(2),
            },
            live: LiveOptions {
                queue: 4_096,
                ping: Duration::from_secs(30),
                overlap: Duration::from_secs(600),
            },
        }
    }

    /// Sets who logs in. The account needs no second factor, and the right to see events.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// let builder = Client::builder("https://192.0.2.10").with_credentials("operator", "secret");
    /// assert!(!format!("{builder:?}").contains("secret"));
    /// ```
    pub fn with_credentials(
        mut self,
        login_id: impl Into<SecretString>,
        password: impl Into<SecretString>,
    ) -> Self {
        self.credentials = Some(Credentials { login_id: login_id.into(), password: password.into() });
        self
    }

    /// Trusts the authorities in this PEM text, and no others. The name in the certificate still has to be right.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{Client, ErrorKind};
    /// let error = Client::builder("https://192.0.2.10").with_authorities("nothing").build().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// ```
    pub fn with_authorities(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.trust = Trust::ca(pem.as_ref());
        self
    }

    /// Trusts this certificate of the server, PEM or DER, and no other; the name in it does not count.
    ///
    /// A server's certificate as installed is signed by nobody known, and has another name than its address: pinning
    /// it is what such a server needs.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{Client, ErrorKind};
    /// let error = Client::builder("https://192.0.2.10").with_pinned_certificate("").build().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// ```
    pub fn with_pinned_certificate(mut self, certificate: impl AsRef<[u8]>) -> Self {
        self.trust = Trust::pin(certificate.as_ref());
        self
    }

    /// Trusts any certificate: whoever stands between can read the password.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// assert!(Client::builder("https://192.0.2.10").danger_accept_any_certificate().build().is_ok());
    /// ```
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.trust = Trust::danger_accept_any_certificate();
        self
    }

    /// Allows `http://` to other computers: whoever stands between can read the password. To this computer itself it
    /// is always allowed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// assert!(Client::builder("http://192.0.2.10").build().is_err());
    /// assert!(Client::builder("http://192.0.2.10").danger_accept_plain_http().build().is_ok());
    /// ```
    pub const fn danger_accept_plain_http(mut self) -> Self {
        self.allow_plain = true;
        self
    }

    /// Sets how long a connection may take to be made; 10 s unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// # use std::time::Duration;
    /// let builder = Client::builder("https://192.0.2.10").with_connect_timeout(Duration::from_secs(3));
    /// ```
    pub const fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long a call may take, from the connection to the last byte of the answer; 30 s unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// # use std::time::Duration;
    /// let builder = Client::builder("https://192.0.2.10").with_timeout(Duration::from_secs(60));
    /// ```
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how large an answer may be; 256 MiB unless set. A hundred thousand events take some 70 MB.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// let builder = Client::builder("https://192.0.2.10").with_answer_limit(16 << 20);
    /// ```
    pub const fn with_answer_limit(mut self, bytes: usize) -> Self {
        self.answer_limit = bytes;
        self
    }

    /// Sets how many events one import request holds; 500 unless set, at least 1. No document gives a limit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// let builder = Client::builder("https://192.0.2.10").with_import_chunk(100);
    /// ```
    pub const fn with_import_chunk(mut self, events: usize) -> Self {
        self.import.chunk = if events == 0 { 1 } else { events };
        self
    }

    /// Sets how an import says that its device is a virtual one; the JSON boolean unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{Client, VirtualDeviceFlag};
    /// let builder = Client::builder("https://192.0.2.10").with_virtual_device_flag(VirtualDeviceFlag::Text);
    /// ```
    pub const fn with_virtual_device_flag(mut self, flag: VirtualDeviceFlag) -> Self {
        self.import.flag = flag;
        self
    }

    /// Sets how long [`Import::reconcile`](super::Import::reconcile) waits before it looks, and between two looks; 2 s
    /// unless set. A server that is still at work on a request that was given up must have finished by then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// # use std::time::Duration;
    /// let builder = Client::builder("https://192.0.2.10").with_settle(Duration::from_secs(10));
    /// ```
    pub const fn with_settle(mut self, wait: Duration) -> Self {
        self.import.settle = wait;
        self
    }

    /// Sets how many live events wait for a slow consumer before some are lost; 4 096 unless set, at least 1.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// let builder = Client::builder("https://192.0.2.10").with_live_queue(100_000);
    /// ```
    pub const fn with_live_queue(mut self, events: usize) -> Self {
        self.live.queue = match events {
            0 => 1,
            MOST_ITEMS.. => MOST_ITEMS,
            events => events,
        };
        self
    }

    /// Sets how often a silent socket is asked whether it lives; 30 s unless set, at least 10 ms. One that does not
    /// answer until the next time is opened anew.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// # use std::time::Duration;
    /// let builder = Client::builder("https://192.0.2.10").with_ping_interval(Duration::from_secs(10));
    /// ```
    pub fn with_ping_interval(mut self, interval: Duration) -> Self {
        self.live.ping = interval.max(Duration::from_millis(10));
        self
    }

    /// Sets how much later than others a device may report an event that is still found after a lost connection; 10
    /// min unless set. So much of the log is read when listening begins, and when the connection is back.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// # use std::time::Duration;
    /// let builder = Client::builder("https://192.0.2.10").with_backfill_overlap(Duration::from_secs(3_600));
    /// ```
    pub const fn with_backfill_overlap(mut self, overlap: Duration) -> Self {
        self.live.overlap = overlap;
        self
    }

    /// The client. Nothing is sent yet; the first call logs in.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for an address that is none or holds a password, for `http://` to another computer,
    /// and for certificates that cannot be read; [`ErrorKind::CertificateRefused`] where there is nobody to trust.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// let error = Client::builder("ftp://192.0.2.10").build().unwrap_err();
    /// assert_eq!(error.to_string(), "setting `server`: an address such as https://192.0.2.10 is expected");
    /// ```
    pub fn build(self) -> Result<Client> {
        let base = self.address()?;
        // One that only speaks to this computer in the clear needs no authority, and there may be none.
        let trust = if base.scheme() == "http" { Trust::danger_accept_any_certificate() } else { self.trust };
        let tls = trust.client_config(None, &[])?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .timeout(self.timeout)
            // Shorter than the five seconds after which the server closes: a request must not meet a closing door.
            .pool_idle_timeout(Duration::from_secs(4))
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Other, "HTTP cannot be set up").with_source(error.without_url())
            })?;
        Ok(Client(Arc::new(Shared {
            transport: Transport { http, base, answer_limit: self.answer_limit },
            sessions: Sessions::new(self.credentials),
            patience: self.patience,
            import: self.import,
            live: self.live,
            tls: Arc::new(tls),
            connect_timeout: self.connect_timeout,
        })))
    }

    /// The address without `/api`, and without what must not be in it. Errors do not repeat it: it may hold a secret.
    fn address(&self) -> Result<Url> {
        let expected = || invalid("setting `server`: an address such as https://192.0.2.10 is expected");
        let mut url: Url = self.base.trim().parse().map_err(|_| expected())?;
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
            return Err(expected());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("setting `server`: name and password do not belong into the address"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("setting `server`: an address has no `?` and no `#`"));
        }
        if url.scheme() == "http" && !self.allow_plain && !is_this_computer(&url) {
            let message =
                "setting `server`: https:// is expected, since http:// would show the password to others";
            return Err(invalid(message));
        }
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/api").unwrap_or(path).trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(url)
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("has_credentials", &self.credentials.is_some())
            .field("trust", &self.trust)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("import", &self.import)
            .finish_non_exhaustive()
    }
}

fn is_this_computer(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What a queue of tokio can count; more would be a panic.
const MOST_ITEMS: usize = tokio::sync::Semaphore::MAX_PERMITS;

const ANSWER_LIMIT: usize = 256 << 20;
