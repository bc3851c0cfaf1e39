//! What a simulator writes about its devices: the ground truth, and the state file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use super::journal::StateFile;

use crate::codec::{DeviceId, Event};
use crate::error::invalid;
use crate::sync::lock;
use crate::{Error, ErrorKind, Result, files};

/// Where devices write what happens, beside their logs.
pub(super) struct Outputs {
    pub(super) ground_truth: OnceLock<Mutex<GroundTruth>>,
    pub(super) state_file: Option<StateFile>,
}

impl Outputs {
    /// Fails with [`ErrorKind::Storage`] where the state file could not be written.
    pub(super) fn check(&self) -> Result<()> {
        self.state_file.as_ref().map_or(Ok(()), StateFile::check)
    }

    /// Fails with [`ErrorKind::Storage`] where the ground truth could not be written.
    pub(super) fn flush_truth(&self) -> Result<()> {
        self.ground_truth.get().map_or(Ok(()), |truth| lock(truth).flush())
    }
}

/// Every event that ever happened, as lines `device_id epoch event_id hex`, separated by tabs.
pub(super) struct GroundTruth {
    writer: BufWriter<Box<dyn Write + Send>>,
    /// The first error. After it nothing is written, so that the text has no hole.
    failed: Option<(io::ErrorKind, String)>,
}

impl GroundTruth {
    pub(super) fn new(writer: Box<dyn Write + Send>) -> Self {
        Self { writer: BufWriter::with_capacity(BUFFER, writer), failed: None }
    }

    pub(super) fn write(&mut self, device: DeviceId, epoch: u32, event: &Event) {
        if self.failed.is_none()
            && let Err(error) = line(&mut self.writer, device, epoch, event)
        {
            self.failed = Some((error.kind(), error.to_string()));
        }
    }

    /// Writes out the buffer.
    /// Fails with [`ErrorKind::Storage`] for the first error since the beginning.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.failed.is_none()
            && let Err(error) = self.writer.flush()
        {
            self.failed = Some((error.kind(), error.to_string()));
        }
        match &self.failed {
            None => Ok(()),
            Some((kind, message)) => {
                Err(Error::new(ErrorKind::Storage, "the ground truth cannot be written")
                    .with_source(io::Error::new(*kind, message.clone())))
            }
        }
    }
}

/// Makes a file for [`Simulator::write_truth_to`](super::Simulator::write_truth_to), which only its owner can read. It
/// replaces a ground truth that is there. A pipe and a terminal are opened as they are.
///
/// # Errors
///
/// [`InvalidInput`](ErrorKind::InvalidInput) for a file that is not a ground truth: it stays as it is. It is one if its
/// first line is. [`Storage`](ErrorKind::Storage) where the file system fails.
pub fn create_truth_file(path: impl AsRef<Path>) -> Result<File> {
    let path = path.as_ref();
    let failed = |error| {
        Error::new(ErrorKind::Storage, format!("cannot write the truth into {}", path.display()))
            .with_source(error)
    };
    let file = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => files::create_new(path),
        Err(error) => Err(error),
        Ok(there) if is_stream(&there) => File::options().write(true).open(path),
        Ok(there) if there.is_file() && begins_as_truth(path).map_err(failed)? => {
            files::replace(path, |_| Ok(()))
        }
        Ok(_) => {
            let message = format!("`{}` exists and is not a ground truth: name another file", path.display());
            return Err(invalid(message));
        }
    };
    file.map_err(failed)
}

/// Whether what is written there is not kept.
#[cfg(unix)]
fn is_stream(file: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;

    let kind = file.file_type();
    kind.is_fifo() || kind.is_char_device()
}

#[cfg(not(unix))]
fn is_stream(_: &fs::Metadata) -> bool {
    false
}

/// Whether the first line of a file is one of a ground truth. In an empty file there is nothing to lose.
fn begins_as_truth(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(LONGEST_LINE).read_to_end(&mut start)?;
    let Some(end) = start.iter().position(|byte| *byte == b'\n') else { return Ok(start.is_empty()) };
    let fields: Vec<_> = start[..end].split(|byte| *byte == b'\t').collect();
    let [device, epoch, id, hex] = fields[..] else { return Ok(false) };
    let is_number = |field: &[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    let is_event = hex.len() == 2 * Event::SIZE && hex.iter().all(u8::is_ascii_hexdigit);
    Ok([device, epoch, id].into_iter().all(is_number) && is_event)
}

fn line(writer: &mut impl Write, device: DeviceId, epoch: u32, event: &Event) -> io::Result<()> {
    let mut hex = [0; 2 * Event::SIZE + 1];
    for (digits, byte) in hex.chunks_exact_mut(2).zip(event.as_bytes()) {
        digits.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    hex[2 * Event::SIZE] = b'\n';
    write!(writer, "{device}\t{epoch}\t{}\t", event.id())?;
    writer.write_all(&hex)
}

const BUFFER: usize = 64 * 1_024;

/// Three numbers of ten digits, the event, and what stands between and behind them.
const LONGEST_LINE: u64 = 3 * 11 + 2 * Event::SIZE as u64 + 1;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::EventCode;

    #[test]
    fn every_flush_reports_that_a_line_could_not_be_written() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut truth = GroundTruth::new(Box::new(Full));
        truth.write(
            DeviceId::new(1),
            0,
            &Event::builder(DeviceId::new(1), 1, EventCode::DOOR_OPENED).build(),
        );
        for _ in 0..2 {
            let error = truth.flush().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Storage);
        }
    }

    #[test]
    fn a_ground_truth_is_replaced_and_every_other_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth.tsv");
        let event = Event::builder(DeviceId::new(1), 1, EventCode::DOOR_OPENED).build();
        for _ in 0..2 {
            let mut file = create_truth_file(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"");
            line(&mut file, DeviceId::new(u32::MAX), u32::MAX, &event).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        let others = [
            "SQLite format 3\0".to_owned(),
            "\n".to_owned(),
            text.replace('\t', " "),
            text.trim_end().to_owned(),
            text.replacen("4294967295", "x", 1),
            text.replacen("01", "0g", 1),
            format!(" {text}"),
        ];
        for other in others {
            fs::write(&path, &other).unwrap();
            let error = create_truth_file(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{other}");
            assert_eq!(fs::read_to_string(&path).unwrap(), other);
        }
        assert_eq!(create_truth_file(folder.path()).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[cfg(unix)]
    #[test]
    fn a_ground_truth_is_for_its_owner_and_a_link_to_one_is_replaced_itself() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("truth.tsv"), folder.path().join("link"));
        let mut file = create_truth_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let event = Event::builder(DeviceId::new(1), 1, EventCode::DOOR_OPENED).build();
        line(&mut file, event.device_id(), 0, &event).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        create_truth_file(&link).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert!(create_truth_file("/dev/null").is_ok());
    }

    #[test]
    fn a_line_is_device_epoch_id_and_bytes() {
        let mut out = Vec::new();
        let event = Event::builder(DeviceId::new(541_000_001), 258, EventCode::DOOR_OPENED).build();
        line(&mut out, event.device_id(), 3, &event).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("541000001\t3\t258\t02010000"), "{text}");
        assert_eq!(text.trim_end().rsplit('\t').next().map(str::len), Some(96));
        assert!(text.ends_with('\n'));
    }
}
