//! Simulated readers: the device client's world without hardware.
//!
//! A [`Simulator`] holds readers of an office in which people come and go, and gives them to a
//! [`Client`](crate::device::Client) as a [`Backend`]. Each reader has a ring of events with an id counter, takes
//! pictures, can be cleared, reset, disconnected and set to another time ([`Reader`]), and goes wrong on demand
//! ([`Faults`]). A reader can also replay a log that was written down.
//!
//! # The same seed, the same bytes
//!
//! The n-th event of a reader depends on the seed and the settings alone: not on the other readers, on what goes
//! wrong, on who reads, or on the day. So what one run stored, another run with the same seed completes, and
//! [`Simulator::write_truth_to`] can tell what a ring has long overwritten.
//!
//! # Examples
//!
//! ```
//! use bs2_events::device::Client;
//! use bs2_events::sim::Simulator;
//!
//! # async fn example() -> bs2_events::Result<()> {
//! let simulator = Simulator::new("devices=2&backlog=500&seed=7")?;
//! let client = Client::new(simulator.backend());
//! for device in client.devices().await? {
//!     println!("{}: {}", device.id(), device.log(500).await?.code());
//! }
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use crate::codec::capture::CaptureError;
use crate::codec::{DeviceId, Event};
use crate::device::Backend;
use crate::{Error, ErrorKind, Result};

mod backend;
#[cfg(feature = "sim-servers")]
pub mod biostar_x;
mod connection;
mod device;
mod device_state;
mod extras;
mod faults;
#[cfg(feature = "sim-servers")]
pub mod gateway;
mod generator;
mod ground_truth;
mod inner;
mod journal;
mod log;
mod options;
mod options_text;
mod picture;
mod recorded_log;
mod rng;
mod subscriber;
mod ticker;

#[cfg(feature = "sim-servers")]
pub use crate::tls::certificates::Certificates;
pub use device::Reader;
pub use faults::Faults;
pub use options::{ReplaySource, SimOptions, Start};

use backend::SimBackend;
use device::SimDevice;
use ground_truth::GroundTruth;
use inner::Inner;

/// Readers in memory. Cheap to clone; clones share everything.
///
/// Readers of the office have the numbers from 541 000 001 on.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
/// use bs2_events::sim::Simulator;
///
/// let simulator = Simulator::new("devices=2&backlog=10")?;
/// let ids = simulator.device_ids();
/// assert_eq!(ids, [DeviceId::new(541_000_001), DeviceId::new(541_000_002)]);
/// assert_eq!(simulator.make_event(ids[0])?.id(), 11);
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone)]
pub struct Simulator {
    shared: Arc<Inner>,
}

impl Simulator {
    /// Readers by settings in text, such as `devices=4&backlog=1000&seed=7`; see [`SimOptions`].
    ///
    /// # Errors
    ///
    /// As [`with_options`](Self::with_options).
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// let simulator = Simulator::new("replay=bundled")?;
    /// assert_eq!(simulator.device_ids().len(), 1);
    ///
    /// let error = Simulator::new("devices=0").unwrap_err();
    /// assert_eq!(error.to_string(), "setting `devices`: `0` is no number from 1 to 100000");
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn new(settings: &str) -> Result<Self> {
        Self::with_options(settings.parse()?)
    }

