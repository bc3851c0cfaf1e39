//! Laws of every portable blob.

use bs2_events::codec::blob::{BlobHead, EventBlob, EventMask, SmallBlob32, SmallBlob64, SmallBlobEx64};
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{DecodeReason, Temperature};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_written_is_read_without_copying_the_image(blob in crate::strategies::portable_blob()) {
        let bytes = encoded(&blob);
        prop_assert_eq!(bytes.len(), blob.encoded_len());
        let read = PortableBlob::decode(&bytes).unwrap();
        prop_assert_eq!(&read, &blob);
        if let Some(image) = read.image().filter(|image| !image.is_empty()) {
            prop_assert_eq!(image.as_ptr_range().end, bytes.as_ptr_range().end);
        }
        prop_assert_eq!(encoded(&read.into_owned()), bytes);
    }

    #[test]
    fn any_bytes_are_blobs_that_come_back_and_an_error_in_a_field(bytes in vec(any::<u8>(), 0..400)) {
        let mut blobs = PortableBlob::decode_all(&bytes);
        let mut written = Vec::new();
        while let Some(blob) = blobs.next() {
            match blob {
                Ok(blob) => {
                    let shown = format!("{blob:?} {:?} {:?}", blob.to_event(), blob.extras());
                    prop_assert!(!shown.is_empty());
                    blob.encode(&mut written);
                    prop_assert_eq!(blobs.rest(), &bytes[written.len()..]);
                }
                Err(error) => {
                    let DecodeReason::Truncated { needed, available } = error.reason else { panic!("{error}") };
                    prop_assert_eq!(error.offset + available, bytes.len());
                    prop_assert!(available < needed && error.offset >= written.len());
                    prop_assert_eq!(blobs.next(), None);
                }
            }
        }
        prop_assert!(bytes.starts_with(&written));
    }

    #[test]
    fn a_blob_that_is_being_received_never_needs_a_byte_too_many_and_at_most_three_reads(
        blob in crate::strategies::portable_blob(),
        more in vec(any::<u8>(), 0..10),
    ) {
        let whole = encoded(&blob);
        let stream = [&whole[..], &more].concat();
        let (mut len, mut asked) = (0, 0);
        let (read, rest) = loop {
            match PortableBlob::decode_streaming(&stream[..len]) {
                Ok(read) => break read,
                Err(needed) => {
                    (len, asked) = (len + needed.get(), asked + 1);
                    prop_assert!(len <= whole.len() && asked <= 3);
                }
            }
        };
        prop_assert_eq!((len, &read, rest.len()), (whole.len(), &blob, 0));
        prop_assert_eq!(PortableBlob::decode_prefix(&stream), Ok((read.clone(), &more[..])));
        prop_assert_eq!(PortableBlob::decode_streaming(&stream), Ok((read, &more[..])));
    }

    #[test]
    fn every_shorter_length_ends_in_a_field_and_says_what_is_missing(blob in crate::strategies::portable_blob()) {
        let bytes = encoded(&blob);
        let mut fields = Vec::new();
        // All of the fields, and the first and last bytes of the image.
        for len in (0..bytes.len()).filter(|len| *len < 100 || *len + 3 > bytes.len()) {
            let error = PortableBlob::decode(&bytes[..len]).unwrap_err();
            let DecodeReason::Truncated { needed, available } = error.reason else { panic!("{error}") };
            prop_assert_eq!((error.record, error.offset + available), ("portable blob", len));
            prop_assert!(available < needed && error.offset + needed <= bytes.len());
            let least = PortableBlob::decode_streaming(&bytes[..len]).unwrap_err().get();
            prop_assert!(least + len <= bytes.len() && least > 0);
            if available == 0 {
                fields.push(error.field);
            }
        }
        let has = |bits| blob.head().mask().intersects(bits);
        let expected = [
            ("event_mask", true),
            ("event_id", true),
            ("reserved", true),
            ("info", has(EventMask::INFO)),
            ("subject", has(EventMask::SUBJECT)),
            ("tna_key", has(EventMask::TNA_KEY)),
            ("job_code", has(EventMask::JOB_CODE)),
            ("temperature", has(EventMask::TEMPERATURE)),
            ("image_size", has(EventMask::IMAGE)),
            ("image", blob.image().is_some_and(|image| !image.is_empty())),
        ];
        let expected: Vec<_> = expected.iter().filter(|(_, there)| *there).map(|(field, _)| *field).collect();
        prop_assert_eq!(fields, expected);
    }

    #[test]
    fn a_small_blob_keeps_what_is_valid(
        small in crate::strategies::small_blob_ex::<zerocopy::little_endian::U64>(),
        image in crate::strategies::image(),
    ) {
        let blob = PortableBlob::from_small_blob_ex(&small, &image).unwrap();
        let address = small.small_blob().image_address();
        let again: SmallBlobEx64 = blob.to_small_blob_ex(address);
        let (old, new) = (small.small_blob().head(), again.small_blob().head());
        prop_assert_eq!((new.id(), new.info(), new.subject()), (old.id(), old.info(), old.subject()));
        prop_assert_eq!((new.tna_key(), new.job_code()), (old.tna_key(), old.job_code()));
        prop_assert_eq!(again.temperature(), small.temperature());
        prop_assert_eq!(again.small_blob().image_address(), address);
        prop_assert_eq!(again.small_blob().reserved(), small.small_blob().reserved());
        prop_assert_eq!(usize::from(new.image_size()), image.len());
        prop_assert_eq!(PortableBlob::from_small_blob_ex(&again, &image), Ok(blob.clone()));

        // Without a field for the temperature the rest is the same.
        let small: SmallBlob32 = blob.to_small_blob(0);
        let cold = PortableBlob::from_small_blob(&small, &image).unwrap();
        let warm = blob.temperature().map(|temperature| cold.clone().with_temperature(temperature));
        prop_assert_eq!(warm.unwrap_or(cold), blob);
    }

    #[test]
    fn an_event_blob_keeps_what_is_valid(head in crate::strategies::blob_head(), rest: u8, reserved: u8) {
        let buffer = [head.as_bytes(), &[rest; EventBlob::SIZE - 58], &[reserved]].concat();
        let blob = EventBlob::from_bytes(&buffer).unwrap();
        let portable = PortableBlob::from(blob);
        prop_assert_eq!(portable.image(), blob.image());
        let mask = head.mask() - EventMask::TEMPERATURE;
        prop_assert_eq!((portable.reserved(), portable.head().mask()), (reserved, mask));
        // Bytes of a subject that is not valid stay behind.
        let subject = if head.mask().intersects(EventMask::SUBJECT) { *head.subject_field() } else { [0; 32] };
        let event = head.with_subject_field(subject).with_image_size(0).with_mask(head.mask()).to_event();
        prop_assert_eq!(portable.to_event().map(|event| event.subject().to_bytes()), event.map(|event| event.subject().to_bytes()));
        prop_assert_eq!(portable.extras(), blob.extras());
        let mut again = vec![0xA5; EventBlob::SIZE];
        prop_assert_eq!(PortableBlob::from(&*portable.fill_event_blob(&mut again).unwrap()), portable);
    }
}

