//! What happens at the devices of a building, generated from a seed.

use std::sync::Arc;

use super::options::SimOptions;
use super::rng::SeededRng;
use crate::Result;
use crate::codec::{DeviceId, EventFlags, Timestamp, UserId};

mod scenario;

pub(super) use scenario::PlannedEvent;
use scenario::{DEVICES_A_BUILDING, Milestone, Planner, SATURDAY};

/// What decides the events of all devices of a simulator.
pub(super) struct GeneratorContext {
    pub(super) seed: u64,
    pub(super) start: Timestamp,
    pub(super) capacity: usize,
    pub(super) images: bool,
    /// Whether the backlog ends at `start`, and later events have the time of the machine's clock.
    pub(super) is_now: bool,
    /// The number of events that each generated device has at the start.
    pub(super) backlog: u64,
    /// The number of slaves of each generated device.
    pub(super) slaves: u32,
    /// Whether the rows of a recorded log happen one by one.
    pub(super) replays_live: bool,
    users: Arc<[UserId]>,
}

impl GeneratorContext {
    pub(super) fn new(options: &SimOptions) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            seed: options.seed,
            start: options.start_time(),
            capacity: options.capacity as usize,
            images: options.images,
            is_now: options.start.is_now(),
            backlog: options.backlog().into(),
            slaves: options.slaves,
            replays_live: options.replay_live,
            users: users(options.seed)?,
        }))
    }
}

/// The events at one device: endless, and the same for the same seed and device.
///
/// Scenarios of a few events follow each other: a person comes in, a door is held open. How often they occur depends on
/// the hour and the weekday at the device; the clock of the machine has no influence.
pub(super) struct EventGenerator {
    planner: Planner,
    building: Building,
    /// When the day begins or ends next.
    milestone: (i64, Milestone),
    device: DeviceId,
    index: u32,
    /// The number of slaves, and at which of the readers each scenario happens.
    slaves: u32,
    readers: SeededRng,
    /// Who sees the people of the scenario that is planned: the device or a slave.
    reader: DeviceId,
    /// What is added to the times of the events from `shifted_from` on, in seconds.
    shift: i64,
    shifted_from: i64,
}

impl EventGenerator {
    /// The generator of the `index`-th device. It begins with the installation, at the start of the context; where
    /// the context has the present time, it begins so long before that the backlog ends there.
    pub(super) fn new(context: &GeneratorContext, device: DeviceId, index: u32) -> Self {
        let start = context.start.as_unix_seconds().into();
        if context.is_now && context.backlog > 0 {
            Self::ending_at(start, context, device, index)
        } else {
            Self::starting_at(start, context, device, index)
        }
    }

    fn starting_at(start: i64, context: &GeneratorContext, device: DeviceId, index: u32) -> Self {
        let building = BUILDINGS[(index / DEVICES_A_BUILDING) as usize % BUILDINGS.len()];
        let rng = |offset| SeededRng::new(context.seed, STREAMS_A_DEVICE * u64::from(index) + offset);
        Self {
            planner: Planner::new(Arc::clone(&context.users), rng(0), device, index, start),
            milestone: building.milestone_after(start),
            building,
            device,
            index,
            slaves: context.slaves,
            readers: rng(1),
            reader: device,
            shift: 0,
            shifted_from: 0,
        }
    }

    /// A generator whose backlog has its last event exactly at this time. So that people still come in the morning,
    /// the events before the backlog are left out, and only the last minutes of it are moved to the end.
    fn ending_at(end: i64, context: &GeneratorContext, device: DeviceId, index: u32) -> Self {
        let mut span = SECONDS_A_DAY + MEAN_PAUSE * i64::try_from(context.backlog).unwrap_or(i64::MAX / 2);
        loop {
            let mut trial = Self::starting_at(end - span, context, device, index);
            let (mut count, mut last) = (0, end);
            loop {
                let at = trial.next().at;
                if at > end {
                    break;
                }
                (count, last) = (count + 1, at);
            }
            if count >= context.backlog {
                let mut generator = Self::starting_at(end - span, context, device, index);
                for _ in context.backlog..count {
                    generator.next();
                }
                (generator.shift, generator.shifted_from) = (end - last, last - LAST_SECONDS);
                return generator;
            }
            span *= 2;
        }
    }

