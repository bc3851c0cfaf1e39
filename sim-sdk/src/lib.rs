//! The vendor's C library over simulated devices: `cargo sim-sdk`.
//!
//! The command builds `target/release/libBS_SDK_V2.so`, which has the C functions of the vendor's library. A program
//! in any language that calls the vendor's library can be tested with it. `docs/test-without-a-reader.md` shows how,
//! and `sim-sdk/src/bs2_events_sim.h` declares the functions and structures.
//!
//! # Threads
//!
//! A function works on the thread that calls it, and waits there for the simulator on the context's tokio runtime.
//! Callbacks come from threads of the library: two per context for device events (one for found and accepted devices,
//! one for connections), and one per monitored device. During a callback no lock is held and the runtime is not
//! entered, so a callback may call every function, even `BS2_ReleaseContext`.
//!
//! # Memory
//!
//! The objects that `BS2_ReleaseObject` takes are in one list (`ffi`), by their addresses. A release looks the
//! address up, so an unknown address does no harm. A context is also found by its address, and never read through it.
// The names are those of the vendor's library.
#![allow(non_snake_case)]
// Exported names, and texts of C programs. `ffi` shows why nothing else needs unsafe code.
#![allow(unsafe_code)]

mod context;
mod context_functions;
mod device_functions;
mod devices;
mod ffi;
mod log_functions;
mod monitor;
mod records;
mod settings;
mod simulation;
mod threads;
mod unsupported;
