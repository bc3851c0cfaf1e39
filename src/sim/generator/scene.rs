//! Which scenes a day is made of, and how often each comes.

use super::{Office, SATURDAY};
use crate::codec::{EventCode, Subject};

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
}

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
