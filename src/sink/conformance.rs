//! Checks a sink against the contract of [`Sink`], point by point.
//!
//! A sink of your own runs the suite in its tests: implement [`SinkStage`] and call [`check`].

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::join_all;

use super::{Batch, Gap, GapReason, ResumePoint, Sink, Stored};
use crate::codec::{DeviceId, Event, EventCode, EventFlags, Subject, Timestamp, UserId};
use crate::device::DeviceInfo;
use crate::device::conformance::Violation;
use crate::{ErrorKind, Result};

/// What the suite needs: a store that it can open again and again.
#[async_trait]
pub trait SinkStage: Send + Sync {
    /// Opens the store, the same one at every call.
    async fn open(&self) -> Result<Arc<dyn Sink>>;

    /// Ends the sink as a killed process does: without [`Sink::close`]. What the sink has not made durable is lost.
    /// The suite opens the store again and expects every batch that was acknowledged.
    ///
    /// A sink that works when it is dropped, such as one with a thread, needs more than a drop: copy the files as they
    /// are, drop the sink, and open the copy.
    async fn crash(&self, sink: Arc<dyn Sink>);
}

/// Checks a sink against the contract of [`Sink`].
///
/// The suite opens the store three times: at first, after closing it, and after a crash. It writes events of the devices
/// 4 294 967 200 to 4 294 967 295 and expects that the store has none of them.
///
/// # Errors
///
/// The first [`Violation`]: which point the sink breaks, and how.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use bs2_events::Result;
/// use bs2_events::sink::conformance::{self, SinkStage};
/// use bs2_events::sink::{MemorySink, Sink, async_trait};
///
/// struct Stage(MemorySink);
///
/// #[async_trait]
/// impl SinkStage for Stage {
///     async fn open(&self) -> Result<Arc<dyn Sink>> {
///         Ok(Arc::new(self.0.reopen()))
///     }
///
///     async fn crash(&self, sink: Arc<dyn Sink>) {
///         drop(sink);
///     }
/// }
///
/// # async fn example() {
/// conformance::check(&Stage(MemorySink::new())).await.unwrap();
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example());
/// ```
pub async fn check(stage: &dyn SinkStage) -> Result<(), Violation> {
    let sink = OPEN.call(stage.open().await)?;
    refused(&*sink).await?;
    atomic(&*sink).await?;
    once(&*sink).await?;
    completed(&*sink, false).await?;
    late(&*sink).await?;
    around(&*sink).await?;
    bytes(&*sink).await?;
    ends(&*sink).await?;
    apart(&*sink).await?;
    watermark(&*sink).await?;
    apart_from_the_span(&*sink).await?;
    resume(&*sink).await?;
    empty(&*sink).await?;
    concurrent(&*sink).await?;
    close(&*sink).await?;

    let sink = OPEN.call(stage.open().await)?;
    is_kept(&*sink, Point("resume")).await?;
    let refused = Point("closed").call(sink.event(test_device(30), 0, 1).await)?;
    Point("closed").holds(refused.is_none(), "an event that was given to a closed store is stored")?;

    let crash = Point("crash");
    crash.call(sink.store(last_before_crash()).await)?;
    stage.crash(sink).await;
    let sink = crash.call(stage.open().await)?;
    is_kept(&*sink, crash).await?;
    let resumed = crash.call(sink.resume(&info(test_device(31))).await)?;
    let expected = resume_point(1, 1, 3, events(test_device(31), [6]).collect());
    crash.holds(
        resumed == Some(expected),
        "the last batch before the crash is not stored, or a part of it is missing",
    )?;
    let gaps = gaps(&*sink, crash, test_device(31)).await?;
    crash.holds(
        gaps == [(1, 2, 2, GapReason::Cleared)],
        "the gap of the last batch before the crash is not stored",
    )?;
    OPEN.call(sink.close().await)
}

async fn refused(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("refused"), test_device(0));
    let batch = || Batch::new(device, 0, 1, 3).with_events(events(device, 1..=3));
    let mut foreign = batch().with_gap(4, 5, GapReason::Unknown);
    foreign.gaps[0].device = test_device(1);
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
    let (point, device) = (Point("atomic"), test_device(2));
    let batch = || {
        Batch::new(device, 0, 1, 60).with_events(events(device, 1..=50)).with_gap(51, 60, GapReason::Reset)
    };
    // The call is dropped where it first waits. It may have stored the batch or not.
    let _ = sink.store(batch()).now_or_never();
    let stored = point.call(sink.store(batch()).await)?;
    point.holds(stored.new % 50 == 0, "a call that was dropped stored a part of its batch")?;
    point.holds(stored.new + stored.repeated == 50, "new and repeated events are not all events")?;
    let kept = span(sink, point, device).await?;
    point.holds(kept == Some((0, 1, 60)), "a stored batch's watermark is missing")?;
    let gaps = gaps(sink, point, device).await?;
    point.holds(gaps == [(0, 51, 60, GapReason::Reset)], "a stored batch's gap is missing, or there twice")
}

