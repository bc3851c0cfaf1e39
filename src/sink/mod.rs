//! Destinations: where a collector stores events, and where it continues.
//!
//! | | |
//! |---|---|
//! | [`Sink`] | the trait that every destination implements, with its contract |
//! | [`MemorySink`] | a destination in memory |
#![cfg_attr(feature = "sqlite", doc = "| [`sqlite`] | one SQLite file, and its verification |")]
#![cfg_attr(feature = "biostar-x", doc = "| [`biostar_x`] | a virtual device of a BioStar X server |")]
//! | [`open`] | opens the destination that a URL names |
//! | [`Batch`], [`Gap`], [`ResumePoint`] | what a collector and a sink exchange |
//! | [`Ledger`] | the rules of a sink for one epoch, for a sink of your own |
//! | [`conformance`] | checks a sink against the contract |

mod batch;
#[cfg(feature = "biostar-x")]
pub mod biostar_x;
pub mod conformance;
mod ledger;
mod memory;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::fmt;
use std::sync::Arc;

/// The macro that an implementation of [`Sink`] needs.
pub use async_trait::async_trait;
pub use batch::{Batch, Gap, GapReason, ParseGapReasonError, ResumePoint, Stored};
pub use ledger::Ledger;
pub use memory::MemorySink;

use crate::codec::{DeviceId, Event};
use crate::device::DeviceInfo;
use crate::error::invalid;
use crate::settings::{Settings, Url};
use crate::{Error, ErrorKind, Result};

/// A destination of events.
///
/// The identity of an event is `(device, epoch, id)`. The device is the one whose log holds the event. An epoch is one
/// life of that device's id counter; epochs are counted from 0.
///
/// # Contract
///
/// The suite in [`conformance`] checks these points:
///
/// * **Atomic.** [`store`](Self::store) stores a batch whole or not at all, with its watermark and gaps, and returns
///   when the batch is durable.
/// * **Refused.** For a batch that contradicts itself ([`Batch::check`]) `store` fails with
///   [`InvalidInput`](crate::ErrorKind::InvalidInput).
/// * **Once.** An event whose identity is stored is not stored again. It counts as repeated, and the first one stays.
/// * **Completed.** If a repetition is the same event ([`Event::is_same_event`]) and knows more of it, the stored record
///   is completed ([`Batch::completed`]): another way to the device may know the clock, a picture or the parameter. A
///   destination that cannot change an event keeps the first record. [`conformance::check_completion`] checks the others.
/// * **The watermark never falls.** A lower one leaves the higher one as it is. A batch whose ids neither overlap nor
///   follow the stored ones (a second collector may store one) changes neither the first id nor the watermark.
/// * **Late events.** An event that lies in a stored gap is stored and taken out of the gap, which may split the gap.
///   In the same way a gap is stored around events and gaps that are stored, so that no id is both stored and missing.
/// * **Resume.** [`resume`](Self::resume) and [`resume_epoch`](Self::resume_epoch) return what the last successful `store`
///   left, also in a new process, and also after a process that was killed.
///
/// [`Ledger`] applies these rules except the first and the last.
///
/// # Implementing it
///
/// The attribute [`macro@async_trait`] makes the trait usable as `dyn Sink`. Put it before the `impl`, and write the methods as
/// `async fn`:
///
/// ```text
/// async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>>
/// async fn resume_epoch(&self, device: DeviceId, epoch: u32) -> Result<Option<ResumePoint>>
/// async fn store(&self, batch: Batch) -> Result<Stored>
/// async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>>
/// async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>>
/// async fn close(&self) -> Result<()>
/// ```
///
/// `examples/custom_sink.rs` is a whole sink that passes the suite.
///
/// # Errors
///
/// Every method may fail with [`Storage`](crate::ErrorKind::Storage) when the destination fails,
/// [`Busy`](crate::ErrorKind::Busy) when another program holds it, and [`Closed`](crate::ErrorKind::Closed) after
/// [`close`](Self::close).
///
/// A collector that listens tries again after every failure, for as long as it runs: an operator makes room, gives rights
/// or a licence, or ends the maintenance of a server. Some kinds can pass only for a moment. After a few of them in a row
/// the collector ends: [`InvalidData`](crate::ErrorKind::InvalidData) unless it is the answer of an HTTP server
/// ([`Error::http`](crate::Error::http)), [`InvalidInput`](crate::ErrorKind::InvalidInput),
/// [`Unsupported`](crate::ErrorKind::Unsupported), and a login that is refused. After
/// [`Closed`](crate::ErrorKind::Closed) it ends at once.
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
    /// Notes the device, and returns where a collector continues: the newest epoch of the device; `None` for a device
    /// of which nothing is stored.
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>>;

    /// Returns where this epoch of a device continues; `None` for an epoch of which nothing is stored. A device may come
    /// back to the log of an earlier epoch.
    async fn resume_epoch(&self, device: DeviceId, epoch: u32) -> Result<Option<ResumePoint>>;

    /// Stores a batch, whole or not at all.
    async fn store(&self, batch: Batch) -> Result<Stored>;

    /// Returns the stored event with this identity.
    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>>;

    /// Returns every gap of a device, by epoch and id.
    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>>;

    /// Waits for calls that are under way, and closes the sink. Files, locks and connections are free when this
    /// returns. Later calls fail with [`Closed`](crate::ErrorKind::Closed).
    async fn close(&self) -> Result<()>;
}

/// Opens the destination that a URL names, or makes it.
///
/// | URL | destination | feature |
/// |---|---|---|
/// | `sqlite:PATH` | one SQLite file | `sqlite` |
/// | `biostar-x://HOST?virtual-device=ID&user=LOGIN` | a virtual device of a BioStar X server | `biostar-x` |
/// | `memory:` | memory, for tests | |
///
/// # Errors
///
/// [`Unsupported`](ErrorKind::Unsupported) for a destination whose feature the program was built without; the message
/// names the feature. [`InvalidInput`](ErrorKind::InvalidInput) for a URL that is not one of these, and the errors of
/// opening the destination.
///
/// # Examples
///
/// ```
/// use bs2_events::{ErrorKind, sink};
///
/// let sink = sink::open("memory:")?;
/// let error = sink::open("mongodb://db.example").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// # Ok::<(), bs2_events::Error>(())
/// ```
pub fn open(url: &str) -> Result<Arc<dyn Sink>> {
    let parsed = Url::parse(url)?;
    match parsed.scheme() {
        #[cfg(feature = "biostar-x")]
        "biostar-x" => Ok(Arc::new(biostar_x::BiostarXSink::open(url)?)),
        "memory" => open_memory(&parsed),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(sqlite::SqliteSink::open(sqlite::path(&parsed)?)?)),
        // Here only where the feature is off.
        feature if ["biostar-x", "sqlite"].contains(&feature) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("destination `{feature}:` needs the feature `{feature}` of bs2-events; build with it"),
        )),
        scheme => Err(invalid(format!(
            "destination `{scheme}:` is not known; known are `biostar-x://HOST`, `memory:` and `sqlite:PATH`"
        ))),
    }
}

fn open_memory(url: &Url) -> Result<Arc<dyn Sink>> {
    Settings::parse(url.query(), &[], &[])?;
    if url.host().is_some() || !url.path().is_empty() {
        return Err(invalid("destination `memory:` has neither host nor path"));
    }
    Ok(Arc::new(MemorySink::new()))
}
