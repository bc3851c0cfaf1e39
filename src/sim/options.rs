//! The options of a simulator, and their text.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::fault_injector::Faults;
use super::setting::{SettingsTable, faults, number, options_struct, parsed, shown, switch};
use crate::codec::Timestamp;
use crate::settings::Settings;
use crate::{Error, ErrorKind, Result};

options_struct! {
    /// The options of a [`Simulator`](super::Simulator), also as text: `devices=4&backlog=1000&seed=7`.
    ///
    /// | setting | value | unless set |
    /// |---|---|---|
    /// | `devices` | number of generated devices, 1 to 100,000 | 1; none with `replay` |
    /// | `backlog` | events of each device at the start, 0 to 10,000,000 | 1,000; 0 with `office=0` |
    /// | `rate` | live events a second, over all devices, 0 to 1,000,000 | 0 |
    /// | `seed` | any number of 64 bits; the same seed gives the same events | 1 |
    /// | `capacity` | events that a device keeps before it overwrites the oldest, 1 to 10,000,000 | 50,000 |
    /// | `faults` | faults of the backend, separated by commas; see [`Faults`] | none |
    /// | `replay` | a capture or a file of rows, whose devices are added; `bundled` is the file in this crate | none |
    /// | `replay-live` | whether the rows of `replay` happen one by one, at `rate` or by [`Reader::make`](super::Reader::make), and are reported live | `false` |
    /// | `start` | time of the first event: `fixed` (2025-03-24T00:00:00Z) or a time in RFC 3339; with `now` the backlog ends now, and later events have the present time | `fixed` |
    /// | `slaves` | slaves of each generated device, 0 to 31; see [Slaves](super#slaves) | 0 |
    /// | `office` | whether anything happens at the generated devices by itself; with `false` a test makes every event | `true` |
    /// | `connections` | whether a device behind a server logs that a client connects and disconnects | `false`; `true` behind a server, unless `office=0` |
    /// | `images` | whether the devices take pictures | `true` |
    /// | `inclusive` | whether pages begin at `after` and not behind it | `false` |
    /// | `page` | most events of a page, 1 to 1,000,000; 0 for no limit | 0 |
    /// | `queue` | live events that a device holds back for each subscriber, at most 1,000,000; when it is full, events are dropped and nothing reports it; 0 for no such queue | 0 |
    ///
    /// `sim:` may stand before the text. A file with `&` or `%` in its name is written with `%26` and `%25`
    /// ([`settings`](crate::settings)).
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::sim::{Faults, SimOptions};
    ///
    /// let options: SimOptions = "sim:devices=4&seed=7&faults=drop,slow".parse()?;
    /// assert_eq!(options, SimOptions::default().with_devices(4).with_seed(7).with_faults(Faults::DROP | Faults::SLOW));
    /// assert_eq!(options.to_string(), "devices=4&seed=7&faults=drop,slow");
    ///
    /// let error = "rate=many".parse::<SimOptions>().unwrap_err();
    /// assert_eq!(error.to_string(), "setting `rate`: `many` is not a number from 0 to 1000000");
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[derive(Clone, Debug, Eq, PartialEq)]
    pub struct SimOptions {
        devices: Option<u32> = None, "devices": number(1..=100_000).optional();
        backlog: Option<u32> = None, "backlog": number(0..=10_000_000).optional();
        /// Sets how many live events happen a second, over all devices; 0 unless set.
        fn with_rate(events_a_second) => rate: u32 = 0, "rate": number(0..=1_000_000);
        /// Sets the seed; 1 unless set.
        fn with_seed(seed) => seed: u64 = 1, "seed": number(0..=u64::MAX);
        /// Sets how many events a device keeps; 50,000 unless set.
        fn with_capacity(events) => capacity: u32 = 50_000, "capacity": number(1..=10_000_000);
        /// Sets the faults of the backend; none unless set. For other rates use a
        /// [`FaultInjector`](super::FaultInjector) around a backend without faults.
        fn with_faults(faults) => faults: Faults = Faults::empty(), "faults": faults();
        replay: Option<ReplaySource> = None, "replay": shown(replay).optional();
        /// Sets whether the rows of a replayed log happen one by one and are reported live; they stand in the log from
        /// the start unless set.
        fn with_replay_live(live) => replay_live: bool = false, "replay-live": switch();
        /// Sets the time of the first event; [`Start::Fixed`] unless set.
        fn with_start(start) => start: Start = Start::Fixed, "start": parsed(Start::EXPECTED, Start::parse);
        /// Sets how many slaves each generated device has; none unless set.
        fn with_slaves(slaves) => slaves: u32 = 0, "slaves": number(0..=31);
        /// Sets whether anything happens at the generated devices by itself; it does unless set. Without the office they
        /// have no backlog, unless one is set, and a test makes every event, such as with
        /// [`Reader::push`](super::Reader::push).
        fn with_office(office) => office: bool = true, "office": switch();
        connections: Option<bool> = None, "connections": switch().optional();
        // When the backlog ended, if a state file says so.
        now_from: Option<Timestamp> = None;
        /// Sets whether the devices take pictures; they do unless set.
        fn with_images(images) => images: bool = true, "images": switch();
        /// Sets whether pages begin at `after` itself, as those of some gateways do; they begin behind it unless set.
        fn with_inclusive(inclusive) => inclusive: bool = false, "inclusive": switch();
        /// Sets the most events of a page; 0, no limit, unless set.
        fn with_page(events) => page: u32 = 0, "page": number(0..=1_000_000);
        /// Sets how many live events a device holds back for each subscriber; 0, no such queue, unless set.
        fn with_queue(events) => queue: u32 = 0, "queue": number(0..=1_000_000);
    }
}

