//! Memory of the library that is ours to read and to give back.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::slice;

use super::release_queue::Releases;
use crate::{Error, ErrorKind, Result};

/// An object that the library has allocated for us, which is handed over to be given back by the library's own
/// function when it is dropped.
pub(super) struct Owned {
    address: NonNull<u8>,
    len: usize,
    releases: Releases,
}

// SAFETY: nobody else reads or writes the object until it is handed over, which any thread may do.
unsafe impl Send for Owned {}
// SAFETY: shared, it is only read.
unsafe impl Sync for Owned {}

impl Owned {
    /// `None` where there is no object.
    ///
    /// # Safety
    ///
    /// The object must be ours, must not be owned twice, and be what `releases` takes.
    pub(super) unsafe fn new(object: *mut c_void, releases: Releases) -> Option<Self> {
        Some(Self { address: NonNull::new(object.cast())?, len: 0, releases })
    }

    /// The object with so many readable bytes.
    ///
    /// # Safety
    ///
    /// It must have them.
    pub(super) unsafe fn with_len(self, len: usize) -> Self {
        let mut longer = self;
        longer.len = len;
        longer
    }
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the object has so many bytes, and nobody writes to it while it is ours.
        unsafe { slice::from_raw_parts(self.address.as_ptr(), self.len) }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the object is what `releases` takes, is handed over here alone, and its owner is gone.
        unsafe { self.releases.give_back(self.address) };
    }
}

/// An array in an answer of the library: `count` records of `size` bytes, at most `most`. `None` for an empty one.
///
/// # Errors
///
/// `InvalidData` for records without an array, and for more than there can be; what was allocated is given back.
///
/// # Safety
///
/// As [`Owned::new`]; and if the count is a possible one, the array must have so many records.
pub(super) unsafe fn array(
    function: &str,
    object: *mut c_void,
    count: u32,
    most: u32,
    size: usize,
    releases: Releases,
) -> Result<Option<Owned>> {
    // SAFETY: as the caller says.
    unsafe { taken(object, count, most, size, releases) }.map_err(|what| {
        Error::new(ErrorKind::InvalidData, format!("{function} answers with {count} records {what}"))
    })
}

/// The same for bytes.
///
/// # Errors
///
/// As [`array`].
///
/// # Safety
///
/// As [`array`].
pub(super) unsafe fn bytes(
    function: &str,
    object: *mut c_void,
    count: u32,
    most: u32,
    releases: Releases,
) -> Result<Option<Owned>> {
    // SAFETY: as the caller says.
    unsafe { taken(object, count, most, 1, releases) }.map_err(|what| {
        Error::new(ErrorKind::InvalidData, format!("{function} answers with {count} bytes {what}"))
    })
}

/// What is wrong with the count, where something is.
///
/// # Safety
///
/// As [`array`].
unsafe fn taken(
    object: *mut c_void,
    count: u32,
    most: u32,
    size: usize,
    releases: Releases,
) -> Result<Option<Owned>, String> {
    // SAFETY: as the caller says.
    let owned = unsafe { Owned::new(object, releases) };
    let len = usize::try_from(count.min(most)).ok().and_then(|count| count.checked_mul(size));
    match (owned, len) {
        (None, _) if count == 0 => Ok(None),
        (None, _) => Err("at no address".to_owned()),
        // SAFETY: as the caller says.
        (Some(owned), Some(len)) if count <= most => Ok(Some(unsafe { owned.with_len(len) })),
        (Some(_), _) => Err(format!("where {most} are the most that can be")),
    }
}
