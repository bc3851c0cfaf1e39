//! The responses and refusals of the simulated BioStar X server.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::wire::{Wire, client, login};
use bs2_events::sim::Certificates;
use bs2_events::sim::biostar_x::{Account, AccountState, BiostarXServer, BiostarXServerOptions};
use serde_json::{Value, json};

#[tokio::test]
async fn answers_every_captured_and_documented_exchange_byte_for_byte() {
    let mut wires = BTreeMap::new();
    for line in include_str!("../support/vectors/biostar_x/exchanges.jsonl").lines() {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| exchange[key].as_str().unwrap_or_default();
        if !wires.contains_key(text("settings")) {
            wires.insert(text("settings").to_owned(), Wire::new(text("settings")).await);
        }
        let reply = wires[text("settings")].call(text("method"), text("target"), text("body")).await;
        assert_eq!(u64::from(reply.status), exchange["status"], "{}: {}", text("name"), reply.text);
        assert_eq!(reply.text, text("answer"), "{}", text("name"));
    }
}

#[tokio::test]
async fn a_login_tells_who_and_which_version_and_gives_the_session_in_a_header_alone() {
    let wire = Wire::new("").await;
    let reply = wire.call("POST", "/api/login", &login("simulated")).await;
    let mut json = reply.json();
    json["User"].as_object_mut().unwrap().remove("permission").unwrap();
    // Captured in the vendor's Postman collection 1.0.2; photo, permissions and indexes were cut.
    let captured = r#"{"User":{"user_id":"1","name":"Administrator","gender":"1","birthday":"1977-10-08T04:00:00.00Z",
        "fingerprint_login":"false","fingerprint_template_count":"0","face_count":"0","visual_face_count":"0",
        "card_count":"0","qr_count":"0","mobile_count":"0","need_to_update_pw":"false"},
        "version":{"dbBiostarVersion":"2.9.8.1","biostarVersion":"2.9.8.14","isMatchVersion":"true",
        "notiPopupOpen":"false"},"Response":{"code":"0",
        "link":"https://support.supremainc.com/en/support/home","message":"Success"}}"#;
    assert_eq!(json, serde_json::from_str::<Value>(captured).unwrap());
    let session = reply.headers["bs-session-id"].to_str().unwrap();
    assert!(session.len() == 32 && session.bytes().all(|byte| byte.is_ascii_hexdigit()), "{session}");
    assert!(!reply.text.contains(session));
    assert_eq!(reply.headers["status"], "200 OK");
    assert_eq!(wire.server.sessions(), 2);
}

#[tokio::test]
async fn a_bad_login_differs_from_a_locked_a_barred_and_a_phone_account() {
    let account = |login: &str, state| Account::new(login, "simulated").with_state(state);
    let settings = BiostarXServerOptions::default().with_lock_after(2).with_accounts([
        Account::new("admin", "simulated"),
        account("locked", AccountState::Locked),
        account("phone", AccountState::Mfa),
        account("barred", AccountState::Barred),
    ]);
    let wire = Wire::logged_out(settings).await;
    for (login, password, code) in [
        ("nobody", "simulated", "101"),
        ("locked", "simulated", "113"),
        ("locked", "wrong", "101"),
        ("phone", "simulated", "122"),
        ("barred", "simulated", "121"),
        ("admin", "wrong", "101"),
        ("admin", "wrong", "101"),
        ("admin", "simulated", "113"),
    ] {
        let body = json!({ "User": { "login_id": login, "password": password } }).to_string();
        let reply = wire.call("POST", "/api/login", &body).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{login}");
        assert!(!reply.headers.contains_key("bs-session-id"));
    }
    wire.server.unlock_accounts();
    assert_eq!(wire.call("POST", "/api/login", &login("simulated")).await.status, 200);
    for body in ["", "{", "[]", r#"{"login_id":"admin","password":"simulated"}"#, r#"{"User":{}}"#] {
        assert_eq!(wire.call("POST", "/api/login", body).await.status, 400, "{body}");
    }
}

