//! The functions that the library calls, and the process-wide tables that they use.
//!
//! The library passes no pointer of ours to its callbacks, so the table of devices is static, by device id. A callback
//! takes an entry out of the table and releases the lock before it calls anything else; it waits at most for the few
//! instructions in which another thread replaces an entry. The functions stay as long as the process: a late call finds
//! no entry and does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, c_char, c_int, c_void};
use std::net::SocketAddrV4;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use super::abi::guarded;
use super::options::TlsFiles;
use crate::codec::sdk_code::SdkCode;
use crate::codec::{DeviceId, Event, Extras, Temperature};
use crate::device::backend::LiveSink;
use crate::device::connection::{ConnectionState, StateBoard};
use crate::device::sources::Sources;
use crate::{Error, ErrorKind, Result};

/// What the library reports of devices, except their events.
pub(super) struct Presence {
    pub(super) board: StateBoard,
    /// Devices that a search has found.
    pub(super) found: watch::Sender<BTreeSet<DeviceId>>,
    /// Devices that have connected to this process.
    pub(super) accepted: watch::Sender<BTreeSet<DeviceId>>,
}

impl Presence {
    pub(super) fn new() -> Self {
        Self { board: StateBoard::new(), found: watch::Sender::default(), accepted: watch::Sender::default() }
    }
}

/// The state of the connection to one device.
#[derive(Clone, Copy, Default)]
pub(super) struct Status {
    pub(super) is_open: bool,
    /// How many connections were lost.
    losses: u64,
    /// The value of `losses` when the library was asked to report events.
    monitored: Option<u64>,
}

impl Status {
    /// Whether the library reports the device's events over the open connection.
    pub(super) fn is_monitored(self) -> bool {
        self.is_open && self.monitored == Some(self.losses)
    }
}

/// One device in the table. An entry is replaced and never changed, so a callback uses it without a lock.
#[derive(Clone)]
struct Route {
    /// `None` for a device that is connected by its id.
    address: Option<SocketAddrV4>,
    status: Status,
    listeners: Vec<(u64, LiveSink)>,
    /// Whether a warning was written that the library has called back without an event.
    warned: Arc<AtomicBool>,
}

/// From now on the library's reports of devices go to `presence`, or nowhere for `None`. Empties the table.
pub(super) fn attach(presence: Option<Arc<Presence>>) {
    let old = std::mem::replace(&mut *write(&PRESENCE), presence);
    let routes = std::mem::take(&mut *write(&ROUTES));
    drop((old, routes)); // Outside the locks.
    SOURCES.report_unplaced();
}

/// Learns from the log of a device who its slaves are, if events of an unknown number are waiting for an explanation. A
/// library names the device beside each event, so mostly there is nothing to learn, and a pass over a long page is not free.
pub(super) fn learn(device: DeviceId, log: &[Event]) {
    if SOURCES.has_unplaced() {
        SOURCES.learn(device, log);
    }
}

/// Notes that the device is connected, at this address or by its id.
/// Errors: `InvalidInput` where the table has the device by another address: both would be the same device.
pub(super) fn connected(device: DeviceId, address: Option<SocketAddrV4>) -> Result<()> {
    let new = || {
        let (status, listeners, warned) = Default::default();
        Arc::new(Route { address, status, listeners, warned })
    };
    let mut routes = write(&ROUTES);
    let entry = routes.entry(device).or_insert_with(new);
    if entry.address != address {
        let text = |address: Option<SocketAddrV4>| {
            address.map_or_else(|| "by its id".to_owned(), |address| format!("at {address}"))
        };
        let message = format!("the same device is connected {} and {}", text(entry.address), text(address));
        return Err(Error::new(ErrorKind::InvalidInput, message).with_device(device));
    }
    let mut route = Route::clone(entry);
    route.status.is_open = true;
    let old = std::mem::replace(entry, Arc::new(route));
    drop(routes);
    drop(old);
    Ok(())
}

/// The state of the connection that was made at this address, or by id.
pub(super) fn status(device: DeviceId, address: Option<SocketAddrV4>) -> Status {
    route(device).filter(|route| route.address == address).map_or_else(Status::default, |route| route.status)
}

/// How many connections the library has reported as lost, of all devices.
pub(super) fn disconnections() -> u64 {
    DISCONNECTIONS.load(Ordering::Acquire)
}

/// Notes that the library reports events over the connection of this status. After a loss this has no effect.
pub(super) fn monitored(device: DeviceId, status: Status) {
    change(device, |route| route.status.monitored = Some(status.losses));
}

pub(super) fn not_monitored(device: DeviceId) {
    change(device, |route| route.status.monitored = None);
}

/// From now on the device's events go to this sink too. [`unlisten`] takes the returned ticket.
pub(super) fn listen(device: DeviceId, sink: LiveSink) -> u64 {
    let ticket = TICKETS.fetch_add(1, Ordering::Relaxed);
    change(device, |route| route.listeners.push((ticket, sink)));
    ticket
}

