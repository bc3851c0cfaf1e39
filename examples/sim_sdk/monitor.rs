//! Live events on their way to the program.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use bs2_events::codec::Temperature;
use bs2_events::device::{Live, Subscription};
use bs2_events::{Error, ErrorKind};
use tokio::sync::Notify;

use crate::boundary::{Answer, INTERNAL, lock};
use crate::context::Context;
use crate::devices::Link;
use crate::records::{without_zone, words};
use crate::settings::SETTINGS;
use crate::worker::{Patience, Worker};

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
    callback: Callback,
    stop: Arc<Stop>,
    worker: Worker,
}

#[derive(Default)]
struct Stop {
    stopped: AtomicBool,
    wake: Notify,
}

impl Context {
    /// Monitors a reader, in the place of what monitored it in the same way before.
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
        let monitor = Monitor::start(self, link, subscription, callback)?;
        if let Some(superfluous) = session.devices.monitor(link, monitor) {
            session.retire(superfluous.stop(Patience::begin()));
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
        let stop = Arc::new(Stop::default());
        let (told, context) = (Arc::clone(&stop), Arc::downgrade(context));
        let worker = Worker::spawn("bs2-live", move || run(&context, link, subscription, callback, &told));
        Ok(Self { callback, stop, worker: worker.map_err(|_| INTERNAL)? })
    }

    /// Whether the other one calls the same kind of callback.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.callback) == std::mem::discriminant(&other.callback)
    }

    /// Ends it; no callback begins any more. Gives back what a callback still keeps.
    pub(crate) fn stop(self, patience: Patience) -> Option<Worker> {
        self.abandon().finish(patience)
    }

    /// The same without waiting for a callback.
    pub(crate) fn abandon(self) -> Worker {
        self.stop.stopped.store(true, Ordering::Release);
        self.stop.wake.notify_one();
        self.worker
    }
}

fn run(context: &Weak<Context>, link: Link, mut subscription: Subscription, callback: Callback, stop: &Stop) {
    while let Some(context) = context.upgrade() {
        let Ok(session) = context.session() else { return };
        // The runtime is left before the callback, which may come back with a call of its own.
        let item = session.runtime.block_on(async {
            tokio::select! {
                biased;
                () = stop.wake.notified() => None,
                item = subscription.next() => item,
            }
        });
        if stop.stopped.load(Ordering::Acquire) {
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
                match callback {
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
