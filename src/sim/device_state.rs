//! The life of one reader: what it wrote, and everything that decided it.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use super::extras::Beside;
use super::generator::EventGenerator;
use super::generator::world::World;
use super::log::{FIRST_ID, Log};
use super::recorded_log::Recorded;
use crate::codec::{DeviceId, Event, EventCode, EventFlags, Subject, Timestamp};
use crate::device::ImageFilter;

/// The log of a reader and what fills it.
///
/// It depends on the seed, the reader and the acts alone, so it can be told again from its beginning: that is how the
/// truth knows what the ring has long overwritten, without keeping it.
pub(super) struct DeviceState {
    device: DeviceId,
    origin: Origin,
    world: Arc<World>,
    log: Log,
    office: Option<Box<EventGenerator>>,
    filters: Vec<ImageFilter>,
    /// Seconds since 1970 of the newest event, as if nobody had set the clock.
    at: i64,
    /// What was added to the clock by setting it.
    clock_shift: i64,
    /// Events of the office so far.
    made: u64,
    /// What changed the events from then on: how many of the office there were, and what was done.
    turns: Vec<(u64, HistoryEntry)>,
}

/// What makes the same office leave another log.
#[derive(Clone)]
pub(super) enum HistoryEntry {
    Command(Command),
    Filters(Vec<ImageFilter>),
}

/// Where the events of a reader come from.
#[derive(Clone)]
pub(super) enum Origin {
    /// The office around the reader with this index.
    EventGenerator(u32),
    /// A file.
    Replay(Arc<Recorded>),
}

/// What somebody did to a reader, and what it writes down.
#[derive(Clone, Copy)]
pub(super) enum Command {
    ClearLog,
    FactoryReset { restart_ids: bool },
    SetClock(Timestamp),
}

impl DeviceState {
    /// A reader to which nothing happened yet; a replayed one has its rows. `expected` events are to come soon.
    pub(super) fn new(world: &Arc<World>, device: DeviceId, origin: Origin, expected: u32) -> Self {
        let (log, office, at) = match &origin {
            Origin::EventGenerator(index) => (
                Log::new(world.capacity, expected as usize),
                Some(Box::new(EventGenerator::new(world, device, *index))),
                world.start,
            ),
            Origin::Replay(recorded) => {
                let last = recorded.rows.last().map_or(world.start, Event::timestamp);
                (Log::replayed(recorded), None, last)
            }
        };
        Self {
            device,
            origin,
            world: Arc::clone(world),
            log,
            office,
            filters: default_filters(),
            at: at.as_unix_seconds().into(),
            clock_shift: 0,
            made: 0,
            turns: Vec::new(),
        }
    }

    /// One more event of the office; `None` for a replayed reader, to which nothing happens.
    pub(super) fn make(&mut self) -> Option<Event> {
        let happening = self.office.as_mut()?.next();
        self.made += 1;
        self.at = happening.at;
        let subject = Subject::read(happening.code, &happening.subject);
        Some(self.write(happening.code, subject, happening.param))
    }

    /// Does something to the reader, and gives the event that it writes about it.
    pub(super) fn act(&mut self, act: Command) -> Event {
        self.turns.push((self.made, HistoryEntry::Command(act)));
        let code = match act {
            Command::ClearLog => {
                self.log.clear();
                EventCode::DEVICE_EVENT_LOG_CLEARED
            }
            Command::FactoryReset { restart_ids } => {
                if restart_ids {
                    self.log.restart_ids(FIRST_ID);
                } else {
                    self.log.clear();
                }
                self.filters = default_filters();
                EventCode::DEVICE_FACTORY_RESET
            }
            Command::SetClock(time) => {
                self.clock_shift = i64::from(time.as_unix_seconds()) - self.at;
                EventCode::DEVICE_TIME_SET
            }
        };
        self.write(code, Subject::None, 0)
    }

    pub(super) fn set_filters(&mut self, filters: &[ImageFilter]) {
        self.turns.push((self.made, HistoryEntry::Filters(filters.to_vec())));
        self.filters = filters.to_vec();
    }

