//! When to try again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// How long to wait before each new try to connect: twice as long each time, up to a limit, with some chance in it
/// so that a thousand readers do not come back in the same instant.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use bs2_events::device::ReconnectPolicy;
///
/// let policy = ReconnectPolicy::default().with_longest(Duration::from_secs(5)).with_attempts(3);
/// assert_eq!(policy.delays().count(), 3);
/// assert_eq!(ReconnectPolicy::never().delays().count(), 0);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReconnectPolicy {
    first: Duration,
    longest: Duration,
    attempts: Option<usize>,
}

impl ReconnectPolicy {
    /// Does not try again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::ReconnectPolicy;
    /// assert_eq!(ReconnectPolicy::never().delays().next(), None);
    /// ```
    #[must_use]
    pub fn never() -> Self {
        Self::default().with_attempts(0)
    }

    /// Sets the wait before the first new try; 200 ms unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::ReconnectPolicy;
    /// # use std::time::Duration;
    /// let first = ReconnectPolicy::default().with_first(Duration::from_secs(1)).delays().next().unwrap();
    /// assert!(first >= Duration::from_secs(1));
    /// ```
    #[must_use]
    pub const fn with_first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// Sets the longest wait; 30 s unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::ReconnectPolicy;
    /// # use std::time::Duration;
    /// let policy = ReconnectPolicy::default().with_longest(Duration::from_secs(1));
    /// assert!(policy.delays().nth(20).unwrap() <= Duration::from_secs(2));
    /// ```
    #[must_use]
    pub const fn with_longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Sets how often to try before giving up; for ever unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::ReconnectPolicy;
    /// assert_eq!(ReconnectPolicy::default().with_attempts(7).delays().count(), 7);
    /// ```
    #[must_use]
    pub const fn with_attempts(mut self, attempts: usize) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// The waits, one before each new try.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::ReconnectPolicy;
    /// assert!(ReconnectPolicy::default().delays().nth(1_000).is_some());
    /// ```
    pub fn delays(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let builder =
            ExponentialBuilder::new().with_min_delay(self.first).with_max_delay(self.longest).with_jitter();
        match self.attempts {
            Some(attempts) => builder.with_max_times(attempts).build(),
            None => builder.without_max_times().build(),
        }
    }
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self { first: Duration::from_millis(200), longest: Duration::from_secs(30), attempts: None }
    }
}
