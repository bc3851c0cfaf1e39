//! One strategy for each type of the codec.

use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags, SdkCode, Subject, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Any number, and every known code as often.
pub(crate) fn event_code() -> impl Strategy<Value = EventCode> {
    let known = EventCode::catalogue().iter().map(|row| row.code).collect::<Vec<_>>();
    prop_oneof![any::<u16>().prop_map(EventCode::new), select(known)]
}

/// Any number, and every known code as often.
pub(crate) fn sdk_code() -> impl Strategy<Value = SdkCode> {
    let known = SdkCode::catalogue().iter().map(|row| row.code).collect::<Vec<_>>();
    prop_oneof![any::<i32>().prop_map(SdkCode::new), select(known)]
}

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<u32>().prop_map(Timestamp::from_unix_seconds)
}

pub(crate) fn device_id() -> impl Strategy<Value = DeviceId> {
    any::<u32>().prop_map(DeviceId::new)
}

/// All 256 of them, those with bits that have no meaning together included.
pub(crate) fn event_flags() -> impl Strategy<Value = EventFlags> {
    any::<u8>().prop_map(EventFlags::from_bits_retain)
}

/// Up to 32 bytes without NUL: text, and bytes that are none.
pub(crate) fn user_id() -> impl Strategy<Value = Vec<u8>> {
    let text = "[^\0]{0,32}".prop_map(String::into_bytes);
    prop_oneof![text, "[ -~]{0,32}".prop_map(String::into_bytes), vec(1..=u8::MAX, 0..=32)].prop_map(
        |mut id| {
            id.truncate(32);
            id
        },
    )
}

/// The 32 bytes of a subject: any bytes, an id with its padding, and an id with bytes behind its NUL.
pub(crate) fn subject_bytes() -> impl Strategy<Value = [u8; 32]> {
    let id = (user_id(), prop_oneof![Just([0; 32]), any::<[u8; 32]>()]).prop_map(|(id, mut bytes)| {
        bytes[..id.len()].copy_from_slice(&id);
        if let Some(end) = bytes.get_mut(id.len()) {
            *end = 0;
        }
        bytes
    });
    prop_oneof![any::<[u8; 32]>(), id]
}

/// Any event, with as many known codes as others.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    (any::<u32>(), timestamp(), device_id(), event_code(), subject_bytes(), any::<u8>(), event_flags())
        .prop_map(|(id, time, device_id, code, subject, param, flags)| {
            Event::builder(device_id, id, code)
                .timestamp(time)
                .subject(Subject::Unknown(&subject))
                .param(param)
                .flags(flags)
                .build()
        })
}
