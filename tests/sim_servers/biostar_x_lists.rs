//! Users, devices and doors of the simulated BioStar X server, and the present time of its log.

use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::wire::Wire;
use bs2_events::ErrorKind;
use bs2_events::sim::biostar_x::{BiostarXServer, BiostarXServerOptions, StoredEvent};
use serde_json::{Value, json};

#[tokio::test]
async fn users_are_listed_in_parts_and_found_by_their_id() {
    let wire = Wire::new("users=30").await;
    wire.server.add_user("zoë/1").unwrap();
    let all = rows(&wire, "/api/users", "UserCollection").await;
    assert!(all.len() > 4_000, "{}", all.len());
    let ids: Vec<_> = all.iter().map(|row| row["user_id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    assert!(ids.iter().any(|id| id == "30") && !ids.iter().any(|id| id == "31"));
    let part = rows(&wire, "/api/users?limit=3&offset=2", "UserCollection").await;
    assert_eq!(part, all[2..5]);
    assert!(rows(&wire, "/api/users?offset=1000000", "UserCollection").await.is_empty());
    assert_eq!(rows(&wire, "/api/users?limit=0", "UserCollection").await.len(), all.len());

    let user = wire.call("GET", "/api/users/7", "").await.json();
    assert_eq!((&user["User"]["user_id"], &user["User"]["name"]), (&json!("7"), &json!("User 7")));
    assert_eq!(user["Response"]["code"], "0");
    let user = wire.call("GET", "/api/users/zo%C3%AB%2F1", "").await.json();
    assert_eq!(user["User"]["user_id"], "zoë/1");
    let none = wire.call("GET", "/api/users/31", "").await;
    assert_eq!((none.status, none.code().as_str()), (400, "201"));
    assert_eq!(wire.call("GET", "/api/users?limit=few", "").await.code(), "30");
    assert_eq!(wire.call("POST", "/api/users", "{}").await.code(), "102");
    assert_eq!(wire.call("DELETE", "/api/users/7", "").await.code(), "102");
}

#[tokio::test]
async fn devices_and_doors_are_those_of_the_events() {
    let wire = Wire::new("devices=3&backlog=600").await;
    let devices = rows(&wire, "/api/devices", "DeviceCollection").await;
    let doors = rows(&wire, "/api/doors", "DoorCollection").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let ids: Vec<_> = devices.iter().map(|row| text(&row["id"])).collect();
    assert_eq!(ids, ["541000001", "541000002", "541000003"]);
    assert_eq!(
        (&devices[0]["name"], &devices[0]["device_type_id"]["id"]),
        (&json!("Reader 541000001"), &json!("35"))
    );
    let entry: Vec<_> = doors.iter().map(|row| text(&row["entry_device_id"]["id"])).collect();
    assert_eq!(entry, ids);
    let events = wire.search(json!({ "limit": 1000, "conditions": [] })).await.rows();
    let mut seen = 0;
    for door in events.iter().flat_map(|row| row["door_id"].as_array().cloned().unwrap_or_default()) {
        assert!(doors.iter().any(|row| row["id"] == door["id"] && row["name"] == door["name"]), "{door}");
        seen += 1;
    }
    assert!(seen > 100, "{seen}");
    let last = rows(&wire, "/api/doors?limit=9&offset=2", "DoorCollection").await;
    assert_eq!(last, doors[2..]);
}

#[tokio::test]
async fn lists_need_a_session() {
    let wire = Wire::logged_out(BiostarXServerOptions::default()).await;
    for path in ["/api/users", "/api/users/1", "/api/devices", "/api/doors"] {
        assert_eq!(wire.call("GET", path, "").await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn with_the_present_time_the_log_ends_now_and_live_events_are_of_now() {
    for backlog in [0, 1, 7, 500] {
        let settings = format!("devices=3&backlog={backlog}&start=now");
        let server = BiostarXServer::start(settings.parse().unwrap()).await.unwrap();
        let log = server.snapshot().events().to_vec();
        assert_eq!(log.len(), backlog);
        assert!(log.is_sorted_by_key(|event| event.time) && log.iter().all(|event| event.time <= now()));
        assert!(log.last().is_none_or(|last| now() - last.time < 30));
        let live = server.make_event().unwrap();
        assert!(now() - live.time < 30 && now() - live.stored < 30 && live.stored >= live.time, "{live:?}");
        assert_unique(server.snapshot().events());
        // What comes late has the second in which it came, and its own.
        server.advance(Duration::from_secs(3_600));
        let late = server.make_event().unwrap();
        assert!(late.stored >= late.time + 3_600);
    }
}

#[tokio::test]
async fn a_log_that_ended_now_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.jsonl");
    let start = |settings: &str| {
        let options: BiostarXServerOptions = settings.parse().unwrap();
        started(options.with_state(&path))
    };
    let server = start("devices=2&backlog=2501&start=now").await;
    server.make_event().unwrap();
    let before = server.snapshot().events().to_vec();
    drop(server);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let server = start("devices=2&backlog=2501&start=now").await;
    assert_eq!(server.snapshot().events(), before);
    for _ in 0..4 {
        server.make_event().unwrap();
    }
    assert_unique(server.snapshot().events());
    drop(server);
    // A file of the fixed time keeps its backlog, and lives on in the present.
    let fixed = folder.path().join("fixed.jsonl");
    let options =
        |settings: &str| settings.parse::<BiostarXServerOptions>().unwrap().with_state(Path::new(&fixed));
    let server = started(options("backlog=20")).await;
    let before = server.snapshot().events().to_vec();
    drop(server);
    let server = started(options("backlog=20&start=now")).await;
    assert_eq!(server.snapshot().events(), before);
    assert!(now() - server.make_event().unwrap().time < 30);
}

/// A server; the one before may still be closing its file.
async fn started(options: BiostarXServerOptions) -> BiostarXServer {
    loop {
        match BiostarXServer::start(options.clone()).await {
            Ok(server) => return server,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy),
        }
        tokio::task::yield_now().await;
    }
}

fn assert_unique(events: &[StoredEvent]) {
    let mut hints: Vec<_> = events.iter().map(StoredEvent::hint).collect();
    hints.sort();
    hints.dedup();
    assert_eq!(hints.len(), events.len());
}

async fn rows(wire: &Wire, path: &str, collection: &str) -> Vec<Value> {
    let json = wire.call("GET", path, "").await.json();
    assert_eq!(json["Response"]["code"], "0", "{json}");
    let total: usize = json[collection]["total"].as_str().unwrap().parse().unwrap();
    let rows = json[collection]["rows"].as_array().unwrap().clone();
    assert!(rows.len() <= total);
    rows
}

fn now() -> u32 {
    u32::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}
