//! Both sinks keep the contract, and the suite finds sinks that do not.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bs2_events::Result;
use bs2_events::codec::{DeviceId, Event};
use bs2_events::device::DeviceInfo;
use bs2_events::sink::conformance::{self, SinkStage};
use bs2_events::sink::sqlite::{self, SqliteSink};
use bs2_events::sink::{Batch, Gap, MemorySink, ResumePoint, Sink, Stored, async_trait};

#[tokio::test]
async fn the_sink_in_memory_keeps_the_contract() {
    conformance::check(&BrokenStage::new(None)).await.unwrap();
}

#[tokio::test]
async fn the_sqlite_sink_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let stage = SqliteStage { folder: folder.path().to_owned(), crashes: AtomicU32::new(0) };
    conformance::check(&stage).await.unwrap();
    assert_eq!(sqlite::verify(stage.path()).unwrap().strays, 0);
}

/// A store whose crash leaves its files as they are at that moment.
struct SqliteStage {
    folder: PathBuf,
    crashes: AtomicU32,
}

impl SqliteStage {
    fn path(&self) -> PathBuf {
        self.folder.join(format!("events-{}.db", self.crashes.load(Ordering::SeqCst)))
    }
}

#[async_trait]
impl SinkStage for SqliteStage {
    async fn open(&self) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(SqliteSink::open(self.path())?))
    }

    async fn crash(&self, sink: Arc<dyn Sink>) {
        let before = self.path();
        self.crashes.fetch_add(1, Ordering::SeqCst);
        for suffix in ["", "-wal"] {
            let file = |path: &Path| format!("{}{suffix}", path.display());
            std::fs::copy(file(&before), file(&self.path())).unwrap();
        }
        drop(sink);
    }
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
        (Break::ForgetsInCrash, "crash"),
    ];
    for (broken, point) in broken {
        let stage = BrokenStage::new(Some(broken));
        let violation = conformance::check(&stage).await.expect_err(&format!("{broken:?} is not found"));
        assert_eq!(violation.point(), point, "{broken:?}: {violation}");
        assert!(violation.to_string().starts_with(point));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_learns_nothing_is_told_from_one_that_does() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStage { folder: folder.path().into(), crashes: AtomicU32::new(0) };
    conformance::check_completion(&sqlite).await.unwrap();
    conformance::check_completion(&BrokenStage::new(None)).await.unwrap();
    let violation =
        conformance::check_completion(&BrokenStage::new(Some(Break::LearnsNothing))).await.unwrap_err();
    assert_eq!(violation.point(), "completed");
}

/// A store in memory whose sinks have one fault, or none.
struct BrokenStage {
    broken: Option<Break>,
    store: MemorySink,
    crashed: AtomicBool,
}

impl BrokenStage {
    fn new(broken: Option<Break>) -> Self {
        Self { broken, store: MemorySink::new(), crashed: AtomicBool::new(false) }
    }
}

#[async_trait]
impl SinkStage for BrokenStage {
    async fn open(&self) -> Result<Arc<dyn Sink>> {
        let Some(broken) = self.broken else { return Ok(Arc::new(self.store.reopen())) };
        let forgets = broken == Break::ForgetsOnReopening
            || broken == Break::ForgetsInCrash && self.crashed.load(Ordering::SeqCst);
        let inner = if forgets { MemorySink::new() } else { self.store.reopen() };
        Ok(Arc::new(Broken { inner, broken, last: Mutex::default() }))
    }

    async fn crash(&self, sink: Arc<dyn Sink>) {
        self.crashed.store(true, Ordering::SeqCst);
        drop(sink);
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
    ForgetsInCrash,
    LearnsNothing,
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

    async fn resume_epoch(&self, device: DeviceId, epoch: u32) -> Result<Option<ResumePoint>> {
        self.inner.resume_epoch(device, epoch).await
    }

    async fn store(&self, mut batch: Batch) -> Result<Stored> {
        match self.broken {
            Break::AcceptsContradictions if batch.check().is_err() => return Ok(Stored::default()),
            _ if batch.check().is_err() => {}
            Break::ForgetsGaps => batch.gaps.clear(),
            Break::LearnsNothing => {
                let stored = self.inner.events(batch.device, batch.epoch);
                batch.events.retain(|event| !stored.iter().any(|known| known.id() == event.id()));
            }
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
