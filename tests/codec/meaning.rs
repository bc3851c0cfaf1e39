//! What codes and parameters mean, at the edges of their ranges.

use bs2_events::codec::{DeviceId, Event, EventBuilder, EventCode, Outcome, Subject, UserId};

#[test]
fn a_time_and_attendance_key_is_1_to_16_and_only_of_an_authentication() {
    let key = |code, param| of(code).param(param).build().tna_key();
    assert_eq!([0, 1, 16, 17].map(|param| key(0x1000, param)), [None, Some(1), Some(16), None]);
    assert_eq!([0x0FFF, 0x1000, 0x1EFF, 0x1F00].map(|code| key(code, 5)), [None, Some(5), Some(5), None]);
}

#[test]
fn who_changed_a_user_is_said_of_user_events_alone() {
    let place = |code, param| of(code).param(param).build().changed_on_device();
    assert_eq!([0, 1, 2].map(|param| place(0x2000, param)), [Some(false), Some(true), None]);
    for param in [0, 1] {
        assert_eq!([0x1F00, 0x2B00].map(|code| place(code, param)), [None, None]);
        assert_eq!(place(0x2AFF, param), Some(param == 1));
    }
}

#[test]
fn three_sub_codes_of_a_denial_excuse_and_their_neighbours_deny() {
    let granted = (0..=u8::MAX)
        .filter(|sub| EventCode::new(0x1900 | u16::from(*sub)).outcome() == Outcome::Granted)
        .collect::<Vec<_>>();
    assert_eq!(granted, [0x08, 0x09, 0x10]);
}

#[test]
fn outcomes_follow_the_main_code() {
    let of = |outcome| (0x10..=0x1F).filter(move |main| EventCode::new(main << 8).outcome() == outcome);
    assert!(of(Outcome::Granted).eq([0x10, 0x12, 0x13, 0x15, 0x16, 0x1B]));
    assert!(of(Outcome::Denied).eq([0x11, 0x14, 0x17, 0x18, 0x19, 0x1C]));
}

#[test]
fn a_low_byte_that_selects_another_event_does_not_borrow_its_neighbours_name() {
    assert_eq!(EventCode::new(0x3203).name(), None);
    assert_eq!(EventCode::new(0x10F0).name(), Some("VERIFY_SUCCESS"));
}

#[test]
fn a_line_names_things_and_says_of_people_only_that_there_is_one() {
    let user = UserId::new("4711").unwrap();
    let line = |event: Event| event.to_string();
    assert!(line(of(0x1000).subject(Subject::User(&user)).build()).ends_with(" VERIFY_SUCCESS user"));
    assert!(line(of(0x1000).build()).ends_with(" VERIFY_SUCCESS unknown user"));
    assert!(line(of(0x5200).subject(Subject::Door { door_id: 7 }).build()).ends_with(" DOOR_OPENED door 7"));
    assert!(line(of(0xFFFF).subject(Subject::Unknown(&[b'4'; 32])).build()).ends_with(" 0xFFFF"));
}

fn of(code: u16) -> EventBuilder {
    Event::builder(DeviceId::new(1), 1, EventCode::new(code))
}
