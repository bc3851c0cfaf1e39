//! The gateway's connections to devices: the calls that make, end and list them, and their states.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use super::options::TargetAddress;
use super::proto::gsdk::connect::{DeviceInfo, Status};
use super::proto::gsdk::{connect, connect_master as master};
use super::rpc::RpcClient;
use crate::Result;
use crate::codec::DeviceId;
use crate::sync::lock;

/// The calls about the connections of one gateway, also of one behind a master gateway.
pub(super) struct Connections {
    rpc: RpcClient,
    /// The gateway's name, if `rpc` leads to a master gateway.
    behind: Option<String>,
}

/// Calls a gateway, or a master gateway for one of its gateways: the same call with the gateway's name in the request.
/// Returns a field of the response, if one is named.
macro_rules! call {
    ($self:ident, $what:literal, $name:literal, $request:ident { $($field:ident: $value:expr),* } => $response:ident $(.$out:ident)?) => {
        match &$self.behind {
            None => {
                let request = connect::$request { $($field: $value),* };
                let path = concat!("/gsdk.connect.Connect/", $name);
                let _response: connect::$response = $self.rpc.call($what, path, request).await?;
                $(_response.$out)?
            }
            Some(gateway) => {
                let request = master::$request { gateway_id: gateway.clone(), $($field: $value),* };
                let path = concat!("/gsdk.connect_master.ConnectMaster/", $name);
                let _response: master::$response = $self.rpc.call($what, path, request).await?;
                $(_response.$out)?
            }
        }
    };
}

impl Connections {
    pub(super) fn new(rpc: RpcClient, behind: Option<String>) -> Self {
        Self { rpc, behind }
    }

    pub(super) fn rpc(&self) -> &RpcClient {
        &self.rpc
    }

    /// Connects a device at once.
    pub(super) async fn connect(&self, address: &TargetAddress) -> Result<DeviceId> {
        let TargetAddress { host, port, tls, .. } = address.clone();
        let info = connect::ConnectInfo { ip_addr: host, port: port.into(), use_ssl: tls };
        let id = call!(self, "connecting a device", "Connect",
            ConnectRequest { connect_info: Some(info) } => ConnectResponse.device_id);
        Ok(DeviceId::new(id))
    }

    /// Makes the gateway connect a device, and connect it again whenever the connection is lost.
    pub(super) async fn add_async(&self, device: DeviceId, address: &TargetAddress) -> Result<()> {
        let TargetAddress { host, port, tls, .. } = address.clone();
        let (device_id, port) = (device.get(), port.into());
        let infos = vec![connect::AsyncConnectInfo { device_id, ip_addr: host, port, use_ssl: tls }];
        call!(self, "adding a connection", "AddAsyncConnection",
            AddAsyncConnectionRequest { connect_infos: infos } => AddAsyncConnectionResponse);
        Ok(())
    }

    /// Takes back [`add_async`](Self::add_async).
    pub(super) async fn delete_async(&self, devices: &[DeviceId]) -> Result<()> {
        call!(self, "deleting connections", "DeleteAsyncConnection",
            DeleteAsyncConnectionRequest { device_i_ds: numbers(devices) } => DeleteAsyncConnectionResponse);
        Ok(())
    }

    /// Ends connections, for every client of the gateway.
    pub(super) async fn disconnect(&self, devices: &[DeviceId]) -> Result<()> {
        let request = connect::DisconnectRequest { device_i_ds: numbers(devices) };
        let path = if self.behind.is_some() { MASTER_DISCONNECT } else { DISCONNECT };
        let connect::DisconnectResponse {} = self.rpc.call("disconnecting devices", path, request).await?;
        Ok(())
    }

    /// The devices that the gateway has, connected or not.
    pub(super) async fn list(&self) -> Result<Vec<DeviceInfo>> {
        Ok(call!(self, "the list of devices", "GetDeviceList",
            GetDeviceListRequest {} => GetDeviceListResponse.device_infos))
    }

    /// The devices that respond in the gateway's network within this time.
    pub(super) async fn search(&self, time: Duration) -> Result<Vec<connect::SearchDeviceInfo>> {
        let milliseconds = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        Ok(call!(self, "searching for devices", "SearchDevice",
            SearchDeviceRequest { timeout: milliseconds } => SearchDeviceResponse.device_infos))
    }

    /// Which devices may connect to the gateway by themselves.
    pub(super) async fn accept_filter(&self) -> Result<connect::AcceptFilter> {
        let filter = call!(self, "the accept filter", "GetAcceptFilter",
            GetAcceptFilterRequest {} => GetAcceptFilterResponse.filter);
        Ok(filter.unwrap_or_default())
    }

    pub(super) async fn set_accept_filter(&self, filter: connect::AcceptFilter) -> Result<()> {
        call!(self, "setting the accept filter", "SetAcceptFilter",
            SetAcceptFilterRequest { filter: Some(filter) } => SetAcceptFilterResponse);
        Ok(())
    }

    /// The devices that tried to connect to the gateway and are not accepted.
    pub(super) async fn pending(&self) -> Result<Vec<connect::PendingDeviceInfo>> {
        Ok(call!(self, "the list of pending devices", "GetPendingList",
            GetPendingListRequest {} => GetPendingListResponse.device_infos))
    }

    /// The slaves of each device that has some.
    pub(super) async fn slaves(&self) -> Result<Vec<connect::SlaveDeviceInfo>> {
        Ok(call!(self, "the list of slaves", "GetSlaveDevice",
            GetSlaveDeviceRequest {} => GetSlaveDeviceResponse.slave_device_infos))
    }

