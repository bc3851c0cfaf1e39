//! Reads the log of one device into the sink: pages, holes, gaps, epochs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::options::{CollectOptions, StopSignal};
use super::report::{DeviceReport, EpochReport, Progress, add};
use super::routes::Routes;
use super::sequencer::{Offered, Sequencer, is_same};
use crate::codec::{Event, EventCode};
use crate::device::{Device, DeviceInfo, EventPage};
use crate::sink::{Batch, GapReason, Sink, Stored};
use crate::{Error, ErrorKind, Result};

/// Reads one device's log into the sink, and counts what it stores.
///
/// Everything that must survive a failure is in the sink: after any error the work begins again from the resume point,
/// with [`open`](Self::open).
pub(super) struct CatchUp {
    pub(super) device: Device,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) options: CollectOptions,
    pub(super) progress: Arc<Progress>,
    pub(super) stop: StopSignal,
    /// The ways to the device; `device` is reached over the one that is used.
    pub(super) routes: Routes,
    /// Failures since the last success.
    pub(super) failures: usize,
    counts: BTreeMap<u32, Counts>,
    /// Events that waited when their epoch ended.
    unplaced: Vec<Batch>,
    caught_up: bool,
}

/// The counts of one epoch in this run.
#[derive(Default)]
struct Counts {
    stored: u64,
    repeated: u64,
    watermark: u32,
}

/// Why the work on a device pauses.
pub(super) enum Interrupt {
    /// The device or its connection failed.
    Failed(Error),
    /// The sink failed.
    Unstored(Error),
    /// The collector has to stop.
    Stopped,
}

pub(super) type Outcome<T = ()> = Result<T, Interrupt>;

impl Interrupt {
    /// The error, unless the collector has to stop.
    pub(super) fn error(self) -> Option<Error> {
        match self {
            Self::Failed(error) | Self::Unstored(error) => Some(error),
            Self::Stopped => None,
        }
    }
}

impl From<Error> for Interrupt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// An event that the log has and that cannot be read.
struct Unreadable {
    id: u32,
    error: Error,
}

impl CatchUp {
    pub(super) fn new(
        routes: Routes,
        sink: Arc<dyn Sink>,
        options: CollectOptions,
        progress: Arc<Progress>,
        stop: StopSignal,
    ) -> Self {
        let (failures, counts, unplaced, caught_up) = Default::default();
        let device = routes.device();
        Self { device, sink, options, progress, stop, routes, failures, counts, unplaced, caught_up }
    }

    /// Continues where the sink says.
    pub(super) async fn open(&mut self) -> Outcome<Sequencer> {
        self.routes.begin();
        let device = self.device.clone();
        let info = match self.unless_stopped(device.info()).await? {
            Ok(info) => info,
            // A backend that cannot report what a device is may still read its log.
            Err(error) if error.kind() == ErrorKind::Unsupported => DeviceInfo::new(self.device.id()),
            Err(error) => return Err(error.into()),
        };
        let sequencer = match self.sink.resume(&info).await.map_err(Interrupt::Unstored)? {
            Some(point) => Sequencer::resume(self.device.id(), point),
            None => Sequencer::new(self.device.id(), 0),
        };
        // A store that was replaced holds less than was counted. What is counted is what the store holds.
        let newest = self.counts.iter().next_back().map(|(epoch, counts)| (*epoch, counts.watermark));
        if newest > Some((sequencer.epoch(), sequencer.watermark())) {
            self.counts.clear();
        }
        self.counts.entry(sequencer.epoch()).or_default().watermark = sequencer.watermark();
        if self.options.estimate && !self.caught_up {
            let after = sequencer.watermark();
            if let Some(newest) = self.unless_stopped(device.newest_id(after)).await?? {
                let page = self.try_read(after, 1).await?.unwrap_or_default();
                let oldest = page.first().map_or(newest, Event::id);
                add(&self.progress.expected, u64::from(newest - oldest.min(newest)) + 1);
            }
        }
        Ok(sequencer)
    }

