//! The simulated library, and the functions that steer it.
#![allow(unsafe_code, reason = "the strings of the library are C functions")]

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::LazyLock;

use bs2_events::codec::DeviceId;

/// The library's file, which cargo has built beside this test.
pub(crate) fn path() -> &'static Path {
    static PATH: LazyLock<PathBuf> =
        LazyLock::new(|| std::env::current_exe().unwrap().with_file_name("libBS_SDK_V2.so"));
    &PATH
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
