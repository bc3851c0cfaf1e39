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
use crate::sink::{Batch, Gap, GapReason, ResumePoint, Stored};
use crate::{Error, ErrorKind, Result};

/// The state of a sink.
#[derive(Clone)]
pub(super) struct State {
    server: String,
    virtual_device: VirtualDeviceId,
    ledgers: BTreeMap<(DeviceId, u32), EpochLedger>,
    pending: Option<Pending>,
    /// The first and the last second of imported events that the ledgers do not keep.
    forgotten: Option<(u32, u32)>,
    summary: Summary,
    /// The summary since the sink was opened.
    of_run: Summary,
}

/// A batch without what is stored already.
#[derive(Clone)]
pub(super) struct Pending {
    batch: Batch,
    /// Events that were on the server before it and look like one of its events; `None` where the ledgers know them.
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
                let (ledgers, summary) = (BTreeMap::new(), Summary::default());
                return Ok(Self {
                    server: server.to_owned(),
                    virtual_device,
                    ledgers,
                    pending: None,
                    forgotten: None,
                    of_run: summary.clone(),
                    summary,
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
        let mut ledgers = BTreeMap::new();
        for row in written.readers {
            let batch = row.read().ok_or_else(damaged)?;
            let gaps = batch.gaps.iter().map(|gap| (gap.from, (gap.to, gap.reason))).collect();
            let events = batch.events.into_iter().map(|event| (event.id(), event)).collect();
            let ledger = EpochLedger { first: batch.first, watermark: batch.watermark, gaps, events };
            ledgers.insert((batch.device, batch.epoch), ledger);
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
        Ok(Self { server: server.to_owned(), virtual_device, ledgers, pending, forgotten, summary, of_run })
    }

    /// Replaces the file: writes a new one, syncs it and renames it.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let ledgers = self.ledgers.iter();
        let written = Written {
            format: FORMAT,
            server: self.server.clone(),
            virtual_device: self.virtual_device.get(),
            readers: ledgers
                .map(|(&(device, epoch), ledger)| Row::of_ledger(device, epoch, ledger))
                .collect(),
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
        let ledger = self.ledgers.get(&(batch.device, batch.epoch));
        let all = batch.events.len();
        let mut seen = std::collections::BTreeSet::new();
        batch.events.retain(|event| {
            seen.insert(event.id()) && !ledger.is_some_and(|ledger| ledger.holds(event.id()))
        });
        let repeated = all.saturating_sub(batch.events.len());
        (Pending { batch, before: None }, repeated.try_into().unwrap_or(u64::MAX))
    }

    /// Records a batch in its ledger.
    pub(super) fn finish(&mut self, pending: &Pending, refused: Vec<(u32, String)>) -> Stored {
        let batch = &pending.batch;
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
        let ledger = self.ledgers.entry((device, epoch)).or_insert_with(|| EpochLedger::new(batch.first));
        let span = (batch.first, batch.watermark);
        let forgotten = ledger.take(device, epoch, batch.events.iter().copied(), &batch.gaps, span);
        for event in forgotten.iter().filter_map(|event| ImportEvent::try_from(event).ok()) {
            let second = event.time().as_unix_seconds();
            let (from, to) = self.forgotten.unwrap_or((second, second));
            self.forgotten = Some((from.min(second), to.max(second)));
        }
        self.pending = None;
        Stored { new: batch.events.len().try_into().unwrap_or(u64::MAX), repeated: 0 }
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
        let ledgers = self.ledgers.iter();
        ledgers
            .flat_map(|(&(device, epoch), ledger)| {
                ledger.events.values().filter(move |event| !refused(device, epoch, event.id()))
            })
            .filter_map(|event| ImportEvent::try_from(event).ok())
            .collect()
    }

    pub(super) fn resume(&self, device: DeviceId) -> Option<ResumePoint> {
        let (epoch, ledger) = self.of(device).last()?;
        let above = ledger.watermark.checked_add(1).map(|from| ledger.events.range(from..));
        let above = above.into_iter().flatten().map(|(_, event)| *event).collect();
        Some(ResumePoint { epoch, first: ledger.first, watermark: ledger.watermark, above })
    }

    pub(super) fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Option<Event> {
        self.ledgers.get(&(device, epoch))?.events.get(&id).copied()
    }

    pub(super) fn gaps(&self, device: DeviceId) -> Vec<Gap> {
        self.of(device).flat_map(|(epoch, ledger)| ledger.gaps(device, epoch)).collect()
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary.clone()
    }

    pub(super) fn summary_of_run(&self) -> Summary {
        self.of_run.clone()
    }

    fn of(&self, device: DeviceId) -> impl Iterator<Item = (u32, &EpochLedger)> {
        self.ledgers.range((device, 0)..=(device, u32::MAX)).map(|((_, epoch), ledger)| (*epoch, ledger))
    }
}

/// Which ids of one epoch of a device are stored, and some of the events.
#[derive(Clone, Debug)]
struct EpochLedger {
    first: u32,
    watermark: u32,
    gaps: BTreeMap<u32, (u32, GapReason)>,
    /// The oldest, the newest, and all outside the span from `first` to `watermark`.
    events: BTreeMap<u32, Event>,
}

impl EpochLedger {
    /// A ledger without an id.
    const fn new(first: u32) -> Self {
        Self { first, watermark: first.saturating_sub(1), gaps: BTreeMap::new(), events: BTreeMap::new() }
    }

    /// Whether the event with this id is stored, also where the event itself is not kept.
    fn holds(&self, id: u32) -> bool {
        self.events.contains_key(&id) || self.spans(id) && !self.is_missing(id)
    }

    /// Records a batch, and returns the events that are not kept any more.
    fn take(
        &mut self,
        device: DeviceId,
        epoch: u32,
        events: impl Iterator<Item = Event>,
        gaps: &[Gap],
        (first, watermark): (u32, u32),
    ) -> Vec<Event> {
        for event in events {
            self.take_out(device, epoch, event.id());
            self.events.insert(event.id(), event);
        }
        for gap in gaps {
            self.add(*gap);
        }
        if first <= self.watermark.saturating_add(1) && self.first <= watermark.saturating_add(1) {
            self.first = self.first.min(first);
            self.watermark = self.watermark.max(watermark);
        }
        self.forget()
    }

    fn gaps(&self, device: DeviceId, epoch: u32) -> impl Iterator<Item = Gap> {
        self.gaps.iter().map(move |(&from, &(to, reason))| Gap { device, epoch, from, to, reason })
    }

    /// Whether the id lies in the span; a ledger with the first id 0 and the watermark 0 may have no span.
    fn spans(&self, id: u32) -> bool {
        self.has_span() && (self.first..=self.watermark).contains(&id)
    }

    /// A ledger from id 0 has no watermark that means "nothing yet"; there only stored and missing ids count.
    fn has_span(&self) -> bool {
        self.watermark > 0 || self.first > 0 || self.events.contains_key(&0) || self.is_missing(0)
    }

    fn is_missing(&self, id: u32) -> bool {
        self.gaps.range(..=id).next_back().is_some_and(|(_, (to, _))| *to >= id)
    }

    /// Takes an event out of the gap that it lies in.
    fn take_out(&mut self, device: DeviceId, epoch: u32, id: u32) {
        let Some((&from, &(to, reason))) = self.gaps.range(..=id).next_back() else { return };
        if to >= id {
            self.gaps.remove(&from);
            let gap = Gap { device, epoch, from, to, reason };
            self.gaps
                .extend(gap.without([(id, id)]).into_iter().map(|piece| (piece.from, (piece.to, reason))));
        }
    }

    /// Adds a gap around what is stored or missing.
    fn add(&mut self, gap: Gap) {
        let span = (self.has_span() && self.first <= self.watermark).then_some((self.first, self.watermark));
        let span = span.filter(|(first, last)| *first <= gap.to && *last >= gap.from);
        let events = self.events.range(gap.from..=gap.to).map(|(id, _)| (*id, *id));
        let gaps = self.gaps.range(..=gap.to).filter(|(_, (to, _))| *to >= gap.from);
        let mut taken: Vec<_> = events.chain(gaps.map(|(from, (to, _))| (*from, *to))).chain(span).collect();
        taken.sort_unstable();
        self.gaps.extend(gap.without(taken).into_iter().map(|piece| (piece.from, (piece.to, piece.reason))));
    }

    /// Removes the events inside the span, except the oldest and the newest.
    fn forget(&mut self) -> Vec<Event> {
        let (first, watermark) = (self.first, self.watermark);
        if first > watermark {
            return Vec::new();
        }
        let inside: Vec<u32> = self.events.range(first..=watermark).map(|(id, _)| *id).collect();
        inside.iter().skip(1).rev().skip(KEPT).filter_map(|id| self.events.remove(id)).collect()
    }
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
    fn of_ledger(device: DeviceId, epoch: u32, ledger: &EpochLedger) -> Self {
        let (first, watermark) = (ledger.first, ledger.watermark);
        Self::new(device, epoch, (first, watermark), ledger.gaps(device, epoch), ledger.events.values())
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
        assert_eq!(state.gaps(DeviceId::new(7)).len(), 1);
        state.save(&path).unwrap();
        let [read, written] = [text.as_bytes(), &fs::read(&path).unwrap()]
            .map(|bytes| serde_json::from_slice::<serde_json::Value>(bytes).unwrap());
        assert_eq!(read, written);
    }
}