    /// Reads the log from the watermark to its end.
    pub(super) async fn run(&mut self, sequencer: &mut Sequencer) -> Outcome {
        let began = Instant::now();
        let mut page = self.first_page(sequencer).await?;
        loop {
            self.count_repeated(sequencer, page.repeated());
            let Some(last) = page.last().map(Event::id) else { break };
            self.take_page(sequencer, &page);
            self.close_holes(sequencer, last).await?;
            self.store(sequencer, false).await?;
            page = self.next_page(sequencer).await?;
        }
        // The log is read. Events that still wait were reported live, and the log lacks them or does not have them yet.
        if let Some(first) = sequencer.first_waiting() {
            self.unless_stopped(tokio::time::sleep(LOG_DELAY)).await?;
            let page = self.next_page(sequencer).await?;
            self.count_repeated(sequencer, page.repeated());
            self.take_page(sequencer, &page);
            sequencer.begin_at(first);
            self.set_implausible_aside(sequencer);
            self.close_holes(sequencer, u32::MAX).await?;
            self.store(sequencer, false).await?;
        }
        self.place(sequencer).await?;
        self.failures = 0;
        self.routes.read(began);
        if !self.caught_up {
            self.caught_up = true;
            add(&self.progress.caught_up, 1);
        }
        Ok(())
    }

    /// Stores what is ready; with `all`, also what waits above a hole. It is never cancelled: see
    /// [`Self::unless_stopped`].
    pub(super) async fn store(&mut self, sequencer: &mut Sequencer, all: bool) -> Outcome {
        let Some(batch) = sequencer.take_batch(all) else { return Ok(()) };
        let watermark = batch.watermark;
        let began = Instant::now();
        let stored = match self.sink.store(batch.with_clock(self.device.has_clock())).await {
            Ok(stored) => stored,
            Err(error) => {
                sequencer.abandon();
                return Err(Interrupt::Unstored(error));
            }
        };
        self.failures = 0;
        self.routes.stored(began);
        self.count_stored(sequencer.epoch(), stored);
        self.counts.entry(sequencer.epoch()).or_default().watermark = watermark;
        Ok(())
    }

    /// The event that the sink has with this id.
    pub(super) async fn stored(&self, epoch: u32, id: u32) -> Outcome<Option<Event>> {
        self.sink.event(self.device.id(), epoch, id).await.map_err(Interrupt::Unstored)
    }

    pub(super) fn count_repeated(&mut self, sequencer: &Sequencer, count: u64) {
        if count > 0 {
            add(&self.progress.repeated, count);
            self.counts.entry(sequencer.epoch()).or_default().repeated += count;
        }
    }

    /// Waits for the device, unless the collector has to stop first or the connection to the device is lost. Only waiting for a device is cancelled in this way:
    /// the collector always waits for the sink.
    pub(super) async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Outcome<T> {
        tokio::select! {
            biased;
            result = work => Ok(result),
            () = self.stop.wait() => Err(Interrupt::Stopped),
            error = self.routes.lost() => Err(Interrupt::Failed(error)),
        }
    }

    /// The report of this device, once the work has ended.
    pub(super) async fn report(mut self, mut error: Option<Error>) -> DeviceReport {
        let device = self.device.id();
        // Also if the new epoch was not read to its end: the unplaced events of the old one are nowhere else.
        let newest = self.counts.keys().next_back().copied().unwrap_or_default();
        if let Err(interrupt) = self.place(&Sequencer::new(device, newest)).await {
            error = error.or(interrupt.error());
        }
        let gaps = match self.sink.gaps(device).await {
            Ok(gaps) => gaps,
            Err(unreadable) => return DeviceReport::failed(device, error.unwrap_or(unreadable)),
        };
        let epochs = self
            .counts
            .into_iter()
            .map(|(epoch, counts)| EpochReport {
                epoch,
                stored: counts.stored,
                repeated: counts.repeated,
                gaps: gaps.iter().filter(|gap| gap.epoch == epoch).copied().collect(),
                watermark: counts.watermark,
            })
            .collect();
        DeviceReport { device, epochs, error }
    }

    fn count_stored(&mut self, epoch: u32, Stored { new, repeated }: Stored) {
        let counts = self.counts.entry(epoch).or_default();
        counts.stored += new;
        counts.repeated += repeated;
        add(&self.progress.stored, new);
        add(&self.progress.repeated, repeated);
    }

    /// The next page after the watermark. An event that cannot be read becomes a gap, so that it does not keep back the
    /// events behind it.
    async fn next_page(&mut self, sequencer: &mut Sequencer) -> Outcome<EventPage> {
        loop {
            match self.try_read(sequencer.watermark(), self.options.page).await? {
                Ok(page) => return Ok(page),
                Err(unreadable) => self.pass_over(sequencer, unreadable)?,
            }
            self.store(sequencer, false).await?;
        }
    }

