//! Options of the simulated server, and their text.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::fault::BiostarXFaults;
use crate::settings::Settings;
use crate::sim::setting::{
    SettingsTable, duration, faults, file, number, options_struct, parsed, switch, word,
};
use crate::sim::{Certificates, Start};
use crate::{Error, Result};

options_struct! {
    /// Options of a [`BiostarXServer`](super::BiostarXServer), also as text: `backlog=1000&faults=cut,error&seed=7`.
    ///
    /// | setting | value | default |
    /// |---|---|---|
    /// | `seed` | a 64-bit number; the same seed gives the same log, faults and session ids | 1 |
    /// | `users` | the server knows the users `1` to this number, at most 10 000 000, and the users of the simulated office | 1 000 |
    /// | `devices` | the number of office devices that report to the server, 1 to 1 000 | 2 |
    /// | `backlog` | the number of their events at the start, 0 to 1 000 000 | 0 |
    /// | `rate` | the number of their live events a second, 0 to 10 000 | 0 |
    /// | `start` | the server's clock: it stands still at `fixed` (2025-03-24T00:00:00Z) or at an RFC 3339 time until a test moves it, or it runs: `now`; then the backlog ends now, and live events have the present time | `fixed` |
    /// | `zone` | the server's time zone in minutes ahead of UTC, −840 to 840; only `server_datetime` uses it | 540 |
    /// | `dialect` | `documented`: each path in the dialect of its side; `core` or `v2`: all paths in this dialect | `documented` |
    /// | `licence` | whether the Event Log API is licensed | `true` |
    /// | `session` | the time without a request after which a session ends, `1s` to `8760h` | `1h` |
    /// | `simultaneous` | whether an account may have several sessions | `true` |
    /// | `lock` | the number of wrong passwords that lock an account, at most 1 000 000; 0 for never | 0 |
    /// | `lowest` | the lowest id of a virtual device; the documents contain both 100001 and 100000 | 100001 |
    /// | `flag` | the accepted form of `is_virtual_device`: `either`, `boolean` or `text` | `either` |
    /// | `batch` | the maximum number of events in an import, at most 1 000 000; 0 for no limit | 0 |
    /// | `rows` | the maximum number of rows in the response to a search, at most 1 000 000; 0 for no limit | 0 |
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
    /// let options: BiostarXServerOptions = "backlog=100&licence=false&faults=cut,error".parse()?;
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
        /// Sets the seed. The default is 1.
        fn with_seed(seed) => seed: u64 = 1, "seed": number(0..=u64::MAX);
        /// Sets the number of users that the server knows, `1` to this number. The default is 1 000.
        fn with_users(users) => users: u32 = 1_000, "users": number(0..=10_000_000);
        /// Sets the number of devices that report to the server. The default is 2.
        fn with_devices(devices) => devices: u32 = 2, "devices": number(1..=1_000);
        /// Sets the number of events of these devices at the start. The default is none.
        fn with_backlog(events) => backlog: u32 = 0, "backlog": number(0..=1_000_000);
        /// Sets the number of live events a second of these devices. The default is none.
        fn with_rate(events_a_second) => rate: u32 = 0, "rate": number(0..=10_000);
        /// Sets the server's clock. By default it stands still at a fixed time.
        fn with_start(start) => start: Start = Start::Fixed, "start": parsed(Start::EXPECTED, Start::parse);
        /// Sets the server's time zone, in minutes ahead of UTC. The default is 540.
        // The largest time zones that exist are UTC−12 and UTC+14.
        fn with_zone_minutes(minutes) => zone_minutes: i16 = 540, "zone": number(-840..=840);
        /// Sets the form of the responses. The default is the documented one.
        fn with_dialect(dialect) => dialect: Dialect = Dialect::Documented, "dialect": word(&DIALECTS);
        /// Sets whether the Event Log API is licensed. The default is `true`.
        fn with_licence(licence) => licence: bool = true, "licence": switch();
        /// Sets the time without a request after which a session ends, in whole seconds. The default is an hour.
        fn with_session(idle) => session: Duration = Duration::from_secs(3_600), "session": duration(SESSION);
        /// Sets whether an account may have several sessions. The default is `true`.
        fn with_simultaneous(simultaneous) => simultaneous: bool = true, "simultaneous": switch();
        /// Sets the number of wrong passwords that lock an account. The default is 0, never.
        fn with_lock_after(failures) => lock_after: u32 = 0, "lock": number(0..=1_000_000);
        /// Sets the lowest id of a virtual device. The default is 100 001.
        fn with_lowest(id) => lowest: u32 = 100_001, "lowest": number(1..=999_999);
        /// Sets the accepted form of `is_virtual_device`. The default is either form.
        fn with_flag(form) => flag: FlagForm = FlagForm::Either, "flag": word(&FLAG_FORMS);
        /// Sets the maximum number of events in an import. The default is 0, no limit.
        fn with_batch(events) => batch: u32 = 0, "batch": number(0..=1_000_000);
        /// Sets the maximum number of rows in the response to a search. The default is 0, no limit.
        fn with_rows(rows) => rows: u32 = 0, "rows": number(0..=1_000_000);
        /// Sets whether the database is encrypted. The default is `false`.
        fn with_encrypted(encrypted) => encrypted: bool = false, "encrypted": switch();
        /// Sets the form of the socket's frames. The default is text.
        fn with_frames(frames) => frames: Frames = Frames::Text, "frames": word(&FRAMES);
        /// Sets the response to a start of events without a bound socket. The default is silence.
        fn with_unbound(unbound) => unbound: Unbound = Unbound::Silence, "unbound": word(&UNBOUND);
        /// Sets whether the socket sends imported events. The default is `true`.
        fn with_push(push) => push: bool = true, "push": switch();
        /// Sets whether the server offers HTTP/2. The default is `false`.
        fn with_http2(http2) => http2: bool = false, "http2": switch();
        /// Sets whether the paths `/sim/…` exist, for tests in other languages. The default is `false`.
        fn with_control(control) => control: bool = false, "control": switch();
        /// Sets the random faults. The default is none.
        fn with_faults(faults) => faults: BiostarXFaults = BiostarXFaults::empty(), "faults": faults();
        /// Sets the address that the server listens on. The default is a free port of 127.0.0.1.
        fn with_listen(address) => listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 0)),
            "listen": parsed("an address such as 127.0.0.1:8443", |text| text.parse().ok());
        state: Option<PathBuf> = None, "state": file().optional();
        accounts: Vec<Account> = vec![Account::new(DEFAULT_LOGIN, DEFAULT_PASSWORD)];
        names: Vec<String> = Certificates::LOOPBACK.map(str::to_owned).to_vec();
        certificates: Option<Certificates> = None;
    }
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
}

