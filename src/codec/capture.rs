//! Capture files, `.bs2cap`: what a backend delivered, unchanged.
//!
//! The format is this crate's own. All integers are little-endian; nothing is aligned. A file is a header and records
//! one after the other, to its end:
//!
//! | offset | size | field | value |
//! |---:|---:|---|---|
//! | 0 | 8 | `magic` | `89 42 53 32 43 41 50 0A`: `BS2CAP` between a byte that is not text and a line feed |
//! | 8 | 4 | `version` | 1 |
//!
//! A record has 28 bytes and its payload:
//!
//! | offset | size | field | value |
//! |---:|---:|---|---|
//! | 0 | 4 | `kind` | the kind of the payload, see below |
//! | 4 | 4 | `device_id` | the device that delivered it |
//! | 8 | 8 | `received_at` | when it was received: milliseconds since 1970-01-01 00:00:00 UTC, without leap seconds |
//! | 16 | 4 | `length` | bytes of the payload, `n` |
//! | 20 | 4 | `header_checksum` | CRC-32 of the 20 bytes before it |
//! | 24 | n | `payload` | |
//! | 24 + n | 4 | `checksum` | CRC-32 of the first 20 bytes and of the payload |
//!
//! CRC-32 is that of Ethernet, gzip and PNG: polynomial `0x04C11DB7` reflected, begun and ended with all ones.
//!
//! | kind | payload | length |
//! |---:|---|---|
//! | 1 | an [`Event`](super::Event) | 48 |
//! | 2 | an [`Event`](super::Event), then its temperature as 32 bits, hundredths of a degree Celsius | 52 |
//! | 3 | a [portable blob](super::portable::PortableBlob) | any |
//! | 4 | an [`Event`](super::Event), then its image, a JPEG | 48 and more |
//! | 5 | a state of the connection: its code as one byte (1 connected, 2 connecting, 3 disconnected, 4 no clock), then its name as UTF-8 | 1 and more |
//! | other | not known to this version; kept unchanged | any |
//!
//! # Reading and writing
//!
//! [`CaptureReader`] needs no feature, no std and no allocation. `CaptureWriter` needs the feature `capture`.
//!
//! # What a damaged file returns
//!
//! A file can be read while it is written, or after its writer was killed. If the bytes end inside a record,
//! [`CaptureReader`] returns every whole record before it, and then one error for which [`CaptureError::is_cut`] is true.
//!
//! The header has its own checksum, so that the length can be trusted before the payload is read. A damaged length is
//! therefore damage, and never looks like a cut end.
//!
//! * If the payload is damaged, that record is an error and the next record follows.
//! * If the header is damaged, the record is an error, and the reader continues at the next place that holds a whole
//!   header. Everything between is lost. If the lost payload contains the bytes of a capture, that place may be inside it;
//!   the reader then returns a record that no device delivered, and skips what that record spans. The reader accepts a
//!   header whose record would end behind the file only if no later header has a record that ends inside it.
//!
//! No length makes the reader allocate: it lends slices of the caller's bytes.

mod reader;
mod record;
#[cfg(feature = "capture")]
mod writer;

pub use reader::{CaptureError, CaptureReader};
pub use record::{CapturePayload, CaptureRecord, ConnectionStateRecord};
#[cfg(feature = "serde")]
pub use record::{CapturePayloadBuf, CaptureRecordBuf};
#[cfg(feature = "capture")]
pub use writer::CaptureWriter;
