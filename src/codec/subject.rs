//! To whom or what an event happened: the 32 bytes whose meaning the code decides.

use core::fmt;

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::EventCode;

mod kind;
mod user_id;

pub use kind::{Confidence, SubjectKind};
pub use user_id::{CardData, UserId};

/// To whom or what an event happened: the union at offset 12, read as the member that the code stands for.
///
/// Which member a code uses stands in no vendor table; it was gathered from the manual, the gateway's documentation
/// and the names, and [`SubjectKind::confidence`] says how sure that is.
///
/// `Debug` and `Display` show the ids of things, and of people and cards only that there is one; they show no bytes
/// of [`Unknown`](Self::Unknown), which may be a user id.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, Event, EventCode, PortValue, Subject};
///
/// let event = Event::builder(DeviceId::new(1), 1, EventCode::SUPERVISED_INPUT_SHORT)
///     .subject(Subject::Input { io_device_id: 283_013_377, port: 2, value: PortValue::SUPERVISED_SHORT })
///     .build();
/// assert_eq!(event.subject().to_string(), "input 283013377:2 SUPERVISED_SHORT");
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Subject<'a> {
    /// An intrusion alarm zone, and what set it off. Codes `0x9300` and `0x9800`.
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
        /// The state that was seen.
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
    /// A notice of an OSDP device. No source names the code that carries it; `0x4E00` does by its name.
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
    /// No source says what the bytes are for this code.
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
    /// Reads the union's bytes as the member that `code` stands for.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::{EventCode, Subject};
    ///
    /// let mut bytes = [0; 32];
    /// bytes[0] = 5;
    /// assert_eq!(Subject::read(EventCode::DOOR_OPENED, &bytes), Subject::Door { door_id: 5 });
    /// ```
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

    /// The 32 bytes of the union; reserved bytes are 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::Subject;
    ///
    /// assert_eq!(Subject::Door { door_id: 258 }.to_bytes()[..4], [2, 1, 0, 0]);
    /// assert_eq!(Subject::None.to_bytes(), [0; 32]);
    /// ```
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

/// The state of an input port: a signed byte.
///
/// An old manual page declares it unsigned; the shipping SDK's is signed, so `0xFF` on the wire is −1, unknown.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::PortValue;
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::PortValue;
    /// assert_eq!(PortValue::new(1), PortValue::CLOSED);
    /// ```
    #[must_use]
    pub const fn new(value: i8) -> Self {
        Self(value)
    }

    /// The number, −1 … 3 for the named states.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::PortValue;
    /// assert_eq!(PortValue::SUPERVISED_OPEN.get(), 3);
    /// ```
    #[must_use]
    pub const fn get(self) -> i8 {
        self.0
    }

    /// The reader does not know.
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

/// Every member that begins with the one id of a thing: `doorID`, `liftID`, `zoneID`, `uid`.
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

fn uid(bytes: &[u8; 32]) -> u32 {
    let uid: &Uid = zerocopy::transmute_ref!(bytes);
    uid.uid.get()
}
