//! nom: the layout written out, the image borrowed, nothing kept that is not asked for.

use bs2_events::codec::blob::EventMask;
use nom::bytes::complete::take;
use nom::combinator::cond;
use nom::number::complete::{le_u8, le_u16, le_u32};
use nom::{IResult, Parser};

use super::Found;

pub fn read(mut bytes: &[u8]) -> Found {
    let mut found = Found::default();
    while let Ok((rest, blob)) = blob(bytes) {
        bytes = rest;
        found.add((blob.id, blob.subject, blob.job_code, blob.temperature, blob.image));
    }
    found
}

struct Blob<'a> {
    id: u32,
    _reserved: u8,
    _info: Option<&'a [u8]>,
    subject: Option<&'a [u8]>,
    _tna_key: Option<u8>,
    job_code: Option<u32>,
    temperature: Option<u32>,
    image: Option<&'a [u8]>,
}

fn blob(input: &[u8]) -> IResult<&[u8], Blob<'_>> {
    let (input, mask) = le_u16.map(EventMask::from_bits_retain).parse(input)?;
    let has = |bits| mask.intersects(bits);
    let (input, (id, _reserved, _info, subject, _tna_key, job_code, temperature, size)) = (
        le_u32,
        le_u8,
        cond(has(EventMask::INFO), take(12_usize)),
        cond(has(EventMask::SUBJECT), take(32_usize)),
        cond(has(EventMask::TNA_KEY), le_u8),
        cond(has(EventMask::JOB_CODE), le_u32),
        cond(has(EventMask::TEMPERATURE), le_u32),
        cond(has(EventMask::IMAGE), le_u16),
    )
        .parse(input)?;
    let (input, image) = cond(size.is_some(), take(size.unwrap_or_default())).parse(input)?;
    Ok((input, Blob { id, _reserved, _info, subject, _tna_key, job_code, temperature, image }))
}
