//! The calls that make, end and list connections, of a gateway and of one behind a master gateway.

use std::time::Duration;

use super::options::DeviceAddress;
use super::proto::gsdk::{connect, connect_master as master};
use super::rpc::Link;
use crate::Result;
use crate::codec::DeviceId;

/// The connections of one gateway.
pub(super) struct Connections {
    link: Link,
    /// The gateway's name, where the link leads to a master gateway.
    behind: Option<String>,
}

impl Connections {
    pub(super) fn new(link: Link, behind: Option<String>) -> Self {
        Self { link, behind }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Connects a reader at once.
    pub(super) async fn connect(&self, address: &DeviceAddress) -> Result<DeviceId> {
        let DeviceAddress { host, port, tls, .. } = address.clone();
        let info = connect::ConnectInfo { ip_addr: host, port: port.into(), use_ssl: tls };
        let (what, connect_info) = ("connecting a reader", Some(info));
        let id = match &self.behind {
            None => {
                let request = connect::ConnectRequest { connect_info };
                let answer: connect::ConnectResponse = self.link.call(what, CONNECT, request).await?;
                answer.device_id
            }
            Some(gateway_id) => {
                let request = master::ConnectRequest { gateway_id: gateway_id.clone(), connect_info };
                let answer: master::ConnectResponse = self.link.call(what, MASTER_CONNECT, request).await?;
                answer.device_id
            }
        };
        Ok(DeviceId::new(id))
    }

    /// Lets the gateway connect a reader, and connect it again whenever it is lost.
    pub(super) async fn add_async(&self, device: DeviceId, address: &DeviceAddress) -> Result<()> {
        let DeviceAddress { host, port, tls, .. } = address.clone();
        let (device_id, port) = (device.get(), port.into());
        let connect_infos = vec![connect::AsyncConnectInfo { device_id, ip_addr: host, port, use_ssl: tls }];
        let what = "adding a connection";
        match &self.behind {
            None => {
                let request = connect::AddAsyncConnectionRequest { connect_infos };
                let connect::AddAsyncConnectionResponse {} = self.link.call(what, ADD, request).await?;
            }
            Some(gateway_id) => {
                let gateway_id = gateway_id.clone();
                let request = master::AddAsyncConnectionRequest { gateway_id, connect_infos };
                let master::AddAsyncConnectionResponse {} = self.link.call(what, MASTER_ADD, request).await?;
            }
        }
        Ok(())
    }

    /// Takes back what [`add_async`](Self::add_async) asked for.
    pub(super) async fn delete_async(&self, devices: &[DeviceId]) -> Result<()> {
        let (what, device_i_ds) = ("deleting connections", numbers(devices));
        match &self.behind {
            None => {
                let request = connect::DeleteAsyncConnectionRequest { device_i_ds };
                let connect::DeleteAsyncConnectionResponse {} = self.link.call(what, DELETE, request).await?;
            }
            Some(gateway_id) => {
                let gateway_id = gateway_id.clone();
                let request = master::DeleteAsyncConnectionRequest { gateway_id, device_i_ds };
                let master::DeleteAsyncConnectionResponse {} =
                    self.link.call(what, MASTER_DELETE, request).await?;
            }
        }
        Ok(())
    }

    /// Ends connections, for everybody who uses the gateway.
    pub(super) async fn disconnect(&self, devices: &[DeviceId]) -> Result<()> {
        let request = connect::DisconnectRequest { device_i_ds: numbers(devices) };
        let path = if self.behind.is_some() { MASTER_DISCONNECT } else { DISCONNECT };
        let connect::DisconnectResponse {} = self.link.call("disconnecting", path, request).await?;
        Ok(())
    }

    /// The readers that the gateway has, connected or not.
    pub(super) async fn list(&self) -> Result<Vec<connect::DeviceInfo>> {
        let what = "the list of devices";
        match &self.behind {
            None => {
                let answer: connect::GetDeviceListResponse =
                    self.link.call(what, LIST, connect::GetDeviceListRequest {}).await?;
                Ok(answer.device_infos)
            }
            Some(gateway_id) => {
                let request = master::GetDeviceListRequest { gateway_id: gateway_id.clone() };
                let answer: master::GetDeviceListResponse =
                    self.link.call(what, MASTER_LIST, request).await?;
                Ok(answer.device_infos)
            }
        }
    }

    /// The readers that answer in the gateway's network within this time.
    pub(super) async fn search(&self, time: Duration) -> Result<Vec<connect::SearchDeviceInfo>> {
        let what = "searching for readers";
        let timeout = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        match &self.behind {
            None => {
                let request = connect::SearchDeviceRequest { timeout };
                let answer: connect::SearchDeviceResponse = self.link.call(what, SEARCH, request).await?;
                Ok(answer.device_infos)
            }
            Some(gateway_id) => {
                let request = master::SearchDeviceRequest { gateway_id: gateway_id.clone(), timeout };
                let answer: master::SearchDeviceResponse =
                    self.link.call(what, MASTER_SEARCH, request).await?;
                Ok(answer.device_infos)
            }
        }
    }

    /// Which readers may connect to the gateway by themselves.
    pub(super) async fn accept_filter(&self) -> Result<connect::AcceptFilter> {
        let what = "the accept filter";
        let filter = match &self.behind {
            None => {
                let answer: connect::GetAcceptFilterResponse =
                    self.link.call(what, GET_FILTER, connect::GetAcceptFilterRequest {}).await?;
                answer.filter
            }
            Some(gateway_id) => {
                let request = master::GetAcceptFilterRequest { gateway_id: gateway_id.clone() };
                let answer: master::GetAcceptFilterResponse =
                    self.link.call(what, MASTER_GET_FILTER, request).await?;
                answer.filter
            }
        };
        Ok(filter.unwrap_or_default())
    }

    pub(super) async fn set_accept_filter(&self, filter: connect::AcceptFilter) -> Result<()> {
        let (what, filter) = ("setting the accept filter", Some(filter));
        match &self.behind {
            None => {
                let request = connect::SetAcceptFilterRequest { filter };
                let connect::SetAcceptFilterResponse {} = self.link.call(what, SET_FILTER, request).await?;
            }
            Some(gateway_id) => {
                let request = master::SetAcceptFilterRequest { gateway_id: gateway_id.clone(), filter };
                let master::SetAcceptFilterResponse {} =
                    self.link.call(what, MASTER_SET_FILTER, request).await?;
            }
        }
        Ok(())
    }

    /// The readers that tried to connect to the gateway and are not accepted.
    pub(super) async fn pending(&self) -> Result<Vec<connect::PendingDeviceInfo>> {
        let what = "the list of pending readers";
        match &self.behind {
            None => {
                let answer: connect::GetPendingListResponse =
                    self.link.call(what, PENDING, connect::GetPendingListRequest {}).await?;
                Ok(answer.device_infos)
            }
            Some(gateway_id) => {
                let request = master::GetPendingListRequest { gateway_id: gateway_id.clone() };
                let answer: master::GetPendingListResponse =
                    self.link.call(what, MASTER_PENDING, request).await?;
                Ok(answer.device_infos)
            }
        }
    }

    /// Where the stream of states is; its messages are the same for both.
    pub(super) fn status_path(&self) -> &'static str {
        if self.behind.is_some() { MASTER_STATUS } else { STATUS }
    }
}

