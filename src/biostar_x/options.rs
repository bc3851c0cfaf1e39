//! Which server, who logs in, and how long the client waits.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::session::Credentials;
use super::transport::Address;
use crate::error::invalid;
use crate::settings::{DurationText, Settings, SettingsText, Url};
use crate::tls::Trust;
use crate::{Error, ErrorKind, Result, RetryPolicy};

/// The options of a [`BiostarX`](super::BiostarX) client.
///
/// As a URL: `biostar-x://HOST[:PORT]?name=value&…`; `https://` means the same, and `http://` is without TLS.
///
/// | setting | |
/// |---|---|
/// | `user` | the login id |
/// | `password-file` | a file whose first line is the password; without it, the environment variable `BS2_X_PASSWORD` |
/// | `ca`, `pin`, `danger-accept-any-certificate` | whom to trust, as in [`tls`](crate::tls) |
/// | `danger-accept-plain-http` | `http://` also to another computer |
/// | `connect-timeout` | how long a connection may take; 10 s by default |
/// | `timeout` | how long a call may take; 30 s by default |
/// | `answer-limit` | how many bytes an answer may have; 8 MiB by default |
/// | `patience` | how long a read is retried while the server fails; 60 s by default |
///
/// The client uses no proxy and follows no redirection, because either would see the session.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use bs2_events::biostar_x::{BiostarX, BiostarXOptions};
/// use bs2_events::tls::Trust;
///
/// # fn main() -> bs2_events::Result<()> {
/// let options = BiostarXOptions::new("https://192.0.2.10")
///     .with_credentials("operator", "secret")
///     .with_trust(Trust::danger_accept_any_certificate())
///     .with_timeout(Duration::from_secs(10));
/// let client = BiostarX::new(options.clone())?;
///
/// // The same, without the password, which is never shown.
/// let text = "biostar-x://192.0.2.10?user=operator&danger-accept-any-certificate=true&timeout=10s";
/// assert_eq!(options.to_string(), text);
/// assert_eq!(text.parse::<BiostarXOptions>()?.to_string(), text);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct BiostarXOptions {
    server: String,
    login_id: Option<String>,
    password: Password,
    pub(super) trust: Trust,
    allow_plain: bool,
    pub(super) connect_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) answer_limit: usize,
    pub(super) patience: Duration,
}

#[derive(Clone)]
enum Password {
    /// The environment variable.
    Variable,
    File(PathBuf),
    Given(SecretString),
}

