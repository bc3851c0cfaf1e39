//! What is stored, and how often: atomic, refused, once, late events, bytes, ends, apart.

use futures_util::FutureExt;

use super::{Point, Violation, event, events, info, reader};
use crate::ErrorKind;
use crate::codec::DeviceId;
use crate::sink::{Batch, Gap, GapReason, Sink, Stored};

pub(super) async fn check(sink: &dyn Sink) -> Result<(), Violation> {
    refused(sink).await?;
    atomic(sink).await?;
    once(sink).await?;
    late(sink).await?;
    around(sink).await?;
    bytes(sink).await?;
    ends(sink).await?;
    apart(sink).await
}

async fn refused(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("refused"), reader(0));
    let batch = || Batch::new(device, 0, 1, 3).with_events(events(device, 1..=3));
    let mut foreign = batch().with_gap(4, 5, GapReason::Unknown);
    foreign.gaps[0].device = reader(1);
    let mut low = batch();
    low.first = 5;
    for wrong in [batch().with_gap(9, 8, GapReason::Unknown), foreign, low] {
        let kind = sink.store(wrong).await.map_err(|error| error.kind());
        point.holds(
            kind == Err(ErrorKind::InvalidInput),
            "a batch that contradicts itself is not refused as invalid input",
        )?;
        let left = point.call(sink.event(device, 0, 1).await)?;
        point.holds(left.is_none(), "an event of a refused batch is stored")?;
        let left = point.call(sink.resume(&info(device)).await)?;
        point.holds(left.is_none(), "the watermark of a refused batch is stored")?;
        let left = point.call(sink.gaps(device).await)?;
        point.holds(left.is_empty(), "a gap of a refused batch is stored")?;
    }
    Ok(())
}

/// A call that is dropped stores its batch whole or not at all.
async fn atomic(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("atomic"), reader(2));
    let batch = || {
        Batch::new(device, 0, 1, 60).with_events(events(device, 1..=50)).with_gap(51, 60, GapReason::Reset)
    };
    // Either answer will do; the call is dropped where it first waits.
    let _ = sink.store(batch()).now_or_never();
    let stored = point.call(sink.store(batch()).await)?;
    point.holds(stored.new % 50 == 0, "a call that was dropped stored a part of its batch")?;
    point.holds(stored.new + stored.repeated == 50, "new and repeated events are not all events")?;
    let resumed = point.call(sink.resume(&info(device)).await)?;
    let watermark = resumed.map(|resume| resume.watermark);
    point.holds(watermark == Some(60), "a stored batch's watermark is missing")?;
    let gaps = gaps(sink, point, device).await?;
    point.holds(gaps == [(0, 51, 60, GapReason::Reset)], "a stored batch's gap is missing, or there twice")
}

async fn once(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("once"), reader(3));
    let first = Batch::new(device, 0, 1, 4).with_events(events(device, 1..=4));
    let stored = point.call(sink.store(first.clone()).await)?;
    point.holds(stored == Stored { new: 4, repeated: 0 }, "new events are not counted as new")?;
    let stored = point.call(sink.store(first).await)?;
    point.holds(stored == Stored { new: 0, repeated: 4 }, "repeated events are not counted as repeated")?;

    // The same identity with other bytes, and one identity twice in a batch.
    let other = |id| event(reader(4), id);
    let batch = Batch::new(device, 0, 1, 5).with_events([other(4), event(device, 5), other(5)]);
    let stored = point.call(sink.store(batch).await)?;
    point.holds(
        stored == Stored { new: 1, repeated: 2 },
        "an identity twice in one batch is not counted so",
    )?;
    for id in [4, 5] {
        let kept = point.call(sink.event(device, 0, id).await)?;
        point.holds(kept == Some(event(device, id)), "a repeated event replaced the first")?;
    }
    Ok(())
}

async fn late(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("late events"), reader(5));
    let batch = Batch::new(device, 0, 1, 40)
        .with_events(events(device, (1..10).chain(20..30)))
        .with_gap(10, 19, GapReason::Cleared)
        .with_gap(30, u32::MAX, GapReason::Reset);
    point.call(sink.store(batch).await)?;
    // Unordered; at both ends of a gap, twice inside, and inside the one without an end.
    let batch = Batch::new(device, 0, 1, 40).with_events(events(device, [35, 19, 10, 13, 15]));
    let stored = point.call(sink.store(batch).await)?;
    point
        .holds(stored == Stored { new: 5, repeated: 0 }, "events that lie in a gap are not stored as new")?;
    let expected = [
        (0, 11, 12, GapReason::Cleared),
        (0, 14, 14, GapReason::Cleared),
        (0, 16, 18, GapReason::Cleared),
        (0, 30, 34, GapReason::Reset),
        (0, 36, u32::MAX, GapReason::Reset),
    ];
    let left = gaps(sink, point, device).await?;
    point.holds(left == expected, "late events are not taken out of the gaps that they lie in")?;
    let batch = Batch::new(device, 0, 1, 40).with_events(events(device, [14]));
    point.call(sink.store(batch).await)?;
    let left = gaps(sink, point, device).await?;
    point.holds(left.len() == 4, "a gap of which every event came late is still there")
}