    /// Readers by settings.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a setting out of its range. For a replayed file
    /// [`NotFound`](ErrorKind::NotFound), [`PermissionDenied`](ErrorKind::PermissionDenied) or
    /// [`Storage`](ErrorKind::Storage) when it cannot be read, [`InvalidData`](ErrorKind::InvalidData) when its rows
    /// are none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{SimOptions, Simulator};
    /// let simulator = Simulator::with_options(SimOptions::default().with_devices(3))?;
    /// assert_eq!(simulator.device_ids().len(), 3);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn with_options(settings: SimOptions) -> Result<Self> {
        Self::make(settings, None)
    }

    /// Readers whose life is kept in a file: logs, id counters, clocks and image filters. A simulator that is made
    /// with the same file goes on where the last one ended, also one that was killed, and never gives an id to two
    /// different events. What an event is depends on the settings, so they must be the same again; `rate`, `faults`
    /// and how answers are given may change.
    ///
    /// Everything is in the file before anybody hears of it. It is not synced to the disk: a power cut may lose the
    /// end. One simulator uses a file at a time.
    ///
    /// # Errors
    ///
    /// As [`with_options`](Self::with_options), and for the file [`Storage`](ErrorKind::Storage) or
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) when it cannot be read and written,
    /// [`Busy`](ErrorKind::Busy) when it is in use, [`InvalidData`](ErrorKind::InvalidData) when it is no such file,
    /// and [`InvalidInput`](ErrorKind::InvalidInput) when it was made with other settings.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::{SimOptions, Simulator};
    /// # let folder = std::env::temp_dir().join(format!("bs2-sim-state-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// let path = folder.join("readers.state");
    /// let simulator = Simulator::with_state(SimOptions::default().with_backlog(10), &path)?;
    /// let device = simulator.device_ids()[0];
    /// assert_eq!(simulator.make_event(device)?.id(), 11);
    /// drop(simulator);
    ///
    /// let simulator = Simulator::with_state(SimOptions::default().with_backlog(10), &path)?;
    /// assert_eq!(simulator.make_event(device)?.id(), 12);
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn with_state(settings: SimOptions, path: impl AsRef<Path>) -> Result<Self> {
        Self::make(settings, Some(path.as_ref()))
    }

    /// The record inside which the replayed capture ends, and which is left out: it was still being written, or its
    /// writer was stopped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// assert_eq!(Simulator::new("replay=bundled")?.replay_cut(), None);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn replay_cut(&self) -> Option<CaptureError> {
        self.shared.cut
    }

    fn make(settings: SimOptions, state: Option<&Path>) -> Result<Self> {
        Ok(Self { shared: Arc::new(Inner::new(settings, state)?) })
    }

    /// A way to the readers, with connections of its own: closing it leaves the simulator and other ways as they are.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let simulator = Simulator::new("devices=1")?;
    /// Client::new(simulator.backend()).close().await?;
    /// assert_eq!(Client::new(simulator.backend()).devices().await?.len(), 1);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(SimBackend::new(Arc::clone(&self.shared), self.next_door()))
    }

    fn next_door(&self) -> u64 {
        self.shared.doors.fetch_add(1, Ordering::Relaxed)
    }

    /// The numbers of all readers, ascending.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// assert_eq!(Simulator::new("devices=3")?.device_ids().len(), 3);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn device_ids(&self) -> Vec<DeviceId> {
        self.shared.readers.iter().map(SimDevice::device).collect()
    }

    /// The hand on one reader.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) for a number that no reader has.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, sim::Simulator, ErrorKind};
    /// let simulator = Simulator::new("devices=1&backlog=5")?;
    /// assert_eq!(simulator.reader(simulator.device_ids()[0])?.len(), 5);
    /// assert_eq!(simulator.reader(DeviceId::new(9)).unwrap_err().kind(), ErrorKind::NotFound);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn reader(&self, device: DeviceId) -> Result<Reader> {
        Ok(Reader::new(Arc::clone(&self.shared), self.shared.position(device)?))
    }

    /// One more event of the office at this reader: it is stored, and reported live.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) for a number that no reader has, [`Unsupported`](ErrorKind::Unsupported) for
    /// a reader that replays a file.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{sim::Simulator, ErrorKind};
    /// let simulator = Simulator::new("devices=1&backlog=7")?;
    /// assert_eq!(simulator.make_event(simulator.device_ids()[0])?.id(), 8);
    ///
    /// let replayed = Simulator::new("replay=bundled")?;
    /// let error = replayed.make_event(replayed.device_ids()[0]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Unsupported);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn make_event(&self, device: DeviceId) -> Result<Event> {
        self.shared.readers[self.shared.position(device)?].make(&self.shared.books)
    }

    /// Starts the life of the office: from now on events happen at the rate of the settings, here and there. At a
    /// rate of 0, and while it runs already, this does nothing.
    ///
    /// Time is tokio's time, so a test may pause it. The life ends with [`stop`](Self::stop), with the runtime, and
    /// with the simulator.
    ///
    /// # Errors
    ///
    /// [`Other`](ErrorKind::Other) outside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::device::{Client, Live};
    /// use bs2_events::sim::Simulator;
    ///
    /// # async fn example() -> bs2_events::Result<()> {
    /// let simulator = Simulator::new("devices=2&rate=100")?;
    /// let mut live = Client::new(simulator.backend()).subscribe(&simulator.device_ids()).await?;
    /// simulator.start()?;
    /// assert!(matches!(live.next().await, Some(Live::Event { .. })));
    /// simulator.stop();
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub fn start(&self) -> Result<()> {
        ticker::start(&self.shared)
    }

    /// Ends the life of the office: once this has returned nothing happens by itself any more.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// let simulator = Simulator::new("devices=1&rate=10")?;
    /// simulator.stop(); // It was never started, which is fine.
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn stop(&self) {
        self.shared.pulse.lock().unwrap_or_else(PoisonError::into_inner).stop();
    }

    /// Writes down every event that ever happened and will happen, also those that a ring has overwritten: a line
    /// `device_id epoch event_id hex` each, separated by tabs, where `hex` is the 48 bytes.
    ///
    /// The epoch counts the lives of a reader's id counter from 0: it rises when ids begin again. Lines of one reader
    /// are in its order. Rows that a replayed file repeats are written once.
    ///
    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) when what happened up to now cannot be written;
    /// [`flush_truth`](Self::flush_truth) reports what goes wrong later. [`InvalidInput`](ErrorKind::InvalidInput)
    /// when the truth is written already.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// let simulator = Simulator::new("devices=2&backlog=10")?;
    /// simulator.write_truth_to(std::io::sink())?;
    /// simulator.make_event(simulator.device_ids()[0])?;
    /// simulator.flush_truth()?;
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn write_truth_to(&self, writer: impl Write + Send + 'static) -> Result<()> {
        let truth = Mutex::new(GroundTruth::new(Box::new(writer)));
        if self.shared.books.truth.set(truth).is_err() {
            return Err(Error::new(ErrorKind::InvalidInput, "the truth is written already"));
        }
        for reader in &self.shared.readers {
            reader.retell(&self.shared.books);
        }
        self.flush_truth()
    }

    /// Says whether everything is in the file of [`with_state`](Self::with_state); without one nothing is missing.
    ///
    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) once the file could not be written. From then on the readers report nothing and
    /// every call to them fails so.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// Simulator::new("devices=1")?.check_state()?;
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn check_state(&self) -> Result<()> {
        self.shared.books.check()
    }

    /// Hands to the writer of the truth what still waits; without one it does nothing.
    ///
    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) for the first line that could not be written, at every call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// let simulator = Simulator::new("devices=1&backlog=5")?;
    /// simulator.write_truth_to(std::io::sink())?;
    /// simulator.flush_truth()?;
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn flush_truth(&self) -> Result<()> {
        self.shared.flush_truth()
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}
