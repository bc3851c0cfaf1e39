//! The log of the simulated BioStar X server: virtual devices, import, search, pictures.

use crate::wire::{Reply, Wire};
use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags, Subject, Timestamp, UserId};
use serde_json::{Value, json};

#[tokio::test]
async fn virtual_devices_are_refused_by_range_conflict_group_and_form() {
    let wire = Wire::new("").await;
    wire.device(100_001).await;
    let device = |id: Value, name: &str, group: u32| json!({ "id": id, "name": name, "device_group_id": { "id": group } });
    for (device, code) in [
        (device(json!(100_000), "A", 1), "317"),
        (device(json!(1_000_000), "A", 1), "317"),
        (device(json!(-1), "A", 1), "317"),
        (device(json!("x"), "A", 1), "317"),
        (device(json!(100_001), "A", 1), "65663"),
        (device(json!("100001"), "A", 1), "65663"),
        (device(json!(100_002), "V100001", 1), "65664"),
        (device(json!(100_002), "Reader 541000001", 1), "65664"),
        (device(json!(100_002), "A", 9), "500"),
        (device(json!(100_002), "", 1), "30"),
        (json!({ "id": 100_002, "name": "A" }), "30"),
        (json!({ "id": 100_002, "device_group_id": { "id": 1 } }), "30"),
    ] {
        let body = json!({ "VirtualDevice": device }).to_string();
        let reply = wire.call("POST", "/api/v2/virtual_devices", &body).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{body}");
        assert_eq!(reply.json()["Response"]["by"], "web");
    }
    assert_eq!(wire.call("POST", "/api/v2/virtual_devices", "{").await.code(), "1000");
    for id in [999_999, 100_002] {
        wire.device(id).await;
    }
    let ids: Vec<_> = wire.server.snapshot().virtual_devices().iter().map(|device| device.id).collect();
    assert_eq!(ids, [100_001, 100_002, 999_999]);

    let lower = Wire::new("lowest=100000").await;
    lower.device(100_000).await;
}

#[tokio::test]
async fn updates_change_what_they_name_and_deletions_take_all_or_none() {
    let wire = Wire::new("").await;
    for id in [100_001, 100_002, 100_003] {
        wire.device(id).await;
    }
    let put = async |id: &str, device: Value| {
        let body = json!({ "VirtualDevice": device }).to_string();
        wire.call("PUT", &format!("/api/v2/virtual_devices/{id}"), &body).await
    };
    let reply =
        put("100001", json!({ "description": "at the gate", "device_group_id": { "id": "2" } })).await;
    let row = json!({ "id": 100_001, "name": "V100001", "description": "at the gate", "device_group_id": { "id": 2 } });
    assert_eq!(reply.json()["VirtualDevices"], json!([row]));
    for (id, device, code) in [
        ("100001", json!({ "name": "V100002" }), "65664"),
        ("100001", json!({ "id": 100_009 }), "317"),
        ("100001", json!({ "device_group_id": { "id": 77 } }), "500"),
        ("100009", json!({ "name": "A" }), "301"),
        ("x", json!({ "name": "A" }), "317"),
        ("100001", json!([]), "30"),
    ] {
        assert_eq!(put(id, device.clone()).await.code(), code, "{id} {device}");
    }
    assert_eq!(put("100001", json!({ "id": 100_001, "name": "V100001" })).await.code(), "0");

    let delete =
        async |query: &str| wire.call("DELETE", &format!("/api/v2/virtual_devices{query}"), "").await.code();
    assert_eq!(delete("").await, "30");
    assert_eq!(delete("?id=100001+100009").await, "301");
    assert_eq!(delete("?id=100001%2B100002").await, "317", "an encoded plus is no separator");
    assert_eq!(wire.server.snapshot().virtual_devices().len(), 3);
    assert_eq!(delete("?id=100001+100002").await, "0");
    assert_eq!(delete("?id=100003%20100003").await, "0");
    assert!(wire.server.snapshot().virtual_devices().is_empty());
}

