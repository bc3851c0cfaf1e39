//! What became of events whose answer was lost.

use std::collections::HashMap;

use super::event::Trace;
use super::{Fate, Import};
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
    /// ```no_run
    /// # async fn example(mut import: bs2_events::biostar_x::Import) -> bs2_events::biostar_x::Result<()> {
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
    /// ```no_run
    /// # async fn example(mut import: bs2_events::biostar_x::Import) -> bs2_events::biostar_x::Result<()> {
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
            let seen = self.arrived(from, to).await?;
            let length = seen.values().map(Vec::len).sum::<usize>();
            if settle.is_zero() || arrived == Some(length) {
                self.decide(seen);
                return Ok(());
            }
            arrived = Some(length);
        }
    }

    fn has_unknown(&self) -> bool {
        self.fates.iter().any(is_unknown)
    }

    /// The rows of the device, each with its key, without those that are explained by other events.
    async fn arrived(&self, from: Timestamp, to: Timestamp) -> Result<HashMap<Trace, Vec<Option<u8>>>> {
        let query = EventQuery::new().between(from, to).devices([DeviceId::from(self.device)]);
        let mut rows = self.client.events(query);
        let mut arrived: HashMap<Trace, Vec<Option<u8>>> = HashMap::new();
        while let Some(row) = rows.next().await {
            let row = row?;
            if row.device.is_some_and(|device| device != self.device.into()) {
                let message =
                    "the server's search does not heed its conditions, so that nothing can be looked up";
                return Err(Error::new(ErrorKind::InvalidAnswer, message));
            }
            if let Some(trace) = Trace::of_row(&row) {
                arrived.entry(trace).or_default().push(row.tna_key);
            }
        }
        let certain = self.events.iter().zip(&self.fates).filter(|(_, fate)| matches!(fate, Fate::Certain));
        let others = certain.map(|(event, _)| event).chain(&self.before);
        for event in others.filter(|event| (from..=to).contains(&event.time())) {
            take(&mut arrived, &event.trace(), event.key());
        }
        Ok(arrived)
    }

    fn decide(&mut self, mut arrived: HashMap<Trace, Vec<Option<u8>>>) {
        for (event, fate) in self.events.iter().zip(&mut self.fates) {
            let Fate::Unknown { error, among } = fate else { continue };
            let next = match error {
                _ if take(&mut arrived, &event.trace(), event.key()) => Fate::Certain,
                // The server said no, or only a part of it, and search agrees.
                Some(error) if is_refusal(error) && *among == 1 => Fate::Refused(error.clone()),
                Some(error) if is_refusal(error) => Fate::Waiting { at_once: among.div_ceil(2) },
                _ => Fate::Waiting { at_once: (*among).max(1) },
            };
            *fate = next;
        }
    }
}

fn is_unknown(fate: &Fate) -> bool {
    matches!(fate, Fate::Unknown { .. })
}

fn is_refusal(error: &Error) -> bool {
    error.kind() == ErrorKind::PartlyDone || !error.may_have_been_done()
}

/// Takes a row out that stands for this event: the one with the same key, or else any.
fn take(arrived: &mut HashMap<Trace, Vec<Option<u8>>>, trace: &Trace, key: Option<u8>) -> bool {
    let Some(keys) = arrived.get_mut(trace) else { return false };
    let place = keys.iter().position(|there| *there == key).unwrap_or(0);
    if place < keys.len() {
        keys.swap_remove(place);
        return true;
    }
    false
}
