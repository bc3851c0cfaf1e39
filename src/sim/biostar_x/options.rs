//! Options of the simulated server, and their text.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::fault::BiostarXFaults;
use crate::settings::{DurationText, Settings, SettingsText};
use crate::sim::{Certificates, Start};
use crate::{Error, ErrorKind, Result};

/// Options of a [`BiostarXServer`](super::BiostarXServer), also as text: `backlog=1000&faults=cut,500&seed=7`.
///
/// | setting | value | default |
/// |---|---|---|
/// | `seed` | a 64-bit number; the same seed gives the same log, faults and session ids | 1 |
/// | `users` | the server knows the users `1` to this number, at most 10 000 000, and the users of the simulated office | 1 000 |
/// | `devices` | the number of office devices that report to the server, 1 to 1 000 | 2 |
/// | `backlog` | the number of their events at the start, 0 to 1 000 000 | 0 |
/// | `rate` | the number of their live events a second, 0 to 10 000 | 0 |
/// | `start` | the server's clock: it stands still at `fixed` (2025-03-24T00:00:00Z) or at an RFC 3339 time until a test moves it, or it runs: `now` | `fixed` |
/// | `zone` | the server's time zone in minutes ahead of UTC, −840 to 840; only `server_datetime` uses it | 540 |
/// | `dialect` | `documented`: each path in the dialect of its side; `core` or `v2`: all paths in this dialect | `documented` |
/// | `licence` | whether the Event Log API is licensed | `true` |
/// | `session` | the time without a request after which a session ends, `1s` to `8760h` | `1h` |
/// | `simultaneous` | whether an account may have several sessions | `true` |
/// | `lock` | the number of wrong passwords that lock an account, at most 1 000 000; 0 for never | 0 |
/// | `lowest` | the lowest id of a virtual device; the documents contain both 100001 and 100000 | 100001 |
/// | `flag` | the accepted form of `is_virtual_device`: `either`, `boolean` or `text` | `either` |
/// | `batch` | the maximum number of events in an import, at most 1 000 000; 0 for no limit | 0 |
/// | `encrypted` | whether the database is encrypted: then only three operators work on the column of users | `false` |
/// | `frames` | the form of the socket's frames: `text`, `binary` or `fragmented` | `text` |
/// | `unbound` | the response to a start of events without a bound socket: `silence` (success, and no events) or `error` | `silence` |
/// | `push` | whether the socket sends imported events; no document says so | `true` |
/// | `http2` | whether the server offers HTTP/2 beside HTTP/1.1 | `false` |
/// | `control` | whether the paths `/sim/…` exist, for tests in other languages | `false` |
/// | `faults` | faults, separated by commas; see [`BiostarXFaults`] | none |
/// | `listen` | the address and port that the server listens on | `127.0.0.1:0` |
/// | `state` | the file that keeps the state; see [`with_state`](Self::with_state) | none |
///
/// Accounts and certificates are set in code. `Display` does not write them.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{BiostarXFaults, BiostarXServerOptions};
///
/// let options: BiostarXServerOptions = "backlog=100&licence=false&faults=cut,500".parse()?;
/// let same = BiostarXServerOptions::default()
///     .with_backlog(100)
///     .with_licence(false)
///     .with_faults(BiostarXFaults::CUT | BiostarXFaults::ERROR);
/// assert_eq!(options.to_string(), same.to_string());
///
/// let error = "batch=-1".parse::<BiostarXServerOptions>().unwrap_err();
/// assert_eq!(error.to_string(), "setting `batch`: `-1` is not a number from 0 to 1000000");
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone)]
pub struct BiostarXServerOptions {
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
    pub(super) faults: BiostarXFaults,
    pub(super) listen: SocketAddr,
    pub(super) state: Option<PathBuf>,
    pub(super) accounts: Vec<Account>,
    pub(super) names: Vec<String>,
    pub(super) certificates: Option<Certificates>,
}

/// The form of the responses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Dialect {
    /// `/api/v2/…` as the newer web tier, all other paths as the older core.
    #[default]
    Documented,
    /// Every scalar as text and slashes escaped, on all paths.
    Core,
    /// Numbers as numbers, on all paths.
    V2,
}

/// The accepted form of the field `is_virtual_device` of an import. The documents contradict each other.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum FlagForm {
    /// `true` and `"true"`.
    #[default]
    Either,
    /// Only `true`.
    Boolean,
    /// Only `"true"`, as in the captured success.
    Text,
}

