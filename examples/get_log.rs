//! Reads a reader's log, page by page: `cargo run --features sim --example get_log`.

use bs2_events::codec::Event;
use bs2_events::device::Client;
use bs2_events::sim::Simulator;
use futures_util::TryStreamExt;

#[tokio::main]
async fn main() -> bs2_events::Result<()> {
    let client = Client::new(Simulator::new("devices=1&backlog=5000&seed=7")?.backend());
    let device = client.devices().await?.remove(0);
    let info = device.info().await?;
    println!("{} {} {}", info.id, info.model, info.firmware);

    // The ten events after id 100. Ids greater than `after`, always.
    for event in device.logs(100, 10).await?.iter() {
        println!("{event}");
    }

    // The whole log. A page owns its bytes; events are read in place.
    let mut pages = std::pin::pin!(device.backlog(0));
    let (mut count, mut denied) = (0, 0);
    while let Some(page) = pages.try_next().await? {
        count += page.len();
        denied += page.iter().filter(|event| is_denied(event)).count();
    }
    println!("{count} events, {denied} of them refusals");
    Ok(())
}

fn is_denied(event: &Event) -> bool {
    event.code().outcome() == bs2_events::codec::code::Outcome::Denied
}
