//! Readers behind the vendor's C library, which is loaded at run time.
//!
//! Nothing of the vendor is linked or shipped: whoever has the library names its file in [`NativeOptions`]. Each of its
//! functions is looked up when it is called first, so an old library works as far as it goes, and a missing function is
//! an [`Unsupported`](crate::ErrorKind::Unsupported) error that names it and the library's version. The library is never
//! unloaded, since its threads may still run.
//!
//! # Threads
//!
//! * One thread a reader makes the blocking calls to that reader, in turn; readers do not wait for each other. One
//!   more makes the calls that concern the whole library: opening, searching, releasing the context.
//! * One thread of the process gives objects back, in the order in which they were dropped. It starts when an object is
//!   asked for first. Who drops a page or an image hands it over and does not wait; closing waits, until its deadline.
//! * Callers wait on a channel with a deadline. When it passes they get an error, and the call stays where it is: its
//!   thread is detached and owns what the call writes to, so a call that never returns keeps nothing else from going on
//!   and the program from ending.
//! * The library calls back on threads of its own, several at once, from within other calls, and late. A callback finds
//!   its reader in one static table, copies 48 bytes and returns. No lock is held while anything else is called.
//!
//! # Memory
//!
//! An answer stays in the library's memory: pages and images own the library's array. When their last clone is dropped,
//! also after the context was released, it belongs to the thread that gives it back by the library's own function. If that
//! never returns, what is behind it stays allocated. What a call writes to belongs to the call. What a callback is lent is
//! copied before it returns.
//!
//! # ABI
//!
//! Functions and callbacks are `extern "C"`, structures are those of the vendor's 64-bit or 32-bit little-endian
//! builds, `long` is the platform's. On 32-bit Windows, where it would make a difference, the vendor's calling convention
//! is not known here and the C one is taken.
#![allow(unsafe_code, reason = "a C library can be called and read in no other way")]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod abi;
mod backend;
mod blobs;
mod callbacks;
mod connection;
mod context;
mod context_slot;
mod describe;
mod filters;
mod library;
mod logs;
mod memory;
mod options;
mod release_queue;
mod tls;
mod unknown_devices;
mod worker;

pub use backend::NativeBackend;
pub use options::{NativeOptions, TlsFiles};
