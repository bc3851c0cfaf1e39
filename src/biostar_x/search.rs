//! Searching the server's events.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use hyper::Method;

use super::client::BiostarX;
use super::codes::unreadable;
use super::lenient::NO_OBJECTS;
use super::query::{Column, EventQuery, Operator, Order, latest_after};
use super::row::{EventRow, Identity};
use super::rows::Rows;
use super::transport::{Request, is_too_large};
use crate::codec::Timestamp;
use crate::error::invalid;
use crate::{Error, ErrorKind, HttpError, Result, RetryPolicy};

impl BiostarX {
    /// One answer to a query: at most as many events as its limit, in its order.
    ///
    /// # Errors
    ///
    /// Those of every call. [`InvalidData`](ErrorKind::InvalidData) for an answer whose events would take more than some
    /// ten megabytes: ask for fewer, or use [`events`](Self::events), which keeps one at a time.
    pub async fn search_events(&self, query: &EventQuery) -> Result<Vec<EventRow>> {
        self.search_events_with(&self.read_policy(), query).await
    }

    pub(super) async fn search_events_with(
        &self,
        policy: &RetryPolicy,
        query: &EventQuery,
    ) -> Result<Vec<EventRow>> {
        let mut page = self.search_page(policy, query).await?;
        let mut events = Vec::new();
        while let Some(event) = page.next() {
            events.push(event?);
            if page.rows.values() > MOST_VALUES || events.len() > MOST_ROWS {
                return Err(page.unreadable("the answer has too many events for one page: ask for fewer"));
            }
        }
        Ok(events)
    }

    /// One answer to a query, whose events are read one at a time: at most as many as its limit.
    async fn search_page(&self, policy: &RetryPolicy, query: &EventQuery) -> Result<Page> {
        let request = Request::plain(Method::POST, SEARCH).with_json(&query.body())?;
        let response = self.read_with(policy, &request).await?;
        let rows = response.events()?;
        // An answer without rows and without a confirmation does not mean "nothing was found".
        if !response.is_confirmed && rows.is_none() {
            return Err(response.unreadable("the answer to the search does not confirm it"));
        }
        let left = usize::try_from(query.limit).unwrap_or(usize::MAX);
        Ok(Page { rows: rows.unwrap_or_default(), left, http: response.into_http() })
    }

    /// Every event that a query finds, oldest first, each once, however many there are.
    ///
    /// The query's limit is the size of a page; its order has no effect. The next page begins at the second of the last
    /// event, and events that were returned before are left out by their [key](EventRow::key). So neither events of the
    /// same second nor the monthly restart of `id` lose or repeat an event. A second that fills a page is read by `id`,
    /// page by page, however many events it has. Where an answer is too large, the stream asks for fewer events. It does
    /// not find events that the server stores meanwhile with an earlier time.
    ///
    /// # Errors
    ///
    /// The stream ends with the first error: those of every call,
    /// [`InvalidData`](ErrorKind::InvalidData) from a server that ignores order or conditions, and
    /// [`Other`](ErrorKind::Other) where one second has more events than the server returns at once, and these have no
    /// `id` to continue with. The events before the error are right.
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
        EventStream::of(Pager::new(self.clone(), query))
    }

    /// Every event of a window whose `id` is greater than this one, by `id`.
    pub(super) fn events_above(&self, id: u64, (from, to): (Timestamp, Timestamp)) -> EventStream {
        let query = EventQuery::new().between(from, to);
        let mut pager = Pager::new(self.clone(), query);
        pager.order = PageOrder::Id { window: (from, to), last: Some(id), is_behind: true };
        pager.is_by_id_alone = true;
        EventStream::of(pager)
    }
}

/// The events of one answer that are not read yet.
struct Page {
    rows: Rows,
    /// How many may follow: a server that returns more than it was asked for gives the others with the next page.
    left: usize,
    http: HttpError,
}

impl Page {
    fn unreadable(&self, sentence: &str) -> Error {
        unreadable(self.http.clone(), sentence)
    }
}

impl Iterator for Page {
    type Item = Result<EventRow>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let row = self.rows.next()?;
        Some(row.map(EventRow::from_value).map_err(|_| self.unreadable(NO_OBJECTS)))
    }
}

