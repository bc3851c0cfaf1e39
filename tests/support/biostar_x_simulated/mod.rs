//! The client and the simulated server, acquainted.
#![allow(dead_code)] // Every test uses its own part of it.

use std::time::Duration;

use bs2_events::Result;
use bs2_events::biostar_x::{Client, ClientBuilder, NewVirtualDevice, VirtualDeviceId};
use bs2_events::sim::biostar_x::BiostarXServer;

/// A server with these settings and a virtual device.
pub(crate) async fn start(settings: &str) -> BiostarXServer {
    let server = BiostarXServer::start(settings.parse().unwrap()).await.unwrap();
    make_gate(&client(&server)).await.unwrap();
    server
}

pub(crate) async fn make_gate(client: &Client) -> Result<()> {
    let exists = client.virtual_devices().await?.iter().any(|device| device.id == gate());
    if !exists {
        client.create_virtual_device(&NewVirtualDevice::new(gate(), "Main gate")).await?;
    }
    Ok(())
}

pub(crate) fn builder(server: &BiostarXServer) -> ClientBuilder {
    Client::builder(&server.url())
        .with_credentials("admin", "simulated")
        .with_authorities(server.ca_pem().unwrap())
        .with_settle(Duration::ZERO)
}

pub(crate) fn client(server: &BiostarXServer) -> Client {
    builder(server).build().unwrap()
}

pub(crate) fn gate() -> VirtualDeviceId {
    VirtualDeviceId::MIN
}
