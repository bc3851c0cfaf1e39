//! The state of the sink: which ids are stored, which batches are being sent, and how the file keeps both.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::journal::Journal;
use crate::biostar_x::import::{Unmapped, UnmappedCount};
use crate::biostar_x::{ImportEvent, Verdict, VirtualDeviceId};
use crate::codec::{DeviceId, Event, Timestamp};
use crate::sink::batch::{Batch, Gap, GapReason, Stored};
use crate::sink::ledger::Ledger;
use crate::sink::memory::{Epoch, Epochs};
use crate::{Error, ErrorKind, Result};

/// What a [`BiostarXSink`](super::BiostarXSink) brought to the server and what not, since its state file was made.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Events that are on the server.
    pub imported: u64,
    /// Events that cannot be imported, by reason.
    pub unmapped: UnmappedCount,
    /// Events that the server rejected.
    pub refused: Vec<RefusedEvent>,
}

/// An event that the server rejected.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RefusedEvent {
    /// The device.
    pub device: DeviceId,
    /// The epoch of its id counter.
    pub epoch: u32,
    /// The event's id.
    pub id: u32,
    /// The server's code, such as 201 for an unknown user; empty where it gave none.
    pub code: String,
}

/// The state of a sink, with its file.
pub(super) struct State {
    server: String,
    virtual_device: VirtualDeviceId,
    epochs: Epochs,
    /// The batches that are being sent.
    group: Option<Group>,
    forgotten: Forgotten,
    summary: Summary,
    /// The summary since the sink was opened.
    of_run: Summary,
    journal: Journal,
    /// The end of the last group, which the file has in a note alone.
    unsynced: Option<Vec<Refused>>,
}

/// Batches that are sent together, without what is stored already: at most one of each device and epoch.
#[derive(Clone, Default)]
pub(super) struct Group {
    batches: Vec<Batch>,
    /// Events that were on the server before it, look like one of its events, and are neither kept nor counted.
    before: Vec<ImportEvent>,
}

impl Group {
    pub(super) fn push(&mut self, batch: Batch) {
        self.batches.push(batch);
    }

    pub(super) fn with_before(self, before: Vec<ImportEvent>) -> Self {
        Self { before, ..self }
    }

    /// The events that can be imported, in the order of the batches.
    pub(super) fn mapped(&self) -> impl Iterator<Item = ImportEvent> {
        self.events().filter_map(|event| ImportEvent::try_from(event).ok())
    }

    /// The identities of [`mapped`](Self::mapped).
    pub(super) fn mapped_ids(&self) -> impl Iterator<Item = (DeviceId, u32, u32)> {
        self.batches.iter().flat_map(|batch| {
            let mapped = batch.events.iter().filter(|event| ImportEvent::try_from(*event).is_ok());
            mapped.map(|event| (batch.device, batch.epoch, event.id()))
        })
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.batches.iter().flat_map(|batch| &batch.events)
    }
}

impl State {
    /// Reads the file; without a file the state is empty.
    pub(super) fn open(path: &Path, server: &str, virtual_device: VirtualDeviceId) -> Result<Self> {
        let (journal, objects) = Journal::open(path)?;
        let mut state = Self {
            server: server.to_owned(),
            virtual_device,
            epochs: Epochs::default(),
            group: None,
            forgotten: Forgotten::default(),
            summary: Summary::default(),
            of_run: Summary::default(),
            journal,
            unsynced: None,
        };
        let mut objects = objects.iter();
        if let Some(snapshot) = objects.next() {
            state.load(snapshot)?;
        }
        for change in objects {
            // Without the parser's error, which may repeat what the file contains.
            let change: Change = serde_json::from_str(change).map_err(|_| state.journal.damaged())?;
            state.apply(change)?;
        }
        if state.unsynced.is_some() {
            state.journal.take_last_for_note();
        }
        // What an earlier process did is not of this run.
        state.of_run = Summary::default();
        Ok(state)
    }

