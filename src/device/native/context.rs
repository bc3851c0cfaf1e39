//! The library's one context, and its functions as methods.

use std::ffi::{CString, c_int, c_long, c_void};
use std::net::SocketAddrV4;
use std::ptr;

use bytes::Bytes;

use super::abi::{
    DeviceCapabilities, EventConfig, FactoryConfig, Function, Guarded, SimpleDeviceInfo, Zeroed,
};
use super::blobs::{Request, Word};
use super::context_slot::Place;
use super::library::Library;
use super::memory::{array, bytes};
use super::options::NativeOptions;
use super::release_queue::Releases;
use super::worker::Calling;
use super::{callbacks, tls};
use crate::codec::{
    DeviceId, Event, EventBlob, EventMask, PortableBlob, SdkCode, SmallBlob, SmallBlobEx, Timestamp,
};
use crate::device::EventPage;
use crate::{Error, ErrorKind, Result};

/// The context, to be called. Every method blocks, and returns when the library does.
#[derive(Clone, Copy)]
pub(super) struct Context {
    library: &'static Library,
    raw: *mut c_void,
}

// SAFETY: the vendor allows every function on every thread, and the context is released when no call is under way.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// Releases the context when it is dropped, and lets another one be opened.
pub(super) struct OpenContext {
    pub(super) context: Context,
    _place: Place,
}

impl OpenContext {
    /// Loads the library, sets it up and starts it.
    pub(super) fn open(options: &NativeOptions, place: Place) -> Result<Self> {
        let calling = Calling::new("loading the library");
        let library = Library::load(options.library.as_deref(), &options.preload)?;
        drop(calling);
        let allocate = library.allocate_context()?;
        let initialize = library.initialize()?;
        let calling = Calling::new(allocate.name);
        // SAFETY: it takes nothing.
        let raw = unsafe { (allocate.call)() };
        drop(calling);
        if raw.is_null() {
            return Err(Error::new(ErrorKind::Other, format!("{} gives no context", allocate.name)));
        }
        // From here on dropping it releases it.
        let opened = Self { context: Context { library, raw }, _place: place };
        opened.context.set_up(options)?;
        let _calling = Calling::new(initialize.name);
        // SAFETY: the context is allocated and not released.
        check(&initialize, unsafe { (initialize.call)(raw) })?;
        Ok(opened)
    }
}

impl Drop for OpenContext {
    fn drop(&mut self) {
        callbacks::attach(None);
        match self.context.library.release_context() {
            Ok(release) => {
                let _calling = Calling::new(release.name);
                // SAFETY: the context is not released yet, and nobody calls it any more.
                unsafe { (release.call)(self.context.raw) };
            }
            Err(error) => tracing::warn!(%error, "the library's context is left to the end of the process"),
        }
    }
}

impl Context {
    pub(super) fn raw(self) -> *mut c_void {
        self.raw
    }

    /// What comes before the context is initialised.
    fn set_up(self, options: &NativeOptions) -> Result<()> {
        if let Some(port) = options.server_port {
            let set = self.library.set_server_port()?;
            let _calling = Calling::new(set.name);
            // SAFETY: the context is open.
            check(&set, unsafe { (set.call)(self.raw, port) })?;
        }
        if let Some(port) = options.tls_server_port {
            let set = self.library.set_ssl_server_port()?;
            let _calling = Calling::new(set.name);
            // SAFETY: the context is open.
            check(&set, unsafe { (set.call)(self.raw, port) })?;
        }
        if let Some(files) = &options.tls {
            tls::offer(files)?;
            let set = self.library.set_ssl_handler()?;
            let _calling = Calling::new(set.name);
            // SAFETY: the context is open, and the functions stay as long as the process.
            let code = unsafe {
                (set.call)(
                    self.raw,
                    Some(tls::prefer_method),
                    Some(tls::root_certificate),
                    Some(tls::certificate),
                    Some(tls::key),
                    Some(tls::password),
                    Some(tls::on_error),
                )
            };
            check(&set, code)?;
        }
        Ok(())
    }

    /// What comes after it.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the library does not report connections.
    pub(super) fn listen_to_devices(self) -> Result<()> {
        let set = self.library.set_device_event_listener()?;
        let _calling = Calling::new(set.name);
        // SAFETY: the context is open, and the functions stay as long as the process.
        let code = unsafe {
            (set.call)(
                self.raw,
                Some(callbacks::on_device_found),
                Some(callbacks::on_device_accepted),
                Some(callbacks::on_device_connected),
                Some(callbacks::on_device_disconnected),
            )
        };
        check(&set, code)
    }

