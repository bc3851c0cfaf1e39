//! Reads the log of one device into the sink: pages, holes, gaps, epochs.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use super::options::{CollectOptions, StopSignal};
use super::report::{DeviceReport, EpochReport, Progress, add};
use super::routes::{Next, Routes};
use super::sequencer::{Offered, Sequencer, is_lap};
use crate::codec::{Event, EventCode};
use crate::device::{Device, DeviceInfo, EventPage};
use crate::sink::{Batch, Gap, GapReason, ResumePoint, Sink, Stored};
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
    /// How many pages one look at the gaps reads; the rest waits for the next one.
    pub(super) looks: usize,
    counts: BTreeMap<u32, Counts>,
    /// Events that waited when their epoch ended.
    unplaced: Vec<Batch>,
    caught_up: bool,
    /// The newest epoch of the device.
    newest_epoch: u32,
    /// The log was compared with the epoch since the device was connected.
    is_compared: bool,
    /// When the gaps were last looked at, and where the next look goes on; it begins anew without such a place.
    looked: Option<Instant>,
    look_from: Option<u32>,
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
    /// The device failed, and it is decided what follows.
    Decided(Next, Error),
    /// The collector has to stop.
    Stopped,
}

pub(super) type Outcome<T = ()> = Result<T, Interrupt>;

impl Interrupt {
    /// The error, unless the collector has to stop.
    pub(super) fn error(self) -> Option<Error> {
        match self {
            Self::Decided(_, error) | Self::Failed(error) | Self::Unstored(error) => Some(error),
            Self::Stopped => None,
        }
    }
}

impl From<Error> for Interrupt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Events that the log has and that cannot be read: from the first to the last id.
struct Unreadable {
    first: u32,
    last: u32,
    error: Error,
}

/// Whether the log is that of an epoch.
enum Comparison {
    /// An event that is stored in the epoch is in the log. The first events of the log after it, perhaps from it on.
    Same(EventPage),
    /// The log has another event under the id of a stored one.
    Other,
    /// Nothing in the log can be compared.
    Unknown,
}

impl CatchUp {
    pub(super) fn new(
        routes: Routes,
        sink: Arc<dyn Sink>,
        options: CollectOptions,
        progress: Arc<Progress>,
        stop: StopSignal,
    ) -> Self {
        let device = routes.device();
        let (failures, counts, unplaced, caught_up) = Default::default();
        let (newest_epoch, is_compared, looked, look_from) = Default::default();
        let looks = LOOKS;
        Self {
            device,
            sink,
            options,
            progress,
            stop,
            routes,
            failures,
            looks,
            counts,
            unplaced,
            caught_up,
            newest_epoch,
            is_compared,
            looked,
            look_from,
        }
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
            Some(point) => self.sequencer(point).await?,
            None => Sequencer::new(self.device.id(), 0),
        };
        (self.newest_epoch, self.is_compared) = (sequencer.epoch(), false);
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

    async fn sequencer(&self, point: ResumePoint) -> Outcome<Sequencer> {
        let gaps = self.sink.gaps(self.device.id()).await.map_err(Interrupt::Unstored)?;
        Ok(Sequencer::resume(self.device.id(), point, &gaps))
    }

    /// Reads the log from the watermark to its end, and looks again, from time to time, for what is missing below it.
    pub(super) async fn run(&mut self, sequencer: &mut Sequencer) -> Outcome {
        let began = Instant::now();
        let mut page = self.first_page(sequencer).await?;
        self.is_compared = true;
        let known = sequencer.watermark();
        loop {
            self.count_repeated(sequencer, page.repeated());
            let Some(last) = page.last().map(Event::id) else { break };
            self.take_page(sequencer, &page);
            self.close_holes(sequencer, last).await?;
            self.store(sequencer, false).await?;
            self.failures = 0;
            page = self.next_page(sequencer).await?;
        }
        if self.looked.is_none_or(|looked| looked.elapsed() >= self.options.poll) {
            self.look_again(sequencer, known).await?;
            if sequencer.lacks_clock() && self.device.has_clock() {
                self.learn_clock(sequencer).await?;
            }
            self.looked = Some(Instant::now());
        }
        // What still waits was reported live, and the log does not show it yet.
        self.store(sequencer, true).await?;
        self.place(sequencer).await?;
        self.failures = 0;
        self.routes.read(began);
        if !self.caught_up {
            self.caught_up = true;
            add(&self.progress.caught_up, 1);
        }
        Ok(())
    }