async fn once(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("once"), test_device(3));
    let first = Batch::new(device, 0, 1, 4).with_events(events(device, 1..=4));
    let stored = point.call(sink.store(first.clone()).await)?;
    point.holds(stored == Stored { new: 4, repeated: 0 }, "new events are not counted as new")?;
    let stored = point.call(sink.store(first).await)?;
    point.holds(stored == Stored { new: 0, repeated: 4 }, "repeated events are not counted as repeated")?;

    // The same identity with other bytes, and one identity twice in a batch.
    let other = |id| event(test_device(4), id);
    let batch = Batch::new(device, 0, 1, 5).with_events([other(4), event(device, 5), other(5)]);
    let stored = point.call(sink.store(batch).await)?;
    point.holds(
        stored == Stored { new: 1, repeated: 2 },
        "an identity that is twice in one batch does not count as repeated",
    )?;
    for id in [4, 5] {
        let kept = point.call(sink.event(device, 0, id).await)?;
        point.holds(kept == Some(event(device, id)), "a repeated event replaced the first")?;
    }
    Ok(())
}

/// Checks that a sink learns from a repetition that knows more, and not only keeps the first record, as a destination may
/// that cannot change an event. It opens the store once, and writes events of the device 4 294 967 233.
///
/// # Errors
///
/// The first [`Violation`], as for [`check`].
pub async fn check_completion(stage: &dyn SinkStage) -> Result<(), Violation> {
    let sink = OPEN.call(stage.open().await)?;
    completed(&*sink, true).await?;
    OPEN.call(sink.close().await)
}

/// A repetition that knows more completes the record; another event under its id changes nothing.
async fn completed(sink: &dyn Sink, must: bool) -> Result<(), Violation> {
    let (point, device) = (Point("completed"), test_device(if must { 33 } else { 32 }));
    let build = |code, flags, param| {
        let user = UserId::from_array(b"1001\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        let time = Timestamp::from_unix_seconds(1_700_000_000);
        let event =
            Event::builder(device, 1, EventCode::new(code)).subject(Subject::User(user)).timestamp(time);
        event.flags(EventFlags::from_bits_retain(flags)).param(param).build()
    };
    let (first, whole) = (build(0x1301, 0, 0), build(0x1301, 0x49, 3));
    let steps = [
        // Without a clock byte.
        (first, false, first),
        // Another way knows the picture, the parameter and the offset.
        (whole, true, whole),
        // The first way again knows less.
        (first, false, whole),
        // Another event.
        (build(0x1302, 0x01, 9), true, whole),
    ];
    for (given, has_clock, expected) in steps {
        let batch = Batch::new(device, 0, 1, 1).with_events([given]).with_clock(has_clock);
        point.call(sink.store(batch).await)?;
        let kept = point.call(sink.event(device, 0, 1).await)?;
        let is_kept = kept == Some(expected) || !must && kept == Some(first);
        point.holds(
            is_kept,
            "a repetition that knows more does not complete the record, or it changes more",
        )?;
        let resumed = point.call(sink.resume(&info(device)).await)?;
        let has_clock = resumed.is_some_and(|resumed| resumed.has_clock);
        point.holds(
            has_clock == expected.flags().bits().ge(&0x48) || !must,
            "the resume point does not say whether the newest event has a clock",
        )?;
    }
    let same = point.call(sink.resume_epoch(device, 0).await)?;
    let other = point.call(sink.resume_epoch(device, 1).await)?;
    let newest = point.call(sink.resume(&info(device)).await)?;
    point.holds(
        same == newest && same.is_some() && other.is_none(),
        "the resume point of an epoch is not that of the newest one, or there is one of an epoch without events",
    )
}

async fn late(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("late events"), test_device(5));
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

/// No id is both stored and missing, and no id is in two gaps.
async fn around(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("late events"), test_device(6));
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
    let (point, device) = (Point("bytes"), test_device(7));
    // An event of a slave lies in the log of another device.
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
    let (point, device) = (Point("ends"), test_device(8));
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
    let (point, one, two) = (Point("apart"), test_device(9), test_device(10));
    for (device, epoch, last) in [(one, 0, 5), (one, 2, 3), (two, 1, 4), (one, 1, 2)] {
        let batch = Batch::new(device, epoch, 1, last).with_events(events(device, 2..=last)).with_gap(
            1,
            1,
            GapReason::Overwritten,
        );
        let stored = point.call(sink.store(batch).await)?;
        let new = u64::from(last) - 1;
        point.holds(stored == Stored { new, repeated: 0 }, "devices or epochs share events")?;
    }
    for (device, epoch, watermark) in [(one, 2, 3), (two, 1, 4)] {
        let newest = span(sink, point, device).await?;
        point.holds(
            newest == Some((epoch, 1, watermark)),
            "resume does not give the newest epoch of the device",
        )?;
    }
    let kept = point.call(sink.event(two, 0, 2).await)?;
    point.holds(kept.is_none(), "an event comes back for another epoch")?;
    let epochs: Vec<_> = gaps(sink, point, one).await?.into_iter().map(|(epoch, ..)| epoch).collect();
    point.holds(epochs == [0, 1, 2], "the gaps of a device are not those of all its epochs, in order")
}

