//! Page after page, by time alone: the server has no cursor.

use std::collections::HashMap;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::biostar_x::client::Client;
use crate::biostar_x::codes::invalid;
use crate::biostar_x::query::{EventQuery, Order, latest_after};
use crate::biostar_x::row::{EventRow, Identity};
use crate::codec::Timestamp;
use crate::{Error, ErrorKind, Result};

/// Where a search stands.
pub(super) struct Pager {
    client: Client,
    query: EventQuery,
    /// The second from which the next page is asked for.
    cursor: Timestamp,
    end: Timestamp,
    limit: u32,
    /// What was given out of the cursor's second: when it happened, and how often it was given.
    given: HashMap<Identity, (Option<Timestamp>, usize)>,
    /// The most rows of an answer: so many the server gives at once.
    longest: usize,
    is_patient: bool,
    /// What is told when the rows before it are given.
    failure: Option<Error>,
    is_done: bool,
}

impl Pager {
    pub(super) fn new(client: Client, query: EventQuery) -> Self {
        let start = Timestamp::default();
        let (cursor, end) = query.window.unwrap_or((start, latest_after(start)));
        let limit = query.limit;
        Self {
            client,
            query,
            cursor,
            end,
            limit,
            given: HashMap::new(),
            longest: 0,
            is_patient: false,
            failure: None,
            is_done: false,
        }
    }

    /// Tries the first page again too.
    pub(super) fn patient(mut self) -> Self {
        self.is_patient = true;
        self
    }

    /// The next events; `None` when there are no more.
    pub(super) async fn next_page(&mut self) -> Result<Option<Vec<EventRow>>> {
        if self.cursor > self.end {
            return Err(invalid("the end of the search lies before its start"));
        }
        loop {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.is_done {
                return Ok(None);
            }
            let rows = self.page(self.cursor, self.end, Order::by_time()).await?;
            let new = self.turn(rows).await?;
            if !new.is_empty() {
                return Ok(Some(new));
            }
        }
    }

    /// What is new in a page; the place of the next one is found on the way.
    async fn turn(&mut self, rows: Vec<EventRow>) -> Result<Vec<EventRow>> {
        let (length, asked) = (rows.len(), usize::try_from(self.limit).unwrap_or(usize::MAX));
        let (is_full, longest) = (length >= asked, self.longest);
        self.longest = longest.max(length);
        if let Some(problem) = unordered(&rows) {
            // Nothing says where the next page begins, so there may be more than these.
            let error = Error::new(ErrorKind::InvalidData, problem);
            if is_full {
                return Err(error);
            }
            self.failure = Some(error);
            return Ok(self.take(rows));
        }
        let newest = rows.iter().filter_map(|row| row.time).max();
        let mut new = self.take(rows);
        match newest {
            None => self.is_done = true,
            Some(newest) if newest > self.cursor => self.advance(newest),
            Some(_) if is_full && self.limit < WIDEST => {
                self.limit = self.limit.saturating_mul(2).min(WIDEST);
            }
            // It was seen to give more at once, so these are all.
            Some(_) if !is_full && length < longest => self.is_done = true,
            Some(_) => {
                let whole = self.whole_second().await?;
                new.extend(self.take(whole));
                self.leave_second();
            }
        }
        Ok(new)
    }

