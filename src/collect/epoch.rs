//! Whether a reader still counts as it did.

use super::follow::{Follower, Interrupt, Outcome};
use super::ledger::{Ledger, is_same};
use crate::device::EventPage;
use crate::sink::Batch;

impl Follower {
    /// The first page after the watermark; begins a new epoch if the reader has begun to count anew.
    ///
    /// The event at the watermark is read once more, for comparison: if the reader has another one under this id, its
    /// log is another life. A reader whose newest id is below the watermark is looked at more closely.
    pub(super) async fn first_page(&mut self, account: &mut Ledger) -> Outcome<EventPage> {
        loop {
            let (watermark, page) = (account.watermark(), self.options.page);
            let Some(before) = watermark.checked_sub(1) else { return self.read_on(account).await };
            // What cannot be read cannot be compared either.
            let Ok(page) = self.try_read(before, page.saturating_add(1)).await? else {
                return self.read_on(account).await;
            };
            let restarted = match page.first() {
                Some(event) if event.id() == watermark => {
                    let known = match account.last() {
                        Some(event) => Some(*event),
                        None => self.stored(account.epoch(), watermark).await?,
                    };
                    known.is_some_and(|known| !is_same(&known, event))
                }
                // The event is gone, and newer ones are there: older ones may still tell.
                Some(_) => self.oldest_differs(account).await?,
                None => self.is_another_life(account).await?,
            };
            if !restarted {
                let page = page.after(watermark);
                // A page may be short: that the event for comparison stands alone in it is not the end of the log.
                return if page.is_empty() { self.read_on(account).await } else { Ok(page) };
            }
            self.open_epoch(account).await?;
        }
    }

    /// Whether the oldest event of the log is another one than is stored under its id.
    async fn oldest_differs(&mut self, account: &Ledger) -> Outcome<bool> {
        let Some(oldest) = self.oldest().await? else { return Ok(false) };
        let stored = self.stored(account.epoch(), oldest.id()).await?;
        Ok(stored.is_some_and(|stored| !is_same(&stored, &oldest)))
    }

    /// Whether the log of a reader whose newest id is below the watermark is another life: its newest event is another
    /// one than is stored, or it is not stored and neither is the oldest. Otherwise it is the same life at an earlier
    /// point: a restored unit, or a simulator.
    async fn is_another_life(&mut self, account: &Ledger) -> Outcome<bool> {
        let (device, epoch) = (self.device.clone(), account.epoch());
        if account.watermark() == u32::MAX && self.stored(epoch, u32::MAX).await?.is_none() {
            return Ok(true); // The epoch was closed, and what ended the work then came before the next one was stored.
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

    async fn open_epoch(&mut self, account: &mut Ledger) -> Outcome {
        let waiting = account.close();
        if !waiting.is_empty() {
            let (epoch, first) = (account.epoch(), account.watermark());
            self.orphans.push(Batch::new(self.device.id(), epoch, first, u32::MAX).with_events(waiting));
        }
        self.store(account, true).await?;
        *account = Ledger::new(self.device.id(), account.epoch() + 1);
        tracing::warn!(device = %self.device.id(), epoch = account.epoch(), "the ids have begun anew");
        Ok(())
    }

    /// Stores events that were reported live and waited when an epoch ended, in the epoch that they belong to: if the
    /// new log has them they are of the new life, and stored already.
    pub(super) async fn place_orphans(&mut self, account: &Ledger) -> Outcome {
        // Each is kept until it is stored: a failure on the way must not lose it.
        while let Some(mut batch) = self.orphans.first().cloned() {
            let (mut of_old_life, mut repeated) = (Vec::new(), 0);
            for event in std::mem::take(&mut batch.events) {
                let stored = self.stored(account.epoch(), event.id()).await?;
                if stored.is_some_and(|stored| is_same(&stored, &event)) {
                    repeated += 1;
                } else {
                    of_old_life.push(event);
                }
            }
            let epoch = batch.epoch;
            let stored =
                self.sink.store(batch.with_events(of_old_life)).await.map_err(Interrupt::Unstored)?;
            self.orphans.remove(0);
            self.repeated(account, repeated);
            self.tally(epoch, stored);
        }
        Ok(())
    }
}
