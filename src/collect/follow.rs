//! Follows one device: listens, catches up with its log, stores, and tries again after failures.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::catch_up::{CatchUp, Interrupt, Outcome, is_lap};
use super::options::{CollectOptions, OnFailure, Stop, StopSignal};
use super::report::DeviceReport;
use super::sequencer::{Offered, Sequencer};
use crate::codec::Event;
use crate::device::{Live, Subscription};
use crate::retry::Retry;
use crate::{Error, ErrorKind};

/// The work on one device.
pub(super) struct Follower {
    pub(super) log: CatchUp,
    pub(super) on_failure: OnFailure,
}

impl Follower {
    /// Reads the log to its end.
    pub(super) async fn run_once(mut self) -> DeviceReport {
        self.log.looks = usize::MAX;
        let mut retry = Retry::new(self.log.options.retry);
        let error = loop {
            let Err(interrupt) = self.read_to_end().await else { break None };
            let Some(error) = interrupt.error() else { break None };
            if self.log.failures == 0 {
                retry.reset();
            }
            self.log.failures += 1;
            let may_help = error.is_retryable() && self.log.failures < self.log.options.attempts;
            match retry.next_delay().filter(|_| may_help) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => break Some(error),
            }
        };
        self.log.report(error).await
    }

    /// Collects live until the collector has to stop.
    pub(super) async fn run_live(mut self) -> DeviceReport {
        let mut retry = Retry::new(self.log.options.retry);
        let mut error = loop {
            let (may_help, error) = match self.follow().await {
                Ok(()) | Err(Interrupt::Stopped) => break None,
                Err(Interrupt::Unstored(error)) => (error.is_retryable(), error),
                // Any error of a device may pass, and nobody else would try this device again.
                Err(Interrupt::Failed(error)) => (error.kind() != ErrorKind::Closed, error),
            };
            if self.log.stop.get() == Some(Stop::Now) {
                break Some(error); // The last batch did not reach the sink, and there is no further try.
            }
            let delay = self.after_failure(&error, &mut retry).filter(|_| may_help);
            let Some(delay) = delay else { break Some(error) };
            if self.log.unless_stopped(tokio::time::sleep(delay)).await.is_err() {
                break None;
            }
        };
        if error.is_none() && self.log.stop.get() == Some(Stop::AfterCatchUp) {
            error = self.catch_up_once_more().await;
        }
        self.log.report(error).await
    }

    /// Counts a failure of a collector that listens, and informs the operator of one that persists. Returns how long to
    /// wait before the next try.
    fn after_failure(&mut self, error: &Error, retry: &mut Retry) -> Option<Duration> {
        if self.log.failures == 0 {
            retry.reset();
        }
        self.log.failures += 1;
        tracing::info!(device = %self.log.device.id(), %error, "collecting was interrupted");
        let delay = retry.next_delay();
        // An error that passes by itself is reported only if it persists, and one that ends the work is in the report.
        let persistent = if error.is_retryable() { PERSISTENT } else { 1 };
        if delay.is_some() && self.log.failures == persistent {
            self.on_failure.call(error);
        }
        delay
    }

    /// Reads the log to its present end after the collector was told to stop.
    async fn catch_up_once_more(&mut self) -> Option<Error> {
        let (never, stop) = StopSignal::new();
        self.log.stop = stop;
        self.log.look_next_time();
        let mut delays = self.log.options.retry.delays().take(self.log.options.attempts);
        let give_up = Instant::now() + LAST_CATCH_UP;
        let error = loop {
            let Err(interrupt) = self.read_to_end().await else { break None };
            let Some(error) = interrupt.error() else { break None };
            match delays.next().filter(|_| error.is_retryable() && Instant::now() < give_up) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => break Some(error),
            }
        };
        drop(never);
        error
    }

    async fn read_to_end(&mut self) -> Outcome {
        let mut sequencer = self.log.open().await?;
        self.log.run(&mut sequencer).await
    }

    async fn follow(&mut self) -> Outcome {
        let mut sequencer = self.log.open().await?;
        // Live first: what happens while the log is read is in the queue.
        let device = self.log.device.clone();
        let mut live = match self.log.unless_stopped(device.subscribe()).await? {
            Ok(live) => live,
            // A device that cannot report live events still has its log.
            Err(error) => {
                let failures = self.log.failures;
                self.log.run(&mut sequencer).await?;
                self.log.failures = failures;
                return Err(error.into());
            }
        };
        let result = self.listen(&mut sequencer, &mut live).await;
        // However it ended: received events are stored, also those above a hole.
        // Unconstrained: tokio's budget for a task would end the loop after some 100 items, as if there were no more.
        while let Some(Some(item)) = unconstrained(live.next()).now_or_never() {
            let event = match item {
                Live::Event { event, .. } => event,
                // What follows is in the log, and may belong to another epoch.
                Live::Resumed { .. } => break,
                Live::Lagged { .. } => continue,
            };
            if sequencer.offer(event) == Offered::Below && sequencer.lacks(event.id()) {
                sequencer.take_late(event);
            }
        }
        self.log.store(&mut sequencer, true).await?;
        result
    }

    async fn listen(&mut self, sequencer: &mut Sequencer, live: &mut Subscription) -> Outcome {
        let mut reads = LogReads::new(self.log.options);
        self.read_log(sequencer, &mut reads).await?;
        loop {
            // Also if the device always has something to report.
            if self.log.stop.get().is_some() {
                return Err(Interrupt::Stopped);
            }
            let wait = reads.wait(sequencer);
            let next = self.log.unless_stopped(tokio::time::timeout(wait, live.next())).await?;
            let mut item = match next {
                Ok(Some(item)) => Some(item),
                Ok(None) => {
                    let error = Error::new(ErrorKind::Disconnected, "the live stream has ended");
                    return Err(error.with_device(self.log.device.id()).into());
                }
                Err(_elapsed) => None,
            };
            let mut read_log = item.is_none() || wait.is_zero();
            // Takes every item that is in the queue, so that many events make one batch.
            let mut unplaced = Vec::new();
            while let Some(next) = item {
                match next {
                    // Behind an event whose place is not known, the ids may have restarted, and a later event may fit the
                    // watermark.
                    Live::Event { event, .. } if !unplaced.is_empty() => unplaced.push(event),
                    Live::Event { event, .. } => match sequencer.offer(event) {
                        Offered::Taken => {}
                        Offered::Repeated => self.log.count_repeated(sequencer, 1),
                        Offered::Below => unplaced.push(event),
                    },
                    Live::Resumed { .. } => {
                        self.log.store(sequencer, true).await?;
                        self.log.compare_again();
                        read_log = true;
                        break;
                    }
                    Live::Lagged { .. } => {
                        read_log = true;
                        break;
                    }
                }
                if sequencer.ready().max(sequencer.unstored()).max(unplaced.len()) >= BATCH {
                    break;
                }
                item = unconstrained(live.next()).now_or_never().flatten();
            }
            let all = sequencer.unstored() >= BATCH;
            if unplaced.is_empty() {
                self.log.store(sequencer, all).await?;
            } else {
                self.place(sequencer, unplaced, &mut reads).await?;
            }
            if read_log {
                self.read_log(sequencer, &mut reads).await?;
            }
        }
    }

    /// Reads the log. A device that fails is read again later; meanwhile its live events are stored.
    async fn read_log(&mut self, sequencer: &mut Sequencer, reads: &mut LogReads) -> Outcome {
        match self.log.run(sequencer).await {
            Ok(()) => {
                reads.succeeded(sequencer);
                Ok(())
            }
            Err(Interrupt::Failed(error)) if error.kind() != ErrorKind::Closed => {
                let Some(delay) = self.after_failure(&error, &mut reads.retry) else {
                    return Err(error.into());
                };
                reads.failed(delay);
                self.log.store(sequencer, true).await
            }
            Err(interrupt) => Err(interrupt),
        }
    }

    /// Places live events of which the first is not above the watermark: they are repetitions, or came late, or the device
    /// has restarted its event ids. One look into the log decides for all of them.
    async fn place(
        &mut self,
        sequencer: &mut Sequencer,
        events: Vec<Event>,
        reads: &mut LogReads,
    ) -> Outcome {
        let epoch = sequencer.epoch();
        let is_below = |event: &Event| event.id() <= sequencer.watermark() && !sequencer.lacks(event.id());
        let known: Vec<Event> = events.iter().copied().filter(is_below).collect();
        let known = known.iter().map(Event::id).zip(self.log.compare_stored(epoch, &known).await?);
        let known: BTreeMap<u32, Option<bool>> = known.collect();
        let is_repeated = |event: &Event| matches!(known.get(&event.id()), Some(Some(true) | None));
        let repeated = events.iter().take_while(|event| is_repeated(event)).count();
        self.log.count_repeated(sequencer, u64::try_from(repeated).unwrap_or(u64::MAX));
        let mut events = events.into_iter().skip(repeated).peekable();
        let is_next = |event: &Event, sequencer: &Sequencer| event.id() > sequencer.watermark();
        let mut is_looked_up = false;
        while let Some(event) = events.next() {
            if !is_looked_up && !is_next(&event, sequencer) && !is_repeated(&event) {
                self.log.store(sequencer, false).await?;
                self.read_log(sequencer, reads).await?;
                is_looked_up = true;
            }
            let is_new_epoch = sequencer.epoch() != epoch;
            match sequencer.offer(event) {
                Offered::Taken => {}
                Offered::Repeated => self.log.count_repeated(sequencer, 1),
                Offered::Below if sequencer.lacks(event.id()) => {
                    if is_lap(event.id(), sequencer.watermark()) {
                        let (device, id) = (self.log.device.id(), event.id());
                        tracing::warn!(%device, id, "the log does not show yet that the id counter went past its end");
                    } else {
                        sequencer.take_late(event);
                    }
                }
                Offered::Below => {
                    if !is_new_epoch && known.get(&event.id()) == Some(&Some(false)) {
                        let (device, id) = (self.log.device.id(), event.id());
                        tracing::warn!(%device, id, "two different events have one id; the first is kept");
                    }
                    self.log.count_repeated(sequencer, 1);
                }
            }
        }
        self.log.store(sequencer, sequencer.unstored() >= BATCH).await
    }
}

