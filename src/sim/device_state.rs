//! The state of one device, and everything that decided it.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::extras::extras;
use super::generator::{EventGenerator, GeneratorContext};
use super::recorded_log::RecordedLog;
use crate::codec::{DeviceId, Event, EventCode, EventFlags, Extras, Subject, Timestamp};
use crate::device::ImageFilter;

/// The log of a device and what fills it.
///
/// It depends on the seed, the device and the commands alone. So it can be replayed from the beginning: that is how the
/// ground truth knows the events that the ring has overwritten, without keeping them.
pub(super) struct DeviceState {
    device: DeviceId,
    origin: Origin,
    context: Arc<GeneratorContext>,
    log: EventLog,
    generator: Option<Box<EventGenerator>>,
    filters: Vec<ImageFilter>,
    /// Seconds since 1970 of the newest event, as if nobody had set the clock.
    at: i64,
    /// What was added to the clock by setting it.
    clock_shift: i64,
    history: History,
}

/// What happened to a device.
#[derive(Clone, Default)]
pub(super) struct History {
    /// The number of generated events.
    pub(super) made: u64,
    /// Everything else that decided the log: after how many generated events, and what.
    pub(super) entries: Vec<(u64, HistoryEntry)>,
}

/// What makes the same generator leave another log.
#[derive(Clone)]
pub(super) enum HistoryEntry {
    Command(Command),
    Filters(Vec<ImageFilter>),
}

/// What a person or a program does to a device, and the device writes into its log.
#[derive(Clone, Copy)]
pub(super) enum Command {
    ClearLog,
    FactoryReset { restart_ids: bool },
    SetClock(Timestamp),
}

/// Where the events of a device come from.
#[derive(Clone)]
pub(super) enum Origin {
    /// The generator of the device with this index.
    Generated(u32),
    Recorded(Arc<RecordedLog>),
}

impl DeviceState {
    /// A device to which nothing happened yet; a recorded one has its rows. `expected` events are to come soon.
    pub(super) fn new(
        context: &Arc<GeneratorContext>,
        device: DeviceId,
        origin: Origin,
        expected: u32,
    ) -> Self {
        let (log, generator, at) = match &origin {
            Origin::Generated(index) => (
                EventLog::new(context.capacity, expected as usize),
                Some(Box::new(EventGenerator::new(context, device, *index))),
                context.start,
            ),
            Origin::Recorded(recorded) => {
                let last = recorded.rows.last().map_or(context.start, Event::timestamp);
                (EventLog::recorded(recorded), None, last)
            }
        };
        Self {
            device,
            origin,
            context: Arc::clone(context),
            log,
            generator,
            filters: default_filters(),
            at: at.as_unix_seconds().into(),
            clock_shift: 0,
            history: History::default(),
        }
    }

    /// One more generated event; `None` for a recorded device.
    pub(super) fn make(&mut self) -> Option<Event> {
        let event = self.generator.as_mut()?.next();
        self.history.made += 1;
        self.at = event.at;
        let subject = Subject::read(event.code, &event.subject);
        Some(self.write(event.code, subject, event.param))
    }

