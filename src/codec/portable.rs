//! The blob that can leave the process: only the valid fields, with the image inside.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;
use core::iter::FusedIterator;
use core::num::NonZeroUsize;

use nom::bytes::streaming::take;
use nom::combinator::{cond, map_opt};
use nom::number::complete::{le_u8, le_u16, le_u32};
use nom::{IResult, Parser, bytes, number};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::blob::{Address, BlobHead, EventBlob, EventMask, ExtInfo, SmallBlob, SmallBlobEx};
use super::{DecodeError, DecodeReason, Event, Extras, JobCode, Temperature};

/// A [`SmallBlobEx`] with the image in place of its address, and without the fields that are not valid.
///
/// The vendor's records cannot be stored or sent: a small blob holds an address, and an [`EventBlob`] takes 16 442 bytes
/// for a door that opened. This layout is the crate's own. All integers are little-endian:
///
/// | bytes | field | present if the mask has |
/// |---:|---|---|
/// | 2 | mask | always |
/// | 4 | id | always |
/// | 1 | the small blob's reserved byte | always |
/// | 12 | info, as [`ExtInfo`] | `INFO`, 0x0001 |
/// | 32 | subject, once | any bit of [`EventMask::SUBJECT`], 0x003E |
/// | 1 | T&A key | `TNA_KEY`, 0x0040 |
/// | 4 | job code | `JOB_CODE`, 0x0080 |
/// | 4 | temperature, hundredths of a degree Celsius | `TEMPERATURE`, 0x0200 |
/// | 2 | size of the image, *n* | `IMAGE`, 0x0100 |
/// | *n* | the image | `IMAGE`, 0x0100 |
///
/// So the mask alone determines the size of everything before the image, and the whole takes 7 … 65 597 bytes. `QR_DATA`
/// and bits without a name have no field here and none in the vendor's records; the bits are kept. Every value of every
/// field is valid, so the only errors are too few or too many bytes. Records follow each other without a gap.
///
/// What an [`Event`] loses in a portable blob: its flags, the parameter of a code that is not an authentication (both as
/// in [`BlobHead::from_event`]), and the subject of a lift, a relay, an OSDP device or an unknown code, for which the mask
/// has no bit.
///
/// `Debug` shows what that of the other blobs shows: nothing personal.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::blob::{BlobHead, BlobSubject};
/// use bs2_events::codec::portable::PortableBlob;
///
/// let head = BlobHead::new(7).with_subject(BlobSubject::Door { door_id: 9 });
/// let mut bytes = Vec::new();
/// PortableBlob::new(head, &[0xFF, 0xD8])?.encode(&mut bytes);
/// assert_eq!(bytes.len(), 2 + 4 + 1 + 32 + 2 + 2);
/// assert_eq!(PortableBlob::decode(&bytes)?.image(), Some(&[0xFF, 0xD8][..]));
///
/// let error = PortableBlob::decode(&bytes[..40]).unwrap_err();
/// assert_eq!(error.to_string(), "portable blob: field `image_size` at offset 39: 2 bytes needed, 1 available");
/// # Ok::<(), bs2_events::codec::DecodeError>(())
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
    /// A blob of the valid fields of this head, and this image. An image that is not empty sets its bit of the mask. The
    /// bit of the temperature is cleared, since a head has none: [`with_temperature`](Self::with_temperature) sets both.
    ///
    /// # Errors
    ///
    /// [`DecodeReason::TooLong`] for an image of more than 65 535 bytes.
    pub fn new(head: BlobHead, image: impl Into<Cow<'a, [u8]>>) -> Result<Self, DecodeError> {
        let image = image.into();
        let mask = if image.is_empty() { head.mask() } else { head.mask() | EventMask::IMAGE };
        let mask = mask.difference(EventMask::TEMPERATURE);
        let size = u16::try_from(image.len()).map_err(|_| DecodeError {
            record: RECORD,
            field: "image",
            offset: fixed_size(mask),
            reason: DecodeReason::TooLong { limit: u16::MAX.into(), actual: image.len() },
        })?;
        let head = valid_fields(&head.with_mask(mask), size);
        Ok(Self { head, reserved: 0, temperature: Temperature::default(), image })
    }

    /// The blob of a vendor's small blob and the image behind its address. That record has no field for the temperature:
    /// if its mask says that one is valid, the bit is cleared.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_small_blob<A: Address>(
        blob: &SmallBlob<A>,
        image: impl Into<Cow<'a, [u8]>>,
    ) -> Result<Self, DecodeError> {
        Ok(Self::new(*blob.head(), image)?.with_reserved(blob.reserved()))
    }

    /// The blob of a vendor's small blob with temperature and the image behind its address.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_small_blob_ex<A: Address>(
        blob: &SmallBlobEx<A>,
        image: impl Into<Cow<'a, [u8]>>,
    ) -> Result<Self, DecodeError> {
        Ok(Self::from_small_blob(blob.small_blob(), image)?.with_some_temperature(blob.temperature()))
    }

    /// Sets the temperature and its bit of the mask.
    #[must_use]
    pub fn with_temperature(mut self, temperature: Temperature) -> Self {
        self.head = self.head.with_mask(self.head.mask() | EventMask::TEMPERATURE);
        self.temperature = temperature;
        self
    }

    pub(crate) fn with_some_temperature(self, temperature: Option<Temperature>) -> Self {
        temperature.into_iter().fold(self, Self::with_temperature)
    }

    /// Sets the small blob's reserved byte.
    #[must_use]
    pub const fn with_reserved(mut self, reserved: u8) -> Self {
        self.reserved = reserved;
        self
    }

    /// The blob in these bytes, all of them. The image is not copied.
    ///
    /// # Errors
    ///
    /// [`DecodeReason::Truncated`] with the field in which the bytes end, or [`DecodeReason::TrailingBytes`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match Self::decode_prefix(bytes)? {
            (blob, []) => Ok(blob),
            (blob, rest) => Err(DecodeError {
                record: RECORD,
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
    #[inline]
    pub fn decode_prefix(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        parse(bytes).map(|(rest, blob)| (blob, rest)).map_err(|_| truncated(bytes))
    }

    /// The blob at the start of bytes that are still being received, and the bytes after it; or how many more it needs.
    ///
    /// The number never reaches past the blob's end. Read that many bytes, append them, and call again, at most three
    /// times.
    ///
    /// # Errors
    ///
    /// [`Needed`], the least number of further bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{self, Read};
    ///
    /// use bs2_events::codec::portable::PortableBlob;
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
        parse(bytes).map(|(rest, blob)| (blob, rest)).map_err(|error| Needed::of(&error))
    }

    /// The blobs in these bytes, one after the other. An error ends the iterator.
    #[must_use]
    pub const fn decode_all(bytes: &'a [u8]) -> PortableBlobs<'a> {
        PortableBlobs { rest: bytes, offset: 0 }
    }

    /// Appends the bytes of this blob.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        let head = &self.head;
        out.extend_from_slice(&head.mask().bits().to_le_bytes());
        out.extend_from_slice(&head.id().to_le_bytes());
        out.push(self.reserved);
        if let Some(info) = head.info() {
            out.extend_from_slice(info.as_bytes());
        }
        if head.mask().intersects(EventMask::SUBJECT) {
            out.extend_from_slice(head.subject_field());
        }
        if let Some(key) = head.tna_key() {
            out.push(key);
        }
        if let Some(code) = head.job_code() {
            out.extend_from_slice(&code.0.to_le_bytes());
        }
        if let Some(temperature) = self.temperature() {
            out.extend_from_slice(&temperature.hundredths().to_le_bytes());
        }
        if let Some(image) = self.image() {
            out.extend_from_slice(&head.image_size().to_le_bytes());
            out.extend_from_slice(image);
        }
    }

    /// The number of bytes that [`encode`](Self::encode) appends.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        fixed_size(self.head.mask()).saturating_add(self.image.len())
    }

    /// Writes this blob as an [`EventBlob`] into the caller's buffer of [`EventBlob::SIZE`] bytes. That record has no
    /// field for the temperature.
    ///
    /// # Errors
    ///
    /// As [`EventBlob::fill`]: an image of more than 16 384 bytes, or a buffer of another size.
    pub fn fill_event_blob<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b mut EventBlob, DecodeError> {
        let blob = EventBlob::write(buffer, self.head, &self.image)?;
        blob.set_reserved(self.reserved);
        Ok(blob)
    }

    /// The vendor's small blob with its image at this address. It has no field for the temperature.
    #[must_use]
    pub fn to_small_blob<A: Address>(&self, image_address: u64) -> SmallBlob<A> {
        SmallBlob::new(self.head, image_address).with_reserved(self.reserved)
    }

    /// The vendor's small blob with temperature, with its image at this address.
    #[must_use]
    pub fn to_small_blob_ex<A: Address>(&self, image_address: u64) -> SmallBlobEx<A> {
        SmallBlobEx::from_fields(self.to_small_blob(image_address), self.temperature)
    }

    /// This blob as an event; see [`BlobHead::to_event`]. A subject for which the mask has no bit, such as that of a lift
    /// or a relay, has no place in a portable blob: the event's is empty.
    #[must_use]
    pub fn to_event(&self) -> Option<Event> {
        self.head.to_event()
    }

    /// The extras of the event: job code and temperature. The [image](Self::image) is not among them.
    #[must_use]
    pub fn extras(&self) -> Extras {
        Extras { job_code: self.head.job_code(), temperature: self.temperature(), ..Extras::default() }
    }

    /// This blob with its own copy of the image, so that it can outlive the bytes that it was decoded from.
    #[must_use]
    pub fn into_owned(self) -> PortableBlob<'static> {
        PortableBlob { image: Cow::Owned(self.image.into_owned()), ..self }
    }

    /// Everything but image and temperature. Fields that are not valid are 0.
    #[must_use]
    pub const fn head(&self) -> &BlobHead {
        &self.head
    }

    /// The image, a JPEG; `None` if the mask says that there is none.
    #[must_use]
    pub fn image(&self) -> Option<&[u8]> {
        self.head.mask().contains(EventMask::IMAGE).then_some(&*self.image)
    }

    /// The temperature, if the mask says that it is valid.
    #[must_use]
    pub fn temperature(&self) -> Option<Temperature> {
        self.head.mask().contains(EventMask::TEMPERATURE).then_some(self.temperature)
    }

    /// The small blob's reserved byte, which no source explains.
    #[must_use]
    pub const fn reserved(&self) -> u8 {
        self.reserved
    }
}

