//! The state of the sink: which ids are stored, which batch is being sent; and the file that keeps it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{RefusedEvent, Summary};
use crate::biostar_x::import::{Unmapped, UnmappedCount};
use crate::biostar_x::{ImportEvent, Verdict, VirtualDeviceId};
use crate::codec::{DeviceId, Event, Timestamp};
use crate::sink::memory::{Epoch, Epochs};
use crate::sink::{Batch, Gap, GapReason, Ledger, Stored};
use crate::{Error, ErrorKind, Result};

/// The state of a sink.
#[derive(Clone)]
pub(super) struct State {
    server: String,
    virtual_device: VirtualDeviceId,
    epochs: Epochs,
    pending: Option<Pending>,
    /// The first and the last second of imported events that are not kept.
    forgotten: Option<(u32, u32)>,
    summary: Summary,
    /// The summary since the sink was opened.
    of_run: Summary,
}

/// A batch without what is stored already.
#[derive(Clone)]
pub(super) struct Pending {
    batch: Batch,
    /// Events that were on the server before it and look like one of its events; `None` where the kept events are enough.
    before: Option<Vec<ImportEvent>>,
}

impl Pending {
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.batch.events.iter()
    }

    pub(super) fn with_before(self, before: Vec<ImportEvent>) -> Self {
        Self { before: Some(before), ..self }
    }
}

impl State {
    /// Reads the file; without a file the state is empty.
    pub(super) fn open(path: &Path, server: &str, virtual_device: VirtualDeviceId) -> Result<Self> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    server: server.to_owned(),
                    virtual_device,
                    epochs: Epochs::default(),
                    pending: None,
                    forgotten: None,
                    of_run: Summary::default(),
                    summary: Summary::default(),
                });
            }
            Err(error) => return Err(storage(path, error)),
        };
        let damaged =
            || Error::new(ErrorKind::InvalidData, format!("state file `{}` is damaged", path.display()));
        // Without the parser's error, which may repeat what the file contains.
        let written: Written = serde_json::from_slice(&text).map_err(|_| damaged())?;
        if written.format != FORMAT {
            let message = format!(
                "state file `{}` has format {}, which this version does not know",
                path.display(),
                written.format
            );
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        if written.server != server || written.virtual_device != virtual_device.get() {
            let message =
                format!("state file `{}` belongs to another server or virtual device", path.display());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let mut epochs = Epochs::default();
        for row in written.readers {
            epochs.insert(epoch_of(row.read().ok_or_else(damaged)?));
        }
        let pending = match written.pending {
            Some(row) => {
                let batch = row.read().ok_or_else(damaged)?;
                let before = written.before.map(|before| before.into_iter().map(of_written).collect());
                Some(Pending { batch, before })
            }
            None => None,
        };
        let refused = written.refused.into_iter().map(|(device, epoch, id, code)| RefusedEvent {
            device: DeviceId::new(device),
            epoch,
            id,
            code,
        });
        let mut unmapped = UnmappedCount::default();
        for (word, count) in written.unmapped {
            let reason = Unmapped::ALL.into_iter().find(|reason| as_word(*reason) == word);
            let reason = reason.ok_or_else(damaged)?;
            unmapped.add_many(reason, count);
        }
        let summary = Summary { imported: written.imported, unmapped, refused: refused.collect() };
        let (forgotten, of_run) = (written.forgotten, Summary::default());
        Ok(Self { server: server.to_owned(), virtual_device, epochs, pending, forgotten, summary, of_run })
    }

    /// Replaces the file: writes a new one, syncs it and renames it.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let written = Written {
            format: FORMAT,
            server: self.server.clone(),
            virtual_device: self.virtual_device.get(),
            readers: self.epochs.iter().map(Row::of_epoch).collect(),
            pending: self.pending.as_ref().map(|pending| Row::of_batch(&pending.batch)),
            before: self
                .pending
                .as_ref()
                .and_then(|pending| Some(pending.before.as_ref()?.iter().map(as_written).collect())),
            forgotten: self.forgotten,
            imported: self.summary.imported,
            refused: self
                .summary
                .refused
                .iter()
                .map(|event| (event.device.get(), event.epoch, event.id, event.code.clone()))
                .collect(),
            unmapped: self
                .summary
                .unmapped
                .iter()
                .map(|(reason, count)| (as_word(reason).to_owned(), count))
                .collect(),
        };
        replace(path, &written).map_err(|error| storage(path, error))
    }

    pub(super) fn pending(&self) -> Option<Pending> {
        self.pending.clone()
    }

    pub(super) fn begin(&mut self, pending: Pending) {
        self.pending = Some(pending);
    }

    /// The batch without the events that are stored already, and how many these are.
    pub(super) fn new_of(&self, mut batch: Batch) -> (Pending, u64) {
        let epoch = self.epochs.get(batch.device, batch.epoch);
        let all = batch.events.len();
        let mut seen = std::collections::BTreeSet::new();
        batch.events.retain(|event| {
            seen.insert(event.id()) && !epoch.is_some_and(|epoch| epoch.ledger.contains(event.id()))
        });
        let repeated = all.saturating_sub(batch.events.len());
        (Pending { batch, before: None }, repeated.try_into().unwrap_or(u64::MAX))
    }

    /// Records a batch in its ledger.
    pub(super) fn finish(&mut self, pending: &Pending, refused: Vec<(u32, String)>) -> Result<Stored> {
        let batch = pending.batch.clone();
        let (device, epoch) = (batch.device, batch.epoch);
        let refused: Vec<_> =
            refused.into_iter().map(|(id, code)| RefusedEvent { device, epoch, id, code }).collect();
        for summary in [&mut self.summary, &mut self.of_run] {
            let mut mapped: u64 = 0;
            for event in &batch.events {
                match ImportEvent::try_from(event) {
                    Ok(_) => mapped += 1,
                    Err(reason) => summary.unmapped.add(reason),
                }
            }
            summary.imported += mapped.saturating_sub(refused.len().try_into().unwrap_or(u64::MAX));
            summary.refused.extend(refused.iter().cloned());
        }
        let (stored, state) = self.epochs.store(batch)?;
        let forgotten = forget(state);
        for event in forgotten.iter().filter_map(|event| ImportEvent::try_from(event).ok()) {
            let second = event.time().as_unix_seconds();
            let (from, to) = self.forgotten.unwrap_or((second, second));
            self.forgotten = Some((from.min(second), to.max(second)));
        }
        self.pending = None;
        Ok(stored)
    }

    /// Whether an event that is not kept may look like one of this batch, so that only the server knows it.
    pub(super) fn may_have_forgotten(&self, pending: &Pending) -> bool {
        self.forgotten.is_some_and(|(from, to)| {
            let mut mapped = pending.events().filter_map(|event| ImportEvent::try_from(event).ok());
            mapped.any(|event| (from..=to).contains(&event.time().as_unix_seconds()))
        })
    }

    /// The events that are certainly on the server, besides this batch, and may look like one of its events.
    pub(super) fn others_on_server(&self, pending: &Pending) -> Vec<ImportEvent> {
        pending.before.clone().unwrap_or_else(|| self.on_server())
    }

    /// The newest events that are certainly on the server.
    fn on_server(&self) -> Vec<ImportEvent> {
        let refused = |device, epoch, id| {
            let mut refused = self.summary.refused.iter();
            refused.any(|event| (event.device, event.epoch, event.id) == (device, epoch, id))
        };
        self.epochs
            .iter()
            .flat_map(|Epoch { ledger, events }| {
                let (device, epoch) = (ledger.device(), ledger.epoch());
                events.values().filter(move |event| !refused(device, epoch, event.id()))
            })
            .filter_map(|event| ImportEvent::try_from(event).ok())
            .collect()
    }

    /// The epochs. Of each only some events are kept: the oldest, the newest, and all outside the span from the first id
    /// to the watermark.
    pub(super) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary.clone()
    }

    pub(super) fn summary_of_run(&self) -> Summary {
        self.of_run.clone()
    }
}

