//! To whom or what an event happened: the 32 bytes whose meaning depends on the code.

use core::fmt;

use ascii::AsciiStr;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::code::word_enum;
use super::{DecodeError, DecodeReason, EventCode};

/// To whom or what an event happened: the union at offset 12, read as the code requires.
///
/// No vendor table says which member a code uses. This crate's table comes from the manual, the gateway's documentation
/// and the names of the codes; [`SubjectKind::confidence`] says how reliable each row is.
///
/// `Debug` and `Display` show the ids of things. Of people and cards they show only that there is one, and of
/// [`Unknown`](Self::Unknown), which may be a user id, they show no bytes.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::subject::PortValue;
/// use bs2_events::codec::{DeviceId, Event, EventCode, Subject};
///
/// let event = Event::builder(DeviceId::new(1), 1, EventCode::SUPERVISED_INPUT_SHORT)
///     .subject(Subject::Input { io_device_id: 283_013_377, port: 2, value: PortValue::SUPERVISED_SHORT })
///     .build();
/// assert_eq!(event.subject().to_string(), "input 283013377:2 SUPERVISED_SHORT");
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Subject<'a> {
    /// An intrusion alarm zone, and the door or input that triggered it. Codes `0x9300` and `0x9800`.
    AlarmZone {
        /// The zone.
        zone_id: u32,
        /// The door concerned, 0 for none.
        door_id: u32,
        /// The device whose input is concerned, 0 for none.
        io_device_id: u32,
        /// The input's port on that device.
        port: u16,
    },
    /// The data of a card that is not registered. Code `0x1102` alone.
    Card(&'a CardData),
    /// A door. Codes `0x5000` … `0x5FFF`.
    Door {
        /// The door.
        door_id: u32,
    },
    /// An input port and its state. Codes `0x3F00`, `0x4600`, `0x4700`.
    Input {
        /// The device that has the port.
        io_device_id: u32,
        /// The port on that device.
        port: u16,
        /// The state of the port.
        value: PortValue,
    },
    /// An interlock zone and its doors. Codes `0xA000` … `0xA4FF`.
    Interlock {
        /// The zone.
        zone_id: u32,
        /// Up to four doors; 0 for none.
        door_ids: [u32; 4],
    },
    /// A lift. Codes `0x7000` … `0x79FF`.
    Lift {
        /// The lift.
        lift_id: u32,
    },
    /// The code has no subject.
    None,
    /// A notice of an OSDP device. No source names its code; `0x4E00` fits by its name.
    Osdp {
        /// The device.
        device_id: u32,
        /// The notice, 28 bytes.
        data: &'a [u8; 28],
    },
    /// A relay switched by an input. Codes `0xC300` … `0xC5FF`.
    Relay {
        /// The relay's port.
        relay_port: u16,
        /// The input's port.
        input_port: u16,
    },
    /// No source explains the bytes for this code.
    Unknown(&'a [u8; 32]),
    /// A person; the id may be empty. Authentication and user codes.
    User(&'a UserId),
    /// A zone. Codes `0x6000` … `0x6FFF` and others.
    Zone {
        /// The zone.
        zone_id: u32,
    },
}

impl<'a> Subject<'a> {
    /// Reads the union's bytes as `code` requires.
    #[must_use]
    pub fn read(code: EventCode, bytes: &'a [u8; 32]) -> Self {
        Self::read_as(SubjectKind::of(code), bytes)
    }

    /// Reads the bytes as the member that `kind` names.
    pub(crate) fn read_as(kind: SubjectKind, bytes: &'a [u8; 32]) -> Self {
        match kind {
            SubjectKind::AlarmZone => {
                let alarm: &AlarmZone = zerocopy::transmute_ref!(bytes);
                Self::AlarmZone {
                    zone_id: alarm.zone_id.get(),
                    door_id: alarm.door_id.get(),
                    io_device_id: alarm.io_device_id.get(),
                    port: alarm.port.get(),
                }
            }
            SubjectKind::Card => Self::Card(zerocopy::transmute_ref!(bytes)),
            SubjectKind::Door => Self::Door { door_id: uid(bytes) },
            SubjectKind::Input => {
                let input: &Input = zerocopy::transmute_ref!(bytes);
                Self::Input {
                    io_device_id: input.io_device_id.get(),
                    port: input.port.get(),
                    value: PortValue(input.value),
                }
            }
            SubjectKind::Interlock => {
                let interlock: &Interlock = zerocopy::transmute_ref!(bytes);
                Self::Interlock {
                    zone_id: interlock.zone_id.get(),
                    door_ids: interlock.door_ids.map(U32::get),
                }
            }
            SubjectKind::Lift => Self::Lift { lift_id: uid(bytes) },
            SubjectKind::None => Self::None,
            SubjectKind::Osdp => {
                let notice: &OsdpNotice = zerocopy::transmute_ref!(bytes);
                Self::Osdp { device_id: notice.device_id.get(), data: &notice.data }
            }
            SubjectKind::Relay => {
                let relay: &RelayAction = zerocopy::transmute_ref!(bytes);
                Self::Relay { relay_port: relay.relay_port.get(), input_port: relay.input_port.get() }
            }
            SubjectKind::Unknown => Self::Unknown(bytes),
            SubjectKind::User => Self::User(UserId::from_array(bytes)),
            SubjectKind::Zone => Self::Zone { zone_id: uid(bytes) },
        }
    }

    /// Whether two records of an event have this subject: they agree as far as both say something. Some ways to a device
    /// do not give the state of a port, nor all bytes of a subject that no source explains.
    pub(super) fn agrees_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::User(one), Self::User(other)) => one.as_bytes() == other.as_bytes(),
            (
                Self::Input { io_device_id: one, port: one_port, value: one_value },
                Self::Input { io_device_id: other, port: other_port, value: other_value },
            ) => {
                let is_said = [one_value, other_value].iter().all(|value| *value != PortValue::UNKNOWN);
                (one, one_port) == (other, other_port) && (!is_said || one_value == other_value)
            }
            (Self::Osdp { .. }, Self::Osdp { .. }) | (Self::Unknown(_), Self::Unknown(_)) => {
                let (one, other) = (self.to_bytes(), other.to_bytes());
                let used = |bytes: &[u8; 32]| {
                    bytes.len().saturating_sub(bytes.iter().rev().take_while(|byte| **byte == 0).count())
                };
                let both = used(&one).min(used(&other));
                one.get(..both) == other.get(..both)
            }
            (one, other) => one == other,
        }
    }

    /// The 32 bytes of the union; reserved bytes are 0.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        match self {
            Self::AlarmZone { zone_id, door_id, io_device_id, port } => zerocopy::transmute!(AlarmZone {
                zone_id: zone_id.into(),
                door_id: door_id.into(),
                io_device_id: io_device_id.into(),
                port: port.into(),
                reserved: [0; 18],
            }),
            Self::Card(card) => *card.as_bytes(),
            Self::Door { door_id: uid } | Self::Lift { lift_id: uid } | Self::Zone { zone_id: uid } => {
                zerocopy::transmute!(Uid { uid: uid.into(), reserved: [0; 28] })
            }
            Self::Input { io_device_id, port, value } => zerocopy::transmute!(Input {
                io_device_id: io_device_id.into(),
                port: port.into(),
                value: value.0,
                reserved: [0; 25],
            }),
            Self::Interlock { zone_id, door_ids } => zerocopy::transmute!(Interlock {
                zone_id: zone_id.into(),
                door_ids: door_ids.map(U32::new),
                reserved: [0; 12],
            }),
            Self::None => [0; 32],
            Self::Osdp { device_id, data } => {
                zerocopy::transmute!(OsdpNotice { device_id: device_id.into(), data: *data })
            }
            Self::Relay { relay_port, input_port } => zerocopy::transmute!(RelayAction {
                relay_port: relay_port.into(),
                input_port: input_port.into(),
                reserved: [0; 28],
            }),
            Self::Unknown(bytes) => *bytes,
            Self::User(user) => *user.as_array(),
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlarmZone { zone_id, door_id, io_device_id, port } => {
                write!(f, "alarm zone {zone_id} door {door_id} input {io_device_id}:{port}")
            }
            Self::Card(_) => f.write_str("card"),
            Self::Door { door_id } => write!(f, "door {door_id}"),
            Self::Input { io_device_id, port, value } => write!(f, "input {io_device_id}:{port} {value}"),
            Self::Interlock { zone_id, door_ids: [a, b, c, d] } => {
                write!(f, "interlock zone {zone_id} doors {a} {b} {c} {d}")
            }
            Self::Lift { lift_id } => write!(f, "lift {lift_id}"),
            Self::None => f.write_str("none"),
            Self::Osdp { device_id, .. } => write!(f, "OSDP device {device_id}"),
            Self::Relay { relay_port, input_port } => write!(f, "relay {relay_port} input {input_port}"),
            Self::Unknown(_) => f.write_str("unknown"),
            Self::User(user) if user.is_empty() => f.write_str("unknown user"),
            Self::User(_) => f.write_str("user"),
            Self::Zone { zone_id } => write!(f, "zone {zone_id}"),
        }
    }
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

