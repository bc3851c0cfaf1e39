//! Builds the library that misbehaves, and controls it.
#![allow(dead_code)] // Each test program uses a part of it.
#![allow(unsafe_code, reason = "the library has C functions")]

use std::ffi::{CString, c_char};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use bs2_events::codec::DeviceId;
use bs2_events::device::native::{NativeBackend, NativeOptions};
use tokio::sync::{Mutex, MutexGuard};

/// The library, for one test at a time: it has one state, and a process has one context.
pub(crate) struct Hostile {
    library: libloading::Library,
    _turn: MutexGuard<'static, ()>,
}

impl Hostile {
    /// Waits for its turn, and resets all faults.
    pub(crate) async fn take() -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        // SAFETY: it is the library of these tests.
        let library = unsafe { libloading::Library::new(path()).unwrap() };
        let hostile = Self { library, _turn: turn };
        hostile.call("stub_reset");
        hostile
    }

    /// A backend with the first device.
    pub(crate) fn open(&self) -> Arc<NativeBackend> {
        self.open_with(|options| options)
    }

    pub(crate) fn open_with(&self, more: impl FnOnce(NativeOptions) -> NativeOptions) -> Arc<NativeBackend> {
        Arc::new(NativeBackend::open(more(options(path()))).unwrap())
    }

    /// Sets a fault.
    pub(crate) fn set(&self, name: &str, value: i64) {
        let name = CString::new(name).unwrap();
        // SAFETY: this is the function's type, and the text lives until it returns.
        let known = unsafe {
            self.library.get::<extern "C" fn(*const c_char, i64) -> i32>("stub_set").unwrap()(
                name.as_ptr(),
                value,
            )
        };
        assert_eq!(known, 1, "{name:?}");
    }

    /// Blocks calls of this function; `None` lets them return.
    pub(crate) fn hang(&self, name: Option<&str>) {
        let name = name.map(|name| CString::new(name).unwrap());
        let name = name.as_ref().map_or(std::ptr::null(), |name| name.as_ptr());
        // SAFETY: this is the function's type, and the text lives until it returns.
        unsafe { self.library.get::<extern "C" fn(*const c_char)>("stub_hang").unwrap()(name) };
    }

    pub(crate) fn make_events(&self, device: DeviceId, count: u32) {
        // SAFETY: this is the function's type.
        unsafe {
            self.library.get::<extern "C" fn(u32, u32)>("stub_make_events").unwrap()(device.get(), count)
        };
    }

    pub(crate) fn storm(&self, device: DeviceId, threads: u32, count: u32, late: bool) {
        // SAFETY: this is the function's type.
        unsafe {
            self.library.get::<extern "C" fn(u32, u32, u32, i32)>("stub_storm").unwrap()(
                device.get(),
                threads,
                count,
                late.into(),
            );
        }
    }

    /// Calls a function that takes a device.
    pub(crate) fn of(&self, function: &str, device: DeviceId) -> i32 {
        // SAFETY: this is the function's type; the result of a function without one is not used.
        unsafe { self.library.get::<extern "C" fn(u32) -> i32>(function).unwrap()(device.get()) }
    }

    /// Calls a function without arguments.
    pub(crate) fn call(&self, function: &str) -> i32 {
        // SAFETY: this is the function's type; the result of a function without one is not used.
        unsafe { self.library.get::<extern "C" fn() -> i32>(function).unwrap()() }
    }

    /// Checks that every object was released, once. Waits for the thread that releases.
    pub(crate) fn assert_nothing_is_held(&self) {
        assert_eq!((self.call("stub_await_objects"), self.call("stub_wrong_releases")), (0, 0));
    }
}

pub(crate) fn options(path: impl Into<PathBuf>) -> NativeOptions {
    NativeOptions::default().with_library(path).with_device("127.0.0.1:51211".parse().unwrap())
}

/// The id of its first device.
pub(crate) const DEVICE: DeviceId = DeviceId::new(1_000);

/// The library, built once per process.
pub(crate) fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| build(&[]))
}

/// The library without these functions.
pub(crate) fn without(functions: &[&str]) -> PathBuf {
    let renamed: Vec<String> = functions.iter().map(|name| format!("-D{name}=absent_{name}")).collect();
    build(&renamed)
}

fn build(flags: &[String]) -> PathBuf {
    // A new folder each time, since a loaded file must not be overwritten.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep();
    let path = folder.join("libhostile.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/hostile_library/library.c");
    let mut command = Command::new(std::env::var_os("CC").unwrap_or("cc".into()));
    command.args(["-O1", "-shared", "-fPIC", "-pthread", "-o"]).arg(&path).args(flags).arg(source);
    assert!(command.status().unwrap().success());
    path
}
