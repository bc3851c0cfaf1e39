//! The queue between those who report and the one who listens: bounded, and honest about what it could not hold.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Live;
use crate::codec::{DeviceId, Event, Extras};

/// A queue for so many items, at least one.
pub(in crate::device) fn queue(capacity: usize) -> (Sender, Receiver) {
    let state = State { capacity: capacity.max(1), senders: 1, ..State::default() };
    let shared = Arc::new(Mutex::new(state));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

/// The end of those who report. No call waits for the listener: the lock is held for the few instructions of a push, or
/// of an exchange.
pub(in crate::device) struct Sender(Arc<Mutex<State>>);

/// The end of the one who listens.
pub(in crate::device) struct Receiver(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    items: VecDeque<Live>,
    capacity: usize,
    /// What is told before anything that is pushed after it: connections made again, and what did not fit.
    untold: BTreeMap<DeviceId, Untold>,
    /// Who sleeps until there is something.
    sleeper: Option<Waker>,
    senders: usize,
    is_closed: bool,
}

#[derive(Default)]
struct Untold {
    resumed: bool,
    missed: u64,
}

impl Sender {
    /// Adds events. Those that do not fit are counted. If `resumed` is set, the stream says once, before them, that
    /// the device is connected again.
    pub(in crate::device) fn push(
        &self,
        device: DeviceId,
        resumed: &AtomicBool,
        events: impl Iterator<Item = (Event, Option<Box<Extras>>)>,
    ) {
        self.change(|state| {
            state.note_resumed(device, resumed);
            for (event, extras) in events {
                if state.tell() && state.has_room() {
                    state.items.push_back(Live::Event { device, event, extras });
                } else {
                    state.note_missed(device, 1);
                }
            }
        });
    }

    pub(in crate::device) fn lost(&self, device: DeviceId, count: u64) {
        self.change(|state| state.note_missed(device, count));
    }

    /// Tells that the connection was made again, unless a push has told it already.
    pub(in crate::device) fn resumed(&self, device: DeviceId, flag: &AtomicBool) {
        self.change(|state| state.note_resumed(device, flag));
    }

    /// Whether nobody listens any more.
    pub(in crate::device) fn is_closed(&self) -> bool {
        lock(&self.0).is_closed
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.0);
        if state.is_closed {
            return;
        }
        change(&mut state);
        state.tell();
        let sleeper = if state.is_empty() { None } else { state.sleeper.take() };
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
    /// Takes all that is there, in exchange for what has room for as much. `Ready` with nothing taken is the end.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>, taken: &mut VecDeque<Live>) -> Poll<()> {
        let mut state = lock(&self.0);
        state.tell();
        if state.is_empty() && state.senders > 0 {
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
        drop(items); // What a waker does when it is dropped is not for the lock.
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn has_room(&self) -> bool {
        self.items.len() < self.capacity
    }

    fn note_resumed(&mut self, device: DeviceId, flag: &AtomicBool) {
        // Whoever sets it and whoever asks do so under the lock, or before anybody else knows the flag.
        if flag.load(Ordering::Relaxed) {
            flag.store(false, Ordering::Relaxed);
            self.untold.entry(device).or_default().resumed = true;
        }
    }

    fn note_missed(&mut self, device: DeviceId, count: u64) {
        let untold = self.untold.entry(device).or_default();
        untold.missed = untold.missed.saturating_add(count);
    }

    /// Moves what is untold into the queue; `false` if it does not all fit.
    fn tell(&mut self) -> bool {
        while let Some(mut first) = self.untold.first_entry() {
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

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
