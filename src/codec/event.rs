//! The event record: 48 bytes that everything else in this crate moves around.

use alloc::string::String;
use core::fmt;

use bitflags::bitflags;
use zerocopy::little_endian::{U16, U32};

use super::hex::{HexError, from_hex, to_hex};
use super::record::{Layout, bytes_and_records, record};
use super::{EventCode, LoggedEvent, Subject, SubjectKind, Timestamp, UserId};

record! {
    /// One event of a device's log, as the vendor's library lays it out.
    ///
    /// A slice of events may begin at any address, since the alignment is 1 (that of the C structure is 4). Two events
    /// are equal if all their bytes are equal. `Debug` and `Display` show no user id and no card data.
    ///
    /// Source: sizes and offsets measured with C compilers for 64-bit and 32-bit targets; log page, "BS2Event".
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::{Event, Subject};
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
    ///
    /// Many events, one after the other, and an end inside one:
    ///
    /// ```
    /// use bs2_events::codec::Event;
    ///
    /// let bytes = vec![0; 2 * Event::SIZE + 4];
    /// let (events, rest) = Event::slice_from_prefix(&bytes);
    /// assert_eq!((events.len(), rest.len()), (2, 4));
    ///
    /// let error = Event::slice_from_bytes(&bytes).unwrap_err();
    /// assert_eq!(error.to_string(), "event: field `date_time` at offset 100: 4 bytes needed, 0 available");
    /// ```
    #[doc(alias = "BS2Event")]
    pub struct Event("event", 48 bytes) {
        [0] id: U32 = "`id`",
        [4] date_time: U32 = "`dateTime`",
        [8] device_id: U32 = "`deviceID`",
        [12] subject: [u8; 32] = "a union: `userID`, `doorID`, `ioDeviceID` …",
        [44] code: U16 = "`code` = `subCode`, `mainCode`",
        [46] param: u8 = "`param`",
        [47] flags: u8 = "`image`, `isDST`, `half`, `hour`, `negative`",
    }
}

impl Event {
    /// A builder of an event with these three fields; the others are 0.
    pub const fn builder(device_id: DeviceId, id: u32, code: EventCode) -> EventBuilder {
        EventBuilder {
            event: Self {
                id: U32::new(id),
                date_time: U32::ZERO,
                device_id: U32::new(device_id.get()),
                subject: [0; 32],
                code: U16::new(code.get()),
                param: 0,
                flags: 0,
            },
        }
    }

    /// The event in hexadecimal text, written in any of the ways that [`from_hex`](super::hex::from_hex) reads.
    ///
    /// # Errors
    ///
    /// [`HexError`] for text that is not hexadecimal, or that has not 96 digits.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::{DeviceId, Event, EventCode};
    ///
    /// let event = Event::builder(DeviceId::new(540_000_001), 7, EventCode::DOOR_OPENED).build();
    /// let text = event.to_hex();
    /// assert!(text.starts_with("07000000"));
    /// assert_eq!(Event::from_hex(&text)?, event);
    ///
    /// let error = Event::from_hex("07 00 00").unwrap_err();
    /// assert_eq!(error.to_string(), "event: field `id` at offset 0: 4 bytes needed, 3 available");
    /// # Ok::<(), bs2_events::codec::hex::HexError>(())
    /// ```
    pub fn from_hex(text: &str) -> Result<Self, HexError> {
        let (bytes, end) = from_hex(text.as_bytes());
        end?;
        Ok(*Self::from_bytes(&bytes)?)
    }

    /// The 48 bytes as 96 hexadecimal digits, personal data included.
    #[must_use]
    pub fn to_hex(&self) -> String {
        to_hex(self.as_bytes())
    }

    /// The number of this event in its device's log.
    ///
    /// It rises by one with every event, also when the log is cleared; 0 is used only after 4 294 967 295 events. A
    /// counter that begins again starts a new epoch of the device.
    #[must_use]
    #[doc(alias = "eventId")]
    pub const fn id(&self) -> u32 {
        self.id.get()
    }

