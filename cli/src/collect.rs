//! `bs2 collect`: stores the events of devices, every event once.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::collect::{CollectOptions, Collector, DeviceReport, Progress, Report, Stop};
use bs2_events::sim::Simulator;
use bs2_events::sink::Gap;
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;
use comfy_table::Table;
use serde_json::{Value, json};

use crate::runtime::{self, Interrupt};
use crate::source::{self, Source};
use crate::stdio::{self, Output, count, table};
use crate::store::{Outcome, Store, gap_cell, gaps_json, total_missing};

/// Store the events of devices, every event once, and show what is missing and why
///
/// Listens first, then reads the logs, so that no event falls between the two. An event that is stored is not stored
/// again, and a run continues where the last one ended. Without --from, bs2 collects a log that comes with the program
/// and four simulated devices, as with --once. Otherwise it runs until Ctrl-C, which loses nothing. A second Ctrl-C ends
/// it at once.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Collect {
    /// The source of events; may be given several times
    #[arg(long = "from", value_name = "SOURCE")]
    sources: Vec<String>,
    /// The store for the events; made if it does not exist
    #[arg(long, value_name = "STORE", default_value = "sqlite:bs2-events.db")]
    into: String,
    /// Read the logs and end, without listening
    #[arg(long, conflicts_with = "time")]
    once: bool,
    /// Listen for this long, such as 20s, 5m or 1h, then read the logs to their end
    #[arg(long = "for", value_name = "DURATION", value_parser = runtime::duration)]
    time: Option<Duration>,
    /// How many events one read of a log asks for at most; a device that fails with so many is asked for fewer
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u32).range(1..))]
    page: Option<u32>,
    /// Write every event that the simulated devices ever made: lines of device_id, epoch, event_id and hex
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
}

impl Collect {
    pub(crate) async fn run(&self) -> Result<ExitCode> {
        let store: Store = self.into.parse()?;
        let sources = self.open_sources()?;
        if let Some(path) = &self.truth {
            source::write_truth(path, sources.iter().filter_map(Source::simulator))?;
        }
        let opened = store.open()?;
        let mut options = CollectOptions::default();
        if let Some(events) = self.page {
            options = options.with_page(events);
        }
        if is_bar_seen() {
            options = options.with_estimate();
        }
        let collector = Collector::new(opened.sink.clone()).with_options(options);
        let mut collector = collector.on_notice(|notice| stdio::note(&notice.to_string()));
        for source in &sources {
            collector = collector.with_client(source.client().clone());
        }

        let progress = collector.progress();
        let report = tokio::select! {
            report = self.run_collector(collector, &sources) => report,
            never = show_bar(&progress), if is_bar_seen() => match never {},
        };
        // Batches that are under way are stored, also after an error.
        let closed = opened.sink.close().await;
        let outcome = opened.outcome().await;
        for note in outcome.iter().flat_map(Outcome::notes) {
            stdio::note(&note);
        }
        // The simulators are stopped, so the file is complete.
        sources.iter().filter_map(Source::simulator).try_for_each(Simulator::flush_truth)?;
        let code = self.print(&report?, &store, outcome.as_ref())?;
        closed.map(|()| code)
    }

    fn open_sources(&self) -> Result<Vec<Source>> {
        if self.sources.is_empty() {
            return DEFAULT_SOURCES.into_iter().map(Source::open).collect();
        }
        self.sources.iter().map(|text| Source::open(text)).collect()
    }

    async fn run_collector(&self, collector: Collector, sources: &[Source]) -> Result<Report> {
        let mut interrupt = Interrupt::new()?;
        if self.once || self.sources.is_empty() && self.time.is_none() {
            return tokio::select! {
                report = collector.run_once() => Ok(report),
                () = interrupt.next() => {
                    interrupt.exit_at_next();
                    let message = "interrupted: the events read so far are stored, and the next run continues there";
                    Err(Error::new(ErrorKind::Other, message))
                }
            };
        }
        sources.iter().try_for_each(Source::start)?;
        let report = collector.run_until(async {
            let stop = tokio::select! {
                () = interrupt.next() => Stop::Now,
                () = runtime::over(self.time) => Stop::AfterCatchUp,
            };
            interrupt.exit_at_next();
            // Simulated devices stop making events before their logs are read to the end.
            sources.iter().for_each(Source::stop);
            stop
        });
        Ok(report.await)
    }

