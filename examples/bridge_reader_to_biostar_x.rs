//! Brings the authentications of readers to a virtual device of a BioStar X server, every one once.
//!
//! `cargo run --example bridge_reader_to_biostar_x --features biostar-x,collect,sim-servers,tls-aws-lc`

use std::sync::Arc;

use bs2_events::biostar_x::{Client as Server, NewVirtualDevice, VirtualDeviceId};
use bs2_events::collect::Collector;
use bs2_events::device::Client;
use bs2_events::sim::{Simulator, biostar_x};
use bs2_events::sink::biostar_x::BiostarXSink;

#[tokio::main]
async fn main() -> bs2_events::Result<()> {
    // Readers and a server, both simulated. Any backend and any address will do instead.
    let readers = Client::new(Simulator::new("devices=3&backlog=500")?.backend());
    let simulated = biostar_x::BiostarXServer::start("users=100000".parse()?).await?;

    let server = Server::builder(&simulated.url())
        .with_credentials("admin", "simulated")
        .with_pinned_certificate(simulated.certificate_pem())
        .build()?;
    let gate = VirtualDeviceId::new(100_001)?;
    server.create_virtual_device(&NewVirtualDevice::new(gate, "Bridge")).await?;

    // The file says up to which event of each reader everything is there, also after a crash.
    let state = std::env::temp_dir().join(format!("bs2-bridge-{}.state", std::process::id()));
    let sink = Arc::new(BiostarXSink::open(server, gate, &state)?);
    let report = Collector::new(sink.clone()).with_devices(readers.devices().await?).run_once().await;

    let summary = sink.summary().await;
    println!("{} events read, {} imported", report.stored(), simulated.snapshot().imported().count());
    println!("not imported: {}", summary.unmapped);
    println!("refused, because the server does not know the person: {}", summary.refused.len());
    assert!(report.is_complete());
    for file in [state.clone(), state.with_extension("state.lock")] {
        std::fs::remove_file(file).ok();
    }
    Ok(())
}
