//! One reader's task: listen, read, fill, store.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::coop::unconstrained;
use tokio::time::{Duration, Instant};

use super::ledger::{Ledger, Offered, is_same};
use super::progress::{Progress, add};
use super::report::{DeviceReport, EpochReport};
use super::{CollectOptions, Stop, Trouble};
use crate::codec::Event;
use crate::device::{Device, DeviceInfo, Live, Subscription};
use crate::sink::{Batch, Sink, Stored};
use crate::{Error, ErrorKind};

/// Follows one reader. Everything that must survive a failure is in the sink: after any error the work begins again
/// from the resume point.
pub(super) struct Follower {
    pub(super) device: Device,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) options: CollectOptions,
    pub(super) progress: Arc<Progress>,
    trouble: Trouble,
    stop: watch::Receiver<Option<Stop>>,
    tallies: BTreeMap<u32, Tally>,
    /// Events that waited when their epoch ended.
    pub(super) orphans: Vec<Batch>,
    /// Failures since the last success.
    pub(super) failures: usize,
    pub(super) caught_up: bool,
}

/// The counts of one epoch in this run.
#[derive(Default)]
struct Tally {
    stored: u64,
    repeated: u64,
    watermark: u32,
}

/// Why the work on a reader pauses.
pub(super) enum Interrupt {
    /// The reader, or the way to it.
    Failed(Error),
    /// The sink.
    Unstored(Error),
    Stopped,
}

pub(super) type Outcome<T = ()> = Result<T, Interrupt>;

impl From<Error> for Interrupt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Follower {
    pub(super) fn new(
        device: Device,
        sink: Arc<dyn Sink>,
        options: CollectOptions,
        progress: Arc<Progress>,
        trouble: Trouble,
        stop: watch::Receiver<Option<Stop>>,
    ) -> Self {
        Self {
            device,
            sink,
            options,
            progress,
            trouble,
            stop,
            tallies: BTreeMap::new(),
            orphans: Vec::new(),
            failures: 0,
            caught_up: false,
        }
    }

    /// Reads the log to its end.
    pub(super) async fn run_once(mut self) -> DeviceReport {
        let mut delays = self.options.retry.delays();
        let error = loop {
            let Some(error) = failure(self.read_to_end().await) else { break None };
            if self.failures == 0 {
                delays = self.options.retry.delays();
            }
            self.failures += 1;
            let delay =
                delays.next().filter(|_| error.is_retryable() && self.failures < self.options.attempts);
            match delay {
                Some(delay) => tokio::time::sleep(delay).await,
                None => break Some(error),
            }
        };
        self.report(error).await
    }

    /// Collects live until told to stop.
    pub(super) async fn run_live(mut self) -> DeviceReport {
        let mut delays = self.options.retry.delays();
        let mut error = loop {
            let (may_help, error) = match self.follow().await {
                Ok(()) | Err(Interrupt::Stopped) => break None,
                Err(Interrupt::Unstored(error)) => (error.is_retryable(), error),
                // Whatever a reader answers, it may answer something else tomorrow, and nobody looks after this.
                Err(Interrupt::Failed(error)) => (error.kind() != ErrorKind::Closed, error),
            };
            if *self.stop.borrow() == Some(Stop::Now) {
                break Some(error); // The last batch did not reach the sink, and no other try follows.
            }
            if self.failures == 0 {
                delays = self.options.retry.delays();
            }
            self.failures += 1;
            tracing::info!(device = %self.device.id(), %error, "collecting was interrupted");
            let delay = delays.next().filter(|_| may_help);
            // What passes by itself is not worth a word, and what ends the work stands in the report.
            let lasts = if error.is_retryable() { LASTING } else { 1 };
            if delay.is_some() && self.failures == lasts {
                self.trouble.tell(&error);
            }
            let Some(delay) = delay else { break Some(error) };
            if self.unless_stopped(tokio::time::sleep(delay)).await.is_err() {
                break None;
            }
        };
        if error.is_none() && *self.stop.borrow() == Some(Stop::AfterCatchUp) {
            error = self.last_look().await;
        }
        self.report(error).await
    }

