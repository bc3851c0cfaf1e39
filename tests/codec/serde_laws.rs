//! Laws of every record as JSON.

use bs2_events::codec::blob::{
    BlobHead, BlobSubject, EventBlob, EventMask, ExtInfo, ExtIoDevice, SmallBlob32, SmallBlob64,
    SmallBlobEx32, SmallBlobEx64,
};
use bs2_events::codec::filter::EventFilter;
use bs2_events::codec::subject::PortValue;
use bs2_events::codec::{
    CardData, DeviceId, Event, EventCode, EventFlags, JobCode, LoggedEvent, Subject, SubjectKind,
    Temperature, UserId,
};
use proptest::prelude::*;
use serde_json::{Value, from_str, from_value, json, to_string, to_value};

/// Any bytes → record → JSON → record is the identity.
macro_rules! bytes_survive_json {
    ($($test:ident: $record:ty, $size:literal;)*) => {
        proptest! {
            $(
                #[test]
                fn $test(bytes: [u8; $size]) {
                    let record = <$record>::from_bytes(&bytes).unwrap();
                    let again: $record = from_str(&to_string(record).unwrap()).unwrap();
                    prop_assert_eq!(again.as_bytes(), bytes);
                }
            )*
        }
    };
}

bytes_survive_json! {
    any_event_survives_json: Event, 48;
    any_ext_info_survives_json: ExtInfo, 12;
    any_ext_io_device_survives_json: ExtIoDevice, 8;
    any_filter_survives_json: EventFilter, 44;
    any_small_blob_of_64_bits_survives_json: SmallBlob64, 66;
    any_small_blob_of_32_bits_survives_json: SmallBlob32, 62;
    any_small_blob_ex_of_64_bits_survives_json: SmallBlobEx64, 70;
    any_small_blob_ex_of_32_bits_survives_json: SmallBlobEx32, 66;
}

