//! Laws of records of captures, and of extras, as JSON.

use bs2_events::codec::capture::{
    CapturePayload, CapturePayloadBuf, CaptureRecord, CaptureRecordBuf, ConnectionStateRecord,
};
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{
    DeviceId, Event, EventCode, ExtraSubject, Extras, JobCode, Subject, SubjectKind, Temperature, UserId,
};
use proptest::prelude::*;
use serde_json::{Value, from_str, from_value, json, to_string, to_value};

proptest! {
    #[test]
    fn any_record_survives_json(held in crate::strategies::capture_record()) {
        let record = held.record();
        let text = to_string(&record).unwrap();
        let again: CaptureRecordBuf = from_str(&text).unwrap();
        prop_assert_eq!(again.as_record(), record);
        prop_assert_eq!(to_string(&again).unwrap(), text);

        let payload: CapturePayloadBuf = from_str(&to_string(&record.payload).unwrap()).unwrap();
        prop_assert_eq!(payload.as_payload(), record.payload);
    }

    #[test]
    fn any_small_blob_survives_json_by_its_fields_or_by_its_bytes(blob in crate::strategies::portable_blob(), cut: bool) {
        let mut bytes = encoded(&blob);
        if cut {
            bytes.pop();
        }
        let payload = CapturePayload::SmallBlob(&bytes);
        let object = to_value(payload).unwrap();
        prop_assert_eq!((object.get("blob").is_some(), object.get("payload").is_some()), (!cut, cut));
        let again: CapturePayloadBuf = from_value(object).unwrap();
        prop_assert_eq!(again.as_payload(), payload);
    }

    #[test]
    fn any_state_survives_json_as_the_payload_that_it_is(code: u8, name in any::<String>()) {
        let state = ConnectionStateRecord { code, name: &name };
        let payload: CapturePayloadBuf = from_str(&to_string(&state).unwrap()).unwrap();
        prop_assert_eq!(payload.as_payload(), CapturePayload::State(state));
    }

    #[test]
    fn any_extras_survive_json(extras in crate::strategies::extras()) {
        let again: Extras = from_str(&to_string(&extras).unwrap()).unwrap();
        prop_assert_eq!(&again, &extras);
        prop_assert_eq!(to_value(&again).unwrap(), to_value(&extras).unwrap());
    }

    #[test]
    fn the_extras_of_a_blob_are_its_job_code_and_temperature(blob in crate::strategies::portable_blob()) {
        let mut extras = Extras::default();
        extras.job_code = blob.head().job_code();
        extras.temperature = blob.temperature();
        prop_assert_eq!(blob.extras().is_empty(), extras == Extras::default());
        prop_assert_eq!(blob.extras(), extras);
    }
}

#[test]
fn a_record_is_one_object_with_the_fields_of_its_kind() {
    let event = event();
    let object = |payload| {
        let mut object = to_value(record(payload)).unwrap();
        if let Some(event) = object.get_mut("event") {
            *event = event["raw"].take();
        }
        object
    };
    let raw = to_value(event).unwrap()["raw"].clone();
    let warm = Temperature::from_hundredths(3_655);
    for (payload, expected) in [
        (CapturePayload::Event(&event), json!({"kind": "event", "event": raw})),
        (
            CapturePayload::EventWithTemperature(&event, warm),
            json!({"kind": "event_with_temperature", "event": raw, "temperature": 36.55}),
        ),
        (
            CapturePayload::ImageLog { event: &event, jpeg: b"\xFF\xD8\xFF\xD9" },
            json!({"kind": "image_log", "event": raw, "image": "/9j/2Q=="}),
        ),
        (
            CapturePayload::SmallBlob(&[0, 0, 7, 0, 0, 0, 9]),
            json!({"kind": "small_blob", "blob": {"event_mask": 0, "event_id": 7, "reserved": 9}}),
        ),
        (CapturePayload::SmallBlob(b"\x01"), json!({"kind": "small_blob", "payload": "01"})),
        (
            CapturePayload::State(ConnectionStateRecord { code: 9, name: "\u{1B}[31m" }),
            json!({"kind": "state", "state": "\u{1B}[31m", "state_code": 9}),
        ),
        (
            CapturePayload::Unknown { kind: 99, bytes: &[0xFF] },
            json!({"kind": "unknown", "kind_number": 99, "payload": "ff"}),
        ),
    ] {
        let mut expected = expected;
        expected["device_id"] = json!(7);
        expected["received_at"] = json!(u64::MAX);
        assert_eq!(object(payload), expected);
    }
}

