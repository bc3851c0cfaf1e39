//! Event logs of Suprema access-control readers: a codec, an async client, a collector that stores every event once,
//! and simulated readers to test against.
//!
//! ```text
//!                codec        bytes ⇄ events; names of codes                       (no features)
//!                  ▲
//!                device       Client, Device, Subscription; trait Backend          device
//!                  ▲    ▲
//!                  │   sim    readers without hardware, behind trait Backend       sim
//!                  │
//!                collect      live first, backlog, merge; holes become gaps        collect
//!                  │
//!                  ▼
//!                sink         trait Sink; memory, SQLite, BioStar X                collect, sqlite
//! ```
//!
//! # Reading order
//!
//! 1. [`codec::Event`]: the 48 bytes that everything here moves around; [`codec::Subject`] and
//!    [`codec::EventCode`] read them.
#![cfg_attr(
    feature = "device",
    doc = "2. [`device::Client`] and [`device::Device`]: pages, live events, pictures."
)]
#![cfg_attr(
    feature = "collect",
    doc = "3. [`collect`]: how nothing is lost; [`collect::Collector`] does it."
)]
#![cfg_attr(
    feature = "collect",
    doc = "4. [`sink::Sink`]: where events go; [`sink::MemorySink`] is the smallest."
)]
#![cfg_attr(feature = "sim", doc = "5. [`sim::Simulator`]: readers for tests.")]
#![cfg_attr(
    feature = "biostar-x",
    doc = "6. [`biostar_x`]: virtual devices, imports and events of a server."
)]
#![cfg_attr(feature = "device", doc = "7. [`Error`] and [`ErrorKind`]: what to do when something fails.")]
//!
//! # Features
//!
//! None is on by default: the base is the codec alone, `no_std`, without tokio. Features only add.
//!
//! | feature | adds |
//! |---|---|
//! | `capture` | capture files, read and written; the reader alone, without std: `capture-read` |
//! | `device` | the client and the trait that backends implement |
//! | `native` | readers behind the vendor's C library, loaded at run time |
//! | `gateway` | the vendor's device gateway as a way to readers, over gRPC and TLS |
//! | `sim` | simulated readers |
//! | `sim-biostar-x` | a simulated BioStar X server: REST and live events, over TLS |
//! | `sim-gateway` | a simulated device gateway: gRPC over TLS, for clients in any language |
//! | `collect` | the collector, the trait that destinations implement, and one in memory |
//! | `biostar-x` | the client of the BioStar X server; with `collect` that server as a destination |
//! | `sqlite` | SQLite as a destination, and the proof of a stored collection |
//! | `conformance` | the suites that backends and destinations are held to |
//! | `jiff`, `chrono`, `time` | conversions of [`codec::Timestamp`] |
//! | `portable` | the blob that can be stored and sent: only what is valid, with the image inside |
//! | `serde` | all records of the codec as JSON and the like, every byte kept |
//! | `cli` | the command line `bs2` |
//!
//! Not affiliated with Suprema; BioStar and Suprema are their marks.
#![cfg_attr(not(any(feature = "biostar-x", feature = "capture", feature = "device", test)), no_std)]

#[cfg(feature = "serde")]
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
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "collect")]
pub mod sink;

#[cfg(any(feature = "biostar-x", feature = "device"))]
pub use error::{Error, ErrorKind, HttpError, Result};

/// The code in the prose is compiled and run like any other example.
#[cfg(all(doctest, feature = "biostar-x", feature = "sim-servers", feature = "sqlite"))]
mod prose {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../DESIGN.md")]
    struct Design;
    #[doc = include_str!("../CHANGELOG.md")]
    struct Changelog;
}
