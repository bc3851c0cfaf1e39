//! `bs2 x import`: events from a file for a virtual device.

mod file;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::Result;
use bs2_events::biostar_x::{self, VirtualDeviceFlag, VirtualDeviceId};
use clap::Args;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use serde_json::json;

use super::access::Access;
use crate::output::{self, Output};
use crate::table::count;

/// Import events for a virtual device, each once
///
/// Everything is checked before anything is sent. When an answer is lost, the server is searched for what arrived, and
/// only the rest is sent.
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
    /// Write is_virtual_device as the string "true"
    #[arg(long)]
    flag_as_text: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(super) async fn run(&self) -> Result<ExitCode> {
        let events = file::read(&self.file, self.virtual_device)?;
        let mut builder = self.access.builder()?.with_import_chunk(self.chunk);
        if self.flag_as_text {
            builder = builder.with_virtual_device_flag(VirtualDeviceFlag::Text);
        }
        let client = builder.build()?;
        let mut import = client.import(self.virtual_device, events)?;
        if self.resume {
            import = import.resumed();
        }
        let result = drive(&mut import).await;
        client.logout().await.ok();
        self.tell(&import)?;
        result?;
        Ok(if import.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn tell(&self, import: &biostar_x::Import) -> Result<()> {
        let counts = import.count();
        let mut output = Output::new();
        if self.json {
            let refused: Vec<_> = import
                .refused()
                .map(|(position, error)| json!({ "event": position, "code": error.code() }))
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

/// Sends what waits and looks for what is unknown, until neither is left or the server refuses.
async fn drive(import: &mut biostar_x::Import) -> Result<()> {
    let bar =
        ProgressBar::new(import.len().try_into().unwrap_or(u64::MAX)).with_finish(ProgressFinish::AndClear);
    if std::io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("{bar:40} {pos} of {len} events, {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    } else {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let mut failures = 0;
    loop {
        let before = import.count();
        match turn(import, &bar).await {
            Ok(()) if import.count().unknown == 0 => return Ok(()),
            Ok(()) => {}
            Err(error) => {
                let error = bs2_events::Error::from(error);
                failures = if import.count().certain > before.certain { 0 } else { failures + 1 };
                if !error.is_retryable() || failures == FAILURES {
                    return Err(error);
                }
                tracing::warn!(error = output::sentence(&error), "the import goes on after a wait");
                tokio::time::sleep(Duration::from_secs(1 << failures)).await;
            }
        }
    }
}

async fn turn(import: &mut biostar_x::Import, bar: &ProgressBar) -> biostar_x::Result<()> {
    import.look_up().await?;
    let mut more = true;
    while more {
        let counts = import.count();
        bar.set_position((counts.certain + counts.refused).try_into().unwrap_or(u64::MAX));
        more = import.step().await?;
    }
    Ok(())
}

/// After so many failures in a row without any progress the import ends.
const FAILURES: u32 = 5;

const AFTER_HELP: &str = "\
Columns of a .csv, keys of a .jsonl, as in the server's own interface:
  datetime  UTC or with an offset, whole seconds: 2026-01-31T12:00:00Z
  user_id   the person, whom the server has to know
  evt       4088 or granted, 6400 or denied
  tna_key   the time and attendance key, 1 to 16; may be empty or missing
  dev_id    the virtual device; may be missing, and may not be another one

Example:
  bs2 x import punches.csv --virtual-device 100001 --server https://192.0.2.10 --user operator

Exit code: 0 if every event is certainly on the server.";
