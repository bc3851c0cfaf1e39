//! The vendor's records of events with job code and image.
//!
//! They all begin with a [`BlobHead`], whose mask says which fields are valid. [`EventBlob`] holds the image; a
//! [`SmallBlob`] holds its address in the memory of the vendor's library. To store or send a blob, make a
//! [`PortableBlob`](super::portable::PortableBlob) of it.

use core::fmt;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::record::{Layout, bytes_and_records, record};
use super::{DecodeError, DecodeReason, Event, Extras, Temperature};

mod head;

pub use head::{BlobHead, BlobSubject, EventMask, ExtInfo, ExtIoDevice};

record! {
    /// An event with job code and image, as the vendor's library lays it out, packed.
    ///
    /// The record has the same size without an image; a page of a thousand takes 16 MB.
    ///
    /// Source: sizes and offsets measured with C compilers; log page, "BS2EventBlob".
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::JobCode;
    /// use bs2_events::codec::blob::{BlobHead, EventBlob};
    ///
    /// let mut buffer = vec![0xA5; EventBlob::SIZE];
    /// let blob = EventBlob::fill(&mut buffer, BlobHead::new(7).with_job_code(JobCode(3)), &[0xFF, 0xD8])?;
    /// assert_eq!((blob.head().id(), blob.image()), (7, Some(&[0xFF, 0xD8][..])));
    /// assert_eq!(blob.extras().job_code, Some(JobCode(3)));
    ///
    /// let error = EventBlob::fill(&mut buffer, BlobHead::new(7), &[0; 16_385]).unwrap_err();
    /// assert_eq!(error.to_string(), "event blob: field `image` at offset 57: 16385 bytes in a field of 16384");
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[doc(alias = "BS2EventBlob")]
    pub struct EventBlob("event blob", 16_442 bytes) {
        ..head: BlobHead = "`eventMask` … `imageSize`",
        [57] image: [u8; 16_384] = "`image`",
        [16_441] reserved: u8 = "`reserved`",
    }
}

impl EventBlob {
    /// Writes a blob into the caller's buffer: the head, the image, and zeros after it. The image determines its size and
    /// its bit of the mask, and replaces those of the head. An empty image clears both.
    ///
    /// # Errors
    ///
    /// [`DecodeReason::TooLong`] for an image of more than 16 384 bytes; [`DecodeReason::Truncated`] or
    /// [`DecodeReason::TrailingBytes`] for a buffer of another size than the record's. The buffer is unchanged then.
    pub fn fill<'a>(buffer: &'a mut [u8], head: BlobHead, image: &[u8]) -> Result<&'a mut Self, DecodeError> {
        let size = u16::try_from(image.len()).unwrap_or(u16::MAX); // `write` refuses such an image.
        let head = head.with_image_size(size);
        let without = head.mask().difference(EventMask::IMAGE);
        Self::write(buffer, if image.is_empty() { head.with_mask(without) } else { head }, image)
    }

    /// Like [`fill`](Self::fill), with the head as it is.
    pub(in crate::codec) fn write<'a>(
        buffer: &'a mut [u8],
        head: BlobHead,
        image: &[u8],
    ) -> Result<&'a mut Self, DecodeError> {
        if image.len() > Self::IMAGE_SIZE {
            let too_long = DecodeReason::TooLong { limit: Self::IMAGE_SIZE, actual: image.len() };
            return Err(Self::LAYOUT.error("image", size_of::<BlobHead>(), too_long));
        }
        Self::from_bytes(buffer)?;
        let blob = Self::mut_from_bytes(buffer).map_err(|_| Self::LAYOUT.truncated(0, 0))?;
        blob.head = head;
        let (start, rest) = blob.image.split_at_mut_checked(image.len()).unwrap_or((&mut [], &mut []));
        start.copy_from_slice(image);
        rest.fill(0);
        blob.reserved = 0;
        Ok(blob)
    }

    /// Sets the last byte.
    pub const fn set_reserved(&mut self, reserved: u8) {
        self.reserved = reserved;
    }

    /// Everything but the image.
    #[must_use]
    pub const fn head(&self) -> &BlobHead {
        &self.head
    }

    /// The image, a JPEG, without copying it; `None` if the mask says that there is none.
    ///
    /// A size greater than the field is cut to the field. No source says what the vendor's library does with an image
    /// that is too large for this record; reading the image log by its id always returns the whole.
    #[must_use]
    pub fn image(&self) -> Option<&[u8]> {
        let size = usize::from(self.head.image_size());
        self.head.mask().contains(EventMask::IMAGE).then(|| self.image.get(..size).unwrap_or(&self.image))
    }

    /// The whole field of the image, for any mask and size.
    #[must_use]
    pub const fn image_field(&self) -> &[u8; 16_384] {
        &self.image
    }

    /// The last byte, which no source explains.
    #[must_use]
    pub const fn reserved(&self) -> u8 {
        self.reserved
    }

    /// This blob as an event; see [`BlobHead::to_event`].
    #[must_use]
    pub fn to_event(&self) -> Option<Event> {
        self.head.to_event()
    }

    /// The extras of the event: the job code. The [image](Self::image) is not among them.
    #[must_use]
    pub fn extras(&self) -> Extras {
        Extras { job_code: self.head.job_code(), ..Extras::default() }
    }

    /// Bytes of the field of the image.
    pub(in crate::codec) const IMAGE_SIZE: usize = 16_384;
}

