//! One queue for each subscriber of a stream, and what happens when it is full.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::Instant;
use tonic::Status;

use crate::sync::lock;

/// All streams of one kind. Sending never waits.
pub(super) struct Broadcast<T> {
    subscribers: Mutex<Vec<Subscriber<T>>>,
}

type Subscriber<T> = Weak<Mutex<Queue<T>>>;

/// A stream whose request was received and not read yet. It gets every item from now on.
pub(super) struct ReservedStream<T>(Arc<Mutex<Queue<T>>>);

/// How one stream behaves.
#[derive(Clone, Copy)]
pub(super) struct StreamOptions {
    /// The number of items in the queue from which newer ones are dropped.
    pub(super) size: usize,
    /// How long the client may take nothing before its queue counts as full.
    pub(super) timeout: Duration,
    pub(super) end: StreamEnd,
    /// The number of items before the end.
    pub(super) ends_after: u32,
    /// Whether each item is a frame of its own.
    pub(super) one_by_one: bool,
}

/// How a stream ends.
#[derive(Clone, Copy)]
pub(super) enum StreamEnd {
    Never,
    Clean,
    Error,
    /// It stays open and sends nothing more.
    Silent,
}

/// The end of a queue that the client's stream reads.
pub(super) struct QueueReader<T> {
    queue: Arc<Mutex<Queue<T>>>,
    end: StreamEnd,
    /// The number of items before the end.
    left: u32,
    one_by_one: bool,
    /// Whether the last poll returned an item that must be sent before the next one.
    must_flush: bool,
}

struct Queue<T> {
    items: VecDeque<T>,
    wants: Box<dyn Fn(&T) -> bool + Send>,
    size: usize,
    timeout: Duration,
    /// When the client last took an item, or the queue stopped being empty.
    since: Instant,
    waker: Option<Waker>,
}

impl<T: Clone> Broadcast<T> {
    /// Begins a stream, whose client says later what it wants.
    pub(super) fn reserve(&self) -> ReservedStream<T> {
        let queue = Arc::new(Mutex::new(Queue {
            items: VecDeque::new(),
            wants: Box::new(|_| true),
            size: BURST,
            timeout: Duration::ZERO,
            since: Instant::now(),
            waker: None,
        }));
        lock(&self.subscribers).push(Arc::downgrade(&queue));
        ReservedStream(queue)
    }

    /// Sends an item to every subscriber that wants it, and removes the subscribers that are gone.
    pub(super) fn send(&self, item: &T) {
        lock(&self.subscribers).retain(|subscriber| {
            let Some(queue) = subscriber.upgrade() else { return false };
            let mut queue = lock(&queue);
            if (queue.wants)(item) {
                queue.push(item.clone());
            }
            true
        });
    }
}

impl<T> ReservedStream<T> {
    /// The stream as its client wants it.
    pub(super) fn start(
        self,
        options: StreamOptions,
        wants: impl Fn(&T) -> bool + Send + 'static,
    ) -> QueueReader<T> {
        let StreamOptions { size, timeout, end, ends_after, one_by_one } = options;
        {
            let mut queue = lock(&self.0);
            queue.items.retain(&wants);
            (queue.size, queue.timeout, queue.since) = (size, timeout, Instant::now());
            queue.wants = Box::new(wants);
        }
        QueueReader { queue: self.0, end, left: ends_after, one_by_one, must_flush: false }
    }
}

/// Clones share the stream: it travels with its request.
impl<T> Clone for ReservedStream<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Broadcast<T> {
    fn default() -> Self {
        Self { subscribers: Mutex::default() }
    }
}

