//! The server's events as they happen.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::client::BiostarX;
use super::lenient::{at, elements, number};
use super::query::{EventQuery, Order};
use super::row::{EventRow, Identity};
use super::search::EventStream;
use super::socket::{Frame, Socket, replaced, silent};
use crate::codec::Timestamp;
use crate::retry::Retry;
use crate::{Error, ErrorKind, Result, RetryPolicy};

/// Live events as a bounded stream; made by [`BiostarX::subscribe`].
///
/// When its consumer is too slow, the stream loses events and reports how many ([`LiveRow::Lagged`]); it never takes more
/// memory. It ends after an error. Dropping it closes the socket.
///
/// # Cancel safety
///
/// [`next`](Self::next) loses no item when it is dropped.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::BiostarX;
/// use bs2_events::biostar_x::subscription::{EventSubscriptionOptions, LiveRow};
///
/// async fn watch(client: &BiostarX) -> bs2_events::Result<()> {
///     let mut live = client.subscribe(&EventSubscriptionOptions::default()).await?;
///     while let Some(row) = live.next().await {
///         match row? {
///             LiveRow::Event(event) => println!("{event}"),
///             LiveRow::Lagged { missed } => println!("{missed} events were lost here: read faster, or search for them"),
///             _ => println!("connected again"),
///         }
///     }
///     Ok(())
/// }
/// ```
pub struct EventSubscription {
    items: mpsc::Receiver<Result<LiveRow>>,
    task: AbortHandle,
}

/// An item of an [`EventSubscription`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LiveRow {
    /// An event happened.
    Event(Box<EventRow>),
    /// Events were lost because the consumer was too slow; search has them.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The connection was lost and is back. The events that search found of the time between precede this item, also
    /// those that reached the server late. That these are all cannot be proved: see [`BiostarX::subscribe`].
    Resumed,
    /// The server sent messages that are not events; search may have these.
    Unreadable {
        /// How many messages.
        frames: u64,
    },
}

impl LiveRow {
    /// The event, if it is one.
    #[must_use]
    pub fn event(&self) -> Option<&EventRow> {
        match self {
            Self::Event(event) => Some(event),
            Self::Lagged { .. } | Self::Resumed | Self::Unreadable { .. } => None,
        }
    }
}

/// How live events are received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct EventSubscriptionOptions {
    queue: usize,
    ping: Duration,
    overlap: Duration,
}

impl Default for EventSubscriptionOptions {
    fn default() -> Self {
        Self { queue: 4_096, ping: Duration::from_secs(30), overlap: Duration::from_secs(600) }
    }
}

impl EventSubscriptionOptions {
    /// Sets how many events wait for a slow consumer before some are lost; 4 096 by default, at least 1.
    pub const fn with_queue(mut self, events: usize) -> Self {
        self.queue = match events {
            0 => 1,
            Semaphore::MAX_PERMITS.. => Semaphore::MAX_PERMITS,
            events => events,
        };
        self
    }

    /// Sets how often a silent connection is checked; 30 s by default, at least 10 ms. A connection that does not answer
    /// before the next check is opened anew.
    pub fn with_ping_interval(mut self, interval: Duration) -> Self {
        self.ping = interval.max(Duration::from_millis(10));
        self
    }

    /// Sets how much later than others a device may report an event so that it is still found after a lost connection;
    /// 10 min by default. So much of the log is read when the subscription begins, and when the connection is back.
    pub const fn with_overlap(mut self, overlap: Duration) -> Self {
        self.overlap = overlap;
        self
    }

    /// Where a search has to begin so that it finds events of devices that are late.
    fn before(&self, mark: Timestamp) -> Timestamp {
        let overlap = u32::try_from(self.overlap.as_secs()).unwrap_or(u32::MAX);
        Timestamp::from_unix_seconds(mark.as_unix_seconds().saturating_sub(overlap))
    }
}

