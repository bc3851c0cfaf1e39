//! A BioStar X server as a destination: authentications of devices become events of a virtual device.

mod state;

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, MutexGuard};

use super::{Batch, Gap, ResumePoint, Sink, Stored};
use crate::biostar_x::import::{ImportStatus, UnmappedCount};
use crate::biostar_x::{
    BiostarX, BiostarXOptions, Import, ImportEvent, ImportOptions, VirtualDeviceId, parse_settings,
};
use crate::codec::{DeviceId, Event};
use crate::device::DeviceInfo;
use crate::error::invalid;
use crate::settings::{SettingsText, Url};
use crate::{Error, ErrorKind, HttpError, Result};
use state::{Pending, State};

/// A virtual device of a BioStar X server that receives every authentication of the devices once.
///
/// An event is imported as granted or denied, by its code. An event that is not an authentication, or names no person,
/// cannot be imported: it is counted ([`summary`](Self::summary)) and counts as stored. So does an event that the server
/// rejects, mostly because it does not know the person.
///
/// # How each event arrives once
///
/// The server confirms a request as a whole and does not notice a repeated one. So a batch is written into the state file
/// before it is sent, and removed when it is confirmed. A batch that is still there, after a lost answer or in a new
/// process, is looked up on the server before the rest of it is sent. An event of another device that looks the same is
/// told apart: the state file keeps the events of the batch's seconds, or, where it does not keep them any more, they are
/// looked up before the batch is sent. One thing cannot be seen: an event that another program adds meanwhile with the
/// same virtual device, person, verdict and second. Let nothing else write to the virtual device.
///
/// # The state file
///
/// One JSON object, replaced as a whole (written, synced, renamed), and locked by `FILE.lock` while a sink has it:
///
/// | key | |
/// |---|---|
/// | `format` | 1 |
/// | `server`, `virtual_device` | what the state belongs to |
/// | `readers` | a list of objects with `device`, `epoch`, `first`, `watermark`, `gaps` (`[from, to, reason]`), `events` |
/// | `pending` | the batch that is being sent: the same keys; `null` for none |
/// | `before` | events on the server before `pending` that look like one of its events: `[granted, person, second, key]` |
/// | `forgotten` | the first and the last second of imported events that are not in `events` any more |
/// | `imported` | how many events are on the server |
/// | `refused` | `[device, epoch, event id, code]` of each event that the server rejected |
/// | `unmapped` | how many events could not be imported, by reason |
///
/// `events` are records of 48 bytes in base64: the oldest and the newest 128 of each epoch, and those outside the
/// watermark. They contain user ids, so nobody else may read the file. [`event`](Sink::event) returns only these: a
/// device that was reset is noticed by the next event under one of their ids.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use bs2_events::biostar_x::virtual_devices::NewVirtualDevice;
/// use bs2_events::biostar_x::{BiostarX, BiostarXOptions, VirtualDeviceId};
/// use bs2_events::collect::Collector;
/// use bs2_events::sink::biostar_x::BiostarXSink;
/// use bs2_events::tls::Trust;
/// # use bs2_events::sim::{Simulator, biostar_x::BiostarXServer};
///
/// # #[tokio::main]
/// # async fn main() -> bs2_events::Result<()> {
/// # let server = BiostarXServer::start("users=100000".parse()?).await?;
/// # let options = BiostarXOptions::new(server.url()).with_credentials("admin", "simulated");
/// # let options = options.with_trust(Trust::pin(server.certificate_pem()));
/// # let devices = bs2_events::device::Client::new(Simulator::new("backlog=50")?.backend()).devices().await?;
/// # let folder = std::env::temp_dir().join(format!("bs2-doc-sink-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let file = folder.join("gate.state");
/// let client = BiostarX::new(options)?;
/// let gate = VirtualDeviceId::new(100_001)?;
/// client.ensure_virtual_device(&NewVirtualDevice::new(gate, "Main gate")).await?;
/// let sink = Arc::new(BiostarXSink::new(client, gate, &file)?);
/// let report = Collector::new(sink.clone()).with_devices(devices).run_once().await;
/// assert!(report.is_complete());
/// println!("not imported: {}", sink.summary().await.unmapped);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok(())
/// # }
/// ```
pub struct BiostarXSink {
    client: BiostarX,
    device: VirtualDeviceId,
    import: ImportOptions,
    path: PathBuf,
    state: Mutex<State>,
    lock: File,
    closed: AtomicBool,
}

