//! What all blobs begin with.

use core::fmt;

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::BlobSubject;
use super::subject::bit_of;
use crate::codec::{Event, EventCode, EventFlags, EventMask, ExtInfo, JobCode, Subject};

/// What every blob begins with: 57 bytes, packed. The mask says which fields are valid.
///
/// | offset | size | field | vendor's name |
/// |---:|---:|---|---|
/// | 0 | 2 | [`mask`](Self::mask) | `eventMask` |
/// | 2 | 4 | [`id`](Self::id) | `id` |
/// | 6 | 12 | [`info`](Self::info) | `info` |
/// | 18 | 32 | [`subject`](Self::subject) | a union: `userID`, `cardID`, `doorID`, `zoneID`, `ioDevice` |
/// | 50 | 1 | [`tna_key`](Self::tna_key) | `tnaKey` |
/// | 51 | 4 | [`job_code`](Self::job_code) | `jobCode` |
/// | 55 | 2 | [`image_size`](Self::image_size) | `imageSize` |
///
/// The `with_…` functions set a field and its bit of the mask.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{BlobHead, BlobSubject, EventMask};
///
/// let head = BlobHead::new(7).with_subject(BlobSubject::Door { door_id: 9 }).with_tna_key(3);
/// assert_eq!(head.mask(), EventMask::DOOR_ID | EventMask::TNA_KEY);
/// assert_eq!(head.subject(), BlobSubject::Door { door_id: 9 });
/// ```
#[derive(Clone, Copy, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(C)]
pub struct BlobHead {
    mask: U16,
    id: U32,
    info: ExtInfo,
    subject: [u8; 32],
    tna_key: u8,
    job_code: U32,
    image_size: U16,
}

impl BlobHead {
    /// A head of which nothing is valid but the id.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, EventMask};
    /// assert_eq!(BlobHead::new(7).mask(), EventMask::empty());
    /// ```
    #[must_use]
    pub fn new(id: u32) -> Self {
        let zeros: Self = zerocopy::FromZeros::new_zeroed();
        Self { id: U32::new(id), ..zeros }
    }

