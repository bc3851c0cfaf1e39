//! C, as the machine's compiler builds it with `-O3`.

use bs2_events::codec::UserId;

use crate::four_touches::{Sums, Touches};

/// The four touches in C.
pub fn touch(bytes: &[u8], user: &UserId) -> Touches {
    call(touch_events, bytes, user)
}

/// The four touches in C, at two places of the log at once.
pub fn touch_two(bytes: &[u8], user: &UserId) -> Touches {
    call(touch_two_at_once, bytes, user)
}

fn call(touch: Touch, bytes: &[u8], user: &UserId) -> Touches {
    let mut main_codes = [0; 256];
    // SAFETY: both functions read `count` events of 48 bytes, which are there, and 32 bytes of the user id, and count in
    // no more than 256 counters. Their structure is packed, so any address will do, and `Sums` is laid out as theirs.
    let sums =
        unsafe { touch(bytes.as_ptr(), bytes.len() / 48, user.as_array().as_ptr(), main_codes.as_mut_ptr()) };
    Touches { sums, main_codes }
}

/// Bytes, number of events, user id, counters of the main codes.
type Touch = unsafe extern "C" fn(*const u8, usize, *const u8, *mut u64) -> Sums;

unsafe extern "C" {
    fn touch_events(bytes: *const u8, count: usize, user_id: *const u8, main_codes: *mut u64) -> Sums;
    fn touch_two_at_once(bytes: *const u8, count: usize, user_id: *const u8, main_codes: *mut u64) -> Sums;
}