/// Nothing is both stored and missing, and nothing is missing twice.
async fn around(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("late events"), reader(6));
    let batch = Batch::new(device, 0, 1, 20)
        .with_events(events(device, [1, 5, 6, 20]))
        .with_gap(2, 4, GapReason::Overwritten)
        .with_gap(3, 19, GapReason::Unknown);
    point.call(sink.store(batch.clone()).await)?;
    point.call(sink.store(batch).await)?;
    let left = gaps(sink, point, device).await?;
    let expected = [(0, 2, 4, GapReason::Overwritten), (0, 7, 19, GapReason::Unknown)];
    point.holds(left == expected, "a gap is not stored around the events and gaps that are there")
}

async fn bytes(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("bytes"), reader(7));
    // An event of a slave: the reader whose log it stands in is another.
    let slave = DeviceId::new(3);
    let batch = Batch::new(device, 0, 1, 10).with_events(events(slave, 1..=10));
    point.call(sink.store(batch).await)?;
    for id in 1..=10 {
        let kept = point.call(sink.event(device, 0, id).await)?;
        point.holds(kept == Some(event(slave, id)), "an event does not come back byte for byte")?;
    }
    let other = point.call(sink.event(slave, 0, 1).await)?;
    point.holds(other.is_none(), "an event is stored under its own device id, not under that of the batch")
}

async fn ends(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("ends"), reader(8));
    let batch = Batch::new(device, u32::MAX, 0, u32::MAX)
        .with_events(events(device, [0, u32::MAX]))
        .with_gap(1, u32::MAX - 1, GapReason::Unknown);
    let stored = point.call(sink.store(batch).await)?;
    point.holds(stored == Stored { new: 2, repeated: 0 }, "the ids 0 and 4294967295 are not stored")?;
    for id in [0, u32::MAX] {
        let kept = point.call(sink.event(device, u32::MAX, id).await)?;
        point.holds(kept == Some(event(device, id)), "the id 0 or 4294967295 does not come back")?;
    }
    let resumed = point.call(sink.resume(&info(device)).await)?;
    let ends = resumed.map(|resume| (resume.epoch, resume.first, resume.watermark, resume.above.len()));
    point.holds(ends == Some((u32::MAX, 0, u32::MAX, 0)), "the greatest epoch and watermark do not come back")
}

async fn apart(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, one, two) = (Point("apart"), reader(9), reader(10));
    for (device, epoch, last) in [(one, 0, 5), (one, 2, 3), (two, 1, 4), (one, 1, 2)] {
        let batch = Batch::new(device, epoch, 1, last).with_events(events(device, 2..=last)).with_gap(
            1,
            1,
            GapReason::Overwritten,
        );
        let stored = point.call(sink.store(batch).await)?;
        let new = u64::from(last) - 1;
        point.holds(stored == Stored { new, repeated: 0 }, "readers or epochs share events")?;
    }
    for (device, epoch, watermark) in [(one, 2, 3), (two, 1, 4)] {
        let resumed = point.call(sink.resume(&info(device)).await)?;
        let newest = resumed.map(|resume| (resume.epoch, resume.watermark));
        point.holds(
            newest == Some((epoch, watermark)),
            "resume does not give the newest epoch of the reader",
        )?;
    }
    let kept = point.call(sink.event(two, 0, 2).await)?;
    point.holds(kept.is_none(), "an event comes back for another epoch")?;
    let epochs: Vec<_> = gaps(sink, point, one).await?.into_iter().map(|(epoch, ..)| epoch).collect();
    point.holds(epochs == [0, 1, 2], "the gaps of a reader are not those of all its epochs, in order")
}

async fn gaps(
    sink: &dyn Sink,
    point: Point,
    device: DeviceId,
) -> Result<Vec<(u32, u32, u32, GapReason)>, Violation> {
    let gaps = point.call(sink.gaps(device).await)?;
    point.holds(gaps.iter().all(|gap| gap.device == device), "a gap names another reader")?;
    Ok(gaps.into_iter().map(|Gap { epoch, from, to, reason, .. }| (epoch, from, to, reason)).collect())
}
