//! Where the fields of a portable blob stand.

use std::borrow::Cow;

use nom::bytes::streaming::take;
use nom::combinator::{cond, map_opt};
use nom::number::complete::{le_u8, le_u16, le_u32};
use nom::{IResult, Parser, bytes, number};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::PortableBlob;
use crate::codec::{BlobHead, DecodeError, DecodeReason, EventMask, ExtInfo, JobCode, Temperature};

/// The blob at the start of the input. Nothing but too few bytes is an error.
#[inline]
pub(super) fn parse(input: &[u8]) -> IResult<&[u8], PortableBlob<'_>> {
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
pub(super) fn fixed_size(mask: EventMask) -> usize {
    fields_of(mask).map(|(_, size)| size).sum()
}

/// What is wrong with bytes in which no whole blob stands: the field in which they end.
pub(super) fn truncated(bytes: &[u8]) -> DecodeError {
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
pub(super) fn valid_fields(head: &BlobHead, image_size: u16) -> BlobHead {
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

pub(super) const RECORD: &str = "portable blob";

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
