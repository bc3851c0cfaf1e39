//! The vendor's library as a backend of the client.

use std::collections::BTreeSet;
use std::ffi::c_long;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::abi::MOST_FILTERS;
use super::callbacks::{self, Presence};
use super::connection::Link;
use super::context::{Context, OpenContext};
use super::context_slot::{Place, Ticket};
use super::describe::describe;
use super::options::NativeOptions;
use super::worker::{Worker, closed};
use super::{filters, logs, release_queue};
use crate::codec::{DeviceId, EventMask, PortableBlob, Timestamp};
use crate::device::{
    Backend, Capabilities, DeviceInfo, DeviceList, EventPage, ImageFilter, ImageLog, LiveSink, Monitoring,
    StateStream, scan_image_logs,
};
use crate::{Error, ErrorKind, Result};

/// Readers behind the vendor's C library.
///
/// The library allows one context in a process: a second backend can be opened when the first one is closed or dropped,
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
/// A library that is not there is an error and no crash:
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
    links: Mutex<Vec<Arc<Link>>>,
    /// Makes the calls that concern no single reader.
    control: Worker,
    /// What is released at the end.
    opened: Arc<Mutex<Option<OpenContext>>>,
    ticket: Ticket,
    closed: AtomicBool,
    released: watch::Sender<bool>,
}

impl NativeBackend {
    /// Loads the library and starts it. Blocks until that is done, at the longest for the deadline; readers are connected
    /// later, when they are used.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) and [`InvalidInput`](ErrorKind::InvalidInput) where the library cannot be
    /// loaded or the options name no reader; [`Busy`](ErrorKind::Busy) while another one is open;
    /// [`Unsupported`](ErrorKind::Unsupported) where it has none of the functions to begin with;
    /// [`TimedOut`](ErrorKind::TimedOut) at the deadline; and what the library answers, for example that its ports are
    /// taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::ErrorKind;
    /// use bs2_events::device::native::{NativeBackend, NativeOptions};
    ///
    /// let error = NativeBackend::open(NativeOptions::default()).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput); // No reader is named.
    /// ```
    #[doc(alias("BS2_AllocateContext", "BS2_Initialize"))]
    pub fn open(options: NativeOptions) -> Result<Self> {
        options.check()?;
        let place = Place::take(options.deadline)?;
        let ticket = place.ticket();
        let control = Worker::start(options.deadline, || {})?;
        let presence = Arc::new(Presence::new());
        let (given, theirs) = (options.clone(), Arc::clone(&presence));
        let opened = control.call_blocking(move || open(&given, place, theirs));
        // Where the start has not returned in time, the place is free when it does.
        let opened = opened.inspect_err(|_| ticket.leave())?;
        let context = opened.context;
        let links = options.devices.iter().collect::<BTreeSet<_>>().into_iter();
        let links = links.map(|&address| Link::at(address, context, options.deadline));
        Ok(Self {
            context,
            presence,
            links: Mutex::new(links.collect::<Result<_>>()?),
            options,
            control,
            opened: Arc::new(Mutex::new(Some(opened))),
            ticket,
            closed: AtomicBool::new(false),
            released: watch::Sender::new(false),
        })
    }

    /// What the library itself reports of connections, also of readers that nobody uses.
    ///
    /// A [`Client`](crate::device::Client) tells how its own calls and subscriptions fare.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use bs2_events::device::native::{NativeBackend, NativeOptions};
    /// use tokio_stream::StreamExt;
    ///
    /// # async fn example() -> bs2_events::Result<()> {
    /// let backend = NativeBackend::open(NativeOptions::default().with_accepted(1))?;
    /// let mut states = backend.states();
    /// println!("{:?}", states.next().await);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "BS2_SetDeviceEventListener")]
    #[must_use]
    pub fn states(&self) -> StateStream {
        self.presence.board.subscribe()
    }

    /// Makes every reader known that the options name; an error for each with whom that failed.
    async fn meet(&self) -> Vec<Error> {
        let strangers: Vec<_> = self.links().into_iter().filter(|link| link.device().is_none()).collect();
        let mut met = join_all(strangers.iter().map(|link| link.connect())).await;
        if self.options.search {
            met.push(self.search().await);
        }
        if self.options.accept > 0 {
            met.push(self.wait_for_readers().await);
        }
        met.into_iter().filter_map(Result::err).collect()
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

    /// Waits until as many readers have connected to us as were asked for.
    async fn wait_for_readers(&self) -> Result<()> {
        let wanted = self.options.accept;
        let mut accepted = self.presence.accepted.subscribe();
        let enough = accepted.wait_for(|readers| readers.len() >= wanted);
        let in_time = tokio::time::timeout(self.options.deadline, enough).await.is_ok();
        let readers = self.presence.accepted.borrow().clone();
        let come = readers.len();
        readers.into_iter().try_for_each(|device| self.add(device))?;
        if in_time {
            return Ok(());
        }
        let message = format!("{come} of {wanted} readers have connected to us in time");
        Err(Error::new(ErrorKind::TimedOut, message))
    }

    fn add(&self, device: DeviceId) -> Result<()> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if device.get() != 0 && links.iter().all(|link| link.device() != Some(device)) {
            links.push(Link::known(device, self.context, self.options.deadline)?);
        }
        Ok(())
    }

