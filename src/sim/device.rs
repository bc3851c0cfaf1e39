//! One simulated device.

use std::sync::{Arc, Mutex, MutexGuard};

use super::connection::Connection;
use super::device_state::{Command, DeviceState, History, HistoryEntry, Origin};
use super::generator::GeneratorContext;
use super::ground_truth::Outputs;
use crate::Result;
use crate::codec::sdk_code::SdkCode;
use crate::codec::{DeviceId, Event, Extras};
use crate::device::ImageFilter;
use crate::sync::lock;

/// One device, behind its lock.
pub(super) struct SimDevice {
    device: DeviceId,
    /// The position among all devices.
    position: usize,
    is_recorded: bool,
    parts: Mutex<DeviceParts>,
}

/// What a device consists of.
pub(super) struct DeviceParts {
    pub(super) state: DeviceState,
    pub(super) connection: Connection,
    /// Whether the ground truth has every event of this device.
    is_in_truth: bool,
}

impl SimDevice {
    /// A device with its history.
    pub(super) fn new(
        context: &Arc<GeneratorContext>,
        device: DeviceId,
        position: usize,
        origin: Origin,
        backlog: u32,
        history: &History,
    ) -> Self {
        let is_recorded = matches!(origin, Origin::Recorded(_));
        let mut state = DeviceState::new(context, device, origin, backlog);
        state.replay(history, &mut |_, _| {});
        let parts = DeviceParts { state, connection: Connection::new(device), is_in_truth: false };
        Self { device, position, is_recorded, parts: Mutex::new(parts) }
    }

    pub(super) fn device(&self) -> DeviceId {
        self.device
    }

    pub(super) fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, DeviceParts> {
        lock(&self.parts)
    }

    /// Makes one event.
    /// Fails with [`Unsupported`](crate::ErrorKind::Unsupported) for a recorded device,
    /// [`Storage`](crate::ErrorKind::Storage) where the state file cannot be written.
    pub(super) fn make(&self, outputs: &Outputs) -> Result<Event> {
        let mut parts = self.lock();
        let unsupported = |parts: &DeviceParts| {
            parts.connection.error(NOT_SUPPORTED, "a device of a recorded log makes no events")
        };
        if self.is_recorded {
            return Err(unsupported(&parts));
        }
        if let Some(file) = &outputs.state_file {
            file.note_made(self.position, parts.state.made() + 1);
            file.check()?;
        }
        let event = parts.state.make().ok_or_else(|| unsupported(&parts))?;
        parts.publish(outputs, &event);
        Ok(event)
    }

    /// Writes everything that happened up to now into the ground truth, and from now on whatever happens.
    pub(super) fn write_truth(&self, outputs: &Outputs) {
        let mut parts = self.lock();
        if let Some(truth) = outputs.ground_truth.get() {
            let mut truth = lock(truth);
            parts.state.all_events(&mut |epoch, event| truth.write(self.device, epoch, event));
            parts.is_in_truth = true;
        }
    }
}

impl DeviceParts {
    /// Carries out a command, and returns the event that the device writes about it.
    pub(super) fn command(&mut self, outputs: &Outputs, command: Command) -> Event {
        self.note(outputs, &HistoryEntry::Command(command));
        let event = self.state.command(command);
        self.publish(outputs, &event);
        event
    }

    pub(super) fn set_filters(&mut self, outputs: &Outputs, filters: &[ImageFilter]) {
        self.note(outputs, &HistoryEntry::Filters(filters.to_vec()));
        self.state.set_filters(filters);
    }

    fn note(&self, outputs: &Outputs, entry: &HistoryEntry) {
        if let Some(file) = &outputs.state_file {
            file.note_entry(self.state.device(), self.state.made(), entry);
        }
    }

    /// Writes an event into the ground truth and reports it live. The device stays locked, so that everybody gets the
    /// events in the order of the device.
    fn publish(&self, outputs: &Outputs, event: &Event) {
        if self.is_in_truth
            && let Some(truth) = outputs.ground_truth.get()
        {
            lock(truth).write(event.device_id(), self.state.log().epoch(), event);
        }
        // An event that the state file misses is not reported: a simulator that continues would not know it.
        if self.connection.has_subscribers() && outputs.check().is_ok() {
            // Live, a device reports the temperature alone.
            let temperature = self.state.extras(event).temperature;
            let extras = temperature.map(|temperature| Extras::default().with_temperature(temperature));
            self.connection.report(event, extras.map(Box::new));
        }
    }
}

pub(super) const NOT_SUPPORTED: SdkCode = SdkCode::new(-600);
