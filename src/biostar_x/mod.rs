//! The client of the BioStar X server: virtual devices, imports, search, live events.
//!
//! ```text
//!            BiostarX ── session (one login, shared, renewed) ── transport (HTTP/1.1, TLS)
//!        ┌──────┴──────┬────────────┬──────────────┬───────────┐
//!  virtual devices   import      search      subscription   event types,
//!                      │            │          (socket)     images, version,
//!                      └── lookup ──┘              │        licences
//!                                   └── backfill ──┘
//! ```
//!
//! Two servers answer behind one host, and they differ in details, as do the vendor's documents. Requests follow the
//! vendor's recorded calls byte for byte; answers are read leniently.
//!
//! | module | |
//! |---|---|
//! | [`import`] | the status of each event, and how an import sends and gives up |
//! | [`query`] | columns, operators and orders of a search |
//! | [`row`] | keys and times of the server's events |
//! | [`subscription`] | items and options of live events |
//! | [`virtual_devices`] | what is needed to make and to change one |
//! | [`server_info`] | version, licences and kinds of event |
//!
//! # Personal data
//!
//! `Debug`, `Display`, errors and traces show no password, session, login id, user id or name. Rows and the server's own
//! sentences contain them; their fields and methods return them on request.
//!
//! # Not supported
//!
//! Users, doors, access groups and everything else of the server; proxies and redirections, because either would see the
//! session.

mod client;
mod codes;
pub mod import;
mod import_event;
mod lenient;
mod lookup;
mod options;
pub mod query;
pub mod row;
mod rows;
mod search;
mod session;
mod socket;
pub mod subscription;
mod transport;
pub mod virtual_devices;

pub use client::BiostarX;
pub use import::{Import, ImportOptions};
pub use import_event::{ImportEvent, Verdict};
pub use options::BiostarXOptions;
pub use query::EventQuery;
pub use row::EventRow;
pub use search::EventStream;
pub use subscription::EventSubscription;
pub use virtual_devices::{VirtualDevice, VirtualDeviceId};

/// What the server reports about itself.
pub mod server_info {
    pub use super::client::{EventType, Licences};
    pub use super::session::Login;
}

#[cfg(feature = "collect")]
pub(crate) use options::parse_settings;
