//! What a context knows of its readers.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bs2_events::codec::DeviceId;

use crate::boundary::{Answer, NO_SUCH_DEVICE, NOT_CONNECTED, lock};
use crate::monitor::Monitor;

/// The readers that were found, or connected to the program, or were connected by their address.
#[derive(Default)]
pub(crate) struct Devices(Mutex<BTreeMap<DeviceId, Status>>);

#[derive(Default)]
struct Status {
    listed: bool,
    connected: bool,
    monitor: Option<Monitor>,
}

impl Devices {
    /// From now on this reader can be named; in the list of devices it is only if it is `listed`.
    pub(crate) fn know(&self, device: DeviceId, listed: bool) {
        lock(&self.0).entry(device).or_default().listed |= listed;
    }

    /// The reader of this number.
    pub(crate) fn known(&self, device: u32) -> Answer<DeviceId> {
        let device = DeviceId::new(device);
        lock(&self.0).contains_key(&device).then_some(device).ok_or(NO_SUCH_DEVICE)
    }

    /// The reader of this number, if it is connected.
    pub(crate) fn connected(&self, device: u32) -> Answer<DeviceId> {
        let device = self.known(device)?;
        if self.is_connected(device) { Ok(device) } else { Err(NOT_CONNECTED) }
    }

    pub(crate) fn is_connected(&self, device: DeviceId) -> bool {
        lock(&self.0).get(&device).is_some_and(|status| status.connected)
    }

    pub(crate) fn listed(&self) -> Vec<u32> {
        let devices = lock(&self.0);
        devices.iter().filter(|(_, status)| status.listed).map(|(device, _)| device.get()).collect()
    }

    /// Says that a reader is connected; whether that is new.
    pub(crate) fn connect(&self, device: DeviceId) -> bool {
        let mut devices = lock(&self.0);
        let status = devices.entry(device).or_default();
        status.listed = true;
        !std::mem::replace(&mut status.connected, true)
    }

    /// Says that a reader is not connected; what monitored it, if it was.
    pub(crate) fn disconnect(&self, device: DeviceId) -> Option<Option<Monitor>> {
        let mut devices = lock(&self.0);
        let status = devices.get_mut(&device)?;
        std::mem::take(&mut status.connected).then(|| status.monitor.take())
    }

    /// Keeps a monitoring as long as the reader is connected; gives back the one that has to be stopped.
    pub(crate) fn monitor(&self, device: DeviceId, monitor: Monitor) -> Option<Monitor> {
        match lock(&self.0).get_mut(&device) {
            Some(status) if status.connected => status.monitor.replace(monitor),
            _ => Some(monitor),
        }
    }

    pub(crate) fn take_monitor(&self, device: DeviceId) -> Option<Monitor> {
        lock(&self.0).get_mut(&device)?.monitor.take()
    }

    pub(crate) fn take_monitors(&self) -> Vec<Monitor> {
        lock(&self.0).values_mut().filter_map(|status| status.monitor.take()).collect()
    }
}
