//! From answers of the library to what the contract of backends asks for.

use super::context::Context;
use crate::codec::{DeviceId, Event, EventMask, PortableBlob};
use crate::device::EventPage;
use crate::{Error, ErrorKind, Result};

/// The oldest events behind an id. An answer may begin with that id, repeat, or be out of order.
pub(super) fn logs(context: Context, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
    let page = behind(after, max, |from, amount| {
        let answer = context.log(device, from, amount)?;
        let page = answer.clone().in_order(after)?;
        // An answer that is still where the library put it was in order; only another one is looked at again.
        let ordered = answer.as_ptr_range().contains(&page.as_ptr()) || answer.is_sorted_by_key(Event::id);
        let first = answer.first().map(Event::id);
        Ok(Answer { count: answer.len(), first, ordered, is_empty: page.is_empty(), value: page })
    })?;
    Ok(page.truncated(max))
}

/// The same for blobs.
pub(super) fn blobs(
    context: Context,
    device: DeviceId,
    after: u32,
    max: u32,
    mask: EventMask,
) -> Result<Vec<PortableBlob<'static>>> {
    let id = |blob: &PortableBlob| blob.head().id();
    let mut blobs = behind(after, max, |from, amount| {
        let mut blobs = context.blobs(device, from, amount, mask)?;
        let (count, first, ordered) = (blobs.len(), blobs.first().map(id), blobs.is_sorted_by_key(id));
        // Which fields apply is not always told apart from which were asked for.
        blobs.retain(|blob| id(blob) > after);
        blobs.sort_by_key(id);
        let one_id = |pair: &&[PortableBlob]| matches!(pair, [a, b] if id(a) == id(b) && a != b);
        if let Some(blob) = blobs.windows(2).find(one_id).and_then(<[_]>::first) {
            let message = format!("different blobs have the id {}", id(blob));
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        blobs.dedup();
        Ok(Answer { count, first, ordered, is_empty: blobs.is_empty(), value: blobs })
    })?;
    blobs.truncate(usize::try_from(max).unwrap_or(usize::MAX));
    Ok(blobs)
}

/// An answer, put in order, and what it was before.
struct Answer<T> {
    value: T,
    count: usize,
    first: Option<u32>,
    ordered: bool,
    is_empty: bool,
}

/// Asks for more where a full answer does not tell what comes first: if it held nothing new, what is new follows; if
/// it was out of order, what comes first may follow. Where an answer is short and holds only the id that was asked
/// from, it asks from the next: that is not the end of a log whose answers are of one record.
fn behind<T>(after: u32, max: u32, ask: impl Fn(u32, u32) -> Result<Answer<T>>) -> Result<T> {
    let (mut from, mut amount) = (after, max.clamp(1, MOST));
    loop {
        let answer = ask(from, amount)?;
        let full = u32::try_from(answer.count).is_ok_and(|count| count >= amount);
        if full && amount >= MOST && answer.is_empty {
            let message = format!("{} records of the log, and none is after event {after}", answer.count);
            return Err(Error::new(ErrorKind::InvalidData, message));
        } else if full && amount < MOST && (answer.is_empty || !answer.ordered) {
            amount = amount.saturating_mul(2).saturating_add(1).min(MOST);
        } else if answer.is_empty
            && from == after
            && after > 0
            && answer.first == Some(after)
            && after < u32::MAX
        {
            from = after.saturating_add(1);
        } else {
            return Ok(answer.value);
        }
    }
}

/// What the largest readers keep, three million events, is less than this. No answer is longer: an amount is what a
/// count of the library can be held against, since the size of its memory is known to nobody.
const MOST: u32 = 4_000_000;
