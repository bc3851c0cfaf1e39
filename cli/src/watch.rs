//! `bs2 watch`: events as they happen.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::mem;
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::codec::{DeviceId, Event, LoggedEvent};
use bs2_events::device::{Device, Live, Subscription};
use bs2_events::{Error, ErrorKind, Result, RetryPolicy};
use clap::Args;

use crate::blob_extras::{BlobExtras, combined};
use crate::runtime::{self, Interrupt};
use crate::source::{Source, device_id};
use crate::stdio::{self, Output, count};

/// Print events as they happen, until Ctrl-C
///
/// Notes on stderr say which events are lost on the way; bs2 collect loses none. A device that cannot be reached is tried
/// again. Simulated devices make 5 events a second, or as many as their setting `rate` says. User ids and card data
/// appear with --json only.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Watch {
    /// Where the devices are
    source: String,
    /// A device's number; may be given several times; all devices if missing
    #[arg(long = "device", value_name = "ID", value_parser = device_id())]
    devices: Vec<DeviceId>,
    /// Print one JSON object a line, as bs2 decode does
    #[arg(long)]
    json: bool,
    /// End after this time, such as 20s, 5m or 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = runtime::duration)]
    time: Option<Duration>,
    /// End after so many events
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
}

impl Watch {
    pub(crate) async fn run(&self) -> Result<ExitCode> {
        let mut interrupt = Interrupt::new()?;
        // `None` until the subscription begins.
        let mut unreached = None;
        tokio::select! {
            result = self.print(&mut unreached) => return result.map(|()| ExitCode::SUCCESS),
            () = runtime::over(self.time) => {}
            () = interrupt.next() => {}
        }
        match unreached {
            Some(unreached) if unreached.is_empty() => Ok(ExitCode::SUCCESS),
            _ => Err(Error::new(ErrorKind::Disconnected, "ended before every device could be reached")),
        }
    }

    /// Prints events until `--max` of them are printed. Keeps the devices in `unreached` that have not been connected.
    async fn print(&self, unreached: &mut Option<BTreeSet<DeviceId>>) -> Result<()> {
        let source = Source::open_live(&self.source)?;
        let devices = self.choose(&source).await?;
        // The first subscription would start the simulated events before the last device is subscribed.
        source.stop();
        let mut live = subscribe(&source, &devices).await?;
        let unreached = unreached.insert(BTreeSet::new());
        for error in live.unreached() {
            note_retry(error);
            unreached.extend(error.device());
        }
        source.start()?;
        let (mut output, mut seen) = (Output::new(), Seen::default());
        // A gateway reports no job codes live, and reading its log for each event would cost it two calls.
        let wants_blobs = self.json && !self.source.starts_with("gateway:");
        let mut blob_extras = BTreeMap::new();
        let mut printed = 0;
        while self.max != Some(printed) {
            let Some(item) = live.next().await else {
                return Err(Error::new(ErrorKind::Disconnected, "the devices send no events any more"));
            };
            let device = item.device();
            match item {
                Live::Event { event, extras, .. } => {
                    if !seen.insert(device, &event) {
                        continue;
                    }
                    let device = source.client().device(device);
                    let blobs = blob_extras
                        .entry(device.id())
                        .or_insert_with(|| BlobExtras::new(device.clone(), wants_blobs));
                    // A job code belongs to a time-and-attendance key.
                    let more =
                        if event.tna_key().is_some() { blobs.read_now(event.id()).await } else { None };
                    let extras = combined(extras.as_deref(), more.as_ref());
                    let logged = LoggedEvent::new(device.id(), &event).with_clock(device.has_clock());
                    output.event(&logged.with_extras(extras.as_deref()), self.json)?;
                    output.flush()?;
                    printed += 1;
                }
                Live::Lagged { missed, .. } => {
                    let events = count(missed, "event");
                    note(device, &format!("{events} lost here; the log of the device may still have them"));
                }
                Live::Resumed { .. } => {
                    unreached.remove(&device);
                    note(device, "connected again; what happened meanwhile is in the log");
                }
                // Items of a later version are not events.
                _ => {}
            }
        }
        Ok(())
    }

    /// The chosen devices, or all.
    async fn choose(&self, source: &Source) -> Result<Vec<DeviceId>> {
        if self.devices.is_empty() {
            let devices = source.devices().await?;
            if devices.is_empty() {
                let message = "there is no device to watch: name one in the source with `device=`";
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            return Ok(devices.iter().map(Device::id).collect());
        }
        let devices: BTreeSet<_> = self.devices.iter().copied().collect();
        for id in &devices {
            source.device(Some(*id)).await?;
        }
        Ok(devices.into_iter().collect())
    }
}

/// Subscribes to these devices. Tries again while none of them can be reached.
async fn subscribe(source: &Source, devices: &[DeviceId]) -> Result<Subscription> {
    let mut is_first = true;
    let may_help = |error: &Error| {
        let may_help = !matches!(error.kind(), ErrorKind::Closed | ErrorKind::Unsupported);
        if may_help && mem::take(&mut is_first) {
            note_retry(error);
        }
        may_help
    };
    RetryPolicy::default().retry(|| source.client().subscribe(devices), may_help).await
}

/// A bounded memory of events: a gateway that has connected a device twice reports each event twice.
#[derive(Default)]
struct Seen {
    events: HashMap<(DeviceId, u32), Event>,
    order: VecDeque<(DeviceId, u32)>,
}

impl Seen {
    /// Remembers an event; `false` if it was remembered already.
    fn insert(&mut self, device: DeviceId, event: &Event) -> bool {
        let key = (device, event.id());
        match self.events.insert(key, *event) {
            Some(known) => return !known.is_same_event(event),
            None => self.order.push_back(key),
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.events.remove(&oldest);
        }
        true
    }
}

fn note_retry(error: &Error) {
    match error.kind() {
        ErrorKind::Unsupported => stdio::report(error),
        _ => stdio::note(&format!("{}; it is tried again", stdio::sentence(error))),
    }
}

fn note(device: DeviceId, text: &str) {
    stdio::note(&format!("device {device}: {text}"));
}

/// More events than come between two reports of one event.
const REMEMBERED: usize = 4_096;

const AFTER_HELP: &str = "\
Examples:
  bs2 watch 'sim:devices=3&rate=2'
  bs2 watch sim:devices=3 --device 541000001 --max 10 --json

Sources: sim:SETTINGS, see bs2 sim --help; sdk:LIBRARY?SETTINGS and gateway://HOST?SETTINGS, see bs2 collect
--help.

An event that is reported twice is printed once. The device of a line is the one whose log has the event. If a slave of
it saw the event, the line ends with its number. With --json these are `device_id` and `source_device_id`. `temperature`
(degrees Celsius) and `job_code` are there if they are known; a gateway reports no job code live. A device gateway may
add further subjects to an event, such as the card of a user; they follow the event in its line, and are `subjects` of
`extras` with --json. Over a gateway the UTC offset and daylight saving are not known; then `utc_offset_minutes` and
`dst` are missing.";
