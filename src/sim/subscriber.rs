//! The way of live events out of a reader.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::extras::temperature;
use super::options::SimOptions;
use crate::codec::{Event, Extras, Temperature};
use crate::device::LiveSink;
use crate::{Error, ErrorKind, Result};

/// Who is told of what a reader reports. It is told under the reader's lock: it must neither wait nor ask the reader.
pub(super) trait Listener: Send + Sync {
    fn event(&self, event: &Event, temperature: Option<Temperature>);

    /// The connection is gone, and nothing will be reported any more.
    fn disconnected(&self, error: Error);
}

impl Listener for LiveSink {
    fn event(&self, event: &Event, temperature: Option<Temperature>) {
        let extras = temperature.map(|temperature| Box::new(Extras::default().with_temperature(temperature)));
        self.push(event, extras);
    }

    fn disconnected(&self, error: Error) {
        LiveSink::disconnected(self, error);
    }
}

/// Where one listener's events go: at once, or through a queue of the reader's that drops without a word.
pub(super) struct Subscriber {
    listener: Arc<dyn Listener>,
    seed: u64,
    queue: Option<Queue>,
}

struct Queue {
    events: mpsc::Sender<Event>,
    pump: AbortHandle,
}

impl Subscriber {
    /// An outlet with a queue of so many events as the settings say; without one for 0.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Other`] where a queue is wanted and there is no tokio runtime to empty it.
    pub(super) fn new(listener: Arc<dyn Listener>, settings: &SimOptions) -> Result<Self> {
        let seed = settings.seed;
        if settings.queue == 0 {
            return Ok(Self { listener, seed, queue: None });
        }
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::Other, "a live queue needs a tokio runtime").with_source(error)
        })?;
        let (events, mut waiting) = mpsc::channel(settings.queue as usize);
        let target = Arc::clone(&listener);
        let pump = runtime.spawn(async move {
            while let Some(event) = waiting.recv().await {
                tell(&*target, seed, &event);
            }
        });
        Ok(Self { listener, seed, queue: Some(Queue { events, pump: pump.abort_handle() }) })
    }

    pub(super) fn push(&self, event: &Event) {
        match &self.queue {
            // A full queue drops the event: only the jump of the ids will show it, as with a real gateway.
            Some(queue) => drop(queue.events.try_send(*event)),
            None => tell(&*self.listener, self.seed, event),
        }
    }

    /// Ends the outlet; what waits in the queue is lost with the connection.
    pub(super) fn disconnected(self, error: Error) {
        self.listener.disconnected(error);
    }
}

fn tell(listener: &dyn Listener, seed: u64, event: &Event) {
    listener.event(event, temperature(seed, event));
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.pump.abort();
    }
}
