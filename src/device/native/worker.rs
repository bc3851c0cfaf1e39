//! Threads that make blocking calls one after the other, for callers with a deadline.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::sync::lock;
use crate::{Error, ErrorKind, Result};

/// A thread with a queue of jobs.
///
/// A job owns what it writes to, so a caller can stop waiting for it. A job whose caller stopped waiting before it
/// began is skipped.
pub(super) struct Worker {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    progress: Arc<Progress>,
    deadline: Duration,
    thread: Mutex<Option<JoinHandle<()>>>,
}

type Job = Box<dyn FnOnce() + Send>;

/// What a thread is doing.
#[derive(Default)]
struct Progress {
    /// The function that it is in, and since when.
    call: Mutex<Option<(&'static str, Instant)>>,
    closed: AtomicBool,
}

impl Worker {
    /// Starts the thread. It calls `idle` each time that it has had no job for five seconds.
    /// Errors: `Other` where the system has no more threads.
    pub(super) fn start(deadline: Duration, mut idle: impl FnMut() + Send + 'static) -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let progress = Arc::new(Progress::default());
        let own = Arc::clone(&progress);
        let thread = thread::Builder::new().name("bs2-native".into()).spawn(move || {
            PROGRESS.set(Some(own));
            loop {
                match queue.recv_timeout(IDLE) {
                    Ok(job) => job(),
                    Err(RecvTimeoutError::Timeout) => idle(),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        });
        let thread = thread
            .map_err(|error| Error::new(ErrorKind::Other, "cannot start a thread").with_source(error))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), progress, deadline, thread: Mutex::new(Some(thread)) })
    }

    /// Runs a job on the thread, and waits for its result up to the deadline.
    /// Errors: those of the job; `TimedOut` at the deadline, `Busy` while an earlier call is overdue, and `Closed`
    /// after [`finish`](Self::finish).
    pub(super) async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let result = self.begin(job)?;
        match tokio::time::timeout(self.deadline, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(self.timed_out()),
        }
    }

    /// As [`call`](Self::call), for a caller outside a runtime.
    pub(super) fn call_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.send(Box::new(move || drop(sender.send(job()))));
        match receiver.recv_timeout(self.deadline) {
            Ok(result) => result,
            Err(RecvTimeoutError::Disconnected) => Err(closed()),
            Err(RecvTimeoutError::Timeout) => Err(self.timed_out()),
        }
    }

    /// Queues a job without waiting for it.
    pub(super) fn send(&self, job: Job) {
        if let Some(jobs) = &*lock(&self.jobs) {
            // The thread ends only after this sender is dropped, so it takes the job.
            let _ = jobs.send(job);
        }
    }

    /// Refuses further jobs, skips those that have not begun, and ends the thread after `last`. The caller can wait for
    /// the thread.
    pub(super) fn finish(&self, last: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
        self.progress.closed.store(true, Ordering::Release);
        self.send(Box::new(last));
        lock(&self.jobs).take();
        lock(&self.thread).take()
    }

    /// The function that has not returned within the deadline, and how long ago it was called.
    pub(super) fn overdue(&self) -> Option<(&'static str, Duration)> {
        let (name, since) = (*lock(&self.progress.call))?;
        Some((name, since.elapsed())).filter(|(_, time)| *time >= self.deadline)
    }

    fn begin<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        if self.progress.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        if let Some((name, time)) = self.overdue() {
            let message = format!(
                "{name} has not returned for {} ms, and further calls to the device have to wait for it",
                time.as_millis()
            );
            return Err(Error::new(ErrorKind::Busy, message));
        }
        let (sender, receiver) = oneshot::channel();
        let progress = Arc::clone(&self.progress);
        self.send(Box::new(move || {
            if !sender.is_closed() && !progress.closed.load(Ordering::Acquire) {
                // If the caller stopped waiting meanwhile, the result is dropped here.
                let _ = sender.send(job());
            }
        }));
        Ok(receiver)
    }

    fn timed_out(&self) -> Error {
        let call = *lock(&self.progress.call);
        let name = call.map_or("the library", |(name, _)| name);
        let message = format!("{name}: no answer within {} ms", self.deadline.as_millis());
        Error::new(ErrorKind::TimedOut, message)
    }
}

/// Records the function that this thread is in, until it is dropped.
pub(super) struct Calling(Option<Arc<Progress>>);

impl Calling {
    pub(super) fn new(name: &'static str) -> Self {
        let progress = PROGRESS.with_borrow(Clone::clone);
        if let Some(progress) = &progress {
            *lock(&progress.call) = Some((name, Instant::now()));
        }
        Self(progress)
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if let Some(progress) = &self.0 {
            *lock(&progress.call) = None;
        }
    }
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the backend of the vendor's library is closed")
}

thread_local! {
    static PROGRESS: RefCell<Option<Arc<Progress>>> = const { RefCell::new(None) };
}

/// After this time without a job, the thread of a connection checks whether its device is still connected.
const IDLE: Duration = Duration::from_secs(5);
