//! The thread that gives objects back to the library, so that whoever drops one waits for nothing.

use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use super::abi::{Function, Release};
use super::worker::{Calling, Worker};
use crate::Result;

/// How objects are given back: by this function, on the one thread that does it for all of them.
#[derive(Clone, Copy)]
pub(super) struct Releases {
    name: &'static str,
    call: Release,
    thread: &'static Worker,
}

impl Releases {
    /// Starts the thread, unless it runs already. It runs until the process ends.
    ///
    /// # Errors
    ///
    /// `Other` where the system has no more threads.
    pub(super) fn by(function: &Function<Release>) -> Result<Self> {
        let mut thread = thread();
        let thread = match *thread {
            Some(running) => running,
            // Nobody waits for a single release: a call that has not returned when it matters is overdue.
            None => *thread.insert(Box::leak(Box::new(Worker::start(Duration::ZERO, || {})?))),
        };
        Ok(Self { name: function.name, call: function.call, thread })
    }

    /// Hands an object over, behind those that were handed over before, and returns at once.
    ///
    /// # Safety
    ///
    /// The object must be what the function takes, must be handed over once, and nobody may use it afterwards.
    pub(super) unsafe fn give_back(self, object: NonNull<u8>) {
        let object = Unused { address: object, name: self.name, release: self.call };
        self.thread.send(Box::new(move || object.release()));
    }
}

/// Waits until everything is given back that was handed over before.
pub(super) fn wait() {
    let Some(thread) = *thread() else { return };
    let (behind, all) = mpsc::sync_channel::<()>(0);
    thread.send(Box::new(move || drop(behind)));
    let _ = all.recv(); // Nothing is sent: it returns when the job is done.
}

/// The function that has not returned, and how long ago it was called.
pub(super) fn overdue() -> Option<(&'static str, Duration)> {
    (*thread())?.overdue()
}

/// An object that waits to be given back.
struct Unused {
    address: NonNull<u8>,
    name: &'static str,
    release: Release,
}

// SAFETY: nobody uses the object any more, and the library gives it back on any thread.
unsafe impl Send for Unused {}

impl Unused {
    fn release(self) {
        let _calling = Calling::new(self.name);
        // SAFETY: the object is the library's, was handed over once, and the library is never unloaded.
        unsafe { (self.release)(self.address.as_ptr().cast()) };
    }
}

fn thread() -> MutexGuard<'static, Option<&'static Worker>> {
    THREAD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Made when it is needed first.
static THREAD: Mutex<Option<&Worker>> = Mutex::new(None);
