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
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::connection::LinkState;
use super::unknown_devices;
use crate::codec::{DeviceId, Event, Temperature};
use crate::device::LiveSink;
use crate::device::state::{ConnectionState, StateBoard};
use crate::{Error, ErrorKind, Result};

/// What the library reports of readers, beside their events.
pub(super) struct Presence {
    pub(super) board: StateBoard,
    /// Readers that a search has found.
    pub(super) found: watch::Sender<BTreeSet<DeviceId>>,
    /// Readers that have connected to us.
    pub(super) accepted: watch::Sender<BTreeSet<DeviceId>>,
}

impl Presence {
    pub(super) fn new() -> Self {
        Self { board: StateBoard::new(), found: watch::Sender::default(), accepted: watch::Sender::default() }
    }
}

/// One reader in the table. It is replaced, never changed, so that whoever took it out can use it without a lock.
#[derive(Clone)]
struct Route {
    link: Arc<LinkState>,
    listeners: Vec<(u64, LiveSink)>,
}

/// Puts the reader into the table, unless it is there.
///
/// # Errors
///
/// `InvalidInput` where it is there by another way: what is reported of it could be told to one of them only.
pub(super) fn register(device: DeviceId, link: &Arc<LinkState>) -> Result<()> {
    let new = || Arc::new(Route { link: Arc::clone(link), listeners: Vec::new() });
    let mut routes = ROUTES.write().unwrap_or_else(PoisonError::into_inner);
    let route = routes.entry(device).or_insert_with(new);
    if Arc::ptr_eq(&route.link, link) {
        return Ok(());
    }
    let message = format!("the same reader answers {} and {}", route.link.way(), link.way());
    Err(Error::new(ErrorKind::InvalidInput, message).with_device(device))
}

/// How many connections the library has reported as lost, of whatever reader.
pub(super) fn disconnections() -> u64 {
    DISCONNECTIONS.load(Ordering::Acquire)
}

/// From now on what the library reports of readers goes here; nowhere for `None`, and the table is emptied.
pub(super) fn attach(presence: Option<Arc<Presence>>) {
    let old = std::mem::replace(&mut *PRESENCE.write().unwrap_or_else(PoisonError::into_inner), presence);
    let routes = std::mem::take(&mut *ROUTES.write().unwrap_or_else(PoisonError::into_inner));
    drop((old, routes)); // What they hold goes away without a lock.
    unknown_devices::tell();
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
    if let Some(route) = route(device) {
        route.link.lost();
        end_listening(device, error);
    }
}

/// Those who listen are told why they listen no more.
pub(super) fn end_listening(device: DeviceId, error: impl Fn() -> Error) {
    if !has_listeners(device) {
        return;
    }
    let before = change(device, Vec::clear);
    for (_, sink) in before.iter().flat_map(|route| &route.listeners) {
        guarded(|| sink.disconnected(error()));
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
    // SAFETY: as the caller says.
    let event = unsafe { copied(event) };
    guarded(|| report("OnLogReceived", device, event, None));
}

/// `OnLogReceivedEx`.
///
/// # Safety
///
/// As [`on_log_received`].
pub(super) unsafe extern "C" fn on_log_received_ex(device: u32, event: *const c_void, temperature: u32) {
    // SAFETY: as the caller says.
    let event = unsafe { copied(event) };
    let temperature = Some(temperature).filter(|hundredths| *hundredths > 0);
    guarded(|| report("OnLogReceivedEx", device, event, temperature.map(Temperature::from_hundredths)));
}

/// # Safety
///
/// As [`on_log_received`].
unsafe fn copied(event: *const c_void) -> Option<[u8; Event::SIZE]> {
    if event.is_null() {
        return None;
    }
    // SAFETY: as the caller says; bytes need no alignment.
    Some(unsafe { event.cast::<[u8; Event::SIZE]>().read() })
}

fn report(callback: &str, number: u32, bytes: Option<[u8; Event::SIZE]>, temperature: Option<Temperature>) {
    let device = DeviceId::new(number);
    let Some(route) = route(device) else {
        return presence(number, |_, device| unknown_devices::count(device));
    };
    let event = bytes.as_ref().and_then(|bytes| Event::from_bytes(bytes).ok());
    if event.is_none() && route.link.is_first_nothing() {
        tracing::warn!(%device, callback, "the library calls back with no event, and each time counts as one lost");
    }
    for (_, sink) in &route.listeners {
        // One that panics keeps the others from nothing.
        guarded(|| match (event, temperature) {
            (Some(event), Some(temperature)) => sink.push_with_temperature(event, temperature),
            (Some(event), None) => sink.push(event),
            (None, _) => sink.lost(1),
        });
    }
}

pub(super) extern "C" fn on_device_found(device: u32) {
    guarded(|| presence(device, |presence, device| insert(&presence.found, device)));
}

pub(super) extern "C" fn on_device_accepted(device: u32) {
    guarded(|| {
        presence(device, |presence, device| {
            insert(&presence.accepted, device);
            presence.board.set(device, ConnectionState::Connecting);
        });
    });
}

pub(super) extern "C" fn on_device_connected(device: u32) {
    guarded(|| presence(device, |presence, device| presence.board.set(device, ConnectionState::Connected)));
}

pub(super) extern "C" fn on_device_disconnected(device: u32) {
    guarded(|| {
        presence(device, |presence, device| presence.board.set(device, ConnectionState::Disconnected));
        DISCONNECTIONS.fetch_add(1, Ordering::Release);
        let device = DeviceId::new(device);
        lost(device, || {
            let message = "the library reports that the connection is gone";
            Error::new(ErrorKind::Disconnected, message).with_device(device)
        });
    });
}

fn presence(device: u32, tell: impl FnOnce(&Presence, DeviceId)) {
    let presence = PRESENCE.read().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(presence) = presence {
        tell(&presence, DeviceId::new(device));
    }
}

fn insert(devices: &watch::Sender<BTreeSet<DeviceId>>, device: DeviceId) {
    devices.send_if_modified(|devices| devices.insert(device));
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
static DISCONNECTIONS: AtomicU64 = AtomicU64::new(0);
static TICKETS: AtomicU64 = AtomicU64::new(0);
