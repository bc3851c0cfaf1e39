//! Follows one device: listens, catches up with its log, stores, and tries again after failures.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::catch_up::{CatchUp, Interrupt, Outcome};
use super::options::{Stop, StopSignal};
use super::report::DeviceReport;
use super::routes::{Next, Route};
use super::sequencer::{Offered, Sequencer, is_same};
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
        let mut retry = Retry::new(self.log.options.retry);
        let error = loop {
            let Err(interrupt) = self.read_to_end().await else { break None };
            let (next, error) = match interrupt {
                Interrupt::Stopped => break None,
                Interrupt::Unstored(error) => (self.unstored(&error), error),
                Interrupt::Failed(error) => (self.switch(&error), error),
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
        self.log.routes.unwatch();
        let mut delays = self.log.options.retry.delays().take(self.log.options.attempts);
        let give_up = Instant::now() + LAST_CATCH_UP;
        let error = loop {
            let Err(interrupt) = self.read_to_end().await else { break None };
            let (next, error) = match interrupt {
                Interrupt::Stopped => break None,
                Interrupt::Unstored(error) => (self.unstored(&error), error),
                Interrupt::Failed(error) => (self.switch(&error), error),
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
            if sequencer.offer(event) == Offered::Below {
                // Its id may have become a gap while it waited in the queue.
                let stored = self.log.stored(sequencer.epoch(), event.id()).await;
                if matches!(stored, Ok(None)) {
                    sequencer.take_late(event);
                }
            }
        }
        self.log.store(&mut sequencer, true).await?;
        result
    }

    async fn listen(&mut self, sequencer: &mut Sequencer, live: &mut Subscription) -> Outcome {
        self.log.run(sequencer).await?;
        let mut last_read = Instant::now();
        let mut out_of_order: Option<Instant> = None;
        loop {
            let waits =
                sequencer.hole().is_some() || !sequencer.has_begun() && sequencer.first_waiting().is_some();
            out_of_order = out_of_order.or_else(|| Some(Instant::now())).filter(|_| waits);
            // Counted from its begin, so that a steady stream of events does not put off the read for ever.
            let wait = match out_of_order {
                Some(since) => self.log.options.settle.saturating_sub(since.elapsed()),
                None => self.log.options.poll.saturating_sub(last_read.elapsed()),
            };
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
            while let Some(next) = item {
                match next {
                    Live::Event { event, .. } => self.receive(sequencer, event).await?,
                    // Before any later item is taken: if the ids have restarted, a later one may fit the watermark.
                    Live::Lagged { .. } | Live::Resumed { .. } => {
                        read_log = true;
                        break;
                    }
                }
                if sequencer.ready() >= BATCH || sequencer.waiting() >= BATCH {
                    read_log |= sequencer.waiting() >= BATCH;
                    break;
                }
                item = live.next().now_or_never().flatten();
            }
            self.log.store(sequencer, false).await?;
            if read_log {
                self.log.run(sequencer).await?;
                last_read = Instant::now();
            }
        }
    }

    /// Takes a live event.
    async fn receive(&mut self, sequencer: &mut Sequencer, event: Event) -> Outcome {
        match sequencer.offer(event) {
            Offered::Taken => return Ok(()),
            Offered::Repeated => {
                self.log.count_repeated(sequencer, 1);
                return Ok(());
            }
            Offered::Below => {}
        }
        self.log.store(sequencer, false).await?;
        let stored = self.log.stored(sequencer.epoch(), event.id()).await?;
        if stored.is_some_and(|stored| is_same(&stored, &event)) {
            self.log.count_repeated(sequencer, 1);
            return Ok(());
        }
        // Another event with a known id: the log shows whether the device has restarted its event ids.
        let epoch = sequencer.epoch();
        self.log.run(sequencer).await?;
        if sequencer.epoch() != epoch {
            if sequencer.offer(event) != Offered::Taken {
                self.log.count_repeated(sequencer, 1);
            }
        } else if stored.is_none() {
            sequencer.take_late(event);
        } else {
            let (device, id) = (self.log.device.id(), event.id());
            tracing::warn!(%device, id, "two different events have one id; the first is kept");
            self.log.count_repeated(sequencer, 1);
        }
        Ok(())
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
