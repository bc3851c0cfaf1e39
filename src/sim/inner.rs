//! What all handles of a simulator share.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::device::SimDevice;
use super::device_state::Origin;
use super::generator::GeneratorContext;
use super::ground_truth::Outputs;
use super::history::History;
use super::journal::{StateFile, histories};
use super::options::SimOptions;
use super::recorded_log::{RecordedLog, RecordedLogs};
use super::rng::SeededRng;
use crate::codec::DeviceId;
use crate::codec::capture::CaptureError;
use crate::codec::sdk_code::SdkCode;
use crate::sync::lock;
use crate::{Error, ErrorKind, Result};

pub(super) struct Inner {
    pub(super) options: SimOptions,
    /// Ascending by id.
    pub(super) devices: Box<[SimDevice]>,
    pub(super) outputs: Outputs,
    ticker: Mutex<Ticker>,
    /// How many backends were made.
    pub(super) backends: AtomicU64,
    /// The record inside which a replayed capture ends.
    pub(super) replay_cut: Option<CaptureError>,
    /// Whether the events have a clock byte.
    pub(super) has_clock: bool,
}

impl Inner {
    /// Devices by options, with the history that a file has of them.
    /// Fails as `Simulator::with_options` and `Simulator::with_state`.
    pub(super) fn new(mut options: SimOptions, state: Option<&Path>) -> Result<Self> {
        options.check()?;
        let (state_file, text) = match state {
            Some(path) => {
                let (file, text) = StateFile::open(path, &mut options)?;
                (Some(file), text)
            }
            None => (None, None),
        };
        let context = GeneratorContext::new(&options)?;
        let RecordedLogs { devices: recorded, order, cut, lacks_clock } =
            options.replay.as_ref().map_or_else(|| Ok(RecordedLogs::default()), RecordedLogs::read)?;
        let origins = origins(&options, recorded)?;
        let ids: Vec<_> = origins.iter().map(|(device, _)| *device).collect();
        let kept = text.as_ref().map(|text| histories(text, &ids)).transpose()?;
        let backlog = options.backlog();
        let new = |origin: &Origin| {
            let made = if matches!(origin, Origin::Generated(_)) { backlog.into() } else { 0 };
            History { made, entries: Vec::new() }
        };
        let devices: Box<[_]> = (0..)
            .zip(origins)
            .map(|(position, (device, origin))| {
                let history = kept.as_ref().and_then(|kept| kept.get(position).cloned());
                let history = history.unwrap_or_else(|| new(&origin));
                SimDevice::new(&context, device, position, origin, backlog, &history)
            })
            .collect();
        match (&state_file, &text) {
            (Some(file), Some(text)) => file.resume(text)?,
            (Some(file), None) => {
                let made: Vec<_> =
                    devices.iter().map(|device| (device.device(), device.lock().state.made())).collect();
                file.begin(&options, &made)?;
            }
            (None, _) => {}
        }
        let rng = SeededRng::new(options.seed, TICKER_STREAM);
        let rows = if options.replay_live { waiting_rows(&order, &devices) } else { VecDeque::new() };
        Ok(Self {
            devices,
            outputs: Outputs { ground_truth: OnceLock::new(), state_file },
            ticker: Mutex::new(Ticker { rng, rows, run: 0, task: None, is_stopped: false }),
            backends: AtomicU64::new(0),
            replay_cut: cut,
            has_clock: !lacks_clock,
            options,
        })
    }

    /// The position of a device among all.
    /// Fails with [`ErrorKind::NotFound`] where no device has this id.
    pub(super) fn position(&self, device: DeviceId) -> Result<usize> {
        self.devices.binary_search_by_key(&device, SimDevice::device).map_err(|_| {
            Error::from_sdk_code(NO_SUCH_DEVICE, "no simulated device has this id").with_device(device)
        })
    }

    /// Starts to make live events, unless that is so already.
    /// Fails with [`ErrorKind::Other`] outside a tokio runtime.
    pub(super) fn start(self: &Arc<Self>) -> Result<()> {
        let mut ticker = lock(&self.ticker);
        ticker.is_stopped = false;
        ticker.start(self)
    }

    /// The same for a subscription: where live events were stopped, they stay stopped.
    pub(super) fn start_unless_stopped(self: &Arc<Self>) -> Result<()> {
        let mut ticker = lock(&self.ticker);
        if ticker.is_stopped { Ok(()) } else { ticker.start(self) }
    }

