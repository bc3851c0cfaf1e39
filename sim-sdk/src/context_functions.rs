//! The C functions of a context.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::net::Ipv4Addr;
use std::time::Duration;

use bs2_events::codec::DeviceId;

use crate::context::{Context, Knobs, Listener, OnDevice};
use crate::ffi::{
    Answer, INVALID_ADDRESS, INVALID_PARAMETER, Out, answer, code_of, export, given, lock, text,
};
use crate::objects;

/// A context; it takes settings before `BS2_Initialize`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn BS2_AllocateContext() -> *mut c_void {
    let mut context = std::ptr::null_mut();
    answer(|| {
        context = Context::allocate();
        Ok(())
    });
    context
}

/// Ends a context and all that belongs to it, except objects that were handed out.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn BS2_ReleaseContext(context: *mut c_void) {
    answer(|| {
        Context::release(context);
        Ok(())
    });
}

/// Gives an object back; NULL and what was given back already do no harm.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn BS2_ReleaseObject(object: *mut c_void) {
    answer(|| {
        objects::release(object);
        Ok(())
    });
}

/// The version whose functions these are, and that they are simulated.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn BS2_Version() -> *const c_char {
    concat!("2.9.12 (simulated by bs2-events ", env!("CARGO_PKG_VERSION"), ")\0").as_ptr().cast()
}

/// Of this library alone: how many objects have not been given back.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn BS2SIM_HeldObjects() -> u32 {
    u32::try_from(objects::held()).unwrap_or(u32::MAX)
}

