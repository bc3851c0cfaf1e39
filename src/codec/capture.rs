//! Capture files, `.bs2cap`: what a door delivered, as it came.
//!
//! The format is this crate's own. All integers are little-endian; nothing is aligned. A file is a header and records
//! one after the other, to its end:
//!
//! | offset | size | field | value |
//! |---:|---:|---|---|
//! | 0 | 8 | `magic` | `89 42 53 32 43 41 50 0A`: `BS2CAP` between a byte that is no text and a line feed |
//! | 8 | 4 | `version` | 1 |
//!
//! A record has 28 bytes beside its payload:
//!
//! | offset | size | field | value |
//! |---:|---:|---|---|
//! | 0 | 4 | `kind` | what the payload is, see below |
//! | 4 | 4 | `device_id` | the reader that delivered it |
//! | 8 | 8 | `received_at` | when it came: milliseconds since 1970-01-01 00:00:00 UTC, without leap seconds |
//! | 16 | 4 | `length` | bytes of the payload, `n` |
//! | 20 | 4 | `header_checksum` | CRC-32 of the 20 bytes before it |
//! | 24 | n | `payload` | |
//! | 24 + n | 4 | `checksum` | CRC-32 of the first 20 bytes and of the payload |
//!
//! CRC-32 is that of Ethernet, gzip and PNG: polynomial `0x04C11DB7` reflected, begun and ended with all ones.
//!
//! | kind | payload | length |
//! |---:|---|---|
//! | 1 | an [`Event`] | 48 |
//! | 2 | an [`Event`], then its temperature as 32 bits, hundredths of a degree Celsius | 52 |
//! | 3 | a portable small blob | any |
//! | 4 | an [`Event`], then its picture, a JPEG | 48 and more |
//! | 5 | a state of the connection: its code as one byte (1 connected, 2 connecting, 3 disconnected), then its name as UTF-8 | 1 and more |
//! | other | not known to this version; kept as it is | any |
//!
//! # What a damaged file gives
//!
//! A file may be read while it is being written, or after its writer was killed: the end of the bytes inside a record
//! is the last item that [`CaptureReader`] gives, an error for which [`CaptureError::is_cut`] holds. Every whole
//! record before it was given.
//!
//! The header has a checksum of its own so that a length can be trusted before what it spans is looked at: a damaged
//! length is damage and is never taken for a cut end. Where the payload is damaged, that record is an error and the
//! next one follows. Where the header is damaged, the record is an error and the reader goes on at the next place where
//! a whole header stands; what lies between is lost with it. That place may be inside the payload that is lost, if the
//! payload holds the bytes of a capture: then a record is believed that nobody delivered, and what it spans is passed
//! over. A header whose record would end behind the file is believed only where no other follows whose record does not.
//!
//! No length makes the reader take memory: it lends slices of the bytes that it was given.

use core::fmt;
use core::iter::FusedIterator;

#[cfg(feature = "capture")]
use super::PortableBlob;
use super::{DecodeError, DeviceId, Event};

mod error;
mod frame;
#[cfg(all(feature = "capture", feature = "serde"))]
mod owned;
mod payload;
#[cfg(feature = "capture")]
mod writer;

pub use error::CaptureError;
#[cfg(all(feature = "capture", feature = "serde"))]
pub use owned::{CapturePayloadBuf, CaptureRecordBuf};
pub use payload::{CapturePayload, LinkState};
#[cfg(feature = "capture")]
pub use writer::CaptureWriter;

use frame::Broken;

/// One record of a capture, in the bytes of the capture.
///
/// `Debug` shows no user id, no card data, no temperature and no picture.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::capture::{CapturePayload, CaptureRecord};
/// use bs2_events::codec::{DeviceId, Event, EventCode};
///
/// let event = Event::builder(DeviceId::new(7), 1, EventCode::DOOR_OPENED).build();
/// let record = CaptureRecord {
///     device: DeviceId::new(7),
///     received_at: 1_766_587_217_000,
///     payload: CapturePayload::Event(&event),
/// };
/// assert_eq!(record.event(), Some(&event));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CaptureRecord<'a> {
    /// The reader that delivered it. Its events may be those of another one that hangs on it.
    pub device: DeviceId,
    /// When it came, by the clock of the machine that wrote it: milliseconds since 1970-01-01 00:00:00 UTC.
    pub received_at: u64,
    /// What came.
    pub payload: CapturePayload<'a>,
}

impl<'a> CaptureRecord<'a> {
    /// The event that came, whether alone or with what its 48 bytes lack; `None` for what is no event, and for a small
    /// blob, which stands for itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::DeviceId;
    /// # use bs2_events::codec::capture::{CapturePayload, CaptureRecord, LinkState};
    /// let payload = CapturePayload::State(LinkState { code: 1, name: "connected" });
    /// let record = CaptureRecord { device: DeviceId::new(7), received_at: 0, payload };
    /// assert_eq!(record.event(), None);
    /// ```
    #[must_use]
    pub const fn event(&self) -> Option<&'a Event> {
        match self.payload {
            CapturePayload::Event(event)
            | CapturePayload::EventWithTemperature(event, _)
            | CapturePayload::ImageLog { event, .. } => Some(event),
            _ => None,
        }
    }
}

