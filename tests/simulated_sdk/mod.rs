//! The simulated library, built once a process, and its strings.
#![allow(unsafe_code, reason = "the strings of the library are C functions")]

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use bs2_events::codec::DeviceId;

use crate::nested_cargo::cargo;

/// The library's file.
pub(crate) fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(build)
}

/// Makes events at a reader of the context that is open in this process.
pub(crate) fn make_events(device: DeviceId, count: u32) {
    // SAFETY: it is our own library.
    let library = unsafe { libloading::Library::new(path()).unwrap() };
    // SAFETY: this is its type.
    let made = unsafe {
        library.get::<extern "C" fn(*mut c_void, u32, u32) -> i32>("BS2SIM_MakeEvents").unwrap()(
            ptr::null_mut(),
            device.get(),
            count,
        )
    };
    assert_eq!(made, 1);
}

/// Breaks the connection to a reader of the context that is open in this process.
pub(crate) fn lose_connection(device: DeviceId) {
    // SAFETY: it is our own library.
    let library = unsafe { libloading::Library::new(path()).unwrap() };
    // SAFETY: this is its type.
    let lost = unsafe {
        library.get::<extern "C" fn(*mut c_void, u32) -> i32>("BS2SIM_LoseConnection").unwrap()(
            ptr::null_mut(),
            device.get(),
        )
    };
    assert_eq!(lost, 1);
}

/// How many objects of the library were not given back.
pub(crate) fn held_objects() -> u32 {
    // SAFETY: it is our own library.
    let library = unsafe { libloading::Library::new(path()).unwrap() };
    // SAFETY: this is its type.
    unsafe { library.get::<extern "C" fn() -> u32>("BS2SIM_HeldObjects").unwrap()() }
}

/// Builds it beside the programs of this run. Where cargo has built all examples already, there is nothing to do.
fn build() -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_bs2")).parent().unwrap();
    let mut cargo = cargo();
    cargo.args(["build", "--quiet", "--example", "BS_SDK_V2"]);
    // Those of this test, so that nothing is built twice.
    cargo.args(if cfg!(feature = "chrono") {
        &["--all-features"][..]
    } else {
        &["--features", "cli,conformance"]
    });
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", programs.parent().unwrap());
    if programs.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success());
    programs.join("examples/libBS_SDK_V2.so")
}
