//! The state of one device, and everything that decided it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::event_log::{EventLog, FIRST_ID};
use super::extras::extras;
use super::generator::{EventGenerator, GeneratorContext, slave};
use super::history::{Command, History, HistoryEntry, PushedEvent};
use super::recorded_log::RecordedLog;
use crate::codec::{DeviceId, Event, EventCode, EventFlags, Extras, Subject, Timestamp};
use crate::device::ImageFilter;
use crate::sync::now;

/// The log of a device and what fills it.
///
/// It depends on the seed, the device and the history alone. So it can be replayed from the beginning: that is how the
/// ground truth knows the events that the ring has overwritten, without keeping them.
pub(super) struct DeviceState {
    device: DeviceId,
    origin: Origin,
    context: Arc<GeneratorContext>,
    log: EventLog,
    generator: Option<Box<EventGenerator>>,
    filters: Vec<ImageFilter>,
    /// What a test gave with the events that it pushed, by id.
    pushed: BTreeMap<u32, (Extras, Option<Bytes>)>,
    /// Seconds since 1970 of the newest event, as if nobody had set the clock.
    at: i64,
    /// What was added to the clock by setting it.
    clock_shift: i64,
    history: History,
}

/// Where the events of a device come from.
#[derive(Clone)]
pub(super) enum Origin {
    /// The generator of the device with this index.
    Generated(u32),
    Recorded(Arc<RecordedLog>),
}

/// An event that a device wrote by itself.
pub(super) struct MadeEvent {
    pub(super) event: Event,
    /// Whether it is a row of a recorded log that the log has already.
    pub(super) is_repeated: bool,
}

/// What a device reports live beside an event.
pub(super) struct LiveExtras {
    /// What the vendor's library passes on.
    pub(super) plain: Extras,
    /// What a gateway passes on.
    pub(super) behind_gateway: Extras,
}

