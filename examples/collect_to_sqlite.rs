//! Collects simulated devices with faults into SQLite, and verifies the store:
//! `cargo run --features sim,sqlite --example collect_to_sqlite`.

use std::sync::Arc;
use std::time::Duration;

use bs2_events::collect::{Collector, Stop};
use bs2_events::device::Client;
use bs2_events::sim::Simulator;
use bs2_events::sink::sqlite::{self, SqliteSink};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Live events are dropped, reordered and repeated, and connections break. No event may be lost.
    let simulator = Simulator::new("devices=5&backlog=2000&rate=200&faults=drop,reorder,repeat,disconnect")?;
    let client = Client::new(simulator.backend());
    let path = std::env::temp_dir().join(format!("bs2-example-{}.db", std::process::id()));
    let store = Arc::new(SqliteSink::open(&path)?);

    let collector = Collector::new(store).with_client(client.clone());
    simulator.start()?;
    let report = collector
        .run_until(async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            simulator.stop();
            Stop::AfterCatchUp
        })
        .await;
    for device in &report.devices {
        for epoch in &device.epochs {
            println!("{}: {} stored, {} repeated", device.device, epoch.stored, epoch.repeated);
        }
    }

    let verification = sqlite::verify(&path)?;
    println!("{}: {}", path.display(), if verification.is_sound() { "sound" } else { "NOT SOUND" });
    Ok(())
}
