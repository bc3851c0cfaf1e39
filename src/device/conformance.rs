//! Checks a backend against the contract of [`Backend`], point by point.
//!
//! [`check_backend`] calls the backend itself and expects every point. [`check_client`] goes through a [`Client`] and
//! expects what users are promised, even from a backend that repeats, disorders, delays and loses connections.
//!
//! A backend of your own runs both in its tests: implement [`BackendStage`] and call them. `tests/device/conformance.rs`
//! does it for the simulator.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt, TryStreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::task::coop::unconstrained;
use tokio::time::timeout;

use super::backend::{Backend, LiveSink};
use super::live::queue;
use super::paging::{self, PageSize};
use super::{Client, ClientOptions, EventPage, ImageFilter, Live, Subscription};
use crate::codec::blob::EventMask;
use crate::codec::{DeviceId, Event, EventCode};
use crate::{Error, ErrorKind, Result, RetryPolicy};

/// What the suite needs: a backend, one device, and a way to make that device do something.
#[async_trait]
pub trait BackendStage: Send + Sync {
    /// The backend, the same at every call. Every device of it can be connected.
    fn backend(&self) -> Arc<dyn Backend>;

    /// A device of it, whose log the suite may clear.
    fn device(&self) -> DeviceId;

    /// Makes the device write `count` more events.
    async fn make_events(&self, count: u32) -> Result<()>;

    /// Lets a slave of the device see something, and returns the slave's number; `None` if the stage has no slave. The
    /// event may have a picture.
    async fn make_slave_event(&self) -> Result<Option<DeviceId>>;

    /// Breaks the connection to the device, so that it can be made again.
    async fn disconnect(&self) -> Result<()>;
}

/// A point of a contract that a backend or a sink breaks, and how.
#[derive(Debug)]
pub struct Violation {
    point: &'static str,
    found: String,
}

impl Violation {
    pub(crate) fn new(point: &'static str, found: impl Into<String>) -> Self {
        Self { point, found: found.into() }
    }

    /// The name of the point.
    #[must_use]
    pub const fn point(&self) -> &'static str {
        self.point
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.point, self.found)
    }
}

impl std::error::Error for Violation {}

/// Checks a backend against its contract, by calling it.
///
/// # Errors
///
/// The first [`Violation`]: which point the backend breaks, and how.
pub async fn check_backend(stage: &dyn BackendStage) -> Result<(), Violation> {
    let (backend, device) = (stage.backend(), stage.device());
    let point = "devices are listed ascending, each once";
    let devices = backend.devices().await.kept(point)?.devices;
    expect(devices.is_sorted_by(|a, b| a < b) && devices.contains(&device), point, &devices)?;
    unknown_devices_are_not_found(&*backend, &devices).await?;

    backend.connect(device).await.kept("a device can be connected")?;
    backend.connect(device).await.kept("connecting a connected device succeeds")?;
    let info = backend.info(device).await.kept("info succeeds")?;
    expect(info.id == device, "info is about the device that was asked for", info.id)?;
    backend.capabilities(device).await.kept("capabilities succeeds")?;
    backend.time(device).await.kept("time succeeds")?;
    logs_are_exclusive_and_ascending(stage).await?;
    blobs_belong_to_the_events_of_the_log(&*backend, device).await?;
    image_filters_stay(&*backend, device).await?;
    live_events_come_in_order_until_the_guard_is_dropped(stage).await?;
    events_of_slaves_are_in_the_log_of_their_master(stage).await?;
    lost_connections_are_reported(stage).await?;
    clearing_does_not_restart_the_ids(stage).await?;

    let point = "after close every call fails with Closed";
    backend.close().await.kept("close succeeds")?;
    refuses(backend.logs(device, 0, 1).await, ErrorKind::Closed, point)?;
    refuses(backend.devices().await, ErrorKind::Closed, point)?;
    refuses(backend.connect(device).await, ErrorKind::Closed, point)
}

