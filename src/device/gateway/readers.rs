//! Which readers there are, and whether the gateway is connected to them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::proto::gsdk::connect::{DeviceInfo, Status};
use crate::codec::DeviceId;

/// The readers that are known, with the states of their connections.
#[derive(Default)]
pub(super) struct Readers {
    known: Mutex<BTreeMap<DeviceId, Reader>>,
    changed: Notify,
}

/// A reader's connection, and how often it changed.
#[derive(Clone, Debug, Default)]
struct Reader {
    state: State,
    changes: u64,
    address: Option<(String, u16)>,
}

/// What the gateway says of a reader's connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum State {
    Connected,
    /// It is not, or nobody knows.
    #[default]
    Disconnected,
    /// It is not and cannot be: not there, or not allowed.
    Refused,
}

impl State {
    /// `None` for what says nothing: a try under way, and states of later versions.
    pub(super) fn of(status: i32) -> Option<Self> {
        match Status::try_from(status).ok()? {
            Status::TcpConnected | Status::TlsConnected => Some(Self::Connected),
            Status::Disconnected => Some(Self::Disconnected),
            Status::TcpCannotConnect
            | Status::TcpNotAllowed
            | Status::TlsCannotConnect
            | Status::TlsNotAllowed => Some(Self::Refused),
            Status::TryToConnect => None,
        }
    }
}

impl Readers {
    pub(super) fn state(&self, device: DeviceId) -> Option<State> {
        self.lock().get(&device).map(|reader| reader.state)
    }

    pub(super) fn address(&self, device: DeviceId) -> Option<(String, u16)> {
        self.lock().get(&device)?.address.clone()
    }

    /// The reader that is connected at this address.
    pub(super) fn connected_at(&self, host: &str, port: u16) -> Option<DeviceId> {
        let is_there = |reader: &Reader| {
            let address = reader.address.as_ref();
            reader.state == State::Connected
                && address.is_some_and(|address| *address == (host.to_owned(), port))
        };
        self.lock().iter().find(|(_, reader)| is_there(reader)).map(|(&device, _)| device)
    }

    /// Notes a reader without a word on its connection.
    pub(super) fn know(&self, device: DeviceId) {
        self.lock().entry(device).or_default();
    }

    /// Notes a state; the one before, of a reader that was known.
    pub(super) fn set(&self, device: DeviceId, state: State) -> Option<State> {
        let mut known = self.lock();
        let before = known.get(&device).map(|reader| reader.state);
        let reader = known.entry(device).or_default();
        reader.state = state;
        reader.changes = reader.changes.wrapping_add(1);
        drop(known);
        self.changed.notify_waiters();
        before
    }

    /// Notes that nothing is known any more of any connection.
    pub(super) fn forget_states(&self) {
        for reader in self.lock().values_mut() {
            reader.state = State::Disconnected;
            reader.changes = reader.changes.wrapping_add(1);
        }
        self.changed.notify_waiters();
    }

    /// How often each reader's state changed until now, for [`reconcile`](Self::reconcile).
    pub(super) fn changes(&self) -> BTreeMap<DeviceId, u64> {
        self.lock().iter().map(|(&device, reader)| (device, reader.changes)).collect()
    }

    /// Takes over the gateway's list, except where a state has changed since `before`; readers that turn out to be
    /// lost.
    pub(super) fn reconcile(&self, list: &[DeviceInfo], before: &BTreeMap<DeviceId, u64>) -> Vec<DeviceId> {
        let mut known = self.lock();
        let mut listed = BTreeMap::new();
        for info in list {
            let device = DeviceId::new(info.device_id);
            listed.insert(device, State::of(info.status).unwrap_or_default());
            let port = u16::try_from(info.port).unwrap_or_default();
            known.entry(device).or_default().address = Some((info.ip_addr.clone(), port));
        }
        let mut lost = Vec::new();
        for (device, reader) in &mut *known {
            if reader.changes != before.get(device).copied().unwrap_or_default() {
                continue;
            }
            let state = listed.get(device).copied().unwrap_or_default();
            if reader.state == State::Connected && state != State::Connected {
                lost.push(*device);
            }
            reader.state = state;
        }
        drop(known);
        self.changed.notify_waiters();
        lost
    }

    /// Waits until the gateway says whether it has connected the reader.
    pub(super) async fn settled(&self, device: DeviceId) -> State {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on a change is not missed.
            changed.as_mut().enable();
            match self.state(device) {
                Some(state @ (State::Connected | State::Refused)) => return state,
                _ => changed.await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Reader>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
