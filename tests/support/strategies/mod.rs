//! One strategy for each type of the codec.
#![allow(dead_code)] // Each test file uses its own part.

use bs2_events::codec::blob::{Address, BlobHead, EventMask, ExtInfo, SmallBlob, SmallBlobEx};
use bs2_events::codec::sdk_code::SdkCode;
use bs2_events::codec::{
    DeviceId, Event, EventCode, EventFlags, ExtraSubject, Extras, JobCode, Subject, SubjectKind, Temperature,
    Timestamp,
};
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

/// Any mask, and as often one of few bits.
pub(crate) fn event_mask() -> impl Strategy<Value = EventMask> {
    let few = vec(0..16_u32, 0..4).prop_map(|bits| bits.iter().fold(0, |mask, bit| mask | 1 << bit));
    prop_oneof![any::<u16>(), few].prop_map(EventMask::from_bits_retain)
}

/// Any head, all fields filled whatever the mask says.
pub(crate) fn blob_head() -> impl Strategy<Value = BlobHead> {
    let info = (timestamp(), device_id(), event_code(), any::<[u8; 2]>())
        .prop_map(|(time, device, code, reserved)| ExtInfo::new(time, device, code).with_reserved(reserved));
    let rest = (any::<u8>(), any::<u32>(), any::<u16>());
    (event_mask(), any::<u32>(), info, subject_bytes(), rest).prop_map(
        |(mask, id, info, subject, (key, job_code, size))| {
            BlobHead::new(id)
                .with_info(info)
                .with_subject_field(subject)
                .with_tna_key(key)
                .with_job_code(JobCode(job_code))
                .with_image_size(size)
                .with_mask(mask)
        },
    )
}

/// Any extras, with few subjects, of which many have bytes that their kind does not use.
pub(crate) fn extras() -> impl Strategy<Value = Extras> {
    let subject = (select(&SubjectKind::ALL[..]), subject_bytes())
        .prop_map(|(kind, bytes)| ExtraSubject::new(kind, bytes));
    (any::<Option<u32>>(), any::<Option<u32>>(), vec(subject, 0..4)).prop_map(
        |(job_code, temperature, subjects)| {
            let mut extras = Extras::default();
            extras.job_code = job_code.map(JobCode);
            extras.temperature = temperature.map(Temperature::from_hundredths);
            extras.subjects = subjects;
            extras
        },
    )
}

/// Any small blob with temperature.
pub(crate) fn small_blob_ex<A: Address>() -> impl Strategy<Value = SmallBlobEx<A>> {
    (blob_head(), any::<u64>(), any::<u8>(), any::<u32>()).prop_map(
        |(head, address, reserved, temperature)| {
            let blob = SmallBlob::new(head, address).with_reserved(reserved);
            SmallBlobEx::from_fields(blob, Temperature::from_hundredths(temperature))
        },
    )
}

/// An image: none, short, or longer than the vendor's record with an image holds.
pub(crate) fn image() -> impl Strategy<Value = Vec<u8>> {
    let long = (any::<u8>(), 16_380..=65_535_usize).prop_map(|(byte, len)| vec![byte; len]);
    prop_oneof![2 => Just(Vec::new()), 4 => vec(any::<u8>(), 1..100), 1 => long]
}

/// Any portable blob.
pub(crate) fn portable_blob() -> impl Strategy<Value = bs2_events::codec::portable::PortableBlob<'static>> {
    use bs2_events::codec::portable::PortableBlob;
    (small_blob_ex::<zerocopy::little_endian::U64>(), image())
        .prop_map(|(blob, image)| PortableBlob::from_small_blob_ex(&blob, image).unwrap())
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
        use bs2_events::codec::capture::{CapturePayload, CaptureRecord, ConnectionStateRecord};
        let payload = match self.kind {
            1 => CapturePayload::Event(&self.event),
            2 => CapturePayload::EventWithTemperature(
                &self.event,
                bs2_events::codec::Temperature::from_hundredths(self.temperature),
            ),
            3 => CapturePayload::SmallBlob(&self.bytes),
            4 => CapturePayload::ImageLog { event: &self.event, jpeg: &self.bytes },
            5 => CapturePayload::State(ConnectionStateRecord {
                code: self.temperature as u8,
                name: &self.name,
            }),
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
