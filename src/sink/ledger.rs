//! The account of one epoch that a sink keeps: which ids are stored, which are missing, and the watermark.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::{Batch, Gap, GapReason, Stored};
use crate::Result;
use crate::codec::{DeviceId, Event};

/// The account of one epoch of one device, for sinks: it applies the rules of [`Sink`](super::Sink) to each batch.
///
/// It knows the first id, the watermark, the gaps, and which ids are stored, as ranges. It holds no events, so it
/// stays small: a log without holes is one range. A sink keeps one ledger for each `(device, epoch)` and writes what
/// [`record`](Self::record) leaves in the batch. `examples/custom_sink.rs` is a whole sink for a file.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, Event, EventCode};
/// use bs2_events::sink::{Batch, GapReason, Ledger, Stored};
///
/// let device = DeviceId::new(7);
/// let event = |id| Event::builder(device, id, EventCode::DOOR_OPENED).build();
/// let mut ledger = Ledger::new(device, 0);
///
/// // The device lost 3 to 5.
/// let mut batch =
///     Batch::new(device, 0, 1, 6).with_events([1, 2, 6].map(event)).with_gap(3, 5, GapReason::Unknown);
/// ledger.record(&mut batch)?;
///
/// // Event 4 arrives late, and event 6 once more.
/// let mut batch = Batch::new(device, 0, 1, 6).with_events([4, 6].map(event));
/// assert_eq!(ledger.record(&mut batch)?, Stored { new: 1, repeated: 1 });
/// assert_eq!(batch.events, [event(4)]);
/// let gaps: Vec<_> = ledger.gaps().map(|gap| (gap.from, gap.to)).collect();
/// assert_eq!(gaps, [(3, 3), (5, 5)]);
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ledger {
    device: DeviceId,
    epoch: u32,
    /// The first id and the watermark.
    span: Option<(u32, u32)>,
    /// The stored ids: the last id of each range by its first.
    stored: BTreeMap<u32, u32>,
    /// The last id and the reason of each gap by its first id.
    gaps: BTreeMap<u32, (u32, GapReason)>,
}

impl Ledger {
    /// The ledger of an epoch in which nothing is stored.
    #[must_use]
    pub const fn new(device: DeviceId, epoch: u32) -> Self {
        Self { device, epoch, span: None, stored: BTreeMap::new(), gaps: BTreeMap::new() }
    }

    /// Sets the first id and the watermark, as a sink has them stored.
    #[must_use]
    pub const fn with_span(mut self, first: u32, watermark: u32) -> Self {
        self.span = Some((first, watermark));
        self
    }

    /// Adds gaps, as a sink has them stored.
    #[must_use]
    pub fn with_gaps(mut self, gaps: impl IntoIterator<Item = Gap>) -> Self {
        self.gaps.extend(gaps.into_iter().map(|gap| (gap.from, (gap.to, gap.reason))));
        self
    }

    /// Adds ids of events that a sink has stored.
    #[must_use]
    pub fn with_stored(mut self, ids: impl IntoIterator<Item = RangeInclusive<u32>>) -> Self {
        for ids in ids.into_iter().filter(|ids| !ids.is_empty()) {
            self.insert(*ids.start(), *ids.end());
        }
        self
    }

    /// Records a batch, and leaves in it only the events that are not stored yet.
    ///
    /// An event that lies in a gap is taken out of the gap; a gap is recorded around stored events and around other
    /// gaps. The watermark never falls, and a batch whose ids neither overlap nor follow the recorded ones changes
    /// neither the first id nor the watermark.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a batch that contradicts itself ([`Batch::check`]); it is
    /// not recorded.
    pub fn record(&mut self, batch: &mut Batch) -> Result<Stored> {
        batch.check()?;
        let all = batch.events.len();
        batch.events.retain(|event| self.insert_event(event));
        for gap in &batch.gaps {
            self.insert_gap(*gap);
        }
        self.widen(batch.first, batch.watermark);
        let count = |events| u64::try_from(events).unwrap_or(u64::MAX);
        Ok(Stored { new: count(batch.events.len()), repeated: count(all.saturating_sub(batch.events.len())) })
    }

