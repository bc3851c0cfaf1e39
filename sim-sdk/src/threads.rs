//! Threads of the library, on which callbacks run.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::ffi::lock;

/// A thread that ends by itself once it is told so.
pub(crate) struct Worker {
    thread: JoinHandle<()>,
    ended: Arc<Milestone>,
}

impl Worker {
    pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let ended = Arc::new(Milestone::default());
        let end = Reaching(Arc::clone(&ended));
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _end = end;
            INSIDE.set(true);
            work();
        })?;
        Ok(Self { thread, ended })
    }

    /// Waits for the end of a thread that was told to end, and gives it back if a callback still keeps it.
    pub(crate) fn finish(self, patience: Patience) -> Option<Self> {
        if self.ended.wait(patience) {
            // A panic there was reported when it happened.
            let _ = self.thread.join();
            return None;
        }
        Some(self)
    }

    /// Whether the thread has come to its end.
    pub(crate) fn is_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Something that one thread waits for and another reaches.
///
/// A channel would do, but it makes the standard library keep something for the waiting thread, which is the program's
/// and which tools that look for leaks then show.
#[derive(Default)]
pub(crate) struct Milestone {
    reached: Mutex<bool>,
    changed: Condvar,
}

impl Milestone {
    pub(crate) fn reach(&self) {
        *lock(&self.reached) = true;
        self.changed.notify_all();
    }

    /// Waits for it. Says whether it was reached.
    pub(crate) fn wait(&self, patience: Patience) -> bool {
        let reached = lock(&self.reached);
        let waited = self.changed.wait_timeout_while(reached, patience.left(), |reached| !*reached);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// How long one call of the program waits, for all that it waits for together. Not for long: what is waited for may be
/// a callback, which may wait for this very program. Inside a callback this waits for nothing: it may be the one that is
/// waited for.
#[derive(Clone, Copy)]
pub(crate) struct Patience(Instant);

impl Patience {
    /// It begins to run out.
    pub(crate) fn begin() -> Self {
        Self(Instant::now() + if is_inside_callback() { Duration::ZERO } else { PATIENCE })
    }

    fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Reaches its milestone when it is dropped, also by a panic.
#[derive(Default)]
pub(crate) struct Reaching(Arc<Milestone>);

impl Reaching {
    pub(crate) fn milestone(&self) -> Arc<Milestone> {
        Arc::clone(&self.0)
    }
}

impl Drop for Reaching {
    fn drop(&mut self) {
        self.0.reach();
    }
}

/// Whether this is a thread of the library, which runs a callback if it calls a function.
fn is_inside_callback() -> bool {
    INSIDE.get()
}

const PATIENCE: Duration = Duration::from_secs(1);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}
