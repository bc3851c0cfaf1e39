//! `/sim/…`: the same hands on the server as in Rust, for tests in other languages.

use std::time::Duration;

use serde_json::{Value, json};

use super::app::Site;
use super::fault::{Fault, Rows};
use super::field::{number, text};
use super::request::Request;

/// Status and body of what is asked.
///
/// | request | does |
/// |---|---|
/// | `GET /sim/state` | tells what is stored |
/// | `GET /sim/requests` | tells what was asked, without the body of a login |
/// | `POST /sim/faults` `{"path":"/api/events/import","fault":"cut-after"}` | plans what goes wrong next there |
/// | `POST /sim/sessions/end` | ends all sessions |
/// | `POST /sim/clock` `{"advance":60}` | moves the clock by seconds |
/// | `POST /sim/events` `{"count":3}` | lets readers report so many events |
/// | `POST /sim/users` `{"user_id":"2"}` | makes a user known |
pub(super) fn answer(site: &mut Site, request: &Request) -> (u16, String) {
    match act(site, request) {
        Some(body) => (200, body.to_string()),
        None => (400, json!({ "error": "no such request; see GET /sim/" }).to_string()),
    }
}

fn act(site: &mut Site, request: &Request) -> Option<Value> {
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let what = request.path().strip_prefix(PREFIX)?;
    Some(match (request.method(), what) {
        ("GET", "state") => site.store.copy().to_json(),
        ("GET", "requests") => site.record.all().iter().map(told).collect(),
        ("POST", "faults") => {
            site.fate.plan(text(&body["path"])?.to_owned(), fault(&body)?);
            json!({ "planned": site.fate.planned() })
        }
        ("POST", "sessions/end") => {
            site.sessions.end_all();
            json!({})
        }
        ("POST", "clock") => {
            site.clock.advance(Duration::from_secs(number(&body["advance"])?));
            json!({ "now": site.clock.now().to_string() })
        }
        ("POST", "events") => {
            let count = number(&body["count"])?.min(MOST_EVENTS);
            for _ in 0..count {
                site.live().ok()?;
            }
            json!({ "events": site.store.events.len() })
        }
        ("POST", "users") => {
            site.store.add_user(text(&body["user_id"])?).ok()?;
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

fn fault(body: &Value) -> Option<Fault> {
    let name = text(&body["fault"])?;
    if let Some((_, fault)) = FAULTS.iter().find(|(known, _)| *known == name) {
        return Some(fault.clone());
    }
    match name {
        "slow" => Some(Fault::Slow(Duration::from_millis(number(&body["milliseconds"])?))),
        "answer" => Some(Fault::Answer {
            status: u16::try_from(number(&body["status"])?).ok().filter(|status| *status >= 200)?,
            body: body["body"].as_str()?.to_owned(),
        }),
        _ => None,
    }
}

/// A login's body has a password in it.
fn told(request: &Request) -> Value {
    let headers: serde_json::Map<String, Value> =
        request.headers().iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let secret = request.path() == "/api/login";
    let body = (!secret).then(|| String::from_utf8_lossy(request.body()));
    json!({ "method": request.method(), "target": request.target(), "headers": headers, "body": body })
}

/// No path of a real server begins like this.
pub(super) const PREFIX: &str = "/sim/";
const MOST_EVENTS: u64 = 100_000;

/// The faults that need no more than a name; `slow` takes `milliseconds`, `answer` takes `status` and `body`.
const FAULTS: [(&str, Fault); 13] = [
    ("cut-before", Fault::CutBefore),
    ("cut-after", Fault::CutAfter),
    ("cut-within", Fault::CutWithin),
    ("500", Fault::Error),
    ("500-after", Fault::ErrorAfter),
    ("session", Fault::EndSession),
    ("rows-text", Fault::Rows(Rows::Text)),
    ("rows-missing", Fault::Rows(Rows::Missing)),
    ("rows-no-collection", Fault::Rows(Rows::NoCollection)),
    ("rows-lone", Fault::Rows(Rows::Lone)),
    ("partial", Fault::Partial),
    ("strings", Fault::Strings),
    ("wrapped", Fault::Wrapped),
];