    /// A page, or the event that would be its first one and cannot be read.
    async fn try_read(&mut self, after: u32, max: u32) -> Outcome<Result<EventPage, Unreadable>> {
        let device = self.device.clone();
        match self.unless_stopped(device.logs(after, max)).await? {
            Ok(page) => Ok(Ok(page)),
            Err(error) => match error.unreadable_event() {
                Some(id) => Ok(Err(Unreadable { id, error })),
                None => Err(error.into()),
            },
        }
    }

    /// The oldest event of the log, if it can be read.
    async fn oldest(&mut self) -> Outcome<Option<Event>> {
        Ok(self.try_read(0, 1).await?.ok().and_then(|page| page.first().copied()))
    }

    fn pass_over(&self, sequencer: &mut Sequencer, Unreadable { id, error }: Unreadable) -> Outcome {
        if !sequencer.pass_over(id) {
            return Err(error.into());
        }
        tracing::warn!(device = %self.device.id(), id, %error, "an event cannot be read and becomes a gap");
        Ok(())
    }

    fn take_page(&mut self, sequencer: &mut Sequencer, page: &EventPage) {
        if let Some(first) = page.first() {
            sequencer.begin_at(first.id());
        }
        let taken = sequencer.take_run(page);
        for event in page.iter().skip(taken) {
            if sequencer.offer(*event) != Offered::Taken {
                self.count_repeated(sequencer, 1);
            }
        }
    }

    /// Sets aside live events with ids so far beyond the log that no device can have reached them: to believe such an id
    /// would make a gap of every event below it.
    fn set_implausible_aside(&self, sequencer: &mut Sequencer) {
        while sequencer.hole().is_some_and(|(from, to)| to - from >= IMPLAUSIBLE) {
            let id = sequencer.set_aside();
            let device = self.device.id();
            tracing::warn!(%device, id, "the id of a live event is far beyond the log and is ignored");
        }
    }

    /// Reads again what is missing below `last`, and makes gaps of what the device does not have.
    async fn close_holes(&mut self, sequencer: &mut Sequencer, last: u32) -> Outcome {
        while let Some((from, to)) = sequencer.hole().filter(|(_, to)| *to < last) {
            let wanted = (to - from).saturating_add(1).min(self.options.page);
            match self.try_read(from.saturating_sub(1), wanted).await? {
                Ok(page) => {
                    for event in page.iter().filter(|event| (from..=to).contains(&event.id())) {
                        sequencer.offer(*event);
                    }
                }
                Err(unreadable) if unreadable.id <= to => self.pass_over(sequencer, unreadable)?,
                // It lies above the hole, and the log lacks the ids below it.
                Err(_) => {}
            }
            if sequencer.hole() == Some((from, to)) {
                let reason = self.reason(sequencer, to).await?;
                tracing::info!(device = %self.device.id(), from, to, %reason, "events are missing");
                sequencer.explain_hole(reason);
            }
        }
        Ok(())
    }

    /// Why the ids up to `to` are missing: the event that follows them shows it.
    async fn reason(&mut self, sequencer: &Sequencer, to: u32) -> Outcome<GapReason> {
        match sequencer.after_hole().map(Event::code) {
            Some(EventCode::DEVICE_EVENT_LOG_CLEARED) => return Ok(GapReason::Cleared),
            Some(
                EventCode::DEVICE_DATABASE_RESET
                | EventCode::DEVICE_FACTORY_RESET
                | EventCode::DEVICE_FACTORY_RESET_WITHOUT_ETHERNET,
            ) => return Ok(GapReason::Reset),
            _ => {}
        }
        let oldest = match self.try_read(0, 1).await? {
            Ok(page) => page.first().map(Event::id),
            Err(unreadable) => Some(unreadable.id),
        };
        let oldest_follows = oldest.is_some_and(|id| id > to);
        Ok(if oldest_follows { GapReason::Overwritten } else { GapReason::Unknown })
    }

