//! `bs2 decode`: bytes as records.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use bs2_events::codec::DecodeError;
use bs2_events::codec::capture::{CapturePayload, CaptureReader, CaptureRecord};
use bs2_events::codec::hex::{HexError, from_hex};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;
use serde_json::Value;

use crate::explain::{explain, explain_payload};

use crate::format::{Format, Kind, Record, capture_line};
use crate::stdio::{self, Output};

/// Decode records given as hexadecimal text or as bytes
///
/// A file is text if it begins with a byte order mark, or if its first 48 bytes are UTF-8 without control characters:
/// one record a line in hexadecimal digits, where empty lines and lines that start with `#` are skipped. Digits may be
/// written as people paste them: with spaces, colons or dashes between bytes, as an array (`{ 0x01, 0x02 }`), with escapes
/// (`\x01\x02`, `\x0102`) or as an SQL literal (`X'0102'`). Only a shorter
/// file of one line without an end that is not hexadecimal, but a whole number of records long, is binary all the
/// same. Everything else is binary too: records one after the other. A capture file is recognized by its first bytes,
/// whatever --as says. A capture in hexadecimal digits, over any number of lines, needs --as capture. Bytes that are
/// not a record give an error with their place, and the rest is still decoded. User ids, card data and images appear
/// with --json and --explain only. All fields of a blob are printed, also those that its mask does not name; images
/// are base64.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Decode {
    /// What the bytes are
    #[arg(long = "as", value_name = "RECORD", default_value = "event")]
    format: Format,
    /// Records as hexadecimal digits, one after the other, in any of these forms and over any number of lines
    #[arg(long, conflicts_with = "file")]
    hex: Option<String>,
    /// The file to read; stdin if it is `-` or missing
    file: Option<PathBuf>,
    /// Print one JSON object a line
    #[arg(long, conflicts_with = "explain")]
    json: bool,
    /// Print every byte with its field and the meaning of the field; personal data too
    #[arg(long)]
    explain: bool,
}

impl Decode {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut decoder = Decoder { verb: self, output: Output::new(), failed: false };
        match &self.hex {
            Some(hex) => decoder.hex(hex)?,
            None => decoder.stream(stdio::input(self.file.as_deref())?)?,
        }
        decoder.output.flush()?;
        Ok(if decoder.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

struct Decoder<'a> {
    verb: &'a Decode,
    output: Output,
    /// Whether an error was reported.
    failed: bool,
}

impl Decoder<'_> {
    /// Decodes the records of one argument.
    fn hex(&mut self, text: &str) -> Result<()> {
        let (bytes, end) = from_hex(text.as_bytes());
        let error = match self.verb.format {
            Format::Records(kind) => self.all(kind, &bytes)?.1,
            Format::Capture if bytes.is_empty() => None,
            Format::Capture => self.capture(&bytes).map(|()| None)?,
        };
        match (end, error) {
            (Err(error), _) => self.fail("--hex", error),
            (Ok(()), Some(error)) => self.fail("--hex", error),
            (Ok(()), None) if bytes.is_empty() => self.fail("--hex", NOTHING),
            (Ok(()), None) => {}
        }
        Ok(())
    }

    /// Decodes a file: a capture, text or bytes.
    fn stream(&mut self, input: impl Read) -> Result<()> {
        let mut input = BufReader::new(input);
        let mut head = Vec::new();
        input.by_ref().take(HEAD).read_to_end(&mut head).map_err(unreadable)?;
        if CaptureReader::is_capture(&head) {
            input.read_to_end(&mut head).map_err(unreadable)?;
            return self.capture(&head);
        }
        let is_marked = head.starts_with(BYTE_ORDER_MARK);
        if is_marked {
            head.drain(..BYTE_ORDER_MARK.len());
        }
        let is_text = is_marked || self.is_text(&head);
        let mut input = head.chain(input);
        match self.verb.format {
            Format::Records(kind) if is_text => self.lines(kind, input),
            Format::Records(kind) => self.records(kind, input),
            Format::Capture if is_text => self.capture_text(input),
            Format::Capture => {
                let mut bytes = Vec::new();
                input.read_to_end(&mut bytes).map_err(unreadable)?;
                self.capture(&bytes)
            }
        }
    }

    /// Whether a file that begins with these bytes is text.
    ///
    /// The start decides: 48 bytes of records are hardly ever all printable. A wrong byte further down affects only its
    /// own line. Shorter records may be printable.
    fn is_text(&self, head: &[u8]) -> bool {
        // A character may be cut by the end of the head.
        let is_utf8 = str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
        let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
        if !is_utf8 || head.iter().any(is_control) {
            return false;
        }
        let is_one_line = (head.len() as u64) < HEAD && !head.contains(&b'\n') && !head.starts_with(b"#");
        let is_hex = !matches!(from_hex(head).1, Err(HexError::Digit { .. }));
        is_hex || !is_one_line || !self.is_whole(head)
    }

    /// Whether these bytes are a whole number of records.
    fn is_whole(&self, mut bytes: &[u8]) -> bool {
        let Format::Records(kind) = self.verb.format else { return false };
        while let Ok((_, rest)) = kind.first(bytes) {
            if rest.is_empty() {
                return true;
            }
            bytes = rest;
        }
        false
    }