word_enum! {
    /// The kind of a subject: the member of the union at offset 12 that a code uses. `Display` writes the word in
    /// `src/codec/tables/subjects.tsv`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::subject::Confidence;
    /// use bs2_events::codec::{EventCode, SubjectKind};
    ///
    /// assert_eq!(SubjectKind::of(EventCode::DOOR_OPENED), SubjectKind::Door);
    /// assert_eq!(SubjectKind::of(EventCode::new(0x1102)), SubjectKind::Card);
    /// assert_eq!(SubjectKind::confidence(EventCode::new(0x4E00)), Confidence::Low);
    /// ```
    #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
    #[non_exhaustive]
    pub enum SubjectKind {
        /// An intrusion alarm zone with door and input.
        AlarmZone = "alarm_zone",
        /// Data of an unregistered card.
        Card = "card",
        /// A door.
        Door = "door",
        /// An input port.
        Input = "input",
        /// An interlock zone with its doors.
        Interlock = "interlock",
        /// A lift.
        Lift = "lift",
        /// Nothing.
        None = "none",
        /// An OSDP device.
        Osdp = "osdp",
        /// A relay.
        Relay = "relay",
        /// No source explains the bytes.
        Unknown = "unknown",
        /// A person.
        User = "user",
        /// A zone.
        Zone = "zone",
    }
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
            // Of the server, not of a relay.
            0xC401 | 0xC403 | 0xC405 => Self::Unknown,
            0xC300..=0xC5FF => Self::Relay,
            _ => Self::Unknown,
        }
    }

    /// How well the sources prove the kind of `code`.
    #[must_use]
    pub const fn confidence(code: EventCode) -> Confidence {
        match code.get() {
            0x1108..=0x110C => Confidence::Medium,
            0x1000..=0x15FF | 0x2000..=0x2AFF | 0x3F00..=0x3FFF | 0x4600..=0x47FF => Confidence::High,
            0x5601 | 0x5702 | 0x5F01..=0x5F07 => Confidence::Medium,
            0x5000..=0x6FFF | 0x9300..=0x93FF | 0x9800..=0x98FF => Confidence::High,
            0xC401 | 0xC403 | 0xC405 => Confidence::Low,
            0xA000..=0xA0FF | 0xC300..=0xC5FF => Confidence::High,
            0x1600..=0x1EFF | 0x3000..=0x3EFF | 0x4200..=0x45FF | 0x4800..=0x49FF => Confidence::Medium,
            0x7000..=0x79FF | 0x9000..=0x9BFF | 0xA100..=0xA4FF => Confidence::Medium,
            _ => Confidence::Low,
        }
    }
}

