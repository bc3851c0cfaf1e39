//! C, as the machine's compiler builds it with `-O3`.

use bs2_events::codec::UserId;

use crate::four_touches::{Sums, Touches};

/// The four touches in C.
pub fn touch(bytes: &[u8], user: &UserId) -> Touches {
    let mut main_codes = [0; 256];
    // SAFETY: the function reads `count` events of 48 bytes, which are there, and 32 bytes of the user id, and counts
    // in no more than 256 counters. Its structure is packed, so any address will do, and `Sums` is laid out as its own.
    let sums = unsafe {
        touch_events(bytes.as_ptr(), bytes.len() / 48, user.as_array().as_ptr(), main_codes.as_mut_ptr())
    };
    Touches { sums, main_codes }
}

unsafe extern "C" {
    fn touch_events(bytes: *const u8, count: usize, user_id: *const u8, main_codes: *mut u64) -> Sums;
}
