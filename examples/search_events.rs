//! Reads every event of a BioStar X server once, however many there are.
//!
//! `cargo run --example search_events --features biostar-x,sim-servers,tls-aws-lc`

use std::collections::BTreeMap;

use bs2_events::biostar_x::{BiostarX, BiostarXOptions, EventQuery};
use bs2_events::codec::code::Outcome;
use bs2_events::sim::biostar_x::{BiostarXServer, BiostarXServerOptions};
use bs2_events::tls::Trust;

#[tokio::main]
async fn main() -> bs2_events::Result<()> {
    let server = BiostarXServer::start(BiostarXServerOptions::default().with_backlog(2_500)).await?;
    let options = BiostarXOptions::new(server.url())
        .with_credentials("admin", "simulated")
        .with_trust(Trust::pin(server.certificate_pem()));
    let client = BiostarX::new(options)?;

    // Pages of 500; the stream reads the next one by itself.
    let mut events = client.events(EventQuery::new().limit(500));
    let (mut total, mut denied) = (0, BTreeMap::<_, u32>::new());
    while let Some(event) = events.next().await {
        let event = event?;
        total += 1;
        if let (Some(device), Some(Outcome::Denied)) = (event.device, event.code.map(|code| code.outcome())) {
            *denied.entry(device).or_default() += 1;
        }
    }
    println!("{total} events");
    for (device, count) in denied {
        println!("denied by {device}: {count}");
    }
    assert_eq!(total, server.snapshot().events().len());
    client.logout().await?;
    Ok(())
}
