//! Events read together.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use super::paging::{Answer, Ordered};
use crate::codec::{DecodeError, Event, Extras};
use crate::{Error, ErrorKind, Result};

/// Events read together, in the bytes in which they came: a page derefs to `[Event]`.
///
/// Cloning and slicing share the bytes. Where they belong to a library, that library's memory is released when the
/// last clone is dropped. `Debug` shows the number of events, not the events.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, Event, EventCode};
/// use bs2_events::device::EventPage;
///
/// let event = |id| Event::builder(DeviceId::new(1), id, EventCode::DOOR_OPENED).build();
/// let page = EventPage::from(vec![event(7), event(8)]);
/// assert_eq!(page.len(), 2);
/// assert_eq!(page.last().map(Event::id), Some(8));
///
/// assert_eq!(EventPage::from_bytes(vec![0; 96].into())?.len(), 2);
/// assert!(EventPage::from_bytes(vec![0; 95].into()).is_err());
/// # Ok::<(), bs2_events::codec::DecodeError>(())
/// ```
#[derive(Clone, Default)]
pub struct EventPage {
    bytes: Bytes,
    repeated: u64,
    /// Whether the ids are known to ascend: looking once is enough, since a long page does not fit into a cache.
    ascends: bool,
    /// By ascending event id, each once; only of events on this page.
    extras: Vec<(u32, Extras)>,
    /// Events that the device gave and that no record can hold, and why.
    unreadable: Vec<(u32, String)>,
    /// Whether the backend asked for the record of `after` itself.
    overlaps: bool,
}

impl EventPage {
    /// The events in these bytes, without copying them.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes end inside an event.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, DecodeError> {
        Event::slice_from_bytes(&bytes)?;
        Ok(Self { bytes, ..Self::default() })
    }

    /// Adds what the backend reports of the events beyond their 48 bytes, by event id.
    ///
    /// Extras of an event that is not on the page are dropped. Extras that are given twice for one event are merged.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::{DeviceId, Event, EventCode, Extras, Temperature};
    /// use bs2_events::device::EventPage;
    ///
    /// let event = |id| Event::builder(DeviceId::new(1), id, EventCode::VERIFY_SUCCESS).build();
    /// let extras = Extras::default().with_temperature(Temperature::from_hundredths(3_655));
    /// let page = EventPage::from(vec![event(7), event(8)]).with_extras(vec![(8, extras.clone())]);
    /// assert_eq!(page.extras_of(7), None);
    /// assert_eq!(page.extras_of(8), Some(&extras));
    /// ```
    #[must_use]
    pub fn with_extras(mut self, mut extras: Vec<(u32, Extras)>) -> Self {
        extras.retain(|(_, extras)| !extras.is_empty());
        extras.sort_by_key(|(id, _)| *id);
        extras.dedup_by(|(id, more), (kept_id, kept)| {
            let is_same_event = id == kept_id;
            if is_same_event {
                merge(kept, more);
            }
            is_same_event
        });
        self.extras = extras;
        self.drop_extras_of_others();
        self
    }

    /// The bytes of the events, one after the other.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The extras of the events on this page, by ascending event id. Most events have none.
    #[must_use]
    pub fn extras(&self) -> &[(u32, Extras)] {
        &self.extras
    }

    /// The extras of the event with this id.
    #[must_use]
    pub fn extras_of(&self, event_id: u32) -> Option<&Extras> {
        let at = self.extras.binary_search_by_key(&event_id, |(id, _)| *id).ok()?;
        self.extras.get(at).map(|(_, extras)| extras)
    }

    /// How many records of the answer were left out of this page because they had been given before.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Adds an event that the device gave and that no record can hold. It ends the page before it, and the page after
    /// that begins with the error.
    #[must_use]
    pub fn with_unreadable(mut self, event_id: u32, reason: impl Into<String>) -> Self {
        self.unreadable.push((event_id, reason.into()));
        self
    }

    /// Says that the backend asked for the record of `after` itself, so that it is no repetition.
    #[cfg(feature = "gateway")]
    pub(crate) fn overlapping(mut self) -> Self {
        self.overlaps = true;
        self
    }

    /// The events of this ascending page whose ids are greater than `after`; those before were asked for twice on
    /// purpose and are not counted.
    #[cfg(feature = "collect")]
    pub(crate) fn after(mut self, after: u32) -> Self {
        let known = self.partition_point(|event| event.id() <= after);
        self.bytes = self.bytes.slice(known * Event::SIZE..);
        self.drop_extras_of_others();
        self
    }

    /// The first `count` events.
    pub(crate) fn truncated(mut self, count: usize) -> Self {
        self.bytes.truncate(count.saturating_mul(Event::SIZE));
        self.drop_extras_of_others();
        self
    }

    /// All events but the one at this place.
    #[cfg(feature = "sim")]
    pub(crate) fn without(mut self, index: usize) -> Self {
        let mut events = self.to_vec();
        if index < events.len() {
            events.remove(index);
        }
        self.bytes = Self::from(events).bytes;
        self.drop_extras_of_others();
        self
    }

    fn drop_extras_of_others(&mut self) {
        if self.extras.is_empty() {
            return;
        }
        let mut ids: Vec<u32> = self.iter().map(Event::id).collect();
        ids.sort_unstable();
        self.extras.retain(|(id, _)| ids.binary_search(id).is_ok());
    }
}

