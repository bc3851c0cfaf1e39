//! To whom or what the event of a blob happened: the mask decides.

use core::fmt;

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::codec::{CardData, EventCode, EventMask, ExtIoDevice, Subject, SubjectKind, UserId};

/// To whom or what the event of a blob happened: the union at offset 18, read as the mask says.
///
/// * No bit of a subject is set: [`None`](Self::None), whatever the bytes are.
/// * One bit is set: it decides.
/// * Several bits are set, which no source explains: the one that the event's code stands for, if the code is valid and
///   the bit among them; else the lowest.
///
/// `Debug` shows the ids of things, and of people and cards only that there is one.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{BlobSubject, EventCode, EventMask};
///
/// let bytes = [5; 32];
/// let door = BlobSubject::Door { door_id: 0x0505_0505 };
/// assert_eq!(BlobSubject::read(EventMask::DOOR_ID, EventCode::VERIFY_SUCCESS, &bytes), door);
/// assert_eq!(BlobSubject::read(EventMask::all(), EventCode::DOOR_OPENED, &bytes), door);
/// assert_eq!(BlobSubject::read(EventMask::INFO, EventCode::DOOR_OPENED, &bytes), BlobSubject::None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum BlobSubject<'a> {
    /// The data of a card; recorded for failed authentications only.
    Card(&'a CardData),
    /// A door.
    Door {
        /// The door.
        door_id: u32,
    },
    /// An input port.
    IoDevice(&'a ExtIoDevice),
    /// No bit of the mask says that there is a subject.
    None,
    /// A person; the id may be empty.
    User(&'a UserId),
    /// A zone.
    Zone {
        /// The zone.
        zone_id: u32,
    },
}

impl<'a> BlobSubject<'a> {
    /// Reads the union's bytes as the mask says.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobSubject, EventCode, EventMask};
    /// let zone = BlobSubject::read(EventMask::ZONE_ID, EventCode::DOOR_OPENED, &[1; 32]);
    /// assert_eq!(zone, BlobSubject::Zone { zone_id: 0x0101_0101 });
    /// ```
    #[must_use]
    pub fn read(mask: EventMask, code: EventCode, bytes: &'a [u8; 32]) -> Self {
        let candidates = mask & EventMask::SUBJECT;
        let agreed = candidates & bit_of(code);
        let lowest = candidates.iter().next().unwrap_or_default();
        match if agreed.is_empty() { lowest } else { agreed } {
            EventMask::CARD_ID => Self::Card(zerocopy::transmute_ref!(bytes)),
            EventMask::DOOR_ID => Self::Door { door_id: uid(bytes) },
            EventMask::IO_DEVICE => {
                let union: &IoDevice = zerocopy::transmute_ref!(bytes);
                Self::IoDevice(&union.io_device)
            }
            EventMask::USER_ID => Self::User(UserId::from_array(bytes)),
            EventMask::ZONE_ID => Self::Zone { zone_id: uid(bytes) },
            _ => Self::None,
        }
    }

    /// The 32 bytes of the union; bytes that the member does not use are 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::BlobSubject;
    /// assert_eq!(BlobSubject::Zone { zone_id: 258 }.to_bytes()[..4], [2, 1, 0, 0]);
    /// ```
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        match self {
            Self::Card(card) => *card.as_bytes(),
            Self::Door { door_id: uid } | Self::Zone { zone_id: uid } => {
                Subject::Door { door_id: uid }.to_bytes()
            }
            Self::IoDevice(io_device) => {
                zerocopy::transmute!(IoDevice { io_device: *io_device, rest: [0; 24] })
            }
            Self::None => [0; 32],
            Self::User(user) => *user.as_array(),
        }
    }

    /// The bit of the mask that stands for this member; none for [`None`](Self::None).
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobSubject, EventMask};
    /// assert_eq!(BlobSubject::Door { door_id: 1 }.bit(), EventMask::DOOR_ID);
    /// ```
    #[must_use]
    pub const fn bit(self) -> EventMask {
        match self {
            Self::Card(_) => EventMask::CARD_ID,
            Self::Door { .. } => EventMask::DOOR_ID,
            Self::IoDevice(_) => EventMask::IO_DEVICE,
            Self::None => EventMask::empty(),
            Self::User(_) => EventMask::USER_ID,
            Self::Zone { .. } => EventMask::ZONE_ID,
        }
    }
}

impl fmt::Display for BlobSubject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Card(_) => f.write_str("card"),
            Self::Door { door_id } => write!(f, "door {door_id}"),
            Self::IoDevice(input) => {
                write!(f, "input {}:{} {}", input.io_device_id(), input.port(), input.value())
            }
            Self::None => f.write_str("none"),
            Self::User(user) if user.is_empty() => f.write_str("unknown user"),
            Self::User(_) => f.write_str("user"),
            Self::Zone { zone_id } => write!(f, "zone {zone_id}"),
        }
    }
}

/// `ioDevice`, and what the union has after it.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct IoDevice {
    io_device: ExtIoDevice,
    rest: [u8; 24],
}

/// `doorID` or `zoneID`, and what the union has after it.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Uid {
    uid: U32,
    rest: [u8; 28],
}

fn uid(bytes: &[u8; 32]) -> u32 {
    let union: &Uid = zerocopy::transmute_ref!(bytes);
    union.uid.get()
}

/// The bit of the mask for the subject that a code stands for; none where a blob has no member for it.
pub(super) const fn bit_of(code: EventCode) -> EventMask {
    match SubjectKind::of(code) {
        SubjectKind::Card => EventMask::CARD_ID,
        SubjectKind::Door => EventMask::DOOR_ID,
        SubjectKind::Input => EventMask::IO_DEVICE,
        SubjectKind::User => EventMask::USER_ID,
        SubjectKind::Zone | SubjectKind::AlarmZone | SubjectKind::Interlock => EventMask::ZONE_ID,
        _ => EventMask::empty(),
    }
}
