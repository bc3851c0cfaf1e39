//! The first 57 bytes of all blobs: the mask that makes fields valid, and the fields.

use core::fmt;

use bitflags::bitflags;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::codec::record::{Layout, bytes_and_records, record};
use crate::codec::subject::{PortValue, uid};
use crate::codec::{
    CardData, DeviceId, Event, EventCode, EventFlags, JobCode, Subject, SubjectKind, Timestamp, UserId,
};

record! {
    /// The first 57 bytes of every blob, packed. The mask says which fields are valid.
    ///
    /// The `with_…` methods set a field and its bit of the mask.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::blob::{BlobHead, BlobSubject, EventMask};
    ///
    /// let head = BlobHead::new(7).with_subject(BlobSubject::Door { door_id: 9 }).with_tna_key(3);
    /// assert_eq!(head.mask(), EventMask::DOOR_ID | EventMask::TNA_KEY);
    /// assert_eq!(head.subject(), BlobSubject::Door { door_id: 9 });
    /// assert_eq!(head.job_code(), None);
    /// ```
    pub struct BlobHead("blob head", 57 bytes) {
        [0] event_mask: U16 = "`eventMask`",
        [2] event_id: U32 = "`id`",
        [6] info: ExtInfo = "`info`",
        [18] subject: [u8; 32] = "a union: `userID`, `cardID`, `doorID`, `zoneID`, `ioDevice`",
        [50] tna_key: u8 = "`tnaKey`",
        [51] job_code: U32 = "`jobCode`",
        [55] image_size: U16 = "`imageSize`",
    }
}

impl BlobHead {
    /// A head whose only valid field is the id.
    #[must_use]
    pub fn new(id: u32) -> Self {
        let zeros: Self = zerocopy::FromZeros::new_zeroed();
        Self { event_id: U32::new(id), ..zeros }
    }

    /// A head of these fields, valid or not.
    #[inline]
    pub(in crate::codec) fn from_fields(
        mask: EventMask,
        id: u32,
        info: Option<ExtInfo>,
        subject: [u8; 32],
        (tna_key, JobCode(job_code)): (u8, JobCode),
        image_size: u16,
    ) -> Self {
        Self {
            event_mask: U16::new(mask.bits()),
            event_id: U32::new(id),
            info: info.unwrap_or_default(),
            subject,
            tna_key,
            job_code: U32::new(job_code),
            image_size: U16::new(image_size),
        }
    }

    /// The head that holds an event, as far as a blob has a place for it. What is not kept:
    ///
    /// * the flags: image, daylight saving, and the offset from UTC;
    /// * the parameter of a code that is not an authentication. For an authentication it is the T&A key.
    ///
    /// The subject's 32 bytes are kept. The mask has no bit for the subject of a lift, a relay, an OSDP device or an
    /// unknown code: [`subject`](Self::subject) returns none, and a blob that keeps only valid fields loses it. For an
    /// alarm zone and an interlock it returns the zone.
    #[must_use]
    pub fn from_event(event: &Event) -> Self {
        let info = ExtInfo::new(event.timestamp(), event.device_id(), event.code());
        let head = Self { subject: *event.subject_bytes(), ..Self::new(event.id()).with_info(info) };
        let head = head.with_mask(head.mask() | bit_of(event.code()));
        if event.code().is_authentication() { head.with_tna_key(event.param()) } else { head }
    }

    /// Sets time, device and code.
    #[must_use]
    pub fn with_info(mut self, info: ExtInfo) -> Self {
        self.info = info;
        self.with_mask(self.mask() | EventMask::INFO)
    }

    /// Sets the subject, and clears the bits of other subjects.
    #[must_use]
    pub fn with_subject(mut self, subject: BlobSubject<'_>) -> Self {
        self.subject = subject.to_bytes();
        self.with_mask(self.mask().difference(EventMask::SUBJECT).union(subject.bit()))
    }

    /// Sets the 32 bytes of the subject and leaves the mask.
    #[must_use]
    pub const fn with_subject_field(mut self, bytes: [u8; 32]) -> Self {
        self.subject = bytes;
        self
    }

    /// Sets the time-and-attendance key.
    #[must_use]
    pub fn with_tna_key(mut self, key: u8) -> Self {
        self.tna_key = key;
        self.with_mask(self.mask() | EventMask::TNA_KEY)
    }

