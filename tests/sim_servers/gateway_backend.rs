//! This crate's own gateway backend over the simulated gateway: two halves written from the same interface.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bs2_events::codec::{DeviceId, Event, EventCode, Extras};
use bs2_events::collect::{Collector, Stop};
use bs2_events::device::Client;
use bs2_events::device::backend::Backend;
use bs2_events::device::conformance::{BackendStage, check_backend, check_client};
use bs2_events::device::gateway::Gateway;
use bs2_events::sim::gateway::{ApiVersion, GatewayFaults, GatewayServer, GatewayServerOptions};
use bs2_events::sink::MemorySink;
use bs2_events::{ErrorKind, Result};
use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::oneshot;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_replaces_another_one_at_its_address_is_collected_too() {
    let stage = Behind::new("devices=2&backlog=100", |settings| settings).await;
    let [old, new] = [0, 1].map(|at| stage.server.devices().nth(at).unwrap().0);
    let (sink, said) = (MemorySink::new(), Arc::new(Mutex::new(Vec::new())));
    let log = Arc::clone(&said);
    let collector = Collector::new(Arc::new(sink.clone()))
        .with_client(Client::new(stage.backend()))
        .on_notice(move |notice| log.lock().unwrap().push(notice.to_string()));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(collector.run_until(async { stopped.await.unwrap() }));
    until(|| sink.watermark(old, 0) == Some((1, 100))).await;
    assert_eq!(sink.watermark(new, 0), None);

    stage.server.replace(old, new).unwrap();
    until(|| sink.watermark(new, 0) == Some((1, 100))).await;
    stage.server.simulator().reader(new).unwrap().make(5).unwrap();
    until(|| sink.watermark(new, 0) == Some((1, 105))).await;
    stop.send(Stop::AfterCatchUp).unwrap();
    let report = task.await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    let ends = format!(
        "device {old} was replaced: device {new} is at its address, and the account of device {old} ends"
    );
    assert_eq!(*said.lock().unwrap(), [ends]);
    assert_eq!(stage.server.replace(new, new).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(stage.server.replace(DeviceId::new(1), new).unwrap_err().kind(), ErrorKind::NotFound);
}

async fn until(holds: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < patience, "it does not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
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