/// Checks that a client keeps its promises over this backend, whatever faults the backend has.
///
/// # Errors
///
/// The first [`Violation`]: which point the backend breaks, and how.
pub async fn check_client(stage: &dyn BackendStage) -> Result<(), Violation> {
    let policy =
        RetryPolicy::default().with_first(Duration::from_millis(5)).with_longest(Duration::from_millis(50));
    let client = Client::with_options(stage.backend(), ClientOptions::default().with_retry(policy));
    let device = client.device(stage.device());

    let point = "the whole log comes in order, each event once";
    stage.make_events(300).await.kept("events can be made")?;
    let newest = retried(|| device.newest_id(0)).await.kept(point)?.unwrap_or_default();
    let mut ids = Vec::new();
    while ids.last() != Some(&newest) {
        let after = ids.last().copied().unwrap_or_default();
        let page = retried(|| device.logs(after, 7)).await.kept(point)?;
        expect(!page.is_empty() && page.len() <= 7, point, page.len())?;
        ids.extend(page.iter().map(Event::id));
    }
    expect(ids.is_sorted_by(|a, b| a < b), point, &ids)?;
    let point = "an event is found by its id";
    let found = retried(|| device.log(newest)).await.kept(point)?;
    expect(found.id() == newest, point, found.id())?;

    let point = "every event made while listening is in the stream or in the log";
    let mut live = retried(|| device.subscribe()).await.kept(point)?;
    stage.make_events(50).await.kept("events can be made")?;
    let mut seen = BTreeSet::new();
    while let Ok(Some(item)) = timeout(Duration::from_millis(500), live.next()).await {
        if let Live::Event { event, .. } = item {
            seen.insert(event.id());
        }
    }
    let logged: BTreeSet<u32> = loop {
        let log = device.backlog(newest).try_fold(BTreeSet::new(), async |mut ids, page| {
            ids.extend(page.iter().map(Event::id));
            Ok(ids)
        });
        match log.await {
            Ok(ids) => break ids,
            Err(error) if error.is_retryable() => {}
            Err(error) => return Err(Violation::new(point, error.to_string())),
        }
    };
    expect(
        logged.len() == 50 && seen.iter().all(|id| *id <= newest || logged.contains(id)),
        point,
        logged.len(),
    )
}

async fn unknown_devices_are_not_found(backend: &dyn Backend, devices: &[DeviceId]) -> Result<(), Violation> {
    let point = "an unknown device is NotFound in every call";
    let unknown = (1..).map(DeviceId::new).find(|id| !devices.contains(id)).unwrap_or_default();
    let kind = ErrorKind::NotFound;
    refuses(backend.connect(unknown).await, kind, point)?;
    refuses(backend.info(unknown).await, kind, point)?;
    refuses(backend.capabilities(unknown).await, kind, point)?;
    refuses(backend.time(unknown).await, kind, point)?;
    refuses(backend.logs(unknown, 0, 1).await, kind, point)?;
    refuses(backend.blobs(unknown, 0, 1, EventMask::all()).await, kind, point)?;
    refuses(backend.image_log(unknown, 1).await, kind, point)?;
    refuses(backend.image_logs(unknown, 0, 1).await, kind, point)?;
    refuses(backend.image_filters(unknown).await, kind, point)?;
    refuses(backend.set_image_filters(unknown, &[]).await, kind, point)?;
    refuses(backend.clear_log(unknown).await, kind, point)?;
    refuses(backend.monitor(unknown, listener(unknown).sink).await, kind, point)
}

async fn logs_are_exclusive_and_ascending(stage: &dyn BackendStage) -> Result<(), Violation> {
    let (backend, device) = (stage.backend(), stage.device());
    stage.make_events(25).await.kept("events can be made")?;
    let point = "a page of the log has ids greater than `after`, ascending, at most `max`";
    let mut after = 0;
    let mut count = 0;
    loop {
        let page = read(&*backend, device, after, 10).await.kept(point)?;
        let ids: Vec<u32> = page.iter().map(Event::id).collect();
        let Some(last) = ids.last() else { break };
        let in_order = ids.is_sorted_by(|a, b| a < b) && ids.iter().all(|id| *id > after);
        expect(in_order && ids.len() <= 10, point, &ids)?;
        (after, count) = (*last, count + ids.len());
    }
    expect(count >= 25, "the pages up to an empty one have every event", count)?;
    let one = read(&*backend, device, after - 1, 1).await.kept(point)?;
    expect(one.len() == 1 && one.first().is_some_and(|event| event.id() == after), point, one.len())
}

