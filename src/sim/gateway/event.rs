//! The service `Event`.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::GatewayFaults;
use super::desk::{Desk, Told};
use super::event_log::{codes, event_log, image_log, passes};
use super::refusal::each;
use crate::codec::{DeviceId, Event as Record, EventCode};
use crate::device::gateway::proto::gsdk::event as wire;
use crate::device::gateway::proto::gsdk::event::event_server::Event;
use crate::device::{Backend, ImageFilter};
use crate::sim::extras::Beside;

/// The service, for every client.
#[derive(Clone)]
pub(super) struct EventService(pub(super) Arc<Desk>);

#[tonic::async_trait]
impl Event for EventService {
    type SubscribeRealtimeLogStream = BoxStream<'static, Result<wire::EventLog, Status>>;

    async fn get_log(
        &self,
        request: Request<wire::GetLogRequest>,
    ) -> Result<Response<wire::GetLogResponse>, Status> {
        let wire::GetLogRequest { device_id, start_event_id, max_num_of_log } = request.into_inner();
        let page = self.0.page(device_id, start_event_id, max_num_of_log).await?;
        Ok(Response::new(wire::GetLogResponse { events: self.0.event_logs(device_id, page) }))
    }

    async fn get_log_with_filter(
        &self,
        request: Request<wire::GetLogWithFilterRequest>,
    ) -> Result<Response<wire::GetLogWithFilterResponse>, Status> {
        let request = request.into_inner();
        if request.filters.len() > MOST_FILTERS {
            return Err(Status::invalid_argument(format!("filters: there are more than {MOST_FILTERS}")));
        }
        let mut page = self.0.page(request.device_id, request.start_event_id, 0).await?;
        page.retain(|event| passes(&request.filters, event));
        page.truncate(most(request.max_num_of_log));
        let events = self.0.event_logs(request.device_id, page);
        Ok(Response::new(wire::GetLogWithFilterResponse { events }))
    }

    async fn get_image_log(
        &self,
        request: Request<wire::GetImageLogRequest>,
    ) -> Result<Response<wire::GetImageLogResponse>, Status> {
        let request = request.into_inner();
        let max = if request.max_num_of_log == 0 { u32::MAX } else { request.max_num_of_log };
        let after = match self.0.mischief.has(GatewayFaults::EXCLUSIVE) {
            true => request.start_event_id,
            false => request.start_event_id.saturating_sub(1),
        };
        let device = DeviceId::new(request.device_id);
        let images = self.0.reader(request.device_id, self.0.door.image_logs(device, after, max)).await?;
        let image_events = images.into_iter().map(|image| image_log(&image.event, image.jpeg)).collect();
        Ok(Response::new(wire::GetImageLogResponse { image_events }))
    }

    async fn get_image_filter(
        &self,
        request: Request<wire::GetImageFilterRequest>,
    ) -> Result<Response<wire::GetImageFilterResponse>, Status> {
        let device = request.into_inner().device_id;
        let filters = self.0.reader(device, self.0.door.image_filters(DeviceId::new(device))).await?;
        let filters = filters.into_iter().map(|filter| wire::ImageFilter {
            event_code: filter.code.get().into(),
            schedule_id: filter.schedule_id,
        });
        Ok(Response::new(wire::GetImageFilterResponse { filters: filters.collect() }))
    }

    async fn set_image_filter(
        &self,
        request: Request<wire::SetImageFilterRequest>,
    ) -> Result<Response<wire::SetImageFilterResponse>, Status> {
        let request = request.into_inner();
        self.0.set_image_filters(request.device_id, &request.filters).await?;
        Ok(Response::new(wire::SetImageFilterResponse {}))
    }

    async fn set_image_filter_multi(
        &self,
        request: Request<wire::SetImageFilterMultiRequest>,
    ) -> Result<Response<wire::SetImageFilterMultiResponse>, Status> {
        let request = request.into_inner();
        each(request.device_i_ds, |device| self.0.set_image_filters(device, &request.filters)).await?;
        Ok(Response::new(wire::SetImageFilterMultiResponse::default()))
    }

    async fn enable_monitoring(
        &self,
        request: Request<wire::EnableMonitoringRequest>,
    ) -> Result<Response<wire::EnableMonitoringResponse>, Status> {
        self.0.monitor(request.into_inner().device_id, true)?;
        Ok(Response::new(wire::EnableMonitoringResponse {}))
    }

    async fn enable_monitoring_multi(
        &self,
        request: Request<wire::EnableMonitoringMultiRequest>,
    ) -> Result<Response<wire::EnableMonitoringMultiResponse>, Status> {
        each(request.into_inner().device_i_ds, async |device| self.0.monitor(device, true)).await?;
        Ok(Response::new(wire::EnableMonitoringMultiResponse::default()))
    }

    async fn disable_monitoring(
        &self,
        request: Request<wire::DisableMonitoringRequest>,
    ) -> Result<Response<wire::DisableMonitoringResponse>, Status> {
        self.0.monitor(request.into_inner().device_id, false)?;
        Ok(Response::new(wire::DisableMonitoringResponse {}))
    }

