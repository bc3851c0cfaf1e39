//! Which scenes a day is made of, and how often each comes.

use super::{EventGenerator, SATURDAY};
use crate::codec::{EventCode, Subject};

/// What may happen between two pauses.
#[derive(Clone, Copy)]
enum Scenario {
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

impl EventGenerator {
    pub(super) fn scene(&mut self, hour: usize, weekday: i64) {
        let at_work = weekday < SATURDAY && (6..20).contains(&hour);
        let scene = if at_work { self.dice.weighted(&WORK) } else { self.dice.weighted(&NIGHT) };
        match scene {
            Scenario::Admin => self.admin(),
            Scenario::AntiPassback => self.anti_passback(),
            Scenario::Burglary => self.burglary(),
            Scenario::Denied => self.denied(),
            Scenario::DualAuthentication => self.dual_authentication(),
            Scenario::Duress => self.duress(),
            Scenario::Entry => self.entry(hour),
            Scenario::ExitButton => self.opened_from_inside(EventCode::EXIT_BUTTON),
            Scenario::Failed => self.failed(hour),
            Scenario::FakeFinger => self.fake_finger(),
            Scenario::FireDrill => self.fire_drill(),
            Scenario::ForcedOpen => self.forced_open(),
            Scenario::HeldOpen => self.held_open(),
            Scenario::Input => self.input(),
            Scenario::Interlock => self.interlock(),
            Scenario::LiftRide => self.lift_ride(),
            Scenario::LinkLost => self.link_lost(),
            Scenario::NoMask => self.no_mask(),
            Scenario::OperatorOpens => self.opened_from_inside(EventCode::OPERATOR_OPEN),
            Scenario::Osdp => self.osdp(),
            Scenario::Patrol => self.patrol(),
            Scenario::Power => self.pair(300, EventCode::DEVICE_AC_FAIL, EventCode::DEVICE_AC_SUCCESS),
            Scenario::Relay => self.relay(),
            Scenario::SupervisedInput => self.supervised_input(),
            Scenario::Tamper => self.pair(120, EventCode::DEVICE_TAMPER_ON, EventCode::DEVICE_TAMPER_OFF),
            Scenario::TcpLost => {
                self.pair(90, EventCode::DEVICE_TCP_DISCONNECTED, EventCode::DEVICE_TCP_CONNECTED)
            }
            Scenario::TimeSet => self.then(0, EventCode::DEVICE_TIME_SET, Subject::None),
            Scenario::TimedAntiPassback => self.timed_anti_passback(),
            Scenario::UnknownCard => self.unknown_card(),
            Scenario::UserChange => self.user_change(),
        }
    }
}

/// Of about a thousand scenes while people work.
const WORK: [(u32, Scenario); 29] = [
    (640, Scenario::Entry),
    (70, Scenario::Failed),
    (60, Scenario::ExitButton),
    (45, Scenario::LiftRide),
    (40, Scenario::Denied),
    (15, Scenario::UnknownCard),
    (15, Scenario::Input),
    (15, Scenario::TcpLost),
    (12, Scenario::AntiPassback),
    (12, Scenario::UserChange),
    (10, Scenario::HeldOpen),
    (10, Scenario::Relay),
    (8, Scenario::Interlock),
    (6, Scenario::TimedAntiPassback),
    (6, Scenario::OperatorOpens),
    (5, Scenario::TimeSet),
    (4, Scenario::ForcedOpen),
    (4, Scenario::DualAuthentication),
    (4, Scenario::Admin),
    (4, Scenario::Osdp),
    (3, Scenario::SupervisedInput),
    (3, Scenario::NoMask),
    (3, Scenario::LinkLost),
    (2, Scenario::Duress),
    (2, Scenario::FakeFinger),
    (2, Scenario::Power),
    (2, Scenario::Tamper),
    (1, Scenario::FireDrill),
    (1, Scenario::Patrol),
];

/// Of a hundred scenes at night and at weekends.
const NIGHT: [(u32, Scenario); 6] = [
    (78, Scenario::Patrol),
    (8, Scenario::Entry),
    (5, Scenario::Input),
    (4, Scenario::TcpLost),
    (3, Scenario::TimeSet),
    (2, Scenario::Burglary),
];
