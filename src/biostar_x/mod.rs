//! The BioStar X server: virtual devices, imports, search, live events.
//!
//! ```text
//!                       Client ── session (one login, shared, renewed)
//!        ┌─────────────┬──┴─────────┬──────────────┬───────────┐
//!  virtual devices   import      search          live      event types,
//!                      │            │          (socket)    images, version,
//!                      └ reconcile ─┘              │       licences
//!                                   └── backfill ──┘
//! ```
//!
//! Two servers answer behind one host, and they disagree in small things; the vendor's documents do so too. What is
//! sent follows the vendor's recorded calls byte for byte, what comes back is read tolerantly.
//!
//! # Personal data
//!
//! `Debug`, `Display`, errors and traces show no password, session, login id, user id or name. Rows and the server's own
//! sentences hold them: they are there when asked for by name.
//!
//! # Not supported
//!
//! Users, doors, access groups and everything else of the server; proxies and redirections, either of which would see
//! the session.

mod builder;
mod client;
mod codes;
mod event_types;
mod images;
mod import;
mod json;
mod live;
mod mapping;
mod query;
mod row;
mod search;
mod session;
mod transport;
mod version;
mod virtual_devices;

pub use builder::{ClientBuilder, VirtualDeviceFlag};
pub use client::Client;
pub use event_types::EventType;
pub use import::{Fate, Import, ImportCount, ImportEvent, Verdict};
pub use live::{LiveItem, LiveStream};
pub use mapping::{Unmapped, UnmappedCount};
pub use query::{Column, EventQuery, Operator, Order};
pub use row::{EventKey, EventRow, LocalTime};
pub use search::EventStream;
pub use session::Login;
pub use version::Licences;
pub use virtual_devices::{NewVirtualDevice, VirtualDevice, VirtualDeviceChange, VirtualDeviceId};
