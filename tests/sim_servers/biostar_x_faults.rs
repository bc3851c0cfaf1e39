//! Planned and random faults of the simulated BioStar X server. Its database stays correct.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::wire::Wire;
use bs2_events::sim::biostar_x::{PlannedFault, RowShape};
use serde_json::{Value, json};

const IMPORT: &str = "/api/events/import";
const EVENTS: [(&str, &str); 4] = [
    ("2025-10-30T15:12:00Z", "1"),
    ("2025-10-30T15:12:01Z", "2"),
    ("2025-10-30T15:12:02Z", "3"),
    ("2025-10-30T15:12:03Z", "4"),
];

#[tokio::test]
async fn a_planned_cut_or_failure_stores_what_its_documentation_says() {
    for (fault, stored) in [
        (PlannedFault::CutBefore, 0),
        (PlannedFault::CutAfter, 4),
        (PlannedFault::CutWithin, 4),
        (PlannedFault::Error, 0),
        (PlannedFault::ErrorAfter, 4),
        (PlannedFault::EndSession, 0),
        (PlannedFault::Answer { status: 502, body: "<html>".into() }, 0),
        (PlannedFault::Slow(Duration::from_millis(30)), 4),
    ] {
        let wire = Wire::new("").await;
        wire.device(100_001).await;
        wire.server.plan(IMPORT, fault.clone());
        let begun = Instant::now();
        let reply = wire.try_import(100_001, &EVENTS).await;
        match &fault {
            PlannedFault::CutBefore | PlannedFault::CutAfter | PlannedFault::CutWithin => {
                assert!(reply.is_err(), "{fault:?}")
            }
            PlannedFault::Error | PlannedFault::ErrorAfter => assert_eq!(reply.unwrap().status, 500),
            PlannedFault::EndSession => assert_eq!(reply.unwrap().code(), "10"),
            PlannedFault::Slow(by) => assert!(reply.unwrap().code() == "0" && begun.elapsed() >= *by),
            _ => {
                assert_eq!(reply.map(|reply| (reply.status, reply.text)).unwrap(), (502, "<html>".to_owned()))
            }
        }
        assert_eq!(wire.server.snapshot().imported().count(), stored, "{fault:?}");
        assert_eq!(wire.server.planned(), 0);
    }
}

