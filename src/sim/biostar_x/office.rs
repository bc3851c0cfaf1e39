//! The readers that report to the server: those of the simulated office.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::settings::ServerSettings;
use super::state::StoredEvent;
use super::store::Store;
use crate::Result;
use crate::codec::{DeviceId, Event, EventCode, Subject};
use crate::sim::picture::picture;
use crate::sim::{SimOptions, Simulator};

/// The readers, and what they will report next.
pub(super) struct Office {
    simulator: Simulator,
    seed: u64,
    turn: usize,
}

impl Office {
    pub(super) fn new(settings: &ServerSettings) -> Result<Self> {
        let sim =
            SimOptions::default().with_seed(settings.seed).with_devices(settings.devices).with_backlog(0);
        // Nobody reads these logs: the server has the events.
        let simulator = Simulator::with_options(sim.with_capacity(1))?;
        Ok(Self { simulator, seed: settings.seed, turn: 0 })
    }

    pub(super) fn readers(&self) -> BTreeMap<u32, String> {
        let ids = self.simulator.device_ids();
        ids.iter().map(|id| (id.get(), format!("Reader {id}"))).collect()
    }

    /// The next events of all readers in turn, in the order of time.
    pub(super) fn backlog(&mut self, count: u32) -> Result<Vec<StoredEvent>> {
        let mut events = Vec::with_capacity(count as usize);
        for _ in 0..count {
            events.push(self.next()?);
        }
        events.sort_by_key(|event| event.time);
        Ok(events)
    }

    /// The next event.
    pub(super) fn next(&mut self) -> Result<StoredEvent> {
        let readers = self.simulator.device_ids();
        let reader = readers.get(self.turn % readers.len().max(1)).copied().unwrap_or(DeviceId::new(0));
        self.turn = self.turn.wrapping_add(1);
        Ok(stored(&self.simulator.make_event(reader)?))
    }

    /// Goes behind what the state file already has.
    pub(super) fn skip(&mut self, store: &Store) -> Result<()> {
        for id in self.simulator.device_ids() {
            let known = store.events.iter().filter(|event| event.device_id == id.get());
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

/// A reader's event as the server keeps it; `stored` a second later.
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