    pub(super) fn set_response_timeout(self, milliseconds: c_long) -> Result<()> {
        let set = self.library.set_default_response_timeout()?;
        let _calling = Calling::new(set.name);
        // SAFETY: the context is open.
        check(&set, unsafe { (set.call)(self.raw, milliseconds) })
    }

    pub(super) fn search_devices(self) -> Result<()> {
        let search = self.library.search_devices()?;
        let _calling = Calling::new(search.name);
        // SAFETY: the context is open.
        check(&search, unsafe { (search.call)(self.raw) })
    }

    /// The readers that the library knows.
    pub(super) fn devices(self) -> Result<Vec<DeviceId>> {
        let (get, releases) = (self.library.get_devices()?, self.releases()?);
        let _calling = Calling::new(get.name);
        let (mut object, mut count) = (ptr::null_mut(), 0);
        // SAFETY: the context is open, and both addresses can be written to.
        check(&get, unsafe { (get.call)(self.raw, &raw mut object, &raw mut count) })?;
        // SAFETY: the array is ours from here on.
        let ids = unsafe { array(get.name, object, count, MOST_READERS, size_of::<u32>(), releases)? };
        let ids = ids.as_ref().map_or(&[][..], AsRef::as_ref);
        let ids = ids.as_chunks::<4>().0.iter().map(|id| DeviceId::new(u32::from_ne_bytes(*id)));
        Ok(ids.collect())
    }