/// The time of the first event.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Start {
    /// 2025-03-24T00:00:00Z, so that two runs are alike.
    #[default]
    Fixed,
    /// The backlog ends when the simulator is made, and each later event has the time at which it happens.
    Now,
    /// This time.
    At(Timestamp),
}

/// A recorded log whose devices are added to a simulator.
///
/// A file is a capture, or rows of `event_id`, `event_code`, `device_time` and `device_id`, separated by tabs. Each
/// device of it becomes one with exactly its rows, in their order, repeated rows included. A device of a capture also
/// has the pictures, temperatures and job codes that were recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ReplaySource {
    /// The log in this crate: 62 rows of one device, with repeated rows and a cleared log.
    Bundled,
    /// A capture, or a file of rows.
    File(PathBuf),
}

impl SimOptions {
    /// Sets the number of generated devices; 1 unless set, none beside a replayed log.
    #[must_use]
    pub fn with_devices(mut self, devices: u32) -> Self {
        self.devices = Some(devices);
        self
    }

    /// Sets how many events each generated device has at the start; 1,000 unless set, none without the office.
    #[must_use]
    pub fn with_backlog(mut self, events: u32) -> Self {
        self.backlog = Some(events);
        self
    }

    /// Sets whether a device behind a simulated server logs that a client connects and disconnects. Unless set it does
    /// so behind a server, if the office is on. Devices in memory have no connections of their own, and log none.
    #[must_use]
    pub fn with_connections(mut self, connections: bool) -> Self {
        self.connections = Some(connections);
        self
    }

    /// Adds the devices of a recorded log.
    #[must_use]
    pub fn with_replay(mut self, source: ReplaySource) -> Self {
        self.replay = Some(source);
        self
    }

    /// The number of generated devices.
    pub(super) fn generated_devices(&self) -> u32 {
        self.devices.unwrap_or(u32::from(self.replay.is_none()))
    }

    /// The time of the first event; with the present time, that of the end of the backlog.
    pub(super) fn start_time(&self) -> Timestamp {
        self.now_from.unwrap_or_else(|| self.start.time())
    }

    /// Whether a device logs that a client of a server connects and disconnects.
    pub(super) fn logs_connections(&self) -> bool {
        self.office && self.connections == Some(true)
    }

    /// The number of events of each generated device at the start.
    pub(super) fn backlog(&self) -> u32 {
        self.backlog.unwrap_or(if self.office { 1_000 } else { 0 })
    }

    /// Fails with [`ErrorKind::InvalidInput`] for the first option outside its range.
    pub(super) fn check(&self) -> Result<()> {
        self.check_ranges()?;
        if !self.office && self.rate > 0 && self.generated_devices() > 0 {
            let message = format!(
                "settings `office` and `rate`: without the office nothing happens by itself; leave `rate={}` out",
                self.rate
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let events = u64::from(self.generated_devices()) * u64::from(self.backlog());
        if events > MOST_EVENTS {
            let message = format!(
                "settings `devices` and `backlog`: {events} events at the start are too many; at most {MOST_EVENTS} are possible"
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(())
    }
}

/// Reads the text of the table. The empty text is the default.
impl FromStr for SimOptions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.strip_prefix("sim:").unwrap_or(text);
        let settings = Settings::parse(text.strip_prefix('?').unwrap_or(text), Self::NAMES, &[])?;
        let options = Self::read(&settings)?;
        options.check()?;
        Ok(options)
    }
}

/// Writes the options that differ from the default.
impl fmt::Display for SimOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes().fmt(f)
    }
}

fn replay(settings: &Settings, name: &str) -> Result<Option<ReplaySource>> {
    Ok(settings.text(name)?.map(|source| match source {
        "bundled" => ReplaySource::Bundled,
        file => ReplaySource::File(file.into()),
    }))
}

impl Start {
    /// Whether events have the present time.
    pub(super) fn is_now(self) -> bool {
        self == Self::Now
    }

    /// The time that it means now.
    pub(super) fn time(self) -> Timestamp {
        match self {
            Self::Fixed => FIXED_START,
            Self::Now => crate::sync::now(),
            Self::At(time) => time,
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "fixed" => Some(Self::Fixed),
            "now" => Some(Self::Now),
            time => utc(time).map(Self::At),
        }
    }

