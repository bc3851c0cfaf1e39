//! A BioStar X server as a destination: authentications of readers become events of a virtual device.

mod account;
mod state;

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio::sync::{Mutex, MutexGuard};

use super::{Batch, Gap, ResumePoint, Sink, Stored};
use crate::biostar_x::{Client, Fate, Import, ImportEvent, UnmappedCount, VirtualDeviceId};
use crate::codec::{DeviceId, Event};
use crate::device::DeviceInfo;
use crate::{Error, ErrorKind, HttpError, Result};
use state::{Pending, State};

/// A virtual device of a BioStar X server, which gets every authentication of the readers once.
///
/// An event is imported as granted or denied, as its code says. One that is no authentication, or names nobody, cannot
/// be imported: it is counted ([`summary`](Self::summary)) and done with. So is one that the server refuses, mostly
/// because it does not know the person.
///
/// # How each event arrives once
///
/// The server confirms a request as a whole and does not notice a repeated one. So a batch is written into the state
/// file before it is sent, and taken out when it is confirmed. A batch that is found there, after a lost answer or in a
/// new process, is looked for on the server by search before the rest of it is sent. An event that looks the same and
/// came from another reader is told apart: those of a batch's seconds are in the account, or, where they are kept no
/// more, are looked up before the batch is sent. What nobody can see: an event that another program adds meanwhile with
/// the same virtual device, person, verdict and second. Let nothing else write to the virtual device.
///
/// # The state file
///
/// One JSON object, replaced as a whole (written beside, synced, renamed), and locked by `FILE.lock` while a sink has it:
///
/// | key | |
/// |---|---|
/// | `format` | 1 |
/// | `server`, `virtual_device` | what the state belongs to |
/// | `readers` | a list of objects with `device`, `epoch`, `first`, `watermark`, `gaps` (`[from, to, reason]`), `events` |
/// | `pending` | the batch that is being sent: the same keys; `null` for none |
/// | `before` | what was on the server before `pending` and looks like one of its events: `[granted, person, second, key]` |
/// | `forgotten` | the first and the last second of what was imported and is not in `events` any more |
/// | `imported` | how many events are on the server |
/// | `refused` | `[device, epoch, event id, code]` of each event that the server refused |
/// | `unmapped` | how many events could not be imported, by reason |
///
/// `events` are records of 48 bytes in base64: the oldest and the newest 128 of each epoch, and those outside the
/// watermark. They hold user ids, so nobody else may read the file. [`event`](Sink::event) knows these alone: of a
/// reader that is reset after more than that, the next one under a known id tells.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::{Client, NewVirtualDevice, VirtualDeviceId};
/// use bs2_events::collect::Collector;
/// use bs2_events::sink::biostar_x::BiostarXSink;
/// # use bs2_events::sim::{Simulator, biostar_x::Server};
///
/// # #[tokio::main]
/// # async fn main() -> bs2_events::Result<()> {
/// # let server = Server::start("users=100000".parse()?).await?;
/// # let client = Client::builder(&server.url())
/// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
/// # let devices = bs2_events::device::Client::new(Simulator::new("backlog=50")?.backend()).devices().await?;
/// # let folder = std::env::temp_dir().join(format!("bs2-doc-sink-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let file = folder.join("gate.state");
/// let gate = VirtualDeviceId::new(100_001)?;
/// client.create_virtual_device(&NewVirtualDevice::new(gate, "Main gate")).await?;
/// let sink = std::sync::Arc::new(BiostarXSink::open(client, gate, &file)?);
/// let report = Collector::new(sink.clone()).with_devices(devices).run_once().await;
/// assert!(report.is_complete());
/// println!("not imported: {}", sink.summary().await.unmapped);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok(())
/// # }
/// ```
pub struct BiostarXSink {
    client: Client,
    device: VirtualDeviceId,
    path: PathBuf,
    state: Mutex<State>,
    lock: File,
    closed: AtomicBool,
}

/// What a [`BiostarXSink`] brought to the server and what not, since its state file was made.
///
/// # Examples
///
/// ```
/// use bs2_events::sink::biostar_x::Summary;
///
/// assert!(Summary::default().refused.is_empty());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Events that are on the server.
    pub imported: u64,
    /// Events that cannot be imported, by reason.
    pub unmapped: UnmappedCount,
    /// Events that the server refused.
    pub refused: Vec<RefusedEvent>,
}

/// An event that the server refused.
///
/// # Examples
///
/// ```
/// # use bs2_events::sink::biostar_x::RefusedEvent;
/// fn tell(event: &RefusedEvent) {
///     println!("event {} of {}: code {}", event.id, event.device, event.code);
/// }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RefusedEvent {
    /// The reader.
    pub device: DeviceId,
    /// The life of its id counter.
    pub epoch: u32,
    /// The event's id.
    pub id: u32,
    /// The server's code, such as 201 for an unknown user; empty where it gave none.
    pub code: String,
}