    /// Sets the job code.
    #[must_use]
    pub fn with_job_code(mut self, code: JobCode) -> Self {
        self.job_code = U32::new(code.0);
        self.with_mask(self.mask() | EventMask::JOB_CODE)
    }

    /// Sets the size of the image. [`EventBlob::fill`](super::EventBlob::fill) does it by itself.
    #[must_use]
    pub fn with_image_size(mut self, size: u16) -> Self {
        self.image_size = U16::new(size);
        self.with_mask(self.mask() | EventMask::IMAGE)
    }

    /// Sets the mask and leaves the fields.
    #[must_use]
    pub fn with_mask(mut self, mask: EventMask) -> Self {
        self.event_mask = U16::new(mask.bits());
        self
    }

    /// Which fields are valid.
    #[must_use]
    #[doc(alias = "eventMask")]
    pub const fn mask(&self) -> EventMask {
        EventMask::from_bits_retain(self.event_mask.get())
    }

    /// The number of this event in its device's log; always valid.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.event_id.get()
    }

    /// Time, device and code, if the mask says that they are valid.
    #[must_use]
    pub fn info(&self) -> Option<&ExtInfo> {
        self.mask().contains(EventMask::INFO).then_some(&self.info)
    }

    /// The field of time, device and code, for any mask.
    #[must_use]
    pub const fn info_field(&self) -> &ExtInfo {
        &self.info
    }

    /// To whom or what it happened, by the mask; see [`BlobSubject`].
    #[must_use]
    pub fn subject(&self) -> BlobSubject<'_> {
        // A code that is not valid decides nothing.
        let code = self.info().map_or(EventCode::new(0), ExtInfo::code);
        BlobSubject::read(self.mask(), code, &self.subject)
    }

    /// The 32 bytes of the subject, for any mask.
    #[must_use]
    pub const fn subject_field(&self) -> &[u8; 32] {
        &self.subject
    }

    /// The time-and-attendance key, if the mask says that it is valid; 0 for none.
    #[must_use]
    pub fn tna_key(&self) -> Option<u8> {
        self.mask().contains(EventMask::TNA_KEY).then_some(self.tna_key)
    }

    /// The job code, if the mask says that it is valid.
    #[must_use]
    pub fn job_code(&self) -> Option<JobCode> {
        self.mask().contains(EventMask::JOB_CODE).then(|| JobCode(self.job_code.get()))
    }

    /// The fields of T&A key and job code, for any mask.
    #[must_use]
    pub const fn key_fields(&self) -> (u8, JobCode) {
        (self.tna_key, JobCode(self.job_code.get()))
    }

    /// The size of the image in bytes, for any mask. A small blob's image may have up to 65 535.
    #[must_use]
    pub const fn image_size(&self) -> u16 {
        self.image_size.get()
    }

    /// This head as an event; `None` without time, device and code.
    ///
    /// The T&A key becomes the parameter, and an image sets its flag. A blob has no time zone, so the other flags are 0.
    /// The subject's 32 bytes are passed on for any mask, since lifts, relays and alarms have no bit in it. So an event
    /// that went through [`from_event`](Self::from_event) comes back byte for byte, except for its flags and for a
    /// parameter that is not a T&A key.
    #[must_use]
    pub fn to_event(&self) -> Option<Event> {
        let info = self.info()?;
        let image = self.mask().contains(EventMask::IMAGE) && self.image_size() > 0;
        let event = Event::builder(info.device_id(), self.id(), info.code())
            .timestamp(info.timestamp())
            .subject(Subject::Unknown(&self.subject))
            .param(self.tna_key().unwrap_or_default())
            .flags(if image { EventFlags::IMAGE } else { EventFlags::empty() });
        Some(event.build())
    }
}

impl fmt::Debug for BlobHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobHead")
            .field("mask", &self.mask())
            .field("id", &self.id())
            .field("info", &self.info())
            .field("subject", &self.subject())
            .field("tna_key", &self.tna_key())
            .field("job_code", &self.job_code())
            .field("image_size", &self.image_size())
            .finish()
    }
}

