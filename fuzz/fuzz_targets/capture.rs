//! Any bytes, taken for a capture, and for the payloads of one whose checksums are right; what is read goes through JSON.

#![no_main]

use bs2_events::codec::capture::{CaptureReader, CaptureRecordBuf, CaptureWriter};
use crc32fast::Hasher;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&framed(bytes));
});

fn check(file: &[u8]) {
    let mut reader = match CaptureReader::new(file) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(error.record == 0 && error.error.offset <= file.len(), "{error}");
            return;
        }
    };
    let mut before = reader.offset();
    let mut ended = false;
    while let Some(item) = reader.next() {
        assert!(!ended, "an item after the cut end");
        match item {
            Ok(record) => {
                assert!(!format!("{record:#?}").is_empty());
                let text = serde_json::to_string(&record).unwrap();
                let again: CaptureRecordBuf = serde_json::from_str(&text).unwrap();
                assert!(again.as_record() == record, "{text}");
                let mut writer = CaptureWriter::new(Vec::new()).unwrap();
                writer.append(&record).unwrap();
                assert!(writer.into_inner()[12..] == file[before..reader.offset()]);
            }
            Err(error) => {
                assert!(error.error.offset >= before && error.error.offset <= file.len(), "{error}");
                ended = error.is_cut();
            }
        }
        assert!(ended || reader.offset() > before);
        before = reader.offset();
    }
    assert!(ended || reader.offset() == file.len());
}

/// A file whose payloads are pieces of `bytes`: a byte for the kind, two for the length, and so on.
fn framed(mut bytes: &[u8]) -> Vec<u8> {
    let mut file = b"\x89BS2CAP\n\x01\0\0\0".to_vec();
    while let [kind, low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        let start = file.len();
        for field in [u32::from(*kind), 7, 1, 0, length as u32] {
            file.extend_from_slice(&field.to_le_bytes());
        }
        let mut hasher = Hasher::new();
        hasher.update(&file[start..]);
        file.extend_from_slice(&hasher.clone().finalize().to_le_bytes());
        file.extend_from_slice(payload);
        hasher.update(payload);
        file.extend_from_slice(&hasher.finalize().to_le_bytes());
        bytes = rest;
    }
    file
}
