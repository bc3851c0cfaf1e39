//! The way of live events out of a reader.

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::codec::Event;
use crate::device::LiveSink;
use crate::{Error, ErrorKind, Result};

/// Where one listener's events go: at once, or through a queue of the reader's that drops without a word.
pub(super) struct Outlet {
    sink: LiveSink,
    queue: Option<Queue>,
}

struct Queue {
    events: mpsc::Sender<Event>,
    pump: AbortHandle,
}

impl Outlet {
    /// An outlet with a queue of `size` events; without one for 0.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Other`] where a queue is wanted and there is no tokio runtime to empty it.
    pub(super) fn new(sink: LiveSink, size: u32) -> Result<Self> {
        if size == 0 {
            return Ok(Self { sink, queue: None });
        }
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::Other, "a live queue needs a tokio runtime").with_source(error)
        })?;
        let (events, mut waiting) = mpsc::channel(size as usize);
        let target = sink.clone();
        let pump = runtime.spawn(async move {
            while let Some(event) = waiting.recv().await {
                target.push(&event);
            }
        });
        Ok(Self { sink, queue: Some(Queue { events, pump: pump.abort_handle() }) })
    }

    pub(super) fn push(&self, event: &Event) {
        match &self.queue {
            // A full queue drops the event: only the jump of the ids will show it, as with a real gateway.
            Some(queue) => drop(queue.events.try_send(*event)),
            None => self.sink.push(event),
        }
    }

    /// Ends the outlet; what waits in the queue is lost with the connection.
    pub(super) fn disconnected(self, error: Error) {
        self.sink.disconnected(error);
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.pump.abort();
    }
}
