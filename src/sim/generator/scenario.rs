//! What happens in each scene.

use super::{EventGenerator, Milestone};
use crate::codec::{CardData, EventCode, PortValue, Subject, UserId};

impl EventGenerator {
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

    pub(super) fn admin(&mut self) {
        self.then(0, EventCode::DEVICE_ADMIN_MENU, Subject::None);
        if self.dice.per_mille(150) {
            self.then(30, EventCode::DEVICE_ADMIN_LOGIN_FAIL, Subject::None);
        }
    }

    pub(super) fn anti_passback(&mut self) {
        let (user, zone) = (self.somebody(), self.zone());
        self.then(0, EventCode::new(0x6001), zone);
        self.then(0, EventCode::new(0x1905), Subject::User(&user));
    }

    pub(super) fn burglary(&mut self) {
        let (zone, what) = (Subject::Zone { zone_id: self.place.alarm_zone }, self.alarm_zone());
        self.then(0, EventCode::ZONE_INTRUSION_ALARM_VIOLATION, zone);
        self.then(1, EventCode::ZONE_INTRUSION_ALARM_INPUT, zone);
        self.then(1, EventCode::ZONE_INTRUSION_ALARM, what);
        self.then(900, EventCode::ZONE_INTRUSION_ALARM_CLEAR, zone);
    }

    pub(super) fn denied(&mut self) {
        let user = self.somebody();
        // Access group, disabled, expired, blacklist, scheduled lock; 0x1907 is the last of them.
        let code = self.dice.weighted(&[(10, 0x1901), (2, 0x1902), (3, 0x1903), (1, 0x1904), (2, 0x1907)]);
        self.then(0, EventCode::new(code), Subject::User(&user));
    }

    pub(super) fn dual_authentication(&mut self) {
        let (first, second) = (self.somebody(), self.somebody());
        self.then(0, EventCode::new(0x1006), Subject::User(&first));
        if self.dice.per_mille(150) {
            return self.then(15, EventCode::new(0x1701), Subject::User(&first));
        }
        self.then(10, EventCode::DUAL_AUTH_SUCCESS, Subject::User(&second));
        self.through_the_door();
    }

    pub(super) fn duress(&mut self) {
        let user = self.somebody();
        let code = self.dice.pick(&[0x1202, 0x1501]);
        self.then(0, EventCode::new(code), Subject::User(&user));
        self.through_the_door();
    }

    pub(super) fn entry(&mut self, hour: usize) {
        let user = self.somebody();
        self.granted(&user, hour);
        self.through_the_door();
    }

    pub(super) fn failed(&mut self, hour: usize) {
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

    pub(super) fn fake_finger(&mut self) {
        self.then(0, EventCode::FAKE_FINGER_DETECTED, Subject::None);
        self.then(1, EventCode::new(0x190C), Subject::None);
    }

    pub(super) fn fire_drill(&mut self) {
        let (zone, door) = (self.zone(), self.door());
        self.then(0, EventCode::ZONE_FIRE_ALARM_INPUT, zone);
        self.then(1, EventCode::ZONE_FIRE_ALARM, zone);
        self.then(1, EventCode::DOOR_UNLOCK_REQ_BY_FIRE_ALARM, door);
        self.then(1, EventCode::DOOR_UNLOCKED, door);
        self.then(900, EventCode::ZONE_FIRE_ALARM_CLEAR, zone);
        self.then(1, EventCode::DOOR_LOCKED, door);
    }

    pub(super) fn forced_open(&mut self) {
        let door = self.door();
        self.then(0, EventCode::DOOR_FORCED_OPEN, door);
        self.then_with(0, EventCode::DOOR_FORCED_OPEN_ALARM, door, 1);
        self.then(60, EventCode::DOOR_CLOSED, door);
        self.then_with(60, EventCode::DOOR_FORCED_OPEN_ALARM_CLEAR, door, 1);
    }

    pub(super) fn held_open(&mut self) {
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

    pub(super) fn input(&mut self) {
        let port = self.port();
        self.then(0, EventCode::new(0x3F00), self.input_port(port, PortValue::CLOSED));
        self.then(30, EventCode::new(0x3F01), self.input_port(port, PortValue::OPEN));
    }

    pub(super) fn interlock(&mut self) {
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

    pub(super) fn lift_ride(&mut self) {
        let (user, lift) = (self.somebody(), Subject::Lift { lift_id: self.place.lift });
        let floor = self.dice.below(12) as u8;
        self.then(0, EventCode::new(0x1006), Subject::User(&user));
        self.then_with(1, EventCode::FLOOR_ACTIVATED, lift, floor);
        self.at += 5;
        self.then_with(5, EventCode::FLOOR_DEACTIVATED, lift, floor);
    }

    pub(super) fn link_lost(&mut self) {
        self.then(0, EventCode::DEVICE_LINK_DISCONNECTED, Subject::None);
        self.then(0, EventCode::DEVICE_TCP_DISCONNECTED, Subject::None);
        self.then(300, EventCode::DEVICE_LINK_CONNECTED, Subject::None);
        self.then(2, EventCode::DEVICE_DHCP_SUCCESS, Subject::None);
        self.then(30, EventCode::DEVICE_TCP_CONNECTED, Subject::None);
    }

    pub(super) fn no_mask(&mut self) {
        let user = self.somebody();
        let (seen, denied) = self.dice.pick(&[(0x1E02, 0x1915), (0x1D00, 0x1913)]);
        self.then(0, EventCode::new(seen), Subject::User(&user));
        self.then(1, EventCode::new(denied), Subject::User(&user));
    }

    pub(super) fn opened_from_inside(&mut self, how: EventCode) {
        let door = self.door();
        self.then(0, how, door);
        self.through_the_door();
    }

    pub(super) fn osdp(&mut self) {
        let level = self.dice.below(4) as u8;
        let data = [level; 28];
        let notice = Subject::Osdp { device_id: self.place.io_device, data: &data };
        self.then(0, EventCode::new(0x4E00 + u16::from(level)), notice);
    }

    pub(super) fn patrol(&mut self) {
        let guard = self.guard();
        self.granted(&guard, 0);
        self.through_the_door();
    }

    pub(super) fn relay(&mut self) {
        let relay = Subject::Relay { relay_port: 0, input_port: self.port() };
        self.then(0, EventCode::RELAY_ACTION_ON, relay);
        self.then(10, EventCode::RELAY_ACTION_OFF, relay);
    }

    pub(super) fn supervised_input(&mut self) {
        let port = self.port();
        let (code, value) = self.dice.pick(&[
            (EventCode::SUPERVISED_INPUT_SHORT, PortValue::SUPERVISED_SHORT),
            (EventCode::SUPERVISED_INPUT_OPEN, PortValue::SUPERVISED_OPEN),
        ]);
        self.then(0, code, self.input_port(port, value));
    }

    pub(super) fn timed_anti_passback(&mut self) {
        let (user, zone) = (self.somebody(), self.zone());
        self.then(0, EventCode::new(0x6302), zone);
        self.then(0, EventCode::new(0x1909), Subject::User(&user));
        self.through_the_door();
    }

    pub(super) fn unknown_card(&mut self) {
        // A card number of 26 to 56 bits at the end of the field.
        let mut data = [0; 32];
        let length = 4 + self.dice.below(4) as usize;
        self.dice.fill(&mut data[32 - length..]);
        if let Ok(card) = CardData::new(data) {
            self.then(0, EventCode::new(0x1102), Subject::Card(&card));
        }
    }

    pub(super) fn user_change(&mut self) {
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

    pub(super) fn pair(&mut self, within: u32, first: EventCode, second: EventCode) {
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
