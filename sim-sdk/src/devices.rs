//! What a context knows of its readers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bs2_events::codec::DeviceId;

use crate::ffi::{Answer, NO_SUCH_DEVICE, NOT_CONNECTED, lock};
use crate::monitor::{Callback, Monitor};
use crate::threads::Milestone;

/// The readers that were found, or connected to the program, or were connected by their address.
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

/// One connection to a reader: a later one is another.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub(crate) device: DeviceId,
    number: u64,
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

    /// The connection to the reader of this number.
    pub(crate) fn connected(&self, device: u32) -> Answer<Link> {
        let device = self.known(device)?;
        self.link(device).ok_or(NOT_CONNECTED)
    }

    /// The connection to this reader, if there is one.
    pub(crate) fn link(&self, device: DeviceId) -> Option<Link> {
        let devices = lock(&self.0);
        let status = devices.get(&device).filter(|status| status.connected)?;
        Some(Link { device, number: status.connections })
    }

    pub(crate) fn listed(&self) -> Vec<u32> {
        let devices = lock(&self.0);
        devices.iter().filter(|(_, status)| status.listed).map(|(device, _)| device.get()).collect()
    }

    /// Says that a reader is connected; whether that is new.
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

    /// Says that a connection is over, unless it was already; what monitored the reader over it.
    pub(crate) fn disconnect(&self, link: Link) -> Option<Vec<Monitor>> {
        let mut devices = lock(&self.0);
        let status = linked(&mut devices, link)?;
        status.connected = false;
        Some(std::mem::take(&mut status.monitors))
    }

    /// Starts a monitoring and keeps it for as long as the connection lasts. Where one monitors the reader in the
    /// same way, that one goes on with this callback instead, and says when the one before is let go.
    pub(crate) fn monitor(
        &self,
        link: Link,
        callback: Callback,
        start: impl FnOnce() -> Answer<Monitor>,
    ) -> Answer<Option<Arc<Milestone>>> {
        let mut devices = lock(&self.0);
        let Some(status) = linked(&mut devices, link) else { return Ok(None) };
        if let Some(monitor) = status.monitors.iter().find(|monitor| monitor.calls_like(&callback)) {
            return Ok(Some(monitor.redirect(callback)));
        }
        // Under the lock: of two that begin at once, one is started and the other finds it.
        status.monitors.push(start()?);
        Ok(None)
    }

    pub(crate) fn take_monitors(&self, link: Link) -> Vec<Monitor> {
        linked(&mut lock(&self.0), link)
            .map(|status| std::mem::take(&mut status.monitors))
            .unwrap_or_default()
    }

    pub(crate) fn take_all_monitors(&self) -> Vec<Monitor> {
        lock(&self.0).values_mut().flat_map(|status| std::mem::take(&mut status.monitors)).collect()
    }
}

/// The reader at the end of a connection, if it still stands.
fn linked(devices: &mut BTreeMap<DeviceId, Status>, link: Link) -> Option<&mut Status> {
    let status = devices.get_mut(&link.device)?;
    (status.connected && status.connections == link.number).then_some(status)
}
