//! The simulated devices as a backend of the client.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use super::connection::Queue;
use super::device::{DeviceParts, NOT_SUPPORTED, SimDevice};
use super::extras::{blob, picture};
use super::history::Command;
use super::inner::Inner;
use super::profile::DeviceProfile;
use crate::codec::blob::EventMask;
use crate::codec::portable::PortableBlob;
use crate::codec::sdk_code::SdkCode;
use crate::codec::{DeviceId, Event, Timestamp};
use crate::device::{
    Capabilities, DeviceInfo, EventPage, ImageFilter, ImageLog,
    backend::{Backend, DeviceList, LiveSink, Monitoring},
};
use crate::{Error, ErrorKind, Result};

/// A backend without faults, with connections of its own.
pub(super) struct SimBackend {
    inner: Arc<Inner>,
    number: u64,
    /// Whether it stands behind a gateway, which reports more beside an event than the vendor's library.
    is_gateway: bool,
    /// For each device the generation of its connection when it was connected; 0 for never.
    connections: Box<[AtomicU64]>,
    is_closed: AtomicBool,
}

impl SimBackend {
    pub(super) fn new(inner: Arc<Inner>, number: u64, is_gateway: bool) -> Self {
        let connections = inner.devices.iter().map(|_| AtomicU64::new(0)).collect();
        Self { inner, number, is_gateway, connections, is_closed: AtomicBool::new(false) }
    }

    /// Calls a connected device.
    fn call<T>(&self, device: DeviceId, work: impl FnOnce(&mut DeviceParts) -> Result<T>) -> Result<T> {
        self.check_open()?;
        let position = self.inner.position(device)?;
        let mut parts = self.inner.devices[position].lock();
        parts.connection.check(self.connections[position].load(Ordering::Acquire))?;
        self.inner.outputs.check()?;
        work(&mut parts)
    }

    fn check_open(&self) -> Result<()> {
        if self.is_closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    /// Fails with [`ErrorKind::Unsupported`] where the devices take no pictures.
    fn check_images(&self, parts: &DeviceParts) -> Result<()> {
        if self.inner.options.images {
            Ok(())
        } else {
            Err(parts.connection.error(NOT_SUPPORTED, "the device takes no pictures"))
        }
    }

    /// The picture of an event: the recorded one, or a generated one.
    fn picture(&self, event: &Event, recorded: Option<Bytes>) -> Result<Bytes> {
        recorded.map_or_else(|| picture(self.inner.options.seed, event), Ok)
    }
}

#[async_trait]
impl Backend for SimBackend {
    async fn devices(&self) -> Result<DeviceList> {
        self.check_open()?;
        Ok(DeviceList::new(self.inner.devices.iter().map(SimDevice::device)))
    }

    async fn connect(&self, device: DeviceId) -> Result<()> {
        self.check_open()?;
        let position = self.inner.position(device)?;
        let generation = self.inner.devices[position].lock().connection.generation();
        self.connections[position].store(generation, Ordering::Release);
        Ok(())
    }

    async fn info(&self, device: DeviceId) -> Result<DeviceInfo> {
        self.call(device, |_| {
            let profile = DeviceProfile::new(device, &self.inner.options);
            Ok(DeviceInfo::new(device).with_model(profile.model).with_firmware(profile.firmware))
        })
    }

    async fn capabilities(&self, device: DeviceId) -> Result<Capabilities> {
        let profile = DeviceProfile::new(device, &self.inner.options);
        let capabilities = Capabilities::new(profile.max_event_logs).with_image_logs(profile.max_image_logs);
        self.call(device, |_| Ok(capabilities))
    }

    async fn time(&self, device: DeviceId) -> Result<Timestamp> {
        self.call(device, |parts| Ok(parts.state.time()))
    }

    async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
        let options = &self.inner.options;
        let max = if options.page == 0 { max } else { max.min(options.page) };
        let is_inclusive = options.inclusive && after > 0;
        self.call(device, |parts| {
            let events = parts.state.log().page(after, max, is_inclusive);
            // As with the vendor's library, a log has the 48 bytes alone; but what a test gave must not be lost.
            let given = |event: &Event| Some((event.id(), parts.state.pushed_extras(event.id())?.clone()));
            let extras = events.iter().filter_map(given).collect();
            Ok(EventPage::from(events).with_extras(extras))
        })
    }