#[test]
fn what_is_left_out_is_0_apart_from_what_makes_the_record_one() {
    let read = |object: Value| from_value::<CapturePayloadBuf>(object).map_err(|error| error.to_string());
    let event = event();
    let warm = read(json!({"kind": "event_with_temperature", "event": event})).unwrap();
    assert_eq!(warm, CapturePayload::EventWithTemperature(&event, Temperature::default()).into());
    let image = read(json!({"kind": "image_log", "event": event})).unwrap();
    assert_eq!(image, CapturePayload::ImageLog { event: &event, jpeg: b"" }.into());
    let unknown = read(json!({"kind": "unknown", "kind_number": 6})).unwrap();
    assert_eq!(unknown, CapturePayload::Unknown { kind: 6, bytes: b"" }.into());
    for (object, field) in [
        (json!({"event": event}), "kind"),
        (json!({"kind": "event"}), "event"),
        (json!({"kind": "event", "event": {"event_id": 1}}), "event.device_id"),
        (json!({"kind": "small_blob"}), "blob"),
        (json!({"kind": "small_blob", "blob": {"event_id": 1}}), "blob.event_mask"),
        (json!({"kind": "state", "state": "connected"}), "state_code"),
        (json!({"kind": "state", "state_code": 1}), "state"),
        (json!({"kind": "unknown", "payload": "00"}), "kind_number"),
    ] {
        assert_eq!(read(object).unwrap_err(), format!("field `{field}`: missing"));
    }
    let read = |object: Value| from_value::<CaptureRecordBuf>(object).unwrap_err().to_string();
    assert_eq!(read(json!({"kind": "event", "received_at": 1})), "field `device_id`: missing");
    assert_eq!(read(json!({"kind": "event", "device_id": 1})), "field `received_at`: missing");
}

