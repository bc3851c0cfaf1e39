//! Tests of the client.

mod conformance;
mod live;
#[path = "../support/scripted_backend/mod.rs"]
mod scripted_backend;
