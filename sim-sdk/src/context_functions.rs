//! The C functions of a context.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::time::Duration;

use bs2_events::codec::{DeviceId, Event};

use crate::context::{Context, DeviceCallbacks, OnDevice, Options};
use crate::ffi::{
    INTERNAL, INVALID_PARAMETER, Out, SdkResult, code_of, export, held_objects, ipv4, lock, not_null,
    release_object, return_code, text,
};
use crate::records::{EventWords, bytes};

/// A new context.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn BS2_AllocateContext() -> *mut c_void {
    let mut context = std::ptr::null_mut();
    return_code(|| {
        context = Context::allocate();
        Ok(())
    });
    context
}

/// Ends a context with its connections and threads. Objects stay until they are released.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn BS2_ReleaseContext(context: *mut c_void) {
    return_code(|| {
        Context::release(context);
        Ok(())
    });
}

/// Releases an object. Ignores NULL and released objects.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn BS2_ReleaseObject(object: *mut c_void) {
    return_code(|| {
        release_object(object);
        Ok(())
    });
}

/// The vendor's version that this library simulates.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn BS2_Version() -> *const c_char {
    concat!("2.9.12 (simulated by bs2-events ", env!("CARGO_PKG_VERSION"), ")\0").as_ptr().cast()
}

/// Only in this library: the number of objects that are not released.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn BS2SIM_HeldObjects() -> u32 {
    u32::try_from(held_objects()).unwrap_or(u32::MAX)
}

