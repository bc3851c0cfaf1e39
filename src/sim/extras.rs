//! What a device reports of an event beyond its 48 bytes: extras and pictures.

use std::ops::Range;

use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder};

use super::generator::door;
use super::rng::SeededRng;
use crate::codec::blob::{BlobHead, EventMask};
use crate::codec::portable::PortableBlob;
use crate::codec::{Event, ExtraSubject, Extras, JobCode, Subject, SubjectKind, Temperature};
use crate::{Error, ErrorKind, Result};

/// The extras of a generated event of the device with this index.
pub(super) fn extras(seed: u64, index: u32, event: &Event) -> Extras {
    Extras {
        job_code: job_code(seed, event),
        temperature: temperature(seed, event),
        subjects: subjects(seed, index, event),
    }
}

/// The blob of an event with the fields of `mask` that apply to it; `None` if none does. A picture is in it whatever
/// the mask says.
/// Fails with [`ErrorKind::InvalidData`] for a picture that is too large for a blob; only a replayed file may have one.
pub(super) fn blob(
    event: &Event,
    extras: &Extras,
    picture: Option<Bytes>,
    mask: EventMask,
) -> Result<Option<PortableBlob<'static>>> {
    let head = BlobHead::from_event(event);
    let head = extras.job_code.map_or(head, |code| head.with_job_code(code));
    let head = head.with_mask(head.mask() & mask);
    let temperature = extras.temperature.filter(|_| mask.contains(EventMask::TEMPERATURE));
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

/// The picture of a generated event: a grey head before a wall, a JPEG of 96 × 96 pixels. It is made on request, and
/// is always the same for the same seed, device and id.
pub(super) fn picture(seed: u64, event: &Event) -> Result<Bytes> {
    let stream = u64::from(event.device_id().get()) << 32 | u64::from(event.id());
    let pixels = portrait(&mut SeededRng::new(seed, stream));
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, QUALITY).encode(&pixels, SIDE as u16, SIDE as u16, ColorType::Luma).map_err(
        |error| {
            Error::new(ErrorKind::Other, "cannot make the picture")
                .with_device(event.device_id())
                .with_source(error)
        },
    )?;
    Ok(jpeg.into())
}

/// The temperature of the person: most are healthy.
fn temperature(seed: u64, event: &Event) -> Option<Temperature> {
    let spread = u32::from(number(seed, event, 0) % 128);
    event.code().is_authentication().then(|| Temperature::from_hundredths(3_610 + spread))
}

/// The job code of a person who pressed a T&A key.
fn job_code(seed: u64, event: &Event) -> Option<JobCode> {
    let is_chosen = event.code().is_authentication() && event.param() > 0;
    is_chosen.then(|| JobCode(1 + u32::from(number(seed, event, 1) % 9)))
}

/// The door and the card of an authentication. As behind a gateway, some authentications have one of them or both.
fn subjects(seed: u64, index: u32, event: &Event) -> Vec<ExtraSubject> {
    let mut subjects = Vec::new();
    if !event.code().is_authentication() {
        return subjects;
    }
    let share = number(seed, event, 2) % SHARES;
    if WITH_CARD.contains(&share) {
        let mut card = [0; 32];
        card[28..30].copy_from_slice(&number(seed, event, 3).to_be_bytes());
        card[30..].copy_from_slice(&number(seed, event, 4).to_be_bytes());
        subjects.push(ExtraSubject::new(SubjectKind::Card, card));
    }
    if WITH_DOOR.contains(&share) {
        let door = Subject::Door { door_id: door(index) };
        subjects.push(ExtraSubject::new(SubjectKind::Door, door.to_bytes()));
    }
    subjects
}

/// A number that belongs to this event alone. It is not drawn from a stream, so that it does not depend on the order of
/// the requests.
fn number(seed: u64, event: &Event, purpose: u64) -> u16 {
    let event = u64::from(event.device_id().get()) << 32 | u64::from(event.id());
    let mut mixed = seed ^ event.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ purpose << 17;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed >> 48) as u16
}

fn portrait(rng: &mut SeededRng) -> Vec<u8> {
    let mut between = |low: u32, high: u32| i64::from(low + rng.below(high - low));
    let (wall, skin, shirt) = (between(150, 240), between(90, 200), between(20, 120));
    let (centre, width, height) = (between(40, 56), between(14, 20), between(20, 26));
    let mut pixels = Vec::with_capacity((SIDE * SIDE) as usize);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (dx, dy) = (x - centre, y - 40);
            let head = dx * dx * height * height + dy * dy * width * width < width * width * height * height;
            let body = y > 66 && dx.abs() < 20 + (y - 66) / 2;
            let shade = if head {
                skin - dx
            } else if body {
                shirt
            } else {
                wall - y / 2
            };
            pixels.push(shade.clamp(0, 255) as u8);
        }
    }
    pixels
}

