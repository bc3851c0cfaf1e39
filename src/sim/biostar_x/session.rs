//! Who may log in, and who is.

use std::collections::HashMap;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::mpsc;

use super::refusal::Refusal;
use super::settings::{AccountState, ServerSettings};
use crate::codec::Timestamp;
use crate::sim::rng::SeededRng;

/// The sessions, by id, and the failures to get one.
pub(super) struct Sessions {
    open: HashMap<String, Session>,
    failures: HashMap<String, u32>,
    dice: SeededRng,
}

pub(super) struct Session {
    login: String,
    used: Timestamp,
    pub(super) powerless: bool,
    pub(super) socket: Option<Socket>,
}

/// The socket that was bound to a session.
pub(super) struct Socket {
    /// Tells sockets of one session apart.
    pub(super) number: u64,
    pub(super) frames: mpsc::Sender<String>,
    pub(super) started: bool,
}

impl Sessions {
    pub(super) fn new(seed: u64) -> Self {
        Self { open: HashMap::new(), failures: HashMap::new(), dice: SeededRng::new(seed, STREAM) }
    }

    /// The id of a new session.
    pub(super) fn login(
        &mut self,
        settings: &ServerSettings,
        login: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let account = settings.accounts.iter().find(|account| account.login == login);
        let failed = self.failures.get(login).copied().unwrap_or_default();
        if settings.lock_after > 0 && failed >= settings.lock_after {
            return Err(Refusal::LOCKED);
        }
        let Some(account) = account.filter(|account| account.password.expose_secret() == password) else {
            if settings.accounts.iter().any(|account| account.login == login) {
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
        if !settings.simultaneous {
            self.open.retain(|_, session| session.login != login);
        }
        let mut bytes = [0; 16];
        self.dice.fill(&mut bytes);
        let id = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let powerless = account.state == AccountState::Powerless;
        let session = Session { login: login.to_owned(), used: now, powerless, socket: None };
        self.open.insert(id.clone(), session);
        Ok(id)
    }

    /// The session of a request, which keeps it alive.
    pub(super) fn used(
        &mut self,
        id: Option<&str>,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<&mut Session, Refusal> {
        let id = id.ok_or(Refusal::LOGIN_REQUIRED)?;
        let idle = |session: &Session| now.as_unix_seconds().saturating_sub(session.used.as_unix_seconds());
        if self.open.get(id).is_some_and(|session| u64::from(idle(session)) >= timeout.as_secs()) {
            self.open.remove(id);
        }
        let session = self.open.get_mut(id).ok_or(Refusal::LOGIN_REQUIRED)?;
        session.used = now;
        Ok(session)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.open.get_mut(id)
    }

    pub(super) fn end(&mut self, id: &str) {
        self.open.remove(id);
    }

    pub(super) fn end_all(&mut self) {
        self.open.clear();
    }

    pub(super) fn unlock(&mut self) {
        self.failures.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether any socket was started.
    pub(super) fn listen(&self) -> bool {
        self.open.values().any(|session| session.socket.as_ref().is_some_and(|socket| socket.started))
    }

    /// Sends a frame to every socket that was started. Who does not read loses what does not fit any more.
    pub(super) fn tell(&self, frame: &str) {
        let sockets = self.open.values().filter_map(|session| session.socket.as_ref());
        for socket in sockets.filter(|socket| socket.started) {
            let _ = socket.frames.try_send(frame.to_owned());
        }
    }
}

/// Of the seed, beside those of readers and people.
const STREAM: u64 = u64::MAX - 1;