/// Events of the server, page by page; made by [`BiostarX::events`].
pub struct EventStream(BoxStream<'static, Result<EventRow>>);

impl EventStream {
    fn of(pager: Pager) -> Self {
        let rows = stream::try_unfold(pager, |mut pager| async move {
            Ok::<_, Error>(pager.next_row().await?.map(|row| (row, pager)))
        });
        Self(rows.boxed())
    }

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

/// Reads page after page, because the server has no cursor.
struct Pager {
    client: BiostarX,
    query: EventQuery,
    order: PageOrder,
    /// It ends with the last `id`, and not with the end of the time.
    is_by_id_alone: bool,
    end: Timestamp,
    /// The page that is being read.
    page: Option<Page>,
    of_page: PageFacts,
    /// The rows that were returned and that a further page may have again.
    given: HashMap<Identity, Given>,
    /// The most rows of one answer: the server returns so many at once.
    longest: usize,
    /// The error to return when the rows before it are returned.
    failure: Option<Error>,
    is_done: bool,
}

/// In which order pages follow each other, and where the next one begins.
#[derive(Clone, Copy)]
enum PageOrder {
    Time {
        /// The second where the next page begins.
        cursor: Timestamp,
    },
    Id {
        window: (Timestamp, Timestamp),
        /// The greatest id of the page before.
        last: Option<u64>,
        /// Whether the next page begins behind this id and not at it: where the log of two months meet, two rows may have
        /// the same.
        is_behind: bool,
    },
}

/// What was seen of the page that is being read.
#[derive(Default)]
struct PageFacts {
    length: usize,
    /// The time of the last row that has one, and the greatest id.
    time: Option<Timestamp>,
    id: Option<u64>,
    /// How often rows with the same identity, which may be vague, were seen in it.
    here: HashMap<Identity, Given>,
}

#[derive(Clone, Copy)]
struct Given {
    time: Option<Timestamp>,
    id: Option<u64>,
    times: usize,
}

impl Pager {
    fn new(client: BiostarX, mut query: EventQuery) -> Self {
        let start = Timestamp::default();
        let (cursor, end) = query.window.unwrap_or((start, latest_after(start)));
        query.limit = query.limit.min(WIDEST);
        Self {
            client,
            query,
            order: PageOrder::Time { cursor },
            is_by_id_alone: false,
            end,
            page: None,
            of_page: PageFacts::default(),
            given: HashMap::new(),
            longest: 0,
            failure: None,
            is_done: false,
        }
    }

    /// The next event; `None` when there are no more.
    async fn next_row(&mut self) -> Result<Option<EventRow>> {
        loop {
            if let Some(page) = &mut self.page {
                match page.next() {
                    Some(row) => {
                        let row = row?;
                        if self.accept(&row)? {
                            return Ok(Some(row));
                        }
                    }
                    None => {
                        self.page = None;
                        self.turn();
                    }
                }
                continue;
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.is_done {
                return Ok(None);
            }
            self.page = Some(self.fetch().await?);
        }
    }

    async fn fetch(&mut self) -> Result<Page> {
        loop {
            match self.client.search_page(&self.client.read_policy(), &self.next_query()?).await {
                // Fewer are a smaller answer.
                Err(error) if is_too_large(&error) && self.query.limit > 1 => self.query.limit /= 2,
                page => return page,
            }
        }
    }

    fn next_query(&self) -> Result<EventQuery> {
        let (window, order) = match self.order {
            PageOrder::Time { cursor } => ((cursor, self.end), Order::by_time()),
            PageOrder::Id { window, .. } => (window, Order::by_id()),
        };
        if window.0 > window.1 {
            return Err(invalid("the end of the search is before its start"));
        }
        let mut query = self.query.clone().between(window.0, window.1);
        query.orders = vec![order];
        if let PageOrder::Id { last: Some(last), is_behind, .. } = self.order {
            let above = if is_behind { last } else { last.saturating_sub(1) };
            query = query.condition(Column::Id, Operator::Greater, [above.to_string()]);
        }
        Ok(query)
    }

    /// Notes a row of the page; returns whether it was not returned yet.
    fn accept(&mut self, row: &EventRow) -> Result<bool> {
        self.of_page.length = self.of_page.length.saturating_add(1);
        let (from, to) = match self.order {
            PageOrder::Time { cursor } => (cursor, self.end),
            PageOrder::Id { window, .. } => window,
        };
        if row.time.is_some_and(|time| !(from..=to).contains(&time)) {
            return Err(Error::new(ErrorKind::InvalidData, IGNORED));
        }
        match self.order {
            PageOrder::Time { .. } => {
                if row.time.is_some() && row.time < self.of_page.time {
                    // It is unknown where the next page begins, so there may be more rows than these.
                    let message = "the server does not order events by time, so they cannot be read in pages";
                    self.failure = Some(Error::new(ErrorKind::InvalidData, message));
                }
            }
            PageOrder::Id { last, is_behind, .. } => {
                let lowest = last.map(|last| if is_behind { last.saturating_add(1) } else { last });
                if row.id.is_none() || row.id < self.of_page.id || row.id < lowest {
                    return Err(too_many());
                }
                self.of_page.id = row.id;
            }
        }
        self.of_page.time = row.time.max(self.of_page.time);
        Ok(self.is_new(row))
    }

    fn is_new(&mut self, row: &EventRow) -> bool {
        let identity = Identity::in_search(row);
        let given = self.given.get(&identity).map_or(0, |given| given.times);
        let new = Given { time: row.time, id: row.id, times: 0 };
        let is_vague = identity.is_vague();
        let here = self.of_page.here.entry(identity).or_insert(new);
        // Rows with the same identity, which may be vague, count as one event each.
        if here.times > 0 && !is_vague {
            return false;
        }
        here.times = here.times.saturating_add(1);
        here.times > given
    }

    /// Moves on to the next page.
    fn turn(&mut self) {
        let PageFacts { length, time, id, here } = mem::take(&mut self.of_page);
        let is_full = length >= usize::try_from(self.query.limit).unwrap_or(usize::MAX);
        // The server has returned more at once, so these are all.
        let is_whole = !is_full && length < self.longest;
        self.longest = self.longest.max(length);
        for (identity, seen) in here {
            let given = self.given.entry(identity).or_insert(seen);
            given.times = seen.times.max(given.times);
        }
        if self.failure.is_some() {
            return;
        }
        match self.order {
            PageOrder::Time { cursor } => match time {
                None if length == 0 => self.is_done = true,
                None => {
                    let message = "the events have no time, so they cannot be read in pages";
                    self.failure = Some(Error::new(ErrorKind::InvalidData, message));
                }
                Some(newest) if newest > cursor => self.advance(newest),
                Some(_) if is_whole => self.is_done = true,
                Some(second) => {
                    let window = (second, second);
                    self.order = PageOrder::Id { window, last: None, is_behind: false };
                }
            },
            PageOrder::Id { window, last, is_behind } => {
                let is_last = length == 0 && (is_behind || last.is_none());
                if is_last || is_whole && length > 0 {
                    return self.leave(window.1);
                }
                // A page that has nothing but this id brings no other: the next one begins behind it.
                let is_behind = id == last || id.is_none();
                let last = id.or(last);
                self.given.retain(|_, given| given.id.is_none() || given.id >= last);
                self.order = PageOrder::Id { window, last, is_behind };
            }
        }
        if self.given.len() > MOST_GIVEN {
            self.failure = Some(too_many());
        }
    }

    fn advance(&mut self, newest: Timestamp) {
        self.order = PageOrder::Time { cursor: newest };
        self.given.retain(|_, given| given.time.is_none_or(|time| time >= newest));
    }

    /// Leaves a second that was read by id.
    fn leave(&mut self, second: Timestamp) {
        match second.as_unix_seconds().checked_add(1).map(Timestamp::from_unix_seconds) {
            Some(next) if next <= self.end && !self.is_by_id_alone => self.advance(next),
            _ => self.is_done = true,
        }
    }
}

fn too_many() -> Error {
    let message = "one second may have more events than the server returns at once, and it does not continue by `id`: \
                   narrow the query";
    Error::new(ErrorKind::Other, message)
}

const SEARCH: &str = "POST /api/events/search";

const IGNORED: &str = "the server's search ignores its conditions, so the events cannot be read";

/// The most events of one page: some megabytes.
const WIDEST: u32 = 10_000;

/// The most rows that are compared with those of the next page: no page and second have more.
const MOST_GIVEN: usize = 4 * WIDEST as usize;

/// An answer of which all events are kept has no more of them, and no more JSON values in them: some ten megabytes, or
/// sixty where a server does its worst.
const MOST_ROWS: usize = 20_000;
const MOST_VALUES: usize = 400_000;
