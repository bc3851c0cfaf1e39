//! The client: devices, pages of their logs, live events.

mod backend;
mod client;
pub mod conformance;
#[cfg(feature = "gateway")]
pub mod gateway;
mod handle;
mod info;
mod live;
#[cfg(feature = "native")]
pub mod native;
mod page;
mod paging;
mod state;

pub use backend::{Backend, LiveSink, LiveTarget, Monitoring, scan_image_logs};
pub use client::{Client, ClientOptions};
pub use handle::Device;
pub use info::{Capabilities, DeviceInfo, DeviceList, ImageFilter, ImageLog};
pub use live::{Live, LogListener, Subscription};
pub use page::EventPage;
pub use state::{ConnectionState, StateChange, StateStream};
