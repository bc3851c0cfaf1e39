//! The server's events as they happen.

mod follow;
mod socket;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::client::Client;
use super::row::EventRow;
use crate::Result;
use follow::Follower;

/// An item of a [`LiveStream`].
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::LiveItem;
///
/// assert_eq!(LiveItem::Lagged { missed: 3 }.event(), None);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LiveItem {
    /// An event happened.
    Event(Box<EventRow>),
    /// Events were lost because the consumer was too slow; search has them.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The connection was lost and is back. What search found of the time between stands before this.
    Resumed,
    /// The server sent what could not be read as an event; search may have it.
    Unreadable {
        /// How many frames.
        frames: u64,
    },
}

impl LiveItem {
    /// The event, if it is one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::LiveItem;
    /// assert_eq!(LiveItem::Resumed.event(), None);
    /// ```
    #[must_use]
    pub fn event(&self) -> Option<&EventRow> {
        match self {
            Self::Event(event) => Some(event),
            Self::Lagged { .. } | Self::Resumed | Self::Unreadable { .. } => None,
        }
    }
}

impl Client {
    /// Listens to the server's events. When this returns, the server reports what happens from now on.
    ///
    /// The account needs the right to monitor. When the connection is lost, or the session replaced by another, the
    /// socket is opened anew, and what happened meanwhile is searched for: from ten minutes before the newest event
    /// that was seen, or as [`with_backfill_overlap`](super::ClientBuilder::with_backfill_overlap) says. An event that a
    /// device delivers later than that, because it was cut off itself, is not found.
    ///
    /// # Errors
    ///
    /// Those of every call. Later ones stand in the stream, and only those that trying again cannot cure.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// use bs2_events::biostar_x::LiveItem;
    ///
    /// let mut live = client.live().await?;
    /// # server.make_event()?;
    /// while let Some(item) = live.next().await {
    ///     match item? {
    ///         LiveItem::Event(event) => println!("{event}"),
    ///         LiveItem::Lagged { missed } => println!("{missed} events were lost here"),
    ///         _ => println!("connected again"),
    ///     }
    /// #   break;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn live(&self) -> Result<LiveStream> {
        let (sender, items) = mpsc::channel(self.0.live.queue);
        let follower = Follower::open(self.clone(), sender).await?;
        let task = tokio::spawn(follower.run()).abort_handle();
        Ok(LiveStream { items, task })
    }
}

/// Live events as a bounded stream; made by [`Client::live`].
///
/// When its consumer is too slow it loses events, never memory, and says so ([`LiveItem::Lagged`]). It ends after an
/// error. Dropping it closes the socket.
///
/// # Cancel safety
///
/// [`next`](Self::next) loses no item when it is dropped.
///
/// # Examples
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> bs2_events::Result<()> {
/// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
/// # let client = bs2_events::biostar_x::Client::builder(&server.url())
/// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
/// let mut live = client.live().await?;
/// # server.make_event()?;
/// let first = live.next().await.transpose()?;
/// # Ok(())
/// # }
/// ```
pub struct LiveStream {
    items: mpsc::Receiver<Result<LiveItem>>,
    task: AbortHandle,
}

impl LiveStream {
    /// The next item; `None` after an error.
    ///
    /// The same as `StreamExt::next`, for those who need no other stream tools.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// # let mut live = client.live().await?;
    /// # server.make_event()?;
    /// while let Some(item) = live.next().await {
    ///     println!("{:?}", item?);
    /// #   break;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<LiveItem>> {
        StreamExt::next(self).await
    }
}

impl Stream for LiveStream {
    type Item = Result<LiveItem>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.poll_recv(cx)
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for LiveStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveStream").field("waiting", &self.items.len()).finish_non_exhaustive()
    }
}
