//! Where a gateway is, whom to trust, and which devices to reach through it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::ServerName;

use crate::codec::DeviceId;
use crate::error::invalid;
use crate::settings::{DurationText, Settings, SettingsText, Url};
use crate::tls::{ClientIdentity, Trust};
use crate::{Error, Result};

/// Where a gateway is, whom to trust, and which devices to reach through it.
///
/// As a text it is `gateway://HOST[:PORT]`, with [settings](crate::settings) after `?`:
///
/// | setting | meaning | default |
/// |---|---|---|
/// | `ca=FILE` | accept certificates of this issuer, PEM; the gateway's installer makes one, `ca.crt` | the operating system's issuers |
/// | `pin=FILE` | accept this certificate, PEM or DER, whatever its name, expiry and issuer | |
/// | `danger-accept-any-certificate` | accept every certificate | `false` |
/// | `danger-plaintext` | no TLS: anyone on the path reads everything and can answer in the gateway's place | `false` |
/// | `server-name=NAME` | the name in the certificate | `HOST` |
/// | `client-cert=FILE`, `client-key=FILE` | the client's own certificate, PEM; a master gateway requires it | |
/// | `master=GATEWAY` | `HOST` is a master gateway, and the devices are behind its gateway of this name | |
/// | `device=[ID@]IP[:PORT]` | a device to connect; may be given again for more devices | the devices that the gateway has |
/// | `device-tls=[ID@]IP[:PORT]` | the same for a device that is set to TLS | |
/// | `deadline=DURATION` | how long one call may take | `25s` |
/// | `heartbeat=DURATION` | how often the client asks whether the gateway is still there | `6s` |
/// | `queue=EVENTS` | how many live events the gateway keeps for this client before it drops some | `16384` |
///
/// The default port is 4000, of a master gateway 4010, and of a device 51211. If the `ID` of a device is given, the
/// gateway connects the device by itself, and again whenever the connection is lost. Without the `ID`, the device must
/// be reachable when it is first used.
///
/// # Examples
///
/// ```
/// use bs2_events::device::gateway::GatewayOptions;
/// use bs2_events::tls::Trust;
///
/// let options: GatewayOptions =
///     "gateway://192.0.2.1?ca=ca.crt&device=192.0.2.7&device=543@192.0.2.8".parse()?;
/// assert_eq!(options, GatewayOptions::new("192.0.2.1:4000")
///     .with_trust(Trust::ca_file("ca.crt"))
///     .with_device("192.0.2.7".parse()?)
///     .with_device("543@192.0.2.8:51211".parse()?));
///
/// let error = "gateway://192.0.2.1?dedline=5s".parse::<GatewayOptions>().unwrap_err();
/// assert!(error.to_string().contains("did you mean `deadline`?"));
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GatewayOptions {
    pub(super) authority: String,
    /// `None` is plain text.
    pub(super) trust: Option<Trust>,
    pub(super) server_name: Option<String>,
    pub(super) identity: Option<ClientIdentity>,
    pub(super) master: Option<String>,
    pub(super) devices: Vec<TargetAddress>,
    pub(super) deadline: Duration,
    pub(super) heartbeat: Duration,
    pub(super) queue: u32,
}

impl GatewayOptions {
    /// The gateway at `HOST:PORT`. Its certificate must have an issuer that the operating system trusts.
    #[must_use]
    pub fn new(authority: impl Into<String>) -> Self {
        Self {
            authority: authority.into(),
            trust: Some(Trust::system()),
            server_name: None,
            identity: None,
            master: None,
            devices: Vec::new(),
            deadline: DEADLINE,
            heartbeat: HEARTBEAT,
            queue: QUEUE,
        }
    }

