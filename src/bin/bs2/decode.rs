//! `bs2 decode`: bytes as events.

use std::error::Error as StdError;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;

use bs2_events::codec::Event;
use bs2_events::codec::capture::CaptureReader;
use bs2_events::{Error, ErrorKind, Result};
use clap::{Args, ValueEnum};

use crate::capture;
use crate::hex::from_hex;
use crate::output::{self, Output};

/// Decode records given as hexadecimal text or as bytes
///
/// A file is either binary, records one after the other, or ASCII text with one record a line, where empty lines and
/// lines that start with `#` are skipped. A capture file is known by its first bytes, whatever --as says. What is not a record gives an error with its place; the rest is decoded all
/// the same. User ids and card data appear with --json only.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Decode {
    /// What the bytes are
    #[arg(long = "as", value_name = "RECORD", default_value = "event")]
    record: Record,
    /// Records as hexadecimal digits, one after the other; white space and 0x are skipped
    #[arg(long, conflicts_with = "file")]
    hex: Option<String>,
    /// The file to read; stdin if it is `-` or missing
    file: Option<PathBuf>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Record {
    /// 48 bytes of a reader's log
    Event,
}

impl Decode {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let Record::Event = self.record;
        let mut decoder = Decoder { output: Output::new(), json: self.json, failed: false };
        match (&self.hex, &self.file) {
            (Some(hex), _) => decoder.hex(hex)?,
            (None, Some(path)) if path != Path::new("-") => {
                let file = File::open(path).map_err(|error| {
                    Error::new(ErrorKind::InvalidInput, format!("cannot open {}", path.display()))
                        .with_source(error)
                })?;
                decoder.stream(file)?;
            }
            _ => decoder.stream(io::stdin())?,
        }
        decoder.output.flush()?;
        Ok(if decoder.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

struct Decoder {
    output: Output,
    json: bool,
    /// Whether an error was reported.
    failed: bool,
}

impl Decoder {
    /// Decodes the records of one argument.
    fn hex(&mut self, text: &str) -> Result<()> {
        let (bytes, end) = from_hex(text.as_bytes());
        let (events, _) = Event::slice_from_prefix(&bytes);
        self.print(events)?;
        // No record at all is one cut short.
        let rest = if events.is_empty() {
            Event::from_bytes(&bytes).err()
        } else {
            Event::slice_from_bytes(&bytes).err()
        };
        match (end, rest) {
            (Err(error), _) => self.fail("--hex", error),
            (Ok(()), Some(error)) => self.fail("--hex", error),
            (Ok(()), None) => {}
        }
        Ok(())
    }

    /// Decodes a file, after finding out which of the three kinds it is.
    ///
    /// The start is enough: no event of a known code has 48 bytes that are all printable, and so a stray byte further
    /// down spoils its own line alone.
    fn stream(&mut self, input: impl Read) -> Result<()> {
        let mut input = BufReader::new(input);
        let mut head = Vec::with_capacity(Event::SIZE);
        input.by_ref().take(Event::SIZE as u64).read_to_end(&mut head).map_err(unreadable)?;
        if CaptureReader::is_capture(&head) {
            input.read_to_end(&mut head).map_err(unreadable)?;
            return self.capture(&head);
        }
        let is_text = head.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'));
        let input = head.chain(input);
        if is_text { self.lines(input) } else { self.records(input) }
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
        for record in reader {
            match record {
                Ok(record) => capture::print(&mut self.output, &record, self.json)?,
                Err(error) => self.fail("capture", error),
            }
        }
        Ok(())
    }

    /// Decodes text, one record a line.
    fn lines(&mut self, mut input: impl BufRead) -> Result<()> {
        let mut line = Vec::new();
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
            let place = || format!("line {number}");
            match from_hex(&line) {
                _ if is_cut => self.fail(place(), LineTooLong),
                (_, Err(error)) => self.fail(place(), error),
                (bytes, Ok(())) => match Event::from_bytes(&bytes) {
                    Ok(event) => self.print(slice::from_ref(event))?,
                    Err(error) => self.fail(place(), error),
                },
            }
        }
        Ok(())
    }

    /// Decodes bytes, records one after the other.
    fn records(&mut self, mut input: impl Read) -> Result<()> {
        let (mut start, mut bytes) = (0_usize, Vec::with_capacity(CHUNK));
        loop {
            input.by_ref().take(CHUNK as u64).read_to_end(&mut bytes).map_err(unreadable)?;
            let (events, _) = Event::slice_from_prefix(&bytes);
            self.print(events)?;
            if let Err(mut error) = Event::slice_from_bytes(&bytes) {
                error.offset = error.offset.saturating_add(start);
                self.fail("input", error);
            }
            if bytes.len() < CHUNK {
                return Ok(());
            }
            start = start.saturating_add(bytes.len());
            bytes.clear();
        }
    }

    fn print(&mut self, events: &[Event]) -> Result<()> {
        for event in events {
            self.output.event(event, self.json)?;
        }
        Ok(())
    }

    fn fail(&mut self, place: impl Into<String>, error: impl Into<Box<dyn StdError + Send + Sync>>) {
        output::report(&Error::new(ErrorKind::InvalidData, place).with_source(error));
        self.failed = true;
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::new(ErrorKind::Other, "cannot read the input").with_source(error)
}

#[derive(Debug, thiserror::Error)]
#[error("longer than {LINE_LIMIT} characters")]
struct LineTooLong;

/// Bytes read at a time: whole records, so that only the last chunk can end inside one.
const CHUNK: usize = 1_024 * Event::SIZE;

/// Far above the 96 digits of a record, and far below what would fill the memory.
const LINE_LIMIT: u64 = 65_536;

const AFTER_HELP: &str = "\
Examples:
  bs2 decode --json events.bin
  bs2 decode --json door.bs2cap
  bs2 decode --hex '010000001d3c7b5abbaa4420313030310000000000000000
    000000000000000000000000000000000000000001130301'";
