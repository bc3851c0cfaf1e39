//! Logins and sessions: `POST /api/login`, and the sockets that are bound to sessions.

use std::collections::HashMap;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use tokio::sync::mpsc;

use super::info::{DATABASE_VERSION, SERVER_VERSION};
use super::options::{AccountState, BiostarXServerOptions, Unbound};
use super::request::{ReceivedRequest, text};
use super::response::{ApiResponse, Refusal, Side};
use crate::codec::Timestamp;
use crate::sim::rng::SeededRng;

/// The sessions, by id, and the failed logins.
pub(super) struct Sessions {
    open: HashMap<String, Session>,
    failures: HashMap<String, u32>,
    rng: SeededRng,
}

pub(super) struct Session {
    login: String,
    last_used: Timestamp,
    pub(super) is_powerless: bool,
    socket: Option<Socket>,
}

/// A socket that is bound to a session.
pub(super) struct Socket {
    /// Distinguishes the sockets of a session.
    pub(super) number: u64,
    pub(super) frames: mpsc::Sender<String>,
    pub(super) is_started: bool,
}

impl Sessions {
    pub(super) fn new(seed: u64) -> Self {
        Self { open: HashMap::new(), failures: HashMap::new(), rng: SeededRng::new(seed, STREAM) }
    }

    /// `POST /api/login`.
    pub(super) fn login(
        &mut self,
        request: &ReceivedRequest,
        options: &BiostarXServerOptions,
        now: Timestamp,
    ) -> Result<ApiResponse, Refusal> {
        let body = request.json(Refusal::BAD_JSON)?;
        let user = &body["User"];
        let (Some(login), Some(password)) = (text(&user["login_id"]), text(&user["password"])) else {
            return Err(Refusal::BAD_PARAMETER);
        };
        let session = self.open(options, login, password, now)?;
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
        Ok(ApiResponse { session: Some(session), ..ApiResponse::success(Side::Core, payload) })
    }

    /// `POST /api/events/start`. Without a bound socket the client loses all events, and usually gets no error.
    pub(super) fn start_events(
        &mut self,
        request: &ReceivedRequest,
        unbound: Unbound,
    ) -> Result<ApiResponse, Refusal> {
        let session = self.open.get_mut(request.session().unwrap_or_default());
        match (session.and_then(|session| session.socket.as_mut()), unbound) {
            (Some(socket), _) => socket.is_started = true,
            (None, Unbound::Silence) => {}
            (None, Unbound::Error) => return Err(Refusal::NOT_BOUND),
        }
        Ok(ApiResponse::success(Side::Core, json!({})))
    }

    /// Opens a session and returns its id.
    fn open(
        &mut self,
        options: &BiostarXServerOptions,
        login: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let account = options.accounts.iter().find(|account| account.login == login);
        let failed = self.failures.get(login).copied().unwrap_or_default();
        if options.lock_after > 0 && failed >= options.lock_after {
            return Err(Refusal::LOCKED);
        }
        let Some(account) = account.filter(|account| account.password.expose_secret() == password) else {
            if options.accounts.iter().any(|account| account.login == login) {
                self.failures.insert(login.to_owned(), failed.saturating_add(1));
            }
            return Err(Refusal::BAD_LOGIN);
        };
        match account.state {
            AccountState::Open | AccountState::Powerless => {}
            AccountState::Locked => return Err(Refusal::LOCKED),
            AccountState::Mfa => return Err(Refusal::MFA),
            AccountState::Barred => return Err(Refusal::BARRED),
        }
        self.failures.remove(login);
        if !options.simultaneous {
            self.open.retain(|_, session| session.login != login);
        }
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        let id = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let is_powerless = account.state == AccountState::Powerless;
        let session = Session { login: login.to_owned(), last_used: now, is_powerless, socket: None };
        self.open.insert(id.clone(), session);
        Ok(id)
    }

    /// The session of a request. The request keeps it alive.
    pub(super) fn of_request(
        &mut self,
        id: Option<&str>,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<&mut Session, Refusal> {
        let id = id.ok_or(Refusal::LOGIN_REQUIRED)?;
        let idle =
            |session: &Session| now.as_unix_seconds().saturating_sub(session.last_used.as_unix_seconds());
        if self.open.get(id).is_some_and(|session| u64::from(idle(session)) >= timeout.as_secs()) {
            self.open.remove(id);
        }
        let session = self.open.get_mut(id).ok_or(Refusal::LOGIN_REQUIRED)?;
        session.last_used = now;
        Ok(session)
    }

    pub(super) fn bind(&mut self, id: &str, socket: Socket) {
        if let Some(session) = self.open.get_mut(id) {
            session.socket = Some(socket);
        }
    }

    pub(super) fn unbind(&mut self, id: &str, number: u64) {
        if let Some(session) = self.open.get_mut(id)
            && session.socket.as_ref().is_some_and(|socket| socket.number == number)
        {
            session.socket = None;
        }
    }

    pub(super) fn unbind_all(&mut self) {
        self.open.values_mut().for_each(|session| session.socket = None);
    }

    pub(super) fn end(&mut self, id: &str) {
        self.open.remove(id);
    }

    pub(super) fn end_all(&mut self) {
        self.open.clear();
    }

    pub(super) fn unlock_accounts(&mut self) {
        self.failures.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn has_started_socket(&self) -> bool {
        self.open.values().any(|session| session.socket.as_ref().is_some_and(|socket| socket.is_started))
    }

    /// Sends a frame to every started socket. A client that does not read loses the frames that its queue cannot hold.
    pub(super) fn send(&self, frame: &str) {
        let sockets = self.open.values().filter_map(|session| session.socket.as_ref());
        for socket in sockets.filter(|socket| socket.is_started) {
            let _ = socket.frames.try_send(frame.to_owned());
        }
    }
}

/// The random stream of this seed: not that of devices or users.
const STREAM: u64 = u64::MAX - 1;
