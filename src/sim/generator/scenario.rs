//! The scenarios of a day at a building, and how often each occurs.

use std::collections::VecDeque;
use std::sync::Arc;

use super::door;
use crate::codec::subject::PortValue;
use crate::codec::{CardData, DeviceId, EventCode, Subject, UserId};
use crate::sim::rng::SeededRng;

/// Plans the events of one device.
pub(super) struct Planner {
    pub(super) rng: SeededRng,
    users: Arc<[UserId]>,
    fixtures: Fixtures,
    /// Seconds since 1970, UTC, of the event that was planned last.
    pub(super) at: i64,
    pub(super) planned: VecDeque<PlannedEvent>,
}

/// One event, before the device stores it.
pub(in crate::sim) struct PlannedEvent {
    /// Seconds since 1970, UTC.
    pub(in crate::sim) at: i64,
    /// Who saw it: the device itself, unless a slave did.
    pub(in crate::sim) source: DeviceId,
    pub(in crate::sim) code: EventCode,
    pub(in crate::sim) subject: [u8; 32],
    pub(in crate::sim) param: u8,
}

/// The end of a night, and the end of a day.
#[derive(Clone, Copy)]
pub(super) enum Milestone {
    Morning,
    Evening,
}

/// Something that happens at a device at this hour: a few events, one after the other.
type Scenario = fn(&mut Planner, usize);

impl Planner {
    /// A planner for the `index`-th device, from its installation at `start` on.
    pub(super) fn new(
        users: Arc<[UserId]>,
        rng: SeededRng,
        device: DeviceId,
        index: u32,
        start: i64,
    ) -> Self {
        let mut planner = Self {
            rng,
            users,
            at: start,
            fixtures: Fixtures::new(device, index),
            planned: VecDeque::with_capacity(LONGEST_SCENARIO),
        };
        planner.installation();
        planner
    }

    /// Plans a scenario that fits the hour and the weekday.
    pub(super) fn scenario(&mut self, hour: usize, weekday: i64) {
        let at_work = weekday < SATURDAY && (6..20).contains(&hour);
        let scene = if at_work { self.rng.weighted(&WORK) } else { self.rng.weighted(&NIGHT) };
        scene(self, hour);
    }

    /// What a device writes when it is switched on for the first time.
    fn installation(&mut self) {
        self.then(0, EventCode::DEVICE_SYSTEM_STARTED, Subject::None);
        self.then(12, EventCode::DEVICE_LINK_CONNECTED, Subject::None);
        self.then(2, EventCode::DEVICE_DHCP_SUCCESS, Subject::None);
        self.then(60, EventCode::DEVICE_TCP_CONNECTED, Subject::None);
    }

    /// What happens every morning and every evening.
    pub(super) fn daily(&mut self, milestone: Milestone) {
        let (door, zone) = (self.door(), Subject::Zone { zone_id: self.fixtures.alarm_zone });
        match milestone {
            Milestone::Morning => {
                self.then(90, EventCode::ZONE_INTRUSION_ALARM_DISARM_GRANTED, zone);
                self.then(2, EventCode::ZONE_INTRUSION_ALARM_DISARM_SUCCESS, zone);
                self.then(60, EventCode::DOOR_UNLOCK_REQ_BY_SCHEDULE, door);
                self.then(1, EventCode::DOOR_UNLOCKED, door);
            }
            Milestone::Evening => {
                self.then(0, EventCode::DOOR_LOCK_REQUEST_BY_SCHEDULE, door);
                self.then(1, EventCode::DOOR_LOCKED, door);
                self.then(300, EventCode::ZONE_INTRUSION_ALARM_ARM_GRANTED, zone);
                if self.rng.per_mille(120) {
                    let open = self.alarm_zone();
                    self.then(5, EventCode::ZONE_INTRUSION_ALARM_ARM_FAIL, open);
                    self.then(200, EventCode::ZONE_INTRUSION_ALARM_ARM_GRANTED, zone);
                }
                self.then(30, EventCode::ZONE_INTRUSION_ALARM_ARM_SUCCESS, zone);
            }
        }
    }

