//! Options of the backend, with builder methods and as a text.

use std::fmt;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::error::invalid;
use crate::settings::{DurationText, Settings, SettingsText, Url, encoded, parse_duration};
use crate::{Error, Result};

/// The file of the vendor's library, and the devices to reach with it.
///
/// As a text the options are `sdk:LIBRARY?SETTINGS`, in the grammar of [`settings`](crate::settings):
///
/// | setting | meaning | default |
/// |---|---|---|
/// | `device` | the IPv4 address of a device, with `:PORT` unless it is 51211; may be repeated | |
/// | `search` | a switch: search for devices in the local network | `false` |
/// | `accept` | how many devices connect to this process | 0 |
/// | `preload` | a library to load first; may be repeated | |
/// | `port`, `tls-port` | where devices connect to this process | the library's 51212 and 51213 |
/// | `ca`, `client-cert`, `client-key` | the files for TLS; all three or none | no TLS |
/// | `timeout` | the deadline of one call; also sets `response-timeout` | `15s` |
/// | `response-timeout` | how long the library waits for a device; `default` leaves the choice to the library | `default` |
///
/// The password of the key is not a setting, because command lines are visible to other users. [`FromStr`] takes it
/// from the environment variable `BS2_CLIENT_KEY_PASSWORD`, and [`Display`](fmt::Display) leaves it out.
///
/// # Examples
///
/// ```
/// use bs2_events::device::native::NativeOptions;
///
/// let options = NativeOptions::default()
///     .with_library("/opt/bs2/libBS_SDK_V2.so")
///     .with_device("192.168.0.10:51211".parse()?)
///     .with_search();
///
/// let text = "sdk:/opt/bs2/libBS_SDK_V2.so?device=192.168.0.10:51211&search=true";
/// assert_eq!(options.to_string(), text);
/// assert_eq!(text.parse::<NativeOptions>()?, options);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An error names the setting:
///
/// ```
/// use bs2_events::device::native::NativeOptions;
///
/// let error = "sdk:?device=reader.example".parse::<NativeOptions>().unwrap_err();
/// let message = "setting `device`: `reader.example` is not an IPv4 address, such as 10.0.0.7 or 10.0.0.7:51211";
/// assert_eq!(error.to_string(), message);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NativeOptions {
    pub(super) library: Option<PathBuf>,
    pub(super) preload: Vec<PathBuf>,
    pub(super) devices: Vec<SocketAddrV4>,
    pub(super) search: bool,
    pub(super) accept: usize,
    pub(super) server_port: Option<u16>,
    pub(super) tls_server_port: Option<u16>,
    pub(super) tls: Option<TlsFiles>,
    pub(super) deadline: Duration,
    pub(super) response_timeout: Option<Duration>,
}

impl NativeOptions {
    /// The library's file. Without it the platform searches for `libBS_SDK_V2.so` or `BS_SDK_V2.dll`. The library is
    /// loaded with `RTLD_LAZY`, because some versions refer to missing symbols.
    #[must_use]
    pub fn with_library(mut self, path: impl Into<PathBuf>) -> Self {
        self.library = Some(path.into());
        self
    }

    /// A library to load first, whose symbols the vendor's library can see; may be called several times. Versions from
    /// 2.6 on use OpenSSL without naming it, versions before 2.8.2 also libxml2.
    #[must_use]
    pub fn with_preload(mut self, path: impl Into<PathBuf>) -> Self {
        self.preload.push(path.into());
        self
    }

    /// A device to connect to; may be called several times. The default port of devices is [`Self::DEVICE_PORT`].
    #[must_use]
    pub fn with_device(mut self, address: SocketAddrV4) -> Self {
        self.devices.push(address);
        self
    }

    /// Searches for devices in the local network each time that the devices are listed.
    #[must_use]
    #[doc(alias = "BS2_SearchDevices")]
    pub const fn with_search(mut self) -> Self {
        self.search = true;
        self
    }

    /// Accepts devices that connect to this process. Listing the devices waits until this number has connected, up to
    /// the deadline.
    #[must_use]
    #[doc(alias = "OnDeviceAccepted")]
    pub const fn with_accepted(mut self, devices: usize) -> Self {
        self.accept = devices;
        self
    }

    /// The port at which devices connect to this process; the library's default is 51212.
    #[must_use]
    pub const fn with_server_port(mut self, port: u16) -> Self {
        self.server_port = Some(port);
        self
    }

    /// The port at which devices connect to this process with TLS; the library's default is 51213.
    #[must_use]
    pub const fn with_tls_server_port(mut self, port: u16) -> Self {
        self.tls_server_port = Some(port);
        self
    }

