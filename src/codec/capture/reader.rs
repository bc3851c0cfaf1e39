//! Reading captures: the records, the checks around them, and the errors.

use core::fmt;
use core::iter::FusedIterator;
use core::mem::offset_of;

use crc32fast::Hasher;
use zerocopy::FromBytes;
use zerocopy::little_endian::{U32, U64};

use super::record::{CapturePayload, CaptureRecord};
use crate::codec::portable::PortableBlob;
use crate::codec::record::{Layout, record};
use crate::codec::{DecodeError, DecodeReason, DeviceId};

/// The records of a capture, one after the other, without copying or allocating.
///
/// It takes any bytes: a file read whole, or a memory map (`memmap2::Mmap` derefs to `[u8]`; `benches/capture.rs` reads
/// one). It reads each byte once. The [module's documentation](super) says what it does with damaged bytes.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::capture::{CapturePayload, CaptureReader};
///
/// let file = b"\x89BS2CAP\n\x01\0\0\0\
///     \x05\0\0\0\x07\0\0\0\x01\0\0\0\0\0\0\0\x0a\0\0\0\xec\x1f\xbe\x2d\
///     \x01connected\xc5\xf3\x47\xc3\
///     \x05\0\0";
/// let mut reader = CaptureReader::new(file)?;
///
/// let record = reader.next().unwrap()?;
/// assert_eq!((record.device.get(), record.received_at), (7, 1));
/// assert!(matches!(record.payload, CapturePayload::State(state) if state.name == "connected"));
///
/// // The writer has not finished the second record.
/// let error = reader.next().unwrap().unwrap_err();
/// assert!(error.is_cut());
/// assert_eq!(
///     error.to_string(),
///     "record 2: capture record: field `kind` at offset 50: 4 bytes needed, 3 available"
/// );
/// assert_eq!((reader.next(), reader.offset()), (None, 50));
/// # Ok::<(), bs2_events::codec::capture::CaptureError>(())
/// ```
#[derive(Clone)]
pub struct CaptureReader<'a> {
    bytes: &'a [u8],
    offset: usize,
    records: u64,
    ended: bool,
    /// Checks the payload of a small blob.
    check_blob: fn(&[u8]) -> Result<(), DecodeError>,
}

impl<'a> CaptureReader<'a> {
    /// Reads the head of a capture.
    ///
    /// # Errors
    ///
    /// [`CaptureError`] with the record 0 for bytes that are not a capture, or a capture of another version. The error
    /// [is cut](CaptureError::is_cut) if the bytes end inside the head.
    pub fn new(bytes: &'a [u8]) -> Result<Self, CaptureError> {
        check_file_head(bytes).map_err(|broken| CaptureError::new(broken, 0, 0))?;
        Ok(Self { bytes, offset: FileHead::LAYOUT.size, records: 0, ended: false, check_blob: |_| Ok(()) })
    }

    /// Returns an error for a small blob that is not a [`PortableBlob`]. Without this, the reader returns the bytes of
    /// small blobs unread.
    #[must_use]
    pub fn with_blobs_checked(mut self) -> Self {
        self.check_blob = |bytes| PortableBlob::decode(bytes).map(drop);
        self
    }

    /// Whether bytes begin like a capture of any version. Eight bytes are enough. Fewer than eight may be a capture that
    /// was cut.
    #[must_use]
    pub fn is_capture(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC) || !bytes.is_empty() && MAGIC.starts_with(bytes)
    }

    /// The offset of the next record, in bytes from the start of the file; after a cut end, the offset of the record that
    /// was cut.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Skips a record whose header is damaged: to the next header whose record ends within the bytes; if there is none,
    /// to the first header at all, which is that of a cut record.
    fn skip_damage(&mut self) {
        let (mut cut, mut whole) = (None, None);
        for offset in self.offset.saturating_add(1)..self.bytes.len() {
            match self.bytes.get(offset..).and_then(is_whole) {
                Some(true) => {
                    whole = Some(offset);
                    break;
                }
                Some(false) => cut = cut.or(Some(offset)),
                None => {}
            }
        }
        self.offset = whole.or(cut).unwrap_or(self.bytes.len());
    }
}

impl<'a> Iterator for CaptureReader<'a> {
    type Item = Result<CaptureRecord<'a>, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.offset;
        let bytes = self.bytes.get(start..).filter(|bytes| !bytes.is_empty() && !self.ended)?;
        self.records = self.records.saturating_add(1);
        let record = frame(bytes).and_then(|(head, payload, size)| {
            self.offset = start.saturating_add(size);
            let payload = CapturePayload::read(head.kind.get(), payload).and_then(|payload| match payload {
                CapturePayload::SmallBlob(bytes) => (self.check_blob)(bytes).map(|()| payload),
                payload => Ok(payload),
            });
            Ok(CaptureRecord {
                device: DeviceId::new(head.device_id.get()),
                received_at: head.received_at.get(),
                payload: payload.map_err(|mut error| {
                    error.offset = error.offset.saturating_add(RecordHead::LAYOUT.size);
                    Broken::Payload(error, size)
                })?,
            })
        });
        if let Err(broken) = record {
            match broken {
                Broken::Cut(_) => self.ended = true,
                Broken::Header(_) => self.skip_damage(),
                Broken::Payload(_, size) => self.offset = start.saturating_add(size),
            }
        }
        Some(record.map_err(|broken| CaptureError::new(broken, self.records, start)))
    }
}

impl FusedIterator for CaptureReader<'_> {}

