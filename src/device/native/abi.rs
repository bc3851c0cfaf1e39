//! The vendor's functions with their types, and the structures that this crate uses.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use zerocopy::FromBytes;

use super::library::Library;
use super::worker::Calling;
use crate::codec::sdk_code::SdkCode;
use crate::{Error, ErrorKind, Result};

/// A function of the library. Errors and deadlines name it.
pub(super) struct Function<F> {
    pub(super) name: &'static str,
    pub(super) call: F,
}

impl<F: Copy> Function<F> {
    /// Calls the function by `call`, which returns the function's code.
    /// Errors: the error that the code stands for; its message is the function's name.
    pub(super) fn run(&self, call: impl FnOnce(F) -> c_int) -> Result<()> {
        match self.code(call) {
            SUCCESS => Ok(()),
            code => Err(Error::from_sdk_code(SdkCode::new(code), self.name)),
        }
    }

    /// Calls the function by `call`, and returns its code.
    pub(super) fn code(&self, call: impl FnOnce(F) -> c_int) -> c_int {
        let _calling = Calling::new(self.name);
        call(self.call)
    }
}

/// Whether the library lacks the function, or the device does not support it.
pub(super) fn is_unsupported<T>(result: &Result<T>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unsupported)
}

/// Runs our part of a callback. A panic must not unwind into the library.
pub(super) fn guarded(call: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
        // To drop the payload may panic again.
        std::mem::forget(panic);
    }
}

macro_rules! functions {
    ($($name:ident = $symbol:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions that this crate uses. Each is looked up when it is needed.
        ///
        /// # Errors
        ///
        /// `Unsupported` where the library has no such function.
        impl Library {
            $(pub(super) fn $name(&self) -> Result<Function<unsafe extern "C" fn($($argument),*) $(-> $result)?>> {
                let name = stringify!($symbol);
                // SAFETY: the type is that of the vendor's declaration.
                let call = unsafe { self.resolve(name)? };
                Ok(Function { name, call })
            })*
        }
    };
}

functions! {
    allocate_context = BS2_AllocateContext() -> *mut c_void;
    clear_log = BS2_ClearLog(*mut c_void, u32) -> c_int;
    connect_device = BS2_ConnectDevice(*mut c_void, u32) -> c_int;
    connect_device_via_ip = BS2_ConnectDeviceViaIP(*mut c_void, *const c_char, u16, *mut u32) -> c_int;
    disconnect_device = BS2_DisconnectDevice(*mut c_void, u32) -> c_int;
    get_device_capabilities = BS2_GetDeviceCapabilities(*mut c_void, u32, *mut Guarded<DeviceCapabilities>) -> c_int;
    get_device_info = BS2_GetDeviceInfo(*mut c_void, u32, *mut Guarded<SimpleDeviceInfo>) -> c_int;
    get_device_time = BS2_GetDeviceTime(*mut c_void, u32, *mut u32) -> c_int;
    get_devices = BS2_GetDevices(*mut c_void, *mut *mut c_void, *mut u32) -> c_int;
    get_event_config = BS2_GetEventConfig(*mut c_void, u32, *mut Guarded<EventConfig>) -> c_int;
    get_factory_config = BS2_GetFactoryConfig(*mut c_void, u32, *mut Guarded<FactoryConfig>) -> c_int;
    get_image_log = BS2_GetImageLog(*mut c_void, u32, u32, *mut *mut c_void, *mut u32) -> c_int;
    get_log = BS2_GetLog(*mut c_void, u32, u32, u32, *mut *mut c_void, *mut u32) -> c_int;
    get_log_blob = BS2_GetLogBlob(*mut c_void, u32, u16, u32, u32, *mut *mut c_void, *mut u32) -> c_int;
    get_log_small_blob = BS2_GetLogSmallBlob(*mut c_void, u32, u16, u32, u32, *mut *mut c_void, *mut u32) -> c_int;
    get_log_small_blob_ex = BS2_GetLogSmallBlobEx(*mut c_void, u32, u16, u32, u32, *mut *mut c_void, *mut u32) -> c_int;
    initialize = BS2_Initialize(*mut c_void) -> c_int;
    is_connected = BS2_IsConnected(*mut c_void, u32, *mut c_int) -> c_int;
    release_context = BS2_ReleaseContext(*mut c_void);
    release_object = BS2_ReleaseObject(*mut c_void);
    search_devices = BS2_SearchDevices(*mut c_void) -> c_int;
    set_default_response_timeout = BS2_SetDefaultResponseTimeout(*mut c_void, c_long) -> c_int;
    set_device_event_listener = BS2_SetDeviceEventListener(
        *mut c_void, Option<OnDevice>, Option<OnDevice>, Option<OnDevice>, Option<OnDevice>
    ) -> c_int;
    set_event_config = BS2_SetEventConfig(*mut c_void, u32, *mut Guarded<EventConfig>) -> c_int;
    set_server_port = BS2_SetServerPort(*mut c_void, u16) -> c_int;
    set_ssl_handler = BS2_SetSSLHandler(
        *mut c_void, Option<PreferMethod>, Option<GetText>, Option<GetText>, Option<GetText>, Option<GetText>,
        Option<OnErrorOccured>
    ) -> c_int;
    set_ssl_server_port = BS2_SetSSLServerPort(*mut c_void, u16) -> c_int;
    start_monitoring_log = BS2_StartMonitoringLog(*mut c_void, u32, OnLogReceived) -> c_int;
    start_monitoring_log_ex = BS2_StartMonitoringLogEx(*mut c_void, u32, OnLogReceivedEx) -> c_int;
    stop_monitoring_log = BS2_StopMonitoringLog(*mut c_void, u32) -> c_int;
    version = BS2_Version() -> *const c_char;
}

/// The function that releases an object of the library.
pub(super) type Release = unsafe extern "C" fn(*mut c_void);

/// One of the functions that read blobs.
pub(super) type GetBlobs =
    unsafe extern "C" fn(*mut c_void, u32, u16, u32, u32, *mut *mut c_void, *mut u32) -> c_int;

pub(super) type OnDevice = extern "C" fn(u32);
pub(super) type OnLogReceived = unsafe extern "C" fn(u32, *const c_void);
pub(super) type OnLogReceivedEx = unsafe extern "C" fn(u32, *const c_void, u32);
pub(super) type PreferMethod = extern "C" fn(u32) -> u32;
pub(super) type GetText = extern "C" fn(u32) -> *const c_char;
pub(super) type OnErrorOccured = extern "C" fn(u32, c_int);

/// A structure that the library writes to, with spare bytes behind it: the structure of a newer library may be longer.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Guarded<T> {
    pub(super) value: T,
    spare: [u8; SPARE],
}

