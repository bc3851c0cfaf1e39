//! Connections coming and going.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use crate::codec::DeviceId;

/// Whether a reader is connected.
///
/// # Examples
///
/// ```
/// use bs2_events::device::ConnectionState;
///
/// assert_ne!(ConnectionState::Connecting, ConnectionState::Connected);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// The reader answers.
    Connected,
    /// A connection is being made, for the first time or again.
    Connecting,
    /// The connection is lost, or could not be made.
    Disconnected,
}

/// As captures hold it.
impl From<ConnectionState> for crate::codec::capture::LinkState<'static> {
    fn from(state: ConnectionState) -> Self {
        let (code, name) = match state {
            ConnectionState::Connected => (1, "connected"),
            ConnectionState::Connecting => (2, "connecting"),
            ConnectionState::Disconnected => (3, "disconnected"),
        };
        Self { code, name }
    }
}

/// An item of a [`StateStream`].
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
/// use bs2_events::device::{ConnectionState, StateChange};
///
/// let change = StateChange::Changed { device: DeviceId::new(1), state: ConnectionState::Connected };
/// assert!(matches!(change, StateChange::Changed { state: ConnectionState::Connected, .. }));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StateChange {
    /// A reader's connection changed.
    Changed {
        /// The reader.
        device: DeviceId,
        /// What it is now.
        state: ConnectionState,
    },
    /// The consumer was too slow; the oldest changes are gone.
    Lagged {
        /// How many.
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
/// # async fn example() -> bs2_events::Result<()> {
/// let client = Client::new(Simulator::new("devices=1")?.backend());
/// let mut states = client.states();
/// client.devices().await?[0].info().await?;
/// let change = states.next().await;
/// assert!(matches!(change, Some(StateChange::Changed { state: ConnectionState::Connecting, .. })));
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
pub struct StateStream {
    inner: BroadcastStream<StateChange>,
}

impl Stream for StateStream {
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

impl fmt::Debug for StateStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateStream")
    }
}

/// The state of every connection, and who wants to hear of changes.
pub(super) struct StateBoard {
    states: Mutex<BTreeMap<DeviceId, ConnectionState>>,
    changes: broadcast::Sender<StateChange>,
}

impl StateBoard {
    pub(super) fn new() -> Self {
        Self { states: Mutex::default(), changes: broadcast::Sender::new(CHANGES_KEPT) }
    }

    /// Notes a state, and tells it if it is a new one.
    pub(super) fn set(&self, device: DeviceId, state: ConnectionState) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.insert(device, state) != Some(state) {
            // Told under the lock, so that the order of the changes is the order of the states. Nobody listening is fine.
            let _ = self.changes.send(StateChange::Changed { device, state });
        }
    }

    pub(super) fn get(&self, device: DeviceId) -> Option<ConnectionState> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).get(&device).copied()
    }

    pub(super) fn subscribe(&self) -> StateStream {
        StateStream { inner: BroadcastStream::new(self.changes.subscribe()) }
    }
}

const CHANGES_KEPT: usize = 1_024;
