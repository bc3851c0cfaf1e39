//! Importing events for a virtual device: once each, as far as a server without receipts allows.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use hyper::Method;

use super::client::BiostarX;
use super::codes::{is_about_person, is_refusal_of_values};
use super::import_event::{Body, ImportEvent};
pub use super::import_event::{Unmapped, UnmappedCount, VirtualDeviceFlag};
use super::lookup::{MatchKey, ServerRows, Windows};
use super::transport::Request;
use super::virtual_devices::VirtualDeviceId;
use crate::error::invalid;
use crate::retry::Retry;
use crate::{Error, ErrorKind, Result, RetryPolicy};

/// An import: its events, and the status of each.
///
/// The server confirms a request as a whole, reports nothing about its events, and does not notice a repeated one. So a
/// request is marked as unknown before it is sent, and only an answer changes that. An unknown event is never sent again
/// before search has shown that it did not arrive.
///
/// [`run`](Self::run) does everything: it sends, looks up what is unknown, sends the rest, and gives up by one policy.
/// The other methods are its steps.
///
/// # Cancel safety
///
/// Dropping one of its futures loses nothing: the request that was under way stays unknown.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::{BiostarX, ImportEvent, ImportOptions, VirtualDeviceId};
/// use bs2_events::codec::Timestamp;
///
/// async fn import(client: &BiostarX) -> bs2_events::Result<()> {
///     let events = vec![ImportEvent::granted("1001", Timestamp::from_unix_seconds(1_761_837_120))];
///     let mut import = client.import(VirtualDeviceId::new(100_001)?, events)?;
///     import.run(&ImportOptions::default(), |count| println!("{} confirmed", count.confirmed)).await?;
///     for (position, error) in import.rejected() {
///         println!("event {position}: {error}");
///     }
///     Ok(())
/// }
/// ```
pub struct Import {
    client: BiostarX,
    device: VirtualDeviceId,
    events: Vec<ImportEvent>,
    statuses: Vec<ImportStatus>,
    /// Events of an earlier import of the same device that are certainly on the server.
    before: Vec<ImportEvent>,
    /// Persons that the server may not know. The first event of each is sent alone, and answers for the others.
    suspects: HashSet<String>,
}

/// How an import sends, looks up and gives up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct ImportOptions {
    chunk: usize,
    flag: VirtualDeviceFlag,
    settle: Duration,
    patience: Duration,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            chunk: 500,
            flag: VirtualDeviceFlag::default(),
            settle: Duration::from_secs(2),
            patience: Duration::from_secs(120),
        }
    }
}

impl ImportOptions {
    /// Sets how many events one request has; 500 by default, at least 1. No document gives a limit.
    pub const fn with_chunk(mut self, events: usize) -> Self {
        self.chunk = if events == 0 { 1 } else { events };
        self
    }

    /// Sets how a request marks its device as a virtual one; the JSON boolean by default.
    pub const fn with_virtual_device_flag(mut self, flag: VirtualDeviceFlag) -> Self {
        self.flag = flag;
        self
    }

    /// Sets how long a lookup waits before each search; 2 s by default. The server must finish a request without an
    /// answer in this time. Behind a refusal it waits 100 ms at most: the server has answered.
    pub const fn with_settle(mut self, wait: Duration) -> Self {
        self.settle = wait;
        self
    }

    /// Sets how long [`Import::run`] continues while no event gets on; 2 min by default. An import of which nothing has
    /// arrived gives up after a quarter of it.
    pub const fn with_patience(mut self, limit: Duration) -> Self {
        self.patience = limit;
        self
    }

    #[cfg(feature = "collect")]
    pub(crate) const fn is_patient(&self) -> bool {
        !self.patience.is_zero()
    }
}

/// The status of an event of an import.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ImportStatus {
    /// It is certainly on the server.
    Confirmed,
    /// The server rejects it, and search has shown that it is not there.
    Rejected(Error),
    /// It may be on the server, or not.
    Unknown {
        /// What the server answered, if it did.
        error: Option<Error>,
        /// How many events the request had.
        among: usize,
    },
    /// It is certainly not on the server and has to be sent.
    Pending {
        /// How many events may be sent with it, itself included.
        at_once: usize,
    },
}

/// How many events have which status.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ImportCount {
    /// Certainly on the server.
    pub confirmed: usize,
    /// Rejected by the server.
    pub rejected: usize,
    /// On the server or not.
    pub unknown: usize,
    /// To be sent.
    pub pending: usize,
}