#[tokio::test]
async fn a_cut_within_an_answer_comes_after_its_head() {
    let wire = Wire::new("backlog=20").await;
    wire.server.plan("/api/events/search", PlannedFault::CutWithin);
    let url = format!("{}/api/events/search", wire.server.url());
    let request =
        wire.http.post(url).header("bs-session-id", &wire.session).body(r#"{"Query":{"limit":20}}"#);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.content_length().unwrap() > 1_000);
    assert!(response.text().await.is_err());
}

#[tokio::test]
async fn plans_wait_for_their_path_and_for_each_other() {
    let wire = Wire::new("").await;
    wire.server.plan("/api/v2/", PlannedFault::Error);
    wire.server.plan("/api/v2/", PlannedFault::EndSession);
    assert_eq!(wire.search(json!({ "limit": 1 })).await.status, 200);
    assert_eq!(wire.call("GET", "/api/v2/virtual_devices", "").await.status, 500);
    assert_eq!(wire.call("GET", "/api/v2/virtual_devices", "").await.status, 401);
    wire.server.plan("/api", PlannedFault::Error);
    wire.server.clear_plans();
    assert_eq!(wire.call("GET", "/js/info.json", "").await.status, 200);
}

#[tokio::test]
async fn few_rows_come_in_every_shape_that_was_seen() {
    let wire = Wire::new("").await;
    wire.device(100_001).await;
    let search = async |fault| {
        wire.server.plan("/api/events/search", PlannedFault::Rows(fault));
        wire.search(json!({ "limit": 9 })).await.json()
    };
    // The length of this one, 136 bytes, is what a client in the field compares with.
    wire.server.plan("/api/events/search", PlannedFault::Rows(RowShape::Text));
    assert_eq!(wire.search(json!({ "limit": 9 })).await.text.len(), 136);
    assert_eq!(search(RowShape::Missing).await["EventCollection"], json!({}));
    assert!(search(RowShape::NoCollection).await.get("EventCollection").is_none());
    assert_eq!(search(RowShape::Lone).await["EventCollection"]["rows"], json!([]));
    wire.import(100_001, &EVENTS[..1]).await;
    assert_eq!(search(RowShape::Lone).await["EventCollection"]["rows"]["user_id"]["user_id"], "1");
    assert!(search(RowShape::Text).await["EventCollection"]["rows"].is_array());
}

#[tokio::test]
async fn a_partial_import_has_code_1_and_stores_a_part() {
    let wire = Wire::new("").await;
    wire.device(100_001).await;
    wire.server.plan(IMPORT, PlannedFault::Partial);
    let reply = wire.import(100_001, &EVENTS).await;
    assert_eq!((reply.status, reply.code().as_str()), (200, "1"));
    assert!(wire.server.snapshot().imported().count() < 4);

    let wire = Wire::new("").await;
    wire.device(100_001).await;
    wire.server.plan(IMPORT, PlannedFault::Partial);
    let with_unknown = [EVENTS[0], ("2025-10-30T15:12:01Z", "nobody"), EVENTS[3]];
    assert_eq!(wire.import(100_001, &with_unknown).await.code(), "1");
    let users: Vec<_> = wire.server.snapshot().imported().filter_map(|event| event.user_id.clone()).collect();
    assert_eq!(users, ["1", "4"], "only the unknown user is refused");
}

#[tokio::test]
async fn numbers_come_as_text_and_errors_wrapped_where_planned() {
    let wire = Wire::new("").await;
    wire.device(100_001).await;
    wire.server.plan("/api/v2/", PlannedFault::Strings);
    let list = wire.call("GET", "/api/v2/virtual_devices", "").await.json();
    assert_eq!(
        (&list["VirtualDevices"][0]["id"], &list["Response"]["by"]),
        (&json!("100001"), &json!("web"))
    );
    wire.server.set_licence(false);
    wire.server.plan("/api/v2/", PlannedFault::Wrapped);
    let refused = async || wire.call("GET", "/api/v2/virtual_devices", "").await.json();
    assert_eq!(refused().await["Response"]["code"], "331791");
    assert_eq!(refused().await["code"], "331791");
}

#[tokio::test]
async fn under_every_fault_by_chance_what_was_acknowledged_is_stored_and_the_rest_can_be_found() {
    let settings = "faults=slow,cut,error,session,rows,partial,strings,wrapped&seed=11";
    let mut wire = Wire::logged_out(settings.parse().unwrap()).await;
    // What a client knows of each event: stored, or unknown.
    let mut certain = BTreeMap::new();
    let mut device = false;
    for second in 0..120 {
        let time = format!("2025-10-30T15:{:02}:{:02}Z", second / 60, second % 60);
        loop {
            if wire.session.is_empty() {
                let body = crate::wire::login("simulated");
                let reply = wire.try_call("POST", "/api/login", &body).await;
                let Ok(reply) = reply else { continue };
                let Some(session) = reply.headers.get("bs-session-id") else { continue };
                wire.session = session.to_str().unwrap().to_owned();
            }
            if !device {
                let body = r#"{"VirtualDevice":{"id":100001,"name":"V","device_group_id":{"id":1}}}"#;
                match wire.try_call("POST", "/api/v2/virtual_devices", body).await {
                    Ok(reply) if ["0", "65663"].contains(&reply.code().as_str()) => device = true,
                    Ok(reply) if reply.status == 401 => wire.session.clear(),
                    _ => {}
                }
                continue;
            }
            match wire.try_import(100_001, &[(time.as_str(), "2")]).await {
                Ok(reply) if reply.status == 401 => wire.session.clear(),
                Ok(reply) if reply.status == 200 => {
                    certain.insert(time, reply.code() == "0");
                    break;
                }
                _ => {
                    certain.insert(time, false);
                    break;
                }
            }
        }
    }
    let state = wire.server.snapshot();
    let mut stored: BTreeMap<String, u32> = BTreeMap::new();
    for event in state.imported() {
        *stored.entry(event.meaning().0.to_string()).or_default() += 1;
    }
    assert!(stored.values().all(|count| *count == 1), "one request stores at most once");
    let unknown = certain.values().filter(|certain| !**certain).count();
    assert!((10..100).contains(&unknown), "{unknown} of 120");
    let mut lost = 0;
    for (time, certain) in certain {
        assert!(!certain || stored.contains_key(&time), "{time} was acknowledged");
        lost += u32::from(!certain && !stored.contains_key(&time));
    }
    assert!(lost > 0 && (lost as usize) < unknown, "of the unknown ones some are stored and some are not");
}

#[tokio::test]
async fn a_body_beyond_all_limits_is_refused_and_the_server_stays() {
    let wire = Wire::new("").await;
    let reply = wire.try_call("POST", IMPORT, &" ".repeat((64 << 20) + 1)).await;
    // A client that is still writing may see the end of the connection instead.
    if let Ok(reply) = reply {
        assert_eq!((reply.status, reply.code().as_str()), (413, "702"));
    }
    assert_eq!(wire.search(json!({ "limit": 1 })).await.status, 200);
}

#[tokio::test]
async fn tests_in_other_languages_control_the_server_over_http() {
    let wire = Wire::new("control=1").await;
    wire.device(100_001).await;
    let sim = async |method: &str, what: &str, body: Value| -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = wire.call(method, &format!("/sim/{what}"), &body).await;
        (reply.status, reply.json())
    };
    let help = sim("GET", "", Value::Null).await.1;
    for fault in help["POST"]["faults"]["fault"].as_array().unwrap() {
        assert_eq!(sim("POST", "faults", json!({ "path": "/none", "fault": fault })).await.0, 200, "{fault}");
    }
    let slow = json!({ "path": "/none", "fault": "slow", "milliseconds": 1 });
    assert_eq!(sim("POST", "faults", slow).await.1["planned"], 14);
    let answer = json!({ "path": "/js", "fault": "answer", "status": 418, "body": "{}" });
    assert_eq!(sim("POST", "faults", answer).await.0, 200);
    assert_eq!(wire.call("GET", "/js/info.json", "").await.status, 418);
    for bad in [json!({}), json!({ "path": "/", "fault": "fire" }), json!({ "path": "/", "fault": "slow" })] {
        assert_eq!(sim("POST", "faults", bad).await.0, 400);
    }
    assert_eq!(sim("POST", "users", json!({ "user_id": "anna" })).await.0, 200);
    wire.import(100_001, &[("2025-10-30T15:12:00Z", "anna")]).await;
    assert_eq!(sim("POST", "events", json!({ "count": 3 })).await.1["events"], 4);
    let state = sim("GET", "state", Value::Null).await.1;
    assert_eq!(
        (&state["events"][0]["user_id"], &state["events"][0]["imported"]),
        (&json!("anna"), &json!(true))
    );
    let requests = sim("GET", "requests", Value::Null).await.1;
    assert_eq!((&requests[0]["target"], &requests[0]["body"]), (&json!("/api/login"), &Value::Null));
    assert!(!requests.to_string().contains(&wire.session));
    assert_eq!(sim("POST", "clock", json!({ "advance": 60 })).await.1["now"], "2025-03-24T00:01:00Z");
    assert_eq!(sim("POST", "sessions/end", Value::Null).await.0, 200);
    assert_eq!(wire.search(json!({})).await.status, 401);
    assert_eq!(sim("GET", "else", Value::Null).await.0, 400);
}
