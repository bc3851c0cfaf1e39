//! Logging in: once for all calls, again when the session has ended, and never twice with a refused password.

use std::time::Duration;

use bs2_events::ErrorKind;
use bs2_events::biostar_x::virtual_devices::*;
use bs2_events::biostar_x::*;
use futures_util::future::join_all;

use crate::biostar_x_script::{Answer, Script, ok, vector};

fn expired() -> Answer {
    Answer::Body(401, vector("session_expired"))
}

#[tokio::test]
async fn a_login_tells_the_version() {
    let script = Script::new([]).await;
    let login = script.client().login().await.unwrap();
    assert_eq!(login.version.as_deref(), Some("2.9.8.14"));
    assert_eq!(login.database_version.as_deref(), Some("2.9.8.1"));
    assert_eq!(login.must_change_password, Some(false));
}

#[tokio::test]
async fn an_expired_session_is_renewed_once_and_the_call_repeated() {
    let script = Script::new([ok("list"), expired(), ok("list"), expired(), expired()]).await;
    let client = script.client();
    client.virtual_devices().await.unwrap();
    assert_eq!(client.virtual_devices().await.unwrap().len(), 1);
    assert_eq!(script.logins(), 2);
    let error = client.virtual_devices().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionExpired);
    assert_eq!((script.logins(), script.received().len()), (3, 5));
}

#[tokio::test]
async fn calls_at_once_share_one_login_also_when_the_session_ends() {
    let mut logins = 0;
    let script = Script::with(move |request| match request.header("bs-session-id") {
        None => {
            logins += 1;
            Answer::Session(200, format!("session-{logins}"), vector("login"))
        }
        Some("session-2") => ok("list"),
        Some(_) => expired(),
    })
    .await;
    let client = script.client();
    for result in join_all((0..20).map(|_| client.virtual_devices())).await {
        assert_eq!(result.unwrap().len(), 1);
    }
    assert_eq!(script.logins(), 2);
}

#[tokio::test]
async fn a_refused_password_is_not_tried_again_until_asked_to() {
    let script = Script::with(|_| Answer::Body(400, vector("login_failed"))).await;
    let client = script.client();
    for result in join_all((0..10).map(|_| client.virtual_devices())).await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::LoginRefused);
    }
    assert_eq!(client.virtual_devices().await.unwrap_err().http().unwrap().code(), Some("101"));
    assert_eq!(script.logins(), 1);
    assert_eq!(client.login().await.unwrap_err().kind(), ErrorKind::LoginRefused);
    assert_eq!(script.logins(), 2);
}

#[tokio::test]
async fn each_reason_why_a_login_fails_has_its_kind() {
    for (status, body, kind) in [
        (400, r#"{"Response":{"code":"113","message":"locked"}}"#, ErrorKind::AccountLocked),
        (400, r#"{"Response":{"code":"122"}}"#, ErrorKind::LoginRefused),
        (400, r#"{"Response":{"code":121}}"#, ErrorKind::LoginRefused),
        (400, r#"{"Response":{"code":"109"}}"#, ErrorKind::PermissionDenied),
        (401, r#"{"Response":{"code":"11"}}"#, ErrorKind::LoginRefused),
        (401, "", ErrorKind::LoginRefused),
        (200, r#"{"Response":{"code":"0"}}"#, ErrorKind::InvalidData),
        (200, "<html></html>", ErrorKind::InvalidData),
        (404, "", ErrorKind::NotFound),
    ] {
        let script = Script::with(move |_| Answer::Body(status, body.to_owned())).await;
        let error = script.client().login().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {body}");
        // The second factor has the same advice as a wrong password, and a sentence of its own.
        assert_eq!(error.to_string().contains("second factor"), body.contains("122"), "{status} {body}");
    }
}

#[tokio::test]
async fn a_logout_ends_the_session_and_the_next_call_begins_another() {
    let script = Script::new([ok("list"), ok("success"), ok("list")]).await;
    let client = script.client();
    client.logout().await.unwrap();
    assert_eq!(script.all().len(), 0);
    client.virtual_devices().await.unwrap();
    client.logout().await.unwrap();
    client.virtual_devices().await.unwrap();
    assert_eq!(script.logins(), 2);
}

#[tokio::test]
async fn what_may_have_been_done_is_told_apart() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = BiostarX::new(
        BiostarXOptions::new(format!("http://{closed}"))
            .with_credentials("a", "b")
            .with_patience(Duration::ZERO),
    )
    .unwrap();
    let error = client.virtual_devices().await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_done()), (ErrorKind::Disconnected, false));

    let script = Script::new([Answer::Cut, Answer::Silence]).await;
    let client = BiostarX::new(script.builder().with_timeout(Duration::from_millis(300))).unwrap();
    let error = client.virtual_devices().await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_done()), (ErrorKind::Disconnected, true));
    let error = client.virtual_devices().await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_done()), (ErrorKind::TimedOut, true));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn reads_are_retried_and_changes_are_not() {
    let failed = || Answer::Body(500, String::new());
    let script = Script::new([failed(), Answer::Cut, ok("list"), failed()]).await;
    let client = BiostarX::new(script.builder().with_patience(Duration::from_secs(60))).unwrap();
    assert_eq!(client.virtual_devices().await.unwrap().len(), 1);
    assert_eq!(script.received().len(), 3);
    let gate = NewVirtualDevice::new(VirtualDeviceId::MIN, "gate");
    let error = client.create_virtual_device(&gate).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::ServerFailed, false));
    assert_eq!(script.received().len(), 4);
}

#[tokio::test]
async fn a_virtual_device_that_must_exist_is_made_once_although_the_answer_is_lost() {
    let gate = NewVirtualDevice::new(VirtualDeviceId::MIN, "gate");
    let empty = || Answer::Body(200, r#"{"Response":{"code":"0"}}"#.to_owned());
    let script = Script::new([empty(), Answer::Cut, ok("list")]).await;
    let client = BiostarX::new(script.builder().with_patience(Duration::from_secs(60))).unwrap();
    assert_eq!(client.ensure_virtual_device(&gate).await.unwrap().id, VirtualDeviceId::MIN);
    let lines: Vec<_> = script.received().into_iter().map(|request| request.line).collect();
    let devices = ["GET", "POST", "GET"].map(|method| format!("{method} /api/v2/virtual_devices"));
    assert_eq!(lines, devices);

    // Another device has the name.
    let taken = Answer::Body(400, r#"{"Response":{"code":"330"}}"#.to_owned());
    let script = Script::new([empty(), taken, empty()]).await;
    let error = script.client().ensure_virtual_device(&gate).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}
