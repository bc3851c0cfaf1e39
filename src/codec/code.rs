//! Event codes: an open number with names.

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

mod constants;
mod names;

/// An enum of words: `Display` writes the word of each variant.
macro_rules! word_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$doc:meta])* $variant:ident = $word:literal,)*
        }
    ) => {
        $(#[$meta])*
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $word,)*
                })
            }
        }
    };
}
pub(super) use word_enum;

/// What happened: the 16-bit code of an event, main code in the high byte and sub code in the low one.
///
/// The set is open: a code that this crate does not know keeps its number, has no name, and survives every round
/// trip. The constants have the names of the SDK up to 2.9.12, without its prefix `BS2_EVENT_`.
///
/// # Names
///
/// Some low bytes select another event (`0x3200` is the clock, `0x3201` the time zone), others qualify the main code
/// (`0x1301` is an identification by finger). So a name is looked up by the full code first, and then by main and sub
/// code. A sub code that is not known may be either: then [`full_name`](Self::full_name) and `Display` give the name of
/// the main code and the number, `ZONE_APB_ALARM+0x09`. [`names`](Self::names) lists every name that a code has or had:
/// at `0x6900` … `0x6D00` an old revision of the manual is off by one, and its names are kept there with a note.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::EventCode;
/// use bs2_events::codec::code::Outcome;
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
    #[must_use]
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// Every name in the catalogue, by code. The first of each code is the one that [`name`](Self::name) returns.
    #[must_use]
    pub const fn catalogue() -> &'static [CodeName] {
        names::NAMES
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// This code without its sub code.
    #[must_use]
    pub const fn main(self) -> Self {
        Self(self.0 & 0xFF00)
    }

    /// The sub code: the low byte.
    #[must_use]
    pub const fn sub(self) -> u8 {
        let [sub, _] = self.0.to_le_bytes();
        sub
    }

    /// The name: of the full code if it has one, else of main and sub code together.
    ///
    /// `None` for a code that the tables do not have, also where they have its main code: see
    /// [`full_name`](Self::full_name).
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::EventCode;
    ///
    /// assert_eq!(EventCode::new(0x3201).name(), Some("DEVICE_TIMEZONE_SET"));
    /// assert_eq!(EventCode::new(0x1006).name(), Some("VERIFY_SUCCESS_CARD"));
    /// assert_eq!(EventCode::new(0x6109).name(), None);
    /// ```
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.names().first().map(|row| row.name)
    }

    /// The name, or that of the main code and the number of the sub code. `None` for an unknown main code.
    ///
    /// What an unknown sub code means is not known: it may be another event than the main code's name says.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::EventCode;
    ///
    /// assert_eq!(EventCode::new(0x6100).full_name().as_deref(), Some("ZONE_APB_ALARM"));
    /// assert_eq!(EventCode::new(0x6109).full_name().as_deref(), Some("ZONE_APB_ALARM+0x09"));
    /// assert_eq!(EventCode::new(0xFF09).full_name(), None);
    /// ```
    #[must_use]
    pub fn full_name(self) -> Option<Cow<'static, str>> {
        match self.name() {
            Some(name) => Some(name.into()),
            None => self.main_name().map(|name| format!("{name}+0x{:02X}", self.sub()).into()),
        }
    }

    /// The name of the main code.
    #[must_use]
    pub fn main_name(self) -> Option<&'static str> {
        self.main().names().iter().find(|row| row.sub_name.is_none()).map(|row| row.name)
    }

    /// Every name that this code has or had, the present one first; empty for an unknown code.
    #[must_use]
    pub fn names(self) -> &'static [CodeName] {
        let start = names::NAMES.partition_point(|row| row.code < self);
        let end = names::NAMES.partition_point(|row| row.code <= self);
        names::NAMES.get(start..end).unwrap_or_default()
    }

    /// The category; `None` for a main code that is not known.
    #[must_use]
    pub fn category(self) -> Option<Category> {
        let rows = [self, self.main()].map(Self::names);
        rows.iter().copied().flatten().next().map(|row| row.category)
    }

    /// Whether a person was let in, was refused, or neither.
    ///
    /// Success, duress and bypass codes grant. Failures, `0x1800` and `0x1900` deny, except the sub codes `0x08`, `0x09`
    /// and `0x10` of `0x1900`, which excuse a violation and let the person in. What a device merely detects (`0x1A00`,
    /// `0x1D00`, `0x1E00`) decides nothing: the denial that may follow is an event of its own. Codes that are not an
    /// authentication are [`Neither`](Outcome::Neither).
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match (self.main_byte(), self.sub()) {
            (0x10 | 0x12 | 0x13 | 0x15 | 0x16 | 0x1B, _) | (0x19, 0x08 | 0x09 | 0x10) => Outcome::Granted,
            (0x11 | 0x14 | 0x17 | 0x18 | 0x19 | 0x1C, _) => Outcome::Denied,
            _ => Outcome::Neither,
        }
    }

    /// This code in plain English, in lower case and without a full stop: for a person who does not know the SDK's names.
    ///
    /// The words are made from the name, and may change between versions of this crate. Store the number.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::EventCode;
    ///
    /// assert_eq!(EventCode::new(0x1301).describe(), "access granted by fingerprint");
    /// assert_eq!(EventCode::new(0x1009).describe(), "access granted by card, fingerprint and PIN");
    /// assert_eq!(EventCode::new(0x1905).describe(), "access denied: anti-passback");
    /// assert_eq!(EventCode::DOOR_FORCED_OPEN.describe(), "door forced open");
    /// assert_eq!(EventCode::new(0x6109).describe(), "zone anti-passback alarm, unknown sub code 0x09");
    /// assert_eq!(EventCode::new(0xFFFF).describe(), "unknown event 0xFFFF");
    /// ```
    #[must_use]
    pub fn describe(self) -> String {
        let Some(name) = self.name() else {
            return match self.main_name() {
                Some(main) => format!("{}, unknown sub code 0x{:02X}", phrase(main), self.sub()),
                None => format!("unknown event 0x{:04X}", self.0),
            };
        };
        if let Some(violation) = name.strip_prefix("ACCESS_EXCUSED_") {
            return format!("access granted in spite of a violation: {}", words(violation));
        }
        let main = self.main_name().unwrap_or(name);
        let added = name.strip_prefix(main).and_then(|added| added.strip_prefix('_'));
        let sub_code = added.filter(|_| self.names().first().is_some_and(|row| row.sub_name.is_some()));
        let Some(added) = sub_code else { return phrase(name) };
        let main = phrase(main);
        match self.main_byte() {
            0x10 | 0x12 | 0x13 | 0x15 => format!("{main} by {}", credentials(added)),
            0x11 | 0x14 => match added.strip_suffix("_QR") {
                Some(defect) => format!("{main}: QR code {}", words(defect)),
                None => format!("{main}: {} not accepted", words(added)),
            },
            0x5C..=0x5E | 0x72..=0x74 => format!("{main} by {}", words(added)),
            _ if added.starts_with("BY_") => format!("{main} {}", words(added)),
            _ => format!("{main}: {}", words(added)),
        }
    }

    /// The code with this name of the catalogue, in any case.
    fn named(name: &str) -> Option<Self> {
        let is_named = |row: &&CodeName| {
            row.name.eq_ignore_ascii_case(name)
                || row.sub_name.is_some_and(|sub_name| sub_name.eq_ignore_ascii_case(name))
        };
        let rank = |row: &&CodeName| match row.status {
            NameStatus::Conflict => 2,
            NameStatus::Catalogue => 1,
            _ => 0,
        };
        names::NAMES.iter().filter(is_named).min_by_key(rank).map(|row| row.code)
    }

    /// The code with the name of a main code and the number of a sub code.
    fn named_with_sub(name: &str) -> Option<Self> {
        let (main, sub) = name.rsplit_once('+')?;
        let digits = sub.strip_prefix("0x").or_else(|| sub.strip_prefix("0X"))?;
        let is_sub = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let sub = u8::from_str_radix(digits, 16).ok().filter(|_| is_sub)?;
        Self::named(main).filter(|main| main.sub() == 0).map(|main| Self(main.0 | u16::from(sub)))
    }

    /// Whether the event is of the authentication family, `0x1000` … `0x1EFF`.
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

