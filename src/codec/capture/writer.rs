//! Writing captures.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::vec::Vec;

use byteorder::{LittleEndian, WriteBytesExt};
use crc32fast::Hasher;
use zerocopy::IntoBytes;

use super::reader::{
    Broken, CHECKED, CaptureError, FileHead, MAGIC, RecordHead, VERSION, check_file_head, checked_header,
};
use super::record::{CapturePayload, CaptureRecord, ConnectionStateRecord};
use crate::files;

/// Writes a capture.
///
/// Every record is passed to the underlying writer in one call. If that writer has a buffer, another process can read the
/// record only after [`flush`](Self::flush).
///
/// # Examples
///
/// ```
/// use bs2_events::codec::capture::{CapturePayload, CaptureReader, CaptureRecord, CaptureWriter};
/// use bs2_events::codec::{DeviceId, Event, EventCode};
///
/// let event = Event::builder(DeviceId::new(7), 1, EventCode::DOOR_OPENED).build();
/// let payload = CapturePayload::Event(&event);
/// let record = CaptureRecord { device: DeviceId::new(7), received_at: 0, payload };
///
/// let mut writer = CaptureWriter::new(Vec::new())?;
/// writer.append(&record)?;
/// let file = writer.into_inner();
/// assert_eq!(file.len(), 12 + 76);
/// assert_eq!(CaptureReader::new(&file)?.next(), Some(Ok(record)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CaptureWriter<W> {
    inner: W,
    /// The record that is being encoded.
    record: Vec<u8>,
    /// Whether a part of a record may have been written, so that no record can follow.
    failed: bool,
}

impl<W: Write> CaptureWriter<W> {
    /// Begins a capture.
    ///
    /// # Errors
    ///
    /// The errors of the underlying writer.
    pub fn new(mut inner: W) -> io::Result<Self> {
        inner.write_all(MAGIC)?;
        inner.write_u32::<LittleEndian>(VERSION)?;
        Ok(Self::resume(inner))
    }

    /// Appends a record.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a payload of 4 GiB or more, and for an unknown payload whose kind
    /// is a known one; the errors of the underlying writer. After such an error, which may have left a part of a record,
    /// every call fails.
    pub fn append(&mut self, record: &CaptureRecord<'_>) -> io::Result<()> {
        self.check()?;
        self.record.clear();
        encode(record, &mut self.record)?;
        let written = self.inner.write_all(&self.record);
        self.failed = written.is_err();
        written
    }

    /// Flushes the underlying writer.
    ///
    /// # Errors
    ///
    /// The errors of the underlying writer, and the failure of an earlier call.
    pub fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        let flushed = self.inner.flush();
        self.failed = flushed.is_err();
        flushed
    }

    /// The underlying writer. It is not flushed.
    pub fn into_inner(self) -> W {
        self.inner
    }

    fn resume(inner: W) -> Self {
        Self { inner, record: Vec::new(), failed: false }
    }

    fn check(&self) -> io::Result<()> {
        if self.failed { Err(io::Error::other("an earlier record could not be written")) } else { Ok(()) }
    }
}

impl CaptureWriter<BufWriter<File>> {
    /// Opens a capture to append to it, or begins one, which only its owner can read, if there is no such file. A record that was not written to its end
    /// is cut off; the second value is the number of these bytes.
    ///
    /// Only headers are read, and nothing of the file is kept in memory. On Unix the file is locked against other
    /// writers, not against readers, for as long as the writer lives.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](ErrorKind::InvalidData) for a file that is not a capture of this version, or whose headers are
    /// damaged: such a file is not changed. [`WouldBlock`](ErrorKind::WouldBlock) if another writer has locked it. The
    /// errors of the file system.
    pub fn open(path: impl AsRef<Path>) -> io::Result<(Self, u64)> {
        let mut file = files::open(path)?;
        lock(&file)?;
        let length = file.metadata()?.len();
        let whole = whole_records(BufReader::new(&file), length)?;
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        let inner = BufWriter::new(file);
        let writer = if whole == 0 { Self::new(inner)? } else { Self::resume(inner) };
        Ok((writer, length.saturating_sub(whole)))
    }
}

