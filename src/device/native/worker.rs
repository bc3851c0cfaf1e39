//! Threads that make blocking calls, in turn, for callers that do not wait for ever.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::{Error, ErrorKind, Result};

/// A thread with a queue of jobs.
///
/// A job owns what it writes to; a caller who does not wait any more leaves it alone. A job that has not begun when
/// nobody waits for it is left out.
pub(super) struct Worker {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    desk: Arc<Desk>,
    deadline: Duration,
    thread: Mutex<Option<JoinHandle<()>>>,
}

type Job = Box<dyn FnOnce() + Send>;

/// What a thread is doing.
#[derive(Default)]
struct Desk {
    call: Mutex<Option<(&'static str, Instant)>>,
    closed: AtomicBool,
}

impl Worker {
    /// Starts the thread. `idle` is called when it has had nothing to do for a while.
    ///
    /// # Errors
    ///
    /// `Other` where the system has no more threads.
    pub(super) fn start(deadline: Duration, mut idle: impl FnMut() + Send + 'static) -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let desk = Arc::new(Desk::default());
        let here = Arc::clone(&desk);
        let thread = thread::Builder::new().name("bs2-native".into()).spawn(move || {
            DESK.set(Some(here));
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
        Ok(Self { jobs: Mutex::new(Some(jobs)), desk, deadline, thread: Mutex::new(Some(thread)) })
    }

    /// Has a job done, and waits for it until the deadline.
    ///
    /// # Errors
    ///
    /// Those of the job; `TimedOut` at the deadline, `Busy` behind a call that is past its own, `Closed` after
    /// [`finish`](Self::finish).
    pub(super) async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answered = self.begin(job)?;
        match tokio::time::timeout(self.deadline, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(self.timed_out()),
        }
    }

    /// The same for a caller without a runtime.
    pub(super) fn call_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.send(Box::new(move || drop(answer.send(job()))));
        match answered.recv_timeout(self.deadline) {
            Ok(result) => result,
            Err(RecvTimeoutError::Disconnected) => Err(closed()),
            Err(RecvTimeoutError::Timeout) => Err(self.timed_out()),
        }
    }

    /// Has a job done some time, whose end nobody waits for.
    pub(super) fn send(&self, job: Job) {
        if let Some(jobs) = &*self.jobs.lock().unwrap_or_else(PoisonError::into_inner) {
            // The thread ends after this sender does, so it takes the job.
            let _ = jobs.send(job);
        }
    }

    /// Takes no more jobs, drops those that have not begun, and ends with this one. The thread can be waited for.
    pub(super) fn finish(&self, last: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
        self.desk.closed.store(true, Ordering::Release);
        self.send(Box::new(last));
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The function that has not returned in time, and how long ago it was called.
    pub(super) fn overdue(&self) -> Option<(&'static str, Duration)> {
        let (name, since) = (*self.desk.call.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some((name, since.elapsed())).filter(|(_, time)| *time >= self.deadline)
    }

    fn begin<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        if self.desk.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        if let Some((name, time)) = self.overdue() {
            let message = format!(
                "{name} has not returned for {} ms, and the next call waits for it",
                time.as_millis()
            );
            return Err(Error::new(ErrorKind::Busy, message));
        }
        let (answer, answered) = oneshot::channel();
        let desk = Arc::clone(&self.desk);
        self.send(Box::new(move || {
            if !answer.is_closed() && !desk.closed.load(Ordering::Acquire) {
                // Whoever stopped waiting meanwhile does not want the answer; what it holds is given back here.
                let _ = answer.send(job());
            }
        }));
        Ok(answered)
    }

    fn timed_out(&self) -> Error {
        let call = *self.desk.call.lock().unwrap_or_else(PoisonError::into_inner);
        let name = call.map_or("the library", |(name, _)| name);
        let message = format!("{name}: no answer within {} ms", self.deadline.as_millis());
        Error::new(ErrorKind::TimedOut, message)
    }
}

/// Says which function this thread is in, until it is dropped.
pub(super) struct Calling(Option<Arc<Desk>>);

impl Calling {
    pub(super) fn new(name: &'static str) -> Self {
        let desk = DESK.with_borrow(Clone::clone);
        if let Some(desk) = &desk {
            *desk.call.lock().unwrap_or_else(PoisonError::into_inner) = Some((name, Instant::now()));
        }
        Self(desk)
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if let Some(desk) = &self.0 {
            *desk.call.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the way to the vendor's library is closed")
}

thread_local! {
    static DESK: RefCell<Option<Arc<Desk>>> = const { RefCell::new(None) };
}

/// After so much time without a job, a thread looks whether its reader is still connected.
const IDLE: Duration = Duration::from_secs(5);
