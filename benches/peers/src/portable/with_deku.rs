//! deku: a derived structure whose fields say when they are there.

use std::io::Cursor;

use deku::prelude::*;

use super::Found;

pub fn read(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let mut reader = Reader::new(Cursor::new(bytes));
    while let Ok(blob) = Blob::from_reader_with_ctx(&mut reader, ()) {
        let image = blob.image_size.is_some().then_some(&blob.image[..]);
        found.add((
            blob.id,
            blob.subject.as_ref().map(|bytes| &bytes[..]),
            blob.job_code,
            blob.temperature,
            image,
        ));
    }
    found
}

#[derive(DekuRead)]
#[deku(endian = "little")]
struct Blob {
    _mask: u16,
    id: u32,
    _reserved: u8,
    #[deku(cond = "*_mask & 0x0001 != 0")]
    _info: Option<[u8; 12]>,
    #[deku(cond = "*_mask & 0x003E != 0")]
    subject: Option<[u8; 32]>,
    #[deku(cond = "*_mask & 0x0040 != 0")]
    _tna_key: Option<u8>,
    #[deku(cond = "*_mask & 0x0080 != 0")]
    job_code: Option<u32>,
    #[deku(cond = "*_mask & 0x0200 != 0")]
    temperature: Option<u32>,
    #[deku(cond = "*_mask & 0x0100 != 0")]
    image_size: Option<u16>,
    #[deku(count = "image_size.unwrap_or_default()")]
    image: Vec<u8>,
}
