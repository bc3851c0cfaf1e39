//! The ground truth of simulated devices, as a file.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bs2_events::{Error, ErrorKind, Result};

use crate::source::Source;

/// Makes the simulators of these sources write into one file, from their first event on.
pub(crate) fn write(path: &Path, sources: &[Source]) -> Result<()> {
    let simulators: Vec<_> = sources.iter().filter_map(Source::simulator).collect();
    if simulators.is_empty() {
        let message = "--truth: no source is simulated, and real devices have no ground truth";
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let failed = || format!("cannot write the truth into {}", path.display());
    let file =
        File::create(path).map_err(|error| Error::new(ErrorKind::Storage, failed()).with_source(error))?;
    let file = Arc::new(Mutex::new(file));
    for simulator in simulators {
        let lines = WholeLines { file: Arc::clone(&file), waiting: Vec::new() };
        simulator
            .write_truth_to(lines)
            .map_err(|error| Error::new(error.kind(), failed()).with_source(error))?;
    }
    Ok(())
}

/// Writes out what is buffered. The file is complete then, if no event happens any more.
pub(crate) fn finish(sources: &[Source]) -> Result<()> {
    sources.iter().filter_map(Source::simulator).try_for_each(|simulator| simulator.flush_truth())
}

/// One of several writers of a file. It writes whole lines, so that writers may alternate.
struct WholeLines {
    file: Arc<Mutex<File>>,
    /// A line that is not complete.
    waiting: Vec<u8>,
}

impl Write for WholeLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if let Some(last) = self.waiting.iter().rposition(|byte| *byte == b'\n') {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(&self.waiting[..=last])?;
            self.waiting.drain(..=last);
        }
        Ok(bytes.len())
    }

    /// Whole lines are in the file already.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
