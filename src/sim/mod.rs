//! Simulated devices, for tests without hardware.
//!
//! A [`Simulator`] holds devices of a building in which people come and go, and gives them to a
//! [`Client`](crate::device::Client) as a [`Backend`]. A device has a ring of events with an id counter, takes pictures,
//! can be cleared, reset, disconnected and set to another time ([`Reader`]). It can also replay a recorded log.
//!
//! The devices themselves make no mistakes. A [`FaultInjector`] around any backend does: it drops, repeats and delays
//! events, loses connections and fails calls. [`SimOptions::with_faults`] puts one around the simulated devices.
//!
//! # Exactly the event that a test wants
//!
//! With `office=0` nothing happens by itself. [`Reader::push`] writes the event that a test wants, with the next id, and
//! reports it live; [`Reader::push_with`] adds what is beyond its 48 bytes, and [`Reader::set_time`] sets the clock
//! without an event.
//!
//! # Slaves
//!
//! With `slaves=N` each generated device has N further readers on its RS-485 line ([`Reader::slaves`]). They keep no
//! log. What people do there is in the log of their master, with ids of the master and the number of the slave in
//! [`Event::device_id`], and is reported live under the master.
//!
//! # The same seed gives the same events
//!
//! The n-th event of a device depends on the seed and the options alone: not on the other devices, on faults, on who
//! reads, or on the day. So a second run with the same seed completes what the first run stored, and
//! [`Simulator::write_truth_to`] knows what a ring has long overwritten.
//!
//! With [`Start::Now`] the seed decides what happens, and the machine's clock decides when.
//!
//! # Examples
//!
//! ```
//! use bs2_events::device::{Client, Live};
//! use bs2_events::sim::Simulator;
//!
//! # async fn example() -> bs2_events::Result<()> {
//! let simulator = Simulator::new("devices=2&backlog=500&rate=20&seed=7")?;
//! let client = Client::new(simulator.backend());
//! for device in client.devices().await? {
//!     println!("{}: {}", device.id(), device.log(500).await?.code());
//! }
//! // The first subscription starts the live events.
//! let mut live = client.subscribe(&simulator.device_ids()).await?;
//! assert!(matches!(live.next().await, Some(Live::Event { event, .. }) if event.id() == 501));
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::codec::capture::CaptureError;
use crate::codec::{DeviceId, Event};
use crate::device::backend::Backend;
use crate::{Error, ErrorKind, Result};

mod backend;
#[cfg(feature = "sim-servers")]
pub mod biostar_x;
mod connection;
mod device;
mod device_state;
mod event_log;
mod extras;
mod fault_injector;
#[cfg(feature = "sim-servers")]
pub mod gateway;
mod generator;
mod ground_truth;
mod history;
mod inner;
mod journal;
mod options;
mod profile;
mod reader;
mod recorded_log;
mod rng;
mod setting;

#[cfg(feature = "sim-servers")]
pub use crate::tls::certificates::Certificates;
pub use fault_injector::{FaultInjector, FaultOptions, Faults};
pub use ground_truth::create_truth_file;
pub use options::{ReplaySource, SimOptions, Start};
pub use profile::DeviceProfile;
pub use reader::Reader;

use backend::SimBackend;
use device::SimDevice;
use ground_truth::GroundTruth;
use inner::Inner;

/// Devices in memory. Cheap to clone; clones share everything.
///
/// Generated devices have the ids from 541 000 001 on.
///
/// Live events begin with the first subscription, at the `rate` of the options. [`start`](Self::start) and
/// [`stop`](Self::stop) control them; without `rate` only [`make_event`](Self::make_event) and [`Reader`] make events.
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
///
/// let error = Simulator::new("devices=0").unwrap_err();
/// assert_eq!(error.to_string(), "setting `devices`: `0` is not a number from 1 to 100000");
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

impl Simulator {
    /// Devices by options in text, such as `devices=4&backlog=1000&seed=7`; see [`SimOptions`].
    ///
    /// # Errors
    ///
    /// As [`with_options`](Self::with_options).
    pub fn new(options: &str) -> Result<Self> {
        Self::with_options(options.parse()?)
    }

    /// Devices by options.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for an option outside its range. For a replayed file
    /// [`NotFound`](ErrorKind::NotFound), [`PermissionDenied`](ErrorKind::PermissionDenied) or
    /// [`Storage`](ErrorKind::Storage) where it cannot be read, [`InvalidData`](ErrorKind::InvalidData) where it is
    /// neither a capture nor a file of rows.
    pub fn with_options(options: SimOptions) -> Result<Self> {
        Ok(Self { inner: Arc::new(Inner::new(options, None)?) })
    }

