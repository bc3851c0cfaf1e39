//! Files in which simulators keep their state, so that a process that is killed continues where it ended.
//!
//! [`Journal`] is the file, for any format. [`StateFile`] is the format of simulated devices: what a device wrote
//! depends on the seed, on how many events it made and on what was done to it. So the file holds the options that
//! decide events, a count for each device, and what was done:
//!
//! ```text
//! bs2 simulator state 1
//! seed=1 devices=1 backlog=1000 capacity=50000 images=1 start=1742774400 replay=none
//!                                                        (spaces up to byte 4096)
//!  541000001 00000000000000001003
//! acts
//! 541000001 1001 clear
//! 541000001 1003 clock 1518025757
//! ```
//!
//! With the present time `start` is `now:` and the time at which the backlog ended, and lines `now` have the time of the
//! events that follow.
//!
//! Everything is written before anybody hears of it. A count has 20 digits at a fixed place and never spans two pages
//! of memory, so the kernel has the old one or the new one. A line that was cut counts as never written. Nothing is
//! synced to the disk: a killed process loses nothing, a power cut may.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use super::history::{History, HistoryEntry};
use super::options::{SimOptions, Start};
use super::recorded_log::file_error;
use crate::codec::{DeviceId, Timestamp};
use crate::sync::lock;
use crate::{Error, ErrorKind, Result, files};

/// A file that grows, used by one process at a time.
pub(super) struct Journal {
    path: PathBuf,
    file: Mutex<Writer>,
}

struct Writer {
    file: File,
    end: u64,
}

impl Journal {
    /// Opens a file or creates it, locks it against other processes, and returns its bytes.
    /// Fails with [`ErrorKind::NotFound`] where its folder does not exist, [`ErrorKind::PermissionDenied`] and
    /// [`ErrorKind::Storage`] where it cannot be read and written, [`ErrorKind::Busy`] where another process uses it.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<u8>)> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                let message = format!("state file `{}` is in use by another process", path.display());
                Error::new(ErrorKind::Busy, message)
            }
            _ => file_error(STATE_FILE, path, "opened", error),
        };
        let mut file = files::open_locked(path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let writer = Writer { file, end: bytes.len() as u64 };
        Ok((Self { path: path.to_owned(), file: Mutex::new(writer) }, bytes))
    }

    /// The bytes of a file that another process may be writing.
    /// Fails with [`ErrorKind::NotFound`], [`ErrorKind::PermissionDenied`] and [`ErrorKind::Storage`] where it cannot
    /// be read.
    #[cfg(feature = "sim-servers")]
    pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
        std::fs::read(path).map_err(|error| file_error(STATE_FILE, path, "read", error))
    }

    /// Cuts the file; what is appended next begins there.
    pub(super) fn truncate(&self, length: u64) -> Result<()> {
        self.write(|writer| {
            writer.file.set_len(length)?;
            writer.end = length;
            Ok(())
        })
    }

    /// Appends bytes. Where that fails, none of them stay.
    pub(super) fn append(&self, bytes: &[u8]) -> Result<()> {
        self.write(|writer| {
            writer.file.seek(SeekFrom::Start(writer.end))?;
            if let Err(error) = writer.file.write_all(bytes) {
                // A part of a line would spoil the next one.
                let _ = writer.file.set_len(writer.end);
                return Err(error);
            }
            writer.end += bytes.len() as u64;
            Ok(())
        })
    }

    /// Overwrites bytes.
    pub(super) fn overwrite(&self, position: u64, bytes: &[u8]) -> Result<()> {
        self.write(|writer| {
            writer.file.seek(SeekFrom::Start(position))?;
            writer.file.write_all(bytes)
        })
    }

    fn write(&self, work: impl FnOnce(&mut Writer) -> io::Result<()>) -> Result<()> {
        work(&mut lock(&self.file)).map_err(|error| file_error(STATE_FILE, &self.path, "written", error))
    }
}

/// The lines that were written to their end.
pub(super) fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    &bytes[..end]
}

/// The state of all devices in a file.
pub(super) struct StateFile {
    journal: Journal,
    /// The first error. After it nothing is written, so that the file has no hole.
    failed: OnceLock<String>,
}