    fn admin(&mut self) {
        self.then(0, EventCode::DEVICE_ADMIN_MENU, Subject::None);
        if self.rng.per_mille(150) {
            self.then(30, EventCode::DEVICE_ADMIN_LOGIN_FAIL, Subject::None);
        }
    }

    fn anti_passback(&mut self) {
        let (user, zone) = (self.somebody(), self.zone());
        self.then(0, EventCode::new(0x6001), zone);
        self.then(0, EventCode::new(0x1905), Subject::User(&user));
    }

    fn burglary(&mut self) {
        let (zone, what) = (Subject::Zone { zone_id: self.fixtures.alarm_zone }, self.alarm_zone());
        self.then(0, EventCode::ZONE_INTRUSION_ALARM_VIOLATION, zone);
        self.then(1, EventCode::ZONE_INTRUSION_ALARM_INPUT, zone);
        self.then(1, EventCode::ZONE_INTRUSION_ALARM, what);
        self.then(900, EventCode::ZONE_INTRUSION_ALARM_CLEAR, zone);
    }

    fn denied(&mut self) {
        let user = self.somebody();
        // Access group, disabled, expired, blacklist, scheduled lock; 0x1907 is the last of them.
        let code = self.rng.weighted(&[(10, 0x1901), (2, 0x1902), (3, 0x1903), (1, 0x1904), (2, 0x1907)]);
        self.then(0, EventCode::new(code), Subject::User(&user));
    }

    fn dual_authentication(&mut self) {
        let (first, second) = (self.somebody(), self.somebody());
        self.then(0, EventCode::new(0x1006), Subject::User(&first));
        if self.rng.per_mille(150) {
            return self.then(15, EventCode::new(0x1701), Subject::User(&first));
        }
        self.then(10, EventCode::DUAL_AUTH_SUCCESS, Subject::User(&second));
        self.through_the_door();
    }

    fn duress(&mut self) {
        let user = self.somebody();
        let code = self.rng.pick(&[0x1202, 0x1501]);
        self.then(0, EventCode::new(code), Subject::User(&user));
        self.through_the_door();
    }

    fn entry(&mut self, hour: usize) {
        let user = self.somebody();
        self.granted(&user, hour);
        self.through_the_door();
    }

    fn failed(&mut self, hour: usize) {
        let user = self.somebody();
        match self.rng.below(10) {
            // Nobody was recognised: the user id is empty.
            0..5 => {
                let code = self.rng.pick(&[0x1404, 0x1405]);
                self.then(0, EventCode::new(code), Subject::None);
            }
            5..8 => {
                let code = self.rng.pick(&[0x1103, 0x1104, 0x1105]);
                self.then(0, EventCode::new(code), Subject::User(&user));
            }
            _ => {
                let code = self.rng.pick(&[0x1802, 0x1803]);
                self.then(0, EventCode::new(code), Subject::User(&user));
            }
        }
        if self.rng.per_mille(850) {
            self.at += 3;
            self.granted(&user, hour);
            self.through_the_door();
        }
    }

    fn fake_finger(&mut self) {
        self.then(0, EventCode::FAKE_FINGER_DETECTED, Subject::None);
        self.then(1, EventCode::new(0x190C), Subject::None);
    }

    fn fire_drill(&mut self) {
        let (zone, door) = (self.zone(), self.door());
        self.then(0, EventCode::ZONE_FIRE_ALARM_INPUT, zone);
        self.then(1, EventCode::ZONE_FIRE_ALARM, zone);
        self.then(1, EventCode::DOOR_UNLOCK_REQ_BY_FIRE_ALARM, door);
        self.then(1, EventCode::DOOR_UNLOCKED, door);
        self.then(900, EventCode::ZONE_FIRE_ALARM_CLEAR, zone);
        self.then(1, EventCode::DOOR_LOCKED, door);
    }

    fn forced_open(&mut self) {
        let door = self.door();
        self.then(0, EventCode::DOOR_FORCED_OPEN, door);
        self.then_with(0, EventCode::DOOR_FORCED_OPEN_ALARM, door, 1);
        self.then(60, EventCode::DOOR_CLOSED, door);
        self.then_with(60, EventCode::DOOR_FORCED_OPEN_ALARM_CLEAR, door, 1);
    }