impl DeviceState {
    /// A device to which nothing happened yet; a recorded one has its rows, unless they are to happen one by one.
    /// `expected` events are to come soon.
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
            Origin::Recorded(_) if context.replays_live => {
                (EventLog::new(usize::MAX, 0), None, context.start)
            }
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
            pushed: BTreeMap::new(),
            at: at.as_unix_seconds().into(),
            clock_shift: 0,
            history: History::default(),
        }
    }

    /// One more event of the device's own: a generated one, or the next row of a recorded log. `None` where there is
    /// none.
    pub(super) fn make(&mut self) -> Option<MadeEvent> {
        let happens_now = self.happens_now();
        if let Origin::Recorded(recorded) = &self.origin {
            let row = *recorded.rows.get(usize::try_from(self.history.made).ok()?)?;
            let has_picture = recorded.pictures.contains_key(&row.id());
            if !self.context.replays_live {
                return None;
            }
            self.history.made += 1;
            if !happens_now {
                self.at = row.timestamp().as_unix_seconds().into();
            }
            let is_repeated = self.log.append_row(row, has_picture);
            return Some(MadeEvent { event: row, is_repeated });
        }
        let event = self.generator.as_mut()?.next();
        self.history.made += 1;
        if !happens_now {
            self.at = event.at;
        }
        let subject = Subject::read(event.code, &event.subject);
        let event = self.write(event.source, event.code, subject, event.param);
        Some(MadeEvent { event, is_repeated: false })
    }

    /// The machine's clock, if the next event has its time and it has moved on.
    pub(super) fn present(&self) -> Option<Timestamp> {
        self.happens_now().then(now).filter(|now| self.at != i64::from(now.as_unix_seconds()))
    }

    /// Carries out a command, and returns the event that the device writes about it.
    pub(super) fn command(&mut self, command: &Command) -> Event {
        let kept = match command {
            // A replay needs to know only that there was a picture.
            Command::Push(pushed) => Command::Push(Box::new(PushedEvent {
                event: pushed.event,
                extras: Extras::default(),
                picture: pushed.picture.as_ref().map(|_| Bytes::new()),
            })),
            command => command.clone(),
        };
        self.note(HistoryEntry::Command(kept));
        let code = match command {
            Command::ClearLog => {
                self.log.clear();
                EventCode::DEVICE_EVENT_LOG_CLEARED
            }
            Command::ClientConnected => EventCode::DEVICE_TCP_CONNECTED,
            Command::ClientDisconnected => EventCode::DEVICE_TCP_DISCONNECTED,
            Command::FactoryReset { restart_ids } => {
                if *restart_ids {
                    self.log.restart_ids(FIRST_ID);
                    self.pushed.clear();
                } else {
                    self.log.clear();
                }
                self.filters = default_filters();
                EventCode::DEVICE_FACTORY_RESET
            }
            Command::Push(pushed) => return self.push(pushed),
            Command::SetClock(time) => {
                self.clock_shift = i64::from(time.as_unix_seconds()) - self.at;
                EventCode::DEVICE_TIME_SET
            }
        };
        self.write(self.device, code, Subject::None, 0)
    }

    pub(super) fn set_filters(&mut self, filters: &[ImageFilter]) {
        self.note(HistoryEntry::Filters(filters.to_vec()));
        self.filters = filters.to_vec();
    }

    /// Sets the machine's clock, which is the time of the next event.
    pub(super) fn set_present(&mut self, now: Timestamp) {
        self.note(HistoryEntry::Now(now));
        self.at = now.as_unix_seconds().into();
    }

    /// Sets the device's clock without an event.
    pub(super) fn set_time(&mut self, time: Timestamp) {
        self.note(HistoryEntry::SetTime(time));
        self.clock_shift = i64::from(time.as_unix_seconds()) - self.at;
    }

    /// Yields every event that this device ever wrote, with its epoch, from the first on.
    pub(super) fn all_events(&self, yield_event: &mut dyn FnMut(u32, &Event)) {
        let mut twin = Self::new(&self.context, self.device, self.origin.clone(), 0);
        if let Origin::Recorded(recorded) = &self.origin
            && !self.context.replays_live
        {
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
                    let event = self.command(command);
                    yield_event(self.log.epoch(), &event);
                }
                HistoryEntry::Filters(filters) => self.set_filters(filters),
                HistoryEntry::Now(now) => self.set_present(*now),
                HistoryEntry::SetTime(time) => self.set_time(*time),
            }
        }
        self.replay_until(history.made, yield_event);
    }

    pub(super) fn device(&self) -> DeviceId {
        self.device
    }

    /// The devices that keep no log and whose events are in this one.
    pub(super) fn slaves(&self) -> Vec<DeviceId> {
        match &self.origin {
            Origin::Generated(index) => {
                (0..self.context.slaves).map(|number| slave(*index, number)).collect()
            }
            Origin::Recorded(recorded) => {
                let makers: BTreeSet<_> = recorded.rows.iter().map(Event::device_id).collect();
                makers.into_iter().filter(|maker| *maker != self.device).collect()
            }
        }
    }

    /// The number of events that the device made by itself.
    pub(super) fn made(&self) -> u64 {
        self.history.made
    }

    /// Whether the device can make a further event by itself.
    pub(super) fn has_next(&self) -> bool {
        match &self.origin {
            Origin::Generated(_) => true,
            Origin::Recorded(log) => self.context.replays_live && self.history.made < log.rows.len() as u64,
        }
    }

    pub(super) fn log(&self) -> &EventLog {
        &self.log
    }

    /// The picture of an event that was recorded or pushed with it. Others are made on request.
    pub(super) fn given_picture(&self, id: u32) -> Option<Bytes> {
        if let Some((_, picture)) = self.pushed.get(&id) {
            return picture.clone();
        }
        match &self.origin {
            Origin::Recorded(recorded) if self.log.epoch() == 0 => recorded.pictures.get(&id).cloned(),
            _ => None,
        }
    }

    /// The extras of an event. Those of a recorded or pushed event are the given ones, and no others.
    pub(super) fn extras(&self, event: &Event) -> Extras {
        if let Some((extras, _)) = self.pushed.get(&event.id()) {
            return extras.clone();
        }
        match &self.origin {
            Origin::Generated(index) => extras(self.context.seed, *index, event),
            // In a later epoch the recorded ids belong to other events.
            Origin::Recorded(_) if self.log.epoch() > 0 => Extras::default(),
            Origin::Recorded(recorded) => recorded.extras.get(&event.id()).cloned().unwrap_or_default(),
        }
    }

    /// The extras that a test gave with the event that it pushed.
    pub(super) fn pushed_extras(&self, id: u32) -> Option<&Extras> {
        self.pushed.get(&id).map(|(extras, _)| extras)
    }

    /// The extras that the device reports live: what a test gave, or otherwise the temperature, and behind a gateway the
    /// further subjects too.
    pub(super) fn live_extras(&self, event: &Event) -> LiveExtras {
        let all = self.extras(event);
        if self.pushed.contains_key(&event.id()) {
            return LiveExtras { plain: all.clone(), behind_gateway: all };
        }
        let plain = Extras { temperature: all.temperature, ..Extras::default() };
        LiveExtras { plain, behind_gateway: Extras { job_code: None, ..all } }
    }

    pub(super) fn filters(&self) -> &[ImageFilter] {
        &self.filters
    }

    /// The device's clock. It stands still between events, unless events happen at the present time.
    pub(super) fn time(&self) -> Timestamp {
        self.clock(if self.happens_now() { now().as_unix_seconds().into() } else { self.at })
    }

    /// What the clock shows when it would be this time if nobody had set it.
    fn clock(&self, at: i64) -> Timestamp {
        let shifted = at.saturating_add(self.clock_shift).clamp(0, u32::MAX.into());
        Timestamp::from_unix_seconds(u32::try_from(shifted).unwrap_or(u32::MAX))
    }

    /// Whether the next event has the time of the machine's clock.
    fn happens_now(&self) -> bool {
        self.context.is_now
            && (matches!(self.origin, Origin::Recorded(_)) || self.history.made >= self.context.backlog)
    }

    fn note(&mut self, entry: HistoryEntry) {
        self.history.entries.push((self.history.made, entry));
    }

    fn replay_until(&mut self, made: u64, yield_event: &mut dyn FnMut(u32, &Event)) {
        while self.history.made < made
            && let Some(MadeEvent { event, is_repeated }) = self.make()
        {
            if !is_repeated {
                yield_event(self.log.epoch(), &event);
            }
        }
    }

    /// Writes an event as it is, with the next id. Without a device it is this one's, without a time it happens now.
    fn push(&mut self, PushedEvent { event, extras, picture }: &PushedEvent) -> Event {
        let subject = *event.subject_bytes();
        let device = if event.device_id() == DeviceId::default() { self.device } else { event.device_id() };
        let time = event.timestamp();
        let time = if time.as_unix_seconds() == 0 { self.clock(self.at) } else { time };
        let image = if picture.is_some() { EventFlags::IMAGE } else { EventFlags::empty() };
        let event = self.log.append(|id| {
            Event::builder(device, id, event.code())
                .timestamp(time)
                .subject(Subject::Unknown(&subject))
                .param(event.param())
                .flags(event.flags() | image)
                .build()
        });
        let first = self.log.first_id().unwrap_or_default();
        self.pushed.retain(|id, _| *id >= first);
        self.pushed.insert(event.id(), (extras.clone(), picture.clone()));
        event
    }

    fn write(&mut self, source: DeviceId, code: EventCode, subject: Subject<'_>, param: u8) -> Event {
        let generator = self.generator.as_ref();
        let zone = generator.map_or(EventFlags::empty(), |generator| generator.flags(self.at));
        // Schedules other than never and always are defined on a device, and a simulated one has none.
        let takes_picture = |filter: &ImageFilter| filter.schedule_id == ALWAYS && filter.matches(code);
        let is_seen = self.context.images && self.filters.iter().any(takes_picture);
        let flags = if is_seen { zone | EventFlags::IMAGE } else { zone };
        let time = self.clock(self.at);
        self.log.append(|id| {
            Event::builder(source, id, code)
                .timestamp(time)
                .subject(subject)
                .param(param)
                .flags(flags)
                .build()
        })
    }
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

/// The schedule that is always active.
const ALWAYS: u32 = 1;
