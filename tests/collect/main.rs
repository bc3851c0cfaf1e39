//! Tests of the collector.

mod epochs;
mod history;
mod interrupted;
mod late_log;
mod model;
mod outages;
mod patience;
mod scripted;
#[path = "../support/scripted_backend/mod.rs"]
mod scripted_backend;
mod simulated;
mod small_pages;
mod two_ways;
mod unreadable;