    /// The device was connected again: it may be another one.
    pub(super) fn compare_again(&mut self) {
        self.is_compared = false;
    }

    /// Has the next [`run`](Self::run) look again for what is missing.
    pub(super) fn look_next_time(&mut self) {
        self.looked = None;
    }

    /// Stores what is ready; with `all`, also what waits above a hole. It is never cancelled: see
    /// [`Self::unless_stopped`].
    pub(super) async fn store(&mut self, sequencer: &mut Sequencer, all: bool) -> Outcome {
        // A device with several epochs may have the log of another one. Its live events wait until that is known.
        if !self.is_compared && self.newest_epoch > 0 {
            return Ok(());
        }
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
        self.routes.stored(began);
        self.count_stored(sequencer.epoch(), stored);
        self.counts.entry(sequencer.epoch()).or_default().watermark = watermark;
        Ok(())
    }

    /// The event that the sink has with this id.
    pub(super) async fn stored(&self, epoch: u32, id: u32) -> Outcome<Option<Event>> {
        self.sink.event(self.device.id(), epoch, id).await.map_err(Interrupt::Unstored)
    }

    /// Which of these events of an epoch the sink has: the same event, another one under its id, or none.
    pub(super) async fn compare_stored(&self, epoch: u32, events: &[Event]) -> Outcome<Vec<Option<bool>>> {
        let compare = |event: Event| async move {
            let stored = self.stored(epoch, event.id()).await?;
            Ok(stored.map(|stored| stored.is_same_event(&event)))
        };
        stream::iter(events.iter().copied()).map(compare).buffered(AT_ONCE).try_collect().await
    }

    pub(super) fn count_repeated(&mut self, sequencer: &Sequencer, count: u64) {
        if count > 0 {
            add(&self.progress.repeated, count);
            self.counts.entry(sequencer.epoch()).or_default().repeated += count;
        }
    }

