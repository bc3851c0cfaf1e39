//! When to try again: one policy and one loop for the whole crate.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, sleep};

/// How long to wait before each new try, and when to give up.
///
/// Each wait is twice as long as the one before, up to [`with_longest`](Self::with_longest), plus a random part of at
/// most its own length, so that a thousand devices do not come back in the same instant.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use bs2_events::RetryPolicy;
///
/// let policy = RetryPolicy::default().with_longest(Duration::from_secs(5)).with_retries(3);
/// assert_eq!(policy.delays().count(), 3);
/// assert_eq!(RetryPolicy::never().delays().count(), 0);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetryPolicy {
    first: Duration,
    longest: Duration,
    retries: Option<usize>,
    total: Option<Duration>,
}

impl RetryPolicy {
    /// Does not try again.
    #[must_use]
    pub const fn never() -> Self {
        Self::new().with_retries(0)
    }

    const fn new() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(30),
            retries: None,
            total: None,
        }
    }

    /// Sets the wait before the first new try; 200 ms by default.
    #[must_use]
    pub const fn with_first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// Sets the longest wait, without its random part; 30 s by default.
    #[must_use]
    pub const fn with_longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Sets how many new tries follow the first one; without a limit by default.
    #[must_use]
    pub const fn with_retries(mut self, retries: usize) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Sets how long to try in all; without a limit by default. The last try begins when this time has passed; a try
    /// that runs is not cut short.
    #[must_use]
    pub const fn with_total(mut self, total: Duration) -> Self {
        self.total = Some(total);
        self
    }

    /// This policy with limits that lie no higher than these.
    #[cfg(feature = "device")]
    pub(crate) fn within(self, retries: usize, total: Duration) -> Self {
        let retries = self.retries.map_or(retries, |own| own.min(retries));
        self.with_retries(retries).with_total(self.total.map_or(total, |own| own.min(total)))
    }

    /// The waits, one before each new try. The total time is the caller's business here.
    pub fn delays(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        self.backoff()
    }

    /// Makes `call` until it succeeds, until it fails with an error that does not pass by itself, or until the policy
    /// gives up; then returns its last result.
    ///
    /// `may_help` says whether another try may succeed after this error, as
    /// `Error::is_retryable` does. It is also the place for a log message.
    ///
    /// # Errors
    ///
    /// The last error of `call`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the call that is under way, or the wait.
    ///
    /// # Examples
    ///
    #[cfg_attr(feature = "device", doc = "```")]
    #[cfg_attr(not(feature = "device"), doc = "```ignore")]
    /// use bs2_events::{Error, ErrorKind, RetryPolicy};
    ///
    /// # async fn example() -> bs2_events::Result<()> {
    /// let mut calls = 0;
    /// let call = || {
    ///     calls += 1;
    ///     let busy = calls < 3;
    ///     async move { if busy { Err(Error::new(ErrorKind::Busy, "another client reads")) } else { Ok(calls) } }
    /// };
    /// assert_eq!(RetryPolicy::default().with_retries(5).retry(call, Error::is_retryable).await?, 3);
    /// # Ok(())
    /// # }
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    /// # runtime.unwrap().block_on(example()).unwrap();
    /// ```
    pub async fn retry<T, E, F>(
        &self,
        mut call: impl FnMut() -> F,
        mut may_help: impl FnMut(&E) -> bool,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut retry = Retry::new(*self);
        loop {
            match call().await {
                Err(error) if may_help(&error) => retry.wait(error).await?,
                result => return result,
            }
        }
    }

    fn backoff(&self) -> ExponentialBackoff {
        let builder =
            ExponentialBuilder::new().with_min_delay(self.first).with_max_delay(self.longest).with_jitter();
        match self.retries {
            Some(retries) => builder.with_max_times(retries).build(),
            None => builder.without_max_times().build(),
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// The state of one loop that follows a policy. For loops that do more than make one call: they ask it for the next
/// wait, and [`reset`](Self::reset) it when they got on. For one call, use [`RetryPolicy::retry`].
#[derive(Debug)]
pub(crate) struct Retry {
    policy: RetryPolicy,
    backoff: ExponentialBackoff,
    begun: Instant,
}

impl Retry {
    /// The total time of the policy begins now.
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { policy, backoff: policy.backoff(), begun: Instant::now() }
    }

    /// Begins anew, after a success: the next wait is the first one again, and the total time begins now.
    #[cfg(feature = "device")]
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.policy);
    }

    /// How long to wait before the next try; `None` when the policy gives up.
    pub(crate) fn next_delay(&mut self) -> Option<Duration> {
        let rest = self.policy.total.map(|total| total.saturating_sub(self.begun.elapsed()));
        if rest.is_some_and(|rest| rest.is_zero()) {
            return None;
        }
        let delay = self.backoff.next()?;
        Some(rest.map_or(delay, |rest| delay.min(rest)))
    }

    /// Waits before the next try.
    ///
    /// # Errors
    ///
    /// The given error, when the policy gives up.
    pub(crate) async fn wait<E>(&mut self, error: E) -> Result<(), E> {
        match self.next_delay() {
            Some(delay) => {
                sleep(delay).await;
                Ok(())
            }
            None => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_again_until_the_call_succeeds() {
        let mut left = 3;
        let call = || {
            left -= 1;
            std::future::ready(if left == 0 { Ok(()) } else { Err(left) })
        };
        assert_eq!(RetryPolicy::default().retry(call, |_| true).await, Ok(()));
        assert_eq!(left, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_after_the_last_retry_with_the_last_error() {
        let mut calls = 0;
        let call = || {
            calls += 1;
            std::future::ready(Err::<(), _>(calls))
        };
        assert_eq!(RetryPolicy::default().with_retries(2).retry(call, |_| true).await, Err(3));
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_does_not_pass_is_returned_at_once() {
        let begun = Instant::now();
        let result = RetryPolicy::default().retry(|| std::future::ready(Err::<(), _>("no")), |_| false).await;
        assert_eq!((result, begun.elapsed()), (Err("no"), Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_try_begins_when_the_total_time_has_passed() {
        let begun = Instant::now();
        let policy = RetryPolicy::default().with_total(Duration::from_secs(10));
        let mut tries = Vec::new();
        let call = || {
            tries.push(begun.elapsed());
            std::future::ready(Err::<(), _>(()))
        };
        policy.retry(call, |()| true).await.unwrap_err();
        assert_eq!(tries.last(), Some(&Duration::from_secs(10)));
        assert!(tries.is_sorted_by(|a, b| a < b) && tries.len() > 4, "{tries:?}");
    }

    #[cfg(feature = "device")]
    #[tokio::test(start_paused = true)]
    async fn after_a_reset_the_waits_begin_anew() {
        let policy = RetryPolicy::default().with_retries(6);
        let mut retry = Retry::new(policy);
        while retry.next_delay().is_some() {}
        retry.reset();
        let first = retry.next_delay().unwrap();
        assert!((Duration::from_millis(200)..=Duration::from_millis(400)).contains(&first), "{first:?}");
    }
}
