//! Event codes: an open number with names.

use core::fmt;
use core::str::FromStr;

mod catalogue;
mod constants;
mod names;

pub use catalogue::{Category, CodeName, NameStatus, Outcome, Severity};

/// What happened: the 16-bit code of an event, main code in the high byte and sub code in the low one.
///
/// The set is open: a code that this crate does not know keeps its number, has no name, and survives every round
/// trip. The constants are the names of the SDK up to 2.9.12; the SDK writes `BS2_EVENT_` before them.
///
/// # Names
///
/// Some low bytes select another event altogether (`0x3200` is the clock, `0x3201` the time zone), others qualify
/// the main code (`0x1301` is an identification by finger). So a name is looked up by the full code first, and then
/// by main and sub code. [`names`](Self::names) lists every name that a code has or had: at `0x6900` … `0x6D00` an
/// old revision of the manual is off by one, and its names are kept there with a note.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{EventCode, Outcome};
///
/// let code = EventCode::new(0x1301);
/// assert_eq!(code.name(), Some("IDENTIFY_SUCCESS_FINGER"));
/// assert_eq!((code.main(), code.sub()), (EventCode::IDENTIFY_SUCCESS, 1));
/// assert_eq!(code.outcome(), Outcome::Granted);
/// assert_eq!("ACCESS_DENIED".parse(), Ok(EventCode::ACCESS_DENIED));
/// assert_eq!(EventCode::new(0xFFFF).to_string(), "0xFFFF");
/// ```
#[doc(alias = "BS2_EVENT_CODE")]
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EventCode(u16);

impl EventCode {
    /// The code with this number.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventCode;
    /// assert_eq!(EventCode::new(6_401).name(), Some("ACCESS_DENIED_ACCESS_GROUP"));
    /// ```
    #[must_use]
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// Every name in the catalogue, by code; the first of each code is the one that [`name`](Self::name) gives.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventCode;
    /// assert!(EventCode::catalogue().iter().any(|row| row.name == "DOOR_FORCED_OPEN"));
    /// ```
    #[must_use]
    pub const fn catalogue() -> &'static [CodeName] {
        names::NAMES
    }

    /// The number.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventCode;
    /// assert_eq!(EventCode::ACCESS_DENIED.get(), 0x1900);
    /// ```
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// This code without its sub code.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventCode;
    /// assert_eq!(EventCode::new(0x1907).main(), EventCode::ACCESS_DENIED);
    /// ```
    #[must_use]
    pub const fn main(self) -> Self {
        Self(self.0 & 0xFF00)
    }

    /// The sub code: the low byte.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventCode;
    /// assert_eq!(EventCode::new(0x1907).sub(), 7);
    /// ```
    #[must_use]
    pub const fn sub(self) -> u8 {
        let [sub, _] = self.0.to_le_bytes();
        sub
    }

    /// The name: of the full code if it has one, else of main and sub code together, else of the main code.
    ///
    /// `None` for a main code that is not known, and for an unknown low byte where the low byte selects other
    /// events (`0x3203`): the main code's name would be wrong there.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventCode;
    /// assert_eq!(EventCode::new(0x3201).name(), Some("DEVICE_TIMEZONE_SET"));
    /// assert_eq!(EventCode::new(0x1006).name(), Some("VERIFY_SUCCESS_CARD"));
    /// assert_eq!(EventCode::new(0x10F0).name(), Some("VERIFY_SUCCESS"));
    /// assert_eq!(EventCode::new(0x3203).name(), None);
    /// ```
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        if let Some(row) = self.names().first() {
            return Some(row.name);
        }
        let low_byte_selects = names::NAMES
            .iter()
            .any(|row| row.sub_name.is_none() && row.code.main() == self.main() && row.code != self.main());
        if low_byte_selects { None } else { self.main_name() }
    }

    /// The name of the main code.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventCode;
    /// assert_eq!(EventCode::new(0x1006).main_name(), Some("VERIFY_SUCCESS"));
    /// ```
    #[must_use]
    pub fn main_name(self) -> Option<&'static str> {
        self.main().names().iter().find(|row| row.sub_name.is_none()).map(|row| row.name)
    }

    /// Every name that this very code has or had, the present one first; empty for an unknown code.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::{EventCode, NameStatus};
    ///
    /// let names = EventCode::new(0x6900).names();
    /// assert_eq!(names[0].name, "ZONE_SCHEDULED_LOCK_VIOLATION");
    /// let conflict = names.iter().find(|row| row.status == NameStatus::Conflict).unwrap();
    /// assert_eq!(conflict.name, "ZONE_FORCED_LOCK_START");
    /// assert!(conflict.note.contains("0x6A00"));
    /// ```
    #[must_use]
    pub fn names(self) -> &'static [CodeName] {
        let start = names::NAMES.partition_point(|row| row.code < self);
        let end = names::NAMES.partition_point(|row| row.code <= self);
        names::NAMES.get(start..end).unwrap_or_default()
    }

    /// What the code concerns; `None` for a main code that is not known.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{Category, EventCode};
    /// assert_eq!(EventCode::DOOR_OPENED.category(), Some(Category::Door));
    /// ```
    #[must_use]
    pub fn category(self) -> Option<Category> {
        let rows = [self, self.main()].map(Self::names);
        rows.iter().copied().flatten().next().map(|row| row.category)
    }

    /// Whether somebody was let in, was not, or neither was decided.
    ///
    /// Success, duress and bypass codes grant; failures, `0x1800` and `0x1900` deny, except the sub codes `0x08`,
    /// `0x09` and `0x10` of `0x1900`, which excuse a person who is let in. What a reader merely detects (`0x1A00`,
    /// `0x1D00`, `0x1E00`) decides nothing: the denial that may follow is an event of its own. What is no
    /// authentication is [`Neither`](Outcome::Neither).
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{EventCode, Outcome};
    /// assert_eq!(EventCode::new(0x1901).outcome(), Outcome::Denied);
    /// assert_eq!(EventCode::new(0x1908).outcome(), Outcome::Granted);
    /// assert_eq!(EventCode::DOOR_OPENED.outcome(), Outcome::Neither);
    /// ```
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match (self.main_byte(), self.sub()) {
            (0x10 | 0x12 | 0x13 | 0x15 | 0x16 | 0x1B, _) | (0x19, 0x08 | 0x09 | 0x10) => Outcome::Granted,
            (0x11 | 0x14 | 0x17 | 0x18 | 0x19 | 0x1C, _) => Outcome::Denied,
            _ => Outcome::Neither,
        }
    }

    /// Whether the event is of the authentication family, `0x1000` … `0x1EFF`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventCode;
    /// assert!(EventCode::FAKE_FINGER_DETECTED.is_authentication());
    /// ```
    #[must_use]
    pub const fn is_authentication(self) -> bool {
        matches!(self.main_byte(), 0x10..=0x1E)
    }

    /// The high byte.
    pub(super) const fn main_byte(self) -> u8 {
        let [_, main] = self.0.to_le_bytes();
        main
    }
}

