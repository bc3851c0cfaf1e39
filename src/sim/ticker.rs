//! The beat of the office: events at a rate.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::rng::SeededRng;
use super::{Inner, SimDevice};
use crate::{Error, ErrorKind, Result};

/// The live task, if it runs, and which reader comes next.
pub(super) struct Ticker {
    dice: SeededRng,
    /// Which start the task belongs to: one that was stopped finds another number and ends.
    number: u64,
    task: Option<AbortHandle>,
}

impl Ticker {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: SeededRng::new(seed, STREAM), number: 0, task: None }
    }

    pub(super) fn stop(&mut self) {
        self.number += 1;
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// # Errors
///
/// [`ErrorKind::Other`] outside a tokio runtime.
pub(super) fn start(shared: &Arc<Inner>) -> Result<()> {
    let rate = shared.settings.rate;
    let mut pulse = shared.pulse.lock().unwrap_or_else(PoisonError::into_inner);
    if rate == 0 || pulse.task.as_ref().is_some_and(|task| !task.is_finished()) {
        return Ok(());
    }
    let runtime = Handle::try_current().map_err(|error| {
        Error::new(ErrorKind::Other, "live events need a tokio runtime").with_source(error)
    })?;
    let beat = runtime.spawn(beat(Arc::downgrade(shared), rate, pulse.number));
    pulse.task = Some(beat.abort_handle());
    Ok(())
}

async fn beat(shared: Weak<Inner>, rate: u32, number: u64) {
    // One event a tick, unless that would be more than a hundred ticks a second.
    let mut ticks = interval(SHORTEST_TICK.max(Duration::from_secs(1) / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let begun = Instant::now();
    let mut made = 0;
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let due = begun.elapsed().as_millis() * u128::from(rate) / 1_000;
        if !shared.make_until(due, &mut made, number) {
            return;
        }
    }
}

impl Inner {
    /// Makes what is due; `false` when the task was stopped. Who stops it waits for the lock that is held here.
    fn make_until(&self, due: u128, made: &mut u128, number: u64) -> bool {
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        if pulse.number != number {
            return false;
        }
        while *made < due {
            let Some(reader) = self.any_reader(&mut pulse.dice) else { return false };
            // Only replayed readers refuse, and this is none.
            let _ = reader.make(&self.books);
            *made += 1;
        }
        drop(pulse);
        // A process that is killed leaves a truth that is nearly whole; what fails is told by the next flush.
        let _ = self.flush_truth();
        true
    }

    /// A reader at which something may happen; `None` if all of them are replayed.
    fn any_reader(&self, dice: &mut SeededRng) -> Option<&SimDevice> {
        // Replayed readers stand before or behind those of the office, which have numbers in a row.
        let first = self.readers.iter().position(|reader| !reader.is_replayed())?;
        self.readers.get(first + dice.below(self.settings.office_readers()) as usize)
    }
}

const SHORTEST_TICK: Duration = Duration::from_millis(10);
/// Not the number of any reader.
const STREAM: u64 = u64::MAX - 1;
