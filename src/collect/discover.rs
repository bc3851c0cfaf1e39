//! Finds the devices of a client, also those that are reached only later.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::notice::{Key, Outages};
use super::options::{CollectOptions, StopSignal};
use super::routes::{Route, Source};
use crate::device::Client;
use crate::retry::Retry;
use crate::{Error, ErrorKind, Result};

/// Looks for the devices of one client.
pub(super) struct Discovery {
    pub(super) client: Client,
    pub(super) source: Arc<Source>,
    pub(super) options: CollectOptions,
    pub(super) outages: Arc<Outages>,
    pub(super) stop: StopSignal,
}

impl Discovery {
    /// Sends the devices that the last look did not find, those of each look together. Returns why other devices, or the
    /// source as a whole, were not reached.
    ///
    /// With `live` it goes on until the collector has to stop: devices may come later, or be replaced.
    /// Errors: with `live` that of the first look, if the source cannot work with its settings.
    pub(super) async fn run(
        mut self,
        live: bool,
        found: mpsc::UnboundedSender<Vec<Route>>,
    ) -> Result<Vec<Error>> {
        let number = self.source.number;
        let mut policy = self.options.retry;
        if !live {
            policy = policy.within(self.options.attempts.saturating_sub(1), ONCE);
        }
        let mut retry = Retry::new(policy);
        let mut known = BTreeSet::new();
        let mut unreached = Vec::new();
        let mut is_first = true;
        loop {
            let began = Instant::now();
            let result = tokio::select! {
                biased;
                // A collector that has to catch up before it ends needs its devices: the first look goes on.
                () = self.stop.wait_for_end(is_first) => return Ok(unreached),
                result = self.client.discover() => result,
            };
            let was_first = std::mem::replace(&mut is_first, false);
            unreached = match result {
                Ok((devices, unreached)) => {
                    self.outages.works(&Key::Source(number), began);
                    if devices.is_empty() && unreached.is_empty() {
                        let empty = Error::new(ErrorKind::NotFound, "the source has no device");
                        self.outages.failed(&Key::Empty(number), number, &empty, began);
                    } else {
                        self.outages.works(&Key::Empty(number), Instant::now());
                    }
                    self.outages.unreached(number, &unreached);
                    let before = std::mem::replace(&mut known, devices.iter().map(|one| one.id()).collect());
                    let new = devices.into_iter().filter(|device| !before.contains(&device.id()));
                    let route = |device| Route { device, source: Arc::clone(&self.source) };
                    let routes: Vec<_> = new.map(route).collect();
                    if !routes.is_empty() {
                        let _ = found.send(routes); // The collector has ended if nobody receives.
                    }
                    unreached
                }
                Err(error) if error.kind() == ErrorKind::Closed => return Ok(vec![error.of_backend()]),
                Err(error) if live && was_first && is_of_settings(&error) => return Err(error.of_backend()),
                Err(error) => {
                    self.outages.failed(&Key::Source(number), number, &error, began);
                    vec![error.of_backend()]
                }
            };
            let wait = if unreached.is_empty() {
                retry.reset();
                Some(self.options.poll.min(LOOK)).filter(|_| live)
            } else {
                let may_help = live || unreached.iter().any(Error::is_retryable);
                retry.next_delay().filter(|_| may_help)
            };
            let Some(wait) = wait else { return Ok(unreached) };
            let asked = async {
                match &self.source.look {
                    Some(look) => look.notified().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.wait() => return Ok(unreached),
                () = asked => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

/// Whether the settings of a source are wrong, as far as its first answer shows. What worked once is tried again.
fn is_of_settings(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::CertificateRefused
            | ErrorKind::InvalidInput
            | ErrorKind::PermissionDenied
            | ErrorKind::Unsupported
    )
}

/// How often a collector that listens looks for devices.
const LOOK: Duration = Duration::from_secs(10);
/// How long a collector that does not listen tries to reach a source and its devices.
const ONCE: Duration = Duration::from_secs(10);
