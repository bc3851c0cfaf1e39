//! The file of the state: a snapshot, and behind it a line for each change since.
//!
//! A line is a checksum (CRC-32 of the rest, 8 hexadecimal digits), a space, and one JSON object. A change is written
//! over the note before it ([`Journal::note`]), so only the last line can be incomplete after a power cut, and a last
//! line that is incomplete counts as never written. When the changes are longer than the snapshot, a new snapshot
//! replaces the file.

use std::fs::{self, File};
use std::io::{self, ErrorKind as IoErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Error, ErrorKind, Result, files};

/// The open file.
pub(super) struct Journal {
    path: PathBuf,
    /// `None` where a snapshot has to be written first: there is no file, it is one of the first edition, or a new
    /// snapshot could not be written.
    file: Option<File>,
    /// Where the next change goes.
    end: u64,
    /// The length of the file, which has a note behind its end, or what is left of a change that failed.
    length: u64,
    snapshot_length: u64,
    /// Where the last line began when the file was opened.
    last: u64,
}

impl Journal {
    /// Opens a file, and returns the objects of its lines; the first one is the snapshot. There are none without a file.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<String>)> {
        let mut journal =
            Self { path: path.to_owned(), file: None, end: 0, length: 0, snapshot_length: 0, last: 0 };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == IoErrorKind::NotFound => return Ok((journal, Vec::new())),
            Err(error) => return Err(journal.failed(error)),
        };
        if bytes.starts_with(b"{") {
            let text = String::from_utf8(bytes).map_err(|_| journal.damaged())?;
            return Ok((journal, vec![text]));
        }
        let mut objects = Vec::new();
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            let Some(object) = checked(line) else {
                if lines.peek().is_some() {
                    return Err(journal.damaged());
                }
                break;
            };
            objects.push(object.to_owned());
            journal.last = journal.end;
            journal.end = journal.end.saturating_add(length(line));
            if objects.len() == 1 {
                journal.snapshot_length = journal.end;
            }
        }
        // A snapshot is never incomplete.
        if objects.is_empty() {
            return Err(journal.damaged());
        }
        journal.length = length(&bytes);
        journal.file = Some(files::open(path).map_err(|error| journal.failed(error))?);
        Ok((journal, objects))
    }

    /// Takes the last line of the opened file for a note, so that the next line is written over it.
    pub(super) const fn take_last_for_note(&mut self) {
        self.end = self.last;
    }

    /// Whether a snapshot has to be written before a change.
    pub(super) const fn needs_snapshot(&self) -> bool {
        self.file.is_none()
    }

    /// Whether the changes are long enough for a new snapshot.
    pub(super) fn is_long(&self) -> bool {
        self.end.saturating_sub(self.snapshot_length) > self.snapshot_length.max(SHORTEST)
    }

    /// Replaces the file with a snapshot.
    pub(super) fn replace(&mut self, snapshot: &impl Serialize) -> Result<()> {
        self.file = None;
        let line = line(snapshot).map_err(|error| self.failed(error))?;
        let file = files::replace(&self.path, |file| file.write_all(&line));
        self.file = Some(file.map_err(|error| self.failed(error))?);
        self.end = length(&line);
        (self.length, self.snapshot_length) = (self.end, self.end);
        Ok(())
    }

    /// Writes a change and syncs it.
    pub(super) fn append(&mut self, change: &impl Serialize) -> Result<()> {
        let end = self.write(change)?;
        self.sync()?;
        self.end = end;
        Ok(())
    }

    /// Writes what would be found out again if it were lost. It is not synced, and the next line is written over it.
    pub(super) fn note(&mut self, change: &impl Serialize) -> Result<()> {
        self.write(change).map(drop)
    }

    pub(super) fn sync(&self) -> Result<()> {
        let synced = self.file.as_ref().map_or(Ok(()), File::sync_data);
        synced.map_err(|error| self.failed(error))
    }

    pub(super) fn damaged(&self) -> Error {
        Error::new(ErrorKind::InvalidData, format!("state file `{}` is damaged", self.path.display()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a line at the end, and returns where it ends itself.
    fn write(&mut self, change: &impl Serialize) -> Result<u64> {
        let result = self.try_write(change);
        result.map_err(|error| self.failed(error))
    }

    fn try_write(&mut self, change: &impl Serialize) -> io::Result<u64> {
        let line = line(change)?;
        let file = self.file.as_mut().ok_or(IoErrorKind::NotFound)?;
        let end = self.end.saturating_add(length(&line));
        self.length = self.length.max(end);
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(&line)?;
        if self.length > end {
            file.set_len(end)?;
            self.length = end;
        }
        Ok(end)
    }

    fn failed(&self, error: io::Error) -> Error {
        storage(&self.path, error)
    }
}

pub(super) fn storage(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        IoErrorKind::WouldBlock => ErrorKind::Busy,
        _ => ErrorKind::Storage,
    };
    if kind == ErrorKind::Busy {
        return Error::new(kind, format!("another program uses the state file `{}`", path.display()));
    }
    Error::new(kind, format!("cannot use the state file `{}`", path.display())).with_source(error)
}

fn line(object: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = vec![b' '; PREFIX];
    serde_json::to_writer(&mut line, object)?;
    let checksum = crc32fast::hash(line.get(PREFIX..).unwrap_or_default());
    for (to, digit) in line.iter_mut().zip(format!("{checksum:08x}").bytes()) {
        *to = digit;
    }
    line.push(b'\n');
    Ok(line)
}

/// The object of a whole line.
fn checked(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (checksum, object) = line.split_at_checked(PREFIX)?;
    let checksum = u32::from_str_radix(checksum.strip_suffix(' ')?, 16).ok()?;
    (crc32fast::hash(object.as_bytes()) == checksum).then_some(object)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The checksum and a space.
const PREFIX: usize = 9;

/// Changes of this length are kept, however short the snapshot is.
const SHORTEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(path: &Path) -> (Journal, Vec<String>) {
        Journal::open(path).unwrap()
    }

    #[test]
    fn a_change_replaces_the_note_before_it_and_every_cut_leaves_what_was_synced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (mut journal, objects) = opened(&path);
        assert!(objects.is_empty() && journal.needs_snapshot());
        journal.replace(&["snapshot"]).unwrap();
        journal.append(&["first"]).unwrap();
        journal.note(&["a note that is longer than the change"]).unwrap();
        assert_eq!(opened(&path).1.len(), 3);
        let synced = journal.end;
        journal.append(&["second"]).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(opened(&path).1, [r#"["snapshot"]"#, r#"["first"]"#, r#"["second"]"#]);
        for length in usize::try_from(synced).unwrap()..bytes.len() {
            for rest in [&b""[..], &[0; 7], b"x\n"] {
                fs::write(&path, [&bytes[..length], rest].concat()).unwrap();
                let (mut journal, objects) = opened(&path);
                assert_eq!(objects.len(), 2, "{length}");
                journal.append(&["third"]).unwrap();
                assert_eq!(opened(&path).1.last().unwrap(), r#"["third"]"#, "{length}");
            }
        }
    }

    #[test]
    fn a_line_that_is_damaged_before_the_last_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (mut journal, _) = opened(&path);
        journal.replace(&["snapshot"]).unwrap();
        journal.append(&["first"]).unwrap();
        journal.append(&["second"]).unwrap();
        let bytes = fs::read(&path).unwrap();
        let first = usize::try_from(journal.snapshot_length).unwrap();
        for place in [0, first - 1, first + 2, first + PREFIX + 2] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert_eq!(Journal::open(&path).err().unwrap().kind(), ErrorKind::InvalidData, "{place}");
        }
    }
}
