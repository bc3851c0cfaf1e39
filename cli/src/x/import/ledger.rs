//! Which file was imported: a note beside it, so that the same one is not imported twice by mistake.

use std::fs::{self, File};
use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::{Path, PathBuf};

use bs2_events::biostar_x::{Client, VirtualDeviceId};
use bs2_events::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// The note of one file.
pub(super) struct Ledger {
    path: PathBuf,
    entry: Entry,
    /// What the note said before.
    before: Option<Entry>,
}

#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
struct Entry {
    format: u32,
    server: String,
    virtual_device: u32,
    length: u64,
    crc32: u32,
    finished: bool,
}

impl Ledger {
    pub(super) fn open(path: PathBuf, client: &Client, device: VirtualDeviceId, file: &[u8]) -> Result<Self> {
        let entry = Entry {
            format: FORMAT,
            server: client.server(),
            virtual_device: device.get(),
            length: file.len().try_into().unwrap_or(u64::MAX),
            crc32: crc32fast::hash(file),
            finished: false,
        };
        let before = match fs::read(&path) {
            // Whatever else stands there is no note of this import.
            Ok(text) => serde_json::from_slice(&text).ok(),
            Err(error) if error.kind() == IoErrorKind::NotFound => None,
            Err(error) => return Err(storage(&path, error)),
        };
        Ok(Self { path, entry, before })
    }

    /// Refuses to send a second time what the note says was sent.
    pub(super) fn check(&self) -> Result<()> {
        let same = self.before.as_ref().filter(|before| self.is_of_this(before));
        let message = match same.map(|before| before.finished) {
            None => return Ok(()),
            Some(true) => "this file was imported already: --again sends all of it once more",
            Some(false) => {
                "an import of this file was begun and not finished: --resume looks for what arrived and sends the \
                 rest, --again sends all of it once more"
            }
        };
        Err(Error::new(ErrorKind::InvalidInput, message))
    }

    /// Notes that the import begins, before anything is sent.
    pub(super) fn begin(&self) -> Result<()> {
        self.write(&self.entry)
    }

    /// Notes how it ended; where nothing was sent, it is as if it had not begun.
    pub(super) fn end(&self, is_finished: bool, was_sent: bool) -> Result<()> {
        if is_finished {
            return self.write(&Entry { finished: true, ..self.entry.clone() });
        }
        if was_sent {
            return Ok(());
        }
        match &self.before {
            Some(before) => self.write(before),
            None => fs::remove_file(&self.path).map_err(|error| storage(&self.path, error)),
        }
    }

    fn is_of_this(&self, before: &Entry) -> bool {
        Entry { finished: false, ..before.clone() } == self.entry
    }

    fn write(&self, entry: &Entry) -> Result<()> {
        let text = serde_json::to_vec(entry).map_err(|error| storage(&self.path, error.into()))?;
        let written = File::create(&self.path).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.map_err(|error| storage(&self.path, error))
    }
}

/// Where the note of a file stands unless another place is given.
pub(super) fn beside(file: &Path, device: VirtualDeviceId) -> PathBuf {
    let mut path = file.to_owned().into_os_string();
    path.push(format!(".{device}.state"));
    path.into()
}

fn storage(path: &Path, error: std::io::Error) -> Error {
    let message = format!("state file `{}` (--state puts it elsewhere)", path.display());
    Error::new(ErrorKind::Storage, message).with_source(error)
}

const FORMAT: u32 = 1;