impl fmt::Debug for CaptureReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureReader")
            .field("size", &self.bytes.len())
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// A record that cannot be read, or the end of a file inside a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("record {record}: {error}")]
#[non_exhaustive]
pub struct CaptureError {
    /// The record in the file, counted from 1; 0 is the head of the file.
    pub record: u64,
    /// What is wrong with it. The offset counts from the start of the file.
    pub error: DecodeError,
    cut: bool,
}

impl CaptureError {
    /// The error of a record that begins at `start`.
    pub(super) const fn new(broken: Broken, record: u64, start: usize) -> Self {
        let cut = matches!(broken, Broken::Cut(_));
        let (Broken::Cut(mut error) | Broken::Header(mut error) | Broken::Payload(mut error, _)) = broken;
        error.offset = error.offset.saturating_add(start);
        Self { record, error, cut }
    }

    /// Whether the bytes end inside a record that is correct so far: the file is being written, or its writer was
    /// stopped. Nothing follows this error.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }
}

/// Why there is no record here; offsets count from its start.
#[derive(Clone, Copy)]
pub(super) enum Broken {
    /// The bytes end first.
    Cut(DecodeError),
    /// The header is damaged: the end of the record is not known.
    Header(DecodeError),
    /// The payload is damaged; the record takes this many bytes.
    Payload(DecodeError, usize),
}

/// Checks the head of a file.
pub(super) fn check_file_head(bytes: &[u8]) -> Result<(), Broken> {
    let (magic, _) = bytes.split_at_checked(MAGIC.len()).unwrap_or((bytes, &[]));
    if !MAGIC.starts_with(magic) {
        return Err(Broken::Header(FileHead::LAYOUT.error("magic", 0, DecodeReason::Constant)));
    }
    match FileHead::ref_from_prefix(bytes) {
        Ok((head, _)) if head.version == VERSION => Ok(()),
        Ok((head, _)) => {
            let reason = DecodeReason::Version { version: head.version.get() };
            Err(Broken::Header(FileHead::LAYOUT.error("version", offset_of!(FileHead, version), reason)))
        }
        Err(_) => Err(Broken::Cut(FileHead::LAYOUT.truncated(0, bytes.len()))),
    }
}

/// Whether the record whose header is at the start of these bytes ends within them; `None` if there is no header.
fn is_whole(bytes: &[u8]) -> Option<bool> {
    let (head, rest, _) = checked_header(bytes).ok()?;
    Some(head.payload_len().saturating_add(size_of::<u32>()) <= rest.len())
}

/// Reads the record at the start of these bytes: header, payload, and the size of the whole.
fn frame(bytes: &[u8]) -> Result<(&RecordHead, &[u8], usize), Broken> {
    let (head, rest, mut hasher) = checked_header(bytes)?;
    let body = rest.split_at_checked(head.payload_len());
    let body = body.and_then(|(payload, rest)| Some((payload, rest.split_first_chunk()?)));
    let Some((payload, (&checksum, rest))) = body else { return Err(Broken::Cut(cut(head, rest.len()))) };
    let size = bytes.len().saturating_sub(rest.len());
    hasher.update(payload);
    if hasher.finalize() == u32::from_le_bytes(checksum) {
        Ok((head, payload, size))
    } else {
        let layout = RecordHead::LAYOUT;
        Err(Broken::Payload(layout.error("payload", layout.size, DecodeReason::Checksum), size))
    }
}

/// The header at the start of these bytes, the bytes after it, and the checksum that continues with the payload.
pub(super) fn checked_header(bytes: &[u8]) -> Result<(&RecordHead, &[u8], Hasher), Broken> {
    let Ok((head, rest)) = RecordHead::ref_from_prefix(bytes) else {
        return Err(Broken::Cut(RecordHead::LAYOUT.truncated(0, bytes.len())));
    };
    let mut hasher = Hasher::new();
    hasher.update(bytes.get(..CHECKED).unwrap_or_default());
    if head.header_checksum == hasher.clone().finalize() {
        Ok((head, rest, hasher))
    } else {
        Err(Broken::Header(RecordHead::LAYOUT.error("header_checksum", CHECKED, DecodeReason::Checksum)))
    }
}

/// The field in which a record ends too early, `available` bytes after its header.
fn cut(head: &RecordHead, available: usize) -> DecodeError {
    let (length, header_size) = (head.payload_len(), RecordHead::LAYOUT.size);
    let (field, offset, needed, available) = match available.checked_sub(length) {
        None => ("payload", header_size, length, available),
        Some(available) => ("checksum", header_size.saturating_add(length), size_of::<u32>(), available),
    };
    RecordHead::LAYOUT.error(field, offset, DecodeReason::Truncated { needed, available })
}

record! {
    /// The head of a file.
    pub(super) struct FileHead("capture", 12 bytes) {
        [0] magic: [u8; 8] = "",
        [8] version: U32 = "",
    }
}

record! {
    /// The header of a record, before its payload.
    pub(super) struct RecordHead("capture record", 24 bytes) {
        [0] pub(super) kind: U32 = "",
        [4] pub(super) device_id: U32 = "",
        [8] pub(super) received_at: U64 = "",
        [16] pub(super) length: U32 = "",
        [20] pub(super) header_checksum: U32 = "",
    }
}

impl RecordHead {
    /// Bytes of the payload.
    pub(super) fn payload_len(&self) -> usize {
        usize::try_from(self.length.get()).unwrap_or(usize::MAX)
    }
}

pub(super) const MAGIC: &[u8; 8] = b"\x89BS2CAP\n";
pub(super) const VERSION: u32 = 1;

/// Bytes of a header that its checksum covers.
pub(super) const CHECKED: usize = offset_of!(RecordHead, header_checksum);
