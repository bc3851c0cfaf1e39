//! The collector and logs that show later what they do not show now.

use std::sync::Arc;
use std::time::Duration;

use crate::scripted_backend::run::{Run, gaps, ids, once, until};
use crate::scripted_backend::{DEVICE, Scripted, event};
use async_trait::async_trait;
use bs2_events::Result;
use bs2_events::codec::{DeviceId, Event};
use bs2_events::collect::Stop;
use bs2_events::device::DeviceInfo;
use bs2_events::sink::{Batch, Gap, GapReason, MemorySink, ResumePoint, Sink, Stored};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn what_the_stream_dropped_and_the_log_shows_a_second_later_is_stored() {
    for seconds in [1, 10, 100] {
        let reader = Scripted::new((1..=9).map(|id| event(id, 0)));
        let sink = MemorySink::new();
        let run = Run::start(&reader, &sink).await;
        reader.report(event(11, 0));
        sleep(Duration::from_secs(seconds)).await;
        assert_eq!((gaps(&sink), ids(&sink, 0).last()), (vec![], Some(&11)));
        reader.put([event(10, 0), event(11, 0)]);
        until(|| sink.watermark(DEVICE, 0) == Some((1, 11))).await;
        run.stop(Stop::Now).await;
        assert_eq!((ids(&sink, 0), gaps(&sink)), ((1..=11).collect(), vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hole_of_a_moment_is_filled_by_the_next_poll_and_by_the_next_run() {
    for live in [true, false] {
        let reader = Scripted::new((1..=50).chain(61..=100).map(|id| event(id, 0)));
        let sink = MemorySink::new();
        let run = if live { Some(Run::start(&reader, &sink).await) } else { None };
        if !live {
            once(&reader, &sink).await;
        }
        assert_eq!(gaps(&sink), [(0, 51, 60, GapReason::Unknown)]);
        reader.put((51..=60).map(|id| event(id, 0)));
        match run {
            Some(run) => {
                until(|| gaps(&sink).is_empty()).await;
                run.stop(Stop::Now).await;
            }
            None => drop(once(&reader, &sink).await),
        }
        assert_eq!((ids(&sink, 0), gaps(&sink)), ((1..=100).collect(), vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn one_live_event_far_ahead_gives_up_nothing_that_the_stream_drops_below_it() {
    let reader = Scripted::new((1..=9).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.report(event(50_009, 0));
    until(|| ids(&sink, 0).contains(&50_009)).await;
    reader.put((10..=200).map(|id| event(id, 0)));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 200))).await;
    reader.put((201..=60_000).map(|id| event(id, 0)));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 60_000))).await;
    run.stop(Stop::Now).await;
    assert_eq!((ids(&sink, 0), gaps(&sink)), ((1..=60_000).collect(), vec![]));
}

#[tokio::test(start_paused = true)]
async fn ids_below_the_first_one_are_stored_when_the_log_shows_them() {
    for live in [true, false] {
        let reader = Scripted::new((61..=70).map(|id| event(id, 0)));
        let sink = MemorySink::new();
        let run = if live { Some(Run::start(&reader, &sink).await) } else { None };
        if !live {
            once(&reader, &sink).await;
        }
        assert_eq!(sink.watermark(DEVICE, 0), Some((61, 70)));
        reader.put((3..=60).filter(|id| *id != 40).map(|id| event(id, 0)));
        match run {
            Some(run) => {
                until(|| ids(&sink, 0).len() == 67).await;
                run.stop(Stop::Now).await;
            }
            None => drop(once(&reader, &sink).await),
        }
        assert_eq!(sink.watermark(DEVICE, 0), Some((3, 70)));
        assert_eq!(gaps(&sink), [(0, 40, 40, GapReason::Unknown)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_below_the_oldest_event_is_read_no_more_and_thousands_are_read_a_few_at_a_time() {
    let reader = Scripted::new((1..=200_000).filter(|id| id % 100 != 0).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    assert_eq!(gaps(&sink).len(), 1_999);
    let polls = |count: u64| sleep(Duration::from_secs(30 * count));
    polls(2).await;
    let reads = reader.reads();
    polls(10).await;
    assert!(reader.reads() - reads <= 10 * 12, "{} reads in ten polls", reader.reads() - reads);
    // All of them have their turn.
    reader.put((1..2_000).map(|id| event(id * 100, 0)));
    polls(16).await;
    assert_eq!(gaps(&sink), []);
    reader.lose((1..=150_000).filter(|id| id % 2 == 0));
    run.stop(Stop::Now).await;

    let reader = Scripted::new([1, 2, 5, 6].map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.lose(1..=5);
    polls(2).await;
    let reads = reader.reads();
    polls(10).await;
    assert_eq!(
        (reader.reads() - reads) % 10,
        0,
        "the page, its end and the oldest event: no look at the gap"
    );
    assert_eq!(gaps(&sink), [(0, 3, 4, GapReason::Unknown)]);
    run.stop(Stop::Now).await;
}

#[tokio::test(start_paused = true)]
async fn late_events_are_stored_together_and_a_stop_is_heard_at_once() {
    let reader = Scripted::new([event(1, 0)]);
    let memory = MemorySink::new();
    let sink = SlowDisk { memory: memory.clone(), stores: Arc::default() };
    let stores = Arc::clone(&sink.stores);
    let run = Run::begin(reader.device(), Arc::new(sink));
    until(|| reader.is_monitored() && memory.watermark(DEVICE, 0).is_some()).await;
    // The ring was overwritten: the log goes on far behind, and what it lost comes late.
    reader.lose([1]);
    reader.happen(event(5_000, 0));
    until(|| !gaps(&memory).is_empty()).await;
    let (before, begun) = (*stores.lock().unwrap(), Instant::now());
    (1_000..3_000).for_each(|id| reader.report(event(id, 0)));
    sleep(Duration::from_secs(1)).await;
    run.stop(Stop::Now).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(*stores.lock().unwrap() - before <= 8, "{} commits", *stores.lock().unwrap() - before);
    assert_eq!(ids(&memory, 0).len(), 2_002);
    assert_eq!(gaps(&memory).len(), 2);
}

/// A sink that takes half a second for each batch and for each question.
#[derive(Debug)]
struct SlowDisk {
    memory: MemorySink,
    stores: Arc<std::sync::Mutex<u32>>,
}

impl SlowDisk {
    async fn wait(&self) {
        sleep(Duration::from_millis(500)).await;
    }
}

#[async_trait]
impl Sink for SlowDisk {
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>> {
        self.memory.resume(device).await
    }

    async fn resume_epoch(&self, device: DeviceId, epoch: u32) -> Result<Option<ResumePoint>> {
        self.memory.resume_epoch(device, epoch).await
    }

    async fn store(&self, batch: Batch) -> Result<Stored> {
        *self.stores.lock().unwrap() += 1;
        self.wait().await;
        self.memory.store(batch).await
    }

    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>> {
        self.wait().await;
        self.memory.event(device, epoch, id).await
    }

    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>> {
        self.memory.gaps(device).await
    }

    async fn close(&self) -> Result<()> {
        self.memory.close().await
    }
}