    /// Connects to the reader at this address, and tells who it is.
    pub(super) fn connect_to(self, address: SocketAddrV4) -> Result<DeviceId> {
        let connect = self.library.connect_device_via_ip()?;
        let _calling = Calling::new(connect.name);
        let text = CString::new(address.ip().to_string()).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "the address holds a NUL").with_source(error)
        })?;
        let mut device = 0;
        // SAFETY: the context is open, the text lives until the call returns, and the number can be written to.
        let code = unsafe { (connect.call)(self.raw, text.as_ptr(), address.port(), &raw mut device) };
        if code != SUCCESS {
            let message = format!("{} to {address}", connect.name);
            return Err(Error::from_sdk_code(SdkCode::new(code), message));
        }
        if device == 0 {
            let message = format!("{} to {address} gives no device id", connect.name);
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        Ok(DeviceId::new(device))
    }

    /// Connects to a reader that the library knows.
    pub(super) fn connect(self, device: DeviceId) -> Result<()> {
        self.simple(&self.library.connect_device()?, device)
    }

    pub(super) fn disconnect(self, device: DeviceId) -> Result<()> {
        self.simple(&self.library.disconnect_device()?, device)
    }

    pub(super) fn is_connected(self, device: DeviceId) -> Result<bool> {
        let is_connected = self.library.is_connected()?;
        let _calling = Calling::new(is_connected.name);
        let mut connected = 1;
        // SAFETY: the context is open, and the number can be written to.
        check(&is_connected, unsafe { (is_connected.call)(self.raw, device.get(), &raw mut connected) })?;
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
        let set = self.library.set_event_config()?;
        let _calling = Calling::new(set.name);
        let mut config = Guarded::new(config);
        // SAFETY: the context is open, and the structure lives until the call returns.
        check(&set, unsafe { (set.call)(self.raw, device.get(), &raw mut config) })
    }

    pub(super) fn time(self, device: DeviceId) -> Result<Timestamp> {
        let get = self.library.get_device_time()?;
        let _calling = Calling::new(get.name);
        let mut seconds = 0;
        // SAFETY: the context is open, and the number can be written to.
        check(&get, unsafe { (get.call)(self.raw, device.get(), &raw mut seconds) })?;
        Ok(Timestamp::from_unix_seconds(seconds))
    }

    /// One answer of the reader's log, as it comes. The amount is not 0, which to the library is no bound.
    pub(super) fn log(self, device: DeviceId, after: u32, amount: u32) -> Result<EventPage> {
        let (get, releases) = (self.library.get_log()?, self.releases()?);
        let _calling = Calling::new(get.name);
        let (mut object, mut count) = (ptr::null_mut(), 0);
        // SAFETY: the context is open, and both addresses can be written to.
        let code =
            unsafe { (get.call)(self.raw, device.get(), after, amount, &raw mut object, &raw mut count) };
        check(&get, code)?;
        // SAFETY: the array is ours from here on.
        let records = unsafe { array(get.name, object, count, amount, Event::SIZE, releases)? };
        Ok(EventPage::from_bytes(records.map_or_else(Bytes::new, Bytes::from_owner))?)
    }

    /// The picture of an event.
    pub(super) fn image(self, device: DeviceId, id: u32) -> Result<Bytes> {
        let (get, releases) = (self.library.get_image_log()?, self.releases()?);
        let _calling = Calling::new(get.name);
        let (mut object, mut size) = (ptr::null_mut(), 0);
        // SAFETY: the context is open, and both addresses can be written to.
        let code = unsafe { (get.call)(self.raw, device.get(), id, &raw mut object, &raw mut size) };
        check(&get, code)?;
        // SAFETY: the object is ours from here on.
        match unsafe { bytes(get.name, object, size, MOST_IMAGE, releases)? } {
            Some(image) if size > 0 => Ok(Bytes::from_owner(image)),
            _ => Err(Error::new(ErrorKind::NotFound, format!("event {id} has no picture"))),
        }
    }

    pub(super) fn clear_log(self, device: DeviceId) -> Result<()> {
        self.simple(&self.library.clear_log()?, device)
    }

    /// With temperatures where library and reader can tell them.
    pub(super) fn start_monitoring(self, device: DeviceId) -> Result<()> {
        let started = self.start_monitoring_ex(device);
        if !is_unsupported(&started) {
            return started;
        }
        let start = self.library.start_monitoring_log()?;
        let _calling = Calling::new(start.name);
        // SAFETY: the context is open, and the function stays as long as the process.
        check(&start, unsafe { (start.call)(self.raw, device.get(), callbacks::on_log_received) })
    }

    fn start_monitoring_ex(self, device: DeviceId) -> Result<()> {
        let start = self.library.start_monitoring_log_ex()?;
        let _calling = Calling::new(start.name);
        // SAFETY: the context is open, and the function stays as long as the process.
        check(&start, unsafe { (start.call)(self.raw, device.get(), callbacks::on_log_received_ex) })
    }

    pub(super) fn stop_monitoring(self, device: DeviceId) -> Result<()> {
        self.simple(&self.library.stop_monitoring_log()?, device)
    }

    /// One answer of the reader's log with what the mask asks for, by the best function that library and reader
    /// have.
    pub(super) fn blobs(
        self,
        device: DeviceId,
        after: u32,
        amount: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>> {
        let releases = self.releases()?;
        let request = Request { context: self, device, after, mask };
        let small_ex = self.library.get_log_small_blob_ex();
        let answer = small_ex.and_then(|get| request.ask::<SmallBlobEx<Word>>(&get, amount, releases));
        if !is_unsupported(&answer) {
            return answer;
        }
        let small = self.library.get_log_small_blob();
        let answer = small.and_then(|get| request.ask::<SmallBlob<Word>>(&get, amount, releases));
        if !is_unsupported(&answer) {
            return answer;
        }
        let get = self.library.get_log_blob()?;
        request.ask::<EventBlob>(&get, amount.min(MOST_INLINE), releases)
    }

    fn releases(self) -> Result<Releases> {
        Releases::by(&self.library.release_object()?)
    }

    fn simple(
        self,
        function: &Function<unsafe extern "C" fn(*mut c_void, u32) -> c_int>,
        device: DeviceId,
    ) -> Result<()> {
        let _calling = Calling::new(function.name);
        // SAFETY: the context is open.
        check(function, unsafe { (function.call)(self.raw, device.get()) })
    }

    fn fill<T: Zeroed>(
        self,
        function: &Function<unsafe extern "C" fn(*mut c_void, u32, *mut Guarded<T>) -> c_int>,
        device: DeviceId,
    ) -> Result<T> {
        let _calling = Calling::new(function.name);
        let mut structure = Guarded::zeroed();
        // SAFETY: the context is open, and the structure can be written to, with room behind it.
        check(function, unsafe { (function.call)(self.raw, device.get(), &raw mut structure) })?;
        Ok(structure.value)
    }
}

/// # Errors
///
/// What the code stands for, said of the function.
pub(super) fn check<F>(function: &Function<F>, code: c_int) -> Result<()> {
    match code {
        SUCCESS => Ok(()),
        code => Err(Error::from_sdk_code(SdkCode::new(code), function.name)),
    }
}

/// Whether the library lacks the function, or the reader says that it does.
fn is_unsupported<T>(answer: &Result<T>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unsupported)
}

/// The other positive codes are kinds of authentication.
const SUCCESS: c_int = 1;

/// Four times what a context can be connected to.
const MOST_READERS: u32 = 4_096;

/// Twenty times what the vendor's samples have room for; nowhere is it said how long a picture can be.
const MOST_IMAGE: u32 = 1 << 20;

/// Blobs with room for a picture are long: so many are 16 MB.
const MOST_INLINE: u32 = 1_024;
