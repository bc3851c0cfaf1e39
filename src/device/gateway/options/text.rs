//! Settings as a text.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::ServerName;

use super::{DeviceAddress, GatewaySettings, Trust};
use crate::codec::DeviceId;
use crate::{Error, ErrorKind, Result};

impl FromStr for GatewaySettings {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let rest =
            text.strip_prefix(SCHEME).ok_or_else(|| invalid("a gateway is `gateway://HOST:PORT?…`"))?;
        let (address, parts) = rest.split_once('?').unwrap_or((rest, ""));
        let mut settings = Self::new("");
        let (mut trust, mut certificate, mut key, mut seen) = (None, None, None, BTreeSet::new());
        for part in parts.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if !seen.insert(name) && !name.starts_with("device") {
                return Err(invalid(format!("setting `{name}` is given twice")));
            }
            let switch = |trusted| match value {
                "" | "1" => Ok(trusted),
                _ => Err(invalid(format!("setting `{name}` has no value: leave it out to switch it off"))),
            };
            let path = || match value {
                "" => Err(invalid(format!("setting `{name}` names no file"))),
                path => Ok(PathBuf::from(path)),
            };
            let mut trusts = |trusted| match trust.replace(trusted) {
                Some(_) => Err(invalid("only one of `ca`, `pin`, `system-roots` and `danger-plaintext`")),
                None => Ok(()),
            };
            match name {
                "ca" => trusts(Trust::Ca(path()?))?,
                "pin" => trusts(Trust::Pin(path()?))?,
                "system-roots" => trusts(switch(Trust::SystemRoots)?)?,
                "danger-plaintext" => trusts(switch(Trust::DangerPlaintext)?)?,
                "server-name" if ServerName::try_from(value).is_ok() => {
                    settings.server_name = Some(value.to_owned());
                }
                "server-name" => {
                    return Err(invalid(format!("setting `{name}`: `{value}` is no name of a host")));
                }
                "device" => settings.devices.push(device(name, value)?),
                "device-tls" => settings.devices.push(device(name, value)?.with_tls()),
                "client-cert" => certificate = Some(path()?),
                "client-key" => key = Some(path()?),
                "master" if !value.is_empty() => settings.master = Some(value.to_owned()),
                "master" => return Err(invalid("setting `master` names no gateway")),
                "deadline" => settings = settings.with_deadline(seconds(name, value)?),
                "heartbeat" => settings = settings.with_heartbeat(seconds(name, value)?),
                "queue" => settings = settings.with_queue(number(name, value, 1..=MOST_EVENTS)?),
                _ => return Err(invalid(format!("setting `{name}` is not known"))),
            }
        }
        settings.client_certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(invalid("`client-cert` and `client-key` go together")),
        };
        if settings.master.is_some() && settings.client_certificate.is_none() {
            return Err(invalid("a master gateway asks for `client-cert` and `client-key`"));
        }
        settings.trust = trust.ok_or_else(|| {
            invalid("whom to trust is not said: one of `ca=FILE`, `pin=FILE`, `system-roots`")
        })?;
        let port = if settings.master.is_some() { MASTER_PORT } else { GATEWAY_PORT };
        let (host, port) = host_and_port(address, port).ok_or_else(|| {
            invalid(format!("`{address}` is no address of a gateway: `HOST` or `HOST:PORT` is expected"))
        })?;
        settings.authority = DeviceAddress::new(host, port).to_string();
        Ok(settings)
    }
}

impl FromStr for DeviceAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        device("device", text)
    }
}

/// A reader's address, given as this setting.
fn device(name: &str, text: &str) -> Result<DeviceAddress> {
    let wrong = || invalid(format!("setting `{name}`: `{text}` is no `[ID@]IP[:PORT]`"));
    let (id, address) = match text.split_once('@') {
        Some((id, address)) => (Some(DeviceId::new(id.parse().map_err(|_| wrong())?)), address),
        None => (None, text),
    };
    let (host, port) = host_and_port(address, DEVICE_PORT).ok_or_else(wrong)?;
    Ok(DeviceAddress { id, ..DeviceAddress::new(host, port) })
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
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    (!host.is_empty() && host.chars().all(named)).then(|| (host.to_owned(), port))
}

