//! Tests of the simulated devices.

mod live;
mod office;
mod reader;
mod state;
mod truth;
