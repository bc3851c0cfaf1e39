//! What the verbs read: a file, or stdin.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bs2_events::{Error, ErrorKind, Result};

/// Opens a file; stdin if it is `-` or missing.
pub(crate) fn open(path: Option<&Path>) -> Result<Box<dyn Read>> {
    match path {
        Some(path) if path != Path::new("-") => match File::open(path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => {
                let message = format!("cannot open {}", path.display());
                Err(Error::new(ErrorKind::InvalidInput, message).with_source(error))
            }
        },
        _ => Ok(Box::new(io::stdin())),
    }
}