    pub(super) fn next(&mut self) -> PlannedEvent {
        loop {
            if let Some(mut event) = self.planner.planned.pop_front() {
                if event.at >= self.shifted_from {
                    event.at += self.shift;
                }
                // What people do is seen by a reader; everything else by the device, to which the door is connected.
                if (0x1000..=0x1FFF).contains(&event.code.get()) {
                    event.source = self.reader;
                }
                return event;
            }
            self.plan();
        }
    }

    /// The device's time zone at this moment, as the flags of an event hold it.
    pub(super) fn flags(&self, at: i64) -> EventFlags {
        let summer =
            if self.building.is_summer(at) { EventFlags::DAYLIGHT_SAVING } else { EventFlags::empty() };
        summer.with_utc_offset_half_hours(self.building.half_hours).unwrap_or(summer)
    }

    fn plan(&mut self) {
        let planner = &mut self.planner;
        let (hour, weekday) = self.building.hour_and_weekday(planner.at);
        let pause = if weekday < SATURDAY { WORKDAY_PAUSES[hour] } else { WEEKEND_PAUSE };
        // Evenly from 0 to twice the mean: whole numbers alone, so that every machine draws the same.
        let next = planner.at + i64::from(planner.rng.below(2 * pause));
        let (time, milestone) = self.milestone;
        if next >= time {
            planner.at = planner.at.max(time);
            self.milestone = self.building.milestone_after(planner.at);
            let (_, weekday) = self.building.hour_and_weekday(time);
            if weekday < SATURDAY {
                planner.daily(milestone);
            }
        } else {
            planner.at = next;
            planner.scenario(hour, weekday);
            if self.slaves > 0 {
                let number = self.readers.below(self.slaves + 1);
                let of_slave = number.checked_sub(1).map(|number| slave(self.index, number));
                self.reader = of_slave.unwrap_or(self.device);
            }
        }
    }
}

/// A building and its time zone.
#[derive(Clone, Copy)]
struct Building {
    half_hours: i8,
    has_summer_time: bool,
}

impl Building {
    /// From about the end of March to about the end of October.
    fn is_summer(self, at: i64) -> bool {
        const MEAN_YEAR: i64 = 31_556_952;
        self.has_summer_time && (88..300).contains(&(at.rem_euclid(MEAN_YEAR) / SECONDS_A_DAY))
    }

    fn local(self, at: i64) -> i64 {
        at + i64::from(self.half_hours) * 1_800 + if self.is_summer(at) { 3_600 } else { 0 }
    }

    /// The hour, and the weekday from Monday, 0.
    fn hour_and_weekday(self, at: i64) -> (usize, i64) {
        let local = self.local(at);
        let hour = local.rem_euclid(SECONDS_A_DAY) / 3_600;
        // 1970 began on a Thursday.
        (hour as usize, (local.div_euclid(SECONDS_A_DAY) + 3).rem_euclid(7))
    }

    fn milestone_after(self, at: i64) -> (i64, Milestone) {
        let midnight = at - self.local(at).rem_euclid(SECONDS_A_DAY);
        let tomorrow = (midnight + SECONDS_A_DAY + MORNING, Milestone::Morning);
        [(midnight + MORNING, Milestone::Morning), (midnight + EVENING, Milestone::Evening)]
            .into_iter()
            .find(|(time, _)| *time > at)
            .unwrap_or(tomorrow)
    }
}

/// The user ids of a seed: all lengths from 1 to 32 bytes; most are numbers, some are badges, mail addresses and names
/// in other scripts.
pub(super) fn users(seed: u64) -> Result<Arc<[UserId]>> {
    let mut rng = SeededRng::new(seed, USERS_STREAM);
    (0..USERS).map(|index| Ok(UserId::new(user_id(index, &mut rng))?)).collect()
}

