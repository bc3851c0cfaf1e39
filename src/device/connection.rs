//! The states of connections, and a subscription to their changes.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use crate::codec::DeviceId;
use crate::sync::lock;

/// Whether a device is connected.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// The device answers.
    Connected,
    /// A connection is being made, for the first time or again.
    Connecting,
    /// The connection is lost, or could not be made.
    Disconnected,
}

/// The form in which a capture stores it.
impl From<ConnectionState> for crate::codec::capture::ConnectionStateRecord<'static> {
    fn from(state: ConnectionState) -> Self {
        let (code, name) = match state {
            ConnectionState::Connected => (1, "connected"),
            ConnectionState::Connecting => (2, "connecting"),
            ConnectionState::Disconnected => (3, "disconnected"),
        };
        Self { code, name }
    }
}

/// An item of a [`ConnectionSubscription`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StateChange {
    /// The connection of a device changed.
    Changed {
        /// The device.
        device: DeviceId,
        /// The new state.
        state: ConnectionState,
    },
    /// The consumer was too slow; the oldest changes are gone.
    Lagged {
        /// How many changes.
        missed: u64,
    },
}

/// The changes of a client's connections, from [`Client::states`](super::Client::states).
///
/// # Examples
///
/// ```
/// use bs2_events::device::{Client, ConnectionState, StateChange};
/// use bs2_events::sim::Simulator;
/// use tokio_stream::StreamExt;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = Client::new(Simulator::new("devices=1")?.backend());
/// let mut states = client.states();
/// client.devices().await?[0].info().await?;
/// let change = states.next().await;
/// assert!(matches!(change, Some(StateChange::Changed { state: ConnectionState::Connecting, .. })));
/// # Ok::<(), bs2_events::Error>(()) }).unwrap();
/// ```
pub struct ConnectionSubscription {
    inner: BroadcastStream<StateChange>,
}

impl Stream for ConnectionSubscription {
    type Item = StateChange;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<StateChange>> {
        Pin::new(&mut self.inner).poll_next(cx).map(|item| {
            item.map(|change| match change {
                Ok(change) => change,
                Err(BroadcastStreamRecvError::Lagged(missed)) => StateChange::Lagged { missed },
            })
        })
    }
}

impl fmt::Debug for ConnectionSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionSubscription")
    }
}

/// The state of every connection, and the subscriptions to changes.
pub(super) struct StateBoard {
    states: Mutex<BTreeMap<DeviceId, ConnectionState>>,
    changes: broadcast::Sender<StateChange>,
}

impl StateBoard {
    pub(super) fn new() -> Self {
        Self { states: Mutex::default(), changes: broadcast::Sender::new(CHANGES_KEPT) }
    }

    /// Sets a state. If it is a new one, the subscriptions receive it.
    pub(super) fn set(&self, device: DeviceId, state: ConnectionState) {
        let mut states = lock(&self.states);
        if states.insert(device, state) != Some(state) {
            // Sent under the lock, so that changes come in the order of the states. Without a subscription nothing is sent.
            let _ = self.changes.send(StateChange::Changed { device, state });
        }
    }

    pub(super) fn get(&self, device: DeviceId) -> Option<ConnectionState> {
        lock(&self.states).get(&device).copied()
    }

    pub(super) fn subscribe(&self) -> ConnectionSubscription {
        ConnectionSubscription { inner: BroadcastStream::new(self.changes.subscribe()) }
    }
}

const CHANGES_KEPT: usize = 1_024;
