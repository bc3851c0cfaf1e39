//! The blob that can leave the process: only what is valid, with the image inside.

use core::fmt;
use std::borrow::Cow;
use std::io::{self, Write};

use byteorder::{LittleEndian, WriteBytesExt};

use super::{BlobHead, DecodeError, DecodeReason, EventMask, Temperature};

mod convert;
mod layout;
mod sequence;

pub use sequence::{Needed, PortableBlobs};

/// The record of [`SmallBlobEx`](super::SmallBlobEx) with the image in place of its address, and without the fields that
/// are not valid.
///
/// The vendor's records cannot be stored or sent: a small blob holds an address, and an
/// [`EventBlob`](super::EventBlob) takes 16 442 bytes for a door that opened. The layout of this one is not the vendor's.
/// All integers are little-endian:
///
/// | bytes | field | there if the mask has |
/// |---:|---|---|
/// | 2 | mask | always |
/// | 4 | id | always |
/// | 1 | the small blob's reserved byte | always |
/// | 12 | info, as [`ExtInfo`](super::ExtInfo) | `INFO`, 0x0001 |
/// | 32 | subject, once | any bit of [`EventMask::SUBJECT`], 0x003E |
/// | 1 | T&A key | `TNA_KEY`, 0x0040 |
/// | 4 | job code | `JOB_CODE`, 0x0080 |
/// | 4 | temperature, hundredths of a degree Celsius | `TEMPERATURE`, 0x0200 |
/// | 2 | size of the image, *n* | `IMAGE`, 0x0100 |
/// | *n* | the image | `IMAGE`, 0x0100 |
///
/// So the mask alone says how long everything before the image is, and the whole takes 7 … 65 597 bytes. `QR_DATA` and
/// bits without a name have no field here, as they have none in the vendor's records; the bits are kept. Every value of
/// every field is valid, so bytes can only be too few or too many. Records follow each other without anything between.
///
/// What of an [`Event`](super::Event) is not kept in one: its flags, the parameter of a code that is no authentication
/// (both as in [`BlobHead::from_event`]), and the subject of a lift, a relay, an OSDP device or an unknown code, for which
/// the mask has no bit.
///
/// `Debug` shows what it shows of the other blobs: nothing personal.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{BlobHead, BlobSubject, PortableBlob};
///
/// let head = BlobHead::new(7).with_subject(BlobSubject::Door { door_id: 9 });
/// let mut bytes = Vec::new();
/// PortableBlob::new(head, &[0xFF, 0xD8])?.encode(&mut bytes)?;
/// assert_eq!(bytes.len(), 2 + 4 + 1 + 32 + 2 + 2);
/// assert_eq!(PortableBlob::decode(&bytes)?.image(), Some(&[0xFF, 0xD8][..]));
///
/// let error = PortableBlob::decode(&bytes[..40]).unwrap_err();
/// assert_eq!(error.to_string(), "portable blob: field `image_size` at offset 39: 2 bytes needed, 1 available");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct PortableBlob<'a> {
    /// Fields that are not valid are 0, and the size is the image's.
    head: BlobHead,
    reserved: u8,
    temperature: Temperature,
    image: Cow<'a, [u8]>,
}

impl<'a> PortableBlob<'a> {
    /// A blob of what is valid in this head, and this image. An image that is not empty sets its bit of the mask; the
    /// bit of the temperature is cleared, since a head has none: [`with_temperature`](Self::with_temperature) sets both.
    ///
    /// # Errors
    ///
    /// [`DecodeReason::TooLong`] for an image of more than 65 535 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, EventMask, PortableBlob};
    /// let head = BlobHead::new(7).with_tna_key(3).with_mask(EventMask::empty());
    /// assert_eq!(PortableBlob::new(head, &[])?.head(), &BlobHead::new(7));
    /// assert!(PortableBlob::new(head, vec![0; 65_536]).is_err());
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    pub fn new(head: BlobHead, image: impl Into<Cow<'a, [u8]>>) -> Result<Self, DecodeError> {
        let image = image.into();
        let mask = if image.is_empty() { head.mask() } else { head.mask() | EventMask::IMAGE };
        let mask = mask.difference(EventMask::TEMPERATURE);
        let size = u16::try_from(image.len()).map_err(|_| DecodeError {
            record: layout::RECORD,
            field: "image",
            offset: layout::fixed_size(mask),
            reason: DecodeReason::TooLong { limit: u16::MAX.into(), actual: image.len() },
        })?;
        let head = layout::valid_fields(&head.with_mask(mask), size);
        Ok(Self { head, reserved: 0, temperature: Temperature::default(), image })
    }

