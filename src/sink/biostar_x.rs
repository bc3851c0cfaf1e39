//! A BioStar X server as a destination: authentications of devices become events of a virtual device.

mod journal;
mod state;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, MutexGuard};

use super::{Batch, Gap, ResumePoint, Sink, Stored};
use crate::biostar_x::import::ImportStatus;
use crate::biostar_x::{BiostarX, BiostarXOptions, Import, ImportOptions, VirtualDeviceId, parse_settings};
use crate::codec::{DeviceId, Event};
use crate::device::DeviceInfo;
use crate::error::invalid;
use crate::settings::{SettingsText, Url};
use crate::sync::lock;
use crate::{Error, ErrorKind, HttpError, Result, files};
use journal::storage;
use state::{Group, State};
pub use state::{RefusedEvent, Summary};

/// A virtual device of a BioStar X server that receives every authentication of the devices once.
///
/// An event is imported as granted or denied, by its code. An event that is not an authentication, or names no person,
/// cannot be imported: it is counted ([`summary`](Self::summary)) and counts as stored. So does an event that the server
/// rejects, mostly because it does not know the person.
///
/// # How each event arrives once
///
/// The server confirms a request as a whole and does not notice a repeated one. So a batch is written into the state file
/// before it is sent. A batch that is still there without its end, after a lost answer or in a new process, is looked up
/// on the server before the rest of it is sent. An event of another device that looks the same is told apart: the state
/// file keeps or counts the events of the batch's seconds, or, where it does not any more, they are looked up before the
/// batch is sent. One thing cannot be seen: an event that another program adds meanwhile with the same virtual device,
/// person, verdict and second. Let nothing else write to the virtual device.
///
/// # Many devices
///
/// Batches that wait while others are sent go together, up to 5 000 events: they share requests, one sync of the state
/// file, and, where the server fails, the error.
///
/// # The state file
///
/// Only its owner may read it. It is locked by `FILE.lock` while a sink has it. Each line is a checksum (CRC-32 of the
/// rest of the line, 8 hexadecimal digits), a space, and a JSON object. The first object is a snapshot:
///
/// | key | |
/// |---|---|
/// | `format` | 2 |
/// | `server`, `virtual_device` | what the state belongs to |
/// | `readers` | a list of objects with `device`, `epoch`, `first`, `watermark`, `gaps` (`[from, to, reason]`), `events` |
/// | `looks` | counts of imported events that are not in `events` any more, by second, person and verdict |
/// | `forgotten` | the first and the last second of those that are not counted any more |
/// | `imported` | how many events are on the server |
/// | `refused` | `[device, epoch, event id, code]` of each event that the server rejected |
/// | `unmapped` | how many events could not be imported, by reason |
///
/// The others are changes. `finished` ends the batches that were being sent, with what the server rejected of them;
/// `begun` has the next `batches`, with the keys of `readers`, and `before`: events on the server that look like one of
/// theirs, `[granted, person, second, key]`. A last line that is incomplete counts as never written. When the changes are
/// longer than the snapshot, a new snapshot replaces the file. A file of the first edition, format 1, is read; the first
/// change replaces it.
///
/// `events` are records of 48 bytes in base64: the oldest and the newest 128 of each epoch, and those outside the
/// watermark. [`event`](Sink::event) returns only these: a device that was reset is noticed by the next event under one
/// of their ids.
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
    /// The batches of calls that wait for the state, oldest first.
    waiting: StdMutex<Vec<Arc<Waiting>>>,
    /// Persons that the server did not know when it was last asked.
    unknown_persons: StdMutex<HashSet<String>>,
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
        let lock = files::open_locked(lock).map_err(|error| storage(&path, error))?;
        let state = Mutex::new(State::open(&path, &client.server(), device)?);
        // The collector retries. It has to learn soon that the server fails. A page that fails now and then is read again.
        let client = client.with_read_patience(READS);
        let import = ImportOptions::default().with_patience(Duration::ZERO);
        let (waiting, unknown_persons, closed) = Default::default();
        Ok(Self { client, device, import, path, state, waiting, unknown_persons, lock, closed })
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

    /// The state, when the batches that were being sent are finished.
    async fn settled(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock().await;
        self.settle(&mut state).await?;
        Ok(state)
    }

    async fn settle(&self, state: &mut State) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        let Some(group) = state.group() else { return Ok(()) };
        let import = self.import(&group)?.resumed().after(state.others_on_server(&group));
        self.finish(state, &group, import).await.map(drop)
    }

    /// Stores the batches that wait, as many as go together, and gives each its result.
    async fn store_waiting(&self, state: &mut State) {
        let settled = self.settle(state).await;
        let mut waiting = lock(&self.waiting).clone();
        let results = match settled {
            Ok(()) => {
                let mut taken = BTreeSet::new();
                let mut events: usize = 0;
                // The first one goes in any case.
                waiting.retain(|waiting| {
                    let batch = &waiting.batch;
                    let is_first = taken.is_empty();
                    events = events.saturating_add(batch.events.len());
                    (is_first || events <= GROUP) && taken.insert((batch.device, batch.epoch))
                });
                self.store_group(state, &waiting).await
            }
            Err(error) => Err(error),
        };
        for waiting in &waiting {
            let key = (waiting.batch.device, waiting.batch.epoch);
            let stored = results.as_ref().map(|stored| stored.get(&key).copied().unwrap_or_default());
            *lock(&waiting.result) = Some(stored.map_err(Clone::clone));
        }
        lock(&self.waiting).retain(|waiting| lock(&waiting.result).is_none());
    }

    /// Stores batches of different devices and epochs together.
    async fn store_group(
        &self,
        state: &mut State,
        batches: &[Arc<Waiting>],
    ) -> Result<HashMap<(DeviceId, u32), Stored>> {
        let (mut group, mut outcomes) = (Group::default(), HashMap::new());
        for waiting in batches {
            let (batch, repeated) = state.new_of(waiting.batch.clone());
            outcomes.insert((batch.device, batch.epoch), Stored { new: 0, repeated });
            group.push(batch);
        }
        let older = state.older_than_kept(&group);
        if !older.is_empty() {
            group = group.with_before(self.client.import(self.device, older)?.already_there().await?);
        }
        let mut import = self.import(&group)?;
        state.begin(group.clone())?;
        let sent = import.send(&self.import).await;
        if !import.is_complete() {
            import = import.after(state.others_on_server(&group));
        }
        if let Err(error) = sent
            && !self.import.is_patient()
        {
            // A server that cannot be searched either is the greater trouble.
            return import.look_up(&self.import).await.and(Err(error));
        }
        for (device, epoch, stored) in self.finish(state, &group, import).await? {
            if let Some(outcome) = outcomes.get_mut(&(device, epoch)) {
                outcome.new = stored.new;
            }
        }
        Ok(outcomes)
    }

    fn import(&self, group: &Group) -> Result<Import> {
        let import = self.client.import(self.device, group.mapped().collect())?;
        Ok(import.with_suspects(&lock(&self.unknown_persons)))
    }

    /// Imports what is not confirmed or rejected yet, and records the group.
    async fn finish(
        &self,
        state: &mut State,
        group: &Group,
        mut import: Import,
    ) -> Result<Vec<(DeviceId, u32, Stored)>> {
        import.run(&self.import, |_| ()).await?;
        import.update_suspects(&mut lock(&self.unknown_persons));
        let mut refused = Vec::new();
        for ((device, epoch, id), status) in group.mapped_ids().zip(import.statuses()) {
            match status {
                ImportStatus::Confirmed => {}
                ImportStatus::Rejected(error) => refused.push((device.get(), epoch, id, code(error))),
                ImportStatus::Unknown { .. } | ImportStatus::Pending { .. } => {
                    let message = "the server has not confirmed every event of the batch";
                    return Err(Error::new(ErrorKind::TimedOut, message));
                }
            }
        }
        state.finish(refused)
    }
}

/// A call that waits for its batch to be stored.
struct Waiting {
    batch: Batch,
    result: StdMutex<Option<Result<Stored>>>,
}

/// The place of a call among those that wait. A call that is dropped leaves it.
struct Place<'a> {
    waiting: &'a StdMutex<Vec<Arc<Waiting>>>,
    own: Arc<Waiting>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(self.waiting).retain(|other| !Arc::ptr_eq(other, &self.own));
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
        batch.check()?;
        let own = Arc::new(Waiting { batch, result: StdMutex::default() });
        lock(&self.waiting).push(Arc::clone(&own));
        let place = Place { waiting: &self.waiting, own };
        let mut state = self.state.lock().await;
        loop {
            // Another call may have stored it. If not, this one stores what waits, itself included.
            if let Some(result) = lock(&place.own.result).take() {
                return result;
            }
            self.store_waiting(&mut state).await;
        }
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
        let synced = state.sync();
        drop(state);
        self.lock.unlock().map_err(|error| storage(&self.path, error))?;
        synced
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

/// So many events go together at most, unless one batch has more.
const GROUP: usize = 5_000;
/// How long a read of the server is retried.
const READS: Duration = Duration::from_secs(4);
