//! Numbers that rise while a collector runs.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a running collector has done so far, over all readers; to show, not to prove: the proof is in the store.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use bs2_events::collect::Collector;
/// use bs2_events::sink::MemorySink;
///
/// let collector = Collector::new(Arc::new(MemorySink::new()));
/// assert_eq!(collector.progress().stored(), 0);
/// ```
#[derive(Debug, Default)]
pub struct Progress {
    pub(super) expected: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) caught_up: AtomicU64,
}

impl Progress {
    /// Events that the backlogs were found to hold, for readers that were asked
    /// ([`CollectOptions::with_estimate`](super::CollectOptions::with_estimate)).
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected.load(Ordering::Relaxed)
    }

    /// Events stored.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Events dropped because they were there already.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Readers whose backlog is in.
    #[must_use]
    pub fn caught_up(&self) -> u64 {
        self.caught_up.load(Ordering::Relaxed)
    }
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
