//! Capture files: of any damaged file, the reader returns the whole records and nothing else.

use std::fs;
use std::io::{self, ErrorKind, Write};

use bs2_events::codec::capture::{
    CaptureError, CapturePayload, CaptureReader, CaptureRecord, CaptureWriter, ConnectionStateRecord,
};
use bs2_events::codec::{DecodeReason, DeviceId, Event, EventCode, Subject, Temperature, UserId};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn the_bytes_are_those_of_the_documented_layout() {
    let state = ConnectionStateRecord { code: 3, name: "disconnected" };
    let file = written(&[record(7, 0x0102_0304_0506_0708, CapturePayload::State(state))]);
    let expected = [
        b"\x89BS2CAP\n\x01\0\0\0".as_slice(),
        b"\x05\0\0\0\x07\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01\x0d\0\0\0",
        &crc(&[&file[12..32]]).to_le_bytes(),
        b"\x03disconnected",
        &crc(&[&file[12..32], &file[36..49]]).to_le_bytes(),
    ];
    assert_eq!(file, expected.concat());
}

#[test]
fn a_file_cut_anywhere_gives_every_whole_record_before_the_cut_and_says_that_it_is_cut() {
    let event = event(9);
    let records = one_of_each(&event);
    let (file, ends) = written_with_ends(&records);
    for length in 0..=file.len() {
        let (read, errors) = read_all(&file[..length]);
        let whole = ends.iter().filter(|end| **end <= length).count();
        assert_eq!(read, records[..whole], "cut at {length}");
        if length == 12 || ends.contains(&length) {
            assert_eq!(errors, [], "cut at {length}");
            continue;
        }
        let [error] = errors[..] else { panic!("cut at {length}: {errors:?}") };
        assert!(error.is_cut(), "cut at {length}: {error}");
        assert_eq!(error.record, if length < 12 { 0 } else { whole as u64 + 1 });
        // The field named is the one in which the bytes end.
        let DecodeReason::Truncated { needed, available } = error.error.reason else { panic!("{error}") };
        assert_eq!(error.error.offset + available, length, "{error}");
        assert!(available < needed, "{error}");
    }
}

#[test]
fn the_offset_of_the_reader_is_where_reading_continues_when_more_was_written() {
    let event = event(9);
    let (file, ends) = written_with_ends(&one_of_each(&event));
    let mut reader = CaptureReader::new(&file[..ends[1] + 5]).unwrap();
    assert_eq!(reader.by_ref().count(), 3);
    assert_eq!(reader.offset(), ends[1]);
}

#[test]
fn every_flipped_bit_is_found_and_costs_its_record_alone() {
    let event = event(9);
    let records = one_of_each(&event);
    let (file, ends) = written_with_ends(&records);
    for bit in 0..file.len() * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let (read, errors) = read_all(&damaged);
        let [error] = errors[..] else { panic!("bit {bit}: {errors:?}") };
        assert!(!error.is_cut(), "bit {bit}: {error}");
        if bit / 8 < 12 {
            assert_eq!((error.record, read.len()), (0, 0), "bit {bit}");
            continue;
        }
        let hit = ends.iter().filter(|end| **end <= bit / 8).count();
        let left = [&records[..hit], &records[hit + 1..]].concat();
        assert_eq!((error.record, read), (hit as u64 + 1, left), "bit {bit}: {error}");
    }
}

