//! The memory of one device: its ring of events.

use std::collections::{BTreeSet, VecDeque};

use super::recorded_log::RecordedLog;
use crate::codec::Event;

/// The memory of a device: a ring of events in the order in which they were written, the ids that have a picture, and
/// the id counter.
pub(super) struct EventLog {
    events: VecDeque<Event>,
    pictures: VecDeque<u32>,
    capacity: usize,
    /// More than 32 bits, so that the end of the counter is seen.
    next_id: u64,
    epoch: u32,
    /// Whether the ids rise; only a recorded log may have them in another order.
    ascending: bool,
}

impl EventLog {
    /// An empty log, with room for `expected` events to begin with.
    pub(super) fn new(capacity: usize, expected: usize) -> Self {
        Self {
            events: VecDeque::with_capacity(capacity.min(expected)),
            pictures: VecDeque::new(),
            capacity,
            next_id: FIRST_ID.into(),
            epoch: 0,
            ascending: true,
        }
    }

    /// A log that holds the rows of a recorded log in their order, and its pictures.
    pub(super) fn recorded(RecordedLog { rows, pictures, .. }: &RecordedLog) -> Self {
        let newest = rows.iter().map(Event::id).max();
        Self {
            next_id: u64::from(newest.unwrap_or(FIRST_ID - 1)) + 1,
            ascending: rows.is_sorted_by(|a, b| a.id() < b.id()),
            events: rows.iter().copied().collect(),
            pictures: pictures.keys().copied().collect(),
            ..Self::new(usize::MAX, 0)
        }
    }

    /// Writes the event that `make` makes of its id. A full ring loses its oldest event.
    pub(super) fn append(&mut self, make: impl FnOnce(u32) -> Event) -> Event {
        let id = u32::try_from(self.next_id).unwrap_or_else(|_| {
            // The vendor says that ids continue from 0 after the last one: that is the next epoch.
            self.restart_ids(0);
            0
        });
        self.next_id = u64::from(id) + 1;
        if self.events.len() >= self.capacity {
            let gone = self.events.pop_front();
            if gone.is_some_and(|gone| self.pictures.front() == Some(&gone.id())) {
                self.pictures.pop_front();
            }
        }
        if self.events.len() == self.events.capacity() {
            // A quarter more, not twice as much: a thousand devices share a machine.
            let room = (self.events.len() / 4 + 64).min(self.capacity - self.events.len());
            self.events.reserve_exact(room);
        }
        let event = make(id);
        self.events.push_back(event);
        if event.flags().has_image() {
            if self.pictures.len() >= PICTURES {
                self.pictures.pop_front();
            }
            self.pictures.push_back(id);
        }
        event
    }

    /// Writes a row of a recorded log, which has its id already. Returns whether the log has this very row already.
    pub(super) fn append_row(&mut self, row: Event, has_picture: bool) -> bool {
        let id = row.id();
        let is_repeated = u64::from(id) < self.next_id && self.events.contains(&row);
        self.ascending = self.ascending && self.events.back().is_none_or(|last| last.id() < id);
        self.next_id = self.next_id.max(u64::from(id) + 1);
        self.events.push_back(row);
        if has_picture && let Err(position) = self.pictures.binary_search(&id) {
            self.pictures.insert(position, id);
        }
        is_repeated
    }