async fn watermark(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("the watermark never falls"), test_device(20));
    for (watermark, expected) in [(9, 9), (5, 9), (12, 12), (11, 12)] {
        point.call(sink.store(Batch::new(device, 0, 1, watermark)).await)?;
        let kept = span(sink, point, device).await?;
        point.holds(kept == Some((0, 1, expected)), "the watermark is not the highest that was stored")?;
    }
    Ok(())
}

/// What two collectors may store that do not know of each other.
async fn apart_from_the_span(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("the watermark never falls"), test_device(21));
    for (first, watermark, expected) in [
        (10, 12, (0, 10, 12)),
        (15, 20, (0, 10, 12)),
        (13, 14, (0, 10, 14)),
        (4, 7, (0, 10, 14)),
        (8, 9, (0, 8, 14)),
    ] {
        let batch = Batch::new(device, 0, first, watermark).with_events(events(device, first..=watermark));
        point.call(sink.store(batch).await)?;
        let kept = span(sink, point, device).await?;
        point.holds(kept == Some(expected), "the watermark covers ids that no batch covered")?;
    }
    Ok(())
}

async fn resume(sink: &dyn Sink) -> Result<(), Violation> {
    let point = Point("resume");
    for _ in 0..2 {
        let unknown = point.call(sink.resume(&info(test_device(22))).await)?;
        point.holds(unknown.is_none(), "a device of which nothing is stored has a resume point")?;
    }
    let device = test_device(23);
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
    resume_point(3, 5, 7, events(test_device(23), [12, 30, 40]).collect())
}

fn resume_point(epoch: u32, first: u32, watermark: u32, above: Vec<Event>) -> ResumePoint {
    ResumePoint { epoch, first, watermark, above, has_clock: true }
}

async fn empty(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("empty batch"), test_device(24));
    // Nothing yet, from 7 on; then up to 9 although no event was stored.
    for watermark in [6, 9] {
        let stored = point.call(sink.store(Batch::new(device, 0, 7, watermark)).await)?;
        point.holds(stored == Stored::default(), "a batch without events counts some")?;
        let kept = span(sink, point, device).await?;
        point.holds(kept == Some((0, 7, watermark)), "a batch without events does not move the watermark")?;
    }
    Ok(())
}

/// A hundred calls at once, each with all events up to its own: every event is new in exactly one of them, and no
/// watermark is seen without its event.
async fn concurrent(sink: &dyn Sink) -> Result<(), Violation> {
    let point = Point("concurrent");
    let calls = (1..=100_u32).map(|number| async move {
        let (device, last) = (test_device(25 + number % 2), number.div_ceil(2));
        let batch = Batch::new(device, 0, 1, last).with_events(events(device, 1..=last));
        let stored = point.call(sink.store(batch).await)?;
        point.holds(
            stored.new + stored.repeated == u64::from(last),
            "one of several calls at the same time does not count all of its events",
        )?;
        let watermark = span(sink, point, device).await?.map_or(0, |(_, _, watermark)| watermark);
        point.holds(watermark >= last, "a call returns before its watermark is stored")?;
        let kept = point.call(sink.event(device, 0, watermark).await)?;
        point.holds(kept == Some(event(device, watermark)), "a watermark is seen before its event")?;
        Ok(stored.new)
    });
    let new = join_all(calls).await.into_iter().sum::<Result<u64, Violation>>()?;
    point.holds(new == 100, "two of several calls at the same time store the same event, or none does")
}

