//! Mutexes and the clock of the machine, as the whole crate uses them.
#![allow(dead_code)] // Which of them is used depends on the features.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::codec::Timestamp;

/// Locks a mutex. A mutex whose holder panicked is locked all the same: no code of this crate leaves data half changed
/// where it may panic.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The current time, in whole seconds.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_seconds(u32::try_from(since_1970().as_secs()).unwrap_or(u32::MAX))
}

/// The time since 1970-01-01T00:00:00Z; zero on a machine whose clock is before that.
pub(crate) fn since_1970() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}
