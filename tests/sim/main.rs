//! Tests of the simulated devices.

mod fault_injector;
mod generator;
mod ground_truth;
mod live;
mod now;
mod pushed;
mod reader;
mod slaves;
mod state;
