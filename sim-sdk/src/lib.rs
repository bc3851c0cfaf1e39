//! The vendor's C library, simulated: `cargo sim-sdk`.
//!
//! It makes `target/release/libBS_SDK_V2.so`, with the C functions of the vendor's library over the simulated
//! readers of this crate. A program in any language that calls the vendor's library can be tested with it; how is
//! written in `docs/test-without-a-reader.md`, and what C programs need to know is declared in
//! `sim-sdk/src/bs2_events_sim.h`.
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
// Exported names and texts of C programs; everything else of the border needs no unsafe code: see `ffi`.
#![allow(unsafe_code)]

mod context;
mod context_functions;
mod device_functions;
mod devices;
mod failures;
mod ffi;
mod lane;
mod log_functions;
mod monitor;
mod objects;
mod records;
mod session;
mod settings;
mod simulation;
mod threads;
mod unsupported;