impl fmt::Debug for EventBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = self.image().map_or(0, <[u8]>::len);
        f.debug_struct("EventBlob")
            .field("head", &self.head)
            .field("image", &format_args!("{image} bytes"))
            .finish()
    }
}

record! {
    /// An event with job code and the address of its image, as the vendor's library lays it out, packed.
    ///
    /// On 32-bit targets the address has 4 bytes, `reserved` stands at 61, and the record has 62 bytes.
    ///
    /// The address is misaligned, and differently in each record of an array. Here it is only a number. To follow it, and
    /// to release the memory behind it, is the task of the code that called the library.
    #[doc(alias = "BS2EventSmallBlob")]
    pub struct SmallBlob<A: Address>("small blob", 66 bytes as SmallBlob64) {
        ..head: BlobHead = "`eventMask` … `imageSize`",
        [57] image_address: A = "`imageObj`",
        [65] reserved: u8 = "`reserved`",
    }
}

/// The small blob of 64-bit targets: 66 bytes.
pub type SmallBlob64 = SmallBlob<U64>;
/// The small blob of 32-bit targets: 62 bytes.
pub type SmallBlob32 = SmallBlob<U32>;

impl<A: Address> SmallBlob<A> {
    /// A blob of these values; the reserved byte is 0. An address is cut to the target's width.
    #[must_use]
    pub fn new(head: BlobHead, image_address: u64) -> Self {
        Self { head, image_address: A::from_u64(image_address), reserved: 0 }
    }

    /// Sets the reserved byte.
    #[must_use]
    pub const fn with_reserved(mut self, reserved: u8) -> Self {
        self.reserved = reserved;
        self
    }

    /// Everything but the image.
    #[must_use]
    pub const fn head(&self) -> &BlobHead {
        &self.head
    }

    /// The address of the image in the memory of the vendor's library; 0 for none.
    #[must_use]
    #[doc(alias = "imageObj")]
    pub fn image_address(&self) -> u64 {
        self.image_address.to_u64()
    }

    /// The byte that no source explains.
    #[must_use]
    pub const fn reserved(&self) -> u8 {
        self.reserved
    }

    /// This blob as an event; see [`BlobHead::to_event`].
    #[must_use]
    pub fn to_event(&self) -> Option<Event> {
        self.head.to_event()
    }

    /// The extras of the event: the job code.
    #[must_use]
    pub fn extras(&self) -> Extras {
        Extras { job_code: self.head.job_code(), ..Extras::default() }
    }
}

impl<A: Address> fmt::Debug for SmallBlob<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmallBlob").field("head", &self.head).finish_non_exhaustive()
    }
}