    /// Sets which certificates to accept.
    ///
    /// The gateway's installer makes an authority, `ca.crt`. If the installer was given no name, the gateway's
    /// certificate has the authority's own name; it is accepted too.
    #[must_use]
    pub fn with_trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Uses no TLS: anyone on the path to the gateway reads user ids and can answer in its place. For a gateway behind a
    /// proxy on the same machine.
    #[must_use]
    pub fn danger_with_plaintext(mut self) -> Self {
        self.trust = None;
        self
    }

    /// Sets the name in the gateway's certificate, if it is not the host.
    #[must_use]
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Adds a device to reach. If there is none, the devices are those that the gateway has.
    #[must_use]
    pub fn with_device(mut self, device: TargetAddress) -> Self {
        self.devices.push(device);
        self
    }

    /// Sets the client's own certificate.
    #[must_use]
    pub fn with_client_identity(mut self, identity: ClientIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The host is a master gateway, and the devices are behind its gateway of this name.
    ///
    /// A master gateway requires a [client certificate](Self::with_client_identity); the client logs in with it.
    #[must_use]
    pub fn with_master(mut self, gateway: impl Into<String>) -> Self {
        self.master = Some(gateway.into());
        self
    }

    /// Sets how long one call may take, up to a day; 25 s by default, because a gateway gives a device 20 s for a long
    /// response. The deadline of the [`Client`](crate::device::Client) should be longer.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.clamp(SHORTEST, LONGEST);
        self
    }

    /// Sets how often the client asks whether the gateway is still there, up to a day, and how long it waits for the
    /// response; 15 s by default. Without a response the connection counts as lost.
    #[must_use]
    pub fn with_heartbeat(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = heartbeat.clamp(SHORTEST, LONGEST);
        self
    }

    /// Sets how many live events the gateway keeps for this client; 16 384 by default. A full queue drops events, and
    /// the gateway does not report it.
    #[must_use]
    pub fn with_queue(mut self, events: u32) -> Self {
        self.queue = events.clamp(1, MOST_EVENTS);
        self
    }
}

impl FromStr for GatewayOptions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let url = Url::parse(text)?;
        let host = match url.host().filter(|_| url.scheme() == SCHEME) {
            Some(host) if url.path().is_empty() => host,
            _ => return Err(invalid("a gateway is `gateway://HOST[:PORT]`, with settings after `?`")),
        };
        let settings = Settings::parse(url.query(), &ONCE, &REPEATED)?;
        settings.at_most_one(&["ca", "pin", "danger-accept-any-certificate", "danger-plaintext"])?;
        let master = settings.text("master")?;
        let port = if master.is_some() { MASTER_PORT } else { GATEWAY_PORT };
        let (host, port) = host_and_port(host, port)
            .ok_or_else(|| invalid(format!("`{host}` is not the address of a gateway, `HOST[:PORT]`")))?;
        let mut options = Self::new(TargetAddress::new(host, port).to_string());
        options.trust = match settings.switch("danger-plaintext")? {
            Some(true) => None,
            _ => Some(Trust::from_settings(&settings)?),
        };
        options.server_name = settings.parsed("server-name", "the name of a host", |name| {
            ServerName::try_from(name).is_ok().then(|| name.to_owned())
        })?;
        options.identity = ClientIdentity::from_settings(&settings)?;
        options.master = master.map(str::to_owned);
        if options.master.is_some() && options.identity.is_none() {
            return Err(invalid("a master gateway requires `client-cert` and `client-key`"));
        }
        for address in settings.all("device") {
            options.devices.push(target("device", address)?);
        }
        for address in settings.all("device-tls") {
            options.devices.push(target("device-tls", address)?.with_tls());
        }
        let durations = Duration::from_secs(1)..=LONGEST;
        if let Some(deadline) = settings.duration("deadline", durations.clone())? {
            options.deadline = deadline;
        }
        if let Some(heartbeat) = settings.duration("heartbeat", durations)? {
            options.heartbeat = heartbeat;
        }
        if let Some(queue) = settings.number("queue", 1..=MOST_EVENTS)? {
            options.queue = queue;
        }
        Ok(options)
    }
}

