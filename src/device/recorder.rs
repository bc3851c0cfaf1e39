//! Writes what devices deliver into a capture file.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Client, ConnectionSubscription, Device, ImageLog, Live, StateChange, Subscription};
use crate::codec::blob::EventMask;
use crate::codec::capture::{CapturePayload, CaptureRecord, CaptureWriter, ConnectionStateRecord};
use crate::codec::portable::PortableBlob;
use crate::codec::{DeviceId, Event, Extras, Temperature};
use crate::sync::since_1970;
use crate::{Error, ErrorKind, Result, RetryPolicy};

/// Writes what devices deliver into a capture file, as it comes: first the logs, then live events, each event of a device
/// once, and the states of the connections.
///
/// The file can be read while it is written ([`CaptureReader`](crate::codec::capture::CaptureReader)), and replayed by
/// simulated devices. What is in the file already stays; new records follow. The file holds user ids, card data and, if
/// asked for, pictures.
///
/// # Examples
///
/// ```
/// use bs2_events::device::{Client, Recorder};
/// use bs2_events::sim::Simulator;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("door.bs2cap");
/// let client = Client::new(Simulator::new("devices=2&backlog=100")?.backend());
/// let devices = client.devices().await?;
/// let mut recorder = Recorder::open(&path)?.with_images();
/// recorder.record_logs(&client, &devices).await?;
/// let counts = recorder.close().await?;
/// assert_eq!((counts.events, counts.logs_read), (200, 2));
/// # Ok::<(), bs2_events::Error>(()) }).unwrap();
/// ```
pub struct Recorder {
    file: Capture,
    images: bool,
    blobs: bool,
    deliveries: (mpsc::Sender<Delivery>, mpsc::Receiver<Delivery>),
    devices: JoinSet<()>,
    states: Option<ConnectionSubscription>,
}

/// What a [`Recorder`] wrote.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RecordCounts {
    /// Events.
    pub events: u64,
    /// Pictures.
    pub images: u64,
    /// Blobs.
    pub blobs: u64,
    /// States of connections.
    pub states: u64,
    /// Devices whose log was read to its end.
    pub logs_read: u64,
    /// Devices that failed, so that nothing more of them was recorded.
    pub failed: u64,
    /// Subjects beyond an event's own, which a capture has no record for.
    pub subjects_left_out: u64,
}