    fn held_open(&mut self) {
        let (user, door) = (self.somebody(), self.door());
        self.then(0, EventCode::new(0x1006), Subject::User(&user));
        self.then(0, EventCode::DOOR_UNLOCKED, door);
        self.then(3, EventCode::DOOR_OPENED, door);
        self.at += 30;
        self.then(5, EventCode::DOOR_HELD_OPEN, door);
        if self.rng.per_mille(400) {
            self.then_with(20, EventCode::DOOR_HELD_OPEN_ALARM, door, 1);
            self.then_with(120, EventCode::DOOR_HELD_OPEN_ALARM_CLEAR, door, 1);
        }
        self.then(60, EventCode::DOOR_CLOSED, door);
        self.then(2, EventCode::DOOR_LOCKED, door);
    }

    fn input(&mut self) {
        let port = self.port();
        self.then(0, EventCode::new(0x3F00), self.input_port(port, PortValue::CLOSED));
        self.then(30, EventCode::new(0x3F01), self.input_port(port, PortValue::OPEN));
    }

    fn interlock(&mut self) {
        let zone = Subject::Interlock {
            zone_id: self.fixtures.zone,
            door_ids: [self.fixtures.door, self.fixtures.door + 1, 0, 0],
        };
        self.then(0, EventCode::new(0xA001), zone);
        if self.rng.per_mille(300) {
            self.then(5, EventCode::ZONE_INTERLOCK_ALARM, zone);
            self.then(120, EventCode::ZONE_INTERLOCK_ALARM_CLEAR, zone);
        } else {
            let user = self.somebody();
            self.then(1, EventCode::ZONE_INTERLOCK_ALARM_DOOR_OPEN_DENIED, zone);
            self.then(0, EventCode::new(0x190F), Subject::User(&user));
        }
    }

    fn lift_ride(&mut self) {
        let (user, lift) = (self.somebody(), Subject::Lift { lift_id: self.fixtures.lift });
        let floor = self.rng.below(12) as u8;
        self.then(0, EventCode::new(0x1006), Subject::User(&user));
        self.then_with(1, EventCode::FLOOR_ACTIVATED, lift, floor);
        self.at += 5;
        self.then_with(5, EventCode::FLOOR_DEACTIVATED, lift, floor);
    }

    fn link_lost(&mut self) {
        self.then(0, EventCode::DEVICE_LINK_DISCONNECTED, Subject::None);
        self.then(0, EventCode::DEVICE_TCP_DISCONNECTED, Subject::None);
        self.then(300, EventCode::DEVICE_LINK_CONNECTED, Subject::None);
        self.then(2, EventCode::DEVICE_DHCP_SUCCESS, Subject::None);
        self.then(30, EventCode::DEVICE_TCP_CONNECTED, Subject::None);
    }

    fn no_mask(&mut self) {
        let user = self.somebody();
        let (seen, denied) = self.rng.pick(&[(0x1E02, 0x1915), (0x1D00, 0x1913)]);
        self.then(0, EventCode::new(seen), Subject::User(&user));
        self.then(1, EventCode::new(denied), Subject::User(&user));
    }

    fn opened_from_inside(&mut self, how: EventCode) {
        let door = self.door();
        self.then(0, how, door);
        self.through_the_door();
    }

    fn osdp(&mut self) {
        let level = self.rng.below(4) as u8;
        let data = [level; 28];
        let notice = Subject::Osdp { device_id: self.fixtures.io_device, data: &data };
        self.then(0, EventCode::new(0x4E00 + u16::from(level)), notice);
    }

    fn patrol(&mut self) {
        let guard = self.guard();
        self.granted(&guard, 0);
        self.through_the_door();
    }

    fn relay(&mut self) {
        let relay = Subject::Relay { relay_port: 0, input_port: self.port() };
        self.then(0, EventCode::RELAY_ACTION_ON, relay);
        self.then(10, EventCode::RELAY_ACTION_OFF, relay);
    }

    fn supervised_input(&mut self) {
        let port = self.port();
        let (code, value) = self.rng.pick(&[
            (EventCode::SUPERVISED_INPUT_SHORT, PortValue::SUPERVISED_SHORT),
            (EventCode::SUPERVISED_INPUT_OPEN, PortValue::SUPERVISED_OPEN),
        ]);
        self.then(0, code, self.input_port(port, value));
    }

