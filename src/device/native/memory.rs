//! Objects that the library allocates: owned, read, and released by the library's own function on one thread.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::slice;
use std::sync::{Mutex, MutexGuard, mpsc};
use std::time::Duration;

use super::abi::{Function, Release};
use super::worker::{Calling, Worker};
use crate::sync::lock;
use crate::{Error, ErrorKind, Result};

/// An object of the library. When it is dropped, it goes to the release queue.
pub(super) struct Owned {
    address: NonNull<u8>,
    len: usize,
    queue: ReleaseQueue,
}

// SAFETY: nobody else reads or writes the object until it is released, and any thread may put it into the queue.
unsafe impl Send for Owned {}
// SAFETY: a shared object is only read.
unsafe impl Sync for Owned {}

impl Owned {
    /// Takes the object at this address; `None` for NULL.
    ///
    /// # Safety
    ///
    /// The caller owns the object, nobody else takes it, and the function of `queue` releases it.
    pub(super) unsafe fn new(object: *mut c_void, queue: ReleaseQueue) -> Option<Self> {
        Some(Self { address: NonNull::new(object.cast())?, len: 0, queue })
    }

    /// The same object with `len` readable bytes.
    ///
    /// # Safety
    ///
    /// The object has that many bytes.
    pub(super) unsafe fn with_len(mut self, len: usize) -> Self {
        self.len = len;
        self
    }

    /// The queue that releases this object.
    pub(super) fn queue(&self) -> ReleaseQueue {
        self.queue
    }
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the object has `len` bytes, and nobody writes to it while we own it.
        unsafe { slice::from_raw_parts(self.address.as_ptr(), self.len) }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the queue's function releases the object, this is the only place that queues it, and its owner is
        // gone.
        unsafe { self.queue.push(self.address) };
    }
}

/// Takes an array that a function returned: `count` records of `size` bytes, or single bytes, at most `max`. `None` for
/// an empty array.
/// Errors: `InvalidData` for a count without an array and for a count above `max`; the object is released.
///
/// # Safety
///
/// As [`Owned::new`]; and if the count is at most `max`, the array has that many records.
pub(super) unsafe fn array(
    function: &str,
    object: *mut c_void,
    count: u32,
    max: u32,
    size: usize,
    queue: ReleaseQueue,
) -> Result<Option<Owned>> {
    let refused = |problem: &str| {
        let items = if size == 1 { "bytes" } else { "records" };
        Err(Error::new(ErrorKind::InvalidData, format!("{function} returned {count} {items} {problem}")))
    };
    // SAFETY: the caller's promise is the same.
    let owned = unsafe { Owned::new(object, queue) };
    let len = usize::try_from(count.min(max)).ok().and_then(|count| count.checked_mul(size));
    match (owned, len) {
        (None, _) if count == 0 => Ok(None),
        (None, _) => refused("at address NULL"),
        // SAFETY: the count is at most `max`, so the caller promises that many records.
        (Some(owned), Some(len)) if count <= max => Ok(Some(unsafe { owned.with_len(len) })),
        (Some(_), _) => refused(&format!("where at most {max} are possible")),
    }
}

/// Releases objects by the library's own function, on one thread of the process. Dropping an object therefore never
/// waits for the library.
#[derive(Clone, Copy)]
pub(super) struct ReleaseQueue {
    name: &'static str,
    release: Release,
    thread: &'static Worker,
}

impl ReleaseQueue {
    /// Starts the thread, unless it already runs. It runs until the process ends.
    /// Errors: `Other` where the system has no more threads.
    pub(super) fn new(function: &Function<Release>) -> Result<Self> {
        let mut thread = release_thread();
        let thread = match *thread {
            Some(running) => running,
            // With deadline 0 a release that has not returned when the backend closes counts as overdue.
            None => *thread.insert(Box::leak(Box::new(Worker::start(Duration::ZERO, || {})?))),
        };
        Ok(Self { name: function.name, release: function.call, thread })
    }

    /// Waits until every object that is in the queue now is released.
    pub(super) fn wait() {
        let Some(thread) = *release_thread() else { return };
        let (done, waiting) = mpsc::sync_channel::<()>(0);
        thread.send(Box::new(move || drop(done)));
        let _ = waiting.recv(); // Nothing is sent: the job drops its end.
    }

    /// The release that has not returned, and how long ago it was called.
    pub(super) fn overdue() -> Option<(&'static str, Duration)> {
        (*release_thread())?.overdue()
    }

    /// Adds an object, and returns at once.
    ///
    /// # Safety
    ///
    /// The function releases objects of this kind, the object is queued once, and nobody uses it any more.
    unsafe fn push(self, object: NonNull<u8>) {
        let object = Unused { address: object, name: self.name, release: self.release };
        self.thread.send(Box::new(move || object.release()));
    }
}

/// An object in the release queue.
struct Unused {
    address: NonNull<u8>,
    name: &'static str,
    release: Release,
}

// SAFETY: nobody uses the object any more, and the library releases it on any thread.
unsafe impl Send for Unused {}

impl Unused {
    fn release(self) {
        let _calling = Calling::new(self.name);
        // SAFETY: the object is the library's, is queued once, and the library is never unloaded.
        unsafe { (self.release)(self.address.as_ptr().cast()) };
    }
}

fn release_thread() -> MutexGuard<'static, Option<&'static Worker>> {
    lock(&RELEASE_THREAD)
}

static RELEASE_THREAD: Mutex<Option<&Worker>> = Mutex::new(None);
