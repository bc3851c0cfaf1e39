//! The library's context, with the functions of the library as methods.

use std::ffi::{CString, c_int, c_long, c_void};
use std::net::SocketAddrV4;
use std::ptr;

use bytes::Bytes;
use zerocopy::FromBytes;

use super::abi::{
    DeviceCapabilities, EventConfig, FactoryConfig, Function, GetBlobs, Guarded, SUCCESS, SimpleDeviceInfo,
    is_unsupported,
};
use super::callbacks;
use super::context_slot::ContextSlot;
use super::convert::{self, BlobRecord, Word};
use super::library::Library;
use super::memory::{ReleaseQueue, array};
use super::options::NativeOptions;
use super::worker::Calling;
use crate::codec::blob::{EventBlob, EventMask, SmallBlob, SmallBlobEx};
use crate::codec::portable::PortableBlob;
use crate::codec::sdk_code::SdkCode;
use crate::codec::{DeviceId, Event, Timestamp};
use crate::device::EventPage;
use crate::{Error, ErrorKind, Result};

/// The context. Every method blocks until the library's function returns.
#[derive(Clone, Copy)]
pub(super) struct Context {
    library: &'static Library,
    raw: *mut c_void,
}

// SAFETY: the vendor allows every function on every thread, and the context is released when no call runs.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// Releases the context when it is dropped, and frees the slot.
pub(super) struct OpenContext {
    pub(super) context: Context,
    _slot: ContextSlot,
}

impl OpenContext {
    /// Loads the library, then allocates, configures and initialises the context.
    pub(super) fn open(options: &NativeOptions, slot: ContextSlot) -> Result<Self> {
        let calling = Calling::new("loading the library");
        let library = Library::load(options.library.as_deref(), &options.preload)?;
        drop(calling);
        let allocate = library.allocate_context()?;
        let initialize = library.initialize()?;
        let calling = Calling::new(allocate.name);
        // SAFETY: it takes no arguments.
        let raw = unsafe { (allocate.call)() };
        drop(calling);
        if raw.is_null() {
            return Err(Error::new(ErrorKind::Other, format!("{} returned NULL", allocate.name)));
        }
        // From here on dropping it releases the context.
        let opened = Self { context: Context { library, raw }, _slot: slot };
        opened.context.configure(options)?;
        // SAFETY: the context is allocated and not released.
        initialize.run(|initialize| unsafe { initialize(raw) })?;
        Ok(opened)
    }
}

impl Drop for OpenContext {
    fn drop(&mut self) {
        callbacks::attach(None);
        match self.context.library.release_context() {
            Ok(release) => {
                let _calling = Calling::new(release.name);
                // SAFETY: the context is not released yet, and nobody uses it any more.
                unsafe { (release.call)(self.context.raw) };
            }
            Err(error) => tracing::warn!(%error, "the library's context stays open until the process ends"),
        }
    }
}

impl Context {
    /// The settings that must be made before the context is initialised.
    fn configure(self, options: &NativeOptions) -> Result<()> {
        if let Some(port) = options.server_port {
            // SAFETY: the context is open.
            self.library.set_server_port()?.run(|set| unsafe { set(self.raw, port) })?;
        }
        if let Some(port) = options.tls_server_port {
            // SAFETY: the context is open.
            self.library.set_ssl_server_port()?.run(|set| unsafe { set(self.raw, port) })?;
        }
        if let Some(files) = &options.tls {
            callbacks::set_tls_files(files)?;
            // SAFETY: the context is open, and the callbacks stay as long as the process.
            self.library.set_ssl_handler()?.run(|set| unsafe {
                set(
                    self.raw,
                    Some(callbacks::prefer_method),
                    Some(callbacks::root_certificate),
                    Some(callbacks::certificate),
                    Some(callbacks::key),
                    Some(callbacks::password),
                    Some(callbacks::on_tls_error),
                )
            })?;
        }
        Ok(())
    }

    /// Sets the callbacks for devices.
    /// Errors: `Unsupported` where the library has no such callbacks.
    pub(super) fn listen_to_devices(self) -> Result<()> {
        // SAFETY: the context is open, and the callbacks stay as long as the process.
        self.library.set_device_event_listener()?.run(|set| unsafe {
            set(
                self.raw,
                Some(callbacks::on_device_found),
                Some(callbacks::on_device_accepted),
                Some(callbacks::on_device_connected),
                Some(callbacks::on_device_disconnected),
            )
        })
    }

    pub(super) fn set_response_timeout(self, milliseconds: c_long) -> Result<()> {
        // SAFETY: the context is open.
        self.library.set_default_response_timeout()?.run(|set| unsafe { set(self.raw, milliseconds) })
    }

    pub(super) fn search_devices(self) -> Result<()> {
        // SAFETY: the context is open.
        self.library.search_devices()?.run(|search| unsafe { search(self.raw) })
    }