/// The records of a capture, one after the other, without copying or allocating.
///
/// It takes any bytes: a file read whole, or a memory map (`memmap2::Mmap` derefs to `[u8]`; `benches/capture.rs` reads
/// one), and looks at each byte once. What it does with damaged ones stands in the
/// [module's documentation](self).
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
/// // Its writer is at the second one.
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
    /// What is wrong with the payload of a small blob.
    check_blob: fn(&[u8]) -> Result<(), DecodeError>,
}

impl<'a> CaptureReader<'a> {
    /// Reads the head of a capture.
    ///
    /// # Errors
    ///
    /// [`CaptureError`] with the record 0 for bytes that are no capture, or one of another version; it
    /// [is cut](CaptureError::is_cut) where they end inside the head.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::capture::CaptureReader;
    /// assert_eq!(CaptureReader::new(b"\x89BS2CAP\n\x01\0\0\0")?.count(), 0);
    ///
    /// let error = CaptureReader::new(b"\x89BS2CAP\n\x02\0\0\0").unwrap_err();
    /// assert_eq!(error.to_string(), "record 0: capture: field `version` at offset 8: version 2 is not known");
    /// # Ok::<(), bs2_events::codec::capture::CaptureError>(())
    /// ```
    pub fn new(bytes: &'a [u8]) -> Result<Self, CaptureError> {
        frame::check_file_head(bytes).map_err(|broken| CaptureError::new(broken, 0, 0))?;
        Ok(Self { bytes, offset: frame::FILE.size, records: 0, ended: false, check_blob: |_| Ok(()) })
    }

    /// Makes an error of a small blob that is no [`PortableBlob`], as of every other payload that is not what its kind
    /// says. By itself the reader hands its bytes out unread.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::DeviceId;
    /// # use bs2_events::codec::capture::CaptureReader;
    /// let file = b"\x89BS2CAP\n\x01\0\0\0\
    ///     \x03\0\0\0\x07\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\xD6\xAA\x29\x6C\
    ///     \x01\x02\xD4\x06\xAD\x57";
    /// assert!(CaptureReader::new(file)?.next().unwrap().is_ok());
    ///
    /// let error = CaptureReader::new(file)?.with_blobs_checked().next().unwrap().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "record 1: portable blob: field `event_id` at offset 38: 4 bytes needed, 0 available"
    /// );
    /// # Ok::<(), bs2_events::codec::capture::CaptureError>(())
    /// ```
    #[cfg(feature = "capture")]
    #[must_use]
    pub fn with_blobs_checked(mut self) -> Self {
        self.check_blob = |bytes| PortableBlob::decode(bytes).map(drop);
        self
    }

    /// Whether bytes begin like a capture of any version. Eight of them are enough to tell; fewer may be one that was cut.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::capture::CaptureReader;
    /// assert!(CaptureReader::is_capture(b"\x89BS2CAP\n"));
    /// assert!(CaptureReader::is_capture(b"\x89BS2"));
    /// assert!(!CaptureReader::is_capture(b"BS2CAP\r\n"));
    /// assert!(!CaptureReader::is_capture(b""));
    /// ```
    #[must_use]
    pub fn is_capture(bytes: &[u8]) -> bool {
        bytes.starts_with(frame::MAGIC) || !bytes.is_empty() && frame::MAGIC.starts_with(bytes)
    }

    /// Where the next record begins, in bytes from the start of the file; after a cut end, where the record begins that
    /// was cut.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::capture::CaptureReader;
    /// assert_eq!(CaptureReader::new(b"\x89BS2CAP\n\x01\0\0\0")?.offset(), 12);
    /// # Ok::<(), bs2_events::codec::capture::CaptureError>(())
    /// ```
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Goes behind a record whose header is damaged: to the next place where a header stands whose record ends within
    /// the bytes; where there is none, to the first header at all, which is that of a cut record.
    fn skip_damage(&mut self) {
        let (mut cut, mut whole) = (None, None);
        for offset in self.offset.saturating_add(1)..self.bytes.len() {
            match self.bytes.get(offset..).and_then(frame::is_whole) {
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
        let record = frame::frame(bytes).and_then(|(header, payload, size)| {
            self.offset = start.saturating_add(size);
            let payload = CapturePayload::read(header.kind, payload).and_then(|payload| match payload {
                CapturePayload::SmallBlob(bytes) => (self.check_blob)(bytes).map(|()| payload),
                payload => Ok(payload),
            });
            Ok(CaptureRecord {
                device: DeviceId::new(header.device),
                received_at: header.received_at,
                payload: payload.map_err(|mut error| {
                    error.offset = error.offset.saturating_add(frame::RECORD.size);
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