    /// The device.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// The epoch.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The first id that the collection covers; `None` before the first batch.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.span.map(|(first, _)| first)
    }

    /// Every id from the first to here is stored or in a gap; `None` before the first batch.
    #[must_use]
    pub fn watermark(&self) -> Option<u32> {
        self.span.map(|(_, watermark)| watermark)
    }

    /// Whether an event with this id is stored.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        self.stored.range(..=id).next_back().is_some_and(|(_, last)| *last >= id)
    }

    /// The gaps, ascending.
    pub fn gaps(&self) -> impl Iterator<Item = Gap> {
        let (device, epoch) = (self.device, self.epoch);
        self.gaps.iter().map(move |(&from, &(to, reason))| Gap { device, epoch, from, to, reason })
    }

    /// The stored ids, as ranges in ascending order that do not touch.
    pub fn stored(&self) -> impl Iterator<Item = RangeInclusive<u32>> {
        self.stored.iter().map(|(first, last)| *first..=*last)
    }

    /// The ids of stored events above the watermark, ascending: those of a
    /// [`ResumePoint`](super::ResumePoint::above).
    pub fn above(&self) -> impl Iterator<Item = u32> {
        let first = self.watermark().map_or(Some(0), |watermark| watermark.checked_add(1));
        let ranges = first.into_iter().flat_map(|first| {
            self.stored()
                .filter(move |ids| *ids.end() >= first)
                .map(move |ids| first.max(*ids.start())..=*ids.end())
        });
        ranges.flatten()
    }

    /// Notes an event; whether it is new. An event that lies in a gap is taken out of the gap.
    fn insert_event(&mut self, event: &Event) -> bool {
        let id = event.id();
        let is_new = !self.contains(id);
        if is_new {
            self.insert(id, id);
        }
        if let Some((&from, &(to, reason))) = self.gaps.range(..=id).next_back()
            && to >= id
        {
            self.gaps.remove(&from);
            let gap = Gap { device: self.device, epoch: self.epoch, from, to, reason };
            self.extend_gaps(gap.without([(id, id)]));
        }
        is_new
    }

    /// Adds a gap around what is stored and around other gaps.
    fn insert_gap(&mut self, gap: Gap) {
        let stored = self.stored.range(..=gap.to).rev().map(|(from, to)| (*from, *to));
        let gaps = self.gaps.range(..=gap.to).rev().map(|(from, (to, _))| (*from, *to));
        let touches = |(_, to): &(u32, u32)| *to >= gap.from;
        let mut taken: Vec<_> = stored.take_while(touches).chain(gaps.take_while(touches)).collect();
        taken.sort_unstable();
        self.extend_gaps(gap.without(taken));
    }

    fn extend_gaps(&mut self, gaps: Vec<Gap>) {
        self.gaps.extend(gaps.into_iter().map(|gap| (gap.from, (gap.to, gap.reason))));
    }

    /// Adds a range of stored ids, and joins it with those that it touches.
    fn insert(&mut self, mut from: u32, mut to: u32) {
        if let Some((&before, last)) = self.stored.range(..=from).next_back()
            && last.saturating_add(1) >= from
        {
            (from, to) = (before, to.max(*last));
        }
        while let Some((&after, &last)) =
            self.stored.range(from.saturating_add(1)..=to.saturating_add(1)).next()
        {
            self.stored.remove(&after);
            to = to.max(last);
        }
        self.stored.insert(from, to);
    }

    /// Widens the span of ids that the collection covers, if the batch's span overlaps it or follows it.
    fn widen(&mut self, from: u32, to: u32) {
        let (first, watermark) = self.span.unwrap_or((from, to));
        let follows = from <= watermark.saturating_add(1);
        let precedes = first <= to.saturating_add(1);
        self.span =
            Some(if follows && precedes { (first.min(from), watermark.max(to)) } else { (first, watermark) });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::codec::EventCode;

    const DEVICE: DeviceId = DeviceId::new(7);

    #[test]
    fn joins_stored_ids_up_to_both_ends_of_the_numbers() {
        let mut ledger = Ledger::new(DEVICE, 0).with_stored([0..=0, u32::MAX..=u32::MAX]);
        let ranges = |ledger: &Ledger| ledger.stored().collect::<Vec<_>>();
        assert_eq!(ranges(&ledger), [0..=0, u32::MAX..=u32::MAX]);
        ledger = ledger.with_stored([2..=4, 1..=1, u32::MAX - 1..=u32::MAX - 1]);
        assert_eq!(ranges(&ledger), [0..=4, u32::MAX - 1..=u32::MAX]);
        assert_eq!(ranges(&ledger.with_stored([3..=u32::MAX])), [0..=u32::MAX]);
    }

    #[test]
    fn a_refused_batch_changes_nothing() {
        let mut ledger = Ledger::new(DEVICE, 0);
        let mut batch = Batch::new(DEVICE, 0, 5, 3).with_events([event(5)]);
        assert!(ledger.record(&mut batch).is_err());
        assert_eq!((ledger, batch.events.len()), (Ledger::new(DEVICE, 0), 1));
    }

    proptest! {
        #[test]
        fn any_events_are_new_once_and_come_back_above_the_watermark(
            batches in vec(vec(0..50_u32, 0..20), 1..8), watermark in 0..50_u32
        ) {
            let (mut ledger, mut known) = (Ledger::new(DEVICE, 0), BTreeSet::new());
            for ids in batches {
                let mut batch = Batch::new(DEVICE, 0, 0, watermark).with_events(ids.iter().copied().map(event));
                let stored = ledger.record(&mut batch).unwrap();
                let new = ids.iter().filter(|id| known.insert(**id)).count();
                prop_assert_eq!(stored, Stored { new: new as u64, repeated: (ids.len() - new) as u64 });
                prop_assert_eq!(batch.events.len(), new);
            }
            prop_assert!((0..50).all(|id| ledger.contains(id) == known.contains(&id)));
            prop_assert!(ledger.above().eq(known.range(watermark + 1..).copied()));
        }
    }

    fn event(id: u32) -> Event {
        Event::builder(DEVICE, id, EventCode::DOOR_OPENED).build()
    }
}