word_enum! {
    /// How well the sources prove the kind of a code's subject.
    #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
    pub enum Confidence {
        /// Only by the code's name, or not at all.
        Low = "low",
        /// By one source, or by the code's neighbours.
        Medium = "medium",
        /// By the vendor's manual or the gateway's documentation, and no source contradicts it.
        High = "high",
    }
}

/// A user id: up to 32 bytes, padded with NUL.
///
/// All ids that were seen are text, but nothing enforces it. An id may use all 32 bytes and then has no NUL, and it may
/// be invalid UTF-8; [`as_bytes`](Self::as_bytes) returns it in any case. An empty id means that the person is unknown:
/// [`Event::user_id`](super::Event::user_id) never returns one.
///
/// `Debug` shows neither the id nor its length.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::UserId;
///
/// let user = UserId::new("1001")?;
/// assert_eq!(user.as_text(), Some("1001"));
/// assert_eq!(format!("{user:?}"), "UserId(..)");
/// assert_eq!(UserId::new("Zoë")?.as_text(), Some("Zoë"));
/// assert_eq!(UserId::new(b"\xFF")?.as_text(), None);
///
/// let error = UserId::new("x".repeat(33)).unwrap_err();
/// assert_eq!(error.to_string(), "event: field `user_id` at offset 12: 33 bytes in a field of 32");
/// # Ok::<(), bs2_events::codec::DecodeError>(())
/// ```
#[doc(alias("BS2_USER_ID", "userID"))]
#[derive(Clone, Copy, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(transparent)]
pub struct UserId([u8; 32]);