/// The epoch that the file keeps as this batch. Inside the span every id is stored that is not in a gap.
fn epoch_of(batch: Batch) -> Epoch {
    let (device, epoch, first, watermark) = (batch.device, batch.epoch, batch.first, batch.watermark);
    let ids: Vec<_> = batch.events.iter().map(Event::id).collect();
    // A span from 0 to 0 may be empty: there is no watermark below 0.
    let is_empty = watermark == 0 && !ids.contains(&0) && !batch.gaps.iter().any(|gap| gap.from == 0);
    let span = Gap { device, epoch, from: first, to: watermark, reason: GapReason::Unknown };
    let stored = if is_empty || first > watermark {
        Vec::new()
    } else {
        span.without(batch.gaps.iter().map(|gap| (gap.from, gap.to)))
    };
    let ledger = Ledger::new(device, epoch)
        .with_span(first, watermark)
        .with_gaps(batch.gaps)
        .with_stored(stored.into_iter().map(|ids| ids.from..=ids.to))
        .with_stored(ids.into_iter().map(|id| id..=id));
    Epoch { ledger, events: batch.events.into_iter().map(|event| (event.id(), event)).collect() }
}

/// Removes and returns the events inside the span, except the oldest and the newest.
fn forget(Epoch { ledger, events }: &mut Epoch) -> Vec<Event> {
    let (first, watermark) = span(ledger);
    if first > watermark {
        return Vec::new();
    }
    let inside: Vec<u32> = events.range(first..=watermark).map(|(id, _)| *id).collect();
    inside.iter().skip(1).rev().skip(KEPT).filter_map(|id| events.remove(id)).collect()
}

fn span(ledger: &Ledger) -> (u32, u32) {
    ledger.first().zip(ledger.watermark()).unwrap_or_default()
}

pub(super) fn storage(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("cannot use the state file `{}`", path.display()))
        .with_source(error)
}

