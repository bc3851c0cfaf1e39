//! The state file: one line of JSON a change, written before the change is answered.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::records::Change;
use crate::{Error, ErrorKind, Result};

/// The state file, or nowhere. A line is written whole before the answer, so what was answered survives the end of
/// the process at any moment; a line that was cut by it was never answered, and is cut off at the next start.
pub(super) struct Journal(Option<File>);

impl Journal {
    pub(super) fn nowhere() -> Self {
        Self(None)
    }

    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) when the file cannot be read or written, [`Busy`](ErrorKind::Busy) when
    /// another server writes it, [`InvalidData`](ErrorKind::InvalidData) when a whole line is no change.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Change>)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600); // User ids are in it.
        let mut file = options.open(path).map_err(|error| failed(path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("another server writes the state file `{}`", path.display());
                return Err(Error::new(ErrorKind::Busy, message));
            }
            Err(TryLockError::Error(error)) => return Err(failed(path, error)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| failed(path, error))?;
        let (lines, whole) = lines(path, &bytes)?;
        file.set_len(whole).map_err(|error| failed(path, error))?;
        file.seek(SeekFrom::End(0)).map_err(|error| failed(path, error))?;
        Ok((Self(Some(file)), lines))
    }

    /// The changes of a file that a server may be writing.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) or [`Storage`](ErrorKind::Storage) when the file cannot be read,
    /// [`InvalidData`](ErrorKind::InvalidData) when a whole line is no change.
    pub(super) fn read(path: &Path) -> Result<Vec<Change>> {
        let bytes = fs::read(path).map_err(|error| failed(path, error))?;
        Ok(lines(path, &bytes)?.0)
    }

    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) when the file cannot be written.
    pub(super) fn write(&mut self, change: &Change) -> Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let failed = |error: io::Error| {
            Error::new(ErrorKind::Storage, "cannot write the state file").with_source(error)
        };
        let mut bytes = serde_json::to_vec(change).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
        let before = file.stream_position().map_err(failed)?;
        file.write_all(&bytes).map_err(|error| {
            // A piece of a line would spoil the next one.
            let _ = file.set_len(before).and_then(|()| file.seek(SeekFrom::Start(before)));
            failed(error)
        })
    }
}

/// The changes of all whole lines, and the length of these.
fn lines(path: &Path, bytes: &[u8]) -> Result<(Vec<Change>, u64)> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(bytes[..whole].split_inclusive(|byte| *byte == b'\n')) {
        lines.push(serde_json::from_slice(line).map_err(|_| {
            // The cause would quote the line.
            let path = path.display();
            Error::new(ErrorKind::InvalidData, format!("state file `{path}`, line {number}: no such change"))
        })?);
    }
    Ok((lines, whole as u64))
}

fn failed(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("cannot use the state file `{}`", path.display())).with_source(error)
}