export! {
    /// Of this library alone: makes so many events at a reader, at once.
    fn BS2SIM_MakeEvents(context: *mut c_void, device: u32, count: u32) {
        let context = Context::find_any(context, "BS2SIM_MakeEvents")?;
        let simulator = &context.session()?.simulation.simulator;
        let reader = simulator.reader(DeviceId::new(device)).map_err(|error| code_of(&error))?;
        reader.make(count).map(drop).map_err(|error| code_of(&error))
    }

    /// Of this library alone: the connection to a reader is lost, and the program is told.
    fn BS2SIM_LoseConnection(context: *mut c_void, device: u32) {
        let context = Context::find_any(context, "BS2SIM_LoseConnection")?;
        let session = context.session()?;
        let reader = session.simulation.simulator.reader(DeviceId::new(device)).map_err(|error| code_of(&error))?;
        let link = session.devices.link(reader.id());
        reader.disconnect();
        link.into_iter().for_each(|link| context.lose(link));
        Ok(())
    }

    /// Reads the settings of the environment and begins.
    fn BS2_Initialize(context: *mut c_void) {
        Context::find(context, "BS2_Initialize")?.initialise("BS2_Initialize")
    }

    /// The same for the network interface with this address; all of them reach the simulated readers.
    fn BS2_InitializeEx(context: *mut c_void, host: *const c_char) {
        ipv4(host)?;
        Context::find(context, "BS2_InitializeEx")?.initialise("BS2_InitializeEx")
    }

    /// Who is told of devices; each callback may be NULL.
    fn BS2_SetDeviceEventListener(
        context: *mut c_void,
        found: Option<OnDevice>,
        accepted: Option<OnDevice>,
        connected: Option<OnDevice>,
        disconnected: Option<OnDevice>,
    ) {
        let context = Context::find(context, "BS2_SetDeviceEventListener")?;
        *lock(&context.listener) = Listener { found, accepted, connected, disconnected };
        context.announce();
        Ok(())
    }

    /// Accepted; the simulated readers give no such notices.
    fn BS2_SetNotificationListener(
        context: *mut c_void,
        _alarm_fired: *const c_void,
        _input_detected: *const c_void,
        _config_changed: *const c_void,
    ) {
        Context::find(context, "BS2_SetNotificationListener").map(drop)
    }

    /// Whether readers that come by themselves are connected without a call.
    fn BS2_SetAutoConnection(context: *mut c_void, enable: c_int) {
        Context::find(context, "BS2_SetAutoConnection")?.connect_automatically(enable != 0);
        Ok(())
    }

    /// What `BS2_SetAutoConnection` has set.
    fn BS2_IsAutoConnection(context: *mut c_void, enable: Out<'_, c_int>) {
        knob(context, "BS2_IsAutoConnection", enable, |knobs| knobs.auto_connection.into())
    }

    /// Kept; nothing listens.
    fn BS2_SetServerPort(context: *mut c_void, port: u16) {
        turn(context, "BS2_SetServerPort", port != 0, |knobs| knobs.server_port = port)
    }

    /// What `BS2_SetServerPort` has set.
    fn BS2_GetServerPort(context: *mut c_void, port: Out<'_, u16>) {
        knob(context, "BS2_GetServerPort", port, |knobs| knobs.server_port)
    }

    /// Kept; nothing listens.
    fn BS2_SetSSLServerPort(context: *mut c_void, port: u16) {
        turn(context, "BS2_SetSSLServerPort", port != 0, |knobs| knobs.ssl_server_port = port)
    }

    /// What `BS2_SetSSLServerPort` has set.
    fn BS2_GetSSLServerPort(context: *mut c_void, port: Out<'_, u16>) {
        knob(context, "BS2_GetSSLServerPort", port, |knobs| knobs.ssl_server_port)
    }

    /// Accepted, and never called: nothing here is encrypted.
    fn BS2_SetSSLHandler(
        context: *mut c_void,
        _prefer_method: *const c_void,
        _root_ca_path: *const c_void,
        _server_ca_path: *const c_void,
        _server_key_path: *const c_void,
        _password: *const c_void,
        _on_error: *const c_void,
    ) {
        Context::find(context, "BS2_SetSSLHandler").map(drop)
    }

    /// Accepted, and never called.
    fn BS2_SetDeviceSSLEventListener(context: *mut c_void, _send_root_ca: *const c_void) {
        Context::find(context, "BS2_SetDeviceSSLEventListener").map(drop)
    }

    /// Kept.
    fn BS2_SetSSLHandshakeTimeout(context: *mut c_void, seconds: u32) {
        turn(context, "BS2_SetSSLHandshakeTimeout", seconds != 0, |knobs| knobs.handshake = seconds)
    }

    /// What `BS2_SetSSLHandshakeTimeout` has set.
    fn BS2_GetSSLHandshakeTimeout(context: *mut c_void, seconds: Out<'_, u32>) {
        knob(context, "BS2_GetSSLHandshakeTimeout", seconds, |knobs| knobs.handshake)
    }

    /// Accepted; a search here is over at once.
    fn BS2_SetDeviceSearchingTimeout(context: *mut c_void, seconds: u32) {
        turn(context, "BS2_SetDeviceSearchingTimeout", seconds != 0, |_| {})
    }

    /// Accepted; there are as many threads as are needed.
    fn BS2_SetMaxThreadCount(context: *mut c_void, count: u32) {
        turn(context, "BS2_SetMaxThreadCount", count != 0, |_| {})
    }

    /// Accepted; there are as many threads as are needed.
    fn BS2_SetMaxConnectThreadCount(context: *mut c_void, count: u32) {
        turn(context, "BS2_SetMaxConnectThreadCount", count != 0, |_| {})
    }

    /// Accepted; a connection here is kept without messages.
    fn BS2_SetKeepAliveTimeout(context: *mut c_void, milliseconds: c_long) {
        turn(context, "BS2_SetKeepAliveTimeout", milliseconds > 0, |_| {})
    }

    /// How long a call waits for a reader.
    fn BS2_SetDefaultResponseTimeout(context: *mut c_void, milliseconds: c_long) {
        let limit = duration(milliseconds)?;
        turn(context, "BS2_SetDefaultResponseTimeout", true, |knobs| knobs.response = limit)
    }

    /// What `BS2_SetDefaultResponseTimeout` has set.
    fn BS2_GetDefaultResponseTimeout(context: *mut c_void, milliseconds: Out<'_, c_long>) {
        knob(context, "BS2_GetDefaultResponseTimeout", milliseconds, |knobs| whole(knobs.response))
    }

    /// How long a call waits that takes a reader long, such as deleting its log.
    fn BS2_SetDefaultLongResponseTimeout(context: *mut c_void, milliseconds: c_long) {
        let limit = duration(milliseconds)?;
        turn(context, "BS2_SetDefaultLongResponseTimeout", true, |knobs| knobs.long_response = limit)
    }

    /// What `BS2_SetDefaultLongResponseTimeout` has set.
    fn BS2_GetDefaultLongResponseTimeout(context: *mut c_void, milliseconds: Out<'_, c_long>) {
        knob(context, "BS2_GetDefaultLongResponseTimeout", milliseconds, |knobs| whole(knobs.long_response))
    }

    /// Kept; there are no sockets.
    fn BS2_SetSocketRetryCount(context: *mut c_void, count: u32) {
        turn(context, "BS2_SetSocketRetryCount", true, |knobs| knobs.socket_retries = count)
    }

    /// What `BS2_SetSocketRetryCount` has set.
    fn BS2_GetSocketRetryCount(context: *mut c_void, count: Out<'_, u32>) {
        knob(context, "BS2_GetSocketRetryCount", count, |knobs| knobs.socket_retries)
    }

    /// Accepted; this library writes no log.
    fn BS2_SetDebugFileLog(_level: u32, _module: u32, path: *const c_char) {
        text(path).map(drop)
    }

    /// Accepted; this library writes no log.
    fn BS2_SetDebugFileLogEx(_level: u32, _module: u32, path: *const c_char, _megabytes: c_int) {
        text(path).map(drop)
    }
}

/// An IPv4 address in text.
pub(crate) fn ipv4(address: *const c_char) -> Answer<Ipv4Addr> {
    let text = std::str::from_utf8(text(address)?).map_err(|_| INVALID_ADDRESS)?;
    text.parse().map_err(|_| INVALID_ADDRESS)
}

fn knob<T>(context: *mut c_void, function: &str, out: Out<'_, T>, read: fn(&Knobs) -> T) -> Answer {
    let context = Context::find(context, function)?;
    given(out)?.write(read(&lock(&context.knobs)));
    Ok(())
}

fn turn(context: *mut c_void, function: &str, valid: bool, set: impl FnOnce(&mut Knobs)) -> Answer {
    let context = Context::find(context, function)?;
    if !valid {
        return Err(INVALID_PARAMETER);
    }
    set(&mut lock(&context.knobs));
    Ok(())
}

fn duration(milliseconds: c_long) -> Answer<Duration> {
    let milliseconds = u64::try_from(milliseconds).ok().filter(|milliseconds| *milliseconds > 0);
    milliseconds.map(Duration::from_millis).ok_or(INVALID_PARAMETER)
}

fn whole(duration: Duration) -> c_long {
    c_long::try_from(duration.as_millis()).unwrap_or(c_long::MAX)
}
