//! Where a gateway is, whom to trust, and which readers to reach over it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::codec::DeviceId;

mod text;

/// Where a gateway is, whom to trust, and which readers to reach over it.
///
/// As a text it is an address, `gateway://HOST[:PORT]`, and settings after `?`, joined by `&`. Just one of the first
/// four says whom to trust:
///
/// | setting | meaning |
/// |---|---|
/// | `ca=FILE` | the gateway's certificate comes from this authority, PEM; the gateway's installer makes one, `ca.crt` |
/// | `pin=FILE` | the gateway's certificate is this very one, PEM; names and dates in it do not count |
/// | `system-roots` | the gateway's certificate comes from an authority that this machine trusts |
/// | `danger-plaintext` | no TLS: everybody on the way can read everything and answer in the gateway's place |
/// | `server-name=NAME` | the name that the certificate is for, if it is not `HOST` |
/// | `device=[ID@]IP[:PORT]` | a reader to connect, again and again for more; without any, those that the gateway has |
/// | `device-tls=[ID@]IP[:PORT]` | the same for a reader that is set to TLS |
/// | `client-cert=FILE`, `client-key=FILE` | who we are, PEM; a master gateway asks for it |
/// | `master=GATEWAY` | `HOST` is a master gateway, and the readers are behind its gateway of this name |
/// | `deadline=SECONDS` | how long one call may take; 25 |
/// | `heartbeat=SECONDS` | how often the gateway is asked whether it is still there; 15 |
/// | `queue=EVENTS` | how many live events the gateway keeps for us before it drops some; 16 384 |
///
/// The port is 4000, or 4010 of a master gateway, and that of a reader 51211. A reader with its `ID` is connected
/// asynchronously: the gateway itself tries until it is there, and connects it again when it is lost. Without the id
/// the reader must be there when it is first asked for.
///
/// # Examples
///
/// ```
/// use bs2_events::device::gateway::GatewaySettings;
///
/// let settings: GatewaySettings =
///     "gateway://192.0.2.1?ca=ca.crt&device=192.0.2.7&device=543@192.0.2.8".parse()?;
/// assert_eq!(settings, GatewaySettings::new("192.0.2.1:4000")
///     .with_ca("ca.crt")
///     .with_device("192.0.2.7".parse()?)
///     .with_device("543@192.0.2.8:51211".parse()?));
///
/// let error = "gateway://192.0.2.1".parse::<GatewaySettings>().unwrap_err();
/// assert!(error.to_string().contains("whom to trust"));
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GatewaySettings {
    pub(super) authority: String,
    pub(super) trust: Trust,
    pub(super) server_name: Option<String>,
    pub(super) client_certificate: Option<(PathBuf, PathBuf)>,
    pub(super) master: Option<String>,
    pub(super) devices: Vec<DeviceAddress>,
    pub(super) deadline: Duration,
    pub(super) heartbeat: Duration,
    pub(super) queue: u32,
}

/// Whose word proves that a gateway is the one that was meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Trust {
    Ca(PathBuf),
    Pin(PathBuf),
    SystemRoots,
    DangerPlaintext,
}