/// The image is that of [`EventBlob::image`], so a size that is too large becomes 16 384. That record has no field for the
/// temperature: if its mask says that one is valid, the bit is cleared.
impl<'a> From<&'a EventBlob> for PortableBlob<'a> {
    fn from(blob: &'a EventBlob) -> Self {
        let image = blob.image().unwrap_or_default();
        // The field has 16 384 bytes, so this changes nothing.
        let size = u16::try_from(image.len()).unwrap_or(u16::MAX);
        let head = blob.head().with_mask(blob.head().mask().difference(EventMask::TEMPERATURE));
        let head = valid_fields(&head, size);
        Self { head, reserved: blob.reserved(), temperature: Temperature::default(), image: image.into() }
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

/// How many more bytes a blob needs at least; the error of [`PortableBlob::decode_streaming`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error("{0} more byte{plural} needed", plural = if self.get() == 1 { "" } else { "s" })]
pub struct Needed(NonZeroUsize);

impl Needed {
    /// The number, never 0.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0.get()
    }

    fn of<E>(error: &nom::Err<E>) -> Self {
        match error {
            nom::Err::Incomplete(nom::Needed::Size(size)) => Self(*size),
            // Every field has a known size, and every value is valid.
            _ => Self(NonZeroUsize::MIN),
        }
    }
}