impl ImportCount {
    /// How many events need nothing more: confirmed or rejected.
    #[must_use]
    pub const fn done(&self) -> usize {
        self.confirmed.saturating_add(self.rejected)
    }

    /// Whether every event is confirmed or rejected.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.unknown == 0 && self.pending == 0
    }
}

impl BiostarX {
    /// Begins an import for a virtual device. Checks every event and sends nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) with the [position](Error::position) of an event and the field that is
    /// wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::biostar_x::{BiostarX, BiostarXOptions, ImportEvent, VirtualDeviceId};
    /// use bs2_events::codec::Timestamp;
    ///
    /// let client = BiostarX::new(BiostarXOptions::new("http://127.0.0.1:9"))?;
    /// let events = vec![ImportEvent::granted("", Timestamp::default())];
    /// let error = client.import(VirtualDeviceId::MIN, events).unwrap_err();
    /// assert_eq!(error.to_string(), "event 0: field `user_id` is empty");
    /// assert_eq!(error.position(), Some(0));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn import(&self, device: VirtualDeviceId, events: Vec<ImportEvent>) -> Result<Import> {
        VirtualDeviceId::new(device.get())?;
        for (position, event) in events.iter().enumerate() {
            if let Some(problem) = event.problem() {
                return Err(invalid(format!("event {position}: {problem}")).with_position(position));
            }
        }
        let statuses = vec![ImportStatus::Pending { at_once: usize::MAX }; events.len()];
        let (before, suspects) = Default::default();
        Ok(Import { client: self.clone(), device, events, statuses, before, suspects })
    }
}

impl Import {
    /// Takes every event as one that may be on the server already, so that it is looked up before it is sent: for an
    /// import that an earlier process did not finish.
    #[must_use]
    pub fn resumed(mut self) -> Self {
        self.statuses.fill(ImportStatus::Unknown { error: None, among: usize::MAX });
        self
    }

    /// Names events that are on the server for another reason, so that they are not taken for events of this import: the
    /// same person may be let in twice in one second.
    #[must_use]
    pub fn after(mut self, before: impl IntoIterator<Item = ImportEvent>) -> Self {
        self.before.extend(before);
        self
    }

    /// Imports: looks up what is unknown, sends what is pending, waits and tries again, until every event is confirmed
    /// or rejected. Calls `on_progress` after each request.
    ///
    /// It gives up when the server refuses for good, and when no event gets on for as long as
    /// [`ImportOptions::with_patience`] allows. The statuses then say what is where; another call continues.
    ///
    /// # Errors
    ///
    /// The error that made it give up: those of [`step`](Self::step) and [`look_up`](Self::look_up).
    pub async fn run(
        &mut self,
        options: &ImportOptions,
        mut on_progress: impl FnMut(&ImportCount) + Send,
    ) -> Result<ImportCount> {
        let mut stuck = Stuck::new(self.count().done(), options.patience);
        // What an earlier process left is looked up first.
        let mut result = self.settle(options, Ok(())).await;
        loop {
            if let Err(error) = result {
                stuck.wait(self.count().done(), error).await?;
            }
            let sent = self.send_patiently(options, &mut on_progress).await;
            result = self.settle(options, sent).await;
            let count = self.count();
            if count.is_done() {
                return Ok(count);
            }
        }
    }

    /// Sends the next request, if there are pending events; returns `false` when there are none.
    ///
    /// # Errors
    ///
    /// What leaves events unknown, and what every further request meets too. A server that rejects some of the events is
    /// no error here: they are unknown until search has shown that they are not there.
    pub async fn step(&mut self, options: &ImportOptions) -> Result<bool> {
        let chunk = self.next_chunk(options.chunk);
        let Some(pending) = chunk.first().and_then(|first| self.statuses.get(*first)).cloned() else {
            return Ok(false);
        };
        let events = chunk.iter().filter_map(|position| self.events.get(*position));
        let body = Body::new(self.device, options.flag, events);
        let request = Request::plain(Method::POST, IMPORT).with_json(&body)?.once();
        let among = chunk.len();
        // Before it is sent: if this future is dropped on the way, the outcome is unknown.
        self.set(&chunk, &ImportStatus::Unknown { error: None, among });
        let result = self
            .client
            .call(&request)
            .await
            .and_then(|response| response.confirmed("the answer to the import does not confirm it"));
        let Err(error) = result else {
            self.set(&chunk, &ImportStatus::Confirmed);
            self.trust_persons_of(&chunk);
            return Ok(true);
        };
        // When the login fails, the import was not sent.
        let was_sent = error.http().is_some_and(|http| http.endpoint() == IMPORT);
        if !was_sent || !error.may_have_been_done() {
            self.set(&chunk, &pending);
            return Err(error);
        }
        // No document says whether the server takes the other events when it rejects one of several, or stores a part
        // before it fails. Search shows it.
        let is_about_values = is_refusal_of_values(&error);
        self.set(&chunk, &ImportStatus::Unknown { error: Some(error.clone()), among });
        if is_about_values { Ok(true) } else { Err(error) }
    }

