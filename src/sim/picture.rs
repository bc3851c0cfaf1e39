//! What a reader's camera sees.

use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder};

use super::rng::SeededRng;
use crate::codec::Event;
use crate::{Error, ErrorKind, Result};

/// The picture of an event: a grey head before a wall, a JPEG of 96 × 96 pixels. It is made when it is asked for, and
/// always the same for the same seed, reader and id.
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

fn portrait(dice: &mut SeededRng) -> Vec<u8> {
    let mut between = |low: u32, high: u32| i64::from(low + dice.below(high - low));
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

const QUALITY: u8 = 60;
const SIDE: i64 = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{DeviceId, EventCode};

    #[test]
    fn is_a_jpeg_of_96_by_96_grey_pixels() {
        let jpeg = picture(1, &event(5)).unwrap();
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
    fn belongs_to_its_event_and_seed() {
        assert_eq!(picture(1, &event(5)).unwrap(), picture(1, &event(5)).unwrap());
        assert_ne!(picture(1, &event(5)).unwrap(), picture(1, &event(6)).unwrap());
        assert_ne!(picture(1, &event(5)).unwrap(), picture(2, &event(5)).unwrap());
    }

    fn event(id: u32) -> Event {
        Event::builder(DeviceId::new(541_000_001), id, EventCode::ACCESS_DENIED).build()
    }
}
