//! A backend of your own: `cargo run --features device --example custom_backend`.
//!
//! This one holds a fixed log in memory. Fifteen methods are all; hold yours to `bs2_events::device::conformance`.

use std::sync::Arc;

use bs2_events::codec::blob::EventMask;
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{DeviceId, Event, EventCode, Timestamp};
use bs2_events::device::backend::*;
use bs2_events::device::*;
use bs2_events::{Error, ErrorKind, Result};
use bytes::Bytes;

#[derive(Debug)]
struct Archive(DeviceId, Vec<Event>);

impl Archive {
    fn check(&self, device: DeviceId) -> Result<()> {
        let unknown = || Error::new(ErrorKind::NotFound, "no such reader in the archive").with_device(device);
        if device == self.0 { Ok(()) } else { Err(unknown()) }
    }

    fn no<T>(&self, device: DeviceId, what: &str) -> Result<T> {
        self.check(device)?;
        Err(Error::new(ErrorKind::Unsupported, format!("an archive has no {what}")).with_device(device))
    }
}

#[rustfmt::skip]
#[async_trait]
impl Backend for Archive {
    async fn devices(&self) -> Result<DeviceList> { Ok(DeviceList::new([self.0])) }
    async fn connect(&self, device: DeviceId) -> Result<()> { self.check(device) }
    async fn info(&self, device: DeviceId) -> Result<DeviceInfo> { self.check(device).map(|()| DeviceInfo::new(device).with_model("archive")) }
    async fn capabilities(&self, device: DeviceId) -> Result<Capabilities> { self.check(device).map(|()| Capabilities::new(self.1.len() as u32)) }
    async fn time(&self, device: DeviceId) -> Result<Timestamp> { self.no(device, "clock") }
    async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
        self.check(device)?;
        let newer = self.1.iter().filter(|event| event.id() > after);
        Ok(newer.take(max as usize).copied().collect::<Vec<_>>().into())
    }
    async fn blobs(&self, device: DeviceId, _: u32, _: u32, _: EventMask) -> Result<Vec<PortableBlob<'static>>> { self.no(device, "blobs") }
    async fn image_log(&self, device: DeviceId, _: u32) -> Result<Bytes> { self.no(device, "pictures") }
    async fn image_logs(&self, device: DeviceId, _: u32, _: u32) -> Result<Vec<ImageLog>> { self.no(device, "pictures") }
    async fn image_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>> { self.no(device, "pictures") }
    async fn set_image_filters(&self, device: DeviceId, _: &[ImageFilter]) -> Result<()> { self.no(device, "pictures") }
    async fn clear_log(&self, device: DeviceId) -> Result<()> { self.no(device, "way to be cleared") }
    async fn monitor(&self, device: DeviceId, _: LiveSink) -> Result<Monitoring> { self.no(device, "live events") }
    async fn close(&self) -> Result<()> { Ok(()) }
    fn has_clock(&self) -> bool { true }
}

#[tokio::main]
async fn main() -> Result<()> {
    let id = DeviceId::new(7);
    let events = (1..=5).map(|n| Event::builder(id, n, EventCode::DOOR_OPENED).build()).collect();
    let device = Client::new(Arc::new(Archive(id, events))).device(id);
    for event in device.logs(2, 10).await?.iter() {
        println!("{event}");
    }
    Ok(())
}
