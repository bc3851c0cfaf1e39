//! The state file: one line of JSON a change, written before the change is answered.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::state::{StoredEvent, VirtualDevice};
use crate::{Error, ErrorKind, Result};

/// The state file, or nowhere. A line is written whole before the answer, so what was answered survives the end of
/// the process at any moment; a line that was cut by it was never answered, and is cut off at the next start.
pub(super) struct Journal(Option<File>);

/// One change.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    User(String),
    /// Created, or changed: the whole device.
    VirtualDevice(VirtualDevice),
    Deleted(Vec<u32>),
    /// Stored together or not at all.
    Events(Vec<StoredEvent>),
}

impl Journal {
    pub(super) fn nowhere() -> Self {
        Self(None)
    }

    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) when the file cannot be read or written,
    /// [`InvalidData`](ErrorKind::InvalidData) when a whole line is no change.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Line>)> {
        let failed = |error| {
            Error::new(ErrorKind::Storage, format!("cannot use the state file `{}`", path.display()))
                .with_source(error)
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600); // User ids are in it.
        }
        let mut file = options.open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        bytes.truncate(whole);
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
            lines.push(serde_json::from_slice(line).map_err(|_| {
                // The cause would quote the line.
                let path = path.display();
                Error::new(
                    ErrorKind::InvalidData,
                    format!("state file `{path}`, line {number}: no such change"),
                )
            })?);
        }
        file.set_len(whole as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok((Self(Some(file)), lines))
    }

    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) when the file cannot be written.
    pub(super) fn write(&mut self, line: &Line) -> Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Storage, "cannot write the state file").with_source(error)
        };
        let mut bytes = serde_json::to_vec(line).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
        file.write_all(&bytes).map_err(failed)
    }
}
