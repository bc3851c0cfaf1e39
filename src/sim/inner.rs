//! What all hands on a simulator share: the readers, and where they write down what happens.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::connection::NO_SUCH_DEVICE;
use super::device::SimDevice;
use super::device_state::Origin;
use super::generator::world::World;
use super::ground_truth::GroundTruth;
use super::journal::{Journal, pasts};
use super::options::SimOptions;
use super::recorded_log::{Recorded, Replay, replay};
use super::ticker::Ticker;
use crate::codec::DeviceId;
use crate::codec::capture::CaptureError;
use crate::{Error, ErrorKind, Result};

pub(super) struct Inner {
    pub(super) settings: SimOptions,
    /// Ascending by number.
    pub(super) readers: Box<[SimDevice]>,
    pub(super) books: Books,
    pub(super) pulse: Mutex<Ticker>,
    pub(super) doors: AtomicU64,
    /// The record inside which a replayed capture ends.
    pub(super) cut: Option<CaptureError>,
}

/// Where the readers write down what happens, beside their logs.
pub(super) struct Books {
    pub(super) truth: OnceLock<Mutex<GroundTruth>>,
    pub(super) journal: Option<Journal>,
}

impl Inner {
    /// Readers by settings, with the past that a file has of them.
    ///
    /// # Errors
    ///
    /// As `Simulator::with_options` and `Simulator::with_state`.
    pub(super) fn new(mut settings: SimOptions, state: Option<&Path>) -> Result<Self> {
        settings.check()?;
        let (journal, past) = match state {
            Some(path) => {
                let (journal, past) = Journal::open(path, &mut settings)?;
                (Some(journal), past)
            }
            None => (None, None),
        };
        let world = World::new(&settings)?;
        let Replay { readers: replayed, cut } =
            settings.replay.as_ref().map_or_else(|| Ok(Replay::default()), replay)?;
        let origins = origins(&settings, replayed)?;
        let devices: Vec<_> = origins.iter().map(|(device, _)| *device).collect();
        let mut pasts = past.map(|text| pasts(&text, &devices)).transpose()?.map(Vec::into_iter);
        let readers: Box<[_]> = (0..)
            .zip(origins)
            .map(|(index, (device, origin))| {
                let past = pasts.as_mut().and_then(Iterator::next);
                SimDevice::new(&world, &settings, device, index, origin, past)
            })
            .collect();
        if let Some(journal) = &journal {
            if pasts.is_some() {
                journal.resume()?;
            } else {
                let made: Vec<_> =
                    readers.iter().map(|reader| (reader.device(), reader.lock().life.made())).collect();
                journal.begin(&settings, &made)?;
            }
        }
        Ok(Self {
            readers,
            books: Books { truth: OnceLock::new(), journal },
            pulse: Mutex::new(Ticker::new(settings.seed)),
            doors: AtomicU64::new(0),
            cut,
            settings,
        })
    }

    /// Where this reader stands among all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is none with this number.
    pub(super) fn position(&self, device: DeviceId) -> Result<usize> {
        self.readers.binary_search_by_key(&device, SimDevice::device).map_err(|_| {
            Error::from_sdk_code(NO_SUCH_DEVICE, "there is no such simulated reader").with_device(device)
        })
    }

    /// # Errors
    ///
    /// [`ErrorKind::Storage`] for the first line that could not be written.
    pub(super) fn flush_truth(&self) -> Result<()> {
        match self.books.truth.get() {
            Some(truth) => truth.lock().unwrap_or_else(PoisonError::into_inner).flush(),
            None => Ok(()),
        }
    }
}

impl Books {
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] where the state file could not be written.
    pub(super) fn check(&self) -> Result<()> {
        self.journal.as_ref().map_or(Ok(()), Journal::check)
    }
}

/// The readers, ascending by number, and where their events come from.
fn origins(settings: &SimOptions, replayed: BTreeMap<DeviceId, Recorded>) -> Result<Vec<(DeviceId, Origin)>> {
    let mut origins: Vec<_> = (0..settings.office_readers())
        .map(|index| (DeviceId::new(FIRST_DEVICE + index), Origin::EventGenerator(index)))
        .collect();
    if let Some((device, _)) = origins.iter().find(|(device, _)| replayed.contains_key(device)) {
        let message = "setting `replay`: the file has the number of a simulated reader";
        return Err(Error::new(ErrorKind::InvalidInput, message).with_device(*device));
    }
    origins.extend(replayed.into_iter().map(|(device, recorded)| (device, Origin::Replay(recorded.into()))));
    origins.sort_by_key(|(device, _)| *device);
    Ok(origins)
}

/// Clear of the number in the bundled log.
const FIRST_DEVICE: u32 = 541_000_001;