impl BiostarX {
    /// Subscribes to the server's events. When this returns, the server reports what happens from now on.
    ///
    /// The account needs the right to monitor. When the connection is lost, or the session is replaced by another, the
    /// socket is opened anew, and search finds what happened meanwhile, in two ways:
    ///
    /// * By time: from ten minutes before the newest event, or as
    ///   [`with_overlap`](EventSubscriptionOptions::with_overlap) says.
    /// * By order of arrival: what the server has added to a month's table, whatever its time. So it finds the events of
    ///   a device that had no connection itself, and of one whose clock is wrong.
    ///
    /// It cannot be proved that these are all: the server numbers its rows anew each month, and no document says by which
    /// clock a month ends. An event that is late and happened within a day of the turn of a month may be missing, and so
    /// may one whose row has no `id`. [`LiveRow::Resumed`] marks each such place.
    ///
    /// To know what arrives late, it reads the last row number of each month when it begins, and after each lost
    /// connection: two requests for each month that has events.
    ///
    /// # Errors
    ///
    /// Those of every call. Later errors are items of the stream, and only those that a retry cannot cure.
    pub async fn subscribe(&self, options: &EventSubscriptionOptions) -> Result<EventSubscription> {
        let (sender, items) = mpsc::channel(options.queue);
        let follower = Follower::open(self.clone(), *options, sender).await?;
        let task = tokio::spawn(follower.run()).abort_handle();
        Ok(EventSubscription { items, task })
    }
}

impl EventSubscription {
    /// The next item; `None` after an error.
    pub async fn next(&mut self) -> Option<Result<LiveRow>> {
        StreamExt::next(self).await
    }
}

impl Stream for EventSubscription {
    type Item = Result<LiveRow>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.poll_recv(cx)
    }
}

impl Drop for EventSubscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for EventSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSubscription").field("waiting", &self.items.len()).finish_non_exhaustive()
    }
}

/// The task of a subscription: keeps a socket open, and searches for what it missed.
struct Follower {
    client: BiostarX,
    options: EventSubscriptionOptions,
    socket: Socket,
    items: mpsc::Sender<Result<LiveRow>>,
    /// Every event up to this time was reported, as far as we know.
    mark: Timestamp,
    /// There was no event yet, so the mark is a time of our clock and not of the devices'.
    is_fresh: bool,
    /// The events that were reported since shortly before the mark.
    given: HashMap<Identity, Timestamp>,
    /// The greatest row number of each month, by the month's first second; `None` where it could not be read.
    numbers: Option<BTreeMap<Timestamp, u64>>,
    /// Where the search for what a lost connection missed begins, until it has come to its end.
    search: Option<MissedSearch>,
    /// How many events were lost and not reported as lost yet.
    missed: u64,
    /// How many messages were not events, and not reported yet.
    unreadable: u64,
}

