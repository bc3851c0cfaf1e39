//! The vendor's library as a backend of the client.

use std::collections::BTreeSet;
use std::ffi::c_long;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::abi::MAX_FILTERS;
use super::callbacks::{self, Presence};
use super::connection::Connection;
use super::context::{Context, OpenContext};
use super::context_slot::{ContextSlot, Ticket};
use super::convert;
use super::memory::ReleaseQueue;
use super::options::NativeOptions;
use super::worker::{Worker, closed};
use crate::codec::blob::EventMask;
use crate::codec::portable::PortableBlob;
use crate::codec::{DeviceId, Timestamp};
use crate::device::backend::{Backend, DeviceList, LiveSink, Monitoring, scan_image_logs};
use crate::device::calls::of_device;
use crate::device::{Capabilities, ConnectionSubscription, DeviceInfo, EventPage, ImageFilter, ImageLog};
use crate::sync::lock;
use crate::{Error, ErrorKind, Result};

/// Devices behind the vendor's C library.
///
/// The library allows one context in a process. A second backend can be opened when the first one is closed or dropped
/// and its calls have returned.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
///
/// use bs2_events::device::Client;
/// use bs2_events::device::native::{NativeBackend, NativeOptions};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let options = NativeOptions::default()
///     .with_library("/opt/bs2/libBS_SDK_V2.so")
///     .with_device("192.168.0.10:51211".parse()?);
/// let client = Client::new(Arc::new(NativeBackend::open(options)?));
/// for device in client.devices().await? {
///     println!("{:?}", device.info().await?);
/// }
/// # Ok(())
/// # }
/// ```
///
/// A missing library is an error:
///
/// ```
/// use bs2_events::ErrorKind;
/// use bs2_events::device::native::{NativeBackend, NativeOptions};
///
/// let options = NativeOptions::default().with_library("/nowhere/libBS_SDK_V2.so").with_search();
/// let error = NativeBackend::open(options).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "cannot load the library `/nowhere/libBS_SDK_V2.so`");
/// ```
pub struct NativeBackend {
    context: Context,
    options: NativeOptions,
    presence: Arc<Presence>,
    connections: Mutex<Vec<Arc<Connection>>>,
    /// The connections of devices that were replaced at their addresses, with the devices that are there now. They are
    /// used no more.
    replaced: Mutex<Vec<(Arc<Connection>, DeviceId)>>,
    /// Makes the calls that concern the whole library.
    control: Worker,
    /// Released after the last call.
    opened: Arc<Mutex<Option<OpenContext>>>,
    ticket: Ticket,
    closed: AtomicBool,
    released: watch::Sender<bool>,
}

impl NativeBackend {
    /// Loads the library and starts it. Blocks until that is done, at most until the deadline. Devices are connected
    /// later, when they are used.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) and [`InvalidInput`](ErrorKind::InvalidInput) where the library cannot be
    /// loaded or the options name no device; [`Busy`](ErrorKind::Busy) while another backend is open;
    /// [`Unsupported`](ErrorKind::Unsupported) where the library lacks a function that every backend needs;
    /// [`TimedOut`](ErrorKind::TimedOut) at the deadline; and the library's own errors, for example that a port is in
    /// use.
    #[doc(alias("BS2_AllocateContext", "BS2_Initialize"))]
    pub fn open(options: NativeOptions) -> Result<Self> {
        options.check()?;
        let slot = ContextSlot::take(options.deadline)?;
        let ticket = slot.ticket();
        let control = Worker::start(options.deadline, || {})?;
        let presence = Arc::new(Presence::new());
        let job = (options.clone(), Arc::clone(&presence));
        let opened = control.call_blocking(move || open(&job.0, slot, job.1));
        // If the start has not returned in time, the slot is free when it returns.
        let opened = opened.inspect_err(|_| ticket.close())?;
        let context = opened.context;
        let addresses = options.devices.iter().collect::<BTreeSet<_>>().into_iter();
        let connections = addresses.map(|&address| Connection::at(address, context, options.deadline));
        Ok(Self {
            context,
            presence,
            connections: Mutex::new(connections.collect::<Result<_>>()?),
            replaced: Mutex::default(),
            options,
            control,
            opened: Arc::new(Mutex::new(Some(opened))),
            ticket,
            closed: AtomicBool::new(false),
            released: watch::Sender::new(false),
        })
    }

    /// The connection changes that the library reports, of all devices that it knows.
    ///
    /// [`Client::states`](crate::device::Client::states) reports those of the client's own calls and subscriptions.
    #[doc(alias = "BS2_SetDeviceEventListener")]
    #[must_use]
    pub fn states(&self) -> ConnectionSubscription {
        self.presence.board.subscribe()
    }

