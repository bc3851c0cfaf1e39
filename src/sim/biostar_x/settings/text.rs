//! Settings as text.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::{Dialect, FlagForm, Frames, ServerSettings, Unbound};
use crate::sim::biostar_x::fault;
use crate::sim::options::{invalid, no_number};
use crate::sim::options_text::{number, start, switch};
use crate::{Error, Result};

/// Reads `name=value` joined by `&`, each name at most once. The empty text is the default.
///
/// Errors are of the kind [`InvalidInput`](crate::ErrorKind::InvalidInput) and name the setting and its value.
impl FromStr for ServerSettings {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut settings = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| invalid(format!("setting `{part}` has no value: `name=value` is expected")))?;
            settings.set(name, value)?;
            if seen.contains(&name) {
                return Err(invalid(format!("setting `{name}` is given twice, again as `{value}`")));
            }
            seen.push(name);
        }
        settings.check()?;
        Ok(settings)
    }
}

impl ServerSettings {
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for the first setting out of its range.
    pub(in crate::sim::biostar_x) fn check(&self) -> Result<()> {
        let session = u32::try_from(self.session.as_secs()).unwrap_or(u32::MAX);
        let numbers = [
            ("users", self.users, USERS),
            ("devices", self.devices, DEVICES),
            ("backlog", self.backlog, BACKLOG),
            ("rate", self.rate, RATE),
            ("session", session, SESSION),
            ("lock", self.lock_after, LOCK),
            ("lowest", self.lowest, LOWEST),
            ("batch", self.batch, BATCH),
        ];
        for (name, value, range) in numbers {
            if !range.contains(&value) {
                return Err(no_number(name, &value.to_string(), &range));
            }
        }
        if !ZONE.contains(&self.zone_minutes) {
            return Err(no_number("zone", &self.zone_minutes.to_string(), &ZONE));
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "seed" => self.seed = number(name, value, 0..=u64::MAX)?,
            "users" => self.users = number(name, value, USERS)?,
            "devices" => self.devices = number(name, value, DEVICES)?,
            "backlog" => self.backlog = number(name, value, BACKLOG)?,
            "rate" => self.rate = number(name, value, RATE)?,
            "start" => self.start = start(value)?,
            "zone" => self.zone_minutes = number(name, value, ZONE)?,
            "dialect" => {
                let words =
                    [("documented", Dialect::Documented), ("core", Dialect::Core), ("v2", Dialect::V2)];
                self.dialect = word(name, value, words)?;
            }
            "licence" => self.licence = switch(name, value)?,
            "session" => self.session = Duration::from_secs(number(name, value, SESSION)?.into()),
            "simultaneous" => self.simultaneous = switch(name, value)?,
            "lock" => self.lock_after = number(name, value, LOCK)?,
            "lowest" => self.lowest = number(name, value, LOWEST)?,
            "flag" => {
                let words =
                    [("either", FlagForm::Either), ("boolean", FlagForm::Boolean), ("text", FlagForm::Text)];
                self.flag = word(name, value, words)?;
            }
            "batch" => self.batch = number(name, value, BATCH)?,
            "encrypted" => self.encrypted = switch(name, value)?,
            "frames" => {
                let words =
                    [("text", Frames::Text), ("binary", Frames::Binary), ("fragmented", Frames::Fragmented)];
                self.frames = word(name, value, words)?;
            }
            "unbound" => {
                self.unbound = word(name, value, [("silence", Unbound::Silence), ("error", Unbound::Error)])?;
            }
            "push" => self.push = switch(name, value)?,
            "http2" => self.http2 = switch(name, value)?,
            "control" => self.control = switch(name, value)?,
            "faults" => self.faults = fault::parse(value)?,
            _ => {
                return Err(invalid(format!(
                    "setting `{name}` is not known; there are {}",
                    NAMES.join(", ")
                )));
            }
        }
        Ok(())
    }
}

/// One of these words.
fn word<T: Copy, const N: usize>(name: &str, value: &str, words: [(&str, T); N]) -> Result<T> {
    words.iter().find_map(|(word, meaning)| (*word == value).then_some(*meaning)).ok_or_else(|| {
        let words = words.map(|(word, _)| word).join(", ");
        invalid(format!("setting `{name}`: `{value}` is not known; there are {words}"))
    })
}

const USERS: RangeInclusive<u32> = 0..=10_000_000;
const DEVICES: RangeInclusive<u32> = 1..=1_000;
const BACKLOG: RangeInclusive<u32> = 0..=1_000_000;
const RATE: RangeInclusive<u32> = 0..=10_000;
/// A day more than the furthest zones.
const ZONE: RangeInclusive<i16> = -840..=840;
const SESSION: RangeInclusive<u32> = 1..=31_536_000;
const LOCK: RangeInclusive<u32> = 0..=1_000_000;
const LOWEST: RangeInclusive<u32> = 1..=999_999;
const BATCH: RangeInclusive<u32> = 0..=1_000_000;

const NAMES: [&str; 22] = [
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
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn reads_every_setting_and_names_it_when_its_value_is_bad() {
        let good = [
            ("seed", "18446744073709551615"),
            ("users", "0"),
            ("devices", "3"),
            ("backlog", "9"),
            ("rate", "7"),
            ("start", "2018-02-07T17:49:17Z"),
            ("zone", "-180"),
            ("dialect", "v2"),
            ("licence", "0"),
            ("session", "60"),
            ("simultaneous", "0"),
            ("lock", "5"),
            ("lowest", "100000"),
            ("flag", "boolean"),
            ("batch", "100"),
            ("encrypted", "1"),
            ("frames", "fragmented"),
            ("unbound", "error"),
            ("push", "0"),
            ("http2", "1"),
            ("control", "1"),
            ("faults", "slow,cut,500,session,rows,partial,strings,wrapped"),
        ];
        assert_eq!(good.map(|(name, _)| name), NAMES);
        let plain = format!("{:?}", ServerSettings::default());
        for (name, value) in good {
            let settings = format!("{name}={value}").parse::<ServerSettings>().unwrap();
            assert_ne!(format!("{settings:?}"), plain, "{name}");
            let error = format!("{name}=?").parse::<ServerSettings>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let message = error.to_string();
            assert!(message.contains(&format!("`{name}`")) && message.contains("`?`"), "{message}");
        }
    }

    #[test]
    fn refuses_what_is_unknown_given_twice_or_without_value() {
        let error = |text: &str| text.parse::<ServerSettings>().unwrap_err().to_string();
        assert!(error("license=1").starts_with("setting `license` is not known; there are seed, users"));
        assert!(error("seed=1&seed=2").contains("`seed` is given twice"));
        assert!(error("seed").contains("`seed` has no value"));
        assert!(error("dialect=latin").ends_with("there are documented, core, v2"));
    }

    #[test]
    fn settings_made_in_code_are_held_to_the_same_ranges() {
        assert!(ServerSettings::default().check().is_ok());
        let error = ServerSettings::default().with_session(Duration::from_millis(10)).check().unwrap_err();
        assert!(error.to_string().contains("`session`: `0`"), "{error}");
        let error = ServerSettings::default().with_zone_minutes(900).check().unwrap_err();
        assert!(error.to_string().contains("`zone`: `900`"), "{error}");
    }
}
