//! `bs2 record`: writes what devices deliver into a capture file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::device::{RecordCounts, Recorder};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;
use serde_json::json;

use crate::runtime::{self, Interrupt};
use crate::source::Source;
use crate::stdio::{self, Output, count};

/// Write what devices deliver into a capture file, as it comes
///
/// First the logs, then live events, each event of a device once, and the states of the connections. The file can be
/// read while it is written, and replayed with sim:replay=FILE. A second run appends to the file. Without --once or --for
/// it runs until Ctrl-C. The file holds user ids, card data and pictures, and with --blobs job codes and temperatures in
/// a blob behind each event. A device that has no blobs is reported.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Record {
    /// Where the devices are
    source: String,
    /// The file, such as door.bs2cap; made if it does not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// End when the logs are read, without listening
    #[arg(long, conflicts_with = "time")]
    once: bool,
    /// End after this time, such as 20s, 5m or 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = runtime::duration)]
    time: Option<Duration>,
    /// Record pictures too
    #[arg(long)]
    images: bool,
    /// Record job codes and temperatures too, which devices keep in blobs
    #[arg(long)]
    blobs: bool,
    /// Print one JSON object at the end instead of a sentence
    #[arg(long)]
    json: bool,
}

impl Record {
    pub(crate) async fn run(&self) -> Result<ExitCode> {
        let source = if self.once { Source::open(&self.source) } else { Source::open_live(&self.source) }?;
        let mut interrupt = Interrupt::new()?;
        let mut recorder = self.recorder()?;
        let devices = source.devices().await?;
        source.start()?;
        let recording = async {
            match self.once {
                true => recorder.record_logs(source.client(), &devices).await,
                false => recorder.record(source.client(), &devices).await,
            }
        };
        tokio::select! {
            result = recording => result?,
            () = runtime::over(self.time) => {}
            () = interrupt.next() => {}
        }
        self.summarize(&recorder.close().await?, devices.len() as u64)
    }

    fn recorder(&self) -> Result<Recorder> {
        let mut recorder = Recorder::open(&self.out)?.with_on_failure(stdio::report);
        if recorder.cut_off() > 0 {
            let (path, bytes) = (self.out.display(), recorder.cut_off());
            let message = format!("{path}: {bytes} bytes of a record without an end were cut off");
            stdio::report(&Error::new(ErrorKind::InvalidData, message));
        }
        if self.images {
            recorder = recorder.with_images();
        }
        if self.blobs {
            recorder = recorder.with_blobs();
        }
        Ok(recorder)
    }

    fn summarize(&self, counts: &RecordCounts, devices: u64) -> Result<ExitCode> {
        let RecordCounts { events, images, blobs, states, logs_read, failed, subjects_left_out, .. } =
            *counts;
        let mut output = Output::new();
        if self.json {
            output.json(&json!({
                "events": events, "images": images, "blobs": blobs, "states": states, "logs_read": logs_read,
                "subjects_left_out": subjects_left_out,
            }))?;
        } else {
            let (events, images) = (count(events, "event"), count(images, "picture"));
            let blobs = if self.blobs { format!("{}, ", count(blobs, "blob")) } else { String::new() };
            let (states, out) = (count(states, "state"), self.out.display());
            output.line(format_args!("{events}, {blobs}{images} and {states} recorded in {out}"))?;
        }
        output.flush()?;
        if subjects_left_out > 0 {
            let subjects = count(subjects_left_out, "extra subject");
            let message = format!("{subjects} of events left out: a capture has no record for them");
            stdio::report(&Error::new(ErrorKind::Unsupported, message));
        }
        if logs_read < devices && failed == 0 {
            let message = "ended before every log was read: the file has what was read";
            return Err(Error::new(ErrorKind::Other, message));
        }
        Ok(if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

const AFTER_HELP: &str = "\
Examples:
  bs2 record 'sim:devices=3&backlog=500' --out door.bs2cap --once --images --blobs
  bs2 record 'sim:devices=3&rate=2' --out door.bs2cap --for 20s
  bs2 decode door.bs2cap --json
  bs2 collect --from sim:replay=door.bs2cap --once

Sources: sim:SETTINGS, see bs2 sim --help; sdk:LIBRARY?SETTINGS and gateway://HOST?SETTINGS, see bs2 collect
--help.
Exit code: 0 if every log was read and no device failed.";