pub(super) fn unlisten(device: DeviceId, ticket: u64) {
    change(device, |route| route.listeners.retain(|(other, _)| *other != ticket));
}

pub(super) fn has_listeners(device: DeviceId) -> bool {
    route(device).is_some_and(|route| !route.listeners.is_empty())
}

/// Notes that the connection is lost, and ends its listeners with this error.
pub(super) fn lost(device: DeviceId, error: impl Fn() -> Error) {
    closed(device);
    end_listening(device, error);
}

/// Notes that the connection is closed.
pub(super) fn closed(device: DeviceId) {
    change(device, |route| {
        route.status.is_open = false;
        route.status.losses = route.status.losses.wrapping_add(1);
    });
}

/// Takes a device out of the table: another one is at its address.
pub(super) fn forget(device: DeviceId) {
    let old = write(&ROUTES).remove(&device);
    drop(old); // Outside the lock.
}

/// Ends the device's listeners with this error.
pub(super) fn end_listening(device: DeviceId, error: impl Fn() -> Error) {
    if !has_listeners(device) {
        return;
    }
    let before = change(device, |route| route.listeners.clear());
    for (_, sink) in before.iter().flat_map(|route| &route.listeners) {
        guarded(|| sink.disconnected(error()));
    }
}

fn route(device: DeviceId) -> Option<Arc<Route>> {
    read(&ROUTES).get(&device).cloned()
}

/// Replaces the entry of a device, and returns the entry before. Does nothing for a device without an entry.
fn change(device: DeviceId, change: impl FnOnce(&mut Route)) -> Option<Arc<Route>> {
    let mut routes = write(&ROUTES);
    let entry = routes.get_mut(&device)?;
    let mut route = Route::clone(entry);
    change(&mut route);
    let old = std::mem::replace(entry, Arc::new(route));
    drop(routes);
    Some(old)
}

/// `OnLogReceived`.
///
/// # Safety
///
/// `event` is NULL or points to 48 bytes that do not change during the call.
pub(super) unsafe extern "C" fn on_log_received(device: u32, event: *const c_void) {
    // SAFETY: the caller's promise is the same.
    let event = unsafe { copy(event) };
    guarded(|| report("OnLogReceived", device, event, None));
}

/// `OnLogReceivedEx`.
///
/// # Safety
///
/// As [`on_log_received`].
pub(super) unsafe extern "C" fn on_log_received_ex(device: u32, event: *const c_void, temperature: u32) {
    // SAFETY: the caller's promise is the same.
    let event = unsafe { copy(event) };
    let temperature = Some(temperature).filter(|hundredths| *hundredths > 0);
    guarded(|| report("OnLogReceivedEx", device, event, temperature.map(Temperature::from_hundredths)));
}

/// # Safety
///
/// As [`on_log_received`].
unsafe fn copy(event: *const c_void) -> Option<[u8; Event::SIZE]> {
    if event.is_null() {
        return None;
    }
    // SAFETY: the caller promises 48 readable bytes; an array of bytes needs no alignment.
    Some(unsafe { event.cast::<[u8; Event::SIZE]>().read() })
}

fn report(callback: &str, device: u32, bytes: Option<[u8; Event::SIZE]>, temperature: Option<Temperature>) {
    let device = DeviceId::new(device);
    let event = bytes.as_ref().and_then(|bytes| Event::from_bytes(bytes).ok());
    let Some(route) = route_of(device, event) else {
        return with_presence(|_| look_for(device));
    };
    if event.is_none() && !route.warned.swap(true, Ordering::Relaxed) {
        tracing::warn!(%device, callback, "the vendor's library calls back without an event; each such call counts as one lost event");
    }
    let extras = || temperature.map(|found| Box::new(Extras::default().with_temperature(found)));
    for (_, sink) in &route.listeners {
        // A sink that panics does not affect the others.
        guarded(|| match event {
            Some(event) => sink.push(event, extras()),
            None => sink.lost(1),
        });
    }
}

/// The route of the device whose log has an event. The callback names that device, by all that is known. In case a library
/// names the device that saw the event: it may be a slave, or the record may name the other.
fn route_of(device: DeviceId, event: Option<&Event>) -> Option<Arc<Route>> {
    let recorded = || event.map(|event| event.source_device(device));
    route(device)
        .or_else(|| route(SOURCES.master(device)?))
        .or_else(|| route(recorded()?))
        .or_else(|| route(SOURCES.master(recorded()?)?))
}

