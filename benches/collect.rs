//! Simulated devices → collector → SQLite, beside the bare loop that inserts the same rows.
//!
//! `cargo bench --features sim,sqlite --bench collect` prints both rates of interleaved rounds, and their ratio.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bs2_events::codec::Event;
use bs2_events::collect::Collector;
use bs2_events::device::Client;
use bs2_events::sim::Simulator;
use bs2_events::sink::Sink;
use bs2_events::sink::sqlite::SqliteSink;
use rusqlite::{Connection, params};

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return; // Compiled, and not measured, by `cargo test --benches`.
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::new(&format!("devices={DEVICES}&backlog={BACKLOG}")).unwrap();
    let events = runtime.block_on(read_all(&simulator));
    println!("{} events of {DEVICES} devices, {ROUNDS} interleaved rounds, medians", events.len());

    let (mut bare, mut collected, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        bare.push(insert(&folder.path().join(format!("bare-{round}.db")), &events));
        let path = folder.path().join(format!("collected-{round}.db"));
        collected.push(runtime.block_on(collect(&simulator, &path, events.len() as u64)));
        again.push(runtime.block_on(collect(&simulator, &path, 0)));
    }
    let rate = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        events.len() as f64 / times[times.len() / 2].as_secs_f64() / 1e3
    };
    let (bare, collected) = (rate(&mut bare), rate(&mut collected));
    again.sort_unstable();
    println!("bare loop, one transaction in 10 000 rows  {bare:8.0} k events/s");
    println!("simulator → collector → SQLite             {collected:8.0} k events/s");
    println!("ratio                                      {:8.2}", collected / bare);
    println!(
        "a second run, which finds nothing new      {:8.1} ms",
        again[again.len() / 2].as_secs_f64() * 1e3
    );
}

async fn collect(simulator: &Simulator, path: &Path, expected: u64) -> Duration {
    let client = Client::new(simulator.backend());
    let devices = client.devices().await.unwrap();
    let begun = Instant::now();
    let sink = Arc::new(SqliteSink::open(path).unwrap());
    let report = Collector::new(sink.clone()).with_devices(devices).run_once().await;
    sink.close().await.unwrap();
    let time = begun.elapsed();
    assert!(report.is_complete() && report.stored() == expected);
    time
}

/// What a program without a collector does: the same columns and key, the same durability, nothing else.
fn insert(path: &Path, events: &[Event]) -> Duration {
    let begun = Instant::now();
    let mut connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "full").unwrap();
    connection.execute_batch(TABLE).unwrap();
    for batch in events.chunks(10_000) {
        let transaction = connection.transaction().unwrap();
        {
            let mut statement = transaction.prepare_cached(INSERT).unwrap();
            for event in batch {
                let user = event.user_id().and_then(|user| user.as_text()).filter(|text| !text.is_empty());
                let row = params![
                    event.device_id().get(),
                    0,
                    event.id(),
                    event.timestamp().as_unix_seconds(),
                    event.code().get(),
                    event.param(),
                    event.flags().bits(),
                    user,
                    None::<u32>,
                    0,
                    event.as_bytes()
                ];
                statement.execute(row).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    drop(connection);
    begun.elapsed()
}

async fn read_all(simulator: &Simulator) -> Vec<Event> {
    use futures_util::TryStreamExt;
    let client = Client::new(simulator.backend());
    let mut events = Vec::new();
    for device in client.devices().await.unwrap() {
        let pages: Vec<_> = device.backlog(0).try_collect().await.unwrap();
        events.extend(pages.iter().flat_map(|page| page.iter().copied()));
    }
    events
}

const DEVICES: u32 = 20;
const BACKLOG: u32 = 20_000;
const ROUNDS: usize = 5;
const TABLE: &str = "CREATE TABLE events (
    device_id INTEGER NOT NULL, epoch INTEGER NOT NULL, event_id INTEGER NOT NULL, time INTEGER NOT NULL,
    code INTEGER NOT NULL, param INTEGER NOT NULL, flags INTEGER NOT NULL, user_id, subject_id INTEGER,
    received_at INTEGER NOT NULL, raw BLOB NOT NULL, PRIMARY KEY (device_id, epoch, event_id)
) WITHOUT ROWID";
const INSERT: &str = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
