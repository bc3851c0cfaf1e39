//! Calls that are made again.

use backon::{ExponentialBuilder, Retryable};
use bs2_events::{Error, Result};

/// Makes a call that changes nothing again for as long as that may help, a few times.
pub(crate) async fn retried<T, F>(call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let delays = ExponentialBuilder::new().with_max_times(RETRIES).with_jitter();
    call.retry(delays.with_min_delay(FIRST_DELAY)).sleep(tokio::time::sleep).when(Error::is_retryable).await
}

const RETRIES: usize = 6;
const FIRST_DELAY: std::time::Duration = std::time::Duration::from_millis(100);
