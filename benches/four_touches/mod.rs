//! The work that is measured: each event of a log is touched four times. Its id is summed, its main code counted, its
//! user compared with one user, and its last byte decoded.

use bs2_events::codec::{Event, UserId};

pub mod log;

/// What the four touches find.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Touches {
    /// What is summed.
    pub sums: Sums,
    /// Events of each main code.
    pub main_codes: [u64; 256],
}

/// What the touches sum, apart from the counters: beside them, a compiler would keep the sums in memory. Laid out for
/// C too.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct Sums {
    /// Of all ids.
    pub ids: u64,
    /// Of events of the one user.
    pub of_user: u64,
    /// Of events with an image.
    pub images: u64,
    /// Of events under daylight saving.
    pub daylight_saving: u64,
    /// Of all UTC offsets.
    pub offset_minutes: i64,
}

/// The limit: every byte is read, nothing is done with it.
pub fn read_as_u64(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

/// The four touches by this crate: events over the bytes.
pub fn touch(bytes: &[u8], user: &UserId) -> Touches {
    let (events, _) = Event::slice_from_prefix(bytes);
    let mut sums = Sums::default();
    let mut main_codes = [0; 256];
    for event in events {
        touch_one(event, user, &mut sums, &mut main_codes);
    }
    Touches { sums, main_codes }
}

/// The same at two places of the log at once: one walk through memory waits at the start of each page, two walks wait
/// together.
pub fn touch_two_at_once(bytes: &[u8], user: &UserId) -> Touches {
    let (events, _) = Event::slice_from_prefix(bytes);
    let mut sums = Sums::default();
    let mut main_codes = [0; 256];
    let (blocks, rest) = events.as_chunks::<2_000>();
    for block in blocks {
        let (first, second) = block.split_at(1_000);
        for (one, other) in first.iter().zip(second) {
            touch_one(one, user, &mut sums, &mut main_codes);
            touch_one(other, user, &mut sums, &mut main_codes);
        }
    }
    for event in rest {
        touch_one(event, user, &mut sums, &mut main_codes);
    }
    Touches { sums, main_codes }
}

#[inline(always)]
fn touch_one(event: &Event, user: &UserId, sums: &mut Sums, main_codes: &mut [u64; 256]) {
    sums.ids += u64::from(event.id());
    main_codes[usize::from(event.code().get() >> 8)] += 1;
    if event.is_of_user(user) {
        sums.of_user += 1;
    }
    let flags = event.flags();
    sums.images += u64::from(flags.has_image());
    sums.daylight_saving += u64::from(flags.daylight_saving());
    sums.offset_minutes += i64::from(flags.utc_offset_minutes());
}