    /// Carries out a command, and returns the event that the device writes about it.
    pub(super) fn command(&mut self, command: Command) -> Event {
        self.history.entries.push((self.history.made, HistoryEntry::Command(command)));
        let code = match command {
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
        self.history.entries.push((self.history.made, HistoryEntry::Filters(filters.to_vec())));
        self.filters = filters.to_vec();
    }

    /// Yields every event that this device ever wrote, with its epoch, from the first on.
    pub(super) fn all_events(&self, yield_event: &mut dyn FnMut(u32, &Event)) {
        let mut twin = Self::new(&self.context, self.device, self.origin.clone(), 0);
        if let Origin::Recorded(recorded) = &self.origin {
            let mut known = HashSet::new();
            recorded.rows.iter().filter(|row| known.insert(**row)).for_each(|row| yield_event(0, row));
        }
        twin.replay(&self.history, yield_event);
    }

    /// Replays a recorded history and yields every event.
    pub(super) fn replay(&mut self, history: &History, yield_event: &mut dyn FnMut(u32, &Event)) {
        for (made, entry) in &history.entries {
            self.replay_until(*made, yield_event);
            match entry {
                HistoryEntry::Command(command) => {
                    let event = self.command(*command);
                    yield_event(self.log.epoch(), &event);
                }
                HistoryEntry::Filters(filters) => self.set_filters(filters),
            }
        }
        self.replay_until(history.made, yield_event);
    }

    pub(super) fn device(&self) -> DeviceId {
        self.device
    }

    /// The number of generated events.
    pub(super) fn made(&self) -> u64 {
        self.history.made
    }

    pub(super) fn log(&self) -> &EventLog {
        &self.log
    }

    /// The picture of an event of a recorded log.
    pub(super) fn recorded_picture(&self, id: u32) -> Option<Bytes> {
        match &self.origin {
            Origin::Generated(_) => None,
            Origin::Recorded(recorded) => recorded.pictures.get(&id).cloned(),
        }
    }

    /// The extras of an event. Those of a recorded log are the recorded ones, and no others.
    pub(super) fn extras(&self, event: &Event) -> Extras {
        match &self.origin {
            Origin::Generated(_) => extras(self.context.seed, event),
            // In a later epoch the recorded ids belong to other events.
            Origin::Recorded(_) if self.log.epoch() > 0 => Extras::default(),
            Origin::Recorded(recorded) => recorded.extras.get(&event.id()).cloned().unwrap_or_default(),
        }
    }

    pub(super) fn filters(&self) -> &[ImageFilter] {
        &self.filters
    }

    /// The device's clock. It stands still between events.
    pub(super) fn clock(&self) -> Timestamp {
        let shifted = self.at.saturating_add(self.clock_shift).clamp(0, u32::MAX.into());
        Timestamp::from_unix_seconds(u32::try_from(shifted).unwrap_or(u32::MAX))
    }

    fn replay_until(&mut self, made: u64, yield_event: &mut dyn FnMut(u32, &Event)) {
        while self.history.made < made
            && let Some(event) = self.make()
        {
            yield_event(self.log.epoch(), &event);
        }
    }

    fn write(&mut self, code: EventCode, subject: Subject<'_>, param: u8) -> Event {
        let generator = self.generator.as_ref();
        let zone = generator.map_or(EventFlags::empty(), |generator| generator.flags(self.at));
        // Schedules other than never and always are defined on a device, and a simulated one has none.
        let takes_picture = |filter: &ImageFilter| filter.schedule_id == ALWAYS && filter.matches(code);
        let is_seen = self.context.images && self.filters.iter().any(takes_picture);
        let flags = if is_seen { zone | EventFlags::IMAGE } else { zone };
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

impl HistoryEntry {
    /// Reads what `Display` writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let entry = match parts.next()? {
            "clear" => Self::Command(Command::ClearLog),
            "reset" => Self::Command(Command::FactoryReset { restart_ids: parts.next()? == "1" }),
            "clock" => {
                let seconds = parts.next()?.parse().ok()?;
                Self::Command(Command::SetClock(Timestamp::from_unix_seconds(seconds)))
            }
            "filters" => Self::Filters(parts.by_ref().map(parse_filter).collect::<Option<_>>()?),
            _ => return None,
        };
        parts.next().is_none().then_some(entry)
    }
}

/// Writes the entry as the state file holds it.
impl fmt::Display for HistoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(Command::ClearLog) => f.write_str("clear"),
            Self::Command(Command::FactoryReset { restart_ids }) => {
                write!(f, "reset {}", u8::from(*restart_ids))
            }
            Self::Command(Command::SetClock(time)) => write!(f, "clock {}", time.as_unix_seconds()),
            Self::Filters(filters) => {
                f.write_str("filters")?;
                filters.iter().try_for_each(|filter| {
                    write!(f, " {}/{}/{}", filter.code.get(), u8::from(filter.exact), filter.schedule_id)
                })
            }
        }
    }
}

fn parse_filter(text: &str) -> Option<ImageFilter> {
    let (code, rest) = text.split_once('/')?;
    let (exact, schedule) = rest.split_once('/')?;
    let filter = ImageFilter::new(EventCode::new(code.parse().ok()?)).with_schedule(schedule.parse().ok()?);
    Some(if exact == "1" { filter.exactly() } else { filter })
}

/// The events that a person should look at.
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

/// The memory of a device: a ring of events in the order in which they were written, the ids that have a picture, and
/// the id counter.
pub(super) struct EventLog {
    events: VecDeque<Event>,
    pictures: VecDeque<u32>,
    capacity: usize,
    /// More than 32 bits, so that the end of the counter is seen.
    next_id: u64,
    epoch: u32,
    /// Whether the ids rise; only a recorded log may have them in another order.
    ascending: bool,
}