    /// The files for TLS connections.
    #[must_use]
    #[doc(alias = "BS2_SetSSLHandler")]
    pub fn with_tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// How long a caller waits for one call, 15 s by default. The library cannot be interrupted: a call that takes
    /// longer continues, and the next calls to that device wait for it.
    ///
    /// A [`Client`](crate::device::Client) has its own deadline. [`client_deadline`](Self::client_deadline) returns a
    /// suitable one.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long the library waits for a device's response; its default is 10 s.
    #[must_use]
    #[doc(alias = "BS2_SetDefaultResponseTimeout")]
    pub const fn with_response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = Some(timeout);
        self
    }

    /// A deadline for the [`Client`](crate::device::Client) of this backend. It is longer than the backend's, whose
    /// error therefore comes first: that error names the function that has not returned.
    #[must_use]
    pub const fn client_deadline(&self) -> Duration {
        self.deadline.saturating_add(CLIENT_MARGIN)
    }

    /// Errors: `InvalidInput` where the options name no device.
    pub(super) fn check(&self) -> Result<()> {
        if self.devices.is_empty() && !self.search && self.accept == 0 {
            return Err(invalid(
                "no device is named: give `device` (an address), `search`, or `accept` (how many devices connect)",
            ));
        }
        Ok(())
    }

    /// The port at which devices listen.
    pub const DEVICE_PORT: u16 = 51_211;

    /// The scheme of these options as a text.
    pub const SCHEME: &str = "sdk";
}

impl Default for NativeOptions {
    fn default() -> Self {
        Self {
            library: None,
            preload: Vec::new(),
            devices: Vec::new(),
            search: false,
            accept: 0,
            server_port: None,
            tls_server_port: None,
            tls: None,
            deadline: DEFAULT_DEADLINE,
            response_timeout: None,
        }
    }
}

impl FromStr for NativeOptions {
    type Err = Error;

    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), with a message that names the setting.
    fn from_str(text: &str) -> Result<Self> {
        let url = Url::parse(text)?;
        if url.scheme() != Self::SCHEME || url.host().is_some() {
            return Err(invalid("the URL of the vendor's library has the form `sdk:LIBRARY?SETTINGS`"));
        }
        let settings = Settings::parse(url.query(), ONCE, &["device", "preload"])?;
        settings.all_or_none(&["ca", "client-cert", "client-key"])?;
        let file = |name| settings.file(name).map(Option::unwrap_or_default);
        let tls = if settings.has("ca") {
            let files = TlsFiles::new(file("ca")?, file("client-cert")?, file("client-key")?);
            Some(files.with_password(std::env::var(PASSWORD_VARIABLE).unwrap_or_default()))
        } else {
            None
        };
        let timeout = settings.duration("timeout", SHORTEST..=LONGEST)?;
        let expected = "`default`, or a duration from 10ms to 1h";
        let response_timeout = settings.parsed("response-timeout", expected, |value| match value {
            "default" => Some(None),
            value => parse_duration(value).filter(|time| (SHORTEST..=LONGEST).contains(time)).map(Some),
        })?;
        let options = Self {
            library: Some(url.path()).filter(|path| !path.is_empty()).map(PathBuf::from),
            preload: settings.parsed_all("preload", "a library", |value| {
                Some(value).filter(|value| !value.is_empty()).map(PathBuf::from)
            })?,
            devices: settings.parsed_all(
                "device",
                "an IPv4 address, such as 10.0.0.7 or 10.0.0.7:51211",
                address,
            )?,
            search: settings.switch("search")?.unwrap_or_default(),
            accept: settings.number("accept", 0..=u16::MAX)?.unwrap_or_default().into(),
            server_port: settings.number("port", 1..=u16::MAX)?,
            tls_server_port: settings.number("tls-port", 1..=u16::MAX)?,
            tls,
            deadline: timeout.unwrap_or(DEFAULT_DEADLINE),
            response_timeout: response_timeout.unwrap_or(timeout),
        };
        options.check()?;
        Ok(options)
    }
}

impl fmt::Display for NativeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let library = self.library.as_deref().unwrap_or(Path::new(""));
        let mut text =
            SettingsText::new(format!("{}:{}", Self::SCHEME, encoded(&library.display().to_string())));
        for device in &self.devices {
            text = text.with("device", device);
        }
        for library in &self.preload {
            text = text.with("preload", library.display());
        }
        if self.search {
            text = text.with("search", true);
        }
        text = text
            .with_some("accept", Some(self.accept).filter(|count| *count > 0))
            .with_some("port", self.server_port)
            .with_some("tls-port", self.tls_server_port);
        if let Some(tls) = &self.tls {
            text = text
                .with("ca", tls.root_certificate.display())
                .with("client-cert", tls.certificate.display())
                .with("client-key", tls.key.display());
        }
        // `timeout` sets both times.
        let timeout = Some(self.deadline)
            .filter(|time| *time != DEFAULT_DEADLINE || self.response_timeout == Some(*time));
        text = text.with_some("timeout", timeout.map(DurationText));
        match self.response_timeout {
            response if response == timeout => {}
            Some(response) => text = text.with("response-timeout", DurationText(response)),
            None => text = text.with("response-timeout", "default"),
        }
        text.fmt(f)
    }
}

/// The files with which the library identifies itself to devices, and with which it checks them.
///
/// # Examples
///
/// ```
/// use bs2_events::device::native::TlsFiles;
///
/// let files = TlsFiles::new("ca.crt", "server.crt", "server.key").with_password("secret");
/// assert!(!format!("{files:?}").contains("secret"));
/// ```
#[derive(Clone, PartialEq)]
pub struct TlsFiles {
    pub(super) root_certificate: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) password: String,
}