#[test]
fn lengths_that_lie_give_record_field_and_offset() {
    let event = event(9);
    for (kind, length, error) in [
        // A whole header, and no byte of the payload.
        (1, u32::MAX, "capture record: field `payload` at offset 112: 4294967295 bytes needed, 60 available"),
        (3, 61, "capture record: field `payload` at offset 112: 61 bytes needed, 60 available"),
        (3, 60, "capture record: field `checksum` at offset 172: 4 bytes needed, 0 available"),
        // A whole record whose payload does not fit its kind.
        (1, 0, "event: field `id` at offset 112: 4 bytes needed, 0 available"),
        (1, 49, "event: field `end` at offset 160: 1 byte too many"),
        (2, 0, "event with temperature: field `event` at offset 112: 48 bytes needed, 0 available"),
        (2, 51, "event with temperature: field `temperature` at offset 160: 4 bytes needed, 3 available"),
        (4, 0, "event: field `id` at offset 112: 4 bytes needed, 0 available"),
        (4, 47, "event: field `flags` at offset 159: 1 byte needed, 0 available"),
        (5, 0, "state: field `code` at offset 112: 1 byte needed, 0 available"),
    ] {
        let mut file = written(&[record(7, 1, CapturePayload::Event(&event))]);
        let start = file.len();
        for field in [kind, 7, 1, 0, length] {
            file.extend_from_slice(&u32::to_le_bytes(field));
        }
        let head = file[start..].to_vec();
        file.extend_from_slice(&crc(&[&head]).to_le_bytes());
        let payload = [0; 60];
        let whole = length < 60;
        let body = if whole { &payload[..length as usize] } else { &payload };
        file.extend_from_slice(body);
        if whole {
            file.extend_from_slice(&crc(&[&head, body]).to_le_bytes());
            // The records after it are still read.
            file.extend_from_slice(&written(&[record(8, 2, CapturePayload::Event(&event))])[12..]);
        }
        let (read, errors) = read_all(&file);
        assert_eq!(
            errors.iter().map(CaptureError::to_string).collect::<Vec<_>>(),
            [format!("record 2: {error}")]
        );
        assert_eq!((errors[0].is_cut(), read.len()), (!whole, 1 + usize::from(whole)), "{error}");
    }
}

#[test]
fn a_header_inside_a_lost_payload_does_not_end_the_reading() {
    let event = event(9);
    let good = [record(8, 2, CapturePayload::Event(&event)), record(8, 3, CapturePayload::Event(&event))];
    // The image contains a header whose record would be longer than the file.
    let mut forged: Vec<u8> = [1, 1, 1, 0, u32::MAX].map(u32::to_le_bytes).concat();
    forged.extend_from_slice(&crc(&[&forged]).to_le_bytes());
    let lost = record(7, 1, CapturePayload::ImageLog { event: &event, jpeg: &forged });
    let (mut file, ends) = written_with_ends(&[lost, good[0], good[1]]);
    file[12] ^= 8;
    let (read, errors) = read_all(&file);
    let [error] = errors[..] else { panic!("{errors:?}") };
    assert_eq!((read, error.record, error.is_cut()), (good.to_vec(), 1, false));

    // A record that really is cut, after a damaged one, is reported as cut.
    let (read, errors) = read_all(&file[..ends[2] - 1]);
    assert_eq!((read.len(), errors.len(), errors[1].is_cut()), (1, 2, true));
    let mut damaged = written(&good);
    damaged[12] ^= 8;
    let (read, errors) = read_all(&damaged[..damaged.len() - 1]);
    assert_eq!((read.len(), errors.len(), errors[1].is_cut()), (0, 2, true));
}

#[test]
fn bytes_that_are_not_a_small_blob_are_an_error_if_blobs_are_checked() {
    let blob = |bytes| record(7, 1, CapturePayload::SmallBlob(bytes));
    let whole = blob(&[0, 0, 7, 0, 0, 0, 0]);
    let file = written(&[blob(&[0, 0, 7]), whole, blob(&[0; 8]), whole]);
    let items: Vec<_> = CaptureReader::new(&file).unwrap().with_blobs_checked().collect();
    let error = |item: usize| items[item].unwrap_err().to_string();
    let cut = "record 1: portable blob: field `event_id` at offset 38: 4 bytes needed, 1 available";
    assert_eq!(error(0), cut);
    let long = 12 + 31 + 35 + 24 + 7;
    let long = format!("record 3: portable blob: field `end` at offset {long}: 1 byte too many");
    assert_eq!(error(2), long);
    assert_eq!((items[1], items[3]), (Ok(whole), Ok(whole)));
    assert_eq!(read_all(&file).1, []);
}

#[test]
fn a_state_whose_name_is_not_text_is_an_error() {
    let named = |name| record(7, 1, CapturePayload::State(ConnectionStateRecord { code: 1, name }));
    let mut file = written(&[named("a"), named("b")]);
    file[37] = 0xFF;
    let checksum = crc(&[&file[12..32], &file[36..38]]);
    file[38..42].copy_from_slice(&checksum.to_le_bytes());
    let (read, errors) = read_all(&file);
    assert_eq!(errors[0].to_string(), "record 1: state: field `name` at offset 37: not UTF-8");
    assert_eq!(read, [named("b")]);
}

