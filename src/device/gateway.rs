//! The vendor's device gateway, over gRPC and TLS.
//!
//! A gateway is a program of the vendor. It keeps the connections to devices and serves many clients. [`Gateway`] is a
//! [`Backend`] over one gateway, or over a master gateway in front of several.
//!
//! It works with gateways of the versions 1.5 to 1.10. Older gateways have other names for every call, and every call
//! fails with [`Unsupported`](crate::ErrorKind::Unsupported).
//!
//! # Differences from other backends
//!
//! * A gateway has many clients, so this client ends nothing for the others. If a subscription is dropped or the client
//!   is closed, the devices stay connected and go on reporting.
//! * The gateway's queue of live events is bounded, and the gateway does not report what it drops. A jump of the ids is
//!   the only sign. The [collector](../../collect/index.html) then reads the log.
//! * The gateway's message has a field for each kind of subject. A record has room for one, and its code determines the
//!   kind. The other subjects, such as the door of an authentication, are [`Extras`](crate::codec::Extras) of the event,
//!   in [`EventPage::extras`](super::EventPage::extras) and in [`Live::Event`](super::Live::Event). Blobs have one
//!   subject, like events, and no others.
//! * The gateway reports errors with gRPC's codes, not with those of the vendor's library:
//!   [`Error::sdk_code`](crate::Error::sdk_code) is `None`.
//! * Live events of a slave come with the slave's number. The backend finds its master, whose log has them, and reports
//!   them as events of the master. Events of a number that nobody knows have the logs read, and are counted in the log of
//!   the program.
//! * The events do not contain the time zone and daylight saving of the device: these bits of
//!   [`EventFlags`](crate::codec::EventFlags) are 0 and mean nothing ([`Device::has_clock`](super::Device::has_clock)).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;

use crate::codec::blob::EventMask;
use crate::codec::portable::PortableBlob;
use crate::codec::{DeviceId, Timestamp};
use crate::device::backend::{Backend, DeviceList, LiveSink, Monitoring};
use crate::device::{Capabilities, DeviceInfo, EventPage, ImageFilter, ImageLog};
use crate::{Error, ErrorKind, Result};

mod admin;
mod batching;
mod channel;
mod codec;
mod connections;
mod device_calls;
mod event_log;
mod options;
pub(crate) mod proto;
mod rpc;
mod session;
mod status;
mod support;
mod target;
mod wire;

pub use admin::{AcceptFilter, FoundDevice, GatewayAdmin};
pub use options::{GatewayOptions, TargetAddress};

use connections::ConnectionState;
use device_calls::DeviceCalls;
use session::{Session, Sessions};
use target::ConfiguredDevice;

/// A device gateway, or one behind a master gateway. Cheap to clone; clones share everything.
///
/// It connects at the first call, and again at the first call after the connection was lost. Then it also connects again
/// the devices of its options that the gateway has lost.
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
/// println!("over a gateway of version {}", gateway.admin().version().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gateway {
    sessions: Arc<Sessions>,
    /// The devices that the options name. If there are none, the devices are those that the gateway has.
    configured: Arc<[ConfiguredDevice]>,
}

impl Gateway {
    /// The gateway of these options. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a file that cannot be read or holds no certificate,
    /// [`Unsupported`](ErrorKind::Unsupported) without a [cryptography provider](crate::tls).
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
    pub fn new(options: GatewayOptions) -> Result<Self> {
        let configured = options.devices.iter().map(ConfiguredDevice::new).collect();
        Ok(Self { sessions: Arc::new(Sessions::new(options)?), configured })
    }

    /// The management calls, which change the gateway for every program that uses it.
    #[must_use]
    pub fn admin(&self) -> GatewayAdmin {
        GatewayAdmin::new(Arc::clone(&self.sessions))
    }

    /// The calls about a device, if it is connected.
    async fn connected(&self, device: DeviceId) -> Result<DeviceCalls> {
        if let Some(session) = self.sessions.current()?
            && self.is_connected(device)
        {
            return Ok(DeviceCalls { session, device });
        }
        self.find(device).await?;
        let message = "the gateway is not connected to the device";
        Err(Error::new(ErrorKind::Disconnected, message).with_device(device))
    }

    fn is_connected(&self, device: DeviceId) -> bool {
        let is_ours = self.configured.is_empty() || self.configured_device(device).is_some();
        is_ours && self.sessions.states.state(device) == Some(ConnectionState::Connected)
    }

