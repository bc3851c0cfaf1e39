//! The handle on one simulated device.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::device::SimDevice;
use super::history::{Command, PushedEvent};
use super::inner::Inner;
use super::profile::DeviceProfile;
use crate::Result;
use crate::codec::{DeviceId, Event, EventBuilder, Extras, Timestamp};

/// The handle on one simulated device: it does what a person at the device or its network may do. Cheap to clone.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::EventCode;
/// use bs2_events::sim::Simulator;
///
/// let simulator = Simulator::new("devices=1&backlog=100")?;
/// let reader = simulator.reader(simulator.device_ids()[0])?;
/// let cleared = reader.clear_log();
/// assert_eq!((cleared.id(), cleared.code()), (101, EventCode::DEVICE_EVENT_LOG_CLEARED));
/// assert_eq!((reader.oldest_id(), reader.newest_id(), reader.len()), (Some(101), Some(101), 1));
///
/// // Ids begin again: the next epoch.
/// assert_eq!((reader.factory_reset(true).id(), reader.epoch()), (1, 1));
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone)]
pub struct Reader {
    inner: Arc<Inner>,
    position: usize,
}

impl Reader {
    pub(super) fn new(inner: Arc<Inner>, position: usize) -> Self {
        Self { inner, position }
    }

    /// Makes the next `count` events, and returns them. For a recorded device with
    /// [`replay-live`](super::SimOptions::with_replay_live) these are the next rows.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for a device of a recorded log that has no further row to report.
    pub fn make(&self, count: u32) -> Result<Vec<Event>> {
        (0..count).map(|_| self.device().make(&self.inner.outputs)).collect()
    }

    /// Writes exactly this event, with the next id, reports it live, and returns it.
    ///
    /// The id of the builder is ignored. Its device is kept, so that it may be a slave's; device 0 means this one. Without
    /// a time the event happens now, by the clock of the device. Nothing is added: no picture, no time zone.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::{Event, EventCode, Subject, UserId};
    /// use bs2_events::sim::Simulator;
    ///
    /// let simulator = Simulator::new("office=0")?;
    /// let reader = simulator.reader(simulator.device_ids()[0])?;
    /// let user = UserId::new("42")?;
    /// let denied = Event::builder(reader.id(), 0, EventCode::ACCESS_DENIED).subject(Subject::User(&user));
    /// assert_eq!(reader.push(denied).id(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push(&self, event: EventBuilder) -> Event {
        self.push_with(event, Extras::default(), None)
    }

    /// As [`push`](Self::push), with what is known of the event beyond its 48 bytes, and with its picture, a JPEG. An
    /// event with a picture has the flag for it, also where the picture has no bytes.
    pub fn push_with(&self, event: EventBuilder, extras: Extras, picture: impl Into<Option<Bytes>>) -> Event {
        let pushed = PushedEvent { event: event.build(), extras, picture: picture.into() };
        self.command(Command::Push(pushed.into()))
    }

    /// Sets the clock, forward or back, without an event. With [`Start::Now`](super::Start::Now) it goes on from there.
    pub fn set_time(&self, time: Timestamp) {
        self.device().lock().set_time(&self.inner.outputs, time);
    }

    /// Deletes the whole log and writes the event `0x4200`. Ids continue.
    pub fn clear_log(&self) -> Event {
        self.command(Command::ClearLog)
    }

    /// Deletes the whole log, resets the image filters and writes the event `0x4502`. Ids continue, or begin again at 1
    /// in the next epoch.
    pub fn factory_reset(&self, restart_ids: bool) -> Event {
        self.command(Command::FactoryReset { restart_ids })
    }

    /// Sets the clock, forward or back, and writes the event `0x3200`, which has the new time.
    pub fn set_clock(&self, time: Timestamp) -> Event {
        self.command(Command::SetClock(time))
    }

    /// Notes that a client has connected (`true`) or disconnected, for servers over simulated devices: the device logs
    /// `0x3B00` or `0x3C00`. `None` where it does not, by [`SimOptions::with_connections`](super::SimOptions).
    pub fn note_connection(&self, is_connected: bool) -> Option<Event> {
        let command = if is_connected { Command::ClientConnected } else { Command::ClientDisconnected };
        self.inner.options.logs_connections().then(|| self.command(command))
    }

    /// Loses every connection to the device. It can be connected again at once.
    pub fn disconnect(&self) {
        self.device().lock().connection.disconnect();
    }

    /// The id of the device.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.device().device()
    }

    /// The devices on its RS-485 line, ascending. They keep no log: their events are in this one, with their number.
    #[must_use]
    pub fn slaves(&self) -> &[DeviceId] {
        self.device().slaves()
    }

    /// What the device says of itself at every interface.
    #[must_use]
    pub fn profile(&self) -> DeviceProfile {
        DeviceProfile::new(self.id(), &self.inner.options)
    }

    /// The smallest id in the log.
    #[must_use]
    pub fn oldest_id(&self) -> Option<u32> {
        self.device().lock().state.log().ids().min()
    }

    /// The greatest id in the log.
    #[must_use]
    pub fn newest_id(&self) -> Option<u32> {
        self.device().lock().state.log().ids().max()
    }

    /// The number of events in the log; in a recorded one, of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.device().lock().state.log().len()
    }

    /// Whether the log is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often the ids began again.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.device().lock().state.log().epoch()
    }

    /// The device's clock. It moves with the events and stands still between them, unless events have the present time.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.device().lock().state.time()
    }

    fn command(&self, command: Command) -> Event {
        self.device().lock().command(&self.inner.outputs, command)
    }

    fn device(&self) -> &SimDevice {
        &self.inner.devices[self.position]
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("device", &self.id()).finish_non_exhaustive()
    }
}
