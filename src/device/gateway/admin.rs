//! The management calls of a gateway: versions, search, who may connect, and calls to many devices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tonic_prost::ProstCodec;

use super::connections::numbers;
use super::device_calls::filter_messages;
use super::proto::gsdk::connect;
use super::proto::gsdk::event::{
    ClearLogMultiRequest, ClearLogMultiResponse, DisableMonitoringMultiRequest,
    DisableMonitoringMultiResponse, EnableMonitoringMultiRequest, EnableMonitoringMultiResponse,
    SetImageFilterMultiRequest, SetImageFilterMultiResponse,
};
use super::session::Sessions;
use super::status::device_errors;
use crate::codec::DeviceId;
use crate::device::ImageFilter;
use crate::{Error, Result};

/// The management calls of a gateway, beyond what every backend can do; from [`Gateway::admin`](super::Gateway::admin).
///
/// They change the gateway for every program that uses it.
///
/// # Errors
///
/// Every method fails with [`Disconnected`](crate::ErrorKind::Disconnected) or
/// [`TimedOut`](crate::ErrorKind::TimedOut) if the gateway cannot be reached,
/// [`CertificateRefused`](crate::ErrorKind::CertificateRefused) if a certificate is not accepted,
/// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) if the gateway denies the call,
/// [`Unsupported`](crate::ErrorKind::Unsupported) if the gateway has no such call, and
/// [`Closed`](crate::ErrorKind::Closed) after the client was closed.
///
/// A call to many devices returns the errors of the devices for which it failed, each with its
/// [`device`](Error::device). For the other devices it succeeded.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use bs2_events::device::gateway::{AcceptFilter, Gateway};
///
/// # async fn example() -> bs2_events::Result<()> {
/// let gateway = Gateway::new("gateway://192.0.2.1?ca=ca.crt".parse()?)?;
/// let admin = gateway.admin();
/// println!("version {}", admin.version().await?);
/// for found in admin.search(Duration::from_secs(2)).await? {
///     println!("{} at {:?}", found.id, found.address);
/// }
/// let pending = admin.pending_devices().await?;
/// admin.set_accept_filter(AcceptFilter::Devices(pending.clone())).await?;
/// for error in admin.clear_logs(&pending).await? {
///     eprintln!("{error}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GatewayAdmin {
    sessions: Arc<Sessions>,
}

/// Which devices may connect to a gateway by themselves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AcceptFilter {
    /// Every device.
    All,
    /// These devices; no device if the list is empty.
    Devices(Vec<DeviceId>),
}

/// A device that a gateway found in its network.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct FoundDevice {
    /// The device's id.
    pub id: DeviceId,
    /// The device's address; `None` if the gateway reports no valid address.
    pub address: Option<SocketAddr>,
    /// Whether the device is set to TLS.
    pub tls: bool,
}

impl GatewayAdmin {
    pub(super) fn new(sessions: Arc<Sessions>) -> Self {
        Self { sessions }
    }

    /// The gateway's version, as the gateway writes it.
    pub async fn version(&self) -> Result<String> {
        self.sessions.get().await?.version().await
    }

    /// The devices that respond in the gateway's network within this time. The time must be well below the
    /// [deadline](super::GatewayOptions::with_deadline) of a call.
    #[doc(alias = "SearchDevice")]
    pub async fn search(&self, time: Duration) -> Result<Vec<FoundDevice>> {
        let found = self.sessions.get().await?.connections.search(time).await?;
        let device = |info: connect::SearchDeviceInfo| {
            let port = u16::try_from(info.port).unwrap_or_default();
            let address = info.ip_addr.parse().ok().map(|host| SocketAddr::new(host, port));
            FoundDevice { id: DeviceId::new(info.device_id), address, tls: info.use_ssl }
        };
        Ok(found.into_iter().map(device).collect())
    }

    /// Which devices may connect to the gateway by themselves.
    #[doc(alias = "GetAcceptFilter")]
    pub async fn accept_filter(&self) -> Result<AcceptFilter> {
        let filter = self.sessions.get().await?.connections.accept_filter().await?;
        Ok(match filter.allow_all {
            true => AcceptFilter::All,
            false => AcceptFilter::Devices(filter.device_i_ds.into_iter().map(DeviceId::new).collect()),
        })
    }

