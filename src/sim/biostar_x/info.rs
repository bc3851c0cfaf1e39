//! What the server says of itself: version, licences, event types, pictures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::app::Site;
use super::refusal::Refusal;
use super::request::Request;
use super::response::{Answer, Side};
use super::row::{SERVER_TYPES, image_name, type_name};
use crate::codec::EventCode;

impl Site {
    /// `GET /js/info.json`: the file of the page, not of the API; no document shows it.
    pub(super) fn info() -> Answer {
        Answer::bare(Side::Web, json!({ "name": "BioStar X", "version": SERVER_VERSION }))
    }

    /// `GET /api/setting/biostar`: the licences are of the native sort, also in an answer of text.
    pub(super) fn installation(&self) -> Answer {
        let payload = json!({
            "Setting": {
                "session_timeout": self.settings.session.as_secs().to_string(),
                "websocket_cors": "*",
                "enable_websocket_connection_bsSessionId": "false",
            },
            "licenses": {
                "base": { "id": 1, "prodName": "BioStar X" },
                "capacity": { "door": 5, "user": 10_000, "operator": 5 },
                "feature": {
                    "commServerBase": true,
                    "commServerAddonCount": 0,
                    "videoCount": 0,
                    "serverMatching": false,
                    "api": true,
                    "visitor": false,
                    "tna": { "standard": false, "enterprise": false },
                    "remoteAccess": false,
                    "activeDirectory": false,
                    "rollCall": false,
                    "gisMap": false,
                    "mobile": false,
                    "plugin": false,
                    "evtLogApi": self.settings.licence,
                    "advancedAcs": false,
                },
            },
        });
        Answer::ok(Side::Web, payload)
    }

    /// `GET /api/event_types`: of the three flags the first that is the text `true` wins. The envelope is missing,
    /// as in the capture.
    pub(super) fn event_types(request: &Request) -> Answer {
        let set = |name| request.parameter(name).as_deref() == Some("true");
        let mut codes: Vec<u16> = EventCode::catalogue().iter().map(|row| row.code.get()).collect();
        codes.extend(SERVER_TYPES.map(|(code, _)| code));
        codes.sort_unstable();
        codes.dedup();
        let wanted = |code: &u16| {
            if set("setting_alert") {
                alertable(*code)
            } else if set("setting_all") {
                true
            } else if set("is_break_glass") {
                (49_408..=49_662).contains(code)
            } else {
                *code >= 4_096
            }
        };
        let rows: Vec<Value> = codes
            .into_iter()
            .filter(|code| *code != 0 && wanted(code))
            .filter_map(|code| Some((code, type_name(code)?)))
            .map(|(code, name)| {
                let description = match code {
                    4_088 => "EVENT_CODE_ACCESS_GRANTED".to_owned(),
                    6_400 => "User is authenticated, but denied by access rules".to_owned(),
                    _ => name.to_owned(),
                };
                json!({
                    "code": code, "name": name, "description": description,
                    "alertable": alertable(code), "enable_alert": code == 4_001,
                })
            })
            .collect();
        let collection = json!({ "EventTypeCollection": { "total": rows.len(), "rows": rows } });
        Answer::bare(Side::Core, collection)
    }

    /// `GET /api/events/images/{image_data}`.
    pub(super) fn image(&self, name: &str) -> Result<Answer, Refusal> {
        let event = self.store.events.iter().find(|event| event.image && image_name(event) == name);
        let picture = event.and_then(|event| self.office.picture(event)).ok_or(Refusal::NO_FILE)?;
        let payload = json!({ "ImageLog": { "data": STANDARD.encode(picture) } });
        Ok(Answer::ok(Side::Core, payload))
    }
}

/// Whether an alert can be set for the type: those that something failed by.
fn alertable(code: u16) -> bool {
    matches!(code, 4_001 | 4_095) || matches!(code >> 8, 0x11 | 0x14)
}

pub(super) const SERVER_VERSION: &str = "2.9.8.14";
pub(super) const DATABASE_VERSION: &str = "2.9.8.1";