    /// Finds and connects the devices that the options name, and returns the failures.
    async fn discover(&self) -> Vec<Error> {
        let new: Vec<_> = self.connections().into_iter().filter(|new| new.device().is_none()).collect();
        let mut results = join_all(new.iter().map(|connection| connection.connect())).await;
        if self.options.search {
            results.push(self.search().await);
        }
        if self.options.accept > 0 {
            results.push(self.wait_for_devices().await);
        }
        results.into_iter().filter_map(Result::err).collect()
    }

    async fn search(&self) -> Result<()> {
        let context = self.context;
        let search = move || {
            context.search_devices()?;
            context.devices()
        };
        let known = self.control.call(search).await?;
        let found = self.presence.found.borrow().clone();
        known.into_iter().chain(found).try_for_each(|device| self.add(device))
    }

    /// Waits until the expected number of devices has connected to this process.
    async fn wait_for_devices(&self) -> Result<()> {
        let expected = self.options.accept;
        let mut accepted = self.presence.accepted.subscribe();
        let enough = accepted.wait_for(|devices| devices.len() >= expected);
        let in_time = tokio::time::timeout(self.options.deadline, enough).await.is_ok();
        let devices = self.presence.accepted.borrow().clone();
        let count = devices.len();
        devices.into_iter().try_for_each(|device| self.add(device))?;
        if in_time {
            return Ok(());
        }
        let message = format!("{count} of {expected} devices have connected in time");
        Err(Error::new(ErrorKind::TimedOut, message))
    }

    fn add(&self, device: DeviceId) -> Result<()> {
        let mut connections = lock(&self.connections);
        if device.get() != 0 && connections.iter().all(|other| other.device() != Some(device)) {
            connections.push(Connection::known(device, self.context, self.options.deadline)?);
        }
        Ok(())
    }

    /// The connection of a known device.
    /// Errors: `NotFound` for an unknown device; `Closed` after the backend was closed.
    fn connection(&self, device: DeviceId) -> Result<Arc<Connection>> {
        self.check_open()?;
        let is_of_device = |connection: &Arc<Connection>| connection.device() == Some(device);
        self.connections().into_iter().find(is_of_device).ok_or_else(|| {
            let not_found = |message| Error::new(ErrorKind::NotFound, message).with_device(device);
            match lock(&self.replaced).iter().rev().find(|(connection, _)| is_of_device(connection)) {
                Some((_, by)) => not_found("another device is at its address").with_replacement(*by),
                None => not_found(
                    "the vendor's library does not know this device: name its address, or search for devices",
                ),
            }
        })
    }

    /// Connects a device. If another one is at its address, that one is a device of its own from now on.
    async fn connect_over(&self, connection: Arc<Connection>) -> Result<()> {
        let result = connection.connect().await;
        let error = match &result {
            Err(error) => error,
            Ok(()) => return result,
        };
        let (Some(by), Some(address)) = (error.replacement(), connection.address()) else { return result };
        let mut connections = lock(&self.connections);
        if let Some(used) = connections.iter_mut().find(|used| Arc::ptr_eq(used, &connection)) {
            *used = Connection::at(address, self.context, self.options.deadline)?;
            connection.device().into_iter().for_each(callbacks::forget);
            lock(&self.replaced).push((connection, by));
        }
        result
    }

    /// Makes a call to a device.
    async fn call<T: Send + 'static>(
        &self,
        device: DeviceId,
        call: impl FnOnce(Context, DeviceId) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let result = self.connection(device)?.call(call).await;
        result.map_err(|error| of_device(error, device))
    }

    fn connections(&self) -> Vec<Arc<Connection>> {
        lock(&self.connections).clone()
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    /// Starts to close all connections. The context is released after the last call and the last release of an object.
    fn begin_close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.ticket.close();
        let replaced =
            std::mem::take(&mut *lock(&self.replaced)).into_iter().map(|(connection, _)| connection);
        let threads: Vec<_> =
            self.connections().into_iter().chain(replaced).filter_map(|one| one.finish()).collect();
        let (opened, released) = (Arc::clone(&self.opened), self.released.clone());
        self.control.finish(move || {
            for thread in threads {
                let _ = thread.join(); // A thread that has panicked has ended too.
            }
            ReleaseQueue::wait();
            lock(&opened).take();
            released.send_replace(true);
        });
    }

    /// The error of a close that has not ended in time. It names the function that has not returned.
    fn close_timed_out(&self) -> Error {
        let overdue = self.connections().into_iter().find_map(|one| Some((one.overdue()?, one.device())));
        let other = || Some((self.control.overdue().or_else(ReleaseQueue::overdue)?, None));
        let (name, device) =
            overdue.or_else(other).map_or(("a call", None), |((name, _), device)| (name, device));
        let message = format!("{name} has not returned, so the library's context stays open");
        let error = Error::new(ErrorKind::TimedOut, message);
        match device {
            Some(device) => error.with_device(device),
            None => error,
        }
    }
}

