//! The collector and devices that restart their event ids, or seem to.

use std::sync::Arc;

use crate::scripted_backend::run::{Run, device, gaps, ids, once, until};
use crate::scripted_backend::{DEVICE, Scripted, event};
use bs2_events::codec::{Event, EventFlags};
use bs2_events::collect::Stop;
use bs2_events::sink::{GapReason, MemorySink};

#[tokio::test(start_paused = true)]
async fn ids_that_begin_anew_while_listening_open_an_epoch() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.wipe();
    for id in 1..=3 {
        reader.happen(event(id, 1));
    }
    until(|| sink.watermark(DEVICE, 1) == Some((1, 3))).await;
    run.stop(Stop::Now).await;
    assert_eq!(ids(&sink, 0), (1..=10).collect::<Vec<_>>());
    assert_eq!(sink.events(DEVICE, 1), (1..=3).map(|id| event(id, 1)).collect::<Vec<_>>());
    assert_eq!(gaps(&sink), [(0, 11, u32::MAX, GapReason::Reset)]);
}

#[tokio::test(start_paused = true)]
async fn ids_that_began_anew_while_away_open_an_epoch() {
    for newest in [3, 10, 25] {
        let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
        let sink = MemorySink::new();
        once(&reader, &sink).await;
        reader.wipe();
        reader.put((1..=newest).map(|id| event(id, 1)));
        once(&reader, &sink).await;
        assert_eq!(ids(&sink, 1), (1..=newest).collect::<Vec<_>>());
        assert_eq!(ids(&sink, 0), (1..=10).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn ids_that_begin_anew_unseen_and_pass_the_watermark_open_an_epoch() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.wipe();
    reader.put((1..=14).map(|id| event(id, 1)));
    reader.happen(event(15, 1));
    until(|| sink.watermark(DEVICE, 1) == Some((1, 15))).await;
    let report = run.stop(Stop::AfterCatchUp).await;
    assert_eq!(ids(&sink, 0), (1..=10).collect::<Vec<_>>());
    assert_eq!(device(&report).epochs.len(), 2);
    assert_eq!(gaps(&sink), [(0, 11, u32::MAX, GapReason::Reset)]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waited_when_its_epoch_ended_stays_in_that_epoch() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.report(event(13, 0));
    reader.wipe();
    reader.put((1..=11).map(|id| event(id, 1)));
    until(|| sink.watermark(DEVICE, 1) == Some((1, 11))).await;
    run.stop(Stop::AfterCatchUp).await;
    assert_eq!(sink.events(DEVICE, 0).last(), Some(&event(13, 0)));
    let reset = GapReason::Reset;
    assert_eq!(gaps(&sink), [(0, 11, 12, reset), (0, 14, u32::MAX, reset)]);
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_is_ready_after_the_event_was_reported_opens_no_epoch() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    reader.happen(event(11, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 11))).await;
    let with_picture = Event::builder(DEVICE, 11, event(11, 0).code())
        .timestamp(event(11, 0).timestamp())
        .flags(EventFlags::IMAGE)
        .build();
    reader.put([with_picture]);
    reader.report(with_picture);
    reader.happen(event(12, 0));
    until(|| sink.watermark(DEVICE, 0) == Some((1, 12))).await;
    run.stop(Stop::AfterCatchUp).await;
    assert_eq!(sink.epochs(DEVICE), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_restored_to_an_earlier_point_of_the_same_life_opens_no_epoch() {
    let reader = Scripted::new((1..=20).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    once(&reader, &sink).await;
    reader.lose(11..=20);
    let run = Run::begin(reader.device(), Arc::new(sink.clone()));
    until(|| reader.is_monitored()).await;
    for id in 11..=25 {
        reader.happen(event(id, 0));
    }
    until(|| sink.watermark(DEVICE, 0) == Some((1, 25))).await;
    run.stop(Stop::Now).await;
    assert_eq!(sink.epochs(DEVICE), [0]);
    assert_eq!(ids(&sink, 0), (1..=25).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_reader_restored_to_an_earlier_point_that_counted_on_from_there_opens_an_epoch() {
    let reader = Scripted::new((1..=20).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    once(&reader, &sink).await;
    reader.lose(6..=20);
    reader.put((6..=10).map(|id| event(id, 1)));
    once(&reader, &sink).await;
    assert_eq!(ids(&sink, 0), (1..=20).collect::<Vec<_>>());
    assert_eq!(sink.events(DEVICE, 1), reader.log());
}

#[tokio::test(start_paused = true)]
async fn a_restored_reader_whose_newest_event_was_missing_opens_no_epoch() {
    let reader = Scripted::new((1..=20).filter(|id| *id != 10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    once(&reader, &sink).await;
    reader.lose(11..=20);
    reader.put([event(10, 0)]);
    once(&reader, &sink).await;
    assert_eq!(sink.epochs(DEVICE), [0]);
}

#[tokio::test(start_paused = true)]
async fn ids_that_began_anew_and_lack_the_watermark_open_an_epoch() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    once(&reader, &sink).await;
    reader.wipe();
    reader.put((2..=15).filter(|id| *id != 10).map(|id| event(id, 1)));
    once(&reader, &sink).await;
    assert_eq!(ids(&sink, 0), (1..=10).collect::<Vec<_>>());
    assert_eq!(sink.events(DEVICE, 1), reader.log());
}
