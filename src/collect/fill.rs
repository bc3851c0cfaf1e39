//! Reading the log: pages, holes, and why ids are missing.

use tokio::time::Duration;

use super::follow::{Follower, Outcome};
use super::ledger::{Ledger, Offered};
use super::progress::add;
use crate::codec::{Event, EventCode};
use crate::device::EventPage;
use crate::sink::GapReason;
use crate::{Error, Result};

/// An event that the log has and of which no record can be made.
pub(super) struct Unreadable {
    pub(super) id: u32,
    pub(super) error: Error,
}

impl Follower {
    /// Reads the log from the watermark to its end.
    pub(super) async fn catch_up(&mut self, account: &mut Ledger) -> Outcome {
        let mut page = self.first_page(account).await?;
        loop {
            self.repeated(account, page.repeated());
            let Some(last) = page.last().map(Event::id) else { break };
            self.take_page(account, &page);
            self.close_holes(account, last).await?;
            self.store(account, false).await?;
            page = self.read_on(account).await?;
        }
        // The log holds nothing more; what is waiting was reported live and is not in it, or not yet.
        if let Some(first) = account.first_waiting() {
            self.unless_stopped(tokio::time::sleep(LOG_DELAY)).await?;
            let page = self.read_on(account).await?;
            self.repeated(account, page.repeated());
            self.take_page(account, &page);
            account.begin_at(first);
            self.doubt(account);
            self.close_holes(account, u32::MAX).await?;
            self.store(account, false).await?;
        }
        self.place_orphans(account).await?;
        self.failures = 0;
        if !self.caught_up {
            self.caught_up = true;
            add(&self.progress.caught_up, 1);
        }
        Ok(())
    }

    /// The next page after the watermark. What cannot be read is passed over: it must not keep back what is behind it.
    pub(super) async fn read_on(&mut self, account: &mut Ledger) -> Outcome<EventPage> {
        loop {
            match self.try_read(account.watermark(), self.options.page).await? {
                Ok(page) => return Ok(page),
                Err(unreadable) => self.pass_over(account, unreadable)?,
            }
            self.store(account, false).await?;
        }
    }

    /// A page, or what stands where it would begin and cannot be read.
    pub(super) async fn try_read(&mut self, after: u32, max: u32) -> Outcome<Result<EventPage, Unreadable>> {
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
    pub(super) async fn oldest(&mut self) -> Outcome<Option<Event>> {
        Ok(self.try_read(0, 1).await?.ok().and_then(|page| page.first().copied()))
    }

    fn pass_over(&self, account: &mut Ledger, Unreadable { id, error }: Unreadable) -> Outcome {
        if !account.pass_over(id) {
            return Err(error.into());
        }
        tracing::warn!(device = %self.device.id(), id, %error, "an event cannot be read and is left out");
        Ok(())
    }

    fn take_page(&mut self, account: &mut Ledger, page: &EventPage) {
        if let Some(first) = page.first() {
            account.begin_at(first.id());
        }
        for event in page.iter() {
            if account.offer(*event) != Offered::Taken {
                self.repeated(account, 1);
            }
        }
    }

    /// Sets aside what was reported live under an id so far beyond the log that no reader can have come there: to
    /// believe it would give up every event between.
    fn doubt(&self, account: &mut Ledger) {
        while account.hole().is_some_and(|(from, to)| to - from >= IMPLAUSIBLE) {
            let id = account.set_aside();
            tracing::warn!(device = %self.device.id(), id, "a live event is far beyond the log; its id is not believed");
        }
    }

    /// Reads again what is missing below `last`, and gives up what the reader does not have.
    async fn close_holes(&mut self, account: &mut Ledger, last: u32) -> Outcome {
        while let Some((from, to)) = account.hole().filter(|(_, to)| *to < last) {
            let wanted = (to - from).saturating_add(1).min(self.options.page);
            // What cannot be read has been passed over before.
            let again = self.try_read(from.saturating_sub(1), wanted).await?.unwrap_or_default();
            for event in again.iter().filter(|event| (from..=to).contains(&event.id())) {
                account.offer(*event);
            }
            if account.hole() == Some((from, to)) {
                let reason = self.reason(account, to).await?;
                tracing::info!(device = %self.device.id(), from, to, %reason, "events are missing");
                account.explain_hole(reason);
            }
        }
        Ok(())
    }

    /// Why the ids up to `to` are missing, by what follows them.
    async fn reason(&mut self, account: &Ledger, to: u32) -> Outcome<GapReason> {
        match account.after_hole().map(Event::code) {
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
}

/// More events than happen between a report and the look into the log that follows it.
const IMPLAUSIBLE: u32 = 100_000;
/// How long a reader may take to put into its log what it has reported live.
const LOG_DELAY: Duration = Duration::from_millis(250);
