//! The devices that report to the server: those of the simulated office.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::database::Database;
use super::options::BiostarXServerOptions;
use super::records::StoredEvent;
use crate::Result;
use crate::codec::{DeviceId, Event, EventCode, Subject};
use crate::sim::extras::picture;
use crate::sim::{SimOptions, Simulator};

/// The simulated devices, which make the events in turn.
pub(super) struct OfficeDevices {
    simulator: Simulator,
    seed: u64,
    turn: usize,
}

impl OfficeDevices {
    pub(super) fn new(options: &BiostarXServerOptions) -> Result<Self> {
        let sim = SimOptions::default().with_seed(options.seed).with_devices(options.devices).with_backlog(0);
        // Nobody reads the logs of these devices: the server has the events.
        let simulator = Simulator::with_options(sim.with_capacity(1))?;
        Ok(Self { simulator, seed: options.seed, turn: 0 })
    }

    /// The names of the devices, by number.
    pub(super) fn names(&self) -> BTreeMap<u32, String> {
        let ids = self.simulator.device_ids();
        ids.iter().map(|id| (id.get(), format!("Reader {id}"))).collect()
    }

    /// The next events of all devices in turn, ordered by time.
    pub(super) fn backlog(&mut self, count: u32) -> Result<Vec<StoredEvent>> {
        let mut events = (0..count).map(|_| self.next_event()).collect::<Result<Vec<_>>>()?;
        events.sort_by_key(|event| event.time);
        Ok(events)
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