#[tokio::test]
async fn an_account_without_permission_can_log_in_and_nothing_else() {
    let account = Account::new("admin", "simulated").with_state(AccountState::Powerless);
    let wire = Wire::with(BiostarXServerOptions::default().with_accounts([account])).await;
    for (method, target) in [("GET", "/api/v2/virtual_devices"), ("POST", "/api/events/search")] {
        let reply = wire.call(method, target, "{}").await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "20"), "{target}");
    }
    assert_eq!(wire.call("POST", "/api/logout", "").await.status, 200);
}

#[tokio::test]
async fn a_session_ends_by_idleness_by_logout_by_the_server_and_by_a_second_login() {
    let mut wire = Wire::new("session=60s&simultaneous=0").await;
    let alive = async |wire: &Wire| {
        let reply = wire.call("GET", "/api/setting/biostar", "").await;
        if reply.status != 200 {
            assert_eq!((reply.status, reply.code().as_str()), (401, "10"), "{}", reply.text);
        }
        reply.status == 200
    };
    for _ in 0..3 {
        wire.server.advance(Duration::from_secs(59));
        assert!(alive(&wire).await, "a request keeps it alive");
    }
    wire.server.advance(Duration::from_secs(60));
    assert!(!alive(&wire).await);

    wire.log_in().await;
    let first = wire.session.clone();
    wire.log_in().await;
    let second = std::mem::replace(&mut wire.session, first);
    assert!(!alive(&wire).await, "the second login ended the first session");
    wire.session = second;
    assert!(alive(&wire).await);
    wire.server.end_sessions();
    assert!(!alive(&wire).await);
    wire.session.clear();
    assert!(!alive(&wire).await, "without the header there is no session");
}

#[tokio::test]
async fn unknown_paths_wrong_methods_and_paths_outside_the_api_have_different_errors() {
    let wire = Wire::new("").await;
    for (method, target, status, code) in [
        ("GET", "/api/unknown", 400, "103"),
        ("GET", "/api/v2/unknown", 400, "103"),
        ("GET", "/api/v2/virtual_devices/", 400, "103"),
        ("POST", "/api/events/import/", 400, "103"),
        ("GET", "/api/events/import", 400, "102"),
        ("GET", "/api/v2/virtual_devices/100001", 400, "102"),
        ("GET", "/elsewhere", 404, "103"),
        ("GET", "/sim/state", 404, "103"),
        ("GET", "/wsapi", 400, "103"),
    ] {
        let reply = wire.call(method, target, "").await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{method} {target}");
        assert_eq!(reply.json()["Response"].get("by").is_some(), target.starts_with("/api/v2"), "{target}");
    }
}

#[tokio::test]
async fn the_dialect_can_be_forced_on_every_path() {
    for (dialect, id, core) in [("core", json!("100001"), true), ("v2", json!(100_001), false)] {
        let wire = Wire::new(&format!("dialect={dialect}")).await;
        wire.device(100_001).await;
        let devices = wire.call("GET", "/api/v2/virtual_devices", "").await;
        assert_eq!(devices.json()["VirtualDevices"][0]["id"], id);
        assert_eq!(devices.text.contains(r"https:\/\/"), core);
        wire.import(100_001, &[("2025-10-30T15:12:00Z", "2")]).await;
        let found = wire.search(json!({ "limit": 1 })).await;
        assert_eq!(found.rows()[0]["device_id"]["id"], id);
        assert_eq!(found.text.contains(r"https:\/\/"), core);
    }
}

