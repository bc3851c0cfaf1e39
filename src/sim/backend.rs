//! The simulated readers as a backend of the client.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::Inner;
use super::connection::{INVALID_PARAMETER, NO_SUCH_LOG, NOT_SUPPORTED, Trouble};
use super::device::{SimDevice, State};
use super::device_state::Command;
use super::extras::{Beside, blob};
use super::log::PICTURES;
use super::picture::picture;
use super::subscriber::Subscriber;
use crate::codec::{DeviceId, Event, EventMask, PortableBlob, Timestamp};
use crate::device::{
    Backend, Capabilities, DeviceInfo, DeviceList, EventPage, ImageFilter, ImageLog, LiveSink, Monitoring,
};
use crate::{Error, ErrorKind, Result};

/// One way to the readers, with its connections.
pub(super) struct SimBackend {
    shared: Arc<Inner>,
    number: u64,
    /// For each reader the generation of its line when it was connected; 0 for never.
    connections: Box<[AtomicU64]>,
    closed: AtomicBool,
}

impl SimBackend {
    pub(super) fn new(shared: Arc<Inner>, number: u64) -> Self {
        let connections = shared.readers.iter().map(|_| AtomicU64::new(0)).collect();
        Self { shared, number, connections, closed: AtomicBool::new(false) }
    }

