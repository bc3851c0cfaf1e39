//! prost: the same blobs as protobuf messages, each with its length before it.

use bs2_events::codec::Temperature;
use bs2_events::codec::blob::EventMask;
use bs2_events::codec::portable::PortableBlob;
use prost::Message;

use super::Found;

pub fn read(mut messages: &[u8]) -> Found {
    let mut found = Found::default();
    while let Ok(blob) = Blob::decode_length_delimited(&mut messages) {
        found.add((blob.id, blob.subject.as_deref(), blob.job_code, blob.temperature, blob.image.as_deref()));
    }
    found
}

/// The messages of these blobs, one after the other.
pub fn messages(blobs: &[PortableBlob<'_>]) -> Vec<u8> {
    let message = |blob: &PortableBlob<'_>| {
        let head = blob.head();
        let has_subject = head.mask().intersects(EventMask::SUBJECT);
        Blob {
            id: head.id(),
            info: head.info().map(|info| info.as_bytes().to_vec()),
            subject: has_subject.then(|| head.subject_field().to_vec()),
            tna_key: head.tna_key().map(u32::from),
            job_code: head.job_code().map(|code| code.0),
            temperature: blob.temperature().map(Temperature::hundredths),
            image: blob.image().map(<[u8]>::to_vec),
        }
    };
    blobs.iter().flat_map(|blob| message(blob).encode_length_delimited_to_vec()).collect()
}

#[derive(Clone, PartialEq, Message)]
struct Blob {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(bytes = "vec", optional, tag = "2")]
    info: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    subject: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "4")]
    tna_key: Option<u32>,
    #[prost(uint32, optional, tag = "5")]
    job_code: Option<u32>,
    #[prost(uint32, optional, tag = "6")]
    temperature: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "7")]
    image: Option<Vec<u8>>,
}
