//! The readers of a client, also those that can be reached only later.

use std::collections::BTreeSet;

use tokio::sync::{mpsc, watch};

use super::follow::ordered_to_stop;
use super::{CollectOptions, Stop, Trouble};
use crate::Error;
use crate::device::{Client, Device};

/// Looks for the readers of one client.
pub(super) struct Discovery {
    pub(super) client: Client,
    pub(super) options: CollectOptions,
    pub(super) trouble: Trouble,
    pub(super) stop: watch::Receiver<Option<Stop>>,
}

impl Discovery {
    /// Hands over every reader as soon as it is known; in the end, why others are not.
    ///
    /// With `live` that goes on until the order to stop: readers may come later.
    pub(super) async fn run(mut self, live: bool, arrivals: mpsc::UnboundedSender<Device>) -> Vec<Error> {
        let (mut known, mut told) = (BTreeSet::new(), BTreeSet::new());
        let mut unreached = Vec::new();
        let mut delays = self.options.retry.delays().enumerate();
        loop {
            let found = tokio::select! {
                biased;
                () = ordered_to_stop(&mut self.stop) => return unreached,
                found = self.client.discover() => found,
            };
            unreached = match found {
                Ok((devices, unreached)) => {
                    for device in devices.into_iter().filter(|device| known.insert(device.id())) {
                        let _ = arrivals.send(device); // Who takes no more has ended.
                    }
                    unreached
                }
                Err(error) => vec![error],
            };
            let wait = if unreached.is_empty() {
                told.clear();
                delays = self.options.retry.delays().enumerate();
                Some(self.options.poll).filter(|_| live)
            } else {
                let may_help = live || unreached.iter().any(Error::is_retryable);
                let next = delays.next().filter(|(failures, _)| live || failures + 1 < self.options.attempts);
                next.filter(|_| may_help).map(|(_, delay)| delay)
            };
            let Some(wait) = wait else { return unreached };
            if live {
                for error in unreached.iter().filter(|error| told.insert(error.to_string())) {
                    self.trouble.tell(error);
                }
            }
            tokio::select! {
                () = ordered_to_stop(&mut self.stop) => return unreached,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}