fn user_id(index: u32, rng: &mut SeededRng) -> String {
    // The first ones have every length, whatever the seed.
    if index < EVERY_LENGTH {
        return of_length(index % 32 + 1, rng);
    }
    match rng.below(100) {
        0..55 => (1_000 + index).to_string(),
        55..70 => format!("{}{index:07}", rng.pick(&["A", "B-", "EXT", "v"])),
        70..84 => format!("{}.{}{index}@example.com", rng.pick(&FIRST_NAMES), rng.pick(&LAST_NAMES)),
        84..92 => format!("{} {index}", rng.pick(&OTHER_SCRIPTS)),
        _ => of_length(32, rng),
    }
}

fn of_length(length: u32, rng: &mut SeededRng) -> String {
    (0..length).map(|_| char::from(rng.pick(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"))).collect()
}

/// The door at the device with this index.
pub(super) fn door(index: u32) -> u32 {
    1 + index
}

/// A slave of the device with this index.
pub(super) fn slave(index: u32, number: u32) -> DeviceId {
    DeviceId::new(FIRST_SLAVE + index * MOST_SLAVES + number)
}

/// The first slave of the first device; no device has so high a number.
const FIRST_SLAVE: u32 = 542_000_001;
/// One more than a device can have on its RS-485 line.
const MOST_SLAVES: u32 = 32;
/// One for what happens, and one for the slave that sees it.
const STREAMS_A_DEVICE: u64 = 2;
/// Not the stream of any device.
const USERS_STREAM: u64 = u64::MAX;
const USERS: u32 = 4_096;
const EVERY_LENGTH: u32 = 128;
const FIRST_NAMES: [&str; 8] = ["anna", "jan", "sofia", "omar", "mei", "lucas", "zoe", "ivo"];
const LAST_NAMES: [&str; 8] = ["novak", "kim", "silva", "haddad", "weber", "rossi", "dubois", "sato"];
const OTHER_SCRIPTS: [&str; 6] = ["Zoë Müller", "김민준", "Иванова", "王芳", "Ångström", "محمد"];

const SECONDS_A_DAY: i64 = 86_400;
/// About as long as one scenario takes: what belongs together is moved together.
const LAST_SECONDS: i64 = 120;
/// About the mean time from one event to the next.
const MEAN_PAUSE: i64 = 300;
const MORNING: i64 = 6 * 3_600 + 45 * 60;
const EVENING: i64 = 19 * 3_600 + 30 * 60;

/// Mean seconds from one scenario to the next, by hour: people come from 7 to 9, eat at noon and leave from 16 to 19.
const WORKDAY_PAUSES: [u32; 24] = [
    5_400, 5_400, 5_400, 5_400, 5_400, 3_600, 2_400, 600, 400, 700, 1_400, 1_400, 700, 800, 1_400, 1_400,
    900, 500, 700, 1_800, 3_600, 5_400, 5_400, 5_400,
];
const WEEKEND_PAUSE: u32 = 6_000;

/// Seoul, Berlin, Caracas as it was, New York, Kolkata, London.
const BUILDINGS: [Building; 6] = [
    Building { half_hours: 18, has_summer_time: false },
    Building { half_hours: 2, has_summer_time: true },
    Building { half_hours: -7, has_summer_time: false },
    Building { half_hours: -10, has_summer_time: true },
    Building { half_hours: 11, has_summer_time: false },
    Building { half_hours: 0, has_summer_time: true },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_length_from_1_to_32_bytes_occurs_for_any_seed() {
        for seed in [0, 1, u64::MAX] {
            let lengths: BTreeSet<usize> =
                users(seed).unwrap().iter().map(|user| user.as_bytes().len()).collect();
            assert_eq!(lengths, (1..=32).collect());
        }
    }

    #[test]
    fn thousands_of_ids_are_text_and_differ() {
        let users = users(1).unwrap();
        let ids: BTreeSet<&str> = users.iter().map(|user| user.as_text().unwrap()).collect();
        assert!(ids.len() > 4_000, "{}", ids.len());
        assert!(ids.iter().any(|id| !id.is_ascii()));
        assert!(ids.iter().any(|id| id.contains('@')));
    }
}
