//! Sources behind the vendor's C library.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use bs2_events::device::native::{NativeBackend, NativeOptions, TlsFiles};
use bs2_events::device::{Client, ClientOptions};
use bs2_events::{Error, ErrorKind, Result};

use crate::runtime;

/// Opens what a text such as `/opt/libBS_SDK_V2.so?device=192.168.0.10` names.
pub(super) fn open(text: &str) -> Result<Client> {
    let (options, deadline) = parse(text)?;
    let backend = NativeBackend::open(options)?;
    // The backend's deadline comes first, since it names the function.
    let options = ClientOptions::default().with_deadline(deadline + MARGIN);
    Ok(Client::with_options(Arc::new(backend), options))
}

/// Waits a little until the connections are ended, so that the library is not cut off at its work.
pub(super) fn close(client: &Client) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let closing = tokio::time::timeout(CLOSING, client.close());
        // What does not end in time ends with the process.
        let _ = tokio::task::block_in_place(|| runtime.block_on(closing));
    }
}

fn parse(text: &str) -> Result<(NativeOptions, Duration)> {
    let (path, settings) = text.split_once('?').unwrap_or((text, ""));
    let mut options = NativeOptions::default();
    if !path.is_empty() {
        options = options.with_library(path);
    }
    let mut deadline = DEADLINE;
    let mut tls = [None; 3];
    let mut reachable = false;
    let mut given = BTreeSet::new();
    for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
        let Some((name, value)) = setting.split_once('=') else {
            return Err(invalid(format!("setting `{setting}` has no value")));
        };
        if !matches!(name, "device" | "preload") && !given.insert(name) {
            return Err(invalid(format!("setting `{name}` is given twice, again as `{value}`")));
        }
        reachable |= matches!(name, "device" | "search" | "accept") && value != "0";
        options = match name {
            "device" => options.with_device(address(value)?),
            "preload" if value.is_empty() => return Err(invalid("setting `preload` names no library")),
            "preload" => options.with_preload(value),
            "port" => options.with_server_port(port(name, value)?),
            "ssl-port" => options.with_tls_server_port(port(name, value)?),
            "search" => match value {
                "0" => options,
                "1" => options.with_search(),
                _ => return Err(invalid(format!("setting `search`: `{value}` is neither 0 nor 1"))),
            },
            "accept" => options.with_accepted(number::<u16>(name, value)?.into()),
            "timeout" => {
                deadline = runtime::duration(value)
                    .ok()
                    .filter(|deadline| (SHORTEST..=LONGEST).contains(deadline))
                    .ok_or_else(|| {
                        invalid(format!("setting `timeout`: `{value}` is no time from 10ms to 1h"))
                    })?;
                options.with_deadline(deadline).with_response_timeout(deadline)
            }
            "ssl-ca" | "ssl-cert" | "ssl-key" => {
                let place = ["ssl-ca", "ssl-cert", "ssl-key"].into_iter().position(|known| known == name);
                if let Some(file) = place.and_then(|place| tls.get_mut(place)) {
                    *file = Some(value);
                }
                options
            }
            _ => return Err(invalid(format!("setting `{name}` is not known"))),
        };
    }
    if !reachable {
        return Err(invalid("setting `device` is missing, and there is neither `search` nor `accept`"));
    }
    options = match tls {
        [None, None, None] => options,
        [Some(root), Some(certificate), Some(key)] => {
            let files = TlsFiles::new(root, certificate, key);
            options.with_tls(match std::env::var(PASSWORD) {
                Ok(password) => files.with_password(password),
                Err(_) => files,
            })
        }
        _ => return Err(invalid("settings `ssl-ca`, `ssl-cert` and `ssl-key` go together")),
    };
    Ok((options, deadline))
}

fn address(text: &str) -> Result<SocketAddrV4> {
    let address =
        text.parse().or_else(|_| text.parse().map(|ip| SocketAddrV4::new(ip, NativeOptions::DEVICE_PORT)));
    address.ok().filter(|address: &SocketAddrV4| address.port() > 0).ok_or_else(|| {
        invalid(format!("setting `device`: `{text}` is no IPv4 address such as 10.0.0.7 or 10.0.0.7:51211"))
    })
}

fn port(name: &str, value: &str) -> Result<u16> {
    value
        .parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| invalid(format!("setting `{name}`: `{value}` is no number from 1 to {}", u16::MAX)))
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T> {
    value
        .parse()
        .map_err(|_| invalid(format!("setting `{name}`: `{value}` is no number from 0 to {}", u16::MAX)))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

/// The scheme of these sources.
pub(super) const SCHEME: &str = "sdk";

/// Where the password of the key is looked for: arguments are seen by everybody.
const PASSWORD: &str = "BS2_SSL_PASSWORD";

const DEADLINE: Duration = Duration::from_secs(15);
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(3_600);
const MARGIN: Duration = Duration::from_secs(5);
const CLOSING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_readers_and_settings() {
        for text in [
            "?device=10.0.0.7",
            "/opt/x.so?device=10.0.0.7:51211&device=10.0.0.8",
            "x.so?search=1&preload=libcrypto.so.1.1&preload=libssl.so.1.1",
            "x.so?accept=2&port=52000&ssl-port=52001&timeout=500ms",
            "x.so?accept=1&ssl-ca=ca.crt&ssl-cert=us.crt&ssl-key=us.key",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn names_the_setting_that_cannot_be() {
        for (text, name) in [
            ("", "device"),
            ("x.so", "device"),
            ("x.so?search=0", "device"),
            ("x.so?device=", "device"),
            ("x.so?device=reader.example", "device"),
            ("x.so?device=10.0.0.7:99999", "device"),
            ("x.so?device=[::1]:51211", "device"),
            ("x.so?device=10.0.0.7&port=x", "port"),
            ("x.so?device=10.0.0.7&ssl-port=65536", "ssl-port"),
            ("x.so?device=10.0.0.7&search=2", "search"),
            ("x.so?device=10.0.0.7&accept=-1", "accept"),
            ("x.so?device=10.0.0.7&timeout=0s", "timeout"),
            ("x.so?device=10.0.0.7&timeout=2h", "timeout"),
            ("x.so?device=10.0.0.7&ssl-ca=x", "ssl-cert"),
            ("x.so?device=10.0.0.7&colour=red", "colour"),
            ("x.so?device", "device"),
            ("x.so?device=127.0.0.1:0", "device"),
            ("x.so?device=10.0.0.7&port=0", "port"),
            ("x.so?device=10.0.0.7&ssl-port=0", "ssl-port"),
            ("x.so?device=10.0.0.7&preload=", "preload"),
            ("x.so?device=10.0.0.7&port=1&port=2", "port"),
            ("x.so?device=10.0.0.7&timeout=1s&timeout=1s", "timeout"),
            ("x.so?device=10.0.0.7&ssl-ca=a&ssl-ca=b", "ssl-ca"),
            ("x.so?search=1&search=0", "search"),
            ("x.so?accept=1&accept=2", "accept"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.to_string().contains(&format!("`{name}`")), "{text}: {error}");
        }
    }
}