/// Reads the settings of the table above. Every error names the setting and its value.
impl FromStr for BiostarXServerOptions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::read(&Settings::parse(text, Self::NAMES, &[])?)
    }
}

/// Writes the settings that differ from the defaults. Accounts, names and certificates are not settings.
impl fmt::Display for BiostarXServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes().fmt(f)
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

const DEFAULT_LOGIN: &str = "admin";
const DEFAULT_PASSWORD: &str = "simulated";

const DIALECTS: [(&str, Dialect); 3] =
    [("documented", Dialect::Documented), ("core", Dialect::Core), ("v2", Dialect::V2)];
const FLAG_FORMS: [(&str, FlagForm); 3] =
    [("either", FlagForm::Either), ("boolean", FlagForm::Boolean), ("text", FlagForm::Text)];
const FRAMES: [(&str, Frames); 3] =
    [("text", Frames::Text), ("binary", Frames::Binary), ("fragmented", Frames::Fragmented)];
const UNBOUND: [(&str, Unbound); 2] = [("silence", Unbound::Silence), ("error", Unbound::Error)];

const SESSION: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(31_536_000);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

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
            ("rows", "100"),
            ("encrypted", "true"),
            ("frames", "fragmented"),
            ("unbound", "error"),
            ("push", "false"),
            ("http2", "true"),
            ("control", "true"),
            ("faults", "slow,cut,error,session,rows,partial,strings,wrapped"),
            ("listen", "127.0.0.1:8443"),
            ("state", "server.jsonl"),
        ];
        assert_eq!(good.map(|(name, _)| name), BiostarXServerOptions::NAMES);
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
        assert!(BiostarXServerOptions::default().check_ranges().is_ok());
        let options = BiostarXServerOptions::default().with_session(Duration::from_millis(10));
        let error = options.check_ranges().unwrap_err();
        assert!(error.to_string().contains("`session`: `10ms`"), "{error}");
        let error = BiostarXServerOptions::default().with_zone_minutes(900).check_ranges().unwrap_err();
        assert!(error.to_string().contains("`zone`: `900`"), "{error}");
    }
}