    /// A head of these fields, valid or not.
    #[cfg(feature = "capture")]
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
            mask: U16::new(mask.bits()),
            id: U32::new(id),
            info: info.unwrap_or_default(),
            subject,
            tna_key,
            job_code: U32::new(job_code),
            image_size: U16::new(image_size),
        }
    }

    /// The head that holds what an event holds, as far as a blob has a place for it. What is not kept:
    ///
    /// * the flags: that there is an image, daylight saving, and the offset from UTC;
    /// * the parameter of a code that is no authentication; of one that is, it is the T&A key.
    ///
    /// The subject's 32 bytes are kept. For that of a lift, a relay, an OSDP device or an unknown code the mask has no bit,
    /// so [`subject`](Self::subject) is none, and a blob that keeps valid fields only loses it; of an alarm zone and an
    /// interlock it tells the zone.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, DeviceId, Event, EventCode};
    /// let event = Event::builder(DeviceId::new(1), 5, EventCode::VERIFY_SUCCESS).param(2).build();
    /// assert_eq!(BlobHead::from_event(&event).to_event(), Some(event));
    /// ```
    #[must_use]
    pub fn from_event(event: &Event) -> Self {
        let info = ExtInfo::new(event.timestamp(), event.device_id(), event.code());
        let head = Self { subject: *event.subject_bytes(), ..Self::new(event.id()).with_info(info) };
        let head = head.with_mask(head.mask() | bit_of(event.code()));
        if event.code().is_authentication() { head.with_tna_key(event.param()) } else { head }
    }

    /// Sets time, device and code.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, ExtInfo};
    /// assert_eq!(BlobHead::new(7).with_info(ExtInfo::default()).info(), Some(&ExtInfo::default()));
    /// ```
    #[must_use]
    pub fn with_info(mut self, info: ExtInfo) -> Self {
        self.info = info;
        self.with_mask(self.mask() | EventMask::INFO)
    }

    /// Sets the subject, and clears the bits of other subjects.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, BlobSubject, EventMask};
    /// let head = BlobHead::new(7).with_subject(BlobSubject::Zone { zone_id: 3 });
    /// assert_eq!(head.mask(), EventMask::ZONE_ID);
    /// ```
    #[must_use]
    pub fn with_subject(mut self, subject: BlobSubject<'_>) -> Self {
        self.subject = subject.to_bytes();
        self.with_mask(self.mask().difference(EventMask::SUBJECT).union(subject.bit()))
    }

    /// Sets the time-and-attendance key.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::BlobHead;
    /// assert_eq!(BlobHead::new(7).with_tna_key(3).tna_key(), Some(3));
    /// ```
    #[must_use]
    pub fn with_tna_key(mut self, key: u8) -> Self {
        self.tna_key = key;
        self.with_mask(self.mask() | EventMask::TNA_KEY)
    }

    /// Sets the job code.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, JobCode};
    /// assert_eq!(BlobHead::new(7).with_job_code(JobCode(4)).job_code(), Some(JobCode(4)));
    /// ```
    #[must_use]
    pub fn with_job_code(mut self, code: JobCode) -> Self {
        self.job_code = U32::new(code.0);
        self.with_mask(self.mask() | EventMask::JOB_CODE)
    }

    /// Sets the size of the image. A blob's [`fill`](super::EventBlob::fill) does it by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::BlobHead;
    /// assert_eq!(BlobHead::new(7).with_image_size(5).image_size(), 5);
    /// ```
    #[must_use]
    pub fn with_image_size(mut self, size: u16) -> Self {
        self.image_size = U16::new(size);
        self.with_mask(self.mask() | EventMask::IMAGE)
    }

    /// Sets the mask as it is given, whatever the fields hold.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, EventMask};
    /// assert_eq!(BlobHead::new(7).with_mask(EventMask::all()).mask().bits(), 0xFFFF);
    /// ```
    #[must_use]
    pub fn with_mask(mut self, mask: EventMask) -> Self {
        self.mask = U16::new(mask.bits());
        self
    }

    /// Which fields are valid.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::BlobHead;
    /// assert!(BlobHead::new(7).mask().is_empty());
    /// ```
    #[must_use]
    #[doc(alias = "eventMask")]
    pub const fn mask(&self) -> EventMask {
        EventMask::from_bits_retain(self.mask.get())
    }

    /// The number of this event in its reader's log; always valid.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::BlobHead;
    /// assert_eq!(BlobHead::new(7).id(), 7);
    /// ```
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id.get()
    }

    /// Time, device and code, if the mask says that they are valid.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::BlobHead;
    /// assert_eq!(BlobHead::new(7).info(), None);
    /// ```
    #[must_use]
    pub fn info(&self) -> Option<&ExtInfo> {
        self.mask().contains(EventMask::INFO).then_some(&self.info)
    }

    /// The field of time, device and code, whatever the mask says.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, ExtInfo};
    /// assert_eq!(BlobHead::new(7).info_field(), &ExtInfo::default());
    /// ```
    #[must_use]
    pub const fn info_field(&self) -> &ExtInfo {
        &self.info
    }

    /// To whom or what it happened, by the mask; see [`BlobSubject`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, BlobSubject};
    /// assert_eq!(BlobHead::new(7).subject(), BlobSubject::None);
    /// ```
    #[must_use]
    pub fn subject(&self) -> BlobSubject<'_> {
        // A code that is not valid decides nothing.
        let code = self.info().map_or(EventCode::new(0), ExtInfo::code);
        BlobSubject::read(self.mask(), code, &self.subject)
    }

    /// The 32 bytes of the subject, whatever the mask says.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::BlobHead;
    /// assert_eq!(BlobHead::new(7).subject_field(), &[0; 32]);
    /// ```
    #[must_use]
    pub const fn subject_field(&self) -> &[u8; 32] {
        &self.subject
    }

    /// Sets the 32 bytes of the subject and leaves the mask.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::BlobHead;
    /// assert_eq!(BlobHead::new(7).with_subject_field([9; 32]).subject_field(), &[9; 32]);
    /// ```
    #[must_use]
    pub const fn with_subject_field(mut self, bytes: [u8; 32]) -> Self {
        self.subject = bytes;
        self
    }

    /// The time-and-attendance key, if the mask says that it is valid; 0 for none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::BlobHead;
    /// assert_eq!(BlobHead::new(7).tna_key(), None);
    /// ```
    #[must_use]
    pub fn tna_key(&self) -> Option<u8> {
        self.mask().contains(EventMask::TNA_KEY).then_some(self.tna_key)
    }

    /// The job code, if the mask says that it is valid.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::BlobHead;
    /// assert_eq!(BlobHead::new(7).job_code(), None);
    /// ```
    #[must_use]
    pub fn job_code(&self) -> Option<JobCode> {
        self.mask().contains(EventMask::JOB_CODE).then(|| JobCode(self.job_code.get()))
    }

    /// The fields of T&A key and job code, whatever the mask says.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, JobCode};
    /// assert_eq!(BlobHead::new(7).key_fields(), (0, JobCode(0)));
    /// ```
    #[must_use]
    pub const fn key_fields(&self) -> (u8, JobCode) {
        (self.tna_key, JobCode(self.job_code.get()))
    }

    /// The size of the image in bytes, whatever the mask says; a small blob's may be up to 65 535.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::BlobHead;
    /// assert_eq!(BlobHead::new(7).image_size(), 0);
    /// ```
    #[must_use]
    pub const fn image_size(&self) -> u16 {
        self.image_size.get()
    }

    /// This head as an event; `None` without time, device and code.
    ///
    /// T&A key becomes the parameter, and an image sets its flag. A blob has no time zone: those flags are 0. The
    /// subject's 32 bytes are passed on whatever the mask says, since lifts, relays and alarms have no bit in it. So an
    /// event comes back from [`from_event`](Self::from_event) byte for byte, but for its flags and for a parameter that is
    /// no T&A key.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, ExtInfo};
    /// assert_eq!(BlobHead::new(7).to_event(), None);
    /// assert_eq!(BlobHead::new(7).with_info(ExtInfo::default()).to_event().unwrap().id(), 7);
    /// ```
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

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<BlobHead>() == 57 && align_of::<BlobHead>() == 1);
    assert!(offset_of!(BlobHead, id) == 2 && offset_of!(BlobHead, info) == 6);
    assert!(offset_of!(BlobHead, subject) == 18 && offset_of!(BlobHead, tna_key) == 50);
    assert!(offset_of!(BlobHead, job_code) == 51 && offset_of!(BlobHead, image_size) == 55);
};
