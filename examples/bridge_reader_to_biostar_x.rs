//! Imports the authentications of readers for a virtual device of a BioStar X server, each once.
//!
//! `cargo run --example bridge_reader_to_biostar_x --features biostar-x,collect,sim-servers,tls-aws-lc`

use std::sync::Arc;

use bs2_events::biostar_x::virtual_devices::NewVirtualDevice;
use bs2_events::biostar_x::{BiostarX, BiostarXOptions, VirtualDeviceId};
use bs2_events::collect::Collector;
use bs2_events::device::Client;
use bs2_events::sim::{Simulator, biostar_x};
use bs2_events::sink::biostar_x::BiostarXSink;
use bs2_events::tls::Trust;

#[tokio::main]
async fn main() -> bs2_events::Result<()> {
    // Readers and a server, both simulated. Any backend and any address can take their place.
    let readers = Client::new(Simulator::new("devices=3&backlog=500")?.backend());
    let simulated = biostar_x::BiostarXServer::start("users=100000".parse()?).await?;

    let options = BiostarXOptions::new(simulated.url())
        .with_credentials("admin", "simulated")
        .with_trust(Trust::pin(simulated.certificate_pem()));
    let server = BiostarX::new(options)?;
    let gate = VirtualDeviceId::new(100_001)?;
    server.ensure_virtual_device(&NewVirtualDevice::new(gate, "Bridge")).await?;

    // The file keeps how far each reader is imported, also after a crash.
    let state = std::env::temp_dir().join(format!("bs2-bridge-{}.state", std::process::id()));
    let sink = Arc::new(BiostarXSink::new(server, gate, &state)?);
    let report = Collector::new(sink.clone()).with_devices(readers.devices().await?).run_once().await;

    let summary = sink.summary().await;
    println!("{} events read, {} imported", report.stored(), simulated.snapshot().imported().count());
    println!("not imported: {}", summary.unmapped);
    println!("rejected, because the server does not know the person: {}", summary.refused.len());
    assert!(report.is_complete());
    for file in [state.clone(), state.with_extension("state.lock")] {
        std::fs::remove_file(file).ok();
    }
    Ok(())
}
