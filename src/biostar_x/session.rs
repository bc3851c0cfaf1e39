//! The session: one login for all calls, renewed when it has ended.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use super::lenient::{ApiResponse, at, flag, text};
use super::transport::{Request, Transport};
use crate::biostar_x::codes::{is_foreign, login_refused};
use crate::error::invalid;
use crate::{Error, ErrorKind, Result};

/// What the server reports about itself and the account at a login.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Login {
    /// The server's version, such as `2.9.8.14`.
    pub version: Option<String>,
    /// The version of its database, such as `2.9.8.1`.
    pub database_version: Option<String>,
    /// Whether the server asks for a new password; until then the account still works.
    pub must_change_password: Option<bool>,
}

#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) login_id: SecretString,
    pub(super) password: SecretString,
}

/// A session and its number.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) id: SecretString,
    pub(super) generation: u64,
}

/// The shared session.
pub(super) struct Sessions {
    credentials: Option<Credentials>,
    state: Mutex<State>,
    /// How many logins were tried to the end.
    attempts: AtomicU64,
    /// The generation of the newest session: a socket belongs to one.
    newest: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    failure: Option<Error>,
}

impl Sessions {
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        Self {
            credentials,
            state: Mutex::default(),
            attempts: AtomicU64::new(0),
            newest: watch::Sender::new(0),
        }
    }

    /// The session; logs in where there is none.
    pub(super) async fn current(&self, transport: &Transport) -> Result<Session> {
        self.after(transport, None).await
    }

    /// A session other than the one that has ended. The first caller logs in; the others wait for it.
    pub(super) async fn renew(&self, transport: &Transport, ended: u64) -> Result<Session> {
        self.after(transport, Some(ended)).await
    }

    async fn after(&self, transport: &Transport, ended: Option<u64>) -> Result<Session> {
        let attempts = self.attempts.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        match &state.session {
            Some(session) if Some(session.generation) != ended => return Ok(session.clone()),
            _ => state.session = None,
        }
        if let Some(failure) = &state.failure {
            // Another call tried while this one waited. And a refused password is not tried again without the
            // caller's will, because the server then locks the account.
            if self.attempts.load(Ordering::SeqCst) != attempts || is_final(failure) {
                return Err(failure.clone());
            }
        }
        self.log_in(transport, &mut state).await.map(|(session, _)| session)
    }

    /// Logs in, also where there is a session.
    pub(super) async fn login(&self, transport: &Transport) -> Result<Login> {
        let mut state = self.state.lock().await;
        self.log_in(transport, &mut state).await.map(|(_, login)| login)
    }

    pub(super) async fn logout(&self, transport: &Transport) -> Result<()> {
        let Some(session) = self.state.lock().await.session.take() else { return Ok(()) };
        let request = Request::plain(Method::POST, "POST /api/logout");
        let reply = transport.send(&request, Some(&session.id)).await?;
        match ApiResponse::of(request.endpoint(), &reply) {
            Err(error) if error.kind() != ErrorKind::SessionExpired => Err(error),
            _ => Ok(()),
        }
    }

    /// Reports the generation of each new session.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    async fn log_in(&self, transport: &Transport, state: &mut State) -> Result<(Session, Login)> {
        state.session = None;
        let result = self.try_log_in(transport).await;
        self.attempts.fetch_add(1, Ordering::SeqCst);
        state.failure = result.as_ref().err().cloned();
        let (id, login) = result?;
        let generation = *self.newest.borrow() + 1;
        let session = Session { id, generation };
        state.session = Some(session.clone());
        self.newest.send_replace(generation);
        tracing::info!(generation, "logged in");
        Ok((session, login))
    }

    async fn try_log_in(&self, transport: &Transport) -> Result<(SecretString, Login)> {
        let credentials = self.credentials.as_ref().ok_or_else(|| {
            invalid("there is no login id: give one with `with_credentials`, or the setting `user`")
        })?;
        let body = LoginBody {
            user: LoginUser {
                login_id: credentials.login_id.expose_secret(),
                password: credentials.password.expose_secret(),
            },
        };
        let request = Request::plain(Method::POST, "POST /api/login").with_json(&body)?;
        let reply = transport.send(&request, None).await?;
        let done = ApiResponse::of(request.endpoint(), &reply).map_err(of_login)?;
        let session =
            reply.session.ok_or_else(|| done.unreadable("the answer to the login has no session"))?;
        Ok((session, Login::read(&done.body)))
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("generation", &*self.newest.borrow()).finish_non_exhaustive()
    }
}

impl Login {
    fn read(body: &Value) -> Self {
        Self {
            version: text(at(body, &["version", "biostarVersion"])),
            database_version: text(at(body, &["version", "dbBiostarVersion"])),
            must_change_password: flag(at(body, &["User", "need_to_update_pw"])),
        }
    }
}

/// A login uses no session, so "session ended" means that the login was refused, if BioStar X says it.
fn of_login(error: Error) -> Error {
    let is_refused = error.kind() == ErrorKind::SessionExpired && !is_foreign(&error);
    if is_refused { login_refused(&error) } else { error }
}

/// Whether the same login fails again.
fn is_final(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::AccountLocked | ErrorKind::InvalidInput | ErrorKind::LoginRefused)
}

#[derive(Serialize)]
struct LoginBody<'a> {
    #[serde(rename = "User")]
    user: LoginUser<'a>,
}

#[derive(Serialize)]
struct LoginUser<'a> {
    login_id: &'a str,
    password: &'a str,
}
