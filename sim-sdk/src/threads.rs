//! The library's threads, on which callbacks run, and how other threads wait for them.

use std::cell::Cell;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bs2_events::codec::DeviceId;

use crate::ffi::lock;

/// A thread that runs until its work returns.
pub(crate) struct Worker {
    thread: JoinHandle<()>,
    ended: Arc<Signal>,
}

impl Worker {
    pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let ended = Arc::new(Signal::default());
        let end = SignalOnDrop(Arc::clone(&ended));
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _end = end;
            IS_LIBRARY_THREAD.set(true);
            work();
        })?;
        Ok(Self { thread, ended })
    }

    /// Waits for the end of a stopped thread. Returns the thread if a callback still runs on it.
    pub(crate) fn join(self, deadline: Deadline) -> Option<Self> {
        if self.ended.wait(deadline) {
            // A panic there was reported when it happened.
            let _ = self.thread.join();
            return None;
        }
        Some(self)
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// A callback about a device that waits for its turn.
#[derive(Clone, Copy)]
pub(crate) enum Notice {
    Found(DeviceId),
    Accepted(DeviceId),
    Connected {
        device: DeviceId,
        /// Whether no call of the program has connected it.
        by_itself: bool,
    },
    Disconnected(DeviceId),
}

impl Notice {
    pub(crate) fn device(self) -> DeviceId {
        match self {
            Self::Found(device) | Self::Accepted(device) | Self::Disconnected(device) => device,
            Self::Connected { device, .. } => device,
        }
    }
}

/// A thread that delivers notices in their order.
pub(crate) struct NoticeQueue {
    sender: Mutex<Option<Sender<Item>>>,
    worker: Mutex<Option<Worker>>,
}

enum Item {
    Notice(Notice),
    /// All items before this one are delivered.
    Flushed(Arc<Signal>),
}

impl NoticeQueue {
    pub(crate) fn start(name: &str, deliver: impl Fn(Notice) + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let worker = Worker::spawn(name, move || {
            while let Ok(item) = receiver.recv() {
                match item {
                    Item::Notice(notice) => deliver(notice),
                    Item::Flushed(signal) => signal.set(),
                }
            }
        })?;
        Ok(Self { sender: Mutex::new(Some(sender)), worker: Mutex::new(Some(worker)) })
    }

    pub(crate) fn push(&self, notice: Notice) {
        self.send(Item::Notice(notice));
    }

    /// Waits until all notices are delivered, up to the deadline.
    pub(crate) fn flush(&self, deadline: Deadline) {
        let delivered = Arc::new(Signal::default());
        self.send(Item::Flushed(Arc::clone(&delivered)));
        delivered.wait(deadline);
    }

    /// Accepts no more notices, and ends the thread.
    pub(crate) fn close(&self, deadline: Deadline) {
        drop(lock(&self.sender).take());
        let worker = lock(&self.worker).take();
        // A thread that a callback still occupies ends with the callback.
        drop(worker.and_then(|worker| worker.join(deadline)));
    }

    fn send(&self, item: Item) {
        if let Some(sender) = &*lock(&self.sender) {
            // It fails only while the queue closes.
            let _ = sender.send(item);
        }
    }
}

/// A flag that one thread sets and others wait for.
///
/// A channel allocates memory for the waiting thread. That thread is the program's, so leak checkers would report the
/// memory.
#[derive(Default)]
pub(crate) struct Signal {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn set(&self) {
        *lock(&self.is_set) = true;
        self.changed.notify_all();
    }

    /// Waits for the flag up to the deadline. Returns whether it is set.
    pub(crate) fn wait(&self, deadline: Deadline) -> bool {
        let is_set = lock(&self.is_set);
        let waited = self.changed.wait_timeout_while(is_set, deadline.remaining(), |is_set| !*is_set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Sets its signal when it is dropped, also by a panic.
#[derive(Default)]
pub(crate) struct SignalOnDrop(Arc<Signal>);

impl SignalOnDrop {
    pub(crate) fn signal(&self) -> Arc<Signal> {
        Arc::clone(&self.0)
    }
}

impl Drop for SignalOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// Until when one call of the program waits for callbacks. The limit is short, because a callback may wait for the
/// program itself. A call from inside a callback does not wait, because it may be the awaited callback.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// The deadline of a call that begins now.
    pub(crate) fn new() -> Self {
        let limit = if IS_LIBRARY_THREAD.get() { Duration::ZERO } else { LIMIT };
        Self(Instant::now() + limit)
    }

    fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

const LIMIT: Duration = Duration::from_secs(1);

thread_local! {
    /// Set on threads of the library: functions that run there are called by a callback.
    static IS_LIBRARY_THREAD: Cell<bool> = const { Cell::new(false) };
}
