//! The one grammar of sources, destinations and simulated servers: `scheme:address?name=value&name=value`.
//!
//! Every options struct of the crate is read with it ([`FromStr`]) and written with it ([`Display`](fmt::Display),
//! without secrets):
//!
//! * A scheme comes first, then a file or `//HOST:PORT`. Simulated devices have settings alone: `sim:devices=4`.
//! * Settings are `name=value`, joined by `&`. Each occurs once, except where the options say otherwise (`device`).
//! * In the address and in values, `%41` is the byte `0x41`. A `+` is a plus.
//! * A switch is `true`, `1`, `false` or `0`; its name alone means `true`.
//! * A duration is a whole number with a unit: `500ms`, `30s`, `5m`, `1h`.
//! * Whom TLS trusts has the same words everywhere: `ca=FILE`, `pin=FILE`, `client-cert=FILE`, `client-key=FILE`,
//!   `danger-accept-any-certificate`.
//!
//! Every error is of the kind [`InvalidInput`](crate::ErrorKind::InvalidInput) and names the setting.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::error::invalid;
use crate::{Error, Result};

/// A text of the form `scheme:address?settings`, taken apart.
#[derive(Clone, Eq, PartialEq)]
pub struct Url {
    scheme: String,
    host: Option<String>,
    path: String,
    query: String,
}

impl Url {
    /// Takes a URL apart. The settings behind the `?` stay as they are, for [`Settings::parse`].
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a text without a scheme, for a user name or password before
    /// the host, and for an address that is not UTF-8. The error shows at most the scheme: what follows may be secret.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::settings::Url;
    ///
    /// let url = Url::parse("gateway://gw.example:4000?ca=root%20ca.pem")?;
    /// assert_eq!((url.scheme(), url.host(), url.query()), ("gateway", Some("gw.example:4000"), "ca=root%20ca.pem"));
    ///
    /// let url = Url::parse("sqlite:events%3F.db")?;
    /// assert_eq!((url.host(), url.path()), (None, "events?.db"));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let (scheme, rest) = text
            .split_once(':')
            .filter(|(scheme, _)| is_scheme(scheme))
            .ok_or_else(|| invalid("the URL has no scheme, such as `gateway:` or `sqlite:`"))?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = match address.strip_prefix("//") {
            Some(address) => {
                let end = address.find('/').unwrap_or(address.len());
                let (host, path) = address.split_at(end);
                if host.contains('@') {
                    return Err(invalid(format!(
                        "`{scheme}:` URL: a user name or password before the host is not allowed"
                    )));
                }
                (Some(decode(host, "the host")?), path)
            }
            None => (None, address),
        };
        Ok(Self { scheme: scheme.to_owned(), host, path: decode(path, "the path")?, query: query.to_owned() })
    }

    /// The scheme, without its colon.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// `HOST` or `HOST:PORT` behind `//`; `None` where the URL has no `//`.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The path: a file, or what follows the host.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The settings behind `?`, not yet decoded.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.query
    }
}

/// Shows the scheme and the host alone: settings may be secret.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Url").field("scheme", &self.scheme).field("host", &self.host).finish_non_exhaustive()
    }
}