impl<W> fmt::Debug for CaptureWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureWriter").field("failed", &self.failed).finish_non_exhaustive()
    }
}

#[cfg(unix)]
fn lock(file: &File) -> io::Result<()> {
    use std::fs::TryLockError;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            io::Error::new(ErrorKind::WouldBlock, "another writer has locked the file")
        }
        TryLockError::Error(error) => error,
    })
}

/// On other systems a lock may also exclude readers, but the file can be read while it is written.
#[cfg(not(unix))]
fn lock(_: &File) -> io::Result<()> {
    Ok(())
}

/// The size of a file's head and whole records, in bytes; 0 if the head is not whole.
fn whole_records(mut file: BufReader<&File>, length: u64) -> io::Result<u64> {
    let mut head = Vec::with_capacity(FileHead::LAYOUT.size);
    file.by_ref().take(size(FileHead::LAYOUT.size)).read_to_end(&mut head)?;
    match check_file_head(&head) {
        Ok(()) => {}
        Err(Broken::Cut(_)) => return Ok(0),
        Err(broken) => return Err(damaged(broken, 0, 0)),
    }
    let mut offset = size(FileHead::LAYOUT.size);
    let (mut bytes, header_size) = ([0; RecordHead::LAYOUT.size], size(RecordHead::LAYOUT.size));
    for record in 1.. {
        if length.saturating_sub(offset) < header_size {
            break;
        }
        file.read_exact(&mut bytes)?;
        let body = match checked_header(&bytes) {
            Ok((head, ..)) => u64::from(head.length.get()).saturating_add(size(size_of::<u32>())),
            Err(broken) => return Err(damaged(broken, record, offset)),
        };
        let end = offset.saturating_add(header_size).saturating_add(body);
        if end > length {
            break;
        }
        // A body has at most 4 bytes more than 32 bits can express.
        file.seek_relative(i64::try_from(body).unwrap_or(i64::MAX))?;
        offset = end;
    }
    Ok(offset)
}

fn damaged(broken: Broken, record: u64, offset: u64) -> io::Error {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    io::Error::new(ErrorKind::InvalidData, CaptureError::new(broken, record, offset))
}

/// Appends the bytes of a record.
fn encode(record: &CaptureRecord<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    out.resize(RecordHead::LAYOUT.size, 0);
    encode_payload(&record.payload, out)?;
    let (space, payload) = out.split_at_mut_checked(RecordHead::LAYOUT.size).unwrap_or_default();
    let length = u32::try_from(payload.len())
        .map_err(|_| io::Error::new(ErrorKind::InvalidInput, "the payload has 4 GiB or more"))?;
    let mut head = RecordHead {
        kind: record.payload.kind().into(),
        device_id: record.device.get().into(),
        received_at: record.received_at.into(),
        length: length.into(),
        header_checksum: 0.into(),
    };
    let mut hasher = Hasher::new();
    hasher.update(head.as_bytes().get(..CHECKED).unwrap_or_default());
    head.header_checksum = hasher.clone().finalize().into();
    space.copy_from_slice(head.as_bytes());
    hasher.update(payload);
    out.write_u32::<LittleEndian>(hasher.finalize())
}

fn encode_payload(payload: &CapturePayload<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    match *payload {
        CapturePayload::Event(event) => out.extend_from_slice(event.as_bytes()),
        CapturePayload::EventWithTemperature(event, temperature) => {
            out.extend_from_slice(event.as_bytes());
            out.write_u32::<LittleEndian>(temperature.hundredths())?;
        }
        CapturePayload::ImageLog { event, jpeg } => {
            out.extend_from_slice(event.as_bytes());
            out.extend_from_slice(jpeg);
        }
        CapturePayload::SmallBlob(bytes) => out.extend_from_slice(bytes),
        CapturePayload::State(ConnectionStateRecord { code, name }) => {
            out.push(code);
            out.extend_from_slice(name.as_bytes());
        }
        CapturePayload::Unknown { kind, .. } if CapturePayload::is_known(kind) => {
            return Err(io::Error::new(ErrorKind::InvalidInput, "an unknown payload has a known kind"));
        }
        CapturePayload::Unknown { bytes, .. } => out.extend_from_slice(bytes),
    }
    Ok(())
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
