//! Importing events for a virtual device: once each, as far as a server without receipts allows.

mod event;
mod fate;
mod reconcile;
mod sight;

use std::fmt;
use std::ops::Range;

use reqwest::Method;

pub use event::{ImportEvent, Verdict};
pub use fate::{Fate, ImportCount};

use super::VirtualDeviceId;
use super::client::Client;
use super::transport::Request;
use crate::biostar_x::codes::is_refusal_of_values;
use crate::{Error, Result};
use event::Body;

/// An import: its events, and what has become of each.
///
/// The server confirms a request as a whole, says nothing about its events, and does not notice a repeated one. So a
/// request is marked as unknown before it is sent, and only an answer changes that. What is unknown is never sent
/// again until [`reconcile`](Self::reconcile) has looked for it.
///
/// # Cancel safety
///
/// Dropping one of its futures loses nothing: the request that was under way stays unknown.
///
/// # Examples
///
/// ```
/// # use bs2_events::{biostar_x::{Client, ImportEvent, Result, VirtualDeviceId}, codec::Timestamp};
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
/// let events = vec![ImportEvent::granted("1001", Timestamp::from_unix_seconds(1_761_837_120))];
/// let mut import = client.import(VirtualDeviceId::new(100_001)?, events)?;
/// if import.send().await.is_err() {
///     // Look what arrived, then send the rest.
///     import.reconcile().await?;
/// }
/// for (position, error) in import.refused() {
///     println!("event {position}: {error}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Import {
    client: Client,
    device: VirtualDeviceId,
    events: Vec<ImportEvent>,
    fates: Vec<Fate>,
    /// What an earlier import of the same device has certainly left on the server.
    before: Vec<ImportEvent>,
}

impl Client {
    /// Begins an import for a virtual device. Everything is checked, nothing is sent.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) with the position of an event and the field that cannot be
    /// right.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{biostar_x::{Client, ImportEvent, VirtualDeviceId}, codec::Timestamp};
    /// # let client = Client::builder("https://192.0.2.10").danger_accept_any_certificate().build()?;
    /// let events = vec![ImportEvent::granted("", Timestamp::default())];
    /// let error = client.import(VirtualDeviceId::MIN, events).unwrap_err();
    /// assert_eq!(error.to_string(), "event 0: field `user_id` is empty");
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn import(&self, device: VirtualDeviceId, events: Vec<ImportEvent>) -> Result<Import> {
        VirtualDeviceId::new(device.get())?;
        for (position, event) in events.iter().enumerate() {
            event.check(position)?;
        }
        let fates = vec![Fate::Waiting { at_once: self.0.import.chunk }; events.len()];
        Ok(Import { client: self.clone(), device, events, fates, before: Vec::new() })
    }
}

