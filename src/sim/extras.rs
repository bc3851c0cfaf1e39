//! What a reader knows of an event beside its 48 bytes.

use bytes::Bytes;

use crate::codec::{BlobHead, Event, EventMask, JobCode, PortableBlob, Temperature};
use crate::{Error, ErrorKind, Result};

/// What a reader knows of an event beside its 48 bytes.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) job_code: Option<JobCode>,
    pub(super) picture: Option<Bytes>,
    pub(super) temperature: Option<Temperature>,
}

impl Beside {
    /// What is so of an event in the office; its picture is made when it is asked for.
    pub(super) fn of(seed: u64, event: &Event) -> Self {
        Self { job_code: job_code(seed, event), picture: None, temperature: temperature(seed, event) }
    }
}

/// The blob of an event with the fields of `mask` that apply to it; `None` if none does. The picture is in it whatever
/// the mask says.
///
/// # Errors
///
/// [`ErrorKind::InvalidData`] for a picture that is too large for a blob; only a replayed file may have one.
pub(super) fn blob(
    event: &Event,
    Beside { job_code, picture, temperature }: Beside,
    mask: EventMask,
) -> Result<Option<PortableBlob<'static>>> {
    let head = BlobHead::from_event(event);
    let head = job_code.map_or(head, |code| head.with_job_code(code));
    let head = head.with_mask(head.mask() & mask);
    let temperature = temperature.filter(|_| mask.contains(EventMask::TEMPERATURE));
    if head.mask().is_empty() && temperature.is_none() && picture.is_none() {
        return Ok(None);
    }
    let mut blob = PortableBlob::new(head, picture.map(Vec::from).unwrap_or_default()).map_err(|error| {
        let message = format!("event {}: {error}", event.id());
        Error::new(ErrorKind::InvalidData, message).with_device(event.device_id())
    })?;
    if let Some(temperature) = temperature {
        blob = blob.with_temperature(temperature);
    }
    Ok(Some(blob))
}

/// The temperature of the person who stood before the reader: most are healthy.
pub(super) fn temperature(seed: u64, event: &Event) -> Option<Temperature> {
    let spread = u32::from(roll(seed, event, 0) % 128);
    event.code().is_authentication().then(|| Temperature::from_hundredths(3_610 + spread))
}

/// The work that somebody began who pressed a key for it.
fn job_code(seed: u64, event: &Event) -> Option<JobCode> {
    let chosen = event.code().is_authentication() && event.param() > 0;
    chosen.then(|| JobCode(1 + u32::from(roll(seed, event, 1) % 9)))
}

/// A number that belongs to this event alone: not drawn from a stream, so that it is the same whoever asks first.
fn roll(seed: u64, event: &Event, purpose: u64) -> u16 {
    let event = u64::from(event.device_id().get()) << 32 | u64::from(event.id());
    let mut mixed = seed ^ event.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ purpose << 17;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed >> 48) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{DeviceId, EventCode, ExtInfo};

    #[test]
    fn a_blob_has_what_was_asked_for_and_applies() {
        let event = event(EventCode::VERIFY_SUCCESS, 2);
        let told = |mask| blob(&event, Beside::of(1, &event), mask).unwrap();
        let whole = told(EventMask::all()).unwrap();
        let expected = EventMask::INFO
            | EventMask::USER_ID
            | EventMask::TNA_KEY
            | EventMask::JOB_CODE
            | EventMask::TEMPERATURE;
        assert_eq!(whole.head().mask(), expected);
        assert_eq!(whole.to_event().unwrap(), event);
        assert_eq!(told(EventMask::JOB_CODE).unwrap().head().info(), None);
        assert!(told(EventMask::DOOR_ID | EventMask::IMAGE).is_none());
    }

    #[test]
    fn a_picture_comes_with_the_fields_that_were_asked_for() {
        let (event, jpeg) = (event(EventCode::VERIFY_FAIL, 0), Bytes::from_static(&[0xFF, 0xD8]));
        let told = |mask| {
            let picture = Some(jpeg.clone());
            blob(&event, Beside { picture, ..Beside::default() }, mask).unwrap().unwrap()
        };
        assert_eq!(told(EventMask::IMAGE).image(), Some(&jpeg[..]));
        assert_eq!(told(EventMask::IMAGE).head().info(), None);
        let info = told(EventMask::IMAGE | EventMask::INFO).head().info().map(ExtInfo::code);
        assert_eq!(info, Some(event.code()));
    }

    #[test]
    fn a_door_has_no_temperature_and_no_work() {
        let event = event(EventCode::DOOR_OPENED, 0);
        assert_eq!((temperature(1, &event), job_code(1, &event)), (None, None));
    }

    fn event(code: EventCode, param: u8) -> Event {
        Event::builder(DeviceId::new(7), 5, code).param(param).build()
    }
}
