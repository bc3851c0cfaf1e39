//! Finds the devices of a client, also those that are reached only later.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::options::{CollectOptions, OnFailure, StopSignal};
use crate::Error;
use crate::device::{Client, Device};
use crate::retry::Retry;

/// Looks for the devices of one client.
pub(super) struct Discovery {
    pub(super) client: Client,
    pub(super) options: CollectOptions,
    pub(super) on_failure: OnFailure,
    pub(super) stop: StopSignal,
}

impl Discovery {
    /// Sends every device as soon as it is reached. Returns why the other devices were not reached.
    ///
    /// With `live` it goes on until the collector has to stop: devices may come later.
    pub(super) async fn run(mut self, live: bool, found: mpsc::UnboundedSender<Device>) -> Vec<Error> {
        let (mut known, mut reported) = (BTreeSet::new(), BTreeSet::new());
        let mut unreached = Vec::new();
        let mut retry = Retry::new(self.options.retry);
        let mut failures = 0;
        let mut is_first = true;
        loop {
            let result = tokio::select! {
                biased;
                // A collector that has to catch up before it ends needs its devices: the first look goes on.
                () = self.stop.wait_for_end(is_first) => return unreached,
                result = self.client.discover() => result,
            };
            is_first = false;
            unreached = match result {
                Ok((devices, unreached)) => {
                    for device in devices.into_iter().filter(|device| known.insert(device.id())) {
                        let _ = found.send(device); // The collector has ended if nobody receives.
                    }
                    unreached
                }
                Err(error) => vec![error],
            };
            let wait = if unreached.is_empty() {
                reported.clear();
                retry.reset();
                failures = 0;
                Some(self.options.poll).filter(|_| live)
            } else {
                failures += 1;
                let may_help = live || unreached.iter().any(Error::is_retryable);
                let next = retry.next_delay().filter(|_| live || failures < self.options.attempts);
                next.filter(|_| may_help)
            };
            let Some(wait) = wait else { return unreached };
            if live {
                for error in unreached.iter().filter(|error| reported.insert(error.to_string())) {
                    self.on_failure.call(error);
                }
            }
            tokio::select! {
                () = self.stop.wait() => return unreached,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}