    /// Reads the log to its present end once more; what happens after the order to stop is a retry's matter.
    async fn last_look(&mut self) -> Option<Error> {
        let (never, stop) = watch::channel(None);
        self.stop = stop;
        let mut delays = self.options.retry.delays().take(self.options.attempts);
        let give_up = Instant::now() + LAST_LOOK;
        let error = loop {
            let Some(error) = failure(self.read_to_end().await) else { break None };
            match delays.next().filter(|_| error.is_retryable() && Instant::now() < give_up) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => break Some(error),
            }
        };
        drop(never);
        error
    }

    async fn read_to_end(&mut self) -> Outcome {
        let mut account = self.open().await?;
        self.catch_up(&mut account).await
    }

    async fn follow(&mut self) -> Outcome {
        let mut account = self.open().await?;
        // Live first: what happens while the log is read is in the queue.
        let device = self.device.clone();
        let mut live = match self.unless_stopped(device.subscribe()).await? {
            Ok(live) => live,
            // A reader that does not report still has its log.
            Err(error) => {
                let failures = self.failures;
                self.catch_up(&mut account).await?;
                self.failures = failures;
                return Err(error.into());
            }
        };
        let result = self.listen(&mut account, &mut live).await;
        // Whatever ended it, what was received is kept, also above a hole.
        // Unconstrained: tokio's budget for a task would end the loop after some 100 items, as if no more were there.
        while let Some(Some(item)) = unconstrained(live.next()).now_or_never() {
            let event = match item {
                Live::Event { event, .. } => event,
                // What follows is in the log, and may be of another life.
                Live::Resumed { .. } => break,
                Live::Lagged { .. } => continue,
            };
            if account.offer(event) == Offered::Below {
                // It may be one that was given up as missing while it waited here.
                let stored = self.sink.event(self.device.id(), account.epoch(), event.id()).await;
                if matches!(stored, Ok(None)) {
                    account.take_late(event);
                }
            }
        }
        self.store(&mut account, true).await?;
        result
    }

    async fn listen(&mut self, account: &mut Ledger, live: &mut Subscription) -> Outcome {
        self.catch_up(account).await?;
        let mut last_read = Instant::now();
        let mut out_of_turn: Option<Instant> = None;
        loop {
            let waits = account.hole().is_some() || !account.has_begun() && account.first_waiting().is_some();
            out_of_turn = out_of_turn.or_else(|| Some(Instant::now())).filter(|_| waits);
            // Counted from when it began, so that a steady stream of events does not put the read off for ever.
            let wait = match out_of_turn {
                Some(since) => self.options.settle.saturating_sub(since.elapsed()),
                None => self.options.poll.saturating_sub(last_read.elapsed()),
            };
            let woken = self.unless_stopped(tokio::time::timeout(wait, live.next())).await?;
            let mut item = match woken {
                Ok(Some(item)) => Some(item),
                Ok(None) => {
                    let error = Error::new(ErrorKind::Disconnected, "the live stream has ended");
                    return Err(error.with_device(self.device.id()).into());
                }
                Err(_elapsed) => None,
            };
            let mut read_log = item.is_none() || wait.is_zero();
            // Takes what is there already, so that many events make one batch.
            while let Some(next) = item {
                match next {
                    Live::Event { event, .. } => self.receive(account, event).await?,
                    // Before anything that follows is taken: ids that began anew meanwhile may fit the watermark.
                    Live::Lagged { .. } | Live::Resumed { .. } => {
                        read_log = true;
                        break;
                    }
                }
                if account.ready() >= BATCH || account.waiting() >= BATCH {
                    read_log |= account.waiting() >= BATCH;
                    break;
                }
                item = live.next().now_or_never().flatten();
            }
            self.store(account, false).await?;
            if read_log {
                self.catch_up(account).await?;
                last_read = Instant::now();
            }
        }
    }

    /// Takes a live event.
    async fn receive(&mut self, account: &mut Ledger, event: Event) -> Outcome {
        match account.offer(event) {
            Offered::Taken => return Ok(()),
            Offered::Repeated => {
                self.repeated(account, 1);
                return Ok(());
            }
            Offered::Below => {}
        }
        self.store(account, false).await?;
        let stored = self.stored(account.epoch(), event.id()).await?;
        if stored.is_some_and(|stored| is_same(&stored, &event)) {
            self.repeated(account, 1);
            return Ok(());
        }
        // Another event under a known id: the log says whether the reader has begun to count anew.
        let epoch = account.epoch();
        self.catch_up(account).await?;
        if account.epoch() != epoch {
            if account.offer(event) != Offered::Taken {
                self.repeated(account, 1);
            }
        } else if stored.is_none() {
            account.take_late(event);
        } else {
            tracing::warn!(device = %self.device.id(), id = event.id(), "two records have one id; the first is kept");
            self.repeated(account, 1);
        }
        Ok(())
    }

    /// Stores what is ready; with `all`, also what waits above a hole. Never cancelled: see [`Self::unless_stopped`].
    pub(super) async fn store(&mut self, account: &mut Ledger, all: bool) -> Outcome {
        let Some(batch) = account.take_batch(all) else { return Ok(()) };
        let watermark = batch.watermark;
        let stored = match self.sink.store(batch).await {
            Ok(stored) => stored,
            Err(error) => {
                account.abandon();
                return Err(Interrupt::Unstored(error));
            }
        };
        self.failures = 0;
        self.tally(account.epoch(), stored);
        self.tallies.entry(account.epoch()).or_default().watermark = watermark;
        Ok(())
    }

    pub(super) fn tally(&mut self, epoch: u32, Stored { new, repeated }: Stored) {
        let tally = self.tallies.entry(epoch).or_default();
        tally.stored += new;
        tally.repeated += repeated;
        add(&self.progress.stored, new);
        add(&self.progress.repeated, repeated);
    }

    pub(super) fn repeated(&mut self, account: &Ledger, count: u64) {
        if count > 0 {
            add(&self.progress.repeated, count);
            self.tallies.entry(account.epoch()).or_default().repeated += count;
        }
    }

    async fn open(&mut self) -> Outcome<Ledger> {
        let device = self.device.clone();
        let info = match self.unless_stopped(device.info()).await? {
            Ok(info) => info,
            // A backend that knows nothing of a reader may still read its log.
            Err(error) if error.kind() == ErrorKind::Unsupported => DeviceInfo::new(self.device.id()),
            Err(error) => return Err(error.into()),
        };
        let account = match self.sink.resume(&info).await.map_err(Interrupt::Unstored)? {
            Some(point) => Ledger::resume(self.device.id(), point),
            None => Ledger::new(self.device.id(), 0),
        };
        let tally = self.tallies.entry(account.epoch()).or_default();
        tally.watermark = account.watermark();
        if self.options.estimate && !self.caught_up {
            let after = account.watermark();
            if let Some(newest) = self.unless_stopped(device.newest_id(after)).await?? {
                let page = self.try_read(after, 1).await?.unwrap_or_default();
                let oldest = page.first().map_or(newest, Event::id);
                add(&self.progress.expected, u64::from(newest - oldest.min(newest)) + 1);
            }
        }
        Ok(account)
    }

    /// The event that the sink has under this id.
    pub(super) async fn stored(&self, epoch: u32, id: u32) -> Outcome<Option<Event>> {
        self.sink.event(self.device.id(), epoch, id).await.map_err(Interrupt::Unstored)
    }

    /// Waits for the reader, unless the order to stop comes first. Only waiting for readers is cut short in this way:
    /// what is on its way into the sink is always waited for.
    pub(super) async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Outcome<T> {
        tokio::select! {
            biased;
            result = work => Ok(result),
            () = ordered_to_stop(&mut self.stop) => Err(Interrupt::Stopped),
        }
    }

    async fn report(mut self, mut error: Option<Error>) -> DeviceReport {
        let device = self.device.id();
        // Also where the new epoch was not read to its end: what was received of the old one is nowhere else.
        let newest = self.tallies.keys().next_back().copied().unwrap_or_default();
        if let Some(unstored) = failure(self.place_orphans(&Ledger::new(device, newest)).await) {
            error.get_or_insert(unstored);
        }
        let gaps = match self.sink.gaps(device).await {
            Ok(gaps) => gaps,
            Err(unreadable) => return DeviceReport::failed(device, error.unwrap_or(unreadable)),
        };
        let epochs = self
            .tallies
            .into_iter()
            .map(|(epoch, tally)| EpochReport {
                epoch,
                stored: tally.stored,
                repeated: tally.repeated,
                gaps: gaps.iter().filter(|gap| gap.epoch == epoch).copied().collect(),
                watermark: tally.watermark,
            })
            .collect();
        DeviceReport { device, epochs, error }
    }
}

fn failure(outcome: Outcome) -> Option<Error> {
    match outcome {
        Err(Interrupt::Failed(error) | Interrupt::Unstored(error)) => Some(error),
        Ok(()) | Err(Interrupt::Stopped) => None,
    }
}

pub(super) async fn ordered_to_stop(stop: &mut watch::Receiver<Option<Stop>>) {
    let ordered = stop.wait_for(Option::is_some).await.is_ok();
    if !ordered {
        std::future::pending::<()>().await; // Nobody is left who could order it.
    }
}

/// So many events make a batch, if more are waiting.
const BATCH: usize = 1_024;
/// So many failures in a row are told.
const LASTING: usize = 5;
/// How long a reader that fails is tried again after the order to stop.
const LAST_LOOK: Duration = Duration::from_secs(10);
