//! The simulated C library, and its functions for tests.
#![allow(unsafe_code, reason = "the library has C functions")]

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::LazyLock;

use bs2_events::codec::{DeviceId, Event};

/// The library's file, which cargo has put into the folder of the test program.
pub(crate) fn path() -> &'static Path {
    static PATH: LazyLock<PathBuf> =
        LazyLock::new(|| std::env::current_exe().unwrap().with_file_name("libBS_SDK_V2.so"));
    &PATH
}

/// Makes events at a device of the context that is open in this process.
pub(crate) fn make_events(device: DeviceId, count: u32) {
    // SAFETY: it is the simulated library.
    let library = unsafe { libloading::Library::new(path()).unwrap() };
    // SAFETY: this is the function's type.
    let made = unsafe {
        library.get::<extern "C" fn(*mut c_void, u32, u32) -> i32>("BS2SIM_MakeEvents").unwrap()(
            ptr::null_mut(),
            device.get(),
            count,
        )
    };
    assert_eq!(made, 1);
}

/// Lets a device of the context that is open in this process log an event.
pub(crate) fn push_event(device: DeviceId, event: &Event) {
    let mut words = [0; Event::SIZE / 4];
    for (word, bytes) in words.iter_mut().zip(event.as_bytes().chunks_exact(4)) {
        *word = u32::from_ne_bytes(bytes.try_into().unwrap());
    }
    // SAFETY: it is the simulated library.
    let library = unsafe { libloading::Library::new(path()).unwrap() };
    // SAFETY: this is the function's type.
    let pushed = unsafe {
        library
            .get::<extern "C" fn(*mut c_void, u32, *const u32, *mut u32) -> i32>("BS2SIM_PushEvent")
            .unwrap()(ptr::null_mut(), device.get(), words.as_ptr(), ptr::null_mut())
    };
    assert_eq!(pushed, 1);
}

/// Breaks the connection to a device of the context that is open in this process.
pub(crate) fn lose_connection(device: DeviceId) {
    // SAFETY: it is the simulated library.
    let library = unsafe { libloading::Library::new(path()).unwrap() };
    // SAFETY: this is the function's type.
    let lost = unsafe {
        library.get::<extern "C" fn(*mut c_void, u32) -> i32>("BS2SIM_LoseConnection").unwrap()(
            ptr::null_mut(),
            device.get(),
        )
    };
    assert_eq!(lost, 1);
}

/// The number of objects that are not released.
pub(crate) fn held_objects() -> u32 {
    // SAFETY: it is the simulated library.
    let library = unsafe { libloading::Library::new(path()).unwrap() };
    // SAFETY: this is the function's type.
    unsafe { library.get::<extern "C" fn() -> u32>("BS2SIM_HeldObjects").unwrap()() }
}