async fn blobs_belong_to_the_events_of_the_log(
    backend: &dyn Backend,
    device: DeviceId,
) -> Result<(), Violation> {
    let point = "blobs belong to the events of the log and have no field that was not asked for";
    let mask = EventMask::INFO | EventMask::SUBJECT | EventMask::TNA_KEY;
    let ask = |from, amount| backend.blobs(device, from, amount, mask);
    let blobs = match paging::fill(3, 20, &PageSize::default(), ask).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(()),
        result => result.kept(point)?,
    };
    let mut events: Vec<Event> = Vec::new();
    while events.len() < 20 {
        let page = read(backend, device, events.last().map_or(3, Event::id), 20).await.kept(point)?;
        let room = 20 - events.len();
        events.extend(page.iter().take(room));
        if page.is_empty() {
            break;
        }
    }
    expect(blobs.len() == events.len(), point, (blobs.len(), events.len()))?;
    for (blob, event) in blobs.iter().zip(events.iter()) {
        let told = blob.to_event().map(|told| (told.id(), told.timestamp(), told.code()));
        let expected = (event.id(), event.timestamp(), event.code());
        expect(told == Some(expected) && mask.contains(blob.head().mask()), point, (blob, event))?;
    }
    Ok(())
}

async fn image_filters_stay(backend: &dyn Backend, device: DeviceId) -> Result<(), Violation> {
    let point = "image filters stay as they were set";
    let filters =
        [ImageFilter::new(EventCode::ACCESS_DENIED), ImageFilter::new(EventCode::new(0x1301)).exactly()];
    match backend.set_image_filters(device, &filters).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(()),
        result => result.kept(point)?,
    }
    let found = backend.image_filters(device).await.kept(point)?;
    expect(found == filters, point, &found)
}

async fn live_events_come_in_order_until_the_guard_is_dropped(
    stage: &dyn BackendStage,
) -> Result<(), Violation> {
    let point = "live events reach the sink in order";
    let (backend, device) = (stage.backend(), stage.device());
    let mut listener = listener(device);
    let monitoring = backend.monitor(device, listener.sink.clone()).await.kept(point)?;
    stage.make_events(20).await.kept("events can be made")?;
    let mut ids = Vec::new();
    while ids.len() < 20 {
        match timeout(PATIENCE, listener.items.next()).await {
            Ok(Some(Live::Event { event, .. })) => ids.push(event.id()),
            other => return Err(Violation::new(point, format!("{other:?} after {} events", ids.len()))),
        }
    }
    expect(ids.is_sorted_by(|a, b| a + 1 == *b), point, &ids)?;
    let point = "dropping the guard ends the monitoring";
    drop(monitoring);
    stage.make_events(3).await.kept("events can be made")?;
    // The device answers this call after the events, so none of them is on its way any more.
    backend.time(device).await.kept(point)?;
    let late = unconstrained(listener.items.next()).now_or_never();
    expect(late.is_none(), point, late)
}

/// A slave keeps no log: its events are those of its master, with the slave's number in the record.
async fn events_of_slaves_are_in_the_log_of_their_master(stage: &dyn BackendStage) -> Result<(), Violation> {
    let (backend, device) = (stage.backend(), stage.device());
    let mut listener = listener(device);
    let point = "a live event of a slave reaches the sink of its master, with the slave's number";
    let monitoring = backend.monitor(device, listener.sink.clone()).await.kept(point)?;
    let Some(slave) = stage.make_slave_event().await.kept("a slave can see something")? else {
        return Ok(());
    };
    // Events of before may still be on their way.
    let live = loop {
        match timeout(PATIENCE, listener.items.next()).await {
            Ok(Some(Live::Event { device: owner, event, .. })) if owner == device => {
                if event.device_id() == slave {
                    break event;
                }
            }
            other => return Err(Violation::new(point, format!("{other:?}"))),
        }
    };
    drop(monitoring);

    let point = "an event of a slave is in the log of its master, with the slave's number";
    let page = read(&*backend, device, live.id() - 1, 1).await.kept(point)?;
    let (id, maker) = (page.first().map(Event::id), page.first().map(Event::device_id));
    expect((id, maker) == (Some(live.id()), Some(slave)), point, (id, maker))?;
    let point = "a slave is no device: it is not listed and has no log";
    let devices = backend.devices().await.kept(point)?.devices;
    expect(!devices.contains(&slave), point, &devices)?;
    refuses(backend.logs(slave, 0, 1).await, ErrorKind::NotFound, point)?;
    if live.flags().has_image() {
        let point = "the picture of a slave's event is that of the master's log";
        let jpeg = backend.image_log(device, live.id()).await.kept(point)?;
        let images = backend.image_logs(device, live.id() - 1, 1).await.kept(point)?;
        let image = images.first().map(|image| (image.event.id(), image.jpeg.len()));
        expect(!jpeg.is_empty() && image == Some((live.id(), jpeg.len())), point, image)?;
    }
    Ok(())
}

