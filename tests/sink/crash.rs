//! A process that is killed at any moment leaves a store that is sound and goes on where it was.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bs2_events::codec::{DeviceId, Event, EventCode, Timestamp};
use bs2_events::device::DeviceInfo;
use bs2_events::sink::sqlite::{self, SqliteSink};
use bs2_events::sink::{Batch, GapReason, Sink};

#[test]
fn a_killed_process_leaves_a_store_that_is_sound_and_goes_on() {
    // The killed process is this test again, with a store to fill.
    if let Some(path) = env::var_os(STORE) {
        return fill(Path::new(&path));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let mut acknowledged = [0; READERS];
    // How many answers are read before the kill; the process does not wait for the reading, so that the kill falls
    // anywhere. None: while the store is being made or opened.
    for answers in [0, 1, 0, 2, 90, 5, 33, 260, 17, 130] {
        let mut child = start(&path);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        if answers == 0 {
            while !path.exists() {
                assert!(child.try_wait().unwrap().is_none(), "the process ended by itself");
                std::thread::yield_now();
            }
        }
        let mut read = 0;
        let mut note = |line: String| {
            let Some((reader, watermark)) =
                line.strip_prefix("stored ").and_then(|line| line.split_once(' '))
            else {
                return 0;
            };
            acknowledged[reader.parse::<usize>().unwrap()] = watermark.parse().unwrap();
            1
        };
        while read < answers {
            read += note(lines.next().expect("the process ended by itself"));
        }
        child.kill().unwrap();
        // What it had said before it died counts too; the last line may be cut short.
        let rest: Vec<_> = lines.collect();
        let whole = rest.len().saturating_sub(1);
        rest.into_iter().take(whole).map(note).for_each(drop);
        child.wait().unwrap();
        prove(&path, &acknowledged);
    }
    assert!(acknowledged.iter().all(|watermark| *watermark > 0), "nothing was stored: {acknowledged:?}");
}

/// The store is sound, has all that was acknowledged, and goes on from there.
fn prove(path: &Path, acknowledged: &[u32; READERS]) {
    let verification = sqlite::verify(path).unwrap();
    assert!(verification.is_sound(), "{verification:?}");
    let sink = SqliteSink::open(path).unwrap();
    runtime().block_on(async {
        for (reader, acknowledged) in acknowledged.iter().enumerate() {
            let device = device(reader);
            let resumed = sink.resume(&DeviceInfo::new(device)).await.unwrap();
            let watermark = resumed.as_ref().map_or(0, |point| point.watermark);
            assert!(watermark >= *acknowledged, "reader {reader}: {watermark} of {acknowledged}");
            let report = verification.epochs.iter().find(|report| report.device == device);
            assert_eq!(report.and_then(|report| report.watermark), resumed.map(|point| point.watermark));
            for id in watermark.saturating_sub(20).max(1)..=watermark {
                let expected = (id % 10 != 0).then(|| event(device, id));
                assert_eq!(sink.event(device, 0, id).await.unwrap(), expected, "reader {reader}, event {id}");
            }
        }
    });
}

fn start(path: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::a_killed_process_leaves_a_store_that_is_sound_and_goes_on", "--nocapture"])
        .env(STORE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Goes on from what is stored until it is killed: several readers at once, batches of many sizes, every tenth event
/// missing.
fn fill(path: &Path) {
    let sink = SqliteSink::open(path).unwrap();
    let collect = async |reader: usize| -> Result<(), std::io::Error> {
        let device = device(reader);
        let resumed = sink.resume(&DeviceInfo::new(device)).await.unwrap();
        let mut watermark = resumed.map_or(0, |point| point.watermark);
        loop {
            let (from, to) = (watermark + 1, watermark + 1 + watermark % 7 * 40);
            let mut batch = Batch::new(device, 0, 1, to);
            for id in from..=to {
                batch = if id % 10 == 0 {
                    batch.with_gap(id, id, GapReason::Unknown)
                } else {
                    batch.with_events([event(device, id)])
                };
            }
            sink.store(batch).await.unwrap();
            watermark = to;
            let mut out = std::io::stdout().lock();
            writeln!(out, "stored {reader} {watermark}")?;
            out.flush()?;
        }
    };
    let ended = runtime().block_on(async { tokio::join!(collect(0), collect(1), collect(2)) });
    panic!("nobody listens any more: {ended:?}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn device(reader: usize) -> DeviceId {
    DeviceId::new(540_000_000 + u32::try_from(reader).unwrap())
}

fn event(device: DeviceId, id: u32) -> Event {
    Event::builder(device, id, EventCode::DOOR_OPENED).timestamp(Timestamp::from_unix_seconds(id)).build()
}

const READERS: usize = 3;
const STORE: &str = "BS2_CRASH_STORE";
