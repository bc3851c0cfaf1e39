//! One strategy for each type of the codec.
#![allow(dead_code)] // Each test file uses its own part.

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

/// A record of a capture that owns what it holds.
#[cfg(feature = "capture")]
#[derive(Clone, Debug)]
pub(crate) struct HeldRecord {
    device: DeviceId,
    received_at: u64,
    kind: u32,
    event: Event,
    temperature: u32,
    bytes: Vec<u8>,
    name: String,
}

#[cfg(feature = "capture")]
impl HeldRecord {
    pub(crate) fn record(&self) -> bs2_events::codec::capture::CaptureRecord<'_> {
        use bs2_events::codec::capture::{CapturePayload, CaptureRecord, LinkState};
        let payload = match self.kind {
            1 => CapturePayload::Event(&self.event),
            2 => CapturePayload::EventWithTemperature(
                &self.event,
                bs2_events::codec::Temperature::from_hundredths(self.temperature),
            ),
            3 => CapturePayload::SmallBlob(&self.bytes),
            4 => CapturePayload::ImageLog { event: &self.event, jpeg: &self.bytes },
            5 => CapturePayload::State(LinkState { code: self.temperature as u8, name: &self.name }),
            kind => CapturePayload::Unknown { kind, bytes: &self.bytes },
        };
        CaptureRecord { device: self.device, received_at: self.received_at, payload }
    }
}

/// Any record, every known kind more often than others.
#[cfg(feature = "capture")]
pub(crate) fn capture_record() -> impl Strategy<Value = HeldRecord> {
    let kind = prop_oneof![4 => 1_u32..6, 1 => any::<u32>()];
    let rest = (any::<u32>(), vec(any::<u8>(), 0..100), ".{0,20}");
    (device_id(), any::<u64>(), kind, event(), rest).prop_map(
        |(device, received_at, kind, event, (temperature, bytes, name))| HeldRecord {
            device,
            received_at,
            kind,
            event,
            temperature,
            bytes,
            name,
        },
    )
}
