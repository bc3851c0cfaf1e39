//! How a collector works, and how it ends.

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;

use crate::RetryPolicy;

/// Options of a [`Collector`](super::Collector).
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
    /// Sets how many events one read of a log returns at most; 4 096 by default, at least 1.
    #[must_use]
    pub const fn with_page(mut self, events: u32) -> Self {
        self.page = if events == 0 { 1 } else { events };
        self
    }

    /// Sets how long the collector waits after a live event whose id is not the next one before it reads the log; 100 ms
    /// by default.
    #[must_use]
    pub const fn with_settle(mut self, wait: Duration) -> Self {
        self.settle = wait;
        self
    }

    /// Sets how often the collector reads the log of a device that reports nothing; 30 s by default.
    ///
    /// A dead live stream causes no error, and if the last event is dropped, no later event shows it.
    #[must_use]
    pub const fn with_poll(mut self, every: Duration) -> Self {
        self.poll = every;
        self
    }

    /// Sets when to try again after a failure of a device, of a source or of the sink; by default with waits of at most
    /// 5 s, and a random part of as much.
    #[must_use]
    pub const fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets how many failures in a row end the work on a device in
    /// [`Collector::run_once`](super::Collector::run_once), and how many failures in a row that no operator can cure
    /// while the collector runs end the work in [`Collector::run_until`](super::Collector::run_until) (see
    /// [`Sink`](crate::sink::Sink)); 8 by default.
    #[must_use]
    pub const fn with_attempts(mut self, failures: usize) -> Self {
        self.attempts = failures;
        self
    }

    /// Reads the newest id of each device first, so that [`Progress::expected`](super::Progress::expected) has a value.
    /// It costs about forty small reads for each device.
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
            retry: RetryPolicy::default().with_longest(Duration::from_secs(5)),
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

/// How a running collector ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// Stores what has been received, and ends. The next start reads what the logs still hold.
    Now,
    /// Reads every log to its present end first. A device that fails is tried again for ten seconds.
    AfterCatchUp,
}

/// Whether a running collector has to stop, for its tasks.
#[derive(Clone)]
pub(super) struct StopSignal(watch::Receiver<Option<Stop>>);

impl StopSignal {
    /// A signal, and its sender.
    pub(super) fn new() -> (watch::Sender<Option<Stop>>, Self) {
        let (sender, receiver) = watch::channel(None);
        (sender, Self(receiver))
    }

    /// How to stop; `None` to go on.
    pub(super) fn get(&self) -> Option<Stop> {
        *self.0.borrow()
    }

    /// Waits until the collector has to stop.
    pub(super) async fn wait(&mut self) {
        self.wait_for_end(false).await;
    }

    /// Waits until the collector has to stop; with `catches_up`, until it has to stop now.
    pub(super) async fn wait_for_end(&mut self, catches_up: bool) {
        let is_end = |how: &Option<Stop>| match how {
            Some(Stop::AfterCatchUp) => !catches_up,
            Some(Stop::Now) => true,
            None => false,
        };
        let ordered = self.0.wait_for(is_end).await.is_ok();
        if !ordered {
            std::future::pending::<()>().await; // The sender is gone: nobody can order it any more.
        }
    }
}
