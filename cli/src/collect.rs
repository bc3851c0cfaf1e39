//! `bs2 collect`: stores the events of devices, every event once.

mod report;

use std::convert::Infallible;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::collect::{CollectOptions, Collector, Progress, Report, Stop};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::output::{self, Output};
use crate::runtime::{self, Interrupt};
use crate::source::Source;
use crate::store::Store;
use crate::truth;
use crate::x::target::Outcome;

/// Store the events of readers, every event once, and show what is missing and why
///
/// Listens first, then reads the logs, so that no event falls between the two. An event that is stored is not stored
/// again, and a run continues where the last one ended. Without --from, a log that comes with the program and four
/// simulated readers are collected as with --once. Otherwise it runs until Ctrl-C, which loses nothing; a second Ctrl-C
/// ends at once.
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
    /// Write every event that the simulated readers ever made: lines of device_id, epoch, event_id and hex
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
}

impl Collect {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        runtime::block_on(self.collect())
    }

    async fn collect(&self) -> Result<ExitCode> {
        let store: Store = self.into.parse()?;
        let sources = self.open_sources()?;
        if let Some(path) = &self.truth {
            truth::write(path, &sources)?;
        }
        let sink = store.open()?;
        let mut options = CollectOptions::default();
        if is_bar_seen() {
            options = options.with_estimate();
        }
        let mut collector = Collector::new(sink.clone()).with_options(options).on_failure(|error| {
            output::note(&format!("{}; it is tried again", output::sentence(error)));
        });
        let mut readers = 0;
        for source in &sources {
            // A source without a device that can be reached is an error. Otherwise the devices that are reached are collected.
            let (devices, unreached) = source.discover().await?;
            readers += devices.len() + unreached.len();
            collector = collector.with_client(source.client().clone());
        }

        let progress = collector.progress();
        let report = tokio::select! {
            report = self.run_collector(collector, &sources) => report,
            never = show_bar(&progress, readers as u64), if is_bar_seen() => match never {},
        };
        // However the run ended: batches that are under way are stored.
        sink.close().await?;
        let outcome = store.outcome().await;
        for note in outcome.iter().flat_map(Outcome::notes) {
            output::note(&note);
        }
        truth::finish(&sources)?;
        self.print(&report?, &store, outcome.as_ref())
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
                    let message = "interrupted: what was read is stored, the next run goes on from there";
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

    fn print(&self, report: &Report, store: &Store, into: Option<&Outcome>) -> Result<ExitCode> {
        let failed = report.devices.iter().filter_map(|device| device.error.as_ref());
        for error in failed.chain(&report.unreached) {
            output::report(error);
        }
        if report.devices.is_empty() && report.unreached.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "there is no reader to collect from"));
        }
        let mut output = Output::new();
        if self.json {
            report::print_json(&mut output, report, into)?;
        } else {
            report::print(&mut output, report, store, into)?;
        }
        output.flush()?;
        let is_refused = into.is_some_and(|into| into.refused() > 0);
        Ok(if report.is_complete() && !is_refused { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Whether a progress bar can be seen.
fn is_bar_seen() -> bool {
    std::io::stderr().is_terminal()
}

/// Shows on stderr how much of the logs of so many devices is read, and then that live events are collected. Dropping it
/// removes the bar.
async fn show_bar(progress: &Progress, readers: u64) -> Infallible {
    let bar = ProgressBar::new(0).with_finish(ProgressFinish::AndClear);
    bar.set_style(style("{bar:40} {pos} of {len} events, {elapsed}"));
    while progress.caught_up() < readers {
        // Nothing is drawn before the lengths of the logs are known.
        if progress.expected() > 0 {
            bar.set_length(progress.expected());
            bar.set_position(progress.stored());
        }
        tokio::time::sleep(TICK).await;
    }
    bar.set_style(style("{spinner} live, {pos} events stored, {elapsed}; Ctrl-C ends"));
    loop {
        bar.set_position(progress.stored());
        bar.tick();
        tokio::time::sleep(TICK).await;
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
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
events of a virtual device of a BioStar X server. Its password stands in BS2_X_PASSWORD or in a
file (&password-file=FILE); &ca=FILE or &pin=FILE say whom to trust, &state=FILE where its watermark
is kept.
LIBRARY is the file of the vendor's library; if missing, the platform looks for libBS_SDK_V2.so or
BS_SDK_V2.dll. All readers of it stand in one source. Settings, as name=value joined by &:
  device     a reader's IPv4 address, with :PORT unless it is 51211; may be given several times
  search     true to search for devices in the local network
  accept     how many devices connect to this process; bs2 waits for them
  preload    a library that the vendor's needs and does not name, such as libssl.so.1.1; may be
             given several times
  port, tls-port  where devices connect to this process [51212, 51213]
  ca, client-cert, client-key  files for TLS; BS2_CLIENT_KEY_PASSWORD is the key's password
  timeout    how long one call may take, such as 30s [15s]
What --json prints: one object. Its `devices` has an object for each epoch of each reader, with
device_id, epoch, stored, repeated, gaps (from, to, reason), watermark, and error if it failed.
`unreached` lists why other readers were not reached, if there are any. For a BioStar X server
`biostar_x` holds what this run did there: imported, unmapped (how many by reason), refused
(device_id, epoch, event_id, code).
Exit code: 0 if no reader failed and the server refused no event. A gap is no failure, and an
event that cannot be imported is none either.";