async fn close(sink: &dyn Sink) -> Result<(), Violation> {
    let (point, device) = (Point("closed"), test_device(30));
    point.call(sink.close().await)?;
    let batch = Batch::new(device, 0, 1, 1).with_events([event(device, 1)]);
    let errors = [
        sink.store(batch).await.err(),
        sink.resume(&info(device)).await.err(),
        sink.event(device, 0, 1).await.err(),
        sink.gaps(device).await.err(),
    ];
    point.holds(
        errors.iter().flatten().filter(|error| error.kind() == ErrorKind::Closed).count() == errors.len(),
        "a call after closing does not fail with `Closed`",
    )
}

/// What the suite stored before it closed the store, or before the crash.
async fn is_kept(sink: &dyn Sink, point: Point) -> Result<(), Violation> {
    let resumed = point.call(sink.resume(&info(test_device(23))).await)?;
    point.holds(
        resumed == Some(expected_of_resume()),
        "a store that was opened again returns another resume point",
    )?;
    let left = gaps(sink, point, test_device(23)).await?;
    point.holds(left == [(3, 20, 22, GapReason::Reset)], "a store that was opened again has other gaps")?;
    for device in [test_device(25), test_device(26)] {
        for id in 1..=50 {
            let kept = point.call(sink.event(device, 0, id).await)?;
            point.holds(kept == Some(event(device, id)), "a store that was opened again lacks events")?;
        }
    }
    Ok(())
}

/// An event, a gap, an event; and one that waits above the watermark.
fn last_before_crash() -> Batch {
    let device = test_device(31);
    Batch::new(device, 1, 1, 3).with_events(events(device, [1, 3, 6])).with_gap(2, 2, GapReason::Cleared)
}

/// The newest epoch, its first id and its watermark.
async fn span(sink: &dyn Sink, point: Point, device: DeviceId) -> Result<Option<(u32, u32, u32)>, Violation> {
    let resumed = point.call(sink.resume(&info(device)).await)?;
    Ok(resumed.map(|resume| (resume.epoch, resume.first, resume.watermark)))
}

async fn gaps(
    sink: &dyn Sink,
    point: Point,
    device: DeviceId,
) -> Result<Vec<(u32, u32, u32, GapReason)>, Violation> {
    let gaps = point.call(sink.gaps(device).await)?;
    point.holds(gaps.iter().all(|gap| gap.device == device), "a gap names another device")?;
    Ok(gaps.into_iter().map(|Gap { epoch, from, to, reason, .. }| (epoch, from, to, reason)).collect())
}

/// One point of the contract, by its name.
#[derive(Clone, Copy, Debug)]
struct Point(&'static str);

impl Point {
    fn holds(self, condition: bool, otherwise: &'static str) -> Result<(), Violation> {
        if condition { Ok(()) } else { Err(Violation::new(self.0, otherwise)) }
    }

    fn call<T>(self, result: Result<T>) -> Result<T, Violation> {
        result.map_err(|error| Violation::new(self.0, format!("a call that must succeed failed: {error}")))
    }
}

/// The device of one point, so that the points do not share events.
const fn test_device(number: u32) -> DeviceId {
    DeviceId::new(4_294_967_200 + number)
}

/// An event whose bytes differ from those of its neighbours. Its subject depends on the id: a person with a plain id, with
/// an id that is not text, and without an id; a card; a door.
fn event(device: DeviceId, id: u32) -> Event {
    let plain = UserId::from_array(b"1001\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let (code, subject) = match id % 5 {
        0 => (0x1301, Subject::User(plain)),
        1 => (0x1301, Subject::User(UserId::from_array(&[0xA5; 32]))),
        2 => (0x1400, Subject::User(UserId::from_array(&[0; 32]))),
        3 => (0x1102, Subject::Unknown(&[0xC3; 32])),
        _ => (0x5500, Subject::Door { door_id: id }),
    };
    Event::builder(device, id, EventCode::new(code))
        .subject(subject)
        .timestamp(Timestamp::from_unix_seconds(1_700_000_000_u32.wrapping_add(id)))
        .param(id.to_le_bytes()[0])
        .flags(EventFlags::from_bits_retain(id.to_le_bytes()[1]))
        .build()
}

fn events(device: DeviceId, ids: impl IntoIterator<Item = u32>) -> impl Iterator<Item = Event> {
    ids.into_iter().map(move |id| event(device, id))
}

fn info(device: DeviceId) -> DeviceInfo {
    DeviceInfo::new(device).with_model("conformance")
}

const OPEN: Point = Point("open");
