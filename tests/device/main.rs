//! Tests of the client.

mod conformance;
mod live;
mod log;
#[path = "../support/scripted_backend/mod.rs"]
mod scripted_backend;
