//! Both sinks keep the contract, and the suite finds sinks that do not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bs2_events::Result;
use bs2_events::codec::{DeviceId, Event};
use bs2_events::device::DeviceInfo;
use bs2_events::sink::sqlite::{self, SqliteSink};
use bs2_events::sink::{Batch, Gap, MemorySink, ResumePoint, Sink, Stored, conformance};

#[tokio::test]
async fn the_sink_in_memory_keeps_the_contract() {
    let store = MemorySink::new();
    conformance::check(async || Ok(Arc::new(store.reopen()) as Arc<dyn Sink>)).await.unwrap();
}

#[tokio::test]
async fn the_sqlite_sink_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    conformance::check(async || Ok(Arc::new(SqliteSink::open(&path)?) as Arc<dyn Sink>)).await.unwrap();
    assert_eq!(sqlite::verify(&path).unwrap().strays, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_names_the_point_that_a_broken_sink_breaks() {
    let broken = [
        (Break::AcceptsContradictions, "refused"),
        (Break::StoresHalf, "atomic"),
        (Break::CountsRepeatedAsNew, "once"),
        (Break::ForgetsGaps, "atomic"),
        (Break::KeepsLateEventsOut, "late events"),
        (Break::MixesEpochs, "ends"),
        (Break::ChangesBytes, "once"),
        (Break::LowersWatermark, "the watermark never falls"),
        (Break::LeavesAboveUnordered, "resume"),
        (Break::AnswersAfterClosing, "closed"),
        (Break::ForgetsOnReopening, "resume"),
    ];
    for (broken, point) in broken {
        let store = MemorySink::new();
        let open = async || {
            let inner = if broken == Break::ForgetsOnReopening { MemorySink::new() } else { store.reopen() };
            Ok(Arc::new(Broken { inner, broken, last: Mutex::default() }) as Arc<dyn Sink>)
        };
        let violation = conformance::check(open).await.expect_err(&format!("{broken:?} is not found"));
        assert_eq!(violation.point(), point, "{broken:?}: {violation}");
        assert!(violation.to_string().starts_with(point));
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Break {
    AcceptsContradictions,
    StoresHalf,
    CountsRepeatedAsNew,
    ForgetsGaps,
    KeepsLateEventsOut,
    MixesEpochs,
    ChangesBytes,
    LowersWatermark,
    LeavesAboveUnordered,
    AnswersAfterClosing,
    ForgetsOnReopening,
}

/// A sink in memory with one fault.
#[derive(Debug)]
struct Broken {
    inner: MemorySink,
    broken: Break,
    last: Mutex<HashMap<(DeviceId, u32), u32>>,
}

impl Broken {
    fn last_watermark(&self, device: DeviceId, epoch: u32) -> u32 {
        self.last.lock().unwrap()[&(device, epoch)]
    }
}

#[async_trait]
impl Sink for Broken {
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>> {
        let mut point = self.inner.resume(device).await?;
        if let Some(point) = &mut point {
            match self.broken {
                Break::LowersWatermark => point.watermark = self.last_watermark(device.id, point.epoch),
                Break::LeavesAboveUnordered => point.above.reverse(),
                _ => {}
            }
        }
        Ok(point)
    }

    async fn store(&self, mut batch: Batch) -> Result<Stored> {
        match self.broken {
            Break::AcceptsContradictions if batch.check().is_err() => return Ok(Stored::default()),
            _ if batch.check().is_err() => {}
            Break::ForgetsGaps => batch.gaps.clear(),
            Break::KeepsLateEventsOut => {
                let gaps = self.inner.gaps_of(batch.device);
                batch
                    .events
                    .retain(|event| !gaps.iter().any(|gap| (gap.from..=gap.to).contains(&event.id())));
            }
            Break::MixesEpochs => {
                batch.epoch = 0;
                batch.gaps.iter_mut().for_each(|gap| gap.epoch = 0);
            }
            // A batch in two parts, and between them time enough to be dropped.
            Break::StoresHalf => {
                let half = batch.events.len() / 2;
                let mut first = Batch::new(batch.device, batch.epoch, batch.first, batch.watermark);
                first.events = batch.events.drain(..half).collect();
                let stored = self.inner.store(first).await?;
                tokio::task::yield_now().await;
                let rest = self.inner.store(batch).await?;
                return Ok(Stored { new: stored.new + rest.new, repeated: stored.repeated + rest.repeated });
            }
            _ => {}
        }
        if batch.check().is_ok() {
            self.last.lock().unwrap().insert((batch.device, batch.epoch), batch.watermark);
        }
        let mut stored = self.inner.store(batch).await?;
        if self.broken == Break::CountsRepeatedAsNew {
            stored = Stored { new: stored.new + stored.repeated, repeated: 0 };
        }
        Ok(stored)
    }

    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>> {
        let event = self.inner.event(device, epoch, id).await?;
        let changed = |event: Event| {
            let mut bytes: [u8; Event::SIZE] = event.as_bytes().try_into().unwrap();
            bytes[47] ^= 1;
            *Event::from_bytes(&bytes).unwrap()
        };
        Ok(if self.broken == Break::ChangesBytes { event.map(changed) } else { event })
    }

    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>> {
        self.inner.gaps(device).await
    }

    async fn close(&self) -> Result<()> {
        if self.broken == Break::AnswersAfterClosing { Ok(()) } else { self.inner.close().await }
    }
}