    fn print(&self, report: &Report, store: &Store, outcome: Option<&Outcome>) -> Result<ExitCode> {
        report_errors(report);
        if report.devices.is_empty() {
            if report.unreached.is_empty() {
                return Err(Error::new(ErrorKind::NotFound, "there is no device to collect from"));
            }
            return Ok(ExitCode::FAILURE);
        }
        let mut output = Output::new();
        if self.json {
            output.json(&report_json(report, outcome))?;
        } else {
            output.line(report_table(report, outcome.is_some()))?;
            output.line(totals(report, store, outcome))?;
        }
        output.flush()?;
        let is_refused = outcome.is_some_and(|outcome| outcome.refused() > 0);
        Ok(if report.is_complete() && !is_refused { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Writes why devices failed or were not reached. Devices that failed for one reason share a sentence.
fn report_errors(report: &Report) {
    let mut failed = Vec::<(String, &Error, u64)>::new();
    for device in &report.devices {
        let Some(error) = &device.error else { continue };
        let sentence = stdio::sentence(error);
        let reason = sentence.strip_prefix(&format!("device {}: ", device.device)).unwrap_or(&sentence);
        match failed.iter_mut().find(|(known, ..)| known == reason) {
            Some((_, _, devices)) => *devices += 1,
            None => failed.push((reason.to_owned(), error, 1)),
        }
    }
    for (reason, error, devices) in failed {
        match devices {
            1 => stdio::report(error),
            devices => stdio::note(&format!("{devices} devices: {reason}")),
        }
    }
    report.unreached.iter().for_each(stdio::report);
}

fn report_table(report: &Report, is_biostar_x: bool) -> Table {
    let stored = if is_biostar_x { "taken" } else { "stored" };
    let mut table =
        table([("device", true), ("epoch", true), (stored, true), ("repeated", true), ("missing", false)]);
    for device in &report.devices {
        let (id, failed) = (device.device.to_string(), device.error.is_some());
        for epoch in &device.epochs {
            let [number, stored, repeated] =
                [epoch.epoch.into(), epoch.stored, epoch.repeated].map(|number: u64| number.to_string());
            table.add_row([id.clone(), number, stored, repeated, gap_cell(&epoch.gaps)]);
        }
        if device.epochs.is_empty() || failed {
            let why = if failed { "failed: see the error" } else { "has no event" };
            table.add_row([id, "-".into(), "-".into(), "-".into(), why.into()]);
        }
    }
    table
}

fn totals(report: &Report, store: &Store, outcome: Option<&Outcome>) -> String {
    let (sources, unreached): (Vec<_>, Vec<_>) =
        report.unreached.iter().partition(|error| error.concerns_backend());
    let devices = count((report.devices.len() + unreached.len()) as u64, "device");
    if report.stored() == 0 && report.is_complete() {
        return format!("nothing new: {store} has all events of {devices}");
    }
    let gaps = report.devices.iter().flat_map(|device| &device.epochs).flat_map(|epoch| &epoch.gaps);
    let devices_failed =
        report.devices.iter().filter(|device| device.error.is_some()).count() + unreached.len();
    let mut failed = String::new();
    for (number, noun) in [(devices_failed, "device"), (sources.len(), "source")] {
        if number > 0 {
            let _ = write!(failed, ", {} failed", count(number as u64, noun));
        }
    }
    let events = count(report.stored(), "event");
    // A virtual device takes only authentications.
    let stored = match outcome {
        Some(Outcome { summary, .. }) => {
            format!("{} of {events} of {devices} imported into {store}", summary.imported)
        }
        None => format!("{events} of {devices} stored in {store}"),
    };
    format!("{stored}, {} dropped as repeated, {}{failed}", report.repeated(), total_missing(gaps))
}

fn report_json(report: &Report, outcome: Option<&Outcome>) -> Value {
    let devices: Vec<_> = report.devices.iter().flat_map(device_json).collect();
    let mut object = json!({ "devices": devices });
    if !report.unreached.is_empty() {
        object["unreached"] = report.unreached.iter().map(stdio::sentence).collect();
    }
    if let Some(outcome) = outcome {
        object["biostar_x"] = outcome.json();
    }
    object
}

/// An object for each epoch of a device; one object if no epoch is known.
fn device_json(device: &DeviceReport) -> Vec<Value> {
    let object = |epoch: u32, stored: u64, repeated: u64, gaps: &[Gap], watermark: u32| {
        let mut object = json!({
            "device_id": device.device.get(), "epoch": epoch, "stored": stored, "repeated": repeated,
            "gaps": gaps_json(gaps), "watermark": watermark,
        });
        if let Some(error) = &device.error {
            object["error"] = stdio::sentence(error).into();
        }
        object
    };
    if device.epochs.is_empty() {
        return vec![object(0, 0, 0, &[], 0)];
    }
    let epochs = device.epochs.iter();
    epochs
        .map(|epoch| object(epoch.epoch, epoch.stored, epoch.repeated, &epoch.gaps, epoch.watermark))
        .collect()
}

/// Whether a progress bar can be seen.
fn is_bar_seen() -> bool {
    std::io::stderr().is_terminal()
}

/// Shows on stderr how much of the logs is read, and then that live events are collected. Dropping it removes the bar.
async fn show_bar(progress: &Progress) -> Infallible {
    let bar = stdio::bar(0);
    while progress.devices() == 0 || progress.caught_up() < progress.devices() {
        // Nothing is drawn before the lengths of the logs are known.
        if progress.expected() > 0 {
            bar.set_length(progress.expected());
            bar.set_position(progress.stored());
        }
        tokio::time::sleep(TICK).await;
    }
    bar.set_style(stdio::bar_style("{spinner} live, {pos} events stored, {elapsed}; Ctrl-C ends"));
    loop {
        bar.set_position(progress.stored());
        bar.tick();
        tokio::time::sleep(TICK).await;
    }
}

const TICK: Duration = Duration::from_millis(100);

/// Their devices have different ids, as all devices of one run must.
const DEFAULT_SOURCES: [&str; 2] = ["sim:replay=bundled", "sim:devices=4&backlog=20000"];

const AFTER_HELP: &str = "\
Examples:
  bs2 collect
  bs2 collect --from 'sim:devices=50&rate=100&faults=drop' --into sqlite:events.db --for 20s
  bs2 collect --from sim:replay=log.tsv --once --json
  bs2 collect --from 'sdk:/opt/bs2/libBS_SDK_V2.so?device=192.168.0.10&device=192.168.0.11'

Sources: sim:SETTINGS, see bs2 sim --help; sdk:LIBRARY?SETTINGS; gateway://HOST?ca=FILE&device=IP.
Stores: sqlite:PATH, and biostar-x://HOST?virtual-device=100001&user=LOGIN: authentications become
events of a virtual device of a BioStar X server. Its password is in BS2_X_PASSWORD or in a file
(&password-file=FILE). &ca=FILE or &pin=FILE set whom to trust. &state=FILE keeps its watermark.
LIBRARY is the file of the vendor's library; if missing, the platform looks for libBS_SDK_V2.so or
BS_SDK_V2.dll. All its devices are in one source. Settings, as name=value joined by &:
  device     a device's IPv4 address, with :PORT unless it is 51211; may be given several times
  search     true to search for devices in the local network
  accept     how many devices connect to this process; bs2 waits for them
  preload    a library that the vendor's library needs and does not name, such as libssl.so.1.1; may
             be given several times
  port, tls-port  where devices connect to this process [51212, 51213]
  ca, client-cert, client-key  files for TLS; BS2_CLIENT_KEY_PASSWORD is the key's password
  timeout    how long one call may take, such as 30s [15s]
What --json prints: one object. Its `devices` has an object for each epoch of each device, with
device_id, epoch, stored, repeated, gaps (from, to, reason), watermark, and error if it failed.
`unreached` lists why other devices were not reached, if there are any. For a BioStar X server
`biostar_x` is what this run did there: imported, unmapped (how many by reason), refused
(device_id, epoch, event_id, code).
Exit code: 0 if no device failed and the server refused no event. A gap is not a failure, and an
event that cannot be imported is not one either. A collection that listens ends by itself, with 1,
if its store cannot be used any more (its file is damaged, or is no store), if the login at the
server is refused, or if the settings of a source are wrong.";
