//! A capture of a million events: read record by record from a memory map, compared with a plain read of the file.
//!
//! `cargo bench --features capture --bench capture` prints the rates of interleaved rounds, and their ratios.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use bs2_events::codec::capture::{CapturePayload, CaptureReader, CaptureRecord, CaptureWriter};
use bs2_events::codec::{DeviceId, Event, EventCode};
use memmap2::Mmap;

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return; // Compiled, and not measured, by `cargo test --benches`.
    }
    let folder = tempfile::tempdir().unwrap();
    for (what, jpeg) in [("events", &[][..]), ("pictures of 16 KiB", &[0xA5; 16 * 1_024])] {
        let path = folder.path().join("bench.bs2cap");
        let records = if jpeg.is_empty() { 1_000_000 } else { 10_000 };
        write(&path, records, jpeg);
        measure(what, &path, records);
    }
}

fn measure(what: &str, path: &Path, records: u32) {
    let size = path.metadata().unwrap().len();
    println!("{records} {what}, {} MB, {ROUNDS} interleaved rounds, medians", size / 1_000_000);
    let mut buffer = vec![0; size as usize];
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        times[0].push(timed(|| File::open(path).unwrap().read_exact(&mut buffer).unwrap()));
        times[1].push(timed(|| assert!(black_box(sum(&map(path))) > 0)));
        times[2].push(timed(|| assert_eq!(read(&map(path)), records)));
        times[3].push(timed(|| {
            File::open(path).unwrap().read_exact(&mut buffer).unwrap();
            assert_eq!(read(&buffer), records);
        }));
    }
    let rates = times.map(|mut times| {
        times.sort_unstable();
        size as f64 / times[times.len() / 2].as_secs_f64() / 1e9
    });
    let names = [
        "plain read of the file into a buffer",
        "memory map, every byte added up",
        "memory map, every record checked",
        "read of the file, every record checked",
    ];
    for (name, rate) in names.iter().zip(rates) {
        println!("{name:<40} {rate:6.2} GB/s  {:5.2} of a plain read", rate / rates[0]);
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// How many records there are; each one is checked, and its id is looked at.
fn read(bytes: &[u8]) -> u32 {
    let mut count = 0;
    for record in CaptureReader::new(bytes).unwrap() {
        black_box(record.unwrap().event().map(Event::id));
        count += 1;
    }
    count
}

fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

#[allow(unsafe_code)] // A map of a file cannot be made without: somebody might change the file under it.
fn map(path: &Path) -> Mmap {
    let file = File::open(path).unwrap();
    // SAFETY: the file lies in a folder that this process made for itself, and nobody writes it any more.
    unsafe { Mmap::map(&file) }.unwrap()
}

fn write(path: &Path, records: u32, jpeg: &[u8]) {
    let mut writer = CaptureWriter::new(BufWriter::new(File::create(path).unwrap())).unwrap();
    let device = DeviceId::new(541_000_001);
    for id in 1..=records {
        let event = &Event::builder(device, id, EventCode::DOOR_OPENED).build();
        let payload = match jpeg {
            [] => CapturePayload::Event(event),
            jpeg => CapturePayload::ImageLog { event, jpeg },
        };
        writer.append(&CaptureRecord { device, received_at: id.into(), payload }).unwrap();
    }
    writer.flush().unwrap();
}

const ROUNDS: usize = 9;
