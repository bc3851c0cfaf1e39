//! `biostar-x://HOST?…`: a virtual device as a store.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bs2_events::biostar_x::VirtualDeviceId;
use bs2_events::sink::biostar_x::{BiostarXSink, Summary};
use bs2_events::{Error, ErrorKind, Result};
use reqwest::Url;

use serde_json::json;

use super::access::Access;
use crate::table::count;

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
        let mut seen = BTreeSet::new();
        for (name, value) in url.query_pairs() {
            if !seen.insert(name.clone()) {
                return Err(invalid(&format!("a setting is there twice; there are {SETTINGS}")));
            }
            match &*name {
                "virtual-device" => device = Some(value.parse::<VirtualDeviceId>()?),
                "user" => access.user = value.into_owned(),
                "password-file" => access.password_file = Some(value.into_owned().into()),
                "ca" => access.ca = Some(value.into_owned().into()),
                "pin" => access.pin = Some(value.into_owned().into()),
                "danger-accept-any-certificate" => {
                    access.danger_accept_any_certificate = match &*value {
                        "true" | "1" => true,
                        "false" | "0" => false,
                        _ => {
                            return Err(invalid(
                                "setting `danger-accept-any-certificate` is neither true nor false",
                            ));
                        }
                    };
                }
                "state" => state = Some(value.into_owned().into()),
                "password" => return Err(invalid("a password does not belong here: set BS2_X_PASSWORD")),
                // The name may be a value that lost its name.
                _ => return Err(invalid(&format!("there are the settings {SETTINGS}, and no others"))),
            }
        }
        let trusts = [access.ca.is_some(), access.pin.is_some(), access.danger_accept_any_certificate];
        if trusts.into_iter().filter(|given| *given).count() > 1 {
            return Err(invalid(
                "settings `ca`, `pin` and `danger-accept-any-certificate` exclude each other",
            ));
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

    /// What this run brought to the server, and what not.
    pub(crate) async fn outcome(&self) -> Option<Outcome> {
        let summary = self.sink.get()?.summary_of_run().await;
        Some(Outcome { summary, state: self.state.clone() })
    }
}

/// What became of the events of one run.
pub(crate) struct Outcome {
    summary: Summary,
    state: PathBuf,
}

impl Outcome {
    pub(crate) fn imported(&self) -> u64 {
        self.summary.imported
    }

    pub(crate) fn refused(&self) -> u64 {
        self.summary.refused.len().try_into().unwrap_or(u64::MAX)
    }

    /// What did not get to the server, as sentences.
    pub(crate) fn notes(&self) -> Vec<String> {
        let unmapped = self.summary.unmapped.iter();
        let mut notes: Vec<_> = unmapped
            .map(|(reason, number)| format!("{} not imported: {reason}", count(number, "event")))
            .collect();
        if self.refused() > 0 {
            let (events, state) = (count(self.refused(), "event"), self.state.display());
            notes.push(format!("{events} refused by the server: `refused` in {state} names them"));
        }
        notes
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let unmapped: BTreeMap<_, _> =
            self.summary.unmapped.iter().map(|(reason, count)| (reason.to_string(), count)).collect();
        let refused = self.summary.refused.iter().map(|event| {
            json!({
                "device_id": event.device.get(), "epoch": event.epoch, "event_id": event.id, "code": event.code,
            })
        });
        json!({
            "imported": self.imported(), "unmapped": unmapped, "refused": refused.collect::<Vec<_>>(),
        })
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
