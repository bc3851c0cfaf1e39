//! `bs2 x import`: events from a file for a virtual device.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, ErrorKind as IoErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::biostar_x::import::VirtualDeviceFlag;
use bs2_events::biostar_x::{self, BiostarX, ImportOptions, VirtualDeviceId};
use bs2_events::{Error, ErrorKind, HttpError, Result, files};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Access, import_file};
use crate::runtime::{self, retried};
use crate::stdio::{self, Output, count};

/// Import events for a virtual device, each once
///
/// bs2 checks the whole file before it sends anything. When a response is lost, bs2 looks up what arrived and sends only
/// the rest. A file that was imported is not imported again without --again.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Import {
    /// A .csv file with a header, or a .jsonl file with one object a line
    file: PathBuf,
    #[command(flatten)]
    access: Access,
    /// The virtual device, 100001 to 999999
    #[arg(long, value_name = "ID")]
    virtual_device: VirtualDeviceId,
    /// How many events one request holds
    #[arg(long, value_name = "N", default_value_t = 500)]
    chunk: usize,
    /// Look up every event before it is sent: after an import that was interrupted
    #[arg(long)]
    resume: bool,
    /// Send a file again that was imported already, or in part
    #[arg(long, conflicts_with = "resume")]
    again: bool,
    /// The file that notes the import; FILE.ID.state by default
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// How long to try while no event gets to the server, such as 30s or 5m; a quarter of it if none has arrived yet
    #[arg(long, value_name = "DURATION", value_parser = runtime::duration, default_value = "2m")]
    patience: Duration,
    /// How long the server may work on a request without an answer; 2s by default
    #[arg(long, value_name = "DURATION", value_parser = runtime::duration)]
    settle: Option<Duration>,
    /// Write is_virtual_device as the string "true"
    #[arg(long)]
    flag_as_text: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(super) async fn run(&self) -> Result<ExitCode> {
        let bytes = fs::read(&self.file).map_err(|error| {
            Error::new(ErrorKind::NotFound, format!("cannot read the file `{}`", self.file.display()))
                .with_source(error)
        })?;
        let events = import_file::read(&self.file, &bytes, self.virtual_device)?;
        let mut options = ImportOptions::default().with_chunk(self.chunk).with_patience(self.patience);
        if let Some(settle) = self.settle {
            options = options.with_settle(settle);
        }
        if self.flag_as_text {
            options = options.with_virtual_device_flag(VirtualDeviceFlag::Text);
        }
        let client = BiostarX::new(self.access.options().with_patience(self.patience))?;
        let state = self.state.clone().unwrap_or_else(|| default_path(&self.file, self.virtual_device));
        let note = ImportNote::open(state, &client, self.virtual_device, &bytes)?;
        let mut import = client.import(self.virtual_device, events)?;
        if self.resume {
            import = import.resumed();
        } else if !self.again {
            note.check()?;
        }
        // Fails at once if the server cannot be reached or refuses the account.
        retried(|| async { client.login().await }).await?;
        note.begin()?;
        let bar = stdio::bar(import.len().try_into().unwrap_or(u64::MAX));
        let result =
            import.run(&options, |count| bar.set_position(count.done().try_into().unwrap_or(u64::MAX))).await;
        bar.finish_and_clear();
        client.logout().await.ok();
        let counts = import.count();
        let is_finished = counts.is_done();
        note.end(is_finished, self.resume || counts.pending < import.len())?;
        self.print(&import)?;
        result?;
        Ok(if import.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn print(&self, import: &biostar_x::Import) -> Result<()> {
        let counts = import.count();
        if counts.unknown > 0 {
            stdio::note("unknown events may be on the server: --resume looks them up and sends the rest");
        } else if counts.pending > 0 && counts.confirmed > 0 {
            stdio::note("a part was sent: --resume sends the rest");
        }
        let mut output = Output::new();
        if self.json {
            let rejected: Vec<_> = import
                .rejected()
                .map(|(position, error)| json!({ "event": position, "code": error.http().and_then(HttpError::code) }))
                .collect();
            output.json(&json!({
                "confirmed": counts.confirmed, "rejected": rejected, "unknown": counts.unknown, "pending": counts.pending,
            }))?;
            return output.flush();
        }
        for (position, error) in import.rejected() {
            output.line(format!("event {position} (from 0): {error}"))?;
        }
        let number = |number: usize| count(u64::try_from(number).unwrap_or(u64::MAX), "event");
        output.line(format!(
            "{} confirmed, {} rejected, {} unknown, {} not sent",
            number(counts.confirmed),
            counts.rejected,
            counts.unknown,
            counts.pending
        ))?;
        output.flush()
    }
}

/// The note of a file's import, so that the file is not imported twice: not by mistake, and not by two processes at the
/// same time, because it is locked.
struct ImportNote {
    path: PathBuf,
    file: File,
    /// How many bytes the file has.
    length: Cell<usize>,
    entry: Entry,
    /// The note of an earlier run.
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

impl ImportNote {
    /// Opens and locks the note.
    fn open(path: PathBuf, client: &BiostarX, device: VirtualDeviceId, file: &[u8]) -> Result<Self> {
        let entry = Entry {
            format: FORMAT,
            server: client.server(),
            virtual_device: device.get(),
            length: file.len().try_into().unwrap_or(u64::MAX),
            crc32: crc32fast::hash(file),
            finished: false,
        };
        let mut file = files::open_locked(&path).map_err(|error| match error.kind() {
            IoErrorKind::WouldBlock => {
                let message =
                    format!("another import uses the state file `{}`: wait for its end", path.display());
                Error::new(ErrorKind::Busy, message)
            }
            _ => storage(&path, error),
        })?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(|error| storage(&path, error))?;
        // A process that was killed before it sent anything leaves an empty file.
        let before = match text.trim_ascii() {
            [] => None,
            text => Some(serde_json::from_slice(text).map_err(|_| {
                let message =
                    format!("`{}` is not the note of an import: --state names another file", path.display());
                Error::new(ErrorKind::InvalidInput, message)
            })?),
        };
        Ok(Self { path, file, length: Cell::new(text.len()), entry, before })
    }

    /// Refuses to send a file again that was sent according to the note.
    fn check(&self) -> Result<()> {
        let same = self.before.as_ref().filter(|before| self.is_of_this(before));
        let message = match same.map(|before| before.finished) {
            None => return Ok(()),
            Some(true) => "this file was imported already: --again sends all of it once more",
            Some(false) => {
                "an import of this file was begun and not finished: --resume looks up what arrived and sends the rest, \
                 --again sends all of it once more"
            }
        };
        Err(Error::new(ErrorKind::InvalidInput, message))
    }

    /// Notes that the import begins, before anything is sent.
    fn begin(&self) -> Result<()> {
        self.write(&self.entry)
    }

    /// Notes the end. If nothing was sent, the note becomes what it was before.
    fn end(&self, is_finished: bool, was_sent: bool) -> Result<()> {
        if is_finished {
            return self.write(&Entry { finished: true, ..self.entry.clone() });
        }
        if was_sent {
            return Ok(());
        }
        match &self.before {
            Some(before) => self.write(before),
            None => self.clear(),
        }
    }

    fn is_of_this(&self, before: &Entry) -> bool {
        Entry { finished: false, ..before.clone() } == self.entry
    }

    /// Writes the note over the old one, with spaces up to a whole sector: after a power cut it is the old one or the new.
    fn write(&self, entry: &Entry) -> Result<()> {
        let write = || {
            let mut text = serde_json::to_vec(entry)?;
            text.resize(text.len().next_multiple_of(SECTOR).max(self.length.get()), b' ');
            let mut file = &self.file;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&text)?;
            self.length.set(text.len());
            file.sync_all()
        };
        write().map_err(|error: io::Error| storage(&self.path, error))
    }

    fn clear(&self) -> Result<()> {
        self.length.set(0);
        self.file.set_len(0).map_err(|error| storage(&self.path, error))
    }
}

/// An import that has sent nothing leaves no file.
impl Drop for ImportNote {
    fn drop(&mut self) {
        if self.length.get() == 0 {
            // An empty file does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Where the note of a file is by default.
fn default_path(file: &Path, device: VirtualDeviceId) -> PathBuf {
    let mut path = file.to_owned().into_os_string();
    path.push(format!(".{device}.state"));
    path.into()
}

fn storage(path: &Path, error: std::io::Error) -> Error {
    let message = format!("cannot use the state file `{}`: --state names another", path.display());
    Error::new(ErrorKind::Storage, message).with_source(error)
}

const FORMAT: u32 = 1;

const SECTOR: usize = 512;

const AFTER_HELP: &str = "\
Columns of a .csv, keys of a .jsonl, as in the server's own interface, in capitals or not:
  datetime  UTC or with an offset, whole seconds: 2026-01-31T12:00:00Z
  user_id   a person that the server knows
  evt       4088 or granted, 6400 or denied
  tna_key   the time and attendance key, 1 to 16; may be missing, empty or 0 for none
  dev_id    the virtual device; may be missing, and may not be another one

Example:
  bs2 x import punches.csv --virtual-device 100001 --server https://192.0.2.10 --user operator

A .csv is separated by commas, semicolons or tabs. A file is UTF-8, or UTF-16 with a byte order mark, as
spreadsheets write it. Other columns and keys are refused. FILE.ID.state notes that a file was imported;
while an import runs, it is locked.
Exit code: 0 if the server has every event.";