impl Recorder {
    /// A recorder that appends to this file, which is made if it does not exist.
    ///
    /// A record without an end, as a killed process leaves it, is cut off first: see [`cut_off`](Self::cut_off).
    ///
    /// # Errors
    ///
    /// [`InvalidData`](ErrorKind::InvalidData) for a file that is no capture, [`Busy`](ErrorKind::Busy) if another process
    /// writes it, [`Storage`](ErrorKind::Storage).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let (writer, cut_off) = CaptureWriter::open(&path).map_err(|error| cannot_write(&path, error))?;
        let (counts, on_failure) = (RecordCounts::default(), None);
        Ok(Self {
            file: Capture { writer, path, cut_off, counts, on_failure },
            images: false,
            blobs: false,
            deliveries: mpsc::channel(WAITING),
            devices: JoinSet::new(),
            states: None,
        })
    }

    /// Records pictures too.
    #[must_use]
    pub fn with_images(mut self) -> Self {
        self.images = true;
        self
    }

    /// Records a blob behind each event too: the job codes and temperatures that a device keeps beyond its events. A
    /// device that has no blobs is a failure that is reported, and everything else of it is recorded.
    #[must_use]
    pub fn with_blobs(mut self) -> Self {
        self.blobs = true;
        self
    }

    /// Sets a callback for failures: devices that fail, that have no blobs, and states that were lost.
    #[must_use]
    pub fn with_on_failure(mut self, on_failure: impl FnMut(&Error) + Send + 'static) -> Self {
        self.file.on_failure = Some(Box::new(on_failure));
        self
    }

    /// How many bytes of a record without an end were cut off when the file was opened.
    #[must_use]
    pub fn cut_off(&self) -> u64 {
        self.file.cut_off
    }

    /// What was written so far.
    #[must_use]
    pub fn counts(&self) -> RecordCounts {
        self.file.counts
    }

    /// Records the logs of these devices to their ends.
    ///
    /// A device that fails does not end the others: it is reported ([`with_on_failure`](Self::with_on_failure)) and
    /// counted.
    ///
    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) if the file cannot be written.
    ///
    /// # Cancel safety
    ///
    /// After this is dropped, [`close`](Self::close) writes what was received.
    pub async fn record_logs(&mut self, client: &Client, devices: &[Device]) -> Result<()> {
        self.record_all(client, devices, false).await
    }

    /// Records the logs of these devices, and then their live events until the future is dropped or every device has
    /// failed. It subscribes before it reads, so that no event falls between the two. Errors and cancel safety are those
    /// of [`record_logs`](Self::record_logs).
    pub async fn record(&mut self, client: &Client, devices: &[Device]) -> Result<()> {
        self.record_all(client, devices, true).await
    }

    async fn record_all(&mut self, client: &Client, devices: &[Device], live: bool) -> Result<()> {
        self.states = Some(client.states());
        for device in devices.iter().filter(|device| !device.has_clock()) {
            self.file.append(device.id(), now(), CapturePayload::State(ConnectionStateRecord::NO_CLOCK))?;
        }
        for device in devices {
            let task = Recording {
                device: device.clone(),
                deliveries: self.deliveries.0.clone(),
                images: self.images,
                blobs: self.blobs,
                cursor: 0,
                image_cursor: 0,
                blob_cursor: 0,
                newest: Newest::default(),
            };
            self.devices.spawn(task.run(live));
        }
        while !self.devices.is_empty() {
            tokio::select! {
                biased; // A device is connected before it delivers.
                Some(change) = next_state(&mut self.states) => self.file.take_state(change)?,
                Some(delivery) = self.deliveries.1.recv() => self.file.take(delivery)?,
                _ = self.devices.join_next() => {}
            }
            if self.deliveries.1.is_empty() {
                self.file.flush()?;
            }
        }
        self.drain()
    }

    /// Writes what was received already.
    fn drain(&mut self) -> Result<()> {
        while let Some(Some(change)) = self.states.as_mut().and_then(|states| now_or_never(states.next())) {
            self.file.take_state(change)?;
        }
        while let Ok(delivery) = self.deliveries.1.try_recv() {
            self.file.take(delivery)?;
        }
        self.file.flush()
    }

    /// Ends the recording, writes what was received, and returns what the file got.
    ///
    /// # Errors
    ///
    /// [`Storage`](ErrorKind::Storage) if the file cannot be written.
    pub async fn close(mut self) -> Result<RecordCounts> {
        self.devices.shutdown().await;
        self.drain()?;
        Ok(self.file.counts)
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("path", &self.file.path)
            .field("counts", &self.file.counts)
            .finish_non_exhaustive()
    }
}

async fn next_state(states: &mut Option<ConnectionSubscription>) -> Option<StateChange> {
    states.as_mut()?.next().await
}

/// The value of a future that is ready. tokio's budget for a task does not count here.
fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    use futures_util::FutureExt;
    tokio::task::coop::unconstrained(future).now_or_never()
}

/// The file, and what it got.
struct Capture {
    writer: CaptureWriter<BufWriter<File>>,
    path: PathBuf,
    cut_off: u64,
    counts: RecordCounts,
    on_failure: Option<OnFailure>,
}

type OnFailure = Box<dyn FnMut(&Error) + Send>;

/// What a device delivered, and when: milliseconds since 1970.
struct Delivery {
    device: DeviceId,
    received_at: u64,
    what: What,
}