/// The form of the socket's frames.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Frames {
    /// One text frame for each event.
    #[default]
    Text,
    /// One binary frame for each event.
    Binary,
    /// Three fragments for each event. They may cut a character in two.
    Fragmented,
}

/// The response to a start of events without a bound socket.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unbound {
    /// Success, and no events.
    #[default]
    Silence,
    /// HTTP 500.
    Error,
}

/// An account that may log in.
///
/// `Debug` shows neither name nor password.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{Account, AccountState, BiostarXServerOptions};
///
/// let phone = Account::new("phone", "secret").with_state(AccountState::Mfa);
/// assert_eq!(format!("{phone:?}"), "Account { state: Mfa, .. }");
/// let options = BiostarXServerOptions::default().with_accounts([Account::new("api", "secret"), phone]);
/// assert!(!format!("{options:?} {options}").contains("secret"));
/// ```
#[derive(Clone)]
pub struct Account {
    pub(super) login: String,
    pub(super) password: SecretString,
    pub(super) state: AccountState,
}

/// The state of an account. It decides the response to a login with the right password.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum AccountState {
    /// The account may log in.
    #[default]
    Open,
    /// Locked, code 113.
    Locked,
    /// Multi-factor login is on, code 122.
    Mfa,
    /// This id may not log in, code 121.
    Barred,
    /// The account may log in, but has no permission for anything else: HTTP 403, code 20.
    Powerless,
}

impl BiostarXServerOptions {
    /// Sets the seed. The default is 1.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the number of users that the server knows, `1` to this number. The default is 1 000.
    #[must_use]
    pub fn with_users(mut self, users: u32) -> Self {
        self.users = users;
        self
    }

    /// Sets the number of devices that report to the server. The default is 2.
    #[must_use]
    pub fn with_devices(mut self, devices: u32) -> Self {
        self.devices = devices;
        self
    }

    /// Sets the number of events of these devices at the start. The default is none.
    #[must_use]
    pub fn with_backlog(mut self, events: u32) -> Self {
        self.backlog = events;
        self
    }

    /// Sets the number of live events a second of these devices. The default is none.
    #[must_use]
    pub fn with_rate(mut self, events_a_second: u32) -> Self {
        self.rate = events_a_second;
        self
    }

    /// Sets the server's clock. By default it stands still at a fixed time.
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Sets the server's time zone, in minutes ahead of UTC. The default is 540.
    #[must_use]
    pub fn with_zone_minutes(mut self, minutes: i16) -> Self {
        self.zone_minutes = minutes;
        self
    }

    /// Sets the form of the responses. The default is the documented one.
    #[must_use]
    pub fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Sets whether the Event Log API is licensed. The default is `true`.
    #[must_use]
    pub fn with_licence(mut self, licence: bool) -> Self {
        self.licence = licence;
        self
    }

    /// Sets the time without a request after which a session ends, in whole seconds. The default is an hour.
    #[must_use]
    pub fn with_session(mut self, idle: Duration) -> Self {
        self.session = idle;
        self
    }

    /// Sets whether an account may have several sessions. The default is `true`.
    #[must_use]
    pub fn with_simultaneous(mut self, simultaneous: bool) -> Self {
        self.simultaneous = simultaneous;
        self
    }

    /// Sets the number of wrong passwords that lock an account. The default is 0, never.
    #[must_use]
    pub fn with_lock_after(mut self, failures: u32) -> Self {
        self.lock_after = failures;
        self
    }

    /// Sets the lowest id of a virtual device. The default is 100 001.
    #[must_use]
    pub fn with_lowest(mut self, id: u32) -> Self {
        self.lowest = id;
        self
    }

    /// Sets the accepted form of `is_virtual_device`. The default is either form.
    #[must_use]
    pub fn with_flag(mut self, form: FlagForm) -> Self {
        self.flag = form;
        self
    }

    /// Sets the maximum number of events in an import. The default is 0, no limit.
    #[must_use]
    pub fn with_batch(mut self, events: u32) -> Self {
        self.batch = events;
        self
    }

    /// Sets whether the database is encrypted. The default is `false`.
    #[must_use]
    pub fn with_encrypted(mut self, encrypted: bool) -> Self {
        self.encrypted = encrypted;
        self
    }

    /// Sets the form of the socket's frames. The default is text.
    #[must_use]
    pub fn with_frames(mut self, frames: Frames) -> Self {
        self.frames = frames;
        self
    }

