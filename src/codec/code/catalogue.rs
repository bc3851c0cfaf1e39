//! What the catalogue says of a code.

use core::fmt;

use super::EventCode;

/// One name of the catalogue.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{Category, EventCode, NameStatus};
///
/// let row = &EventCode::new(0x3F00).names().iter().find(|row| row.name == "DEVICE_INPUT_DETECTED").unwrap();
/// assert_eq!(row.status, NameStatus::Deprecated);
/// assert_eq!(row.category, Category::Device);
/// assert_eq!(row.note, "deprecated in SDK 2.9.12");
/// ```
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
    /// What the code concerns.
    pub category: Category,
    /// How loudly the SDK's header marks the code; sub codes follow their main code.
    pub severity: Severity,
    /// What else there is to know; often empty.
    pub note: &'static str,
}

/// Whether a name is in use.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{EventCode, NameStatus};
///
/// assert_eq!(EventCode::DOOR_OPENED.names()[0].status, NameStatus::Current);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum NameStatus {
    /// A second name that is in use.
    Also,
    /// An old page gives the name to this code, the SDK to another.
    Conflict,
    /// The name.
    Current,
    /// A former name.
    Deprecated,
    /// The SDK's own spelling, where it has a slip.
    Misspelt,
}

impl fmt::Display for NameStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Also => "also",
            Self::Conflict => "conflict",
            Self::Current => "current",
            Self::Deprecated => "deprecated",
            Self::Misspelt => "misspelt",
        })
    }
}

/// What a code concerns.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{Category, EventCode};
///
/// assert_eq!(EventCode::new(0x1234).category(), Some(Category::Authentication));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Category {
    /// Somebody asked to be let in.
    Authentication,
    /// The reader itself: clock, network, resets, power.
    Device,
    /// A door.
    Door,
    /// A supervised input.
    Input,
    /// A lift and its floors.
    Lift,
    /// A relay action.
    Relay,
    /// The list of users was changed.
    User,
    /// A zone: anti-passback, fire, lock schedules, intrusion, interlock, limits, muster.
    Zone,
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Authentication => "authentication",
            Self::Device => "device",
            Self::Door => "door",
            Self::Input => "input",
            Self::Lift => "lift",
            Self::Relay => "relay",
            Self::User => "user",
            Self::Zone => "zone",
        })
    }
}

/// How loudly the SDK's header marks a code.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{EventCode, Severity};
///
/// assert_eq!(EventCode::ZONE_FIRE_ALARM.names()[0].severity, Severity::Alarm);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Not marked.
    Normal,
    /// Worth a look.
    Alert,
    /// Worth a run.
    Alarm,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Normal => "normal",
            Self::Alert => "alert",
            Self::Alarm => "alarm",
        })
    }
}

/// What an authentication event decided.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{EventCode, Outcome};
///
/// assert_eq!(EventCode::VERIFY_FAIL.outcome(), Outcome::Denied);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// Somebody was let in.
    Granted,
    /// Somebody was refused.
    Denied,
    /// The event decides nothing.
    Neither,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Neither => "neither",
        })
    }
}
