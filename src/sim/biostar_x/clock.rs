//! The server's clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::codec::Timestamp;
use crate::sim::Start;
use crate::sim::generator::world::FIXED_START;

/// A clock that runs with the machine's, or stands still until it is moved.
pub(super) struct Clock {
    /// Where it stands; `None` where it runs.
    still: Option<u32>,
    moved: AtomicU64,
}

impl Clock {
    pub(super) fn new(start: Start) -> Self {
        let still = match start {
            Start::Now => None,
            Start::At(time) => Some(time.as_unix_seconds()),
            Start::Fixed => Some(FIXED_START.as_unix_seconds()),
        };
        Self { still, moved: AtomicU64::new(0) }
    }

    pub(super) fn advance(&self, by: Duration) {
        // Far beyond what a timestamp holds, and far from an overflow.
        let by = by.as_secs().min(u64::from(u32::MAX));
        self.moved.fetch_add(by, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Timestamp {
        let still = self.still.map(u64::from);
        let base = still.unwrap_or_else(|| {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
        });
        let seconds = base.saturating_add(self.moved.load(Ordering::Relaxed));
        Timestamp::from_unix_seconds(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}