export! {
    /// Only in this library: makes events at a device, at once.
    fn BS2SIM_MakeEvents(context: *mut c_void, device: u32, count: u32) {
        let context = Context::find_any(context, "BS2SIM_MakeEvents")?;
        let simulator = &context.session()?.simulation.simulator;
        let device = simulator.reader(DeviceId::new(device)).map_err(|error| code_of(&error))?;
        device.make(count).map(drop).map_err(|error| code_of(&error))
    }

    /// Only in this library: a device logs this event with its next id, and reports it. Its time is the device's if it is
    /// 0, and so is its device, which may be a slave.
    fn BS2SIM_PushEvent(context: *mut c_void, device: u32, event: Option<&EventWords>, id: Out<'_, u32>) {
        let record = Event::from_bytes(&bytes(not_null(event)?)).copied();
        let record = record.map_err(|_| INTERNAL)?;
        let context = Context::find_any(context, "BS2SIM_PushEvent")?;
        let simulator = &context.session()?.simulation.simulator;
        let device = simulator.reader(DeviceId::new(device)).map_err(|error| code_of(&error))?;
        let pushed = device.push(record.into());
        if let Some(id) = id {
            id.write(pushed.id());
        }
        Ok(())
    }

    /// Only in this library: the connection to a device is lost, and the program is notified.
    fn BS2SIM_LoseConnection(context: *mut c_void, device: u32) {
        let context = Context::find_any(context, "BS2SIM_LoseConnection")?;
        let session = context.session()?;
        let simulator = &session.simulation.simulator;
        let device = simulator.reader(DeviceId::new(device)).map_err(|error| code_of(&error))?;
        let connection = session.devices.connection(device.id());
        device.disconnect();
        connection.into_iter().for_each(|connection| context.connection_lost(connection));
        Ok(())
    }

    /// Reads the settings in the environment, and starts the devices.
    fn BS2_Initialize(context: *mut c_void) {
        Context::find(context, "BS2_Initialize")?.initialize("BS2_Initialize")
    }

    /// The same for one network interface. The simulated devices are reached through any.
    fn BS2_InitializeEx(context: *mut c_void, host: *const c_char) {
        ipv4(host)?;
        Context::find(context, "BS2_InitializeEx")?.initialize("BS2_InitializeEx")
    }

    /// Sets the callbacks for devices. Each may be NULL.
    fn BS2_SetDeviceEventListener(
        context: *mut c_void,
        found: Option<OnDevice>,
        accepted: Option<OnDevice>,
        connected: Option<OnDevice>,
        disconnected: Option<OnDevice>,
    ) {
        let context = Context::find(context, "BS2_SetDeviceEventListener")?;
        context.set_device_callbacks(DeviceCallbacks { found, accepted, connected, disconnected });
        Ok(())
    }

    /// Accepted. The simulated devices never call these callbacks.
    fn BS2_SetNotificationListener(
        context: *mut c_void,
        _alarm_fired: *const c_void,
        _input_detected: *const c_void,
        _config_changed: *const c_void,
    ) {
        Context::find(context, "BS2_SetNotificationListener").map(drop)
    }

    /// Sets whether devices that connect by themselves are connected without a call.
    fn BS2_SetAutoConnection(context: *mut c_void, enable: c_int) {
        Context::find(context, "BS2_SetAutoConnection")?.set_auto_connection(enable != 0);
        Ok(())
    }

    /// The value of `BS2_SetAutoConnection`.
    fn BS2_IsAutoConnection(context: *mut c_void, enable: Out<'_, c_int>) {
        get_option(context, "BS2_IsAutoConnection", enable, |options| options.auto_connection.into())
    }

    /// Stored. Nothing listens at the port.
    fn BS2_SetServerPort(context: *mut c_void, port: u16) {
        set_option(context, "BS2_SetServerPort", port != 0, |options| options.server_port = port)
    }

    /// The value of `BS2_SetServerPort`.
    fn BS2_GetServerPort(context: *mut c_void, port: Out<'_, u16>) {
        get_option(context, "BS2_GetServerPort", port, |options| options.server_port)
    }

    /// Stored. Nothing listens at the port.
    fn BS2_SetSSLServerPort(context: *mut c_void, port: u16) {
        set_option(context, "BS2_SetSSLServerPort", port != 0, |options| options.ssl_server_port = port)
    }

    /// The value of `BS2_SetSSLServerPort`.
    fn BS2_GetSSLServerPort(context: *mut c_void, port: Out<'_, u16>) {
        get_option(context, "BS2_GetSSLServerPort", port, |options| options.ssl_server_port)
    }

    /// Accepted. Nothing is encrypted, so the callbacks are never called.
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

    /// Accepted. The callback is never called.
    fn BS2_SetDeviceSSLEventListener(context: *mut c_void, _send_root_ca: *const c_void) {
        Context::find(context, "BS2_SetDeviceSSLEventListener").map(drop)
    }

    /// Stored.
    fn BS2_SetSSLHandshakeTimeout(context: *mut c_void, seconds: u32) {
        set_option(context, "BS2_SetSSLHandshakeTimeout", seconds != 0, |options| options.handshake = seconds)
    }

    /// The value of `BS2_SetSSLHandshakeTimeout`.
    fn BS2_GetSSLHandshakeTimeout(context: *mut c_void, seconds: Out<'_, u32>) {
        get_option(context, "BS2_GetSSLHandshakeTimeout", seconds, |options| options.handshake)
    }

    /// Accepted. A search ends at once.
    fn BS2_SetDeviceSearchingTimeout(context: *mut c_void, seconds: u32) {
        set_option(context, "BS2_SetDeviceSearchingTimeout", seconds != 0, |_| {})
    }

    /// Accepted. The library starts the threads that it needs.
    fn BS2_SetMaxThreadCount(context: *mut c_void, count: u32) {
        set_option(context, "BS2_SetMaxThreadCount", count != 0, |_| {})
    }

    /// Accepted. The library starts the threads that it needs.
    fn BS2_SetMaxConnectThreadCount(context: *mut c_void, count: u32) {
        set_option(context, "BS2_SetMaxConnectThreadCount", count != 0, |_| {})
    }

    /// Accepted. Simulated connections need no messages.
    fn BS2_SetKeepAliveTimeout(context: *mut c_void, milliseconds: c_long) {
        set_option(context, "BS2_SetKeepAliveTimeout", milliseconds > 0, |_| {})
    }

    /// Sets how long a call waits for a device.
    fn BS2_SetDefaultResponseTimeout(context: *mut c_void, milliseconds: c_long) {
        let limit = duration(milliseconds)?;
        set_option(context, "BS2_SetDefaultResponseTimeout", true, |options| options.response = limit)
    }

    /// The value of `BS2_SetDefaultResponseTimeout`.
    fn BS2_GetDefaultResponseTimeout(context: *mut c_void, milliseconds: Out<'_, c_long>) {
        get_option(context, "BS2_GetDefaultResponseTimeout", milliseconds, |knobs| to_milliseconds(knobs.response))
    }

    /// Sets how long a slow call waits, such as deleting a log.
    fn BS2_SetDefaultLongResponseTimeout(context: *mut c_void, milliseconds: c_long) {
        let limit = duration(milliseconds)?;
        set_option(context, "BS2_SetDefaultLongResponseTimeout", true, |options| options.long_response = limit)
    }

    /// The value of `BS2_SetDefaultLongResponseTimeout`.
    fn BS2_GetDefaultLongResponseTimeout(context: *mut c_void, milliseconds: Out<'_, c_long>) {
        get_option(context, "BS2_GetDefaultLongResponseTimeout", milliseconds, |knobs| to_milliseconds(knobs.long_response))
    }

    /// Stored. There are no sockets.
    fn BS2_SetSocketRetryCount(context: *mut c_void, count: u32) {
        set_option(context, "BS2_SetSocketRetryCount", true, |options| options.socket_retries = count)
    }

    /// The value of `BS2_SetSocketRetryCount`.
    fn BS2_GetSocketRetryCount(context: *mut c_void, count: Out<'_, u32>) {
        get_option(context, "BS2_GetSocketRetryCount", count, |options| options.socket_retries)
    }

    /// Accepted. This library writes no log.
    fn BS2_SetDebugFileLog(_level: u32, _module: u32, path: *const c_char) {
        text(path).map(drop)
    }

    /// Accepted. This library writes no log.
    fn BS2_SetDebugFileLogEx(_level: u32, _module: u32, path: *const c_char, _megabytes: c_int) {
        text(path).map(drop)
    }
}

fn get_option<T>(
    context: *mut c_void,
    function: &str,
    out: Out<'_, T>,
    read: fn(&Options) -> T,
) -> SdkResult {
    let context = Context::find(context, function)?;
    not_null(out)?.write(read(&lock(&context.options)));
    Ok(())
}

fn set_option(
    context: *mut c_void,
    function: &str,
    is_valid: bool,
    set: impl FnOnce(&mut Options),
) -> SdkResult {
    let context = Context::find(context, function)?;
    if !is_valid {
        return Err(INVALID_PARAMETER);
    }
    set(&mut lock(&context.options));
    Ok(())
}

fn duration(milliseconds: c_long) -> SdkResult<Duration> {
    let milliseconds = u64::try_from(milliseconds).ok().filter(|milliseconds| *milliseconds > 0);
    milliseconds.map(Duration::from_millis).ok_or(INVALID_PARAMETER)
}

fn to_milliseconds(duration: Duration) -> c_long {
    c_long::try_from(duration.as_millis()).unwrap_or(c_long::MAX)
}