impl BiostarXSink {
    /// Opens the sink, or makes its state file. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) while another sink has the state file,
    /// [`InvalidInput`](ErrorKind::InvalidInput) where it belongs to another server or virtual device,
    /// [`InvalidData`](ErrorKind::InvalidData) where it cannot be read, [`Storage`](ErrorKind::Storage) where the file
    /// system fails.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{biostar_x::{Client, VirtualDeviceId}, sink::biostar_x::BiostarXSink, ErrorKind};
    /// # let client = Client::builder("https://192.0.2.10").danger_accept_any_certificate().build()?;
    /// # let folder = std::env::temp_dir().join(format!("bs2-doc-open-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// let file = folder.join("gate.state");
    /// let sink = BiostarXSink::open(client.clone(), VirtualDeviceId::MIN, &file)?;
    /// let error = BiostarXSink::open(client, VirtualDeviceId::MIN, &file).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Busy);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn open(client: Client, device: VirtualDeviceId, state: impl AsRef<Path>) -> Result<Self> {
        let path = state.as_ref().to_owned();
        let mut lock = path.clone().into_os_string();
        lock.push(".lock");
        let lock = File::create(lock).map_err(|error| state::storage(&path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("state file `{}` is held by another program", path.display());
                return Err(Error::new(ErrorKind::Busy, message));
            }
            Err(TryLockError::Error(error)) => return Err(state::storage(&path, error)),
        }
        let state = Mutex::new(State::open(&path, &client.server(), device)?);
        Ok(Self { client, device, path, state, lock, closed: AtomicBool::new(false) })
    }

    /// What was brought to the server, and what could not be.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sink::biostar_x::BiostarXSink;
    /// async fn tell(sink: &BiostarXSink) {
    ///     let summary = sink.summary().await;
    ///     println!("{} events cannot be imported: {}", summary.unmapped.total(), summary.unmapped);
    /// }
    /// ```
    pub async fn summary(&self) -> Summary {
        self.state.lock().await.summary()
    }

    /// The same since this sink was opened.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sink::biostar_x::BiostarXSink;
    /// async fn tell(sink: &BiostarXSink) {
    ///     println!("{} events imported in this run", sink.summary_of_run().await.imported);
    /// }
    /// ```
    pub async fn summary_of_run(&self) -> Summary {
        self.state.lock().await.summary_of_run()
    }

    /// The state, without a batch that is still under way.
    async fn settled(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock().await;
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, "the BioStar X sink is closed"));
        }
        if let Some(pending) = state.pending() {
            let mut import = self.import(&state, &pending)?.resumed();
            import.reconcile().await?;
            self.finish(&mut state, &pending, &import)?;
        }
        Ok(state)
    }

    fn import(&self, state: &State, pending: &Pending) -> Result<Import> {
        let events = pending.mapped().map(|(_, event)| event).collect();
        Ok(self.client.import(self.device, events)?.after(state.beside(pending)))
    }

    /// Takes a batch of which every event is certain or refused into the account.
    fn finish(&self, state: &mut State, pending: &Pending, import: &Import) -> Result<Stored> {
        let mut refused = Vec::new();
        for ((id, _), fate) in pending.mapped().zip(import.fates()) {
            match fate {
                Fate::Certain => {}
                Fate::Refused(error) => refused.push((id, code(error))),
                _ => {
                    let message = "the server has not confirmed every event of the batch";
                    return Err(Error::new(ErrorKind::TimedOut, message));
                }
            }
        }
        let mut next = state.clone();
        let stored = next.finish(pending, refused);
        next.save(&self.path)?;
        *state = next;
        Ok(stored)
    }
}

#[async_trait]
impl Sink for BiostarXSink {
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>> {
        Ok(self.settled().await?.resume(device.id))
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
            // From here on, whatever happens, the file says what may be on the server.
            let mut next = state.clone();
            next.begin(pending.clone());
            next.save(&self.path)?;
            *state = next;
            import.send().await?;
            if import.count().unknown > 0 {
                import.reconcile().await?;
            }
        }
        let stored = self.finish(&mut state, &pending, &import)?;
        Ok(Stored { repeated, ..stored })
    }

    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>> {
        Ok(self.settled().await?.event(device, epoch, id))
    }

    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>> {
        Ok(self.settled().await?.gaps(device))
    }

    async fn close(&self) -> Result<()> {
        // What is under way ends first. A batch that is still unconfirmed stays in the file.
        let state = self.state.lock().await;
        if self.closed.swap(true, Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, "the BioStar X sink is closed"));
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

/// The server's code; empty where it gave none.
fn code(error: &Error) -> String {
    error.http().and_then(HttpError::code).unwrap_or_default().to_owned()
}

/// What of a batch can be imported, with the ids of its events.
impl Pending {
    fn mapped(&self) -> impl Iterator<Item = (u32, ImportEvent)> {
        self.events().filter_map(|event| Some((event.id(), ImportEvent::try_from(event).ok()?)))
    }
}
