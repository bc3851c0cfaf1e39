//! Order, cut, ask again, and the end of a log: decided here and nowhere else, for events, blobs and pictures.
//!
//! A backend answers once, as the device answered. Devices and gateways answer in many ways: some begin with the id
//! that was asked from, some repeat records, some disorder them, and some are shorter than they could be. So one answer
//! is rarely a page, and a short answer is never the end of a log. [`page`] turns answers into a page; [`fill`] reads
//! pages until it has enough.

use super::ImageLog;
use crate::codec::portable::PortableBlob;
use crate::{Error, ErrorKind, Result};

/// What a device answered to one question.
pub(super) trait Answer: Sized {
    /// How many records the device gave.
    fn count(&self) -> usize;

    /// What is after `after`, ascending, each record once.
    /// Errors: `InvalidData` if two different records have one id: neither repeats the other, and one would be lost.
    fn in_order(self, after: u32) -> Result<Ordered<Self>>;

    /// The first `max` records, up to the first that cannot be read.
    /// Errors: [`InvalidData`](ErrorKind::InvalidData) if the first record cannot be read.
    fn cut(self, max: u32) -> Result<Self>;

    /// Whether nothing is left, not even a record that cannot be read.
    fn is_empty(&self) -> bool;

    /// How many records were left out because they were given before.
    fn repeated(&self) -> u64;

    /// Counts records that were left out of an earlier answer.
    fn with_repeated(self, more: u64) -> Self;
}

/// An answer in order, and what it was before.
pub(super) struct Ordered<A> {
    pub(super) answer: A,
    /// Whether the records were ascending as they came; repetitions do not count.
    pub(super) was_sorted: bool,
    /// Whether the record of `after` itself was among them.
    pub(super) had_after: bool,
}

/// The records after `after`, at most `max`, ascending, each once. An empty page is the end of the log.
///
/// `ask(from, amount)` asks the device once. It is asked again
///
/// * for more, if a full answer held nothing new: what is new follows;
/// * for more, if a full answer was disordered: what comes first may follow;
/// * from the next id, if an answer that is not full held nothing but records up to `after`, with that of `after`
///   itself: the device takes the id for the first that is wanted, and its answers are short.
///
/// Errors: those of `ask`; `InvalidData` if the first record cannot be read, if different records have one id, or if
/// full answers never get beyond `after`.
pub(super) async fn page<A: Answer + Send, F: Future<Output = Result<A>> + Send>(
    after: u32,
    max: u32,
    ask: impl Fn(u32, u32) -> F + Send + Sync,
) -> Result<A> {
    let (mut from, mut amount, mut repeated) = (after, max.clamp(1, MOST), 0);
    loop {
        let answer = ask(from, amount).await?;
        let count = answer.count();
        let is_full = u32::try_from(count).map_or(true, |count| count >= amount);
        let Ordered { answer, was_sorted, had_after } = answer.in_order(after)?;
        let is_empty = answer.is_empty();
        if is_full && amount < MOST && (is_empty || !was_sorted) {
            amount = amount.saturating_mul(2).saturating_add(1).min(MOST);
        } else if is_full && is_empty {
            let message = format!("{count} records of the log, and none is after event {after}");
            return Err(Error::new(ErrorKind::InvalidData, message));
        } else if is_empty && had_after && from == after && after < u32::MAX {
            from = after.saturating_add(1);
        } else {
            // A later answer repeats what an earlier one did.
            let earlier = answer.repeated().max(repeated).saturating_sub(answer.repeated());
            return Ok(answer.cut(max)?.with_repeated(earlier));
        }
        repeated = answer.repeated();
    }
}

/// Items after `after`, ascending, each once, read page by page until there are `max` or the log ends.
/// Errors: as [`page`], except for an item that cannot be read behind others that can.
pub(super) async fn fill<T: Item + Send, F: Future<Output = Result<Vec<T>>> + Send>(
    after: u32,
    max: u32,
    ask: impl Fn(u32, u32) -> F + Send + Sync,
) -> Result<Vec<T>> {
    let (mut items, mut cursor) = (Vec::new(), after);
    loop {
        let wanted = max.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        if wanted == 0 {
            return Ok(items);
        }
        match page(cursor, wanted, &ask).await {
            Ok(more) => {
                let Some(last) = more.last() else { return Ok(items) };
                cursor = last.id();
                items.extend(more);
            }
            Err(error) if error.unreadable_event().is_some() && !items.is_empty() => return Ok(items),
            Err(error) => return Err(error),
        }
    }
}

