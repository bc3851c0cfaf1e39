//! What a context has from `BS2_Initialize` on.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bs2_events::device::{Backend, Client, ClientOptions};
use bs2_events::{Error, ErrorKind, Result, RetryPolicy};
use tokio::runtime::{Builder, Runtime};

use crate::boundary::{Answer, INVALID_CONFIG, TIMEOUT, code_of, lock};
use crate::context::Context;
use crate::devices::{Devices, Link};
use crate::lane::{Job, Lane};
use crate::monitor::Monitor;
use crate::settings::{SETTINGS, Settings};
use crate::worker::{Patience, Worker};
use crate::world::World;

/// The readers, the way to them, and the threads for callbacks.
pub(crate) struct Session {
    pub(crate) settings: Settings,
    pub(crate) world: Arc<World>,
    pub(crate) backend: Arc<dyn Backend>,
    /// The same way, for live events alone: calls must not be repeated or put in order.
    pub(crate) client: Client,
    pub(crate) devices: Devices,
    /// What was found, and who came by himself.
    arrivals: Lane,
    connections: Lane,
    /// Whether the readers that come by themselves have been told.
    pub(crate) announced: AtomicBool,
    /// Nothing is delivered any more.
    pub(crate) closed: AtomicBool,
    /// Threads that a callback kept when they were told to end.
    retired: Mutex<Vec<Worker>>,
    pub(crate) runtime: Runtime,
}

impl Session {
    /// Opens the readers that the environment describes, and lets them live.
    ///
    /// # Errors
    ///
    /// `INVALID_CONFIG` for settings, and the code of what else failed; a sentence about it goes to standard error.
    pub(crate) fn open(context: &Arc<Context>) -> Answer<Self> {
        Self::begin(context).map_err(|error| {
            eprintln!("{SETTINGS}: {error}");
            let config = matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::NotFound
            );
            if config { INVALID_CONFIG } else { code_of(&error) }
        })
    }

    fn begin(context: &Arc<Context>) -> Result<Self> {
        let settings = Settings::from_environment()?;
        let world = World::open(&settings)?;
        let threads = |error| Error::new(ErrorKind::Other, "cannot start a thread").with_source(error);
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("bs2-readers").enable_time().build();
        let runtime = runtime.map_err(threads)?;
        let backend = world.simulator.backend();
        let options = ClientOptions::default()
            .with_retry(RetryPolicy::never())
            .with_deadline(LIVE_DEADLINE)
            .with_queue_capacity(LIVE_QUEUE);
        let client = Client::with_options(Arc::clone(&backend), options);
        let devices = Devices::default();
        if settings.accept {
            world.readers.iter().for_each(|device| devices.know(*device, false));
        }
        {
            let _inside = runtime.enter();
            world.simulator.start()?;
        }
        Ok(Self {
            client,
            settings,
            world,
            backend,
            devices,
            arrivals: Lane::open(context, "bs2-arrivals").map_err(threads)?,
            connections: Lane::open(context, "bs2-connections").map_err(threads)?,
            announced: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            retired: Mutex::default(),
            runtime,
        })
    }

    /// The answer of a reader, if it comes within this time.
    pub(crate) fn wait<T>(&self, limit: Duration, call: impl Future<Output = Result<T>>) -> Answer<T> {
        let latency = self.settings.latency;
        let answer = self.runtime.block_on(async {
            tokio::time::timeout(limit, async {
                if !latency.is_zero() {
                    tokio::time::sleep(latency).await;
                }
                call.await
            })
            .await
        });
        answer.map_err(|_| TIMEOUT)?.map_err(|error| code_of(&error))
    }

    pub(crate) fn post(&self, job: Job) {
        match job {
            Job::Found(_) | Job::Accepted(_) | Job::Reached(_) => self.arrivals.post(job),
            Job::Connected(_) | Job::Disconnected(_) => self.connections.post(job),
        }
    }

    /// Waits until the program was told what was found.
    pub(crate) fn flush_arrivals(&self) {
        self.arrivals.flush(Patience::begin());
    }

    /// Ends what monitors a reader.
    pub(crate) fn stop_monitoring(&self, link: Link) {
        let patience = Patience::begin();
        for monitor in self.devices.take_monitors(link) {
            self.retire(monitor.stop(patience));
        }
    }

    /// Keeps a thread that could not be waited for, until the end.
    pub(crate) fn retire(&self, worker: Option<Worker>) {
        let mut retired = lock(&self.retired);
        retired.retain(|worker| !worker.is_ended());
        retired.extend(worker);
    }

    /// Ends everything: what was to be told is told before, unless a callback keeps its thread.
    pub(crate) fn close(&self) {
        let patience = Patience::begin();
        self.arrivals.flush(patience);
        self.connections.flush(patience);
        self.closed.store(true, Ordering::SeqCst);
        self.world.simulator.stop();
        // All of them are told before one is waited for.
        let told: Vec<_> = self.devices.take_all_monitors().into_iter().map(Monitor::abandon).collect();
        for worker in told {
            self.retire(worker.finish(patience));
        }
        self.arrivals.close(patience);
        self.connections.close(patience);
        let retired = std::mem::take(&mut *lock(&self.retired));
        retired.into_iter().for_each(|worker| drop(worker.finish(patience)));
        if let Err(error) = self.world.simulator.flush_truth() {
            eprintln!("{SETTINGS}: {error}");
        }
    }
}

/// The limits of the calls of the library are shorter, unless a program has set them otherwise.
const LIVE_DEADLINE: Duration = Duration::from_secs(3_600);
/// Live events that wait for one slow callback before they are dropped.
const LIVE_QUEUE: usize = 1_000_000;
