//! Every backend is held to the same contract.

use std::sync::Arc;

use async_trait::async_trait;
use bs2_events::Result;
use bs2_events::codec::{DeviceId, Event, EventCode, Extras};
use bs2_events::device::backend::Backend;
use bs2_events::device::conformance::{BackendStage, check_backend, check_client};
use bs2_events::sim::{FaultInjector, FaultOptions, Faults, Simulator};
use bytes::Bytes;

#[tokio::test(start_paused = true)]
async fn the_simulator_keeps_the_contract_of_backends() {
    for settings in ["devices=3", "devices=1&backlog=0", "devices=2&backlog=100&capacity=120&slaves=2"] {
        check_backend(&Simulated::new(settings))
            .await
            .unwrap_or_else(|violation| panic!("{settings}: {violation}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_injector_without_faults_keeps_the_contract_of_the_backend_that_it_wraps() {
    for settings in ["devices=3", "devices=1&backlog=0", "devices=2&backlog=100&capacity=120&slaves=2"] {
        let mut stage = Simulated::new(settings);
        stage.backend = Arc::new(FaultInjector::new(stage.backend, FaultOptions::new(Faults::empty())));
        check_backend(&stage).await.unwrap_or_else(|violation| panic!("{settings}: {violation}"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_keeps_its_promises_over_a_fault_injector_that_strikes_often() {
    for seed in 0..20 {
        for faults in [
            Faults::DISCONNECT,
            Faults::ERROR,
            Faults::all() - Faults::STUCK - Faults::HOLES - Faults::DAMAGED,
        ] {
            let options = FaultOptions::new(faults).with_seed(seed).with_rate(Faults::all(), 100);
            let mut stage = Simulated::new("devices=2&backlog=500");
            stage.backend = Arc::new(FaultInjector::new(stage.backend, options));
            check_client(&stage).await.unwrap_or_else(|violation| panic!("{seed}, {faults}: {violation}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_keeps_its_promises_over_a_simulator_with_faults() {
    for seed in 0..20 {
        for faults in [
            "drop",
            "disconnect",
            "repeat",
            "reorder",
            "slow",
            "error",
            "drop,disconnect,repeat,reorder,slow,error",
        ] {
            let settings = format!("devices=2&backlog=500&seed={seed}&faults={faults}");
            check_client(&Simulated::new(&settings))
                .await
                .unwrap_or_else(|violation| panic!("{settings}: {violation}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_keeps_its_promises_over_inclusive_and_short_answers() {
    for settings in ["inclusive=1", "page=3", "inclusive=1&page=2&faults=repeat"] {
        check_client(&Simulated::new(settings))
            .await
            .unwrap_or_else(|violation| panic!("{settings}: {violation}"));
    }
}

struct Simulated {
    backend: Arc<dyn Backend>,
    simulator: Simulator,
    device: DeviceId,
}

impl Simulated {
    fn new(settings: &str) -> Self {
        let simulator = Simulator::new(settings).unwrap();
        let device = simulator.device_ids()[0];
        Self { backend: simulator.backend(), simulator, device }
    }
}

#[async_trait]
impl BackendStage for Simulated {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    fn device(&self) -> DeviceId {
        self.device
    }

    async fn make_events(&self, count: u32) -> Result<()> {
        for _ in 0..count {
            self.simulator.make_event(self.device)?;
        }
        Ok(())
    }

    async fn make_slave_event(&self) -> Result<Option<DeviceId>> {
        let reader = self.simulator.reader(self.device)?;
        let Some(slave) = reader.slaves().first().copied() else { return Ok(None) };
        let denied = Event::builder(slave, 0, EventCode::ACCESS_DENIED);
        reader.push_with(denied, Extras::default(), Bytes::from_static(b"jpeg"));
        Ok(Some(slave))
    }

    async fn disconnect(&self) -> Result<()> {
        self.simulator.reader(self.device)?.disconnect();
        Ok(())
    }
}
