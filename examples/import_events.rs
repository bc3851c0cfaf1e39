//! Imports events for a virtual device of a BioStar X server, once each, although an answer gets lost.
//!
//! `cargo run --example import_events --features biostar-x,sim-servers,tls-aws-lc`

use bs2_events::biostar_x::virtual_devices::NewVirtualDevice;
use bs2_events::biostar_x::{BiostarX, BiostarXOptions, ImportEvent, ImportOptions, VirtualDeviceId};
use bs2_events::codec::Timestamp;
use bs2_events::sim::biostar_x::{BiostarXServer, BiostarXServerOptions, PlannedFault};
use bs2_events::tls::Trust;

#[tokio::main]
async fn main() -> bs2_events::Result<()> {
    // A real server has an address, an account, and a certificate to pin.
    let server = BiostarXServer::start(BiostarXServerOptions::default()).await?;
    let options = BiostarXOptions::new(server.url())
        .with_credentials("admin", "simulated")
        .with_trust(Trust::pin(server.certificate_pem()));
    let client = BiostarX::new(options)?;

    let gate = VirtualDeviceId::new(100_001)?;
    client.ensure_virtual_device(&NewVirtualDevice::new(gate, "Main gate")).await?;

    let punches = (0..1_000).map(|minute| {
        let time = Timestamp::from_unix_seconds(1_767_600_000 + minute * 60);
        ImportEvent::granted("1", time).tna_key(1)
    });
    let mut import = client.import(gate, punches.collect())?;

    // The connection is cut after the server has stored the request, and before it answers. The import looks up what
    // arrived, and sends the rest.
    server.plan("/api/events/import", PlannedFault::CutAfter);
    let options = ImportOptions::default().with_chunk(100);
    let count = import.run(&options, |count| println!("{} of 1000 events", count.done())).await?;
    for (position, error) in import.rejected() {
        println!("event {position}: {error}");
    }
    println!("{} events are certainly there", count.confirmed);
    assert_eq!(server.snapshot().imported().count(), 1_000);
    client.logout().await?;
    Ok(())
}
