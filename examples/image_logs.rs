//! Saves the pictures of refused people: `cargo run --features sim --example image_logs`.

use bs2_events::codec::EventCode;
use bs2_events::device::{Client, ImageFilter};
use bs2_events::sim::Simulator;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let simulator = Simulator::new("devices=1&backlog=0")?;
    let client = Client::new(simulator.backend());
    let device = client.devices().await?.remove(0);
    if !device.capabilities().await?.has_image_logs() {
        println!("{} takes no pictures", device.id());
        return Ok(());
    }

    // From now on the reader takes a picture of every denied access.
    device.set_image_filters(&[ImageFilter::new(EventCode::ACCESS_DENIED)]).await?;
    for _ in 0..2_000 {
        simulator.make_event(device.id())?;
    }

    let folder = std::env::temp_dir().join(format!("bs2-images-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut after = 0;
    loop {
        let images = device.image_logs(after, 10).await?;
        let Some(last) = images.last() else { break };
        after = last.event.id();
        for image in &images {
            let path = folder.join(format!("{}-{}.jpg", device.id(), image.event.id()));
            std::fs::write(&path, &image.jpeg)?;
            println!("{} {}", path.display(), image.event);
        }
    }
    Ok(())
}
