//! The connection to one device: who is connected, and who hears its live events.

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::device_state::LiveExtras;
use crate::codec::sdk_code::SdkCode;
use crate::codec::{DeviceId, Event, Extras};
use crate::device::backend::LiveSink;
use crate::{Error, ErrorKind, Result};

/// The connections of all backends to one device.
pub(super) struct Connection {
    device: DeviceId,
    /// Raised whenever all connections are lost: what was connected before is not connected any more.
    generation: u64,
    subscribers: Vec<Subscriber>,
    next_ticket: u64,
}

impl Connection {
    pub(super) fn new(device: DeviceId) -> Self {
        Self { device, generation: 1, subscribers: Vec::new(), next_ticket: 0 }
    }

    /// A connection is valid for as long as this stays the same; never 0.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Fails with [`ErrorKind::Disconnected`] where a connection of this generation is lost.
    pub(super) fn check(&self, generation: u64) -> Result<()> {
        if generation == self.generation { Ok(()) } else { Err(self.lost()) }
    }

    /// Loses every connection, and reports it to every subscriber.
    pub(super) fn disconnect(&mut self) {
        self.generation += 1;
        for subscriber in std::mem::take(&mut self.subscribers) {
            subscriber.sink.disconnected(self.lost());
        }
    }

    /// Adds a subscriber of this backend, and returns the ticket that ends its subscription.
    pub(super) fn subscribe(
        &mut self,
        backend: u64,
        is_gateway: bool,
        sink: LiveSink,
        queue: Option<Queue>,
    ) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.subscribers.push(Subscriber { ticket, backend, is_gateway, sink, queue });
        ticket
    }

    pub(super) fn unsubscribe(&mut self, ticket: u64) -> Option<Subscriber> {
        let at = self.subscribers.iter().position(|subscriber| subscriber.ticket == ticket)?;
        Some(self.subscribers.remove(at))
    }

    /// Ends the subscriptions of a backend that is closed.
    pub(super) fn close(&mut self, backend: u64, error: impl Fn() -> Error) {
        for subscriber in self.subscribers.extract_if(.., |subscriber| subscriber.backend == backend) {
            subscriber.sink.disconnected(error());
        }
    }

    pub(super) fn has_subscribers(&self) -> bool {
        !self.subscribers.is_empty()
    }

    /// Reports a live event to every subscriber.
    pub(super) fn report(&self, event: &Event, extras: &LiveExtras) {
        for subscriber in &self.subscribers {
            let extras = if subscriber.is_gateway { &extras.behind_gateway } else { &extras.plain };
            let extras = (!extras.is_empty()).then(|| Box::new(extras.clone()));
            match &subscriber.queue {
                // A full queue drops the event, and only the ids show it: real gateways do the same.
                Some(queue) => drop(queue.events.try_send((*event, extras))),
                None => subscriber.sink.push(event, extras),
            }
        }
    }

    pub(super) fn error(&self, code: SdkCode, message: &str) -> Error {
        Error::from_sdk_code(code, message).with_device(self.device)
    }

    fn lost(&self) -> Error {
        self.error(NOT_CONNECTED, "the device is not connected")
    }
}

/// One subscription to live events.
pub(super) struct Subscriber {
    ticket: u64,
    backend: u64,
    is_gateway: bool,
    sink: LiveSink,
    queue: Option<Queue>,
}

/// Events that the device holds back for one subscriber.
pub(super) struct Queue {
    events: mpsc::Sender<(Event, Option<Box<Extras>>)>,
    pump: AbortHandle,
}

impl Queue {
    /// A queue of so many events before a sink; `None` for 0.
    /// Fails with [`ErrorKind::Other`] where there is no tokio runtime to empty it.
    pub(super) fn new(capacity: u32, sink: &LiveSink) -> Result<Option<Self>> {
        if capacity == 0 {
            return Ok(None);
        }
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::Other, "a live queue needs a tokio runtime").with_source(error)
        })?;
        let (events, mut waiting) = mpsc::channel(capacity as usize);
        let sink = sink.clone();
        let pump = runtime.spawn(async move {
            while let Some((event, extras)) = waiting.recv().await {
                sink.push(&event, extras);
            }
        });
        Ok(Some(Self { events, pump: pump.abort_handle() }))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

const NOT_CONNECTED: SdkCode = SdkCode::new(-107);
