//! What to simulate.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::codec::Timestamp;
use crate::{Error, ErrorKind, Result};

use super::faults::Faults;

/// The settings of a [`Simulator`](super::Simulator), also as text: `devices=4&backlog=1000&seed=7`.
///
/// | setting | value | unless set |
/// |---|---|---|
/// | `devices` | how many readers of the office, 1 to 100 000 | 1; none with `replay` |
/// | `backlog` | events that each has at the start, 0 to 10 000 000 | 1 000 |
/// | `rate` | live events a second over all readers, 0 to 1 000 000 | 0 |
/// | `seed` | any number of 64 bits: the same seed, the same bytes | 1 |
/// | `capacity` | events that each reader keeps before it overwrites the oldest, 1 to 10 000 000 | 50 000 |
/// | `faults` | what goes wrong, separated by commas; see [`Faults`] | nothing |
/// | `replay` | a capture or a file of rows that becomes readers of its own, or `bundled` for the one in this crate | none |
/// | `start` | when the office opens: `fixed` (2025-03-24T00:00:00Z), `now`, or a time as in RFC 3339 | `fixed` |
/// | `images` | whether the readers take pictures, 0 or 1 | 1 |
/// | `inclusive` | whether answers begin at `after` and not behind it, 0 or 1 | 0 |
/// | `page` | events that the longest answer holds, 1 to 1 000 000; 0 for no limit | 0 |
/// | `queue` | live events that a reader holds back for each listener, at most 1 000 000, before it drops some without a word; 0 for no such queue | 0 |
///
/// A `replay` file with `&` in its name cannot be written in text; use [`with_replay`](Self::with_replay).
///
/// # Examples
///
/// ```
/// use bs2_events::sim::{Faults, SimOptions};
///
/// let settings: SimOptions = "devices=4&seed=7&faults=drop,slow".parse()?;
/// assert_eq!(settings, SimOptions::default().with_devices(4).with_seed(7).with_faults(Faults::DROP | Faults::SLOW));
///
/// let error = "rate=many".parse::<SimOptions>().unwrap_err();
/// assert_eq!(error.to_string(), "setting `rate`: `many` is no number from 0 to 1000000");
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SimOptions {
    pub(super) devices: Option<u32>,
    pub(super) backlog: u32,
    pub(super) rate: u32,
    pub(super) seed: u64,
    pub(super) capacity: u32,
    pub(super) faults: Faults,
    pub(super) replay: Option<ReplaySource>,
    pub(super) start: Start,
    pub(super) images: bool,
    pub(super) inclusive: bool,
    pub(super) page: u32,
    pub(super) queue: u32,
}

/// When the office opens: the time of the first event.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::Timestamp;
/// use bs2_events::sim::{SimOptions, Start};
///
/// let settings: SimOptions = "start=2018-02-07T17:49:17Z".parse()?;
/// let start = Start::At(Timestamp::from_unix_seconds(1_518_025_757));
/// assert_eq!(settings, SimOptions::default().with_start(start));
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Start {
    /// At 2025-03-24T00:00:00Z, a Monday; the same bytes on every day.
    #[default]
    Fixed,
    /// When the simulator is made; the only setting that looks at the clock of the machine.
    Now,
    /// At this time.
    At(Timestamp),
}

/// Where the rows of replayed readers come from.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::{ReplaySource, SimOptions};
///
/// let settings: SimOptions = "replay=bundled".parse()?;
/// assert_eq!(settings, SimOptions::default().with_replay(ReplaySource::Bundled));
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ReplaySource {
    /// The log of one reader that is part of this crate.
    Bundled,
    /// A [capture](crate::codec::capture), or a file of rows `event_id`, `event_code`, `device_time`, `device_id`,
    /// separated by tabs.
    File(PathBuf),
}

