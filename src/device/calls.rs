//! Calls of a backend: each with a deadline, on a connected device, and made again when the connection was lost.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::backend::Backend;
use super::connection::{ConnectionState, StateBoard};
use super::paging::PageSize;
use crate::codec::DeviceId;
use crate::sync::lock;
use crate::{Error, ErrorKind, Result, RetryPolicy};

/// What a client, its devices and its subscriptions share.
pub(super) struct Calls {
    pub(super) backend: Arc<dyn Backend>,
    /// What messages call the client; empty for none.
    pub(super) name: OnceLock<String>,
    pub(super) deadline: Duration,
    pub(super) queue_capacity: usize,
    pub(super) retry: RetryPolicy,
    pub(super) states: StateBoard,
    /// How large pages may be, by device.
    pub(super) page_sizes: Mutex<HashMap<(DeviceId, Records), Arc<PageSize>>>,
}

/// What a page holds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Records {
    Blobs,
    Events,
    Images,
}

impl Calls {
    pub(super) fn name(&self) -> &str {
        self.name.get().map_or("", String::as_str)
    }

    pub(super) fn page_size(&self, device: DeviceId, records: Records) -> Arc<PageSize> {
        Arc::clone(lock(&self.page_sizes).entry((device, records)).or_default())
    }

    /// Makes one call to a connected device, and makes it again if the connection was lost: at most [`CALL_RETRIES`]
    /// times, and not after the deadline.
    pub(super) async fn call<T, F>(
        &self,
        device: DeviceId,
        what: &str,
        call: impl Fn() -> F + Send + Sync,
    ) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        let policy = self.retry.within(CALL_RETRIES, self.deadline);
        let is_disconnected = |error: &Error| error.kind() == ErrorKind::Disconnected;
        policy.retry(|| self.call_once(device, what, call()), is_disconnected).await
    }

    /// Makes one call to a connected device, once: for calls that change something.
    pub(super) async fn call_once<T: Send>(
        &self,
        device: DeviceId,
        what: &str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let result = match self.connect(device).await {
            Ok(()) => self.within_deadline(what, call).await,
            Err(error) => Err(error),
        };
        result.map_err(|error| {
            if error.kind() == ErrorKind::Disconnected {
                self.states.set(device, ConnectionState::Disconnected);
            }
            of_device(error, device)
        })
    }

    async fn connect(&self, device: DeviceId) -> Result<()> {
        if self.states.get(device) != Some(ConnectionState::Connected) {
            self.states.set(device, ConnectionState::Connecting);
        }
        let result = self.within_deadline("connecting", self.backend.connect(device)).await;
        let state = if result.is_ok() { ConnectionState::Connected } else { ConnectionState::Disconnected };
        self.states.set(device, state);
        result
    }

    pub(super) async fn within_deadline<T: Send>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        within(self.deadline, what, call).await
    }
}

pub(super) async fn within<T: Send>(
    deadline: Duration,
    what: &str,
    call: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    tokio::time::timeout(deadline, call).await.unwrap_or_else(|_| {
        let message = format!("{what}: no answer within {} ms", deadline.as_millis());
        Err(Error::new(ErrorKind::TimedOut, message))
    })
}

/// The error, with the device that it concerns, unless it concerns all devices of the backend.
pub(super) fn of_device(error: Error, device: DeviceId) -> Error {
    if error.device().is_some() || error.concerns_backend() { error } else { error.with_device(device) }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("backend", &self.backend)
            .field("deadline", &self.deadline)
            .field("queue_capacity", &self.queue_capacity)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

const CALL_RETRIES: usize = 3;
