//! The event record: 48 bytes that everything else in this crate moves around.

use core::fmt;

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::record::{Layout, bytes_and_records};
use super::{DeviceId, EventCode, EventFlags, Subject, Timestamp};

mod builder;
mod user;

pub use builder::EventBuilder;

/// One event of a reader's log, as the vendor's library lays it out: 48 bytes, no padding, little-endian.
///
/// | offset | size | field | vendor's name |
/// |---:|---:|---|---|
/// | 0 | 4 | [`id`](Self::id) | `id` |
/// | 4 | 4 | [`timestamp`](Self::timestamp) | `dateTime` |
/// | 8 | 4 | [`device_id`](Self::device_id) | `deviceID` |
/// | 12 | 32 | [`subject`](Self::subject) | a union: `userID`, `doorID`, `ioDeviceID` … |
/// | 44 | 2 | [`code`](Self::code) | `code` = `subCode`, `mainCode` |
/// | 46 | 1 | [`param`](Self::param) | `param` |
/// | 47 | 1 | [`flags`](Self::flags) | `image`, `isDST`, `half`, `hour`, `negative` |
///
/// The alignment is 1, where the C structure has 4, so a slice of events may begin at any address. Two events are
/// equal when all their bytes are. `Debug` and `Display` show no user id and no card data.
///
/// Source: sizes and offsets measured with C compilers for 64-bit and 32-bit targets; log page, "BS2Event".
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{Event, EventCode, Subject};
///
/// let bytes: [u8; 48] = [
///     0x01, 0x00, 0x00, 0x00, 0x1d, 0x3c, 0x7b, 0x5a, 0xbb, 0xaa, 0x44, 0x20, b'1', b'0', b'0', b'1', 0, 0,
///     0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x13, 0x03, 0x01,
/// ];
/// let event = Event::from_bytes(&bytes)?;
/// assert_eq!(event.id(), 1);
/// assert_eq!(event.timestamp().to_string(), "2018-02-07T17:49:17Z");
/// assert_eq!(event.code().name(), Some("IDENTIFY_SUCCESS_FINGER"));
/// assert_eq!(event.tna_key(), Some(3));
/// assert!(event.flags().has_image());
/// assert!(matches!(event.subject(), Subject::User(user) if user.as_text() == Some("1001")));
/// # Ok::<(), bs2_events::codec::DecodeError>(())
/// ```
#[doc(alias = "BS2Event")]
#[derive(Clone, Copy, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(C)]
pub struct Event {
    id: U32,
    date_time: U32,
    device_id: U32,
    subject: [u8; 32],
    code: U16,
    param: u8,
    flags: u8,
}

bytes_and_records!(Event, "Event");

impl Event {
    /// An event to be filled in, field by field.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::{DeviceId, Event, EventCode, Subject, Timestamp};
    ///
    /// let event = Event::builder(DeviceId::new(541_371_067), 2, EventCode::DOOR_UNLOCKED)
    ///     .timestamp(Timestamp::from_unix_seconds(1_518_025_757))
    ///     .subject(Subject::Door { door_id: 7 })
    ///     .build();
    /// assert_eq!(event.as_bytes()[12..16], [7, 0, 0, 0]);
    /// ```
    pub const fn builder(device_id: DeviceId, id: u32, code: EventCode) -> EventBuilder {
        EventBuilder::new(Self {
            id: U32::new(id),
            date_time: U32::ZERO,
            device_id: U32::new(device_id.get()),
            subject: [0; 32],
            code: U16::new(code.get()),
            param: 0,
            flags: 0,
        })
    }

    /// The number of this event in its reader's log.
    ///
    /// It rises by one with every event, also over a cleared log; 0 is used only after 4 294 967 295 events. Where a
    /// reader's counter begins again, see [`collect`](crate) on epochs.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode};
    /// let event = Event::builder(DeviceId::new(1), 6_861, EventCode::DEVICE_EVENT_LOG_CLEARED).build();
    /// assert_eq!(event.id(), 6_861);
    /// ```
    #[must_use]
    #[doc(alias = "eventId")]
    pub const fn id(&self) -> u32 {
        self.id.get()
    }

