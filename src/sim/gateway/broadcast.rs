//! What waits for one subscriber, and what happens when it waits too long.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::Instant;
use tonic::Status;

/// All streams of one kind. Telling never waits.
pub(super) struct Hub<T> {
    subscribers: Mutex<Vec<Subscriber<T>>>,
}

struct Subscriber<T> {
    wants: Box<dyn Fn(&T) -> bool + Send>,
    queue: Weak<Mutex<Queue<T>>>,
}

/// How a stream begins, and what becomes of it.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// Items that wait before newer ones are dropped.
    pub(super) size: usize,
    /// How long a client may take nothing before its queue counts as full.
    pub(super) patience: Duration,
    pub(super) fate: Fate,
    /// Whether every item goes out by itself.
    pub(super) one_by_one: bool,
}

/// What becomes of a stream after so many items.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    Good,
    Ends { after: u32 },
    Fails { after: u32 },
    FallsSilent { after: u32 },
}

/// The end of a queue that a client reads.
pub(super) struct Waiting<T> {
    queue: Arc<Mutex<Queue<T>>>,
    fate: Fate,
    one_by_one: bool,
    /// Whether the last poll gave an item that must go out before the next.
    gave: bool,
}

struct Queue<T> {
    items: VecDeque<T>,
    size: usize,
    patience: Duration,
    /// Since when the first item waits.
    since: Instant,
    waker: Option<Waker>,
}

impl<T: Clone> Hub<T> {
    pub(super) fn subscribe(
        &self,
        manner: Manner,
        wants: impl Fn(&T) -> bool + Send + 'static,
    ) -> Waiting<T> {
        let queue = Arc::new(Mutex::new(Queue {
            items: VecDeque::new(),
            size: manner.size,
            patience: manner.patience,
            since: Instant::now(),
            waker: None,
        }));
        self.lock().push(Subscriber { wants: Box::new(wants), queue: Arc::downgrade(&queue) });
        Waiting { queue, fate: manner.fate, one_by_one: manner.one_by_one, gave: false }
    }

    /// Tells everybody who wants to know, and forgets who has gone.
    pub(super) fn tell(&self, item: &T) {
        self.lock().retain(|subscriber| {
            let Some(queue) = subscriber.queue.upgrade() else { return false };
            if (subscriber.wants)(item) {
                lock(&queue).push(item.clone());
            }
            true
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Subscriber<T>>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Hub<T> {
    fn default() -> Self {
        Self { subscribers: Mutex::default() }
    }
}

impl<T> Queue<T> {
    /// Puts an item behind the others; a full queue drops it and says nothing.
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

    /// A client that reads is not to lose anything because many events happened at once: its queue is full only
    /// when it has taken none for a while, or when there are far too many.
    fn is_full(&self) -> bool {
        let waiting = self.items.len();
        waiting >= self.size && (self.since.elapsed() >= self.patience || waiting >= self.size + MOST_BEYOND)
    }

    fn take(&mut self) -> Option<T> {
        self.since = Instant::now();
        self.items.pop_front()
    }
}

impl<T> Stream for Waiting<T> {
    type Item = Result<T, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.gave) {
            context.waker().wake_by_ref();
            return Poll::Pending; // What was given goes out as a frame of its own.
        }
        let mut queue = lock(&this.queue);
        match this.fate {
            Fate::Ends { after: 0 } => return Poll::Ready(None),
            Fate::Fails { after: 0 } => {
                this.fate = Fate::Ends { after: 0 };
                return Poll::Ready(Some(Err(Status::unavailable("the stream was reset"))));
            }
            Fate::FallsSilent { after: 0 } => queue.items.clear(),
            _ => {}
        }
        match queue.take() {
            Some(item) => {
                this.fate = this.fate.older();
                this.gave = this.one_by_one;
                Poll::Ready(Some(Ok(item)))
            }
            None => {
                queue.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Fate {
    fn older(self) -> Self {
        match self {
            Self::Good => Self::Good,
            Self::Ends { after } => Self::Ends { after: after.saturating_sub(1) },
            Self::Fails { after } => Self::Fails { after: after.saturating_sub(1) },
            Self::FallsSilent { after } => Self::FallsSilent { after: after.saturating_sub(1) },
        }
    }
}

fn lock<T>(queue: &Mutex<Queue<T>>) -> MutexGuard<'_, Queue<T>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A megabyte of events, or eight seconds of a busy gateway.
const MOST_BEYOND: usize = 16_384;

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_queue_of_one_loses_nothing_while_its_client_reads() {
        let hub = Hub::default();
        let mut waiting = hub.subscribe(manner(1, Duration::from_secs(1), Fate::Good), |_| true);
        for round in 0..10 {
            (0..500).for_each(|number| hub.tell(&(round * 500 + number)));
            let told: Vec<u32> = waiting.by_ref().take(500).map(Result::unwrap).collect().await;
            assert!(told.iter().copied().eq(round * 500..round * 500 + 500));
            tokio::time::advance(Duration::from_secs(5)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_are_dropped_when_the_client_takes_none() {
        let hub = Hub::default();
        let mut waiting = hub.subscribe(manner(8, Duration::from_secs(1), Fate::Good), |_| true);
        (0..3).for_each(|number| hub.tell(&number));
        tokio::time::advance(Duration::from_secs(1)).await;
        (3..20).for_each(|number| hub.tell(&number));
        assert_eq!(drain(&mut waiting), (0..8).collect::<Vec<u32>>());
        hub.tell(&20);
        assert_eq!(drain(&mut waiting), [20]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_has_an_end_also_without_patience_being_over() {
        let hub = Hub::default();
        let mut waiting = hub.subscribe(manner(8, Duration::MAX, Fate::Good), |_| true);
        (0..50_000).for_each(|number| hub.tell(&number));
        assert_eq!(drain(&mut waiting).len(), 8 + MOST_BEYOND);
    }

    #[tokio::test(start_paused = true)]
    async fn streams_end_fail_and_fall_silent_as_they_are_fated() {
        let hub = Hub::default();
        let fated = |fate| hub.subscribe(manner(9, Duration::ZERO, fate), |number| *number != 3);
        let mut ends = fated(Fate::Ends { after: 2 });
        let mut fails = fated(Fate::Fails { after: 2 });
        let mut silent = fated(Fate::FallsSilent { after: 2 });
        (0..6).for_each(|number| hub.tell(&number));
        assert_eq!(
            (drain(&mut ends), drain(&mut fails), drain(&mut silent)),
            (vec![0, 1], vec![0, 1], vec![0, 1])
        );
        assert!(ends.next().await.is_none());
        assert!(fails.next().await.is_none());
        assert!(silent.next().now_or_never().is_none());
    }

    fn manner(size: usize, patience: Duration, fate: Fate) -> Manner {
        Manner { size, patience, fate, one_by_one: false }
    }

    /// What is there now, up to an error.
    fn drain(waiting: &mut Waiting<u32>) -> Vec<u32> {
        let mut told = Vec::new();
        while let Some(Some(Ok(number))) = waiting.next().now_or_never() {
            told.push(number);
        }
        told
    }
}