#[test]
fn a_file_that_is_not_a_capture_of_this_version_is_refused_with_the_field() {
    let error = |bytes: &[u8]| CaptureReader::new(bytes).unwrap_err().to_string();
    let constant =
        "record 0: capture: field `magic` at offset 0: other bytes than the fixed ones of this field";
    assert_eq!(error(b"event_id\tevent_code"), constant);
    assert_eq!(error(b"\x89BS2CAP\r\n\x01\0\0\0"), constant);
    assert_eq!(
        error(b"\x89BS2CAP\n\x02\0\0\0"),
        "record 0: capture: field `version` at offset 8: version 2 is not known"
    );
}

#[test]
fn a_writer_continues_after_a_tail_that_was_cut_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bs2cap");
    let event = event(9);
    let records = one_of_each(&event);
    let (file, ends) = written_with_ends(&records);
    let more = record(8, 5, CapturePayload::Event(&event));
    for length in 0..=file.len() {
        fs::write(&path, &file[..length]).unwrap();
        let (mut writer, cut) = CaptureWriter::open(&path).unwrap();
        writer.append(&more).unwrap();
        writer.flush().unwrap();

        let whole = ends.iter().filter(|end| **end <= length).count();
        let end = if length < 12 { 0 } else { whole.checked_sub(1).map_or(12, |last| ends[last]) };
        assert_eq!(cut, (length - end) as u64);
        let mut expected = records[..whole].to_vec();
        expected.push(more);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(read_all(&bytes), (expected, vec![]), "cut at {length}");
    }
}

#[test]
fn a_writer_does_not_change_a_file_that_is_damaged_or_not_a_capture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bs2cap");
    let event = event(9);
    let file = written(&one_of_each(&event));
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = CaptureWriter::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        error.to_string()
    };
    let mut damaged = file.clone();
    damaged[12 + 19] ^= 0x80; // The length of the first record is now more than the file has.
    assert_eq!(
        refused(&damaged),
        "record 1: capture record: field `header_checksum` at offset 32: the checksum does not match"
    );
    assert!(refused(b"notes").starts_with("record 0: capture: field `magic`"));
    assert!(refused(b"\x89BS2CAP\n\x09\0\0\0").ends_with("version 9 is not known"));
}

#[cfg(unix)]
#[test]
fn two_writers_cannot_open_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bs2cap");
    let first = CaptureWriter::open(&path).unwrap();
    assert_eq!(CaptureWriter::open(&path).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(first);
    assert_eq!(CaptureWriter::open(&path).unwrap().1, 0);
}

#[test]
fn nothing_is_written_after_half_a_record() {
    /// Accepts this many bytes, then is full.
    struct Full(usize, Vec<u8>);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            self.1.extend_from_slice(&bytes[..taken]);
            if taken == 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let event = event(9);
    let record = record(7, 1, CapturePayload::Event(&event));
    let mut writer = CaptureWriter::new(Full(12 + 76 + 30, Vec::new())).unwrap();
    writer.append(&record).unwrap();
    assert_eq!(writer.append(&record).unwrap_err().kind(), ErrorKind::StorageFull);
    assert!(writer.append(&record).is_err());
    assert!(writer.flush().is_err());
    let Full(_, bytes) = writer.into_inner();
    let (read, errors) = read_all(&bytes);
    assert_eq!((read, errors.len()), (vec![record], 1));
}

