//! What became of events whose answer was lost.

use std::collections::HashMap;

use super::event::Trace;
use super::{Fate, Import, ImportEvent};
use crate::biostar_x::error::{Error, ErrorKind, Result};
use crate::biostar_x::query::EventQuery;
use crate::codec::{DeviceId, Timestamp};

impl Import {
    /// Finds out by search which of the unknown events arrived, and sends the rest, and what still waits.
    ///
    /// Where the server refused a request of several events without saying which, the rest is sent in halves until
    /// the refused one is alone. An answer that is lost here ends the work; call it again.
    ///
    /// What cannot be told apart: an event of another origin with the same device, code, person and second. Nor can a
    /// request that the server finishes after the wait of
    /// [`with_settle`](super::super::ClientBuilder::with_settle) be foreseen.
    ///
    /// # Errors
    ///
    /// Those of [`step`](Self::step) and of search. Nothing unknown has been sent again then.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::Server::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// # for id in [100_001, 100_002] {
    /// #     let id = bs2_events::biostar_x::VirtualDeviceId::new(id)?;
    /// #     let new = bs2_events::biostar_x::NewVirtualDevice::new(id, format!("Gate {id}"));
    /// #     client.create_virtual_device(&new).await?;
    /// # }
    /// # let time = bs2_events::codec::Timestamp::from_unix_seconds(1_761_837_120);
    /// # let events = vec![bs2_events::biostar_x::ImportEvent::granted("1", time)];
    /// # let mut import = client.import(bs2_events::biostar_x::VirtualDeviceId::MIN, events)?;
    /// import.send().await.ok();
    /// import.reconcile().await?;
    /// assert_eq!(import.count().unknown, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn reconcile(&mut self) -> Result<()> {
        loop {
            if self.has_unknown() {
                self.look_up().await?;
            }
            // What was refused as one of several is unknown again, among fewer: each turn halves it.
            self.send().await?;
            if !self.has_unknown() {
                return Ok(());
            }
        }
    }

    /// Finds out by search which of the unknown events arrived; the rest waits to be sent. Nothing is sent.
    ///
    /// # Errors
    ///
    /// Those of search; then nothing has changed.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::Server::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// # for id in [100_001, 100_002] {
    /// #     let id = bs2_events::biostar_x::VirtualDeviceId::new(id)?;
    /// #     let new = bs2_events::biostar_x::NewVirtualDevice::new(id, format!("Gate {id}"));
    /// #     client.create_virtual_device(&new).await?;
    /// # }
    /// # let time = bs2_events::codec::Timestamp::from_unix_seconds(1_761_837_120);
    /// # let events = vec![bs2_events::biostar_x::ImportEvent::granted("1", time)];
    /// # let mut import = client.import(bs2_events::biostar_x::VirtualDeviceId::MIN, events)?;
    /// import.look_up().await?;
    /// println!("{} have to be sent again", import.count().waiting);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn look_up(&mut self) -> Result<()> {
        let unknown = self.events.iter().zip(&self.fates).filter(|(_, fate)| is_unknown(fate));
        let times = || unknown.clone().map(|(event, _)| event.time());
        let (Some(from), Some(to)) = (times().min(), times().max()) else { return Ok(()) };
        let settle = self.client.0.import.settle;
        let mut arrived = None;
        // Until two looks see the same: the server may still be at work.
        loop {
            tokio::time::sleep(settle).await;
            let seen = self.rows(from, to).await?;
            let length = seen.values().map(Vec::len).sum::<usize>();
            if settle.is_zero() || arrived == Some(length) {
                self.decide(seen, from, to);
                return Ok(());
            }
            arrived = Some(length);
        }
    }

    fn has_unknown(&self) -> bool {
        self.fates.iter().any(is_unknown)
    }

    /// The rows of the device by what they share with an import, and the key of each.
    async fn rows(&self, from: Timestamp, to: Timestamp) -> Result<Rows> {
        let query = EventQuery::new().between(from, to).devices([DeviceId::from(self.device)]);
        let mut events = self.client.events(query);
        let mut rows = Rows::new();
        while let Some(row) = events.next().await {
            let row = row?;
            if row.device.is_some_and(|device| device != self.device.into()) {
                let message =
                    "the server's search does not heed its conditions, so that nothing can be looked up";
                return Err(Error::new(ErrorKind::InvalidAnswer, message));
            }
            if let Some(trace) = Trace::of_row(&row) {
                rows.entry(trace).or_default().push(row.tna_key);
            }
        }
        Ok(rows)
    }

    /// Gives each row to an event that it can stand for: first to those with the same key, then, where the server
    /// does not show keys, to any; in both cases first to those that are certain anyway.
    fn decide(&mut self, mut rows: Rows, from: Timestamp, to: Timestamp) {
        let mut open: Vec<_> = self.events.iter().zip(&mut self.fates).collect();
        let mut certain: Vec<_> = self.before.iter().collect();
        certain
            .extend(open.iter().filter(|(_, fate)| matches!(fate, Fate::Certain)).map(|(event, _)| *event));
        certain.retain(|event| (from..=to).contains(&event.time()));
        open.retain(|(_, fate)| is_unknown(fate));
        for shown in [true, false] {
            certain.retain(|event| !take(&mut rows, event, shown));
            open.retain_mut(|(event, fate)| {
                let found = take(&mut rows, event, shown);
                if found {
                    **fate = Fate::Certain;
                }
                !found
            });
        }
        for (_, fate) in open {
            let Fate::Unknown { error, among } = fate else { continue };
            *fate = match error {
                // The server said no, or only a part of it, and search agrees.
                Some(error) if is_refusal(error) && *among == 1 => Fate::Refused(error.clone()),
                Some(error) if is_refusal(error) => Fate::Waiting { at_once: among.div_ceil(2) },
                _ => Fate::Waiting { at_once: (*among).max(1) },
            };
        }
    }
}

/// The keys of the rows that look the same otherwise.
type Rows = HashMap<Trace, Vec<Option<u8>>>;

fn is_unknown(fate: &Fate) -> bool {
    matches!(fate, Fate::Unknown { .. })
}

fn is_refusal(error: &Error) -> bool {
    error.kind() == ErrorKind::PartlyDone || !error.may_have_been_done()
}

/// Takes a row out that stands for this event: one that shows its key, or else one that shows none.
fn take(rows: &mut Rows, event: &ImportEvent, shown: bool) -> bool {
    let Some(keys) = rows.get_mut(&event.trace()) else { return false };
    let expected = if shown { event.key() } else { None };
    match keys.iter().position(|key| *key == expected) {
        Some(place) => {
            keys.swap_remove(place);
            true
        }
        None => false,
    }
}