/// Settings of the form `name=value&name=value`, with typed getters.
///
/// `Debug` shows the names alone: values may be secret.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use bs2_events::settings::Settings;
///
/// let settings = Settings::parse("timeout=500ms&device=10.0.0.7&device=10.0.0.8", &["timeout"], &["device"])?;
/// assert_eq!(settings.duration("timeout", Duration::ZERO..=Duration::MAX)?, Some(Duration::from_millis(500)));
/// assert_eq!(settings.all("device").count(), 2);
///
/// let error = Settings::parse("timout=1s", &["timeout"], &["device"]).unwrap_err();
/// assert_eq!(error.to_string(), "setting `timout` is not known; did you mean `timeout`? Known are device, timeout");
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Settings {
    values: Vec<(&'static str, String)>,
}

impl Settings {
    /// Reads settings. Those in `once` may occur once, those in `repeated` any number of times.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a name that is not known, one that is given twice, and a
    /// value that is not UTF-8 after decoding.
    pub fn parse(query: &str, once: &[&'static str], repeated: &[&'static str]) -> Result<Self> {
        let mut settings = Self::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, IMPLIED));
            let known = once.iter().chain(repeated).copied().find(|known| *known == name);
            let name = known.ok_or_else(|| not_known(name, once, repeated))?;
            if once.contains(&name) && settings.has(name) {
                return Err(invalid(format!("setting `{name}` is given twice")));
            }
            settings.values.push((name, decode(value, &format!("setting `{name}`"))?));
        }
        Ok(settings)
    }

    /// Whether the setting is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| *known == name)
    }

    /// Every value of a setting, in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a setting as it stands, also an empty one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a setting that is not empty.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for an empty value.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.value(name) {
            Some("" | IMPLIED) => Err(invalid(format!("setting `{name}` has no value"))),
            value => Ok(value),
        }
    }

    /// The name of a file.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for an empty value.
    pub fn file(&self, name: &str) -> Result<Option<PathBuf>> {
        Ok(self.text(name)?.map(PathBuf::from))
    }

    /// A whole number in a range.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for anything else.
    pub fn number<T>(&self, name: &str, range: RangeInclusive<T>) -> Result<Option<T>>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        self.parsed(name, &expected, |value| value.parse().ok().filter(|number| range.contains(number)))
    }

    /// A switch: `true`, `1` or the name alone; `false` or `0`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for anything else.
    pub fn switch(&self, name: &str) -> Result<Option<bool>> {
        let expected = "a switch: it takes 0 or 1, also written `false` and `true`";
        self.parsed(name, expected, |value| match value {
            "true" | "1" | IMPLIED => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        })
    }

    /// A duration in a range, such as `500ms`, `30s`, `5m` or `1h`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for anything else.
    pub fn duration(&self, name: &str, range: RangeInclusive<Duration>) -> Result<Option<Duration>> {
        let expected = format!(
            "a duration from {} to {}, such as 500ms, 30s or 5m",
            DurationText(*range.start()),
            DurationText(*range.end())
        );
        self.parsed(name, &expected, |value| {
            parse_duration(value).filter(|duration| range.contains(duration))
        })
    }

    /// A value that `read` understands; `expected` completes the sentence of the error.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where `read` returns `None`.
    pub fn parsed<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(invalid(format!("setting `{name}`: `{}` is not {expected}", shown(value)))),
        }
    }

    /// Every value of a setting, each as `read` understands it; `expected` completes the sentence of the error.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where `read` returns `None`.
    pub fn parsed_all<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>> {
        let wrong = |value| invalid(format!("setting `{name}`: `{}` is not {expected}", shown(value)));
        self.all(name).map(|value| read(value).ok_or_else(|| wrong(value))).collect()
    }

    /// Refuses settings that exclude each other.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where more than one of them is there.
    pub fn at_most_one(&self, names: &[&str]) -> Result<()> {
        let given: Vec<_> =
            names.iter().filter(|name| self.has(name)).map(|name| format!("`{name}`")).collect();
        if given.len() > 1 {
            return Err(invalid(format!("settings {} exclude each other", given.join(" and "))));
        }
        Ok(())
    }

    /// Refuses settings of which only a part is there.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where some of them are there and some are missing.
    pub fn all_or_none(&self, names: &[&str]) -> Result<()> {
        let is_given = names.iter().any(|name| self.has(name));
        match names.iter().find(|name| !self.has(name)) {
            Some(missing) if is_given => {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                let message = format!("settings {} go together: `{missing}` is missing", names.join(" and "));
                Err(invalid(message))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.iter().map(|(name, _)| name)).finish()
    }
}

/// Writes settings in the form that [`Settings::parse`] reads; for `Display` of options.
///
/// # Examples
///
/// ```
/// use bs2_events::settings::SettingsText;
///
/// let text = SettingsText::new("gateway://gw.example").with("ca", "root ca.pem").with("queue", 64);
/// assert_eq!(text.to_string(), "gateway://gw.example?ca=root%20ca.pem&queue=64");
/// ```
#[derive(Clone, Debug)]
pub struct SettingsText {
    text: String,
    separator: &'static str,
}

impl SettingsText {
    /// Begins with an address, which [`encoded`] has made where it holds a file.
    pub fn new(address: impl Into<String>) -> Self {
        Self { text: address.into(), separator: "?" }
    }

    /// Begins with settings alone, without an address before them.
    pub fn without_address() -> Self {
        Self { text: String::new(), separator: "" }
    }

    /// Adds a setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.text.push_str(self.separator);
        self.text.push_str(name);
        self.text.push('=');
        self.text.push_str(&encoded(&value.to_string()));
        self.separator = "&";
        self
    }

    /// Adds a setting where there is a value.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl fmt::Display for SettingsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A value or path as it stands in a URL: what has a meaning there becomes `%41` and the like.
#[must_use]
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Reads a duration such as `500ms`, `30s`, `5m` or `1h`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// A duration in the largest unit that shows it whole, as [`parse_duration`] reads it.
#[derive(Clone, Copy, Debug)]
pub struct DurationText(pub Duration);

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (millis, seconds) = (self.0.subsec_millis(), self.0.as_secs());
        match seconds {
            _ if millis > 0 => write!(f, "{}ms", self.0.as_millis()),
            0 => f.write_str("0s"),
            _ if seconds % 3_600 == 0 => write!(f, "{}h", seconds / 3_600),
            _ if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            _ => write!(f, "{seconds}s"),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn decode(text: &str, what: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| invalid(format!("{what} is not UTF-8 after percent-decoding")))
}

fn not_known(name: &str, once: &[&'static str], repeated: &[&'static str]) -> Error {
    let mut known: Vec<_> = once.iter().chain(repeated).copied().collect();
    known.sort_unstable();
    let nearest = known
        .iter()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(likeness, _)| *likeness > LIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    let hint = nearest.map_or_else(String::new, |(_, known)| format!("; did you mean `{known}`?"));
    let separator = if hint.is_empty() { "; known" } else { " Known" };
    invalid(format!("setting `{}` is not known{hint}{separator} are {}", shown(name), known.join(", ")))
}

