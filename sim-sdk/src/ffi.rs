//! The border between C and Rust: pointers, codes, and the objects that programs release.
//!
//! Pointers of C are `Option<&T>` and [`Out`]. These have the same form as a pointer, and `None` is NULL. As in C, the
//! caller promises that a pointer is NULL or points to what the function's declaration names.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bs2_events::codec::sdk_code::SdkCode;
use bs2_events::{Error, ErrorKind};

/// The result of a function: a value, or the vendor's code for a failure.
pub(crate) type SdkResult<T = ()> = Result<T, SdkCode>;

/// Where a C program wants a value. It is not initialised, and may be NULL.
pub(crate) type Out<'a, T> = Option<&'a mut MaybeUninit<T>>;

/// Defines C functions by the vendor's names. The body returns success or a code, and may panic.
macro_rules! export {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub(crate) extern "C" fn $name($($arg: $type),*) -> ::std::ffi::c_int {
            $crate::ffi::return_code(|| $body)
        }
    )*};
}
pub(crate) use export;

/// The code for C. A panic stops here and becomes `INTERNAL`.
pub(crate) fn return_code(body: impl FnOnce() -> SdkResult) -> c_int {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => SUCCESS.get(),
        Ok(Err(code)) => code.get(),
        Err(_) => INTERNAL.get(),
    }
}

pub(crate) fn not_null<T>(pointer: Option<T>) -> SdkResult<T> {
    pointer.ok_or(NULL_POINTER)
}

/// The two results of a function that returns an object: the object and its count. They are NULL and 0 until the
/// function succeeds, so a program that releases the object after an error does no harm.
pub(crate) fn object_results<'a>(
    object: Out<'a, *mut c_void>,
    count: Out<'a, u32>,
) -> SdkResult<(&'a mut MaybeUninit<*mut c_void>, &'a mut MaybeUninit<u32>)> {
    let (object, count) = (not_null(object)?, not_null(count)?);
    object.write(std::ptr::null_mut());
    count.write(0);
    Ok((object, count))
}

/// A C text up to its NUL.
pub(crate) fn text<'a>(text: *const c_char) -> SdkResult<&'a [u8]> {
    if text.is_null() {
        return Err(NULL_POINTER);
    }
    // SAFETY: not NULL; the function's declaration requires a text that ends with a NUL and stays during the call, and
    // no caller here keeps it longer.
    Ok(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// An IPv4 address as a C text.
pub(crate) fn ipv4(address: *const c_char) -> SdkResult<Ipv4Addr> {
    let text = std::str::from_utf8(text(address)?).map_err(|_| INVALID_ADDRESS)?;
    text.parse().map_err(|_| INVALID_ADDRESS)
}

/// The vendor's code for an error of the crate.
pub(crate) fn code_of(error: &Error) -> SdkCode {
    error.sdk_code().unwrap_or(match error.kind() {
        ErrorKind::Busy => SdkCode::new(-10007),
        ErrorKind::Closed => UNINITIALIZED,
        ErrorKind::Disconnected => NOT_CONNECTED,
        ErrorKind::InvalidInput => INVALID_PARAMETER,
        ErrorKind::NotFound => NO_SUCH_DEVICE,
        ErrorKind::Storage => CANNOT_WRITE_FILE,
        ErrorKind::TimedOut => TIMEOUT,
        ErrorKind::Unsupported => NOT_SUPPORTED,
        _ => INTERNAL,
    })
}

/// Locks a mutex, even after a panic of another owner: each change leaves the value whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The memory of an object. Nobody here touches the vector while a C program has the object; moving the vector does
/// not move the memory.
enum Object {
    Bytes(#[expect(dead_code, reason = "kept until it is released")] Vec<u8>),
    /// For arrays that need addresses divisible by 4.
    Words(#[expect(dead_code, reason = "kept until it is released")] Vec<u32>),
}

/// Makes an object of these bytes; NULL for none.
pub(crate) fn bytes_object(mut bytes: Vec<u8>) -> *mut c_void {
    if bytes.is_empty() {
        return std::ptr::null_mut();
    }
    let address = bytes.as_mut_ptr().cast();
    keep_object(address, Object::Bytes(bytes))
}

/// Makes an object of these words; NULL for none.
pub(crate) fn words_object(mut words: Vec<u32>) -> *mut c_void {
    if words.is_empty() {
        return std::ptr::null_mut();
    }
    let address = words.as_mut_ptr().cast();
    keep_object(address, Object::Words(words))
}

/// An empty vector with this capacity.
pub(crate) fn with_capacity<T>(count: usize) -> SdkResult<Vec<T>> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(count).map_err(|_| NO_MEMORY)?;
    Ok(vector)
}

/// Frees an object. Ignores an address that is not one, or not any more.
pub(crate) fn release_object(object: *mut c_void) {
    let memory = lock(&OBJECTS).remove(&object.addr());
    drop(memory);
}

/// The number of objects that are not released yet.
pub(crate) fn held_objects() -> usize {
    lock(&OBJECTS).len()
}

fn keep_object(address: *mut c_void, object: Object) -> *mut c_void {
    lock(&OBJECTS).insert(address.addr(), object);
    address
}

static OBJECTS: Mutex<BTreeMap<usize, Object>> = Mutex::new(BTreeMap::new());

const SUCCESS: SdkCode = SdkCode::new(1);
pub(crate) const CANNOT_CONNECT: SdkCode = SdkCode::new(-102);
pub(crate) const NOT_CONNECTED: SdkCode = SdkCode::new(-107);
pub(crate) const INVALID_ADDRESS: SdkCode = SdkCode::new(-116);
pub(crate) const INVALID_PARAMETER: SdkCode = SdkCode::new(-200);
pub(crate) const CANNOT_WRITE_FILE: SdkCode = SdkCode::new(-402);
pub(crate) const NOT_SUPPORTED: SdkCode = SdkCode::new(-600);
pub(crate) const TIMEOUT: SdkCode = SdkCode::new(-601);
pub(crate) const INVALID_CONFIG: SdkCode = SdkCode::new(-800);
pub(crate) const NO_SUCH_DEVICE: SdkCode = SdkCode::new(-907);
pub(crate) const NO_MEMORY: SdkCode = SdkCode::new(-2002);
pub(crate) const NULL_POINTER: SdkCode = SdkCode::new(-10000);
pub(crate) const UNINITIALIZED: SdkCode = SdkCode::new(-10001);
pub(crate) const EXISTS: SdkCode = SdkCode::new(-10004);
pub(crate) const INTERNAL: SdkCode = SdkCode::new(-10008);