/// Has the logs read in which an event of an unknown device may be: those of the masters, and if there are none, all.
fn look_for(source: DeviceId) {
    if !SOURCES.count_unplaced(source, 1) {
        return;
    }
    let routes: Vec<_> = read(&ROUTES).iter().map(|(device, route)| (*device, Arc::clone(route))).collect();
    let has_masters = routes.iter().any(|(device, _)| SOURCES.is_master(*device));
    for (device, route) in routes {
        if !has_masters || SOURCES.is_master(device) {
            route.listeners.iter().for_each(|(_, sink)| guarded(|| sink.lost(1)));
        }
    }
}

pub(super) extern "C" fn on_device_found(device: u32) {
    let device = DeviceId::new(device);
    guarded(|| with_presence(|presence| insert(&presence.found, device)));
}

pub(super) extern "C" fn on_device_accepted(device: u32) {
    let device = DeviceId::new(device);
    guarded(|| {
        with_presence(|presence| {
            insert(&presence.accepted, device);
            presence.board.set(device, ConnectionState::Connecting);
        });
    });
}

pub(super) extern "C" fn on_device_connected(device: u32) {
    let device = DeviceId::new(device);
    guarded(|| with_presence(|presence| presence.board.set(device, ConnectionState::Connected)));
}

pub(super) extern "C" fn on_device_disconnected(device: u32) {
    let device = DeviceId::new(device);
    guarded(|| {
        with_presence(|presence| presence.board.set(device, ConnectionState::Disconnected));
        DISCONNECTIONS.fetch_add(1, Ordering::Release);
        lost(device, || {
            let message = "the vendor's library reports that the connection is lost";
            Error::new(ErrorKind::Disconnected, message).with_device(device)
        });
    });
}

fn with_presence(report: impl FnOnce(&Presence)) {
    let presence = read(&PRESENCE).clone();
    if let Some(presence) = presence {
        report(&presence);
    }
}

fn insert(devices: &watch::Sender<BTreeSet<DeviceId>>, device: DeviceId) {
    devices.send_if_modified(|devices| devices.insert(device));
}

/// Sets the texts that the TLS callbacks return. They are never freed, because the library may keep them.
/// Errors: `InvalidInput` for a text that contains a NUL.
pub(super) fn set_tls_files(files: &TlsFiles) -> Result<()> {
    let text = |name: &str, text: Vec<u8>| -> Result<Text> {
        let text = CString::new(text)
            .map_err(|_| Error::new(ErrorKind::InvalidInput, format!("the {name} contains a NUL byte")))?;
        Ok(Text(Box::leak(text.into_boxed_c_str()).as_ptr()))
    };
    let path = |path: &Path| path.as_os_str().as_encoded_bytes().to_vec();
    let texts = TlsTexts {
        root_certificate: text("path of the root certificate", path(&files.root_certificate))?,
        certificate: text("path of the certificate", path(&files.certificate))?,
        key: text("path of the key", path(&files.key))?,
        password: text("password of the key", files.password.clone().into_bytes())?,
    };
    *write(&TLS_TEXTS) = Some(texts);
    Ok(())
}

/// `PreferMethod`: every method that the library has.
pub(super) extern "C" fn prefer_method(_device: u32) -> u32 {
    u32::MAX
}

pub(super) extern "C" fn root_certificate(_device: u32) -> *const c_char {
    tls_text(|texts| texts.root_certificate)
}

pub(super) extern "C" fn certificate(_device: u32) -> *const c_char {
    tls_text(|texts| texts.certificate)
}

pub(super) extern "C" fn key(_device: u32) -> *const c_char {
    tls_text(|texts| texts.key)
}

pub(super) extern "C" fn password(_device: u32) -> *const c_char {
    tls_text(|texts| texts.password)
}

pub(super) extern "C" fn on_tls_error(device: u32, code: c_int) {
    guarded(|| {
        tracing::warn!(device = %DeviceId::new(device), code = %SdkCode::new(code), "a TLS connection failed");
    });
}

fn tls_text(choose: fn(&TlsTexts) -> Text) -> *const c_char {
    let texts = read(&TLS_TEXTS);
    texts.as_ref().map_or(ptr::null(), |texts| choose(texts).0)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

struct TlsTexts {
    root_certificate: Text,
    certificate: Text,
    key: Text,
    password: Text,
}

#[derive(Clone, Copy)]
struct Text(*const c_char);

// SAFETY: the text never changes and is never freed.
unsafe impl Send for Text {}
// SAFETY: as above.
unsafe impl Sync for Text {}

static ROUTES: RwLock<BTreeMap<DeviceId, Arc<Route>>> = RwLock::new(BTreeMap::new());
static PRESENCE: RwLock<Option<Arc<Presence>>> = RwLock::new(None);
static DISCONNECTIONS: AtomicU64 = AtomicU64::new(0);
static TICKETS: AtomicU64 = AtomicU64::new(0);
static SOURCES: Sources = Sources::new();
static TLS_TEXTS: RwLock<Option<TlsTexts>> = RwLock::new(None);
