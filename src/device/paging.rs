//! Order, cut, ask again, and the end of a log: decided here and nowhere else, for events, blobs and pictures.
//!
//! A backend answers once, as the device answered. Devices and gateways answer in many ways: some begin with the id
//! that was asked from, some repeat records, some disorder them, and some are shorter than they could be. So one answer
//! is rarely a page, and a short answer is never the end of a log. [`page`] turns answers into a page; [`fill`] reads
//! pages until it has enough.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::ImageLog;
use crate::codec::portable::PortableBlob;
use crate::sync::lock;
use crate::{Error, ErrorKind, Result};

/// What a device answered to one question.
pub(super) trait Answer: Sized {
    /// Whether the record after one follows it closely, so that a damaged one can be searched for by its id.
    const IS_DENSE: bool;

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

    /// The lowest id, also of a record that cannot be read.
    fn lowest(&self) -> Option<u32>;

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
///   itself: the device takes the id for the first that is wanted, and its answers are short;
/// * for half as many, if it refused or did not answer in time: down to one record. `size` remembers what worked.
///
/// If not even one record can be had, and others can, that record is damaged: the error names it.
///
/// Errors: those of `ask`; `InvalidData` if the first record cannot be read, if different records have one id, or if
/// full answers never get beyond `after`.
pub(super) async fn page<A: Answer + Send, F: Future<Output = Result<A>> + Send>(
    after: u32,
    max: u32,
    size: &PageSize,
    ask: impl Fn(u32, u32) -> F + Send + Sync,
) -> Result<A> {
    let max = max.clamp(1, MOST);
    let (mut from, mut amount, mut repeated) = (after, size.next(max), 0);
    // So many records hold nothing new, so fewer do not either.
    let mut too_few = 0_u32;
    let mut searches = 0;
    let begun = Instant::now();
    loop {
        let answer = match ask(from, amount).await {
            Ok(answer) => answer,
            Err(error) if !may_be_the_page(&error) => return Err(error),
            Err(error) if amount <= too_few.saturating_add(1) => {
                if !A::IS_DENSE || from != after || searches == MOST_SEARCHES {
                    return Err(error);
                }
                searches += 1;
                match (Search { after, amount, begun, ask: &ask }).run().await? {
                    Found::NoAnswer => return Err(error),
                    Found::Nothing => {}
                    Found::After => from = after.saturating_add(1),
                    Found::Damaged { first, last } => {
                        size.restore();
                        let message =
                            format!("the device does not give event {last} of its log, and gives others");
                        let error = Error::new(ErrorKind::InvalidData, message).with_source(error);
                        return Err(error.with_unreadable_events(first, last));
                    }
                }
                continue;
            }
            Err(error) => {
                // A device that is silent for so long is asked once more, and not a dozen times.
                let half = if begun.elapsed() > PATIENCE { 1 } else { amount / 2 };
                tracing::debug!(after, amount, %error, "a page is asked for again, with fewer records");
                size.failed(amount);
                amount = half.max(too_few.saturating_add(1));
                continue;
            }
        };
        let count = answer.count();
        let is_full = u32::try_from(count).map_or(true, |count| count >= amount);
        let Ordered { answer, was_sorted, had_after } = answer.in_order(after)?;
        let is_empty = answer.is_empty();
        if is_full && amount < MOST && (is_empty || !was_sorted) {
            too_few = amount;
            amount = amount.saturating_mul(2).saturating_add(1).min(MOST);
        } else if is_full && is_empty {
            let message = format!("{count} records of the log, and none is after event {after}");
            return Err(Error::new(ErrorKind::InvalidData, message));
        } else if is_empty && had_after && from == after && after < u32::MAX {
            from = after.saturating_add(1);
        } else {
            if is_full {
                size.worked(amount);
            }
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
    size: &PageSize,
    ask: impl Fn(u32, u32) -> F + Send + Sync,
) -> Result<Vec<T>> {
    let (mut items, mut cursor) = (Vec::new(), after);
    loop {
        let wanted = max.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        if wanted == 0 {
            return Ok(items);
        }
        match page(cursor, wanted, size, &ask).await {
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
    const IS_DENSE: bool = false;

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

    fn lowest(&self) -> Option<u32> {
        self.iter().map(Item::id).min()
    }

    fn repeated(&self) -> u64 {
        0
    }

    fn with_repeated(self, _: u64) -> Self {
        self
    }
}

/// The search for the record that cannot be had.
struct Search<'a, Ask> {
    after: u32,
    amount: u32,
    begun: Instant,
    ask: &'a Ask,
}

/// What a search found.
enum Found {
    /// Not even one record can be had from this id to that one, and others can.
    Damaged { first: u32, last: u32 },
    /// The record of `after` itself is in the way: ask from the next id.
    After,
    /// Nothing that can be relied on: the device answers now and then.
    Nothing,
    /// The device gives no record.
    NoAnswer,
}

impl<Ask> Search<'_, Ask> {
    /// Finds which ids after `after` cannot be had, once the first record after it could not: up to the first id from
    /// which the device answers again.
    async fn run<A: Answer + Send, F: Future<Output = Result<A>> + Send>(&self) -> Result<Found>
    where
        Ask: Fn(u32, u32) -> F + Send + Sync,
    {
        let after = self.after;
        let Some(first) = after.checked_add(1) else { return Ok(Found::NoAnswer) };
        let (mut is_proven, mut failed, mut step) = (false, after, 1);
        let (mut last, mut lowest) = loop {
            let probe = after.saturating_add(step);
            match self.probe(probe).await? {
                Some(lowest) => break (probe, lowest),
                None if probe == u32::MAX => return Ok(Found::NoAnswer),
                None => failed = probe,
            }
            if step == 1 && after > 0 {
                is_proven = self.is_readable_before().await?;
                if !is_proven {
                    return Ok(Found::NoAnswer);
                }
            }
            if !is_proven && self.begun.elapsed() > PATIENCE.saturating_mul(2) {
                return Ok(Found::NoAnswer);
            }
            // One by one, so that no record between two damaged ones is left out; then in larger steps over ids that the
            // log does not have.
            step = if step < ONE_BY_ONE { step.saturating_add(1) } else { step.saturating_mul(4) };
        };
        while last.saturating_sub(failed) > 1 {
            let middle = failed.midpoint(last);
            match self.probe(middle).await? {
                Some(found) => (last, lowest) = (middle, found),
                None => failed = middle,
            }
        }
        if lowest.is_none() && !(after > 0 && self.is_readable_before().await?) {
            return Ok(Found::NoAnswer);
        }
        // It may be a matter of the moment, of a device that fails now and then.
        let begun = Instant::now();
        for done in 0..CONFIRMATIONS {
            if done >= LEAST_CONFIRMATIONS && begun.elapsed() > PATIENCE {
                break;
            }
            // In turns, so that a device that fails every other time does not pass for one with a damaged record.
            for is_damaged in if done % 2 == 0 { [true, false] } else { [false, true] } {
                let is_given = self.probe(if is_damaged { after } else { last }).await?.is_some();
                if is_given == is_damaged {
                    return Ok(Found::Nothing);
                }
            }
        }
        // A device that takes the id for the first that is wanted gives the record of `last` itself.
        let last = lowest.map_or(last, |lowest| last.min(lowest.saturating_sub(1)));
        Ok(if last < first { Found::After } else { Found::Damaged { first, last } })
    }

    /// The lowest id of an answer to the question from `from`: `Some(None)` for an empty answer, `None` if the device
    /// refuses again.
    async fn probe<A: Answer + Send, F: Future<Output = Result<A>> + Send>(
        &self,
        from: u32,
    ) -> Result<Option<Option<u32>>>
    where
        Ask: Fn(u32, u32) -> F + Send + Sync,
    {
        match (self.ask)(from, self.amount).await {
            Ok(answer) => Ok(Some(answer.in_order(self.after)?.answer.lowest())),
            Err(error) if may_be_the_page(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the device gives a record before the one that cannot be had.
    async fn is_readable_before<A: Answer + Send, F: Future<Output = Result<A>> + Send>(&self) -> Result<bool>
    where
        Ask: Fn(u32, u32) -> F + Send + Sync,
    {
        for from in [self.after.saturating_sub(1), 0] {
            match (self.ask)(from, self.amount).await {
                Ok(answer) if answer.count() > 0 => return Ok(true),
                Err(error) if !may_be_the_page(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(false)
    }
}

/// Whether fewer records may help: not if the device cannot be reached, does not know the call or denies it.
fn may_be_the_page(error: &Error) -> bool {
    let may_be = matches!(
        error.kind(),
        ErrorKind::Busy
            | ErrorKind::InvalidData
            | ErrorKind::InvalidInput
            | ErrorKind::Other
            | ErrorKind::Refused
            | ErrorKind::ServerFailed
            | ErrorKind::TimedOut
    );
    may_be && error.unreadable_event().is_none()
}

/// How many records of one device fit into an answer, as far as its answers have shown. It falls when larger pages fail,
/// and grows again when some have worked; the more often that was in vain, the later the next try.
#[derive(Debug, Default)]
pub(super) struct PageSize(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// So many worked; `None` as long as nothing has failed.
    limit: Option<u32>,
    /// How many full pages have worked since the limit changed, and how many must before a larger one is tried.
    worked: u32,
    needed: u32,
    /// The limit before it fell: a damaged record is no reason for small pages behind it.
    before: Option<Option<u32>>,
}

impl PageSize {
    /// How many records to ask for.
    fn next(&self, max: u32) -> u32 {
        let known = lock(&self.0);
        let Some(limit) = known.limit else { return max };
        let grown = if known.worked >= known.needed { limit.saturating_mul(2) } else { limit };
        grown.min(max)
    }

    fn worked(&self, amount: u32) {
        let known = &mut *lock(&self.0);
        let Some(limit) = known.limit else { return };
        if amount > limit {
            *known = Known { limit: Some(amount), needed: PAGES_BEFORE_GROWTH, ..Known::default() };
        } else if amount == limit {
            known.worked = known.worked.saturating_add(1);
            if known.worked >= PAGES_BEFORE_GROWTH {
                known.before = None;
            }
        }
    }

    fn failed(&self, amount: u32) {
        let known = &mut *lock(&self.0);
        known.worked = 0;
        if known.limit.is_some_and(|limit| amount > limit) {
            known.needed = known.needed.saturating_mul(2).min(MOST_PAGES_BEFORE_GROWTH);
        } else {
            known.before = known.before.or(Some(known.limit));
            known.limit = Some((amount / 2).max(1));
            known.needed = PAGES_BEFORE_GROWTH;
        }
    }

    /// It was not the size.
    fn restore(&self) {
        let known = &mut *lock(&self.0);
        if let Some(before) = known.before.take() {
            *known = Known { limit: before, needed: PAGES_BEFORE_GROWTH, ..Known::default() };
        }
    }
}

/// No device keeps more records: the largest keep three million.
const MOST: u32 = 4_000_000;

/// After so long without a success, a device that is asked for a page is asked for one record.
const PATIENCE: Duration = Duration::from_secs(20);

/// A page is searched for a damaged record so often at most.
const MOST_SEARCHES: u32 = 3;

/// So often a record is asked for again, while others can be had, before it counts as damaged.
const CONFIRMATIONS: u32 = 8;
const LEAST_CONFIRMATIONS: u32 = 2;

/// So many damaged records in a row are told from the others one by one.
const ONE_BY_ONE: u32 = 16;

/// So many full pages have to work before a larger one is tried.
const PAGES_BEFORE_GROWTH: u32 = 4;
const MOST_PAGES_BEFORE_GROWTH: u32 = 64;

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
        let page = page(after, max, &PageSize::default(), ask).await.unwrap();
        let ids = page.iter().map(Event::id).collect();
        (ids, asked.into_inner().unwrap())
    }

    fn ids(from: u32, amount: u32, last: u32) -> Vec<u32> {
        (from.max(1)..=last).take(amount as usize).collect()
    }
}
