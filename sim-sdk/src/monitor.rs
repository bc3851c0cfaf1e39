//! Live events on their way to the program.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use bs2_events::codec::Temperature;
use bs2_events::device::{Live, Subscription};
use bs2_events::{Error, ErrorKind};
use tokio::sync::Notify;

use crate::context::Context;
use crate::devices::Link;
use crate::ffi::{Answer, INTERNAL, lock};
use crate::records::{without_zone, words};
use crate::settings::SETTINGS;
use crate::threads::{Milestone, Patience, Reaching, Worker};

/// `OnLogReceived`.
pub(crate) type OnLogReceived = extern "C" fn(device: u32, event: *const c_void);
/// `OnLogReceivedEx`.
pub(crate) type OnLogReceivedEx = extern "C" fn(device: u32, event: *const c_void, temperature: u32);

/// Who is called with each event.
#[derive(Clone, Copy)]
pub(crate) enum Callback {
    Plain(OnLogReceived),
    Ex(OnLogReceivedEx),
}

/// The monitoring of one reader.
pub(crate) struct Monitor {
    shared: Arc<Shared>,
    worker: Worker,
}

/// What the thread of a monitoring looks at before each event.
struct Shared {
    target: Mutex<Arc<Target>>,
    stopped: AtomicBool,
    wake: Notify,
}

/// The callback in force. The thread holds it while it calls it: its milestone is reached when another one is in
/// force and it does not run any more.
struct Target {
    callback: Callback,
    let_go: Reaching,
}

impl Context {
    /// Monitors a reader. If it is monitored in the same way already, only the callback changes: what waits for the
    /// one before goes to this one.
    pub(crate) fn monitor(self: &Arc<Self>, device: u32, callback: Callback) -> Answer {
        let session = self.session()?;
        let link = session.devices.connected(device)?;
        let limit = lock(&self.knobs).response;
        let (client, device) = (session.client.clone(), link.device);
        let subscription = session.wait(limit, async {
            // On a thread of the runtime: on that of the program the client's dice would leave something behind.
            let subscription = session.runtime.spawn(async move { client.subscribe(&[device]).await });
            let ended = |error| Error::new(ErrorKind::Other, "the subscription ended").with_source(error);
            subscription.await.map_err(ended)?
        });
        let subscription = self.noticing(link, subscription)?;
        let start = || Monitor::start(self, link, subscription, callback);
        if let Some(let_go) = session.devices.monitor(link, callback, start)? {
            // A program may give up a callback once another is in its place.
            let_go.wait(Patience::begin());
        }
        // Who closes the session stops what is kept by then; this one may have come after that.
        if session.closed.load(Ordering::SeqCst) {
            session.stop_monitoring(link);
        }
        Ok(())
    }
}

impl Monitor {
    fn start(
        context: &Arc<Context>,
        link: Link,
        subscription: Subscription,
        callback: Callback,
    ) -> Answer<Self> {
        let shared = Arc::new(Shared {
            target: Mutex::new(Target::new(callback)),
            stopped: AtomicBool::new(false),
            wake: Notify::new(),
        });
        let (told, context) = (Arc::clone(&shared), Arc::downgrade(context));
        let worker = Worker::spawn("bs2-live", move || run(&context, link, subscription, &told));
        Ok(Self { shared, worker: worker.map_err(|_| INTERNAL)? })
    }

    /// Whether it calls the same kind of callback.
    pub(crate) fn calls_like(&self, callback: &Callback) -> bool {
        let target = lock(&self.shared.target);
        std::mem::discriminant(&target.callback) == std::mem::discriminant(callback)
    }

    /// Calls this callback from the next event on. The one before is let go at the milestone.
    pub(crate) fn redirect(&self, callback: Callback) -> Arc<Milestone> {
        let before = std::mem::replace(&mut *lock(&self.shared.target), Target::new(callback));
        before.let_go.milestone()
    }

    /// Ends it; no callback begins any more. Gives back what a callback still keeps.
    pub(crate) fn stop(self, patience: Patience) -> Option<Worker> {
        self.abandon().finish(patience)
    }

    /// The same without waiting for a callback.
    pub(crate) fn abandon(self) -> Worker {
        self.shared.stopped.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        self.worker
    }
}

impl Target {
    fn new(callback: Callback) -> Arc<Self> {
        Arc::new(Self { callback, let_go: Reaching::default() })
    }
}

fn run(context: &Weak<Context>, link: Link, mut subscription: Subscription, shared: &Shared) {
    while let Some(context) = context.upgrade() {
        let Ok(session) = context.session() else { return };
        // The runtime is left before the callback, which may come back with a call of its own.
        let item = session.runtime.block_on(async {
            tokio::select! {
                biased;
                () = shared.wake.notified() => None,
                item = subscription.next() => item,
            }
        });
        if shared.stopped.load(Ordering::Acquire) {
            return;
        }
        let Some(item) = item else {
            // The subscription ends by itself only when the connection is lost.
            return context.lose(link);
        };
        let device = link.device.get();
        match item {
            Live::Event { event, temperature, .. } => {
                let mut record = words(&event);
                if session.settings.old_flag_byte {
                    without_zone(&mut record);
                }
                let record = (&raw const record).cast();
                let target = Arc::clone(&lock(&shared.target));
                match target.callback {
                    Callback::Plain(call) => call(device, record),
                    Callback::Ex(call) => {
                        call(device, record, temperature.map_or(0, Temperature::hundredths))
                    }
                }
            }
            Live::Lagged { missed, .. } => {
                eprintln!(
                    "{SETTINGS}: device {device}: {missed} live events were dropped, the callback is too slow"
                );
            }
            _ => {}
        }
    }
}
