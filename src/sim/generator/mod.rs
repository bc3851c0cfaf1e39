//! What happens at one reader of an office, in the order in which it happens.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::codec::{DeviceId, EventCode, EventFlags, Subject, UserId};
use crate::sim::rng::SeededRng;
use world::World;

mod scenario;
mod scene;
pub(super) mod users;
pub(super) mod world;

/// The life around one reader, endless and the same for the same seed and reader.
///
/// It is told in scenes (somebody comes in, a door is held open) of a few happenings each. How often they come depends
/// on the hour and the weekday at the reader's site; the clock of the machine has no part in it.
pub(super) struct EventGenerator {
    dice: SeededRng,
    world: Arc<World>,
    place: Place,
    /// Seconds since 1970, UTC, of what was planned last.
    at: i64,
    /// When the day begins or ends next.
    milestone: (i64, Milestone),
    planned: VecDeque<Happening>,
}

/// One thing that a reader writes down.
pub(super) struct Happening {
    /// Seconds since 1970, UTC.
    pub(super) at: i64,
    pub(super) code: EventCode,
    pub(super) subject: [u8; 32],
    pub(super) param: u8,
}

impl EventGenerator {
    /// The office around the `index`-th reader, from its installation on.
    pub(super) fn new(world: &Arc<World>, device: DeviceId, index: u32) -> Self {
        let place = Place::new(device, index);
        let start = i64::from(world.start.as_unix_seconds());
        let mut office = Self {
            dice: SeededRng::new(world.seed, STREAMS_A_READER * u64::from(index)),
            world: Arc::clone(world),
            milestone: place.site.milestone_after(start),
            place,
            at: start,
            planned: VecDeque::with_capacity(LONGEST_SCENE),
        };
        office.installation();
        office
    }

    pub(super) fn next(&mut self) -> Happening {
        loop {
            if let Some(happening) = self.planned.pop_front() {
                return happening;
            }
            self.plan();
        }
    }

    /// The reader's time zone at this moment, as it stands in the flags of an event.
    pub(super) fn flags(&self, at: i64) -> EventFlags {
        let summer =
            if self.place.site.is_summer(at) { EventFlags::DAYLIGHT_SAVING } else { EventFlags::empty() };
        summer.with_utc_offset_half_hours(self.place.site.half_hours).unwrap_or(summer)
    }

    fn plan(&mut self) {
        let (hour, weekday) = self.place.site.hour_and_weekday(self.at);
        let pause = if weekday < SATURDAY { WORKDAY_PAUSES[hour] } else { WEEKEND_PAUSE };
        // Even from 0 to twice the mean: whole numbers only, so that every machine agrees.
        let next = self.at + i64::from(self.dice.below(2 * pause));
        let (milestone, what) = self.milestone;
        if next >= milestone {
            self.at = self.at.max(milestone);
            self.milestone = self.place.site.milestone_after(self.at);
            let (_, weekday) = self.place.site.hour_and_weekday(milestone);
            if weekday < SATURDAY {
                self.pass(what);
            }
        } else {
            self.at = next;
            self.scene(hour, weekday);
        }
    }

    /// Plans a happening, up to `within` seconds after the one before.
    fn then(&mut self, within: u32, code: EventCode, subject: Subject<'_>) {
        self.then_with(within, code, subject, 0);
    }

    fn then_with(&mut self, within: u32, code: EventCode, subject: Subject<'_>, param: u8) {
        self.at += i64::from(self.dice.below(within + 1));
        self.planned.push_back(Happening { at: self.at, code, subject: subject.to_bytes(), param });
    }

    /// Somebody, most often one of those who work behind this door.
    fn somebody(&mut self) -> UserId {
        let people = &self.world.people;
        let everybody = u32::try_from(people.len()).unwrap_or(u32::MAX);
        let index = if self.dice.per_mille(800) {
            (self.place.index.wrapping_mul(97)).wrapping_add(self.dice.below(REGULARS)) % everybody
        } else {
            self.dice.below(everybody)
        };
        people[index as usize]
    }

    /// One of the guards who walk the house at night.
    fn guard(&mut self) -> UserId {
        let people = &self.world.people;
        people[people.len() - 1 - self.dice.below(GUARDS) as usize]
    }
}

/// Where a reader hangs and what hangs on it.
struct Place {
    index: u32,
    device: DeviceId,
    door: u32,
    zone: u32,
    alarm_zone: u32,
    lift: u32,
    io_device: u32,
    site: Site,
}

impl Place {
    fn new(device: DeviceId, index: u32) -> Self {
        let site = index / READERS_A_SITE;
        Self {
            index,
            device,
            door: 1 + index,
            zone: 1 + index / 4,
            alarm_zone: 101 + site,
            lift: 1 + site,
            io_device: 283_000_000 + index,
            site: SITES[site as usize % SITES.len()],
        }
    }
}

/// A building and its time.
#[derive(Clone, Copy)]
struct Site {
    half_hours: i8,
    has_summer_time: bool,
}

/// What ends the night and what ends the day.
#[derive(Clone, Copy)]
enum Milestone {
    Morning,
    Evening,
}

impl Site {
    const fn new(half_hours: i8, has_summer_time: bool) -> Self {
        Self { half_hours, has_summer_time }
    }

    /// From about the end of March to about the end of October; near enough for a simulated office.
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

/// Events and faults of a reader draw from streams of their own.
pub(super) const STREAMS_A_READER: u64 = 2;

const LONGEST_SCENE: usize = 8;
const READERS_A_SITE: u32 = 16;
const REGULARS: u32 = 240;
const GUARDS: u32 = 12;
const SECONDS_A_DAY: i64 = 86_400;
const SATURDAY: i64 = 5;
const MORNING: i64 = 6 * 3_600 + 45 * 60;
const EVENING: i64 = 19 * 3_600 + 30 * 60;

/// Mean seconds from one scene to the next, by hour: shifts come from 7 to 9, eat at noon and leave from 16 to 19.
const WORKDAY_PAUSES: [u32; 24] = [
    5_400, 5_400, 5_400, 5_400, 5_400, 3_600, 2_400, 600, 400, 700, 1_400, 1_400, 700, 800, 1_400, 1_400,
    900, 500, 700, 1_800, 3_600, 5_400, 5_400, 5_400,
];
const WEEKEND_PAUSE: u32 = 6_000;

/// Seoul, Berlin, Caracas as it was, New York, Kolkata, London.
const SITES: [Site; 6] = [
    Site::new(18, false),
    Site::new(2, true),
    Site::new(-7, false),
    Site::new(-10, true),
    Site::new(11, false),
    Site::new(0, true),
];