/// Writes the options as they are read; of the client's key only the name of its file.
impl fmt::Display for GatewayOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = SettingsText::new(format!("{SCHEME}://{}", self.authority));
        text = match &self.trust {
            Some(trust) => trust.write(text),
            None => text.with("danger-plaintext", true),
        };
        text = text.with_some("server-name", self.server_name.as_ref());
        if let Some(identity) = &self.identity {
            text = identity.write(text);
        }
        text = text.with_some("master", self.master.as_ref());
        for device in &self.devices {
            text = text.with(if device.tls { "device-tls" } else { "device" }, device);
        }
        let changed = |duration, default| (duration != default).then_some(DurationText(duration));
        text.with_some("deadline", changed(self.deadline, DEADLINE))
            .with_some("heartbeat", changed(self.heartbeat, HEARTBEAT))
            .with_some("queue", Some(self.queue).filter(|queue| *queue != QUEUE))
            .fmt(f)
    }
}

/// Where a gateway finds a device: `[ID@]IP[:PORT]`.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
/// use bs2_events::device::gateway::TargetAddress;
///
/// let address: TargetAddress = "543@192.0.2.8:51211".parse()?;
/// assert_eq!(address, TargetAddress::new("192.0.2.8", 51211).with_id(DeviceId::new(543)));
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetAddress {
    pub(super) id: Option<DeviceId>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
}

impl TargetAddress {
    /// The device at this address, as the gateway reaches it.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { id: None, host: host.into(), port, tls: false }
    }

    /// Sets the device's id. The gateway then connects the device by itself, again and again.
    #[must_use]
    pub fn with_id(mut self, id: DeviceId) -> Self {
        self.id = Some(id);
        self
    }

    /// The device is set to TLS.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }
}

impl FromStr for TargetAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        target("device", text)
    }
}

