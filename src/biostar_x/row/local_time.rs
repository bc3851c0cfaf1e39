//! Times as servers write them.

use std::fmt;

use jiff::civil::DateTime;
use serde_json::Value;

use crate::biostar_x::json::{at, flag, number};
use crate::codec::Timestamp;

/// A time on a clock whose zone is not known: the server's own.
///
/// The server writes it with a `Z` at its end, as if it were UTC, which it is not. So it has no conversion to an
/// instant: who knows the server's zone applies it.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::EventRow;
///
/// let row = EventRow::from_json(&serde_json::json!({"server_datetime": "2026-07-24T14:52:57.00Z"}));
/// assert_eq!(row.server_time.unwrap().to_string(), "2026-07-24T14:52:57");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LocalTime(DateTime);

impl LocalTime {
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches(['Z', 'z']);
        text.parse::<DateTime>().ok().map(Self)
    }

    /// Year, month and day.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::EventRow;
    /// # let row = EventRow::from_json(&serde_json::json!({"server_datetime": "2026-07-24T14:52:57.00Z"}));
    /// assert_eq!(row.server_time.unwrap().date(), (2026, 7, 24));
    /// ```
    #[must_use]
    pub fn date(&self) -> (i16, u8, u8) {
        (self.0.year(), self.0.month().unsigned_abs(), self.0.day().unsigned_abs())
    }

    /// Hour, minute and second.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::EventRow;
    /// # let row = EventRow::from_json(&serde_json::json!({"server_datetime": "2026-07-24T14:52:57.00Z"}));
    /// assert_eq!(row.server_time.unwrap().clock(), (14, 52, 57));
    /// ```
    #[must_use]
    pub fn clock(&self) -> (u8, u8, u8) {
        (self.0.hour().unsigned_abs(), self.0.minute().unsigned_abs(), self.0.second().unsigned_abs())
    }
}

/// Without a zone.
impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((year, month, day), (hour, minute, second)) = (self.date(), self.clock());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

/// An instant, written with `Z` or an offset; fractions are cut off.
pub(in crate::biostar_x) fn utc(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.trim().parse().ok()?;
    time.as_second().try_into().ok().map(Timestamp::from_unix_seconds)
}

/// Half hours from UTC in `{"half":"0","hour":"9","negative":"0"}`.
pub(super) fn offset(zone: &Value) -> Option<i8> {
    let hours: i8 = number(at(zone, &["hour"])).filter(|hours| (0..=14).contains(hours))?;
    let halves = hours * 2 + i8::from(flag(at(zone, &["half"])).unwrap_or(false));
    Some(if flag(at(zone, &["negative"])).unwrap_or(false) { -halves } else { halves })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_spelling_of_an_instant_is_read() {
        for text in [
            "2026-07-24T17:53:02Z",
            "2026-07-24T17:53:02.00Z",
            "2026-07-24T17:53:02.000Z",
            "2026-07-24T17:53:02.1234567Z",
            "2026-07-24T19:53:02+02:00",
        ] {
            assert_eq!(utc(text).map(Timestamp::as_unix_seconds), Some(1_784_915_582), "{text}");
        }
        for text in ["", "2026-07-24", "2026-07-24T17:53:02", "1815-01-01T00:00:00Z", "2206-01-01T00:00:00Z"]
        {
            assert_eq!(utc(text), None, "{text}");
        }
    }

    #[test]
    fn the_zone_of_a_device_is_read_with_its_sign() {
        assert_eq!(offset(&json!({"half":"0","hour":"9","negative":"0"})), Some(18));
        assert_eq!(offset(&json!({"half":1,"hour":3,"negative":true})), Some(-7));
        assert_eq!(offset(&json!({"half":"1","hour":"99","negative":"0"})), None);
        assert_eq!(offset(&json!("")), None);
    }
}
