//! nom: one parser after the other, the subject borrowed.

use bs2_events::codec::UserId;
use nom::bytes::complete::take;
use nom::combinator::map_res;
use nom::number::complete::{le_u8, le_u16, le_u32};
use nom::{IResult, Parser};

use crate::four_touches::Touches;
use crate::is_user;

/// The four touches with nom.
pub fn touch(mut bytes: &[u8], user: &UserId) -> Touches {
    crate::touch(std::iter::from_fn(|| {
        let (rest, event) = event(bytes).ok()?;
        bytes = rest;
        Some((event.id, event.code, is_user(event.code, event.subject, user), event.flags))
    }))
}

struct Event<'a> {
    id: u32,
    _date_time: u32,
    _device_id: u32,
    subject: &'a [u8; 32],
    code: u16,
    _param: u8,
    flags: u8,
}

fn event(bytes: &[u8]) -> IResult<&[u8], Event<'_>> {
    let subject = map_res(take(32_usize), <&[u8; 32]>::try_from);
    (le_u32, le_u32, le_u32, subject, le_u16, le_u8, le_u8)
        .map(|(id, _date_time, _device_id, subject, code, _param, flags)| Event {
            id,
            _date_time,
            _device_id,
            subject,
            code,
            _param,
            flags,
        })
        .parse(bytes)
}
