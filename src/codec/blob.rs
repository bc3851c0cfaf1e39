//! The record with an image: 16 442 bytes, and the head that it shares with the small ones.

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::record::{Layout, bytes_and_records};
use super::{DecodeError, DecodeReason, Event, EventMask, Extras};

mod head;
mod subject;

pub use head::BlobHead;
pub use subject::BlobSubject;

/// An event with job code and image inline, as the vendor's library lays it out: 16 442 bytes, packed.
///
/// | offset | size | field | vendor's name |
/// |---:|---:|---|---|
/// | 0 | 57 | [`head`](Self::head) | `eventMask` … `imageSize` |
/// | 57 | 16 384 | [`image`](Self::image) | `image` |
/// | 16 441 | 1 | [`reserved`](Self::reserved) | `reserved` |
///
/// The record is as large without an image as with one; a page of a thousand takes 16 MB.
///
/// Source: sizes and offsets measured with C compilers; log page, "BS2EventBlob".
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{BlobHead, EventBlob};
///
/// let mut buffer = vec![0xA5; EventBlob::SIZE];
/// let blob = EventBlob::fill(&mut buffer, BlobHead::new(7), &[0xFF, 0xD8])?;
/// assert_eq!((blob.head().id(), blob.image()), (7, Some(&[0xFF, 0xD8][..])));
/// # Ok::<(), bs2_events::codec::DecodeError>(())
/// ```
#[doc(alias = "BS2EventBlob")]
#[derive(Clone, Copy, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(C)]
pub struct EventBlob {
    head: BlobHead,
    image: [u8; IMAGE_SIZE],
    reserved: u8,
}

bytes_and_records!(EventBlob, "EventBlob");

impl EventBlob {
    /// Writes a blob into a caller's buffer: the head, the image, and zeros after it. The image decides its size and its
    /// bit of the mask, whatever the head had: an empty one clears both.
    ///
    /// # Errors
    ///
    /// [`DecodeReason::TooLong`] for an image of more than 16 384 bytes; [`DecodeReason::Truncated`] or
    /// [`DecodeReason::TrailingBytes`] for a buffer of another size than the record's. The buffer is untouched then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, EventBlob};
    /// let error = EventBlob::fill(&mut vec![0; EventBlob::SIZE], BlobHead::new(7), &[0; 16_385]).unwrap_err();
    /// assert_eq!(error.to_string(), "event blob: field `image` at offset 57: 16385 bytes in a field of 16384");
    /// ```
    pub fn fill<'a>(buffer: &'a mut [u8], head: BlobHead, image: &[u8]) -> Result<&'a mut Self, DecodeError> {
        let size = u16::try_from(image.len()).unwrap_or(u16::MAX); // `write` refuses it long before.
        let head = head.with_image_size(size);
        let without = head.mask().difference(EventMask::IMAGE);
        Self::write(buffer, if image.is_empty() { head.with_mask(without) } else { head }, image)
    }

    /// The same with the head as it is.
    pub(in crate::codec) fn write<'a>(
        buffer: &'a mut [u8],
        head: BlobHead,
        image: &[u8],
    ) -> Result<&'a mut Self, DecodeError> {
        if image.len() > IMAGE_SIZE {
            let too_long = DecodeReason::TooLong { limit: IMAGE_SIZE, actual: image.len() };
            return Err(Self::LAYOUT.error("image", 57, too_long));
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, EventBlob};
    /// let mut buffer = vec![0; EventBlob::SIZE];
    /// EventBlob::fill(&mut buffer, BlobHead::new(7), &[])?.set_reserved(0x7E);
    /// assert_eq!(buffer.last(), Some(&0x7E));
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    pub const fn set_reserved(&mut self, reserved: u8) {
        self.reserved = reserved;
    }

    /// Everything but the image.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventBlob;
    /// assert_eq!(EventBlob::from_bytes(&[0; EventBlob::SIZE])?.head().id(), 0);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn head(&self) -> &BlobHead {
        &self.head
    }

    /// The image, a JPEG, without copying it; `None` where the mask says that there is none.
    ///
    /// A size greater than the field is cut to what is there. What the vendor's library does with an image that is
    /// too large for this record no source says; reading the image log by its id always gives the whole.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventBlob;
    /// let mut bytes = [0; EventBlob::SIZE];
    /// bytes[1] = 0x01; // the mask's bit for the image
    /// bytes[55..57].copy_from_slice(&u16::MAX.to_le_bytes());
    /// assert_eq!(EventBlob::from_bytes(&bytes)?.image().map(<[u8]>::len), Some(16_384));
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn image(&self) -> Option<&[u8]> {
        let size = usize::from(self.head.image_size());
        self.head.mask().contains(EventMask::IMAGE).then(|| self.image.get(..size).unwrap_or(&self.image))
    }

    /// The whole field of the image, whatever mask and size say.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventBlob;
    /// assert_eq!(EventBlob::from_bytes(&[7; EventBlob::SIZE])?.image_field(), &[7; 16_384]);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn image_field(&self) -> &[u8; 16_384] {
        &self.image
    }

    /// The last byte, which no source gives a meaning.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventBlob;
    /// assert_eq!(EventBlob::from_bytes(&[7; EventBlob::SIZE])?.reserved(), 7);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn reserved(&self) -> u8 {
        self.reserved
    }

    /// This blob as an event; see [`BlobHead::to_event`].
    #[must_use]
    pub fn to_event(&self) -> Option<Event> {
        self.head.to_event()
    }

    /// What this blob holds beyond an event, apart from the [image](Self::image).
    #[must_use]
    pub fn extras(&self) -> Extras {
        Extras { job_code: self.head.job_code(), ..Extras::default() }
    }

    const LAYOUT: Layout = Layout {
        record: "event blob",
        fields: &[
            ("event_mask", 0),
            ("event_id", 2),
            ("info", 6),
            ("subject", 18),
            ("tna_key", 50),
            ("job_code", 51),
            ("image_size", 55),
            ("image", 57),
            ("reserved", 16_441),
        ],
        size: Self::SIZE,
    };
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

const IMAGE_SIZE: usize = 16_384;

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<EventBlob>() == 16_442 && align_of::<EventBlob>() == 1);
    assert!(offset_of!(EventBlob, image) == 57 && offset_of!(EventBlob, reserved) == 16_441);
};
