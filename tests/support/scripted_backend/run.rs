//! A collector over the scripted reader, and what it left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bs2_events::codec::{DeviceId, Event};
use bs2_events::collect::{Collector, DeviceReport, Report, Stop};
use bs2_events::device::{Device, DeviceInfo};
use bs2_events::sink::{Batch, Gap, GapReason, MemorySink, ResumePoint, Sink, Stored};
use bs2_events::{Error, ErrorKind, Result};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{DEVICE, Scripted};

/// A collector under way.
pub(crate) struct Run {
    stop: oneshot::Sender<Stop>,
    task: JoinHandle<Report>,
}

impl Run {
    /// Starts a collector and waits until it has read the log and listens.
    pub(crate) async fn start(reader: &Scripted, sink: &MemorySink) -> Self {
        let run = Self::begin(reader.device(), Arc::new(sink.clone()));
        let all = reader.device().newest_id(0).await.unwrap();
        until(|| reader.is_monitored() && sink.watermark(DEVICE, 0).map(|(_, watermark)| watermark) == all)
            .await;
        run
    }

    pub(crate) fn begin(device: Device, sink: Arc<dyn Sink>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let collector = Collector::new(sink).with_devices([device]);
        let task = tokio::spawn(collector.run_until(async { stopped.await.unwrap() }));
        Self { stop, task }
    }

    pub(crate) async fn stop(self, how: Stop) -> Report {
        self.stop.send(how).unwrap();
        self.task.await.unwrap()
    }
}

/// A sink whose n-th batch fails.
#[derive(Debug)]
pub(crate) struct Failing {
    pub(crate) inner: MemorySink,
    pub(crate) countdown: AtomicUsize,
    pub(crate) kind: ErrorKind,
}

#[async_trait]
impl Sink for Failing {
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>> {
        self.inner.resume(device).await
    }

    async fn resume_epoch(&self, device: DeviceId, epoch: u32) -> Result<Option<ResumePoint>> {
        self.inner.resume_epoch(device, epoch).await
    }

    async fn store(&self, batch: Batch) -> Result<Stored> {
        if self.countdown.fetch_sub(1, Ordering::Relaxed) == 1 {
            return Err(Error::new(self.kind, "the script says so"));
        }
        self.inner.store(batch).await
    }

    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>> {
        self.inner.event(device, epoch, id).await
    }

    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>> {
        self.inner.gaps(device).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

pub(crate) async fn once(reader: &Scripted, sink: &MemorySink) -> Report {
    Collector::new(Arc::new(sink.clone())).with_devices([reader.device()]).run_once().await
}

/// Lets virtual time pass until something holds; a minute of it is too long.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    for _ in 0..60_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never held");
}

pub(crate) fn device(report: &Report) -> &DeviceReport {
    &report.devices[0]
}

pub(crate) fn ids(sink: &MemorySink, epoch: u32) -> Vec<u32> {
    sink.events(DEVICE, epoch).iter().map(Event::id).collect()
}

pub(crate) fn gaps(sink: &MemorySink) -> Vec<(u32, u32, u32, GapReason)> {
    sink.gaps_of(DEVICE).iter().map(|gap| (gap.epoch, gap.from, gap.to, gap.reason)).collect()
}