    /// Sends every pending event. Sends nothing that is unknown.
    ///
    /// # Errors
    ///
    /// Those of [`step`](Self::step); the rest stays pending.
    pub async fn send(&mut self, options: &ImportOptions) -> Result<()> {
        while self.step(options).await? {}
        Ok(())
    }

    /// Looks up which of the unknown events arrived, and sends the rest and what is pending.
    ///
    /// Where the server rejected a request of several events without naming one, the rest is sent in quarters until the
    /// rejected event is alone. Any other failure ends the work; call it again, or use [`run`](Self::run).
    ///
    /// Two things cannot be seen: an event of another origin with the same device, code, person and second; and a request
    /// that the server finishes after the wait of [`ImportOptions::with_settle`].
    ///
    /// # Errors
    ///
    /// Those of [`step`](Self::step) and [`look_up`](Self::look_up). No unknown event was sent again.
    pub async fn reconcile(&mut self, options: &ImportOptions) -> Result<()> {
        loop {
            self.look_up(options).await?;
            // Events that were rejected among others are unknown again, among fewer: each turn quarters the request.
            self.send(options).await?;
            if !self.has_unknown() {
                return Ok(());
            }
        }
    }

    /// Looks up which of the unknown events arrived; the others become pending or rejected. Sends nothing.
    ///
    /// # Errors
    ///
    /// Those of search; then no status has changed. [`InvalidData`](ErrorKind::InvalidData) where the server shows rows
    /// without a person, a time or a code: the events that these may be stay unknown.
    pub async fn look_up(&mut self, options: &ImportOptions) -> Result<()> {
        let unknown = || {
            let events = self.events.iter().zip(&self.statuses);
            events.filter_map(|(event, status)| match status {
                ImportStatus::Unknown { error, .. } => Some((event, error)),
                _ => None,
            })
        };
        let windows = Windows::around(unknown().map(|(event, _)| event.time()));
        if windows.is_empty() {
            return Ok(());
        }
        // Every event that a row may be.
        let wanted = self.events.iter().chain(&self.before).filter(|event| windows.hold(event.time()));
        let wanted = wanted.map(MatchKey::of_event).collect();
        // A server that has refused a request has finished with it.
        let is_answered = |error: &Option<Error>| error.as_ref().is_some_and(is_refusal_of_values);
        let settle = match unknown().all(|(_, error)| is_answered(error)) {
            true => options.settle.min(AFTER_REFUSAL),
            false => options.settle,
        };
        let mut before: Option<usize> = None;
        // If two searches, some time apart, return the same rows, we assume that the server has finished.
        loop {
            tokio::time::sleep(settle).await;
            let found = ServerRows::of(&self.client, self.device, &windows, &wanted).await?;
            if settle.is_zero() || before == Some(found.len()) {
                return self.decide(found, &windows);
            }
            before = Some(found.len());
        }
    }

    /// What is on the server already and looks like an event of this import, before anything is sent.
    #[cfg(feature = "collect")]
    pub(crate) async fn already_there(&self) -> Result<Vec<ImportEvent>> {
        let windows = Windows::around(self.events.iter().map(ImportEvent::time));
        let wanted = self.events.iter().map(MatchKey::of_event).collect();
        let mut found = ServerRows::of(&self.client, self.device, &windows, &wanted).await?;
        Ok(found.like(&self.events))
    }

    /// The virtual device.
    #[must_use]
    pub const fn device(&self) -> VirtualDeviceId {
        self.device
    }

    /// How many events it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it has no event.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The status of each event, in the order of the events.
    #[must_use]
    pub fn statuses(&self) -> &[ImportStatus] {
        &self.statuses
    }

    /// How many events have which status.
    #[must_use]
    pub fn count(&self) -> ImportCount {
        let mut count = ImportCount::default();
        for status in &self.statuses {
            *match status {
                ImportStatus::Confirmed => &mut count.confirmed,
                ImportStatus::Rejected(_) => &mut count.rejected,
                ImportStatus::Unknown { .. } => &mut count.unknown,
                ImportStatus::Pending { .. } => &mut count.pending,
            } += 1;
        }
        count
    }

