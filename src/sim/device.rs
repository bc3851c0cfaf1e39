//! One simulated device.

use std::sync::{Arc, Mutex, MutexGuard};

use super::connection::Connection;
use super::device_state::{DeviceState, MadeEvent, Origin};
use super::generator::GeneratorContext;
use super::ground_truth::Outputs;
use super::history::{Command, History, HistoryEntry};
use crate::Result;
use crate::codec::sdk_code::SdkCode;
use crate::codec::{DeviceId, Event, Timestamp};
use crate::device::ImageFilter;
use crate::sync::lock;

/// One device, behind its lock.
pub(super) struct SimDevice {
    device: DeviceId,
    /// Ascending.
    slaves: Box<[DeviceId]>,
    /// The position among all devices.
    position: usize,
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
        let mut state = DeviceState::new(context, device, origin, backlog);
        state.replay(history, &mut |_, _| {});
        let slaves = state.slaves().into();
        let parts = DeviceParts { state, connection: Connection::new(device), is_in_truth: false };
        Self { device, slaves, position, parts: Mutex::new(parts) }
    }

    pub(super) fn device(&self) -> DeviceId {
        self.device
    }

    /// The devices that keep no log and whose events are in this one, ascending.
    pub(super) fn slaves(&self) -> &[DeviceId] {
        &self.slaves
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, DeviceParts> {
        lock(&self.parts)
    }

    /// Makes one event.
    /// Fails with [`Unsupported`](crate::ErrorKind::Unsupported) for a recorded device that has no further row to
    /// report, [`Storage`](crate::ErrorKind::Storage) where the state file cannot be written.
    pub(super) fn make(&self, outputs: &Outputs) -> Result<Event> {
        let mut parts = self.lock();
        let unsupported = |parts: &DeviceParts| {
            parts
                .connection
                .error(NOT_SUPPORTED, "the device of a recorded log has no further event to report")
        };
        if !parts.state.has_next() {
            return Err(unsupported(&parts));
        }
        parts.note_present(outputs);
        if let Some(file) = &outputs.state_file {
            file.note_made(self.position, parts.state.made() + 1);
            file.check()?;
        }
        let MadeEvent { event, is_repeated } = parts.state.make().ok_or_else(|| unsupported(&parts))?;
        parts.publish(outputs, &event, is_repeated);
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
        self.note_present(outputs);
        if outputs.state_file.is_some() {
            self.note(outputs, &HistoryEntry::Command(command.clone()));
        }
        let event = self.state.command(&command);
        self.publish(outputs, &event, false);
        event
    }

    pub(super) fn set_filters(&mut self, outputs: &Outputs, filters: &[ImageFilter]) {
        self.note(outputs, &HistoryEntry::Filters(filters.to_vec()));
        self.state.set_filters(filters);
    }

    /// Sets the device's clock without an event.
    pub(super) fn set_time(&mut self, outputs: &Outputs, time: Timestamp) {
        self.note_present(outputs);
        self.note(outputs, &HistoryEntry::SetTime(time));
        self.state.set_time(time);
    }

    /// Notes the machine's clock, if the next event has its time.
    fn note_present(&mut self, outputs: &Outputs) {
        if let Some(now) = self.state.present() {
            self.note(outputs, &HistoryEntry::Now(now));
            self.state.set_present(now);
        }
    }

    fn note(&self, outputs: &Outputs, entry: &HistoryEntry) {
        if let Some(file) = &outputs.state_file {
            file.note_entry(self.state.device(), self.state.made(), entry);
        }
    }

    /// Writes an event into the ground truth, unless it is there, and reports it live. The device stays locked, so that
    /// everybody gets the events in the order of the device.
    fn publish(&self, outputs: &Outputs, event: &Event, is_repeated: bool) {
        if self.is_in_truth
            && !is_repeated
            && let Some(truth) = outputs.ground_truth.get()
        {
            lock(truth).write(self.state.device(), self.state.log().epoch(), event);
        }
        // An event that the state file misses is not reported: a simulator that continues would not know it.
        if self.connection.has_subscribers() && outputs.check().is_ok() {
            self.connection.report(event, &self.state.live_extras(event));
        }
    }
}

pub(super) const NOT_SUPPORTED: SdkCode = SdkCode::new(-600);