/// The name, or `0x` and four digits.
impl fmt::Display for EventCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "0x{:04X}", self.0),
        }
    }
}

impl fmt::Debug for EventCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "0x{:04X} {name}", self.0),
            None => write!(f, "0x{:04X}", self.0),
        }
    }
}

/// Reads a decimal number, a hexadecimal one after `0x`, or any name of the catalogue in any case, with or without
/// the SDK's `BS2_EVENT_`. A name that two codes have means the code whose present name or alias it is, before the
/// one to which an old page gives it.
impl FromStr for EventCode {
    type Err = ParseCodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        // The standard library's numbers may have a sign; a code has none.
        if text.contains('+') {
            return Err(ParseCodeError(()));
        }
        if let Some(digits) = hex {
            return u16::from_str_radix(digits, 16).map(Self).map_err(|_| ParseCodeError(()));
        }
        if let Ok(code) = text.parse() {
            return Ok(Self(code));
        }
        let name = ["BS2_SUB_EVENT_", "BS2_EVENT_"]
            .iter()
            .find_map(|prefix| text.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix)))
            .map_or(text, |prefix| text.get(prefix.len()..).unwrap_or(text));
        let named = |row: &&CodeName| {
            row.name.eq_ignore_ascii_case(name)
                || row.sub_name.is_some_and(|sub_name| sub_name.eq_ignore_ascii_case(name))
        };
        let rows = || names::NAMES.iter().filter(named);
        rows()
            .find(|row| row.status != NameStatus::Conflict)
            .or_else(|| rows().next())
            .map(|row| row.code)
            .ok_or(ParseCodeError(()))
    }
}

/// A text that is neither a 16-bit number nor a name of the catalogue.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::EventCode;
///
/// let error = "DOOR_EXPLODED".parse::<EventCode>().unwrap_err();
/// assert_eq!(error.to_string(), "not an event code: a number up to 65535, 0x0000 to 0xFFFF, or a name is expected");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an event code: a number up to 65535, 0x0000 to 0xFFFF, or a name is expected")]
pub struct ParseCodeError(());