    /// Sets the response to a start of events without a bound socket. The default is silence.
    #[must_use]
    pub fn with_unbound(mut self, unbound: Unbound) -> Self {
        self.unbound = unbound;
        self
    }

    /// Sets whether the socket sends imported events. The default is `true`.
    #[must_use]
    pub fn with_push(mut self, push: bool) -> Self {
        self.push = push;
        self
    }

    /// Sets whether the server offers HTTP/2. The default is `false`.
    #[must_use]
    pub fn with_http2(mut self, http2: bool) -> Self {
        self.http2 = http2;
        self
    }

    /// Sets whether the paths `/sim/…` exist, for tests in other languages. The default is `false`.
    #[must_use]
    pub fn with_control(mut self, control: bool) -> Self {
        self.control = control;
        self
    }

    /// Sets the random faults. The default is none.
    #[must_use]
    pub fn with_faults(mut self, faults: BiostarXFaults) -> Self {
        self.faults = faults;
        self
    }

    /// Sets the address that the server listens on. The default is a free port of 127.0.0.1.
    #[must_use]
    pub fn with_listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Sets the file that keeps the state. By default the state is in memory.
    ///
    /// A server that is started with the same file and the same options continues where the last one ended, also if
    /// that one was killed. Sessions end.
    #[must_use]
    pub fn with_state(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = Some(path.into());
        self
    }

    /// Sets the accounts. The default is `admin` with the password `simulated`.
    #[must_use]
    pub fn with_accounts(mut self, accounts: impl IntoIterator<Item = Account>) -> Self {
        self.accounts = accounts.into_iter().collect();
        self
    }

    /// Sets the names in the certificate that the server makes. The default is [`Certificates::LOOPBACK`].
    ///
    /// With other names the server is like a real one, whose certificate does not contain its address.
    #[must_use]
    pub fn with_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the server's certificates. By default it makes its own.
    #[must_use]
    pub fn with_certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for the first option out of its range.
    pub(super) fn check(&self) -> Result<()> {
        let numbers = [
            ("users", self.users, USERS),
            ("devices", self.devices, DEVICES),
            ("backlog", self.backlog, BACKLOG),
            ("rate", self.rate, RATE),
            ("lock", self.lock_after, LOCK),
            ("lowest", self.lowest, LOWEST),
            ("batch", self.batch, BATCH),
        ];
        for (name, value, range) in numbers {
            check_number(name, value, &range)?;
        }
        check_number("zone", self.zone_minutes, &ZONE)?;
        if !SESSION.contains(&self.session) {
            let (value, least, most) =
                (DurationText(self.session), DurationText(*SESSION.start()), DurationText(*SESSION.end()));
            let message = format!("setting `session`: `{value}` is not a duration from {least} to {most}");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(())
    }
}

impl Default for BiostarXServerOptions {
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
            faults: BiostarXFaults::empty(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            state: None,
            accounts: vec![Account::new(DEFAULT_LOGIN, DEFAULT_PASSWORD)],
            names: Certificates::LOOPBACK.map(str::to_owned).to_vec(),
            certificates: None,
        }
    }
}

/// Reads the settings of the table above. Every error names the setting and its value.
impl FromStr for BiostarXServerOptions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let settings = Settings::parse(text, &NAMES, &[])?;
        let default = Self::default();
        Ok(Self {
            seed: settings.number("seed", 0..=u64::MAX)?.unwrap_or(default.seed),
            users: settings.number("users", USERS)?.unwrap_or(default.users),
            devices: settings.number("devices", DEVICES)?.unwrap_or(default.devices),
            backlog: settings.number("backlog", BACKLOG)?.unwrap_or(default.backlog),
            rate: settings.number("rate", RATE)?.unwrap_or(default.rate),
            start: settings.parsed("start", Start::EXPECTED, Start::parse)?.unwrap_or(default.start),
            zone_minutes: settings.number("zone", ZONE)?.unwrap_or(default.zone_minutes),
            dialect: word(&settings, "dialect", &DIALECTS)?.unwrap_or(default.dialect),
            licence: settings.switch("licence")?.unwrap_or(default.licence),
            session: settings.duration("session", SESSION)?.unwrap_or(default.session),
            simultaneous: settings.switch("simultaneous")?.unwrap_or(default.simultaneous),
            lock_after: settings.number("lock", LOCK)?.unwrap_or(default.lock_after),
            lowest: settings.number("lowest", LOWEST)?.unwrap_or(default.lowest),
            flag: word(&settings, "flag", &FLAG_FORMS)?.unwrap_or(default.flag),
            batch: settings.number("batch", BATCH)?.unwrap_or(default.batch),
            encrypted: settings.switch("encrypted")?.unwrap_or(default.encrypted),
            frames: word(&settings, "frames", &FRAMES)?.unwrap_or(default.frames),
            unbound: word(&settings, "unbound", &UNBOUND)?.unwrap_or(default.unbound),
            push: settings.switch("push")?.unwrap_or(default.push),
            http2: settings.switch("http2")?.unwrap_or(default.http2),
            control: settings.switch("control")?.unwrap_or(default.control),
            faults: settings.value("faults").map_or(Ok(default.faults), str::parse)?,
            listen: settings
                .parsed("listen", "an address such as 127.0.0.1:8443", |value| value.parse().ok())?
                .unwrap_or(default.listen),
            state: settings.file("state")?,
            ..default
        })
    }
}