    /// Sets the temperature and its bit of the mask.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, PortableBlob, Temperature};
    /// let blob = PortableBlob::new(BlobHead::new(7), &[])?.with_temperature(Temperature::default());
    /// assert_eq!(blob.temperature(), Some(Temperature::default()));
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn with_temperature(mut self, temperature: Temperature) -> Self {
        self.head = self.head.with_mask(self.head.mask() | EventMask::TEMPERATURE);
        self.temperature = temperature;
        self
    }

    /// Sets the small blob's reserved byte.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, PortableBlob};
    /// assert_eq!(PortableBlob::new(BlobHead::new(7), &[])?.with_reserved(0x7E).reserved(), 0x7E);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn with_reserved(mut self, reserved: u8) -> Self {
        self.reserved = reserved;
        self
    }

    /// The blob in these bytes, all of them. The image stays where it is.
    ///
    /// # Errors
    ///
    /// [`DecodeReason::Truncated`] with the field in which the bytes end, or [`DecodeReason::TrailingBytes`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::PortableBlob;
    /// assert_eq!(PortableBlob::decode(&[0, 0, 7, 0, 0, 0, 0])?.head().id(), 7);
    /// let error = PortableBlob::decode(&[0; 8]).unwrap_err();
    /// assert_eq!(error.to_string(), "portable blob: field `end` at offset 7: 1 byte too many");
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match Self::decode_prefix(bytes)? {
            (blob, []) => Ok(blob),
            (blob, rest) => Err(DecodeError {
                record: layout::RECORD,
                field: "end",
                offset: blob.encoded_len(),
                reason: DecodeReason::TrailingBytes { count: rest.len() },
            }),
        }
    }

    /// The blob at the start of these bytes, and the bytes after it.
    ///
    /// # Errors
    ///
    /// [`DecodeReason::Truncated`] with the field in which the bytes end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::PortableBlob;
    /// let (blob, rest) = PortableBlob::decode_prefix(&[0, 0, 7, 0, 0, 0, 0, 1, 2])?;
    /// assert_eq!((blob.head().id(), rest), (7, &[1, 2][..]));
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[inline]
    pub fn decode_prefix(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        layout::parse(bytes).map(|(rest, blob)| (blob, rest)).map_err(|_| layout::truncated(bytes))
    }

    /// The blob at the start of bytes that are still coming in, and the bytes after it; or how many more it needs.
    ///
    /// What it asks for never reaches past the blob's end: read that many, append them, and ask again, three times at
    /// most.
    ///
    /// # Errors
    ///
    /// [`Needed`], the least number of further bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::PortableBlob;
    /// use std::io::{self, Read};
    ///
    /// fn read_one(source: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<()> {
    ///     buffer.clear();
    ///     while let Err(needed) = PortableBlob::decode_streaming(buffer) {
    ///         let start = buffer.len();
    ///         buffer.resize(start + needed.get(), 0);
    ///         source.read_exact(&mut buffer[start..])?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let (mut source, mut buffer) = (&[0, 0, 7, 0, 0, 0, 0, 1, 2][..], Vec::new());
    /// read_one(&mut source, &mut buffer)?;
    /// assert_eq!((buffer.len(), source), (7, &[1, 2][..]));
    /// # Ok::<(), io::Error>(())
    /// ```
    #[inline]
    pub fn decode_streaming(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Needed> {
        layout::parse(bytes).map(|(rest, blob)| (blob, rest)).map_err(|error| Needed::of(&error))
    }

    /// The blobs in these bytes, one after the other; an error ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::PortableBlob;
    /// let blobs = PortableBlob::decode_all(&[0; 14]);
    /// assert_eq!(blobs.collect::<Result<Vec<_>, _>>()?.len(), 2);
    /// let error = PortableBlob::decode_all(&[0; 15]).nth(2).unwrap().unwrap_err();
    /// assert_eq!((error.field, error.offset), ("event_mask", 14));
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn decode_all(bytes: &'a [u8]) -> PortableBlobs<'a> {
        PortableBlobs::new(bytes)
    }

    /// Writes this blob, in several small pieces.
    ///
    /// # Errors
    ///
    /// Those of the writer; a `Vec` has none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, PortableBlob};
    /// let mut bytes = Vec::new();
    /// PortableBlob::new(BlobHead::new(7), &[])?.encode(&mut bytes)?;
    /// assert_eq!(bytes, [0, 0, 7, 0, 0, 0, 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encode(&self, writer: &mut impl Write) -> io::Result<()> {
        let head = &self.head;
        writer.write_u16::<LittleEndian>(head.mask().bits())?;
        writer.write_u32::<LittleEndian>(head.id())?;
        writer.write_u8(self.reserved)?;
        if let Some(info) = head.info() {
            writer.write_all(info.as_bytes())?;
        }
        if head.mask().intersects(EventMask::SUBJECT) {
            writer.write_all(head.subject_field())?;
        }
        if let Some(key) = head.tna_key() {
            writer.write_u8(key)?;
        }
        if let Some(code) = head.job_code() {
            writer.write_u32::<LittleEndian>(code.0)?;
        }
        if let Some(temperature) = self.temperature() {
            writer.write_u32::<LittleEndian>(temperature.hundredths())?;
        }
        if let Some(image) = self.image() {
            writer.write_u16::<LittleEndian>(head.image_size())?;
            writer.write_all(image)?;
        }
        Ok(())
    }

    /// The bytes that [`encode`](Self::encode) writes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, PortableBlob};
    /// assert_eq!(PortableBlob::new(BlobHead::new(7), &[])?.encoded_len(), 7);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        layout::fixed_size(self.head.mask()).saturating_add(self.image.len())
    }

    /// Everything but image and temperature. Fields that are not valid are 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, PortableBlob};
    /// let head = BlobHead::new(7).with_tna_key(3);
    /// assert_eq!(PortableBlob::new(head, &[])?.head(), &head);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn head(&self) -> &BlobHead {
        &self.head
    }

    /// The image, a JPEG; `None` where the mask says that there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, PortableBlob};
    /// assert_eq!(PortableBlob::new(BlobHead::new(7), &[])?.image(), None);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn image(&self) -> Option<&[u8]> {
        self.head.mask().contains(EventMask::IMAGE).then_some(&*self.image)
    }

    /// The temperature, if the mask says that it is valid.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, PortableBlob};
    /// assert_eq!(PortableBlob::new(BlobHead::new(7), &[])?.temperature(), None);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn temperature(&self) -> Option<Temperature> {
        self.head.mask().contains(EventMask::TEMPERATURE).then_some(self.temperature)
    }

    /// The small blob's reserved byte, which no source gives a meaning.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, PortableBlob};
    /// assert_eq!(PortableBlob::new(BlobHead::new(7), &[])?.reserved(), 0);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn reserved(&self) -> u8 {
        self.reserved
    }
}

impl fmt::Debug for PortableBlob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortableBlob")
            .field("head", &self.head)
            .field("image", &format_args!("{} bytes", self.image.len()))
            .field("temperature", &self.temperature())
            .finish()
    }
}
