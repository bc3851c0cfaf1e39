//! One reader, and the hand on it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::{Connection, NOT_SUPPORTED};
use super::device_state::{Command, DeviceState, HistoryEntry, Origin};
use super::generator::world::World;
use super::inner::{Books, Inner};
use super::journal::Past;
use super::options::SimOptions;
use crate::Result;
use crate::codec::{DeviceId, Event, Timestamp};
use crate::device::ImageFilter;

/// The hand on one simulated reader: it does what a person at the reader, its network or its age may do. Cheap to
/// clone.
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
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Inner>,
    position: usize,
}

impl Reader {
    pub(super) fn new(shared: Arc<Inner>, position: usize) -> Self {
        Self { shared, position }
    }

    /// Makes `count` events of the office, and gives them.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for a reader that replays a file.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// let made = reader.make(3)?;
    /// assert_eq!(made.iter().map(|event| event.id()).collect::<Vec<_>>(), [11, 12, 13]);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn make(&self, count: u32) -> Result<Vec<Event>> {
        (0..count).map(|_| self.cell().make(&self.shared.books)).collect()
    }

    /// Deletes the whole log and writes the event `0x4200`. Ids go on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// assert_eq!(reader.clear_log().id(), 11);
    /// assert_eq!(reader.len(), 1);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn clear_log(&self) -> Event {
        self.cell().act(&self.shared.books, Command::ClearLog)
    }

    /// Deletes the whole log, sets the image filters back and writes the event `0x4502`. Ids go on, or begin again
    /// at 1 and open the next epoch.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// assert_eq!(reader.factory_reset(false).id(), 11);
    /// assert_eq!((reader.factory_reset(true).id(), reader.epoch()), (1, 1));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn factory_reset(&self, restart_ids: bool) -> Event {
        self.cell().act(&self.shared.books, Command::FactoryReset { restart_ids })
    }

    /// Sets the clock, forward or back, and writes the event `0x3200`, which has the new time already.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// let time = bs2_events::codec::Timestamp::from_unix_seconds(1_518_025_757);
    /// assert_eq!(reader.set_clock(time).timestamp(), time);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn set_clock(&self, time: Timestamp) -> Event {
        self.cell().act(&self.shared.books, Command::SetClock(time))
    }

    /// Loses every connection to the reader. It can be connected again at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// reader.disconnect();
    /// assert_eq!(reader.len(), 10);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn disconnect(&self) {
        self.cell().lock().line.disconnect();
    }

    /// Sets whether the reader is stuck: its calls never return, and it reports nothing. Calls that hang already go
    /// on hanging after it is freed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// reader.set_stuck(true);
    /// reader.set_stuck(false);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn set_stuck(&self, stuck: bool) {
        self.cell().lock().line.set_stuck(stuck);
    }

    /// The reader's number.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// assert_eq!(reader.id(), simulator.device_ids()[0]);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.cell().device()
    }

    /// The smallest id in the log.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// assert_eq!(reader.oldest_id(), Some(1));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn oldest_id(&self) -> Option<u32> {
        self.cell().lock().life.log().ids().min()
    }

    /// The greatest id in the log.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// assert_eq!(reader.newest_id(), Some(10));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn newest_id(&self) -> Option<u32> {
        self.cell().lock().life.log().ids().max()
    }

    /// How many events are in the log; in a replayed one, how many rows.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// assert_eq!(reader.len(), 10);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.cell().lock().life.log().len()
    }

    /// Whether the log is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// assert!(!reader.is_empty());
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which life of the id counter this is, counted from 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// assert_eq!(reader.epoch(), 0);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.cell().lock().life.log().epoch()
    }

    /// The reader's clock. It goes with the events and stands still between them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::Simulator;
    /// # let simulator = Simulator::new("devices=1&backlog=10")?;
    /// # let reader = simulator.reader(simulator.device_ids()[0])?;
    /// assert!(reader.time().as_unix_seconds() > 0);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.cell().lock().life.clock()
    }

    fn cell(&self) -> &SimDevice {
        &self.shared.readers[self.position]
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("device", &self.id()).finish_non_exhaustive()
    }
}

