//! What a simulator writes about its devices: the ground truth, and the state file.

use std::io::{self, BufWriter, Write};
use std::sync::{Mutex, OnceLock};

use super::journal::StateFile;

use crate::codec::{DeviceId, Event};
use crate::sync::lock;
use crate::{Error, ErrorKind, Result};

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
