//! `bs2 collect`: from readers into a store, every event once.

mod bar;
mod outcome;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::collect::{CollectOptions, Collector, Report, Stop};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;

use crate::output::{self, Output};
use crate::runtime::{self, Interrupt};
use crate::source::Source;
use crate::store::Store;
use crate::truth;
use crate::x::target::Outcome;

/// Store the events of readers, every event once, and tell what is missing and why
///
/// Listens first, then reads the logs, so that nothing falls between the two; what is stored already is not stored
/// again, and a run goes on where the last one ended. Without --from, a log that comes with the program and four
/// simulated readers are collected as with --once. Otherwise it runs until Ctrl-C, which loses nothing; a second Ctrl-C
/// does not wait for anything.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Collect {
    /// Where the readers are; may be given several times
    #[arg(long = "from", value_name = "SOURCE")]
    sources: Vec<String>,
    /// Where the events go; made if it does not exist
    #[arg(long, value_name = "STORE", default_value = "sqlite:bs2-events.db")]
    into: String,
    /// End when the logs are read, without listening
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
        if bar::is_seen() {
            options = options.with_estimate();
        }
        let mut collector = Collector::new(sink.clone()).with_options(options).with_on_failure(|error| {
            output::note(&format!("{}; it is tried again", output::sentence(error)));
        });
        let mut readers = 0;
        for source in &sources {
            // A source of which nothing can be reached is a mistake; others go on without a reader that cannot.
            let (devices, unreached) = source.discover().await?;
            readers += devices.len() + unreached.len();
            collector = collector.with_client(source.client().clone());
        }

        let progress = collector.progress();
        let report = tokio::select! {
            report = self.run_collector(collector, &sources) => report,
            never = bar::show(&progress, readers as u64), if bar::is_seen() => match never {},
        };
        // What is on its way into the store gets there, whatever ended the run.
        sink.close().await?;
        let outcome = store.outcome().await;
        for note in outcome.iter().flat_map(Outcome::notes) {
            output::note(&note);
        }
        truth::finish(&sources)?;
        self.tell(&report?, &store, outcome.as_ref())
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
            // Nothing may happen any more at simulated readers when their logs are read to the end.
            sources.iter().for_each(Source::stop);
            stop
        });
        Ok(report.await)
    }

    fn tell(&self, report: &Report, store: &Store, into: Option<&Outcome>) -> Result<ExitCode> {
        let failed = report.devices.iter().filter_map(|device| device.error.as_ref());
        for error in failed.chain(&report.unreached) {
            output::report(error);
        }
        if report.devices.is_empty() && report.unreached.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "there is no reader to collect from"));
        }
        let mut output = Output::new();
        if self.json {
            outcome::print_json(&mut output, report, into)?;
        } else {
            outcome::print(&mut output, report, store, into)?;
        }
        output.flush()?;
        let is_refused = into.is_some_and(|into| into.refused() > 0);
        Ok(if report.is_complete() && !is_refused { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The numbers of their readers differ, as those of all sources of one run must.
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
What --json prints: one object, whose `devices` has an object for each epoch of each reader, with
device_id, epoch, stored, repeated, gaps (from, to, reason), watermark, and error if it failed.
`unreached` says why other readers were not reached, if there are any. For a BioStar X server
`biostar_x` holds what this run did there: imported, unmapped (how many by reason), refused
(device_id, epoch, event_id, code).
Exit code: 0 if no reader failed and the server refused no event; what is missing or cannot be
mapped is no failure.";