impl EventLog {
    /// An empty log, with room for `expected` events to begin with.
    pub(super) fn new(capacity: usize, expected: usize) -> Self {
        Self {
            events: VecDeque::with_capacity(capacity.min(expected)),
            pictures: VecDeque::new(),
            capacity,
            next_id: FIRST_ID.into(),
            epoch: 0,
            ascending: true,
        }
    }

    /// A log that holds the rows of a recorded log in their order, and its pictures.
    pub(super) fn recorded(RecordedLog { rows, pictures, .. }: &RecordedLog) -> Self {
        let newest = rows.iter().map(Event::id).max();
        Self {
            next_id: u64::from(newest.unwrap_or(FIRST_ID - 1)) + 1,
            ascending: rows.is_sorted_by(|a, b| a.id() < b.id()),
            events: rows.iter().copied().collect(),
            pictures: pictures.keys().copied().collect(),
            ..Self::new(usize::MAX, 0)
        }
    }

    /// Writes the event that `make` makes of its id. A full ring loses its oldest event.
    pub(super) fn append(&mut self, make: impl FnOnce(u32) -> Event) -> Event {
        let id = u32::try_from(self.next_id).unwrap_or_else(|_| {
            // The vendor says that ids continue from 0 after the last one: that is the next epoch.
            self.restart_ids(0);
            0
        });
        self.next_id = u64::from(id) + 1;
        if self.events.len() >= self.capacity {
            let gone = self.events.pop_front();
            if gone.is_some_and(|gone| self.pictures.front() == Some(&gone.id())) {
                self.pictures.pop_front();
            }
        }
        if self.events.len() == self.events.capacity() {
            // A quarter more, not twice as much: a thousand devices share a machine.
            let room = (self.events.len() / 4 + 64).min(self.capacity - self.events.len());
            self.events.reserve_exact(room);
        }
        let event = make(id);
        self.events.push_back(event);
        if event.flags().has_image() {
            if self.pictures.len() >= PICTURES {
                self.pictures.pop_front();
            }
            self.pictures.push_back(id);
        }
        event
    }

    /// Deletes everything; ids continue.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.pictures.clear();
        self.ascending = true;
    }

    /// Deletes everything; ids begin again.
    pub(super) fn restart_ids(&mut self, first: u32) {
        self.clear();
        self.next_id = u64::from(first);
        self.epoch = self.epoch.saturating_add(1);
    }

    /// Up to `max` events after `after`, or from `after` on. They are in the order in which they were written, unless
    /// a later page would then miss one: then they are in the order of their ids.
    pub(super) fn page(&self, after: u32, max: u32, inclusive: bool) -> Vec<Event> {
        let wanted = |event: &&Event| event.id() > after || inclusive && event.id() == after;
        if self.ascending {
            let start = self.events.partition_point(|event| !wanted(&event));
            return self.events.range(start..).take(max as usize).copied().collect();
        }
        let mut events: Vec<Event> = self.events.iter().filter(wanted).copied().collect();
        let (page, rest) = events.split_at(events.len().min(max as usize));
        let ids: BTreeSet<u32> = page.iter().map(Event::id).collect();
        let newest = ids.last().copied().unwrap_or(u32::MAX);
        // A later page begins behind the newest id of this one, so nothing older may be left out.
        if rest.iter().any(|event| event.id() < newest && !ids.contains(&event.id())) {
            events.sort_by_key(Event::id);
        }
        events.truncate(max as usize);
        events
    }

    /// The event with this id, if the log still has its picture.
    pub(super) fn with_picture(&self, id: u32) -> Option<Event> {
        self.pictures.binary_search(&id).ok()?;
        self.event(id)
    }

    /// Up to `max` events after `after` whose pictures the log still has.
    pub(super) fn pictures(&self, after: u32, max: u32) -> Vec<Event> {
        let start = self.pictures.partition_point(|id| *id <= after);
        self.pictures.range(start..).take(max as usize).filter_map(|id| self.event(*id)).collect()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.events.iter().map(Event::id)
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    fn event(&self, id: u32) -> Option<Event> {
        if self.ascending {
            let position = self.events.binary_search_by_key(&id, Event::id).ok()?;
            self.events.get(position).copied()
        } else {
            self.events.iter().find(|event| event.id() == id).copied()
        }
    }
}

