//! The vendor's C library, simulated: `cargo build --release --example BS_SDK_V2 --features sim`.
//!
//! It makes `target/release/examples/libBS_SDK_V2.so`, with the C functions of the vendor's library over the simulated
//! readers of this crate. A program in any language that calls the vendor's library can be tested with it; how is
//! written in `docs/test-without-a-reader.md`, and what C programs need to know is declared in
//! `examples/sim_sdk/bs2_events_sim.h`.
//!
//! # Who runs where
//!
//! A function does its work on the thread that calls it, and waits there for what the simulator answers through one
//! tokio runtime a context. Callbacks come from threads of the library: two a context for device events (one for what
//! was found and accepted, one for connections), and one for each reader that is monitored. While a callback runs no
//! lock is held and the runtime is not entered, so it may call every function, also `BS2_ReleaseContext`.
//!
//! # Who owns what
//!
//! What is handed out for `BS2_ReleaseObject` stays in one list ([`objects`]), by its address; releasing looks the
//! address up, so an unknown one does no harm. A context is known by its address too, and never read through it.
#![allow(non_snake_case)]
// The names are the vendor's library's.
// Exported names and texts of C programs; everything else of the border needs no unsafe code: see `boundary`.
#![allow(unsafe_code)]

#[path = "sim_sdk/boundary.rs"]
mod boundary;
#[path = "sim_sdk/context.rs"]
mod context;
#[path = "sim_sdk/context_functions.rs"]
mod context_functions;
#[path = "sim_sdk/device_functions.rs"]
mod device_functions;
#[path = "sim_sdk/devices.rs"]
mod devices;
#[path = "sim_sdk/failures.rs"]
mod failures;
#[path = "sim_sdk/lane.rs"]
mod lane;
#[path = "sim_sdk/log_functions.rs"]
mod log_functions;
#[path = "sim_sdk/monitor.rs"]
mod monitor;
#[path = "sim_sdk/objects.rs"]
mod objects;
#[path = "sim_sdk/records.rs"]
mod records;
#[path = "sim_sdk/session.rs"]
mod session;
#[path = "sim_sdk/settings.rs"]
mod settings;
#[path = "sim_sdk/stubs.rs"]
mod stubs;
#[path = "sim_sdk/worker.rs"]
mod worker;
#[path = "sim_sdk/world.rs"]
mod world;
