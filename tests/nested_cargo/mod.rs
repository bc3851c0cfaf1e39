//! Cargo, run by a test.

use std::env;
use std::ffi::OsStr;
use std::process::Command;

/// Cargo as whoever ran the tests ran it. What cargo tells a test of its package is left out: some build scripts look at
/// it, and all that depends on them would be built anew.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").as_deref().unwrap_or(OsStr::new("cargo")));
    for (name, _) in env::vars_os() {
        let told = name.to_string_lossy();
        if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}
