//! How the server says no.

use serde_json::json;

use super::response::{Answer, Side, envelope};

/// One documented way to be refused: HTTP status, code and message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    status: u16,
    code: u32,
    message: &'static str,
    /// Whether the answer is the bare envelope, without `Response` around it.
    bare: bool,
}

impl Refusal {
    pub(super) fn answer(self, side: Side, wrap: bool) -> Answer {
        let envelope = envelope(side, &self.code.to_string(), self.message);
        let body = if self.bare && !wrap { envelope } else { json!({ "Response": envelope }) };
        let close = self == Self::BAD_LOGIN;
        Answer { status: self.status, close, ..Answer::bare(side, body) }
    }

    const fn new(status: u16, code: u32, message: &'static str) -> Self {
        Self { status, code, message, bare: false }
    }

    // The documented ones: status and code were seen together.
    pub(super) const BAD_LOGIN: Self =
        Self::new(400, 101, "Failed to login for invalid username or password");
    pub(super) const LICENCE: Self = Self { bare: true, ..Self::new(403, 331_791, "License is required.") };
    pub(super) const LOGIN_REQUIRED: Self = Self::new(401, 10, "Login required.");
    pub(super) const NOT_BOUND: Self = Self::new(500, 1_100, "Web socket is not found.");
    pub(super) const NO_PERMISSION: Self = Self::new(403, 20, "Permission denied.");
    pub(super) const UNKNOWN_REQUEST: Self = Self::new(400, 103, "Request is not supported");

    // The codes are documented, their status is not.
    pub(super) const BAD_ID: Self = Self::new(400, 317, "Invalid device ID.");
    pub(super) const BAD_JSON: Self = Self::new(400, 104, "Invalid JSON.");
    pub(super) const BAD_JSON_WEB: Self = Self::new(400, 1_000, "Malformed request JSON.");
    pub(super) const BAD_PARAMETER: Self = Self::new(400, 30, "Invalid parameters.");
    pub(super) const BAD_QUERY: Self = Self::new(400, 105, "Invalid query.");
    pub(super) const BAD_SOCKET_SESSION: Self = Self::new(400, 1_101, "Invalid session in web socket.");
    pub(super) const BARRED: Self = Self::new(400, 121, "This ID cannot be used to log in.");
    pub(super) const FAILED: Self = Self::new(500, 1_000, "Unknown error.");
    pub(super) const LOCKED: Self =
        Self::new(400, 113, "Login is locked because of too many failed attempts. Try again later.");
    pub(super) const METHOD: Self = Self::new(400, 102, "Method is not allowed.");
    pub(super) const MFA: Self = Self::new(400, 122, "Multi-factor login is enabled for this account.");
    pub(super) const NO_DEVICE: Self = Self::new(400, 301, "Device is not found.");
    pub(super) const NO_FILE: Self = Self::new(400, 107, "File is not found.");
    pub(super) const NO_GROUP: Self = Self::new(400, 500, "Device group is not found.");
    pub(super) const NO_USER: Self = Self::new(400, 201, "User is not found.");
    pub(super) const NOT_THERE: Self = Self::new(404, 103, "Request is not supported");
    pub(super) const TAKEN_ID: Self = Self::new(400, 65_663, "Device ID already exists.");
    pub(super) const TAKEN_NAME: Self = Self::new(400, 65_664, "Device name already exists.");
    pub(super) const TOO_LONG: Self = Self::new(413, 702, "Bad request.");
}
