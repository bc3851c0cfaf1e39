//! What is secret or personal shows in no error, no Debug output and no trace. Alone in its process: traces are of all of it.

use std::time::Duration;

use bs2_events::biostar_x::BiostarX;
use serde_json::json;

use crate::biostar_x_script::every_call::{everything, shown};
use crate::biostar_x_script::{Answer, Script, vector};
use crate::traces::Traces;

#[tokio::test]
async fn no_secret_and_no_person_is_shown() {
    let (traces, _recording) = Traces::begin();
    let personal = json!({
        "code": "name-canary", "message": "user-canary is not known", "by": "name-canary",
        "EventCollection": {"rows": [{"user_id": {"user_id": "user-canary", "name": "name-canary"}, "id": "1"}]},
    });
    let error =
        json!({"Response": {"code": "201", "message": "user-canary is not known", "by": "name-canary"}});
    let good = json!({
        "Response": {"code": "0", "message": "user-canary"},
        "EventCollection": {"rows": [{"user_id": {"user_id": "user-canary", "name": "name-canary"},
            "user_email": "name-canary", "datetime": "user-canary", "id": "1"}]},
    });
    let mut seen = String::new();
    for (status, body) in [
        (200, good.to_string()),
        (200, personal.to_string()),
        (400, error.to_string()),
        (500, "user-canary".to_owned()),
        (200, "\"user-canary".to_owned()),
        (401, vector("session_expired")),
        (302, String::new()),
    ] {
        let script = Script::with(move |request| match request.line.as_str() {
            "POST /api/login" => Answer::Session(200, "session-canary".to_owned(), vector("login")),
            _ => Answer::Body(status, body.clone()),
        })
        .await;
        seen += &shown(&script.builder());
        seen += &everything(&impatient(&script)).await;
    }
    let refused = Script::with(|_| Answer::Body(400, vector("login_failed"))).await;
    seen += &everything(&impatient(&refused)).await;
    let cut = Script::with(|_| Answer::Cut).await;
    seen += &everything(&impatient(&cut)).await;
    let traced = traces.text();
    assert!(traced.contains("POST /api/events/import"), "nothing was traced");
    for (what, text) in [("shown", &seen), ("traced", &traced)] {
        for canary in ["password-canary", "operator-canary", "session-canary", "user-canary", "name-canary"] {
            let place = text
                .find(canary)
                .map(|at| text[at.saturating_sub(300)..].chars().take(600).collect::<String>());
            assert_eq!(place, None, "{canary} is {what}");
        }
    }
}

/// A client that soon gives up what fails: here every answer comes at once, and would be the same again.
fn impatient(script: &Script) -> BiostarX {
    BiostarX::new(script.builder().with_patience(Duration::from_millis(50))).unwrap()
}