enum What {
    Events(Vec<(Event, Option<Temperature>)>),
    Picture(ImageLog),
    /// Blobs of events that were delivered before.
    Blobs(Vec<PortableBlob<'static>>),
    /// Why there are no blobs.
    NoBlobs(Error),
    /// Subjects beyond the own ones of events that were delivered before.
    Subjects(usize),
    /// The log was read to its end for the first time.
    LogRead,
    /// Nothing more will come.
    Failed(Error),
}

impl Capture {
    fn take(&mut self, Delivery { device, received_at, what }: Delivery) -> Result<()> {
        match what {
            What::Events(events) => {
                for (event, temperature) in &events {
                    self.counts.events += 1;
                    let payload = match temperature {
                        Some(temperature) => CapturePayload::EventWithTemperature(event, *temperature),
                        None => CapturePayload::Event(event),
                    };
                    self.append(device, received_at, payload)?;
                }
            }
            // No picture: a later recording asks for it again.
            What::Picture(image) if image.is_empty() => {
                let message = format!("the picture of event {} is empty and is left out", image.event.id());
                self.report(&Error::new(ErrorKind::NotFound, message).with_device(device));
            }
            What::Picture(image) => {
                self.counts.images += 1;
                let payload = CapturePayload::ImageLog { event: &image.event, jpeg: &image.jpeg };
                self.append(device, received_at, payload)?;
            }
            What::Blobs(blobs) => {
                for blob in &blobs {
                    self.counts.blobs += 1;
                    let mut bytes = Vec::with_capacity(blob.encoded_len());
                    blob.encode(&mut bytes);
                    self.append(device, received_at, CapturePayload::SmallBlob(&bytes))?;
                }
            }
            What::NoBlobs(error) => self.report(&error),
            What::Subjects(count) => {
                self.counts.subjects_left_out += u64::try_from(count).unwrap_or(u64::MAX);
            }
            What::LogRead => self.counts.logs_read += 1,
            What::Failed(error) => {
                self.counts.failed += 1;
                self.report(&error);
            }
        }
        Ok(())
    }

    fn take_state(&mut self, change: StateChange) -> Result<()> {
        match change {
            StateChange::Changed { device, state } => {
                self.counts.states += 1;
                self.append(device, now(), CapturePayload::State(state.into()))
            }
            StateChange::Lagged { missed } => {
                let message = format!("{missed} states of connections were lost: the file is too slow");
                self.report(&Error::new(ErrorKind::Other, message));
                Ok(())
            }
        }
    }

    fn append(&mut self, device: DeviceId, received_at: u64, payload: CapturePayload<'_>) -> Result<()> {
        let record = CaptureRecord { device, received_at, payload };
        self.writer.append(&record).map_err(|error| cannot_write(&self.path, error))
    }

    fn flush(&mut self) -> Result<()> {
        self.writer.flush().map_err(|error| cannot_write(&self.path, error))
    }

    fn report(&mut self, error: &Error) {
        match &mut self.on_failure {
            Some(on_failure) => on_failure(error),
            None => tracing::warn!("recording: {error}"),
        }
    }
}

fn cannot_write(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::InvalidData => ErrorKind::InvalidData,
        io::ErrorKind::WouldBlock => ErrorKind::Busy,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("cannot write {}", path.display())).with_source(error)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}

/// One device while it is recorded.
struct Recording {
    device: Device,
    deliveries: mpsc::Sender<Delivery>,
    images: bool,
    blobs: bool,
    /// The id up to which the log is recorded.
    cursor: u32,
    image_cursor: u32,
    blob_cursor: u32,
    /// The newest events that were delivered: an event of the log may come live once more.
    newest: Newest,
}

impl Recording {
    /// Delivers everything; without `live` it ends with the log.
    async fn run(mut self, live: bool) {
        if let Err(error) = self.deliver_all(live).await {
            self.deliver(What::Failed(error)).await;
        }
    }

    async fn deliver_all(&mut self, live: bool) -> Result<()> {
        // Subscribes before it reads, so that nothing falls between the two.
        let live = if live { Some(retried(|| self.device.subscribe()).await?) } else { None };
        self.read_log().await?;
        self.deliver(What::LogRead).await;
        match live {
            Some(live) => self.listen(live).await,
            None => Ok(()),
        }
    }

    async fn listen(&mut self, mut live: Subscription) -> Result<()> {
        while let Some(item) = live.next().await {
            match item {
                Live::Event { event, extras, .. } => {
                    if self.newest.insert(event) {
                        self.take(event, extras.as_deref()).await?;
                    }
                }
                // Events are missing here; the log has them.
                Live::Lagged { .. } | Live::Resumed { .. } => self.read_log().await?,
            }
        }
        let message = "the device reports no more live events";
        Err(Error::new(ErrorKind::Disconnected, message).with_device(self.device.id()))
    }