impl Import {
    /// Takes every event as one that may be on the server already, so that [`reconcile`](Self::reconcile) looks before
    /// anything is sent: for an import that an earlier process did not finish.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{biostar_x::{Client, ImportEvent, VirtualDeviceId}, codec::Timestamp};
    /// # let client = Client::builder("https://192.0.2.10").danger_accept_any_certificate().build()?;
    /// let events = vec![ImportEvent::granted("1001", Timestamp::default())];
    /// let import = client.import(VirtualDeviceId::MIN, events)?.resumed();
    /// assert_eq!(import.count().unknown, 1);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn resumed(mut self) -> Self {
        let among = self.client.0.import.chunk;
        self.fates.fill(Fate::Unknown { error: None, among });
        self
    }

    /// Names events that are on the server for another reason, and must not be taken for those of this import: the
    /// same person may have been let in twice in one second.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{biostar_x::{Client, ImportEvent, VirtualDeviceId}, codec::Timestamp};
    /// # let client = Client::builder("https://192.0.2.10").danger_accept_any_certificate().build()?;
    /// let event = ImportEvent::granted("1001", Timestamp::default());
    /// let import = client.import(VirtualDeviceId::MIN, vec![event.clone()])?.after([event]);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn after(mut self, before: impl IntoIterator<Item = ImportEvent>) -> Self {
        self.before.extend(before);
        self
    }

    /// Sends the next request, if something waits; `false` when nothing does.
    ///
    /// # Errors
    ///
    /// What leaves events unknown, and what every further request would meet too. What the server refuses about these
    /// events is no error here: they are unknown until search has shown that they are not there.
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
    /// while import.step().await? {
    ///     println!("{} of {}", import.count().certain, import.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn step(&mut self) -> Result<bool> {
        let Some(chunk) = self.next_chunk() else { return Ok(false) };
        let events = self.events.get(chunk.clone()).unwrap_or_default();
        let body = Body::new(self.device, self.client.0.import.flag, events);
        let request = Request::plain(Method::POST, IMPORT).with_json(&body)?.once();
        let (among, waiting) = (chunk.len(), self.fates.get(chunk.start).cloned());
        // Before it is sent: if this future is dropped on the way, nobody knows.
        self.set(chunk.clone(), &Fate::Unknown { error: None, among });
        let result = self
            .client
            .call(&request)
            .await
            .and_then(|done| done.said("the answer to the import does not say that it was done"));
        let Err(error) = result else {
            self.set(chunk, &Fate::Certain);
            return Ok(true);
        };
        // A login that fails says nothing about an import that was not sent then.
        let was_sent = error.http().is_some_and(|http| http.endpoint() == IMPORT);
        if !was_sent || !error.may_have_been_done() {
            self.set(chunk, &waiting.unwrap_or(Fate::Waiting { at_once: among }));
            return Err(error);
        }
        // Whether the server takes the others when it refuses one of several, or a part before it fails, no document
        // says: search will tell.
        let concerns_these = is_refusal_of_values(&error);
        self.set(chunk, &Fate::Unknown { error: Some(error.clone()), among });
        if concerns_these { Ok(true) } else { Err(error) }
    }

    /// Sends everything that waits. Nothing that is unknown is sent.
    ///
    /// # Errors
    ///
    /// Those of [`step`](Self::step); what waits then still does.
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
    /// import.send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(&mut self) -> Result<()> {
        while self.step().await? {}
        Ok(())
    }

    /// The virtual device.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(import: &bs2_events::biostar_x::Import) {
    /// println!("for {}", import.device());
    /// # }
    /// ```
    #[must_use]
    pub const fn device(&self) -> VirtualDeviceId {
        self.device
    }

    /// How many events it has.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(import: &bs2_events::biostar_x::Import) {
    /// println!("{} events", import.len());
    /// # }
    /// ```
    #[must_use]
    pub const fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it has no event.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(import: &bs2_events::biostar_x::Import) {
    /// assert!(!import.is_empty());
    /// # }
    /// ```
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// What has become of each event, in the order in which they were given.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{Fate, Import};
    /// # fn example(import: &Import) {
    /// let unknown = import.fates().iter().filter(|fate| matches!(fate, Fate::Unknown { .. })).count();
    /// # }
    /// ```
    #[must_use]
    pub fn fates(&self) -> &[Fate] {
        &self.fates
    }

    /// How many events have which fate.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(import: &bs2_events::biostar_x::Import) {
    /// let count = import.count();
    /// println!("{} certain, {} refused, {} unknown", count.certain, count.refused, count.unknown);
    /// # }
    /// ```
    #[must_use]
    pub fn count(&self) -> ImportCount {
        let mut count = ImportCount::default();
        for fate in &self.fates {
            *match fate {
                Fate::Certain => &mut count.certain,
                Fate::Refused(_) => &mut count.refused,
                Fate::Unknown { .. } => &mut count.unknown,
                Fate::Waiting { .. } => &mut count.waiting,
            } += 1;
        }
        count
    }

    /// Whether every event is certainly on the server.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(import: &bs2_events::biostar_x::Import) {
    /// assert!(import.is_complete());
    /// # }
    /// ```
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.fates.iter().all(|fate| matches!(fate, Fate::Certain))
    }

    /// The events that the server refused, by position, and why.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(import: &bs2_events::biostar_x::Import) {
    /// for (position, error) in import.refused() {
    ///     println!("event {position}: {error}");
    /// }
    /// # }
    /// ```
    pub fn refused(&self) -> impl Iterator<Item = (usize, &Error)> {
        self.fates.iter().enumerate().filter_map(|(position, fate)| match fate {
            Fate::Refused(error) => Some((position, error)),
            _ => None,
        })
    }

    /// The first events that wait, as many as go into one request.
    fn next_chunk(&self) -> Option<Range<usize>> {
        let waits = |fate: &Fate| match fate {
            Fate::Waiting { at_once } => Some(*at_once),
            _ => None,
        };
        let start = self.fates.iter().position(|fate| waits(fate).is_some())?;
        let rest = self.fates.get(start..).unwrap_or_default();
        let at_once = rest.first().and_then(waits)?;
        let length = rest.iter().take(at_once).take_while(|fate| waits(fate) == Some(at_once)).count();
        Some(start..start + length)
    }

    fn set(&mut self, chunk: Range<usize>, fate: &Fate) {
        for place in self.fates.get_mut(chunk).unwrap_or_default() {
            *place = fate.clone();
        }
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("device", &self.device)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

const IMPORT: &str = "POST /api/events/import";