impl TlsFiles {
    /// The root certificate, this program's certificate, and its private key.
    pub fn new(
        root_certificate: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Self {
        Self {
            root_certificate: root_certificate.as_ref().to_owned(),
            certificate: certificate.as_ref().to_owned(),
            key: key.as_ref().to_owned(),
            password: String::new(),
        }
    }

    /// The password of the key.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles")
            .field("root_certificate", &self.root_certificate)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

fn address(text: &str) -> Option<SocketAddrV4> {
    let with_port = text.parse().ok();
    with_port
        .or_else(|| Some(SocketAddrV4::new(text.parse().ok()?, NativeOptions::DEVICE_PORT)))
        .filter(|address| address.port() > 0)
}

/// The settings that may occur once.
const ONCE: &[&str] = &[
    "accept",
    "ca",
    "client-cert",
    "client-key",
    "port",
    "response-timeout",
    "search",
    "timeout",
    "tls-port",
];

const PASSWORD_VARIABLE: &str = "BS2_CLIENT_KEY_PASSWORD";
const DEFAULT_DEADLINE: Duration = Duration::from_secs(15);
const CLIENT_MARGIN: Duration = Duration::from_secs(5);
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_devices_and_settings() -> Result<()> {
        for text in [
            "?device=10.0.0.7",
            "/opt/x.so?device=10.0.0.7:51211&device=10.0.0.8",
            "x.so?search=1&preload=libcrypto.so.1.1&preload=libssl.so.1.1",
            "x.so?search",
            "x.so?accept=2&port=52000&tls-port=52001&timeout=500ms",
            "x.so?accept=1&ca=ca.crt&client-cert=us.crt&client-key=us.key",
            "x.so?accept=1&response-timeout=5s",
            "my%20library.so?accept=1&timeout=30s&response-timeout=default",
        ] {
            let options: NativeOptions = format!("sdk:{text}").parse()?;
            assert_eq!(options.to_string().parse::<NativeOptions>()?, options, "{text} and {options}");
        }
        let options: NativeOptions = "sdk:x.so?accept=1&timeout=500ms".parse()?;
        let timeout = Duration::from_millis(500);
        assert_eq!((options.deadline, options.response_timeout), (timeout, Some(timeout)));
        assert_eq!(options.client_deadline(), timeout + CLIENT_MARGIN);
        Ok(())
    }

    #[test]
    fn names_the_setting_that_is_wrong() {
        for (text, name) in [
            ("", "device"),
            ("x.so", "device"),
            ("x.so?search=0", "device"),
            ("x.so?accept=0", "device"),
            ("x.so?device=", "device"),
            ("x.so?device=reader.example", "device"),
            ("x.so?device=10.0.0.7:99999", "device"),
            ("x.so?device=[::1]:51211", "device"),
            ("x.so?device=10.0.0.7&port=x", "port"),
            ("x.so?device=10.0.0.7&tls-port=65536", "tls-port"),
            ("x.so?device=10.0.0.7&search=2", "search"),
            ("x.so?device=10.0.0.7&accept=-1", "accept"),
            ("x.so?device=10.0.0.7&timeout=0s", "timeout"),
            ("x.so?device=10.0.0.7&timeout=2h", "timeout"),
            ("x.so?device=10.0.0.7&response-timeout=0s", "response-timeout"),
            ("x.so?device=10.0.0.7&ca=x", "client-cert"),
            ("x.so?device=10.0.0.7&ca=&client-cert=b&client-key=c", "ca"),
            ("x.so?device=10.0.0.7&colour=red", "colour"),
            ("x.so?device", "device"),
            ("x.so?device=127.0.0.1:0", "device"),
            ("x.so?device=10.0.0.7&port=0", "port"),
            ("x.so?device=10.0.0.7&tls-port=0", "tls-port"),
            ("x.so?device=10.0.0.7&preload=", "preload"),
            ("x.so?device=10.0.0.7&port=1&port=2", "port"),
            ("x.so?device=10.0.0.7&timeout=1s&timeout=1s", "timeout"),
            ("x.so?device=10.0.0.7&ca=a&ca=b", "ca"),
            ("x.so?search=1&search=0", "search"),
            ("x.so?accept=1&accept=2", "accept"),
        ] {
            let error = format!("sdk:{text}").parse::<NativeOptions>().err();
            let message = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(message.contains(&format!("`{name}`")), "{text}: {message}");
        }
    }

    #[test]
    fn the_password_of_the_key_is_not_part_of_the_text() {
        let files = TlsFiles::new("ca.crt", "us.crt", "us.key").with_password("secret");
        let options = NativeOptions::default().with_accepted(1).with_tls(files);
        let text = "sdk:?accept=1&ca=ca.crt&client-cert=us.crt&client-key=us.key";
        assert_eq!(options.to_string(), text);
        assert!(!format!("{options:?}").contains("secret"));
    }
}