/// The [full name](EventCode::full_name), or `0x` and four digits.
impl fmt::Display for EventCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.full_name() {
            Some(name) => f.pad(&name),
            None => write!(f, "0x{:04X}", self.0),
        }
    }
}

impl fmt::Debug for EventCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.full_name() {
            Some(name) => write!(f, "0x{:04X} {name}", self.0),
            None => write!(f, "0x{:04X}", self.0),
        }
    }
}

/// Reads a decimal number, a hexadecimal one after `0x`, or any name of the catalogue in any case, with or without
/// the SDK's `BS2_EVENT_`, or a [full name](EventCode::full_name) with the number of the sub code. If two codes have the
/// name, it means the code whose present name or alias it is in the SDK, then the lowest one that has it in the vendor's
/// message catalogue, and last the one that has it in an old page.
impl FromStr for EventCode {
    type Err = ParseCodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        // The standard library's numbers may have a sign; a code has none.
        if text.starts_with('+') || hex.is_some_and(|digits| digits.starts_with('+')) {
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
        Self::named(name).or_else(|| Self::named_with_sub(name)).ok_or(ParseCodeError(()))
    }
}

/// A text that is neither a 16-bit number nor a name of the catalogue.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an event code: a number up to 65535, 0x0000 to 0xFFFF, or a name is expected")]
pub struct ParseCodeError(());