impl GatewaySettings {
    /// The gateway at `HOST:PORT`; its certificate must come from an authority that this machine trusts.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::GatewaySettings;
    /// let settings = GatewaySettings::new("gateway.example:4000");
    /// assert_eq!(settings, "gateway://gateway.example?system-roots".parse()?);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn new(authority: impl Into<String>) -> Self {
        Self {
            authority: authority.into(),
            trust: Trust::SystemRoots,
            server_name: None,
            client_certificate: None,
            master: None,
            devices: Vec::new(),
            deadline: DEADLINE,
            heartbeat: HEARTBEAT,
            queue: QUEUE,
        }
    }

    /// Trusts the authority whose certificate stands in this file, PEM.
    ///
    /// The gateway's installer makes one, `ca.crt`. Certificates that it made without a name of their own carry the
    /// authority's name; they are accepted too.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::GatewaySettings;
    /// let settings = GatewaySettings::new("192.0.2.1:4000").with_ca("ca.crt");
    /// ```
    #[must_use]
    pub fn with_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.trust = Trust::Ca(file.into());
        self
    }

    /// Trusts the very certificate that stands in this file, PEM, and no other.
    ///
    /// The cure for certificates that are made for another name, or for none: names and dates in it do not count.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::GatewaySettings;
    /// let settings = GatewaySettings::new("192.0.2.1:4000").with_pin("server.crt");
    /// ```
    #[must_use]
    pub fn with_pin(mut self, file: impl Into<PathBuf>) -> Self {
        self.trust = Trust::Pin(file.into());
        self
    }

    /// Uses no TLS: everybody on the way can read user ids and answer in the gateway's place. For gateways behind a
    /// proxy on the same machine.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::GatewaySettings;
    /// let settings = GatewaySettings::new("127.0.0.1:4000").danger_with_plaintext();
    /// ```
    #[must_use]
    pub fn danger_with_plaintext(mut self) -> Self {
        self.trust = Trust::DangerPlaintext;
        self
    }

    /// Sets the name that the gateway's certificate is for; the host unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::GatewaySettings;
    /// let settings = GatewaySettings::new("192.0.2.1:4000").with_ca("ca.crt").with_server_name("gateway");
    /// ```
    #[must_use]
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Adds a reader to reach. Without any, the readers are those that the gateway has.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::GatewaySettings;
    /// let settings = GatewaySettings::new("192.0.2.1:4000").with_device("192.0.2.7".parse()?);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_device(mut self, device: DeviceAddress) -> Self {
        self.devices.push(device);
        self
    }

    /// Says who we are: a certificate and its key, both PEM files.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::GatewaySettings;
    /// let settings = GatewaySettings::new("192.0.2.1:4010").with_client_certificate("me.crt", "me.key");
    /// ```
    #[must_use]
    pub fn with_client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.client_certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Says that this is a master gateway, and which of its gateways the readers are behind.
    ///
    /// It asks for a [client certificate](Self::with_client_certificate), and that is how we log in.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::GatewaySettings;
    /// let settings = GatewaySettings::new("192.0.2.1:4010")
    ///     .with_ca("master_ca.crt")
    ///     .with_client_certificate("tenant.crt", "tenant.key")
    ///     .with_master("north building");
    /// ```
    #[must_use]
    pub fn with_master(mut self, gateway: impl Into<String>) -> Self {
        self.master = Some(gateway.into());
        self
    }

    /// Sets how long one call may take, a day at most; 25 s unless set, since a gateway gives its readers 20 s for a
    /// long answer. A [`Client`](crate::device::Client) has a deadline of its own, which should be the longer one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::GatewaySettings;
    /// # use std::time::Duration;
    /// let settings = GatewaySettings::new("192.0.2.1:4000").with_deadline(Duration::from_secs(5));
    /// ```
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.clamp(SHORTEST, LONGEST);
        self
    }

    /// Sets how often the gateway is asked whether it is still there, and how long it may take to say so; 15 s unless
    /// set, a day at most. After that the connection counts as lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::GatewaySettings;
    /// # use std::time::Duration;
    /// let settings = GatewaySettings::new("192.0.2.1:4000").with_heartbeat(Duration::from_secs(5));
    /// ```
    #[must_use]
    pub fn with_heartbeat(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = heartbeat.clamp(SHORTEST, LONGEST);
        self
    }

    /// Sets how many live events the gateway keeps for us before it drops some without a word; 16 384 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::GatewaySettings;
    /// let settings = GatewaySettings::new("192.0.2.1:4000").with_queue(1_000);
    /// ```
    #[must_use]
    pub fn with_queue(mut self, events: u32) -> Self {
        self.queue = events.max(1);
        self
    }
}

/// Where a gateway finds a reader: `[ID@]IP[:PORT]`.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
/// use bs2_events::device::gateway::DeviceAddress;
///
/// let address: DeviceAddress = "543@192.0.2.8:51211".parse()?;
/// assert_eq!(address, DeviceAddress::new("192.0.2.8", 51211).with_id(DeviceId::new(543)));
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeviceAddress {
    pub(super) id: Option<DeviceId>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
}

impl DeviceAddress {
    /// The reader at this address, as the gateway sees it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::DeviceAddress;
    /// assert_eq!(DeviceAddress::new("192.0.2.8", 51211).to_string(), "192.0.2.8:51211");
    /// ```
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { id: None, host: host.into(), port, tls: false }
    }

    /// Sets the reader's number, so that the gateway connects it by itself, again and again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, device::gateway::DeviceAddress};
    /// let address = DeviceAddress::new("192.0.2.8", 51211).with_id(DeviceId::new(543));
    /// ```
    #[must_use]
    pub fn with_id(mut self, id: DeviceId) -> Self {
        self.id = Some(id);
        self
    }

    /// Says that the reader is set to TLS.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::gateway::DeviceAddress;
    /// let address = DeviceAddress::new("192.0.2.8", 51212).with_tls();
    /// ```
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }
}

impl fmt::Display for DeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

const DEADLINE: Duration = Duration::from_secs(25);
const HEARTBEAT: Duration = Duration::from_secs(15);
const QUEUE: u32 = 16_384;
const SHORTEST: Duration = Duration::from_millis(1);
/// Longer ones are more than gRPC and the clock can count.
const LONGEST: Duration = Duration::from_secs(86_400);