bitflags! {
    /// Which fields of a blob are valid; in a request, which fields are wanted.
    ///
    /// In a request the mask is also a filter. Since SDK 2.6.0 a log is returned if any of the bits applies to it; before
    /// that, only if all applied (release notes). Unknown bits are kept.
    ///
    /// The values are those of the shipping SDK. An old revision of the log page has another table; see
    /// [`from_old_page`](Self::from_old_page).
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::blob::EventMask;
    ///
    /// let mask = EventMask::from_bits_retain(0x0109);
    /// assert_eq!(mask, EventMask::INFO | EventMask::DOOR_ID | EventMask::IMAGE);
    /// ```
    #[doc(alias = "BS2_EVENT_MASK")]
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct EventMask: u16 {
        /// Time, device and code.
        const INFO = 0x0001;
        /// The subject is a user.
        const USER_ID = 0x0002;
        /// The subject is a card; recorded for failed authentications only.
        const CARD_ID = 0x0004;
        /// The subject is a door.
        const DOOR_ID = 0x0008;
        /// The subject is a zone.
        const ZONE_ID = 0x0010;
        /// The subject is an input port.
        #[doc(alias = "IODEVICE")]
        const IO_DEVICE = 0x0020;
        /// The time-and-attendance key.
        const TNA_KEY = 0x0040;
        /// The job code.
        const JOB_CODE = 0x0080;
        /// The image.
        const IMAGE = 0x0100;
        /// The temperature. Only the small blob with temperature has a field for it.
        const TEMPERATURE = 0x0200;
        /// The data of a QR code; no record has a field for it.
        const QR_DATA = 0x0400;
        /// Bits without a name.
        const _ = !0;
    }
}

impl EventMask {
    /// A mask written by the table of an old revision of the log page.
    ///
    /// That table repeats door and zone at 64 and 128, and so moves the following bits: T&A key 256, job code 512, image
    /// 1024. The headers of every SDK since 2019 contradict it, so it is an error of the page. This conversion is for
    /// data that was written by that table. Bits above 1024 stay where they are.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::blob::EventMask;
    ///
    /// assert_eq!(EventMask::from_old_page(1 + 2 + 256), EventMask::INFO | EventMask::USER_ID | EventMask::TNA_KEY);
    /// assert_eq!(EventMask::from_old_page(1024), EventMask::IMAGE);
    /// ```
    #[must_use]
    pub fn from_old_page(bits: u16) -> Self {
        let moved = [
            (0x0040, Self::DOOR_ID),
            (0x0080, Self::ZONE_ID),
            (0x0100, Self::TNA_KEY),
            (0x0200, Self::JOB_CODE),
            (0x0400, Self::IMAGE),
        ];
        let same = Self::from_bits_retain(bits & !0x07C0);
        moved.iter().filter(|(old, _)| bits & old != 0).fold(same, |mask, (_, new)| mask | *new)
    }

    /// The bits that select the kind of the subject.
    pub const SUBJECT: Self =
        Self::USER_ID.union(Self::CARD_ID).union(Self::DOOR_ID).union(Self::ZONE_ID).union(Self::IO_DEVICE);
}

/// To whom or what the event of a blob happened: the union at offset 18, read as the mask says.
///
/// * No bit of a subject is set: [`None`](Self::None), for any bytes.
/// * One bit is set: it decides.
/// * Several bits are set, which no source explains: the bit of the event's code, if the code is valid and the bit is set;
///   else the lowest.
///
/// `Debug` shows the ids of things, and of people and cards only that there is one.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::EventCode;
/// use bs2_events::codec::blob::{BlobSubject, EventMask};
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
    /// The mask has no bit of a subject.
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
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        match self {
            // The record also has a reserved byte.
            Self::IoDevice(io_device) => {
                zerocopy::transmute!(IoDevice { io_device: *io_device, rest: [0; 24] })
            }
            other => other.as_subject().to_bytes(),
        }
    }

    /// The same subject, as an event has it.
    pub(in crate::codec) const fn as_subject(self) -> Subject<'a> {
        match self {
            Self::Card(card) => Subject::Card(card),
            Self::Door { door_id } => Subject::Door { door_id },
            Self::IoDevice(input) => Subject::Input {
                io_device_id: input.io_device_id(),
                port: input.port(),
                value: input.value(),
            },
            Self::None => Subject::None,
            Self::User(user) => Subject::User(user),
            Self::Zone { zone_id } => Subject::Zone { zone_id },
        }
    }

    /// The bit of the mask that selects this member; none for [`None`](Self::None).
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