    /// When the event happened, by the reader's clock, which may have been set since.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode};
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::DOOR_OPENED).build();
    /// assert_eq!(event.timestamp().as_unix_seconds(), 0);
    /// ```
    #[must_use]
    #[doc(alias = "dateTime")]
    pub const fn timestamp(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.date_time.get())
    }

    /// The reader that wrote the event.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode};
    /// let event = Event::builder(DeviceId::new(540_000_001), 1, EventCode::DOOR_OPENED).build();
    /// assert_eq!(event.device_id(), DeviceId::new(540_000_001));
    /// ```
    #[must_use]
    #[doc(alias = "deviceID")]
    pub const fn device_id(&self) -> DeviceId {
        DeviceId::new(self.device_id.get())
    }

    /// What happened.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode};
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::new(0x1901)).build();
    /// assert_eq!(event.code().name(), Some("ACCESS_DENIED_ACCESS_GROUP"));
    /// ```
    #[must_use]
    #[doc(alias("mainCode", "subCode"))]
    pub const fn code(&self) -> EventCode {
        EventCode::new(self.code.get())
    }

    /// To whom or what it happened: the union of 32 bytes, read as the member that the code stands for.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode, Subject};
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::ZONE_APB_VIOLATION)
    ///     .subject(Subject::Zone { zone_id: 9 })
    ///     .build();
    /// assert_eq!(event.subject(), Subject::Zone { zone_id: 9 });
    /// ```
    #[must_use]
    pub fn subject(&self) -> Subject<'_> {
        Subject::read(self.code(), &self.subject)
    }

    /// The 32 bytes of the union as they stand, with what the subject does not use.
    pub(super) const fn subject_bytes(&self) -> &[u8; 32] {
        &self.subject
    }

    /// The byte at offset 46; what it means depends on the code.
    ///
    /// | codes | meaning |
    /// |---|---|
    /// | authentication | time-and-attendance key, see [`tna_key`](Self::tna_key) |
    /// | user | where the change was made, see [`changed_on_device`](Self::changed_on_device) |
    /// | `0x5000` … door alarms, `0x7500` … lift alarms | alarm flags |
    /// | `0x7000` … floors | floor index, whether from 0 or 1 no source says |
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode};
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::FLOOR_ACTIVATED).param(7).build();
    /// assert_eq!(event.param(), 7);
    /// ```
    #[must_use]
    pub const fn param(&self) -> u8 {
        self.param
    }

    /// The time-and-attendance key, 1 … 16, that the person chose; `None` where there is none or the event is not an
    /// authentication. Labels of the keys differ by model. Source: log page, §18.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode};
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::VERIFY_SUCCESS).param(2).build();
    /// assert_eq!(event.tna_key(), Some(2));
    /// ```
    #[must_use]
    #[doc(alias = "TNAKey")]
    pub fn tna_key(&self) -> Option<u8> {
        (self.code().is_authentication() && (1..=16).contains(&self.param)).then_some(self.param)
    }

    /// Whether a user was enrolled, changed or deleted on the reader itself (`true`) or by a server (`false`);
    /// `None` for other events. Kept by the firmwares that SDK 2.6.3 names; others leave 0. Source: log page, §18.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode};
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::USER_ENROLL_SUCCESS).param(1).build();
    /// assert_eq!(event.changed_on_device(), Some(true));
    /// ```
    #[must_use]
    pub fn changed_on_device(&self) -> Option<bool> {
        match (self.code().main_byte(), self.param) {
            (0x20..=0x2A, 0) => Some(false),
            (0x20..=0x2A, 1) => Some(true),
            _ => None,
        }
    }

    /// Image, daylight saving and UTC offset: the byte at offset 47, every bit of it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags};
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::VERIFY_SUCCESS)
    ///     .flags(EventFlags::from_bits_retain(72))
    ///     .build();
    /// assert_eq!(event.flags().utc_offset_minutes(), 540);
    /// ```
    #[must_use]
    pub const fn flags(&self) -> EventFlags {
        EventFlags::from_bits_retain(self.flags)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id())
            .field("timestamp", &format_args!("{}", self.timestamp()))
            .field("device_id", &self.device_id().get())
            .field("code", &self.code())
            .field("subject", &self.subject())
            .field("param", &self.param)
            .field("flags", &format_args!("0x{:02X}", self.flags))
            .finish()
    }
}

/// Reader, id, time, name, and the ids of things; never a person.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{} {} {}", self.device_id(), self.id(), self.timestamp(), self.code())?;
        match self.subject() {
            Subject::None | Subject::Unknown(_) => Ok(()),
            subject => write!(f, " {subject}"),
        }
    }
}

impl Event {
    const LAYOUT: Layout = Layout {
        record: "event",
        fields: &[
            ("id", 0),
            ("date_time", 4),
            ("device_id", 8),
            ("subject", 12),
            ("code", 44),
            ("param", 46),
            ("flags", 47),
        ],
        size: Self::SIZE,
    };
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Event>() == 48 && align_of::<Event>() == 1);
    assert!(offset_of!(Event, date_time) == 4 && offset_of!(Event, device_id) == 8);
    assert!(offset_of!(Event, subject) == 12 && offset_of!(Event, code) == 44);
    assert!(offset_of!(Event, param) == 46 && offset_of!(Event, flags) == 47);
};