    fn timed_anti_passback(&mut self) {
        let (user, zone) = (self.somebody(), self.zone());
        self.then(0, EventCode::new(0x6302), zone);
        self.then(0, EventCode::new(0x1909), Subject::User(&user));
        self.through_the_door();
    }

    fn unknown_card(&mut self) {
        // A card number of 26 to 56 bits at the end of the field.
        let mut data = [0; 32];
        let length = 4 + self.rng.below(4) as usize;
        self.rng.fill(&mut data[32 - length..]);
        if let Ok(card) = CardData::new(data) {
            self.then(0, EventCode::new(0x1102), Subject::Card(&card));
        }
    }

    fn user_change(&mut self) {
        let user = self.somebody();
        let code = self.rng.weighted(&[
            (3, EventCode::USER_ENROLL_SUCCESS),
            (6, EventCode::USER_UPDATE_SUCCESS),
            (2, EventCode::USER_DELETE_SUCCESS),
            (1, EventCode::USER_ENROLL_FAIL),
        ]);
        let on_device = self.rng.below(2) as u8;
        self.then_with(0, code, Subject::User(&user), on_device);
    }

    fn granted(&mut self, user: &UserId, hour: usize) {
        let code = self.rng.weighted(&GRANTED);
        let key = self.tna_key(hour);
        self.then_with(0, EventCode::new(code), Subject::User(user), key);
    }

    fn through_the_door(&mut self) {
        let door = self.door();
        self.then(0, EventCode::DOOR_UNLOCKED, door);
        if self.rng.per_mille(900) {
            self.then(3, EventCode::DOOR_OPENED, door);
            self.at += 1;
            self.then(6, EventCode::DOOR_CLOSED, door);
        }
        self.then(3, EventCode::DOOR_LOCKED, door);
    }

    fn pair(&mut self, within: u32, first: EventCode, second: EventCode) {
        self.then(0, first, Subject::None);
        self.then(within, second, Subject::None);
    }

    /// The T&A key that a person presses, 0 for none. Most press one when they come, have lunch and leave.
    fn tna_key(&mut self, hour: usize) -> u8 {
        let usual = match hour {
            7..10 => 1,
            16..20 => 2,
            12 => 3,
            13 => 4,
            _ => 0,
        };
        match self.rng.below(100) {
            0..60 => usual,
            60..64 => 1 + self.rng.below(16) as u8,
            _ => 0,
        }
    }

    fn door(&self) -> Subject<'static> {
        Subject::Door { door_id: self.fixtures.door }
    }

    fn zone(&self) -> Subject<'static> {
        Subject::Zone { zone_id: self.fixtures.zone }
    }

    fn alarm_zone(&mut self) -> Subject<'static> {
        let port = self.port();
        let (door_id, io_device_id) =
            if self.rng.per_mille(500) { (self.fixtures.door, 0) } else { (0, self.fixtures.io_device) };
        Subject::AlarmZone { zone_id: self.fixtures.alarm_zone, door_id, io_device_id, port }
    }

    fn input_port(&self, port: u16, value: PortValue) -> Subject<'static> {
        Subject::Input { io_device_id: self.fixtures.device.get(), port, value }
    }

    fn port(&mut self) -> u16 {
        self.rng.below(4) as u16
    }

    /// Plans an event up to `within` seconds after the one before.
    fn then(&mut self, within: u32, code: EventCode, subject: Subject<'_>) {
        self.then_with(within, code, subject, 0);
    }

    fn then_with(&mut self, within: u32, code: EventCode, subject: Subject<'_>, param: u8) {
        self.at += i64::from(self.rng.below(within + 1));
        let (at, source, subject) = (self.at, self.fixtures.device, subject.to_bytes());
        self.planned.push_back(PlannedEvent { at, source, code, subject, param });
    }

    /// A person, most often one of those who work behind this door.
    fn somebody(&mut self) -> UserId {
        let users = &self.users;
        let all = u32::try_from(users.len()).unwrap_or(u32::MAX);
        let index = if self.rng.per_mille(800) {
            (self.fixtures.index.wrapping_mul(97)).wrapping_add(self.rng.below(REGULARS)) % all
        } else {
            self.rng.below(all)
        };
        users[index as usize]
    }

    /// One of the guards who patrol at night.
    fn guard(&mut self) -> UserId {
        let users = &self.users;
        users[users.len() - 1 - self.rng.below(GUARDS) as usize]
    }
}

