//! Tests of the simulated devices.

mod fault_injector;
mod generator;
mod ground_truth;
mod live;
mod reader;
mod state;