#[tokio::test]
async fn an_import_is_stored_whole_or_refused_whole() {
    let wire = Wire::new("batch=3").await;
    wire.device(100_001).await;
    let event = json!({ "dev_id": 100_001, "evt": 4088, "datetime": "2025-10-30T15:12:00Z", "user_id": "2" });
    let body = |device: Value, flag: Value, events: Value| json!({ "packet_device_id": device, "is_virtual_device": flag, "events": events });
    let changed = |key: &str, value: Value| {
        let mut bad = event.clone();
        bad[key] = value;
        body(json!(100_001), json!(true), json!([event, bad]))
    };
    for (body, code) in [
        (json!({}), "30"),
        (json!([]), "30"),
        (body(json!(100_002), json!(true), json!([event])), "301"),
        (body(json!(541_000_001), json!(true), json!([event])), "301"),
        (body(json!(u64::MAX), json!(true), json!([event])), "301"),
        (body(json!(100_001), json!(false), json!([event])), "30"),
        (body(json!(100_001), Value::Null, json!([event])), "30"),
        (body(json!(100_001), json!(true), json!([])), "30"),
        (body(json!(100_001), json!(true), json!("")), "30"),
        (body(json!(100_001), json!(true), json!([event, event, event, event])), "30"),
        (changed("dev_id", json!(100_002)), "30"),
        (changed("evt", json!(4864)), "30"),
        (changed("datetime", json!("2025-10-30T15:12:00.00Z")), "30"),
        (changed("datetime", json!(1_761_837_120)), "30"),
        (changed("user_id", json!("")), "30"),
        (changed("user_id", json!(2)), "30"),
        (changed("user_id", json!("nobody")), "201"),
        (changed("tna_key", json!(1)), "30"),
    ] {
        let reply = wire.call("POST", "/api/events/import", &body.to_string()).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{body}");
    }
    assert_eq!(wire.call("POST", "/api/events/import", "{").await.code(), "104");
    assert!(wire.server.snapshot().events().is_empty());

    wire.server.add_user("nobody").unwrap();
    let good = body(json!("100001"), json!("true"), changed("user_id", json!("nobody"))["events"].clone());
    assert_eq!(wire.call("POST", "/api/events/import", &good.to_string()).await.code(), "0");
    let state = wire.server.snapshot();
    let stored: Vec<_> =
        state.imported().map(|event| (event.index, event.code, event.user_id.as_deref())).collect();
    assert_eq!(stored, [(1, 4088, Some("2")), (2, 4088, Some("nobody"))]);

    wire.server.set_licence(false);
    let reply = wire.call("POST", "/api/events/import", &good.to_string()).await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "331791"));
    assert_eq!(wire.search(json!({ "limit": 5 })).await.rows().len(), 2, "a search needs no licence");
}

#[tokio::test]
async fn the_flag_of_an_import_can_be_held_to_either_form() {
    for (setting, boolean, text) in [("either", "0", "0"), ("boolean", "0", "30"), ("text", "30", "0")] {
        let wire = Wire::new(&format!("flag={setting}")).await;
        wire.device(100_001).await;
        let event =
            json!({ "dev_id": 100_001, "evt": 6400, "datetime": "2025-10-30T15:12:00Z", "user_id": "2" });
        for (flag, code) in [(json!(true), boolean), (json!("true"), text), (json!("True"), text)] {
            let body = json!({ "packet_device_id": 100_001, "is_virtual_device": flag, "events": [event] });
            let reply = wire.call("POST", "/api/events/import", &body.to_string()).await;
            assert_eq!(reply.code(), code, "{setting} {flag}");
        }
    }
}

#[tokio::test]
async fn ids_begin_again_each_month_and_hints_stay_unique() {
    let wire = Wire::new("").await;
    wire.device(100_001).await;
    let times =
        ["2025-10-30T23:59:59Z", "2025-10-31T00:00:00Z", "2025-11-01T00:00:00Z", "2025-10-31T23:59:59Z"];
    wire.import(100_001, &times.map(|time| (time, "2"))).await;
    let rows = wire.search(json!({ "limit": 9, "orders": [{ "column": "datetime" }] })).await.rows();
    let ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1", "2", "3", "1"]);
    assert_eq!(rows[3]["datetime"], "2025-11-01T00:00:00.00Z");
    assert_eq!(rows[3]["hint"], "176195520000001000010000000003");
    let rows =
        wire.search(json!({ "limit": 9, "orders": [{ "column": "id", "descending": "true" }] })).await.rows();
    assert_eq!(rows[0]["id"], "3");
}

