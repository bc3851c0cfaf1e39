//! Options of the simulated gateway.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::GatewayFaults;
use crate::sim::{Certificates, SimOptions};
use crate::{Error, ErrorKind, Result};

/// Options of a [`GatewayServer`](super::GatewayServer).
///
/// # Examples
///
/// ```
/// use bs2_events::sim::gateway::{ApiVersion, GatewayServerOptions};
///
/// let options = GatewayServerOptions::new("devices=2&rate=10".parse()?)
///     .with_api(ApiVersion::UpTo17)
///     .with_device("192.168.0.2".parse()?);
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GatewayServerOptions {
    pub(super) simulator: SimOptions,
    pub(super) listen: SocketAddr,
    pub(super) certificates: Option<Certificates>,
    pub(super) api: ApiVersion,
    pub(super) devices: Vec<SimDeviceAddress>,
    pub(super) state: Option<PathBuf>,
    pub(super) faults: GatewayFaults,
    pub(super) queue_timeout: Duration,
    pub(super) reconnect: Duration,
}

/// The version of the gateway's interface. Version 1.8 changed the field numbers of `CapabilityInfo`.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::gateway::ApiVersion;
///
/// assert_eq!("1.7".parse::<ApiVersion>()?, ApiVersion::UpTo17);
/// assert_eq!("1.8".parse::<ApiVersion>()?, ApiVersion::From18);
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ApiVersion {
    /// Versions 1.5 to 1.7.
    UpTo17,
    /// Version 1.8 and later.
    #[default]
    From18,
}

/// The address of a simulated device: an IP address, and a port unless any port reaches the device.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::gateway::SimDeviceAddress;
///
/// assert_eq!("192.168.0.2".parse::<SimDeviceAddress>()?.to_string(), "192.168.0.2:51211");
/// assert!("192.168.0".parse::<SimDeviceAddress>().is_err());
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SimDeviceAddress {
    ip: IpAddr,
    port: Option<u16>,
}

impl GatewayServerOptions {
    /// A gateway to these devices, on a free port of 127.0.0.1, with certificates that it makes.
    #[must_use]
    pub fn new(simulator: SimOptions) -> Self {
        Self { simulator, ..Self::default() }
    }

    /// Sets the address that the gateway listens on.
    #[must_use]
    pub fn with_listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Sets the certificates of the gateway. By default it makes its own.
    #[must_use]
    pub fn with_certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// Sets the version of the interface. The default is 1.8.
    #[must_use]
    pub fn with_api(mut self, api: ApiVersion) -> Self {
        self.api = api;
        self
    }

    /// Sets the address of the next device, beginning with the first. Devices without one have the addresses from
    /// 10.0.0.1 on. If the simulator's settings name no number of devices, there are as many devices as addresses.
    #[must_use]
    pub fn with_device(mut self, address: SimDeviceAddress) -> Self {
        self.devices.push(address);
        self
    }

    /// Sets the file that keeps the devices; see [`Simulator::with_state`](crate::sim::Simulator::with_state).
    #[must_use]
    pub fn with_state(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = Some(path.into());
        self
    }

    /// Sets the faults of the gateway. By default there are none.
    #[must_use]
    pub fn with_faults(mut self, faults: GatewayFaults) -> Self {
        self.faults = faults;
        self
    }

    /// Sets how long a client may take no event before its queue counts as full. The default is one second. With zero
    /// a queue holds exactly the number of events that the client asks for, however fast it reads.
    #[must_use]
    pub fn with_queue_timeout(mut self, time: Duration) -> Self {
        self.queue_timeout = time;
        self
    }

    /// Sets how long the gateway waits between attempts to open an asynchronous connection. The default is one second;
    /// a real gateway waits thirty.
    #[must_use]
    pub fn with_reconnect(mut self, time: Duration) -> Self {
        self.reconnect = time;
        self
    }
}

impl Default for GatewayServerOptions {
    fn default() -> Self {
        Self {
            simulator: SimOptions::default(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            certificates: None,
            api: ApiVersion::default(),
            devices: Vec::new(),
            state: None,
            faults: GatewayFaults::empty(),
            queue_timeout: Duration::from_secs(1),
            reconnect: Duration::from_secs(1),
        }
    }
}

impl ApiVersion {
    /// The version that the service `Admin` reports.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::UpTo17 => "1.7.0",
            Self::From18 => "1.8.0",
        }
    }
}

impl FromStr for ApiVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "1.7" => Ok(Self::UpTo17),
            "1.8" => Ok(Self::From18),
            _ => Err(Error::new(ErrorKind::InvalidInput, format!("api: `{text}` is neither 1.7 nor 1.8"))),
        }
    }
}

impl SimDeviceAddress {
    /// The address of the device at this position, if no other is set.
    pub(super) fn nth(position: usize) -> Self {
        let position = u32::try_from(position).unwrap_or(u32::MAX) % 0x00FF_FFFF;
        Self { ip: Ipv4Addr::from_bits(0x0A00_0001 + position).into(), port: None }
    }

    /// Whether a connection to this address reaches the device.
    pub(super) fn matches(&self, ip: &str, port: i32) -> bool {
        ip.parse() == Ok(self.ip) && self.port.is_none_or(|own| i32::from(own) == port)
    }

    pub(super) fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port.unwrap_or(DEVICE_PORT))
    }
}

impl FromStr for SimDeviceAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let whole = text.parse().map(|address: SocketAddr| (address.ip(), Some(address.port())));
        let (ip, port) = whole.or_else(|_| text.parse().map(|ip| (ip, None))).map_err(|_| {
            let message =
                format!("device: `{text}` is not an address such as 192.168.0.2 or 192.168.0.2:51211");
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        Ok(Self { ip, port })
    }
}

impl fmt::Display for SimDeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket().fmt(f)
    }
}

/// The port of devices.
const DEVICE_PORT: u16 = 51_211;