    async fn take(&mut self, event: Event, extras: Option<&Extras>) -> Result<()> {
        self.cursor = event.id();
        let temperature = extras.and_then(|extras| extras.temperature);
        self.deliver(What::Events(vec![(event, temperature)])).await;
        self.deliver(What::Subjects(extras.map_or(0, |extras| extras.subjects.len()))).await;
        if self.images && event.flags().has_image() {
            match retried(|| self.device.image_log(event.id())).await {
                Ok(jpeg) => self.deliver(What::Picture(ImageLog::new(event, jpeg))).await,
                Err(error) if is_no_picture(&error) => {}
                Err(error) => return Err(error),
            }
            self.image_cursor = event.id();
        }
        if self.blobs {
            let mut blobs = self.read_blobs(event.id().saturating_sub(1), 1).await?;
            blobs.retain(|blob| blob.head().id() == event.id());
            self.deliver(What::Blobs(blobs)).await;
            self.blob_cursor = event.id();
        }
        Ok(())
    }

    /// Reads the log on from where it was read last.
    async fn read_log(&mut self) -> Result<()> {
        loop {
            let page = retried(|| self.device.logs(self.cursor, PAGE)).await?;
            let Some(last) = page.last() else { break };
            self.cursor = last.id();
            let new = page
                .iter()
                .filter(|event| self.newest.insert(**event))
                .map(|event| (*event, page.extras_of(event.id()).and_then(|extras| extras.temperature)));
            let events = new.collect();
            let subjects = page.extras().iter().map(|(_, extras)| extras.subjects.len()).sum();
            self.deliver(What::Events(events)).await;
            self.deliver(What::Subjects(subjects)).await;
        }
        while self.images {
            let images = match retried(|| self.device.image_logs(self.image_cursor, IMAGES)).await {
                Ok(images) => images,
                Err(error) if is_no_picture(&error) => break,
                Err(error) => return Err(error),
            };
            let Some(last) = images.last() else { break };
            self.image_cursor = last.event.id();
            for image in images {
                self.deliver(What::Picture(image)).await;
            }
        }
        while self.blobs && self.blob_cursor < self.cursor {
            let mut blobs = self.read_blobs(self.blob_cursor, PAGE).await?;
            // The log may have grown meanwhile: a blob waits for its event, since it holds less than the event.
            blobs.retain(|blob| blob.head().id() <= self.cursor);
            self.blob_cursor = blobs.last().map_or(self.cursor, |last| last.head().id());
            self.deliver(What::Blobs(blobs)).await;
        }
        Ok(())
    }

    /// Up to `max` blobs after this event, without pictures, which are read by themselves. If the device has no blobs:
    /// none, from now on.
    async fn read_blobs(&mut self, after: u32, max: u32) -> Result<Vec<PortableBlob<'static>>> {
        let mask = EventMask::all().difference(EventMask::IMAGE);
        match retried(|| self.device.blobs(after, max, mask)).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                self.blobs = false;
                self.deliver(What::NoBlobs(error)).await;
                Ok(Vec::new())
            }
            blobs => blobs,
        }
    }

    async fn deliver(&self, what: What) {
        let delivery = Delivery { device: self.device.id(), received_at: now(), what };
        // An error means that the recorder is gone, and this task with it.
        let _ = self.deliveries.send(delivery).await;
    }
}

/// Makes a call that changes nothing again for as long as that may help, a few times. A call that timed out is not made
/// again: the deadline is the user's.
async fn retried<T, F: Future<Output = Result<T>>>(call: impl FnMut() -> F) -> Result<T> {
    let may_help = |error: &Error| error.is_retryable() && error.kind() != ErrorKind::TimedOut;
    let policy = RetryPolicy::default().with_first(FIRST_WAIT).with_retries(RETRIES).with_total(PATIENCE);
    policy.retry(call, may_help).await
}

/// Whether there is no picture and will be none: no reason to end.
fn is_no_picture(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported)
}

/// A bounded memory of events.
#[derive(Default)]
struct Newest {
    events: HashSet<Event>,
    order: VecDeque<Event>,
}

impl Newest {
    /// Remembers an event; `false` if it was remembered already.
    fn insert(&mut self, event: Event) -> bool {
        let is_new = self.events.insert(event);
        if is_new {
            self.order.push_back(event);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.events.remove(&oldest);
            }
        }
        is_new
    }
}

/// How many deliveries wait for the file, at most; a page is one.
const WAITING: usize = 64;
const PAGE: u32 = 2_048;
/// Pictures are large: this many wait in memory.
const IMAGES: u32 = 32;
/// More events than happen while a log is read, and little memory for a thousand devices.
const REMEMBERED: usize = 1_024;
const RETRIES: usize = 6;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);