#[tokio::test]
async fn a_row_has_the_fields_of_the_field_models_and_the_server_time_in_its_zone() {
    let wire = Wire::new("zone=-180").await;
    let event = Event::builder(DeviceId::new(543_720_368), 21_611, EventCode::new(4102))
        .timestamp(Timestamp::from_unix_seconds(1_643_790_735))
        .subject(Subject::User(&UserId::new("2").unwrap()))
        .flags(EventFlags::default().with_utc_offset_half_hours(11).unwrap())
        .build();
    wire.server.report(&event).unwrap();
    let rows = wire.search(json!({ "limit": 1 })).await.rows();
    let expected = json!({
        "id": "1", "index": "21611", "datetime": "2022-02-02T08:32:15.00Z",
        "server_datetime": "2022-02-02T05:32:16.00Z", "user_id_name": "2(User 2)",
        "user_id": { "user_id": "2", "name": "User 2", "photo_exists": "false" },
        "user_group_id": { "id": "1", "name": "All Users" }, "device_id": { "id": "543720368" },
        "event_type_id": { "code": "4102" }, "is_dst": "0",
        "timezone": { "half": "1", "hour": "5", "negative": "0" }, "user_update_by_device": "false",
        "hint": "164379073505437203680000021611",
    });
    assert_eq!(rows, [expected]);
}

#[tokio::test]
async fn every_operator_and_column_of_a_search_does_what_is_documented() {
    let wire = Wire::new("backlog=400&devices=3").await;
    wire.device(100_001).await;
    let times: Vec<String> = (0..10).map(|second| format!("2025-10-30T15:12:{second:02}Z")).collect();
    let events: Vec<_> = times.iter().zip(["2", "12", "2", "3", "12", "2", "2", "3", "3", "2"]).collect();
    let events: Vec<(&str, &str)> = events.into_iter().map(|(time, user)| (time.as_str(), user)).collect();
    wire.import(100_001, &events).await;
    let count = async |conditions: Value| {
        wire.search(json!({ "limit": 10_000, "conditions": conditions })).await.rows().len()
    };
    let one = |column: &str, operator: u8, values: Value| json!({ "column": column, "operator": operator, "values": values });
    let virtual_one = one("device_id.id", 0, json!(["100001"]));
    assert_eq!(count(json!([])).await, 410);
    assert_eq!(count(json!([virtual_one])).await, 10);
    assert_eq!(count(json!([one("device_id", 1, json!([100_001]))])).await, 400);
    for (conditions, expected) in [
        (json!([one("user_id.user_id", 0, json!(["2"]))]), 5),
        (json!([one("user_id.user_id", 1, json!(["2"]))]), 5),
        (json!([one("user_id.user_id", 2, json!(["2", "3"]))]), 8),
        (json!([one("user_id.user_id", 4, json!(["2"]))]), 7),
        (json!([one("user_id", 4, json!(["%1%"]))]), 2),
        (json!([one("datetime", 3, json!([times[2], times[5]]))]), 4),
        (json!([one("datetime", 3, json!(["2025-10-30T15:12:02.00Z", "2025-10-30T15:12:05.0000000Z"]))]), 4),
        (json!([one("datetime", 5, json!([times[2]]))]), 7),
        (json!([one("datetime", 6, json!([times[2]]))]), 2),
        (json!([one("event_type_id.code", 0, json!(["4088"]))]), 10),
        (json!([one("event_type_id", 2, json!([4088, 6400]))]), 10),
        (json!([one("id", 5, json!([7]))]), 3),
        (json!([one("id", 3, json!(["2", "3"]))]), 2),
        (json!([one("user_group_id.id", 0, json!(["1"]))]), 10),
        (json!([one("door_id.id", 0, json!(["1"]))]), 0),
        (json!([one("server_datetime", 3, json!(["2025-03-24T08:59:59Z", "2025-03-24T09:00:01Z"]))]), 10),
        (json!([one("datetime", 5, json!([times[2]])), one("user_id.user_id", 0, json!(["3"]))]), 3),
    ] {
        let mut all = conditions.clone();
        all.as_array_mut().unwrap().push(virtual_one.clone());
        assert_eq!(count(all).await, expected, "{conditions}");
    }
}

