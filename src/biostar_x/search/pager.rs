//! Page after page, by time alone: the server has no cursor.

use std::collections::HashMap;

use crate::biostar_x::client::Client;
use crate::biostar_x::error::{Error, ErrorKind, Result};
use crate::biostar_x::query::{EventQuery, LATEST, Order};
use crate::biostar_x::row::{EventRow, Identity};
use crate::codec::Timestamp;

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
    longest: usize,
    is_done: bool,
}

impl Pager {
    pub(super) fn new(client: Client, query: EventQuery) -> Self {
        let (cursor, end) = query.window.unwrap_or((Timestamp::default(), LATEST));
        let limit = query.limit;
        Self { client, query, cursor, end, limit, given: HashMap::new(), longest: 0, is_done: false }
    }

    /// The next events; `None` when there are no more.
    pub(super) async fn next_page(&mut self) -> Result<Option<Vec<EventRow>>> {
        while !self.is_done {
            let rows = self.page(Order::by_time()).await?;
            let is_full = rows.len() >= self.limit.try_into().unwrap_or(usize::MAX);
            let times = || rows.iter().filter_map(|row| row.time);
            if is_full && !times().is_sorted() {
                let message =
                    "the server does not order events by time, so that they cannot be read in pages";
                return Err(Error::new(ErrorKind::InvalidAnswer, message));
            }
            let newest = times().max().unwrap_or(self.cursor);
            let (length, is_one_second) = (rows.len(), times().all(|time| time <= self.cursor));
            let new = self.take(rows);
            if newest > self.cursor {
                self.advance(newest);
            } else if is_full {
                self.widen()?;
            }
            if !new.is_empty() {
                self.longest = self.longest.max(length);
                return Ok(Some(new));
            }
            // An answer shorter than was asked for is the end, unless the server never gives more than that.
            self.is_done = !is_full;
            if self.is_done && is_one_second && length > 0 && length >= self.longest {
                self.check_end().await?;
            }
        }
        Ok(None)
    }

    async fn page(&self, order: Order) -> Result<Vec<EventRow>> {
        let mut query = self.query.clone().between(self.cursor, self.end).limit(self.limit);
        query.orders = vec![order];
        self.client.search_events(&query).await
    }

    /// Those of the rows that were not given yet.
    fn take(&mut self, rows: Vec<EventRow>) -> Vec<EventRow> {
        let mut here: HashMap<Identity, (Option<Timestamp>, usize)> = HashMap::new();
        let mut new = Vec::new();
        for row in rows {
            let identity = Identity::of(&row);
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

    /// Asks for more at once, because one second fills a page.
    fn widen(&mut self) -> Result<()> {
        if self.limit >= WIDEST {
            return Err(too_many());
        }
        self.limit = self.limit.saturating_mul(2).min(WIDEST);
        Ok(())
    }

    /// Looks from the other end whether there is more than the server gave.
    async fn check_end(&mut self) -> Result<()> {
        let rows = self.page(Order::by_time().descending()).await?;
        if self.take(rows).is_empty() { Ok(()) } else { Err(too_many()) }
    }
}

fn too_many() -> Error {
    let message = "one second has more events than the server gives at once: narrow the query";
    Error::new(ErrorKind::Other, message)
}

/// The most events that any client was seen to ask for at once.
const WIDEST: u32 = 100_000;