    /// The path of the stream of states. Its messages are the same at both.
    pub(super) fn status_path(&self) -> &'static str {
        if self.behind.is_some() { MASTER_STATUS } else { STATUS }
    }
}

/// The known devices, with the states of their connections.
#[derive(Default)]
pub(super) struct ConnectionStates {
    known: Mutex<BTreeMap<DeviceId, Connection>>,
    changed: Notify,
}

/// The connection of one device, and how often its state changed.
#[derive(Clone, Debug, Default)]
struct Connection {
    state: ConnectionState,
    changes: u64,
    address: Option<(String, u16)>,
}

/// The state of a device's connection, as the gateway reports it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum ConnectionState {
    Connected,
    /// Not connected, or unknown.
    #[default]
    Disconnected,
    /// Not connected, and the gateway cannot connect it: not reachable, or not allowed.
    Refused,
}

impl ConnectionState {
    /// `None` for a status that decides nothing: a try in progress, and states of later versions.
    pub(super) fn of(status: i32) -> Option<Self> {
        match Status::try_from(status).ok()? {
            Status::TcpConnected | Status::TlsConnected => Some(Self::Connected),
            Status::Disconnected => Some(Self::Disconnected),
            Status::TcpCannotConnect
            | Status::TcpNotAllowed
            | Status::TlsCannotConnect
            | Status::TlsNotAllowed => Some(Self::Refused),
            Status::TryToConnect => None,
        }
    }
}

impl ConnectionStates {
    pub(super) fn state(&self, device: DeviceId) -> Option<ConnectionState> {
        self.lock().get(&device).map(|connection| connection.state)
    }

    pub(super) fn address(&self, device: DeviceId) -> Option<(String, u16)> {
        self.lock().get(&device)?.address.clone()
    }

    /// The device that is connected at this address.
    pub(super) fn connected_at(&self, host: &str, port: u16) -> Option<DeviceId> {
        let is_there = |connection: &Connection| {
            let address = connection.address.as_ref();
            connection.state == ConnectionState::Connected
                && address.is_some_and(|address| *address == (host.to_owned(), port))
        };
        self.lock().iter().find(|(_, connection)| is_there(connection)).map(|(&device, _)| device)
    }

    /// Adds a device whose state is unknown.
    pub(super) fn know(&self, device: DeviceId) {
        self.lock().entry(device).or_default();
    }

    /// Notes that a device was connected at this address.
    pub(super) fn connected(&self, device: DeviceId, host: &str, port: u16) {
        self.lock().entry(device).or_default().address = Some((host.to_owned(), port));
        self.set(device, ConnectionState::Connected);
    }

    /// Sets a state.
    pub(super) fn set(&self, device: DeviceId, state: ConnectionState) {
        let mut known = self.lock();
        let connection = known.entry(device).or_default();
        connection.state = state;
        connection.changes = connection.changes.wrapping_add(1);
        drop(known);
        self.changed.notify_waiters();
    }

    /// Sets every state to unknown.
    pub(super) fn forget_states(&self) {
        for connection in self.lock().values_mut() {
            connection.state = ConnectionState::Disconnected;
            connection.changes = connection.changes.wrapping_add(1);
        }
        self.changed.notify_waiters();
    }

    /// How often the state of each device has changed, for [`reconcile`](Self::reconcile).
    pub(super) fn changes(&self) -> BTreeMap<DeviceId, u64> {
        self.lock().iter().map(|(&device, connection)| (device, connection.changes)).collect()
    }

    /// Takes over the states of the gateway's list, except those that changed after `before`. Returns the devices whose
    /// connection turns out to be lost.
    pub(super) fn reconcile(&self, list: &[DeviceInfo], before: &BTreeMap<DeviceId, u64>) -> Vec<DeviceId> {
        let mut known = self.lock();
        let mut listed = BTreeMap::new();
        for info in list {
            let device = DeviceId::new(info.device_id);
            listed.insert(device, ConnectionState::of(info.status).unwrap_or_default());
            let port = u16::try_from(info.port).unwrap_or_default();
            known.entry(device).or_default().address = Some((info.ip_addr.clone(), port));
        }
        let mut lost = Vec::new();
        for (device, connection) in &mut *known {
            if connection.changes != before.get(device).copied().unwrap_or_default() {
                continue;
            }
            let state = listed.get(device).copied().unwrap_or_default();
            if connection.state == ConnectionState::Connected && state != ConnectionState::Connected {
                lost.push(*device);
            }
            connection.state = state;
        }
        drop(known);
        self.changed.notify_waiters();
        lost
    }

    /// Waits until the gateway has connected the device, or reports that it cannot.
    pub(super) async fn settled(&self, device: DeviceId) -> ConnectionState {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            match self.state(device) {
                Some(state @ (ConnectionState::Connected | ConnectionState::Refused)) => return state,
                _ => changed.await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Connection>> {
        lock(&self.known)
    }
}

pub(super) fn numbers(devices: &[DeviceId]) -> Vec<u32> {
    devices.iter().map(|device| device.get()).collect()
}

const DISCONNECT: &str = "/gsdk.connect.Connect/Disconnect";
const MASTER_DISCONNECT: &str = "/gsdk.connect_master.ConnectMaster/Disconnect";
const STATUS: &str = "/gsdk.connect.Connect/SubscribeStatus";
const MASTER_STATUS: &str = "/gsdk.connect_master.ConnectMaster/SubscribeStatus";
