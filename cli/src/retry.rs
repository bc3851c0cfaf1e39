//! Calls that are made again.

use std::time::Duration;

use bs2_events::{Error, ErrorKind, Result, RetryPolicy};

/// Makes a call that changes nothing again for as long as that may help, a few times.
///
/// A call that timed out is not made again: the deadline is the user's.
pub(crate) async fn retried<T, F>(call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let may_help = |error: &Error| error.is_retryable() && error.kind() != ErrorKind::TimedOut;
    let policy = RetryPolicy::default().with_first(FIRST_WAIT).with_retries(RETRIES).with_total(PATIENCE);
    policy.retry(call, may_help).await
}

const RETRIES: usize = 6;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);