/// One name of the catalogue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CodeName {
    /// The code that the name stands for.
    pub code: EventCode,
    /// The name, without the SDK's `BS2_EVENT_`.
    pub name: &'static str,
    /// The sub code's own name, without `BS2_SUB_EVENT_`, where main and sub code make the name.
    pub sub_name: Option<&'static str>,
    /// Whether the name is in use.
    pub status: NameStatus,
    /// The area that the code concerns.
    pub category: Category,
    /// The severity in the SDK's header; sub codes have that of their main code.
    pub severity: Severity,
    /// A note on the name; often empty.
    pub note: &'static str,
}

word_enum! {
    /// Whether a name is in use.
    #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
    #[non_exhaustive]
    pub enum NameStatus {
        /// A second name that is in use.
        Also = "also",
        /// The SDK has no name for this code. The vendor's public message catalogue describes it, and the name is made from
        /// that.
        Catalogue = "catalogue",
        /// An old page gives the name to this code, the SDK to another.
        Conflict = "conflict",
        /// The name.
        Current = "current",
        /// A former name.
        Deprecated = "deprecated",
        /// The SDK's own spelling, where it has a slip.
        Misspelt = "misspelt",
    }
}

word_enum! {
    /// The area that a code concerns.
    #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
    #[non_exhaustive]
    pub enum Category {
        /// A person asked to be let in.
        Authentication = "authentication",
        /// The device itself: clock, network, resets, power.
        Device = "device",
        /// A door.
        Door = "door",
        /// A supervised input.
        Input = "input",
        /// A lift and its floors.
        Lift = "lift",
        /// A relay action.
        Relay = "relay",
        /// The BioStar server itself: recordings, backups, licences, synchronization. No device writes it.
        Server = "server",
        /// The list of users was changed.
        User = "user",
        /// A zone: anti-passback, fire, lock schedules, intrusion, interlock, limits, muster.
        Zone = "zone",
    }
}

word_enum! {
    /// The severity with which the SDK's header marks a code.
    #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
    pub enum Severity {
        /// Not marked.
        Normal = "normal",
        /// Marked as an alert.
        Alert = "alert",
        /// Marked as an alarm.
        Alarm = "alarm",
    }
}

word_enum! {
    /// The decision of an authentication event.
    #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
    pub enum Outcome {
        /// A person was let in.
        Granted = "granted",
        /// A person was refused.
        Denied = "denied",
        /// The event decides nothing.
        Neither = "neither",
    }
}

/// The plain words for the name of a main code, or of a code without sub code.
fn phrase(name: &str) -> String {
    PHRASES
        .iter()
        .find(|(known, _)| *known == name)
        .map_or_else(|| words(name), |(_, phrase)| (*phrase).to_owned())
}