    async fn blobs(
        &self,
        device: DeviceId,
        after: u32,
        max: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>> {
        // Every event has the fields of `INFO`. For other fields the whole log may have to be searched.
        let candidates = if mask.contains(EventMask::INFO) { max } else { u32::MAX };
        let events = self.call(device, |parts| {
            let state = &parts.state;
            let events = state.log().page(after, candidates, false).into_iter();
            Ok(events
                .map(|event| {
                    let is_kept = state.log().with_picture(event.id()).is_some();
                    (event, state.extras(&event), is_kept, state.given_picture(event.id()))
                })
                .collect::<Vec<_>>())
        })?;
        let blobs = events.into_iter().filter_map(|(event, extras, is_kept, recorded)| {
            let wants_picture = is_kept && mask.contains(EventMask::IMAGE);
            let picture = wants_picture.then(|| self.picture(&event, recorded)).transpose();
            picture.and_then(|picture| blob(&event, &extras, picture, mask)).transpose()
        });
        blobs.take(usize::try_from(max).unwrap_or(usize::MAX)).collect()
    }

    async fn image_log(&self, device: DeviceId, id: u32) -> Result<Bytes> {
        let (event, recorded) = self.call(device, |parts| {
            self.check_images(parts)?;
            let event =
                parts.state.log().with_picture(id).ok_or_else(|| {
                    parts.connection.error(NO_SUCH_LOG, &format!("event {id} has no picture"))
                })?;
            Ok((event, parts.state.given_picture(id)))
        })?;
        self.picture(&event, recorded)
    }

    async fn image_logs(&self, device: DeviceId, after: u32, max: u32) -> Result<Vec<ImageLog>> {
        let events = self.call(device, |parts| {
            self.check_images(parts)?;
            let events = parts.state.log().pictures(after, max).into_iter();
            Ok(events.map(|event| (event, parts.state.given_picture(event.id()))).collect::<Vec<_>>())
        })?;
        let images = events.into_iter();
        images.map(|(event, recorded)| Ok(ImageLog::new(event, self.picture(&event, recorded)?))).collect()
    }

    async fn image_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>> {
        self.call(device, |parts| {
            self.check_images(parts)?;
            Ok(parts.state.filters().to_vec())
        })
    }

    async fn set_image_filters(&self, device: DeviceId, filters: &[ImageFilter]) -> Result<()> {
        self.call(device, |parts| {
            self.check_images(parts)?;
            if filters.len() > MOST_FILTERS {
                return Err(parts
                    .connection
                    .error(INVALID_PARAMETER, "there are more than 32 image filters"));
            }
            parts.set_filters(&self.inner.outputs, filters);
            self.inner.outputs.check()
        })
    }

    async fn clear_log(&self, device: DeviceId) -> Result<()> {
        self.call(device, |parts| {
            parts.command(&self.inner.outputs, Command::ClearLog);
            self.inner.outputs.check()
        })
    }

    async fn monitor(&self, device: DeviceId, sink: LiveSink) -> Result<Monitoring> {
        let position = self.inner.position(device)?;
        let queue = Queue::new(self.inner.options.queue, &sink)?;
        let ticket = self.call(device, |parts| {
            Ok(parts.connection.subscribe(self.number, self.is_gateway, sink, queue))
        })?;
        let subscription = SimSubscription { inner: Arc::clone(&self.inner), position, ticket };
        // Not while the device is locked: the ticker locks devices.
        self.inner.start_unless_stopped()?;
        Ok(Monitoring::new(subscription))
    }

    async fn close(&self) -> Result<()> {
        if !self.is_closed.swap(true, Ordering::AcqRel) {
            for device in &self.inner.devices {
                device.lock().connection.close(self.number, closed);
            }
        }
        Ok(())
    }

    fn has_clock(&self) -> bool {
        self.inner.has_clock
    }
}

impl fmt::Debug for SimBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimBackend").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

/// Ends a subscription when it is dropped.
struct SimSubscription {
    inner: Arc<Inner>,
    position: usize,
    ticket: u64,
}

impl Drop for SimSubscription {
    fn drop(&mut self) {
        let subscriber = self.inner.devices[self.position].lock().connection.unsubscribe(self.ticket);
        drop(subscriber); // Outside the lock.
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the backend of the simulated devices is closed")
}

const INVALID_PARAMETER: SdkCode = SdkCode::new(-200);
const NO_SUCH_LOG: SdkCode = SdkCode::new(-725);
const MOST_FILTERS: usize = 32;