/// A value as an error shows it.
fn shown(value: &str) -> &str {
    if value == IMPLIED { "" } else { value }
}

/// The value of a setting that is a name alone: a character that Unicode assigns to nothing.
const IMPLIED: &str = "\u{FFFF}";

const LIKE: f64 = 0.8;

const ENCODED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'<').add(b'>').add(b'?');

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn reads_a_host_a_path_and_the_settings_behind_them() {
        let url = Url::parse("biostar-x://x.example:443/base?user=a").unwrap();
        assert_eq!((url.scheme(), url.host(), url.path()), ("biostar-x", Some("x.example:443"), "/base"));
        assert_eq!(url.query(), "user=a");
        let url = Url::parse("sdk:/opt/my%20library.so").unwrap();
        assert_eq!((url.host(), url.path(), url.query()), (None, "/opt/my library.so", ""));
    }

    #[test]
    fn refuses_a_text_that_is_no_url_and_shows_no_secret_of_it() {
        for text in ["", "events.db", "C:events.db", "://x", "gateway://me:secret@host?ca=a", "sqlite:%FF"] {
            let error = Url::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let shown = format!("{:?}", Url::parse("x://h?password=secret").unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_switch_may_be_its_name_alone() {
        let read = |query: &str| Settings::parse(query, &["search"], &[]).unwrap().switch("search");
        for (query, expected) in [
            ("", None),
            ("search", Some(true)),
            ("search=true", Some(true)),
            ("search=1", Some(true)),
            ("search=false", Some(false)),
            ("search=0", Some(false)),
        ] {
            assert_eq!(read(query).unwrap(), expected, "{query}");
        }
        for value in ["yes", "0.5", "2", "TRUE", ""] {
            let error = read(&format!("search={value}")).unwrap_err();
            let expected = format!(
                "setting `search`: `{value}` is not a switch: it takes 0 or 1, also written `false` and `true`"
            );
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn names_the_setting_that_is_wrong() {
        let read = |query: &str| {
            let settings =
                Settings::parse(query, &["port", "ca", "client-cert", "client-key", "pin"], &["device"])?;
            settings.number("port", 1..=65_535_u16)?;
            settings.file("ca")?;
            settings.at_most_one(&["ca", "pin"])?;
            settings.all_or_none(&["client-cert", "client-key"])
        };
        for (query, expected) in [
            ("port=0", "setting `port`: `0` is not a number from 1 to 65535"),
            ("port", "setting `port`: `` is not a number from 1 to 65535"),
            ("port=1&port=1", "setting `port` is given twice"),
            ("ca=", "setting `ca` has no value"),
            ("ca", "setting `ca` has no value"),
            ("ca=a&pin=b", "settings `ca` and `pin` exclude each other"),
            ("client-key=a", "settings `client-cert` and `client-key` go together: `client-cert` is missing"),
            ("ca=%FF", "setting `ca` is not UTF-8 after percent-decoding"),
            (
                "colour=red",
                "setting `colour` is not known; known are ca, client-cert, client-key, device, pin, port",
            ),
        ] {
            assert_eq!(read(query).unwrap_err().to_string(), expected, "{query}");
        }
        assert!(read("device=a&device=b&port=7&&ca=x").is_ok());
    }

    #[test]
    fn a_duration_has_a_unit() {
        for (text, expected) in [
            ("500ms", Some(Duration::from_millis(500))),
            ("30s", Some(Duration::from_secs(30))),
            ("5m", Some(Duration::from_secs(300))),
            ("1h", Some(Duration::from_secs(3_600))),
            ("", None),
            ("s", None),
            ("5", None),
            ("5d", None),
            ("-5s", None),
            ("1.5s", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
        let settings = Settings::parse("timeout=2h", &["timeout"], &[]).unwrap();
        let error =
            settings.duration("timeout", Duration::from_millis(10)..=Duration::from_secs(3_600)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "setting `timeout`: `2h` is not a duration from 10ms to 1h, such as 500ms, 30s or 5m"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(values in proptest::collection::vec(".*", 0..4), path in "[^\u{0}]*") {
            let text = values.iter().fold(SettingsText::new(format!("sqlite:{}", encoded(&path))), |text, value| {
                text.with("device", value)
            });
            let url = Url::parse(&text.to_string());
            prop_assume!(!path.starts_with("//"));
            let url = url.unwrap();
            prop_assert_eq!(url.path(), &path);
            let settings = Settings::parse(url.query(), &[], &["device"]).unwrap();
            prop_assert_eq!(settings.all("device").collect::<Vec<_>>(), values);
        }

        #[test]
        fn a_duration_survives_its_text(millis in 0..u64::from(u32::MAX)) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&DurationText(duration).to_string()), Some(duration));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            if let Ok(url) = Url::parse(&text) {
                let _ = Settings::parse(url.query(), &["a"], &["b"]);
            }
            let _ = Settings::parse(&text, &["a"], &["b"]);
        }
    }
}