    /// The time of the event by the device's clock, in UTC. The clock may have been set since.
    #[must_use]
    #[doc(alias = "dateTime")]
    pub const fn timestamp(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.date_time.get())
    }

    /// The time of the event on a clock in this time zone.
    ///
    /// Take the zone of the site, by its name. The [flags](Self::flags) cannot replace it: they hold the device's offset
    /// from UTC without daylight saving, and whether daylight saving was in force, but not its amount. In the hour that
    /// the end of daylight saving repeats, two events an hour apart show the same wall-clock time; their offsets differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::{DeviceId, Event, EventCode, Timestamp};
    /// use jiff::tz::{Offset, TimeZone};
    ///
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::DOOR_OPENED)
    ///     .timestamp(Timestamp::from_unix_seconds(1_518_025_757))
    ///     .build();
    /// let seoul = TimeZone::fixed(Offset::constant(9)); // or TimeZone::get("Asia/Seoul")
    /// assert_eq!(event.local_time(seoul).to_string(), "2018-02-08T02:49:17+09:00[+09:00]");
    /// ```
    #[cfg(feature = "jiff")]
    #[must_use]
    pub fn local_time(&self, zone: jiff::tz::TimeZone) -> jiff::Zoned {
        jiff::Timestamp::from(self.timestamp()).to_zoned(zone)
    }

    /// The number that the record has for its device: the source device, which saw the event.
    ///
    /// It may not be the device in whose log the event is: a slave (an RS-485 reader, a door module) keeps no log, and
    /// its events are in the log of its master. Who reads a log knows the device; [`source_device`](Self::source_device)
    /// tells the two apart.
    #[must_use]
    #[doc(alias = "deviceID")]
    pub const fn device_id(&self) -> DeviceId {
        DeviceId::new(self.device_id.get())
    }

    /// The source device of an event in the log of `device`: the device that saw it. It is `device` itself, or one of its
    /// slaves. A record without a number (0) is of `device`.
    #[must_use]
    pub const fn source_device(&self, device: DeviceId) -> DeviceId {
        if self.device_id.get() == 0 { device } else { self.device_id() }
    }

    /// What happened.
    #[must_use]
    #[doc(alias("mainCode", "subCode"))]
    pub const fn code(&self) -> EventCode {
        EventCode::new(self.code.get())
    }

    /// To whom or what it happened: the union of 32 bytes, read as the code requires.
    #[must_use]
    pub fn subject(&self) -> Subject<'_> {
        Subject::read(self.code(), &self.subject)
    }

    /// All 32 bytes of the union, including those that the subject does not use.
    pub(crate) const fn subject_bytes(&self) -> &[u8; 32] {
        &self.subject
    }

    /// The user id; `None` if the person is unknown, or if the event does not concern a user.
    ///
    /// An empty id in the record means that the person is unknown. So this is the only meaning of `None` for an event
    /// whose [subject](Self::subject) is a user, and an id that is returned is never empty.
    #[inline]
    #[must_use]
    #[doc(alias = "userID")]
    pub fn user_id(&self) -> Option<&UserId> {
        let user = UserId::from_array(&self.subject);
        (!user.is_empty() && SubjectKind::of(self.code()) == SubjectKind::User).then_some(user)
    }

    /// Whether the event concerns this user: the result of `user_id() == Some(user)` in a third of the time, for
    /// searching a log.
    ///
    /// In a log nearly every event concerns somebody else. Eight bytes of the id decide that. The code, which is as good
    /// as random from one event to the next, has to be looked up only if these bytes agree.
    #[inline]
    #[must_use]
    pub fn is_of_user(&self, user: &UserId) -> bool {
        self.subject.first_chunk::<8>() == user.as_array().first_chunk() && self.has_user(user)
    }

    // Not inlined, or the compiler looks up the code before the eight bytes.
    #[inline(never)]
    fn has_user(&self, user: &UserId) -> bool {
        self.user_id() == Some(user)
    }

    /// The byte at offset 46. Its meaning depends on the code.
    ///
    /// | codes | meaning |
    /// |---|---|
    /// | authentication | time-and-attendance key, see [`tna_key`](Self::tna_key) |
    /// | user | where the change was made, see [`changed_on_device`](Self::changed_on_device) |
    /// | `0x5000` … door alarms, `0x7500` … lift alarms | alarm flags |
    /// | `0x7000` … floors | floor index; no source states whether it begins at 0 or 1 |
    #[must_use]
    pub const fn param(&self) -> u8 {
        self.param
    }

    /// The time-and-attendance key that the person chose, 1 … 16; `None` if there is none, or if the event is not an
    /// authentication. The labels of the keys differ by model. Source: log page, §18.
    #[must_use]
    #[doc(alias = "TNAKey")]
    pub fn tna_key(&self) -> Option<u8> {
        (self.code().is_authentication() && (1..=16).contains(&self.param)).then_some(self.param)
    }

    /// Whether a user was enrolled, changed or deleted on the device itself (`true`) or by a server (`false`);
    /// `None` for other events. The firmwares that SDK 2.6.3 names record it; others leave 0. Source: log page, §18.
    #[must_use]
    pub fn changed_on_device(&self) -> Option<bool> {
        match (self.code().main_byte(), self.param) {
            (0x20..=0x2A, 0) => Some(false),
            (0x20..=0x2A, 1) => Some(true),
            _ => None,
        }
    }

    /// Image, daylight saving and UTC offset: all bits of the byte at offset 47.
    #[must_use]
    pub const fn flags(&self) -> EventFlags {
        EventFlags::from_bits_retain(self.flags)
    }

    /// Whether two records of one log are the same event: id, time, code and subject agree.
    ///
    /// The rest may differ by the way to the device. A device gateway has no clock byte, a device may report an event
    /// before its picture is ready, and bytes that the subject does not use mean nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags};
    ///
    /// let event = Event::builder(DeviceId::new(7), 9, EventCode::VERIFY_SUCCESS);
    /// assert!(event.build().is_same_event(&event.flags(EventFlags::IMAGE).param(3).build()));
    /// assert!(!event.build().is_same_event(&Event::builder(DeviceId::new(7), 9, EventCode::VERIFY_FAIL).build()));
    /// ```
    #[must_use]
    pub fn is_same_event(&self, other: &Self) -> bool {
        let own = (self.id, self.date_time, self.code);
        own == (other.id, other.date_time, other.code) && self.subject().agrees_with(other.subject())
    }

    /// This record, with what only another record of the same event knows: that there is a picture, and the parameter.
    /// With `clock` the UTC offset and daylight saving are those of `other`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags};
    ///
    /// // Over a device gateway, and over the vendor's library: UTC+9.
    /// let event = Event::builder(DeviceId::new(7), 9, EventCode::VERIFY_SUCCESS);
    /// let one = event.flags(EventFlags::IMAGE).build();
    /// let other = event.flags(EventFlags::from_bits_retain(72)).param(3).build();
    /// let known = one.completed_with(&other, true);
    /// assert!(known.flags().has_image());
    /// assert_eq!((known.flags().utc_offset_minutes(), known.param()), (540, 3));
    /// ```
    #[must_use]
    pub const fn completed_with(mut self, other: &Self, clock: bool) -> Self {
        let image = EventFlags::IMAGE.bits();
        let clock = if clock { other.flags } else { self.flags };
        self.flags = (self.flags | other.flags) & image | clock & !image;
        if self.param == 0 {
            self.param = other.param;
        }
        self
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

/// Device, id, time, name, and the ids of things; never a person.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        LoggedEvent::new(self.device_id(), self).fmt(f)
    }
}

