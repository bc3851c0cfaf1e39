//! Contexts: what `BS2_AllocateContext` gives.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bs2_events::codec::DeviceId;
use bs2_events::device::Backend;

use crate::devices::Link;
use crate::ffi::{
    Answer, CANNOT_CONNECT, EXISTS, INVALID_PARAMETER, NOT_CONNECTED, NULL_POINTER, TIMEOUT, UNINITIALIZED,
    lock,
};
use crate::lane::Job;
use crate::session::Session;
use crate::threads::Patience;

/// One context. It is initialised once.
#[derive(Default)]
pub(crate) struct Context {
    pub(crate) knobs: Mutex<Knobs>,
    pub(crate) listener: Mutex<Listener>,
    session: OnceLock<Session>,
}

/// What programs set and ask for.
#[derive(Clone, Copy)]
pub(crate) struct Knobs {
    pub(crate) server_port: u16,
    pub(crate) ssl_server_port: u16,
    /// Seconds.
    pub(crate) handshake: u32,
    pub(crate) auto_connection: bool,
    pub(crate) response: Duration,
    pub(crate) long_response: Duration,
    pub(crate) socket_retries: u32,
}

/// A callback about a device.
pub(crate) type OnDevice = extern "C" fn(device: u32);

/// The callbacks about devices, each of which may be missing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Listener {
    pub(crate) found: Option<OnDevice>,
    pub(crate) accepted: Option<OnDevice>,
    pub(crate) connected: Option<OnDevice>,
    pub(crate) disconnected: Option<OnDevice>,
}

impl Context {
    pub(crate) fn allocate() -> *mut c_void {
        let context = Arc::new(Self::default());
        let address = Arc::as_ptr(&context).cast_mut().cast::<c_void>();
        lock(&CONTEXTS).insert(address.addr(), context);
        address
    }

    /// The context at this address, for a function that may be set to fail.
    pub(crate) fn find(address: *mut c_void, function: &str) -> Answer<Arc<Self>> {
        if address.is_null() {
            return Err(NULL_POINTER);
        }
        let context = lock(&CONTEXTS).get(&address.addr()).map(Arc::clone).ok_or(INVALID_PARAMETER)?;
        match context.session.get() {
            Some(session) => session.settings.failures.strike(function).map(|()| context),
            None => Ok(context),
        }
    }

    /// The same for the functions of this library alone: NULL is any context, for programs that cannot get at theirs.
    pub(crate) fn find_any(address: *mut c_void, function: &str) -> Answer<Arc<Self>> {
        if address.is_null() {
            lock(&CONTEXTS).values().next().map(Arc::clone).ok_or(NULL_POINTER)
        } else {
            Self::find(address, function)
        }
    }

    /// Ends a context; an address that is none is left alone.
    pub(crate) fn release(address: *mut c_void) {
        let context = lock(&CONTEXTS).remove(&address.addr());
        if let Some(session) = context.as_ref().and_then(|context| context.session.get()) {
            session.close();
        }
    }

    /// Begins the life of the readers.
    pub(crate) fn initialise(self: &Arc<Self>, function: &str) -> Answer {
        let _one_at_a_time = lock(&INITIALISING);
        if lock(&CONTEXTS).values().any(|context| context.session.get().is_some()) {
            return Err(EXISTS);
        }
        let session = Session::open(self)?;
        session.settings.failures.strike(function).inspect_err(|_| session.close())?;
        // Nobody else sets it, so this cannot be the second time.
        let _ = self.session.set(session);
        self.announce();
        Ok(())
    }

    pub(crate) fn session(&self) -> Answer<&Session> {
        self.session.get().ok_or(UNINITIALIZED)
    }

    /// What a connected reader answers.
    pub(crate) fn ask<T>(
        &self,
        device: u32,
        call: impl AsyncFnOnce(&dyn Backend, DeviceId) -> bs2_events::Result<T>,
    ) -> Answer<T> {
        let limit = lock(&self.knobs).response;
        self.ask_within(limit, device, call)
    }

    pub(crate) fn ask_within<T>(
        &self,
        limit: Duration,
        device: u32,
        call: impl AsyncFnOnce(&dyn Backend, DeviceId) -> bs2_events::Result<T>,
    ) -> Answer<T> {
        let session = self.session()?;
        let link = session.devices.connected(device)?;
        let answer = session.wait(limit, call(&*session.backend, link.device));
        self.noticing(link, answer)
    }