    /// Whether every event is certainly on the server.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.statuses.iter().all(|status| matches!(status, ImportStatus::Confirmed))
    }

    /// The events that the server rejects, by position, and why.
    pub fn rejected(&self) -> impl Iterator<Item = (usize, &Error)> {
        self.statuses.iter().enumerate().filter_map(|(position, status)| match status {
            ImportStatus::Rejected(error) => Some((position, error)),
            _ => None,
        })
    }

    /// Sends until nothing is pending, or until the server fails several times in a row.
    async fn send_patiently(
        &mut self,
        options: &ImportOptions,
        on_progress: &mut (impl FnMut(&ImportCount) + Send),
    ) -> Result<()> {
        let (mut result, mut in_a_row) = (Ok(()), 0);
        while in_a_row < FAILURES_IN_A_ROW {
            match self.step(options).await {
                Ok(true) => in_a_row = 0,
                Ok(false) => break,
                Err(error) => {
                    // A call whose session ended was sent with another session already.
                    let is_final = !may_pass(error.kind()) || error.kind() == ErrorKind::SessionExpired;
                    in_a_row = if is_final { FAILURES_IN_A_ROW } else { in_a_row + 1 };
                    result = Err(error);
                }
            }
            on_progress(&self.count());
        }
        result
    }

    /// Looks up what is unknown, also where nothing more will be sent, so that the counts are right.
    async fn settle(&mut self, options: &ImportOptions, sent: Result<()>) -> Result<()> {
        let found = self.look_up(options).await;
        match sent {
            Err(error) if !may_pass(error.kind()) => Err(error),
            sent => found.and(sent),
        }
    }

    fn has_unknown(&self) -> bool {
        self.statuses.iter().any(is_unknown)
    }

    /// Gives each row to an event that it may be: first to events with the same key, then, where the server shows no
    /// keys, to any; in both cases first to events that are confirmed anyway.
    fn decide(&mut self, mut found: ServerRows, windows: &Windows) -> Result<()> {
        let mut open: Vec<_> = self.events.iter().zip(&mut self.statuses).collect();
        let mut confirmed: Vec<_> = self.before.iter().collect();
        confirmed.extend(
            open.iter()
                .filter(|(_, status)| matches!(status, ImportStatus::Confirmed))
                .map(|(event, _)| *event),
        );
        confirmed.retain(|event| windows.hold(event.time()));
        open.retain(|(_, status)| is_unknown(status));
        for shown in [true, false] {
            confirmed.retain(|event| !found.take(event, shown));
            open.retain_mut(|(event, status)| {
                let is_there = found.take(event, shown);
                if is_there {
                    **status = ImportStatus::Confirmed;
                }
                !is_there
            });
        }
        let unclear = Error::new(ErrorKind::InvalidData, UNCLEAR);
        let mut is_clear = true;
        let ambiguous = found.ambiguous();
        let mut unknown_persons = HashMap::new();
        for (event, status) in open {
            let ImportStatus::Unknown { error, among } = status else { continue };
            if ambiguous.could_be(&MatchKey::of_event(event)) {
                *status = ImportStatus::Unknown { error: Some(unclear.clone()), among: *among };
                is_clear = false;
                continue;
            }
            *status = match error {
                // The server rejected it, or stored only a part of it, and search agrees.
                Some(error) if is_refusal_of_values(error) && *among == 1 => {
                    if is_about_person(error) {
                        unknown_persons.insert(event.user().to_owned(), error.clone());
                    }
                    ImportStatus::Rejected(error.clone())
                }
                Some(error) if is_about_person(error) && *among <= FEW => {
                    self.suspects.insert(event.user().to_owned());
                    ImportStatus::Pending { at_once: 1 }
                }
                Some(error) if is_refusal_of_values(error) => {
                    ImportStatus::Pending { at_once: among.div_ceil(PARTS) }
                }
                _ => ImportStatus::Pending { at_once: (*among).max(1) },
            };
        }
        // What is true of a person is true of all events of that person that are not on the server.
        for (event, status) in self.events.iter().zip(&mut self.statuses) {
            if matches!(status, ImportStatus::Pending { .. })
                && let Some(error) = unknown_persons.get(event.user())
            {
                *status = ImportStatus::Rejected(error.clone());
            }
        }
        if is_clear { Ok(()) } else { Err(unclear) }
    }

    /// The positions of the next pending events, as many as one request may have; none where all others wait for a lookup.
    fn next_chunk(&self, limit: usize) -> Vec<usize> {
        let events = || self.events.iter().zip(&self.statuses).enumerate();
        // Whose event was refused alone: the lookup decides about the others.
        let doubted: HashSet<_> = events()
            .filter(|(_, (_, status))| {
                matches!(status, ImportStatus::Unknown { error: Some(error), among: 1 } if is_about_person(error))
            })
            .map(|(_, (event, _))| event.user())
            .collect();
        let mut pending = events()
            .filter_map(|(position, (event, status))| match status {
                ImportStatus::Pending { at_once } if !doubted.contains(event.user()) => {
                    let is_suspect = self.suspects.contains(event.user());
                    Some((position, if is_suspect { 1 } else { *at_once }))
                }
                _ => None,
            })
            .peekable();
        let Some((_, at_once)) = pending.peek().copied() else { return Vec::new() };
        let same = pending.filter(|(_, other)| *other == at_once);
        same.map(|(position, _)| position).take(at_once.min(limit)).collect()
    }

    /// Notes that the server knows these persons.
    fn trust_persons_of(&mut self, chunk: &[usize]) {
        for position in chunk {
            let Some(event) = self.events.get(*position) else { continue };
            if !self.suspects.remove(event.user()) {
                continue;
            }
            for (other, status) in self.events.iter().zip(&mut self.statuses) {
                if let ImportStatus::Pending { at_once } = status
                    && other.user() == event.user()
                {
                    *at_once = usize::MAX;
                }
            }
        }
    }

    fn set(&mut self, chunk: &[usize], status: &ImportStatus) {
        for position in chunk {
            if let Some(place) = self.statuses.get_mut(*position) {
                *place = status.clone();
            }
        }
    }
}