impl BiostarXOptions {
    /// Options for the server at this address, such as `https://192.0.2.10` or `https://biostar.example:4433`.
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            login_id: None,
            password: Password::Variable,
            trust: Trust::system(),
            allow_plain: false,
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
            answer_limit: ANSWER_LIMIT,
            patience: PATIENCE,
        }
    }

    /// Sets who logs in. The account needs the right to see events, and no second factor.
    pub fn with_credentials(self, login_id: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Self { login_id: Some(login_id.into()), password: Password::Given(password.into()), ..self }
    }

    /// Sets the login id; the password comes from the environment variable `BS2_X_PASSWORD` or from
    /// [`with_password_file`](Self::with_password_file).
    pub fn with_user(self, login_id: impl Into<String>) -> Self {
        Self { login_id: Some(login_id.into()), ..self }
    }

    /// Takes the password from the first line of a file, which is read when the client is made.
    pub fn with_password_file(self, path: impl Into<PathBuf>) -> Self {
        Self { password: Password::File(path.into()), ..self }
    }

    /// Sets which certificates the client accepts; those that the operating system trusts by default.
    ///
    /// A server's certificate as installed is signed by nobody known, and has another name than its address:
    /// [`Trust::pin`] is for such a server.
    pub fn with_trust(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Allows `http://` to another computer: anyone on the path can read the password. To this computer itself it is
    /// always allowed.
    pub fn danger_accept_plain_http(self) -> Self {
        Self { allow_plain: true, ..self }
    }

    /// Sets how long a connection may take; 10 s by default.
    pub fn with_connect_timeout(self, timeout: Duration) -> Self {
        Self { connect_timeout: timeout, ..self }
    }

    /// Sets how long a call may take, from the connection to the last byte of the answer; 30 s by default.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets how many bytes an answer may have; 8 MiB by default, which are some ten thousand events. A page of a search that
    /// is larger is asked for again with fewer events.
    pub fn with_answer_limit(self, bytes: usize) -> Self {
        Self { answer_limit: bytes, ..self }
    }

    /// Sets how long a read is retried while the server is busy, fails or cannot be reached; 60 s by default. Zero
    /// retries nothing. Calls that change something are never retried.
    pub fn with_patience(self, limit: Duration) -> Self {
        Self { patience: limit, ..self }
    }

    /// The address, checked. Errors do not repeat it: it may hold a secret.
    pub(super) fn address(&self) -> Result<Address> {
        let address = Address::parse(&self.server)?;
        if !address.is_tls && !self.allow_plain && !address.is_this_computer() {
            let message =
                "setting `server`: https:// is expected, because http:// shows the password to others";
            return Err(invalid(message));
        }
        Ok(address)
    }

    /// The login id and the password; `None` without a login id.
    pub(super) fn credentials(&self) -> Result<Option<Credentials>> {
        let Some(login_id) = &self.login_id else { return Ok(None) };
        let password = match &self.password {
            Password::Given(password) => password.clone(),
            Password::File(path) => first_line(path)?.into(),
            Password::Variable => std::env::var(PASSWORD_VARIABLE)
                .map_err(|_| {
                    invalid(format!(
                        "there is no password: set the environment variable {PASSWORD_VARIABLE}, or name a file with \
                         `password-file`"
                    ))
                })?
                .into(),
        };
        if secrecy::ExposeSecret::expose_secret(&password).is_empty() {
            return Err(invalid("the password is empty"));
        }
        Ok(Some(Credentials { login_id: login_id.as_str().into(), password }))
    }

    /// Reads the settings in [`NAMES`](Self::NAMES) for the server of this URL.
    pub(crate) fn from_settings(url: &Url, settings: &Settings) -> Result<Self> {
        let scheme = match url.scheme() {
            "biostar-x" | "https" => "https",
            "http" => "http",
            _ => return Err(invalid("a URL such as biostar-x://192.0.2.10?user=operator is expected")),
        };
        let host = url
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| invalid("the URL names no server: biostar-x://HOST?user=LOGIN is expected"))?;
        let mut options = Self::new(format!("{scheme}://{host}{}", url.path()));
        options.login_id = settings.text("user")?.map(str::to_owned);
        if let Some(path) = settings.file("password-file")? {
            options.password = Password::File(path);
        }
        options.trust = Trust::from_settings(settings)?;
        options.allow_plain = settings.switch("danger-accept-plain-http")?.unwrap_or_default();
        let any = Duration::from_millis(1)..=LONGEST;
        options.connect_timeout =
            settings.duration("connect-timeout", any.clone())?.unwrap_or(CONNECT_TIMEOUT);
        options.timeout = settings.duration("timeout", any)?.unwrap_or(TIMEOUT);
        options.patience = settings.duration("patience", Duration::ZERO..=LONGEST)?.unwrap_or(PATIENCE);
        options.answer_limit = settings.number("answer-limit", 1..=usize::MAX)?.unwrap_or(ANSWER_LIMIT);
        options.address()?;
        Ok(options)
    }

    /// Adds the settings that [`from_settings`](Self::from_settings) reads, except what has its default.
    pub(crate) fn write(&self, text: SettingsText) -> SettingsText {
        let password_file = match &self.password {
            Password::File(path) => Some(path.display()),
            _ => None,
        };
        let unless = |value: Duration, default| (value != default).then_some(DurationText(value));
        let text = text.with_some("user", self.login_id.as_deref()).with_some("password-file", password_file);
        self.trust
            .write(text)
            .with_some("danger-accept-plain-http", self.allow_plain.then_some(true))
            .with_some("connect-timeout", unless(self.connect_timeout, CONNECT_TIMEOUT))
            .with_some("timeout", unless(self.timeout, TIMEOUT))
            .with_some("answer-limit", (self.answer_limit != ANSWER_LIMIT).then_some(self.answer_limit))
            .with_some("patience", unless(self.patience, PATIENCE))
    }

    /// The server as a URL, without settings: `biostar-x://192.0.2.10`.
    pub(crate) fn server_url(&self) -> String {
        let address = self.address().map(|address| address.to_string()).unwrap_or_default();
        match address.strip_prefix("https:") {
            Some(rest) => format!("biostar-x:{rest}"),
            None => address,
        }
    }

    /// The names of the settings.
    pub(crate) const NAMES: [&str; 10] = [
        "answer-limit",
        "ca",
        "connect-timeout",
        "danger-accept-any-certificate",
        "danger-accept-plain-http",
        "password-file",
        "patience",
        "pin",
        "timeout",
        "user",
    ];
}

