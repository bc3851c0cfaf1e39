//! Threads of the library, on which callbacks run.

use std::cell::Cell;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A thread that ends by itself once it is told so.
pub(crate) struct Worker {
    thread: JoinHandle<()>,
    /// Never gets anything; it is closed when the thread ends.
    ended: Receiver<()>,
}

impl Worker {
    pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (running, ended) = channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _running = running;
            INSIDE.set(true);
            work();
        })?;
        Ok(Self { thread, ended })
    }

    /// Waits for the end of a thread that was told to end, and gives it back if a callback still keeps it.
    ///
    /// Inside a callback this waits for nothing: the callback may be the one that keeps the thread.
    pub(crate) fn finish(self) -> Option<Self> {
        let patience = if is_inside_callback() { Duration::ZERO } else { PATIENCE };
        match self.ended.recv_timeout(patience) {
            Err(RecvTimeoutError::Disconnected) => {
                // A panic there was reported when it happened.
                let _ = self.thread.join();
                None
            }
            _ => Some(self),
        }
    }

    /// Whether the thread has come to its end.
    pub(crate) fn is_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Whether this is a thread of the library, which runs a callback if it calls a function.
pub(crate) fn is_inside_callback() -> bool {
    INSIDE.get()
}

/// How long a function waits for a callback of the program that calls it: the callback may wait for that very program.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}
