//! Settings as text.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::faults;
use super::options::{
    BACKLOG, CAPACITY, DEVICES, PAGE, QUEUE, RATE, ReplaySource, SimOptions, Start, invalid, no_number,
};
use crate::codec::Timestamp;
use crate::{Error, Result};

/// Reads `name=value` joined by `&`, each name at most once. The empty text is the default.
///
/// Errors are of the kind [`InvalidInput`](crate::ErrorKind::InvalidInput) and name the setting and its value.
impl FromStr for SimOptions {
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

impl SimOptions {
    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "devices" => self.devices = Some(number(name, value, DEVICES)?),
            "backlog" => self.backlog = number(name, value, BACKLOG)?,
            "rate" => self.rate = number(name, value, RATE)?,
            "seed" => self.seed = number(name, value, 0..=u64::MAX)?,
            "capacity" => self.capacity = number(name, value, CAPACITY)?,
            "faults" => self.faults = faults::parse(value)?,
            "replay" => self.replay = Some(replay(value)?),
            "start" => self.start = start(value)?,
            "images" => self.images = switch(name, value)?,
            "inclusive" => self.inclusive = switch(name, value)?,
            "page" => self.page = number(name, value, PAGE)?,
            "queue" => self.queue = number(name, value, QUEUE)?,
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

pub(in crate::sim) fn number<T>(name: &str, value: &str, range: RangeInclusive<T>) -> Result<T>
where
    T: FromStr + PartialOrd + fmt::Display,
{
    value.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| no_number(name, value, &range))
}

pub(in crate::sim) fn switch(name: &str, value: &str) -> Result<bool> {
    Ok(number::<u8>(name, value, 0..=1)? == 1)
}

fn replay(value: &str) -> Result<ReplaySource> {
    match value {
        "" => Err(invalid("setting `replay`: `` is no file".to_owned())),
        "bundled" => Ok(ReplaySource::Bundled),
        file => Ok(ReplaySource::File(file.into())),
    }
}

pub(in crate::sim) fn start(value: &str) -> Result<Start> {
    match value {
        "fixed" => Ok(Start::Fixed),
        "now" => Ok(Start::Now),
        time => time
            .parse()
            .ok()
            .and_then(|time: jiff::Timestamp| u32::try_from(time.as_second()).ok())
            .map(|seconds| Start::At(Timestamp::from_unix_seconds(seconds)))
            .ok_or_else(|| {
                invalid(format!(
                    "setting `start`: `{value}` is neither `fixed`, `now` nor a time such as 2025-03-24T00:00:00Z"
                ))
            }),
    }
}

const NAMES: [&str; 12] = [
    "devices",
    "backlog",
    "rate",
    "seed",
    "capacity",
    "faults",
    "replay",
    "start",
    "images",
    "inclusive",
    "page",
    "queue",
];

#[cfg(test)]
mod tests {
    use super::super::faults::Faults;
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn reads_every_setting() {
        let text = "devices=4&backlog=20&rate=5&seed=18446744073709551615&capacity=9&faults=drop,disconnect,\
                    repeat,reorder,slow,error,stuck&replay=a/b.tsv&start=now&images=0&inclusive=1&page=7&queue=8";
        let expected = SimOptions::default()
            .with_devices(4)
            .with_backlog(20)
            .with_rate(5)
            .with_seed(u64::MAX)
            .with_capacity(9)
            .with_faults(Faults::all())
            .with_replay(ReplaySource::File("a/b.tsv".into()))
            .with_start(Start::Now)
            .with_images(false)
            .with_inclusive(true)
            .with_page(7)
            .with_queue(8);
        assert_eq!(text.parse::<SimOptions>().unwrap(), expected);
        assert_eq!("".parse::<SimOptions>().unwrap(), SimOptions::default());
    }

    #[test]
    fn every_bad_value_is_refused_with_its_name_and_itself() {
        let bad = [
            ("devices", "0"),
            ("devices", "100001"),
            ("devices", ""),
            ("backlog", "-1"),
            ("backlog", "10000001"),
            ("rate", "1.5"),
            ("seed", "18446744073709551616"),
            ("capacity", "0"),
            ("faults", "drop,fire"),
            ("replay", ""),
            ("start", "yesterday"),
            ("start", "1969-12-31T23:59:59Z"),
            ("images", "yes"),
            ("inclusive", "2"),
            ("page", "1000001"),
            ("queue", "x"),
        ];
        for (name, value) in bad {
            let error = format!("{name}={value}").parse::<SimOptions>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let message = error.to_string();
            assert!(message.contains(&format!("`{name}`")), "{message}");
            let shown = value.rsplit(',').next().unwrap();
            assert!(message.contains(&format!("`{shown}`")), "{message}");
        }
    }

    #[test]
    fn an_unknown_setting_lists_the_known_ones() {
        let message = "devises=4".parse::<SimOptions>().unwrap_err().to_string();
        assert!(message.starts_with("setting `devises` is not known"), "{message}");
        for name in NAMES {
            assert!(message.contains(name), "{message}");
            // And each of them is one.
            let message = format!("{name}=\u{0}")
                .parse::<SimOptions>()
                .map_or_else(|e| e.to_string(), |_| String::new());
            assert!(!message.contains("not known; there are devices"), "{message}");
        }
    }

    #[test]
    fn refuses_what_is_given_twice_or_without_value() {
        assert!(
            "seed=1&seed=2".parse::<SimOptions>().unwrap_err().to_string().contains("`seed` is given twice")
        );
        assert!("seed".parse::<SimOptions>().unwrap_err().to_string().contains("`seed` has no value"));
    }
}