    /// The device as the options name it; `None` if the options leave the devices to the gateway.
    async fn find(&self, device: DeviceId) -> Result<Option<&ConfiguredDevice>> {
        let known = || {
            let is_listed = self.configured.is_empty() && self.sessions.states.state(device).is_some();
            let configured = self.configured_device(device);
            (is_listed || configured.is_some()).then_some(configured)
        };
        if let Some(configured) = known() {
            return Ok(configured);
        }
        let session = self.sessions.get().await?;
        let failures = if self.configured.is_empty() {
            session.refresh().await?;
            Vec::new()
        } else {
            self.identify_all(&session).await.failures
        };
        let replaced = self.configured.iter().find_map(|one| Some((one, one.replacement_of(device)?)));
        if let Some((configured, by)) = replaced.filter(|_| known().is_none()) {
            return Err(configured.replaced(device, by));
        }
        // It may be any of the devices that cannot be reached.
        let not_found = || Error::new(ErrorKind::NotFound, "the gateway has no such device");
        known().ok_or_else(|| failures.into_iter().next().unwrap_or_else(not_found).with_device(device))
    }

    fn configured_device(&self, device: DeviceId) -> Option<&ConfiguredDevice> {
        self.configured.iter().find(|configured| configured.id() == Some(device))
    }

    /// The devices that the options name. A device whose id is unknown is connected to find it.
    async fn identify_all(&self, session: &Session) -> DeviceList {
        let ids = join_all(self.configured.iter().map(|device| device.identify(session))).await;
        let (known, unknown): (Vec<_>, Vec<_>) = ids.into_iter().partition(Result::is_ok);
        let list = DeviceList::new(known.into_iter().flatten());
        list.with_failures(unknown.into_iter().filter_map(Result::err))
    }
}

#[async_trait]
impl Backend for Gateway {
    async fn devices(&self) -> Result<DeviceList> {
        let session = self.sessions.get().await?;
        if !self.configured.is_empty() {
            return Ok(self.identify_all(&session).await);
        }
        let list = session.connections.list().await?;
        // A slave keeps no log, even where the gateway lists it beside its master.
        let ids = list.iter().map(|info| DeviceId::new(info.device_id));
        let ids = ids.filter(|id| !session.sources.is_slave(*id));
        Ok(DeviceList::new(ids.inspect(|id| session.states.know(*id))))
    }

    async fn connect(&self, device: DeviceId) -> Result<()> {
        if self.sessions.current()?.is_some() && self.is_connected(device) {
            return Ok(());
        }
        let session = self.sessions.get().await?;
        match self.find(device).await? {
            Some(configured) => return configured.connect(&session, device).await,
            None if self.is_connected(device) => return Ok(()),
            None => session.refresh().await?,
        }
        self.connected(device).await.map(drop)
    }

    async fn info(&self, device: DeviceId) -> Result<DeviceInfo> {
        self.connected(device).await?.info().await
    }

    async fn capabilities(&self, device: DeviceId) -> Result<Capabilities> {
        self.connected(device).await?.capabilities().await
    }

    async fn time(&self, device: DeviceId) -> Result<Timestamp> {
        self.connected(device).await?.time().await
    }

    async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
        self.connected(device).await?.logs(after, max).await
    }

    async fn blobs(
        &self,
        device: DeviceId,
        after: u32,
        max: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>> {
        self.connected(device).await?.blobs(after, max, mask).await
    }

    async fn image_log(&self, device: DeviceId, id: u32) -> Result<Bytes> {
        let image = self.connected(device).await?.image(id).await?;
        image.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("event {id} has no image")).with_device(device)
        })
    }

    async fn image_logs(&self, device: DeviceId, after: u32, max: u32) -> Result<Vec<ImageLog>> {
        self.connected(device).await?.image_logs(after, max).await
    }

    async fn image_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>> {
        self.connected(device).await?.image_filters().await
    }

    async fn set_image_filters(&self, device: DeviceId, filters: &[ImageFilter]) -> Result<()> {
        self.connected(device).await?.set_image_filters(filters).await
    }

    async fn clear_log(&self, device: DeviceId) -> Result<()> {
        self.connected(device).await?.clear_log().await
    }

    async fn monitor(&self, device: DeviceId, sink: LiveSink) -> Result<Monitoring> {
        let DeviceCalls { session, .. } = self.connected(device).await?;
        // The gateway names the slaves of connected devices only.
        session.know_slaves().await;
        // The subscription comes before the first report, so that no event is missed.
        let ticket = session.subscribe(sink)?;
        let subscribed = Subscribed { session: Arc::clone(&session), device, ticket };
        session.enable(device).await?;
        Ok(Monitoring::new(subscribed))
    }

    async fn close(&self) -> Result<()> {
        self.sessions.close().await;
        Ok(())
    }

    fn has_clock(&self) -> bool {
        false
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("options", &self.sessions.options).finish_non_exhaustive()
    }
}

/// Ends a monitoring in this client. The device goes on reporting: the gateway may have other clients.
struct Subscribed {
    session: Arc<Session>,
    device: DeviceId,
    ticket: u64,
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.session.unsubscribe(self.device, self.ticket);
    }
}
