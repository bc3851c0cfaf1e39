//! The client: devices, pages of their logs, live events.
//!
//! [`Client`] is where to begin; it gives out [`Device`]s. A device's log is read in [`EventPage`]s, its live events come
//! through a [`Subscription`], and [`Recorder`] writes both into a file. To reach devices in a way of your own, see
//! [`backend`]; [`conformance`] tests it.

pub mod backend;
mod calls;
mod client;
pub mod conformance;
mod connection;
#[expect(clippy::module_inception, reason = "the module of the type `Device`")]
mod device;
#[cfg(feature = "gateway")]
pub mod gateway;
mod info;
mod live;
#[cfg(feature = "native")]
pub mod native;
mod page;
mod paging;
mod recorder;
#[cfg(any(feature = "gateway", feature = "native"))]
mod sources;
mod subscription;

pub use client::{Client, ClientOptions};
pub use connection::{ConnectionState, ConnectionSubscription, StateChange};
pub use device::Device;
pub use info::{Capabilities, DeviceInfo, ImageFilter, ImageLog};
pub use live::Live;
pub use page::EventPage;
pub use recorder::{RecordCounts, Recorder};
#[cfg(feature = "collect")]
pub(crate) use subscription::Interruption;
pub use subscription::{LogListener, Subscription};
