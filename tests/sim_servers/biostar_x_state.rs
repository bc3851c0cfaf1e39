//! The state file of the simulated BioStar X server.

use std::fs;
use std::path::Path;

use crate::wire::Wire;
use bs2_events::ErrorKind;
use bs2_events::sim::biostar_x::{BiostarXServer, BiostarXServerOptions, Snapshot};

const EVENTS: [(&str, &str); 2] = [("2025-10-30T15:12:00Z", "1"), ("2025-10-30T15:12:01Z", "2")];

fn settings(path: &Path) -> BiostarXServerOptions {
    "backlog=20".parse::<BiostarXServerOptions>().unwrap().with_state(path)
}

#[tokio::test]
async fn a_second_server_goes_on_where_the_first_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.jsonl");
    let wire = Wire::with(settings(&path)).await;
    wire.device(100_001).await;
    wire.device(100_002).await;
    wire.server.add_user("anna").unwrap();
    wire.import(100_001, &EVENTS).await;
    wire.server.make_event().unwrap();
    wire.call("DELETE", "/api/v2/virtual_devices?id=100002", "").await;
    let (before, session) = (wire.server.snapshot().to_json(), wire.session);
    assert_eq!(Snapshot::read(&path).unwrap().events().len(), 3, "a backlog is made again at every start");
    drop(wire.server);

    let mut wire = loop {
        // The connections of the first end on the runtime.
        match BiostarXServer::start(settings(&path)).await {
            Ok(server) => {
                let http = crate::wire::client(server.ca_pem().unwrap());
                break Wire { server, http, session: session.clone() };
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(wire.server.snapshot().to_json(), before);
    assert_eq!(wire.call("GET", "/api/v2/virtual_devices", "").await.status, 401, "sessions are over");
    wire.log_in().await;
    assert_ne!(wire.session, session);
    wire.import(100_001, &[("2025-10-30T15:12:02Z", "anna")]).await;
    wire.server.make_event().unwrap();
    let state = wire.server.snapshot();
    let last = &state.events()[23..];
    assert_eq!((last[0].id, last[0].index), (3, 3));
    let mut hints: Vec<_> = state.events().iter().map(|event| event.hint()).collect();
    hints.sort();
    hints.dedup();
    assert_eq!(hints.len(), 25, "no event of a reader comes twice");
}

#[tokio::test]
async fn a_partial_line_is_ignored_and_a_bad_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.jsonl");
    let wire = Wire::with(settings(&path)).await;
    wire.device(100_001).await;
    wire.import(100_001, &EVENTS).await;
    drop(wire);
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        let copy = folder.path().join("cut.jsonl");
        fs::write(&copy, &whole[..cut]).unwrap();
        let state = Snapshot::read(&copy).unwrap();
        assert!([0, 2].contains(&state.events().len()), "an import is there whole or not at all");
        assert_eq!(fs::read(&copy).unwrap().len(), cut, "reading changes nothing");
    }
    let copy = folder.path().join("cut.jsonl");
    fs::write(&copy, &whole[..whole.len() - 5]).unwrap();
    let wire = Wire::with(settings(&copy)).await;
    wire.import(100_001, &EVENTS).await;
    assert_eq!(Snapshot::read(&copy).unwrap().imported().count(), 2);

    fs::write(&path, [&whole[..], b"{\"events\":7}\n"].concat()).unwrap();
    let error = Snapshot::read(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().ends_with("line 4 is not a change"), "{error}");
    assert_eq!(BiostarXServer::start(settings(&path)).await.unwrap_err().kind(), ErrorKind::InvalidData);
}

#[tokio::test]
async fn two_servers_cannot_write_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.jsonl");
    let _first = BiostarXServer::start(settings(&path)).await.unwrap();
    let error = BiostarXServer::start(settings(&path)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    let error = BiostarXServer::start(settings(&folder.path().join("none/server.jsonl"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
