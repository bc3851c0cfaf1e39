//! Any bytes, taken for portable blobs: nothing panics, and what is read is written again.

#![no_main]

use bs2_events::codec::DecodeReason;
use bs2_events::codec::blob::{EventBlob, EventMask, SmallBlobEx32};
use bs2_events::codec::portable::PortableBlob;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut written = Vec::new();
    let mut blobs = PortableBlob::decode_all(bytes);
    while let Some(blob) = blobs.next() {
        let start = written.len();
        match blob {
            Ok(blob) => {
                blob.encode(&mut written);
                assert!(bytes.starts_with(&written) && written.len() - start == blob.encoded_len());
                assert_eq!(blobs.rest().len() + written.len(), bytes.len());
                let (streamed, rest) = PortableBlob::decode_streaming(&bytes[start..]).unwrap();
                assert!(streamed == blob && rest == blobs.rest());
                // One byte less, and it asks for one byte more.
                let cut = &bytes[start..written.len() - 1];
                assert_eq!(PortableBlob::decode_streaming(cut).unwrap_err().get(), 1);
                check(&blob);
            }
            Err(error) => {
                let DecodeReason::Truncated { needed, available } = error.reason else { panic!("{error}") };
                assert_eq!(error.offset + available, bytes.len());
                assert!(available < needed && error.offset >= start);
                let least = PortableBlob::decode_streaming(&bytes[start..]).unwrap_err().get();
                // The field that was cut is not all that is missing.
                assert!(least >= needed - available || error.field == "event_mask", "{error}");
            }
        }
    }
});

fn check(blob: &PortableBlob<'_>) {
    assert!(!format!("{blob:?} {:?} {:?}", blob.to_event(), blob.extras()).is_empty());
    let small: SmallBlobEx32 = blob.to_small_blob_ex(0xF00);
    let image = blob.image().unwrap_or_default();
    assert!(PortableBlob::from_small_blob_ex(&small, image).unwrap() == *blob);
    let mut buffer = vec![0xA5; EventBlob::SIZE];
    match blob.fill_event_blob(&mut buffer) {
        Ok(filled) => {
            // That record has no field for the temperature, so nothing is read back under its bit.
            let mask = blob.head().mask().difference(EventMask::TEMPERATURE);
            let again = PortableBlob::from(&*filled);
            assert!(again.image() == blob.image() && again.head() == &blob.head().with_mask(mask));
        }
        Err(error) => assert!(image.len() > 16_384, "{error}"),
    }
}