    /// One answer, with rows of this window alone.
    async fn page(&mut self, from: Timestamp, to: Timestamp, order: Order) -> Result<Vec<EventRow>> {
        let mut query = self.query.clone().between(from, to).limit(self.limit);
        query.orders = vec![order];
        let rows = self.ask(&query).await?;
        if rows.iter().filter_map(|row| row.time).any(|time| !(from..=to).contains(&time)) {
            let message =
                "the server's search does not heed its conditions, so that nothing can be looked up";
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        Ok(rows)
    }

    /// Asks until there is an answer: a search can be repeated, and one that has begun should not begin again.
    async fn ask(&mut self, query: &EventQuery) -> Result<Vec<EventRow>> {
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(FIRST_WAIT)
            .with_max_delay(LAST_WAIT)
            .with_total_delay(Some(self.client.0.patience))
            .without_max_times()
            .build();
        let mut endings = 0;
        loop {
            let error = match self.client.search_events(query).await {
                Ok(rows) => {
                    self.is_patient = true;
                    return Ok(rows);
                }
                Err(error) if self.is_patient && error.is_retryable() => error,
                Err(error) => return Err(error),
            };
            endings += u32::from(error.kind() == ErrorKind::SessionExpired);
            let Some(wait) = waits.next().filter(|_| endings < ENDINGS) else { return Err(error) };
            tracing::debug!(kind = ?error.kind(), "the page is asked for again");
            tokio::time::sleep(wait).await;
        }
    }

    /// Those of the rows that were not given yet.
    fn take(&mut self, rows: Vec<EventRow>) -> Vec<EventRow> {
        let mut here: HashMap<Identity, (Option<Timestamp>, usize)> = HashMap::new();
        let mut new = Vec::new();
        for row in rows {
            let identity = Identity::in_search(&row);
            let times_here = match here.get_mut(&identity) {
                // Rows that nothing tells apart are as many events as there are rows.
                Some((_, times)) if identity.is_vague() => {
                    *times += 1;
                    *times
                }
                Some(_) => continue,
                None => 1,
            };
            let is_new = times_here > self.given.get(&identity).map_or(0, |(_, times)| *times);
            here.insert(identity, (row.time, times_here));
            if is_new {
                new.push(row);
            }
        }
        for (identity, (time, times)) in here {
            let (_, given) = self.given.entry(identity).or_insert((time, 0));
            *given = times.max(*given);
        }
        new
    }

    fn advance(&mut self, newest: Timestamp) {
        self.cursor = newest;
        self.limit = self.query.limit;
        self.given.retain(|_, (time, _)| time.is_none_or(|time| time >= newest));
    }

    fn leave_second(&mut self) {
        match self.cursor.as_unix_seconds().checked_add(1).map(Timestamp::from_unix_seconds) {
            Some(next) if next <= self.end => self.advance(next),
            _ => self.is_done = true,
        }
    }

    /// All rows of the cursor's second, of which the server may have given a part: the lowest ids, and the highest.
    /// Only where the two meet are they all.
    async fn whole_second(&mut self) -> Result<Vec<EventRow>> {
        let second = self.cursor;
        let mut rows = self.page(second, second, Order::by_id()).await?;
        let high = self.page(second, second, Order::by_id().descending()).await?;
        let ids = |rows: &[EventRow]| rows.iter().map(|row| row.id).collect::<Option<Vec<_>>>();
        let (Some(up), Some(down)) = (ids(&rows), ids(&high)) else { return Err(too_many()) };
        let is_ordered = up.is_sorted_by(|a, b| a < b) && down.is_sorted_by(|a, b| a > b);
        if !is_ordered || down.last() > up.last() {
            return Err(too_many());
        }
        let top = up.last().copied();
        rows.extend(high.into_iter().rev().filter(|row| row.id > top));
        Ok(rows)
    }
}

/// Why the end of these rows is not where the next ones begin.
fn unordered(rows: &[EventRow]) -> Option<&'static str> {
    let times = || rows.iter().filter_map(|row| row.time);
    if !rows.is_empty() && times().next().is_none() {
        Some("the events have no time, so that they cannot be read in pages")
    } else if times().is_sorted() {
        None
    } else {
        Some("the server does not order events by time, so that they cannot be read in pages")
    }
}

fn too_many() -> Error {
    let message = "one second may have more events than the server gives at once: narrow the query";
    Error::new(ErrorKind::Other, message)
}

/// The most events that any client was seen to ask for at once.
const WIDEST: u32 = 100_000;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(5);

/// So often a session may end under one page; each time it was renewed and had ended again.
const ENDINGS: u32 = 4;
