//! `bs2 x import`: events from a file for a virtual device.

mod drive;
mod file;
mod ledger;
mod object;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::biostar_x::{self, VirtualDeviceFlag, VirtualDeviceId};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use serde_json::json;

use super::access::Access;
use crate::output::{self, Output};
use crate::retry::retried;
use crate::runtime;
use crate::table::count;
use drive::drive;
use ledger::Ledger;

/// Import events for a virtual device, each once
///
/// Everything is checked before anything is sent. When an answer is lost, the server is searched for what arrived, and
/// only the rest is sent. A file that was imported is not imported again unless --again is given.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Import {
    /// A .csv file with a header, or a .jsonl file with one object a line
    file: PathBuf,
    #[command(flatten)]
    access: Access,
    /// The virtual device, 100001 to 999999
    #[arg(long, value_name = "ID")]
    virtual_device: VirtualDeviceId,
    /// How many events one request holds
    #[arg(long, value_name = "N", default_value_t = 500)]
    chunk: usize,
    /// Search for every event before it is sent: after an import that was broken off
    #[arg(long)]
    resume: bool,
    /// Send a file that was imported already, or in part, as if it were another
    #[arg(long, conflicts_with = "resume")]
    again: bool,
    /// Where it is noted that the file was imported; beside it unless given
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// How long to go on while nothing arrives any more, such as 30s or 5m; a quarter of it where nothing
    /// arrived at all
    #[arg(long, value_name = "DURATION", value_parser = runtime::duration, default_value = "2m")]
    patience: Duration,
    /// How long a request that was given up may still be at work on the server; 2s unless given
    #[arg(long, value_name = "DURATION", value_parser = runtime::duration)]
    settle: Option<Duration>,
    /// Write is_virtual_device as the string "true"
    #[arg(long)]
    flag_as_text: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(super) async fn run(&self) -> Result<ExitCode> {
        let bytes = std::fs::read(&self.file).map_err(|error| {
            Error::new(ErrorKind::NotFound, format!("file `{}`", self.file.display())).with_source(error)
        })?;
        let events = file::read(&self.file, &bytes, self.virtual_device)?;
        let mut builder = self.access.builder()?.with_import_chunk(self.chunk).with_patience(self.patience);
        if let Some(settle) = self.settle {
            builder = builder.with_settle(settle);
        }
        if self.flag_as_text {
            builder = builder.with_virtual_device_flag(VirtualDeviceFlag::Text);
        }
        let client = builder.build()?;
        let state = self.state.clone().unwrap_or_else(|| ledger::beside(&self.file, self.virtual_device));
        let ledger = Ledger::open(state, &client, self.virtual_device, &bytes)?;
        let mut import = client.import(self.virtual_device, events)?;
        if self.resume {
            import = import.resumed();
        } else if !self.again {
            ledger.check()?;
        }
        // A server that is not there, or does not let us in, is told at once.
        retried(|| async { Ok(client.login().await.map(drop)?) }).await?;
        ledger.begin()?;
        let bar = bar(import.len());
        let told = |done: usize| bar.set_position(done.try_into().unwrap_or(u64::MAX));
        let result = drive(&mut import, self.patience, &told).await;
        bar.finish_and_clear();
        client.logout().await.ok();
        let counts = import.count();
        let is_finished = counts.unknown + counts.waiting == 0;
        ledger.end(is_finished, self.resume || counts.waiting < import.len())?;
        self.tell(&import)?;
        result?;
        Ok(if import.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn tell(&self, import: &biostar_x::Import) -> Result<()> {
        let counts = import.count();
        if counts.unknown > 0 {
            output::note("what is unknown may be on the server: --resume looks for it and sends the rest");
        } else if counts.waiting > 0 && counts.certain > 0 {
            output::note("a part was sent: --resume sends the rest");
        }
        let mut output = Output::new();
        if self.json {
            let refused: Vec<_> = import
                .refused()
                .map(|(position, error)| json!({ "event": position, "code": error.http().and_then(bs2_events::HttpError::code) }))
                .collect();
            output.json(&json!({
                "certain": counts.certain, "refused": refused, "unknown": counts.unknown, "waiting": counts.waiting,
            }))?;
            return output.flush();
        }
        for (position, error) in import.refused() {
            output.line(format!("event {position} (from 0): {error}"))?;
        }
        let number = |number: usize| count(u64::try_from(number).unwrap_or(u64::MAX), "event");
        output.line(format!(
            "{} certain, {} refused, {} unknown, {} not sent",
            number(counts.certain),
            counts.refused,
            counts.unknown,
            counts.waiting
        ))?;
        output.flush()
    }
}

fn bar(events: usize) -> ProgressBar {
    let bar = ProgressBar::new(events.try_into().unwrap_or(u64::MAX)).with_finish(ProgressFinish::AndClear);
    if std::io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("{bar:40} {pos} of {len} events, {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    } else {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    bar
}

const AFTER_HELP: &str = "\
Columns of a .csv, keys of a .jsonl, as in the server's own interface:
  datetime  UTC or with an offset, whole seconds: 2026-01-31T12:00:00Z
  user_id   the person, whom the server has to know
  evt       4088 or granted, 6400 or denied
  tna_key   the time and attendance key, 1 to 16; may be empty or missing
  dev_id    the virtual device; may be missing, and may not be another one

Example:
  bs2 x import punches.csv --virtual-device 100001 --server https://192.0.2.10 --user operator

No other columns and keys are taken. That a file was imported is noted in FILE.ID.state beside it.
Exit code: 0 if every event is certainly on the server.";