    /// Tells every event that this reader ever wrote, with its epoch, from the first on.
    pub(super) fn retell(&self, tell: &mut dyn FnMut(u32, &Event)) {
        let mut twin = Self::new(&self.world, self.device, self.origin.clone(), 0);
        if let Origin::Replay(recorded) = &self.origin {
            let mut told = HashSet::new();
            recorded.rows.iter().filter(|row| told.insert(**row)).for_each(|row| tell(0, row));
        }
        twin.relive(self.made, &self.turns, tell);
    }

    /// Lives through what another life went through, and tells every event of it.
    pub(super) fn relive(
        &mut self,
        made: u64,
        turns: &[(u64, HistoryEntry)],
        tell: &mut dyn FnMut(u32, &Event),
    ) {
        for (made, turn) in turns {
            self.tell_until(*made, tell);
            match turn {
                HistoryEntry::Command(act) => {
                    let event = self.act(*act);
                    tell(self.log.epoch(), &event);
                }
                HistoryEntry::Filters(filters) => self.set_filters(filters),
            }
        }
        self.tell_until(made, tell);
    }

    pub(super) fn device(&self) -> DeviceId {
        self.device
    }

    /// Events of the office so far.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// The picture of an event that a replayed file has.
    pub(super) fn recorded_picture(&self, id: u32) -> Option<Bytes> {
        match &self.origin {
            Origin::EventGenerator(_) => None,
            Origin::Replay(recorded) => recorded.pictures.get(&id).cloned(),
        }
    }

    /// What the reader knows of one of its events beside its picture: of one that was recorded what was recorded with it,
    /// and nothing else.
    pub(super) fn beside(&self, event: &Event) -> Beside {
        let id = event.id();
        match &self.origin {
            Origin::EventGenerator(_) => Beside::of(self.world.seed, event),
            // Once ids begin again they are those of other events.
            Origin::Replay(_) if self.log.epoch() > 0 => Beside::default(),
            Origin::Replay(recorded) => Beside {
                job_code: recorded.job_codes.get(&id).copied(),
                picture: None,
                temperature: recorded.temperatures.get(&id).copied(),
            },
        }
    }

    pub(super) fn filters(&self) -> &[ImageFilter] {
        &self.filters
    }

    /// The reader's clock: it stands still between events.
    pub(super) fn clock(&self) -> Timestamp {
        let shifted = self.at.saturating_add(self.clock_shift).clamp(0, u32::MAX.into());
        Timestamp::from_unix_seconds(u32::try_from(shifted).unwrap_or(u32::MAX))
    }

    fn tell_until(&mut self, made: u64, tell: &mut dyn FnMut(u32, &Event)) {
        while self.made < made
            && let Some(event) = self.make()
        {
            tell(self.log.epoch(), &event);
        }
    }

    fn write(&mut self, code: EventCode, subject: Subject<'_>, param: u8) -> Event {
        let zone = self.office.as_ref().map_or(EventFlags::empty(), |office| office.flags(self.at));
        let seen = self.world.images && self.filters.iter().any(|filter| takes_picture(filter, code));
        let flags = if seen { zone | EventFlags::IMAGE } else { zone };
        let (device, time) = (self.device, self.clock());
        self.log.append(|id| {
            Event::builder(device, id, code)
                .timestamp(time)
                .subject(subject)
                .param(param)
                .flags(flags)
                .build()
        })
    }
}

/// Schedules other than never and always are defined on a reader, and this one has none defined.
fn takes_picture(filter: &ImageFilter, code: EventCode) -> bool {
    filter.schedule_id == ALWAYS && filter.matches(code)
}

/// What went wrong at the door, and what somebody should look at.
fn default_filters() -> Vec<ImageFilter> {
    [
        EventCode::ACCESS_DENIED,
        EventCode::AUTH_FAILED,
        EventCode::IDENTIFY_FAIL,
        EventCode::IDENTIFY_DURESS,
        EventCode::VERIFY_FAIL,
        EventCode::VERIFY_DURESS,
    ]
    .map(ImageFilter::new)
    .to_vec()
}

const ALWAYS: u32 = 1;