/// As [`Subject`] writes it.
impl fmt::Display for BlobSubject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_subject().fmt(f)
    }
}

/// `ioDevice`, and the rest of the union.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct IoDevice {
    io_device: ExtIoDevice,
    rest: [u8; 24],
}

/// The bit of the mask for the subject of a code; none if a blob has no member for it.
const fn bit_of(code: EventCode) -> EventMask {
    match SubjectKind::of(code) {
        SubjectKind::Card => EventMask::CARD_ID,
        SubjectKind::Door => EventMask::DOOR_ID,
        SubjectKind::Input => EventMask::IO_DEVICE,
        SubjectKind::User => EventMask::USER_ID,
        SubjectKind::Zone | SubjectKind::AlarmZone | SubjectKind::Interlock => EventMask::ZONE_ID,
        _ => EventMask::empty(),
    }
}

record! {
    /// Time, device and code of a blob.
    ///
    /// A comment of the SDK's header gives this record 8 bytes; a compiler gives it 12.
    #[doc(alias = "BS2EventExtInfo")]
    pub struct ExtInfo("ext info", 12 bytes) {
        [0] date_time: U32 = "`dateTime`",
        [4] device_id: U32 = "`deviceID`",
        [8] code: U16 = "`code` = `subCode`, `mainCode`",
        [10] reserved: [u8; 2] = "`reserved`",
    }
}

impl ExtInfo {
    /// A record of these values; the reserved bytes are 0.
    #[must_use]
    pub const fn new(time: Timestamp, device: DeviceId, code: EventCode) -> Self {
        Self {
            date_time: U32::new(time.as_unix_seconds()),
            device_id: U32::new(device.get()),
            code: U16::new(code.get()),
            reserved: [0; 2],
        }
    }

    /// Sets the reserved bytes.
    #[must_use]
    pub const fn with_reserved(mut self, reserved: [u8; 2]) -> Self {
        self.reserved = reserved;
        self
    }

    /// The time of the event by the device's clock.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.date_time.get())
    }

    /// The device that wrote it.
    #[must_use]
    pub const fn device_id(&self) -> DeviceId {
        DeviceId::new(self.device_id.get())
    }

    /// What happened.
    #[must_use]
    pub const fn code(&self) -> EventCode {
        EventCode::new(self.code.get())
    }

    /// The two bytes that no source explains.
    #[must_use]
    pub const fn reserved(&self) -> [u8; 2] {
        self.reserved
    }
}

impl Default for ExtInfo {
    fn default() -> Self {
        Self::new(Timestamp::default(), DeviceId::default(), EventCode::new(0))
    }
}

impl fmt::Debug for ExtInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtInfo")
            .field("timestamp", &format_args!("{}", self.timestamp()))
            .field("device_id", &self.device_id().get())
            .field("code", &self.code())
            .finish()
    }
}

record! {
    /// An input port and its state, inside a blob.
    ///
    /// An old page declares `value` unsigned and gives the type another name; in the shipping SDK it is signed.
    #[doc(alias = "BS2EventExtIoDevice")]
    #[derive(Debug)]
    pub struct ExtIoDevice("ext io device", 8 bytes) {
        [0] io_device_id: U32 = "`ioDeviceID`",
        [4] port: U16 = "`port`",
        [6] value: i8 = "`value`, signed",
        [7] reserved: u8 = "`reserved`",
    }
}

impl ExtIoDevice {
    /// A record of these values; the reserved byte is 0.
    #[must_use]
    pub const fn new(io_device_id: u32, port: u16, value: PortValue) -> Self {
        Self { io_device_id: U32::new(io_device_id), port: U16::new(port), value: value.get(), reserved: 0 }
    }

    /// Sets the reserved byte.
    #[must_use]
    pub const fn with_reserved(mut self, reserved: u8) -> Self {
        self.reserved = reserved;
        self
    }

    /// The device that has the port, 0 for none.
    #[must_use]
    pub const fn io_device_id(&self) -> u32 {
        self.io_device_id.get()
    }

    /// The port on that device.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.get()
    }

    /// The state of the port.
    #[must_use]
    pub const fn value(&self) -> PortValue {
        PortValue::new(self.value)
    }

    /// The byte that no source explains.
    #[must_use]
    pub const fn reserved(&self) -> u8 {
        self.reserved
    }
}
