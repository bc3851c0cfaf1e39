//! Information about the server: version, licences, event types, pictures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::database::Database;
use super::devices::OfficeDevices;
use super::options::BiostarXServerOptions;
use super::records::{SERVER_TYPES, type_name};
use super::request::ReceivedRequest;
use super::response::{ApiResponse, Refusal, Side};
use crate::codec::EventCode;

/// `GET /js/info.json`: a file of the web page, not of the API. No document describes it.
pub(super) fn version() -> ApiResponse {
    ApiResponse::without_envelope(Side::Web, json!({ "name": "BioStar X", "version": SERVER_VERSION }))
}

/// `GET /api/setting/biostar`: settings and licences.
pub(super) fn installation(options: &BiostarXServerOptions) -> ApiResponse {
    let payload = json!({
        "Setting": {
            "session_timeout": options.session.as_secs().to_string(),
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
                "evtLogApi": options.licence,
                "advancedAcs": false,
            },
        },
    });
    ApiResponse::success(Side::Web, payload)
}

/// `GET /api/event_types`: the first of the three flags with the text `true` decides. The response has no envelope,
/// as in the capture.
pub(super) fn event_types(request: &ReceivedRequest) -> ApiResponse {
    let set = |name| request.parameter(name).as_deref() == Some("true");
    let mut codes: Vec<u16> = EventCode::catalogue().iter().map(|row| row.code.get()).collect();
    codes.extend(SERVER_TYPES.map(|(code, _)| code));
    codes.sort_unstable();
    codes.dedup();
    let wanted = |code: &u16| match *code {
        code if set("setting_alert") => alertable(code),
        _ if set("setting_all") => true,
        code if set("is_break_glass") => (49_408..=49_662).contains(&code),
        code => code >= 4_096,
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
    ApiResponse::without_envelope(Side::Core, collection)
}

/// `GET /api/events/images/{image_data}`.
pub(super) fn image(
    name: &str,
    database: &Database,
    devices: &OfficeDevices,
) -> Result<ApiResponse, Refusal> {
    let event = database.events.iter().find(|event| event.image && event.image_name() == name);
    let picture = event.and_then(|event| devices.picture(event)).ok_or(Refusal::NO_FILE)?;
    let payload = json!({ "ImageLog": { "data": STANDARD.encode(picture) } });
    Ok(ApiResponse::success(Side::Core, payload))
}

/// Whether a client can set an alert for the type: the types of failures.
fn alertable(code: u16) -> bool {
    matches!(code, 4_001 | 4_095) || matches!(code >> 8, 0x11 | 0x14)
}

pub(super) const SERVER_VERSION: &str = "2.9.8.14";
pub(super) const DATABASE_VERSION: &str = "2.9.8.1";