#[async_trait]
impl Backend for NativeBackend {
    async fn devices(&self) -> Result<DeviceList> {
        self.check_open()?;
        let failures = self.discover().await;
        let connections = self.connections();
        Ok(DeviceList::new(connections.iter().filter_map(|one| one.device())).with_failures(failures))
    }

    async fn connect(&self, device: DeviceId) -> Result<()> {
        let connection = match self.connection(device) {
            // The devices were not listed yet, or this one connected later.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let failures = self.discover().await;
                // The device may be one of those that failed.
                self.connection(device).map_err(|error| failures.into_iter().next().unwrap_or(error))?
            }
            connection => connection?,
        };
        self.connect_over(connection).await
    }

    async fn info(&self, device: DeviceId) -> Result<DeviceInfo> {
        let address = self.connection(device)?.address();
        let (info, factory) = self
            .call(device, |context, device| {
                let info = context.device_info(device)?;
                // Some devices and libraries do not support it; the rest is useful without it.
                Ok((info, context.factory_config(device).ok()))
            })
            .await?;
        Ok(convert::device_info(device, &info, factory.as_ref(), address.map(SocketAddr::V4)))
    }

    async fn capabilities(&self, device: DeviceId) -> Result<Capabilities> {
        let capabilities = self.call(device, Context::capabilities).await?;
        Ok(Capabilities::new(capabilities.max_event_logs).with_image_logs(capabilities.max_image_logs))
    }

    async fn time(&self, device: DeviceId) -> Result<Timestamp> {
        self.call(device, Context::time).await
    }

    async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
        let amount = max.clamp(1, MAX_AMOUNT);
        let page = self.call(device, move |context, device| context.log(device, after, amount)).await?;
        callbacks::learn(device, &page);
        Ok(page)
    }

    async fn blobs(
        &self,
        device: DeviceId,
        after: u32,
        max: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>> {
        let amount = max.clamp(1, MAX_AMOUNT);
        self.call(device, move |context, device| context.blobs(device, after, amount, mask)).await
    }

    async fn image_log(&self, device: DeviceId, id: u32) -> Result<Bytes> {
        self.call(device, move |context, device| context.image(device, id)).await
    }

    async fn image_logs(&self, device: DeviceId, after: u32, max: u32) -> Result<Vec<ImageLog>> {
        scan_image_logs(self, device, after, max).await
    }

    async fn image_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>> {
        let config = self.call(device, Context::event_config).await?;
        convert::image_filters(&config)
    }

    async fn set_image_filters(&self, device: DeviceId, filters: &[ImageFilter]) -> Result<()> {
        self.connection(device)?;
        if filters.len() > MAX_FILTERS {
            let message = format!("{} image filters, and a device has at most {MAX_FILTERS}", filters.len());
            return Err(Error::new(ErrorKind::InvalidInput, message).with_device(device));
        }
        let filters = filters.to_vec();
        self.call(device, move |context, device| {
            let mut config = context.event_config(device)?;
            convert::set_image_filters(&mut config, &filters);
            context.set_event_config(device, config)
        })
        .await
    }

    async fn clear_log(&self, device: DeviceId) -> Result<()> {
        self.call(device, Context::clear_log).await
    }

    async fn monitor(&self, device: DeviceId, sink: LiveSink) -> Result<Monitoring> {
        self.connection(device)?.monitor(sink).await
    }

    /// Waits for running calls and for the release of dropped objects, at most until the deadline. The context is
    /// released when the last of them returns.
    async fn close(&self) -> Result<()> {
        self.begin_close();
        let mut released = self.released.subscribe();
        match tokio::time::timeout(self.options.deadline, released.wait_for(|released| *released)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(self.close_timed_out()),
        }
    }

    fn has_clock(&self) -> bool {
        true
    }
}

impl Drop for NativeBackend {
    fn drop(&mut self) {
        self.begin_close();
    }
}

impl fmt::Debug for NativeBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeBackend").field("options", &self.options).finish_non_exhaustive()
    }
}

fn open(options: &NativeOptions, slot: ContextSlot, presence: Arc<Presence>) -> Result<OpenContext> {
    let opened = OpenContext::open(options, slot)?;
    let context = opened.context;
    if let Some(timeout) = options.response_timeout {
        let milliseconds = c_long::try_from(timeout.as_millis()).unwrap_or(c_long::MAX);
        context.set_response_timeout(milliseconds)?;
    }
    callbacks::attach(Some(presence));
    match context.listen_to_devices() {
        // A lost connection then shows at the next call or the next check of the connection.
        Err(error) if error.kind() == ErrorKind::Unsupported && options.accept == 0 => {
            tracing::warn!(%error, "the vendor's library does not report lost connections");
        }
        result => result?,
    }
    Ok(opened)
}

/// No device keeps more events: the largest keep three million. The amount of a call is the only limit that a returned
/// count can be checked against.
const MAX_AMOUNT: u32 = 4_000_000;