    /// What [`parse`](Self::parse) reads, for an error.
    pub(super) const EXPECTED: &'static str = "`fixed`, `now` or a time such as 2025-03-24T00:00:00Z";
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed => f.write_str("fixed"),
            Self::Now => f.write_str("now"),
            Self::At(time) => time.fmt(f),
        }
    }
}

impl fmt::Display for ReplaySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled => f.write_str("bundled"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A time in RFC 3339, without its fraction.
pub(super) fn utc(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_unix_seconds(u32::try_from(time.as_second()).ok()?))
}

/// Monday 2025-03-24T00:00:00Z, some days before the clocks of Europe change.
const FIXED_START: Timestamp = Timestamp::from_unix_seconds(1_742_774_400);
/// 4.8 GB, made in some seconds: more is probably a mistake.
const MOST_EVENTS: u64 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_every_setting() {
        let text = "devices=4&backlog=20&rate=5&seed=18446744073709551615&capacity=9&faults=drop,disconnect,\
                    repeat,reorder,slow,error,stuck,holes,large,damaged&replay=a/b.tsv&replay-live=true&start=now\
                    &slaves=3&connections=false&images=false&inclusive=true&page=7&queue=8";
        let expected = SimOptions::default()
            .with_devices(4)
            .with_backlog(20)
            .with_rate(5)
            .with_seed(u64::MAX)
            .with_capacity(9)
            .with_faults(Faults::all())
            .with_replay(ReplaySource::File("a/b.tsv".into()))
            .with_replay_live(true)
            .with_start(Start::Now)
            .with_slaves(3)
            .with_connections(false)
            .with_images(false)
            .with_inclusive(true)
            .with_page(7)
            .with_queue(8);
        assert_eq!(text.parse::<SimOptions>().unwrap(), expected);
        assert_eq!(expected.to_string(), text);
        let read = |text: &str| text.parse::<SimOptions>().unwrap();
        assert_eq!(read("images=0&inclusive=1"), read("images=false&inclusive"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let start = Start::At(Timestamp::from_unix_seconds(1_518_025_757));
        for options in [
            SimOptions::default(),
            SimOptions::default().with_devices(1).with_start(start),
            SimOptions::default().with_replay(ReplaySource::Bundled).with_devices(2),
            SimOptions::default().with_replay(ReplaySource::File("a & b?100%.tsv".into())),
        ] {
            assert_eq!(options.to_string().parse::<SimOptions>().unwrap(), options);
        }
        assert_eq!(SimOptions::default().to_string(), "");
        for text in ["sim:devices=2", "sim:?devices=2", "devices=2"] {
            assert_eq!(text.parse::<SimOptions>().unwrap(), SimOptions::default().with_devices(2));
        }
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
            ("start", "yesterday"),
            ("start", "1969-12-31T23:59:59Z"),
            ("slaves", "32"),
            ("office", "closed"),
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
        assert_eq!("replay=".parse::<SimOptions>().unwrap_err().to_string(), "setting `replay` has no value");
    }

    #[test]
    fn refuses_a_setting_that_is_unknown_given_twice_or_has_no_value() {
        let error = |text: &str| text.parse::<SimOptions>().unwrap_err().to_string();
        let message = error("devises=4");
        assert!(message.starts_with("setting `devises` is not known; did you mean `devices`?"), "{message}");
        assert!(SimOptions::NAMES.iter().all(|name| message.contains(name)), "{message}");
        assert!(error("seed=1&seed=2").contains("`seed` is given twice"));
        assert!(error("seed").contains("`seed`"));
    }

    #[test]
    fn options_made_in_code_are_held_to_the_same_ranges() {
        let check = |options: SimOptions| options.check().map_err(|error| error.to_string());
        assert_eq!(check(SimOptions::default()), Ok(()));
        assert!(check(SimOptions::default().with_devices(0)).unwrap_err().contains("`devices`: `0`"));
        assert!(check(SimOptions::default().with_queue(u32::MAX)).unwrap_err().contains("`queue`"));
        let error = check(SimOptions::default().with_devices(100_000).with_backlog(2_000)).unwrap_err();
        assert!(error.contains("200000000 events"), "{error}");
    }

    #[test]
    fn without_the_office_nothing_happens_by_itself() {
        let read = |text: &str| text.parse::<SimOptions>();
        assert_eq!(read("office=0").unwrap().backlog(), 0);
        assert_eq!(read("office=0&backlog=7").unwrap().backlog(), 7);
        let error = read("office=0&rate=5").unwrap_err().to_string();
        assert!(error.starts_with("settings `office` and `rate`"), "{error}");
        assert!(read("office=0&rate=5&replay=bundled&replay-live=1").is_ok());
    }

    #[test]
    fn a_replayed_log_has_no_generated_devices_beside_it_unless_they_are_set() {
        let devices = |text: &str| text.parse::<SimOptions>().unwrap().generated_devices();
        assert_eq!(devices(""), 1);
        assert_eq!(devices("replay=bundled"), 0);
        assert_eq!(devices("replay=bundled&devices=4"), 4);
    }
}
