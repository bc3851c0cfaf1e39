//! Tests of the BioStar X client.

mod answers;
#[path = "../support/biostar_x_script/mod.rs"]
mod biostar_x_script;
#[path = "../support/biostar_x_simulated/mod.rs"]
mod biostar_x_simulated;
mod import;
mod live;
mod reconcile;
mod search;
mod secrets;
mod session;
#[path = "../support/traces/mod.rs"]
mod traces;
mod wire;
