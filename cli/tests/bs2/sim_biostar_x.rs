//! `bs2 sim biostar-x`, run as its users run it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Child;

use crate::command_line::{bs2, bs2_in, object, start_in};
use bs2_events::sim::biostar_x::BiostarXServerOptions;
use reqwest::Client;
use serde_json::{Value, json};

/// Starts a server and waits for its address.
fn start(folder: &Path, more: &[&str]) -> (Child, String) {
    let arguments = ["sim", "biostar-x", "--listen", "127.0.0.1:0", "--make-certs", "certs"];
    let mut child = start_in(folder, &[&arguments, more].concat());
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    (child, url.trim().to_owned())
}

/// A client of this server and its session.
async fn log_in(folder: &Path, url: &str, password: &str) -> (Client, String) {
    let http = crate::wire::client(&std::fs::read_to_string(folder.join("certs/ca.crt")).unwrap());
    let request = http.post(format!("{url}/api/login")).body(crate::wire::login(password));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    (http, response.headers()["bs-session-id"].to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_killed_server_has_kept_what_it_answered_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let state = ["--state", "server.jsonl", "--password-file", "password"];
    std::fs::write(folder.path().join("password"), "from a file\n").unwrap();
    let mut acknowledged = 0;
    for life in 0..3 {
        let (mut child, url) = start(folder.path(), &state);
        let (http, session) = log_in(folder.path(), &url, "from a file").await;
        let post = async |path: &str, body: Value| {
            let request = http.post(format!("{url}{path}")).header("bs-session-id", &session);
            request.body(body.to_string()).send().await.unwrap().text().await.unwrap()
        };
        let device = json!({ "id": 100_001, "name": "Gate", "device_group_id": { "id": 1 } });
        let made = post("/api/v2/virtual_devices", json!({ "VirtualDevice": device })).await;
        assert_eq!(made.contains(r#""code":"0""#), life == 0, "{made}");
        for second in 0..10 {
            let time = format!("2025-10-30T15:{life:02}:{second:02}Z");
            let event = json!({ "dev_id": 100_001, "evt": 4088, "datetime": time, "user_id": "2" });
            let body = json!({ "packet_device_id": 100_001, "is_virtual_device": true, "events": [event] });
            assert!(post("/api/events/import", body).await.contains(r#""code":"0""#));
            acknowledged += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let printed =
            bs2_in(folder.path(), &["sim", "biostar-x", "--state", "server.jsonl", "--print-state"]);
        let printed = object(&printed);
        let events = printed["events"].as_array().unwrap();
        assert_eq!(events.len(), acknowledged);
        let indexes: Vec<_> = events.iter().map(|event| event["index"].as_u64().unwrap()).collect();
        assert_eq!(indexes, (1..=acknowledged as u64).collect::<Vec<_>>());
        assert_eq!(printed["virtual_devices"][0]["name"], "Gate");
    }
}

#[tokio::test]
async fn flags_and_settings_reach_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--licence",
        "off",
        "--dialect",
        "v2",
        "--faults",
        "wrapped",
        "--set",
        "backlog=3&start=fixed&control=1",
    ];
    let (mut child, url) = start(folder.path(), &[&arguments[..], &["--session-ttl", "60s"]].concat());
    let (http, session) = log_in(folder.path(), &url, "simulated").await;
    let get = async |path: &str| -> Value {
        let request = http.get(format!("{url}{path}")).header("bs-session-id", &session);
        serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap()
    };
    assert_eq!(get("/api/v2/virtual_devices").await["Response"]["code"], "331791");
    assert_eq!(get("/sim/state").await["events"].as_array().unwrap().len(), 3);
    let clock = http.post(format!("{url}/sim/clock")).body(r#"{"advance":60}"#).send().await.unwrap();
    assert!(clock.text().await.unwrap().contains("2025-03-24T00:01:00Z"));
    assert_eq!(get("/api/setting/biostar").await["Response"]["code"], "10");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn it_ends_in_time_and_prints_what_a_program_needs() {
    let run = bs2(&["sim", "biostar-x", "--listen", "127.0.0.1:0", "--for", "0s", "--json"], b"");
    let ready = object(&run);
    assert!(ready["url"].as_str().unwrap().starts_with("https://127.0.0.1:"));
    for certificate in ["ca", "certificate"] {
        assert!(ready[certificate].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    }
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn what_cannot_be_right_is_named() {
    for (arguments, expected) in [
        (&["--faults", "fire"][..], "setting `faults`: fault `fire` is not known"),
        (&["--set", "colour=1"], "setting `colour` is not known"),
        (&["--session-ttl", "500ms"], "setting `session`: `500ms` is not a duration from 1s"),
        (&["--state", "none/server.jsonl"], "state file `none/server.jsonl` cannot be opened"),
        (&["--state", "none.jsonl", "--print-state"], "state file `none.jsonl` cannot be read"),
        (&["--cert", "none.pem", "--key", "none.pem"], "cannot read `none.pem`"),
        (&["--password-file", "none.txt"], "cannot read `none.txt`"),
    ] {
        let arguments = [&["sim", "biostar-x", "--listen", "127.0.0.1:0", "--for", "0s"], arguments].concat();
        let run = bs2(&arguments, b"");
        assert_eq!(run.code, Some(1), "{arguments:?}");
        assert!(run.stderr.starts_with(&format!("bs2: {expected}")), "{}", run.stderr);
    }
}

#[test]
fn the_help_lists_every_setting_and_every_fault() {
    let help = bs2(&["sim", "biostar-x", "--help"], b"").stdout;
    let first_words: Vec<_> = help.lines().filter_map(|line| line.split_whitespace().next()).collect();
    // These have flags of their own.
    let flags = ["dialect", "licence", "session", "faults", "listen", "state"];
    for text in ["x=1", "faults=x"] {
        let error = text.parse::<BiostarXServerOptions>().unwrap_err().to_string();
        let (_, known) = error.split_once("known are ").unwrap();
        for word in known.split(", ").filter(|word| !flags.contains(word)) {
            assert!(first_words.contains(&word), "{word} is not in {help}");
        }
    }
}
