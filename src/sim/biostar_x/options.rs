//! What server to simulate.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::fault::Faults;
use crate::sim::Start;

mod manner;
mod place;
mod text;
mod world;

/// The settings of a [`Server`](super::Server), also as text: `backlog=1000&faults=cut,500&seed=7`.
///
/// | setting | value | unless set |
/// |---|---|---|
/// | `seed` | any number of 64 bits: the same seed, the same log, faults and session ids | 1 |
/// | `users` | the users that the server knows are `1` to this number, at most 10 000 000; those of the simulated office are known too | 1 000 |
/// | `devices` | readers of the office whose events the server has, 1 to 1 000 | 2 |
/// | `backlog` | events of these readers at the start, 0 to 1 000 000 | 0 |
/// | `rate` | live events a second of these readers, 0 to 10 000 | 0 |
/// | `start` | the server's clock: it stands still at `fixed` (2025-03-24T00:00:00Z) or at a time as in RFC 3339 until it is moved, or it runs: `now` | `fixed` |
/// | `zone` | the server's time zone in minutes ahead of UTC, −840 to 840; only `server_datetime` has it | 540 |
/// | `dialect` | `documented`: each path in the dialect of its side; `core` or `v2`: all in this one | `documented` |
/// | `licence` | whether the Event Log API is licensed, 0 or 1 | 1 |
/// | `session` | seconds without a request after which a session ends, 1 to 31 536 000 | 3 600 |
/// | `simultaneous` | whether an account may have several sessions, 0 or 1 | 1 |
/// | `lock` | wrong passwords after which an account is locked, 0 for never, at most 1 000 000 | 0 |
/// | `lowest` | the lowest id of a virtual device; the documents say 100001 in one place and 100000 in another | 100001 |
/// | `flag` | what is taken for `is_virtual_device`: `either`, `boolean` or `text` | `either` |
/// | `batch` | the most events of one import, 0 for no limit, at most 1 000 000 | 0 |
/// | `encrypted` | whether the database is encrypted: then the column of users takes three operators only, 0 or 1 | 0 |
/// | `frames` | how frames of the socket come: `text`, `binary` or `fragmented` | `text` |
/// | `unbound` | what a start of events without a bound socket gets: `silence` (success, and no event ever) or `error` | `silence` |
/// | `push` | whether imported events are told on the socket, 0 or 1; no document says | 1 |
/// | `http2` | whether HTTP/2 is offered beside HTTP/1.1, 0 or 1 | 0 |
/// | `control` | whether `/sim/…` is there for tests in other languages, 0 or 1 | 0 |
/// | `faults` | what goes wrong, separated by commas; see [`Faults`] | nothing |
///
/// Accounts, certificates, the address and the state file are set in code, or by the command line.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{Faults, ServerSettings};
///
/// let settings: ServerSettings = "backlog=100&licence=0&faults=cut,500".parse()?;
/// let same = ServerSettings::default().with_backlog(100).with_licence(false).with_faults(Faults::CUT | Faults::ERROR);
/// assert_eq!(format!("{settings:?}"), format!("{same:?}"));
///
/// let error = "session=0".parse::<ServerSettings>().unwrap_err();
/// assert_eq!(error.to_string(), "setting `session`: `0` is no number from 1 to 31536000");
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone)]
pub struct ServerSettings {
    pub(super) seed: u64,
    pub(super) users: u32,
    pub(super) devices: u32,
    pub(super) backlog: u32,
    pub(super) rate: u32,
    pub(super) start: Start,
    pub(super) zone_minutes: i16,
    pub(super) dialect: Dialect,
    pub(super) licence: bool,
    pub(super) session: Duration,
    pub(super) simultaneous: bool,
    pub(super) lock_after: u32,
    pub(super) lowest: u32,
    pub(super) flag: FlagForm,
    pub(super) batch: u32,
    pub(super) encrypted: bool,
    pub(super) frames: Frames,
    pub(super) unbound: Unbound,
    pub(super) push: bool,
    pub(super) http2: bool,
    pub(super) control: bool,
    pub(super) faults: Faults,
    /// The first is there unless others are set.
    pub(super) accounts: Vec<Account>,
    pub(super) address: SocketAddr,
    pub(super) names: Vec<String>,
    pub(super) certificate: Option<Identity>,
    pub(super) state: Option<PathBuf>,
}

/// How answers are written.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{Dialect, ServerSettings};
///
/// let settings: ServerSettings = "dialect=core".parse()?;
/// # let same = ServerSettings::default().with_dialect(Dialect::Core);
/// # assert_eq!(format!("{settings:?}"), format!("{same:?}"));
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Dialect {
    /// `/api/v2/…` as the newer web tier, everything else as the older core.
    #[default]
    Documented,
    /// Every scalar as text and slashes escaped, everywhere.
    Core,
    /// Numbers as numbers, everywhere.
    V2,
}

