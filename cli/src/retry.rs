//! Calls that are made again.

use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use bs2_events::{Error, ErrorKind, Result};

/// Makes a call that changes nothing again for as long as that may help, a few times.
///
/// A deadline that has passed is what the user asked to be told, and whoever waits is not kept for minutes.
pub(crate) async fn retried<T, F>(call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let begun = Instant::now();
    let may_help = |error: &Error| {
        error.is_retryable() && error.kind() != ErrorKind::TimedOut && begun.elapsed() < PATIENCE
    };
    let delays = ExponentialBuilder::new().with_max_times(RETRIES).with_jitter();
    call.retry(delays.with_min_delay(FIRST_DELAY)).sleep(tokio::time::sleep).when(may_help).await
}

const RETRIES: usize = 6;
const FIRST_DELAY: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);