/// The plain words for a part of a name, in its order.
fn words(name: &str) -> String {
    let words: Vec<_> = name.split('_').map(word).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Credentials as a list: `card, fingerprint and PIN`.
fn credentials(names: &str) -> String {
    let names = names.replace("MOBILE_CARD", "MOBILECARD");
    let mut credentials: Vec<_> = names.split('_').map(word).collect();
    let last = credentials.pop().unwrap_or_default();
    if credentials.is_empty() { last } else { format!("{} and {last}", credentials.join(", ")) }
}

/// One word of a name.
fn word(word: &str) -> String {
    match WORDS.iter().find(|(known, _)| *known == word) {
        Some((_, plain)) => (*plain).to_owned(),
        None => word.to_ascii_lowercase(),
    }
}

/// Names whose words, one by one, do not make a phrase.
const PHRASES: [(&str, &str); 43] = [
    ("ALL_FLOOR_ACTIVATED", "all floors activated"),
    ("ALL_FLOOR_DEACTIVATED", "all floors deactivated"),
    ("BYPASS_FAIL", "access denied after a check of temperature or mask"),
    ("BYPASS_SUCCESS", "access granted after a check of temperature or mask"),
    ("DEVICE_AC_FAIL", "mains power of the device failed"),
    ("DEVICE_AC_SUCCESS", "mains power of the device restored"),
    ("DEVICE_ADMIN_LOGIN_FAIL_NOCREDENTIAL", "device admin login failed: no credential"),
    ("DEVICE_ADMIN_MENU", "device admin menu entered"),
    ("DEVICE_CONFIG_RESET_EX", "device configuration reset, extended"),
    ("DEVICE_DHCP_SUCCESS", "device received an address by DHCP"),
    ("DEVICE_IO_DETECTED", "device input or output changed"),
    ("DEVICE_USER_SYNC_TO_SERVER_FAIL", "synchronization of users from the device to the server failed"),
    ("DOOR_SEND_LOCK", "lock command sent to door"),
    ("DOOR_SEND_RELEASE", "release command sent to door"),
    ("DOOR_SEND_UNLOCK", "unlock command sent to door"),
    ("DOOR_SEND_UNLOCK_TIMER", "timed unlock command sent to door"),
    ("EXIT_BUTTON", "exit button pressed"),
    ("IDENTIFY_DURESS", "access granted under duress"),
    ("IDENTIFY_FAIL", "access denied"),
    ("IDENTIFY_SUCCESS", "access granted"),
    ("LICENSE_DISABLE_FAIL", "licence not disabled"),
    ("LICENSE_DISABLE_SUCCESS", "licence disabled"),
    ("LICENSE_ENABLE_FAIL", "licence not enabled"),
    ("LICENSE_ENABLE_SUCCESS", "licence enabled"),
    ("MEMORY_FULL_MIGRATION", "memory full, moved to the swap partition"),
    ("OPERATOR_OPEN", "door opened by operator"),
    ("SIMULATED_EXIT_BUTTON", "simulated exit button pressed"),
    ("USER_DELETE_ALL_SUCCESS", "all users deleted"),
    ("USER_DELETE_FAIL", "user not deleted"),
    ("USER_DELETE_SUCCESS", "user deleted"),
    ("USER_DUPLICATE_CREDENTIAL", "duplicate credential of a user"),
    ("USER_ENROLL_FAIL", "user not enrolled"),
    ("USER_ENROLL_SUCCESS", "user enrolled"),
    ("USER_ISSUE_AOC_SUCCESS", "access-on-card issued to user"),
    ("USER_UPDATE_FAIL", "user not updated"),
    ("USER_UPDATE_PARTIAL_FAIL", "user not partly updated"),
    ("USER_UPDATE_PARTIAL_SUCCESS", "user partly updated"),
    ("USER_UPDATE_SUCCESS", "user updated"),
    ("UZ_BATTERY_LV_CHANGE", "battery level changed"),
    ("VERIFY_DURESS", "access granted under duress"),
    ("VERIFY_FAIL", "access denied"),
    ("VERIFY_SUCCESS", "access granted"),
    ("VOIP_OPEN", "door opened by VoIP"),
];

/// Words of names that are abbreviations, or that read better in another form.
const WORDS: [(&str, &str); 37] = [
    ("ACTIVATE", "activation"),
    ("AOC", "access-on-card"),
    ("APB", "anti-passback"),
    ("ARM", "arming"),
    ("AUTH", "authentication"),
    ("CLEAR", "cleared"),
    ("COMM", "communication"),
    ("CONFIG", "configuration"),
    ("DEACTIVATE", "deactivation"),
    ("DHCP", "DHCP"),
    ("DISARM", "disarming"),
    ("DST", "daylight saving"),
    ("END", "ended"),
    ("FAIL", "failed"),
    ("FINGER", "fingerprint"),
    ("ID", "ID"),
    ("LICENSE", "licence"),
    ("LOCKOVERRIDE", "lock override"),
    ("LV", "level"),
    ("MOBILECARD", "mobile card"),
    ("NON", "not"),
    ("NVR", "NVR"),
    ("OPENGL", "OpenGL"),
    ("PIN", "PIN"),
    ("QR", "QR code"),
    ("REQ", "request"),
    ("RS", "RS"),
    ("RS485", "RS-485"),
    ("RTSP", "RTSP"),
    ("START", "started"),
    ("SUCCESS", "succeeded"),
    ("TAILGATE", "tailgating"),
    ("TCP", "TCP"),
    ("TIMEZONE", "time zone"),
    ("UI", "user interface"),
    ("VMS", "VMS"),
    ("VOIP", "VoIP"),
];
