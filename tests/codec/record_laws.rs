//! Laws of every record other than the event, for any bytes.

use bs2_events::codec::blob::{
    BlobHead, BlobSubject, EventBlob, EventMask, ExtInfo, ExtIoDevice, SmallBlob32, SmallBlob64,
    SmallBlobEx32, SmallBlobEx64,
};
use bs2_events::codec::filter::EventFilter;
use bs2_events::codec::{DecodeReason, EventCode};
use proptest::collection::vec;
use proptest::prelude::*;

/// Any bytes are a record and come back; a shorter or longer input is not one.
macro_rules! bytes_are_a_record {
    ($($test:ident: $record:ty, $size:literal;)*) => {
        proptest! {
            $(
                #[test]
                fn $test(bytes: [u8; $size], len in 0..$size as usize, more in 1..100_usize) {
                    let record = <$record>::from_bytes(&bytes).unwrap();
                    prop_assert_eq!(record.as_bytes(), bytes);
                    prop_assert_eq!(<$record>::SIZE, $size);
                    let shown = format!("{record:?}");
                    prop_assert!(!shown.is_empty());

                    let error = <$record>::from_bytes(&bytes[..len]).unwrap_err();
                    let DecodeReason::Truncated { needed, available } = error.reason else { panic!("{error}") };
                    prop_assert_eq!(error.offset + available, len);
                    prop_assert!(available < needed && error.offset + needed <= $size);

                    let long = [&bytes[..], &vec![0; more]].concat();
                    let error = <$record>::from_bytes(&long).unwrap_err();
                    prop_assert_eq!(error.reason, DecodeReason::TrailingBytes { count: more });
                }
            )*
        }
    };
}

bytes_are_a_record! {
    any_bytes_survive_being_an_ext_info: ExtInfo, 12;
    any_bytes_survive_being_an_ext_io_device: ExtIoDevice, 8;
    any_bytes_survive_being_a_filter: EventFilter, 44;
    any_bytes_survive_being_a_small_blob_of_64_bits: SmallBlob64, 66;
    any_bytes_survive_being_a_small_blob_of_32_bits: SmallBlob32, 62;
    any_bytes_survive_being_a_small_blob_ex_of_64_bits: SmallBlobEx64, 70;
    any_bytes_survive_being_a_small_blob_ex_of_32_bits: SmallBlobEx32, 66;
}

proptest! {
    #[test]
    fn a_head_is_what_was_set(head in crate::strategies::blob_head()) {
        let (key, job_code) = head.key_fields();
        let again = BlobHead::new(head.id())
            .with_info(*head.info_field())
            .with_subject_field(*head.subject_field())
            .with_tna_key(key)
            .with_job_code(job_code)
            .with_image_size(head.image_size())
            .with_mask(head.mask());
        prop_assert_eq!(again, head);
        let has = |bits| head.mask().intersects(bits);
        prop_assert_eq!(head.info().is_some(), has(EventMask::INFO));
        prop_assert_eq!(head.tna_key().is_some(), has(EventMask::TNA_KEY));
        prop_assert_eq!(head.job_code().is_some(), has(EventMask::JOB_CODE));
        prop_assert_eq!(head.subject() == BlobSubject::None, !has(EventMask::SUBJECT));
    }

    #[test]
    fn the_subject_of_a_blob_is_a_bit_of_its_mask_and_reads_back(
        mask in crate::strategies::event_mask(),
        code in crate::strategies::event_code(),
        bytes in crate::strategies::subject_bytes(),
    ) {
        let subject = BlobSubject::read(mask, code, &bytes);
        prop_assert!(mask.contains(subject.bit()));
        let written = subject.to_bytes();
        prop_assert_eq!(BlobSubject::read(mask, code, &written), subject);
    }

    #[test]
    fn an_event_in_a_blob_comes_out_as_it_went_in(event in crate::strategies::event()) {
        let read = BlobHead::from_event(&event).to_event().unwrap();
        let mut expected = *event.as_bytes().first_chunk::<48>().unwrap();
        if !event.code().is_authentication() {
            expected[46] = 0;
        }
        expected[47] = 0;
        prop_assert_eq!(read.as_bytes(), &expected[..]);
    }

    #[test]
    fn an_image_is_in_the_blob_or_is_refused(
        head in crate::strategies::blob_head(),
        image in crate::strategies::image(),
        reserved: u8,
    ) {
        let mut buffer = vec![0xA5; EventBlob::SIZE];
        match EventBlob::fill(&mut buffer, head, &image) {
            Err(error) => {
                prop_assert!(image.len() > 16_384);
                prop_assert_eq!(error.reason, DecodeReason::TooLong { limit: 16_384, actual: image.len() });
                prop_assert_eq!(buffer, vec![0xA5; EventBlob::SIZE]);
            }
            Ok(blob) => {
                blob.set_reserved(reserved);
                prop_assert_eq!(blob.image(), Some(&image[..]).filter(|image| !image.is_empty()));
                prop_assert_eq!(usize::from(blob.head().image_size()), image.len());
                prop_assert!(blob.image_field()[image.len()..].iter().all(|&byte| byte == 0));
                prop_assert_eq!(buffer.last(), Some(&reserved));
            }
        }
    }

    #[test]
    fn a_blob_of_any_bytes_has_an_image_of_at_most_its_field(
        start in vec(any::<u8>(), 57),
        rest: u8,
    ) {
        let bytes = [start, vec![rest; EventBlob::SIZE - 57]].concat();
        let blob = EventBlob::from_bytes(&bytes).unwrap();
        prop_assert!(blob.as_bytes() == bytes);
        let size = usize::from(blob.head().image_size()).min(16_384);
        prop_assert!(blob.image().is_none_or(|image| image.len() == size));
        let shown = format!("{blob:?} {:?} {:?}", blob.to_event(), blob.extras());
        prop_assert!(!shown.is_empty());
    }

    #[test]
    fn nothing_of_a_person_or_an_address_is_shown(
        blob in crate::strategies::small_blob_ex::<zerocopy::little_endian::U64>(),
        other in crate::strategies::subject_bytes(),
        address: u64,
    ) {
        let head = *blob.small_blob().head();
        let shows_person = matches!(head.subject(), BlobSubject::User(_) | BlobSubject::Card(_) | BlobSubject::None);
        let is_empty = head.subject_field()[0] == 0;
        let changed = if shows_person && is_empty == (other[0] == 0) { head.with_subject_field(other) } else { head };
        let changed = SmallBlob64::new(changed, address).with_reserved(blob.small_blob().reserved());
        prop_assert_eq!(format!("{changed:?}"), format!("{:?}", blob.small_blob()));
        prop_assert_eq!(format!("{:?}", changed.head().subject()), format!("{:?}", head.subject()));
    }
}

#[test]
fn the_code_decides_between_several_bits_of_a_mask() {
    let bytes = [5; 32];
    for (mask, code, bit) in [
        (EventMask::all(), EventCode::DOOR_OPENED, EventMask::DOOR_ID),
        (EventMask::all(), EventCode::VERIFY_SUCCESS, EventMask::USER_ID),
        (EventMask::all(), EventCode::new(0xFFFF), EventMask::USER_ID),
        (EventMask::CARD_ID | EventMask::ZONE_ID, EventCode::VERIFY_SUCCESS, EventMask::CARD_ID),
        (EventMask::IMAGE, EventCode::VERIFY_SUCCESS, EventMask::empty()),
    ] {
        assert_eq!(BlobSubject::read(mask, code, &bytes).bit(), bit, "{mask:?} {code:?}");
    }
}
