//! The gateway as a backend of the client.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::Mutex;

use super::channel::{self, ChannelFactory};
use super::connections::Connections;
use super::options::GatewaySettings;
use super::readers::{Readers, State};
use super::rpc::Link;
use super::session::{Running, Session};
use super::target::Place;
use crate::codec::{DeviceId, EventMask, PortableBlob, Timestamp};
use crate::device::{
    Capabilities, DeviceInfo, EventPage, ImageFilter, ImageLog,
    backend::{Backend, DeviceList, LiveSink, Monitoring},
};
use crate::{Error, ErrorKind, Result};

/// A device gateway, or one behind a master gateway. Cheap to clone; clones share everything.
///
/// It connects at the first call, and again at the first call after the connection was lost; then it adds its readers
/// again where they were lost with the gateway.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
///
/// use bs2_events::device::Client;
/// use bs2_events::device::gateway::Gateway;
///
/// # async fn example() -> bs2_events::Result<()> {
/// let gateway = Gateway::new("gateway://192.0.2.1?ca=ca.crt&device=192.0.2.7".parse()?)?;
/// let client = Client::new(Arc::new(gateway.clone()));
/// for device in client.devices().await? {
///     println!("{} has {:?}", device.id(), device.newest_id(0).await?);
/// }
/// println!("over a gateway of version {}", gateway.version().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

struct Shared {
    settings: GatewaySettings,
    channels: ChannelFactory,
    /// Ours, for the log-in at a master gateway.
    certificate: Option<String>,
    places: Vec<Place>,
    readers: Arc<Readers>,
    /// The session under way, for the calls.
    current: RwLock<Option<Arc<Session>>>,
    /// The same, for whoever opens the next.
    running: Mutex<Option<Running>>,
    closed: AtomicBool,
}

impl Gateway {
    /// The gateway of these settings; connects nothing yet.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for files that cannot be read or hold no certificate.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::ErrorKind;
    /// use bs2_events::device::gateway::Gateway;
    ///
    /// let error = Gateway::new("gateway://192.0.2.1?ca=/no/such/file".parse()?).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn new(settings: GatewaySettings) -> Result<Self> {
        let channels = ChannelFactory::new(&settings)?;
        let certificate = match (&settings.master, channel::identity(&settings)) {
            (Some(_), Some(identity)) => Some(identity.certificate_pem()?),
            (Some(_), None) => {
                let message = "a master gateway asks for `client-cert` and `client-key`";
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            (None, _) => None,
        };
        let places = settings.devices.iter().map(Place::new).collect();
        let (readers, current, running, closed) = Default::default();
        let shared = Shared { settings, channels, certificate, places, readers, current, running, closed };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The session under way, or a new one.
    pub(super) async fn session(&self) -> Result<Arc<Session>> {
        if let Some(session) = self.current()? {
            return Ok(session);
        }
        let mut running = self.shared.running.lock().await;
        if let Some(session) = self.current()? {
            return Ok(session);
        }
        let Shared { settings, channels, certificate, readers, .. } = &*self.shared;
        *running = None; // Whatever it still does ends here.
        let link = Link::new(channels.channel(), settings.deadline, certificate.clone());
        let connections = Connections::new(link, settings.master.clone());
        let opened = Running::open(connections, Arc::clone(readers), settings).await?;
        let session = Arc::clone(&opened.session);
        *running = Some(opened);
        *self.shared.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
        // Who closed meanwhile found nothing to end.
        self.check_open().inspect_err(|_| session.end(closed))?;
        Ok(session)
    }

    /// The session under way.
    fn current(&self) -> Result<Option<Arc<Session>>> {
        self.check_open()?;
        let current = self.shared.current.read().unwrap_or_else(PoisonError::into_inner);
        Ok(current.as_ref().filter(|session| !session.is_over()).map(Arc::clone))
    }

    /// The session, for a reader that is connected.
    async fn connected(&self, device: DeviceId) -> Result<Arc<Session>> {
        if let Some(session) = self.current()?
            && self.is_connected(device)
        {
            return Ok(session);
        }
        self.find(device).await?;
        Err(Error::new(ErrorKind::Disconnected, "the gateway is not connected to it").with_device(device))
    }

    fn is_connected(&self, device: DeviceId) -> bool {
        let ours = self.shared.places.is_empty() || self.place(device).is_some();
        ours && self.shared.readers.state(device) == Some(State::Connected)
    }

    /// Where the settings say that a reader is; `None` where they leave it to the gateway.
    async fn find(&self, device: DeviceId) -> Result<Option<&Place>> {
        let known = || {
            let listed = self.shared.places.is_empty() && self.shared.readers.state(device).is_some();
            let place = self.place(device);
            (listed || place.is_some()).then_some(place)
        };
        if let Some(place) = known() {
            return Ok(place);
        }
        let session = self.session().await?;
        let failures = if self.shared.places.is_empty() {
            session.refresh().await?;
            Vec::new()
        } else {
            self.identify_all(&session).await.failures
        };
        // It may be any of those that cannot be reached.
        let not_found = || Error::new(ErrorKind::NotFound, "the gateway has no such reader");
        known().ok_or_else(|| failures.into_iter().next().unwrap_or_else(not_found).with_device(device))
    }

    fn place(&self, device: DeviceId) -> Option<&Place> {
        self.shared.places.iter().find(|place| place.id() == Some(device))
    }

    /// The readers that the settings name. One whose number nobody knows yet is connected for that.
    async fn identify_all(&self, session: &Session) -> DeviceList {
        let places = join_all(self.shared.places.iter().map(|place| place.identify(session))).await;
        let (known, unknown): (Vec<_>, Vec<_>) = places.into_iter().partition(Result::is_ok);
        let list = DeviceList::new(known.into_iter().flatten());
        list.with_failures(unknown.into_iter().filter_map(Result::err))
    }

    fn check_open(&self) -> Result<()> {
        if self.shared.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }
}

#[async_trait]
impl Backend for Gateway {
    async fn devices(&self) -> Result<DeviceList> {
        let session = self.session().await?;
        if !self.shared.places.is_empty() {
            return Ok(self.identify_all(&session).await);
        }
        let list = session.connections.list().await?;
        let ids = list.iter().map(|info| DeviceId::new(info.device_id));
        Ok(DeviceList::new(ids.inspect(|id| session.readers.know(*id))))
    }

