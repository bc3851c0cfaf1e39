//! The state of all readers in a file, so that a process that is killed goes on with them.
//!
//! What a reader wrote depends on the seed, on how many events it made and on what was done to it. So the file holds
//! the settings that decide events, a count for each reader, and what was done:
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
//! Everything is written before anybody is told of it. A count is 20 digits at a fixed place and never spans two pages
//! of memory, so the kernel has the old one or the new one; a line of acts that was cut is one that never was. There is
//! no sync to the disk: a killed process loses nothing, a power cut may.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::device_state::{Command, HistoryEntry};
use super::generator::world::opening;
use super::options::{SimOptions, Start};
use crate::codec::{DeviceId, EventCode, Timestamp};
use crate::device::ImageFilter;
use crate::{Error, ErrorKind, Result};

/// An open state file, locked against other processes.
pub(super) struct Journal {
    path: PathBuf,
    file: Mutex<Pen>,
}

struct Pen {
    file: File,
    end: u64,
    /// The first error; after it nothing is written.
    failed: Option<(io::ErrorKind, String)>,
}

/// What a file says of one reader.
#[derive(Default)]
pub(super) struct Past {
    pub(super) made: u64,
    pub(super) turns: Vec<(u64, HistoryEntry)>,
}

impl Journal {
    /// Opens the file, and gives the text that it has already. An opening of the office `now` becomes the time that
    /// the file says, or this one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] and [`ErrorKind::PermissionDenied`] for a file that cannot be read and written,
    /// [`ErrorKind::Busy`] for one that another process uses, [`ErrorKind::InvalidData`] for one that is no state,
    /// [`ErrorKind::InvalidInput`] for one of other settings.
    pub(super) fn open(path: &Path, settings: &mut SimOptions) -> Result<(Self, Option<String>)> {
        let failed = |error: io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                _ => ErrorKind::Storage,
            };
            Error::new(kind, format!("state file `{}` cannot be opened", path.display())).with_source(error)
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let message = format!("state file `{}` is in use by another process", path.display());
                Error::new(ErrorKind::Busy, message)
            }
            TryLockError::Error(error) => failed(error),
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let text = read(&bytes, settings);
        settings.start = Start::At(opening(settings.start));
        let text = text
            .map_err(|error| Error::new(error.kind(), format!("state file `{}`: {error}", path.display())))?;
        let pen = Pen { file, end: text.as_ref().map_or(0, |text| text.len() as u64), failed: None };
        Ok((Self { path: path.to_owned(), file: Mutex::new(pen) }, text))
    }

    /// Begins a new file, with these readers and what they have made.
    pub(super) fn begin(&self, settings: &SimOptions, readers: &[(DeviceId, u64)]) -> Result<()> {
        let mut text = format!("{MAGIC}\n{}", decisive(settings));
        if text.len() >= COUNTS_AT {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "state file: the name of the replayed file is too long",
            ));
        }
        while text.len() + 1 < COUNTS_AT {
            text.push(' ');
        }
        text.push('\n');
        for (device, made) in readers {
            text.push_str(&format!("{:>10} {made:020}\n", device.get()));
        }
        text.push_str(ACTS);
        self.write(|pen| {
            pen.file.set_len(0)?;
            pen.append(text.as_bytes())
        });
        self.check()
    }

    /// Goes on behind the last whole line.
    pub(super) fn resume(&self) -> Result<()> {
        self.write(|pen| pen.file.set_len(pen.end));
        self.check()
    }

    /// Notes that the reader at this position will have made so many events.
    pub(super) fn made(&self, position: usize, made: u64) {
        self.write(|pen| {
            let at = COUNTS_AT + position * LINE + DIGITS_AT;
            pen.file.seek(SeekFrom::Start(at as u64))?;
            pen.file.write_all(format!("{made:020}").as_bytes())
        });
    }

    /// Notes what will be done to a reader that has made so many events.
    pub(super) fn turn(&self, device: DeviceId, made: u64, turn: &HistoryEntry) {
        let line = format!("{} {made} {}\n", device.get(), turn_text(turn));
        self.write(|pen| pen.append(line.as_bytes()));
    }

    /// # Errors
    ///
    /// [`ErrorKind::Storage`] if something could not be written, from then on.
    pub(super) fn check(&self) -> Result<()> {
        match &self.lock().failed {
            None => Ok(()),
            Some((kind, message)) => {
                let text = format!("state file `{}` cannot be written", self.path.display());
                let source = io::Error::new(*kind, message.clone());
                Err(Error::new(ErrorKind::Storage, text).with_source(source))
            }
        }
    }

    fn write(&self, work: impl FnOnce(&mut Pen) -> io::Result<()>) {
        let mut pen = self.lock();
        if pen.failed.is_none()
            && let Err(error) = work(&mut pen)
        {
            pen.failed = Some((error.kind(), error.to_string()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pen> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pen {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(bytes)?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// The past of each reader in the text of a file.
///
/// # Errors
///
/// [`ErrorKind::InvalidData`] for lines that say nothing, [`ErrorKind::InvalidInput`] for other readers.
pub(super) fn pasts(text: &str, devices: &[DeviceId]) -> Result<Vec<Past>> {
    let damaged =
        |line: &str| Error::new(ErrorKind::InvalidData, format!("state file: `{line}` is no state"));
    let mut lines = text.get(COUNTS_AT..).unwrap_or_default().lines();
    let mut pasts = Vec::with_capacity(devices.len());
    for device in devices {
        let line = lines.next().unwrap_or_default();
        let (id, made) = line.trim_start().split_once(' ').ok_or_else(|| damaged(line))?;
        if id.parse() != Ok(device.get()) {
            let message = format!("state file: it has reader {id} in this place");
            return Err(Error::new(ErrorKind::InvalidInput, message).with_device(*device));
        }
        pasts.push(Past { made: made.parse().map_err(|_| damaged(line))?, turns: Vec::new() });
    }
    for line in lines.skip(1) {
        let (position, made, turn) = read_turn(line, devices).ok_or_else(|| damaged(line))?;
        pasts[position].turns.push((made, turn));
    }
    Ok(pasts)
}

/// The whole lines of a file; `None` for a new one, and for one whose first lines were never written to their end.
fn read(bytes: &[u8], settings: &mut SimOptions) -> Result<Option<String>> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let no_state = || Error::new(ErrorKind::InvalidData, "this is no state of a simulator");
    let text = str::from_utf8(&bytes[..whole]).map_err(|_| no_state())?;
    let begins = bytes.len().min(MAGIC.len());
    if bytes[..begins] != MAGIC.as_bytes()[..begins] {
        return Err(no_state());
    }
    if !text.contains(&format!("\n{ACTS}")) {
        return Ok(None); // Nobody was told anything before it was there.
    }
    let kept = text.lines().nth(1).unwrap_or_default().trim_end();
    if settings.start == Start::Now
        && let Some(start) = kept.split(' ').find_map(|part| part.strip_prefix("start="))
    {
        let seconds = start.parse().map_err(|_| no_state())?;
        settings.start = Start::At(Timestamp::from_unix_seconds(seconds));
    }
    let wanted = decisive(settings);
    if kept != wanted {
        let message = format!("it was made with `{kept}`, and now the settings are `{wanted}`");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(Some(text.to_owned()))
}

/// The settings that decide which events there are.
fn decisive(settings: &SimOptions) -> String {
    let start = opening(settings.start).as_unix_seconds();
    let replay = settings.replay.as_ref().map_or_else(|| "none".to_owned(), |source| format!("{source:?}"));
    format!(
        "seed={} devices={} backlog={} capacity={} images={} start={start} replay={replay}",
        settings.seed,
        settings.office_readers(),
        settings.backlog,
        settings.capacity,
        u8::from(settings.images),
    )
}

fn turn_text(turn: &HistoryEntry) -> String {
    match turn {
        HistoryEntry::Command(Command::ClearLog) => "clear".to_owned(),
        HistoryEntry::Command(Command::FactoryReset { restart_ids }) => {
            format!("reset {}", u8::from(*restart_ids))
        }
        HistoryEntry::Command(Command::SetClock(time)) => format!("clock {}", time.as_unix_seconds()),
        HistoryEntry::Filters(filters) => {
            let filter = |filter: &ImageFilter| {
                format!(" {}/{}/{}", filter.code.get(), u8::from(filter.exact), filter.schedule_id)
            };
            format!("filters{}", filters.iter().map(filter).collect::<String>())
        }
    }
}

fn read_turn(line: &str, devices: &[DeviceId]) -> Option<(usize, u64, HistoryEntry)> {
    let mut parts = line.split(' ');
    let device = DeviceId::new(parts.next()?.parse().ok()?);
    let position = devices.binary_search(&device).ok()?;
    let made = parts.next()?.parse().ok()?;
    let turn = match parts.next()? {
        "clear" => HistoryEntry::Command(Command::ClearLog),
        "reset" => HistoryEntry::Command(Command::FactoryReset { restart_ids: parts.next()? == "1" }),
        "clock" => HistoryEntry::Command(Command::SetClock(Timestamp::from_unix_seconds(
            parts.next()?.parse().ok()?,
        ))),
        "filters" => HistoryEntry::Filters(parts.by_ref().map(read_filter).collect::<Option<_>>()?),
        _ => return None,
    };
    parts.next().is_none().then_some((position, made, turn))
}

fn read_filter(text: &str) -> Option<ImageFilter> {
    let (code, rest) = text.split_once('/')?;
    let (exact, schedule) = rest.split_once('/')?;
    let filter = ImageFilter::new(EventCode::new(code.parse().ok()?)).with_schedule(schedule.parse().ok()?);
    Some(if exact == "1" { filter.exactly() } else { filter })
}

const MAGIC: &str = "bs2 simulator state 1";
const ACTS: &str = "acts\n";
/// A page of memory from the beginning: the lines of readers, 32 bytes each, then never span two of them.
const COUNTS_AT: usize = 4_096;
const LINE: usize = 32;
const DIGITS_AT: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_comes_back_from_its_line() {
        let filters = vec![
            ImageFilter::new(EventCode::ACCESS_DENIED),
            ImageFilter::new(EventCode::new(0x1301)).exactly(),
        ];
        let turns = [
            HistoryEntry::Command(Command::ClearLog),
            HistoryEntry::Command(Command::FactoryReset { restart_ids: true }),
            HistoryEntry::Command(Command::FactoryReset { restart_ids: false }),
            HistoryEntry::Command(Command::SetClock(Timestamp::from_unix_seconds(7))),
            HistoryEntry::Filters(Vec::new()),
            HistoryEntry::Filters(filters),
        ];
        let devices = [DeviceId::new(3), DeviceId::new(9)];
        for turn in turns {
            let line = format!("9 12 {}", turn_text(&turn));
            let (position, made, read) = read_turn(&line, &devices).unwrap();
            assert_eq!((position, made, turn_text(&read)), (1, 12, turn_text(&turn)));
        }
        for line in ["", "9", "9 1", "8 1 clear", "9 x clear", "9 1 fly", "9 1 clear 1", "9 1 filters 1/1"] {
            assert!(read_turn(line, &devices).is_none(), "{line}");
        }
    }

    #[test]
    fn a_line_of_a_reader_never_spans_two_pages() {
        let line = format!("{:>10} {:020}\n", u32::MAX, u64::MAX);
        assert_eq!((line.len(), line.find(&u64::MAX.to_string())), (LINE, Some(DIGITS_AT)));
        assert_eq!(COUNTS_AT % LINE, 0);
        assert_eq!(4_096 % LINE, 0);
    }
}
