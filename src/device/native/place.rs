//! Room for one context in a process.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::{Error, ErrorKind, Result};

/// The place for the one context of a process.
pub(super) struct Place(());

#[derive(Clone, Copy, PartialEq)]
enum Taken {
    No,
    Open,
    /// Nobody uses it any more; it is free when the calls have returned that are under way.
    Closing,
}

impl Place {
    /// Takes it; waits for one that is being closed, at the longest for the deadline.
    ///
    /// # Errors
    ///
    /// `Busy` while a context is open.
    pub(super) fn take(deadline: Duration) -> Result<Self> {
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = FREED.wait_timeout_while(taken, deadline, |taken| *taken == Taken::Closing);
        let (mut taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let message = match *taken {
            Taken::No => {
                *taken = Taken::Open;
                return Ok(Self(()));
            }
            Taken::Open => {
                "the vendor's library is open in this process already, and can be opened once at a time"
            }
            Taken::Closing => "the vendor's library was closed, but a call to it has not returned",
        };
        Err(Error::new(ErrorKind::Busy, message))
    }

    /// Whoever wants the place next may wait for it.
    pub(super) fn leave() {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        if *taken == Taken::Open {
            *taken = Taken::Closing;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = Taken::No;
        FREED.notify_all();
    }
}

static TAKEN: Mutex<Taken> = Mutex::new(Taken::No);
static FREED: Condvar = Condvar::new();
