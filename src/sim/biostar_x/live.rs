//! Readers that report by themselves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::app::Site;
use super::records::StoredEvent;
use crate::Result;

/// Lets the readers report so many events a second, until the task is aborted.
pub(super) async fn run(site: Arc<Mutex<Site>>, rate: u32) {
    if rate == 0 {
        return;
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if site.lock().unwrap_or_else(PoisonError::into_inner).live().is_err() {
            tracing::error!("a simulated reader's event cannot be stored");
            return;
        }
    }
}

impl Site {
    /// The next event of the office.
    pub(super) fn live(&mut self) -> Result<StoredEvent> {
        let event = self.office.next()?;
        self.report(event)
    }

    /// Stores a reader's event and tells it.
    pub(super) fn report(&mut self, event: StoredEvent) -> Result<StoredEvent> {
        let before = self.store.events.len();
        let event = self.store.report(event)?;
        self.tell_from(before);
        Ok(event)
    }
}