proptest! {
    #[test]
    fn any_head_survives_json(head in crate::strategies::blob_head()) {
        let again: BlobHead = from_str(&to_string(&head).unwrap()).unwrap();
        prop_assert_eq!(again, head);
    }

    #[test]
    fn any_blob_survives_json(head in crate::strategies::blob_head(), image in crate::strategies::image(), rest: u8, last: u8) {
        let mut bytes = vec![0; EventBlob::SIZE];
        let image = &image[..image.len().min(16_384)];
        EventBlob::fill(&mut bytes, head, image).unwrap().set_reserved(last);
        bytes[57 + image.len()..EventBlob::SIZE - 1].fill(rest);
        let blob = EventBlob::from_bytes(&bytes).unwrap();
        let again: EventBlob = from_str(&to_string(blob).unwrap()).unwrap();
        prop_assert!(again.as_bytes() == bytes);
    }

    #[test]
    fn any_event_is_built_from_its_fields_alone(event in crate::strategies::event()) {
        let mut object = to_value(event).unwrap();
        for derived in ["raw", "time_utc", "name", "main", "sub", "outcome"] {
            object.as_object_mut().unwrap().remove(derived);
        }
        let again: Event = from_value(object).unwrap();
        // The bytes behind the NUL of a user id are only in `raw`.
        prop_assert_eq!(to_value(again.subject()).unwrap(), to_value(event.subject()).unwrap());
        // A negative offset of nothing is nothing.
        let bits = event.flags().bits();
        let expected = if bits & 0xFC == 0x80 { bits & 0x7F } else { bits };
        prop_assert_eq!((again.flags().bits(), again.param()), (expected, event.param()));
        prop_assert_eq!((again.id(), again.code()), (event.id(), event.code()));
        prop_assert_eq!((again.timestamp(), again.device_id()), (event.timestamp(), event.device_id()));
    }

    #[test]
    fn any_user_id_survives_json_and_only_text_is_shown_as_text(bytes in crate::strategies::subject_bytes()) {
        let user = UserId::from_array(&bytes);
        let object = to_value(user).unwrap();
        prop_assert_eq!(object.as_object().unwrap().len(), 1);
        let is_text = user.as_text().is_some_and(|text| UserId::new(text).as_ref() == Ok(user));
        prop_assert_eq!(object.get("user_id").is_some(), is_text);
        prop_assert_eq!(&from_value::<UserId>(object).unwrap(), user);

        let card = CardData::new(bytes).unwrap();
        prop_assert_eq!(from_value::<CardData>(to_value(card).unwrap()).unwrap(), card);
    }

    #[test]
    fn numbers_survive_json(
        code in crate::strategies::event_code(),
        mask in crate::strategies::event_mask(),
        flags in crate::strategies::event_flags(),
        time in crate::strategies::timestamp(),
        sdk_code in crate::strategies::sdk_code(),
        numbers: (u32, i8),
    ) {
        let (device, temperature) = (DeviceId::new(numbers.0), Temperature::from_hundredths(numbers.0));
        let all = (code, mask, flags, time, sdk_code, device, temperature, JobCode(numbers.0), PortValue::new(numbers.1));
        let again = from_str(&to_string(&all).unwrap()).unwrap();
        prop_assert_eq!(all, again);
        prop_assert_eq!(to_value(code).unwrap(), json!(format!("0x{:04X}", code.get())));
        prop_assert_eq!(from_value::<EventCode>(json!(code.get())).unwrap(), code);
    }

    #[test]
    fn an_event_of_a_log_has_two_devices_and_no_unknown_clock_and_gives_its_record_back(
        event in crate::strategies::event(), owner: u32, has_clock: bool,
    ) {
        let owner = DeviceId::new(owner);
        let object = to_value(LoggedEvent::new(owner, &event).with_clock(has_clock)).unwrap();
        prop_assert_eq!(&object["device_id"], &json!(owner.get()));
        let source = object.get("source_device_id").map_or(owner.get().into(), |id| id.as_u64().unwrap());
        prop_assert_eq!(source, u64::from(event.source_device(owner).get()));
        prop_assert_eq!(object.get("dst").is_some(), has_clock);
        prop_assert_eq!(object.get("utc_offset_minutes").is_some(), has_clock);
        // A record without a number of its own does not say that it is its owner's.
        if event.device_id().get() != 0 {
            prop_assert_eq!(from_value::<Event>(object).unwrap(), event);
        }
    }

    #[test]
    fn a_changed_field_is_a_contradiction_and_never_lost(event in crate::strategies::event(), other in crate::strategies::event()) {
        let (mine, theirs) = (to_value(event).unwrap(), to_value(other).unwrap());
        for (name, value) in theirs.as_object().unwrap() {
            let mut object = mine.clone();
            let is_same = object[name] == *value;
            object[name] = value.clone();
            match from_value::<Event>(object) {
                Ok(read) => prop_assert!(is_same && read == event, "{}", name),
                Err(_) => prop_assert!(!is_same, "{}", name),
            }
        }
    }

    #[test]
    fn subjects_are_objects_of_their_kind(code in crate::strategies::event_code(), bytes in crate::strategies::subject_bytes()) {
        let subject = to_value(Subject::read(code, &bytes)).unwrap();
        prop_assert_eq!(&subject["kind"], &json!(SubjectKind::of(code).to_string()));
        let of_blob = to_value(BlobSubject::read(EventMask::IO_DEVICE, code, &bytes)).unwrap();
        prop_assert_eq!(&of_blob["kind"], "io_device");
    }
}

#[test]
fn a_temperature_is_a_number_of_degrees_with_two_decimals() {
    let of = |object: Value| from_value::<Temperature>(object).map_err(|error| error.to_string());
    assert_eq!(to_value(Temperature::from_hundredths(3_677)).unwrap(), json!(36.77));
    assert_eq!(to_string(&Temperature::from_hundredths(u32::MAX)).unwrap(), "42949672.95");
    assert_eq!(of(json!(36)), Ok(Temperature::from_hundredths(3_600)));
    assert_eq!(of(json!(36.5)), Ok(Temperature::from_hundredths(3_650)));
    for wrong in [json!(36.777), json!(-0.01), json!(42_949_673), json!("36.77"), json!(null)] {
        let error = of(wrong.clone()).unwrap_err();
        assert!(!error.contains("36.777"), "{error}");
    }
}

#[test]
fn the_kind_of_every_code_is_the_word_of_its_subject_kind() {
    for code in (0..=u16::MAX).map(EventCode::new) {
        let event = Event::builder(DeviceId::new(1), 1, code).build();
        // The subject alone: the whole event, for every code, is minutes of an emulator's time.
        let json = to_value(event.subject()).unwrap();
        assert_eq!(json["kind"], SubjectKind::of(code).to_string(), "{code:?}");
    }
}