    /// The first page after the watermark. Opens a new epoch if the device has restarted its event ids.
    ///
    /// The event at the watermark is read again and compared: if the device has another event with this id, its ids have
    /// restarted. If the newest id of a device is below the watermark, more events are compared.
    async fn first_page(&mut self, sequencer: &mut Sequencer) -> Outcome<EventPage> {
        loop {
            let (watermark, page) = (sequencer.watermark(), self.options.page);
            let Some(before) = watermark.checked_sub(1) else { return self.next_page(sequencer).await };
            // An event that cannot be read cannot be compared.
            let Ok(page) = self.try_read(before, page.saturating_add(1)).await? else {
                return self.next_page(sequencer).await;
            };
            let restarted = match page.first() {
                Some(event) if event.id() == watermark => {
                    let known = match sequencer.last() {
                        Some(event) => Some(*event),
                        None => self.stored(sequencer.epoch(), watermark).await?,
                    };
                    known.is_some_and(|known| !is_same(&known, event))
                }
                // The event is gone, and there are newer ones: an older one may still show it.
                Some(_) => self.oldest_differs(sequencer).await?,
                None => self.has_restarted(sequencer).await?,
            };
            if !restarted {
                let page = page.after(watermark);
                // A short page is not the end of the log, also if it has only the event for comparison.
                return if page.is_empty() { self.next_page(sequencer).await } else { Ok(page) };
            }
            self.open_epoch(sequencer).await?;
        }
    }

    /// Whether the oldest event of the log differs from the stored event with its id.
    async fn oldest_differs(&mut self, sequencer: &Sequencer) -> Outcome<bool> {
        let Some(oldest) = self.oldest().await? else { return Ok(false) };
        let stored = self.stored(sequencer.epoch(), oldest.id()).await?;
        Ok(stored.is_some_and(|stored| !is_same(&stored, &oldest)))
    }

    /// Whether a device whose newest id is below the watermark has restarted its event ids: its newest event differs from
    /// the stored one, or neither the newest nor the oldest is stored. Otherwise the device is at an earlier point of the
    /// same epoch, for example after its backup was restored.
    async fn has_restarted(&mut self, sequencer: &Sequencer) -> Outcome<bool> {
        let (device, epoch) = (self.device.clone(), sequencer.epoch());
        if sequencer.watermark() == u32::MAX && self.stored(epoch, u32::MAX).await?.is_none() {
            return Ok(true); // The epoch was closed, and the work was interrupted before the next one was stored.
        }
        let Some(oldest) = self.oldest().await? else { return Ok(false) };
        let newest = self.unless_stopped(device.newest_id(oldest.id())).await??.unwrap_or(oldest.id());
        let newest = self.try_read(newest.saturating_sub(1), 1).await?.unwrap_or_default();
        let newest = newest.first().copied().unwrap_or(oldest);
        Ok(match self.stored(epoch, newest.id()).await? {
            Some(stored) => !is_same(&stored, &newest),
            None => {
                let stored = self.stored(epoch, oldest.id()).await?;
                !stored.is_some_and(|stored| is_same(&stored, &oldest))
            }
        })
    }

    async fn open_epoch(&mut self, sequencer: &mut Sequencer) -> Outcome {
        let waiting = sequencer.close();
        if !waiting.is_empty() {
            let (epoch, first) = (sequencer.epoch(), sequencer.watermark());
            let batch = Batch::new(self.device.id(), epoch, first, u32::MAX).with_events(waiting);
            self.unplaced.push(batch.with_clock(self.device.has_clock()));
        }
        self.store(sequencer, true).await?;
        *sequencer = Sequencer::new(self.device.id(), sequencer.epoch() + 1);
        tracing::warn!(device = %self.device.id(), epoch = sequencer.epoch(), "the device has restarted its event ids");
        Ok(())
    }

    /// Places live events that waited when an epoch ended: if the new log has them, they belong to the new epoch and are
    /// stored already; otherwise they are stored in the old one.
    async fn place(&mut self, sequencer: &Sequencer) -> Outcome {
        // Each batch is kept until it is stored: a failure must not lose it.
        while let Some(mut batch) = self.unplaced.first().cloned() {
            let (mut of_old_epoch, mut repeated) = (Vec::new(), 0);
            for event in std::mem::take(&mut batch.events) {
                let stored = self.stored(sequencer.epoch(), event.id()).await?;
                if stored.is_some_and(|stored| is_same(&stored, &event)) {
                    repeated += 1;
                } else {
                    of_old_epoch.push(event);
                }
            }
            let epoch = batch.epoch;
            let stored =
                self.sink.store(batch.with_events(of_old_epoch)).await.map_err(Interrupt::Unstored)?;
            self.unplaced.remove(0);
            self.count_repeated(sequencer, repeated);
            self.count_stored(epoch, stored);
        }
        Ok(())
    }
}

/// More events than a device makes between a live event and the read of the log that follows it.
const IMPLAUSIBLE: u32 = 100_000;
/// How long a device may need to write into its log what it has reported live.
const LOG_DELAY: Duration = Duration::from_millis(250);
