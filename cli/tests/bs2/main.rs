//! Tests of the command line, run as its users run it.

mod capture;
#[cfg(target_os = "linux")]
mod chaos;
mod codes;
mod collect;
mod command_line;
mod decode;
mod encode;
#[path = "../../../tests/support/fake_gateway/mod.rs"]
mod fake_gateway;
#[cfg(unix)]
mod files;
mod gateway;
mod images;
mod logs;
#[cfg(target_os = "linux")]
mod native_simulated;
#[cfg(unix)]
mod outages;
mod record;
#[cfg(unix)]
mod signals;
mod sim;
mod sim_biostar_x;
#[cfg(unix)]
mod sim_gateway;
#[cfg(target_os = "linux")]
mod simulated_sdk;
#[path = "../../../tests/support/vectors/mod.rs"]
mod vectors;
mod verify;
#[path = "../../../tests/support/wire/mod.rs"]
mod wire;
mod x;
