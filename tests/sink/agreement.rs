//! Whatever batches come, both sinks hold the same.

use bs2_events::codec::{DeviceId, Event, EventCode, Timestamp};
use bs2_events::device::DeviceInfo;
use bs2_events::sink::sqlite::{self, Defect, SqliteSink};
use bs2_events::sink::{Batch, GapReason, MemorySink, Sink};
use proptest::collection::vec;
use proptest::prelude::*;

/// Few readers, epochs and ids, so that batches meet; some ids at the end of the numbers.
fn id() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..40_u32, 1 => u32::MAX - 4..=u32::MAX]
}

/// Two ids in order; sometimes not, which a sink refuses.
fn ids() -> impl Strategy<Value = (u32, u32)> {
    (id(), id(), prop::bool::weighted(0.03))
        .prop_map(|(one, two, refused)| if refused { (one, two) } else { (one.min(two), one.max(two)) })
}

fn batch() -> impl Strategy<Value = Batch> {
    let reason = prop::sample::select(vec![
        GapReason::Cleared,
        GapReason::Overwritten,
        GapReason::Reset,
        GapReason::Unknown,
        GapReason::Unreadable,
    ]);
    let events = vec((id(), any::<u32>()), 0..40);
    (0..2_u32, 0..2_u32, ids(), events, vec((ids(), reason), 0..4)).prop_map(
        |(device, epoch, (first, watermark), events, gaps)| {
            let device = DeviceId::new(device);
            let events = events.into_iter().map(|(id, time)| {
                let builder = Event::builder(device, id, EventCode::DOOR_OPENED);
                builder.timestamp(Timestamp::from_unix_seconds(time)).build()
            });
            let batch = Batch::new(device, epoch, first, watermark).with_events(events);
            gaps.into_iter().fold(batch, |batch, ((from, to), reason)| batch.with_gap(from, to, reason))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_batches_give_the_same_content(batches in vec(batch(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(agree(batches));
    }
}

async fn agree(batches: Vec<Batch>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let memory = MemorySink::new();
    let mut file = SqliteSink::open(&path).unwrap();
    let half = batches.len() / 2;
    for (number, batch) in batches.into_iter().enumerate() {
        if number == half {
            file.close().await.unwrap();
            file = SqliteSink::open(&path).unwrap();
        }
        let stored = [memory.store(batch.clone()).await, file.store(batch).await];
        let [in_memory, in_file] = stored.map(|stored| stored.map_err(|error| error.kind()));
        assert_eq!(in_memory, in_file, "batch {number}");
    }
    for device in [0, 1].map(DeviceId::new) {
        let info = DeviceInfo::new(device);
        assert_eq!(memory.resume(&info).await.unwrap(), file.resume(&info).await.unwrap());
        assert_eq!(memory.gaps_of(device), file.gaps(device).await.unwrap());
        for epoch in [0, 1] {
            for event in memory.events(device, epoch) {
                let kept = file.event(device, epoch, event.id()).await.unwrap();
                assert_eq!(kept, Some(event));
            }
        }
    }
    // The batches promise what they do not keep, so holes are right; what the sink itself answers for is not wrong.
    for report in sqlite::verify(&path).unwrap().epochs {
        assert_eq!(report.events, memory.events(report.device, report.epoch).len() as u64);
        assert_eq!(report.first.zip(report.watermark), memory.watermark(report.device, report.epoch));
        let promised = |fault: &Defect| matches!(fault, Defect::Hole { .. } | Defect::BelowFirst { .. });
        assert!(report.defects.iter().all(promised), "{report:?}");
    }
}
