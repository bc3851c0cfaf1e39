//! `bs2 encode`: the inverse of `bs2 decode --json`.

use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use bs2_events::{Error, ErrorKind, Result};
use clap::Args;
use serde_json::{Deserializer, Value};

use crate::hex::to_hex;
use crate::input;
use crate::kind::Kind;
use crate::output::{self, Output};

/// Encode records given as JSON as hexadecimal text
///
/// One line a record. The input is what `bs2 decode --json` prints: objects one after the other, or one array of them. Where an object
/// has `raw`, that gives the bytes; otherwise the fields do, and what is left out is 0. A field that does not go with
/// the others is an error. An object that is no record gives an error with its number; the others are encoded all the
/// same.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Encode {
    /// What the objects are
    #[arg(long = "as", value_name = "RECORD", default_value = "event")]
    kind: Kind,
    /// The file to read; stdin if it is `-` or missing
    file: Option<PathBuf>,
}

impl Encode {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut encoder = Encoder { kind: self.kind, output: Output::new(), number: 0, failed: false };
        encoder.stream(input::open(self.file.as_deref())?)?;
        encoder.output.flush()?;
        Ok(if encoder.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

struct Encoder {
    kind: Kind,
    output: Output,
    /// Of the last object, counted from 1.
    number: u64,
    /// Whether an error was reported.
    failed: bool,
}

impl Encoder {
    fn stream(&mut self, input: impl Read) -> Result<()> {
        for value in Deserializer::from_reader(BufReader::new(input)).into_iter() {
            match value {
                Ok(Value::Array(values)) => values.into_iter().try_for_each(|value| self.encode(value))?,
                Ok(value) => self.encode(value)?,
                // What follows has no beginning that could be found.
                Err(error) => self.fail("input", error),
            }
        }
        Ok(())
    }

    fn encode(&mut self, value: Value) -> Result<()> {
        self.number += 1;
        match self.kind.encode(value) {
            Ok(bytes) => self.output.line(to_hex(&bytes))?,
            Err(error) => self.fail(&format!("record {}", self.number), error),
        }
        Ok(())
    }

    fn fail(&mut self, place: &str, error: serde_json::Error) {
        output::report(&Error::new(ErrorKind::InvalidData, place).with_source(error));
        self.failed = true;
    }
}

const AFTER_HELP: &str = "\
Examples:
  bs2 encode --as ext-io-device <<< '{\"io_device_id\": 283013377, \"port\": 2, \"value\": -1}'
  bs2 decode --as portable --json blobs.bin | bs2 encode --as portable";