/// How many pictures a device keeps.
pub(super) const PICTURES: usize = 1_000;

pub(super) const FIRST_ID: u32 = 1;

/// The schedule that is always active.
const ALWAYS: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_history_entry_survives_its_text() {
        let filters = vec![
            ImageFilter::new(EventCode::ACCESS_DENIED),
            ImageFilter::new(EventCode::new(0x1301)).exactly(),
        ];
        for (entry, text) in [
            (HistoryEntry::Command(Command::ClearLog), "clear"),
            (HistoryEntry::Command(Command::FactoryReset { restart_ids: true }), "reset 1"),
            (HistoryEntry::Command(Command::FactoryReset { restart_ids: false }), "reset 0"),
            (HistoryEntry::Command(Command::SetClock(Timestamp::from_unix_seconds(7))), "clock 7"),
            (HistoryEntry::Filters(Vec::new()), "filters"),
            (HistoryEntry::Filters(filters), "filters 6400/0/1 4865/1/1"),
        ] {
            assert_eq!(entry.to_string(), text);
            assert_eq!(HistoryEntry::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "fly", "clear 1", "clock", "clock x", "filters 1/1"] {
            assert!(HistoryEntry::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn overwrites_the_oldest_when_full() {
        let mut log = EventLog::new(3, 0);
        fill(&mut log, 5);
        assert_eq!(log.ids().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(ids(&log.page(0, 10, false)), [3, 4, 5]);
        assert_eq!(ids(&log.page(3, 1, false)), [4]);
        assert_eq!(ids(&log.page(3, 10, true)), [3, 4, 5]);
        assert!(log.page(5, 10, false).is_empty());
    }

    #[test]
    fn continues_from_0_in_a_new_epoch_after_the_last_id() {
        let mut log = EventLog::new(10, 0);
        log.next_id = u64::from(u32::MAX);
        fill(&mut log, 1);
        assert_eq!((log.ids().last(), log.epoch()), (Some(u32::MAX), 0));
        fill(&mut log, 2);
        assert_eq!(log.ids().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(log.epoch(), 1);
    }

    #[test]
    fn keeps_a_thousand_pictures_and_none_of_events_that_are_gone() {
        let mut log = EventLog::new(1_500, 0);
        for _ in 0..1_200 {
            log.append(|id| event(id, EventFlags::IMAGE));
        }
        assert!(log.with_picture(200).is_none());
        assert_eq!(log.with_picture(201).map(|event| event.id()), Some(201));
        assert_eq!(ids(&log.pictures(0, 2)), [201, 202]);
        fill(&mut log, 800);
        assert_eq!(log.ids().next(), Some(501));
        assert!(log.with_picture(500).is_none());
        assert!(log.with_picture(501).is_some());
        log.clear();
        assert!(log.pictures(0, 9).is_empty());
    }

    #[test]
    fn recorded_rows_keep_their_order() {
        let rows = [7, 7, 9, 7, 8].map(|id| event(id, EventFlags::empty())).to_vec();
        let pictures = [(8, Bytes::new())].into();
        let mut log = EventLog::recorded(&RecordedLog { rows, pictures, ..RecordedLog::default() });
        assert_eq!(log.with_picture(8).map(|event| event.id()), Some(8));
        assert_eq!(ids(&log.pictures(0, 9)), [8]);
        assert_eq!(ids(&log.page(0, 10, false)), [7, 7, 9, 7, 8]);
        assert_eq!(ids(&log.page(7, 10, false)), [9, 8]);
        assert_eq!(ids(&log.page(7, 2, true)), [7, 7]);
        assert_eq!(ids(&log.page(0, 2, false)), [7, 7]);
        assert_eq!(ids(&log.page(0, 4, false)), [7, 7, 7, 8]);
        fill(&mut log, 1);
        assert_eq!(log.ids().last(), Some(10));
    }

    fn fill(log: &mut EventLog, count: u32) {
        for _ in 0..count {
            log.append(|id| event(id, EventFlags::empty()));
        }
    }

    fn event(id: u32, flags: EventFlags) -> Event {
        Event::builder(DeviceId::new(1), id, EventCode::DOOR_OPENED).flags(flags).build()
    }

    fn ids(events: &[Event]) -> Vec<u32> {
        events.iter().map(Event::id).collect()
    }
}