    /// The answer; if it says that there is no connection, the connection is lost.
    pub(crate) fn noticing<T>(&self, link: Link, answer: Answer<T>) -> Answer<T> {
        if matches!(answer, Err(NOT_CONNECTED)) {
            self.lose(link);
        }
        answer
    }

    pub(crate) fn connect(&self, device: DeviceId) -> Answer {
        let session = self.session()?;
        if session.devices.link(device).is_some() {
            return Ok(());
        }
        session.wait(CONNECT_LIMIT, session.backend.connect(device)).map_err(|code| match code {
            TIMEOUT => CANNOT_CONNECT,
            code => code,
        })?;
        if session.devices.connect(device) {
            session.post(Job::Connected(device));
        }
        Ok(())
    }

    pub(crate) fn disconnect(&self, device: u32) -> Answer {
        let session = self.session()?;
        let link = session.devices.connected(device)?;
        let monitors = session.devices.disconnect(link).ok_or(NOT_CONNECTED)?;
        let patience = Patience::begin();
        for monitor in monitors {
            session.retire(monitor.stop(patience));
        }
        session.post(Job::Disconnected(link.device));
        Ok(())
    }

    /// A connection is gone; the reader will come back if it is one that comes by itself.
    pub(crate) fn lose(&self, link: Link) {
        let Some(session) = self.session.get() else { return };
        let Some(monitors) = session.devices.disconnect(link) else { return };
        for monitor in monitors {
            // It may be its own thread that says so: nobody waits for it here.
            session.retire(Some(monitor.abandon()));
        }
        session.post(Job::Disconnected(link.device));
        if session.settings.accept {
            session.post(Job::Accepted(link.device));
        }
    }

    /// Whether readers that come by themselves are connected at once; those that were not are to come again.
    pub(crate) fn connect_automatically(&self, enable: bool) {
        let before = std::mem::replace(&mut lock(&self.knobs).auto_connection, enable);
        if let Some(session) = self.session.get().filter(|_| enable && !before) {
            session.announced.store(false, Ordering::Release);
        }
        self.announce();
    }

    /// Lets the readers come that connect by themselves, once there is somebody to be told.
    pub(crate) fn announce(&self) {
        let Some(session) = self.session.get().filter(|session| session.settings.accept) else { return };
        let wanted = lock(&self.listener).accepted.is_some() || lock(&self.knobs).auto_connection;
        if wanted && !session.announced.swap(true, Ordering::AcqRel) {
            session.simulation.readers.iter().for_each(|device| session.post(Job::Accepted(*device)));
        }
    }

    /// Tells the program of a device event, on a thread of the library.
    pub(crate) fn deliver(&self, job: Job) {
        let Some(session) = self.session.get().filter(|session| !session.closed.load(Ordering::Acquire))
        else {
            return;
        };
        let listener = *lock(&self.listener);
        let (callback, device) = match job {
            Job::Found(device) => (listener.found, device),
            Job::Accepted(device) if session.devices.link(device).is_some() => return,
            Job::Accepted(device) => (listener.accepted, device),
            Job::Connected(device) => (listener.connected, device),
            Job::Disconnected(device) => (listener.disconnected, device),
            Job::Reached(_) => return,
        };
        if let Some(callback) = callback {
            callback(device.get());
        }
        let automatic = matches!(job, Job::Accepted(_)) && lock(&self.knobs).auto_connection;
        if automatic && self.connect(device) == Err(CANNOT_CONNECT) {
            // A reader that comes by itself tries again.
            session.post(Job::Accepted(device));
        }
    }
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            server_port: 51_212,
            ssl_server_port: 51_213,
            handshake: 20,
            auto_connection: false,
            response: Duration::from_secs(10),
            long_response: Duration::from_secs(30),
            socket_retries: 10,
        }
    }
}

static CONTEXTS: Mutex<BTreeMap<usize, Arc<Context>>> = Mutex::new(BTreeMap::new());
static INITIALISING: Mutex<()> = Mutex::new(());

/// The vendor's library gives up after this time, whatever a program sets.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
