//! The simulated devices. They outlive contexts, as real devices do.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bs2_events::Result;
use bs2_events::codec::DeviceId;
use bs2_events::sim::{SimOptions, Simulator, create_truth_file};

use crate::ffi::lock;
use crate::records::{DstConfig, SystemConfig};
use crate::settings::Settings;

/// The simulator, and the configurations of its devices.
pub(crate) struct Simulation {
    pub(crate) simulator: Simulator,
    /// Ascending.
    pub(crate) devices: Vec<DeviceId>,
    pub(crate) configs: Mutex<BTreeMap<DeviceId, Configs>>,
}

/// The configurations that a program has set at a device.
#[derive(Clone, Default)]
pub(crate) struct Configs {
    pub(crate) system: Option<Box<SystemConfig>>,
    pub(crate) dst: Option<DstConfig>,
}

impl Simulation {
    /// The simulation with these settings: the existing one, unless the settings have changed.
    ///
    /// # Errors
    ///
    /// As [`Simulator::with_options`] and [`Simulator::write_truth_to`].
    pub(crate) fn open(settings: &Settings) -> Result<Arc<Self>> {
        let key = (settings.devices.clone(), settings.truth.clone());
        let mut current = lock(&CURRENT);
        if let Some((_, simulation)) = current.as_ref().filter(|(of, _)| *of == key) {
            return Ok(Arc::clone(simulation));
        }
        let simulator = Simulator::with_options(key.0.clone())?;
        if let Some(path) = &key.1 {
            simulator.write_truth_to(create_truth_file(path)?)?;
        }
        let devices = simulator.device_ids();
        let simulation = Arc::new(Self { devices, simulator, configs: Mutex::default() });
        *current = Some((key, Arc::clone(&simulation)));
        Ok(simulation)
    }

    /// The address and port of a device.
    pub(crate) fn address(&self, device: DeviceId) -> Option<(Ipv4Addr, u16)> {
        let index = self.devices.binary_search(&device).ok()?;
        let host = u8::try_from(index / DEVICES_PER_ADDRESS + 1).ok()?;
        let port = u16::try_from(index % DEVICES_PER_ADDRESS).ok()?.checked_add(FIRST_PORT)?;
        Some((Ipv4Addr::new(127, 0, 0, host), port))
    }

    /// The devices at an address.
    pub(crate) fn devices_at(&self, host: Ipv4Addr) -> &[DeviceId] {
        let [127, 0, 0, number] = host.octets() else { return &[] };
        let Some(index) = usize::from(number).checked_sub(1) else { return &[] };
        let first = index * DEVICES_PER_ADDRESS;
        let rest = self.devices.get(first..).unwrap_or_default();
        rest.get(..DEVICES_PER_ADDRESS).unwrap_or(rest)
    }

    /// The device at an address and port.
    pub(crate) fn device_at(&self, host: Ipv4Addr, port: u16) -> Option<DeviceId> {
        self.devices_at(host).get(usize::from(port.checked_sub(FIRST_PORT)?)).copied()
    }
}

type Key = (SimOptions, Option<PathBuf>);

static CURRENT: Mutex<Option<(Key, Arc<Simulation>)>> = Mutex::new(None);

const FIRST_PORT: u16 = 51_211;
const DEVICES_PER_ADDRESS: usize = 10_000;
