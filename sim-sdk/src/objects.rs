//! What was handed out and has to come back through `BS2_ReleaseObject`.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::Mutex;

use crate::ffi::{Answer, NO_MEMORY, lock};

/// Memory of an object. Its vector is never touched while a C program has it; moving the vector leaves the memory where
/// it is.
enum Memory {
    Bytes(#[expect(dead_code, reason = "held until it is released")] Vec<u8>),
    /// For arrays of what has to stand at addresses divisible by 4.
    Words(#[expect(dead_code, reason = "held until it is released")] Vec<u32>),
}

/// Hands out bytes; NULL for none.
pub(crate) fn hand_out_bytes(mut bytes: Vec<u8>) -> *mut c_void {
    if bytes.is_empty() {
        return std::ptr::null_mut();
    }
    let address = bytes.as_mut_ptr().cast();
    keep(address, Memory::Bytes(bytes))
}

/// Hands out words; NULL for none.
pub(crate) fn hand_out_words(mut words: Vec<u32>) -> *mut c_void {
    if words.is_empty() {
        return std::ptr::null_mut();
    }
    let address = words.as_mut_ptr().cast();
    keep(address, Memory::Words(words))
}

/// An empty vector with room for this much.
pub(crate) fn room<T>(count: usize) -> Answer<Vec<T>> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(count).map_err(|_| NO_MEMORY)?;
    Ok(vector)
}

/// Frees an object; an address that is none, or not any more, is left alone.
pub(crate) fn release(object: *mut c_void) {
    let memory = lock(&HELD).remove(&object.addr());
    drop(memory);
}

/// How many objects are not released yet.
pub(crate) fn held() -> usize {
    lock(&HELD).len()
}

fn keep(address: *mut c_void, memory: Memory) -> *mut c_void {
    lock(&HELD).insert(address.addr(), memory);
    address
}

static HELD: Mutex<BTreeMap<usize, Memory>> = Mutex::new(BTreeMap::new());
