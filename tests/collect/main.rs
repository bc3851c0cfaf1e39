//! Tests of the collector.

mod epochs;
mod history;
mod interrupted;
mod model;
mod outages;
mod patience;
mod scripted;
#[path = "../support/scripted_backend/mod.rs"]
mod scripted_backend;
mod simulated;
mod unreadable;