async fn lost_connections_are_reported(stage: &dyn BackendStage) -> Result<(), Violation> {
    let (backend, device) = (stage.backend(), stage.device());
    let mut listener = listener(device);
    let point = "a lost connection is reported to the sink";
    let monitoring = backend.monitor(device, listener.sink.clone()).await.kept(point)?;
    stage.disconnect().await.kept("the connection can be broken")?;
    let told = timeout(PATIENCE, listener.breaks.recv()).await;
    expect(matches!(told, Ok(Some(_))), point, &told)?;
    drop(monitoring);
    let point = "calls on a lost connection fail with Disconnected";
    refuses(backend.logs(device, 0, 1).await, ErrorKind::Disconnected, point)?;
    backend.connect(device).await.kept("a lost connection can be made again")?;
    backend.logs(device, 0, 1).await.kept("a connection made again works")?;
    Ok(())
}

async fn clearing_does_not_restart_the_ids(stage: &dyn BackendStage) -> Result<(), Violation> {
    let point = "ids continue after the log is cleared";
    let (backend, device) = (stage.backend(), stage.device());
    let newest = {
        let client = Client::new(stage.backend());
        client.device(device).newest_id(0).await.kept(point)?.unwrap_or_default()
    };
    backend.clear_log(device).await.kept(point)?;
    stage.make_events(1).await.kept("events can be made")?;
    let page = read(&*backend, device, 0, 10).await.kept(point)?;
    let first = page.first().map(Event::id);
    expect(first.is_some_and(|id| id > newest), point, first)
}

/// A page, as a client reads it.
async fn read(backend: &dyn Backend, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
    paging::page(after, max, &PageSize::default(), |from, amount| backend.logs(device, from, amount)).await
}

/// A sink, and what a backend puts into it.
struct Listener {
    sink: LiveSink,
    items: Subscription,
    breaks: mpsc::Receiver<Error>,
}

fn listener(device: DeviceId) -> Listener {
    let (sender, receiver) = queue(64);
    let (sink, breaks) = LiveSink::new(device, sender, Arc::default());
    Listener { sink, items: Subscription::new(receiver, Vec::new(), JoinSet::new()), breaks }
}

/// Makes a call again for as long as that may help, as a user's program does.
async fn retried<T, F: Future<Output = Result<T>>>(call: impl Fn() -> F) -> Result<T> {
    let policy = RetryPolicy::default().with_first(Duration::ZERO).with_longest(Duration::ZERO);
    policy.with_retries(100).retry(call, Error::is_retryable).await
}

trait Kept<T> {
    fn kept(self, point: &'static str) -> Result<T, Violation>;
}

impl<T> Kept<T> for Result<T> {
    fn kept(self, point: &'static str) -> Result<T, Violation> {
        self.map_err(|error| Violation::new(point, format!("{:?}: {error}", error.kind())))
    }
}

fn expect(kept: bool, point: &'static str, found: impl fmt::Debug) -> Result<(), Violation> {
    if kept { Ok(()) } else { Err(Violation::new(point, format!("{found:?}"))) }
}

fn refuses<T>(result: Result<T>, kind: ErrorKind, point: &'static str) -> Result<(), Violation> {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(Violation::new(point, format!("{:?}: {error}", error.kind()))),
        Ok(_) => Err(Violation::new(point, format!("success instead of {kind:?}"))),
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