impl SimOptions {
    /// Sets how many readers of the office there are; 1 unless set, or none where a file is replayed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{Faults, ReplaySource, SimOptions, Start};
    /// let settings: SimOptions = "devices=3".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_devices(3));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_devices(mut self, devices: u32) -> Self {
        self.devices = Some(devices);
        self
    }

    /// Sets how many events each reader has at the start; 1 000 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{Faults, ReplaySource, SimOptions, Start};
    /// let settings: SimOptions = "backlog=5".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_backlog(5));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_backlog(mut self, events: u32) -> Self {
        self.backlog = events;
        self
    }

    /// Sets how many live events a second happen over all readers; none unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{Faults, ReplaySource, SimOptions, Start};
    /// let settings: SimOptions = "rate=9".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_rate(9));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_rate(mut self, events_a_second: u32) -> Self {
        self.rate = events_a_second;
        self
    }

    /// Sets the seed; 1 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{Faults, ReplaySource, SimOptions, Start};
    /// let settings: SimOptions = "seed=7".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_seed(7));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets how many events each reader keeps; 50 000 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{Faults, ReplaySource, SimOptions, Start};
    /// let settings: SimOptions = "capacity=500".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_capacity(500));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_capacity(mut self, events: u32) -> Self {
        self.capacity = events;
        self
    }

    /// Sets what goes wrong; nothing unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{Faults, ReplaySource, SimOptions, Start};
    /// let settings: SimOptions = "faults=slow".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_faults(Faults::SLOW));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Adds the readers of a file.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{Faults, ReplaySource, SimOptions, Start};
    /// let settings: SimOptions = "replay=bundled".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_replay(ReplaySource::Bundled));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_replay(mut self, source: ReplaySource) -> Self {
        self.replay = Some(source);
        self
    }

    /// Sets when the office opens; at a fixed time unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{Faults, ReplaySource, SimOptions, Start};
    /// let settings: SimOptions = "start=now".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_start(Start::Now));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Sets whether the readers take pictures; they do unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{Faults, ReplaySource, SimOptions, Start};
    /// let settings: SimOptions = "images=0".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_images(false));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_images(mut self, images: bool) -> Self {
        self.images = images;
        self
    }

    /// Sets whether answers begin at `after` itself, as those of the vendor's gateway do; they do not unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{Faults, ReplaySource, SimOptions, Start};
    /// let settings: SimOptions = "inclusive=1".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_inclusive(true));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_inclusive(mut self, inclusive: bool) -> Self {
        self.inclusive = inclusive;
        self
    }

    /// Sets how many events the longest answer holds; 0, no limit, unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{Faults, ReplaySource, SimOptions, Start};
    /// let settings: SimOptions = "page=64".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_page(64));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_page(mut self, events: u32) -> Self {
        self.page = events;
        self
    }

    /// Sets how many live events a reader holds back for each listener; 0, no such queue, unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{Faults, ReplaySource, SimOptions, Start};
    /// let settings: SimOptions = "queue=8".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_queue(8));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_queue(mut self, events: u32) -> Self {
        self.queue = events;
        self
    }

    /// How many readers of the office there will be.
    pub(super) fn office_readers(&self) -> u32 {
        self.devices.unwrap_or(u32::from(self.replay.is_none()))
    }

    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for the first setting out of its range.
    pub(super) fn check(&self) -> Result<()> {
        let numbers = [
            ("devices", self.devices.unwrap_or(1), DEVICES),
            ("backlog", self.backlog, BACKLOG),
            ("rate", self.rate, RATE),
            ("capacity", self.capacity, CAPACITY),
            ("page", self.page, PAGE),
            ("queue", self.queue, QUEUE),
        ];
        for (name, value, range) in numbers {
            if !range.contains(&value) {
                return Err(no_number(name, &value.to_string(), &range));
            }
        }
        let events = u64::from(self.office_readers()) * u64::from(self.backlog);
        if events > MOST_EVENTS {
            return Err(invalid(format!(
                "settings `devices` and `backlog`: {events} events at the start, at most {MOST_EVENTS} are possible"
            )));
        }
        Ok(())
    }
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            devices: None,
            backlog: 1_000,
            rate: 0,
            seed: 1,
            capacity: 50_000,
            faults: Faults::empty(),
            replay: None,
            start: Start::Fixed,
            images: true,
            inclusive: false,
            page: 0,
            queue: 0,
        }
    }
}

pub(super) fn no_number<T: fmt::Display>(name: &str, value: &str, range: &RangeInclusive<T>) -> Error {
    invalid(format!("setting `{name}`: `{value}` is no number from {} to {}", range.start(), range.end()))
}

pub(super) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

pub(super) const DEVICES: RangeInclusive<u32> = 1..=100_000;
pub(super) const BACKLOG: RangeInclusive<u32> = 0..=10_000_000;
pub(super) const RATE: RangeInclusive<u32> = 0..=1_000_000;
pub(super) const CAPACITY: RangeInclusive<u32> = 1..=10_000_000;
pub(super) const PAGE: RangeInclusive<u32> = 0..=1_000_000;
pub(super) const QUEUE: RangeInclusive<u32> = 0..=1_000_000;
/// Some seconds and 4.8 GB: more is a slip of the keyboard.
const MOST_EVENTS: u64 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_made_in_code_are_held_to_the_same_ranges() {
        let check = |settings: SimOptions| settings.check().map_err(|error| error.to_string());
        assert_eq!(check(SimOptions::default()), Ok(()));
        assert!(check(SimOptions::default().with_devices(0)).unwrap_err().contains("`devices`: `0`"));
        assert!(check(SimOptions::default().with_queue(u32::MAX)).unwrap_err().contains("`queue`"));
        let error = check(SimOptions::default().with_devices(100_000).with_backlog(2_000)).unwrap_err();
        assert!(error.contains("200000000 events"), "{error}");
    }

    #[test]
    fn a_replay_stands_alone_unless_readers_are_asked_for() {
        let readers = |text: &str| text.parse::<SimOptions>().unwrap().office_readers();
        assert_eq!(readers(""), 1);
        assert_eq!(readers("replay=bundled"), 0);
        assert_eq!(readers("replay=bundled&devices=4"), 4);
    }
}