#[test]
fn a_temperature_that_the_record_has_no_field_for_is_not_made_up() {
    let head = BlobHead::new(1).with_mask(EventMask::TEMPERATURE);
    let event_blob = [head.as_bytes(), &[0; EventBlob::SIZE - 57]].concat();
    let small = SmallBlob64::new(head, 0);
    for blob in [
        PortableBlob::from(EventBlob::from_bytes(&event_blob).unwrap()),
        PortableBlob::from_small_blob(&small, &[]).unwrap(),
        PortableBlob::new(head, &[]).unwrap(),
    ] {
        assert_eq!((blob.temperature(), blob.head().mask()), (None, EventMask::empty()));
    }
    let measured = SmallBlobEx64::from_fields(small, Temperature::default());
    let blob = PortableBlob::from_small_blob_ex(&measured, &[]).unwrap();
    assert_eq!(blob.temperature(), Some(Temperature::default()));
}

#[test]
fn an_image_of_more_than_65535_bytes_is_refused() {
    let error = PortableBlob::new(BlobHead::new(1), vec![0; 65_536]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "portable blob: field `image` at offset 9: 65536 bytes in a field of 65535"
    );
}

#[test]
fn a_size_of_65535_with_nothing_behind_it_is_an_error_and_no_allocation() {
    let bytes = [0x00, 0x01, 1, 0, 0, 0, 0, 0xFF, 0xFF];
    let error = PortableBlob::decode(&bytes).unwrap_err();
    assert_eq!((error.field, error.offset), ("image", 9));
    assert_eq!(error.reason, DecodeReason::Truncated { needed: 65_535, available: 0 });
    assert_eq!(PortableBlob::decode_streaming(&bytes).unwrap_err().get(), 65_535);
}

fn encoded(blob: &PortableBlob<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    blob.encode(&mut bytes);
    bytes
}
