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

#[tokio::test(start_paused = true)]
async fn ids_that_began_anew_show_by_the_newest_event_that_is_stored_below_an_unreadable_one() {
    let reader = Scripted::new((1..=9).map(|id| event(id, 0)));
    reader.spoil([10]);
    let sink = MemorySink::new();
    once(&reader, &sink).await;
    assert_eq!(sink.watermark(DEVICE, 0), Some((1, 10)));
    let reader = Scripted::new((1..=50).map(|id| event(id, 1)));
    once(&reader, &sink).await;
    assert_eq!(sink.events(DEVICE, 1), reader.log());
    assert_eq!(ids(&sink, 0), (1..=9).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_runs_over_begins_a_new_epoch() {
    let before: Vec<Event> = (u32::MAX - 20..=u32::MAX).map(|id| event(id, 0)).collect();
    for live in [true, false] {
        let reader = Scripted::new(before.iter().copied());
        let sink = MemorySink::new();
        let run = if live { Some(Run::start(&reader, &sink).await) } else { None };
        if !live {
            once(&reader, &sink).await;
        }
        assert_eq!(sink.watermark(DEVICE, 0), Some((u32::MAX - 20, u32::MAX)));
        (1..=30).for_each(|id| reader.happen(event(id, 1)));
        match run {
            Some(run) => {
                until(|| sink.watermark(DEVICE, 1) == Some((1, 30))).await;
                run.stop(Stop::AfterCatchUp).await;
            }
            None => drop(once(&reader, &sink).await),
        }
        // The end of the old epoch is still in the log.
        reader.put([event(31, 1)]);
        once(&reader, &sink).await;
        assert_eq!(sink.events(DEVICE, 0), before);
        assert_eq!(sink.events(DEVICE, 1), (1..=31).map(|id| event(id, 1)).collect::<Vec<_>>());
        assert_eq!((sink.epochs(DEVICE), gaps(&sink)), (vec![0, 1], vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn two_devices_that_swap_under_one_number_have_an_epoch_each() {
    let (one, other) = (Scripted::default(), Scripted::default());
    let sink = MemorySink::new();
    for turn in 0..6 {
        one.put((1..=10 * (turn + 1)).map(|id| event(id, 0)));
        once(&one, &sink).await;
        other.put((1..=7 * (turn + 1)).map(|id| event(id, 5)));
        once(&other, &sink).await;
    }
    assert_eq!(sink.epochs(DEVICE), [0, 1]);
    assert_eq!((sink.events(DEVICE, 0), sink.events(DEVICE, 1)), (one.log(), other.log()));
    let open = |epoch, from| (epoch, from, u32::MAX, GapReason::Reset);
    assert_eq!(gaps(&sink), [open(0, 61), open(1, 43)]);
}

#[tokio::test(start_paused = true)]
async fn devices_that_swap_while_they_are_listened_to_are_told_apart() {
    let reader = Scripted::new((1..=10).map(|id| event(id, 0)));
    let sink = MemorySink::new();
    let run = Run::start(&reader, &sink).await;
    let mut logs: [Vec<Event>; 2] = [reader.log(), (1..=4).map(|id| event(id, 5)).collect()];
    for turn in 1..5_usize {
        reader.wipe();
        reader.put(logs[turn % 2].iter().copied());
        reader.disconnect();
        until(|| reader.is_monitored()).await;
        let next = logs[turn % 2].last().unwrap().id() + 1;
        reader.happen(event(next, if turn % 2 == 0 { 0 } else { 5 }));
        logs[turn % 2] = reader.log();
        until(|| sink.events(DEVICE, turn as u32 % 2) == reader.log()).await;
    }
    run.stop(Stop::AfterCatchUp).await;
    assert_eq!(sink.epochs(DEVICE), [0, 1]);
    assert_eq!([0, 1].map(|epoch| sink.events(DEVICE, epoch)), logs);
}