    async fn connect(&self, device: DeviceId) -> Result<()> {
        if self.current()?.is_some() && self.is_connected(device) {
            return Ok(());
        }
        let session = self.session().await?;
        match self.find(device).await? {
            Some(place) => return place.connect(&session, device).await,
            None if self.is_connected(device) => return Ok(()),
            None => session.refresh().await?,
        }
        self.connected(device).await.map(drop)
    }

    async fn info(&self, device: DeviceId) -> Result<DeviceInfo> {
        self.connected(device).await?.info(device).await
    }

    async fn capabilities(&self, device: DeviceId) -> Result<Capabilities> {
        self.connected(device).await?.capabilities(device).await
    }

    async fn time(&self, device: DeviceId) -> Result<Timestamp> {
        self.connected(device).await?.time(device).await
    }

    async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
        self.connected(device).await?.logs(device, after, max).await
    }

    async fn blobs(
        &self,
        device: DeviceId,
        after: u32,
        max: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>> {
        self.connected(device).await?.blobs(device, after, max, mask).await
    }

    async fn image_log(&self, device: DeviceId, id: u32) -> Result<Bytes> {
        let picture = self.connected(device).await?.picture(device, id).await?;
        picture.map(|picture| picture.jpg_image).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("event {id} has no picture")).with_device(device)
        })
    }

    async fn image_logs(&self, device: DeviceId, after: u32, max: u32) -> Result<Vec<ImageLog>> {
        self.connected(device).await?.image_logs(device, after, max).await
    }

    async fn image_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>> {
        self.connected(device).await?.image_filters(device).await
    }

    async fn set_image_filters(&self, device: DeviceId, filters: &[ImageFilter]) -> Result<()> {
        self.connected(device).await?.set_image_filters(device, filters).await
    }

    async fn clear_log(&self, device: DeviceId) -> Result<()> {
        self.connected(device).await?.clear_log(device).await
    }

    async fn monitor(&self, device: DeviceId, sink: LiveSink) -> Result<Monitoring> {
        let session = self.connected(device).await?;
        // First listen, then let the reader report: what it reports at once is not missed.
        let ticket = session.listen(sink)?;
        let listening = Listening { session: Arc::clone(&session), device, ticket };
        session.enable(device).await?;
        Ok(Monitoring::new(listening))
    }

    async fn close(&self) -> Result<()> {
        if !self.shared.closed.swap(true, Ordering::AcqRel) {
            let current = self.shared.current.write().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(session) = current {
                session.end(closed);
            }
            *self.shared.running.lock().await = None;
        }
        Ok(())
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

/// Ends a monitoring here. The reader goes on reporting: other clients of the gateway may listen.
struct Listening {
    session: Arc<Session>,
    device: DeviceId,
    ticket: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.session.unlisten(self.device, self.ticket);
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the way to the gateway is closed")
}