    /// The devices that the library knows.
    pub(super) fn devices(self) -> Result<Vec<DeviceId>> {
        let (get, queue) = (self.library.get_devices()?, self.release_queue()?);
        let (mut object, mut count) = (ptr::null_mut(), 0);
        // SAFETY: the context is open, and both results can be written to.
        get.run(|get| unsafe { get(self.raw, &raw mut object, &raw mut count) })?;
        // SAFETY: the library leaves the array to us.
        let ids = unsafe { array(get.name, object, count, MAX_DEVICES, size_of::<u32>(), queue)? };
        let ids = ids.as_ref().map_or(&[][..], AsRef::as_ref);
        let ids = ids.as_chunks::<4>().0.iter().map(|id| DeviceId::new(u32::from_ne_bytes(*id)));
        Ok(ids.collect())
    }

    /// Connects to the device at this address, and returns its id.
    pub(super) fn connect_to(self, address: SocketAddrV4) -> Result<DeviceId> {
        let connect = self.library.connect_device_via_ip()?;
        let text = CString::new(address.ip().to_string()).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "the address contains a NUL byte").with_source(error)
        })?;
        let mut device = 0;
        let code = connect.code(|connect| {
            // SAFETY: the context is open, the text lives until the call returns, and the id can be written to.
            unsafe { connect(self.raw, text.as_ptr(), address.port(), &raw mut device) }
        });
        if code != SUCCESS {
            let message = format!("{} to {address}", connect.name);
            return Err(Error::from_sdk_code(SdkCode::new(code), message));
        }
        if device == 0 {
            let message = format!("{} to {address} returned no device id", connect.name);
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        Ok(DeviceId::new(device))
    }

    /// Connects to a device that the library knows.
    pub(super) fn connect(self, device: DeviceId) -> Result<()> {
        self.simple(&self.library.connect_device()?, device)
    }

    pub(super) fn disconnect(self, device: DeviceId) -> Result<()> {
        self.simple(&self.library.disconnect_device()?, device)
    }

    pub(super) fn is_connected(self, device: DeviceId) -> Result<bool> {
        let mut connected = 1;
        let is_connected = self.library.is_connected()?;
        // SAFETY: the context is open, and the result can be written to.
        is_connected.run(|get| unsafe { get(self.raw, device.get(), &raw mut connected) })?;
        Ok(connected != 0)
    }

    pub(super) fn device_info(self, device: DeviceId) -> Result<SimpleDeviceInfo> {
        self.fill(&self.library.get_device_info()?, device)
    }

    pub(super) fn factory_config(self, device: DeviceId) -> Result<FactoryConfig> {
        self.fill(&self.library.get_factory_config()?, device)
    }

    pub(super) fn capabilities(self, device: DeviceId) -> Result<DeviceCapabilities> {
        self.fill(&self.library.get_device_capabilities()?, device)
    }

    pub(super) fn event_config(self, device: DeviceId) -> Result<EventConfig> {
        self.fill(&self.library.get_event_config()?, device)
    }

    pub(super) fn set_event_config(self, device: DeviceId, config: EventConfig) -> Result<()> {
        let mut config = Guarded::new(config);
        // SAFETY: the context is open, and the structure lives until the call returns.
        self.library.set_event_config()?.run(|set| unsafe { set(self.raw, device.get(), &raw mut config) })
    }

    pub(super) fn time(self, device: DeviceId) -> Result<Timestamp> {
        let (get, mut seconds) = (self.library.get_device_time()?, 0);
        // SAFETY: the context is open, and the result can be written to.
        get.run(|get| unsafe { get(self.raw, device.get(), &raw mut seconds) })?;
        Ok(Timestamp::from_unix_seconds(seconds))
    }

    /// One answer of the device's log, unchanged. `amount` is at least 1; for the library 0 means no limit.
    pub(super) fn log(self, device: DeviceId, after: u32, amount: u32) -> Result<EventPage> {
        let (get, queue) = (self.library.get_log()?, self.release_queue()?);
        let (mut object, mut count) = (ptr::null_mut(), 0);
        // SAFETY: the context is open, and both results can be written to.
        get.run(|get| unsafe {
            get(self.raw, device.get(), after, amount, &raw mut object, &raw mut count)
        })?;
        // SAFETY: the library leaves the array to us.
        let records = unsafe { array(get.name, object, count, amount, Event::SIZE, queue)? };
        Ok(EventPage::from_bytes(records.map_or_else(Bytes::new, Bytes::from_owner))?)
    }

    /// The image of an event.
    pub(super) fn image(self, device: DeviceId, id: u32) -> Result<Bytes> {
        let (get, queue) = (self.library.get_image_log()?, self.release_queue()?);
        let (mut object, mut size) = (ptr::null_mut(), 0);
        // SAFETY: the context is open, and both results can be written to.
        get.run(|get| unsafe { get(self.raw, device.get(), id, &raw mut object, &raw mut size) })?;
        // SAFETY: the library leaves the object to us.
        match unsafe { array(get.name, object, size, MAX_IMAGE, 1, queue)? } {
            Some(image) if size > 0 => Ok(Bytes::from_owner(image)),
            _ => Err(Error::new(ErrorKind::NotFound, format!("event {id} has no image"))),
        }
    }

    pub(super) fn clear_log(self, device: DeviceId) -> Result<()> {
        self.simple(&self.library.clear_log()?, device)
    }

    /// Starts the reports of events, with temperatures where the library and the device support them.
    pub(super) fn start_monitoring(self, device: DeviceId) -> Result<()> {
        let started = self.start_monitoring_ex(device);
        if !is_unsupported(&started) {
            return started;
        }
        let start = self.library.start_monitoring_log()?;
        // SAFETY: the context is open, and the callback stays as long as the process.
        start.run(|start| unsafe { start(self.raw, device.get(), callbacks::on_log_received) })
    }

    fn start_monitoring_ex(self, device: DeviceId) -> Result<()> {
        let start = self.library.start_monitoring_log_ex()?;
        // SAFETY: the context is open, and the callback stays as long as the process.
        start.run(|start| unsafe { start(self.raw, device.get(), callbacks::on_log_received_ex) })
    }

    pub(super) fn stop_monitoring(self, device: DeviceId) -> Result<()> {
        self.simple(&self.library.stop_monitoring_log()?, device)
    }

    /// One answer of the device's log with the fields of the mask, by the newest function that both the library and the
    /// device support.
    pub(super) fn blobs(
        self,
        device: DeviceId,
        after: u32,
        amount: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>> {
        let queue = self.release_queue()?;
        let newest = self.library.get_log_small_blob_ex();
        let blobs = newest
            .and_then(|get| self.blobs_by::<SmallBlobEx<Word>>(&get, device, after, amount, mask, queue));
        if !is_unsupported(&blobs) {
            return blobs;
        }
        let older = self.library.get_log_small_blob();
        let blobs =
            older.and_then(|get| self.blobs_by::<SmallBlob<Word>>(&get, device, after, amount, mask, queue));
        if !is_unsupported(&blobs) {
            return blobs;
        }
        let oldest = self.library.get_log_blob()?;
        self.blobs_by::<EventBlob>(&oldest, device, after, amount.min(MAX_LONG_BLOBS), mask, queue)
    }

    fn blobs_by<R: BlobRecord>(
        self,
        get: &Function<GetBlobs>,
        device: DeviceId,
        after: u32,
        amount: u32,
        mask: EventMask,
        queue: ReleaseQueue,
    ) -> Result<Vec<PortableBlob<'static>>> {
        let (mut object, mut count) = (ptr::null_mut(), 0);
        // SAFETY: the context is open, and both results can be written to.
        get.run(|get| unsafe {
            get(self.raw, device.get(), mask.bits(), after, amount, &raw mut object, &raw mut count)
        })?;
        // SAFETY: the library leaves the array to us.
        let records = unsafe { array(get.name, object, count, amount, size_of::<R>(), queue)? };
        // SAFETY: the library leaves the images to us too, each an object that the same function releases.
        records.map_or_else(|| Ok(Vec::new()), |array| unsafe { convert::blobs::<R>(get.name, &array, mask) })
    }

    fn release_queue(self) -> Result<ReleaseQueue> {
        ReleaseQueue::new(&self.library.release_object()?)
    }

    fn simple(
        self,
        function: &Function<unsafe extern "C" fn(*mut c_void, u32) -> c_int>,
        device: DeviceId,
    ) -> Result<()> {
        // SAFETY: the context is open.
        function.run(|call| unsafe { call(self.raw, device.get()) })
    }

    fn fill<T: FromBytes>(
        self,
        function: &Function<unsafe extern "C" fn(*mut c_void, u32, *mut Guarded<T>) -> c_int>,
        device: DeviceId,
    ) -> Result<T> {
        let mut structure = Guarded::zeroed();
        // SAFETY: the context is open, and the structure can be written to, with spare bytes behind it.
        function.run(|get| unsafe { get(self.raw, device.get(), &raw mut structure) })?;
        Ok(structure.value)
    }
}

/// Four times the devices that a context can be connected to.
const MAX_DEVICES: u32 = 4_096;

/// Twenty times the buffer of the vendor's samples; the manual names no limit for an image.
const MAX_IMAGE: u32 = 1 << 20;

/// Blobs with room for an image are long: this many take 16 MB.
const MAX_LONG_BLOBS: u32 = 1_024;
