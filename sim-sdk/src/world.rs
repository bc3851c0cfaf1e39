//! The readers themselves: they outlive contexts, as real ones do.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bs2_events::codec::DeviceId;
use bs2_events::sim::{SimOptions, Simulator};
use bs2_events::{Error, ErrorKind, Result};

use crate::boundary::lock;
use crate::records::{DstConfig, SystemConfig};
use crate::settings::Settings;

/// The simulator, and what programs have set at its readers.
pub(crate) struct World {
    pub(crate) simulator: Simulator,
    /// Ascending.
    pub(crate) readers: Vec<DeviceId>,
    pub(crate) set: Mutex<BTreeMap<DeviceId, Set>>,
}

/// Configurations that were set at one reader.
#[derive(Clone, Default)]
pub(crate) struct Set {
    pub(crate) system: Option<Box<SystemConfig>>,
    pub(crate) dst: Option<DstConfig>,
}

impl World {
    /// The readers of these settings: those that there are, unless the settings have changed.
    ///
    /// # Errors
    ///
    /// As [`Simulator::with_options`] and [`Simulator::write_truth_to`].
    pub(crate) fn open(settings: &Settings) -> Result<Arc<Self>> {
        let key = (settings.readers.clone(), settings.truth.clone());
        let mut current = lock(&CURRENT);
        if let Some((_, world)) = current.as_ref().filter(|(of, _)| *of == key) {
            return Ok(Arc::clone(world));
        }
        let simulator = Simulator::with_options(key.0.clone())?;
        if let Some(path) = &key.1 {
            let file = File::create(path).map_err(|error| {
                Error::new(ErrorKind::Storage, format!("cannot create `{}`", path.display()))
                    .with_source(error)
            })?;
            simulator.write_truth_to(file)?;
        }
        let world = Arc::new(Self { readers: simulator.device_ids(), simulator, set: Mutex::default() });
        *current = Some((key, Arc::clone(&world)));
        Ok(world)
    }

    /// Where a reader is reached.
    pub(crate) fn address(&self, device: DeviceId) -> Option<(Ipv4Addr, u16)> {
        let index = self.readers.binary_search(&device).ok()?;
        let host = u8::try_from(index / READERS_AN_ADDRESS + 1).ok()?;
        let port = u16::try_from(index % READERS_AN_ADDRESS).ok()?.checked_add(FIRST_PORT)?;
        Some((Ipv4Addr::new(127, 0, 0, host), port))
    }

    /// The readers at an address.
    pub(crate) fn readers_at(&self, host: Ipv4Addr) -> &[DeviceId] {
        let [127, 0, 0, number] = host.octets() else { return &[] };
        let Some(index) = usize::from(number).checked_sub(1) else { return &[] };
        let first = index * READERS_AN_ADDRESS;
        let rest = self.readers.get(first..).unwrap_or_default();
        rest.get(..READERS_AN_ADDRESS).unwrap_or(rest)
    }

    /// The reader at an address and port.
    pub(crate) fn reader_at(&self, host: Ipv4Addr, port: u16) -> Option<DeviceId> {
        self.readers_at(host).get(usize::from(port.checked_sub(FIRST_PORT)?)).copied()
    }
}

type Key = (SimOptions, Option<PathBuf>);

static CURRENT: Mutex<Option<(Key, Arc<World>)>> = Mutex::new(None);

const FIRST_PORT: u16 = 51_211;
const READERS_AN_ADDRESS: usize = 10_000;