    /// Sets which devices may connect to the gateway by themselves.
    #[doc(alias = "SetAcceptFilter")]
    pub async fn set_accept_filter(&self, filter: AcceptFilter) -> Result<()> {
        let filter = match filter {
            AcceptFilter::All => connect::AcceptFilter { allow_all: true, ..Default::default() },
            AcceptFilter::Devices(devices) => {
                connect::AcceptFilter { device_i_ds: numbers(&devices), ..Default::default() }
            }
        };
        self.sessions.get().await?.connections.set_accept_filter(filter).await
    }

    /// The devices that tried to connect to the gateway and are not accepted.
    #[doc(alias = "GetPendingList")]
    pub async fn pending_devices(&self) -> Result<Vec<DeviceId>> {
        let pending = self.sessions.get().await?.connections.pending().await?;
        Ok(pending.iter().map(|info| DeviceId::new(info.device_id)).collect())
    }

    /// Ends the connections of these devices. Devices that the gateway connects by itself come back; see
    /// [`remove_connections`](Self::remove_connections).
    #[doc(alias = "Disconnect")]
    pub async fn disconnect(&self, devices: &[DeviceId]) -> Result<()> {
        self.sessions.get().await?.connections.disconnect(devices).await
    }

    /// Stops the gateway from connecting these devices by itself.
    #[doc(alias = "DeleteAsyncConnection")]
    pub async fn remove_connections(&self, devices: &[DeviceId]) -> Result<()> {
        self.sessions.get().await?.connections.delete_async(devices).await
    }

    /// Deletes the logs of many devices in one call.
    #[doc(alias = "ClearLogMulti")]
    pub async fn clear_logs(&self, devices: &[DeviceId]) -> Result<Vec<Error>> {
        let request = ClearLogMultiRequest { device_i_ds: numbers(devices) };
        self.multi::<_, ClearLogMultiResponse>("clearing logs", CLEAR, request).await
    }

    /// Sets the image filters of many devices in one call.
    #[doc(alias = "SetImageFilterMulti")]
    pub async fn set_image_filters(
        &self,
        devices: &[DeviceId],
        filters: &[ImageFilter],
    ) -> Result<Vec<Error>> {
        let request =
            SetImageFilterMultiRequest { device_i_ds: numbers(devices), filters: filter_messages(filters)? };
        self.multi::<_, SetImageFilterMultiResponse>("setting image filters", FILTERS, request).await
    }

    /// Makes the gateway report the events of many devices, in one call. A subscription does it by itself.
    #[doc(alias = "EnableMonitoringMulti")]
    pub async fn enable_monitoring(&self, devices: &[DeviceId]) -> Result<Vec<Error>> {
        let request = EnableMonitoringMultiRequest { device_i_ds: numbers(devices) };
        self.multi::<_, EnableMonitoringMultiResponse>("enabling live events", ENABLE, request).await
    }

    /// Stops the reports of many devices in one call, perhaps for every client of the gateway. The end of a subscription
    /// does not do it.
    #[doc(alias = "DisableMonitoringMulti")]
    pub async fn disable_monitoring(&self, devices: &[DeviceId]) -> Result<Vec<Error>> {
        let request = DisableMonitoringMultiRequest { device_i_ds: numbers(devices) };
        self.multi::<_, DisableMonitoringMultiResponse>("disabling live events", DISABLE, request).await
    }

    /// A call to many devices. The errors of single devices are in the status, not in the response.
    async fn multi<Q, A>(&self, what: &str, path: &'static str, request: Q) -> Result<Vec<Error>>
    where
        Q: prost::Message + Clone + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        let session = self.sessions.get().await?;
        match session.rpc().try_call::<ProstCodec<Q, A>>(what, path, request).await? {
            Ok(_) => Ok(Vec::new()),
            Err(status) => device_errors(what, &status)
                .filter(|errors| !errors.is_empty())
                .ok_or_else(|| session.rpc().error(what, &status)),
        }
    }
}

impl std::fmt::Debug for GatewayAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayAdmin").field("options", &self.sessions.options).finish_non_exhaustive()
    }
}

const CLEAR: &str = "/gsdk.event.Event/ClearLogMulti";
const FILTERS: &str = "/gsdk.event.Event/SetImageFilterMulti";
const ENABLE: &str = "/gsdk.event.Event/EnableMonitoringMulti";
const DISABLE: &str = "/gsdk.event.Event/DisableMonitoringMulti";
