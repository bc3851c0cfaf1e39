//! A destination of your own: a file with one JSON object a line, one line for each batch.
//! `cargo run --features serde,sim,collect --example custom_sink`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bs2_events::codec::{DeviceId, Event};
use bs2_events::collect::Collector;
use bs2_events::device::{Client, DeviceInfo};
use bs2_events::sim::Simulator;
use bs2_events::sink::conformance::{self, SinkStage};
use bs2_events::sink::{Batch, Gap, Ledger, ResumePoint, Sink, Stored, async_trait};
use bs2_events::{Error, ErrorKind, Result};

#[derive(Debug)]
struct JsonSink(Mutex<Option<Journal>>);

#[derive(Debug)]
struct Journal {
    file: File,
    ledgers: BTreeMap<(DeviceId, u32), Ledger>,
    /// Each event, and whether it came with a clock.
    events: BTreeMap<(DeviceId, u32, u32), (Event, bool)>,
}

impl JsonSink {
    fn open(path: &Path) -> Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut journal =
            Journal { file: file.map_err(storage)?, ledgers: BTreeMap::new(), events: BTreeMap::new() };
        let (mut lines, mut line, mut end) =
            (BufReader::new(journal.file.try_clone().map_err(storage)?), String::new(), 0);
        // A crash may cut the last line short. It was not acknowledged, and the next one replaces it.
        while lines.read_line(&mut line).map_err(storage)? > 0 && line.ends_with('\n') {
            journal.note(serde_json::from_str(&line).map_err(storage)?)?;
            end += line.len() as u64;
            line.clear();
        }
        journal.file.set_len(end).and_then(|()| journal.file.seek(io::SeekFrom::End(0))).map_err(storage)?;
        Ok(Self(Mutex::new(Some(journal))))
    }

    fn with<T>(&self, call: impl FnOnce(&mut Journal) -> Result<T>) -> Result<T> {
        let mut journal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        call(journal.as_mut().ok_or_else(|| Error::new(ErrorKind::Closed, "the file is closed"))?)
    }
}

impl Journal {
    /// Records a batch that is in the file.
    fn note(&mut self, mut batch: Batch) -> Result<Stored> {
        let (device, epoch) = (batch.device, batch.epoch);
        let ledger = self.ledgers.entry((device, epoch)).or_insert_with(|| Ledger::new(device, epoch));
        for event in &batch.events {
            if let Some((stored, has_clock)) = self.events.get_mut(&(device, epoch, event.id()))
                && let Some(completed) = batch.completed(event, stored, *has_clock)
            {
                (*stored, *has_clock) = (completed, *has_clock || batch.has_clock);
            }
        }
        let stored = ledger.record(&mut batch)?; // It leaves the new events in the batch.
        let has_clock = batch.has_clock;
        self.events
            .extend(batch.events.into_iter().map(|event| ((device, epoch, event.id()), (event, has_clock))));
        Ok(stored)
    }

    fn resume_point(&self, ledger: &Ledger) -> Option<ResumePoint> {
        let (device, epoch) = (ledger.device(), ledger.epoch());
        let event = |id| self.events.get(&(device, epoch, id)).map(|(event, _)| *event);
        let above = ledger.above().filter_map(event).collect();
        let (first, watermark) = ledger.first().zip(ledger.watermark())?;
        let newest = self.events.range((device, epoch, 0)..=(device, epoch, watermark)).next_back();
        let has_clock = newest.is_none_or(|(_, (_, has_clock))| *has_clock);
        Some(ResumePoint { epoch, first, watermark, above, has_clock })
    }

    fn of(&self, device: DeviceId) -> impl DoubleEndedIterator<Item = &Ledger> {
        self.ledgers.range((device, 0)..=(device, u32::MAX)).map(|(_, ledger)| ledger)
    }
}

#[async_trait]
impl Sink for JsonSink {
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>> {
        self.with(|journal| {
            Ok(journal.of(device.id).next_back().and_then(|ledger| journal.resume_point(ledger)))
        })
    }

    async fn resume_epoch(&self, device: DeviceId, epoch: u32) -> Result<Option<ResumePoint>> {
        self.with(|journal| {
            let ledger = journal.ledgers.get(&(device, epoch));
            Ok(ledger.and_then(|ledger| journal.resume_point(ledger)))
        })
    }

    async fn store(&self, batch: Batch) -> Result<Stored> {
        self.with(|journal| {
            batch.check()?;
            let mut line = serde_json::to_vec(&batch).map_err(storage)?;
            line.push(b'\n');
            let end = journal.file.stream_position().map_err(storage)?;
            if let Err(error) = journal.file.write_all(&line).and_then(|()| journal.file.sync_data()) {
                // A part of this line must not stand before the next one.
                journal
                    .file
                    .set_len(end)
                    .and_then(|()| journal.file.seek(io::SeekFrom::Start(end)))
                    .map_err(storage)?;
                return Err(storage(error));
            }
            journal.note(batch)
        })
    }

    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>> {
        self.with(|journal| Ok(journal.events.get(&(device, epoch, id)).map(|(event, _)| *event)))
    }

    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>> {
        self.with(|journal| Ok(journal.of(device).flat_map(Ledger::gaps).collect()))
    }

    async fn close(&self) -> Result<()> {
        self.with(|_| Ok(()))?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}

fn storage(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Storage, "the file of the sink").with_source(error)
}

/// Opens the sink for the suite that checks the contract of sinks.
struct Stage(PathBuf);

#[async_trait]
impl SinkStage for Stage {
    async fn open(&self) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(JsonSink::open(&self.0)?))
    }

    async fn crash(&self, sink: Arc<dyn Sink>) {
        drop(sink);
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("bs2-example-{}.jsonl", std::process::id()));
    conformance::check(&Stage(path.clone())).await?;
    conformance::check_completion(&Stage(path.clone())).await?;

    let sink = Arc::new(JsonSink::open(&path)?);
    let client = Client::new(Simulator::new("devices=2&backlog=100")?.backend());
    let report = Collector::new(sink).with_client(client).run_once().await;
    println!("{} events in {}", report.stored(), path.display());
    fs::remove_file(&path)?;
    Ok(())
}