/// Blobs one after the other; [`PortableBlob::decode_all`] returns it.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::portable::PortableBlob;
///
/// let mut blobs = PortableBlob::decode_all(&[0; 8]);
/// assert!(blobs.next().is_some_and(|blob| blob.is_ok()));
/// assert_eq!(blobs.rest(), [0]);
/// let error = blobs.next().unwrap().unwrap_err();
/// assert_eq!((error.field, error.offset), ("event_mask", 7));
/// ```
#[derive(Clone)]
pub struct PortableBlobs<'a> {
    rest: &'a [u8],
    /// Bytes before the rest.
    offset: usize,
}

impl<'a> PortableBlobs<'a> {
    /// The bytes that were not read yet; none after an error.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for PortableBlobs<'a> {
    type Item = Result<PortableBlob<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match PortableBlob::decode_prefix(self.rest) {
            Ok((blob, rest)) => {
                self.offset = self.offset.saturating_add(self.rest.len().saturating_sub(rest.len()));
                self.rest = rest;
                Some(Ok(blob))
            }
            Err(mut error) => {
                error.offset = error.offset.saturating_add(self.offset);
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

impl FusedIterator for PortableBlobs<'_> {}

impl fmt::Debug for PortableBlobs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortableBlobs").field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// The blob at the start of the input. The only error is too few bytes.
#[inline]
fn parse(input: &[u8]) -> IResult<&[u8], PortableBlob<'_>> {
    let (_, bits) = number::streaming::le_u16(input)?;
    let mask = EventMask::from_bits_retain(bits);
    let (rest, fixed) = take(fixed_size(mask))(input)?;
    let (_, (head, reserved, temperature)) = fields(fixed)?;
    let size = if mask.contains(EventMask::IMAGE) { head.image_size() } else { 0 };
    let (rest, image) = take(size)(rest)?;
    let temperature = Temperature::from_hundredths(temperature);
    Ok((rest, PortableBlob { head, reserved, temperature, image: Cow::Borrowed(image) }))
}

/// Everything before the image.
#[inline]
fn fields(input: &[u8]) -> IResult<&[u8], (BlobHead, u8, u32)> {
    let (input, mask) = le_u16.map(EventMask::from_bits_retain).parse(input)?;
    let has = |bits| mask.intersects(bits);
    let (input, (id, reserved, info, subject, key, job_code, temperature, size)) = (
        le_u32,
        le_u8,
        cond(has(EventMask::INFO), record::<ExtInfo>()),
        cond(has(EventMask::SUBJECT), record::<[u8; 32]>()),
        cond(has(EventMask::TNA_KEY), le_u8),
        cond(has(EventMask::JOB_CODE), le_u32),
        cond(has(EventMask::TEMPERATURE), le_u32),
        cond(has(EventMask::IMAGE), le_u16),
    )
        .parse(input)?;
    let keys = (key.unwrap_or_default(), JobCode(job_code.unwrap_or_default()));
    let subject = subject.copied().unwrap_or_default();
    let head = BlobHead::from_fields(mask, id, info.copied(), subject, keys, size.unwrap_or_default());
    Ok((input, (head, reserved, temperature.unwrap_or_default())))
}

/// A fixed layout, or an array of bytes.
fn record<'a, T>() -> impl Parser<&'a [u8], Output = &'a T, Error = nom::error::Error<&'a [u8]>>
where
    T: FromBytes + Immutable + KnownLayout + Unaligned + 'a,
{
    map_opt(bytes::complete::take(size_of::<T>()), |bytes| T::ref_from_bytes(bytes).ok())
}

/// Bytes before the image.
#[inline]
fn fixed_size(mask: EventMask) -> usize {
    fields_of(mask).map(|(_, size)| size).sum()
}

/// The error for bytes that are not a whole blob: the field in which they end.
fn truncated(bytes: &[u8]) -> DecodeError {
    let mask = bytes
        .first_chunk()
        .map_or(EventMask::empty(), |&bits| EventMask::from_bits_retain(u16::from_le_bytes(bits)));
    let error = |field, offset, needed| {
        let available = bytes.len().saturating_sub(offset);
        DecodeError { record: RECORD, field, offset, reason: DecodeReason::Truncated { needed, available } }
    };
    let mut offset = 0_usize;
    for (field, size) in fields_of(mask) {
        let end = offset.saturating_add(size);
        if end > bytes.len() {
            return error(field, offset, size);
        }
        offset = end;
    }
    let size = bytes.get(..offset).and_then(<[u8]>::last_chunk).map_or(0, |&size| u16::from_le_bytes(size));
    error("image", offset, size.into())
}

/// This head without the fields that are not valid, for an image of this size.
fn valid_fields(head: &BlobHead, image_size: u16) -> BlobHead {
    let has = |bits| head.mask().intersects(bits);
    BlobHead::new(head.id())
        .with_info(head.info().copied().unwrap_or_default())
        .with_subject_field(if has(EventMask::SUBJECT) { *head.subject_field() } else { [0; 32] })
        .with_tna_key(head.tna_key().unwrap_or_default())
        .with_job_code(head.job_code().unwrap_or_default())
        .with_image_size(if has(EventMask::IMAGE) { image_size } else { 0 })
        .with_mask(head.mask())
}

/// The fields before the image, in order, with their sizes.
fn fields_of(mask: EventMask) -> impl Iterator<Item = (&'static str, usize)> {
    let is_there = move |bits: EventMask| bits.is_empty() || mask.intersects(bits);
    FIELDS.iter().filter(move |(_, _, bits)| is_there(*bits)).map(|&(field, size, _)| (field, size))
}

const RECORD: &str = "portable blob";

/// Name, size, and the bits of which one has to be set.
const FIELDS: [(&str, usize, EventMask); 9] = [
    ("event_mask", 2, EventMask::empty()),
    ("event_id", 4, EventMask::empty()),
    ("reserved", 1, EventMask::empty()),
    ("info", 12, EventMask::INFO),
    ("subject", 32, EventMask::SUBJECT),
    ("tna_key", 1, EventMask::TNA_KEY),
    ("job_code", 4, EventMask::JOB_CODE),
    ("temperature", 4, EventMask::TEMPERATURE),
    ("image_size", 2, EventMask::IMAGE),
];
