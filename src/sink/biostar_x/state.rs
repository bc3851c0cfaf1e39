//! What the sink knows, and the file that it stands in.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::{RefusedEvent, Summary};
use crate::biostar_x::{ImportEvent, Unmapped, UnmappedCount, Verdict, VirtualDeviceId};
use crate::codec::{DeviceId, Event, Timestamp};
use crate::sink::{Batch, Gap, ResumePoint, Stored};
use crate::{Error, ErrorKind, Result};

/// What the sink knows.
#[derive(Clone)]
pub(super) struct State {
    server: String,
    virtual_device: VirtualDeviceId,
    accounts: BTreeMap<(DeviceId, u32), Account>,
    pending: Option<Pending>,
    /// The first and the last second of what was imported and is not kept in the accounts.
    forgotten: Option<(u32, u32)>,
    summary: Summary,
    /// The same since the sink was opened.
    of_run: Summary,
}

/// A batch without what is stored already.
#[derive(Clone)]
pub(super) struct Pending {
    batch: Batch,
    /// What was on the server before it and looks like one of its events; none where the accounts tell.
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
    /// What the file says; an empty state where there is none.
    pub(super) fn open(path: &Path, server: &str, virtual_device: VirtualDeviceId) -> Result<Self> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (accounts, summary) = (BTreeMap::new(), Summary::default());
                return Ok(Self {
                    server: server.to_owned(),
                    virtual_device,
                    accounts,
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
        // Not the error of the parser: it may repeat what the file holds.
        let written: Written = serde_json::from_slice(&text).map_err(|_| damaged())?;
        if written.format != FORMAT {
            let message = format!("state file `{}` has format {}", path.display(), written.format);
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        if written.server != server || written.virtual_device != virtual_device.get() {
            let message =
                format!("state file `{}` belongs to another server or virtual device", path.display());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let mut accounts = BTreeMap::new();
        for row in written.readers {
            let batch = row.read().ok_or_else(damaged)?;
            let gaps = batch.gaps.iter().map(|gap| (gap.from, (gap.to, gap.reason))).collect();
            let events = batch.events.into_iter().map(|event| (event.id(), event)).collect();
            let account = Account { first: batch.first, watermark: batch.watermark, gaps, events };
            accounts.insert((batch.device, batch.epoch), account);
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
            let reason =
                Unmapped::ALL.into_iter().find(|reason| reason.to_string() == word).ok_or_else(damaged)?;
            unmapped.add_many(reason, count);
        }
        let summary = Summary { imported: written.imported, unmapped, refused: refused.collect() };
        let (forgotten, of_run) = (written.forgotten, Summary::default());
        Ok(Self { server: server.to_owned(), virtual_device, accounts, pending, forgotten, summary, of_run })
    }

    /// Replaces the file: written beside, synced, renamed.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let accounts = self.accounts.iter();
        let written = Written {
            format: FORMAT,
            server: self.server.clone(),
            virtual_device: self.virtual_device.get(),
            readers: accounts
                .map(|(&(device, epoch), account)| Row::of_account(device, epoch, account))
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
                .map(|(reason, count)| (reason.to_string(), count))
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

    /// The batch without what is stored already, and how much that is.
    pub(super) fn new_of(&self, mut batch: Batch) -> (Pending, u64) {
        let account = self.accounts.get(&(batch.device, batch.epoch));
        let all = batch.events.len();
        let mut seen = std::collections::BTreeSet::new();
        batch.events.retain(|event| {
            seen.insert(event.id()) && !account.is_some_and(|account| account.holds(event.id()))
        });
        let repeated = all.saturating_sub(batch.events.len());
        (Pending { batch, before: None }, repeated.try_into().unwrap_or(u64::MAX))
    }

    /// Takes a batch into the account.
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
        let account = self.accounts.entry((device, epoch)).or_insert_with(|| Account::new(batch.first));
        let span = (batch.first, batch.watermark);
        let forgotten = account.take(device, epoch, batch.events.iter().copied(), &batch.gaps, span);
        for event in forgotten.iter().filter_map(|event| ImportEvent::try_from(event).ok()) {
            let second = event.time().as_unix_seconds();
            let (from, to) = self.forgotten.unwrap_or((second, second));
            self.forgotten = Some((from.min(second), to.max(second)));
        }
        self.pending = None;
        Stored { new: batch.events.len().try_into().unwrap_or(u64::MAX), repeated: 0 }
    }

    /// Whether an event that is not kept may look like one of this batch, so that only the server can tell.
    pub(super) fn may_have_forgotten(&self, pending: &Pending) -> bool {
        self.forgotten.is_some_and(|(from, to)| {
            let mut mapped = pending.events().filter_map(|event| ImportEvent::try_from(event).ok());
            mapped.any(|event| (from..=to).contains(&event.time().as_unix_seconds()))
        })
    }

    /// What is certainly on the server beside this batch, as far as it can look like one of its events.
    pub(super) fn beside(&self, pending: &Pending) -> Vec<ImportEvent> {
        pending.before.clone().unwrap_or_else(|| self.on_server())
    }

    /// The newest events that are certainly on the server.
    fn on_server(&self) -> Vec<ImportEvent> {
        let refused = |device, epoch, id| {
            let mut refused = self.summary.refused.iter();
            refused.any(|event| (event.device, event.epoch, event.id) == (device, epoch, id))
        };
        let accounts = self.accounts.iter();
        accounts
            .flat_map(|(&(device, epoch), account)| {
                account.events.values().filter(move |event| !refused(device, epoch, event.id()))
            })
            .filter_map(|event| ImportEvent::try_from(event).ok())
            .collect()
    }

    pub(super) fn resume(&self, device: DeviceId) -> Option<ResumePoint> {
        let (epoch, account) = self.of(device).last()?;
        let above = account.watermark.checked_add(1).map(|from| account.events.range(from..));
        let above = above.into_iter().flatten().map(|(_, event)| *event).collect();
        Some(ResumePoint { epoch, first: account.first, watermark: account.watermark, above })
    }

    pub(super) fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Option<Event> {
        self.accounts.get(&(device, epoch))?.events.get(&id).copied()
    }

    pub(super) fn gaps(&self, device: DeviceId) -> Vec<Gap> {
        self.of(device).flat_map(|(epoch, account)| account.gaps(device, epoch)).collect()
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary.clone()
    }

    pub(super) fn summary_of_run(&self) -> Summary {
        self.of_run.clone()
    }

    fn of(&self, device: DeviceId) -> impl Iterator<Item = (u32, &Account)> {
        self.accounts.range((device, 0)..=(device, u32::MAX)).map(|((_, epoch), account)| (*epoch, account))
    }
}

pub(super) fn storage(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("state file `{}`", path.display())).with_source(error)
}

fn replace(path: &Path, written: &Written) -> io::Result<()> {
    let mut beside = path.to_owned().into_os_string();
    beside.push(".new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // The events in it name people.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(&serde_json::to_vec(written)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // The new name has to survive a power cut too. Where a folder cannot be opened there is no such call.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(folder) {
        Ok(folder) if cfg!(unix) => folder.sync_all(),
        _ => Ok(()),
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

/// Whether granted, the person, the second, and the key.
type Before = (bool, String, u32, Option<u8>);

/// The file.
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
    fn of_account(device: DeviceId, epoch: u32, account: &Account) -> Self {
        let (first, watermark) = (account.first, account.watermark);
        Self::new(device, epoch, (first, watermark), account.gaps(device, epoch), account.events.values())
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
