//! One task that keeps a socket open, and searches for what it missed.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::LiveItem;
use super::socket::{Frame, Socket, replaced, silent};
use crate::biostar_x::client::Client;
use crate::biostar_x::json::{at, elements, number};
use crate::biostar_x::query::{EventQuery, Order};
use crate::biostar_x::row::{EventRow, Identity};
use crate::codec::Timestamp;
use crate::{ErrorKind, Result};

pub(super) struct Follower {
    client: Client,
    socket: Socket,
    items: mpsc::Sender<Result<LiveItem>>,
    /// Up to here everything was reported, as far as we know.
    mark: Timestamp,
    /// No event was seen yet, so that the mark is by our clock and not by that of the devices.
    is_fresh: bool,
    /// What was given since shortly before the mark.
    given: HashMap<Identity, Timestamp>,
    /// Lost, and not told yet.
    missed: u64,
    /// Frames that are no events, and not told yet.
    unreadable: u64,
}

impl Follower {
    pub(super) async fn open(client: Client, items: mpsc::Sender<Result<LiveItem>>) -> Result<Self> {
        // Before the socket is open: what is there now is no news when the socket has to be opened anew.
        let (mark, given) = match known(&client).await {
            Ok(known) => known,
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
        Ok(Self { client, socket, items, mark, is_fresh, given, missed: 0, unreadable: 0 })
    }

    /// Until nobody listens any more, or the server refuses us for good.
    pub(super) async fn run(mut self) {
        loop {
            let Err(error) = self.listen().await else { return };
            tracing::info!(kind = ?error.kind(), "the socket is lost");
            let mut wait = FIRST_WAIT;
            while let Err(error) = self.resume().await {
                if !error.is_retryable() && error.kind() != ErrorKind::NotFound {
                    drop(self.items.send(Err(error)).await);
                    return;
                }
                tokio::select! {
                    () = sleep(wait) => {}
                    () = self.items.closed() => return,
                }
                wait = wait.saturating_mul(2).min(LAST_WAIT);
            }
            if self.items.send(Ok(LiveItem::Resumed)).await.is_err() {
                return;
            }
        }
    }

    /// Gives what comes over the socket; an error when it is lost.
    async fn listen(&mut self) -> Result<()> {
        let ping = self.client.0.live.ping;
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
                        0 => LiveItem::Unreadable { frames: std::mem::take(frames) },
                        _ => LiveItem::Lagged { missed: std::mem::take(missed) },
                    }));
                }
                () = items.closed() => return Ok(()),
            }
        }
    }

    async fn receive(&mut self, frame: &Value) -> Result<()> {
        // The session has ended, says the socket.
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
            // What was lost before is told before.
            if self.missed > 0 && self.items.try_send(Ok(LiveItem::Lagged { missed: self.missed })).is_ok() {
                self.missed = 0;
            }
            if self.missed > 0 || self.items.try_send(Ok(LiveItem::Event(Box::new(row)))).is_err() {
                self.missed = self.missed.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Opens another socket, and gives what happened meanwhile.
    async fn resume(&mut self) -> Result<()> {
        // First the socket, then the search: nothing falls between the two, and what comes twice is left out.
        self.socket = Socket::open(&self.client).await?;
        let since = if self.is_fresh { self.mark } else { self.client.before(self.mark) };
        let query = EventQuery::new().since(since);
        let mut rows = self.client.events(query);
        while let Some(row) = rows.next().await {
            let row = row?;
            if self.missed > 0 {
                let lagged = Ok(LiveItem::Lagged { missed: std::mem::take(&mut self.missed) });
                drop(self.items.send(lagged).await);
            }
            let identity = Identity::of(&row);
            if identity.is_vague() || !self.given.contains_key(&identity) {
                // Here there is time to wait for a slow consumer; if nobody listens any more, `listen` ends.
                let sent = self.items.send(Ok(LiveItem::Event(Box::new(row.clone())))).await;
                drop(sent);
                self.note(&row);
            }
        }
        Ok(())
    }

    /// Asks for events again, which keeps the session; if it has ended another one takes its place.
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

    /// Whether the event is one that was not given yet.
    fn note(&mut self, row: &EventRow) -> bool {
        let (time, identity) = (row.time.unwrap_or(self.mark), Identity::of(row));
        // Where nothing tells two rows apart, better one twice than one lost.
        if !identity.is_vague() && self.given.insert(identity, time).is_some() {
            return false;
        }
        // One from the future must not hide those of the present.
        let time = time.min(now().max(self.mark));
        let mark = if self.is_fresh { time } else { time.max(self.mark) };
        self.is_fresh = false;
        if mark != self.mark {
            self.mark = mark;
            if self.given.len() > FORGET_AT {
                let oldest = self.client.before(mark);
                self.given.retain(|_, time| *time >= oldest);
            }
        }
        true
    }
}

/// The newest second of the server's log, and what happened shortly before it.
async fn known(client: &Client) -> Result<(Timestamp, HashMap<Identity, Timestamp>)> {
    let newest = EventQuery::new().order(Order::by_time().descending()).limit(1);
    let newest = client.search_events(&newest).await?.iter().filter_map(|row| row.time).max();
    let Some(mark) = newest.map(|newest| newest.min(now())) else { return Ok(Default::default()) };
    let mut rows = client.events(EventQuery::new().since(client.before(mark)));
    let mut known = HashMap::new();
    while let Some(row) = rows.next().await {
        let row = row?;
        known.insert(Identity::of(&row), row.time.unwrap_or(mark));
    }
    Ok((mark, known))
}

/// The first socket. A server that has just begun may not know it yet.
async fn opened(client: &Client) -> Result<Socket> {
    for _ in 1..FIRST_TRIES {
        match Socket::open(client).await {
            Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::ServerFailed) => {
                sleep(FIRST_WAIT).await;
            }
            result => return result,
        }
    }
    Socket::open(client).await
}

impl Client {
    /// Where a search has to begin so that devices which are late are not overlooked.
    fn before(&self, mark: Timestamp) -> Timestamp {
        let overlap = u32::try_from(self.0.live.overlap.as_secs()).unwrap_or(u32::MAX);
        Timestamp::from_unix_seconds(mark.as_unix_seconds().saturating_sub(overlap))
    }
}

fn now() -> Timestamp {
    let seconds = jiff::Timestamp::now().as_second();
    Timestamp::from_unix_seconds(seconds.clamp(0, u32::MAX.into()).try_into().unwrap_or(u32::MAX))
}

/// What was given is sifted when it has become this much.
const FORGET_AT: usize = 1_024;

/// How often a session that nothing else uses is used, so that it does not end: the shortest end is some minutes.
const REFRESH: Duration = Duration::from_secs(120);

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(60);

/// So often the first socket is tried.
const FIRST_TRIES: usize = 5;
