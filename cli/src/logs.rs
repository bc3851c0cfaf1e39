//! `bs2 logs`: a device's log.

use std::process::ExitCode;

use bs2_events::Result;
use bs2_events::codec::{DeviceId, Event, LoggedEvent};
use clap::Args;

use crate::blob_extras::{BlobExtras, combined};
use crate::runtime::retried;
use crate::source::{Source, device_id};
use crate::stdio::Output;

/// Print the log of a device, by id, each event once
///
/// Nothing is stored, and nothing on the device changes. User ids and card data appear with --json only.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Logs {
    /// Where the device is
    source: String,
    /// The device's number; may be left out if there is only one
    #[arg(long, value_name = "ID", value_parser = device_id())]
    device: Option<DeviceId>,
    /// Begin with the first event that has a greater id
    #[arg(long, value_name = "ID", default_value_t = 0)]
    after: u32,
    /// End after so many events; the whole log if missing
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    max: Option<u32>,
    /// Print one JSON object a line, as bs2 decode does
    #[arg(long)]
    json: bool,
}

impl Logs {
    pub(crate) async fn run(&self) -> Result<ExitCode> {
        let source = Source::open(&self.source)?;
        let device = source.device(self.device).await?;
        let mut output = Output::new();
        let mut blob_extras = BlobExtras::new(device.clone(), self.json);
        let (mut after, mut left) = (self.after, self.max);
        while left != Some(0) {
            let wanted = left.map_or(PAGE, |left| left.min(PAGE));
            let page = retried(|| device.logs(after, wanted)).await?;
            let Some(last) = page.last().map(Event::id) else { break };
            let more = blob_extras.read(after, last, page.len()).await?;
            for event in page.iter() {
                let extras = combined(page.extras_of(event.id()), more.get(&event.id()));
                let logged = LoggedEvent::new(device.id(), event).with_clock(device.has_clock());
                output.event(&logged.with_extras(extras.as_deref()), self.json)?;
            }
            output.flush()?;
            after = last;
            left = left.map(|left| left - u32::try_from(page.len()).map_or(left, |len| len.min(left)));
        }
        Ok(ExitCode::SUCCESS)
    }
}

const PAGE: u32 = 2_048;

const AFTER_HELP: &str = "\
Examples:
  bs2 logs sim:replay=bundled
  bs2 logs 'sim:devices=4&backlog=5000' --device 541000002 --after 4000 --max 10 --json

Sources: sim:SETTINGS, see bs2 sim --help; sdk:LIBRARY?SETTINGS and gateway://HOST?SETTINGS, see bs2 collect
--help.

The device of a line is the one whose log has the event. If a slave of it saw the event, the line ends with its number.
With --json these are `device_id` and `source_device_id`. `temperature` (degrees Celsius) and `job_code` are there if
the device has them. A device gateway may add further subjects to an event, such as the card of a user; they follow the
event in its line, and are `subjects` of `extras` with --json. Over a gateway the UTC offset and daylight saving are not
known; then `utc_offset_minutes` and `dst` are missing.";
