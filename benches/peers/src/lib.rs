//! The work of this crate done by its rivals, each of which must find what this crate finds.

#[path = "../../four_touches/mod.rs"]
pub mod four_touches;
pub mod portable;
pub mod rounds;
pub mod with_binrw;
pub mod with_c;
pub mod with_nom;
pub mod with_prost;

use bs2_events::codec::{EventCode, SubjectKind, UserId};
use four_touches::{Sums, Touches};

/// What one rival has read of an event: id, code, whether it is the user's, last byte.
type Fields = (u32, u16, bool, u8);

/// Touches events whose fields a rival has read.
#[inline(always)]
fn touch(events: impl Iterator<Item = Fields>) -> Touches {
    let mut sums = Sums::default();
    let mut main_codes = [0; 256];
    for (id, code, is_user, last) in events {
        sums.ids += u64::from(id);
        main_codes[usize::from(code >> 8)] += 1;
        sums.of_user += u64::from(is_user);
        sums.images += u64::from(last & 0x01);
        sums.daylight_saving += u64::from(last >> 1 & 0x01);
        let minutes = i64::from(last >> 2 & 0x1F) * 30;
        sums.offset_minutes += if last & 0x80 == 0 { minutes } else { -minutes };
    }
    Touches { sums, main_codes }
}

/// Whether a subject is this user's id, and the code one that has a user.
#[inline(always)]
fn is_user(code: u16, subject: &[u8; 32], user: &UserId) -> bool {
    subject == user.as_array() && SubjectKind::of(EventCode::new(code)) == SubjectKind::User
}