impl Answer for EventPage {
    const IS_DENSE: bool = true;

    fn count(&self) -> usize {
        self.len().saturating_add(self.unreadable.len())
    }

    /// An answer that is in order is not copied, nor is one that begins too early.
    fn in_order(mut self, after: u32) -> Result<Ordered<Self>> {
        let leading = self.iter().take_while(|event| event.id() <= after).count();
        let is_after = |id| after > 0 && id == after;
        let mut had_after = self.iter().take(leading).any(|event| is_after(event.id()))
            || self.unreadable.iter().any(|(id, _)| is_after(*id));
        self.unreadable.retain(|(id, _)| *id > after);
        if leading > 0 {
            let asked_for = u64::from(had_after && self.overlaps);
            self.repeated += u64::try_from(leading).unwrap_or(u64::MAX).saturating_sub(asked_for);
            self.bytes = self.bytes.slice(leading * Event::SIZE..);
            self.drop_extras_of_others();
        }
        self.ascends = self.ascends || ascends(&self);
        if self.ascends {
            return Ok(Ordered { answer: self, was_sorted: true, had_after });
        }
        let was_sorted = self.is_sorted_by_key(Event::id);
        let had_after_here = self.iter().any(|event| is_after(event.id()));
        had_after = had_after || had_after_here;
        let answered = self.len();
        let mut events: Vec<Event> = self.iter().filter(|event| event.id() > after).copied().collect();
        events.sort_by_key(Event::id);
        let one_id = |pair: &&[Event]| matches!(pair, [a, b] if a.id() == b.id() && !a.is_same_event(b));
        if let Some(event) = events.windows(2).find(one_id).and_then(<[_]>::first) {
            let message = format!("different events have the id {}", event.id());
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        events.dedup_by(|more, kept| {
            let is_repetition = more.id() == kept.id();
            if is_repetition {
                *kept = kept.completed_with(more, false);
            }
            is_repetition
        });
        let asked_for = usize::from(had_after_here && self.overlaps);
        let dropped = u64::try_from(answered - events.len() - asked_for).unwrap_or(u64::MAX);
        let page = Self {
            repeated: self.repeated + dropped,
            ascends: true,
            unreadable: self.unreadable,
            ..Self::from(events)
        };
        Ok(Ordered { answer: page.with_extras(self.extras), was_sorted, had_after })
    }

    fn cut(mut self, max: u32) -> Result<Self> {
        let mut unreadable = std::mem::take(&mut self.unreadable);
        let mut end = self.len();
        if let Some((id, reason)) = unreadable.drain(..).min_by_key(|(id, _)| *id) {
            end = self.partition_point(|event| event.id() < id);
            if end == 0 {
                return Err(Error::new(ErrorKind::InvalidData, reason).with_unreadable_event(id));
            }
        }
        let end = end.min(usize::try_from(max).unwrap_or(usize::MAX));
        Ok(if end < self.len() { self.truncated(end) } else { self })
    }

    fn is_empty(&self) -> bool {
        self.count() == 0
    }

    fn lowest(&self) -> Option<u32> {
        self.iter().map(Event::id).chain(self.unreadable.iter().map(|(id, _)| *id)).min()
    }

    fn repeated(&self) -> u64 {
        self.repeated
    }

    fn with_repeated(mut self, more: u64) -> Self {
        self.repeated += more;
        self
    }
}

/// Adds to `kept` what only `more` has.
fn merge(kept: &mut Extras, more: &mut Extras) {
    kept.job_code = kept.job_code.or(more.job_code);
    kept.temperature = kept.temperature.or(more.temperature);
    more.subjects.retain(|subject| !kept.subjects.contains(subject));
    kept.subjects.append(&mut more.subjects);
}

fn ascends(events: &[Event]) -> bool {
    events.windows(2).all(|pair| matches!(pair, [a, b] if a.id() < b.id()))
}

impl Deref for EventPage {
    type Target = [Event];

    fn deref(&self) -> &[Event] {
        Event::slice_from_prefix(&self.bytes).0
    }
}

impl From<Vec<Event>> for EventPage {
    /// Takes the events over without copying them.
    fn from(events: Vec<Event>) -> Self {
        struct Owner(Vec<Event>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                Event::slice_as_bytes(&self.0)
            }
        }
        Self { bytes: Bytes::from_owner(Owner(events)), ..Self::default() }
    }
}