/// Writes the settings that differ from the defaults. Accounts, names and certificates are not settings.
impl fmt::Display for BiostarXServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn changed<T: PartialEq>(value: T, default: T) -> Option<T> {
            Some(value).filter(|value| *value != default)
        }
        let default = Self::default();
        SettingsText::without_address()
            .with_some("seed", changed(self.seed, default.seed))
            .with_some("users", changed(self.users, default.users))
            .with_some("devices", changed(self.devices, default.devices))
            .with_some("backlog", changed(self.backlog, default.backlog))
            .with_some("rate", changed(self.rate, default.rate))
            .with_some("start", changed(self.start, default.start))
            .with_some("zone", changed(self.zone_minutes, default.zone_minutes))
            .with_some("dialect", changed(name_of(self.dialect, &DIALECTS), "documented"))
            .with_some("licence", changed(self.licence, default.licence))
            .with_some("session", changed(self.session, default.session).map(DurationText))
            .with_some("simultaneous", changed(self.simultaneous, default.simultaneous))
            .with_some("lock", changed(self.lock_after, default.lock_after))
            .with_some("lowest", changed(self.lowest, default.lowest))
            .with_some("flag", changed(name_of(self.flag, &FLAG_FORMS), "either"))
            .with_some("batch", changed(self.batch, default.batch))
            .with_some("encrypted", changed(self.encrypted, default.encrypted))
            .with_some("frames", changed(name_of(self.frames, &FRAMES), "text"))
            .with_some("unbound", changed(name_of(self.unbound, &UNBOUND), "silence"))
            .with_some("push", changed(self.push, default.push))
            .with_some("http2", changed(self.http2, default.http2))
            .with_some("control", changed(self.control, default.control))
            .with_some("faults", changed(self.faults, default.faults))
            .with_some("listen", changed(self.listen, default.listen))
            .with_some("state", self.state.as_ref().map(|path| path.display()))
            .fmt(f)
    }
}

/// Shows the settings; of accounts and certificates only that they are set.
impl fmt::Debug for BiostarXServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BiostarXServerOptions")
            .field("settings", &self.to_string())
            .field("accounts", &self.accounts.len())
            .field("names", &self.names)
            .field("certificates", &self.certificates)
            .finish()
    }
}

impl Account {
    /// An account that may log in.
    #[must_use]
    pub fn new(login: impl Into<String>, password: impl Into<String>) -> Self {
        Self { login: login.into(), password: SecretString::from(password.into()), state: AccountState::Open }
    }

