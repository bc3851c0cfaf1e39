//! `bs2 encode`: the inverse of `bs2 decode --json`.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bs2_events::codec::hex::to_hex;
use bs2_events::{Error, ErrorKind, Result, files};
use clap::Args;
use serde::de::{Deserialize, Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use crate::format::{self, Format};
use crate::stdio::{self, Output};

/// Encode records given as JSON as hexadecimal text, or into a file
///
/// One line a record; a capture has a line for its head before them. The input is what `bs2 decode --json` prints:
/// objects one after the other, or one array of them. If an object has `raw`, that gives the bytes. Otherwise its
/// fields do, and a missing field is 0. A field that contradicts the others is an error. An object that is not a record
/// gives an error with its number, and the others are still encoded. Only one object is in memory at a time, also of
/// an array.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Encode {
    /// What the objects are
    #[arg(long = "as", value_name = "RECORD", default_value = "event")]
    format: Format,
    /// Write the bytes into this new file instead of text; an existing file is an error and does not change
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The file to read; stdin if it is `-` or missing
    file: Option<PathBuf>,
}

impl Encode {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let input = stdio::input(self.file.as_deref())?;
        let target = Target::open(self.out.as_deref())?;
        let mut encoder = Encoder { format: self.format, target, number: 0, failed: false, lost: None };
        if let Format::Capture = self.format {
            encoder.target.put(&format::capture_head().map_err(stdio::failed)?)?;
        }
        encoder.stream(input)?;
        encoder.target.flush()?;
        Ok(if encoder.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

struct Encoder {
    format: Format,
    target: Target,
    /// The number of the last object, counted from 1.
    number: u64,
    /// Whether an error was reported.
    failed: bool,
    /// Why nothing more can be written.
    lost: Option<Error>,
}

impl Encoder {
    fn stream(&mut self, input: impl Read) -> Result<()> {
        let last = Cell::new(0);
        let mut json = Deserializer::from_reader(LastByte { input: BufReader::new(input), last: &last });
        // If the input does not end here, serde_json has read one more byte, and `last` has it.
        while json.end().is_err() {
            let read = match last.get() {
                b'[' => json.deserialize_seq(Elements(self)),
                _ => Box::<RawValue>::deserialize(&mut json).and_then(|object| self.encode(&object)),
            };
            if let Some(error) = self.lost.take() {
                return Err(error);
            }
            if let Err(error) = read {
                // The beginning of the next object cannot be found.
                self.fail("input", error);
                break;
            }
        }
        Ok(())
    }

    /// Encodes one object. It was read to its end before, so that an error in it affects no other object.
    ///
    /// # Errors
    ///
    /// Ends the input when `lost` has the reason.
    fn encode(&mut self, object: &RawValue) -> serde_json::Result<()> {
        self.number += 1;
        let bytes = match self.format {
            Format::Records(kind) => kind.encode(object.get()),
            Format::Capture => format::encode_capture_record(object.get()),
        };
        match bytes {
            Ok(bytes) => self.lost = self.target.put(&bytes).err(),
            Err(error) => self.fail(&format!("record {}", self.number), without_place(&error)),
        }
        if self.lost.is_some() { Err(serde_json::Error::custom("the output is lost")) } else { Ok(()) }
    }

    fn fail(&mut self, place: &str, error: impl Into<Box<dyn StdError + Send + Sync>>) {
        stdio::report(&Error::new(ErrorKind::InvalidData, place).with_source(error));
        self.failed = true;
    }
}

/// Where the bytes go.
enum Target {
    Text(Output),
    File(BufWriter<File>, PathBuf),
}

impl Target {
    fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::Text(Output::new())) };
        let file = files::create_new(path).map_err(|error| unwritable(path, error))?;
        Ok(Self::File(BufWriter::new(file), path.to_owned()))
    }

    /// Writes a record, or the head of a file.
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Text(output) => output.line(to_hex(bytes)),
            Self::File(file, path) => file.write_all(bytes).map_err(|error| unwritable(path, error)),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Text(output) => output.flush(),
            Self::File(file, path) => file.flush().map_err(|error| unwritable(path, error)),
        }
    }
}

/// The objects of an array. Each is encoded as soon as it is read.
struct Elements<'a>(&'a mut Encoder);

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(object) = elements.next_element::<Box<RawValue>>()? {
            self.0.encode(&object).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// An input that keeps the last byte that was read.
struct LastByte<'a, R> {
    input: R,
    last: &'a Cell<u8>,
}

impl<R: Read> Read for LastByte<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        if let Some(&last) = buffer[..read].last() {
            self.last.set(last);
        }
        Ok(read)
    }
}

fn unwritable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("cannot write {}", path.display())).with_source(error)
}

/// What is wrong with an object, without line and column: they count from its own beginning.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

const AFTER_HELP: &str = "\
Examples:
  bs2 encode --as ext-io-device <<< '{\"io_device_id\": 283013377, \"port\": 2, \"value\": -1}'
  bs2 decode --as portable --json blobs.bin | bs2 encode --as portable
  bs2 decode --json door.bs2cap | bs2 encode --as capture --out copy.bs2cap";