impl<T: FromBytes> Guarded<T> {
    pub(super) const fn new(value: T) -> Self {
        Self { value, spare: [0; SPARE] }
    }

    /// Any bytes that the library writes are a valid `T`.
    pub(super) fn zeroed() -> Self {
        Self::new(T::new_zeroed())
    }
}

/// `BS2SimpleDeviceInfo`.
#[derive(Clone, Copy, FromBytes)]
#[repr(C, packed)]
pub(super) struct SimpleDeviceInfo {
    pub(super) id: u32,
    pub(super) device_type: u16,
    pub(super) connection_mode: u8,
    /// The first number of the address is in the lowest byte.
    pub(super) ipv4_address: u32,
    pub(super) port: u16,
    rest: [u8; 33],
}

/// `BS2FactoryConfig`.
#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
pub(super) struct FactoryConfig {
    device_id: u32,
    mac_address: [u8; 6],
    reserved: [u8; 2],
    pub(super) model_name: [u8; 32],
    board: [u8; 4],
    kernel: [u8; 4],
    core: [u8; 4],
    /// Major, minor, extension, and an unused byte.
    pub(super) firmware: [u8; 4],
    rest: [u8; 128],
}

/// `BS2DeviceCapabilities`.
#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
pub(super) struct DeviceCapabilities {
    max_users: u32,
    pub(super) max_event_logs: u32,
    pub(super) max_image_logs: u32,
    rest: [u8; 500],
}

/// `BS2EventConfig`.
#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
pub(super) struct EventConfig {
    pub(super) count: u32,
    pub(super) filters: [ImageEventFilter; MAX_FILTERS],
    unused: [u8; 32],
}

#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
pub(super) struct ImageEventFilter {
    pub(super) main_code: u8,
    pub(super) sub_code: u8,
    pub(super) sub_code_included: u8,
    reserved: u8,
    pub(super) schedule_id: u32,
}

impl ImageEventFilter {
    pub(super) const fn new(main_code: u8, sub_code: u8, exact: bool, schedule_id: u32) -> Self {
        let sub_code_included = if exact { 1 } else { 0 };
        Self { main_code, sub_code, sub_code_included, reserved: 0, schedule_id }
    }
}

pub(super) const MAX_FILTERS: usize = 32;
const SPARE: usize = 512;

/// Other positive codes are kinds of authentication.
pub(super) const SUCCESS: c_int = 1;

const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<SimpleDeviceInfo>() == 46 && align_of::<SimpleDeviceInfo>() == 1);
    assert!(
        offset_of!(SimpleDeviceInfo, device_type) == 4 && offset_of!(SimpleDeviceInfo, connection_mode) == 6
    );
    assert!(offset_of!(SimpleDeviceInfo, ipv4_address) == 7 && offset_of!(SimpleDeviceInfo, port) == 11);
    assert!(size_of::<FactoryConfig>() == 188 && align_of::<FactoryConfig>() == 4);
    assert!(offset_of!(FactoryConfig, model_name) == 12 && offset_of!(FactoryConfig, firmware) == 56);
    assert!(size_of::<DeviceCapabilities>() == 512 && align_of::<DeviceCapabilities>() == 4);
    assert!(offset_of!(DeviceCapabilities, max_event_logs) == 4);
    assert!(offset_of!(DeviceCapabilities, max_image_logs) == 8);
    assert!(size_of::<EventConfig>() == 292 && align_of::<EventConfig>() == 4);
    assert!(offset_of!(EventConfig, filters) == 4 && offset_of!(EventConfig, unused) == 260);
    assert!(size_of::<ImageEventFilter>() == 8 && offset_of!(ImageEventFilter, schedule_id) == 4);
    assert!(
        offset_of!(Guarded<SimpleDeviceInfo>, value) == 0 && offset_of!(Guarded<EventConfig>, value) == 0
    );
};
