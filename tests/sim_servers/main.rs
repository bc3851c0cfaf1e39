//! Tests of the simulated servers.

mod biostar_x;
mod biostar_x_any_request;
mod biostar_x_faults;
mod biostar_x_lists;
mod biostar_x_log;
mod biostar_x_socket;
mod biostar_x_state;
mod gateway;
mod gateway_backend;
#[path = "../support/gateway_client/mod.rs"]
mod gateway_client;
mod gateway_connections;
mod gateway_devices;
mod gateway_streams;
#[path = "../support/wire/mod.rs"]
mod wire;
