//! `bs2 watch`: events as they happen.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::codec::DeviceId;
use bs2_events::device::{Live, Subscription};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;

use crate::device_id::device_id;
use crate::output::Output;
use crate::retry::retried;
use crate::runtime::{self, Interrupt};
use crate::source::Source;

/// Print events as they happen, until Ctrl-C
///
/// What is lost on the way is told on stderr; bs2 collect is the verb that loses nothing. Simulated readers make 5 events
/// a second unless their setting `rate` says otherwise; with rate=0 there is nothing to see. User ids and card data
/// appear with --json only.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Watch {
    /// Where the readers are
    source: String,
    /// A reader's number; may be given several times; all readers if missing
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
    pub(crate) fn run(&self) -> Result<ExitCode> {
        runtime::block_on(self.watch())
    }

    async fn watch(&self) -> Result<ExitCode> {
        let source = Source::open_live(&self.source)?;
        let devices = self.choose(&source).await?;
        let mut interrupt = Interrupt::new()?;
        tokio::select! {
            result = self.print(&source, &devices) => result?,
            () = runtime::over(self.time) => {}
            () = interrupt.next() => {}
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn choose(&self, source: &Source) -> Result<Vec<DeviceId>> {
        if self.devices.is_empty() {
            return Ok(source.devices().await?.iter().map(|device| device.id()).collect());
        }
        let mut devices = Vec::new();
        for id in &self.devices {
            devices.push(source.device(Some(*id)).await?.id());
        }
        devices.sort_unstable();
        devices.dedup();
        Ok(devices)
    }

    /// Ends when so many events are printed as were asked for.
    async fn print(&self, source: &Source, devices: &[DeviceId]) -> Result<()> {
        let mut live: Subscription = retried(|| source.client().subscribe(devices)).await?;
        source.start()?;
        let mut output = Output::new();
        let mut printed = 0;
        while self.max != Some(printed) {
            let Some(item) = live.next().await else {
                return Err(Error::new(ErrorKind::Disconnected, "the readers report nothing any more"));
            };
            match item {
                Live::Event { event, .. } => {
                    output.event(&event, self.json)?;
                    output.flush()?;
                    printed += 1;
                }
                Live::Lagged { device, missed } => {
                    note(device, &format!("{missed} events were lost here: too slow"))
                }
                Live::Resumed { device } => {
                    note(device, "connected again; what happened meanwhile is in the log")
                }
                // What a later client tells beside these is no event.
                _ => {}
            }
        }
        Ok(())
    }
}

fn note(device: DeviceId, text: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "bs2: device {device}: {text}");
}

const AFTER_HELP: &str = "\
Examples:
  bs2 watch 'sim:devices=3&rate=2'
  bs2 watch sim:devices=3 --device 541000001 --max 10 --json

Sources: sim:SETTINGS, see bs2 sim --help; sdk:LIBRARY?SETTINGS and gateway://HOST?SETTINGS, see bs2 collect
--help.";