    /// Devices whose state is kept in a file: logs, id counters, clocks and image filters. A simulator that is made
    /// with the same file continues where the last one ended, also one that was killed, and never gives an id to two
    /// different events. The events depend on the options, so these must be the same again; `rate`, `faults`,
    /// `inclusive`, `page` and `queue` may change.
    ///
    /// Everything is in the file before anybody hears of it. It is not synced to the disk: a power cut may lose the
    /// end. One simulator uses a file at a time.
    ///
    /// # Errors
    ///
    /// As [`with_options`](Self::with_options), and for the file [`NotFound`](ErrorKind::NotFound) where its folder
    /// does not exist, [`Storage`](ErrorKind::Storage) or [`PermissionDenied`](ErrorKind::PermissionDenied) where it
    /// cannot be read and written, [`Busy`](ErrorKind::Busy) where it is in use,
    /// [`InvalidData`](ErrorKind::InvalidData) where it is no such file, and
    /// [`InvalidInput`](ErrorKind::InvalidInput) where it was made with other options.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::sim::{SimOptions, Simulator};
    ///
    /// # let folder = std::env::temp_dir().join(format!("bs2-sim-state-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// let path = folder.join("devices.state");
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
    pub fn with_state(options: SimOptions, path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { inner: Arc::new(Inner::new(options, Some(path.as_ref()))?) })
    }

    /// The record inside which the replayed capture ends, if it does: the capture is still written, or its writer was
    /// stopped. That record is left out.
    #[must_use]
    pub fn replay_cut(&self) -> Option<CaptureError> {
        self.inner.replay_cut
    }

    /// A backend with connections of its own: closing it leaves the simulator and other backends as they are. Where
    /// the options have faults, it is a [`FaultInjector`].
    #[must_use]
    pub fn backend(&self) -> Arc<dyn Backend> {
        self.make_backend(false)
    }

    fn make_backend(&self, is_gateway: bool) -> Arc<dyn Backend> {
        let number = self.inner.backends.fetch_add(1, Ordering::Relaxed);
        let backend = Arc::new(SimBackend::new(Arc::clone(&self.inner), number, is_gateway));
        let SimOptions { faults, seed, .. } = self.inner.options;
        if faults.is_empty() {
            return backend;
        }
        // A client that begins again must not meet the same faults at the same calls.
        let options = FaultOptions::new(faults).with_seed(seed.wrapping_add(number));
        Arc::new(FaultInjector::new(backend, options))
    }

    /// The ids of all devices, ascending.
    #[must_use]
    pub fn device_ids(&self) -> Vec<DeviceId> {
        self.inner.devices.iter().map(SimDevice::device).collect()
    }

    /// The handle on one device.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where no device has this id.
    pub fn reader(&self, device: DeviceId) -> Result<Reader> {
        Ok(Reader::new(Arc::clone(&self.inner), self.inner.position(device)?))
    }

    /// Makes the next event of a device: it is stored, and reported live.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where no device has this id, [`Unsupported`](ErrorKind::Unsupported) for a
    /// device of a recorded log.
    pub fn make_event(&self, device: DeviceId) -> Result<Event> {
        self.inner.devices[self.inner.position(device)?].make(&self.inner.outputs)
    }

    /// Starts the live events now, also without a subscription, and again after [`stop`](Self::stop). At a rate of 0,
    /// and while they happen already, this does nothing.
    ///
    /// Time is tokio's time, so a test may pause it. Live events end with [`stop`](Self::stop), with the runtime, and
    /// with the simulator.
    ///
    /// # Errors
    ///
    /// [`Other`](ErrorKind::Other) outside a tokio runtime.
    pub fn start(&self) -> Result<()> {
        self.inner.start()
    }

    /// Stops the live events. Once this has returned, no event happens by itself; later subscriptions do not start
    /// them again.
    pub fn stop(&self) {
        self.inner.stop();
    }

    /// Writes every event that ever happened and will happen, also those that a ring has overwritten: a line
    /// `device_id epoch event_id hex` each, separated by tabs, where `hex` is the 48 bytes. [`create_truth_file`] makes a
    /// file for it.
    ///
    /// The epoch counts from 0; it rises when ids begin again. Lines of one device are in its order. Rows that a
    /// recorded log repeats are written once.
    ///
    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) where what happened up to now cannot be written;
    /// [`flush_truth`](Self::flush_truth) reports later failures. [`InvalidInput`](ErrorKind::InvalidInput) where the
    /// ground truth is written already.
    pub fn write_truth_to(&self, writer: impl Write + Send + 'static) -> Result<()> {
        let truth = Mutex::new(GroundTruth::new(Box::new(writer)));
        if self.inner.outputs.ground_truth.set(truth).is_err() {
            return Err(Error::new(ErrorKind::InvalidInput, "the ground truth is written already"));
        }
        for device in &self.inner.devices {
            device.write_truth(&self.inner.outputs);
        }
        self.flush_truth()
    }

    /// Whether everything is in the file of [`with_state`](Self::with_state); without a file nothing is missing.
    ///
    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) once the file could not be written. From then on the devices report nothing,
    /// and every call to them fails.
    pub fn check_state(&self) -> Result<()> {
        self.inner.outputs.check()
    }

    /// Passes what is buffered to the writer of [`write_truth_to`](Self::write_truth_to); without one it does nothing.
    ///
    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) for the first line that could not be written, at every call.
    pub fn flush_truth(&self) -> Result<()> {
        self.inner.outputs.flush_truth()
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("options", &self.inner.options).finish_non_exhaustive()
    }
}
