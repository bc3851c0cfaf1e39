//! `bs2 sim`: simulated readers, shown, and behind the doors that programs use.

mod biostar_x;
mod gateway;

use std::path::PathBuf;
use std::process::ExitCode;
use std::slice;
use std::time::Duration;

use bs2_events::sim::Reader;
use bs2_events::{Error, ErrorKind, Result};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::output::Output;
use crate::retry::retried;
use crate::runtime::{self, Interrupt};
use crate::source::Source;
use crate::table::{count, table};
use crate::truth;

/// Show the simulated readers of a source, and what they have
///
/// With --for they live for that time first, until Ctrl-C at the latest; they make 5 events a second unless the setting
/// `rate` says otherwise.
#[derive(Args)]
#[command(after_help = AFTER_HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Sim {
    #[command(subcommand)]
    server: Option<Simulated>,
    /// The readers: sim: and settings joined by &
    #[arg(default_value = "sim:")]
    source: String,
    /// Let the readers live for this long, such as 20s, 5m or 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = runtime::duration)]
    time: Option<Duration>,
    /// Write every event that the readers ever made: lines of device_id, epoch, event_id and hex
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
}

/// What is simulated beside readers.
#[derive(Subcommand)]
enum Simulated {
    #[command(name = "biostar-x")]
    BiostarX(Box<biostar_x::BiostarX>),
    Gateway(Box<gateway::Gateway>),
}

impl Sim {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match &self.server {
            Some(Simulated::BiostarX(verb)) => verb.run(),
            Some(Simulated::Gateway(verb)) => verb.run(),
            None => runtime::block_on(self.show()),
        }
    }

    async fn show(&self) -> Result<ExitCode> {
        let source = Source::open_live(&self.source)?;
        if let Some(path) = &self.truth {
            truth::write(path, slice::from_ref(&source))?;
        }
        if self.time.is_some() {
            let mut interrupt = Interrupt::new()?;
            source.start()?;
            tokio::select! {
                () = runtime::over(self.time) => {}
                () = interrupt.next() => interrupt.exit_at_next(),
            }
            source.stop();
        }
        truth::finish(slice::from_ref(&source))?;
        let simulator = source.simulator().ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "the readers of this source are not simulated")
        })?;
        let mut readers = Vec::new();
        for id in simulator.device_ids() {
            let device = source.client().device(id);
            // A stuck reader would take its time to say nothing.
            let info = tokio::time::timeout(PATIENCE, retried(|| device.info())).await;
            let model = info.ok().and_then(Result::ok).map(|info| info.model);
            readers.push(ReaderJson::new(&simulator.reader(id)?, model));
        }
        let mut output = Output::new();
        if self.json {
            output.json(&SimJson { source: &self.source, devices: readers })?;
        } else {
            print(&mut output, &self.source, &readers)?;
        }
        output.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

fn print(output: &mut Output, source: &str, readers: &[ReaderJson]) -> Result<()> {
    let mut table = table([
        ("reader", true),
        ("model", false),
        ("epoch", true),
        ("events", true),
        ("oldest id", true),
        ("newest id", true),
        ("clock", false),
    ]);
    for reader in readers {
        let id = |id: Option<u32>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        table.add_row([
            reader.device_id.to_string(),
            reader.model.clone().unwrap_or_else(|| "does not answer".into()),
            reader.epoch.to_string(),
            reader.events.to_string(),
            id(reader.oldest_id),
            id(reader.newest_id),
            reader.time_utc.clone(),
        ]);
    }
    output.line(&table)?;
    let events = count(readers.iter().map(|reader| reader.events as u64).sum::<u64>(), "event");
    output.line(format_args!("{} with {events}: {source}", count(readers.len() as u64, "reader")))
}

#[derive(Serialize)]
struct SimJson<'a> {
    source: &'a str,
    devices: Vec<ReaderJson>,
}

#[derive(Serialize)]
struct ReaderJson {
    device_id: u32,
    /// `None` where the reader does not answer.
    model: Option<String>,
    epoch: u32,
    events: usize,
    oldest_id: Option<u32>,
    newest_id: Option<u32>,
    time_utc: String,
}

impl ReaderJson {
    fn new(reader: &Reader, model: Option<String>) -> Self {
        Self {
            device_id: reader.id().get(),
            model,
            epoch: reader.epoch(),
            events: reader.len(),
            oldest_id: reader.oldest_id(),
            newest_id: reader.newest_id(),
            time_utc: reader.time().to_string(),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(1);

const AFTER_HELP: &str = "\
Examples:
  bs2 sim 'sim:devices=4&backlog=20000&seed=7'
  bs2 sim gateway 'sim:devices=4&rate=20' --make-certs certs
  bs2 sim 'sim:devices=2&rate=50&faults=drop,reorder' --for 5s --truth truth.tsv --json

Settings of a sim: source, as name=value joined by &; the same seed gives the same bytes:
  devices    readers of the office, 1 to 100000 [1; none with replay]
  backlog    events that each has at the start, 0 to 10000000 [1000]
  rate       live events a second over all readers, 0 to 1000000 [0; 5 for watch and sim]
  seed       any number of 64 bits [1]
  capacity   events that each keeps before it overwrites the oldest, 1 to 10000000 [50000]
  faults     what goes wrong, joined by commas [nothing]:
               drop        live events are lost in silence
               disconnect  connections are lost
               repeat      events are given twice
               reorder     live events overtake each other
               slow        pages take 20 to 200 ms
               error       calls fail as timed out or busy
               stuck       the first reader never answers
  replay     a capture, a file of rows event_id, event_code, device_time, device_id, or `bundled` [none]
  start      when the office opens: fixed, now, or a time as in RFC 3339 [fixed]
  images     whether the readers take pictures, 0 or 1 [1]
  inclusive  whether answers begin at the id asked for and not behind it, 0 or 1 [0]
  page       events that the longest answer holds, 0 for no limit [0]
  queue      live events held back for each listener before some are dropped, 0 for no such queue [0]";
