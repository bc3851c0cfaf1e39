//! Any bytes, taken for each of the records beside the event: nothing panics, nothing is lost.

#![no_main]

use bs2_events::codec::blob::{
    BlobHead, EventBlob, EventMask, ExtInfo, ExtIoDevice, SmallBlob32, SmallBlob64, SmallBlobEx32,
    SmallBlobEx64,
};
use bs2_events::codec::filter::EventFilter;
use libfuzzer_sys::fuzz_target;

macro_rules! check {
    ($bytes:expr, $($record:ty => $check:expr),*) => {
        $(
            match <$record>::from_bytes($bytes) {
                Ok(record) => assert!(record.as_bytes() == $bytes),
                Err(error) => assert!(error.offset <= $bytes.len().max(<$record>::SIZE), "{error}"),
            }
            let (records, rest) = <$record>::slice_from_prefix($bytes);
            assert!(rest.len() < <$record>::SIZE && $bytes.ends_with(rest));
            for record in records {
                assert!(!format!("{record:?}").is_empty());
                let check: fn(&$record) = $check;
                check(record);
            }
        )*
    };
}

fuzz_target!(|bytes: &[u8]| {
    check!(
        bytes,
        ExtInfo => |info| {
            let again = ExtInfo::new(info.timestamp(), info.device_id(), info.code());
            assert!(again.with_reserved(info.reserved()) == *info);
        },
        ExtIoDevice => |input| {
            let again = ExtIoDevice::new(input.io_device_id(), input.port(), input.value());
            assert!(again.with_reserved(input.reserved()) == *input);
        },
        EventFilter => |_| {},
        SmallBlob64 => |blob| {
            head(blob.head());
            assert!(SmallBlob64::new(*blob.head(), blob.image_address()).with_reserved(blob.reserved()) == *blob);
        },
        SmallBlob32 => |blob| {
            head(blob.head());
            assert!(SmallBlob32::new(*blob.head(), blob.image_address()).with_reserved(blob.reserved()) == *blob);
        },
        SmallBlobEx64 => |blob| {
            assert!(SmallBlobEx64::from_fields(*blob.small_blob(), blob.temperature_field()) == *blob);
        },
        SmallBlobEx32 => |blob| {
            assert!(SmallBlobEx32::from_fields(*blob.small_blob(), blob.temperature_field()) == *blob);
        }
    );
    event_blob(bytes);
});

/// The input is the blob's start, and what is missing is 0: so a short one reaches every field.
fn event_blob(bytes: &[u8]) {
    let len = bytes.len().min(EventBlob::SIZE);
    let mut buffer = vec![0; EventBlob::SIZE];
    buffer[..len].copy_from_slice(&bytes[..len]);
    let blob = EventBlob::from_bytes(&buffer).unwrap();
    head(blob.head());
    assert!(!format!("{blob:?} {:?} {:?}", blob.to_event(), blob.extras()).is_empty());
    let size = usize::from(blob.head().image_size());
    assert_eq!(
        blob.image().map(<[u8]>::len),
        blob.head().mask().contains(EventMask::IMAGE).then_some(size.min(16_384))
    );
    if len < EventBlob::SIZE {
        let error = EventBlob::from_bytes(&buffer[..len]).unwrap_err();
        assert!(error.offset <= len && error.to_string().starts_with("event blob: field `"), "{error}");
    }
}

fn head(head: &BlobHead) {
    let (key, job_code) = head.key_fields();
    let again = BlobHead::new(head.id())
        .with_info(*head.info_field())
        .with_subject_field(*head.subject_field())
        .with_tna_key(key)
        .with_job_code(job_code)
        .with_image_size(head.image_size())
        .with_mask(head.mask());
    assert!(again == *head);
    assert!(head.mask().contains(head.subject().bit()));
    if let Some(event) = head.to_event() {
        assert_eq!((event.id(), event.code()), (head.id(), head.info_field().code()));
    }
}