    /// The reader, if it is known.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not; `Closed` after the end.
    fn link(&self, device: DeviceId) -> Result<Arc<Link>> {
        self.check_open()?;
        self.links().into_iter().find(|link| link.device() == Some(device)).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "the library knows no such reader").with_device(device)
        })
    }

    /// A call to a reader.
    async fn call<T: Send + 'static>(
        &self,
        device: DeviceId,
        call: impl FnOnce(Context, DeviceId) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let result = self.link(device)?.call(call).await;
        result.map_err(|error| if error.device().is_some() { error } else { error.with_device(device) })
    }

    fn links(&self) -> Vec<Arc<Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    /// Ends every connection, and the context when the last call has returned and what was dropped is given back.
    fn begin_close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.ticket.leave();
        let threads: Vec<_> = self.links().iter().filter_map(|link| link.finish()).collect();
        let (opened, released) = (Arc::clone(&self.opened), self.released.clone());
        self.control.finish(move || {
            for thread in threads {
                let _ = thread.join(); // A thread that has panicked has ended too.
            }
            release_queue::wait();
            opened.lock().unwrap_or_else(PoisonError::into_inner).take();
            released.send_replace(true);
        });
    }
}

#[async_trait]
impl Backend for NativeBackend {
    async fn devices(&self) -> Result<DeviceList> {
        self.check_open()?;
        let failures = self.meet().await;
        let links = self.links();
        Ok(DeviceList::new(links.iter().filter_map(|link| link.device())).with_failures(failures))
    }

    async fn connect(&self, device: DeviceId) -> Result<()> {
        let link = match self.link(device) {
            // Nobody has asked for the list yet, or the reader has come since.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let failures = self.meet().await;
                // It may be any of those that cannot be reached.
                self.link(device).map_err(|error| failures.into_iter().next().unwrap_or(error))?
            }
            link => link?,
        };
        link.connect().await
    }

    async fn info(&self, device: DeviceId) -> Result<DeviceInfo> {
        let address = self.link(device)?.address();
        let (info, factory) = self
            .call(device, |context, device| {
                let info = context.device_info(device)?;
                // Not every reader and library tells it, and the rest is worth having without.
                Ok((info, context.factory_config(device).ok()))
            })
            .await?;
        Ok(describe(device, &info, factory.as_ref(), address.map(SocketAddr::V4)))
    }

    async fn capabilities(&self, device: DeviceId) -> Result<Capabilities> {
        let answer = self.call(device, Context::capabilities).await?;
        Ok(Capabilities::new(answer.max_event_logs).with_image_logs(answer.max_image_logs))
    }

    async fn time(&self, device: DeviceId) -> Result<Timestamp> {
        self.call(device, Context::time).await
    }

    async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
        self.call(device, move |context, device| logs::logs(context, device, after, max)).await
    }

    async fn blobs(
        &self,
        device: DeviceId,
        after: u32,
        max: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>> {
        self.call(device, move |context, device| logs::blobs(context, device, after, max, mask)).await
    }

    async fn image_log(&self, device: DeviceId, id: u32) -> Result<Bytes> {
        self.call(device, move |context, device| context.image(device, id)).await
    }

    async fn image_logs(&self, device: DeviceId, after: u32, max: u32) -> Result<Vec<ImageLog>> {
        scan_image_logs(self, device, after, max).await
    }

    async fn image_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>> {
        let config = self.call(device, Context::event_config).await?;
        filters::read(&config)
    }

    async fn set_image_filters(&self, device: DeviceId, filters: &[ImageFilter]) -> Result<()> {
        self.link(device)?;
        if filters.len() > MOST_FILTERS {
            let message =
                format!("{} image filters are too many: a reader has {MOST_FILTERS}", filters.len());
            return Err(Error::new(ErrorKind::InvalidInput, message).with_device(device));
        }
        let filters = filters.to_vec();
        self.call(device, move |context, device| {
            // What else the structure holds stays as it is.
            let mut config = context.event_config(device)?;
            filters::write(&mut config, &filters);
            context.set_event_config(device, config)
        })
        .await
    }

    async fn clear_log(&self, device: DeviceId) -> Result<()> {
        self.call(device, Context::clear_log).await
    }

    async fn monitor(&self, device: DeviceId, sink: LiveSink) -> Result<Monitoring> {
        self.link(device)?.monitor(sink).await
    }

    /// Waits for calls that are under way, and for what was dropped to be given back, at the longest for the deadline.
    /// The context is released when the last of them returns.
    async fn close(&self) -> Result<()> {
        self.begin_close();
        let mut released = self.released.subscribe();
        match tokio::time::timeout(self.options.deadline, released.wait_for(|released| *released)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(self.unreturned()),
        }
    }
}

impl NativeBackend {
    fn unreturned(&self) -> Error {
        let stuck = self.links().into_iter().find_map(|link| Some((link.overdue()?, link.device())));
        let other = || Some((self.control.overdue().or_else(release_queue::overdue)?, None));
        let (name, device) =
            stuck.or_else(other).map_or(("a call", None), |((name, _), device)| (name, device));
        let message = format!("{name} has not returned, so the library's context stays open");
        let error = Error::new(ErrorKind::TimedOut, message);
        match device {
            Some(device) => error.with_device(device),
            None => error,
        }
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

fn open(options: &NativeOptions, place: Place, presence: Arc<Presence>) -> Result<OpenContext> {
    let opened = OpenContext::open(options, place)?;
    let context = opened.context;
    if let Some(timeout) = options.response_timeout {
        let milliseconds = c_long::try_from(timeout.as_millis()).unwrap_or(c_long::MAX);
        context.set_response_timeout(milliseconds)?;
    }
    callbacks::attach(Some(presence));
    match context.listen_to_devices() {
        // Then a lost connection shows at the next call or look.
        Err(error) if error.kind() == ErrorKind::Unsupported && options.accept == 0 => {
            tracing::warn!(%error, "the library reports no connections");
        }
        result => result?,
    }
    Ok(opened)
}