/// What is taken for the field `is_virtual_device` of an import; the documents contradict each other.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{FlagForm, ServerSettings};
///
/// let settings: ServerSettings = "flag=text".parse()?;
/// # let same = ServerSettings::default().with_flag(FlagForm::Text);
/// # assert_eq!(format!("{settings:?}"), format!("{same:?}"));
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum FlagForm {
    /// `true` and `"true"`.
    #[default]
    Either,
    /// `true` alone.
    Boolean,
    /// `"true"` alone, as in the captured success.
    Text,
}

/// How the frames of the socket come.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{Frames, ServerSettings};
///
/// let settings: ServerSettings = "frames=binary".parse()?;
/// # let same = ServerSettings::default().with_frames(Frames::Binary);
/// # assert_eq!(format!("{settings:?}"), format!("{same:?}"));
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Frames {
    /// One text frame each.
    #[default]
    Text,
    /// One binary frame each.
    Binary,
    /// Three fragments each, which may cut a character in two.
    Fragmented,
}

/// What a start of events gets from a server whose socket is not bound.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{ServerSettings, Unbound};
///
/// let settings: ServerSettings = "unbound=error".parse()?;
/// # let same = ServerSettings::default().with_unbound(Unbound::Error);
/// # assert_eq!(format!("{settings:?}"), format!("{same:?}"));
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unbound {
    /// Success, and no event ever comes.
    #[default]
    Silence,
    /// HTTP 500.
    Error,
}

/// Who may log in.
///
/// `Debug` shows neither name nor password.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{Account, AccountState, ServerSettings};
///
/// let phone = Account::new("phone", "secret").with_state(AccountState::Mfa);
/// assert!(!format!("{phone:?}").contains("secret"));
/// let settings = ServerSettings::default().with_accounts([Account::new("api", "secret"), phone]);
/// # let _ = settings;
/// ```
#[derive(Clone)]
pub struct Account {
    pub(super) login: String,
    pub(super) password: SecretString,
    pub(super) state: AccountState,
}

/// What the server says to an account with the right password.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::AccountState;
/// assert_eq!(AccountState::default(), AccountState::Open);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum AccountState {
    /// It may log in.
    #[default]
    Open,
    /// Locked, code 113.
    Locked,
    /// Multi-factor login is on, code 122.
    Mfa,
    /// This id may not log in, code 121.
    Barred,
    /// It may log in, and lacks the permission for everything else: HTTP 403, code 20.
    Powerless,
}

impl Account {
    /// An account that may log in.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::Account;
    /// assert_eq!(format!("{:?}", Account::new("admin", "secret")), "Account { state: Open, .. }");
    /// ```
    #[must_use]
    pub fn new(login: impl Into<String>, password: impl Into<String>) -> Self {
        Self { login: login.into(), password: SecretString::from(password.into()), state: AccountState::Open }
    }

    /// Sets what it gets with the right password.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Account, AccountState};
    /// let account = Account::new("admin", "secret").with_state(AccountState::Locked);
    /// assert_eq!(format!("{account:?}"), "Account { state: Locked, .. }");
    /// ```
    #[must_use]
    pub fn with_state(mut self, state: AccountState) -> Self {
        self.state = state;
        self
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("state", &self.state).finish_non_exhaustive()
    }
}

/// A certificate chain and its key, as PEM.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) certificates: String,
    pub(super) key: SecretString,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            users: 1_000,
            devices: 2,
            backlog: 0,
            rate: 0,
            start: Start::Fixed,
            zone_minutes: 540,
            dialect: Dialect::Documented,
            licence: true,
            session: Duration::from_secs(3_600),
            simultaneous: true,
            lock_after: 0,
            lowest: 100_001,
            flag: FlagForm::Either,
            batch: 0,
            encrypted: false,
            frames: Frames::Text,
            unbound: Unbound::Silence,
            push: true,
            http2: false,
            control: false,
            faults: Faults::empty(),
            accounts: vec![Account::new(DEFAULT_LOGIN, DEFAULT_PASSWORD)],
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            names: ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec(),
            certificate: None,
            state: None,
        }
    }
}

impl fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSettings")
            .field("seed", &self.seed)
            .field("users", &self.users)
            .field("devices", &self.devices)
            .field("backlog", &self.backlog)
            .field("rate", &self.rate)
            .field("start", &self.start)
            .field("zone_minutes", &self.zone_minutes)
            .field("dialect", &self.dialect)
            .field("licence", &self.licence)
            .field("session", &self.session)
            .field("simultaneous", &self.simultaneous)
            .field("lock_after", &self.lock_after)
            .field("lowest", &self.lowest)
            .field("flag", &self.flag)
            .field("batch", &self.batch)
            .field("encrypted", &self.encrypted)
            .field("frames", &self.frames)
            .field("unbound", &self.unbound)
            .field("push", &self.push)
            .field("http2", &self.http2)
            .field("control", &self.control)
            .field("faults", &self.faults)
            .field("accounts", &self.accounts.len())
            .field("address", &self.address)
            .field("names", &self.names)
            .field("own_certificate", &self.certificate.is_some())
            .field("state", &self.state)
            .finish()
    }
}

/// The account that is there unless others are set.
const DEFAULT_LOGIN: &str = "admin";
const DEFAULT_PASSWORD: &str = "simulated";
