//! What a collector is told.

use std::fmt;
use std::time::Duration;

use crate::RetryPolicy;

/// Settings of a [`Collector`](super::Collector).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use bs2_events::collect::CollectOptions;
///
/// let options = CollectOptions::default().with_page(512).with_poll(Duration::from_secs(10));
/// ```
#[derive(Clone, Copy)]
pub struct CollectOptions {
    pub(super) page: u32,
    pub(super) settle: Duration,
    pub(super) poll: Duration,
    pub(super) retry: RetryPolicy,
    pub(super) attempts: usize,
    pub(super) estimate: bool,
}

impl CollectOptions {
    /// Sets how many events to ask a reader for at once; 4 096 unless set, at least 1.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::collect::CollectOptions;
    /// let options = CollectOptions::default().with_page(512);
    /// ```
    #[must_use]
    pub const fn with_page(mut self, events: u32) -> Self {
        self.page = if events == 0 { 1 } else { events };
        self
    }

    /// Sets how long to wait for a live event that is out of turn before the log is read; 100 ms unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::collect::CollectOptions;
    /// # use std::time::Duration;
    /// let options = CollectOptions::default().with_settle(Duration::from_millis(20));
    /// ```
    #[must_use]
    pub const fn with_settle(mut self, wait: Duration) -> Self {
        self.settle = wait;
        self
    }

    /// Sets how often to look into the log of a reader that reports nothing; 30 s unless set.
    ///
    /// A dead listener raises no error, and an event dropped last is followed by none that shows it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::collect::CollectOptions;
    /// # use std::time::Duration;
    /// let options = CollectOptions::default().with_poll(Duration::from_secs(5));
    /// ```
    #[must_use]
    pub const fn with_poll(mut self, every: Duration) -> Self {
        self.poll = every;
        self
    }

    /// Sets when to try again after a reader failed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::collect::CollectOptions;
    /// # use bs2_events::RetryPolicy;
    /// let options = CollectOptions::default().with_retry(RetryPolicy::never());
    /// ```
    #[must_use]
    pub const fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets how many failures in a row end the work on a reader in [`Collector::run_once`](super::Collector::run_once); 8 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::collect::CollectOptions;
    /// let options = CollectOptions::default().with_attempts(3);
    /// ```
    #[must_use]
    pub const fn with_attempts(mut self, failures: usize) -> Self {
        self.attempts = failures;
        self
    }

    /// Asks each reader for its newest id before reading, so that [`Progress::expected`](super::Progress::expected) has a value. It costs some
    /// forty small reads a reader.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::collect::CollectOptions;
    /// let options = CollectOptions::default().with_estimate();
    /// ```
    #[must_use]
    pub const fn with_estimate(mut self) -> Self {
        self.estimate = true;
        self
    }
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self {
            page: 4_096,
            settle: Duration::from_millis(100),
            poll: Duration::from_secs(30),
            retry: RetryPolicy::default(),
            attempts: 8,
            estimate: false,
        }
    }
}

impl fmt::Debug for CollectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectOptions")
            .field("page", &self.page)
            .field("settle", &self.settle)
            .field("poll", &self.poll)
            .finish_non_exhaustive()
    }
}
