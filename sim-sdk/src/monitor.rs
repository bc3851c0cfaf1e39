//! Monitors: threads that call a program's callback with the live events of a device.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bs2_events::codec::{Event, Temperature};
use bs2_events::device::Live;
use tokio::sync::Notify;

use crate::ffi::{INTERNAL, SdkResult, lock};
use crate::records::{clear_zone, words};
use crate::settings::SETTINGS;
use crate::threads::{Deadline, Signal, SignalOnDrop, Worker};

/// `OnLogReceived`.
pub(crate) type OnLogReceived = extern "C" fn(device: u32, event: *const c_void);
/// `OnLogReceivedEx`.
pub(crate) type OnLogReceivedEx = extern "C" fn(device: u32, event: *const c_void, temperature: u32);

/// A program's callback for live events.
#[derive(Clone, Copy)]
pub(crate) enum Callback {
    Plain(OnLogReceived),
    Ex(OnLogReceivedEx),
}

/// The thread that monitors one device.
pub(crate) struct Monitor {
    state: Arc<MonitorState>,
    worker: Worker,
}

/// What the thread of a monitor reads before each event.
pub(crate) struct MonitorState {
    current: Mutex<Arc<CurrentCallback>>,
    stopped: AtomicBool,
    wake: Notify,
    /// Clear all flags of an event except its image.
    old_flag_byte: bool,
}

/// The callback in use. The thread holds it during a call, so its signal is set when it was replaced and no call runs.
struct CurrentCallback {
    callback: Callback,
    unused: SignalOnDrop,
}

impl Monitor {
    /// Starts a thread that runs `work`.
    pub(crate) fn start(
        callback: Callback,
        old_flag_byte: bool,
        work: impl FnOnce(&MonitorState) + Send + 'static,
    ) -> SdkResult<Self> {
        let state = Arc::new(MonitorState {
            current: Mutex::new(CurrentCallback::new(callback)),
            stopped: AtomicBool::new(false),
            wake: Notify::new(),
            old_flag_byte,
        });
        let for_thread = Arc::clone(&state);
        let worker = Worker::spawn("bs2-live", move || work(&for_thread)).map_err(|_| INTERNAL)?;
        Ok(Self { state, worker })
    }

    /// Whether its callback is of the same kind.
    pub(crate) fn has_kind_of(&self, callback: &Callback) -> bool {
        let current = lock(&self.state.current);
        std::mem::discriminant(&current.callback) == std::mem::discriminant(callback)
    }

    /// Calls this callback from the next event on. The signal is set when the callback before is not used any more.
    pub(crate) fn set_callback(&self, callback: Callback) -> Arc<Signal> {
        let before = std::mem::replace(&mut *lock(&self.state.current), CurrentCallback::new(callback));
        before.unused.signal()
    }

    /// Stops it, so that no further callback begins. Returns the thread if a callback still runs on it.
    pub(crate) fn stop(self, deadline: Deadline) -> Option<Worker> {
        self.request_stop().join(deadline)
    }

    /// Stops it without waiting for a callback.
    pub(crate) fn request_stop(self) -> Worker {
        self.state.stopped.store(true, Ordering::Release);
        self.state.wake.notify_one();
        self.worker
    }
}

impl MonitorState {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Waits for the next item, or until the monitor is stopped.
    pub(crate) async fn next<T>(&self, item: impl Future<Output = Option<T>>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.wake.notified() => None,
            item = item => item,
        }
    }

    /// Calls the callback for an event, and reports lost events on standard error.
    pub(crate) fn deliver(&self, item: &Live) {
        match item {
            Live::Event { device, event, extras } => {
                let temperature = extras.as_ref().and_then(|extras| extras.temperature);
                self.call(device.get(), event, temperature);
            }
            Live::Lagged { device, missed } => eprintln!(
                "{SETTINGS}: device {device}: {missed} live events were dropped, because the callback is too slow"
            ),
            _ => {}
        }
    }

    fn call(&self, device: u32, event: &Event, temperature: Option<Temperature>) {
        let mut record = words(event);
        if self.old_flag_byte {
            clear_zone(&mut record);
        }
        let record = (&raw const record).cast();
        let current = Arc::clone(&lock(&self.current));
        match current.callback {
            Callback::Plain(call) => call(device, record),
            Callback::Ex(call) => call(device, record, temperature.map_or(0, Temperature::hundredths)),
        }
    }
}

impl CurrentCallback {
    fn new(callback: Callback) -> Arc<Self> {
        Arc::new(Self { callback, unused: SignalOnDrop::default() })
    }
}
