//! Builds the library that misbehaves, and holds its strings.
#![allow(dead_code)] // Each test file uses its own part.
#![allow(unsafe_code, reason = "the strings of the library are C functions")]

use std::ffi::{CString, c_char};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use bs2_events::codec::DeviceId;
use bs2_events::device::native::{NativeBackend, NativeOptions};
use tokio::sync::{Mutex, MutexGuard};

/// The library, for one test at a time: it has one state, and a process one context.
pub(crate) struct Hostile {
    library: libloading::Library,
    _turn: MutexGuard<'static, ()>,
}

impl Hostile {
    /// Waits for its turn, and begins with a library that does nothing wrong.
    pub(crate) async fn take() -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        // SAFETY: it is our own library.
        let library = unsafe { libloading::Library::new(path()).unwrap() };
        let hostile = Self { library, _turn: turn };
        hostile.call("stub_reset");
        hostile
    }

    /// A backend of the first reader.
    pub(crate) fn open(&self) -> Arc<NativeBackend> {
        self.open_with(|options| options)
    }

    pub(crate) fn open_with(&self, more: impl FnOnce(NativeOptions) -> NativeOptions) -> Arc<NativeBackend> {
        Arc::new(NativeBackend::open(more(options(path()))).unwrap())
    }

    /// Sets what goes wrong.
    pub(crate) fn set(&self, name: &str, value: i64) {
        let name = CString::new(name).unwrap();
        // SAFETY: this is its type, and the text lives until it returns.
        let known = unsafe {
            self.library.get::<extern "C" fn(*const c_char, i64) -> i32>("stub_set").unwrap()(
                name.as_ptr(),
                value,
            )
        };
        assert_eq!(known, 1, "{name:?}");
    }

    /// Lets calls of this function never return; `None` lets them go.
    pub(crate) fn hang(&self, name: Option<&str>) {
        let name = name.map(|name| CString::new(name).unwrap());
        let name = name.as_ref().map_or(std::ptr::null(), |name| name.as_ptr());
        // SAFETY: this is its type, and the text lives until it returns.
        unsafe { self.library.get::<extern "C" fn(*const c_char)>("stub_hang").unwrap()(name) };
    }

    pub(crate) fn make_events(&self, device: DeviceId, count: u32) {
        // SAFETY: this is its type.
        unsafe {
            self.library.get::<extern "C" fn(u32, u32)>("stub_make_events").unwrap()(device.get(), count)
        };
    }

    pub(crate) fn storm(&self, device: DeviceId, threads: u32, count: u32, late: bool) {
        // SAFETY: this is its type.
        unsafe {
            self.library.get::<extern "C" fn(u32, u32, u32, i32)>("stub_storm").unwrap()(
                device.get(),
                threads,
                count,
                late.into(),
            );
        }
    }

    /// Calls one of its functions of a reader.
    pub(crate) fn of(&self, function: &str, device: DeviceId) -> i32 {
        // SAFETY: this is its type; where it returns nothing the result is not used.
        unsafe { self.library.get::<extern "C" fn(u32) -> i32>(function).unwrap()(device.get()) }
    }

    /// Calls one of its functions without arguments.
    pub(crate) fn call(&self, function: &str) -> i32 {
        // SAFETY: this is its type; where it returns nothing the result is not used.
        unsafe { self.library.get::<extern "C" fn() -> i32>(function).unwrap()() }
    }

    /// Everything is given back, once; a thread of the backend may still be about it.
    pub(crate) fn assert_nothing_is_held(&self) {
        assert_eq!((self.call("stub_await_objects"), self.call("stub_wrong_releases")), (0, 0));
    }
}

pub(crate) fn options(path: impl Into<PathBuf>) -> NativeOptions {
    NativeOptions::default().with_library(path).with_device("127.0.0.1:51211".parse().unwrap())
}

/// The number of its first reader.
pub(crate) const DEVICE: DeviceId = DeviceId::new(1_000);

/// The library, built once a process.
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
    // A folder of its own each time, since a file that is loaded must not be written again.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep();
    let path = folder.join("libhostile.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/hostile_library/library.c");
    let mut command = Command::new(std::env::var_os("CC").unwrap_or("cc".into()));
    command.args(["-O1", "-shared", "-fPIC", "-pthread", "-o"]).arg(&path).args(flags).arg(source);
    assert!(command.status().unwrap().success());
    path
}