/// One reader as the simulator keeps it.
pub(super) struct SimDevice {
    device: DeviceId,
    /// Where it stands among all.
    position: usize,
    replayed: bool,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) life: DeviceState,
    pub(super) line: Connection,
    /// Whether the truth has all that this reader wrote up to now.
    told: bool,
}

impl SimDevice {
    /// A reader with its backlog.
    pub(super) fn new(
        world: &Arc<World>,
        settings: &SimOptions,
        device: DeviceId,
        index: u32,
        origin: Origin,
        past: Option<Past>,
    ) -> Self {
        let replayed = matches!(origin, Origin::Replay(_));
        let mut life = DeviceState::new(world, device, origin, settings.backlog);
        match past {
            Some(past) => life.relive(past.made, &past.turns, &mut |_, _| {}),
            None => life.relive(settings.backlog.into(), &[], &mut |_, _| {}),
        }
        let line = Connection::new(settings.seed, device, index, settings.faults);
        let position = index as usize;
        Self { device, position, replayed, state: Mutex::new(State { life, line, told: false }) }
    }

    pub(super) fn device(&self) -> DeviceId {
        self.device
    }

    pub(super) fn is_replayed(&self) -> bool {
        self.replayed
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    ///
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for a replayed reader,
    /// [`Storage`](crate::ErrorKind::Storage) where the state file cannot be written.
    pub(super) fn make(&self, books: &Books) -> Result<Event> {
        let mut state = self.lock();
        if self.replayed {
            return Err(state.line.error(NOT_SUPPORTED, "a replayed log makes no events"));
        }
        if let Some(journal) = &books.journal {
            journal.made(self.position, state.life.made() + 1);
            journal.check()?;
        }
        let event = state.life.make();
        let event = event.ok_or_else(|| state.line.error(NOT_SUPPORTED, "a replayed log makes no events"))?;
        state.tell(books, &event);
        Ok(event)
    }

    pub(super) fn act(&self, books: &Books, act: Command) -> Event {
        self.lock().act(books, act)
    }

    /// Writes all that happened up to now, and from now on whatever happens.
    pub(super) fn retell(&self, books: &Books) {
        let mut state = self.lock();
        if let Some(truth) = books.truth.get() {
            let mut truth = truth.lock().unwrap_or_else(PoisonError::into_inner);
            state.life.retell(&mut |epoch, event| truth.write(self.device, epoch, event));
            state.told = true;
        }
    }
}

impl State {
    /// Does something that the reader writes down.
    pub(super) fn act(&mut self, books: &Books, act: Command) -> Event {
        self.note(books, &HistoryEntry::Command(act));
        let event = self.life.act(act);
        self.tell(books, &event);
        event
    }

    pub(super) fn set_filters(&mut self, books: &Books, filters: &[ImageFilter]) {
        self.note(books, &HistoryEntry::Filters(filters.to_vec()));
        self.life.set_filters(filters);
    }

    fn note(&self, books: &Books, turn: &HistoryEntry) {
        if let Some(journal) = &books.journal {
            journal.turn(self.life.device(), self.life.made(), turn);
        }
    }

    /// Tells an event to the truth and to those who listen. The lock is held all the while, so that nobody gets two
    /// events in another order than the reader's.
    fn tell(&mut self, books: &Books, event: &Event) {
        if self.told
            && let Some(truth) = books.truth.get()
        {
            let mut truth = truth.lock().unwrap_or_else(PoisonError::into_inner);
            truth.write(event.device_id(), self.life.log().epoch(), event);
        }
        // What could not be noted is not told: a simulator that goes on with the file would not know of it.
        if books.check().is_ok() {
            self.line.report(event);
        }
    }
}
