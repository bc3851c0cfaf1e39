//! What identifies an event of the server.

use std::fmt;

use crate::codec::{DeviceId, Timestamp};

/// What identifies an event among all of a server: second, device, and number in the device's log.
///
/// The server's `hint` holds these three; where a row has none they are taken from the row. The row's `id` is no part of
/// it: it begins anew every month.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::EventKey;
///
/// let key = EventKey::of_hint("164379073505437203680000021611").unwrap();
/// assert_eq!(key.to_string(), "164379073505437203680000021611");
/// assert_eq!(EventKey::of_hint("21611"), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EventKey {
    second: u64,
    device: u64,
    pub(super) index: u64,
}

impl EventKey {
    /// The key in a hint; `None` where it is not of 30 digits.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::EventKey;
    /// assert!(EventKey::of_hint("000000000100000000020000000003").is_some());
    /// ```
    #[must_use]
    pub fn of_hint(hint: &str) -> Option<Self> {
        if hint.len() != 30 || !hint.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let part = |start: usize| hint.get(start..start + 10).and_then(|digits| digits.parse().ok());
        Some(Self { second: part(0)?, device: part(10)?, index: part(20)? })
    }

    pub(super) fn of_parts(device: DeviceId, index: u64, time: Timestamp) -> Self {
        Self { second: time.as_unix_seconds().into(), device: device.get().into(), index }
    }
}

/// As a hint.
impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}{:010}{:010}", self.second, self.device, self.index)
    }
}