// Of each `SHARES` authentications.
const SHARES: u16 = 16;
const WITH_DOOR: Range<u16> = 0..3;
const WITH_CARD: Range<u16> = 2..5;

const QUALITY: u8 = 60;
const SIDE: i64 = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::blob::ExtInfo;
    use crate::codec::{DeviceId, EventCode};

    #[test]
    fn a_blob_has_what_was_requested_and_applies() {
        let event = event(5, EventCode::VERIFY_SUCCESS, 2);
        let made = |mask| blob(&event, &extras(1, 0, &event), None, mask).unwrap();
        let whole = made(EventMask::all()).unwrap();
        let expected = EventMask::INFO
            | EventMask::USER_ID
            | EventMask::TNA_KEY
            | EventMask::JOB_CODE
            | EventMask::TEMPERATURE;
        assert_eq!(whole.head().mask(), expected);
        assert_eq!(whole.to_event().unwrap(), event);
        assert_eq!(made(EventMask::JOB_CODE).unwrap().head().info(), None);
        assert!(made(EventMask::DOOR_ID | EventMask::IMAGE).is_none());
    }

    #[test]
    fn a_picture_comes_with_the_fields_that_were_requested() {
        let (event, jpeg) = (event(5, EventCode::VERIFY_FAIL, 0), Bytes::from_static(&[0xFF, 0xD8]));
        let made = |mask| blob(&event, &Extras::default(), Some(jpeg.clone()), mask).unwrap().unwrap();
        assert_eq!(made(EventMask::IMAGE).image(), Some(&jpeg[..]));
        assert_eq!(made(EventMask::IMAGE).head().info(), None);
        let info = made(EventMask::IMAGE | EventMask::INFO).head().info().map(ExtInfo::code);
        assert_eq!(info, Some(event.code()));
    }

    #[test]
    fn a_share_of_the_authentications_has_a_door_or_a_card_or_both() {
        let kinds = |id| {
            let extras = extras(1, 6, &event(id, EventCode::VERIFY_SUCCESS, 0));
            let door = extras.subjects.iter().any(|one| one.subject() == Subject::Door { door_id: 7 });
            let card = extras.subjects.iter().any(|one| one.kind() == SubjectKind::Card);
            assert_eq!(extras.subjects.len(), usize::from(door) + usize::from(card));
            (door, card)
        };
        let counts = |wanted| (1..=16_000).filter(|id| kinds(*id) == wanted).count();
        for (wanted, share) in
            [((true, false), 2), ((true, true), 1), ((false, true), 2), ((false, false), 11)]
        {
            assert!(counts(wanted).abs_diff(share * 1_000) < 200, "{wanted:?}: {}", counts(wanted));
        }
    }

    #[test]
    fn a_door_has_no_temperature_and_no_job_code() {
        assert!(extras(1, 0, &event(5, EventCode::DOOR_OPENED, 0)).is_empty());
    }

    #[test]
    fn a_picture_is_a_jpeg_of_96_by_96_grey_pixels() {
        let jpeg = picture(1, &event(5, EventCode::ACCESS_DENIED, 0)).unwrap();
        assert_eq!(jpeg[..2], [0xFF, 0xD8]);
        assert_eq!(jpeg[jpeg.len() - 2..], [0xFF, 0xD9]);
        // Walk the segments to the frame header: precision, height, width, number of components.
        let mut at = 2;
        let frame = loop {
            assert_eq!(jpeg[at], 0xFF);
            let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            if matches!(jpeg[at + 1], 0xC0..=0xC2) {
                break &jpeg[at + 4..at + 10];
            }
            at += 2 + length;
        };
        assert_eq!(frame, [8, 0, 96, 0, 96, 1]);
    }

    #[test]
    fn a_picture_belongs_to_its_event_and_seed() {
        let made = |seed, id| picture(seed, &event(id, EventCode::ACCESS_DENIED, 0)).unwrap();
        assert_eq!(made(1, 5), made(1, 5));
        assert_ne!(made(1, 5), made(1, 6));
        assert_ne!(made(1, 5), made(2, 5));
    }

    fn event(id: u32, code: EventCode, param: u8) -> Event {
        Event::builder(DeviceId::new(541_000_001), id, code).param(param).build()
    }
}
