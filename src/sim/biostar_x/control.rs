//! The paths `/sim/…`: control of the server for tests in other languages.

use std::time::Duration;

use serde_json::{Value, json};

use super::app::App;
use super::fault::{PlannedFault, RowShape};
use super::request::{ReceivedRequest, number, text};

/// The status and body of the response. `GET /sim/` lists the requests.
pub(super) fn respond(app: &mut App, request: &ReceivedRequest) -> (u16, String) {
    match act(app, request) {
        Some(body) => (200, body.to_string()),
        None => (400, json!({ "error": "no such request; see GET /sim/" }).to_string()),
    }
}

fn act(app: &mut App, request: &ReceivedRequest) -> Option<Value> {
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let command = request.path().strip_prefix(PREFIX)?;
    Some(match (request.method(), command) {
        ("GET", "state") => app.database.snapshot().to_json(),
        ("GET", "requests") => app.requests.all().iter().map(request_json).collect(),
        ("POST", "faults") => {
            app.faults.plan(text(&body["path"])?.to_owned(), fault(&body)?);
            json!({ "planned": app.faults.planned() })
        }
        ("POST", "sessions/end") => {
            app.sessions.end_all();
            json!({})
        }
        ("POST", "clock") => {
            app.clock.advance(Duration::from_secs(number(&body["advance"])?));
            json!({ "now": app.clock.now().to_string() })
        }
        ("POST", "events") => {
            let count = number(&body["count"])?.min(MAX_EVENTS);
            for _ in 0..count {
                app.make_event().ok()?;
            }
            json!({ "events": app.database.events.len() })
        }
        ("POST", "users") => {
            app.database.add_user(text(&body["user_id"])?).ok()?;
            json!({})
        }
        ("GET", "") => json!({
            "GET": ["state", "requests"],
            "POST": {
                "faults": { "path": "/api/events/import", "fault": FAULTS.map(|(name, _)| name) },
                "sessions/end": {},
                "clock": { "advance": 60 },
                "events": { "count": 1 },
                "users": { "user_id": "2" },
            },
        }),
        _ => return None,
    })
}

fn fault(body: &Value) -> Option<PlannedFault> {
    let name = text(&body["fault"])?;
    if let Some((_, fault)) = FAULTS.iter().find(|(known, _)| *known == name) {
        return Some(fault.clone());
    }
    match name {
        "slow" => Some(PlannedFault::Slow(Duration::from_millis(number(&body["milliseconds"])?))),
        "answer" => Some(PlannedFault::Answer {
            status: u16::try_from(number(&body["status"])?).ok().filter(|status| *status >= 200)?,
            body: body["body"].as_str()?.to_owned(),
        }),
        _ => None,
    }
}

/// A request without secrets: the body of a login contains a password.
fn request_json(request: &ReceivedRequest) -> Value {
    let headers: serde_json::Map<String, Value> =
        request.headers().iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let secret = request.path() == "/api/login";
    let body = (!secret).then(|| String::from_utf8_lossy(request.body()));
    json!({ "method": request.method(), "target": request.target(), "headers": headers, "body": body })
}

/// No path of a real server begins with this.
pub(super) const PREFIX: &str = "/sim/";
const MAX_EVENTS: u64 = 100_000;

/// The faults that need only a name. `slow` also needs `milliseconds`, `answer` needs `status` and `body`.
const FAULTS: [(&str, PlannedFault); 13] = [
    ("cut-before", PlannedFault::CutBefore),
    ("cut-after", PlannedFault::CutAfter),
    ("cut-within", PlannedFault::CutWithin),
    ("500", PlannedFault::Error),
    ("500-after", PlannedFault::ErrorAfter),
    ("session", PlannedFault::EndSession),
    ("rows-text", PlannedFault::Rows(RowShape::Text)),
    ("rows-missing", PlannedFault::Rows(RowShape::Missing)),
    ("rows-no-collection", PlannedFault::Rows(RowShape::NoCollection)),
    ("rows-lone", PlannedFault::Rows(RowShape::Lone)),
    ("partial", PlannedFault::Partial),
    ("strings", PlannedFault::Strings),
    ("wrapped", PlannedFault::Wrapped),
];
