//! `bs2 encode`: the inverse of `bs2 decode --json`.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bs2_events::codec::hex::to_hex;
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;
use serde::de::{Deserialize, Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use crate::capture;
use crate::input;
use crate::kind::Form;
use crate::output::{self, Output};

/// Encode records given as JSON as hexadecimal text, or into a file
///
/// One line a record; a capture has a line for its head before them. The input is what `bs2 decode --json` prints:
/// objects one after the other, or one array of them. Where an object has `raw`, that gives the bytes; otherwise the
/// fields do, and what is left out is 0. A field that does not go with the others is an error. An object that is no
/// record gives an error with its number; the others are encoded all the same. One object is held at a time, also of an
/// array.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Encode {
    /// What the objects are
    #[arg(long = "as", value_name = "RECORD", default_value = "event")]
    form: Form,
    /// Write the bytes into this new file, and no text; a file that is there is left alone
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The file to read; stdin if it is `-` or missing
    file: Option<PathBuf>,
}

impl Encode {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let input = input::open(self.file.as_deref())?;
        let target = Target::open(self.out.as_deref())?;
        let mut encoder = Encoder { form: self.form, target, number: 0, failed: false, lost: None };
        if let Form::Capture = self.form {
            encoder.target.put(&capture::head().map_err(output::failed)?)?;
        }
        encoder.stream(input)?;
        encoder.target.flush()?;
        Ok(if encoder.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

struct Encoder {
    form: Form,
    target: Target,
    /// Of the last object, counted from 1.
    number: u64,
    /// Whether an error was reported.
    failed: bool,
    /// Why nothing more can be written.
    lost: Option<Error>,
}

impl Encoder {
    fn stream(&mut self, input: impl Read) -> Result<()> {
        let last = Cell::new(0);
        let mut json = Deserializer::from_reader(Noting { input: BufReader::new(input), last: &last });
        // What does not end has a further byte, which was looked at. serde_json reads none beyond it.
        while json.end().is_err() {
            let read = match last.get() {
                b'[' => json.deserialize_seq(Elements(self)),
                _ => Box::<RawValue>::deserialize(&mut json).and_then(|object| self.encode(&object)),
            };
            if let Some(error) = self.lost.take() {
                return Err(error);
            }
            if let Err(error) = read {
                // What follows has no beginning that could be found.
                self.fail("input", error);
                break;
            }
        }
        Ok(())
    }

    /// Encodes one object. It is looked at when it was read to its end, so that an error in it spoils no other.
    ///
    /// # Errors
    ///
    /// A sign to end, where `lost` says why.
    fn encode(&mut self, object: &RawValue) -> serde_json::Result<()> {
        self.number += 1;
        let bytes = match self.form {
            Form::Records(kind) => kind.encode(object.get()),
            Form::Capture => capture::encode(object.get()),
        };
        match bytes {
            Ok(bytes) => self.lost = self.target.put(&bytes).err(),
            Err(error) => self.fail(&format!("record {}", self.number), without_place(&error)),
        }
        if self.lost.is_some() { Err(serde_json::Error::custom("the output is lost")) } else { Ok(()) }
    }

    fn fail(&mut self, place: &str, error: impl Into<Box<dyn StdError + Send + Sync>>) {
        output::report(&Error::new(ErrorKind::InvalidData, place).with_source(error));
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
        let file = File::create_new(path).map_err(|error| unwritable(path, error))?;
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

/// The objects of an array, each encoded as soon as it was read.
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

/// An input that notes the last byte that was read of it.
struct Noting<'a, R> {
    input: R,
    last: &'a Cell<u8>,
}

impl<R: Read> Read for Noting<'_, R> {
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
