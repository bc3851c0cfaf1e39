//! One reader while it is recorded: its log first, then what happens.

use std::collections::{HashSet, VecDeque};

use bs2_events::codec::blob::EventMask;
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{DeviceId, Event, Temperature};
use bs2_events::device::{Device, ImageLog, Live, Subscription};
use bs2_events::{Error, ErrorKind, Result};
use tokio::sync::mpsc;

use super::now;
use crate::retry::retried;

/// What a reader delivered, and when.
pub(super) struct Delivery {
    pub(super) device: DeviceId,
    pub(super) received_at: u64,
    pub(super) what: What,
}

pub(super) enum What {
    Events(Vec<Event>),
    /// A live event with a person's temperature.
    Measured(Event, Temperature),
    Picture(ImageLog),
    /// What is known beside events that were handed over before.
    Blobs(Vec<PortableBlob<'static>>),
    /// Why there are none of those.
    NoBlobs(Error),
    /// So many subjects beside events that were handed over before.
    Further(usize),
    /// The log was read to its end for the first time.
    LogRead,
    /// Nothing more will come.
    Failed(Error),
}

pub(super) struct Door {
    device: Device,
    deliveries: mpsc::Sender<Delivery>,
    images: bool,
    blobs: bool,
    /// The id up to which the log is recorded.
    cursor: u32,
    image_cursor: u32,
    blob_cursor: u32,
    /// The newest events that came: what the log has given may come live once more.
    newest: Newest,
}

impl Door {
    pub(super) fn new(device: Device, deliveries: mpsc::Sender<Delivery>, images: bool, blobs: bool) -> Self {
        let newest = Newest::default();
        Self { device, deliveries, images, blobs, cursor: 0, image_cursor: 0, blob_cursor: 0, newest }
    }

    /// Hands over all that comes; without `live` it ends with the log.
    pub(super) async fn open(mut self, live: bool) {
        if let Err(error) = self.deliver(live).await {
            self.hand_over(What::Failed(error)).await;
        }
    }

    async fn deliver(&mut self, live: bool) -> Result<()> {
        // Listens before it reads, so that nothing falls between the two.
        let live = if live { Some(retried(|| self.device.subscribe()).await?) } else { None };
        self.read_log().await?;
        self.hand_over(What::LogRead).await;
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
                        let further = extras.as_ref().map_or(0, |extras| extras.subjects.len());
                        self.take(event, extras.and_then(|extras| extras.temperature)).await?;
                        self.hand_over(What::Further(further)).await;
                    }
                }
                // Here events are missing; the log has them.
                Live::Lagged { .. } | Live::Resumed { .. } => self.read_log().await?,
                // What a later client tells beside these is no event.
                _ => {}
            }
        }
        let message = "the reader reports nothing any more";
        Err(Error::new(ErrorKind::Disconnected, message).with_device(self.device.id()))
    }

    async fn take(&mut self, event: Event, temperature: Option<Temperature>) -> Result<()> {
        self.cursor = event.id();
        let what =
            temperature.map_or_else(|| What::Events(vec![event]), |measured| What::Measured(event, measured));
        self.hand_over(what).await;
        if self.images && event.flags().has_image() {
            match retried(|| self.device.image_log(event.id())).await {
                Ok(jpeg) => self.hand_over(What::Picture(ImageLog::new(event, jpeg))).await,
                Err(error) if is_none(&error) => {}
                Err(error) => return Err(error),
            }
            self.image_cursor = event.id();
        }
        if self.blobs {
            let mut blobs = self.blobs(event.id().saturating_sub(1), 1).await?;
            blobs.retain(|blob| blob.head().id() == event.id());
            self.hand_over(What::Blobs(blobs)).await;
            self.blob_cursor = event.id();
        }
        Ok(())
    }

    /// Reads on from where the log was read last.
    async fn read_log(&mut self) -> Result<()> {
        loop {
            let page = retried(|| self.device.logs(self.cursor, PAGE)).await?;
            let Some(last) = page.last() else { break };
            self.cursor = last.id();
            let events: Vec<Event> =
                page.iter().copied().filter(|event| self.newest.insert(*event)).collect();
            let further = page.extras().iter().map(|(_, extras)| extras.subjects.len()).sum();
            self.hand_over(What::Events(events)).await;
            self.hand_over(What::Further(further)).await;
        }
        while self.images {
            let images = match retried(|| self.device.image_logs(self.image_cursor, IMAGES)).await {
                Ok(images) => images,
                Err(error) if is_none(&error) => break,
                Err(error) => return Err(error),
            };
            let Some(last) = images.last() else { break };
            self.image_cursor = last.event.id();
            for image in images {
                self.hand_over(What::Picture(image)).await;
            }
        }
        while self.blobs && self.blob_cursor < self.cursor {
            let mut blobs = self.blobs(self.blob_cursor, PAGE).await?;
            // What the log has got meanwhile waits for its event: a blob alone would stand for less of it.
            blobs.retain(|blob| blob.head().id() <= self.cursor);
            self.blob_cursor = blobs.last().map_or(self.cursor, |last| last.head().id());
            self.hand_over(What::Blobs(blobs)).await;
        }
        Ok(())
    }

    /// Up to `max` blobs of events after this one, without pictures, which are asked for by themselves; where there is
    /// no way to them, none, and none any more.
    async fn blobs(&mut self, after: u32, max: u32) -> Result<Vec<PortableBlob<'static>>> {
        let mask = EventMask::all().difference(EventMask::IMAGE);
        match retried(|| self.device.blobs(after, max, mask)).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                self.blobs = false;
                self.hand_over(What::NoBlobs(error)).await;
                Ok(Vec::new())
            }
            blobs => blobs,
        }
    }

    async fn hand_over(&self, what: What) {
        let delivery = Delivery { device: self.device.id(), received_at: now(), what };
        // Where nobody takes it any more the recording is over.
        let _ = self.deliveries.send(delivery).await;
    }
}

/// Whether there is no picture, and never will be: no reason to end.
fn is_none(error: &Error) -> bool {
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

const PAGE: u32 = 2_048;

/// Pictures are large: so many wait in memory.
const IMAGES: u32 = 32;

/// More than happen while a log is read, and little for a thousand readers.
const REMEMBERED: usize = 1_024;
