//! The border between C and Rust: what comes in, what goes out, and what must not cross.
//!
//! Pointers of C are taken as `Option<&T>` and [`Out`], which have the same form and make NULL a case of its own. That
//! they are NULL or point at what the function's declaration says is the caller's part of the contract, as in C.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bs2_events::codec::SdkCode;
use bs2_events::{Error, ErrorKind};

/// What a function has to say.
pub(crate) type Answer<T = ()> = Result<T, SdkCode>;

/// Where a C program wants a value: nothing was written there before, and it may be NULL.
pub(crate) type Out<'a, T> = Option<&'a mut MaybeUninit<T>>;

/// A C function by its vendor's name; the body says success or a code, and may panic.
macro_rules! export {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub(crate) extern "C" fn $name($($arg: $type),*) -> ::std::ffi::c_int {
            $crate::ffi::answer(|| $body)
        }
    )*};
}
pub(crate) use export;

/// The code for C; a panic stops here and becomes `INTERNAL`.
pub(crate) fn answer(body: impl FnOnce() -> Answer) -> c_int {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => SUCCESS.get(),
        Ok(Err(code)) => code.get(),
        Err(_) => INTERNAL.get(),
    }
}

/// What is not NULL.
pub(crate) fn given<T>(pointer: Option<T>) -> Answer<T> {
    pointer.ok_or(NULL_POINTER)
}

/// Where an object and its count go. They are none until there is one, so that a program that releases what it got
/// does no harm after an error.
pub(crate) fn object_places<'a>(
    object: Out<'a, *mut c_void>,
    count: Out<'a, u32>,
) -> Answer<(&'a mut MaybeUninit<*mut c_void>, &'a mut MaybeUninit<u32>)> {
    let (object, count) = (given(object)?, given(count)?);
    object.write(std::ptr::null_mut());
    count.write(0);
    Ok((object, count))
}

/// A text of C up to its NUL.
pub(crate) fn text<'a>(text: *const c_char) -> Answer<&'a [u8]> {
    if text.is_null() {
        return Err(NULL_POINTER);
    }
    // SAFETY: not NULL, and the function's declaration asks for a text that ends with a NUL and stays during the call;
    // no caller here keeps it longer.
    Ok(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// The vendor's code for an error of this crate.
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

/// A lock whose owner may have panicked: what it guards is whole after each single change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

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
