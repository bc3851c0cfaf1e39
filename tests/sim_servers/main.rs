//! Tests of the simulated servers.

mod biostar_x;
mod biostar_x_any_request;
mod biostar_x_faults;
mod biostar_x_log;
mod biostar_x_socket;
mod biostar_x_state;
#[path = "../support/dialler/mod.rs"]
mod dialler;
mod gateway;
mod gateway_backend;
mod gateway_connections;
mod gateway_streams;
#[path = "../support/wire/mod.rs"]
mod wire;