/// The options of a [`BiostarXSink`].
///
/// As a URL: that of [`BiostarXOptions`] with two more settings, `virtual-device=100001` and `state=FILE`. Without
/// `state` the file is `biostar-x-HOST-ID.state` in the current folder.
///
/// # Examples
///
/// ```
/// use bs2_events::sink::biostar_x::BiostarXSinkOptions;
///
/// let text = "biostar-x://192.0.2.10?virtual-device=100001&state=gate.state&user=operator&pin=server.pem";
/// let options: BiostarXSinkOptions = text.parse()?;
/// assert_eq!(options.virtual_device().get(), 100_001);
/// assert_eq!(options.to_string(), text);
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct BiostarXSinkOptions {
    server: BiostarXOptions,
    device: VirtualDeviceId,
    state: Option<PathBuf>,
}

/// What a [`BiostarXSink`] brought to the server and what not, since its state file was made.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Events that are on the server.
    pub imported: u64,
    /// Events that cannot be imported, by reason.
    pub unmapped: UnmappedCount,
    /// Events that the server rejected.
    pub refused: Vec<RefusedEvent>,
}

/// An event that the server rejected.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RefusedEvent {
    /// The device.
    pub device: DeviceId,
    /// The epoch of its id counter.
    pub epoch: u32,
    /// The event's id.
    pub id: u32,
    /// The server's code, such as 201 for an unknown user; empty where it gave none.
    pub code: String,
}

impl BiostarXSink {
    /// Opens the sink for a URL such as `biostar-x://192.0.2.10?virtual-device=100001&user=operator`; see
    /// [`BiostarXSinkOptions`]. Sends nothing.
    ///
    /// # Errors
    ///
    /// Those of [`BiostarX::new`] and [`new`](Self::new).
    pub fn open(url: &str) -> Result<Self> {
        url.parse::<BiostarXSinkOptions>()?.open()
    }

    /// The sink with this client and state file, which is made if it is missing. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) while another sink has the state file,
    /// [`InvalidInput`](ErrorKind::InvalidInput) where it belongs to another server or virtual device,
    /// [`InvalidData`](ErrorKind::InvalidData) where it cannot be read, [`Storage`](ErrorKind::Storage) where the file
    /// system fails.
    pub fn new(client: BiostarX, device: VirtualDeviceId, state: impl AsRef<Path>) -> Result<Self> {
        let path = state.as_ref().to_owned();
        let mut lock = path.clone().into_os_string();
        lock.push(".lock");
        let lock = File::create(lock).map_err(|error| state::storage(&path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("another program uses the state file `{}`", path.display());
                return Err(Error::new(ErrorKind::Busy, message));
            }
            Err(TryLockError::Error(error)) => return Err(state::storage(&path, error)),
        }
        let state = Mutex::new(State::open(&path, &client.server(), device)?);
        // The collector retries. It has to learn at once that the server fails.
        let import = ImportOptions::default().with_patience(Duration::ZERO);
        Ok(Self { client, device, import, path, state, lock, closed: AtomicBool::new(false) })
    }

    /// Sets how batches are imported. By default a failure is returned at once, because the collector retries.
    #[must_use]
    pub fn with_import_options(self, options: ImportOptions) -> Self {
        Self { import: options, ..self }
    }

    /// What was brought to the server, and what could not be.
    pub async fn summary(&self) -> Summary {
        self.state.lock().await.summary()
    }

    /// The summary since this sink was opened.
    pub async fn summary_of_run(&self) -> Summary {
        self.state.lock().await.summary_of_run()
    }

    /// The state, when the batch that was being sent is finished.
    async fn settled(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock().await;
        if self.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        if let Some(pending) = state.pending() {
            let mut import = self.import(&state, &pending)?.resumed();
            import.run(&self.import, |_| ()).await?;
            self.finish(&mut state, &pending, &import)?;
        }
        Ok(state)
    }

    fn import(&self, state: &State, pending: &Pending) -> Result<Import> {
        let events = pending.mapped().map(|(_, event)| event).collect();
        Ok(self.client.import(self.device, events)?.after(state.others_on_server(pending)))
    }

    /// Records a batch of which every event is confirmed or rejected.
    fn finish(&self, state: &mut State, pending: &Pending, import: &Import) -> Result<Stored> {
        let mut refused = Vec::new();
        for ((id, _), status) in pending.mapped().zip(import.statuses()) {
            match status {
                ImportStatus::Confirmed => {}
                ImportStatus::Rejected(error) => refused.push((id, code(error))),
                ImportStatus::Unknown { .. } | ImportStatus::Pending { .. } => {
                    let message = "the server has not confirmed every event of the batch";
                    return Err(Error::new(ErrorKind::TimedOut, message));
                }
            }
        }
        let mut next = state.clone();
        let stored = next.finish(pending, refused)?;
        next.save(&self.path)?;
        *state = next;
        Ok(stored)
    }
}

