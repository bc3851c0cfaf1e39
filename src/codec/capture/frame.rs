//! What stands around every payload.

use crc32fast::Hasher;
use nom::bytes::complete::take;
use nom::number::complete::{le_u32, le_u64};
use nom::{IResult, Parser};

use crate::codec::record::Layout;
use crate::codec::{DecodeError, DecodeReason};

/// The fields before a payload.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) kind: u32,
    pub(super) device: u32,
    pub(super) received_at: u64,
    pub(super) length: u32,
}

/// Why there is no record here; offsets count from its start.
#[derive(Clone, Copy)]
pub(super) enum Broken {
    /// The bytes end first.
    Cut(DecodeError),
    /// The header is not what was written: where the record ends is not known.
    Header(DecodeError),
    /// The payload is not what was written; the record takes so many bytes.
    Payload(DecodeError, usize),
}

/// Reads the head of a file.
pub(super) fn check_file_head(bytes: &[u8]) -> Result<(), Broken> {
    let (magic, rest) = bytes.split_at_checked(MAGIC.len()).unwrap_or((bytes, &[]));
    if !MAGIC.starts_with(magic) {
        return Err(Broken::Header(FILE.error("magic", 0, DecodeReason::Constant)));
    }
    match number(rest) {
        Ok((_, VERSION)) => Ok(()),
        Ok((_, version)) => {
            Err(Broken::Header(FILE.error("version", MAGIC.len(), DecodeReason::Version { version })))
        }
        Err(_) => Err(Broken::Cut(FILE.truncated(0, bytes.len()))),
    }
}

/// Reads the header at the start of these bytes.
#[cfg(feature = "capture")]
pub(super) fn header(bytes: &[u8]) -> Result<Header, Broken> {
    checked_header(bytes).map(|(_, header, _)| header)
}

/// Whether the record whose header stands at the start of these bytes ends within them; `None` where no header stands.
pub(super) fn is_whole(bytes: &[u8]) -> Option<bool> {
    let (rest, header, _) = checked_header(bytes).ok()?;
    let body = usize::try_from(header.length).unwrap_or(usize::MAX).saturating_add(size_of::<u32>());
    Some(body <= rest.len())
}

/// Reads the record at the start of these bytes: header, payload, and the size of it all.
pub(super) fn frame(bytes: &[u8]) -> Result<(Header, &[u8], usize), Broken> {
    let (rest, header, mut hasher) = checked_header(bytes)?;
    let body: IResult<_, _> = (take(header.length), number).parse(rest);
    let Ok((rest, (payload, checksum))) = body else { return Err(Broken::Cut(cut(header, rest.len()))) };
    let size = bytes.len().saturating_sub(rest.len());
    hasher.update(payload);
    if hasher.finalize() == checksum {
        Ok((header, payload, size))
    } else {
        Err(Broken::Payload(RECORD.error("payload", RECORD.size, DecodeReason::Checksum), size))
    }
}

/// The header at the start of these bytes, what follows it, and the checksum that goes on with the payload.
fn checked_header(bytes: &[u8]) -> Result<(&[u8], Header, Hasher), Broken> {
    let Ok((rest, (header, checksum))) = (fields, number).parse(bytes) else {
        return Err(Broken::Cut(RECORD.truncated(0, bytes.len())));
    };
    let mut hasher = Hasher::new();
    hasher.update(bytes.get(..CHECKED).unwrap_or_default());
    if hasher.clone().finalize() == checksum {
        Ok((rest, header, hasher))
    } else {
        Err(Broken::Header(RECORD.error("header_checksum", CHECKED, DecodeReason::Checksum)))
    }
}

fn fields(bytes: &[u8]) -> IResult<&[u8], Header> {
    (number, number, le_u64, number)
        .map(|(kind, device, received_at, length)| Header { kind, device, received_at, length })
        .parse(bytes)
}

fn number(bytes: &[u8]) -> IResult<&[u8], u32> {
    le_u32(bytes)
}

/// The field in which a record ends too early, `available` bytes after its header.
fn cut(header: Header, available: usize) -> DecodeError {
    let length = usize::try_from(header.length).unwrap_or(usize::MAX);
    let (field, offset, needed, available) = match available.checked_sub(length) {
        None => ("payload", RECORD.size, length, available),
        Some(available) => ("checksum", RECORD.size.saturating_add(length), size_of::<u32>(), available),
    };
    RECORD.error(field, offset, DecodeReason::Truncated { needed, available })
}

pub(super) const MAGIC: &[u8; 8] = b"\x89BS2CAP\n";
pub(super) const VERSION: u32 = 1;

/// The head of a file.
pub(super) const FILE: Layout =
    Layout { record: "capture", fields: &[("magic", 0), ("version", 8)], size: 12 };

/// What stands before a payload.
pub(super) const RECORD: Layout = Layout {
    record: "capture record",
    fields: &[
        ("kind", 0),
        ("device_id", 4),
        ("received_at", 8),
        ("length", 16),
        ("header_checksum", CHECKED),
    ],
    size: 24,
};

/// Bytes of a header that its checksum covers.
pub(super) const CHECKED: usize = 20;
