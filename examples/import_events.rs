//! Imports events for a virtual device of a BioStar X server, once each, although an answer gets lost.
//!
//! `cargo run --example import_events --features biostar-x,sim-servers,tls-aws-lc`

use bs2_events::biostar_x::{Client, ImportEvent, NewVirtualDevice, VirtualDeviceId};
use bs2_events::codec::Timestamp;
use bs2_events::sim::biostar_x::{BiostarXServer, BiostarXServerOptions, PlannedFault};

#[tokio::main]
async fn main() -> bs2_events::Result<()> {
    // A real one has an address, an account, and a certificate to be pinned.
    let server = BiostarXServer::start(BiostarXServerOptions::default()).await?;
    let client = Client::builder(&server.url())
        .with_credentials("admin", "simulated")
        .with_pinned_certificate(server.certificate_pem())
        .with_import_chunk(100)
        .build()?;

    let gate = VirtualDeviceId::new(100_001)?;
    client.create_virtual_device(&NewVirtualDevice::new(gate, "Main gate")).await?;

    let punches = (0..1_000).map(|minute| {
        let time = Timestamp::from_unix_seconds(1_767_600_000 + minute * 60);
        ImportEvent::granted("1", time).tna_key(1)
    });
    let mut import = client.import(gate, punches.collect())?;

    // The connection is cut after the server has stored the request, and before it says so.
    server.plan("/api/events/import", PlannedFault::CutAfter);
    if let Err(error) = import.send().await {
        let count = import.count();
        println!("{error}: {} events may be there, {} were not sent", count.unknown, count.waiting);
        // Looks for what may be there, and sends the rest.
        import.reconcile().await?;
    }
    println!("{} events are certainly there", import.count().certain);
    assert_eq!(server.snapshot().imported().count(), 1_000);
    client.logout().await?;
    Ok(())
}