#[cfg(feature = "collect")]
impl Import {
    /// Names persons that the server did not know a short time ago.
    pub(crate) fn with_suspects(mut self, persons: &HashSet<String>) -> Self {
        let suspects = self.events.iter().map(ImportEvent::user).filter(|user| persons.contains(*user));
        self.suspects.extend(suspects.map(str::to_owned));
        self
    }

    /// Brings a list of persons that the server does not know up to date.
    pub(crate) fn update_suspects(&self, persons: &mut HashSet<String>) {
        for (event, status) in self.events.iter().zip(&self.statuses) {
            match status {
                ImportStatus::Confirmed => {
                    persons.remove(event.user());
                }
                ImportStatus::Rejected(error) if is_about_person(error) => {
                    persons.insert(event.user().to_owned());
                }
                _ => {}
            }
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

/// Since when no event has got on, and how long to wait.
struct Stuck {
    patience: Duration,
    done: usize,
    rounds: u32,
    retry: Retry,
}

impl Stuck {
    fn new(done: usize, patience: Duration) -> Self {
        // An import of which nothing has arrived is less likely to succeed.
        let total = if done == 0 { patience / 4 } else { patience };
        let policy = RetryPolicy::default()
            .with_first(Duration::from_millis(250))
            .with_longest(Duration::from_secs(20))
            .with_total(total);
        Self { patience, done, rounds: 0, retry: Retry::new(policy) }
    }

    /// Waits before the next round, or gives up.
    async fn wait(&mut self, done: usize, error: Error) -> Result<()> {
        if done > self.done {
            *self = Self::new(done, self.patience);
        }
        self.rounds += 1;
        let is_hopeless = match error.kind() {
            ErrorKind::InvalidData | ErrorKind::SessionExpired => self.rounds >= HOPELESS_ROUNDS,
            kind => !kind.is_retryable(),
        };
        if is_hopeless {
            return Err(error);
        }
        let kind = error.kind();
        self.retry.wait(error).await?;
        tracing::warn!(?kind, "the import continues after a wait");
        Ok(())
    }
}

/// Whether the same request may succeed later. A malformed answer may come from something between client and server.
fn may_pass(kind: ErrorKind) -> bool {
    kind.is_retryable() || kind == ErrorKind::InvalidData
}

fn is_unknown(status: &ImportStatus) -> bool {
    matches!(status, ImportStatus::Unknown { .. })
}

const IMPORT: &str = "POST /api/events/import";

const UNCLEAR: &str = "the server shows rows without a person, a time or a code, which may be events of this import: look \
                       there before they are sent again";

/// So many failures in a row end a round.
const FAILURES_IN_A_ROW: u32 = 3;

/// A request in which the server rejects an event is sent again in so many parts. More would be fewer lookups, and more
/// requests.
const PARTS: usize = 4;

/// Among so few events the server is asked about each person.
const FEW: usize = 8;

const AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// After so many rounds without progress the import gives up, where the failure is not likely to pass.
const HOPELESS_ROUNDS: u32 = 3;
