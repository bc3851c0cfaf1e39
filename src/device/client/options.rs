//! What a client is told.

use std::time::Duration;

use tokio::sync::Semaphore;

use crate::RetryPolicy;

/// Settings of a [`Client`](crate::device::Client).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use bs2_events::RetryPolicy;
/// use bs2_events::device::ClientOptions;
///
/// let options = ClientOptions::default()
///     .with_deadline(Duration::from_secs(5))
///     .with_queue_capacity(10_000)
///     .with_retry(RetryPolicy::never());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ClientOptions {
    pub(super) deadline: Duration,
    pub(super) queue_capacity: usize,
    pub(super) retry: RetryPolicy,
}

impl ClientOptions {
    /// Sets how long one call may take; 15 s unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::ClientOptions;
    /// # use std::time::Duration;
    /// let options = ClientOptions::default().with_deadline(Duration::from_secs(3));
    /// ```
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets how many live items wait for a subscription before it loses events; 4 096 unless set, at least 1.
    ///
    /// Memory is taken as items come, not in advance. What waits goes over to the reader of the stream all at once, so
    /// as many more may be in its hands. An event waits with what stands beside it, or not at all.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::ClientOptions;
    /// let options = ClientOptions::default().with_queue_capacity(100_000);
    /// ```
    #[must_use]
    pub const fn with_queue_capacity(mut self, items: usize) -> Self {
        self.queue_capacity = match items {
            0 => 1,
            MOST_ITEMS.. => MOST_ITEMS,
            items => items,
        };
        self
    }

    /// Sets when to connect again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{RetryPolicy, device::ClientOptions};
    /// let options = ClientOptions::default().with_retry(RetryPolicy::never());
    /// ```
    #[must_use]
    pub const fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(15), queue_capacity: 4_096, retry: RetryPolicy::default() }
    }
}

/// What a queue of tokio can count; more would be a panic.
const MOST_ITEMS: usize = Semaphore::MAX_PERMITS;
