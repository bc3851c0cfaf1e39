//! How a collection goes on: watermark, resume, concurrency, closing and opening again.

use futures_util::future::join_all;

use super::{Point, Violation, event, events, info, reader};
use crate::codec::DeviceId;
use crate::sink::{Batch, GapReason, ResumePoint, Sink, Stored};
use crate::{ErrorKind, Result as StoreResult};

pub(super) async fn check(sink: &dyn Sink) -> Result<(), Violation> {
    watermark(sink).await?;
    apart_from_the_span(sink).await?;
    resume(sink).await?;
    empty(sink).await?;
    concurrent(sink).await
}

async fn watermark(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("the watermark never falls"), reader(20));
    for (watermark, expected) in [(9, 9), (5, 9), (12, 12), (11, 12)] {
        point.call(sink.store(Batch::new(device, 0, 1, watermark)).await)?;
        let resumed = point.call(sink.resume(&info(device)).await)?;
        let kept = resumed.map(|resume| (resume.first, resume.watermark));
        point.holds(kept == Some((1, expected)), "the watermark is not the highest that was stored")?;
    }
    Ok(())
}

/// What two collectors that know nothing of each other may store.
async fn apart_from_the_span(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("the watermark never falls"), reader(21));
    let spans = [
        ((10, 12), (10, 12)),
        ((15, 20), (10, 12)),
        ((13, 14), (10, 14)),
        ((4, 7), (10, 14)),
        ((8, 9), (8, 14)),
    ];
    for ((first, watermark), expected) in spans {
        let batch = Batch::new(device, 0, first, watermark).with_events(events(device, first..=watermark));
        point.call(sink.store(batch).await)?;
        let resumed = point.call(sink.resume(&info(device)).await)?;
        let kept = resumed.map(|resume| (resume.first, resume.watermark));
        point.holds(kept == Some(expected), "the watermark answers for ids that no batch answered for")?;
    }
    Ok(())
}

async fn resume(sink: &dyn Sink) -> Result<(), Violation> {
    let point = Point("resume");
    for _ in 0..2 {
        let unknown = point.call(sink.resume(&info(reader(22))).await)?;
        point.holds(unknown.is_none(), "a reader of which nothing is stored has a place to go on")?;
    }
    let device = reader(23);
    let unordered = [40, 7, 12, 5, 6, 30];
    let batch =
        Batch::new(device, 3, 5, 7).with_events(events(device, unordered)).with_gap(20, 22, GapReason::Reset);
    point.call(sink.store(batch).await)?;
    let resumed = point.call(sink.resume(&info(device)).await)?;
    point.holds(
        resumed == Some(expected_of_resume()),
        "the events above the watermark, or the span, do not come back as they were stored, in order",
    )
}

fn expected_of_resume() -> ResumePoint {
    ResumePoint { epoch: 3, first: 5, watermark: 7, above: events(reader(23), [12, 30, 40]).collect() }
}

async fn empty(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("empty batch"), reader(24));
    // Nothing yet, from 7 on; then up to 9, of which one is missing and the rest came before.
    for watermark in [6, 9] {
        let stored = point.call(sink.store(Batch::new(device, 0, 7, watermark)).await)?;
        point.holds(stored == Stored::default(), "a batch without events counts some")?;
        let resumed = point.call(sink.resume(&info(device)).await)?;
        let kept = resumed.map(|resume| (resume.first, resume.watermark));
        point.holds(kept == Some((7, watermark)), "a batch without events does not move the watermark")?;
    }
    Ok(())
}

/// A hundred calls at once, each with all events up to its own: every event is new in exactly one of them, and no
/// watermark is seen without its event.
async fn concurrent(sink: &dyn Sink) -> Result<(), Violation> {
    let point = Point("concurrent");
    let calls = (1..=100_u32).map(|number| async move {
        let (device, last) = (reader(25 + number % 2), number.div_ceil(2));
        let batch = Batch::new(device, 0, 1, last).with_events(events(device, 1..=last));
        let stored = point.call(sink.store(batch).await)?;
        point.holds(
            stored.new + stored.repeated == u64::from(last),
            "of calls at the same time, one does not count all of its events",
        )?;
        let resumed = point.call(sink.resume(&info(device)).await)?;
        let watermark = resumed.map_or(0, |resume| resume.watermark);
        point.holds(watermark >= last, "a call returns before its watermark is stored")?;
        let kept = point.call(sink.event(device, 0, watermark).await)?;
        point.holds(kept == Some(event(device, watermark)), "a watermark is seen before its event")?;
        Ok(stored.new)
    });
    let new = join_all(calls).await.into_iter().sum::<Result<u64, Violation>>()?;
    point.holds(new == 100, "of calls at the same time, two store the same event, or none does")
}

pub(super) async fn close(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("closed"), reader(30));
    point.call(sink.close().await)?;
    let batch = Batch::new(device, 0, 1, 1).with_events([event(device, 1)]);
    let kinds = [
        kind(sink.store(batch).await),
        kind(sink.resume(&info(device)).await),
        kind(sink.event(device, 0, 1).await),
        kind(sink.gaps(device).await),
    ];
    point.holds(
        kinds.iter().all(|kind| *kind == Some(ErrorKind::Closed)),
        "a call after closing does not fail with `Closed`",
    )
}

pub(super) async fn check_reopened(sink: &dyn Sink) -> Result<(), Violation> {
    let point = Point("resume");
    let resumed = point.call(sink.resume(&info(reader(23))).await)?;
    point.holds(
        resumed == Some(expected_of_resume()),
        "a store that was opened again goes on somewhere else",
    )?;
    let gaps = point.call(sink.gaps(reader(23)).await)?;
    let gaps: Vec<_> = gaps.into_iter().map(|gap| (gap.from, gap.to, gap.reason)).collect();
    point.holds(gaps == [(20, 22, GapReason::Reset)], "a store that was opened again has other gaps")?;
    for device in [reader(25), reader(26)] {
        let kept = all_up_to(sink, device, 50).await;
        point.holds(point.call(kept)?, "a store that was opened again lacks events")?;
    }
    let refused = point.call(sink.event(reader(30), 0, 1).await)?;
    Point("closed").holds(refused.is_none(), "an event that was given to a closed store is stored")
}

async fn all_up_to(sink: &dyn Sink, device: DeviceId, last: u32) -> StoreResult<bool> {
    for id in 1..=last {
        if sink.event(device, 0, id).await? != Some(event(device, id)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn kind<T>(result: StoreResult<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}
