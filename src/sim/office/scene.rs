//! The scenes of which a day is made.

use super::{Milestone, Office, SATURDAY};
use crate::codec::{CardData, EventCode, PortValue, Subject, UserId};

/// What may happen between two pauses.
#[derive(Clone, Copy)]
enum Scene {
    Admin,
    AntiPassback,
    Burglary,
    Denied,
    DualAuthentication,
    Duress,
    Entry,
    ExitButton,
    Failed,
    FakeFinger,
    FireDrill,
    ForcedOpen,
    HeldOpen,
    Input,
    Interlock,
    LiftRide,
    LinkLost,
    NoMask,
    OperatorOpens,
    Osdp,
    Patrol,
    Power,
    Relay,
    SupervisedInput,
    Tamper,
    TcpLost,
    TimeSet,
    TimedAntiPassback,
    UnknownCard,
    UserChange,
}

impl Office {
    /// What a reader writes when it is switched on for the first time.
    pub(super) fn installation(&mut self) {
        self.then(0, EventCode::DEVICE_SYSTEM_STARTED, Subject::None);
        self.then(12, EventCode::DEVICE_LINK_CONNECTED, Subject::None);
        self.then(2, EventCode::DEVICE_DHCP_SUCCESS, Subject::None);
        self.then(60, EventCode::DEVICE_TCP_CONNECTED, Subject::None);
    }

