//! Event logs of Suprema access-control devices: read them, listen to them, and store every event once.
//!
#![cfg_attr(all(feature = "collect", feature = "sim"), doc = "```")]
#![cfg_attr(not(all(feature = "collect", feature = "sim")), doc = "```ignore")]
//! use std::sync::Arc;
//!
//! use bs2_events::collect::Collector;
//! use bs2_events::device::Client;
//! use bs2_events::sink::MemorySink;
//!
//! #[tokio::main]
//! async fn main() -> bs2_events::Result<()> {
//!     // Two simulated devices. `gateway://HOST?…` and `sdk:LIBRARY?…` open real ones.
//!     let client = Client::open("sim:devices=2&backlog=100")?;
//!
//!     // Read a log.
//!     let device = client.devices().await?.remove(0);
//!     for event in device.logs(97, 10).await?.iter() {
//!         println!("{} {} {:?}", event.id(), event.timestamp(), event.code().name());
//!     }
//!
//!     // Store every event of every device, once.
//!     let store = Arc::new(MemorySink::new());
//!     let report = Collector::new(store).with_client(client).run_once().await;
//!     assert_eq!(report.stored(), 200);
//!     Ok(())
//! }
//! ```
//!
//! # Tasks
//!
//! | to do | use | example |
//! |---|---|---|
//! | decode bytes | [`codec::Event`] | `decode_bytes` |
//! | read a log | [`device::Device::logs`][logs] | `get_log` |
//! | listen to live events | [`device::Client::subscribe`][subscribe] | `on_log_received` |
//! | read pictures | [`device::Device::image_logs`][images] | `image_logs` |
//! | store every event once | [`collect::Collector`][collector], [`sink::open`][sink] | `collect_to_sqlite` |
//! | write a backend | [`device::backend::Backend`][backend], [`device::conformance`][conformance] | `custom_backend` |
//! | write a sink | [`sink::Sink`][trait-sink], [`sink::Ledger`][ledger] | `custom_sink` |
//! | import into BioStar X | [`biostar_x::Import`][import] | `import_events` |
//! | search BioStar X | [`biostar_x::EventQuery`][query] | `search_events` |
//! | test without a device | [`sim::Simulator`][simulator], [`sim::FaultInjector`][faults] | `custom_backend` |
//! | test a client in another language | [`sim::gateway`][sim-gateway], [`sim::biostar_x`][sim-biostar-x] | |
//!
//! # Layers
//!
//! ```text
//! codec      bytes ⇄ events; names of codes
//!   ▲
//! device     Client, Device, Subscription; trait Backend; native, gateway
//!   ▲   ▲
//!   │  sim   simulated devices behind trait Backend; simulated servers
//!   │
//! collect    live first, backlog, merge; holes become gaps with a reason
//!   │
//!   ▼
//! sink       trait Sink; memory, SQLite, BioStar X
//! ```
//!
//! [`biostar_x`][biostar-x] is the client of the BioStar X server. [`settings`][settings] is the grammar of every URL,
//! [`tls`][tls] decides whom a client trusts, [`files`][files] makes what holds personal data. [`Error`][error] is the
//! one error.
//!
//! # Features
//!
//! None is on by default: the base is [`codec`] alone, `no_std`, without tokio. A feature only adds API.
//!
//! | feature | adds |
//! |---|---|
//! | `capture` | capture files written as well as read; needs std |
//! | `serde` | records of the codec, batches and gaps as JSON and the like; every byte is kept |
//! | `jiff`, `chrono`, `time` | conversions of [`codec::Timestamp`]; `jiff` also an event's local time |
//! | `device` | the client, the trait that backends implement, and its conformance suite |
//! | `native` | devices behind the vendor's C library, loaded at run time |
//! | `gateway` | devices behind the vendor's device gateway, over gRPC and TLS |
//! | `biostar-x` | the client of the BioStar X server; with `collect` a virtual device as a destination |
//! | `tls-aws-lc` | aws-lc-rs for TLS; not needed where the program installs a rustls provider |
//! | `collect` | the collector, the trait that destinations implement, and its conformance suite |
//! | `sqlite` | SQLite as a destination, and its verifier |
//! | `sim` | simulated devices and the fault injector |
//! | `sim-servers` | a simulated device gateway and a simulated BioStar X server |
//!
//! Not affiliated with Suprema. BioStar and Suprema are marks of Suprema Inc.
//!
#![cfg_attr(
    all(feature = "biostar-x", feature = "sim-servers", feature = "sqlite"),
    doc = "
[logs]: device::Device::logs
[subscribe]: device::Client::subscribe
[images]: device::Device::image_logs
[collector]: collect::Collector
[sink]: sink::open
[backend]: device::backend::Backend
[conformance]: device::conformance
[trait-sink]: sink::Sink
[ledger]: sink::Ledger
[import]: biostar_x::Import
[query]: biostar_x::EventQuery
[simulator]: sim::Simulator
[faults]: sim::FaultInjector
[sim-gateway]: sim::gateway
[sim-biostar-x]: sim::biostar_x
[biostar-x]: biostar_x
[files]: files
[settings]: settings
[tls]: tls
[error]: Error
"
)]
// Without the features there is nothing to link to but the table that names them.
#![cfg_attr(
    not(all(feature = "biostar-x", feature = "sim-servers", feature = "sqlite")),
    doc = "
[logs]: #features
[subscribe]: #features
[images]: #features
[collector]: #features
[sink]: #features
[backend]: #features
[conformance]: #features
[trait-sink]: #features
[ledger]: #features
[import]: #features
[query]: #features
[simulator]: #features
[faults]: #features
[sim-gateway]: #features
[sim-biostar-x]: #features
[biostar-x]: #features
[files]: #features
[settings]: #features
[tls]: #features
[error]: #features
"
)]
#![cfg_attr(not(any(feature = "biostar-x", feature = "capture", test)), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

#[cfg(feature = "biostar-x")]
pub mod biostar_x;
pub mod codec;
#[cfg(feature = "collect")]
pub mod collect;
#[cfg(feature = "device")]
pub mod device;
#[cfg(any(feature = "biostar-x", feature = "device"))]
mod error;
#[cfg(any(feature = "biostar-x", feature = "capture"))]
pub mod files;
#[cfg(feature = "device")]
mod open;
#[cfg(any(feature = "biostar-x", feature = "device"))]
mod retry;
#[cfg(any(feature = "biostar-x", feature = "device"))]
pub mod settings;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "collect")]
pub mod sink;
#[cfg(any(feature = "biostar-x", feature = "device"))]
mod sync;
#[cfg(any(feature = "biostar-x", feature = "gateway"))]
pub mod tls;

#[cfg(any(feature = "biostar-x", feature = "device"))]
pub use error::{Error, ErrorKind, HttpError, Result};
#[cfg(any(feature = "biostar-x", feature = "device"))]
pub use retry::RetryPolicy;

/// The code in the prose is compiled and run like any other example.
#[cfg(all(doctest, feature = "biostar-x", feature = "sim-servers", feature = "sqlite"))]
mod prose {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../DESIGN.md")]
    struct Design;
    #[doc = include_str!("../CHANGELOG.md")]
    struct Changelog;
    #[doc = include_str!("../docs/test-without-a-reader.md")]
    struct TestWithoutAReader;
}
