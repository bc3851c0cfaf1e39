//! Tests of the backend for the vendor's library. It is a separate program, because the table of callbacks is
//! process-wide.
#![cfg(unix)]

mod hostile;
#[path = "../support/hostile_library/mod.rs"]
mod hostile_library;
