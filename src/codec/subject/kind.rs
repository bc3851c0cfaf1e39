//! Which member of the union a code uses, and how sure that is.

use core::fmt;

use super::EventCode;

/// Which member of the union at offset 12 a code uses.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{Confidence, EventCode, SubjectKind};
///
/// assert_eq!(SubjectKind::of(EventCode::DOOR_OPENED), SubjectKind::Door);
/// assert_eq!(SubjectKind::of(EventCode::new(0x1102)), SubjectKind::Card);
/// assert_eq!(SubjectKind::confidence(EventCode::new(0x4E00)), Confidence::Low);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum SubjectKind {
    /// An intrusion alarm zone with door and input.
    AlarmZone,
    /// Data of an unregistered card.
    Card,
    /// A door.
    Door,
    /// An input port.
    Input,
    /// An interlock zone with its doors.
    Interlock,
    /// A lift.
    Lift,
    /// Nothing.
    None,
    /// An OSDP device.
    Osdp,
    /// A relay.
    Relay,
    /// Nobody says.
    Unknown,
    /// A person.
    User,
    /// A zone.
    Zone,
}

impl SubjectKind {
    /// Every kind, in alphabetical order.
    pub const ALL: [Self; 12] = [
        Self::AlarmZone,
        Self::Card,
        Self::Door,
        Self::Input,
        Self::Interlock,
        Self::Lift,
        Self::None,
        Self::Osdp,
        Self::Relay,
        Self::Unknown,
        Self::User,
        Self::Zone,
    ];

    /// The member that `code` uses. The rows are those of `src/codec/tables/subjects.tsv`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{EventCode, SubjectKind};
    /// assert_eq!(SubjectKind::of(EventCode::new(0xFFFF)), SubjectKind::Unknown);
    /// ```
    #[inline]
    #[must_use]
    pub const fn of(code: EventCode) -> Self {
        match code.get() {
            0x1102 => Self::Card,
            0x1000..=0x1EFF | 0x2000..=0x2AFF | 0x8000..=0x80FF => Self::User,
            0x3F00..=0x3FFF | 0x4600..=0x47FF | 0x4F00..=0x4FFF => Self::Input,
            0x3000..=0x3EFF | 0x4000..=0x45FF | 0x4800..=0x49FF | 0x4D00..=0x4DFF => Self::None,
            0x4A00..=0x4CFF | 0x5000..=0x5FFF => Self::Door,
            0x4E00..=0x4EFF => Self::Osdp,
            0x7000..=0x79FF => Self::Lift,
            0x9300..=0x93FF | 0x9800..=0x98FF => Self::AlarmZone,
            0x6000..=0x6FFF | 0x8100..=0x83FF | 0x9000..=0x9BFF | 0xB000..=0xB2FF | 0xB500..=0xBBFF => {
                Self::Zone
            }
            0xA000..=0xA4FF => Self::Interlock,
            0xC300..=0xC5FF => Self::Relay,
            _ => Self::Unknown,
        }
    }

    /// How far the sources prove [`of`](Self::of) for `code`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{Confidence, EventCode, SubjectKind};
    /// assert_eq!(SubjectKind::confidence(EventCode::VERIFY_SUCCESS), Confidence::High);
    /// ```
    #[must_use]
    pub const fn confidence(code: EventCode) -> Confidence {
        match code.get() {
            0x1108..=0x110C => Confidence::Medium,
            0x1000..=0x15FF | 0x2000..=0x2AFF | 0x3F00..=0x3FFF | 0x4600..=0x47FF => Confidence::High,
            0x5601 | 0x5702 | 0x5F01..=0x5F07 => Confidence::Medium,
            0x5000..=0x6FFF | 0x9300..=0x93FF | 0x9800..=0x98FF => Confidence::High,
            0xA000..=0xA0FF | 0xC300..=0xC5FF => Confidence::High,
            0x1600..=0x1EFF | 0x3000..=0x3EFF | 0x4200..=0x45FF | 0x4800..=0x49FF => Confidence::Medium,
            0x7000..=0x79FF | 0x9000..=0x9BFF | 0xA100..=0xA4FF => Confidence::Medium,
            _ => Confidence::Low,
        }
    }
}

/// The word that `src/codec/tables/subjects.tsv` uses.
impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AlarmZone => "alarm_zone",
            Self::Card => "card",
            Self::Door => "door",
            Self::Input => "input",
            Self::Interlock => "interlock",
            Self::Lift => "lift",
            Self::None => "none",
            Self::Osdp => "osdp",
            Self::Relay => "relay",
            Self::Unknown => "unknown",
            Self::User => "user",
            Self::Zone => "zone",
        })
    }
}

/// How far the sources prove which member of the union a code uses.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::Confidence;
///
/// assert!(Confidence::Low < Confidence::High);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Confidence {
    /// By the code's name alone, or not at all.
    Low,
    /// By one source, or by the code's neighbours.
    Medium,
    /// By the vendor's manual or the gateway's documentation, and nothing speaks against it.
    High,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}