fn replace(path: &Path, written: &Written) -> io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // Its events name people.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(&serde_json::to_vec(written)?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The new name must survive a power cut too. On systems where a folder cannot be opened there is no such call.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(folder) {
        Ok(folder) if cfg!(unix) => folder.sync_all(),
        _ => Ok(()),
    }
}

/// The key of a reason in the file. It stays the same when the sentence for people changes.
const fn as_word(reason: Unmapped) -> &'static str {
    match reason {
        Unmapped::NoAuthentication => "the event is no authentication",
        Unmapped::NoOutcome => "the event's code says neither granted nor denied",
        Unmapped::NoUser => "the event names nobody",
        Unmapped::UserIsNoText => "the person's id is no text",
    }
}

fn as_written(event: &ImportEvent) -> Before {
    (
        event.verdict() == Verdict::Granted,
        event.user().to_owned(),
        event.time().as_unix_seconds(),
        event.key(),
    )
}

fn of_written((is_granted, user, second, key): Before) -> ImportEvent {
    let verdict = if is_granted { Verdict::Granted } else { Verdict::Denied };
    let event = ImportEvent::new(verdict, user, Timestamp::from_unix_seconds(second));
    key.map_or(event.clone(), |key| event.tna_key(key))
}

/// Whether the person was granted access, the person, the second, and the time and attendance key.
type Before = (bool, String, u32, Option<u8>);

/// The content of the file.
#[derive(Deserialize, Serialize)]
struct Written {
    format: u32,
    server: String,
    virtual_device: u32,
    readers: Vec<Row>,
    pending: Option<Row>,
    #[serde(default)]
    before: Option<Vec<Before>>,
    #[serde(default)]
    forgotten: Option<(u32, u32)>,
    #[serde(default)]
    imported: u64,
    refused: Vec<(u32, u32, u32, String)>,
    unmapped: BTreeMap<String, u64>,
}

#[derive(Deserialize, Serialize)]
struct Row {
    device: u32,
    epoch: u32,
    first: u32,
    watermark: u32,
    gaps: Vec<(u32, u32, String)>,
    events: Vec<String>,
}

impl Row {
    fn of_epoch(Epoch { ledger, events }: &Epoch) -> Self {
        Self::new(ledger.device(), ledger.epoch(), span(ledger), ledger.gaps(), events.values())
    }

    fn of_batch(batch: &Batch) -> Self {
        let (span, gaps) = ((batch.first, batch.watermark), batch.gaps.iter().copied());
        Self::new(batch.device, batch.epoch, span, gaps, batch.events.iter())
    }

    fn new<'a>(
        device: DeviceId,
        epoch: u32,
        (first, watermark): (u32, u32),
        gaps: impl Iterator<Item = Gap>,
        events: impl Iterator<Item = &'a Event>,
    ) -> Self {
        let gaps = gaps.map(|gap| (gap.from, gap.to, gap.reason.to_string())).collect();
        let events = events.map(|event| STANDARD.encode(event.as_bytes())).collect();
        Self { device: device.get(), epoch, first, watermark, gaps, events }
    }

    fn read(self) -> Option<Batch> {
        let mut batch = Batch::new(DeviceId::new(self.device), self.epoch, self.first, self.watermark);
        for (from, to, reason) in self.gaps {
            batch = batch.with_gap(from, to, reason.parse().ok()?);
        }
        for event in self.events {
            batch.events.push(*Event::from_bytes(&STANDARD.decode(event).ok()?).ok()?);
        }
        Some(batch)
    }
}

const FORMAT: u32 = 1;

/// How many of the newest events of an epoch are kept.
const KEPT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_first_edition_is_read_and_written_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.state");
        let event = STANDARD.encode(
            Event::builder(DeviceId::new(7), 2, crate::codec::EventCode::new(0x1301)).build().as_bytes(),
        );
        let text = format!(
            concat!(
                r#"{{"format":1,"server":"https://192.0.2.10","virtual_device":100001,"#,
                r#""readers":[{{"device":7,"epoch":0,"first":1,"watermark":2,"gaps":[[1,1,"unknown"]],"events":["{}"]}}],"#,
                r#""pending":null,"before":null,"forgotten":[5,9],"imported":3,"refused":[[7,0,2,"201"]],"#,
                r#""unmapped":{{"the event is no authentication":4,"the event names nobody":1,"#,
                r#""the event's code says neither granted nor denied":2,"the person's id is no text":6}}}}"#,
            ),
            event
        );
        fs::write(&path, &text).unwrap();
        let state = State::open(&path, "https://192.0.2.10", VirtualDeviceId::MIN).unwrap();
        assert_eq!((state.summary.imported, state.summary.unmapped.total()), (3, 13));
        assert_eq!(state.epochs.gaps(DeviceId::new(7)).len(), 1);
        state.save(&path).unwrap();
        let [read, written] = [text.as_bytes(), &fs::read(&path).unwrap()]
            .map(|bytes| serde_json::from_slice::<serde_json::Value>(bytes).unwrap());
        assert_eq!(read, written);
    }
}