pub(super) fn numbers(devices: &[DeviceId]) -> Vec<u32> {
    devices.iter().map(|device| device.get()).collect()
}

const CONNECT: &str = "/gsdk.connect.Connect/Connect";
const ADD: &str = "/gsdk.connect.Connect/AddAsyncConnection";
const DELETE: &str = "/gsdk.connect.Connect/DeleteAsyncConnection";
const DISCONNECT: &str = "/gsdk.connect.Connect/Disconnect";
const LIST: &str = "/gsdk.connect.Connect/GetDeviceList";
const SEARCH: &str = "/gsdk.connect.Connect/SearchDevice";
const STATUS: &str = "/gsdk.connect.Connect/SubscribeStatus";
const GET_FILTER: &str = "/gsdk.connect.Connect/GetAcceptFilter";
const SET_FILTER: &str = "/gsdk.connect.Connect/SetAcceptFilter";
const PENDING: &str = "/gsdk.connect.Connect/GetPendingList";
const MASTER_CONNECT: &str = "/gsdk.connect_master.ConnectMaster/Connect";
const MASTER_ADD: &str = "/gsdk.connect_master.ConnectMaster/AddAsyncConnection";
const MASTER_DELETE: &str = "/gsdk.connect_master.ConnectMaster/DeleteAsyncConnection";
const MASTER_DISCONNECT: &str = "/gsdk.connect_master.ConnectMaster/Disconnect";
const MASTER_LIST: &str = "/gsdk.connect_master.ConnectMaster/GetDeviceList";
const MASTER_SEARCH: &str = "/gsdk.connect_master.ConnectMaster/SearchDevice";
const MASTER_STATUS: &str = "/gsdk.connect_master.ConnectMaster/SubscribeStatus";
const MASTER_GET_FILTER: &str = "/gsdk.connect_master.ConnectMaster/GetAcceptFilter";
const MASTER_SET_FILTER: &str = "/gsdk.connect_master.ConnectMaster/SetAcceptFilter";
const MASTER_PENDING: &str = "/gsdk.connect_master.ConnectMaster/GetPendingList";
