//! Devices behind the vendor's C library, which is loaded at run time.
//!
//! The crate neither links nor ships anything of the vendor: [`NativeOptions`] name the library's file. A function of
//! the library is looked up when it is first called. With an old library, the functions that it has work; a missing
//! function is an [`Unsupported`](crate::ErrorKind::Unsupported) error that names the function and the library's
//! version. The library is never unloaded, since its threads may still run.
//!
//! # Threads
//!
//! * Each device has a thread that makes the blocking calls to it, one after the other; devices do not wait for each
//!   other. One more thread makes the calls that concern the whole library: opening, searching, releasing the context.
//! * One thread of the process releases objects of the library, in the order in which they were dropped. It starts
//!   with the first object. Dropping a page or an image never waits; closing waits for the releases, up to its
//!   deadline.
//! * Callers wait on a channel with a deadline. At the deadline they get an error, and the call continues: its thread
//!   owns what the call writes to. A call that never returns therefore blocks only its own device, and not the end of
//!   the program.
//! * The library calls back on its own threads: several at once, from within other calls, and late. A callback finds
//!   its device in one static table, copies 48 bytes and returns. No lock is held while other code is called.
//!
//! # Memory
//!
//! A page and an image own the array that the library allocated. When their last clone is dropped, even after the
//! context was released, the release thread gives the array to the library's own release function. If a release never
//! returns, later objects stay allocated. A call owns the memory that it writes to. Data that a callback receives is
//! copied before the callback returns.
//!
//! # ABI
//!
//! Functions and callbacks are `extern "C"`. Structures are those of the vendor's 64-bit and 32-bit little-endian
//! builds, and `long` is the platform's. On 32-bit Windows the vendor's calling convention is unknown; this crate uses
//! the C one.
#![allow(unsafe_code, reason = "a C library cannot be called without it")]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod abi;
mod backend;
mod callbacks;
mod connection;
mod context;
mod context_slot;
mod convert;
mod library;
mod memory;
mod options;
mod worker;

pub use backend::NativeBackend;
pub use options::{NativeOptions, TlsFiles};