fn seconds(name: &str, value: &str) -> Result<Duration> {
    number(name, value, 1..=MOST_SECONDS).map(|seconds| Duration::from_secs(seconds.into()))
}

fn number(name: &str, value: &str, range: RangeInclusive<u32>) -> Result<u32> {
    value.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let (least, most) = range.into_inner();
        invalid(format!("setting `{name}`: `{value}` is no number from {least} to {most}"))
    })
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

const SCHEME: &str = "gateway://";
const GATEWAY_PORT: u16 = 4_000;
const MASTER_PORT: u16 = 4_010;
const DEVICE_PORT: u16 = 51_211;
/// A day.
const MOST_SECONDS: u32 = 86_400;
/// The gateway takes a signed number.
const MOST_EVENTS: u32 = i32::MAX.cast_unsigned();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_an_address() {
        let of = |text: &str| text.parse::<DeviceAddress>().map(|address| address.to_string());
        assert_eq!(of("192.0.2.7").unwrap(), "192.0.2.7:51211");
        assert_eq!(of("reader-1.example:4").unwrap(), "reader-1.example:4");
        assert_eq!(of("::1").unwrap(), "[::1]:51211");
        assert_eq!(of("5@[::1]").unwrap(), "[::1]:51211");
        assert_eq!(of("[::1]:9").unwrap(), "[::1]:9");
        for wrong in ["", "@1.2.3.4", "x@1.2.3.4", "1.2.3.4:70000", "a b", "host:", "4294967296@h"] {
            assert_eq!(of(wrong).unwrap_err().kind(), ErrorKind::InvalidInput, "{wrong}");
        }
    }

    #[test]
    fn the_port_of_a_master_gateway_is_another() {
        let text = "gateway://h?system-roots&client-cert=a&client-key=b&master=north";
        assert_eq!(text.parse::<GatewaySettings>().unwrap().authority, "h:4010");
        assert_eq!("gateway://h?pin=c".parse::<GatewaySettings>().unwrap().authority, "h:4000");
    }

    #[test]
    fn refuses_what_cannot_be_right_and_names_it() {
        for (text, named) in [
            ("gateway:h", "gateway://"),
            ("gateway://?ca=a", "address"),
            ("gateway://h", "whom to trust"),
            ("gateway://h?ca=a&pin=b", "only one"),
            ("gateway://h?ca", "`ca`"),
            ("gateway://h?ca=a&cat=b", "`cat`"),
            ("gateway://h?ca=a&client-key=b", "go together"),
            ("gateway://h?ca=a&master=b", "client-cert"),
            ("gateway://h?ca=a&deadline=soon", "`deadline`"),
            ("gateway://h?ca=a&deadline=0", "`deadline`"),
            ("gateway://h?ca=a&deadline=99999999999999999", "`deadline`"),
            ("gateway://h?ca=a&heartbeat=18446744073709551615", "`heartbeat`"),
            ("gateway://h?ca=a&queue=-1", "`queue`"),
            ("gateway://h?ca=a&queue=0", "`queue`"),
            ("gateway://h?ca=a&queue=1&queue=2", "`queue` is given twice"),
            ("gateway://h?danger-plaintext=no", "`danger-plaintext`"),
            ("gateway://h?system-roots=0", "`system-roots`"),
            ("gateway://h?ca=a&server-name=", "`server-name`"),
            ("gateway://h?ca=a&device-tls=x:y", "`device-tls`"),
            ("gateway://h?ca=a&device=192.0.2.7:0", "`device`"),
            ("gateway://h:99999?ca=a", "`h:99999`"),
        ] {
            let error = text.parse::<GatewaySettings>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(error.to_string().contains(named), "{text}: {error}");
        }
    }
}
