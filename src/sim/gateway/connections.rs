//! The gateway's connections to its devices, as they are now. `GatewayState` opens and closes them.
//!
//! Locks are taken in this order: that of what a device has logged of its connection, the device's, its connection's,
//! that of a broadcast, that of a queue.

use std::sync::{Mutex, MutexGuard};

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::options::SimDeviceAddress;
use crate::device::backend::Monitoring;
use crate::device::gateway::proto::gsdk::connect::{
    AcceptFilter, AsyncConnectInfo, ConnectionMode, Status as WireStatus,
};
use crate::device::gateway::proto::gsdk::time::TimeConfig;
use crate::sync::{lock, now};

/// All connections, in the order of the devices.
pub(super) struct Connections {
    connections: Box<[DeviceConnection]>,
    /// Asynchronous connections to addresses at which no device is.
    unreachable: Mutex<Vec<AsyncConnectInfo>>,
    /// Which devices may connect by themselves.
    filter: Mutex<AcceptFilter>,
}

/// The connection to one device.
pub(super) struct DeviceConnection {
    /// `None` for a device that was replaced.
    address: Mutex<Option<SimDeviceAddress>>,
    /// Whether the device's log says that a client is connected.
    logged: Mutex<bool>,
    state: Mutex<ConnectionState>,
}

#[derive(Default)]
pub(super) struct ConnectionState {
    pub(super) open: Option<OpenConnection>,
    /// The subscription to the device's events. It is dropped outside the lock, also after the connection is lost.
    pub(super) monitoring: Option<Monitoring>,
    /// The task that tries to connect until it succeeds.
    pub(super) attempt: Option<AbortHandle>,
    /// When the device accepts at the earliest. A request that is made again in the meantime does not defer it.
    pub(super) accepts_at: Option<Instant>,
    pub(super) is_asynchronous: bool,
    pub(super) mode: ConnectionMode,
    /// Whether the device requires TLS.
    pub(super) wants_tls: bool,
    /// When the device last tried to connect by itself and was refused.
    pub(super) refused_at: Option<u32>,
    pub(super) time_config: TimeConfig,
}

pub(super) struct OpenConnection {
    pub(super) tls: bool,
    /// Counts connections: a later one to the same device is another.
    pub(super) number: u64,
    pub(super) is_monitored: bool,
}

impl Connections {
    /// One connection for each device; those beyond `addresses` get the addresses from 10.0.0.1 on. The last `accept`
    /// ones connect by themselves, and were refused a moment ago.
    pub(super) fn new(devices: usize, addresses: &[SimDeviceAddress], accept: usize) -> Self {
        let connection = |position| {
            let connects_itself = position + accept >= devices;
            let mode =
                if connects_itself { ConnectionMode::DeviceToServer } else { ConnectionMode::default() };
            let refused_at = connects_itself.then(|| now().as_unix_seconds());
            let address = addresses.get(position).copied().unwrap_or_else(|| SimDeviceAddress::nth(position));
            DeviceConnection {
                address: Mutex::new(Some(address)),
                logged: Mutex::new(false),
                state: Mutex::new(ConnectionState { mode, refused_at, ..ConnectionState::default() }),
            }
        };
        Self {
            connections: (0..devices).map(connection).collect(),
            unreachable: Mutex::default(),
            filter: Mutex::default(),
        }
    }

    pub(super) fn at(&self, position: usize) -> &DeviceConnection {
        &self.connections[position]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &DeviceConnection)> {
        self.connections.iter().enumerate()
    }

    /// The position of the device at this address.
    pub(super) fn find(&self, ip: &str, port: i32) -> Option<usize> {
        self.connections.iter().position(|connection| connection.is_at(ip, port))
    }

    /// Gives the address of one device to another one. The first is nowhere then.
    pub(super) fn replace(&self, old: usize, new: usize) {
        let address = lock(&self.at(old).address).take();
        *lock(&self.at(new).address) = address;
    }

    pub(super) fn unreachable(&self) -> MutexGuard<'_, Vec<AsyncConnectInfo>> {
        lock(&self.unreachable)
    }

    pub(super) fn filter(&self) -> MutexGuard<'_, AcceptFilter> {
        lock(&self.filter)
    }
}

impl DeviceConnection {
    /// Where the device is; `None` if it was replaced.
    pub(super) fn address(&self) -> Option<SimDeviceAddress> {
        *lock(&self.address)
    }

    /// Whether a connection to this address reaches the device.
    pub(super) fn is_at(&self, ip: &str, port: i32) -> bool {
        self.address().is_some_and(|address| address.matches(ip, port))
    }

    /// Whether the device's log says that a client is connected.
    pub(super) fn logged(&self) -> MutexGuard<'_, bool> {
        lock(&self.logged)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        lock(&self.state)
    }
}

impl ConnectionState {
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub(super) fn status(&self) -> WireStatus {
        match &self.open {
            Some(open) if open.tls => WireStatus::TlsConnected,
            Some(_) => WireStatus::TcpConnected,
            None => WireStatus::Disconnected,
        }
    }

    pub(super) fn uses_tls(&self) -> bool {
        self.open.as_ref().map_or(self.wants_tls, |open| open.tls)
    }

    /// Whether the device connects to the gateway, and no client connects it.
    pub(super) fn connects_itself(&self) -> bool {
        self.mode == ConnectionMode::DeviceToServer
    }

    pub(super) fn stop_trying(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.abort();
        }
    }
}
