//! The service `TNA`: what the log has of working hours.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::event::most;
use super::event_log::{job_code_log, tna_log};
use super::state::Desk;
use crate::device::gateway::proto::gsdk::tna as wire;
use crate::device::gateway::proto::gsdk::tna::tna_server::Tna;

/// The service, for every client.
#[derive(Clone)]
pub(super) struct TnaService(pub(super) Arc<Desk>);

#[tonic::async_trait]
impl Tna for TnaService {
    async fn get_tna_log(
        &self,
        request: Request<wire::GetTnaLogRequest>,
    ) -> Result<Response<wire::GetTnaLogResponse>, Status> {
        let request = request.into_inner();
        let page = self.0.page(request.device_id, request.start_event_id, 0).await?;
        let filter = request.filter.unwrap_or_default();
        let users: BTreeSet<&str> = filter.user_i_ds.iter().map(String::as_str).collect();
        let wanted = |log: &wire::TnaLog| {
            (users.is_empty() || users.contains(log.user_id.as_str()))
                && (filter.tna_keys.is_empty() || filter.tna_keys.contains(&log.tna_key))
                && (filter.start_time == 0 || log.timestamp >= filter.start_time)
                && (filter.end_time == 0 || log.timestamp <= filter.end_time)
        };
        let logs = page.iter().filter_map(tna_log).filter(wanted);
        let tna_events = logs.take(most(request.max_num_of_log)).collect();
        Ok(Response::new(wire::GetTnaLogResponse { tna_events }))
    }

    async fn get_job_code_log(
        &self,
        request: Request<wire::GetJobCodeLogRequest>,
    ) -> Result<Response<wire::GetJobCodeLogResponse>, Status> {
        let request = request.into_inner();
        let page = self.0.page(request.device_id, request.start_event_id, 0).await?;
        let beside = self.0.beside(request.device_id, &page);
        let logs = page.iter().zip(beside);
        let logs = logs.filter_map(|(event, beside)| Some(job_code_log(event, beside.job_code?.0)));
        let job_code_events = logs.take(most(request.max_num_of_log)).collect();
        Ok(Response::new(wire::GetJobCodeLogResponse { job_code_events }))
    }
}
