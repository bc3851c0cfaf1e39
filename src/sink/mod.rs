//! Destinations: where a collector puts events, and what it needs to know to go on.

mod batch;
#[cfg(feature = "biostar-x")]
pub mod biostar_x;
pub mod conformance;
mod memory;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::fmt;

use async_trait::async_trait;

pub use batch::{Batch, Gap, GapReason, ResumePoint, Stored};
pub use memory::MemorySink;

use crate::Result;
use crate::codec::{DeviceId, Event};
use crate::device::DeviceInfo;

/// A destination of events.
///
/// An event's identity is `(device, epoch, id)`. The device is the reader whose log holds the event; an epoch is one
/// life of that reader's id counter, counted from 0.
///
/// # Contract
///
/// The conformance suite (feature `conformance`) checks these points:
///
/// * **Atomic.** [`store`](Self::store) keeps a batch whole or not at all, watermark and gaps included, and returns
///   only when it is durable.
/// * **Refused.** A batch that contradicts itself ([`Batch::check`]) is
///   [`InvalidInput`](crate::ErrorKind::InvalidInput).
/// * **Once.** An event whose identity is stored is not stored again; it is counted as repeated, and the first one
///   stays.
/// * **The watermark never falls.** Storing a lower one leaves the higher. A batch that answers for ids which neither
///   overlap nor follow on those answered for (a second collector may store one) leaves both ends as they are.
/// * **Late events.** An event that lies in a stored gap is stored and taken out of the gap, which may split it. In
///   the same way a gap is stored around what is stored already, so that nothing is both there and missing.
/// * **Resume.** [`resume`](Self::resume) gives back what the last successful `store` left, also in a new process.
///
/// # Errors
///
/// Every method may fail with [`Storage`](crate::ErrorKind::Storage) when the destination fails,
/// [`Busy`](crate::ErrorKind::Busy) when it is held by somebody else, and [`Closed`](crate::ErrorKind::Closed) after
/// [`close`](Self::close).
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, Event, EventCode};
/// use bs2_events::device::DeviceInfo;
/// use bs2_events::sink::{Batch, MemorySink, Sink};
///
/// # async fn example() -> bs2_events::Result<()> {
/// let (sink, device) = (MemorySink::new(), DeviceId::new(7));
/// assert_eq!(sink.resume(&DeviceInfo::new(device)).await?, None);
///
/// let event = Event::builder(device, 5, EventCode::DOOR_OPENED).build();
/// let stored = sink.store(Batch::new(device, 0, 5, 5).with_events([event])).await?;
/// assert_eq!((stored.new, stored.repeated), (1, 0));
/// assert_eq!(sink.resume(&DeviceInfo::new(device)).await?.unwrap().watermark, 5);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[async_trait]
pub trait Sink: fmt::Debug + Send + Sync + 'static {
    /// Notes the reader, and says where to go on: its newest epoch; `None` for a reader not seen before.
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>>;

    /// Stores a batch, whole or not at all.
    async fn store(&self, batch: Batch) -> Result<Stored>;

    /// The stored event with this identity.
    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>>;

    /// Every gap of a reader, by epoch and id.
    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>>;

    /// Waits for what is under way and closes. Later calls fail with [`Closed`](crate::ErrorKind::Closed).
    async fn close(&self) -> Result<()>;
}
