//! What a `SOURCE` argument names: readers, and the way to them.

use bs2_events::codec::DeviceId;
use bs2_events::device::{Client, Device};
use bs2_events::sim::{SimOptions, Simulator};
use bs2_events::{Error, ErrorKind, Result};

use crate::output;
use crate::retry::retried;

mod sdk;

/// Readers behind one client.
pub(crate) struct Source {
    client: Client,
    simulator: Option<Simulator>,
}

impl Source {
    /// Opens what a text such as `sim:devices=4&seed=7` names.
    pub(crate) fn open(text: &str) -> Result<Self> {
        Self::with_rate(text, None)
    }

    /// The same for a verb that shows live events: simulated readers whose rate is not set get one.
    pub(crate) fn open_live(text: &str) -> Result<Self> {
        Self::with_rate(text, Some(LIVE_RATE))
    }

    fn with_rate(text: &str, rate: Option<u32>) -> Result<Self> {
        match text.split_once(':') {
            Some((GATEWAY | sdk::SCHEME, _)) => {
                return Ok(Self { client: Client::open(text)?, simulator: None });
            }
            _ => {}
        }
        let simulator = Simulator::with_options(simulated(text, rate)?)?;
        tell_cut(&simulator);
        Ok(Self { client: Client::new(simulator.backend()), simulator: Some(simulator) })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The simulator behind the readers, if they are simulated.
    pub(crate) fn simulator(&self) -> Option<&Simulator> {
        self.simulator.as_ref()
    }

    /// Lets simulated readers live; others do so by themselves.
    pub(crate) fn start(&self) -> Result<()> {
        self.simulator().map_or(Ok(()), Simulator::start)
    }

    /// Ends what [`start`](Self::start) began: after it nothing new happens at simulated readers.
    pub(crate) fn stop(&self) {
        if let Some(simulator) = self.simulator() {
            simulator.stop();
        }
    }

    /// Every reader, ascending.
    pub(crate) async fn devices(&self) -> Result<Vec<Device>> {
        retried(|| self.client.devices()).await
    }

    /// Every reader, ascending, and why others are not reached. It fails only where none is.
    pub(crate) async fn discover(&self) -> Result<(Vec<Device>, Vec<Error>)> {
        retried(|| async {
            match self.client.discover().await? {
                (devices, mut unreached) if devices.is_empty() && !unreached.is_empty() => {
                    Err(unreached.remove(0))
                }
                found => Ok(found),
            }
        })
        .await
    }

    /// The reader with this number, or the only one.
    pub(crate) async fn device(&self, wanted: Option<DeviceId>) -> Result<Device> {
        let mut devices = self.devices().await?;
        match wanted {
            Some(id) => devices.into_iter().find(|device| device.id() == id).ok_or_else(|| {
                Error::new(ErrorKind::NotFound, "the source has no such reader").with_device(id)
            }),
            None if devices.len() == 1 => Ok(devices.remove(0)),
            None => {
                let message = format!("the source has {} readers: choose one with --device", devices.len());
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if self.simulator.is_none() {
            sdk::close(&self.client);
        }
    }
}

/// Says where a replayed capture was cut. That is no error: it may be under way.
pub(crate) fn tell_cut(simulator: &Simulator) {
    if let Some(error) = simulator.replay_cut() {
        output::note(&format!("the replayed capture ends inside a record: {error}"));
    }
}

/// The settings of simulated readers that live: they get a rate where none is set.
pub(crate) fn live_settings(text: &str) -> Result<SimOptions> {
    simulated(text, Some(LIVE_RATE))
}

fn simulated(text: &str, rate: Option<u32>) -> Result<SimOptions> {
    let settings = match text.split_once(':') {
        Some((SIM, settings)) => settings.strip_prefix('?').unwrap_or(settings),
        Some((scheme, _)) => return Err(unknown(&format!("scheme `{scheme}` is not known"))),
        None => return Err(unknown(&format!("`{text}` has no scheme"))),
    };
    let parsed: SimOptions = settings.parse()?;
    let rate = rate.filter(|_| !settings.split('&').any(|part| part.starts_with("rate=")));
    Ok(rate.map_or(parsed.clone(), |rate| parsed.with_rate(rate)))
}

/// A source of which only the scheme is told: what follows it may hold a password.
fn unknown(what: &str) -> Error {
    let message = format!("source: {what}; there are `{SIM}:`, `{}:` and `{}:`", sdk::SCHEME, GATEWAY);
    Error::new(ErrorKind::InvalidInput, message)
}

/// The scheme of gateways.
const GATEWAY: &str = "gateway";

/// The scheme of simulated readers.
const SIM: &str = "sim";

/// Live events a second where none are asked for: enough to see, few enough to read.
const LIVE_RATE: u32 = 5;