impl FromStr for BiostarXOptions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let url = Url::parse(text)?;
        Self::from_settings(&url, &parse_settings(&url, &Self::NAMES)?)
    }
}

/// As [`FromStr`] reads it, without the password.
impl fmt::Display for BiostarXOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(SettingsText::new(self.server_url())).fmt(f)
    }
}

/// Without login id and password.
impl fmt::Debug for BiostarXOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BiostarXOptions")
            .field("server", &self.server_url())
            .field("has_credentials", &self.login_id.is_some())
            .field("trust", &self.trust)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// How reads are retried.
pub(super) fn read_policy(patience: Duration) -> RetryPolicy {
    RetryPolicy::default()
        .with_first(Duration::from_millis(100))
        .with_longest(Duration::from_secs(5))
        .with_total(patience)
}

/// The settings of a URL. A password in it would be seen by others, so the error says where it belongs.
pub(crate) fn parse_settings(url: &Url, names: &[&'static str]) -> Result<Settings> {
    if url.query().split('&').any(|part| part == "password" || part.starts_with("password=")) {
        return Err(invalid(format!(
            "a password does not belong into a URL: set the environment variable {PASSWORD_VARIABLE}, or name a file \
             with `password-file`"
        )));
    }
    Settings::parse(url.query(), names, &[])
}

fn first_line(path: &std::path::Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|error| {
        Error::new(ErrorKind::NotFound, format!("cannot read the password file `{}`", path.display()))
            .with_source(error)
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|_| invalid(format!("the password file `{}` is not UTF-8", path.display())))?;
    Ok(text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default().to_owned())
}

const PASSWORD_VARIABLE: &str = "BS2_X_PASSWORD";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(60);
const ANSWER_LIMIT: usize = 8 << 20;

/// The longest duration that a setting takes.
const LONGEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_they_are_read() {
        for text in [
            "biostar-x://192.0.2.10",
            "biostar-x://biostar.example:4433/site?user=a%20b&password-file=p&pin=c&connect-timeout=3s",
            "biostar-x://[::1]?user=a&ca=c&timeout=500ms&answer-limit=16&patience=0s",
            "http://192.0.2.10?danger-accept-plain-http=true",
        ] {
            assert_eq!(text.parse::<BiostarXOptions>().unwrap().to_string(), text);
        }
        let same = "https://BioStar.example:443/api/".parse::<BiostarXOptions>().unwrap();
        assert_eq!(same.to_string(), "biostar-x://biostar.example");
    }

    #[test]
    fn refuses_what_cannot_be_right_and_shows_no_secret() {
        for text in [
            "ftp://192.0.2.10",
            "biostar-x:192.0.2.10",
            "biostar-x://",
            "biostar-x://a:secret@192.0.2.10",
            "biostar-x://192.0.2.10?password=secret",
            "biostar-x://192.0.2.10?usr=secret",
            "http://192.0.2.10",
            "biostar-x://192.0.2.10?ca=a&pin=b",
        ] {
            let error = text.parse::<BiostarXOptions>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_password_file_has_the_password_in_its_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let options = BiostarXOptions::new("https://192.0.2.10").with_user("a").with_password_file(&path);
        assert_eq!(options.credentials().err().map(|error| error.kind()), Some(ErrorKind::NotFound));
        fs::write(&path, "\u{feff}secret\r\nother\n").unwrap();
        let credentials = options.credentials().unwrap().unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&credentials.password), "secret");
        fs::write(&path, "\n").unwrap();
        assert_eq!(options.credentials().err().map(|error| error.kind()), Some(ErrorKind::InvalidInput));
    }
}
