//! How a simulated gateway is set up.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::{Certificates, GatewayFaults};
use crate::sim::SimOptions;
use crate::{Error, ErrorKind, Result};

/// The settings of a [`Server`](super::Server).
///
/// # Examples
///
/// ```
/// use bs2_events::sim::gateway::{Api, ServerSettings};
///
/// let settings = ServerSettings::new("devices=2&rate=10".parse()?)
///     .with_api(Api::UpTo17)
///     .with_device("192.168.0.2".parse()?);
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerSettings {
    pub(super) simulator: SimOptions,
    pub(super) listen: SocketAddr,
    pub(super) certificates: Option<Certificates>,
    pub(super) api: Api,
    pub(super) devices: Vec<DeviceAddress>,
    pub(super) state: Option<PathBuf>,
    pub(super) faults: GatewayFaults,
    pub(super) patience: Duration,
    pub(super) reconnect: Duration,
}

/// Whose interface the gateway speaks: 1.8 gave the fields of `CapabilityInfo` other numbers.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::gateway::Api;
///
/// assert_eq!("1.7".parse::<Api>()?, Api::UpTo17);
/// assert_eq!("1.8".parse::<Api>()?, Api::From18);
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Api {
    /// That of versions 1.5 to 1.7.
    UpTo17,
    /// That of version 1.8 and later.
    #[default]
    From18,
}

/// Where a reader is found: an address, and a port unless any will do.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::gateway::DeviceAddress;
///
/// assert_eq!("192.168.0.2".parse::<DeviceAddress>()?.to_string(), "192.168.0.2:51211");
/// assert!("192.168.0".parse::<DeviceAddress>().is_err());
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DeviceAddress {
    ip: IpAddr,
    port: Option<u16>,
}

impl ServerSettings {
    /// A gateway to these readers, on a free port of 127.0.0.1, with certificates of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::ServerSettings;
    /// let settings = ServerSettings::new("devices=2".parse()?);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn new(simulator: SimOptions) -> Self {
        Self { simulator, ..Self::default() }
    }

    /// Sets where the gateway listens.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::ServerSettings;
    /// let settings = ServerSettings::default().with_listen("127.0.0.1:4000".parse().unwrap());
    /// ```
    #[must_use]
    pub fn with_listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Sets what the gateway shows to clients; it makes its own unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::{Certificates, ServerSettings};
    /// let settings = ServerSettings::default().with_certificates(Certificates::make(&[])?);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// Sets whose interface it speaks; that of 1.8 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::{Api, ServerSettings};
    /// let settings = ServerSettings::default().with_api(Api::UpTo17);
    /// ```
    #[must_use]
    pub fn with_api(mut self, api: Api) -> Self {
        self.api = api;
        self
    }

    /// Sets the address of the next reader, the first one first. Those without have the addresses from 10.0.0.1 on.
    /// Unless the settings of the simulator say how many readers there are, there are as many as addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::ServerSettings;
    /// let settings = ServerSettings::default().with_device("192.168.0.2:51211".parse()?);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_device(mut self, address: DeviceAddress) -> Self {
        self.devices.push(address);
        self
    }

    /// Sets the file in which the readers live on; see [`Simulator::with_state`](crate::sim::Simulator::with_state).
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::ServerSettings;
    /// let settings = ServerSettings::default().with_state("readers.state");
    /// ```
    #[must_use]
    pub fn with_state(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = Some(path.into());
        self
    }

    /// Sets what goes wrong at the gateway; nothing unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::{GatewayFaults, ServerSettings};
    /// let settings = ServerSettings::default().with_faults(GatewayFaults::END);
    /// ```
    #[must_use]
    pub fn with_faults(mut self, faults: GatewayFaults) -> Self {
        self.faults = faults;
        self
    }

    /// Sets how long a client may take no event before its queue counts as full; a second unless set. With zero a
    /// queue holds what the client asked for and not one event more, however fast it reads.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::ServerSettings;
    /// let settings = ServerSettings::default().with_patience(std::time::Duration::ZERO);
    /// ```
    #[must_use]
    pub fn with_patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// Sets how long the gateway waits before it tries again to reach a reader of an asynchronous connection; a
    /// second unless set (a real one waits thirty).
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::ServerSettings;
    /// let settings = ServerSettings::default().with_retry(std::time::Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn with_retry(mut self, time: Duration) -> Self {
        self.reconnect = time;
        self
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            simulator: SimOptions::default(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            certificates: None,
            api: Api::default(),
            devices: Vec::new(),
            state: None,
            faults: GatewayFaults::empty(),
            patience: Duration::from_secs(1),
            reconnect: Duration::from_secs(1),
        }
    }
}

impl Api {
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::UpTo17 => "1.7.0",
            Self::From18 => "1.8.0",
        }
    }
}

impl FromStr for Api {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "1.7" => Ok(Self::UpTo17),
            "1.8" => Ok(Self::From18),
            _ => Err(Error::new(ErrorKind::InvalidInput, format!("api: `{text}` is neither 1.7 nor 1.8"))),
        }
    }
}

impl DeviceAddress {
    /// The address of the reader at this position among those that were given none.
    pub(super) fn nth(position: usize) -> Self {
        let position = u32::try_from(position).unwrap_or(u32::MAX) % 0x00FF_FFFF;
        Self { ip: Ipv4Addr::from_bits(0x0A00_0001 + position).into(), port: None }
    }

    /// Whether somebody who dials this gets to the reader.
    pub(super) fn is(&self, ip: &str, port: i32) -> bool {
        ip.parse() == Ok(self.ip) && self.port.is_none_or(|own| i32::from(own) == port)
    }

    pub(super) fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port.unwrap_or(DEVICE_PORT))
    }
}

impl FromStr for DeviceAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let whole = text.parse().map(|address: SocketAddr| (address.ip(), Some(address.port())));
        let (ip, port) = whole.or_else(|_| text.parse().map(|ip| (ip, None))).map_err(|_| {
            let message = format!("device: `{text}` is no address such as 192.168.0.2 or 192.168.0.2:51211");
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        Ok(Self { ip, port })
    }
}

impl fmt::Display for DeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket().fmt(f)
    }
}

/// Where readers listen.
const DEVICE_PORT: u16 = 51_211;
