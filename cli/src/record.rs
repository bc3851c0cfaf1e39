//! `bs2 record`: what a source delivers, into a capture file.

mod door;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use bs2_events::codec::DeviceId;
use bs2_events::codec::capture::{CapturePayload, CaptureRecord, CaptureWriter};
use bs2_events::device::{ConnectionSubscription, StateChange};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;
use futures_util::StreamExt;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::kind::encoded;
use crate::output::{self, Output};
use crate::runtime::{self, Interrupt};
use crate::source::Source;
use crate::table::count;

use door::{Delivery, Door, What};

/// Write what readers deliver into a capture file, as it comes
///
/// First the logs, then what happens live, each event of a reader once, and the states of the connections. The file can
/// be read while it is written, and replayed with sim:replay=FILE. What is there already stays: a further run appends
/// all that it gets. Without --once or --for it runs until Ctrl-C. The file holds user ids, card data and pictures, and
/// with --blobs what stands beside the events in a blob of its own behind each. A reader that has none is told.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Record {
    /// Where the readers are
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
    /// Record the job codes and temperatures too that readers keep beside their events
    #[arg(long)]
    blobs: bool,
    /// Print one JSON object at the end instead of a sentence
    #[arg(long)]
    json: bool,
}

impl Record {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        runtime::block_on(self.record())
    }

    async fn record(&self) -> Result<ExitCode> {
        let source = if self.once { Source::open(&self.source) } else { Source::open_live(&self.source) }?;
        let mut interrupt = Interrupt::new()?;
        let mut capture = Capture::open(&self.out)?;
        let mut states = source.client().states();
        let devices = source.devices().await?;

        let (deliveries, mut arriving) = mpsc::channel(WAITING);
        let mut doors = JoinSet::new();
        for device in &devices {
            let door = Door::new(device.clone(), deliveries.clone(), self.images, self.blobs);
            doors.spawn(door.open(!self.once));
        }
        drop(deliveries);
        source.start()?;
        tokio::select! {
            result = capture.take_all(&mut arriving, &mut states) => result?,
            () = runtime::over(self.time) => {}
            () = interrupt.next() => {}
        }
        doors.shutdown().await;
        // What the doors had handed over is recorded, whatever ended the run.
        capture.take_all(&mut arriving, &mut states).await?;
        self.tell(&capture, devices.len() as u64)
    }

    fn tell(&self, capture: &Capture, devices: u64) -> Result<ExitCode> {
        let Counts { events, images, blobs, states, logs_read, further_left_out } = capture.counts;
        let mut output = Output::new();
        if self.json {
            output.json(&capture.counts)?;
        } else {
            let (events, images) = (count(events, "event"), count(images, "picture"));
            let blobs = if self.blobs { format!("{}, ", count(blobs, "blob")) } else { String::new() };
            let (states, out) = (count(states, "state"), self.out.display());
            output.line(format_args!("{events}, {blobs}{images} and {states} recorded in {out}"))?;
        }
        output.flush()?;
        if further_left_out > 0 {
            let further = count(further_left_out, "further subject");
            let message = format!("{further} of events left out: a capture has no record for them");
            output::report(&Error::new(ErrorKind::Unsupported, message));
        }
        if logs_read < devices && !capture.failed {
            let message = "ended before every log was read: what came is in the file";
            return Err(Error::new(ErrorKind::Other, message));
        }
        Ok(if capture.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// The file, and what came.
struct Capture {
    writer: CaptureWriter<std::io::BufWriter<std::fs::File>>,
    path: PathBuf,
    counts: Counts,
    /// Whether an error of a reader was reported.
    failed: bool,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Counts {
    events: u64,
    images: u64,
    blobs: u64,
    states: u64,
    /// Readers whose log was read to its end.
    logs_read: u64,
    /// What a gateway told beside events, for which there is no record.
    further_left_out: u64,
}

impl Capture {
    fn open(path: &Path) -> Result<Self> {
        let (writer, cut) = CaptureWriter::open(path).map_err(|error| failed(path, error))?;
        if cut > 0 {
            let message = format!("{}: {cut} bytes of a record without an end were cut off", path.display());
            output::report(&Error::new(ErrorKind::InvalidData, message));
        }
        Ok(Self { writer, path: path.to_owned(), counts: Counts::default(), failed: false })
    }

    /// Records what comes until no door is open any more.
    async fn take_all(
        &mut self,
        arriving: &mut mpsc::Receiver<Delivery>,
        states: &mut ConnectionSubscription,
    ) -> Result<()> {
        loop {
            tokio::select! {
                biased; // A reader is connected before it delivers.
                Some(change) = states.next() => self.take_state(change)?,
                delivery = arriving.recv() => match delivery {
                    Some(delivery) => self.take(delivery)?,
                    None => break,
                },
            }
            if arriving.is_empty() {
                self.flush()?;
            }
        }
        self.flush()
    }

    fn take(&mut self, Delivery { device, received_at, what }: Delivery) -> Result<()> {
        match what {
            What::Events(events) => {
                self.counts.events += events.len() as u64;
                for event in &events {
                    self.append(device, received_at, CapturePayload::Event(event))?;
                }
            }
            What::Measured(event, temperature) => {
                self.counts.events += 1;
                let payload = CapturePayload::EventWithTemperature(&event, temperature);
                self.append(device, received_at, payload)?;
            }
            What::Picture(image) => {
                self.counts.images += 1;
                let payload = CapturePayload::ImageLog { event: &image.event, jpeg: &image.jpeg };
                self.append(device, received_at, payload)?;
            }
            What::Blobs(blobs) => {
                self.counts.blobs += blobs.len() as u64;
                for blob in &blobs {
                    let bytes = encoded(blob);
                    self.append(device, received_at, CapturePayload::SmallBlob(&bytes))?;
                }
            }
            What::NoBlobs(error) => output::report(&error),
            What::Further(count) => self.counts.further_left_out += count as u64,
            What::LogRead => self.counts.logs_read += 1,
            What::Failed(error) => {
                output::report(&error);
                self.failed = true;
            }
        }
        Ok(())
    }

    fn take_state(&mut self, change: StateChange) -> Result<()> {
        match change {
            StateChange::Changed { device, state } => {
                self.counts.states += 1;
                self.append(device, now(), CapturePayload::State(state.into()))
            }
            StateChange::Lagged { missed } => {
                let message = format!("{missed} states of connections were lost here: too slow");
                output::report(&Error::new(ErrorKind::Other, message));
                Ok(())
            }
            // What a later client tells beside these is no state.
            _ => Ok(()),
        }
    }

    fn append(&mut self, device: DeviceId, received_at: u64, payload: CapturePayload<'_>) -> Result<()> {
        let record = CaptureRecord { device, received_at, payload };
        self.writer.append(&record).map_err(|error| failed(&self.path, error))
    }

    fn flush(&mut self) -> Result<()> {
        self.writer.flush().map_err(|error| failed(&self.path, error))
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::InvalidData => ErrorKind::InvalidData,
        std::io::ErrorKind::WouldBlock => ErrorKind::Busy,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("cannot write {}", path.display())).with_source(error)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Deliveries that wait for the file, at most; a page is one.
const WAITING: usize = 64;

const AFTER_HELP: &str = "\
Examples:
  bs2 record 'sim:devices=3&backlog=500' --out door.bs2cap --once --images --blobs
  bs2 record 'sim:devices=3&rate=2' --out door.bs2cap --for 20s
  bs2 decode door.bs2cap --json
  bs2 collect --from sim:replay=door.bs2cap --once

Sources: sim:SETTINGS, see bs2 sim --help; sdk:LIBRARY?SETTINGS and gateway://HOST?SETTINGS, see bs2 collect
--help.
Exit code: 0 if every log was read and no reader failed.";
