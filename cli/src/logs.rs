//! `bs2 logs`: a device's log.

use std::process::ExitCode;

use bs2_events::Result;
use bs2_events::codec::{DeviceId, Event};
use clap::Args;

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
        let (mut after, mut left) = (self.after, self.max);
        while left != Some(0) {
            let wanted = left.map_or(PAGE, |left| left.min(PAGE));
            let page = retried(|| device.logs(after, wanted)).await?;
            let Some(last) = page.last().map(Event::id) else { break };
            for event in page.iter() {
                output.event(event, page.extras_of(event.id()), self.json)?;
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

A device gateway may add extras to an event, such as the card of a user. They follow the event in its line. With --json
they are `extras` in the event's object: `subjects`, `temperature`, `job_code`.";
