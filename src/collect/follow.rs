//! Follows one device: listens, catches up with its log, stores, and tries again after failures.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::catch_up::{CatchUp, Interrupt, Outcome, is_lap};
use super::options::{CollectOptions, Stop, StopSignal};
use super::report::DeviceReport;
use super::routes::{Next, Route};
use super::sequencer::{Offered, Sequencer};
use crate::codec::Event;
use crate::device::{Live, Subscription};
use crate::retry::Retry;
use crate::{Error, ErrorKind};

/// The work on one device.
pub(super) struct Follower {
    pub(super) log: CatchUp,
}

/// How the work on a device ended.
pub(super) struct Ended {
    pub(super) report: DeviceReport,
    /// Whether the sink failed for good. Then no device can go on.
    pub(super) is_sink_lost: bool,
    /// Routes that were found and not used.
    pub(super) unused: Vec<Route>,
}

impl Follower {
    /// Reads the log to its end.
    pub(super) async fn run_once(mut self) -> Ended {
        self.log.looks = usize::MAX;
        let mut retry = Retry::new(self.log.options.retry);
        let error = loop {
            let Err(interrupt) = self.read_to_end().await else { break None };
            let (next, error) = match interrupt {
                Interrupt::Stopped => break None,
                Interrupt::Unstored(error) => (self.unstored(&error), error),
                Interrupt::Failed(error) => (self.switch(&error), error),
                Interrupt::Decided(next, error) => (next, error),
            };
            match next {
                Next::Now => continue,
                Next::Replaced => break None,
                Next::Closed => break Some(error),
                Next::Later => {}
            }
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
        self.end(error, false).await
    }

    /// Collects live until the collector has to stop.
    pub(super) async fn run_live(mut self) -> Ended {
        let mut retry = Retry::new(self.log.options.retry);
        let mut is_sink_lost = false;
        let mut error = loop {
            let (next, is_stored, error) = match self.follow().await {
                Ok(()) | Err(Interrupt::Stopped) => break None,
                Err(Interrupt::Unstored(error)) => (self.unstored(&error), false, error),
                // Any error of a device may pass, and nobody else would try this device again.
                Err(Interrupt::Failed(error)) => (self.switch(&error), true, error),
                Err(Interrupt::Decided(next, error)) => (next, true, error),
            };
            if self.log.stop.get() == Some(Stop::Now) {
                break Some(error); // The last batch did not reach the sink, and there is no further try.
            }
            tracing::info!(device = %self.log.device.id(), %error, "collecting was interrupted");
            if self.log.failures == 0 {
                retry.reset();
            }
            match next {
                Next::Now => continue,
                Next::Replaced => break None,
                Next::Closed => {
                    is_sink_lost = !is_stored;
                    break Some(error);
                }
                Next::Later => self.log.failures += 1,
            }
            let Some(delay) = retry.next_delay() else { break Some(error) };
            let is_stopped = tokio::select! {
                biased;
                () = self.log.stop.wait() => true,
                () = tokio::time::sleep(delay) => false,
                () = self.log.routes.arrival() => false,
            };
            if is_stopped {
                break Some(error).filter(|_| !is_stored || self.log.routes.is_failure_reported());
            }
        };
        if !is_sink_lost && self.log.stop.get() == Some(Stop::AfterCatchUp) {
            error = self.catch_up_once_more().await;
        }
        self.end(error, is_sink_lost).await
    }

    /// Reads the log to its present end after the collector was told to stop.
    async fn catch_up_once_more(&mut self) -> Option<Error> {
        let (never, stop) = StopSignal::new();
        self.log.stop = stop;
        self.log.look_next_time();
        self.log.routes.unwatch();
        let mut delays = self.log.options.retry.delays().take(self.log.options.attempts);
        let give_up = Instant::now() + LAST_CATCH_UP;
        let error = loop {
            let Err(interrupt) = self.read_to_end().await else { break None };
            let (next, error) = match interrupt {
                Interrupt::Stopped => break None,
                Interrupt::Unstored(error) => (self.unstored(&error), error),
                Interrupt::Failed(error) => (self.switch(&error), error),
                Interrupt::Decided(next, error) => (next, error),
            };
            let may_help = error.is_retryable() && Instant::now() < give_up;
            match (next, delays.next().filter(|_| may_help)) {
                (Next::Now, Some(_)) => {}
                (Next::Later, Some(delay)) => tokio::time::sleep(delay).await,
                (Next::Replaced, _) => break None,
                (_, _) => break Some(error),
            }
        };
        drop(never);
        error
    }

    /// Notes a failure of the sink. [`Next::Closed`] if nothing can go on.
    fn unstored(&mut self, error: &Error) -> Next {
        self.log.routes.unstored(error);
        let is_last = error.kind() == ErrorKind::Closed
            || !is_curable(error) && self.log.failures + 1 >= self.log.options.attempts;
        if is_last { Next::Closed } else { Next::Later }
    }

    /// Notes a failure of the device, and goes over to another source that reaches it.
    fn switch(&mut self, error: &Error) -> Next {
        let next = self.log.routes.failed(error);
        self.log.device = self.log.routes.device();
        next
    }

    async fn end(mut self, error: Option<Error>, is_sink_lost: bool) -> Ended {
        let unused = self.log.routes.close();
        Ended { report: self.log.report(error).await, is_sink_lost, unused }
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
                self.log.routes.watch(None);
                self.log.run(&mut sequencer).await?;
                self.log.failures = failures;
                return Err(error.into());
            }
        };
        self.log.routes.watch(Some(live.interruption()));
        let result = self.listen(&mut sequencer, &mut live).await;
        self.log.routes.unwatch();
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
            Err(Interrupt::Failed(error)) => {
                let next = self.switch(&error);
                if self.log.failures == 0 {
                    reads.retry.reset();
                }
                // Where there is another route, the live stream of this one is given up with it.
                let stays = next == Next::Later && !self.log.routes.has_standby();
                match reads.retry.next_delay().filter(|_| stays) {
                    Some(delay) => {
                        tracing::info!(device = %self.log.device.id(), %error, "the log cannot be read");
                        self.log.failures += 1;
                        reads.failed(delay);
                        self.log.store(sequencer, true).await
                    }
                    None => Err(Interrupt::Decided(next, error)),
                }
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
        let events = events.into_iter().skip(repeated);
        let is_next = |event: &Event, sequencer: &Sequencer| event.id() > sequencer.watermark();
        let mut is_looked_up = false;
        for event in events {
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

/// Whether this failure of a sink may end while the collector runs: by itself, or because an operator makes room, gives
/// rights or a licence, or ends the maintenance of a server. An answer of a server that cannot be read is of this kind; a
/// row of a store that cannot be read is not.
fn is_curable(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::AccountLocked
        | ErrorKind::Closed
        | ErrorKind::InvalidInput
        | ErrorKind::LoginRefused
        | ErrorKind::Unsupported => false,
        ErrorKind::InvalidData => error.http().is_some(),
        _ => true,
    }
}

/// How many events make a batch, if more are in the queue.
const BATCH: usize = 1_024;
/// How long a device that fails is tried again after the collector was told to stop.
const LAST_CATCH_UP: Duration = Duration::from_secs(10);
