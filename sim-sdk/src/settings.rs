//! What the environment says.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use bs2_events::sim::SimOptions;
use bs2_events::{Error, ErrorKind, Result};

use crate::failures::Failures;

/// The settings of `BS2_SIM` and `BS2_SIM_TRUTH`.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What the simulator itself knows.
    pub(crate) readers: SimOptions,
    /// The file for all that ever happened.
    pub(crate) truth: Option<PathBuf>,
    /// Whether the last byte of an event is only 0 or 1, as for programs that take it for a `bool`.
    pub(crate) old_flag_byte: bool,
    /// What each answer of a reader takes at least.
    pub(crate) latency: Duration,
    /// Whether the readers connect to the program by themselves.
    pub(crate) accept: bool,
    pub(crate) failures: Failures,
}

impl Settings {
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with a sentence that names the setting.
    pub(crate) fn from_environment() -> Result<Self> {
        let text = match env::var(SETTINGS) {
            Ok(text) => text,
            Err(env::VarError::NotPresent) => String::new(),
            Err(env::VarError::NotUnicode(_)) => {
                return Err(invalid("the settings are not UTF-8".to_owned()));
            }
        };
        let truth = env::var_os(TRUTH).filter(|path| !path.is_empty()).map(PathBuf::from);
        Ok(Self { truth, ..Self::parse(&text)? })
    }

    fn parse(text: &str) -> Result<Self> {
        let mut own = Self {
            readers: SimOptions::default(),
            truth: None,
            old_flag_byte: false,
            latency: Duration::ZERO,
            accept: true,
            failures: Failures::default(),
        };
        let (mut seen, mut others) = (Vec::new(), Vec::new());
        for part in text.split('&') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name {
                "old_flag_byte" => own.old_flag_byte = switch(name, value)?,
                "accept" => own.accept = switch(name, value)?,
                "latency_ms" => own.latency = latency(value)?,
                "fail" => own.failures = Failures::parse(value)?,
                _ => {
                    others.push(part);
                    continue;
                }
            }
            if seen.contains(&name) {
                return Err(invalid(format!("setting `{name}` is given twice, again as `{value}`")));
            }
            seen.push(name);
        }
        own.readers = others.join("&").parse()?;
        Ok(own)
    }
}

fn switch(name: &str, value: &str) -> Result<bool> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(invalid(format!("setting `{name}`: `{value}` is neither 0 nor 1"))),
    }
}

fn latency(value: &str) -> Result<Duration> {
    let milliseconds = value.parse().ok().filter(|milliseconds| *milliseconds <= LONGEST_LATENCY);
    milliseconds.map(Duration::from_millis).ok_or_else(|| {
        invalid(format!("setting `latency_ms`: `{value}` is no number from 0 to {LONGEST_LATENCY}"))
    })
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

pub(crate) const SETTINGS: &str = "BS2_SIM";
const TRUTH: &str = "BS2_SIM_TRUTH";
const LONGEST_LATENCY: u64 = 600_000;
