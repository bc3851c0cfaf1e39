//! What became of events whose answer was lost.

use super::sight::{Sight, Windows};
use super::{Fate, Import};
use crate::biostar_x::codes::is_refusal_of_values;
use crate::{Error, ErrorKind, Result};

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
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
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
    /// Each page of the search is asked for again while that may help, as
    /// [`with_patience`](super::super::ClientBuilder::with_patience) says.
    ///
    /// # Errors
    ///
    /// Those of search; then nothing has changed. [`InvalidData`](crate::ErrorKind::InvalidData) where the
    /// server shows rows without a person, a time or a code: those events that they could be stay unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
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
        let windows = Windows::around(
            self.events.iter().zip(&self.fates).map(|(event, fate)| is_unknown(fate).then_some(event.time())),
        );
        if windows.is_empty() {
            return Ok(());
        }
        let settle = self.client.0.import.settle;
        let mut before: Option<usize> = None;
        // Until two looks see the same: the server may still be at work.
        loop {
            tokio::time::sleep(settle).await;
            let seen = Sight::of(&self.client, self.device, &windows).await?;
            if settle.is_zero() || before == Some(seen.len()) {
                return self.decide(seen, &windows);
            }
            before = Some(seen.len());
        }
    }

    /// What is on the server already and looks like an event of this import, before anything is sent.
    #[cfg(feature = "collect")]
    pub(crate) async fn already_there(&self) -> Result<Vec<super::ImportEvent>> {
        let windows = Windows::around(self.events.iter().map(|event| Some(event.time())));
        let mut seen = Sight::of(&self.client, self.device, &windows).await?;
        Ok(seen.like(&self.events))
    }

    fn has_unknown(&self) -> bool {
        self.fates.iter().any(is_unknown)
    }

    /// Gives each row to an event that it can stand for: first to those with the same key, then, where the server
    /// does not show keys, to any; in both cases first to those that are certain anyway.
    fn decide(&mut self, mut seen: Sight, windows: &Windows) -> Result<()> {
        let mut open: Vec<_> = self.events.iter().zip(&mut self.fates).collect();
        let mut certain: Vec<_> = self.before.iter().collect();
        certain
            .extend(open.iter().filter(|(_, fate)| matches!(fate, Fate::Certain)).map(|(event, _)| *event));
        certain.retain(|event| windows.hold(event.time()));
        open.retain(|(_, fate)| is_unknown(fate));
        for shown in [true, false] {
            certain.retain(|event| !seen.take(event, shown));
            open.retain_mut(|(event, fate)| {
                let found = seen.take(event, shown);
                if found {
                    **fate = Fate::Certain;
                }
                !found
            });
        }
        let unclear = Error::new(ErrorKind::InvalidData, UNCLEAR);
        let mut is_clear = true;
        let dim = seen.dim();
        for (event, fate) in open {
            let Fate::Unknown { error, among } = fate else { continue };
            if dim.could_be(&event.trace()) {
                *fate = Fate::Unknown { error: Some(unclear.clone()), among: *among };
                is_clear = false;
                continue;
            }
            *fate = match error {
                // The server said no, or only a part of it, and search agrees.
                Some(error) if is_refusal_of_values(error) && *among == 1 => Fate::Refused(error.clone()),
                Some(error) if is_refusal_of_values(error) => Fate::Waiting { at_once: among.div_ceil(2) },
                _ => Fate::Waiting { at_once: (*among).max(1) },
            };
        }
        if is_clear { Ok(()) } else { Err(unclear) }
    }
}

fn is_unknown(fate: &Fate) -> bool {
    matches!(fate, Fate::Unknown { .. })
}

const UNCLEAR: &str = "the server shows rows without a person, a time or a code, which may be events of this import: \
                       look there before they are sent again";