    #[cfg(feature = "sim-servers")]
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether this way to a reader, whose state this is, still stands.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Disconnected`] if it does not.
    #[cfg(feature = "sim-servers")]
    pub(super) fn check(&self, position: usize, state: &State) -> Result<()> {
        state.line.check(self.connections[position].load(Ordering::Acquire))
    }

    /// Ends the connection to one reader.
    #[cfg(feature = "sim-servers")]
    pub(super) fn forget(&self, position: usize) {
        self.connections[position].store(0, Ordering::Release);
    }

    /// A call to a connected reader, with what may go wrong with it.
    async fn call<T: Send>(
        &self,
        device: DeviceId,
        work: impl FnOnce(&mut State) -> Result<T> + Send,
    ) -> Result<T> {
        self.call_after(device, |_| Duration::ZERO, work).await
    }

    /// Does something to a connected reader.
    pub(super) async fn act(&self, device: DeviceId, act: Command) -> Result<()> {
        self.call(device, |state| {
            state.act(&self.shared.books, act);
            self.shared.books.check()
        })
        .await
    }

    /// The same as [`call`](Self::call), for what takes its time.
    pub(super) async fn call_after<T: Send>(
        &self,
        device: DeviceId,
        delay: impl FnOnce(&mut State) -> Duration + Send,
        work: impl FnOnce(&mut State) -> Result<T> + Send,
    ) -> Result<T> {
        let (position, reader) = self.reader(device).await?;
        let connection = self.connections[position].load(Ordering::Acquire);
        let (delay, trouble) = {
            let mut state = reader.lock();
            state.line.check(connection)?;
            (delay(&mut state), state.line.trouble())
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut state = reader.lock();
        state.line.check(connection)?;
        self.shared.books.check()?;
        match trouble {
            Trouble::None => work(&mut state),
            Trouble::Code(code) => Err(state.line.error(code, "the reader refuses")),
            Trouble::CutBefore => {
                state.line.cut();
                Err(state.line.lost())
            }
            Trouble::CutAfter => {
                let answer = work(&mut state);
                state.line.cut();
                let lost = state.line.lost();
                // What the answer holds may want the lock when it is dropped.
                drop(state);
                drop(answer);
                Err(lost)
            }
        }
    }

    /// The reader, unless it is stuck: then this never returns.
    async fn reader(&self, device: DeviceId) -> Result<(usize, &SimDevice)> {
        self.check_open()?;
        let position = self.shared.position(device)?;
        let reader = &self.shared.readers[position];
        let stuck = reader.lock().line.is_stuck();
        if stuck {
            return std::future::pending().await;
        }
        Ok((position, reader))
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where the readers take no pictures.
    fn check_images(&self, state: &State) -> Result<()> {
        if self.shared.settings.images {
            Ok(())
        } else {
            Err(state.line.error(NOT_SUPPORTED, "the reader takes no pictures"))
        }
    }
}

#[async_trait]
impl Backend for SimBackend {
    async fn devices(&self) -> Result<DeviceList> {
        self.check_open()?;
        Ok(DeviceList::new(self.shared.readers.iter().map(SimDevice::device)))
    }

    async fn connect(&self, device: DeviceId) -> Result<()> {
        let (position, reader) = self.reader(device).await?;
        let connection = &self.connections[position];
        let mut state = reader.lock();
        if state.line.check(connection.load(Ordering::Acquire)).is_err() {
            connection.store(state.line.connect()?, Ordering::Release);
        }
        Ok(())
    }

    async fn info(&self, device: DeviceId) -> Result<DeviceInfo> {
        self.call(device, |_| {
            Ok(DeviceInfo::new(device)
                .with_model("simulated reader")
                .with_firmware(env!("CARGO_PKG_VERSION")))
        })
        .await
    }

    async fn capabilities(&self, device: DeviceId) -> Result<Capabilities> {
        let settings = &self.shared.settings;
        let images = if settings.images { PICTURES as u32 } else { 0 };
        self.call(device, |_| Ok(Capabilities::new(settings.capacity).with_image_logs(images))).await
    }

    async fn time(&self, device: DeviceId) -> Result<Timestamp> {
        self.call(device, |state| Ok(state.life.clock())).await
    }

    async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
        let settings = &self.shared.settings;
        let max = if settings.page == 0 { max } else { max.min(settings.page) };
        self.call_after(
            device,
            |state| state.line.delay(),
            |state| {
                let inclusive = settings.inclusive || state.line.repeats();
                Ok(EventPage::from(state.life.log().answer(after, max, inclusive && after > 0)))
            },
        )
        .await
    }

    async fn blobs(
        &self,
        device: DeviceId,
        after: u32,
        max: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>> {
        // Every event has the fields of `INFO`; of others an answer may have to look through the whole log.
        let candidates = if mask.contains(EventMask::INFO) { max } else { u32::MAX };
        let events = self
            .call_after(
                device,
                |state| state.line.delay(),
                |state| {
                    let events = state.life.log().answer(after, candidates, false).into_iter();
                    let with_all = |event: Event| {
                        let is_kept = state.life.log().with_picture(event.id()).is_some();
                        let picture = state.life.recorded_picture(event.id());
                        (event, is_kept, Beside { picture, ..state.life.beside(&event) })
                    };
                    Ok(events.map(with_all).collect::<Vec<_>>())
                },
            )
            .await?;
        let seed = self.shared.settings.seed;
        let blobs = events.into_iter().filter_map(|(event, is_kept, beside)| {
            let jpeg = if is_kept && mask.contains(EventMask::IMAGE) {
                beside.picture.map_or_else(|| picture(seed, &event), Ok).map(Some)
            } else {
                Ok(None)
            };
            jpeg.and_then(|picture| blob(&event, Beside { picture, ..beside }, mask)).transpose()
        });
        blobs.take(usize::try_from(max).unwrap_or(usize::MAX)).collect()
    }

    async fn image_log(&self, device: DeviceId, id: u32) -> Result<Bytes> {
        let (event, recorded) = self
            .call(device, |state| {
                self.check_images(state)?;
                let event = state.life.log().with_picture(id);
                let event = event
                    .ok_or_else(|| state.line.error(NO_SUCH_LOG, &format!("event {id} has no picture")))?;
                Ok((event, state.life.recorded_picture(id)))
            })
            .await?;
        recorded.map_or_else(|| picture(self.shared.settings.seed, &event), Ok)
    }

    async fn image_logs(&self, device: DeviceId, after: u32, max: u32) -> Result<Vec<ImageLog>> {
        let seed = self.shared.settings.seed;
        let events = self
            .call_after(
                device,
                |state| state.line.delay(),
                |state| {
                    self.check_images(state)?;
                    let events = state.life.log().pictures(after, max).into_iter();
                    Ok(events
                        .map(|event| (event, state.life.recorded_picture(event.id())))
                        .collect::<Vec<_>>())
                },
            )
            .await?;
        let images = events.into_iter().map(|(event, recorded)| {
            let jpeg = recorded.map_or_else(|| picture(seed, &event), Ok)?;
            Ok(ImageLog::new(event, jpeg))
        });
        images.collect()
    }

    async fn image_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>> {
        self.call(device, |state| {
            self.check_images(state)?;
            Ok(state.life.filters().to_vec())
        })
        .await
    }

    async fn set_image_filters(&self, device: DeviceId, filters: &[ImageFilter]) -> Result<()> {
        self.call(device, |state| {
            self.check_images(state)?;
            if filters.len() > IMAGE_FILTERS {
                return Err(state.line.error(INVALID_PARAMETER, "too many image filters"));
            }
            state.set_filters(&self.shared.books, filters);
            self.shared.books.check()
        })
        .await
    }

    async fn clear_log(&self, device: DeviceId) -> Result<()> {
        self.act(device, Command::ClearLog).await
    }

    async fn monitor(&self, device: DeviceId, sink: LiveSink) -> Result<Monitoring> {
        let outlet = Subscriber::new(Arc::new(sink), &self.shared.settings)?;
        let position = self.shared.position(device)?;
        self.call(device, |state| {
            let ticket = state.line.listen(self.number, outlet);
            Ok(Monitoring::new(Listening { shared: Arc::clone(&self.shared), position, ticket }))
        })
        .await
    }

    async fn close(&self) -> Result<()> {
        if !self.closed.swap(true, Ordering::AcqRel) {
            for reader in &self.shared.readers {
                reader.lock().line.close(self.number, closed);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SimBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimBackend").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

/// Ends a monitoring when it is dropped.
struct Listening {
    shared: Arc<Inner>,
    position: usize,
    ticket: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.shared.readers[self.position].lock().line.unlisten(self.ticket);
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the way to the simulated readers is closed")
}

const IMAGE_FILTERS: usize = 32;