/// Builds an [`Event`] field by field; [`Event::builder`] returns it.
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
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct EventBuilder {
    event: Event,
}

impl EventBuilder {
    /// Sets the time; 1970-01-01 unless set.
    pub const fn timestamp(mut self, time: Timestamp) -> Self {
        self.event.date_time = U32::new(time.as_unix_seconds());
        self
    }

    /// Sets the subject; 32 zero bytes unless set.
    ///
    /// The code determines how these bytes are read. A subject that does not fit the code is written as given, and read
    /// back as the kind that the code requires.
    pub fn subject(mut self, subject: Subject<'_>) -> Self {
        self.event.subject = subject.to_bytes();
        self
    }

    /// Sets the byte at offset 46; 0 unless set.
    pub const fn param(mut self, param: u8) -> Self {
        self.event.param = param;
        self
    }

    /// Sets the byte at offset 47; 0 unless set.
    pub const fn flags(mut self, flags: EventFlags) -> Self {
        self.event.flags = flags.bits();
        self
    }

    /// The event.
    #[must_use]
    pub const fn build(self) -> Event {
        self.event
    }
}

/// A builder that has every field of this event.
impl From<Event> for EventBuilder {
    fn from(event: Event) -> Self {
        Self { event }
    }
}

/// The number that identifies a device in the vendor's programs, such as 540 000 001.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DeviceId(u32);

