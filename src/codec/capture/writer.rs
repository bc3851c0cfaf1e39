//! Writing captures.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::vec::Vec;

use byteorder::{LittleEndian, WriteBytesExt};
use crc32fast::Hasher;

use super::frame::{self, Broken, CHECKED, FILE, Header, MAGIC, RECORD, VERSION};
use super::{CaptureError, CapturePayload, CaptureRecord, LinkState};

/// Writes a capture.
///
/// Every record is handed over in one piece. A reader finds it once it has reached the file: after
/// [`flush`](Self::flush), where there is a buffer between.
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
    /// The record under way.
    record: Vec<u8>,
    /// Whether half a record may have been written, so that none can follow it.
    failed: bool,
}

impl<W: Write> CaptureWriter<W> {
    /// Begins a capture.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::capture::CaptureWriter;
    /// assert_eq!(CaptureWriter::new(Vec::new())?.into_inner(), b"\x89BS2CAP\n\x01\0\0\0");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(mut inner: W) -> io::Result<Self> {
        inner.write_all(MAGIC)?;
        inner.write_u32::<LittleEndian>(VERSION)?;
        Ok(Self::going_on(inner))
    }

    /// Appends a record.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a payload of 4 GiB or more, and for an unknown payload whose kind
    /// is a known one; those of the writer. After an error of the writer, which may have left half a record behind,
    /// every call fails.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::DeviceId;
    /// # use bs2_events::codec::capture::{CapturePayload, CaptureRecord, CaptureWriter};
    /// let (device, received_at) = (DeviceId::new(7), 0);
    /// let mut writer = CaptureWriter::new(Vec::new())?;
    /// let later = CapturePayload::Unknown { kind: 99, bytes: b"later" };
    /// writer.append(&CaptureRecord { device, received_at, payload: later })?;
    ///
    /// let event = CapturePayload::Unknown { kind: 1, bytes: b"" };
    /// assert!(writer.append(&CaptureRecord { device, received_at, payload: event }).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn append(&mut self, record: &CaptureRecord<'_>) -> io::Result<()> {
        self.check()?;
        self.record.clear();
        encode(record, &mut self.record)?;
        let written = self.inner.write_all(&self.record);
        self.failed = written.is_err();
        written
    }

    /// Hands over what waits in a buffer.
    ///
    /// # Errors
    ///
    /// Those of the writer, and the failure of an earlier call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::capture::CaptureWriter;
    /// # use std::io::BufWriter;
    /// let mut writer = CaptureWriter::new(BufWriter::new(Vec::new()))?;
    /// writer.flush()?;
    /// assert_eq!(writer.into_inner().get_ref().len(), 12);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        let flushed = self.inner.flush();
        self.failed = flushed.is_err();
        flushed
    }

    /// The writer below. What waits in a buffer of its own still waits there.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::capture::CaptureWriter;
    /// # use std::io::BufWriter;
    /// let writer = CaptureWriter::new(BufWriter::new(Vec::new()))?.into_inner();
    /// assert_eq!((writer.buffer().len(), writer.get_ref().len()), (12, 0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_inner(self) -> W {
        self.inner
    }

    fn going_on(inner: W) -> Self {
        Self { inner, record: Vec::new(), failed: false }
    }

    fn check(&self) -> io::Result<()> {
        if self.failed { Err(io::Error::other("an earlier record could not be written")) } else { Ok(()) }
    }
}

impl CaptureWriter<BufWriter<File>> {
    /// Opens a capture to append to, or begins one where there is no such file; also says how many bytes of a record
    /// that was not written to its end were cut off first.
    ///
    /// Only headers are read, and nothing of the file is kept in memory. On Unix the file is locked against other
    /// writers, not against readers, for as long as the writer lives.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](ErrorKind::InvalidData) for a file that is no capture of this version, or whose headers are
    /// damaged: such a file stays as it is. [`WouldBlock`](ErrorKind::WouldBlock) when another writer has it. Those of
    /// the file system.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::capture::CaptureWriter;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("door.bs2cap");
    /// let (writer, cut) = CaptureWriter::open(&path)?;
    /// assert_eq!(cut, 0);
    /// drop(writer); // Whatever waits in its buffer is written.
    /// assert!(path.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> io::Result<(Self, u64)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        lock(&file)?;
        let length = file.metadata()?.len();
        let whole = whole_records(BufReader::new(&file), length)?;
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        let inner = BufWriter::new(file);
        let writer = if whole == 0 { Self::new(inner)? } else { Self::going_on(inner) };
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
        TryLockError::WouldBlock => io::Error::new(ErrorKind::WouldBlock, "another writer has the file"),
        TryLockError::Error(error) => error,
    })
}

/// Elsewhere a lock may keep readers out too, and the file is to be read while it is written.
#[cfg(not(unix))]
fn lock(_: &File) -> io::Result<()> {
    Ok(())
}

/// How many bytes of a file its head and its whole records take; 0 if the head is not whole.
fn whole_records(mut file: BufReader<&File>, length: u64) -> io::Result<u64> {
    let mut head = Vec::with_capacity(FILE.size);
    file.by_ref().take(size(FILE.size)).read_to_end(&mut head)?;
    match frame::check_file_head(&head) {
        Ok(()) => {}
        Err(Broken::Cut(_)) => return Ok(0),
        Err(broken) => return Err(damaged(broken, 0, 0)),
    }
    let mut offset = size(FILE.size);
    let mut header = [0; RECORD.size];
    for record in 1.. {
        if length.saturating_sub(offset) < size(RECORD.size) {
            break;
        }
        file.read_exact(&mut header)?;
        let body = match frame::header(&header) {
            Ok(Header { length, .. }) => u64::from(length).saturating_add(size(size_of::<u32>())),
            Err(broken) => return Err(damaged(broken, record, offset)),
        };
        let end = offset.saturating_add(size(RECORD.size)).saturating_add(body);
        if end > length {
            break;
        }
        // A body is 4 bytes longer than 32 bits can say, at most.
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
    out.resize(RECORD.size, 0);
    encode_payload(&record.payload, out)?;
    let length = u32::try_from(out.len().saturating_sub(RECORD.size))
        .map_err(|_| io::Error::new(ErrorKind::InvalidInput, "the payload is longer than 32 bits can say"))?;
    let mut fields = out.get_mut(..CHECKED).unwrap_or_default();
    fields.write_u32::<LittleEndian>(record.payload.kind())?;
    fields.write_u32::<LittleEndian>(record.device.get())?;
    fields.write_u64::<LittleEndian>(record.received_at)?;
    fields.write_u32::<LittleEndian>(length)?;

    let mut hasher = Hasher::new();
    hasher.update(out.get(..CHECKED).unwrap_or_default());
    let mut checksum = out.get_mut(CHECKED..RECORD.size).unwrap_or_default();
    checksum.write_u32::<LittleEndian>(hasher.clone().finalize())?;
    hasher.update(out.get(RECORD.size..).unwrap_or_default());
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
        CapturePayload::State(LinkState { code, name }) => {
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
