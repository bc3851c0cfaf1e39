//! The service `Time`: the readers' clocks.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::desk::Desk;
use super::refusal::each;
use crate::codec::{DeviceId, Timestamp};
use crate::device::Backend;
use crate::device::gateway::proto::gsdk::time as wire;
use crate::device::gateway::proto::gsdk::time::time_server::Time;
use crate::sim::device_state::Command;

/// The service, for every client.
#[derive(Clone)]
pub(super) struct TimeService(pub(super) Arc<Desk>);

#[tonic::async_trait]
impl Time for TimeService {
    async fn get(&self, request: Request<wire::GetRequest>) -> Result<Response<wire::GetResponse>, Status> {
        let device = request.into_inner().device_id;
        let time = self.0.reader(device, self.0.door.time(DeviceId::new(device))).await?;
        Ok(Response::new(wire::GetResponse { gmt_time: time.as_unix_seconds().into() }))
    }

    async fn set(&self, request: Request<wire::SetRequest>) -> Result<Response<wire::SetResponse>, Status> {
        let request = request.into_inner();
        self.0.set_time(request.device_id, request.gmt_time).await?;
        Ok(Response::new(wire::SetResponse {}))
    }

    async fn set_multi(
        &self,
        request: Request<wire::SetMultiRequest>,
    ) -> Result<Response<wire::SetMultiResponse>, Status> {
        let request = request.into_inner();
        each(request.device_i_ds, |device| self.0.set_time(device, request.gmt_time)).await?;
        Ok(Response::new(wire::SetMultiResponse::default()))
    }

    async fn get_config(
        &self,
        request: Request<wire::GetConfigRequest>,
    ) -> Result<Response<wire::GetConfigResponse>, Status> {
        self.0.called()?;
        let position = self.0.connected(request.into_inner().device_id)?;
        let config = Some(self.0.links.at(position).lock().time_config);
        Ok(Response::new(wire::GetConfigResponse { config }))
    }

    async fn set_config(
        &self,
        request: Request<wire::SetConfigRequest>,
    ) -> Result<Response<wire::SetConfigResponse>, Status> {
        let request = request.into_inner();
        self.0.set_time_config(request.device_id, request.config)?;
        Ok(Response::new(wire::SetConfigResponse {}))
    }

    async fn set_config_multi(
        &self,
        request: Request<wire::SetConfigMultiRequest>,
    ) -> Result<Response<wire::SetConfigMultiResponse>, Status> {
        let request = request.into_inner();
        each(request.device_i_ds, async |device| self.0.set_time_config(device, request.config)).await?;
        Ok(Response::new(wire::SetConfigMultiResponse::default()))
    }
}

impl Desk {
    async fn set_time(self: &Arc<Self>, device: u32, seconds: u64) -> Result<(), Status> {
        let seconds = u32::try_from(seconds)
            .map_err(|_| Status::invalid_argument(format!("GMTTime: no reader's clock shows {seconds}")))?;
        let act = Command::SetClock(Timestamp::from_unix_seconds(seconds));
        self.reader(device, self.door.act(DeviceId::new(device), act)).await
    }

    /// What is set is given back, and changes nothing else: a simulated reader has the time zone of its office.
    fn set_time_config(
        self: &Arc<Self>,
        device: u32,
        config: Option<wire::TimeConfig>,
    ) -> Result<(), Status> {
        self.called()?;
        let position = self.connected(device)?;
        self.links.at(position).lock().time_config = config.unwrap_or_default();
        Ok(())
    }
}