    /// Deletes everything; ids continue.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.pictures.clear();
        self.ascending = true;
    }

    /// Deletes everything; ids begin again.
    pub(super) fn restart_ids(&mut self, first: u32) {
        self.clear();
        self.next_id = u64::from(first);
        self.epoch = self.epoch.saturating_add(1);
    }

    /// Up to `max` events after `after`, or from `after` on. They are in the order in which they were written, unless
    /// a later page would then miss one: then they are in the order of their ids.
    pub(super) fn page(&self, after: u32, max: u32, inclusive: bool) -> Vec<Event> {
        let wanted = |event: &&Event| event.id() > after || inclusive && event.id() == after;
        if self.ascending {
            let start = self.events.partition_point(|event| !wanted(&event));
            return self.events.range(start..).take(max as usize).copied().collect();
        }
        let mut events: Vec<Event> = self.events.iter().filter(wanted).copied().collect();
        let (page, rest) = events.split_at(events.len().min(max as usize));
        let ids: BTreeSet<u32> = page.iter().map(Event::id).collect();
        let newest = ids.last().copied().unwrap_or(u32::MAX);
        // A later page begins behind the newest id of this one, so nothing older may be left out.
        if rest.iter().any(|event| event.id() < newest && !ids.contains(&event.id())) {
            events.sort_by_key(Event::id);
        }
        events.truncate(max as usize);
        events
    }

    /// The event with this id, if the log still has its picture.
    pub(super) fn with_picture(&self, id: u32) -> Option<Event> {
        self.pictures.binary_search(&id).ok()?;
        self.event(id)
    }

    /// Up to `max` events after `after` whose pictures the log still has.
    pub(super) fn pictures(&self, after: u32, max: u32) -> Vec<Event> {
        let start = self.pictures.partition_point(|id| *id <= after);
        self.pictures.range(start..).take(max as usize).filter_map(|id| self.event(*id)).collect()
    }

    /// The id of the event that was written first, of those that the log still has.
    pub(super) fn first_id(&self) -> Option<u32> {
        self.events.front().map(Event::id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.events.iter().map(Event::id)
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    fn event(&self, id: u32) -> Option<Event> {
        if self.ascending {
            let position = self.events.binary_search_by_key(&id, Event::id).ok()?;
            self.events.get(position).copied()
        } else {
            self.events.iter().find(|event| event.id() == id).copied()
        }
    }
}

/// How many pictures a device keeps.
pub(super) const PICTURES: usize = 1_000;

pub(super) const FIRST_ID: u32 = 1;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::codec::{DeviceId, EventCode, EventFlags};

    #[test]
    fn overwrites_the_oldest_when_full() {
        let mut log = EventLog::new(3, 0);
        fill(&mut log, 5);
        assert_eq!(log.ids().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(ids(&log.page(0, 10, false)), [3, 4, 5]);
        assert_eq!(ids(&log.page(3, 1, false)), [4]);
        assert_eq!(ids(&log.page(3, 10, true)), [3, 4, 5]);
        assert!(log.page(5, 10, false).is_empty());
    }

    #[test]
    fn continues_from_0_in_a_new_epoch_after_the_last_id() {
        let mut log = EventLog::new(10, 0);
        log.next_id = u64::from(u32::MAX);
        fill(&mut log, 1);
        assert_eq!((log.ids().last(), log.epoch()), (Some(u32::MAX), 0));
        fill(&mut log, 2);
        assert_eq!(log.ids().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(log.epoch(), 1);
    }

    #[test]
    fn keeps_a_thousand_pictures_and_none_of_events_that_are_gone() {
        let mut log = EventLog::new(1_500, 0);
        for _ in 0..1_200 {
            log.append(|id| event(id, EventFlags::IMAGE));
        }
        assert!(log.with_picture(200).is_none());
        assert_eq!(log.with_picture(201).map(|event| event.id()), Some(201));
        assert_eq!(ids(&log.pictures(0, 2)), [201, 202]);
        fill(&mut log, 800);
        assert_eq!(log.ids().next(), Some(501));
        assert!(log.with_picture(500).is_none());
        assert!(log.with_picture(501).is_some());
        log.clear();
        assert!(log.pictures(0, 9).is_empty());
    }

    #[test]
    fn recorded_rows_keep_their_order() {
        let rows = [7, 7, 9, 7, 8].map(|id| event(id, EventFlags::empty())).to_vec();
        let pictures = [(8, Bytes::new())].into();
        let mut log = EventLog::recorded(&RecordedLog { rows, pictures, ..RecordedLog::default() });
        assert_eq!(log.with_picture(8).map(|event| event.id()), Some(8));
        assert_eq!(ids(&log.pictures(0, 9)), [8]);
        assert_eq!(ids(&log.page(0, 10, false)), [7, 7, 9, 7, 8]);
        assert_eq!(ids(&log.page(7, 10, false)), [9, 8]);
        assert_eq!(ids(&log.page(7, 2, true)), [7, 7]);
        assert_eq!(ids(&log.page(0, 2, false)), [7, 7]);
        assert_eq!(ids(&log.page(0, 4, false)), [7, 7, 7, 8]);
        fill(&mut log, 1);
        assert_eq!(log.ids().last(), Some(10));
    }

    fn fill(log: &mut EventLog, count: u32) {
        for _ in 0..count {
            log.append(|id| event(id, EventFlags::empty()));
        }
    }

    fn event(id: u32, flags: EventFlags) -> Event {
        Event::builder(DeviceId::new(1), id, EventCode::DOOR_OPENED).flags(flags).build()
    }

    fn ids(events: &[Event]) -> Vec<u32> {
        events.iter().map(Event::id).collect()
    }
}
