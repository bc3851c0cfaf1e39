//! Live items, and the queue between a backend and a subscription: bounded, and it says what it could not hold.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::codec::{DeviceId, Event, Extras};
use crate::sync::lock;

/// An item of a [`Subscription`](super::Subscription).
///
/// # Examples
///
/// ```
/// use bs2_events::device::Live;
///
/// fn print(item: Live) {
///     match item {
///         Live::Event { device, event, extras } => println!("{device}: {event}, with extras: {}", extras.is_some()),
///         Live::Lagged { device, missed } => println!("{device}: {missed} events lost; they are in the log"),
///         Live::Resumed { device } => println!("{device}: connected again; what happened meanwhile is in the log"),
///         _ => {}
///     }
/// }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Live {
    /// An event happened.
    Event {
        /// The device that reported the event and keeps it in its log.
        device: DeviceId,
        /// The event.
        event: Event,
        /// What the backend reports of the event beyond its 48 bytes; `None` for most events.
        extras: Option<Box<Extras>>,
    },
    /// Events were lost because the consumer was too slow. Read the log from the last id that you have.
    Lagged {
        /// The device.
        device: DeviceId,
        /// How many events.
        missed: u64,
    },
    /// The device is connected again, or for the first time if it could not be reached when the subscription began.
    /// What happened meanwhile is in the log and not in this stream.
    Resumed {
        /// The device.
        device: DeviceId,
    },
}

impl Live {
    /// The device that the item concerns.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        match *self {
            Self::Event { device, .. } | Self::Lagged { device, .. } | Self::Resumed { device } => device,
        }
    }
}

/// A queue of this many items, at least one.
pub(super) fn queue(capacity: usize) -> (Sender, Receiver) {
    let state = State { capacity: capacity.max(1), senders: 1, ..State::default() };
    let shared = Arc::new(Mutex::new(state));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

/// The end of the backend. No call waits for the consumer: the lock is held for the few instructions of a push, or of an
/// exchange.
pub(super) struct Sender(Arc<Mutex<State>>);

/// The end of the consumer.
pub(super) struct Receiver(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    items: VecDeque<Live>,
    capacity: usize,
    /// What the stream says before anything that is pushed later: new connections, and lost events.
    notices: BTreeMap<DeviceId, Notice>,
    /// The consumer, while it waits for an item.
    sleeper: Option<Waker>,
    senders: usize,
    is_closed: bool,
}

#[derive(Default)]
struct Notice {
    resumed: bool,
    missed: u64,
}

impl Sender {
    /// Adds events. Those that do not fit are counted. If `resumed` is set, the stream says once, before them, that
    /// the device is connected again.
    pub(super) fn push(
        &self,
        device: DeviceId,
        resumed: &AtomicBool,
        events: impl Iterator<Item = (Event, Option<Box<Extras>>)>,
    ) {
        self.change(|state| {
            state.note_resumed(device, resumed);
            for (event, extras) in events {
                if state.add_notices() && state.items.len() < state.capacity {
                    state.items.push_back(Live::Event { device, event, extras });
                } else {
                    state.note_missed(device, 1);
                }
            }
        });
    }

    pub(super) fn lost(&self, device: DeviceId, count: u64) {
        self.change(|state| state.note_missed(device, count));
    }

    /// Says that the device is connected again, unless a push has said so already.
    pub(super) fn resumed(&self, device: DeviceId, flag: &AtomicBool) {
        self.change(|state| state.note_resumed(device, flag));
    }

    /// Whether the consumer is gone.
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.0).is_closed
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.0);
        if state.is_closed {
            return;
        }
        change(&mut state);
        state.add_notices();
        let sleeper = if state.items.is_empty() { None } else { state.sleeper.take() };
        drop(state);
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }
}

impl Clone for Sender {
    fn clone(&self) -> Self {
        lock(&self.0).senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.senders -= 1;
        let sleeper = if state.senders == 0 { state.sleeper.take() } else { None };
        drop(state);
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }
}

impl Receiver {
    /// Takes all items, in exchange for an empty queue with as much memory. `Ready` with nothing taken is the end.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>, taken: &mut VecDeque<Live>) -> Poll<()> {
        let mut state = lock(&self.0);
        state.add_notices();
        if state.items.is_empty() && state.senders > 0 {
            state.sleeper = Some(cx.waker().clone());
            return Poll::Pending;
        }
        taken.clear();
        std::mem::swap(&mut state.items, taken);
        Poll::Ready(())
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.0).items.len()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.is_closed = true;
        let items = (std::mem::take(&mut state.items), state.sleeper.take());
        drop(state);
        drop(items); // A waker may do anything when it is dropped, so the lock is released before.
    }
}

impl State {
    fn note_resumed(&mut self, device: DeviceId, flag: &AtomicBool) {
        // The flag is read and written under the lock, or before it is shared.
        if flag.load(Ordering::Relaxed) {
            flag.store(false, Ordering::Relaxed);
            self.notices.entry(device).or_default().resumed = true;
        }
    }

    fn note_missed(&mut self, device: DeviceId, count: u64) {
        let notice = self.notices.entry(device).or_default();
        notice.missed = notice.missed.saturating_add(count);
    }

    /// Moves the notices into the queue; `false` if they do not all fit.
    fn add_notices(&mut self) -> bool {
        while let Some(mut first) = self.notices.first_entry() {
            if self.items.len() >= self.capacity {
                return false;
            }
            let device = *first.key();
            let item = if std::mem::take(&mut first.get_mut().resumed) {
                Live::Resumed { device }
            } else {
                Live::Lagged { device, missed: std::mem::take(&mut first.get_mut().missed) }
            };
            if first.get().missed == 0 {
                first.remove();
            }
            self.items.push_back(item);
        }
        true
    }
}