impl BiostarXSinkOptions {
    /// Options for a virtual device of this server.
    pub const fn new(server: BiostarXOptions, device: VirtualDeviceId) -> Self {
        Self { server, device, state: None }
    }

    /// Sets the state file.
    pub fn with_state(self, path: impl Into<PathBuf>) -> Self {
        Self { state: Some(path.into()), ..self }
    }

    /// Opens the sink. Sends nothing.
    ///
    /// # Errors
    ///
    /// Those of [`BiostarX::new`] and [`BiostarXSink::new`].
    pub fn open(&self) -> Result<BiostarXSink> {
        BiostarXSink::new(BiostarX::new(self.server.clone())?, self.device, self.state())
    }

    /// The virtual device.
    #[must_use]
    pub const fn virtual_device(&self) -> VirtualDeviceId {
        self.device
    }

    /// The server's `HOST` or `HOST:PORT`.
    #[must_use]
    pub fn host(&self) -> String {
        let url = self.server.server_url();
        let host = url.split_once("//").map_or("", |(_, rest)| rest);
        host.split('/').next().unwrap_or_default().to_owned()
    }

    /// The state file.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| {
            let plain: String = self
                .host()
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
                .collect();
            PathBuf::from(format!("biostar-x-{plain}-{}.state", self.device))
        })
    }
}

impl FromStr for BiostarXSinkOptions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let url = Url::parse(text)?;
        let mut names = BiostarXOptions::NAMES.to_vec();
        names.extend(["state", "virtual-device"]);
        names.sort_unstable();
        let settings = parse_settings(&url, &names)?;
        let Some(device) = settings.text("virtual-device")? else {
            return Err(invalid("setting `virtual-device` is missing: virtual-device=100001 is expected"));
        };
        let server = BiostarXOptions::from_settings(&url, &settings)?;
        Ok(Self { server, device: device.parse()?, state: settings.file("state")? })
    }
}

/// As [`FromStr`] reads it, without the password.
impl fmt::Display for BiostarXSinkOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = SettingsText::new(self.server.server_url())
            .with("virtual-device", self.device)
            .with_some("state", self.state.as_ref().map(|path| path.display()));
        self.server.write(text).fmt(f)
    }
}

#[async_trait]
impl Sink for BiostarXSink {
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>> {
        Ok(self.settled().await?.epochs().resume(device.id))
    }

    async fn resume_epoch(&self, device: DeviceId, epoch: u32) -> Result<Option<ResumePoint>> {
        let state = self.settled().await?;
        Ok(state.epochs().get(device, epoch).and_then(|epoch| epoch.resume_point()))
    }

    async fn store(&self, batch: Batch) -> Result<Stored> {
        let mut state = self.settled().await?;
        batch.check()?;
        let (mut pending, repeated) = state.new_of(batch);
        let mut import = self.import(&state, &pending)?;
        if state.may_have_forgotten(&pending) {
            pending = pending.with_before(import.already_there().await?);
            import = self.import(&state, &pending)?;
        }
        if !import.is_empty() {
            // From here on, whatever happens, the file knows what may be on the server.
            let mut next = state.clone();
            next.begin(pending.clone());
            next.save(&self.path)?;
            *state = next;
            import.run(&self.import, |_| ()).await?;
        }
        let stored = self.finish(&mut state, &pending, &import)?;
        Ok(Stored { repeated, ..stored })
    }

    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>> {
        Ok(self.settled().await?.epochs().event(device, epoch, id))
    }

    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>> {
        Ok(self.settled().await?.epochs().gaps(device))
    }

    async fn close(&self) -> Result<()> {
        // Waits for the call that is under way. A batch that is not confirmed stays in the file.
        let state = self.state.lock().await;
        if self.closed.swap(true, Ordering::SeqCst) {
            return Err(closed());
        }
        drop(state);
        self.lock.unlock().map_err(|error| state::storage(&self.path, error))
    }
}

impl fmt::Debug for BiostarXSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BiostarXSink")
            .field("client", &self.client)
            .field("device", &self.device)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the BioStar X sink is closed")
}

/// The server's code; empty where it gave none.
fn code(error: &Error) -> String {
    error.http().and_then(HttpError::code).unwrap_or_default().to_owned()
}

/// The events of a batch that can be imported, with their ids.
impl Pending {
    fn mapped(&self) -> impl Iterator<Item = (u32, ImportEvent)> {
        self.events().filter_map(|event| Some((event.id(), ImportEvent::try_from(event).ok()?)))
    }
}