    /// What every morning and evening brings.
    pub(super) fn pass(&mut self, milestone: Milestone) {
        let (door, zone) = (self.door(), Subject::Zone { zone_id: self.place.alarm_zone });
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
                if self.dice.per_mille(120) {
                    let open = self.alarm_zone();
                    self.then(5, EventCode::ZONE_INTRUSION_ALARM_ARM_FAIL, open);
                    self.then(200, EventCode::ZONE_INTRUSION_ALARM_ARM_GRANTED, zone);
                }
                self.then(30, EventCode::ZONE_INTRUSION_ALARM_ARM_SUCCESS, zone);
            }
        }
    }

    pub(super) fn scene(&mut self, hour: usize, weekday: i64) {
        let at_work = weekday < SATURDAY && (6..20).contains(&hour);
        let scene = if at_work { self.dice.weighted(&WORK) } else { self.dice.weighted(&NIGHT) };
        match scene {
            Scene::Admin => self.admin(),
            Scene::AntiPassback => self.anti_passback(),
            Scene::Burglary => self.burglary(),
            Scene::Denied => self.denied(),
            Scene::DualAuthentication => self.dual_authentication(),
            Scene::Duress => self.duress(),
            Scene::Entry => self.entry(hour),
            Scene::ExitButton => self.opened_from_inside(EventCode::EXIT_BUTTON),
            Scene::Failed => self.failed(hour),
            Scene::FakeFinger => self.fake_finger(),
            Scene::FireDrill => self.fire_drill(),
            Scene::ForcedOpen => self.forced_open(),
            Scene::HeldOpen => self.held_open(),
            Scene::Input => self.input(),
            Scene::Interlock => self.interlock(),
            Scene::LiftRide => self.lift_ride(),
            Scene::LinkLost => self.link_lost(),
            Scene::NoMask => self.no_mask(),
            Scene::OperatorOpens => self.opened_from_inside(EventCode::OPERATOR_OPEN),
            Scene::Osdp => self.osdp(),
            Scene::Patrol => self.patrol(),
            Scene::Power => self.pair(300, EventCode::DEVICE_AC_FAIL, EventCode::DEVICE_AC_SUCCESS),
            Scene::Relay => self.relay(),
            Scene::SupervisedInput => self.supervised_input(),
            Scene::Tamper => self.pair(120, EventCode::DEVICE_TAMPER_ON, EventCode::DEVICE_TAMPER_OFF),
            Scene::TcpLost => {
                self.pair(90, EventCode::DEVICE_TCP_DISCONNECTED, EventCode::DEVICE_TCP_CONNECTED)
            }
            Scene::TimeSet => self.then(0, EventCode::DEVICE_TIME_SET, Subject::None),
            Scene::TimedAntiPassback => self.timed_anti_passback(),
            Scene::UnknownCard => self.unknown_card(),
            Scene::UserChange => self.user_change(),
        }
    }

    fn admin(&mut self) {
        self.then(0, EventCode::DEVICE_ADMIN_MENU, Subject::None);
        if self.dice.per_mille(150) {
            self.then(30, EventCode::DEVICE_ADMIN_LOGIN_FAIL, Subject::None);
        }
    }

    fn anti_passback(&mut self) {
        let (user, zone) = (self.somebody(), self.zone());
        self.then(0, EventCode::new(0x6001), zone);
        self.then(0, EventCode::new(0x1905), Subject::User(&user));
    }

    fn burglary(&mut self) {
        let (zone, what) = (Subject::Zone { zone_id: self.place.alarm_zone }, self.alarm_zone());
        self.then(0, EventCode::ZONE_INTRUSION_ALARM_VIOLATION, zone);
        self.then(1, EventCode::ZONE_INTRUSION_ALARM_INPUT, zone);
        self.then(1, EventCode::ZONE_INTRUSION_ALARM, what);
        self.then(900, EventCode::ZONE_INTRUSION_ALARM_CLEAR, zone);
    }

    fn denied(&mut self) {
        let user = self.somebody();
        // Access group, disabled, expired, blacklist, scheduled lock; 0x1907 is the last of them.
        let code = self.dice.weighted(&[(10, 0x1901), (2, 0x1902), (3, 0x1903), (1, 0x1904), (2, 0x1907)]);
        self.then(0, EventCode::new(code), Subject::User(&user));
    }

    fn dual_authentication(&mut self) {
        let (first, second) = (self.somebody(), self.somebody());
        self.then(0, EventCode::new(0x1006), Subject::User(&first));
        if self.dice.per_mille(150) {
            return self.then(15, EventCode::new(0x1701), Subject::User(&first));
        }
        self.then(10, EventCode::DUAL_AUTH_SUCCESS, Subject::User(&second));
        self.through_the_door();
    }

    fn duress(&mut self) {
        let user = self.somebody();
        let code = self.dice.pick(&[0x1202, 0x1501]);
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
        match self.dice.below(10) {
            // Nobody was recognised: the id is empty.
            0..5 => {
                let code = self.dice.pick(&[0x1404, 0x1405]);
                self.then(0, EventCode::new(code), Subject::None);
            }
            5..8 => {
                let code = self.dice.pick(&[0x1103, 0x1104, 0x1105]);
                self.then(0, EventCode::new(code), Subject::User(&user));
            }
            _ => {
                let code = self.dice.pick(&[0x1802, 0x1803]);
                self.then(0, EventCode::new(code), Subject::User(&user));
            }
        }
        if self.dice.per_mille(850) {
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
        if self.dice.per_mille(400) {
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
            zone_id: self.place.zone,
            door_ids: [self.place.door, self.place.door + 1, 0, 0],
        };
        self.then(0, EventCode::new(0xA001), zone);
        if self.dice.per_mille(300) {
            self.then(5, EventCode::ZONE_INTERLOCK_ALARM, zone);
            self.then(120, EventCode::ZONE_INTERLOCK_ALARM_CLEAR, zone);
        } else {
            let user = self.somebody();
            self.then(1, EventCode::ZONE_INTERLOCK_ALARM_DOOR_OPEN_DENIED, zone);
            self.then(0, EventCode::new(0x190F), Subject::User(&user));
        }
    }

    fn lift_ride(&mut self) {
        let (user, lift) = (self.somebody(), Subject::Lift { lift_id: self.place.lift });
        let floor = self.dice.below(12) as u8;
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
        let (seen, denied) = self.dice.pick(&[(0x1E02, 0x1915), (0x1D00, 0x1913)]);
        self.then(0, EventCode::new(seen), Subject::User(&user));
        self.then(1, EventCode::new(denied), Subject::User(&user));
    }

    fn opened_from_inside(&mut self, how: EventCode) {
        let door = self.door();
        self.then(0, how, door);
        self.through_the_door();
    }

    fn osdp(&mut self) {
        let level = self.dice.below(4) as u8;
        let data = [level; 28];
        let notice = Subject::Osdp { device_id: self.place.io_device, data: &data };
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
        let (code, value) = self.dice.pick(&[
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
        let length = 4 + self.dice.below(4) as usize;
        self.dice.fill(&mut data[32 - length..]);
        if let Ok(card) = CardData::new(data) {
            self.then(0, EventCode::new(0x1102), Subject::Card(&card));
        }
    }

    fn user_change(&mut self) {
        let user = self.somebody();
        let code = self.dice.weighted(&[
            (3, EventCode::USER_ENROLL_SUCCESS),
            (6, EventCode::USER_UPDATE_SUCCESS),
            (2, EventCode::USER_DELETE_SUCCESS),
            (1, EventCode::USER_ENROLL_FAIL),
        ]);
        let on_device = self.dice.below(2) as u8;
        self.then_with(0, code, Subject::User(&user), on_device);
    }

    fn granted(&mut self, user: &UserId, hour: usize) {
        let code = self.dice.weighted(&GRANTED);
        let key = self.tna_key(hour);
        self.then_with(0, EventCode::new(code), Subject::User(user), key);
    }

    fn through_the_door(&mut self) {
        let door = self.door();
        self.then(0, EventCode::DOOR_UNLOCKED, door);
        if self.dice.per_mille(900) {
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

    /// Most press a key when they come, eat and go; 0 is none.
    fn tna_key(&mut self, hour: usize) -> u8 {
        let usual = match hour {
            7..10 => 1,
            16..20 => 2,
            12 => 3,
            13 => 4,
            _ => 0,
        };
        match self.dice.below(100) {
            0..60 => usual,
            60..64 => 1 + self.dice.below(16) as u8,
            _ => 0,
        }
    }

    fn door(&self) -> Subject<'static> {
        Subject::Door { door_id: self.place.door }
    }

    fn zone(&self) -> Subject<'static> {
        Subject::Zone { zone_id: self.place.zone }
    }

    fn alarm_zone(&mut self) -> Subject<'static> {
        let port = self.port();
        let (door_id, io_device_id) =
            if self.dice.per_mille(500) { (self.place.door, 0) } else { (0, self.place.io_device) };
        Subject::AlarmZone { zone_id: self.place.alarm_zone, door_id, io_device_id, port }
    }

    fn input_port(&self, port: u16, value: PortValue) -> Subject<'static> {
        Subject::Input { io_device_id: self.place.device.get(), port, value }
    }

    fn port(&mut self) -> u16 {
        self.dice.below(4) as u16
    }
}