/// The device and what is connected to it.
struct Fixtures {
    index: u32,
    device: DeviceId,
    door: u32,
    zone: u32,
    alarm_zone: u32,
    lift: u32,
    io_device: u32,
}

impl Fixtures {
    fn new(device: DeviceId, index: u32) -> Self {
        let building = index / DEVICES_A_BUILDING;
        Self {
            index,
            device,
            door: door(index),
            zone: 1 + index / 4,
            alarm_zone: 101 + building,
            lift: 1 + building,
            io_device: 283_000_000 + index,
        }
    }
}

/// Of about 1,000 scenarios while people work.
const WORK: [(u32, Scenario); 29] = [
    (640, |planner, hour| planner.entry(hour)),
    (70, |planner, hour| planner.failed(hour)),
    (60, |planner, _| planner.opened_from_inside(EventCode::EXIT_BUTTON)),
    (45, |planner, _| planner.lift_ride()),
    (40, |planner, _| planner.denied()),
    (15, |planner, _| planner.unknown_card()),
    (15, |planner, _| planner.input()),
    (15, |planner, _| planner.pair(90, EventCode::DEVICE_TCP_DISCONNECTED, EventCode::DEVICE_TCP_CONNECTED)),
    (12, |planner, _| planner.anti_passback()),
    (12, |planner, _| planner.user_change()),
    (10, |planner, _| planner.held_open()),
    (10, |planner, _| planner.relay()),
    (8, |planner, _| planner.interlock()),
    (6, |planner, _| planner.timed_anti_passback()),
    (6, |planner, _| planner.opened_from_inside(EventCode::OPERATOR_OPEN)),
    (5, |planner, _| planner.then(0, EventCode::DEVICE_TIME_SET, Subject::None)),
    (4, |planner, _| planner.forced_open()),
    (4, |planner, _| planner.dual_authentication()),
    (4, |planner, _| planner.admin()),
    (4, |planner, _| planner.osdp()),
    (3, |planner, _| planner.supervised_input()),
    (3, |planner, _| planner.no_mask()),
    (3, |planner, _| planner.link_lost()),
    (2, |planner, _| planner.duress()),
    (2, |planner, _| planner.fake_finger()),
    (2, |planner, _| planner.pair(300, EventCode::DEVICE_AC_FAIL, EventCode::DEVICE_AC_SUCCESS)),
    (2, |planner, _| planner.pair(120, EventCode::DEVICE_TAMPER_ON, EventCode::DEVICE_TAMPER_OFF)),
    (1, |planner, _| planner.fire_drill()),
    (1, |planner, _| planner.patrol()),
];

/// Of 100 scenarios at night and at weekends.
const NIGHT: [(u32, Scenario); 6] = [
    (78, |planner, _| planner.patrol()),
    (8, |planner, hour| planner.entry(hour)),
    (5, |planner, _| planner.input()),
    (4, |planner, _| planner.pair(90, EventCode::DEVICE_TCP_DISCONNECTED, EventCode::DEVICE_TCP_CONNECTED)),
    (3, |planner, _| planner.then(0, EventCode::DEVICE_TIME_SET, Subject::None)),
    (2, |planner, _| planner.burglary()),
];

/// By card, mobile card, card and pin, id and finger; finger, face.
const GRANTED: [(u32, u16); 6] =
    [(45, 0x1006), (8, 0x1016), (5, 0x1007), (4, 0x1002), (25, 0x1301), (20, 0x1303)];

pub(super) const DEVICES_A_BUILDING: u32 = 16;
/// The weekday from Monday, 0.
pub(super) const SATURDAY: i64 = 5;
const LONGEST_SCENARIO: usize = 8;
const REGULARS: u32 = 240;
const GUARDS: u32 = 12;
