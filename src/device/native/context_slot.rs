//! Room for one context in a process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::{Error, ErrorKind, Result};

/// The place for the one context of a process.
pub(super) struct Place(Ticket);

/// Which taking of the place is meant: who was in it need not be who is.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Ticket(u64);

#[derive(Clone, Copy, PartialEq)]
enum Taken {
    No,
    Open(Ticket),
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
                let ticket = Ticket(TICKETS.fetch_add(1, Ordering::Relaxed));
                *taken = Taken::Open(ticket);
                return Ok(Self(ticket));
            }
            Taken::Open(_) => {
                "the vendor's library is open in this process already, and can be opened once at a time"
            }
            Taken::Closing => "the vendor's library was closed, but a call to it has not returned",
        };
        Err(Error::new(ErrorKind::Busy, message))
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.0
    }
}

impl Ticket {
    /// Whoever wants the place next may wait for it.
    pub(super) fn leave(self) {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        if *taken == Taken::Open(self) {
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
static TICKETS: AtomicU64 = AtomicU64::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_late_does_not_close_the_place_of_the_next() -> Result<()> {
        let first = Place::take(Duration::ZERO)?;
        let late = first.ticket();
        drop(first);
        let next = Place::take(Duration::ZERO)?;
        late.leave();
        assert!(refusal().contains("open in this process already"), "{}", refusal());
        next.ticket().leave();
        assert!(refusal().contains("was closed"), "{}", refusal());
        drop(next);
        Place::take(Duration::ZERO).map(drop)
    }

    fn refusal() -> String {
        Place::take(Duration::ZERO).err().map(|error| error.to_string()).unwrap_or_default()
    }
}