/// By card, mobile card, card and pin, id and finger; finger, face.
const GRANTED: [(u32, u16); 6] =
    [(45, 0x1006), (8, 0x1016), (5, 0x1007), (4, 0x1002), (25, 0x1301), (20, 0x1303)];

/// Of about a thousand scenes while people work.
const WORK: [(u32, Scene); 29] = [
    (640, Scene::Entry),
    (70, Scene::Failed),
    (60, Scene::ExitButton),
    (45, Scene::LiftRide),
    (40, Scene::Denied),
    (15, Scene::UnknownCard),
    (15, Scene::Input),
    (15, Scene::TcpLost),
    (12, Scene::AntiPassback),
    (12, Scene::UserChange),
    (10, Scene::HeldOpen),
    (10, Scene::Relay),
    (8, Scene::Interlock),
    (6, Scene::TimedAntiPassback),
    (6, Scene::OperatorOpens),
    (5, Scene::TimeSet),
    (4, Scene::ForcedOpen),
    (4, Scene::DualAuthentication),
    (4, Scene::Admin),
    (4, Scene::Osdp),
    (3, Scene::SupervisedInput),
    (3, Scene::NoMask),
    (3, Scene::LinkLost),
    (2, Scene::Duress),
    (2, Scene::FakeFinger),
    (2, Scene::Power),
    (2, Scene::Tamper),
    (1, Scene::FireDrill),
    (1, Scene::Patrol),
];

/// Of a hundred scenes at night and at weekends.
const NIGHT: [(u32, Scene); 6] = [
    (78, Scene::Patrol),
    (8, Scene::Entry),
    (5, Scene::Input),
    (4, Scene::TcpLost),
    (3, Scene::TimeSet),
    (2, Scene::Burglary),
];
