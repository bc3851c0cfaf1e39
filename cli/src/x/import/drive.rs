//! An import against a server that fails now and then.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use bs2_events::biostar_x::Import;
use bs2_events::{Error, ErrorKind, Result};

/// Sends what waits and looks for what is unknown, until neither is left, the server refuses for good, or nothing
/// has got on for longer than `patience`. `told` hears after each request how many events are done with.
pub(super) async fn drive(
    import: &mut Import,
    patience: Duration,
    told: &(dyn Fn(usize) + Sync),
) -> Result<()> {
    let mut stuck = Stuck::new(import, patience);
    // What an earlier process left is looked for first.
    let mut result = settle(import, Ok(())).await;
    loop {
        if let Err(error) = result {
            stuck.wait(import, error).await?;
        }
        let sent = send(import, told).await;
        result = settle(import, sent).await;
        let counts = import.count();
        if counts.unknown + counts.waiting == 0 {
            return Ok(());
        }
    }
}

/// Sends until nothing waits, or until the server fails several times in a row.
async fn send(import: &mut Import, told: &(dyn Fn(usize) + Sync)) -> Result<()> {
    let (mut result, mut in_a_row) = (Ok(()), 0);
    while in_a_row < IN_A_ROW {
        match import.step().await {
            Ok(true) => in_a_row = 0,
            Ok(false) => break,
            Err(error) => {
                // One whose session ended was tried with another already.
                let is_final = !goes_on(error.kind()) || error.kind() == ErrorKind::SessionExpired;
                in_a_row = if is_final { IN_A_ROW } else { in_a_row + 1 };
                result = Err(error);
            }
        }
        let counts = import.count();
        told(counts.certain + counts.refused);
    }
    result
}

/// Looks for what is unknown, also where nothing more will be sent, so that the counts say what is there.
async fn settle(import: &mut Import, sent: Result<()>) -> Result<()> {
    let found = import.look_up().await;
    match sent {
        Err(error) if !goes_on(error.kind()) => Err(error),
        sent => found.and(sent),
    }
}

/// Whether the same may go better later. An answer that is none may come from something in between.
fn goes_on(kind: ErrorKind) -> bool {
    kind.is_retryable() || kind == ErrorKind::InvalidData
}

/// How long nothing has got on.
struct Stuck {
    patience: Duration,
    done: usize,
    since: Instant,
    rounds: u32,
    waits: Box<dyn Iterator<Item = Duration> + Send>,
}

impl Stuck {
    fn new(import: &Import, patience: Duration) -> Self {
        let counts = import.count();
        Self {
            patience,
            done: counts.certain + counts.refused,
            since: Instant::now(),
            rounds: 0,
            waits: waits(),
        }
    }

    /// Waits before the next round, or gives up.
    async fn wait(&mut self, import: &Import, error: Error) -> Result<()> {
        let counts = import.count();
        let done = counts.certain + counts.refused;
        if done > self.done {
            *self = Self::new(import, self.patience);
        }
        self.rounds += 1;
        let is_hopeless = match error.kind() {
            ErrorKind::InvalidData | ErrorKind::SessionExpired => self.rounds >= ROUNDS,
            // One that never took anything is less likely to do so.
            kind => {
                let patience = if self.done == 0 { self.patience / 4 } else { self.patience };
                !kind.is_retryable() || self.since.elapsed() > patience
            }
        };
        if is_hopeless {
            return Err(error);
        }
        tracing::warn!(kind = ?error.kind(), "the import goes on after a wait");
        tokio::time::sleep(self.waits.next().unwrap_or(LAST_WAIT)).await;
        Ok(())
    }
}

fn waits() -> Box<dyn Iterator<Item = Duration> + Send> {
    let waits = ExponentialBuilder::new().with_min_delay(FIRST_WAIT).with_max_delay(LAST_WAIT);
    Box::new(waits.without_max_times().build())
}

/// So many failures in a row end a round.
const IN_A_ROW: u32 = 3;

/// So many rounds in which nothing got on end an import whose failures are not likely to pass.
const ROUNDS: u32 = 3;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LAST_WAIT: Duration = Duration::from_secs(20);
