//! Laws of every event, for any bytes.

use bs2_events::codec::code::NameStatus;
use bs2_events::codec::{
    CardData, DecodeReason, DeviceId, Event, EventCode, EventFlags, Subject, SubjectKind, Timestamp, UserId,
};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_bytes_survive_being_an_event(bytes: [u8; 48]) {
        let event = Event::from_bytes(&bytes).unwrap();
        prop_assert_eq!(event.as_bytes(), &bytes);
        // Every field is read and written again, so that unknown codes, bits and bytes survive that too.
        let subject = bytes[12..44].try_into().unwrap();
        let written = Event::builder(event.device_id(), event.id(), event.code())
            .timestamp(event.timestamp())
            .subject(Subject::Unknown(subject))
            .param(event.param())
            .flags(event.flags())
            .build();
        prop_assert_eq!(written.as_bytes(), &bytes);
    }

    #[test]
    fn what_is_built_is_what_is_read(
        id: u32,
        time in crate::strategies::timestamp(),
        device_id in crate::strategies::device_id(),
        code in crate::strategies::event_code(),
        subject in crate::strategies::subject_bytes(),
        param: u8,
        flags in crate::strategies::event_flags(),
    ) {
        let subject = Subject::read(code, &subject);
        let builder = Event::builder(device_id, id, code).timestamp(time).subject(subject);
        let event = builder.param(param).flags(flags).build();
        prop_assert_eq!((event.id(), event.timestamp(), event.device_id()), (id, time, device_id));
        prop_assert_eq!((event.code(), event.param(), event.flags()), (code, param, flags));
        prop_assert!(event.subject() == subject);
    }

    #[test]
    fn a_subject_that_is_written_reads_the_same(
        code in crate::strategies::event_code(),
        bytes in crate::strategies::subject_bytes(),
    ) {
        let read = Subject::read(code, &bytes);
        let written = read.to_bytes();
        prop_assert!(Subject::read(code, &written) == read);
        prop_assert_eq!(Subject::read(code, &written).to_bytes(), written);
    }

    #[test]
    fn bytes_that_a_subject_holds_whole_survive_it(bytes in crate::strategies::subject_bytes()) {
        for code in [EventCode::VERIFY_SUCCESS, EventCode::new(0x1102), EventCode::new(0x4E00), EventCode::new(0xFFFF)] {
            prop_assert_eq!(Subject::read(code, &bytes).to_bytes(), bytes);
        }
    }

    #[test]
    fn every_shorter_length_fails_with_what_its_last_field_needs(bytes: [u8; 48], len in 0..48_usize) {
        let error = Event::from_bytes(&bytes[..len]).unwrap_err();
        let DecodeReason::Truncated { needed, available } = error.reason else { panic!("{error}") };
        prop_assert_eq!(error.offset + available, len);
        prop_assert!(available < needed && error.offset + needed <= Event::SIZE);
        // With what it needs, the input ends in a later field, or is an event.
        match Event::from_bytes(&bytes[..error.offset + needed]) {
            Ok(event) => prop_assert_eq!(event.as_bytes(), &bytes),
            Err(next) => prop_assert_eq!(next.offset, error.offset + needed),
        }
    }

    #[test]
    fn a_page_is_its_whole_events_and_a_rest(
        events in vec(crate::strategies::event(), 0..8),
        rest in vec(any::<u8>(), 0..48),
    ) {
        let page = [Event::slice_as_bytes(&events), &rest].concat();
        let (read, left) = Event::slice_from_prefix(&page);
        prop_assert_eq!(Event::slice_as_bytes(read), Event::slice_as_bytes(&events));
        prop_assert_eq!(left, &rest[..]);
        match Event::slice_from_bytes(&page) {
            Ok(whole) => prop_assert!(rest.is_empty() && whole == read),
            Err(error) => {
                let mut alone = Event::from_bytes(&rest).unwrap_err();
                alone.offset += Event::slice_as_bytes(&events).len();
                prop_assert_eq!(error, alone);
            }
        }
    }

    #[test]
    fn a_user_id_is_the_bytes_before_the_first_nul(bytes in crate::strategies::subject_bytes()) {
        let user = UserId::from_array(&bytes);
        let expected = bytes.split(|&byte| byte == 0).next().unwrap();
        prop_assert_eq!(user.as_bytes(), expected);
        prop_assert_eq!(user.as_text(), str::from_utf8(expected).ok());
        prop_assert_eq!(user.is_empty(), expected.is_empty());
        prop_assert_eq!(user.as_array(), &bytes);
    }

    #[test]
    fn an_event_is_of_the_user_that_it_names_and_of_no_other(
        event in crate::strategies::event(),
        other in crate::strategies::user_id(),
        at in 0..32_usize,
    ) {
        let own = UserId::from_array(event.as_bytes()[12..44].try_into().unwrap());
        let mut near = *own.as_array();
        near[at] ^= 1;
        for user in [*own, *UserId::from_array(&near), UserId::new(other).unwrap()] {
            prop_assert_eq!(event.is_of_user(&user), event.user_id() == Some(&user));
        }
    }

    #[test]
    fn a_user_id_of_up_to_32_bytes_is_kept_and_a_longer_one_refused(id in vec(1..=u8::MAX, 0..40)) {
        match UserId::new(&id) {
            Ok(user) => prop_assert_eq!(user.as_bytes(), &id),
            Err(error) => {
                prop_assert!(id.len() > 32);
                prop_assert_eq!(error.reason, DecodeReason::TooLong { limit: 32, actual: id.len() });
                prop_assert_eq!(CardData::new(&id).unwrap_err().reason, error.reason);
            }
        }
    }

    #[test]
    fn an_offset_keeps_the_other_bits(flags in crate::strategies::event_flags(), half_hours in -31..=31_i8) {
        let moved = flags.with_utc_offset_half_hours(half_hours).unwrap();
        prop_assert_eq!(moved.utc_offset_minutes(), i16::from(half_hours) * 30);
        prop_assert_eq!(moved.has_image(), flags.has_image());
        prop_assert_eq!(moved.daylight_saving(), flags.daylight_saving());
    }

    #[test]
    fn a_timestamp_is_written_as_jiff_writes_it(time in crate::strategies::timestamp()) {
        let expected = jiff::Timestamp::from_second(time.as_unix_seconds().into()).unwrap();
        prop_assert_eq!(time.to_string(), expected.to_string());
    }

    #[test]
    fn an_event_is_shown_in_one_line_and_says_nothing_of_a_person(
        event in crate::strategies::event(),
        other in crate::strategies::subject_bytes(),
    ) {
        let shown = format!("{event}\n{event:?}\n{}\n{:?}", event.subject(), event.subject());
        prop_assert_eq!(shown.lines().count(), 4);
        let start = format!("{} #{} ", event.device_id(), event.id());
        prop_assert!(shown.starts_with(&start));
        // Ids of things may be shown, so nothing but a person's bytes is changed.
        let kind = SubjectKind::of(event.code());
        let mut changed: [u8; 48] = event.as_bytes().try_into().unwrap();
        if matches!(kind, SubjectKind::Card | SubjectKind::Unknown | SubjectKind::User) {
            changed[12] = if event.as_bytes()[12] == 0 { 0 } else { other[0].max(1) };
            changed[13..44].copy_from_slice(&other[1..]);
        }
        let event = Event::from_bytes(&changed).unwrap();
        prop_assert_eq!(format!("{event}\n{event:?}\n{}\n{:?}", event.subject(), event.subject()), shown);
    }

    #[test]
    fn a_code_of_the_library_is_shown_with_its_number(code in crate::strategies::sdk_code()) {
        prop_assert!(code.to_string().contains(&code.get().to_string()));
        prop_assert_eq!(code.name().is_some(), code.to_string() != code.get().to_string());
    }

    #[test]
    fn a_number_above_16_bits_and_text_that_is_not_a_name_are_refused(
        decimal in "[0-9]{1,7}",
        digits in "[0-9a-fA-F]{0,6}",
        text in "[^0-9]{0,40}",
    ) {
        let hex = format!("0x{digits}");
        prop_assert_eq!(hex.parse().ok(), u16::from_str_radix(&digits, 16).ok().map(EventCode::new));
        prop_assert_eq!(decimal.parse().ok(), decimal.parse::<u16>().ok().map(EventCode::new));
        prop_assert!(text.parse::<EventCode>().is_err());
    }
}

