//! Options of the simulated gateway.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::faults::GatewayFaults;
use crate::settings::Settings;
use crate::sim::setting::{
    SettingKind, SettingsTable, duration, faults, file, number, options_struct, parsed,
};
use crate::sim::{Certificates, SimOptions};
use crate::{Error, ErrorKind, Result};

options_struct! {
    /// Options of a [`GatewayServer`](super::GatewayServer), also as text: `devices=2&rate=10&api=1.7`.
    ///
    /// The text has the settings of [`SimOptions`], which are about the devices, and these:
    ///
    /// | setting | value | default |
    /// |---|---|---|
    /// | `listen` | the address and port that the gateway listens on | `127.0.0.1:0` |
    /// | `api` | the version of the interface, `1.7` or `1.8` | `1.8` |
    /// | `device` | the address of the next device, `IP` or `IP:PORT`; may occur several times | 10.0.0.1, 10.0.0.2, … |
    /// | `accept` | how many devices, the last ones, connect to the gateway by themselves: they wait in the pending list until the accept filter lets them in | 0 |
    /// | `state` | the file that keeps the devices | none |
    /// | `gateway-faults` | faults of the gateway, separated by commas; see [`GatewayFaults`] | none |
    /// | `queue-timeout` | how long a client may take no event before its queue counts as full | `1s` |
    /// | `reconnect` | the time between attempts to open an asynchronous connection | `1s` |
    ///
    /// Certificates are set in code.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::sim::gateway::{ApiVersion, GatewayServerOptions};
    ///
    /// let options = GatewayServerOptions::new("devices=2&rate=10".parse()?)
    ///     .with_api(ApiVersion::UpTo17)
    ///     .with_device("192.168.0.2:51211".parse()?);
    /// assert_eq!(options.to_string(), "devices=2&rate=10&api=1.7&device=192.168.0.2:51211");
    ///
    /// let error = "devices=2&lisen=127.0.0.1:4000".parse::<GatewayServerOptions>().unwrap_err();
    /// assert!(error.to_string().starts_with("setting `lisen` is not known; did you mean `listen`?"));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    pub struct GatewayServerOptions {
        simulator: SimOptions = SimOptions::default();
        /// Sets the address that the gateway listens on.
        fn with_listen(address) => listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            "listen": parsed("an address such as 127.0.0.1:4000", |text| text.parse().ok());
        certificates: Option<Certificates> = None;
        /// Sets the version of the interface. The default is 1.8.
        fn with_api(api) => api: ApiVersion = ApiVersion::default(), "api": faults();
        devices: Vec<SimDeviceAddress> = Vec::new(), "device": SettingKind::new(read_devices, |devices| {
            devices.iter().map(SimDeviceAddress::to_string).collect()
        });
        /// Sets how many devices, the last ones, connect to the gateway by themselves. They wait in the pending list until
        /// a client sets an accept filter that lets them in. If the simulator's settings name no number of devices, these
        /// come behind those with an address.
        fn with_accept(devices) => accept: u32 = 0, "accept": number(0..=100_000);
        state: Option<PathBuf> = None, "state": file().optional();
        /// Sets the faults of the gateway. By default there are none.
        fn with_faults(faults) => faults: GatewayFaults = GatewayFaults::empty(), "gateway-faults": faults();
        /// Sets how long a client may take no event before its queue counts as full. The default is one second. With
        /// zero a queue holds exactly the number of events that the client asks for, however fast it reads.
        fn with_queue_timeout(time) => queue_timeout: Duration = Duration::from_secs(1),
            "queue-timeout": duration(ANY_TIME);
        /// Sets how long the gateway waits between attempts to open an asynchronous connection. The default is one
        /// second; a real gateway waits thirty.
        fn with_reconnect(time) => reconnect: Duration = Duration::from_secs(1), "reconnect": duration(ANY_TIME);
    }
}

/// The version of the gateway's interface. Version 1.8 changed the field numbers of `CapabilityInfo`.
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

    /// Sets the certificates of the gateway. By default it makes its own.
    #[must_use]
    pub fn with_certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = Some(certificates);
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
}

/// Reads the settings of the table above. Every error names the setting and its value.
impl FromStr for GatewayServerOptions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.strip_prefix("sim:").unwrap_or(text);
        let once: Vec<_> =
            Self::NAMES.iter().chain(SimOptions::NAMES).copied().filter(|name| *name != DEVICE).collect();
        let settings = Settings::parse(text, &once, &[DEVICE])?;
        let is_own = |part: &&str| Self::NAMES.contains(&part.split('=').next().unwrap_or_default());
        let of_devices: Vec<_> = text.split('&').filter(|part| !is_own(part)).collect();
        Ok(Self { simulator: of_devices.join("&").parse()?, ..Self::read(&settings)? })
    }
}

/// Writes the settings that differ from the defaults. Certificates are not settings.
impl fmt::Display for GatewayServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (of_devices, own) = (self.simulator.to_string(), self.changes().to_string());
        let separator = if of_devices.is_empty() || own.is_empty() { "" } else { "&" };
        write!(f, "{of_devices}{separator}{own}")
    }
}

fn read_devices(settings: &Settings, name: &str) -> Result<Option<Vec<SimDeviceAddress>>> {
    settings.all(name).map(str::parse).collect::<Result<_>>().map(Some)
}

impl FromStr for ApiVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "1.7" => Ok(Self::UpTo17),
            "1.8" => Ok(Self::From18),
            _ => {
                let message = format!("setting `api`: `{text}` is neither 1.7 nor 1.8");
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UpTo17 => "1.7",
            Self::From18 => "1.8",
        })
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
            let message = format!(
                "setting `device`: `{text}` is not an address such as 192.168.0.2 or 192.168.0.2:51211"
            );
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        Ok(Self { ip, port })
    }
}

/// Writes the IP address, and the port if the address has one.
impl fmt::Display for SimDeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// The port of devices.
const DEVICE_PORT: u16 = 51_211;

/// The setting that may occur several times.
const DEVICE: &str = "device";
const ANY_TIME: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_every_setting() {
        let text = "devices=2&rate=5&faults=drop&listen=127.0.0.1:4000&api=1.7&device=192.168.0.2&device=192.168.0.3:51212\
                    &accept=1&state=devices.state&gateway-faults=short,end&queue-timeout=0s&reconnect=30s";
        assert_eq!(text.parse::<GatewayServerOptions>().unwrap().to_string(), text);
        assert_eq!("".parse::<GatewayServerOptions>().unwrap().to_string(), "");
        assert_eq!("sim:api=1.7".parse::<GatewayServerOptions>().unwrap().to_string(), "api=1.7");
    }

    #[test]
    fn names_the_setting_and_its_bad_value() {
        for (name, value) in [
            ("listen", "x"),
            ("api", "1.9"),
            ("device", "192.168.0"),
            ("gateway-faults", "fire"),
            ("queue-timeout", "1"),
            ("reconnect", "?"),
            ("devices", "0"),
        ] {
            let error = format!("{name}={value}").parse::<GatewayServerOptions>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let message = error.to_string();
            assert!(
                message.contains(&format!("`{name}`")) && message.contains(&format!("`{value}`")),
                "{message}"
            );
        }
        let error = "api=1.7&api=1.7".parse::<GatewayServerOptions>().unwrap_err();
        assert_eq!(error.to_string(), "setting `api` is given twice");
    }
}