#[test]
fn a_field_that_is_wrong_is_named_with_all_that_it_stands_in_and_what_it_holds_is_not() {
    let subject = |subject: Value| {
        json!({"kind": "event", "event": {"event_id": 1, "device_id": 1, "time": 1,
        "code": 0x1000, "subject": subject}})
    };
    let blob =
        |info: Value| json!({"kind": "small_blob", "blob": {"event_mask": 1, "event_id": 1, "info": info}});
    let contradiction = "contradicts the other fields or has no place in this record";
    let mut other_time = json!({"kind": "event", "event": event()});
    other_time["event"]["time"] = json!(1815);
    for (object, expected) in [
        (json!("Ada"), "an object of named fields is expected".to_owned()),
        (json!({"kind": 1815}), "field `kind`: text is expected".into()),
        (json!({"kind": "Ada"}), "field `kind`: not a kind of record".into()),
        (
            json!({"received_at": -1815}),
            "field `received_at`: a number from 0 to 18446744073709551615 is expected".into(),
        ),
        (
            json!({"kind": "event", "event": "Ada"}),
            "field `event`: an object of named fields is expected".into(),
        ),
        (subject(json!("Ada")), "field `event.subject`: an object of named fields is expected".into()),
        (subject(json!({"user_id": ["Ada"]})), "field `event.subject.user_id`: text is expected".into()),
        (
            subject(json!({"kind": "user", "user_id": "Ada".repeat(11)})),
            "field `event.subject.user_id`: more than 32 bytes".into(),
        ),
        (
            subject(json!({"kind": "door", "door_id": 1815})),
            format!("field `event.subject.kind`: {contradiction}"),
        ),
        (subject(json!({"Ada": 1})), "unknown field `event.subject.Ada`".into()),
        (json!({"kind": "event", "event": {"Ada": 1}}), "unknown field `event.Ada`".into()),
        (json!({"Ada": 1}), "unknown field `Ada`".into()),
        (other_time, format!("field `event.time`: {contradiction}")),
        (blob(json!({"time": 1})), "field `blob.info.device_id`: missing".into()),
        (
            blob(json!({"reserved": [1815]})),
            "field `blob.info.reserved`: an array of two numbers from 0 to 255 is expected".into(),
        ),
        (
            json!({"kind": "small_blob", "blob": {"event_mask": 0, "event_id": 1, "tna_key": 1}}),
            format!("field `blob.tna_key`: {contradiction}"),
        ),
        (json!({"kind": "unknown", "kind_number": 5}), format!("field `kind_number`: {contradiction}")),
        (
            json!({"kind": "unknown", "kind_number": 6, "payload": "Ada"}),
            "field `payload`: text of two hexadecimal digits a byte is expected".into(),
        ),
        (
            json!({"kind": "state", "state": "a", "state_code": 1, "temperature": 1815}),
            format!("field `temperature`: {contradiction}"),
        ),
        (
            json!({"kind": "state", "state": "a", "state_code": 1, "device_id": 1815}),
            format!("field `device_id`: {contradiction}"),
        ),
        (
            json!({"kind": "image_log", "event": event(), "image": "Ada"}),
            "field `image`: base64 text is expected".into(),
        ),
    ] {
        assert_eq!(from_value::<CapturePayloadBuf>(object).unwrap_err().to_string(), expected);
    }
    for (text, field) in [
        (r#"{"kind": "event", "kind": "event"}"#, "kind"),
        (r#"{"event": {"event_id": 1, "event_id": 1}}"#, "event.event_id"),
        (r#"{"event": {"subject": {"kind": "door", "kind": "door"}}}"#, "event.subject.kind"),
        (r#"{"blob": {"info": {"time": 1, "time": 1}}}"#, "blob.info.time"),
    ] {
        let twice = from_str::<CaptureRecordBuf>(text).unwrap_err().to_string();
        assert!(twice.starts_with(&format!("duplicate field `{field}`")), "{twice}");
    }
}

#[test]
fn the_bytes_of_a_small_blob_may_be_given_instead_of_its_fields_or_beside_them() {
    let read = |object: Value| from_value::<CapturePayloadBuf>(object).map_err(|error| error.to_string());
    let fields = json!({"event_mask": 0, "event_id": 7});
    let blob = CapturePayloadBuf::from(CapturePayload::SmallBlob(&[0, 0, 7, 0, 0, 0, 0]));
    let bytes = "00000700000000";
    assert_eq!(read(json!({"kind": "small_blob", "blob": fields})), Ok(blob.clone()));
    assert_eq!(read(json!({"kind": "small_blob", "payload": bytes})), Ok(blob.clone()));
    assert_eq!(read(json!({"kind": "small_blob", "payload": bytes, "blob": fields})), Ok(blob));
    let contradiction =
        |field| Err(format!("field `{field}`: contradicts the other fields or has no place in this record"));
    let other = json!({"kind": "small_blob", "payload": "00000800000000", "blob": fields});
    assert_eq!(read(other), contradiction("blob.event_id"));
    assert_eq!(read(json!({"kind": "small_blob", "payload": "00", "blob": fields})), contradiction("blob"));
}

#[test]
fn nothing_personal_is_shown() {
    let (event, hot) = (event(), Temperature::from_hundredths(3_977));
    let held: Vec<CaptureRecordBuf> = [
        CapturePayload::EventWithTemperature(&event, hot),
        CapturePayload::ImageLog { event: &event, jpeg: b"Zelda" },
        CapturePayload::SmallBlob(b"Zelda"),
    ]
    .map(|payload| record(payload).into())
    .into();
    let card = ExtraSubject::new(SubjectKind::Card, *b"Zelda, Zelda, Zelda, Zelda, 3977");
    let extras = Extras::default().with_job_code(JobCode(7)).with_temperature(hot).with_subject(card);
    let shown = format!("{held:?} {extras:?}");
    for secret in ["Zelda", "3977", "39.77", "90, 101"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("5 bytes") && shown.contains("JobCode(7)"), "{shown}");
}

#[test]
fn extras_are_an_object_of_what_there_is() {
    assert_eq!(to_value(Extras::default()).unwrap(), json!({}));
    let door = ExtraSubject::new(SubjectKind::Door, Subject::Door { door_id: 5 }.to_bytes());
    let extras = Extras::default().with_job_code(JobCode(7)).with_subject(door);
    let object = json!({"job_code": 7, "subjects": [{"kind": "door", "door_id": 5}]});
    assert_eq!(to_value(&extras).unwrap(), object);
    assert_eq!(from_value::<Extras>(object).unwrap(), extras);

    // Bytes that the kind does not use are not lost.
    let odd = ExtraSubject::new(SubjectKind::Door, [5; 32]);
    let object = to_value(odd).unwrap();
    assert_eq!(object["raw"], "05".repeat(32));
    assert_eq!(from_value::<ExtraSubject>(object).unwrap(), odd);

    let error = |object| from_value::<Extras>(object).unwrap_err().to_string();
    assert_eq!(error(json!({"image": "/9j/2Q=="})), "unknown field `image`");
    assert_eq!(
        error(json!({"subjects": [{"kind": "Ada"}]})),
        "field `subjects`: an array of subjects is expected"
    );
}

fn record(payload: CapturePayload<'_>) -> CaptureRecord<'_> {
    CaptureRecord { device: DeviceId::new(7), received_at: u64::MAX, payload }
}

/// Of a person whose id is no UTF-8.
fn event() -> Event {
    let user = UserId::new(b"Zelda\xFF").unwrap();
    Event::builder(DeviceId::new(7), 1, EventCode::VERIFY_SUCCESS).subject(Subject::User(&user)).build()
}

fn encoded(blob: &PortableBlob<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    blob.encode(&mut bytes);
    bytes
}
