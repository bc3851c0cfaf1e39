//! The meaning of codes and parameters, at the edges of their ranges.

use bs2_events::codec::code::{Category, Outcome};
use bs2_events::codec::{CardData, DeviceId, Event, EventBuilder, EventCode, Subject, Timestamp, UserId};

#[test]
fn a_time_and_attendance_key_is_1_to_16_and_only_of_an_authentication() {
    let key = |code, param| of(code).param(param).build().tna_key();
    assert_eq!([0, 1, 16, 17].map(|param| key(0x1000, param)), [None, Some(1), Some(16), None]);
    assert_eq!([0x0FFF, 0x1000, 0x1EFF, 0x1F00].map(|code| key(code, 5)), [None, Some(5), Some(5), None]);
}

#[test]
fn only_user_events_say_where_the_change_was_made() {
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
fn an_unknown_low_byte_does_not_borrow_the_name_of_its_main_code() {
    for (code, name) in [
        (0x3203, "DEVICE_TIME_SET+0x03"),
        (0x10F0, "VERIFY_SUCCESS+0xF0"),
        (0x1D05, "ABNORMAL_TEMPERATURE_DETECTED+0x05"),
    ] {
        assert_eq!((EventCode::new(code).name(), EventCode::new(code).to_string().as_str()), (None, name));
    }
}

#[test]
fn an_occupancy_limit_and_a_backup_are_not_called_a_lock_and_a_relay() {
    for (code, name, category) in [
        (0x6F01, "OCCUPANCY_FULL_DETECTED", Category::Zone),
        (0x6102, "ACCESS_DENIED_OCCUPANCY_COUNT_FULL", Category::Zone),
        (0xC401, "SYSTEM_BACKUP_STARTED", Category::Server),
        (0xC402, "RELAY_DEACTIVATED_SUPERVISED_INPUT_FAULT_OPEN", Category::Relay),
        (0x2804, "DUPLICATE_FINGERPRINT", Category::User),
    ] {
        let code = EventCode::new(code);
        assert_eq!((code.name(), code.category()), (Some(name), Some(category)));
    }
}

#[test]
fn the_source_device_is_that_of_the_record_and_for_a_record_without_one_the_owner_of_the_log() {
    let (owner, slave) = (DeviceId::new(541_000_001), DeviceId::new(541_000_900));
    let of = |device| Event::builder(device, 1, EventCode::DOOR_OPENED).build().source_device(owner);
    assert_eq!([owner, slave, DeviceId::new(0)].map(of), [owner, slave, owner]);
}

#[test]
fn a_card_is_text_where_all_before_its_padding_is_digits() {
    let text = |bytes: &[u8]| CardData::new(bytes).unwrap().as_text().map(str::to_owned);
    assert_eq!(text(b"2147483647\0\0").as_deref(), Some("2147483647"));
    assert_eq!(text(&[b'9'; 32]), Some("9".repeat(32)));
    for bytes in [&[][..], &[0; 32], b"12a", b"\x0012", b"12\x003", b"+1", b" 1", &[0x04, 0xA1]] {
        assert_eq!(text(bytes), None, "{bytes:?}");
    }
}

#[test]
fn a_line_names_things_and_shows_of_people_only_that_there_is_one() {
    let user = UserId::new("4711").unwrap();
    let line = |event: Event| event.to_string();
    assert!(line(of(0x1000).subject(Subject::User(&user)).build()).ends_with(" VERIFY_SUCCESS user"));
    assert!(line(of(0x1000).build()).ends_with(" VERIFY_SUCCESS unknown user"));
    assert!(line(of(0x5200).subject(Subject::Door { door_id: 7 }).build()).ends_with(" DOOR_OPENED door 7"));
    assert!(line(of(0xFFFF).subject(Subject::Unknown(&[b'4'; 32])).build()).ends_with(" 0xFFFF"));
}

#[test]
fn an_empty_user_id_means_that_the_person_is_unknown_and_is_no_user_id() {
    let mut behind = [9; 32];
    behind[0] = 0;
    for bytes in [[0; 32], behind] {
        let nobody = *UserId::from_array(&bytes);
        let event = of(0x1400).subject(Subject::User(&nobody)).build();
        assert_eq!(event.subject(), Subject::User(&nobody));
        assert_eq!(event.user_id(), None);
        assert!(!event.is_of_user(&nobody));
    }
    let user = UserId::new("0").unwrap();
    let event = of(0x1400).subject(Subject::User(&user)).build();
    assert_eq!(event.user_id().and_then(UserId::as_text), Some("0"));
    assert_eq!(of(0x5200).subject(Subject::User(&user)).build().user_id(), None);
}

#[test]
fn an_event_is_read_from_hexadecimal_text_as_people_write_it() {
    let event = of(0x1000).subject(Subject::User(&UserId::new("4711").unwrap())).build();
    let text = event.to_hex();
    let pairs: Vec<_> = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
    for written in
        [text.to_uppercase(), format!("0x{text}\n"), pairs.join(" "), pairs.join(":"), pairs.join(", 0x")]
    {
        assert_eq!(Event::from_hex(&written), Ok(event), "{written}");
    }
    for (written, expected) in [
        (&text[1..], "the byte at offset 47 has one digit instead of two"),
        (&text[2..], "event: field `flags` at offset 47: 1 byte needed, 0 available"),
        (&format!("{text}00")[..], "event: field `end` at offset 48: 1 byte too many"),
        ("4x", "character 2 is not a hexadecimal digit"),
    ] {
        assert_eq!(Event::from_hex(written).unwrap_err().to_string(), expected);
    }
}

#[cfg(feature = "jiff")]
#[test]
fn the_local_time_is_that_of_the_zone_in_summer_and_in_winter() {
    use jiff::tz::TimeZone;

    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    // 2025-10-26, before and after the hour that is repeated, and in both of it.
    let local = |seconds| {
        let event = of(0x5200).timestamp(Timestamp::from_unix_seconds(seconds)).build();
        event.local_time(berlin.clone()).strftime("%H:%M %z").to_string()
    };
    assert_eq!(
        [1_761_435_000, 1_761_438_600, 1_761_442_200, 1_761_445_800].map(local),
        ["01:30 +0200", "02:30 +0200", "02:30 +0100", "03:30 +0100"]
    );
}

#[test]
fn every_code_is_described_in_plain_words() {
    let (mut longest, upper) =
        (0, ["DHCP", "ID", "NVR", "OpenGL", "PIN", "QR", "RS", "RS-485", "RTSP", "TCP", "VMS", "VoIP"]);
    for row in EventCode::catalogue() {
        let text = row.code.describe();
        let is_plain =
            |word: &str| upper.contains(&word) || !word.contains(|c: char| c.is_uppercase() || c == '_');
        assert!(text.split([' ', ',', ':']).all(is_plain), "{:?}: {text}", row.code);
        assert!(
            !text.contains("  ") && text.trim() == text && !text.ends_with('.'),
            "{:?}: {text}",
            row.code
        );
        longest = longest.max(text.len());
        let decision = match row.code.outcome() {
            Outcome::Granted if row.code.main() != EventCode::DUAL_AUTH_SUCCESS => "access granted",
            Outcome::Denied if matches!(row.code.get() >> 8, 0x11 | 0x14 | 0x19) => "access denied",
            _ => "",
        };
        assert!(text.starts_with(decision), "{:?}: {text}", row.code);
    }
    assert!(longest < 80, "{longest}");
    for (code, text) in [
        (0x1018, "access granted by mobile card and fingerprint"),
        (0x1201, "access granted under duress by ID and PIN"),
        (0x10F0, "access granted, unknown sub code 0xF0"),
        (0x1109, "access denied: QR code not numeric"),
        (0x1908, "access granted in spite of a violation: anti-passback"),
        (0x2001, "user enrolled by server"),
        (0x4E02, "battery level changed: low"),
        (0x5E01, "door unlock request by schedule"),
        (0x3203, "device time set, unknown sub code 0x03"),
        (0xFF03, "unknown event 0xFF03"),
    ] {
        assert_eq!(EventCode::new(code).describe(), text);
    }
}

fn of(code: u16) -> EventBuilder {
    Event::builder(DeviceId::new(1), 1, EventCode::new(code))
}