/// What a log holds beside events.
pub(super) trait Item: PartialEq {
    const PLURAL: &str;

    /// The id of the event to which it belongs.
    fn id(&self) -> u32;
}

impl Item for PortableBlob<'static> {
    const PLURAL: &str = "blobs";

    fn id(&self) -> u32 {
        self.head().id()
    }
}

impl Item for ImageLog {
    const PLURAL: &str = "pictures";

    fn id(&self) -> u32 {
        self.event.id()
    }
}

impl<T: Item> Answer for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }

    fn in_order(mut self, after: u32) -> Result<Ordered<Self>> {
        let had_after = after > 0 && self.iter().any(|item| item.id() == after);
        self.retain(|item| item.id() > after);
        let was_sorted = self.is_sorted_by_key(Item::id);
        self.sort_by_key(Item::id);
        let one_id = |pair: &&[T]| matches!(pair, [a, b] if a.id() == b.id() && a != b);
        if let Some(item) = self.windows(2).find(one_id).and_then(<[_]>::first) {
            let message = format!("different {} have the id {}", T::PLURAL, item.id());
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        self.dedup();
        Ok(Ordered { answer: self, was_sorted, had_after })
    }

    fn cut(mut self, max: u32) -> Result<Self> {
        self.truncate(usize::try_from(max).unwrap_or(usize::MAX));
        Ok(self)
    }

    fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    fn repeated(&self) -> u64 {
        0
    }

    fn with_repeated(self, _: u64) -> Self {
        self
    }
}

/// No device keeps more records: the largest keep three million.
const MOST: u32 = 4_000_000;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::codec::{DeviceId, Event, EventCode};
    use crate::device::EventPage;

    #[tokio::test]
    async fn an_exclusive_device_is_asked_once_also_at_the_end_of_its_log() {
        assert_eq!(read(5, 2, |from, amount| ids(from + 1, amount, 10)).await, (vec![6, 7], vec![(5, 2)]));
        assert_eq!(read(10, 2, |from, amount| ids(from + 1, amount, 10)).await, (vec![], vec![(10, 2)]));
    }

    #[tokio::test]
    async fn short_inclusive_answers_do_not_end_the_log() {
        let inclusive = |from, _| ids(from, 1, 10);
        assert_eq!(read(5, 7, inclusive).await, (vec![6], vec![(5, 7), (6, 7)]));
        assert_eq!(read(10, 7, inclusive).await, (vec![], vec![(10, 7), (11, 7)]));
    }

    #[tokio::test]
    async fn full_answers_with_nothing_new_do_not_end_the_log() {
        let from_the_first = |_, amount| ids(1, amount, 10);
        assert_eq!(read(5, 2, from_the_first).await, (vec![6, 7], vec![(5, 2), (5, 5), (5, 11)]));
    }

    #[tokio::test]
    async fn a_full_answer_out_of_order_may_hold_back_what_comes_first() {
        let newest_first = |_, amount: u32| (1..=10).rev().take(amount as usize).collect::<Vec<_>>();
        let (found, asked) = read(5, 2, newest_first).await;
        assert_eq!((found, asked), (vec![6, 7], vec![(5, 2), (5, 5), (5, 11)]));
    }

    #[tokio::test]
    async fn repetitions_are_left_out_and_what_is_more_is_cut_off() {
        let repeating = |from, _| vec![from, from + 1, from + 1, from + 2, from + 3, from + 4];
        assert_eq!(read(5, 3, repeating).await.0, [6, 7, 8]);
    }

    /// The ids of a page, and the questions that it took.
    async fn read(
        after: u32,
        max: u32,
        answer: impl Fn(u32, u32) -> Vec<u32> + Send + Sync,
    ) -> (Vec<u32>, Vec<(u32, u32)>) {
        let asked = Mutex::new(Vec::new());
        let ask = |from, amount| {
            asked.lock().unwrap().push((from, amount));
            let event = |id| Event::builder(DeviceId::new(1), id, EventCode::DOOR_OPENED).build();
            let events: Vec<Event> = answer(from, amount).into_iter().map(event).collect();
            std::future::ready(Ok(EventPage::from(events)))
        };
        let page = page(after, max, ask).await.unwrap();
        let ids = page.iter().map(Event::id).collect();
        (ids, asked.into_inner().unwrap())
    }

    fn ids(from: u32, amount: u32, last: u32) -> Vec<u32> {
        (from.max(1)..=last).take(amount as usize).collect()
    }
}
