//! What the library calls, and the one table that says whom it concerns.
//!
//! The callbacks carry no pointer of ours, so the table is static, by the reader's number. A callback takes what it
//! needs out of the table and lets go of it before it calls anything; nothing here waits for anything but the few
//! instructions in which another thread changes an entry. The functions are part of the program and never go away, so
//! a call that comes late finds no entry and does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::link::LinkState;
use crate::codec::{DeviceId, Event};
use crate::device::LiveSink;
use crate::device::state::{ConnectionState, StateBoard};
use crate::{Error, ErrorKind};

/// What the library reports of readers, beside their events.
pub(super) struct Presence {
    pub(super) board: StateBoard,
    /// Readers that were found, or that connected to us.
    seen: Mutex<BTreeSet<DeviceId>>,
}

impl Presence {
    pub(super) fn new() -> Self {
        Self { board: StateBoard::new(), seen: Mutex::default() }
    }

    pub(super) fn see(&self, device: DeviceId) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(device);
    }

    pub(super) fn seen(&self) -> BTreeSet<DeviceId> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One reader in the table. It is replaced, never changed, so that whoever took it out can use it without a lock.
#[derive(Clone)]
struct Route {
    link: Arc<LinkState>,
    listeners: Vec<(u64, LiveSink)>,
}

/// Puts the reader into the table, unless it is there.
pub(super) fn register(device: DeviceId, link: &Arc<LinkState>) {
    let mut routes = ROUTES.write().unwrap_or_else(PoisonError::into_inner);
    routes.entry(device).or_insert_with(|| Arc::new(Route { link: Arc::clone(link), listeners: Vec::new() }));
}

/// From now on what the library reports of readers goes here; nowhere for `None`, and the table is emptied.
pub(super) fn attach(presence: Option<Arc<Presence>>) {
    let old = std::mem::replace(&mut *PRESENCE.write().unwrap_or_else(PoisonError::into_inner), presence);
    let routes = std::mem::take(&mut *ROUTES.write().unwrap_or_else(PoisonError::into_inner));
    drop((old, routes)); // What they hold goes away without a lock.
}

/// From now on the reader's events go to this sink too. The ticket ends it.
pub(super) fn listen(device: DeviceId, sink: LiveSink) -> u64 {
    let ticket = TICKETS.fetch_add(1, Ordering::Relaxed);
    change(device, |listeners| listeners.push((ticket, sink)));
    ticket
}

pub(super) fn unlisten(device: DeviceId, ticket: u64) {
    change(device, |listeners| listeners.retain(|(other, _)| *other != ticket));
}

pub(super) fn has_listeners(device: DeviceId) -> bool {
    route(device).is_some_and(|route| !route.listeners.is_empty())
}

/// The connection is gone: those who listen are told why, and listen no more.
pub(super) fn lost(device: DeviceId, error: impl Fn() -> Error) {
    let Some(route) = route(device) else { return };
    route.link.lost();
    if route.listeners.is_empty() {
        return;
    }
    let told = change(device, Vec::clear);
    for (_, sink) in told.iter().flat_map(|route| &route.listeners) {
        sink.disconnected(error());
    }
}

fn route(device: DeviceId) -> Option<Arc<Route>> {
    ROUTES.read().unwrap_or_else(PoisonError::into_inner).get(&device).cloned()
}

/// Replaces the listeners of a reader; returns what was in the table before.
fn change(device: DeviceId, change: impl FnOnce(&mut Vec<(u64, LiveSink)>)) -> Option<Arc<Route>> {
    let mut routes = ROUTES.write().unwrap_or_else(PoisonError::into_inner);
    let entry = routes.get_mut(&device)?;
    let mut route = Route::clone(entry);
    change(&mut route.listeners);
    let old = std::mem::replace(entry, Arc::new(route));
    drop(routes);
    Some(old)
}

/// `OnLogReceived`.
///
/// # Safety
///
/// `event` is null or points to 48 bytes that stay what they are during the call.
pub(super) unsafe extern "C" fn on_log_received(device: u32, event: *const c_void) {
    let event = event.cast::<[u8; Event::SIZE]>();
    let bytes = if event.is_null() {
        None
    } else {
        // SAFETY: as the caller says; bytes need no alignment.
        Some(unsafe { event.read() })
    };
    guarded(|| {
        let Some(route) = route(DeviceId::new(device)) else { return };
        for (_, sink) in &route.listeners {
            match bytes.as_ref().map(|bytes| Event::from_bytes(bytes)) {
                Some(Ok(event)) => guarded(|| sink.push(event)),
                _ => guarded(|| sink.lost(1)),
            }
        }
    });
}

/// `OnLogReceivedEx`.
///
/// # Safety
///
/// As [`on_log_received`].
pub(super) unsafe extern "C" fn on_log_received_ex(device: u32, event: *const c_void, _temperature: u32) {
    // SAFETY: as the caller says.
    unsafe { on_log_received(device, event) };
}

pub(super) extern "C" fn on_device_found(device: u32) {
    guarded(|| presence(device, None));
}

pub(super) extern "C" fn on_device_accepted(device: u32) {
    guarded(|| presence(device, Some(ConnectionState::Connecting)));
}

pub(super) extern "C" fn on_device_connected(device: u32) {
    guarded(|| presence(device, Some(ConnectionState::Connected)));
}

pub(super) extern "C" fn on_device_disconnected(device: u32) {
    guarded(|| {
        presence(device, Some(ConnectionState::Disconnected));
        lost(DeviceId::new(device), || {
            Error::new(ErrorKind::Disconnected, "the library reports that the connection is gone")
                .with_device(DeviceId::new(device))
        });
    });
}

fn presence(device: u32, state: Option<ConnectionState>) {
    let device = DeviceId::new(device);
    tracing::debug!(%device, ?state, "the library reports a reader");
    let presence = PRESENCE.read().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(presence) = presence else { return };
    match state {
        Some(ConnectionState::Disconnected) => {}
        _ => presence.see(device),
    }
    if let Some(state) = state {
        presence.board.set(device, state);
    }
}

/// A panic must not cross into the library.
pub(super) fn guarded(call: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
        // Its payload may panic when it is dropped.
        std::mem::forget(panic);
    }
}

static ROUTES: RwLock<BTreeMap<DeviceId, Arc<Route>>> = RwLock::new(BTreeMap::new());
static PRESENCE: RwLock<Option<Arc<Presence>>> = RwLock::new(None);
static TICKETS: AtomicU64 = AtomicU64::new(0);