    pub(super) fn stop(&self) {
        let mut ticker = lock(&self.ticker);
        ticker.is_stopped = true;
        ticker.run += 1;
        if let Some(task) = ticker.task.take() {
            task.abort();
        }
    }

    /// Makes the events that are due; `false` where the task was stopped. A call to stop waits for the lock that is
    /// held here.
    fn make_until(&self, due: u128, made: &mut u128, run: u64) -> bool {
        let mut ticker = lock(&self.ticker);
        if ticker.run != run {
            return false;
        }
        while *made < due {
            let Some(device) = self.next_device(&mut ticker) else { return false };
            // A recorded device refuses where a test was faster.
            let _ = device.make(&self.outputs);
            *made += 1;
        }
        drop(ticker);
        // A killed process leaves a ground truth that is nearly complete. The next flush reports a failure.
        let _ = self.outputs.flush_truth();
        true
    }

    /// The device at which something happens next: any of the generated ones, or that of the next recorded row. `None`
    /// where there is neither.
    fn next_device(&self, ticker: &mut Ticker) -> Option<&SimDevice> {
        let generated = self.options.generated_devices();
        let recorded = if ticker.rows.is_empty() { 0 } else { self.devices.len() as u32 - generated };
        let index = ticker.rng.below(generated + recorded);
        if index < generated {
            return self.devices.get(self.position(DeviceId::new(FIRST_DEVICE + index)).ok()?);
        }
        self.devices.get(ticker.rows.pop_front()?)
    }
}

/// Makes live events happen at a rate.
struct Ticker {
    rng: SeededRng,
    /// The positions of the devices whose recorded rows are still to happen, in their order.
    rows: VecDeque<usize>,
    /// The run of the current task. A task that was stopped finds another number, and ends.
    run: u64,
    task: Option<AbortHandle>,
    is_stopped: bool,
}

impl Ticker {
    fn start(&mut self, inner: &Arc<Inner>) -> Result<()> {
        let rate = inner.options.rate;
        if rate == 0 || self.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return Ok(());
        }
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::Other, "live events need a tokio runtime").with_source(error)
        })?;
        self.task = Some(runtime.spawn(tick(Arc::downgrade(inner), rate, self.run)).abort_handle());
        Ok(())
    }
}

async fn tick(inner: Weak<Inner>, rate: u32, run: u64) {
    // One event a tick, unless that would be more than a hundred ticks a second.
    let mut ticks = interval(SHORTEST_TICK.max(Duration::from_secs(1) / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let begun = Instant::now();
    let mut made = 0;
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        let due = begun.elapsed().as_millis() * u128::from(rate) / 1_000;
        if !inner.make_until(due, &mut made, run) {
            return;
        }
    }
}

/// The position of the device of each row that has not happened yet, in the order of the rows.
fn waiting_rows(order: &[DeviceId], devices: &[SimDevice]) -> VecDeque<usize> {
    let mut made: Vec<_> = devices.iter().map(|device| device.lock().state.made()).collect();
    let position = |device: &DeviceId| devices.binary_search_by_key(device, SimDevice::device).ok();
    let is_waiting = move |position: &usize| {
        let has_happened = made[*position] > 0;
        made[*position] = made[*position].saturating_sub(1);
        !has_happened
    };
    order.iter().filter_map(position).filter(is_waiting).collect()
}

/// The devices, ascending by id, and where their events come from.
fn origins(
    options: &SimOptions,
    recorded: BTreeMap<DeviceId, RecordedLog>,
) -> Result<Vec<(DeviceId, Origin)>> {
    let mut origins: Vec<_> = (0..options.generated_devices())
        .map(|index| (DeviceId::new(FIRST_DEVICE + index), Origin::Generated(index)))
        .collect();
    if let Some((device, _)) = origins.iter().find(|(device, _)| recorded.contains_key(device)) {
        let message = "setting `replay`: a recorded device has the id of a generated one";
        return Err(Error::new(ErrorKind::InvalidInput, message).with_device(*device));
    }
    origins.extend(recorded.into_iter().map(|(device, log)| (device, Origin::Recorded(log.into()))));
    origins.sort_by_key(|(device, _)| *device);
    Ok(origins)
}

const NO_SUCH_DEVICE: SdkCode = SdkCode::new(-907);
/// Not the id in the bundled log.
const FIRST_DEVICE: u32 = 541_000_001;
const SHORTEST_TICK: Duration = Duration::from_millis(10);
/// Not the stream of any device.
const TICKER_STREAM: u64 = u64::MAX - 1;
