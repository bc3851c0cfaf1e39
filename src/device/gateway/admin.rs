//! What a gateway can do beside what every backend can.

use std::net::SocketAddr;
use std::time::Duration;

use tonic_prost::ProstCodec;

use super::backend::Gateway;
use super::connections::numbers;
use super::pictures::messages;
use super::proto::gsdk::connect;
use super::proto::gsdk::event::{
    ClearLogMultiRequest, ClearLogMultiResponse, DisableMonitoringMultiRequest,
    DisableMonitoringMultiResponse, EnableMonitoringMultiRequest, EnableMonitoringMultiResponse,
    SetImageFilterMultiRequest, SetImageFilterMultiResponse,
};
use super::status::{device_errors, failure, too_late};
use crate::codec::DeviceId;
use crate::device::ImageFilter;
use crate::{Error, Result};

/// Which readers may connect to a gateway by themselves.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
/// use bs2_events::device::gateway::AcceptFilter;
///
/// let filter = AcceptFilter::Devices(vec![DeviceId::new(543)]);
/// assert_ne!(filter, AcceptFilter::All);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AcceptFilter {
    /// Every reader.
    All,
    /// These readers; none if there are none.
    Devices(Vec<DeviceId>),
}

/// A reader that a gateway found in its network.
///
/// # Examples
///
/// ```no_run
/// # use bs2_events::device::gateway::Gateway;
/// # async fn example(gateway: Gateway) -> bs2_events::Result<()> {
/// for found in gateway.search(std::time::Duration::from_secs(2)).await? {
///     println!("{} at {:?}", found.id, found.address);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct FoundDevice {
    /// The reader's number.
    pub id: DeviceId,
    /// Where it is; `None` if the gateway says nothing that is an address.
    pub address: Option<SocketAddr>,
    /// Whether it is set to TLS.
    pub tls: bool,
}

