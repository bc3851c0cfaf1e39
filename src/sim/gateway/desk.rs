//! The gateway behind its services: its readers, and who is told of what they do.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Status;

use super::GatewayFaults;
use super::faults::{CALL_RESTARTS, Mischief};
use super::link::Links;
use super::queue::{Hub, Manner};
use super::refusal::{not_connected, refusal, timed_out};
use super::settings::{Api, ServerSettings};
use crate::Result;
use crate::codec::{DeviceId, Event, Temperature};
use crate::device::gateway::proto::gsdk::connect::StatusChange;
use crate::sim::Inner;
use crate::sim::backend::SimBackend;

/// What all calls of all clients share.
pub(super) struct Desk {
    pub(super) shared: Arc<Inner>,
    /// The way to the readers.
    pub(super) door: SimBackend,
    pub(super) links: Links,
    pub(super) events: Hub<Told>,
    pub(super) statuses: Hub<StatusChange>,
    pub(super) mischief: Mischief,
    pub(super) api: Api,
    pub(super) runtime: Handle,
    /// How long it waits before it tries again to reach a reader.
    pub(super) reconnect: Duration,
    patience: Duration,
    /// Raised by every restart: clients of an earlier life are dropped.
    life: watch::Sender<u64>,
}

/// An event as streams get it.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub(super) event: Event,
    pub(super) temperature: Option<Temperature>,
}

impl Desk {
    pub(super) fn new(
        shared: Arc<Inner>,
        door: SimBackend,
        settings: &ServerSettings,
        runtime: Handle,
    ) -> Self {
        Self {
            links: Links::new(shared.readers.len(), &settings.devices),
            mischief: Mischief::new(settings.faults, shared.settings.seed),
            shared,
            door,
            events: Hub::default(),
            statuses: Hub::default(),
            api: settings.api,
            runtime,
            reconnect: settings.reconnect,
            patience: settings.patience,
            life: watch::Sender::new(0),
        }
    }

    /// The life of the gateway, from which clients are dropped when it changes.
    pub(super) fn life(&self) -> watch::Receiver<u64> {
        self.life.subscribe()
    }

    /// Drops every client and forgets every connection, as a gateway does that was started again.
    pub(super) fn restart(self: &Arc<Self>) {
        self.life.send_modify(|life| *life += 1);
        self.forget_connections();
    }

    /// A call of a client, which may go wrong.
    ///
    /// # Errors
    ///
    /// What goes wrong with it.
    pub(super) fn called(self: &Arc<Self>) -> Result<(), Status> {
        if self.mischief.strikes(GatewayFaults::RESTART, CALL_RESTARTS) {
            self.restart();
        }
        self.mischief.call()
    }

    /// A call to a connected reader.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` for a reader that is not connected, and whatever the call fails with.
    pub(super) async fn reader<T>(
        self: &Arc<Self>,
        device: u32,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T, Status> {
        self.called()?;
        self.connected(device)?;
        let answer = timeout(COMMAND, call).await.map_err(|_| timed_out(device))?;
        answer.map_err(|error| refusal(&error))
    }

    /// Where a connected reader stands among all.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` for any other.
    pub(super) fn connected(&self, device: u32) -> Result<usize, Status> {
        let position =
            self.position(device).filter(|position| self.links.at(*position).lock().is_connected());
        position.ok_or_else(|| not_connected(device))
    }

    pub(super) fn position(&self, device: u32) -> Option<usize> {
        self.shared.position(DeviceId::new(device)).ok()
    }

    /// How a stream will be, whose client asked for a queue of this size.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for a size below 0. A queue of 0 holds one item.
    pub(super) fn manner(&self, queue_size: i32) -> Result<Manner, Status> {
        let size = usize::try_from(queue_size)
            .map_err(|_| Status::invalid_argument(format!("queueSize: {queue_size} is below 0")))?;
        Ok(Manner {
            size: size.max(1),
            patience: self.patience,
            fate: self.mischief.fate(),
            one_by_one: self.mischief.has(GatewayFaults::FRAMES),
        })
    }
}

/// How long a reader may take to answer. A real gateway gives short commands half of it.
const COMMAND: Duration = Duration::from_secs(20);