#[test]
fn a_known_kind_is_not_written_as_unknown() {
    let mut writer = CaptureWriter::new(Vec::new()).unwrap();
    for kind in 1..=5 {
        let error = writer.append(&record(7, 1, CapturePayload::Unknown { kind, bytes: b"" })).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    writer.append(&record(7, 1, CapturePayload::Unknown { kind: 6, bytes: b"later" })).unwrap();
    assert_eq!(read_all(&writer.into_inner()).0.len(), 1);
}

#[test]
fn nothing_personal_is_shown() {
    let user = UserId::new("Zelda").unwrap();
    let event =
        Event::builder(DeviceId::new(7), 1, EventCode::VERIFY_SUCCESS).subject(Subject::User(&user)).build();
    let hot = Temperature::from_hundredths(3_977);
    let file = written(&[
        record(7, 1, CapturePayload::EventWithTemperature(&event, hot)),
        record(7, 1, CapturePayload::ImageLog { event: &event, jpeg: b"Zelda" }),
        record(7, 1, CapturePayload::SmallBlob(b"Zelda")),
        record(7, 1, CapturePayload::Unknown { kind: 77, bytes: b"Zelda" }),
    ]);
    let (records, _) = read_all(&file);
    let mut writer = CaptureWriter::new(Vec::new()).unwrap();
    records.iter().for_each(|record| writer.append(record).unwrap());
    let shown = format!("{records:?} {:?} {writer:?}", CaptureReader::new(&file));
    assert_eq!(records.len(), 4);
    for secret in ["Zelda", "3977", "39.77", "90, 101"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("5 bytes") && shown.contains("VERIFY_SUCCESS"), "{shown}");
}

proptest! {
    #[test]
    fn any_records_come_back_as_they_were(held in vec(crate::strategies::capture_record(), 0..8)) {
        let records: Vec<_> = held.iter().map(crate::strategies::HeldRecord::record).collect();
        let file = written(&records);
        prop_assert_eq!(read_all(&file), (records, vec![]));
    }

    #[test]
    fn any_bytes_behind_a_head_are_errors_inside_the_file(bytes in vec(any::<u8>(), 0..300)) {
        let file = [b"\x89BS2CAP\n\x01\0\0\0", &bytes[..]].concat();
        let (read, errors) = read_all(&file);
        prop_assert_eq!(read.len(), 0);
        prop_assert_eq!(errors.is_empty(), bytes.is_empty());
        prop_assert!(errors.iter().all(|error| error.error.offset <= file.len()));
    }

    #[test]
    fn a_cut_in_the_middle_costs_no_later_record(
        held in vec(crate::strategies::capture_record(), 3..6), from in any::<prop::sample::Index>(), count in 1_usize..80
    ) {
        let records: Vec<_> = held.iter().map(crate::strategies::HeldRecord::record).collect();
        let (mut file, ends) = written_with_ends(&records);
        let from = 12 + from.index(ends[1] - 12);
        let to = (from + count).min(ends[1]);
        file.drain(from..to);
        let (read, errors) = read_all(&file);
        // What is read was written, in the same order, and nothing is missing without an error.
        let mut all = records.iter();
        prop_assert!(read.iter().all(|record| all.any(|written| written == record)));
        prop_assert!(read.len() == records.len() || !errors.is_empty() || ends.contains(&from) || from == 12);
    }
}

/// One record of every known kind, and one of an unknown kind.
fn one_of_each(event: &Event) -> Vec<CaptureRecord<'_>> {
    vec![
        record(7, 1, CapturePayload::State(ConnectionStateRecord { code: 1, name: "connected" })),
        record(7, 2, CapturePayload::Event(event)),
        record(7, 3, CapturePayload::EventWithTemperature(event, Temperature::from_hundredths(3_655))),
        record(7, 4, CapturePayload::SmallBlob(b"opaque")),
        record(7, u64::MAX, CapturePayload::ImageLog { event, jpeg: &[0xFF, 0xD8, 0xFF, 0xD9] }),
        record(0, 0, CapturePayload::Unknown { kind: 0, bytes: b"" }),
        record(u32::MAX, 6, CapturePayload::Unknown { kind: u32::MAX, bytes: b"later" }),
    ]
}

fn record(device: u32, received_at: u64, payload: CapturePayload<'_>) -> CaptureRecord<'_> {
    CaptureRecord { device: DeviceId::new(device), received_at, payload }
}

fn event(id: u32) -> Event {
    Event::builder(DeviceId::new(7), id, EventCode::DOOR_OPENED).build()
}

fn written(records: &[CaptureRecord<'_>]) -> Vec<u8> {
    written_with_ends(records).0
}

/// A file, and where each of its records ends.
fn written_with_ends(records: &[CaptureRecord<'_>]) -> (Vec<u8>, Vec<usize>) {
    let mut file = CaptureWriter::new(Vec::new()).unwrap().into_inner();
    let mut ends = Vec::new();
    for record in records {
        let mut writer = CaptureWriter::new(Vec::new()).unwrap();
        writer.append(record).unwrap();
        file.extend_from_slice(&writer.into_inner()[12..]);
        ends.push(file.len());
    }
    (file, ends)
}

fn read_all(bytes: &[u8]) -> (Vec<CaptureRecord<'_>>, Vec<CaptureError>) {
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    match CaptureReader::new(bytes) {
        Ok(reader) => reader.for_each(|item| match item {
            Ok(record) => records.push(record),
            Err(error) => errors.push(error),
        }),
        Err(error) => errors.push(error),
    }
    (records, errors)
}

/// CRC-32, bit by bit.
fn crc(parts: &[&[u8]]) -> u32 {
    !parts.concat().iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
            },
        )
    })
}