#[test]
fn every_number_is_read_in_decimal_and_hexadecimal() {
    for number in 0..=u16::MAX {
        let code = EventCode::new(number);
        for spelling in [
            format!("{number}"),
            format!("0x{number:04X}"),
            format!("0x{number:x}"),
            format!("0X{number:04x}"),
        ] {
            assert_eq!(spelling.parse(), Ok(code), "{spelling}");
        }
    }
}

#[test]
fn every_code_is_shown_as_a_name_or_number_that_reads_back() {
    for code in (0..=u16::MAX).map(EventCode::new) {
        let shown = code.to_string();
        let read: EventCode = shown.parse().unwrap();
        // Three names of the message catalogue are those of another code too.
        let is_ambiguous = code.names().iter().all(|row| row.status == NameStatus::Catalogue);
        assert!(read == code || is_ambiguous && read.name() == Some(&*shown), "{shown}");
    }
}

#[test]
fn every_last_byte_is_a_whole_number_of_half_hours_and_survives() {
    for bits in 0..=u8::MAX {
        let flags = EventFlags::from_bits_retain(bits);
        let event = Event::builder(DeviceId::new(1), 1, EventCode::DOOR_OPENED).flags(flags).build();
        assert_eq!(event.as_bytes()[47], bits);
        let minutes = event.flags().utc_offset_minutes();
        assert!(minutes % 30 == 0 && minutes.abs() <= 930);
        assert_eq!(minutes < 0, bits & 0x80 != 0 && bits & 0x7C != 0);
    }
}

#[test]
fn timestamps_sort_as_their_text_does() {
    let times: Vec<_> = (0..u32::MAX).step_by(40_000_003).map(Timestamp::from_unix_seconds).collect();
    assert!(times.is_sorted_by_key(ToString::to_string));
}