impl UserId {
    /// The id with these bytes, padded with NUL.
    ///
    /// # Errors
    ///
    /// [`DecodeReason::TooLong`] for more than 32 bytes.
    pub fn new(id: impl AsRef<[u8]>) -> Result<Self, DecodeError> {
        padded(id.as_ref(), "user_id").map(Self)
    }

    /// The id in these 32 bytes, without copying them.
    #[inline]
    #[must_use]
    pub fn from_array(bytes: &[u8; 32]) -> &Self {
        zerocopy::transmute_ref!(bytes)
    }

    /// All 32 bytes, padding included.
    #[must_use]
    pub const fn as_array(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id's bytes, up to the first NUL.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.get(..before_nul(&self.0)).unwrap_or(&self.0)
    }

    /// The id as text; `None` if it is not UTF-8. The text of an empty id is empty.
    #[inline]
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        let id = self.as_bytes();
        match AsciiStr::from_ascii(id) {
            // Nearly every id is ASCII, and this check takes half the time of that for UTF-8.
            Ok(ascii) => Some(ascii.as_str()),
            Err(_) => core::str::from_utf8(id).ok(),
        }
    }

    /// Whether there is no id: the person is unknown.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let [first, ..] = self.0;
        first == 0
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(..)")
    }
}

/// The data of a card that a device did not know: 32 bytes, whose layout depends on the card.
///
/// No vendor page says what is in them. The gateway's documentation calls them the data of the card, that is bytes. The
/// SDK's samples and two programs in the field read them as decimal text. Both occur: where the bytes are digits,
/// [`as_text`](Self::as_text) returns them as text; the bytes themselves are right in any case. `Debug` does not show
/// them.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::CardData;
///
/// let card = CardData::new([0xCA, 0xFE])?;
/// assert_eq!(card.as_bytes()[..3], [0xCA, 0xFE, 0]);
/// assert_eq!(card.as_text(), None);
/// assert_eq!(format!("{card:?}"), "CardData(..)");
/// assert_eq!(CardData::new("3735928559")?.as_text(), Some("3735928559"));
/// # Ok::<(), bs2_events::codec::DecodeError>(())
/// ```
#[doc(alias = "cardID")]
#[derive(Clone, Copy, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(transparent)]
pub struct CardData([u8; 32]);

impl CardData {
    /// A card with these bytes, padded with zeros.
    ///
    /// # Errors
    ///
    /// [`DecodeReason::TooLong`] for more than 32 bytes.
    pub fn new(data: impl AsRef<[u8]>) -> Result<Self, DecodeError> {
        padded(data.as_ref(), "card_data").map(Self)
    }

