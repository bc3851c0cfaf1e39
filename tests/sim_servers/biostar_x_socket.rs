//! The socket of the simulated BioStar X server.

use std::sync::Arc;
use std::time::Duration;

use crate::wire::Wire;
use bs2_events::sim::biostar_x::PlannedFault;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

async fn open(wire: &Wire) -> Socket {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(wire.server.ca_pem().unwrap().as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(wire.server.address()).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let url = format!("wss://{}/wsapi", wire.server.address());
    client_async(url, stream).await.unwrap().0
}

/// The next message that is no ping.
async fn next(socket: &mut Socket) -> Option<Message> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(message)) => return Some(message),
            _ => return None,
        }
    }
}

async fn next_json(socket: &mut Socket) -> Value {
    serde_json::from_slice(&next(socket).await.unwrap().into_data()).unwrap()
}

async fn bind(wire: &Wire, socket: &mut Socket) -> Value {
    socket.send(Message::text(format!("bs-session-id={}", wire.session))).await.unwrap();
    next_json(socket).await
}

async fn start(wire: &Wire) -> u16 {
    wire.call("POST", "/api/events/start", "{}").await.status
}

/// Nothing came before the answer to this ping.
async fn is_silent(socket: &mut Socket) {
    socket.send(Message::Ping("still there?".into())).await.unwrap();
    match socket.next().await {
        Some(Ok(Message::Pong(answer))) => assert_eq!(answer, "still there?"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn events_come_once_the_socket_was_bound_and_then_started() {
    let wire = Wire::new("").await;
    let mut socket = open(&wire).await;
    assert_eq!(bind(&wire, &mut socket).await, json!({ "Response": { "code": "0" } }));
    let before = wire.server.make_event().unwrap();
    is_silent(&mut socket).await;
    assert_eq!(start(&wire).await, 200);
    let event = wire.server.make_event().unwrap();
    let frame = next_json(&mut socket).await;
    assert_eq!(frame["Event"]["index"], event.index.to_string());
    assert_eq!(frame["Event"]["event_type_id"]["code"], event.code.to_string());
    assert_eq!(frame["Event"]["event_type_id"]["name"], event.meaning().1.name().unwrap());
    assert!(frame["Event"].get("hint").is_none() && before.hint() != event.hint());
    is_silent(&mut socket).await;
}

#[tokio::test]
async fn a_start_without_a_bound_socket_brings_success_and_no_event_or_an_error() {
    for (setting, status) in [("silence", 200), ("error", 500)] {
        let wire = Wire::new(&format!("unbound={setting}")).await;
        assert_eq!(start(&wire).await, status, "no socket");
        let mut socket = open(&wire).await;
        assert_eq!(start(&wire).await, status, "not bound");
        bind(&wire, &mut socket).await;
        wire.server.make_event().unwrap();
        is_silent(&mut socket).await;
        assert_eq!(start(&wire).await, 200);
        wire.server.make_event().unwrap();
        assert!(next_json(&mut socket).await.get("Event").is_some());
    }
}

#[tokio::test]
async fn a_start_before_the_answer_to_the_binding_is_too_early() {
    let wire = Wire::new("").await;
    wire.server.plan("/wsapi", PlannedFault::Slow(Duration::from_millis(150)));
    let mut socket = open(&wire).await;
    socket.send(Message::text(format!("bs-session-id={}", wire.session))).await.unwrap();
    assert_eq!(start(&wire).await, 200);
    assert_eq!(next_json(&mut socket).await["Response"]["code"], "0");
    wire.server.make_event().unwrap();
    is_silent(&mut socket).await;
}

#[tokio::test]
async fn a_session_that_is_none_and_a_message_that_binds_nothing_are_refused() {
    let wire = Wire::new("").await;
    let mut socket = open(&wire).await;
    for text in ["bs-session-id=", "bs-session-id=00000000000000000000000000000000", "{}", ""] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(next_json(&mut socket).await["Response"]["code"], "1101", "{text}");
    }
    assert_eq!(bind(&wire, &mut socket).await["Response"]["code"], "0");
}

#[tokio::test]
async fn frames_come_as_text_as_binary_and_in_fragments() {
    for form in ["text", "binary", "fragmented"] {
        let wire = Wire::new(&format!("frames={form}")).await;
        let mut socket = open(&wire).await;
        bind(&wire, &mut socket).await;
        start(&wire).await;
        // Some ids of the office are in scripts whose characters are cut by the fragments.
        for _ in 0..200 {
            let event = wire.server.make_event().unwrap();
            let message = next(&mut socket).await.unwrap();
            assert_eq!(message.is_binary(), form == "binary");
            let frame: Value = serde_json::from_slice(&message.into_data()).unwrap();
            let user = frame["Event"]["user_id"]["user_id"].as_str();
            assert_eq!(user, event.user_id.as_deref());
        }
    }
}

#[tokio::test]
async fn sockets_receive_imported_events_unless_push_is_off() {
    for (push, told) in [("1", true), ("0", false)] {
        let wire = Wire::new(&format!("push={push}")).await;
        wire.device(100_001).await;
        let mut socket = open(&wire).await;
        bind(&wire, &mut socket).await;
        start(&wire).await;
        wire.import(100_001, &[("2025-10-30T15:12:00Z", "2")]).await;
        if told {
            let event = next_json(&mut socket).await["Event"].clone();
            assert_eq!(event["event_type_id"]["name"], "ACCESS_GRANTED");
            assert_eq!(event["device_id"], json!({ "id": "100001", "name": "V100001" }));
        }
        is_silent(&mut socket).await;
    }
}

#[tokio::test]
async fn a_session_that_ends_leaves_its_socket_open_and_silent() {
    let mut wire = Wire::new("").await;
    let mut socket = open(&wire).await;
    bind(&wire, &mut socket).await;
    start(&wire).await;
    wire.server.end_sessions();
    wire.log_in().await;
    assert_eq!(start(&wire).await, 200);
    wire.server.make_event().unwrap();
    is_silent(&mut socket).await;

    bind(&wire, &mut socket).await;
    assert_eq!(start(&wire).await, 200);
    wire.server.make_event().unwrap();
    assert!(next_json(&mut socket).await.get("Event").is_some(), "the socket can be bound again");
}

#[tokio::test]
async fn a_server_that_is_dropped_ends_its_sockets() {
    let wire = Wire::new("").await;
    let mut socket = open(&wire).await;
    bind(&wire, &mut socket).await;
    drop(wire.server);
    assert!(next(&mut socket).await.is_none());
}

#[tokio::test]
async fn readers_report_by_themselves_at_a_rate() {
    let wire = Wire::new("rate=100").await;
    let mut socket = open(&wire).await;
    bind(&wire, &mut socket).await;
    start(&wire).await;
    for _ in 0..5 {
        assert!(next_json(&mut socket).await.get("Event").is_some());
    }
}
