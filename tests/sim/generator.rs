//! Whether what happens at the simulated readers is what happens in an office.

use std::collections::{BTreeMap, BTreeSet};

use bs2_events::codec::{Event, EventCode, Outcome, Subject, SubjectKind};
use bs2_events::sim::Simulator;

#[test]
fn every_subject_but_the_unknown_occurs_in_a_week() {
    let kinds: BTreeSet<_> = week().iter().map(|event| SubjectKind::of(event.code())).collect();
    let expected = [
        SubjectKind::AlarmZone,
        SubjectKind::Card,
        SubjectKind::Door,
        SubjectKind::Input,
        SubjectKind::Interlock,
        SubjectKind::Lift,
        SubjectKind::None,
        SubjectKind::Osdp,
        SubjectKind::Relay,
        SubjectKind::User,
        SubjectKind::Zone,
    ];
    assert_eq!(kinds, BTreeSet::from(expected));
}

#[test]
fn most_who_ask_are_let_in() {
    let mut outcomes = [0; 2];
    for event in week() {
        match event.code().outcome() {
            Outcome::Granted => outcomes[0] += 1,
            Outcome::Denied => outcomes[1] += 1,
            Outcome::Neither => {}
        }
    }
    let [granted, denied] = outcomes;
    assert!(denied > granted / 50 && denied * 4 < granted, "{granted} granted, {denied} denied");
}

#[test]
fn every_code_has_a_name() {
    let nameless: BTreeSet<_> = week().iter().map(Event::code).filter(|code| code.name().is_none()).collect();
    assert_eq!(nameless, BTreeSet::new());
}

#[test]
fn a_workday_is_busy_at_nine_and_quiet_at_three() {
    // The first site is in Seoul: nine hours ahead of UTC, no summer time.
    let mut by_hour: BTreeMap<u32, u32> = BTreeMap::new();
    for event in week().iter().filter(|event| event.device_id().get() <= 541_000_016) {
        assert_eq!(event.flags().utc_offset_minutes(), 540);
        *by_hour.entry((event.timestamp().as_unix_seconds() / 3_600 + 9) % 24).or_default() += 1;
    }
    let at = |hour| by_hour.get(&hour).copied().unwrap_or_default();
    assert!(at(8) > 5 * at(3) && at(17) > 5 * at(22) && at(12) > at(10), "{by_hour:?}");
}

#[test]
fn doors_keep_their_schedule_on_workdays_alone() {
    // Seoul again: the day of the week by its own calendar.
    let weekday = |event: &Event| ((event.timestamp().as_unix_seconds() + 9 * 3_600) / 86_400 + 3) % 7;
    let events = week();
    let locked = events.iter().filter(|event| event.code() == EventCode::DOOR_LOCK_REQUEST_BY_SCHEDULE);
    assert_eq!(locked.map(weekday).collect::<BTreeSet<_>>(), (0..5).collect());
}

#[test]
fn people_press_the_key_for_coming_in_the_morning() {
    let keys: BTreeSet<u8> = week().iter().filter_map(Event::tna_key).collect();
    assert_eq!(keys, (1..=16).collect());
    let (mut morning, mut evening) = (0, 0);
    for event in week().iter().filter(|event| event.flags().utc_offset_minutes() == 540) {
        let hour = (event.timestamp().as_unix_seconds() / 3_600 + 9) % 24;
        morning += u32::from(event.tna_key() == Some(1) && (7..10).contains(&hour));
        evening += u32::from(event.tna_key() == Some(1) && (16..20).contains(&hour));
    }
    assert!(morning > 20 * evening.max(1), "{morning} in the morning, {evening} in the evening");
}

#[test]
fn a_door_that_was_opened_is_closed_by_the_next_time() {
    for device in readers() {
        let mut open = false;
        for event in device.iter().filter(|event| matches!(event.subject(), Subject::Door { .. })) {
            match event.code() {
                EventCode::DOOR_OPENED | EventCode::DOOR_FORCED_OPEN => {
                    assert!(!open, "{event}");
                    open = true;
                }
                EventCode::DOOR_CLOSED => {
                    assert!(open, "{event}");
                    open = false;
                }
                _ => {}
            }
        }
    }
}

#[test]
fn time_never_runs_backwards_while_nobody_sets_the_clock() {
    for log in readers() {
        assert!(log.is_sorted_by_key(Event::timestamp));
    }
}

#[test]
fn sites_lie_east_and_west_and_some_have_summer_time() {
    let simulator = Simulator::new("devices=96&backlog=1&start=2025-07-01T00:00:00Z").unwrap();
    let flags: BTreeSet<_> = simulator
        .device_ids()
        .into_iter()
        .map(|device| simulator.make_event(device).unwrap().flags())
        .map(|flags| (flags.utc_offset_minutes(), flags.daylight_saving()))
        .collect();
    let expected = [(-300, true), (-210, false), (0, true), (60, true), (330, false), (540, false)];
    assert_eq!(flags, BTreeSet::from(expected));
}

#[test]
fn winter_has_no_summer_time() {
    let simulator = Simulator::new("devices=32&backlog=1&start=2025-01-10T00:00:00Z").unwrap();
    let berlin = simulator.make_event(simulator.device_ids()[31]).unwrap();
    assert_eq!((berlin.flags().utc_offset_minutes(), berlin.flags().daylight_saving()), (60, false));
}

#[test]
fn ids_of_people_have_every_length() {
    let simulator = Simulator::new("devices=20&backlog=0").unwrap();
    let mut lengths = BTreeSet::new();
    let mut people = BTreeSet::new();
    for device in simulator.device_ids() {
        for event in simulator.reader(device).unwrap().make(4_000).unwrap() {
            if let Some(user) = event.user_id().filter(|user| !user.is_empty()) {
                lengths.insert(user.as_bytes().len());
                people.insert(*user.as_array());
            }
        }
    }
    assert_eq!(lengths, (1..=32).collect());
    assert!(people.len() > 2_000, "{}", people.len());
}

/// Everything of the first week.
fn week() -> Vec<Event> {
    readers().into_iter().flatten().collect()
}

/// The first week of eight readers.
fn readers() -> Vec<Vec<Event>> {
    let simulator = Simulator::new("devices=8&backlog=0").unwrap();
    let end = MONDAY + 7 * 86_400;
    let week = |device| {
        let mut log = simulator.reader(device).unwrap().make(5_000).unwrap();
        assert!(log.last().unwrap().timestamp().as_unix_seconds() > end, "5 000 events are less than a week");
        log.retain(|event| event.timestamp().as_unix_seconds() < end);
        log
    };
    simulator.device_ids().into_iter().map(week).collect()
}

/// 2025-03-24T00:00:00Z.
const MONDAY: u32 = 1_742_774_400;
