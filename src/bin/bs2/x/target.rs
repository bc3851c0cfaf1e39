//! `biostar-x://HOST?…`: a virtual device as a store.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bs2_events::biostar_x::VirtualDeviceId;
use bs2_events::sink::biostar_x::BiostarXSink;
use bs2_events::{Error, ErrorKind, Result};
use reqwest::Url;

use super::access::Access;

/// A virtual device of a server; nothing is opened yet.
pub(crate) struct Target {
    host: String,
    access: Access,
    device: VirtualDeviceId,
    state: PathBuf,
    sink: OnceLock<Arc<BiostarXSink>>,
}

impl Target {
    /// Reads what stands behind `biostar-x:`.
    pub(crate) fn read(rest: &str) -> Result<Self> {
        let expected = || invalid("//HOST?virtual-device=100001&user=LOGIN is expected");
        let url: Url = format!("https:{rest}").parse().map_err(|_| expected())?;
        let host = url.host_str().filter(|_| rest.starts_with("//")).ok_or_else(expected)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("name and password do not belong before the host"));
        }
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let mut access = Access {
            server: format!("https://{host}{}", url.path()),
            user: String::new(),
            password_file: None,
            ca: None,
            pin: None,
            danger_accept_any_certificate: false,
            timeout: None,
        };
        let (mut device, mut state) = (None, None);
        for (name, value) in url.query_pairs() {
            match &*name {
                "virtual-device" => device = Some(value.parse::<VirtualDeviceId>()?),
                "user" => access.user = value.into_owned(),
                "password-file" => access.password_file = Some(value.into_owned().into()),
                "ca" => access.ca = Some(value.into_owned().into()),
                "pin" => access.pin = Some(value.into_owned().into()),
                "danger-accept-any-certificate" => access.danger_accept_any_certificate = value == "true",
                "state" => state = Some(value.into_owned().into()),
                "password" => return Err(invalid("a password does not belong here: set BS2_X_PASSWORD")),
                // The name may be a value that lost its name.
                _ => return Err(invalid(&format!("there are the settings {SETTINGS}, and no others"))),
            }
        }
        let device = device.ok_or_else(expected)?;
        if access.user.is_empty() {
            return Err(expected());
        }
        let state = state.unwrap_or_else(|| {
            let plain: String =
                host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
            PathBuf::from(format!("biostar-x-{plain}-{device}.state"))
        });
        Ok(Self { host, access, device, state, sink: OnceLock::new() })
    }

    pub(crate) fn open(&self) -> Result<Arc<BiostarXSink>> {
        let sink = Arc::new(BiostarXSink::open(self.access.client()?, self.device, &self.state)?);
        Ok(Arc::clone(self.sink.get_or_init(|| sink)))
    }

    /// What did not get to the server, as sentences.
    pub(crate) async fn notes(&self) -> Vec<String> {
        let Some(sink) = self.sink.get() else { return Vec::new() };
        let summary = sink.summary().await;
        let mut notes: Vec<_> = summary
            .unmapped
            .iter()
            .map(|(reason, count)| format!("{count} events not imported: {reason}"))
            .collect();
        if !summary.refused.is_empty() {
            let (count, state) = (summary.refused.len(), self.state.display());
            notes.push(format!("{count} events refused by the server: `refused` in {state} names them"));
        }
        notes
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "virtual device {} of {}", self.device, self.host)
    }
}

fn invalid(problem: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("store `biostar-x`: {problem}"))
}

const SETTINGS: &str =
    "virtual-device, user, password-file, ca, pin, danger-accept-any-certificate and state";