record! {
    /// A small blob with a temperature after it.
    ///
    /// On 32-bit targets `temperature` stands at 62, and the record has 66 bytes.
    ///
    /// Only devices with a thermal camera that are set to record the temperature fill it.
    #[doc(alias = "BS2EventSmallBlobEx")]
    pub struct SmallBlobEx<A: Address>("small blob ex", 70 bytes as SmallBlobEx64) {
        ..small_blob: SmallBlob<A> = "`eventMask` … `reserved`",
        [66] temperature: U32 = "`temperature`, hundredths of a degree Celsius",
    }
}

/// The small blob with temperature of 64-bit targets: 70 bytes.
pub type SmallBlobEx64 = SmallBlobEx<U64>;
/// The small blob with temperature of 32-bit targets: 66 bytes.
pub type SmallBlobEx32 = SmallBlobEx<U32>;

impl<A: Address> SmallBlobEx<A> {
    /// A blob of these values. It sets the mask's bit of the temperature.
    #[must_use]
    pub fn new(mut small_blob: SmallBlob<A>, temperature: Temperature) -> Self {
        small_blob.head = small_blob.head.with_mask(small_blob.head.mask() | EventMask::TEMPERATURE);
        Self::from_fields(small_blob, temperature)
    }

    /// A blob of these values. It leaves the mask.
    #[must_use]
    pub const fn from_fields(small_blob: SmallBlob<A>, temperature: Temperature) -> Self {
        Self { small_blob, temperature: U32::new(temperature.hundredths()) }
    }

    /// Everything but the temperature.
    #[must_use]
    pub const fn small_blob(&self) -> &SmallBlob<A> {
        &self.small_blob
    }

    /// The temperature, if the mask says that it is valid.
    #[must_use]
    pub fn temperature(&self) -> Option<Temperature> {
        let valid = self.small_blob.head.mask().contains(EventMask::TEMPERATURE);
        valid.then(|| self.temperature_field())
    }

    /// The field of the temperature, for any mask.
    #[must_use]
    pub const fn temperature_field(&self) -> Temperature {
        Temperature::from_hundredths(self.temperature.get())
    }

    /// This blob as an event; see [`BlobHead::to_event`].
    #[must_use]
    pub fn to_event(&self) -> Option<Event> {
        self.small_blob.to_event()
    }

    /// The extras of the event: job code and temperature.
    #[must_use]
    pub fn extras(&self) -> Extras {
        Extras { temperature: self.temperature(), ..self.small_blob.extras() }
    }
}

impl<A: Address> fmt::Debug for SmallBlobEx<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmallBlobEx")
            .field("head", &self.small_blob.head)
            .field("temperature", &self.temperature())
            .finish_non_exhaustive()
    }
}

/// The width of an address on the target of the vendor's library: [`U64`] or [`U32`].
pub trait Address:
    Copy + Eq + core::hash::Hash + FromBytes + Immutable + IntoBytes + KnownLayout + Unaligned + private::Sealed
{
    /// An address of this width; the bits above it are cut.
    fn from_u64(address: u64) -> Self;

    /// The address as a number.
    fn to_u64(self) -> u64;
}

impl Address for U64 {
    fn from_u64(address: u64) -> Self {
        Self::new(address)
    }

    fn to_u64(self) -> u64 {
        self.get()
    }
}

impl Address for U32 {
    fn from_u64(address: u64) -> Self {
        let [a, b, c, d, ..] = address.to_le_bytes();
        Self::new(u32::from_le_bytes([a, b, c, d]))
    }

    fn to_u64(self) -> u64 {
        self.get().into()
    }
}

mod private {
    /// No type outside this module is an address.
    pub trait Sealed {}

    impl Sealed for super::U64 {}
    impl Sealed for super::U32 {}
}

// The macro checks the layouts of 64-bit targets.
const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<SmallBlob32>() == 62 && align_of::<SmallBlob32>() == 1);
    assert!(size_of::<SmallBlobEx32>() == 66 && align_of::<SmallBlobEx32>() == 1);
    assert!(offset_of!(SmallBlob32, image_address) == 57 && offset_of!(SmallBlob32, reserved) == 61);
    assert!(offset_of!(SmallBlobEx32, temperature) == 62);
};