    /// Sets the state of the account.
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

/// The value of a setting that is one of these words.
fn word<T: Copy>(settings: &Settings, name: &str, words: &[(&str, T)]) -> Result<Option<T>> {
    let known: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    settings.parsed(name, &known.join(" or "), |value| {
        words.iter().find(|(word, _)| *word == value).map(|(_, value)| *value)
    })
}

fn name_of<T: PartialEq>(value: T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}

fn check_number<T: PartialOrd + fmt::Display>(name: &str, value: T, range: &RangeInclusive<T>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = (range.start(), range.end());
    let message = format!("setting `{name}`: `{value}` is not a number from {least} to {most}");
    Err(Error::new(ErrorKind::InvalidInput, message))
}

const DEFAULT_LOGIN: &str = "admin";
const DEFAULT_PASSWORD: &str = "simulated";

const DIALECTS: [(&str, Dialect); 3] =
    [("documented", Dialect::Documented), ("core", Dialect::Core), ("v2", Dialect::V2)];
const FLAG_FORMS: [(&str, FlagForm); 3] =
    [("either", FlagForm::Either), ("boolean", FlagForm::Boolean), ("text", FlagForm::Text)];
const FRAMES: [(&str, Frames); 3] =
    [("text", Frames::Text), ("binary", Frames::Binary), ("fragmented", Frames::Fragmented)];
const UNBOUND: [(&str, Unbound); 2] = [("silence", Unbound::Silence), ("error", Unbound::Error)];

const USERS: RangeInclusive<u32> = 0..=10_000_000;
const DEVICES: RangeInclusive<u32> = 1..=1_000;
const BACKLOG: RangeInclusive<u32> = 0..=1_000_000;
const RATE: RangeInclusive<u32> = 0..=10_000;
/// The largest time zones that exist are UTC−12 and UTC+14.
const ZONE: RangeInclusive<i16> = -840..=840;
const SESSION: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(31_536_000);
const LOCK: RangeInclusive<u32> = 0..=1_000_000;
const LOWEST: RangeInclusive<u32> = 1..=999_999;
const BATCH: RangeInclusive<u32> = 0..=1_000_000;

const NAMES: [&str; 24] = [
    "seed",
    "users",
    "devices",
    "backlog",
    "rate",
    "start",
    "zone",
    "dialect",
    "licence",
    "session",
    "simultaneous",
    "lock",
    "lowest",
    "flag",
    "batch",
    "encrypted",
    "frames",
    "unbound",
    "push",
    "http2",
    "control",
    "faults",
    "listen",
    "state",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_every_setting_and_names_it_when_its_value_is_bad() {
        let good = [
            ("seed", "18446744073709551615"),
            ("users", "0"),
            ("devices", "3"),
            ("backlog", "9"),
            ("rate", "7"),
            ("start", "2018-02-07T17:49:17Z"),
            ("zone", "-180"),
            ("dialect", "v2"),
            ("licence", "false"),
            ("session", "1m"),
            ("simultaneous", "false"),
            ("lock", "5"),
            ("lowest", "100000"),
            ("flag", "boolean"),
            ("batch", "100"),
            ("encrypted", "true"),
            ("frames", "fragmented"),
            ("unbound", "error"),
            ("push", "false"),
            ("http2", "true"),
            ("control", "true"),
            ("faults", "slow,cut,500,session,rows,partial,strings,wrapped"),
            ("listen", "127.0.0.1:8443"),
            ("state", "server.jsonl"),
        ];
        assert_eq!(good.map(|(name, _)| name), NAMES);
        for (name, value) in good {
            let text = format!("{name}={value}");
            assert_eq!(text.parse::<BiostarXServerOptions>().unwrap().to_string(), text);
            let bad = if name == "state" { "" } else { "?" };
            let error = format!("{name}={bad}").parse::<BiostarXServerOptions>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let message = error.to_string();
            assert!(message.contains(&format!("`{name}`")), "{message}");
            assert!(bad.is_empty() || message.contains("`?`"), "{message}");
        }
        let all = good.map(|(name, value)| format!("{name}={value}")).join("&");
        assert_eq!(all.parse::<BiostarXServerOptions>().unwrap().to_string(), all);
        assert_eq!(BiostarXServerOptions::default().to_string(), "");
    }

    #[test]
    fn refuses_what_is_unknown_given_twice_or_without_value() {
        let error = |text: &str| text.parse::<BiostarXServerOptions>().unwrap_err().to_string();
        let message = error("license=1");
        assert!(message.starts_with("setting `license` is not known; did you mean `licence`? Known are "));
        assert!(message.contains("seed") && message.contains("users"), "{message}");
        assert!(error("seed=1&seed=2").contains("`seed` is given twice"));
        assert!(error("seed").contains("setting `seed`: `` is not a number"));
        assert!(error("dialect=latin").ends_with("`latin` is not `documented` or `core` or `v2`"));
    }

    #[test]
    fn options_set_in_code_have_the_same_ranges() {
        assert!(BiostarXServerOptions::default().check().is_ok());
        let options = BiostarXServerOptions::default().with_session(Duration::from_millis(10));
        let error = options.check().unwrap_err();
        assert!(error.to_string().contains("`session`: `10ms`"), "{error}");
        let error = BiostarXServerOptions::default().with_zone_minutes(900).check().unwrap_err();
        assert!(error.to_string().contains("`zone`: `900`"), "{error}");
    }
}
