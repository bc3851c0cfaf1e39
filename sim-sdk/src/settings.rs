//! The settings in the environment.

use std::env;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bs2_events::codec::sdk_code::SdkCode;
use bs2_events::settings::Settings as SettingsText;
use bs2_events::sim::{SimOptions, Start};
use bs2_events::{Error, ErrorKind, Result};

use crate::ffi::SdkResult;

/// The settings of `BS2_SIM` and `BS2_SIM_TRUTH`.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Those of the simulator.
    pub(crate) devices: SimOptions,
    /// The file with every event that ever happened.
    pub(crate) truth: Option<PathBuf>,
    /// Whether the last byte of an event is only 0 or 1, for programs that read it as a `bool`.
    pub(crate) old_flag_byte: bool,
    /// How long each response of a device takes at least.
    pub(crate) latency: Duration,
    /// Whether the devices connect to the program by themselves.
    pub(crate) accept: bool,
    pub(crate) injected_errors: InjectedErrors,
}

impl Settings {
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with a message that names the setting.
    pub(crate) fn from_environment() -> Result<Self> {
        let text = match env::var(SETTINGS) {
            Ok(text) => text,
            Err(env::VarError::NotPresent) => String::new(),
            Err(env::VarError::NotUnicode(_)) => return Err(invalid("the settings are not UTF-8")),
        };
        let truth = env::var_os(TRUTH).filter(|path| !path.is_empty()).map(PathBuf::from);
        Ok(Self { truth, ..Self::parse(&text)? })
    }

    fn parse(text: &str) -> Result<Self> {
        let is_own = |part: &&str| OWN.contains(&part.split_once('=').map_or(*part, |(name, _)| name));
        let (own, others): (Vec<_>, Vec<_>) = text.split('&').partition(is_own);
        let own = SettingsText::parse(&own.join("&"), OWN, &[])?;
        let is_given = |name: &str| others.iter().any(|part| part.split('=').next() == Some(name));
        let mut devices: SimOptions = others.join("&").parse()?;
        // Programs ask for the events of today, and look for their own connection in the log.
        if !is_given("start") {
            devices = devices.with_start(Start::Now);
        }
        if !is_given("connections") {
            devices = devices.with_connections(true);
        }
        Ok(Self {
            devices,
            truth: None,
            old_flag_byte: own.switch("old-flag-byte")?.unwrap_or(false),
            latency: own.duration("latency", Duration::ZERO..=LONGEST_LATENCY)?.unwrap_or_default(),
            accept: own.switch("accept")?.unwrap_or(true),
            injected_errors: own.text("fail")?.map_or_else(|| Ok(InjectedErrors::default()), str::parse)?,
        })
    }
}

/// The errors of the setting `fail`: every n-th call of a function returns a code and does nothing.
#[derive(Debug, Default)]
pub(crate) struct InjectedErrors(Vec<InjectedError>);

#[derive(Debug)]
struct InjectedError {
    function: &'static str,
    code: SdkCode,
    every: u64,
    calls: AtomicU64,
}

impl InjectedErrors {
    /// Counts a call of the function, and returns the error that is due.
    pub(crate) fn check(&self, function: &str) -> SdkResult {
        for error in self.0.iter().filter(|error| error.function == function) {
            let call = error.calls.fetch_add(1, Ordering::Relaxed) + 1;
            if call.is_multiple_of(error.every) {
                return Err(error.code);
            }
        }
        Ok(())
    }
}

/// `FUNCTION:CODE:EVERY`, separated by commas. The prefix `BS2_` of a function may be missing.
impl FromStr for InjectedErrors {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split(',').map(injected_error).collect::<Result<_>>().map(Self)
    }
}

fn injected_error(text: &str) -> Result<InjectedError> {
    let wrong = |problem: &str| Err(invalid(format!("setting `fail`: `{text}` {problem}")));
    let mut parts = text.split(':');
    let (Some(name), Some(code), Some(every), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return wrong("is not FUNCTION:CODE:EVERY");
    };
    let short = name.strip_prefix(PREFIX).unwrap_or(name);
    let is_named = |function: &&str| function.strip_prefix(PREFIX) == Some(short);
    let Some(function) = include_str!("functions.txt").lines().find(is_named) else {
        return wrong("names a function that the library does not have");
    };
    let Some(code) = code.parse().ok().filter(|code| *code < 0) else {
        return wrong("needs a negative number as CODE");
    };
    let Some(every) = every.parse().ok().filter(|every| *every > 0) else {
        return wrong("needs a number of calls, at least 1, as EVERY");
    };
    Ok(InjectedError { function, code: SdkCode::new(code), every, calls: AtomicU64::new(0) })
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

pub(crate) const SETTINGS: &str = "BS2_SIM";
const TRUTH: &str = "BS2_SIM_TRUTH";
/// The settings that only this library has.
const OWN: &[&str] = &["accept", "fail", "latency", "old-flag-byte"];
const PREFIX: &str = "BS2_";
const LONGEST_LATENCY: Duration = Duration::from_secs(600);
