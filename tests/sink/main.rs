//! Tests of the sinks.

mod agreement;
mod biostar_x;
#[path = "../support/biostar_x_simulated/mod.rs"]
mod biostar_x_simulated;
mod conformance;
mod crash;
mod displaced;
mod sqlite;
mod verify;