    /// All 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The number of the card as text, if all bytes before the padding (the zeros at the end) are decimal digits.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        let end = self.0.iter().rposition(|byte| *byte != 0)?;
        let digits = self.0.get(..=end).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        core::str::from_utf8(digits).ok()
    }
}

impl fmt::Debug for CardData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardData(..)")
    }
}

/// The state of an input port: a signed byte.
///
/// An old manual page declares it unsigned; the shipping SDK's is signed, so `0xFF` on the wire is −1, unknown.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::subject::PortValue;
///
/// assert_eq!(PortValue::new(-1), PortValue::UNKNOWN);
/// assert_eq!(PortValue::CLOSED.to_string(), "CLOSED");
/// assert_eq!(PortValue::new(9).to_string(), "9");
/// ```
#[doc(alias = "BS2_PORT_VALUE")]
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct PortValue(i8);

impl PortValue {
    /// The state with this number.
    #[must_use]
    pub const fn new(value: i8) -> Self {
        Self(value)
    }

    /// The number, −1 … 3 for the named states.
    #[must_use]
    pub const fn get(self) -> i8 {
        self.0
    }

    /// The device does not know.
    pub const UNKNOWN: Self = Self(-1);
    /// The circuit is open.
    pub const OPEN: Self = Self(0);
    /// The circuit is closed.
    pub const CLOSED: Self = Self(1);
    /// A supervised input is short-circuited.
    pub const SUPERVISED_SHORT: Self = Self(2);
    /// A supervised input is cut.
    pub const SUPERVISED_OPEN: Self = Self(3);
}

impl fmt::Display for PortValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UNKNOWN => f.write_str("UNKNOWN"),
            Self::OPEN => f.write_str("OPEN"),
            Self::CLOSED => f.write_str("CLOSED"),
            Self::SUPERVISED_SHORT => f.write_str("SUPERVISED_SHORT"),
            Self::SUPERVISED_OPEN => f.write_str("SUPERVISED_OPEN"),
            Self(value) => value.fmt(f),
        }
    }
}

impl fmt::Debug for PortValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Every member that begins with one id: `doorID`, `liftID`, `zoneID`, `uid`.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Uid {
    uid: U32,
    reserved: [u8; 28],
}

/// `ioDeviceID`, `port`, `value`.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Input {
    io_device_id: U32,
    port: U16,
    value: i8,
    reserved: [u8; 25],
}

/// `alarm`.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct AlarmZone {
    zone_id: U32,
    door_id: U32,
    io_device_id: U32,
    port: U16,
    reserved: [u8; 18],
}

/// `interlock`.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Interlock {
    zone_id: U32,
    door_ids: [U32; 4],
    reserved: [u8; 12],
}

/// `relayAction`.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct RelayAction {
    relay_port: U16,
    input_port: U16,
    reserved: [u8; 28],
}

/// `osdpStandard`.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct OsdpNotice {
    device_id: U32,
    data: [u8; 28],
}

pub(super) fn uid(bytes: &[u8; 32]) -> u32 {
    let uid: &Uid = zerocopy::transmute_ref!(bytes);
    uid.uid.get()
}

/// The number of bytes before the first NUL. It looks at eight bytes at a time: ids are short, so the first eight are
/// nearly always enough.
#[inline]
fn before_nul(bytes: &[u8; 32]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mut len = 0_u32;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // The lowest bit that remains is the top bit of the first zero byte; without any bit it is 64, eight bytes.
        let first =
            (word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080).trailing_zeros() / 8;
        len = len.saturating_add(first);
        if first < 8 {
            break;
        }
    }
    usize::try_from(len).unwrap_or(bytes.len())
}

fn padded(bytes: &[u8], field: &'static str) -> Result<[u8; 32], DecodeError> {
    let mut array = [0; 32];
    let target = array.get_mut(..bytes.len()).ok_or(DecodeError {
        record: "event",
        field,
        offset: 12,
        reason: DecodeReason::TooLong { limit: 32, actual: bytes.len() },
    })?;
    target.copy_from_slice(bytes);
    Ok(array)
}
