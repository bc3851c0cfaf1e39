//! The slot for the one context that the library allows in a process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::sync::lock;
use crate::{Error, ErrorKind, Result};

/// The occupied slot. Dropping it frees the slot.
pub(super) struct ContextSlot(Ticket);

/// Identifies one occupation of the slot, so that a late owner does not close the slot of the next one.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Ticket(u64);

#[derive(Clone, Copy, PartialEq)]
enum Slot {
    Free,
    Open(Ticket),
    /// The owner is done; the slot is free when the running calls have returned.
    Closing,
}

impl ContextSlot {
    /// Occupies the slot. While it is closing, waits for it up to the deadline.
    /// Errors: `Busy` while a context is open or closing.
    pub(super) fn take(deadline: Duration) -> Result<Self> {
        let slot = lock(&SLOT);
        let waited = FREED.wait_timeout_while(slot, deadline, |slot| *slot == Slot::Closing);
        let (mut slot, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let message = match *slot {
            Slot::Free => {
                let ticket = Ticket(TICKETS.fetch_add(1, Ordering::Relaxed));
                *slot = Slot::Open(ticket);
                return Ok(Self(ticket));
            }
            Slot::Open(_) => {
                "the vendor's library is already open in this process, and it can be open only once: close the other backend first"
            }
            Slot::Closing => "the vendor's library was closed, but a call to it has not returned",
        };
        Err(Error::new(ErrorKind::Busy, message))
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.0
    }
}

impl Ticket {
    /// Marks the slot as closing, unless it has another owner: the next one may wait for it.
    pub(super) fn close(self) {
        let mut slot = lock(&SLOT);
        if *slot == Slot::Open(self) {
            *slot = Slot::Closing;
        }
    }
}

impl Drop for ContextSlot {
    fn drop(&mut self) {
        *lock(&SLOT) = Slot::Free;
        FREED.notify_all();
    }
}

static SLOT: Mutex<Slot> = Mutex::new(Slot::Free);
static FREED: Condvar = Condvar::new();
static TICKETS: AtomicU64 = AtomicU64::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_owner_does_not_close_the_slot_of_the_next() -> Result<()> {
        let first = ContextSlot::take(Duration::ZERO)?;
        let late = first.ticket();
        drop(first);
        let next = ContextSlot::take(Duration::ZERO)?;
        late.close();
        assert!(refusal().contains("already open in this process"), "{}", refusal());
        next.ticket().close();
        assert!(refusal().contains("was closed"), "{}", refusal());
        drop(next);
        ContextSlot::take(Duration::ZERO).map(drop)
    }

    fn refusal() -> String {
        ContextSlot::take(Duration::ZERO).err().map(|error| error.to_string()).unwrap_or_default()
    }
}
