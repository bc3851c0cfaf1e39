//! Fields by code, and what has no room.

use super::*;
use crate::codec::PortValue;

#[test]
fn the_subject_is_read_by_the_code() {
    let log = EventLog { user_id: b"17", entity_id: 5, card_data: &[9; 32], ..EventLog::default() };
    let of = |event_code| EventLog { event_code, ..log }.to_event().unwrap().0;
    assert!(matches!(of(0x1000).subject(), Subject::User(user) if user.as_bytes() == b"17"));
    assert!(matches!(of(0x1102).subject(), Subject::Card(card) if card.as_bytes() == &[9; 32]));
    assert_eq!(of(0x5000).subject(), Subject::Door { door_id: 5 });
    let ports = EventLog { event_code: 0xC300, entity_id: 0x0002_0001, ..EventLog::default() };
    let subject = Subject::Relay { relay_port: 1, input_port: 2 };
    assert_eq!(ports.to_event().unwrap().0.subject(), subject);
    assert_eq!(of(0xF000).subject(), Subject::Unknown(&[9; 32]));
}

#[test]
fn what_is_set_beyond_the_subject_is_an_extra_of_the_kind_that_its_field_names() {
    let input = Input { io_device_id: 6, port: 2, value: 1 };
    let log = EventLog {
        id: 4,
        user_id: b"17",
        entity_id: 5,
        card_data: &[9; 32],
        input: Some(input),
        alarm: Some(Alarm::default()),
        ..EventLog::default()
    };
    let of = |event_code| EventLog { event_code, ..log }.to_event().unwrap().1.unwrap().subjects;
    let texts = |code| of(code).iter().map(|extra| extra.subject().to_string()).collect::<Vec<_>>();
    assert_eq!(texts(0x1000), ["card", "input 6:2 CLOSED", "unknown"]);
    assert_eq!(texts(0x5000), ["card", "user", "input 6:2 CLOSED"]);
    assert_eq!(texts(0xF000), ["user", "input 6:2 CLOSED", "unknown"]);
    let entity = Subject::Zone { zone_id: 5 }.to_bytes();
    assert_eq!(of(0x1000)[2].subject(), Subject::Unknown(&entity));
    let alone = EventLog { event_code: 0x1000, user_id: b"17", ..EventLog::default() };
    assert_eq!(alone.to_event().unwrap().1, None);
}

#[test]
fn a_temperature_is_an_extra_and_0_is_none() {
    let of = |temperature| EventLog { event_code: 0x1000, temperature, ..EventLog::default() }.to_event();
    let warm = Extras::default().with_temperature(Temperature::from_hundredths(3_655));
    assert_eq!((of(3_655).unwrap().1, of(0).unwrap().1), (Some(warm), None));
}

#[test]
fn what_does_not_fit_among_the_extras_is_named() {
    let log =
        EventLog { event_code: 0x5000, card_data: &[9; 32], user_id: &[b'7'; 33], ..Default::default() };
    assert_eq!(log.to_event().unwrap_err().field, "userID");
}

#[test]
fn param_is_the_key_or_where_a_user_was_changed() {
    let of = |event_code, tna_key, changed_on_device| {
        EventLog { event_code, tna_key, changed_on_device, ..EventLog::default() }.to_event().unwrap().0
    };
    assert_eq!(of(0x1000, 3, true).tna_key(), Some(3));
    assert_eq!(of(0x2000, 0, true).changed_on_device(), Some(true));
    assert_eq!(of(0x2000, 0, false).changed_on_device(), Some(false));
    assert_eq!(of(0x1000, 99, false).param(), 99);
    assert_eq!(of(0x1000, -1, false).param(), 0);
    assert_eq!(of(0x1000, 300, true).param(), 0);
}

#[test]
fn what_does_not_fit_is_named_and_not_shown() {
    let id = [b'7'; 33];
    let doors = Interlock { zone_id: 1, door_ids: [1, 2, 3, 4], doors: 5 };
    let log = EventLog { id: 4, user_id: &id, card_data: &id, interlock: Some(doors), ..Default::default() };
    let misfit = |event_code| EventLog { event_code, ..log }.to_event().unwrap_err().to_string();
    assert_eq!(misfit(0x1000), "event 4: field `userID` is larger than an event can hold");
    assert!(misfit(0x1102).contains("`cardData`"));
    assert!(misfit(0xA000).contains("`interlockZoneInfo.doorIDs`"));
    assert!(misfit(0x1_0000).contains("`eventCode`"));
}

#[test]
fn a_state_of_a_port_that_nobody_knows_is_unknown() {
    let value = |value| {
        let input = Some(Input { io_device_id: 1, port: 2, value });
        let event = EventLog { event_code: 0x4F00, input, ..EventLog::default() }.to_event().unwrap().0;
        match event.subject() {
            Subject::Input { value, .. } => value,
            other => panic!("{other}"),
        }
    };
    assert_eq!(value(1), PortValue::CLOSED);
    assert_eq!(value(7), PortValue::new(7));
    assert_eq!(value(1_000), PortValue::UNKNOWN);
}