#[test]
fn a_field_that_is_wrong_is_named_and_what_it_holds_is_not() {
    let valid = to_value(Event::builder(DeviceId::new(1), 1, EventCode::VERIFY_SUCCESS).build()).unwrap();
    for (field, value, expected) in [
        ("event_id", json!("Ada"), "field `event_id`: a number from 0 to 4294967295 is expected"),
        ("event_id", json!(-1815), "field `event_id`: a number from 0 to 4294967295 is expected"),
        ("param", json!(1815), "field `param`: a number from 0 to 255 is expected"),
        ("code", json!("Ada"), "field `code`: an event code such as \"0x1301\" is expected"),
        ("code", json!(181_500), "field `code`: an event code such as \"0x1301\" is expected"),
        ("image", json!("Ada"), "field `image`: true or false is expected"),
        ("name", json!(1815), "field `name`: text or null is expected"),
        ("subject", json!("Ada"), "field `subject`: an object of named fields is expected"),
        ("subject", json!(1815), "field `subject`: an object of named fields is expected"),
        ("subject", json!(null), "field `subject`: an object of named fields is expected"),
        ("subject", json!(true), "field `subject`: an object of named fields is expected"),
        ("subject", json!(["Ada"]), "field `subject`: an object of named fields is expected"),
        ("subject", json!({"user_id": ["Ada"]}), "field `subject.user_id`: text is expected"),
        ("subject", json!({"Ada": 1}), "unknown field `subject.Ada`"),
        ("raw", json!("Ada"), "field `raw`: text of two hexadecimal digits a byte is expected"),
        ("raw", json!("1815"), "field `raw`: 48 bytes are expected"),
        ("time", json!(1), "field `time`: contradicts the other fields or has no place in this record"),
    ] {
        let mut object = valid.clone();
        object[field] = value;
        assert_eq!(from_value::<Event>(object).unwrap_err().to_string(), expected);
    }
    for (object, expected) in [
        (json!({}), "field `device_id`: missing"),
        (json!(1815), "an object of named fields is expected"),
        (json!("Ada"), "an object of named fields is expected"),
        (
            json!({"event_id": 1, "device_id": 1, "time": 1, "code": 0x1000, "utc_offset_minutes": 45}),
            "field `utc_offset_minutes`: not a multiple of 30 from -930 to 930",
        ),
        (
            json!({"event_id": 1, "device_id": 1, "time": 1, "code": 0x1000,
                "subject": {"kind": "user", "user_id": "A".repeat(33)}}),
            "field `subject.user_id`: more than 32 bytes",
        ),
        (
            json!({"event_id": 1, "device_id": 1, "time": 1, "code": 0x1000, "subject": {"kind": "Ada"}}),
            "field `subject.kind`: not a kind of subject",
        ),
        (
            json!({"event_id": 1, "device_id": 1, "time": 1, "code": 0x1000, "subject": {"kind": "door"}}),
            "field `subject.door_id`: missing",
        ),
        (
            json!({"event_id": 1, "device_id": 1, "time": 1, "code": 0x1000, "subject": {"kind": "door", "door_id": 1}}),
            "field `subject.kind`: contradicts the other fields or has no place in this record",
        ),
    ] {
        assert_eq!(from_value::<Event>(object).unwrap_err().to_string(), expected);
    }
    let info = |info| {
        let object = json!({"event_mask": 1, "event_id": 1, "info": info});
        from_value::<BlobHead>(object).unwrap_err().to_string()
    };
    assert_eq!(info(json!({"time": 1})), "field `info.device_id`: missing");
    assert_eq!(
        info(json!({"time": 1, "reserved": [1, 2, 3]})),
        "field `info.reserved`: an array of two numbers from 0 to 255 is expected"
    );
    let twice = from_str::<ExtInfo>(r#"{"time": 1, "time": 1}"#).unwrap_err().to_string();
    assert!(twice.starts_with("duplicate field `time`"), "{twice}");
    let twice = r#"{"subject": {"kind": "door", "kind": "door"}}"#;
    let twice = from_str::<Event>(twice).unwrap_err().to_string();
    assert!(twice.starts_with("duplicate field `subject.kind`"), "{twice}");
}

#[test]
fn of_a_long_key_an_error_shows_the_beginning() {
    let object = json!({"\u{1B}".repeat(1_000_000): 1});
    let expected = format!("unknown field `{}…`", r"\u{1b}".repeat(40));
    assert_eq!(from_value::<Event>(object).unwrap_err().to_string(), expected);
}

#[test]
fn an_address_is_text_or_a_number_and_has_to_fit() {
    for (address, fits) in [
        (json!("0x55667788"), true),
        (json!(0x5566_7788), true),
        (json!("0x155667788"), false),
        (json!("55667788"), false),
        (json!("0x+5"), false),
        (json!(-1), false),
    ] {
        let object = json!({"event_mask": 0, "event_id": 1, "image_address": address});
        assert_eq!(from_value::<SmallBlob32>(object).is_ok(), fits, "{address}");
    }
    let blob = SmallBlob64::new(BlobHead::new(1), 0x1122_3344_5566_7788);
    assert_eq!(to_value(blob).unwrap()["image_address"], "0x1122334455667788");
}

#[test]
fn a_blob_refuses_an_image_that_is_not_as_long_as_it_says() {
    let blob = |size: Value, image: &str, rest: Value| {
        let mut object = json!({"event_mask": 256, "event_id": 1, "image": image});
        if !size.is_null() {
            object["image_size"] = size;
        }
        if !rest.is_null() {
            object["image_rest"] = rest;
        }
        from_value::<EventBlob>(object).map_err(|error| error.to_string())
    };
    assert_eq!(
        blob(json!(null), "/9iq/9k=", json!(null)).unwrap().image(),
        Some(&[0xFF, 0xD8, 0xAA, 0xFF, 0xD9][..])
    );
    assert_eq!(blob(json!(5), "/9iq/9k=", json!("AQ==")).unwrap().image_field()[5..7], [1, 0]);
    let contradiction = "field `image`: contradicts the other fields or has no place in this record";
    assert_eq!(blob(json!(4), "/9iq/9k=", json!(null)).unwrap_err(), contradiction);
    assert_eq!(blob(json!(5), "=", json!(null)).unwrap_err(), "field `image`: base64 text is expected");
    let long = "AAAA".repeat(5_462);
    assert_eq!(blob(json!(65_535), &long, json!(null)).unwrap_err(), "field `image`: more than 16384 bytes");
    let long = "AAAA".repeat(21_846);
    assert_eq!(blob(json!(null), &long, json!(null)).unwrap_err(), "field `image`: more than 16384 bytes");
    let object = json!({"event_mask": 256, "event_id": 1, "image": long});
    assert_eq!(from_value::<SmallBlob64>(object).unwrap_err().to_string(), contradiction);
    let object = json!({"event_mask": 0, "event_id": 1, "temperature": 1});
    assert!(from_value::<EventBlob>(object).unwrap_err().to_string().starts_with("field `temperature`: "));
    assert_eq!(EventFlags::IMAGE.bits(), 1);
}

mod portable {
    use bs2_events::codec::portable::PortableBlob;

    use super::*;

    proptest! {
        #[test]
        fn any_portable_blob_survives_json(blob in crate::strategies::portable_blob()) {
            let again: PortableBlob<'_> = from_str(&to_string(&blob).unwrap()).unwrap();
            prop_assert_eq!(again, blob);
        }
    }

    #[test]
    fn an_image_has_at_most_65535_bytes_and_a_temperature_that_is_left_out_is_0() {
        let object = json!({"event_mask": 256, "event_id": 1, "image": "AAAA".repeat(21_846)});
        let error = from_value::<PortableBlob<'_>>(object).unwrap_err().to_string();
        assert_eq!(error, "field `image`: more than 65535 bytes");
        let blob: PortableBlob<'_> = from_value(json!({"event_mask": 0x0200, "event_id": 1})).unwrap();
        assert_eq!(blob.temperature(), Some(Temperature::default()));
    }

    #[test]
    fn a_field_that_the_mask_has_not_is_refused() {
        for (field, value) in [
            ("info", json!({"time": 1, "device_id": 1, "code": 1})),
            ("subject", json!({"kind": "none"})),
            ("tna_key", json!(0)),
            ("job_code", json!(0)),
            ("image_size", json!(0)),
            ("image", json!("")),
            ("image_address", json!(1)),
            ("image_rest", json!("")),
        ] {
            let mut object = json!({"event_mask": 0xF400, "event_id": 1});
            assert!(from_value::<PortableBlob<'_>>(object.clone()).is_ok());
            object[field] = value;
            let error = from_value::<PortableBlob<'_>>(object).unwrap_err().to_string();
            assert!(error.starts_with(&format!("field `{field}`: contradicts")), "{error}");
        }
    }
}