/// When the log is read while the collector listens.
struct LogReads {
    settle: Duration,
    poll: Duration,
    retry: Retry,
    last: Instant,
    /// When to read again after a failure.
    after_failure: Option<Instant>,
    /// Since when events wait above a hole, and how long until the log is read for what is missing. It is twice as long
    /// after each read in vain.
    hole: Option<(Instant, Duration)>,
    /// How many events waited when this was last decided.
    waiting: usize,
}

impl LogReads {
    fn new(options: CollectOptions) -> Self {
        let (settle, poll, retry) = (options.settle, options.poll, Retry::new(options.retry));
        let (after_failure, hole, waiting) = Default::default();
        Self { settle, poll, retry, last: Instant::now(), after_failure, hole, waiting }
    }

    /// How long to listen before the next read. It is counted from the begin, so that a steady stream of events does not
    /// put off the read for ever.
    fn wait(&mut self, sequencer: &Sequencer) -> Duration {
        if let Some(at) = self.after_failure {
            return at.saturating_duration_since(Instant::now());
        }
        let is_unsettled = sequencer.hole().is_some() || !sequencer.has_begun() && sequencer.waiting() > 0;
        let is_news =
            sequencer.waiting() > self.waiting && self.hole.is_none_or(|(_, wait)| wait > self.settle);
        self.waiting = sequencer.waiting();
        if !is_unsettled {
            self.hole = None;
        } else if is_news || self.hole.is_none() {
            self.hole = Some((Instant::now(), self.settle));
        }
        let left = |(since, wait): (Instant, Duration)| wait.saturating_sub(since.elapsed());
        let poll = left((self.last, self.poll));
        self.hole.map_or(poll, |hole| left(hole).min(poll))
    }

    fn succeeded(&mut self, sequencer: &Sequencer) {
        self.retry.reset();
        (self.last, self.after_failure, self.waiting) = (Instant::now(), None, sequencer.waiting());
        let longer = |(_, wait): (Instant, Duration)| (Instant::now(), wait.saturating_mul(2).min(self.poll));
        self.hole = self.hole.map(longer);
    }

    fn failed(&mut self, delay: Duration) {
        self.after_failure = Some(Instant::now() + delay);
    }
}

/// How many events make a batch, if more are in the queue.
const BATCH: usize = 1_024;
/// After so many failures in a row the caller is informed.
const PERSISTENT: usize = 5;
/// How long a device that fails is tried again after the collector was told to stop.
const LAST_CATCH_UP: Duration = Duration::from_secs(10);
