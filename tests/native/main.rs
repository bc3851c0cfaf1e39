//! Tests of the backend of the vendor's library. A process of its own, because the library's callback table is process-wide.
#![cfg(unix)]

mod hostile;
#[path = "../support/hostile_library/mod.rs"]
mod hostile_library;
