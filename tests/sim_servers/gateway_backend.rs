//! This crate's own gateway backend over the simulated gateway: two halves written from the same interface.

use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use bs2_events::Result;
use bs2_events::codec::{DeviceId, Event, EventCode, Extras};
use bs2_events::device::backend::Backend;
use bs2_events::device::conformance::{BackendStage, check_backend, check_client};
use bs2_events::device::gateway::Gateway;
use bs2_events::sim::gateway::{ApiVersion, GatewayFaults, GatewayServer, GatewayServerOptions};
use bytes::Bytes;
use tempfile::TempDir;

use crate::gateway_client::quiet;

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_keeps_its_contract_over_the_simulated_gateway() {
    for api in [ApiVersion::UpTo17, ApiVersion::From18] {
        for settings in ["devices=1", "devices=1&backlog=0", "devices=1&backlog=100&capacity=120&slaves=2"] {
            let stage = Behind::new(settings, |settings| settings.with_api(api)).await;
            check_backend(&stage)
                .await
                .unwrap_or_else(|violation| panic!("{api:?}, {settings}: {violation}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_keeps_its_promises_over_a_gateway_that_misbehaves() {
    let faults = [
        GatewayFaults::EXCLUSIVE,
        GatewayFaults::UNORDERED,
        GatewayFaults::SHORT,
        GatewayFaults::ERROR,
        GatewayFaults::END,
        GatewayFaults::FRAMES,
    ];
    for faults in faults {
        let stage = Behind::new("devices=1&backlog=500", |settings| settings.with_faults(faults)).await;
        check_client(&stage).await.unwrap_or_else(|violation| panic!("{faults:?}: {violation}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_keeps_its_promises_over_readers_that_misbehave() {
    for faults in ["drop", "disconnect", "repeat", "reorder", "error"] {
        let settings = format!("devices=1&backlog=500&faults={faults}");
        let stage = Behind::new(&settings, |settings| settings).await;
        check_client(&stage).await.unwrap_or_else(|violation| panic!("{faults}: {violation}"));
    }
}

struct Behind {
    server: GatewayServer,
    backend: Arc<dyn Backend>,
    device: DeviceId,
    _folder: TempDir,
}

impl Behind {
    async fn new(settings: &str, adapt: impl FnOnce(GatewayServerOptions) -> GatewayServerOptions) -> Self {
        let settings = adapt(quiet(settings));
        let server = GatewayServer::start(settings).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.crt");
        fs::write(&ca, server.ca_pem().unwrap()).unwrap();
        let (device, reader) = server.devices().next().unwrap();
        let source = format!("gateway://{}?ca={}&device={reader}", server.address(), ca.display());
        let backend = Arc::new(Gateway::new(source.parse().unwrap()).unwrap());
        Self { server, backend, device, _folder: folder }
    }
}

#[async_trait]
impl BackendStage for Behind {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    fn device(&self) -> DeviceId {
        self.device
    }

    async fn make_events(&self, count: u32) -> Result<()> {
        self.server.simulator().reader(self.device)?.make(count)?;
        Ok(())
    }

    async fn make_slave_event(&self) -> Result<Option<DeviceId>> {
        let reader = self.server.simulator().reader(self.device)?;
        let Some(slave) = reader.slaves().first().copied() else { return Ok(None) };
        let denied = Event::builder(slave, 0, EventCode::ACCESS_DENIED);
        reader.push_with(denied, Extras::default(), Bytes::from_static(b"jpeg"));
        Ok(Some(slave))
    }

    async fn disconnect(&self) -> Result<()> {
        self.server.simulator().reader(self.device)?.disconnect();
        Ok(())
    }
}