impl Follower {
    async fn open(
        client: BiostarX,
        options: EventSubscriptionOptions,
        items: mpsc::Sender<Result<LiveRow>>,
    ) -> Result<Self> {
        // Before the socket is open: events of now are old when the socket has to be opened anew.
        let (mark, given, numbers) = match known(&client, &options).await {
            Ok((mark, given, numbers)) => (mark, given, Some(numbers)),
            Err(error)
                if error.is_retryable()
                    || matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::Other) =>
            {
                Default::default()
            }
            Err(error) => return Err(error),
        };
        let is_fresh = given.is_empty();
        let mark = if is_fresh { now() } else { mark };
        let socket = opened(&client).await?;
        Ok(Self {
            client,
            options,
            socket,
            items,
            mark,
            is_fresh,
            given,
            numbers,
            search: None,
            missed: 0,
            unreadable: 0,
        })
    }

    /// Runs until the subscription is dropped, or until the server refuses for good.
    async fn run(mut self) {
        loop {
            let Err(error) = self.listen().await else { return };
            tracing::info!(kind = ?error.kind(), "the connection for events is lost");
            let mut retry = Retry::new(policy(LONGEST_WAIT));
            while let Err(error) = self.resume().await {
                if !error.is_retryable() && error.kind() != ErrorKind::NotFound {
                    drop(self.items.send(Err(error)).await);
                    return;
                }
                tokio::select! {
                    () = sleep(retry.next_delay().unwrap_or(LONGEST_WAIT)) => {}
                    () = self.items.closed() => return,
                }
            }
            if self.items.send(Ok(LiveRow::Resumed)).await.is_err() {
                return;
            }
        }
    }

    /// Reports what the socket receives; fails when the connection is lost.
    async fn listen(&mut self) -> Result<()> {
        let ping = self.options.ping;
        let (mut heard, mut refreshed) = (Instant::now(), Instant::now());
        let (mut sessions, items) = (self.client.0.sessions.changes(), self.items.clone());
        let generation = self.socket.generation();
        sessions.mark_changed();
        let mut beat = tokio::time::interval(ping);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                frame = self.socket.next() => {
                    heard = Instant::now();
                    match frame? {
                        Frame::Json(frame) => self.receive(&frame).await?,
                        Frame::Unreadable => self.unreadable = self.unreadable.saturating_add(1),
                        Frame::Beat => {}
                    }
                }
                _ = beat.tick() => {
                    if heard.elapsed() > ping.saturating_mul(2) {
                        return Err(silent());
                    }
                    self.socket.ping().await?;
                    if refreshed.elapsed() > REFRESH {
                        refreshed = Instant::now();
                        self.refresh().await?;
                    }
                }
                // A socket belongs to a session: with another one it stays open and silent.
                changed = sessions.changed() => {
                    if changed.is_err() || *sessions.borrow_and_update() != generation {
                        return Err(replaced());
                    }
                }
                permit = items.reserve(), if self.missed > 0 || self.unreadable > 0 => {
                    let Ok(permit) = permit else { return Ok(()) };
                    let (missed, frames) = (&mut self.missed, &mut self.unreadable);
                    permit.send(Ok(match *missed {
                        0 => LiveRow::Unreadable { frames: std::mem::take(frames) },
                        _ => LiveRow::Lagged { missed: std::mem::take(missed) },
                    }));
                }
                () = items.closed() => return Ok(()),
            }
        }
    }

    async fn receive(&mut self, frame: &Value) -> Result<()> {
        // The server reports here that the session has ended.
        if let Some(10 | 11 | 1_101) = number::<u32>(at(frame, &["Response", "code"])) {
            self.refresh().await?;
        }
        let Some(events) =
            elements(at(frame, &["Event"])).filter(|events| events.iter().all(Value::is_object))
        else {
            self.unreadable = self.unreadable.saturating_add(1);
            return Ok(());
        };
        for event in events {
            let row = EventRow::from_json(event);
            if !self.note(&row) {
                continue;
            }
            // A loss is reported before the events that follow it.
            if self.missed > 0 && self.items.try_send(Ok(LiveRow::Lagged { missed: self.missed })).is_ok() {
                self.missed = 0;
            }
            if self.missed > 0 || self.items.try_send(Ok(LiveRow::Event(Box::new(row)))).is_err() {
                self.missed = self.missed.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Opens another socket, and reports what happened meanwhile.
    async fn resume(&mut self) -> Result<()> {
        // First the socket, then the search: no event is missed between the two, and one that both have is left out.
        self.socket = Socket::open(&self.client).await?;
        let search = || MissedSearch {
            since: if self.is_fresh { self.mark } else { self.options.before(self.mark) },
            numbers: self.numbers.clone(),
        };
        let MissedSearch { since, numbers: known } = self.search.take().unwrap_or_else(search);
        self.search = Some(MissedSearch { since, numbers: known.clone() });
        self.report(self.client.events(EventQuery::new().since(since)), None).await?;
        // What arrived late, which is all that happened before.
        let numbers = match row_numbers(&self.client, &self.client.read_policy()).await {
            Err(error) if !error.is_retryable() => {
                tracing::warn!(%error, "what arrived late cannot be searched for");
                self.search = None;
                return Ok(());
            }
            numbers => numbers?,
        };
        let second_before = Timestamp::from_unix_seconds(since.as_unix_seconds().saturating_sub(1));
        for (start, last) in known.iter().flat_map(|_| &numbers).filter(|(start, _)| **start < since) {
            let known = known.as_ref().and_then(|known| known.get(start)).copied().unwrap_or_default();
            if *last > known {
                let window = (*start, month(*start).1.min(second_before));
                self.report(self.client.events_above(known, window), Some(*start)).await?;
            }
        }
        let own = self.numbers.get_or_insert_default();
        for (start, last) in numbers {
            let number = own.entry(start).or_default();
            *number = last.max(*number);
        }
        self.search = None;
        Ok(())
    }

    /// Reports those of these events that were not reported. Those of a month are in the order of their numbers.
    async fn report(&mut self, mut rows: EventStream, month: Option<Timestamp>) -> Result<()> {
        while let Some(row) = rows.next().await {
            let row = row?;
            if self.missed > 0 {
                let lagged = Ok(LiveRow::Lagged { missed: std::mem::take(&mut self.missed) });
                drop(self.items.send(lagged).await);
            }
            let identity = Identity::of(&row);
            if identity.is_vague() || !self.given.contains_key(&identity) {
                // Here we can wait for a slow consumer. If the subscription was dropped, `listen` ends.
                let sent = self.items.send(Ok(LiveRow::Event(Box::new(row.clone())))).await;
                drop(sent);
                self.note(&row);
            }
            let read = self.search.as_mut().and_then(|search| search.numbers.as_mut());
            if let (Some(read), Some(month), Some(id)) = (read, month, row.id) {
                read.insert(month, id);
            }
        }
        Ok(())
    }

    /// Starts the events again, which keeps the session; if the session has ended, renews it.
    async fn refresh(&self) -> Result<()> {
        match self.socket.start(&self.client).await {
            Err(error) if error.kind() == ErrorKind::SessionExpired => {
                let generation = self.socket.generation();
                self.client.0.sessions.renew(&self.client.0.transport, generation).await?;
                Err(replaced())
            }
            result => result,
        }
    }

    /// Whether the event was not reported yet; notes that it is.
    fn note(&mut self, row: &EventRow) -> bool {
        let (time, identity) = (row.time.unwrap_or(self.mark), Identity::of(row));
        // Of two rows with the same vague identity, one event twice is better than one lost.
        if !identity.is_vague() && self.given.insert(identity, time).is_some() {
            return false;
        }
        if let (Some(numbers), Some(time), Some(id)) = (&mut self.numbers, row.time, row.id) {
            let number = numbers.entry(month(time).0).or_default();
            *number = id.max(*number);
        }
        // An event from the future must not hide those of the present.
        let time = time.min(now().max(self.mark));
        let mark = if self.is_fresh { time } else { time.max(self.mark) };
        self.is_fresh = false;
        if mark != self.mark {
            self.mark = mark;
            if self.given.len() > FORGET_AT {
                let oldest = self.options.before(mark);
                self.given.retain(|_, time| *time >= oldest);
            }
        }
        true
    }
}

/// Where the search for what a lost connection missed begins.
struct MissedSearch {
    /// The second where the search by time begins.
    since: Timestamp,
    /// The number up to which the rows of each month are known.
    numbers: Option<BTreeMap<Timestamp, u64>>,
}

/// What the server's log has: its newest second, the events shortly before it, and the last row number of each month.
async fn known(
    client: &BiostarX,
    options: &EventSubscriptionOptions,
) -> Result<(Timestamp, HashMap<Identity, Timestamp>, BTreeMap<Timestamp, u64>)> {
    // Before the events: one that arrives meanwhile is then reported twice rather than not at all.
    let numbers = row_numbers(client, &RetryPolicy::never()).await?;
    let newest = EventQuery::new().order(Order::by_time().descending()).limit(1);
    let newest = client
        .search_events_with(&RetryPolicy::never(), &newest)
        .await?
        .iter()
        .filter_map(|row| row.time)
        .max();
    let Some(mark) = newest.map(|newest| newest.min(now())) else {
        return Ok((Timestamp::default(), HashMap::new(), numbers));
    };
    let mut rows = client.events(EventQuery::new().since(options.before(mark)));
    let mut known = HashMap::new();
    while let Some(row) = rows.next().await {
        let row = row?;
        known.insert(Identity::of(&row), row.time.unwrap_or(mark));
    }
    Ok((mark, known, numbers))
}

/// The greatest row number of each month that has events, by the month's first second.
async fn row_numbers(client: &BiostarX, policy: &RetryPolicy) -> Result<BTreeMap<Timestamp, u64>> {
    let mut numbers = BTreeMap::new();
    let mut from = Timestamp::default();
    for _ in 0..MONTHS {
        let first = EventQuery::new().since(from).order(Order::by_time()).limit(1);
        let first = client.search_events_with(policy, &first).await?;
        let Some(time) = first.first().and_then(|row| row.time) else { break };
        let (start, end) = month(time);
        if end < from {
            return Err(Error::new(ErrorKind::InvalidData, "the server's search ignores its conditions"));
        }
        let last = EventQuery::new().between(start, end).order(Order::by_id().descending()).limit(1);
        let last = client.search_events_with(policy, &last).await?;
        if let Some(id) = last.first().and_then(|row| row.id) {
            numbers.insert(start, id);
        }
        let Some(next) = end.as_unix_seconds().checked_add(1) else { break };
        from = Timestamp::from_unix_seconds(next);
    }
    Ok(numbers)
}

/// The first and the last second of a month, UTC.
fn month(time: Timestamp) -> (Timestamp, Timestamp) {
    let second = |date: jiff::civil::Date, offset: i64| {
        let second = date.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |start| start.timestamp().as_second());
        let second = second.saturating_add(offset).clamp(0, u32::MAX.into());
        Timestamp::from_unix_seconds(second.try_into().unwrap_or(u32::MAX))
    };
    let seconds = jiff::Timestamp::from_second(time.as_unix_seconds().into()).unwrap_or_default();
    let first = seconds.to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
    let next = first.last_of_month().tomorrow().unwrap_or(first);
    (second(first, 0), second(next, -1))
}

/// Opens the first socket. A server that has just started may not be ready for it.
async fn opened(client: &BiostarX) -> Result<Socket> {
    let may_help = |error: &Error| matches!(error.kind(), ErrorKind::Busy | ErrorKind::ServerFailed);
    policy(FIRST_WAIT).with_retries(FIRST_RETRIES).retry(|| Socket::open(client), may_help).await
}

/// How a socket is opened anew, without end.
fn policy(longest: Duration) -> RetryPolicy {
    RetryPolicy::default().with_first(FIRST_WAIT).with_longest(longest)
}

fn now() -> Timestamp {
    let seconds = jiff::Timestamp::now().as_second();
    Timestamp::from_unix_seconds(seconds.clamp(0, u32::MAX.into()).try_into().unwrap_or(u32::MAX))
}

/// Twenty years, so that a server that answers without end is left.
const MONTHS: usize = 240;

/// Reported events are forgotten, by age, when there are more than this.
const FORGET_AT: usize = 1_024;

/// How often an idle session is used, so that it does not end: a server's shortest limit is some minutes.
const REFRESH: Duration = Duration::from_secs(120);

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How often the first socket is tried again.
const FIRST_RETRIES: usize = 4;