    /// Decodes the records of a capture.
    fn capture(&mut self, bytes: &[u8]) -> Result<()> {
        let reader = match CaptureReader::new(bytes) {
            Ok(reader) => reader,
            Err(error) => {
                self.fail("capture", error);
                return Ok(());
            }
        };
        // The devices whose events come without a clock byte.
        let mut without_clock = BTreeSet::new();
        for record in reader.with_blobs_checked() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    self.fail("capture", error);
                    continue;
                }
            };
            if let CapturePayload::State(state) = record.payload
                && state.is_no_clock()
            {
                without_clock.insert(record.device);
            }
            let has_clock = !without_clock.contains(&record.device);
            if self.verb.json {
                self.capture_object(&record, has_clock)?;
                continue;
            }
            self.output.line(capture_line(&record))?;
            if self.verb.explain {
                self.output.line(explain_payload(&record.payload, has_clock))?;
            }
        }
        Ok(())
    }

    /// Prints a record of a capture as JSON, without what the clock byte of its event does not say.
    fn capture_object(&mut self, record: &CaptureRecord<'_>, has_clock: bool) -> Result<()> {
        if has_clock || record.event().is_none() {
            return self.output.json(record);
        }
        let mut object = serde_json::to_value(record).map_err(|error| stdio::failed(error.into()))?;
        if let Some(event) = object.get_mut("event").and_then(Value::as_object_mut) {
            for field in ["dst", "utc_offset_minutes"] {
                event.shift_remove(field);
            }
        }
        self.output.json(&object)
    }

    /// Decodes a capture that is written as text. A line that is not hexadecimal is left out, and its record is lost.
    fn capture_text(&mut self, mut input: impl BufRead) -> Result<()> {
        let (mut bytes, mut line) = (Vec::new(), Vec::new());
        for number in 1_u64.. {
            line.clear();
            if input.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
                break;
            }
            if line.trim_ascii_start().starts_with(b"#") {
                continue;
            }
            match from_hex(&line) {
                (part, Ok(())) => bytes.extend_from_slice(&part),
                (_, Err(error)) => self.fail(format!("line {number}"), error),
            }
        }
        match bytes[..] {
            [] if self.failed => Ok(()),
            [] => {
                self.fail("input", NOTHING);
                Ok(())
            }
            [..] => self.capture(&bytes),
        }
    }

    /// Decodes text, one record a line.
    fn lines(&mut self, kind: Kind, mut input: impl BufRead) -> Result<()> {
        let (mut line, mut is_empty) = (Vec::new(), true);
        for number in 1_u64.. {
            line.clear();
            let len = input.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line).map_err(unreadable)?;
            if len == 0 {
                break;
            }
            let is_cut = !line.ends_with(b"\n") && input.skip_until(b'\n').map_err(unreadable)? > 0;
            let text = line.trim_ascii();
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            is_empty = false;
            let place = || format!("line {number}");
            match from_hex(&line) {
                _ if is_cut => self.fail(place(), format!("longer than {LINE_LIMIT} characters")),
                (_, Err(error)) => self.fail(place(), error),
                (bytes, Ok(())) => match kind.one(&bytes) {
                    Ok(record) => self.print(&record)?,
                    Err(error) => self.fail(place(), error),
                },
            }
        }
        if is_empty {
            self.fail("input", NOTHING);
        }
        Ok(())
    }

    /// Decodes bytes, records one after the other.
    fn records(&mut self, kind: Kind, mut input: impl Read) -> Result<()> {
        let (mut start, mut bytes) = (0_usize, Vec::with_capacity(CHUNK));
        loop {
            let wanted = CHUNK - bytes.len();
            let read = input.by_ref().take(wanted as u64).read_to_end(&mut bytes).map_err(unreadable)?;
            let (used, error) = self.all(kind, &bytes)?;
            if read < wanted {
                if let Some(mut error) = error {
                    error.offset = error.offset.saturating_add(start);
                    self.fail("input", error);
                }
                return Ok(());
            }
            // The last record may continue in the next chunk.
            start = start.saturating_add(used);
            bytes.drain(..used);
        }
    }

    /// Prints the records in these bytes. Returns how many bytes they take, and the error of the next record.
    fn all(&mut self, kind: Kind, bytes: &[u8]) -> Result<(usize, Option<DecodeError>)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = bytes.len() - rest.len();
            match kind.first(rest) {
                Ok((record, after)) => {
                    self.print(&record)?;
                    rest = after;
                }
                Err(mut error) => {
                    error.offset = error.offset.saturating_add(used);
                    return Ok((used, Some(error)));
                }
            }
        }
        Ok((bytes.len(), None))
    }

    fn print(&mut self, record: &Record<'_>) -> Result<()> {
        match self.verb {
            Decode { json: true, .. } => self.output.json(record),
            Decode { explain: true, .. } => self.output.line(explain(record)),
            _ => self.output.line(record),
        }
    }

    fn fail(&mut self, place: impl Into<String>, error: impl Into<Box<dyn StdError + Send + Sync>>) {
        stdio::report(&Error::new(ErrorKind::InvalidData, place).with_source(error));
        self.failed = true;
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::new(ErrorKind::Other, "cannot read the input").with_source(error)
}

const NOTHING: &str = "nothing to decode";

/// The bytes that decide whether a file is text: half a line of an event.
const HEAD: u64 = 48;

/// Bytes read at a time: more than the longest record.
const CHUNK: usize = 131_072;

/// Above the 131 194 digits of the longest record, written as `0x00 0x01`, and far below what would fill the memory.
const LINE_LIMIT: u64 = 524_288;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

const AFTER_HELP: &str = "\
Examples:
  bs2 decode --json events.bin
  bs2 decode --explain --as ext-io-device --hex 0171de100302ff99
  bs2 decode --json door.bs2cap
  bs2 decode --explain door.bs2cap
  bs2 decode --hex '010000001d3c7b5abbaa4420313030310000000000000000
    000000000000000000000000000000000000000001130301'";