impl<T> Queue<T> {
    /// Adds an item at the end; a full queue drops it without notice, as the real gateway does.
    fn push(&mut self, item: T) {
        if self.is_full() {
            return;
        }
        if self.items.is_empty() {
            self.since = Instant::now();
        }
        self.items.push_back(item);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// A client that reads must not lose events because many happened at once. So its queue is full only when the
    /// client has taken nothing for some time, or when far too many items wait.
    fn is_full(&self) -> bool {
        let waiting = self.items.len();
        waiting >= self.size && (self.since.elapsed() >= self.timeout || waiting >= self.size + BURST)
    }

    fn take(&mut self) -> Option<T> {
        self.since = Instant::now();
        self.items.pop_front()
    }
}

impl<T> Stream for QueueReader<T> {
    type Item = Result<T, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.must_flush) {
            context.waker().wake_by_ref();
            return Poll::Pending; // The last item is sent as a frame of its own.
        }
        let mut queue = lock(&this.queue);
        match this.end {
            StreamEnd::Clean if this.left == 0 => return Poll::Ready(None),
            StreamEnd::Error if this.left == 0 => {
                this.end = StreamEnd::Clean;
                return Poll::Ready(Some(Err(Status::unavailable("the stream was reset"))));
            }
            StreamEnd::Silent if this.left == 0 => queue.items.clear(),
            _ => {}
        }
        match queue.take() {
            Some(item) => {
                this.left = this.left.saturating_sub(1);
                this.must_flush = this.one_by_one;
                Poll::Ready(Some(Ok(item)))
            }
            None => {
                queue.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// How many items may wait beyond the queue's size: a megabyte of events, or eight seconds of a busy gateway.
const BURST: usize = 16_384;

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_queue_of_one_loses_nothing_while_its_client_reads() {
        let broadcast = Broadcast::default();
        let mut reader =
            broadcast.reserve().start(options(1, Duration::from_secs(1), StreamEnd::Never), |_| true);
        for round in 0..10 {
            (0..500).for_each(|number| broadcast.send(&(round * 500 + number)));
            let received: Vec<u32> = reader.by_ref().take(500).map(Result::unwrap).collect().await;
            assert!(received.iter().copied().eq(round * 500..round * 500 + 500));
            tokio::time::advance(Duration::from_secs(5)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_are_dropped_when_the_client_takes_none() {
        let broadcast = Broadcast::default();
        let mut reader =
            broadcast.reserve().start(options(8, Duration::from_secs(1), StreamEnd::Never), |_| true);
        (0..3).for_each(|number| broadcast.send(&number));
        tokio::time::advance(Duration::from_secs(1)).await;
        (3..20).for_each(|number| broadcast.send(&number));
        assert_eq!(drain(&mut reader), (0..8).collect::<Vec<u32>>());
        broadcast.send(&20);
        assert_eq!(drain(&mut reader), [20]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_is_bounded_also_before_its_timeout() {
        let broadcast = Broadcast::default();
        let mut reader = broadcast.reserve().start(options(8, Duration::MAX, StreamEnd::Never), |_| true);
        (0..50_000).for_each(|number| broadcast.send(&number));
        assert_eq!(drain(&mut reader).len(), 8 + BURST);
    }

    #[tokio::test(start_paused = true)]
    async fn streams_end_fail_and_fall_silent_as_the_options_say() {
        let broadcast = Broadcast::default();
        let ending = |end| broadcast.reserve().start(options(9, Duration::ZERO, end), |number| *number != 3);
        let mut ends = ending(StreamEnd::Clean);
        let mut fails = ending(StreamEnd::Error);
        let mut silent = ending(StreamEnd::Silent);
        (0..6).for_each(|number| broadcast.send(&number));
        assert_eq!(
            (drain(&mut ends), drain(&mut fails), drain(&mut silent)),
            (vec![0, 1], vec![0, 1], vec![0, 1])
        );
        assert!(ends.next().await.is_none());
        assert!(fails.next().await.is_none());
        assert!(silent.next().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reserved_stream_has_what_was_sent_before_its_client_said_what_it_wants() {
        let broadcast = Broadcast::default();
        let reserved = broadcast.reserve();
        (0..20).for_each(|number| broadcast.send(&number));
        let mut reader =
            reserved.start(options(4, Duration::from_secs(1), StreamEnd::Never), |number| number % 2 == 1);
        (20..24).for_each(|number| broadcast.send(&number));
        assert_eq!(drain(&mut reader), [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23]);
    }

    fn options(size: usize, timeout: Duration, end: StreamEnd) -> StreamOptions {
        StreamOptions { size, timeout, end, ends_after: 2, one_by_one: false }
    }

    /// The items that wait now, up to an error.
    fn drain(reader: &mut QueueReader<u32>) -> Vec<u32> {
        let mut received = Vec::new();
        while let Some(Some(Ok(number))) = reader.next().now_or_never() {
            received.push(number);
        }
        received
    }
}