impl DeviceId {
    /// The device with this number.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

bitflags! {
    /// The byte at offset 47 of an event: image, daylight saving, and the device's offset from UTC.
    ///
    /// | bits | meaning |
    /// |---|---|
    /// | `0x01` | an image log belongs to the event |
    /// | `0x02` | daylight saving was in force on the device |
    /// | `0x04` | half an hour of the UTC offset |
    /// | `0x78` | whole hours of the UTC offset, 0 … 15 |
    /// | `0x80` | the UTC offset is negative |
    ///
    /// Old manual pages call the hour bits "daylight saving time, 1 to 12 o'clock". The vendor's own example
    /// contradicts them: on a device in Seoul the byte is 74 with daylight saving and 72 without, which is nine
    /// hours in both and differs in bit `0x02` alone (vendor article 24000041654). So the hours are the time zone
    /// and not the amount of daylight saving, which the byte does not hold. Every one of the 256 values is valid.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::EventFlags;
    ///
    /// let flags = EventFlags::from_bits_retain(74);
    /// assert!(flags.daylight_saving());
    /// assert!(!flags.has_image());
    /// assert_eq!(flags.utc_offset_minutes(), 9 * 60);
    /// ```
    #[doc(alias = "BS2EventImageBitPos")]
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct EventFlags: u8 {
        /// An image log belongs to the event.
        const IMAGE = 0x01;
        /// Daylight saving was in force on the device.
        #[doc(alias = "isDST")]
        const DAYLIGHT_SAVING = 0x02;
        /// Half an hour of the UTC offset.
        const HALF_HOUR = 0x04;
        /// The whole hours of the UTC offset, shifted left by three.
        const HOURS = 0x78;
        /// The UTC offset is negative: west of Greenwich.
        const NEGATIVE = 0x80;
    }
}

impl EventFlags {
    /// These flags with the device's UTC offset set, in half hours from −31 to 31; `None` outside that range.
    #[must_use]
    pub const fn with_utc_offset_half_hours(self, half_hours: i8) -> Option<Self> {
        let magnitude = half_hours.unsigned_abs();
        if magnitude > 31 {
            return None;
        }
        // Half hours are one bit and hours the four above it, so the magnitude goes in as it is.
        let sign = if half_hours < 0 { Self::NEGATIVE.bits() } else { 0 };
        let kept = self.bits() & (Self::IMAGE.bits() | Self::DAYLIGHT_SAVING.bits());
        Some(Self::from_bits_retain(kept | (magnitude << 2) | sign))
    }

    /// Whether an image log belongs to the event. Without this flag the device has no image to return.
    #[must_use]
    pub const fn has_image(self) -> bool {
        self.contains(Self::IMAGE)
    }

    /// Whether daylight saving was in force on the device.
    #[must_use]
    pub const fn daylight_saving(self) -> bool {
        self.contains(Self::DAYLIGHT_SAVING)
    }

    /// The device's time zone as an offset from UTC in minutes, −930 to 930 in steps of 30, without daylight saving.
    ///
    /// Zones of 45 minutes cannot be expressed, and 0 also means "not set".
    #[inline]
    #[must_use]
    pub fn utc_offset_minutes(self) -> i16 {
        MINUTES.get(usize::from(self.bits() >> 2)).copied().unwrap_or(0)
    }
}

/// Minutes for each value of the upper six bits, which are sign, hours and half hour. A table takes a quarter of the
/// instructions that the sum would.
// A mistake here would not compile.
#[allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]
const MINUTES: [i16; 64] = {
    let mut minutes = [0; 64];
    let mut half_hours = 0;
    while half_hours < 32 {
        minutes[half_hours] = half_hours as i16 * 30;
        minutes[half_hours + 32] = half_hours as i16 * -30;
        half_hours += 1;
    }
    minutes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_survives_a_round_trip() {
        let india = EventFlags::IMAGE.with_utc_offset_half_hours(11).unwrap();
        assert_eq!(india.bits(), 0x2D);
        for half_hours in -31..=31 {
            let flags = EventFlags::DAYLIGHT_SAVING.with_utc_offset_half_hours(half_hours).unwrap();
            assert_eq!(flags.utc_offset_minutes(), i16::from(half_hours) * 30);
            assert!(flags.daylight_saving());
        }
    }

    #[test]
    fn refuses_an_offset_that_the_byte_cannot_hold() {
        for half_hours in [32, -32, i8::MIN] {
            assert_eq!(EventFlags::empty().with_utc_offset_half_hours(half_hours), None);
        }
    }
}
