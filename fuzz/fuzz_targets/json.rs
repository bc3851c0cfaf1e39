//! Any text as the JSON of every record, and any bytes as a record: nothing panics, and a record that was read is
//! written and read again to the same bytes.

#![no_main]

use bs2_events::codec::blob::{
    BlobHead, EventBlob, ExtInfo, ExtIoDevice, SmallBlob32, SmallBlob64, SmallBlobEx32, SmallBlobEx64,
};
use bs2_events::codec::capture::{CapturePayloadBuf, CaptureRecordBuf};
use bs2_events::codec::filter::EventFilter;
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{Event, Extras, UserId};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fuzz_target!(|bytes: &[u8]| {
    text::<Event>(bytes);
    text::<ExtInfo>(bytes);
    text::<ExtIoDevice>(bytes);
    text::<EventFilter>(bytes);
    text::<UserId>(bytes);
    text::<BlobHead>(bytes);
    text::<EventBlob>(bytes);
    text::<SmallBlob64>(bytes);
    text::<SmallBlob32>(bytes);
    text::<SmallBlobEx64>(bytes);
    text::<SmallBlobEx32>(bytes);
    text::<PortableBlob<'static>>(bytes);
    text::<Extras>(bytes);
    text::<CapturePayloadBuf>(bytes);
    text::<CaptureRecordBuf>(bytes);

    Event::slice_from_prefix(bytes).0.iter().for_each(back);
    ExtInfo::slice_from_prefix(bytes).0.iter().for_each(back);
    ExtIoDevice::slice_from_prefix(bytes).0.iter().for_each(back);
    EventFilter::slice_from_prefix(bytes).0.iter().for_each(back);
    SmallBlobEx64::slice_from_prefix(bytes).0.iter().for_each(back);
    SmallBlobEx32::slice_from_prefix(bytes).0.iter().for_each(back);
    PortableBlob::decode_all(bytes).flatten().for_each(|blob| back(&blob.into_owned()));
});

fn text<T: DeserializeOwned + Serialize + PartialEq>(bytes: &[u8]) {
    match serde_json::from_slice::<T>(bytes) {
        Ok(record) => back(&record),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn back<T: DeserializeOwned + Serialize + PartialEq>(record: &T) {
    let text = serde_json::to_string(record).unwrap();
    assert!(serde_json::from_str::<T>(&text).is_ok_and(|again| again == *record), "{text}");
}