#[tokio::test]
async fn a_search_that_cannot_be_understood_is_refused() {
    let wire = Wire::new("encrypted=1").await;
    let one = |column: &str, operator: Value, values: Value| json!({ "limit": 1, "conditions": [{ "column": column, "operator": operator, "values": values }] });
    for query in [
        json!(null),
        json!({ "limit": "many" }),
        json!({ "limit": -1 }),
        json!({ "conditions": "" }),
        one("colour", json!(0), json!(["1"])),
        one("id", json!(7), json!(["1"])),
        one("id", json!(0), json!([])),
        one("id", json!(0), json!(["1", "2"])),
        one("id", json!(0), json!("1")),
        one("id", json!(0), json!(["one"])),
        one("datetime", json!(0), json!(["yesterday"])),
        one("datetime", json!(3), json!(["2025-10-30T15:12:00Z"])),
        one("datetime", json!(3), json!(["2025-10-30T15:12:00Z", "2025-10-30T15:12:00Z"])),
        one("user_id.user_id", json!(4), json!(["2"])),
        json!({ "orders": [{ "column": "user_id" }] }),
        json!({ "orders": [{ "column": "id", "descending": 1 }] }),
    ] {
        let reply = wire.search(query.clone()).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "105"), "{query}");
    }
    assert_eq!(wire.call("POST", "/api/events/search", "").await.code(), "104");
    assert_eq!(wire.search(one("user_id.user_id", json!(2), json!(["2"]))).await.code(), "0");
}

#[tokio::test]
async fn pages_by_time_reach_every_event_also_where_times_are_equal() {
    let wire = Wire::new("backlog=300").await;
    let mut seen = std::collections::BTreeSet::new();
    let mut from = "2025-01-01T00:00:00Z".to_owned();
    loop {
        let conditions =
            json!([{ "column": "datetime", "operator": 3, "values": [from, "2030-01-01T00:00:00Z"] }]);
        let query = json!({ "limit": 50, "conditions": conditions, "orders": [{ "column": "datetime" }] });
        let rows = wire.search(query).await.rows();
        from = rows.last().unwrap()["datetime"].as_str().unwrap().to_owned();
        let before = seen.len();
        seen.extend(rows.iter().map(|row| row["hint"].as_str().unwrap().to_owned()));
        if rows.len() < 50 {
            break;
        }
        assert!(seen.len() > before, "a full page of one second would need a step");
    }
    assert_eq!(seen.len(), 300);
}

#[tokio::test]
async fn a_picture_is_given_by_the_name_in_its_row() {
    let wire = Wire::new("backlog=300").await;
    let rows = wire.search(json!({ "limit": 300 })).await.rows();
    let row = rows.iter().find(|row| row.get("image_id").is_some()).expect("300 events have a picture");
    let name = row["image_id"]["image_data"].as_str().unwrap();
    let picture =
        async |name: &str| -> Reply { wire.call("GET", &format!("/api/events/images/{name}"), "").await };
    let data = picture(name).await.json()["ImageLog"]["data"].as_str().unwrap().to_owned();
    assert!(data.starts_with("/9j/"), "a JPEG in base64");
    assert_eq!(picture("1_2_3").await.code(), "107");
}

#[tokio::test]
async fn the_same_seed_makes_the_same_server() {
    let one = Wire::new("backlog=50&seed=7").await;
    let same = Wire::new("backlog=50&seed=7").await;
    let other = Wire::new("backlog=50&seed=8").await;
    assert_eq!(one.session, same.session);
    assert_ne!(one.session, other.session);
    let log = |wire: &Wire| wire.server.snapshot().to_json();
    assert_eq!(log(&one), log(&same));
    assert_ne!(log(&one), log(&other));
}

#[tokio::test]
async fn a_hundred_thousand_events_are_imported_and_found_again() {
    let wire = Wire::new("").await;
    wire.device(100_001).await;
    for chunk in 0..100 {
        let start = 1_761_837_120 + chunk * 1_000;
        let times: Vec<_> =
            (start..start + 1_000).map(|time| Timestamp::from_unix_seconds(time).to_string()).collect();
        let events: Vec<_> = times.iter().map(|time| (time.as_str(), "2")).collect();
        assert_eq!(wire.import(100_001, &events).await.code(), "0");
    }
    let state = wire.server.snapshot();
    assert_eq!(state.imported().count(), 100_000);
    let last = Timestamp::from_unix_seconds(1_761_837_120 + 99_990).to_string();
    let conditions = json!([{ "column": "datetime", "operator": 5, "values": [last] }]);
    let query = json!({ "limit": 1_000, "conditions": conditions, "orders": [{ "column": "datetime", "descending": true }] });
    assert_eq!(wire.search(query).await.rows().len(), 9);
}
