//! The vendor's device gateway, over gRPC and TLS.
//!
//! A gateway is a program of the vendor that keeps the connections to readers and offers them to others. [`Gateway`]
//! is a [`Backend`](super::Backend) over one, or over a master gateway in front of several.
//!
//! Versions 1.5 to 1.10 are spoken; older ones have other names for every call and answer
//! [`Unsupported`](crate::ErrorKind::Unsupported).
//!
//! # What is different from other ways to a reader
//!
//! * A gateway has many clients, so nothing is ended for others: dropping a subscription, or closing the client,
//!   leaves the readers connected and reporting.
//! * Its queue of live events is bounded, and it does not say what it dropped. A jump of the ids is the only sign; the
//!   [collector](../../collect/index.html) reads the log where it sees one.
//! * It has a field for each thing that an event may concern, a record has room for one: the one that the event's code
//!   says. What a gateway sets beside it, such as the door of an authentication, travels beside the event: in
//!   [`EventPage::extras`](super::EventPage::extras) and live in [`Live::Event`](super::Live::Event). Blobs have
//!   one subject, as events, and nothing beside it.
//! * It answers with gRPC's codes, not with the vendor library's: [`Error::sdk_code`](crate::Error::sdk_code) is
//!   `None`.
//! * The reader's time zone and daylight saving are not in its events; see [`EventFlags`](crate::codec::EventFlags).

mod admin;
mod backend;
mod batching;
mod channel;
mod codec;
mod connections;
mod device_calls;
mod event_log;
mod logs;
mod options;
mod pictures;
pub(crate) mod proto;
mod readers;
mod rpc;
mod session;
mod status;
mod target;
mod wire;

pub use admin::{AcceptFilter, FoundDevice};
pub use backend::Gateway;
pub use options::{DeviceAddress, GatewaySettings};
