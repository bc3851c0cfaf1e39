//! The time of an event, in seconds since 1970.

use core::fmt;

/// A time by a device's clock: whole seconds since 1970-01-01 00:00:00 UTC, as 32 bits without sign.
///
/// Devices record UTC in every time zone (vendor article 24000041654). The clock can be set, so the time may run
/// backwards from one event to the next: order events by id, never by time.
///
/// `Display` writes RFC 3339. The features `jiff`, `chrono` and `time` add conversions from and to these crates.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::Timestamp;
///
/// let time = Timestamp::from_unix_seconds(1_518_025_757);
/// assert_eq!(time.to_string(), "2018-02-07T17:49:17Z");
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(u32);

impl Timestamp {
    /// The time this many seconds after 1970-01-01 00:00:00 UTC.
    #[must_use]
    pub const fn from_unix_seconds(seconds: u32) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01 00:00:00 UTC.
    #[must_use]
    pub const fn as_unix_seconds(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_date(self.0 / SECONDS_A_DAY);
        let second = self.0 % SECONDS_A_DAY;
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
    }
}

/// Converts from and to the time of another crate.
macro_rules! convert {
    ($feature:literal, $time:ty, $from_seconds:expr, $seconds:ident) => {
        #[cfg(feature = $feature)]
        impl From<Timestamp> for $time {
            fn from(time: Timestamp) -> Self {
                $from_seconds(i64::from(time.0)).unwrap_or(Self::UNIX_EPOCH)
            }
        }

        #[cfg(feature = $feature)]
        impl TryFrom<$time> for Timestamp {
            type Error = core::num::TryFromIntError;

            /// Drops the part below a second.
            fn try_from(time: $time) -> Result<Self, Self::Error> {
                time.$seconds().try_into().map(Self)
            }
        }
    };
}

convert!("jiff", jiff::Timestamp, jiff::Timestamp::from_second, as_second);
convert!("chrono", chrono::DateTime<chrono::Utc>, chrono::DateTime::from_timestamp_secs, timestamp);
convert!("time", time::UtcDateTime, time::UtcDateTime::from_unix_timestamp, unix_timestamp);

/// Year, month and day of a day counted from 1970-01-01, by the proleptic Gregorian calendar.
///
/// It counts in eras of 400 years that begin on 1 March, so that the leap day is the last day of its year.
#[allow(clippy::arithmetic_side_effects)] // u32 seconds make at most 49 710 days: nothing here comes near a limit.
const fn civil_date(days: u32) -> (u32, u32, u32) {
    let shifted = days + 719_468;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year_of_era + shifted / 146_097 * 400 + next_year, month, day)
}

const SECONDS_A_DAY: u32 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn agrees_with_jiff_on_every_day_and_at_both_ends() {
        let days = (0..u32::MAX / SECONDS_A_DAY).map(|day| day * SECONDS_A_DAY + day % SECONDS_A_DAY);
        for seconds in days.chain([u32::MAX]) {
            let expected = jiff::Timestamp::from_second(i64::from(seconds)).unwrap().to_string();
            assert_eq!(Timestamp::from_unix_seconds(seconds).to_string(), expected);
        }
    }

    #[cfg(all(feature = "jiff", feature = "chrono", feature = "time"))]
    #[test]
    fn converts_to_and_from_the_time_crates() {
        for seconds in [0, 1_518_025_757, u32::MAX] {
            let time = Timestamp::from_unix_seconds(seconds);
            assert_eq!(Timestamp::try_from(jiff::Timestamp::from(time)), Ok(time));
            assert_eq!(Timestamp::try_from(chrono::DateTime::<chrono::Utc>::from(time)), Ok(time));
            assert_eq!(Timestamp::try_from(::time::UtcDateTime::from(time)), Ok(time));
        }
        assert!(Timestamp::try_from(jiff::Timestamp::MIN).is_err());
    }
}