impl StateFile {
    /// Opens the file, and returns the text that it has already. With [`Start::Now`] the backlog ends at the time in the
    /// file, or now; a file that was made with another time goes on with that.
    /// Fails as [`Journal::open`]; [`ErrorKind::InvalidData`] for a file that is no state, [`ErrorKind::InvalidInput`]
    /// for one of other options.
    pub(super) fn open(path: &Path, options: &mut SimOptions) -> Result<(Self, Option<String>)> {
        let (journal, bytes) = Journal::open(path)?;
        let text = read(&bytes, options);
        if options.start.is_now() {
            options.now_from = Some(options.start_time());
        }
        let text = text
            .map_err(|error| Error::new(error.kind(), format!("state file `{}`: {error}", path.display())))?;
        Ok((Self { journal, failed: OnceLock::new() }, text))
    }

    /// Begins a new file, with these devices and how many events they have made.
    pub(super) fn begin(&self, options: &SimOptions, devices: &[(DeviceId, u64)]) -> Result<()> {
        let mut text = format!("{MAGIC}\n{}", decisive(options));
        if text.len() >= COUNTS_AT {
            let message = "state file: the name of the replayed file is too long";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        while text.len() + 1 < COUNTS_AT {
            text.push(' ');
        }
        text.push('\n');
        for (device, made) in devices {
            text.push_str(&format!("{:>10} {made:020}\n", device.get()));
        }
        text.push_str(ACTS);
        self.journal.truncate(0)?;
        self.journal.append(text.as_bytes())
    }

    /// Continues behind the last whole line.
    pub(super) fn resume(&self, text: &str) -> Result<()> {
        self.journal.truncate(text.len() as u64)
    }

    /// Notes how many events the device at this position will have made.
    pub(super) fn note_made(&self, position: usize, made: u64) {
        let at = COUNTS_AT + position * LINE + DIGITS_AT;
        self.note(|journal| journal.overwrite(at as u64, format!("{made:020}").as_bytes()));
    }

    /// Notes what will be done to a device that has made so many events.
    pub(super) fn note_entry(&self, device: DeviceId, made: u64, entry: &HistoryEntry) {
        let line = format!("{} {made} {entry}\n", device.get());
        self.note(|journal| journal.append(line.as_bytes()));
    }

    /// Fails with [`ErrorKind::Storage`] once something could not be written.
    pub(super) fn check(&self) -> Result<()> {
        match self.failed.get() {
            None => Ok(()),
            Some(cause) => {
                let text = format!("state file `{}` cannot be written", self.journal.path.display());
                Err(Error::new(ErrorKind::Storage, text).with_source(io::Error::other(cause.clone())))
            }
        }
    }

    fn note(&self, write: impl FnOnce(&Journal) -> Result<()>) {
        if self.failed.get().is_none()
            && let Err(error) = write(&self.journal)
        {
            let cause =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            let _ = self.failed.set(cause); // The first error counts.
        }
    }
}

/// The history of each device in the text of a file.
/// Fails with [`ErrorKind::InvalidData`] for lines that cannot be read, [`ErrorKind::InvalidInput`] for other devices.
pub(super) fn histories(text: &str, devices: &[DeviceId]) -> Result<Vec<History>> {
    let damaged =
        |line: &str| Error::new(ErrorKind::InvalidData, format!("state file: `{line}` cannot be read"));
    let mut lines = text.get(COUNTS_AT..).unwrap_or_default().lines();
    let mut histories = Vec::with_capacity(devices.len());
    for device in devices {
        let line = lines.next().unwrap_or_default();
        let (id, made) = line.trim_start().split_once(' ').ok_or_else(|| damaged(line))?;
        if id.parse() != Ok(device.get()) {
            let message = format!("state file: it has device {id} in this place");
            return Err(Error::new(ErrorKind::InvalidInput, message).with_device(*device));
        }
        let made = made.parse().map_err(|_| damaged(line))?;
        histories.push(History { made, entries: Vec::new() });
    }
    for line in lines.skip(1) {
        let (position, made, entry) = read_entry(line, devices).ok_or_else(|| damaged(line))?;
        histories[position].entries.push((made, entry));
    }
    Ok(histories)
}

/// The whole lines of a file; `None` for a new one, and for one whose first lines were never written to their end.
fn read(bytes: &[u8], options: &mut SimOptions) -> Result<Option<String>> {
    let no_state = || Error::new(ErrorKind::InvalidData, "this is not the state of a simulator");
    let text = str::from_utf8(whole_lines(bytes)).map_err(|_| no_state())?;
    let begins = bytes.len().min(MAGIC.len());
    if bytes[..begins] != MAGIC.as_bytes()[..begins] {
        return Err(no_state());
    }
    if !text.contains(&format!("\n{ACTS}")) {
        return Ok(None); // Nobody heard of anything before this line was there.
    }
    let kept = text.lines().nth(1).unwrap_or_default().trim_end();
    if options.start == Start::Now
        && let Some(start) = kept.split(' ').find_map(|part| part.strip_prefix("start="))
    {
        let seconds = start.strip_prefix(NOW).unwrap_or(start).parse().map_err(|_| no_state())?;
        let time = Timestamp::from_unix_seconds(seconds);
        if start.starts_with(NOW) {
            options.now_from = Some(time);
        } else {
            options.start = Start::At(time);
        }
    }
    let wanted = decisive(options);
    if kept != wanted {
        let message = format!("it was made with `{kept}`, and now the options are `{wanted}`");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(Some(text.to_owned()))
}

/// The options that decide the events.
fn decisive(options: &SimOptions) -> String {
    let start = options.start_time().as_unix_seconds();
    let now = if options.start.is_now() { NOW } else { "" };
    let replay = options.replay.as_ref().map_or_else(|| "none".to_owned(), |source| format!("{source:?}"));
    // Files of earlier versions do not have these.
    let slaves = if options.slaves > 0 { format!(" slaves={}", options.slaves) } else { String::new() };
    let live = if options.replay_live { " replay-live=1" } else { "" };
    format!(
        "seed={} devices={} backlog={} capacity={} images={} start={now}{start}{slaves}{live} replay={replay}",
        options.seed,
        options.generated_devices(),
        options.backlog(),
        options.capacity,
        u8::from(options.images),
    )
}

fn read_entry(line: &str, devices: &[DeviceId]) -> Option<(usize, u64, HistoryEntry)> {
    let mut parts = line.splitn(3, ' ');
    let device = DeviceId::new(parts.next()?.parse().ok()?);
    let position = devices.binary_search(&device).ok()?;
    Some((position, parts.next()?.parse().ok()?, HistoryEntry::parse(parts.next()?)?))
}

const STATE_FILE: &str = "state file";
const MAGIC: &str = "bs2 simulator state 1";
const NOW: &str = "now:";
/// Everything behind this line was done to devices.
const ACTS: &str = "acts\n";
/// Begins a page of memory: the lines of devices, 32 bytes each, then never span two of them.
const COUNTS_AT: usize = 4_096;
const LINE: usize = 32;
const DIGITS_AT: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_for_its_device_and_nothing_else_is_read() {
        let devices = [DeviceId::new(3), DeviceId::new(9)];
        let (position, made, entry) = read_entry("9 12 reset 1", &devices).unwrap();
        assert_eq!((position, made, entry.to_string().as_str()), (1, 12, "reset 1"));
        for line in ["", "9", "9 1", "8 1 clear", "9 x clear", "9 1 fly", "9 1 clear 1", "9 1 filters 1/1"] {
            assert!(read_entry(line, &devices).is_none(), "{line}");
        }
    }

    #[test]
    fn the_line_of_a_device_never_spans_two_pages() {
        let line = format!("{:>10} {:020}\n", u32::MAX, u64::MAX);
        assert_eq!((line.len(), line.find(&u64::MAX.to_string())), (LINE, Some(DIGITS_AT)));
        assert_eq!(COUNTS_AT % LINE, 0);
        assert_eq!(4_096 % LINE, 0);
    }

    #[test]
    fn what_is_appended_begins_behind_the_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (journal, bytes) = Journal::open(&path).unwrap();
        assert_eq!(bytes, b"");
        journal.append(b"one\ntwo\nthr").unwrap();
        drop(journal);
        let (journal, bytes) = Journal::open(&path).unwrap();
        assert_eq!(Journal::open(&path).err().unwrap().kind(), ErrorKind::Busy);
        journal.truncate(whole_lines(&bytes).len() as u64).unwrap();
        journal.append(b"three\n").unwrap();
        journal.overwrite(4, b"TWO").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\nTWO\nthree\n");
    }
}
