//! The client and the simulated server, acquainted.
#![allow(dead_code)] // Every test uses its own part of it.

use std::time::Duration;

use bs2_events::Result;
use bs2_events::biostar_x::virtual_devices::NewVirtualDevice;
use bs2_events::biostar_x::{BiostarX, BiostarXOptions, ImportOptions, VirtualDeviceId};
use bs2_events::sim::biostar_x::BiostarXServer;
use bs2_events::tls::Trust;

/// A server with these settings and a virtual device.
pub(crate) async fn start(settings: &str) -> BiostarXServer {
    let server = BiostarXServer::start(settings.parse().unwrap()).await.unwrap();
    make_gate(&client(&server)).await.unwrap();
    server
}

pub(crate) async fn make_gate(client: &BiostarX) -> Result<()> {
    let exists = client.virtual_devices().await?.iter().any(|device| device.id == gate());
    if !exists {
        client.create_virtual_device(&NewVirtualDevice::new(gate(), "Main gate")).await?;
    }
    Ok(())
}

pub(crate) fn builder(server: &BiostarXServer) -> BiostarXOptions {
    BiostarXOptions::new(server.url())
        .with_credentials("admin", "simulated")
        .with_trust(Trust::ca(server.ca_pem().unwrap()))
}

pub(crate) fn client(server: &BiostarXServer) -> BiostarX {
    BiostarX::new(builder(server)).unwrap()
}

/// Lookups need not wait: the server answers when it has finished.
pub(crate) fn options() -> ImportOptions {
    ImportOptions::default().with_settle(Duration::ZERO)
}

pub(crate) fn gate() -> VirtualDeviceId {
    VirtualDeviceId::MIN
}
