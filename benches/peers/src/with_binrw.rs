//! binrw: a derived structure read from a cursor.

use std::io::Cursor;

use binrw::BinRead;
use bs2_events::codec::UserId;

use crate::four_touches::Touches;
use crate::is_user;

/// The four touches with binrw.
pub fn touch(bytes: &[u8], user: &UserId) -> Touches {
    let mut cursor = Cursor::new(bytes);
    crate::touch(std::iter::from_fn(|| {
        let event = Event::read(&mut cursor).ok()?;
        Some((event.id, event.code, is_user(event.code, &event.subject, user), event.flags))
    }))
}

#[derive(BinRead)]
#[br(little)]
struct Event {
    id: u32,
    _date_time: u32,
    _device_id: u32,
    subject: [u8; 32],
    code: u16,
    _param: u8,
    flags: u8,
}