#[tokio::test]
async fn reports_its_version_licences_and_event_types() {
    let wire = Wire::new("licence=0").await;
    assert_eq!(wire.call("GET", "/js/info.json", "").await.json()["version"], "2.9.8.14");
    let installation = wire.call("GET", "/api/setting/biostar", "").await.json();
    assert_eq!(installation["licenses"]["feature"]["evtLogApi"], false);
    wire.server.set_licence(true);
    let installation = wire.call("GET", "/api/setting/biostar", "").await.json();
    assert_eq!(installation["licenses"]["feature"]["evtLogApi"], true);

    let types = async |query: &str| {
        let json = wire.call("GET", &format!("/api/event_types{query}"), "").await.json();
        let rows = json["EventTypeCollection"]["rows"].as_array().unwrap().clone();
        assert_eq!(json["EventTypeCollection"]["total"], rows.len().to_string());
        assert!(json.get("Response").is_none(), "as in the capture");
        rows
    };
    let all = types("?setting_all=true").await;
    // Rows of the capture in the vendor's Postman collection 1.0.2.
    for row in [
        json!({"code":"4088","name":"ACCESS_GRANTED","description":"EVENT_CODE_ACCESS_GRANTED","alertable":"false","enable_alert":"false"}),
        json!({"code":"6400","name":"ACCESS_DENIED","description":"User is authenticated, but denied by access rules","alertable":"false","enable_alert":"false"}),
    ] {
        assert!(all.contains(&row), "{row}");
    }
    let has = |rows: &[Value], code: &str| rows.iter().any(|row| row["code"] == code);
    assert!(has(&all, "4001") && !has(&types("").await, "4001"));
    assert!(types("?setting_all=TRUE").await.len() < all.len(), "only the exact text counts");
    assert!(types("?setting_alert=true&setting_all=true").await.len() < all.len(), "the first flag wins");
    for row in types("?is_break_glass=true").await {
        let code: u16 = row["code"].as_str().unwrap().parse().unwrap();
        assert!((49_408..=49_662).contains(&code), "{code}");
    }
}

#[tokio::test]
async fn what_came_is_recorded_byte_for_byte_without_secrets() {
    let wire = Wire::new("").await;
    wire.call("DELETE", "/api/v2/virtual_devices?id=100001+100002", "").await;
    let requests = wire.server.requests();
    let [first, second] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((first.method(), first.target()), ("POST", "/api/login"));
    assert_eq!(first.body(), login("simulated").as_bytes());
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!((second.method(), second.target()), ("DELETE", "/api/v2/virtual_devices?id=100001+100002"));
    assert_eq!(second.header("bs-session-id"), Some("(session)"));
    let shown = format!("{:?} {:?}", requests, wire.server);
    assert!(!shown.contains(&wire.session) && !shown.contains("simulated\""), "{shown}");
}

#[tokio::test]
async fn a_certificate_can_be_given_and_its_names_may_be_others() {
    let wire = Wire::logged_out(BiostarXServerOptions::default().with_names(["biostar.example"])).await;
    let error = wire.try_call("GET", "/js/info.json", "").await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");

    let made = Certificates::make(["127.0.0.1"]).unwrap();
    let settings = BiostarXServerOptions::default()
        .with_certificates(Certificates::from_pem(made.certificate_pem(), made.key_pem()));
    let server = BiostarXServer::start(settings).await.unwrap();
    assert_eq!((server.ca_pem(), server.certificate_pem()), (None, made.certificate_pem()));
    let url = format!("{}/js/info.json", server.url());
    assert_eq!(client(made.ca_pem().unwrap()).get(url).send().await.unwrap().status(), 200);

    for (certificate, key) in [("", made.key_pem()), (made.certificate_pem(), "")] {
        let settings =
            BiostarXServerOptions::default().with_certificates(Certificates::from_pem(certificate, key));
        let error = BiostarXServer::start(settings).await.unwrap_err();
        assert_eq!(error.kind(), bs2_events::ErrorKind::InvalidInput);
    }
}

#[tokio::test]
async fn a_server_that_is_dropped_is_gone() {
    let wire = Wire::new("").await;
    let url = format!("{}/js/info.json", wire.server.url());
    assert_eq!(wire.http.get(&url).send().await.unwrap().status(), 200);
    drop(wire.server);
    assert!(wire.http.get(&url).send().await.is_err());
}

#[test]
fn outside_a_runtime_there_is_no_server_and_no_panic() {
    let started =
        futures_util::FutureExt::now_or_never(BiostarXServer::start(BiostarXServerOptions::default()))
            .unwrap();
    assert_eq!(started.unwrap_err().kind(), bs2_events::ErrorKind::Other);
}

#[tokio::test]
async fn speaks_http_2_where_it_is_offered() {
    let wire = Wire::new("http2=1").await;
    let url = format!("{}/js/info.json", wire.server.url());
    assert_eq!(wire.http.get(url).send().await.unwrap().version(), reqwest::Version::HTTP_2);
    let wire = Wire::new("").await;
    let url = format!("{}/js/info.json", wire.server.url());
    assert_eq!(wire.http.get(url).send().await.unwrap().version(), reqwest::Version::HTTP_11);
}
