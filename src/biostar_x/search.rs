//! Searching the server's events.

mod pager;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Method;

use super::client::Client;
use super::json::{at, rows};
use super::query::EventQuery;
use super::row::EventRow;
use super::transport::Request;
use crate::{Error, Result};
use pager::Pager;

impl Client {
    /// One answer to a query: at most as many events as its limit says, in its order.
    ///
    /// # Errors
    ///
    /// Those of every call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{Client, EventQuery, Order, Result};
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// let newest = client.search_events(&EventQuery::new().order(Order::by_time().descending()).limit(20)).await?;
    /// for event in newest {
    ///     println!("{event}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn search_events(&self, query: &EventQuery) -> Result<Vec<EventRow>> {
        let request = Request::plain(Method::POST, "POST /api/events/search").with_json(&query.body())?;
        let done = self.call(&request).await?;
        // An answer without a word is not "nothing was found".
        if !done.is_said && at(&done.body, &["EventCollection"]).is_null() {
            return Err(done.unreadable("the answer to the search does not say that it was done"));
        }
        Ok(rows(&done, "EventCollection")?.iter().map(EventRow::from_json).collect())
    }

    /// Every event that a query finds, oldest first, each once, however many there are.
    ///
    /// The query's limit is the size of a page; its order does not count. The next page begins at the second of the
    /// last event, and what came before is left out by its [key](EventRow::key), so that neither events of the same
    /// second nor the monthly restart of `id` make one lost or repeated. Where a single second fills a page, larger
    /// ones are asked for, and where the server does not give those, that second by `id` from both ends. Events that the
    /// server stores meanwhile with an earlier time are not found.
    ///
    /// A page that fails is asked for again, for as long as
    /// [`with_patience`](super::ClientBuilder::with_patience) says; the first one is not.
    ///
    /// # Errors
    ///
    /// The stream ends with the first error: those of every call,
    /// [`InvalidData`](crate::ErrorKind::InvalidData) from a server that does not order or does not heed the
    /// conditions, and [`Other`](crate::ErrorKind::Other) when it gives fewer events at once than one second has. What
    /// came before the error is right.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{biostar_x::{Client, EventQuery, Result}, codec::Timestamp};
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// let mut events = client.events(EventQuery::new().since(Timestamp::from_unix_seconds(1_761_837_120)));
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self, query: EventQuery) -> EventStream {
        Self::pages(Pager::new(self.clone(), query))
    }

    /// The same, for work that has begun: the first page is tried again too.
    pub(super) fn events_with_patience(&self, query: EventQuery) -> EventStream {
        Self::pages(Pager::new(self.clone(), query).patient())
    }

    fn pages(pager: Pager) -> EventStream {
        let pages = stream::try_unfold(pager, |mut pager| async move {
            let page = pager.next_page().await?;
            Ok::<_, Error>(page.map(|page| (stream::iter(page).map(Ok), pager)))
        });
        EventStream(pages.try_flatten().boxed())
    }
}

/// Events of the server, page by page; made by [`Client::events`].
///
/// # Examples
///
/// ```
/// # use bs2_events::biostar_x::{Client, EventQuery, Result};
/// # #[tokio::main]
/// # async fn main() -> bs2_events::Result<()> {
/// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
/// # let client = bs2_events::biostar_x::Client::builder(&server.url())
/// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
/// let oldest = client.events(EventQuery::new()).next().await.transpose()?;
/// # Ok(())
/// # }
/// ```
pub struct EventStream(BoxStream<'static, Result<EventRow>>);

impl EventStream {
    /// The next event; `None` at the end, and after an error.
    ///
    /// The same as `StreamExt::next`, for those who need no other stream tools.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{Client, EventQuery, Result};
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// let mut events = client.events(EventQuery::new());
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
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