impl Gateway {
    /// The gateway's version, as it writes it.
    ///
    /// # Errors
    ///
    /// Those of a call to the gateway: [`Disconnected`](crate::ErrorKind::Disconnected),
    /// [`TimedOut`](crate::ErrorKind::TimedOut), [`PermissionDenied`](crate::ErrorKind::PermissionDenied) where a
    /// certificate is not accepted, [`Unsupported`](crate::ErrorKind::Unsupported) where the gateway has no such call,
    /// [`Closed`](crate::ErrorKind::Closed).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use bs2_events::device::gateway::Gateway;
    /// # async fn example(gateway: Gateway) -> bs2_events::Result<()> {
    /// println!("{}", gateway.version().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn version(&self) -> Result<String> {
        self.session().await?.version().await
    }

    /// The readers that answer in the gateway's network within this time, which must be well below the deadline.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use bs2_events::device::gateway::Gateway;
    /// # async fn example(gateway: Gateway) -> bs2_events::Result<()> {
    /// let found = gateway.search(std::time::Duration::from_secs(2)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SearchDevice")]
    pub async fn search(&self, time: Duration) -> Result<Vec<FoundDevice>> {
        let found = self.session().await?.connections.search(time).await?;
        Ok(found.into_iter().map(FoundDevice::of).collect())
    }

    /// Which readers may connect to the gateway by themselves.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use bs2_events::device::gateway::Gateway;
    /// # async fn example(gateway: Gateway) -> bs2_events::Result<()> {
    /// println!("{:?}", gateway.accept_filter().await?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "GetAcceptFilter")]
    pub async fn accept_filter(&self) -> Result<AcceptFilter> {
        let filter = self.session().await?.connections.accept_filter().await?;
        Ok(match filter.allow_all {
            true => AcceptFilter::All,
            false => AcceptFilter::Devices(filter.device_i_ds.into_iter().map(DeviceId::new).collect()),
        })
    }

    /// Sets which readers may connect to the gateway by themselves, for everybody who uses it.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use bs2_events::device::gateway::{AcceptFilter, Gateway};
    /// # async fn example(gateway: Gateway) -> bs2_events::Result<()> {
    /// gateway.set_accept_filter(AcceptFilter::All).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SetAcceptFilter")]
    pub async fn set_accept_filter(&self, filter: AcceptFilter) -> Result<()> {
        let filter = match filter {
            AcceptFilter::All => connect::AcceptFilter { allow_all: true, ..Default::default() },
            AcceptFilter::Devices(devices) => {
                connect::AcceptFilter { device_i_ds: numbers(&devices), ..Default::default() }
            }
        };
        self.session().await?.connections.set_accept_filter(filter).await
    }

    /// The readers that tried to connect to the gateway and are not accepted.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use bs2_events::device::gateway::Gateway;
    /// # async fn example(gateway: Gateway) -> bs2_events::Result<()> {
    /// println!("{:?}", gateway.pending_devices().await?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "GetPendingList")]
    pub async fn pending_devices(&self) -> Result<Vec<DeviceId>> {
        let pending = self.session().await?.connections.pending().await?;
        Ok(pending.iter().map(|info| DeviceId::new(info.device_id)).collect())
    }

    /// Ends the connections of these readers, for everybody who uses the gateway. Those that it connects by itself
    /// come back; see [`remove_connections`](Self::remove_connections).
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use bs2_events::{codec::DeviceId, device::gateway::Gateway};
    /// # async fn example(gateway: Gateway) -> bs2_events::Result<()> {
    /// gateway.disconnect(&[DeviceId::new(543)]).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "Disconnect")]
    pub async fn disconnect(&self, devices: &[DeviceId]) -> Result<()> {
        self.session().await?.connections.disconnect(devices).await
    }

    /// Lets the gateway no longer connect these readers by itself.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use bs2_events::{codec::DeviceId, device::gateway::Gateway};
    /// # async fn example(gateway: Gateway) -> bs2_events::Result<()> {
    /// gateway.remove_connections(&[DeviceId::new(543)]).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "DeleteAsyncConnection")]
    pub async fn remove_connections(&self, devices: &[DeviceId]) -> Result<()> {
        self.session().await?.connections.delete_async(devices).await
    }

    /// Deletes the logs of many readers in one call. Gives the errors of those for which it failed, each with its
    /// [`device`](Error::device); for the others it succeeded.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version), where the call as a whole failed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use bs2_events::{codec::DeviceId, device::gateway::Gateway};
    /// # async fn example(gateway: Gateway) -> bs2_events::Result<()> {
    /// for error in gateway.clear_logs(&[DeviceId::new(543), DeviceId::new(544)]).await? {
    ///     eprintln!("{error}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "ClearLogMulti")]
    pub async fn clear_logs(&self, devices: &[DeviceId]) -> Result<Vec<Error>> {
        let request = ClearLogMultiRequest { device_i_ds: numbers(devices) };
        self.multi::<_, ClearLogMultiResponse>("clearing logs", CLEAR, request).await
    }

    /// Sets the image filters of many readers in one call; as [`clear_logs`](Self::clear_logs).
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version), where the call as a whole failed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use bs2_events::{codec::{DeviceId, EventCode}, device::{gateway::Gateway, ImageFilter}};
    /// # async fn example(gateway: Gateway) -> bs2_events::Result<()> {
    /// let denied = [ImageFilter::new(EventCode::ACCESS_DENIED)];
    /// let errors = gateway.set_image_filters_of(&[DeviceId::new(543)], &denied).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SetImageFilterMulti")]
    pub async fn set_image_filters_of(
        &self,
        devices: &[DeviceId],
        filters: &[ImageFilter],
    ) -> Result<Vec<Error>> {
        let request =
            SetImageFilterMultiRequest { device_i_ds: numbers(devices), filters: messages(filters)? };
        self.multi::<_, SetImageFilterMultiResponse>("setting image filters", FILTERS, request).await
    }

    /// Lets many readers report what happens, in one call; as [`clear_logs`](Self::clear_logs). A subscription does it
    /// by itself.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version), where the call as a whole failed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use bs2_events::{codec::DeviceId, device::gateway::Gateway};
    /// # async fn example(gateway: Gateway) -> bs2_events::Result<()> {
    /// let errors = gateway.enable_monitoring(&[DeviceId::new(543)]).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "EnableMonitoringMulti")]
    pub async fn enable_monitoring(&self, devices: &[DeviceId]) -> Result<Vec<Error>> {
        let request = EnableMonitoringMultiRequest { device_i_ds: numbers(devices) };
        self.multi::<_, EnableMonitoringMultiResponse>("monitoring", ENABLE, request).await
    }

    /// Lets many readers report no more, perhaps to nobody who uses the gateway; as
    /// [`clear_logs`](Self::clear_logs). The end of a subscription does not do it.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version), where the call as a whole failed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use bs2_events::{codec::DeviceId, device::gateway::Gateway};
    /// # async fn example(gateway: Gateway) -> bs2_events::Result<()> {
    /// let errors = gateway.disable_monitoring(&[DeviceId::new(543)]).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "DisableMonitoringMulti")]
    pub async fn disable_monitoring(&self, devices: &[DeviceId]) -> Result<Vec<Error>> {
        let request = DisableMonitoringMultiRequest { device_i_ds: numbers(devices) };
        self.multi::<_, DisableMonitoringMultiResponse>("ending monitoring", DISABLE, request).await
    }

    /// A call to many readers: the errors of single ones are in the status, not in the answer.
    async fn multi<Q, A>(&self, what: &str, path: &'static str, request: Q) -> Result<Vec<Error>>
    where
        Q: prost::Message + Clone + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        let session = self.session().await?;
        match session.link().try_call::<ProstCodec<Q, A>>(path, request).await {
            Some(Ok(_)) => Ok(Vec::new()),
            Some(Err(status)) => device_errors(what, &status)
                .filter(|errors| !errors.is_empty())
                .ok_or_else(|| failure(what, &status)),
            None => Err(too_late(what, session.link().deadline())),
        }
    }
}

impl FoundDevice {
    fn of(info: connect::SearchDeviceInfo) -> Self {
        let port = u16::try_from(info.port).unwrap_or_default();
        let address = info.ip_addr.parse().ok().map(|host| SocketAddr::new(host, port));
        Self { id: DeviceId::new(info.device_id), address, tls: info.use_ssl }
    }
}

const CLEAR: &str = "/gsdk.event.Event/ClearLogMulti";
const FILTERS: &str = "/gsdk.event.Event/SetImageFilterMulti";
const ENABLE: &str = "/gsdk.event.Event/EnableMonitoringMulti";
const DISABLE: &str = "/gsdk.event.Event/DisableMonitoringMulti";
