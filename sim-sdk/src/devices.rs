//! The devices that a context knows: their connections and monitors.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bs2_events::codec::DeviceId;

use crate::ffi::{NO_SUCH_DEVICE, NOT_CONNECTED, SdkResult, lock};
use crate::monitor::{Callback, Monitor};
use crate::threads::Signal;

/// The devices that were found, or connected by themselves, or were connected by their address.
#[derive(Default)]
pub(crate) struct Devices(Mutex<BTreeMap<DeviceId, Status>>);

#[derive(Default)]
struct Status {
    listed: bool,
    connected: bool,
    /// How many connections there have been.
    connections: u64,
    monitors: Vec<Monitor>,
}

/// One connection to a device. A later connection is a different one.
#[derive(Clone, Copy)]
pub(crate) struct Connection {
    pub(crate) device: DeviceId,
    number: u64,
}

impl Devices {
    /// Adds a device. A device that is not `listed` can be named, but is not in the list of devices.
    pub(crate) fn add(&self, device: DeviceId, listed: bool) {
        lock(&self.0).entry(device).or_default().listed |= listed;
    }

    /// The device with this id.
    pub(crate) fn known(&self, device: u32) -> SdkResult<DeviceId> {
        let device = DeviceId::new(device);
        lock(&self.0).contains_key(&device).then_some(device).ok_or(NO_SUCH_DEVICE)
    }

    /// The connection of the device with this id.
    pub(crate) fn connected(&self, device: u32) -> SdkResult<Connection> {
        let device = self.known(device)?;
        self.connection(device).ok_or(NOT_CONNECTED)
    }

    pub(crate) fn connection(&self, device: DeviceId) -> Option<Connection> {
        let devices = lock(&self.0);
        let status = devices.get(&device).filter(|status| status.connected)?;
        Some(Connection { device, number: status.connections })
    }

    pub(crate) fn listed(&self) -> Vec<u32> {
        let devices = lock(&self.0);
        devices.iter().filter(|(_, status)| status.listed).map(|(device, _)| device.get()).collect()
    }

    /// Notes that a device is connected. Returns false if it was connected already.
    pub(crate) fn connect(&self, device: DeviceId) -> bool {
        let mut devices = lock(&self.0);
        let status = devices.entry(device).or_default();
        if status.connected {
            return false;
        }
        status.listed = true;
        status.connected = true;
        status.connections += 1;
        true
    }

    /// Notes that a connection has ended, and returns its monitors. `None` if it had ended already.
    pub(crate) fn disconnect(&self, connection: Connection) -> Option<Vec<Monitor>> {
        let mut devices = lock(&self.0);
        let status = open_connection(&mut devices, connection)?;
        status.connected = false;
        Some(std::mem::take(&mut status.monitors))
    }

    /// Ends all connections, and returns their devices. Their monitors are gone already.
    pub(crate) fn disconnect_all(&self) -> Vec<DeviceId> {
        let mut devices = lock(&self.0);
        let ended = |(device, status): (&DeviceId, &mut Status)| {
            std::mem::take(&mut status.connected).then_some(*device)
        };
        devices.iter_mut().filter_map(ended).collect()
    }

    /// Starts a monitor and keeps it while the connection lasts. A monitor with the same kind of callback is not
    /// started again: it continues with the new callback, and the returned signal is set when the old one is not used
    /// any more.
    pub(crate) fn monitor(
        &self,
        connection: Connection,
        callback: Callback,
        start: impl FnOnce() -> SdkResult<Monitor>,
    ) -> SdkResult<Option<Arc<Signal>>> {
        let mut devices = lock(&self.0);
        let Some(status) = open_connection(&mut devices, connection) else { return Ok(None) };
        if let Some(monitor) = status.monitors.iter().find(|monitor| monitor.has_kind_of(&callback)) {
            return Ok(Some(monitor.set_callback(callback)));
        }
        // Under the lock, so that of two calls at once the second finds the monitor of the first.
        status.monitors.push(start()?);
        Ok(None)
    }

    pub(crate) fn take_monitors(&self, connection: Connection) -> Vec<Monitor> {
        open_connection(&mut lock(&self.0), connection)
            .map(|status| std::mem::take(&mut status.monitors))
            .unwrap_or_default()
    }

    pub(crate) fn take_all_monitors(&self) -> Vec<Monitor> {
        lock(&self.0).values_mut().flat_map(|status| std::mem::take(&mut status.monitors)).collect()
    }
}

/// The device of a connection, unless the connection has ended.
fn open_connection(devices: &mut BTreeMap<DeviceId, Status>, connection: Connection) -> Option<&mut Status> {
    let status = devices.get_mut(&connection.device)?;
    (status.connected && status.connections == connection.number).then_some(status)
}
