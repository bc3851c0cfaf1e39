//! The gateway's backend keeps the contract, with a gateway that behaves well.

use std::sync::Arc;

use async_trait::async_trait;
use bs2_events::Result;
use bs2_events::codec::DeviceId;
use bs2_events::device::backend::Backend;
use bs2_events::device::conformance::{BackendStage, check_backend, check_client};

use crate::fake_gateway::{DEVICE, Fake};

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let stage = OneReader::new(|fake| fake.gateway());
    check_backend(&stage).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_what_a_client_promises() {
    let stage = OneReader::new(|fake| fake.gateway());
    check_client(&stage).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_for_a_device_that_the_gateway_connects_by_itself() {
    let stage = OneReader::new(|fake| {
        let options =
            format!("gateway://{}?ca={}&device=541000543@192.0.2.7", fake.address, fake.file("ca.crt"));
        bs2_events::device::gateway::Gateway::new(options.parse().unwrap()).unwrap()
    });
    check_backend(&stage).await.unwrap();
    assert!(stage.fake.state.called("AddAsyncConnection") > 0);
    assert_eq!(stage.fake.state.called("Connect"), 0);
}

struct OneReader {
    fake: Fake,
    backend: Arc<dyn Backend>,
}

impl OneReader {
    fn new(gateway: impl FnOnce(&Fake) -> bs2_events::device::gateway::Gateway) -> Self {
        let fake = Fake::start();
        let backend = Arc::new(gateway(&fake));
        Self { fake, backend }
    }
}

#[async_trait]
impl BackendStage for OneReader {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    fn device(&self) -> DeviceId {
        DeviceId::new(DEVICE)
    }

    async fn make_events(&self, count: u32) -> Result<()> {
        self.fake.state.make_events(count);
        Ok(())
    }

    async fn make_slave_event(&self) -> Result<Option<DeviceId>> {
        Ok(None)
    }

    async fn disconnect(&self) -> Result<()> {
        self.fake.state.tell(0);
        Ok(())
    }
}
