//! `POST /api/login`.

use serde_json::json;

use super::app::Site;
use super::field::{parse, text};
use super::info::{DATABASE_VERSION, SERVER_VERSION};
use super::refusal::Refusal;
use super::request::Request;
use super::response::{Answer, Side};

impl Site {
    pub(super) fn login(&mut self, request: &Request) -> Result<Answer, Refusal> {
        let body = parse(request.body(), Refusal::BAD_JSON)?;
        let user = &body["User"];
        let (Some(login), Some(password)) = (text(&user["login_id"]), text(&user["password"])) else {
            return Err(Refusal::BAD_PARAMETER);
        };
        let session = self.sessions.login(&self.settings, login, password, self.clock.now())?;
        let payload = json!({
            "User": {
                "user_id": 1,
                "name": "Administrator",
                "gender": 1,
                "birthday": "1977-10-08T04:00:00.00Z",
                "fingerprint_login": false,
                "fingerprint_template_count": 0,
                "face_count": 0,
                "visual_face_count": 0,
                "card_count": 0,
                "qr_count": 0,
                "mobile_count": 0,
                "need_to_update_pw": false,
                "permission": { "module": { "Monitoring": { "read": true, "write": true } } },
            },
            "version": {
                "dbBiostarVersion": DATABASE_VERSION,
                "biostarVersion": SERVER_VERSION,
                "isMatchVersion": true,
                "notiPopupOpen": false,
            },
        });
        Ok(Answer { session: Some(session), ..Answer::ok(Side::Core, payload) })
    }
}