    async fn disable_monitoring_multi(
        &self,
        request: Request<wire::DisableMonitoringMultiRequest>,
    ) -> Result<Response<wire::DisableMonitoringMultiResponse>, Status> {
        each(request.into_inner().device_i_ds, async |device| self.0.monitor(device, false)).await?;
        Ok(Response::new(wire::DisableMonitoringMultiResponse::default()))
    }

    async fn subscribe_realtime_log(
        &self,
        request: Request<wire::SubscribeRealtimeLogRequest>,
    ) -> Result<Response<Self::SubscribeRealtimeLogStream>, Status> {
        self.0.called()?;
        let request = request.into_inner();
        let manner = self.0.manner(request.queue_size)?;
        let devices: BTreeSet<u32> = request.device_i_ds.into_iter().collect();
        let event_codes: BTreeSet<u32> = request.event_codes.into_iter().collect();
        let events = self.0.events.subscribe(manner, move |told: &Told| {
            (devices.is_empty() || devices.contains(&told.event.device_id().get()))
                && (event_codes.is_empty() || event_codes.contains(&codes(told.event.code()).0))
        });
        Ok(Response::new(events.map(|told| told.map(|told| event_log(&told))).boxed()))
    }

    async fn clear_log(
        &self,
        request: Request<wire::ClearLogRequest>,
    ) -> Result<Response<wire::ClearLogResponse>, Status> {
        self.0.clear_log(request.into_inner().device_id).await?;
        Ok(Response::new(wire::ClearLogResponse {}))
    }

    async fn clear_log_multi(
        &self,
        request: Request<wire::ClearLogMultiRequest>,
    ) -> Result<Response<wire::ClearLogMultiResponse>, Status> {
        each(request.into_inner().device_i_ds, |device| self.0.clear_log(device)).await?;
        Ok(Response::new(wire::ClearLogMultiResponse::default()))
    }
}

impl Desk {
    /// Up to `max` events of a reader from `start` on, all for 0; a start below the oldest is the oldest.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` for a reader that is not connected, and whatever the reader fails with.
    pub(super) async fn page(
        self: &Arc<Self>,
        device: u32,
        start: u32,
        max: u32,
    ) -> Result<Vec<Record>, Status> {
        let longest = most(self.shared.settings.page);
        let max = u32::try_from(most(max).min(longest)).unwrap_or(u32::MAX);
        let begins_behind = self.mischief.has(GatewayFaults::EXCLUSIVE);
        let call = self.door.call_after(
            DeviceId::new(device),
            |state| state.line.delay(),
            |state| {
                let repeats = start > 0 && state.line.repeats();
                let start = if repeats { start - 1 } else { start };
                Ok(state.life.log().answer(start, max, repeats || !begins_behind))
            },
        );
        let mut page = self.reader(device, call).await?;
        self.mischief.page(&mut page);
        Ok(page)
    }

    fn event_logs(&self, device: u32, page: Vec<Record>) -> Vec<wire::EventLog> {
        let beside = self.beside(device, &page);
        let told = page.into_iter().zip(beside);
        told.map(|(event, Beside { temperature, .. })| event_log(&Told { event, temperature })).collect()
    }

    /// What a reader knows of each of these events beside it.
    pub(super) fn beside(&self, device: u32, events: &[Record]) -> Vec<Beside> {
        let Some(position) = self.position(device) else { return Vec::new() };
        let state = self.shared.readers[position].lock();
        events.iter().map(|event| state.life.beside(event)).collect()
    }

    async fn set_image_filters(
        self: &Arc<Self>,
        device: u32,
        filters: &[wire::ImageFilter],
    ) -> Result<(), Status> {
        let filters = filters.iter().map(image_filter).collect::<Result<Vec<_>, _>>()?;
        self.reader(device, self.door.set_image_filters(DeviceId::new(device), &filters)).await
    }

    async fn clear_log(self: &Arc<Self>, device: u32) -> Result<(), Status> {
        self.reader(device, self.door.clear_log(DeviceId::new(device))).await
    }
}

/// A code with a low byte stands for that very event, one without for all that share its high byte.
fn image_filter(filter: &wire::ImageFilter) -> Result<ImageFilter, Status> {
    let code = u16::try_from(filter.event_code)
        .map_err(|_| Status::invalid_argument(format!("eventCode: there is no {:#X}", filter.event_code)))?;
    let code = EventCode::new(code);
    let made = ImageFilter::new(code).with_schedule(filter.schedule_id);
    Ok(if code.sub() == 0 { made } else { made.exactly() })
}

/// A limit, of which 0 is none.
pub(super) fn most(limit: u32) -> usize {
    if limit == 0 { usize::MAX } else { limit as usize }
}

/// As many as the gateway's interface allows.
const MOST_FILTERS: usize = 32;