impl fmt::Debug for EventPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventPage").field("events", &self.len()).field("repeated", &self.repeated).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::{DeviceId, EventCode, ExtraSubject, SubjectKind, Temperature};

    #[test]
    fn keeps_the_bytes_of_an_answer_that_only_repeats_the_boundary() {
        let page = page(&[5, 6, 7]);
        let address = page.as_bytes().as_ptr();
        let page = page.in_order(5).unwrap().answer;
        assert_eq!(ids(&page), [6, 7]);
        assert_eq!(page.repeated(), 1);
        assert_eq!(page.as_bytes().as_ptr(), address.wrapping_add(Event::SIZE));
    }

    #[test]
    fn two_different_events_with_one_id_are_an_error_and_no_repetition() {
        let build = |code| Event::builder(DeviceId::new(1), 9, code);
        let (event, other) = (build(EventCode::VERIFY_SUCCESS), build(EventCode::VERIFY_FAIL).build());
        // The second time it knows the T&A key.
        let page = EventPage::from(vec![event.build(), event.param(3).build()]).in_order(0).unwrap().answer;
        assert_eq!((page.first().unwrap().param(), page.len(), page.repeated()), (3, 1, 1));
        let error = EventPage::from(vec![event.build(), other]).in_order(0).err().unwrap();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::InvalidData, "different events have the id 9")
        );
    }

    #[test]
    fn extras_stay_with_their_events_and_with_no_other() {
        let extras = |ids: &[u32]| ids.iter().map(|id| (*id, card(9))).collect::<Vec<_>>();
        let whole = page(&[5, 6, 7, 8]).with_extras(extras(&[8, 5, 6, 6, 9]));
        assert_eq!(whole.extras(), extras(&[5, 6, 8]));
        assert_eq!(whole.clone().cut(2).unwrap().extras(), extras(&[5, 6]));
        let later = whole.in_order(5).unwrap().answer;
        assert_eq!(later.extras(), extras(&[6, 8]));
        #[cfg(feature = "collect")]
        assert_eq!(later.after(7).extras(), extras(&[8]));
        let disordered = page(&[8, 5, 8, 7]).with_extras(extras(&[8, 7, 5, 8])).in_order(5).unwrap().answer;
        assert_eq!((ids(&disordered), disordered.extras()), (vec![7, 8], &extras(&[7, 8])[..]));
    }

    #[test]
    fn extras_that_are_given_twice_are_merged_and_empty_ones_are_dropped() {
        let warm = Extras::default().with_temperature(Temperature::from_hundredths(3_655));
        let given = vec![(5, card(9)), (6, Extras::default()), (5, warm), (5, card(9)), (5, card(8))];
        let merged = card(9).with_temperature(Temperature::from_hundredths(3_655));
        let merged = merged.with_subject(card(8).subjects[0]);
        assert_eq!(page(&[5, 6]).with_extras(given).extras(), [(5, merged)]);
    }

    #[test]
    fn a_page_ends_before_an_event_that_cannot_be_read() {
        let answer =
            |given: &[u32]| page(given).with_unreadable(9, "too long").with_unreadable(6, "too long");
        let begun = answer(&[5, 7]).in_order(0).unwrap().answer.cut(10).unwrap();
        assert_eq!(ids(&begun), [5]);
        let error = answer(&[5, 7]).in_order(5).unwrap().answer.cut(10).unwrap_err();
        assert_eq!((error.kind(), error.unreadable_event()), (ErrorKind::InvalidData, Some(6)));
        assert_eq!(ids(&answer(&[5, 7]).in_order(6).unwrap().answer.cut(10).unwrap()), [7]);
    }

    proptest! {
        #[test]
        fn orders_any_answer_and_counts_what_it_leaves_out(
            given in proptest::collection::vec(0u32..40, 0..60), after in 0u32..40
        ) {
            let page = page(&given).in_order(after).unwrap().answer;
            let expected: std::collections::BTreeSet<_> = given.iter().copied().filter(|id| *id > after).collect();
            prop_assert_eq!(ids(&page), expected.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(page.len() as u64 + page.repeated(), given.len() as u64);
        }
    }

    fn page(ids: &[u32]) -> EventPage {
        let event = |id: &u32| Event::builder(DeviceId::new(1), *id, EventCode::DOOR_OPENED).build();
        EventPage::from(ids.iter().map(event).collect::<Vec<_>>())
    }

    fn card(byte: u8) -> Extras {
        Extras::default().with_subject(ExtraSubject::new(SubjectKind::Card, [byte; 32]))
    }

    fn ids(page: &EventPage) -> Vec<u32> {
        page.iter().map(Event::id).collect()
    }
}
