//! Live events, by callback and as a stream: `cargo run --features sim --example on_log_received`.

use bs2_events::device::{Client, Live};
use bs2_events::sim::Simulator;

#[tokio::main]
async fn main() -> bs2_events::Result<()> {
    let simulator = Simulator::new("devices=3&rate=50")?;
    let client = Client::new(simulator.backend());
    let devices = simulator.device_ids();

    // By callback: it is called until the listener is dropped.
    let listener = client
        .on_log_received(&devices[..1], |device, event| println!("callback  {device}: {}", event.code()))
        .await?;

    // As a stream, of several readers: what was lost is an item too.
    let mut live = client.subscribe(&devices[1..]).await?;
    simulator.start()?;
    for _ in 0..20 {
        match live.next().await {
            Some(Live::Event { event, .. }) => println!("stream    {event}"),
            Some(Live::Lagged { device, missed }) => println!("stream    {device}: {missed} events lost"),
            Some(Live::Resumed { device }) => println!("stream    {device}: connected again"),
            Some(_) | None => break,
        }
    }

    println!("the callback missed {} events", listener.missed());
    listener.stop();
    Ok(())
}
