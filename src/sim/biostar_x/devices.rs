//! The devices that report to the server: those of the simulated office.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::database::Database;
use super::options::BiostarXServerOptions;
use super::records::StoredEvent;
use crate::Result;
use crate::codec::{DeviceId, Event, EventCode, Subject};
use crate::sim::extras::picture;
use crate::sim::generator::door;
use crate::sim::{DeviceProfile, SimOptions, Simulator, Start};

/// The simulated devices, which make the events in turn.
pub(super) struct OfficeDevices {
    simulator: Simulator,
    seed: u64,
    turn: usize,
}

impl OfficeDevices {
    /// Devices without an event. With [`Start::Now`] their events have the present time.
    pub(super) fn new(options: &BiostarXServerOptions, start: Start) -> Result<Self> {
        Self::with_backlog(options, start, 0)
    }

    /// Devices with so many events each, which end now.
    fn with_backlog(options: &BiostarXServerOptions, start: Start, events: u32) -> Result<Self> {
        let sim = SimOptions::default().with_seed(options.seed).with_devices(options.devices);
        // Nobody reads later events in the logs of these devices: the server has them.
        let sim = sim.with_start(start).with_backlog(events).with_capacity(events.max(1));
        Ok(Self { simulator: Simulator::with_options(sim)?, seed: options.seed, turn: 0 })
    }

    /// The names of the devices, by number.
    pub(super) fn names(&self) -> BTreeMap<u32, String> {
        let ids = self.simulator.device_ids();
        ids.iter().map(|id| (id.get(), format!("Reader {id}"))).collect()
    }

    /// Devices with the backlog of the options, and the events of it, ordered by time.
    pub(super) fn made_backlog(
        options: &BiostarXServerOptions,
        start: Start,
    ) -> Result<(Self, Vec<StoredEvent>)> {
        // Where the backlog ends now, each device has its share of it from the beginning.
        let share = if start.is_now() { options.backlog / options.devices } else { 0 };
        let mut devices = Self::with_backlog(options, start, share)?;
        let mut events = Vec::new();
        for device in &devices.simulator.inner.devices {
            events.extend(device.lock().state.log().page(0, share, false).iter().map(stored));
        }
        while events.len() < options.backlog as usize {
            events.push(devices.next_event()?);
        }
        events.sort_by_key(|event| event.time);
        Ok((devices, events))
    }

    /// The number of the type of all devices, their model and their firmware.
    pub(super) fn model(&self) -> (u16, &'static str, &'static str) {
        let profile = DeviceProfile::new(DeviceId::default(), &self.simulator.inner.options);
        (profile.device_type, profile.model, profile.firmware)
    }

    /// The number of the door of each device, and that of the device.
    pub(super) fn doors(&self) -> impl ExactSizeIterator<Item = (u32, u32)> {
        let devices = self.simulator.inner.devices.iter().enumerate();
        devices.map(|(index, device)| (door(index as u32), device.device().get()))
    }

    pub(super) fn next_event(&mut self) -> Result<StoredEvent> {
        let devices = self.simulator.device_ids();
        let device = devices.get(self.turn % devices.len().max(1)).copied().unwrap_or(DeviceId::new(0));
        self.turn = self.turn.wrapping_add(1);
        Ok(stored(&self.simulator.make_event(device)?))
    }

    /// Skips the events that the database already has.
    pub(super) fn skip_stored(&mut self, database: &Database) -> Result<()> {
        for id in self.simulator.device_ids() {
            let known = database.events.iter().filter(|event| event.device_id == id.get());
            let newest = known.map(|event| event.index).max().unwrap_or_default();
            while self.simulator.reader(id)?.newest_id().unwrap_or_default() < newest {
                self.simulator.make_event(id)?;
            }
        }
        Ok(())
    }

    /// The picture of an event.
    pub(super) fn picture(&self, event: &StoredEvent) -> Option<Bytes> {
        let (_, code) = event.meaning();
        let event = Event::builder(DeviceId::new(event.device_id), event.index, code).build();
        picture(self.seed, &event).ok()
    }
}

/// A device's event as the server stores it, one second after it happened.
pub(super) fn stored(event: &Event) -> StoredEvent {
    let (user_id, door_id) = match event.subject() {
        Subject::User(user) => (user.as_text().filter(|text| !text.is_empty()), None),
        Subject::Door { door_id } => (None, Some(door_id)),
        _ => (None, None),
    };
    let time = event.timestamp().as_unix_seconds();
    let flags = event.flags();
    StoredEvent {
        id: 0,
        index: event.id(),
        device_id: event.device_id().get(),
        code: EventCode::get(event.code()),
        time,
        stored: time.saturating_add(1),
        user_id: user_id.map(str::to_owned),
        tna_key: event.tna_key().map(|key| key.to_string()),
        door_id,
        utc_offset_minutes: Some(flags.utc_offset_minutes()),
        daylight_saving: flags.daylight_saving(),
        image: flags.has_image(),
        imported: false,
    }
}
