//! Searching the server's events.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use hyper::Method;

use super::client::BiostarX;
use super::lenient::{at, rows};
use super::query::{EventQuery, Order, latest_after};
use super::row::{EventRow, Identity};
use super::transport::Request;
use crate::codec::Timestamp;
use crate::error::invalid;
use crate::{Error, ErrorKind, Result, RetryPolicy};

impl BiostarX {
    /// One answer to a query: at most as many events as its limit, in its order.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn search_events(&self, query: &EventQuery) -> Result<Vec<EventRow>> {
        self.search_events_with(&self.read_policy(), query).await
    }

    pub(super) async fn search_events_with(
        &self,
        policy: &RetryPolicy,
        query: &EventQuery,
    ) -> Result<Vec<EventRow>> {
        let request = Request::plain(Method::POST, "POST /api/events/search").with_json(&query.body())?;
        let response = self.read_with(policy, &request).await?;
        // An answer without rows and without a confirmation does not mean "nothing was found".
        if !response.is_confirmed && at(&response.body, &["EventCollection"]).is_null() {
            return Err(response.unreadable("the answer to the search does not confirm it"));
        }
        Ok(rows(&response, "EventCollection")?.iter().map(EventRow::from_json).collect())
    }

    /// Every event that a query finds, oldest first, each once, however many there are.
    ///
    /// The query's limit is the size of a page; its order has no effect. The next page begins at the second of the last
    /// event, and events that were returned before are left out by their [key](EventRow::key). So neither events of the
    /// same second nor the monthly restart of `id` lose or repeat an event. Where a single second fills a page, the
    /// stream asks for larger pages, and where the server does not return those, it reads that second by `id` from both
    /// ends. It does not find events that the server stores meanwhile with an earlier time.
    ///
    /// # Errors
    ///
    /// The stream ends with the first error: those of every call,
    /// [`InvalidData`](ErrorKind::InvalidData) from a server that ignores order or conditions, and
    /// [`Other`](ErrorKind::Other) where it returns fewer events at once than one second has. The events before the error
    /// are right.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::biostar_x::{BiostarX, EventQuery};
    ///
    /// async fn print_all(client: &BiostarX) -> bs2_events::Result<()> {
    ///     let mut events = client.events(EventQuery::new().limit(500));
    ///     while let Some(event) = events.next().await {
    ///         println!("{}", event?);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn events(&self, query: EventQuery) -> EventStream {
        let pager = Pager::new(self.clone(), query);
        let pages = stream::try_unfold(pager, |mut pager| async move {
            let page = pager.next_page().await?;
            Ok::<_, Error>(page.map(|page| (stream::iter(page).map(Ok), pager)))
        });
        EventStream(pages.try_flatten().boxed())
    }
}

/// Events of the server, page by page; made by [`BiostarX::events`].
pub struct EventStream(BoxStream<'static, Result<EventRow>>);

impl EventStream {
    /// The next event; `None` at the end, and after an error.
    pub async fn next(&mut self) -> Option<Result<EventRow>> {
        StreamExt::next(self).await
    }
}

impl Stream for EventStream {
    type Item = Result<EventRow>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

/// Reads page after page by time, because the server has no cursor.
struct Pager {
    client: BiostarX,
    query: EventQuery,
    /// The second where the next page begins.
    cursor: Timestamp,
    end: Timestamp,
    limit: u32,
    /// The rows of the cursor's second that were returned: their time, and how often.
    given: HashMap<Identity, (Option<Timestamp>, usize)>,
    /// The most rows of one answer: the server returns so many at once.
    longest: usize,
    /// The error to return when the rows before it are returned.
    failure: Option<Error>,
    is_done: bool,
}

impl Pager {
    fn new(client: BiostarX, query: EventQuery) -> Self {
        let start = Timestamp::default();
        let (cursor, end) = query.window.unwrap_or((start, latest_after(start)));
        let (limit, given, longest) = (query.limit, HashMap::new(), 0);
        Self { client, query, cursor, end, limit, given, longest, failure: None, is_done: false }
    }

    /// The next events; `None` when there are no more.
    async fn next_page(&mut self) -> Result<Option<Vec<EventRow>>> {
        if self.cursor > self.end {
            return Err(invalid("the end of the search is before its start"));
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

    /// Returns the new rows of a page, and moves the cursor to the next page.
    async fn turn(&mut self, rows: Vec<EventRow>) -> Result<Vec<EventRow>> {
        let (length, asked) = (rows.len(), usize::try_from(self.limit).unwrap_or(usize::MAX));
        let (is_full, longest) = (length >= asked, self.longest);
        self.longest = longest.max(length);
        if let Some(problem) = unordered(&rows) {
            // It is unknown where the next page begins, so there may be more rows than these.
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
            // The server has returned more at once, so these are all.
            Some(_) if !is_full && length < longest => self.is_done = true,
            Some(_) => {
                let whole = self.whole_second().await?;
                new.extend(self.take(whole));
                self.leave_second();
            }
        }
        Ok(new)
    }

    /// One page with the rows of this window.
    async fn page(&mut self, from: Timestamp, to: Timestamp, order: Order) -> Result<Vec<EventRow>> {
        let mut query = self.query.clone().between(from, to).limit(self.limit);
        query.orders = vec![order];
        let rows = self.client.search_events(&query).await?;
        if rows.iter().filter_map(|row| row.time).any(|time| !(from..=to).contains(&time)) {
            let message = "the server's search ignores its conditions, so the events cannot be read";
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        Ok(rows)
    }

    /// The rows that were not returned yet.
    fn take(&mut self, rows: Vec<EventRow>) -> Vec<EventRow> {
        let mut here: HashMap<Identity, (Option<Timestamp>, usize)> = HashMap::new();
        let mut new = Vec::new();
        for row in rows {
            let identity = Identity::in_search(&row);
            let times_here = match here.get_mut(&identity) {
                // Rows with the same identity, which may be vague, count as one event each.
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

    /// All rows of the cursor's second: those with the lowest ids and those with the highest. They are complete only where
    /// the two meet.
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

/// Why the next page does not begin at the end of these rows.
fn unordered(rows: &[EventRow]) -> Option<&'static str> {
    let times = || rows.iter().filter_map(|row| row.time);
    if !rows.is_empty() && times().next().is_none() {
        Some("the events have no time, so they cannot be read in pages")
    } else if times().is_sorted() {
        None
    } else {
        Some("the server does not order events by time, so they cannot be read in pages")
    }
}

fn too_many() -> Error {
    let message = "one second may have more events than the server returns at once: narrow the query";
    Error::new(ErrorKind::Other, message)
}

/// The most events that any known client asks for at once.
const WIDEST: u32 = 100_000;