impl fmt::Display for TargetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = self.id {
            write!(f, "{id}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// The address of a device in this setting.
fn target(setting: &str, text: &str) -> Result<TargetAddress> {
    let wrong = || invalid(format!("setting `{setting}`: `{text}` is not `[ID@]IP[:PORT]`"));
    let (id, address) = match text.split_once('@') {
        Some((id, address)) => (Some(DeviceId::new(id.parse().map_err(|_| wrong())?)), address),
        None => (None, text),
    };
    let (host, port) = host_and_port(address, DEVICE_PORT).ok_or_else(wrong)?;
    Ok(TargetAddress { id, ..TargetAddress::new(host, port) })
}

/// `HOST`, `HOST:PORT`, `IPV6` or `[IPV6]:PORT`.
fn host_and_port(text: &str, port: u16) -> Option<(String, u16)> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return (address.port() != 0).then(|| (address.ip().to_string(), address.port()));
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some((address.to_string(), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
        None => (text, port),
    };
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    (!host.is_empty() && host.chars().all(is_allowed)).then(|| (host.to_owned(), port))
}

const SCHEME: &str = "gateway";
const ONCE: [&str; 11] = [
    "ca",
    "client-cert",
    "client-key",
    "danger-accept-any-certificate",
    "danger-plaintext",
    "deadline",
    "heartbeat",
    "master",
    "pin",
    "queue",
    "server-name",
];
const REPEATED: [&str; 2] = ["device", "device-tls"];
const GATEWAY_PORT: u16 = 4_000;
const MASTER_PORT: u16 = 4_010;
const DEVICE_PORT: u16 = 51_211;
const DEADLINE: Duration = Duration::from_secs(25);
/// A gateway that has fallen silent is found after twice this time at most.
const HEARTBEAT: Duration = Duration::from_secs(6);
const QUEUE: u32 = 16_384;
/// The gateway takes a signed number.
const MOST_EVENTS: u32 = i32::MAX.cast_unsigned();
const SHORTEST: Duration = Duration::from_millis(1);
/// A day: longer ones are more than gRPC and the clock can count.
const LONGEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn reads_every_form_of_an_address() {
        let of = |text: &str| text.parse::<TargetAddress>().map(|address| address.to_string());
        assert_eq!(of("192.0.2.7").unwrap(), "192.0.2.7:51211");
        assert_eq!(of("reader-1.example:4").unwrap(), "reader-1.example:4");
        assert_eq!(of("::1").unwrap(), "[::1]:51211");
        assert_eq!(of("5@[::1]").unwrap(), "5@[::1]:51211");
        assert_eq!(of("[::1]:9").unwrap(), "[::1]:9");
        for wrong in ["", "@1.2.3.4", "x@1.2.3.4", "1.2.3.4:70000", "a b", "host:", "4294967296@h"] {
            assert_eq!(of(wrong).unwrap_err().kind(), ErrorKind::InvalidInput, "{wrong}");
        }
    }

    #[test]
    fn the_port_of_a_master_gateway_is_another() {
        let text = "gateway://h?client-cert=a&client-key=b&master=north";
        assert_eq!(text.parse::<GatewayOptions>().unwrap().authority, "h:4010");
        assert_eq!("gateway://h?pin=c".parse::<GatewayOptions>().unwrap().authority, "h:4000");
    }

    #[test]
    fn the_authorities_of_the_system_are_the_default() {
        assert_eq!("gateway://h".parse::<GatewayOptions>().unwrap(), GatewayOptions::new("h:4000"));
    }

    #[test]
    fn is_written_as_it_is_read() {
        for text in [
            "gateway://h:4000",
            "gateway://[::1]:4000?danger-plaintext=true",
            "gateway://h:4000?danger-accept-any-certificate=true&device=192.0.2.7:51211",
            "gateway://h:4010?ca=a%20b.crt&server-name=gw.example&client-cert=c&client-key=k&master=north%26south\
             &device=543@192.0.2.8:1&device-tls=192.0.2.9:51211&deadline=1h&heartbeat=5s&queue=1",
        ] {
            assert_eq!(text.parse::<GatewayOptions>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_cannot_be_right_and_names_it() {
        for (text, named) in [
            ("gateway:h", "gateway://"),
            ("sim://h", "gateway://"),
            ("gateway://h/x", "gateway://"),
            ("gateway://?ca=a", "address"),
            ("gateway://h?ca=a&pin=b", "exclude each other"),
            ("gateway://h?ca=a&danger-plaintext", "exclude each other"),
            ("gateway://h?ca", "`ca`"),
            ("gateway://h?ca=a&cat=b", "`cat`"),
            ("gateway://h?system-roots", "`system-roots` is not known"),
            ("gateway://h?ca=a&client-key=b", "go together"),
            ("gateway://h?ca=a&master=b", "client-cert"),
            ("gateway://h?ca=a&deadline=soon", "`deadline`"),
            ("gateway://h?ca=a&deadline=0s", "`deadline`"),
            ("gateway://h?ca=a&deadline=5", "`deadline`"),
            ("gateway://h?ca=a&deadline=99999999999999999s", "`deadline`"),
            ("gateway://h?ca=a&heartbeat=18446744073709551615s", "`heartbeat`"),
            ("gateway://h?ca=a&queue=-1", "`queue`"),
            ("gateway://h?ca=a&queue=0", "`queue`"),
            ("gateway://h?ca=a&queue=1&queue=2", "`queue` is given twice"),
            ("gateway://h?danger-plaintext=no", "`danger-plaintext`"),
            ("gateway://h?ca=a&server-name=", "`server-name`"),
            ("gateway://h?ca=a&device-tls=x:y", "`device-tls`"),
            ("gateway://h?ca=a&device=192.0.2.7:0", "`device`"),
            ("gateway://h:99999?ca=a", "`h:99999`"),
        ] {
            let error = text.parse::<GatewayOptions>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(error.to_string().contains(named), "{text}: {error}");
        }
    }
}