    /// Waits for the device, unless the collector has to stop first or the connection to the device is lost. Only waiting
    /// for a device is cancelled in this way: the collector always waits for the sink.
    pub(super) async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Outcome<T> {
        tokio::select! {
            // Also where the device has always an answer at hand.
            biased;
            () = self.stop.wait() => Err(Interrupt::Stopped),
            result = work => Ok(result),
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

    /// A page, or the events that would be its first ones and cannot be read.
    ///
    /// Where the ids leap by more than any log can hold, the counter has overflowed: what is behind the leap was there
    /// before what is before it, and is not on the page.
    async fn try_read(&mut self, after: u32, max: u32) -> Outcome<Result<EventPage, Unreadable>> {
        let device = self.device.clone();
        match self.unless_stopped(device.logs(after, max)).await? {
            Ok(page) => Ok(Ok(match leap(after, &page) {
                Some(leap) => page.truncated(leap),
                None => page,
            })),
            Err(error) => match error.unreadable_events() {
                Some((first, last)) => Ok(Err(Unreadable { first, last, error })),
                None => Err(error.into()),
            },
        }
    }

    /// The oldest event of the log, if it can be read.
    async fn oldest(&mut self) -> Outcome<Option<Event>> {
        Ok(self.try_read(0, 1).await?.ok().and_then(|page| page.first().copied()))
    }

    /// The oldest id of the log, also of an event that cannot be read.
    async fn oldest_id(&mut self) -> Outcome<Option<u32>> {
        Ok(match self.try_read(0, 1).await? {
            Ok(page) => page.first().map(Event::id),
            Err(unreadable) => Some(unreadable.last),
        })
    }

    fn pass_over(&self, sequencer: &mut Sequencer, Unreadable { first, last, error }: Unreadable) -> Outcome {
        if !sequencer.pass_over(first, last) {
            return Err(error.into());
        }
        let device = self.device.id();
        tracing::warn!(%device, first, last, %error, "events cannot be read and become a gap");
        Ok(())
    }

    fn take_page(&mut self, sequencer: &mut Sequencer, page: &EventPage) {
        if let Some(first) = page.first() {
            sequencer.begin_at(first.id());
        }
        if let Some(last) = page.last() {
            sequencer.show(last.id());
        }
        let taken = sequencer.take_run(page);
        for event in page.iter().skip(taken) {
            if sequencer.offer_logged(*event) != Offered::Taken {
                self.count_repeated(sequencer, 1);
            }
        }
    }

    /// Reads again what is missing below `last`, an id that the log has shown, and makes gaps of what the device does not
    /// have.
    async fn close_holes(&mut self, sequencer: &mut Sequencer, last: u32) -> Outcome {
        let Some(((from, _), end)) = sequencer.shown_hole().zip(sequencer.end_of_holes()) else {
            return Ok(());
        };
        let (mut cursor, end) = (from.saturating_sub(1), end.min(last));
        while cursor < end {
            match self.try_read(cursor, (end - cursor).min(self.options.page)).await? {
                Ok(page) => {
                    for event in page.iter().take_while(|event| event.id() <= end) {
                        sequencer.offer_logged(*event);
                    }
                    cursor = page.last().map_or(end, Event::id);
                }
                Err(unreadable) if unreadable.last <= end => {
                    cursor = unreadable.last;
                    self.pass_over(sequencer, unreadable)?;
                }
                // They lie above the hole, and the log lacks the ids below them.
                Err(_) => break,
            }
        }
        let mut oldest = None;
        while let Some((from, to)) = sequencer.shown_hole() {
            if oldest.is_none() {
                oldest = Some(self.oldest_id().await?);
            }
            let reason = reason(sequencer.after_hole(), oldest.flatten(), to);
            tracing::info!(device = %self.device.id(), from, to, %reason, "events are missing");
            sequencer.explain_hole(reason);
        }
        Ok(())
    }

    /// Looks for events that were missing when the log was read before, up to the id `known`: the log may show them now,
    /// as long as its oldest event lies below them. A look reads a few pages; the next one goes on where it ended. A
    /// collector that reads once looks also for what is missing since a moment ago, unless it cannot be read.
    async fn look_again(&mut self, sequencer: &mut Sequencer, known: u32) -> Outcome {
        if !sequencer.may_lack() {
            return Ok(());
        }
        let Some(oldest) = self.oldest_id().await? else { return Ok(()) };
        let mut pages = self.looks;
        if sequencer.first().is_some_and(|first| oldest < first) {
            // What the account begins without is not left for later.
            sequencer.extend_to(oldest);
            (pages, self.look_from) = (usize::MAX, None);
        }
        let mut cursor = self.look_from.take().unwrap_or(0).max(oldest);
        while let Some(Gap { from, to, reason, .. }) = sequencer.gap_from(cursor) {
            if from > known && (self.looks < usize::MAX || reason == GapReason::Unreadable) {
                let Some(next) = to.checked_add(1).filter(|_| self.looks == usize::MAX) else { break };
                cursor = next;
                continue;
            }
            if pages == 0 {
                self.look_from = Some(from);
                break;
            }
            pages -= 1;
            // One page for this gap and for those that follow it closely.
            let end = sequencer.last_missing(from, from.saturating_add(self.options.page - 1)).max(from);
            let wanted = end - from + 1;
            let read_to = match self.try_read(from.saturating_sub(1), wanted).await? {
                Ok(page) => {
                    for event in page.iter().filter(|event| event.id() >= from) {
                        if event.id() > sequencer.watermark() {
                            sequencer.offer_logged(*event);
                        } else if sequencer.lacks(event.id()) {
                            sequencer.take_late(*event);
                        }
                    }
                    page.last().map(Event::id)
                }
                Err(unreadable) => {
                    // It may take long to fail: one of them at a time.
                    if self.looks < usize::MAX {
                        pages = 0;
                    }
                    Some(unreadable.last)
                }
            };
            self.store(sequencer, false).await?;
            tracing::debug!(device = %self.device.id(), from, to, ?read_to, "a gap was read again");
            // The log has nothing after `from` if the answer is empty.
            let Some(next) = read_to.and_then(|id| id.checked_add(1)) else { break };
            cursor = next.max(from.saturating_add(1));
        }
        Ok(())
    }

    /// Reads again what is stored without a clock, as it came over a device gateway: this way to the device knows more.
    /// The newest event comes last. As long as it has no clock, the next start reads again.
    async fn learn_clock(&mut self, sequencer: &mut Sequencer) -> Outcome {
        let (first, watermark) = (sequencer.first().unwrap_or_default(), sequencer.watermark());
        let mut cursor = first.saturating_sub(1);
        while cursor < watermark {
            let (epoch, page) = match self.try_read(cursor, self.options.page).await? {
                Ok(page) => (sequencer.epoch(), page),
                Err(unreadable) => {
                    cursor = unreadable.last;
                    continue;
                }
            };
            let Some(last) = page.last() else { break };
            cursor = last.id();
            let known = page.iter().filter(|event| event.id() <= watermark && !sequencer.lacks(event.id()));
            let batch = Batch::new(self.device.id(), epoch, first, watermark).with_events(known.copied());
            self.sink.store(batch).await.map_err(Interrupt::Unstored)?;
        }
        sequencer.set_has_clock();
        Ok(())
    }

    /// The first page after the watermark. If the log is not that of the epoch, it is that of an earlier epoch, which
    /// continues, or of a new one.
    async fn first_page(&mut self, sequencer: &mut Sequencer) -> Outcome<EventPage> {
        if !sequencer.has_begun() {
            let page = self.begin(sequencer).await?;
            return Ok(page);
        }
        if !self.has_overflowed(sequencer).await? {
            // Where there are several epochs, one answer with a hole must not decide for the wrong one.
            let mut tries = if self.newest_epoch > 0 { COMPARED } else { 1 };
            loop {
                let comparison = self.compare(sequencer).await?;
                if let Comparison::Same(page) = comparison {
                    let page = page.after(sequencer.watermark());
                    // A short page is not the end of the log, also if it has only the event for comparison.
                    return if page.is_empty() { self.next_page(sequencer).await } else { Ok(page) };
                }
                // A log that has nothing in common with this epoch may have with another one.
                if let Some(other) = self.other_epoch(sequencer.epoch()).await? {
                    let (device, epoch) = (self.device.id(), other.epoch());
                    tracing::warn!(%device, epoch, "the device has the log of another epoch again");
                    self.continue_in(other, sequencer).await?;
                    return self.next_page(sequencer).await;
                }
                tries -= 1;
                match comparison {
                    Comparison::Unknown if tries == 0 => return self.next_page(sequencer).await,
                    Comparison::Unknown => {}
                    _ if tries == 0 || self.newest_epoch == 0 => break,
                    _ => {}
                }
            }
        }
        let (device, epoch) = (self.device.id(), self.newest_epoch + 1);
        tracing::warn!(%device, epoch, "the device has restarted its event ids");
        self.continue_in(Sequencer::new(device, epoch), sequencer).await?;
        self.next_page(sequencer).await
    }

    /// The first page of a log that was never read. The log of a counter that has overflowed begins behind the leap.
    async fn begin(&mut self, sequencer: &mut Sequencer) -> Outcome<EventPage> {
        if self.newest_epoch == 0 {
            let device = self.device.clone();
            let Ok(page) = self.unless_stopped(device.logs(0, self.options.page)).await? else {
                return self.next_page(sequencer).await;
            };
            match leap(0, &page).and_then(|leap| page.get(leap)) {
                Some(event) => sequencer.begin_at(event.id()),
                None => return Ok(page),
            }
        }
        self.next_page(sequencer).await
    }

    /// Whether the id counter of the device has overflowed: the log has ids that lie further below the watermark than any
    /// log reaches.
    async fn has_overflowed(&mut self, sequencer: &Sequencer) -> Outcome<bool> {
        let watermark = sequencer.watermark();
        if !is_lap(0, watermark) {
            return Ok(false);
        }
        Ok(self.oldest_id().await?.is_some_and(|oldest| is_lap(oldest, watermark)))
    }

    /// Compares the log with what is stored of an epoch: with the event at the watermark or, if it is not known, with the
    /// newest ones below it.
    async fn compare(&mut self, sequencer: &Sequencer) -> Outcome<Comparison> {
        let ids: Vec<u32> = sequencer.stored_ids().take(COMPARED).collect();
        for id in ids {
            let known = match sequencer.last().filter(|last| last.id() == id) {
                Some(last) => Some(*last),
                None => self.stored(sequencer.epoch(), id).await?,
            };
            let Some((known, before)) = known.zip(id.checked_sub(1)) else { continue };
            // An event that cannot be read cannot be compared.
            let Ok(page) = self.try_read(before, self.options.page.saturating_add(1)).await? else {
                continue;
            };
            return match page.first() {
                Some(event) if event.id() == id => Ok(comparison(&known, event, page.clone())),
                // The event is gone, and there are newer ones: an older one may still show it.
                Some(_) => self.compare_oldest(sequencer).await,
                None => self.compare_newest(sequencer, &known).await,
            };
        }
        Ok(Comparison::Unknown)
    }

    async fn compare_oldest(&mut self, sequencer: &Sequencer) -> Outcome<Comparison> {
        let Some(oldest) = self.oldest().await? else { return Ok(Comparison::Unknown) };
        let stored = self.stored(sequencer.epoch(), oldest.id()).await?;
        Ok(stored.map_or(Comparison::Unknown, |stored| comparison(&stored, &oldest, EventPage::default())))
    }

    /// Compares the newest event of a log that has nothing from a known event on. If it is stored, the device is at an
    /// earlier point of the same epoch, for example after its backup was restored. If neither it nor the oldest event is
    /// stored, and it is not older than the known one, the device has restarted its event ids.
    async fn compare_newest(&mut self, sequencer: &Sequencer, known: &Event) -> Outcome<Comparison> {
        let (device, epoch) = (self.device.clone(), sequencer.epoch());
        let Some(oldest) = self.oldest().await? else { return Ok(Comparison::Unknown) };
        let newest = self.unless_stopped(device.newest_id(oldest.id())).await??.unwrap_or(oldest.id());
        if newest >= known.id() {
            return Ok(Comparison::Unknown); // The answers contradict each other; the next ones may not.
        }
        let newest = self.try_read(newest.saturating_sub(1), 1).await?.unwrap_or_default();
        let newest = newest.first().copied().unwrap_or(oldest);
        for event in [newest, oldest] {
            if let Some(stored) = self.stored(epoch, event.id()).await? {
                return Ok(comparison(&stored, &event, EventPage::default()));
            }
        }
        let is_newer = newest.timestamp() > known.timestamp();
        Ok(if is_newer { Comparison::Other } else { Comparison::Unknown })
    }

    /// Another epoch whose log the device has again: two devices with one number may be exchanged and come back.
    async fn other_epoch(&mut self, current: u32) -> Outcome<Option<Sequencer>> {
        let epochs = (0..=self.newest_epoch).rev().filter(|epoch| *epoch != current).take(EPOCHS_COMPARED);
        for epoch in epochs {
            let point = self.sink.resume_epoch(self.device.id(), epoch).await.map_err(Interrupt::Unstored)?;
            let Some(point) = point else { continue };
            let sequencer = self.sequencer(point).await?;
            if let Comparison::Same(_) = self.compare(&sequencer).await? {
                self.counts.entry(epoch).or_default().watermark = sequencer.watermark();
                return Ok(Some(sequencer));
            }
        }
        Ok(None)
    }

    /// Ends the epoch in the sink, and continues in the next one.
    async fn continue_in(&mut self, next: Sequencer, sequencer: &mut Sequencer) -> Outcome {
        // What was reported since the device was connected is of the device that is there now.
        let events = if self.is_compared { Vec::new() } else { sequencer.take_unstored() };
        self.is_compared = true;
        let waiting = sequencer.close();
        if !waiting.is_empty() {
            let (epoch, first) = (sequencer.epoch(), sequencer.watermark());
            let batch = Batch::new(self.device.id(), epoch, first, u32::MAX).with_events(waiting);
            self.unplaced.push(batch.with_clock(self.device.has_clock()));
        }
        (self.look_from, self.looked) = (None, None);
        self.store(sequencer, true).await?;
        *sequencer = next;
        self.newest_epoch = self.newest_epoch.max(sequencer.epoch());
        for event in events {
            sequencer.offer(event);
        }
        Ok(())
    }

    /// Places live events that waited when an epoch ended: if the new log has them, they belong to the new epoch and are
    /// stored already; otherwise they are stored in the old one.
    async fn place(&mut self, sequencer: &Sequencer) -> Outcome {
        // Each batch is kept until it is stored: a failure must not lose it.
        while let Some(mut batch) = self.unplaced.first().cloned() {
            let events = std::mem::take(&mut batch.events);
            let stored = self.compare_stored(sequencer.epoch(), &events).await?;
            let all = events.len();
            let of_old_epoch = events.into_iter().zip(stored).filter(|(_, stored)| *stored != Some(true));
            let of_old_epoch: Vec<Event> = of_old_epoch.map(|(event, _)| event).collect();
            let repeated = u64::try_from(all - of_old_epoch.len()).unwrap_or(u64::MAX);
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

/// Why the ids up to `to` are missing: the event that follows them shows it, or the oldest one of the log.
fn reason(follows: Option<&Event>, oldest: Option<u32>, to: u32) -> GapReason {
    match follows.map(Event::code) {
        Some(EventCode::DEVICE_EVENT_LOG_CLEARED) => GapReason::Cleared,
        Some(
            EventCode::DEVICE_DATABASE_RESET
            | EventCode::DEVICE_FACTORY_RESET
            | EventCode::DEVICE_FACTORY_RESET_WITHOUT_ETHERNET,
        ) => GapReason::Reset,
        _ if oldest.is_some_and(|oldest| oldest > to) => GapReason::Overwritten,
        _ => GapReason::Unknown,
    }
}

fn comparison(stored: &Event, logged: &Event, page: EventPage) -> Comparison {
    if stored.is_same_event(logged) { Comparison::Same(page) } else { Comparison::Other }
}

/// Where the ids of a page after `after` leap over more ids than a log can hold.
fn leap(after: u32, page: &EventPage) -> Option<usize> {
    let (first, last) = page.first().map(Event::id).zip(page.last().map(Event::id))?;
    let begin = if after > 0 { after } else { first };
    if !is_lap(begin, last) {
        return None;
    }
    let ids = page.iter().map(Event::id);
    std::iter::once(begin).chain(ids.clone()).zip(ids).position(|(before, id)| is_lap(before, id))
}

/// So many stored events are compared with the log, where the log does not give the newer ones.
const COMPARED: usize = 3;
/// So many earlier epochs are compared with the log of a device whose ids have restarted.
const EPOCHS_COMPARED: usize = 16;
/// How many pages a look at the gaps reads while the collector listens.
const LOOKS: usize = 8;
/// How many questions to the sink are under way at once.
const AT_ONCE: usize = 64;
