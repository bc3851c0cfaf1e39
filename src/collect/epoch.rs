//! Whether a reader still counts as it did.

use super::follow::{Follower, Outcome};
use super::ledger::Ledger;

impl Follower {
    /// Begins a new epoch if the reader has begun to count anew.
    pub(super) async fn check_epoch(&mut self, account: &mut Ledger) -> Outcome {
        if self.has_restarted(account).await? {
            self.open_epoch(account).await?;
        }
        Ok(())
    }

    /// Whether the reader's log is another life than the one in the sink: under a known id it has another event, or
    /// its newest id is lower than the watermark and neither its oldest nor its newest event is stored.
    pub(super) async fn has_restarted(&mut self, account: &Ledger) -> Outcome<bool> {
        let watermark = account.watermark();
        if !account.has_begun() || watermark == 0 {
            return Ok(false);
        }
        let (device, epoch) = (self.device.id(), account.epoch());
        let at = self.read(watermark - 1, 1).await?;
        match at.first() {
            Some(event) if event.id() == watermark => {
                let stored = self.sink.event(device, epoch, watermark).await?;
                Ok(stored.is_some_and(|stored| stored != *event))
            }
            Some(_) => Ok(false),
            None => {
                let Some(oldest) = self.read(0, 1).await?.first().copied() else { return Ok(false) };
                if self.sink.event(device, epoch, oldest.id()).await? == Some(oldest) {
                    return Ok(false); // The same life at an earlier point: a restored unit, or a simulator.
                }
                let reader = self.device.clone();
                let newest =
                    self.unless_stopped(reader.newest_id(oldest.id())).await??.unwrap_or(oldest.id());
                let newest = self.unless_stopped(reader.log(newest)).await??;
                Ok(self.sink.event(device, epoch, newest.id()).await? != Some(newest))
            }
        }
    }

    pub(super) async fn open_epoch(&mut self, account: &mut Ledger) -> Outcome {
        account.close();
        self.store(account, true).await?;
        *account = Ledger::new(self.device.id(), account.epoch() + 1);
        tracing::warn!(device = %self.device.id(), epoch = account.epoch(), "the ids have begun anew");
        Ok(())
    }
}