    fn load(&mut self, snapshot: &str) -> Result<()> {
        let damaged = self.journal.damaged();
        let damaged = || damaged.clone();
        let path = self.journal.path().display();
        let written: Snapshot = serde_json::from_str(snapshot).map_err(|_| damaged())?;
        if ![FIRST_FORMAT, FORMAT].contains(&written.format) {
            let message = format!(
                "state file `{path}` has format {}, which this version does not know",
                written.format
            );
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        if written.server != self.server || written.virtual_device != self.virtual_device.get() {
            let message = format!("state file `{path}` belongs to another server or virtual device");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        for row in written.readers {
            self.epochs.insert(epoch_of(row.read().ok_or_else(damaged)?));
        }
        let looks = written.looks.map_or(Some(BTreeMap::new()), |looks| read_looks(&looks));
        self.forgotten = Forgotten { looks: looks.ok_or_else(damaged)?, span: written.forgotten };
        if let Some(row) = written.pending {
            let before = written.before.unwrap_or_default().into_iter().map(of_written).collect();
            self.group = Some(Group { batches: vec![row.read().ok_or_else(damaged)?], before });
        }
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
        self.summary = Summary { imported: written.imported, unmapped, refused: refused.collect() };
        Ok(())
    }

    /// Does what a line of the file says.
    fn apply(&mut self, change: Change) -> Result<()> {
        if let Some(refused) = change.finished {
            let Some(group) = self.group.take() else { return Err(self.journal.damaged()) };
            self.take(group, &refused)?;
            self.unsynced = Some(refused);
        }
        if let Some(begun) = change.begun {
            let batches: Option<Vec<_>> = begun.batches.into_iter().map(Row::read).collect();
            let batches = batches.ok_or_else(|| self.journal.damaged())?;
            let before = begun.before.into_iter().map(of_written).collect();
            self.group = Some(Group { batches, before });
            self.unsynced = None;
        }
        Ok(())
    }

    /// Notes in the file that these batches are about to be sent. Whatever happens from here on, the file knows what may
    /// be on the server.
    pub(super) fn begin(&mut self, group: Group) -> Result<()> {
        if self.journal.needs_snapshot() {
            self.snapshot()?;
        }
        let begun = Begun {
            batches: group.batches.iter().map(Row::of_batch).collect(),
            before: group.before.iter().map(as_written).collect(),
        };
        self.journal.append(&Change { finished: self.unsynced.clone(), begun: Some(begun) })?;
        self.unsynced = None;
        self.group = Some(group);
        Ok(())
    }

    /// Records the group as stored, with the events of it that the server rejected; returns the outcome of each batch.
    pub(super) fn finish(&mut self, refused: Vec<Refused>) -> Result<Vec<(DeviceId, u32, Stored)>> {
        // It is not synced: where it is lost, the group is looked up on the server and ends in the same way.
        if !self.journal.needs_snapshot() {
            self.journal.note(&Change { finished: Some(refused.clone()), begun: None })?;
        }
        let group = self.group.take().unwrap_or_default();
        let stored = self.take(group, &refused)?;
        self.unsynced = Some(refused);
        if self.journal.needs_snapshot() || self.journal.is_long() {
            // What failed is done again before the next group. Until then the old file says all that is needed.
            if let Err(error) = self.snapshot() {
                tracing::warn!(%error, "the state file could not be made shorter");
            }
        }
        Ok(stored)
    }

    fn take(&mut self, group: Group, refused: &[Refused]) -> Result<Vec<(DeviceId, u32, Stored)>> {
        let mut outcomes = Vec::with_capacity(group.batches.len());
        for batch in group.batches {
            let (device, epoch) = (batch.device, batch.epoch);
            let of_batch = |event: &&Refused| (event.0, event.1) == (device.get(), epoch);
            let refused: Vec<_> = refused
                .iter()
                .filter(of_batch)
                .map(|(_, _, id, code)| RefusedEvent { device, epoch, id: *id, code: code.clone() })
                .collect();
            for summary in [&mut self.summary, &mut self.of_run] {
                let mut mapped: u64 = 0;
                for event in &batch.events {
                    match ImportEvent::try_from(event) {
                        Ok(_) => mapped = mapped.saturating_add(1),
                        Err(reason) => summary.unmapped.add(reason),
                    }
                }
                let refused_count = refused.len().try_into().unwrap_or(u64::MAX);
                let imported = mapped.saturating_sub(refused_count);
                summary.imported = summary.imported.saturating_add(imported);
                summary.refused.extend(refused.iter().cloned());
            }
            let (stored, state) = self.epochs.store(batch)?;
            for event in forget(state).iter().filter_map(|event| ImportEvent::try_from(event).ok()) {
                self.forgotten.insert(&event);
            }
            outcomes.push((device, epoch, stored));
        }
        Ok(outcomes)
    }

    /// Replaces the file, while no batch is being sent.
    fn snapshot(&mut self) -> Result<()> {
        let snapshot = Snapshot {
            format: FORMAT,
            server: self.server.clone(),
            virtual_device: self.virtual_device.get(),
            readers: self.epochs.iter().map(Row::of_epoch).collect(),
            pending: None,
            before: None,
            forgotten: self.forgotten.span,
            looks: Some(write_looks(&self.forgotten.looks)),
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
        self.journal.replace(&snapshot)?;
        self.unsynced = None;
        Ok(())
    }

    /// Syncs the file.
    pub(super) fn sync(&self) -> Result<()> {
        self.journal.sync()
    }

    /// The batches that an earlier call, or an earlier process, has begun to send.
    pub(super) fn group(&self) -> Option<Group> {
        self.group.clone()
    }

    /// The batch without the events that are stored already, and how many these are.
    pub(super) fn new_of(&self, mut batch: Batch) -> (Batch, u64) {
        let epoch = self.epochs.get(batch.device, batch.epoch);
        let all = batch.events.len();
        let mut seen = BTreeSet::new();
        batch.events.retain(|event| {
            seen.insert(event.id()) && !epoch.is_some_and(|epoch| epoch.ledger.contains(event.id()))
        });
        let repeated = all.saturating_sub(batch.events.len());
        (batch, repeated.try_into().unwrap_or(u64::MAX))
    }

    /// The events of the group of which only the server knows what else looks the same.
    pub(super) fn older_than_kept(&self, group: &Group) -> Vec<ImportEvent> {
        group.mapped().filter(|event| self.forgotten.is_in_span(event)).collect()
    }

    /// The events that are certainly on the server, besides this group, and may look like one of its events.
    pub(super) fn others_on_server(&self, group: &Group) -> Vec<ImportEvent> {
        let refused: HashSet<_> =
            self.summary.refused.iter().map(|event| (event.device, event.epoch, event.id)).collect();
        let mut others = group.before.clone();
        let (mut seconds, mut seen) = (HashSet::new(), HashSet::new());
        for event in group.mapped().filter(|event| !self.forgotten.is_in_span(event)) {
            seconds.insert(event.time().as_unix_seconds());
            let look = look(&event);
            if seen.insert(look) {
                let count = self.forgotten.looks.get(&look).copied().unwrap_or_default();
                others.extend((0..count).map(|_| event.clone()));
            }
        }
        for Epoch { ledger, events, .. } in self.epochs.iter() {
            let (device, epoch) = (ledger.device(), ledger.epoch());
            others.extend(
                events
                    .values()
                    .filter(|event| seconds.contains(&event.timestamp().as_unix_seconds()))
                    .filter(|event| !refused.contains(&(device, epoch, event.id())))
                    .filter_map(|event| ImportEvent::try_from(event).ok()),
            );
        }
        others
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

/// The imported events that are not kept, by what an event of another device may have in common with them.
#[derive(Default)]
struct Forgotten {
    /// How many there are of each second and [`look`].
    looks: BTreeMap<Look, u32>,
    /// The first and the last second of those that are not counted any more.
    span: Option<(u32, u32)>,
}

/// A second, and a checksum of person and verdict. The time and attendance key is no part of it, because not every
/// server shows it.
type Look = (u32, u32);

impl Forgotten {
    fn insert(&mut self, event: &ImportEvent) {
        if self.is_in_span(event) {
            return;
        }
        let count = self.looks.entry(look(event)).or_default();
        *count = count.saturating_add(1);
        if self.looks.len() > LOOKS
            && let Some(((second, _), _)) = self.looks.pop_first()
        {
            let (from, to) = self.span.unwrap_or((second, second));
            self.span = Some((from.min(second), to.max(second)));
        }
    }

    fn is_in_span(&self, event: &ImportEvent) -> bool {
        let second = event.time().as_unix_seconds();
        self.span.is_some_and(|(from, to)| (from..=to).contains(&second))
    }
}

fn look(event: &ImportEvent) -> Look {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&[u8::from(event.verdict() == Verdict::Granted)]);
    checksum.update(event.user().trim().as_bytes());
    (event.time().as_unix_seconds(), checksum.finalize())
}

/// Three numbers of 32 bits, little-endian, for each look, in base64.
fn write_looks(looks: &BTreeMap<Look, u32>) -> String {
    let numbers = looks.iter().flat_map(|((second, checksum), count)| [*second, *checksum, *count]);
    STANDARD.encode(numbers.flat_map(u32::to_le_bytes).collect::<Vec<_>>())
}

fn read_looks(text: &str) -> Option<BTreeMap<Look, u32>> {
    let bytes = STANDARD.decode(text).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    let numbers: Vec<_> = numbers.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    let (looks, more) = numbers.as_chunks::<3>();
    (rest.is_empty() && more.is_empty())
        .then(|| looks.iter().map(|[second, checksum, count]| ((*second, *checksum), *count)).collect())
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
    // What is on the server is not changed, so nothing has to be learned.
    let events = batch.events.into_iter().map(|event| (event.id(), event)).collect();
    Epoch { ledger, events, clockless: BTreeSet::new() }
}

/// Removes and returns the events inside the span, except the oldest and the newest.
fn forget(Epoch { ledger, events, .. }: &mut Epoch) -> Vec<Event> {
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

/// An event that the server rejected: device, epoch, event id, the server's code.
pub(super) type Refused = (u32, u32, u32, String);

/// The first line of the file; in the first edition the whole file, with the one batch that was being sent.
#[derive(Deserialize, Serialize)]
struct Snapshot {
    format: u32,
    server: String,
    virtual_device: u32,
    readers: Vec<Row>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<Row>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Vec<Before>>,
    #[serde(default)]
    forgotten: Option<(u32, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    looks: Option<String>,
    #[serde(default)]
    imported: u64,
    refused: Vec<Refused>,
    unmapped: BTreeMap<String, u64>,
}

/// A further line: the end of the group that was begun before, the begin of the next one, or both.
#[derive(Deserialize, Serialize)]
struct Change {
    /// The events of the group that the server rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished: Option<Vec<Refused>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun: Option<Begun>,
}

#[derive(Deserialize, Serialize)]
struct Begun {
    batches: Vec<Row>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<Before>,
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
    fn of_epoch(Epoch { ledger, events, .. }: &Epoch) -> Self {
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

const FORMAT: u32 = 2;

/// One JSON object without a line break, which was replaced with every change.
const FIRST_FORMAT: u32 = 1;

/// How many of the newest events of an epoch are kept.
const KEPT: usize = 128;

/// How many looks are counted. They are what a busy site imports in an hour, and 4 MB.
const LOOKS: usize = 200_000;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::codec::{EventCode, Subject, UserId};

    const SERVER: &str = "https://192.0.2.10";

    fn open(path: &Path) -> State {
        State::open(path, SERVER, VirtualDeviceId::MIN).unwrap()
    }

    fn batch(ids: std::ops::RangeInclusive<u32>) -> Batch {
        let device = DeviceId::new(7);
        let event = |id| {
            Event::builder(device, id, EventCode::new(0x1301))
                .subject(Subject::User(&UserId::new("1").unwrap()))
                .timestamp(Timestamp::from_unix_seconds(1_000 + id))
                .build()
        };
        Batch::new(device, 0, *ids.start(), *ids.end()).with_events(ids.map(event))
    }

    fn store(state: &mut State, batch: Batch) {
        state.begin(Group { batches: vec![batch], before: Vec::new() }).unwrap();
        state.finish(Vec::new()).unwrap();
    }

    #[test]
    fn a_file_of_the_first_edition_is_read_and_becomes_lines_with_the_first_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.state");
        let event =
            STANDARD.encode(Event::builder(DeviceId::new(7), 2, EventCode::new(0x1301)).build().as_bytes());
        let text = format!(
            concat!(
                r#"{{"format":1,"server":"https://192.0.2.10","virtual_device":100001,"#,
                r#""readers":[{{"device":7,"epoch":0,"first":1,"watermark":2,"gaps":[[1,1,"unknown"]],"events":["{0}"]}}],"#,
                r#""pending":{{"device":8,"epoch":0,"first":2,"watermark":2,"gaps":[],"events":["{0}"]}},"#,
                r#""before":[[true,"1",5,null]],"forgotten":[5,9],"imported":3,"refused":[[7,0,2,"201"]],"#,
                r#""unmapped":{{"the event is no authentication":4,"the event names nobody":1,"#,
                r#""the event's code says neither granted nor denied":2,"the person's id is no text":6}}}}"#,
            ),
            event
        );
        fs::write(&path, &text).unwrap();
        let mut state = open(&path);
        assert_eq!((state.summary.imported, state.summary.unmapped.total()), (3, 13));
        assert_eq!(state.epochs.gaps(DeviceId::new(7)).len(), 1);
        let group = state.group().unwrap();
        assert_eq!((group.batches.len(), group.before.len()), (1, 1));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        state.finish(Vec::new()).unwrap();
        store(&mut state, batch(3..=3));
        let state = open(&path);
        assert!(state.group.is_none() && state.epochs.get(DeviceId::new(8), 0).is_some());
        assert_eq!((state.summary.imported, state.forgotten.span), (4, Some((5, 9))));
        assert_eq!(state.summary.refused.len(), 1);
    }

    #[test]
    fn lines_say_the_same_as_a_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.state");
        let mut state = open(&path);
        for first in (1..1_000).step_by(37) {
            store(&mut state, batch(first..=first + 36));
        }
        let said = |state: &State| {
            let epochs: Vec<_> = state
                .epochs
                .iter()
                .map(|epoch| (epoch.ledger.clone(), epoch.events.keys().copied().collect::<Vec<_>>()))
                .collect();
            (epochs, state.forgotten.looks.clone(), state.summary.clone())
        };
        let expected = said(&state);
        assert!(!expected.1.is_empty());
        assert_eq!(said(&open(&path)), expected);
        let mut state = open(&path);
        state.snapshot().unwrap();
        assert_eq!(said(&open(&path)), expected);
    }

    #[test]
    fn the_file_stays_short_however_much_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.state");
        let mut state = open(&path);
        for first in (1..60_000).step_by(1_000) {
            store(&mut state, batch(first..=first + 999));
        }
        let length = fs::metadata(&path).unwrap().len();
        assert!(length < 3_500_000, "{length}");
    }

    #[test]
    fn what_is_not_counted_any_more_is_in_the_span() {
        let mut forgotten = Forgotten::default();
        let event = |second| ImportEvent::granted("1", Timestamp::from_unix_seconds(second));
        for second in 0..u32::try_from(LOOKS).unwrap() + 10 {
            forgotten.insert(&event(second));
        }
        assert_eq!((forgotten.looks.len(), forgotten.span), (LOOKS, Some((0, 9))));
        forgotten.insert(&event(5));
        assert_eq!(forgotten.looks.len(), LOOKS);
    }
}
