//! What a `SOURCE` argument names: devices, and the way to them.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bs2_events::codec::DeviceId;
use bs2_events::device::{Client, Device};
use bs2_events::sim::{SimOptions, Simulator, Start, create_truth_file};
use bs2_events::{Error, ErrorKind, Result};
use clap::builder::TypedValueParser;
use tokio::runtime::Handle;

use crate::runtime::retried;
use crate::stdio;

/// Devices behind one client.
pub(crate) struct Source {
    client: Client,
    simulator: Option<Simulator>,
}

impl Source {
    /// Opens the devices of a URL such as `sim:devices=4&seed=7`.
    pub(crate) fn open(url: &str) -> Result<Self> {
        if is_simulated(url) { Self::simulated(&url.parse()?, url) } else { Self::real(url) }
    }

    /// Opens the devices for a verb that shows live events: simulated devices get a rate if the URL has none.
    pub(crate) fn open_live(url: &str) -> Result<Self> {
        if is_simulated(url) { Self::simulated(&live_options(url)?, url) } else { Self::real(url) }
    }

    fn real(url: &str) -> Result<Self> {
        Ok(Self { client: Client::open(url)?, simulator: None })
    }

    fn simulated(options: &SimOptions, url: &str) -> Result<Self> {
        let simulator = Simulator::with_options(options.clone())?;
        note_cut(&simulator);
        Ok(Self { client: Client::new(simulator.backend()).with_name(url), simulator: Some(simulator) })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The simulator of the devices, if they are simulated.
    pub(crate) fn simulator(&self) -> Option<&Simulator> {
        self.simulator.as_ref()
    }

    /// Begins the live events of simulated devices.
    pub(crate) fn start(&self) -> Result<()> {
        self.simulator().map_or(Ok(()), Simulator::start)
    }

    /// Ends the live events of simulated devices.
    pub(crate) fn stop(&self) {
        if let Some(simulator) = self.simulator() {
            simulator.stop();
        }
    }

    /// Every device, ascending.
    pub(crate) async fn devices(&self) -> Result<Vec<Device>> {
        retried(|| self.client.devices()).await
    }

    /// The device with this number, or the only one.
    pub(crate) async fn device(&self, wanted: Option<DeviceId>) -> Result<Device> {
        let mut devices = self.devices().await?;
        match wanted {
            Some(id) => devices.into_iter().find(|device| device.id() == id).ok_or_else(|| {
                Error::new(ErrorKind::NotFound, "the source has no such device").with_device(id)
            }),
            None if devices.len() == 1 => Ok(devices.remove(0)),
            None => {
                let message = format!("the source has {} devices: choose one with --device", devices.len());
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }
}

/// Closes the connections, and waits for that a short time: the vendor's library must not be cut off at its work.
impl Drop for Source {
    fn drop(&mut self) {
        if self.simulator.is_none()
            && let Ok(runtime) = Handle::try_current()
        {
            let closing = tokio::time::timeout(CLOSING, self.client.close());
            // The end of the process closes the others.
            let _ = tokio::task::block_in_place(|| runtime.block_on(closing));
        }
    }
}

/// Prints a note if a replayed capture was cut. That is no error: another process may still write it.
pub(crate) fn note_cut(simulator: &Simulator) {
    if let Some(error) = simulator.replay_cut() {
        stdio::note(&format!("the replayed capture ends inside a record: {error}"));
    }
}

/// The options of simulated devices with live events: they get a rate if the URL has none.
pub(crate) fn live_options(url: &str) -> Result<SimOptions> {
    if !is_simulated(url) {
        let message = "only simulated devices can be served: name a source `sim:`";
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let options: SimOptions = url.parse()?;
    let is_quiet = options == options.clone().with_office(false);
    Ok(if is_quiet || has_setting(url, "rate") { options } else { options.with_rate(LIVE_RATE) })
}

/// The options of simulated devices behind a server: as [`live_options`], and events have the present time unless the URL
/// says otherwise.
pub(crate) fn served_options(url: &str) -> Result<SimOptions> {
    let options = live_options(url)?;
    Ok(if has_setting(url, "start") { options } else { options.with_start(Start::Now) })
}

fn has_setting(url: &str, name: &str) -> bool {
    url.split([':', '?', '&']).any(|part| part.split('=').next() == Some(name))
}

fn is_simulated(url: &str) -> bool {
    url.starts_with("sim:")
}

/// Makes simulators write every event into one file, from their first event on.
pub(crate) fn write_truth<'a>(
    path: &Path,
    simulators: impl IntoIterator<Item = &'a Simulator>,
) -> Result<()> {
    let failed = || format!("cannot write the truth into {}", path.display());
    let mut simulators = simulators.into_iter().peekable();
    if simulators.peek().is_none() {
        let message = "--truth: no source is simulated, and real devices have no ground truth";
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let file = Arc::new(Mutex::new(create_truth_file(path)?));
    for simulator in simulators {
        let lines = WholeLines { file: Arc::clone(&file), waiting: Vec::new() };
        simulator
            .write_truth_to(lines)
            .map_err(|error| Error::new(error.kind(), failed()).with_source(error))?;
    }
    Ok(())
}

/// One of several writers of a file. It writes whole lines, so that the writers may alternate.
struct WholeLines {
    file: Arc<Mutex<File>>,
    /// The beginning of a line.
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

/// Reads a device's number, as an argument.
pub(crate) fn device_id() -> impl TypedValueParser<Value = DeviceId> {
    clap::value_parser!(u32).map(DeviceId::new)
}

/// Live events a second by default.
const LIVE_RATE: u32 = 5;
const CLOSING: Duration = Duration::from_secs(2);
