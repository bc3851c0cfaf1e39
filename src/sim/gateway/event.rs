//! The services `Event` and `TNA`: what the devices logged, stored and live.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::broadcast::ReservedStream;
use super::state::{GatewayState, LiveEvent, limit};
use super::status::{Reply, each, empty_calls};
use crate::codec::{DeviceId, Event as Record, EventCode, Extras, Subject};
use crate::device::ImageFilter;
use crate::device::gateway::proto::gsdk::event as wire;
use crate::device::gateway::proto::gsdk::event::event_filter::Param;
use crate::device::gateway::proto::gsdk::event::event_server::Event;
use crate::device::gateway::proto::gsdk::tna::tna_server::Tna;
use crate::device::gateway::proto::gsdk::tna::{
    GetJobCodeLogRequest, GetJobCodeLogResponse, GetTnaLogRequest, GetTnaLogResponse, JobCodeLog, TnaLog,
};

/// Serves every client.
#[derive(Clone)]
pub(super) struct EventService(pub(super) Arc<GatewayState>);

#[tonic::async_trait]
impl Event for EventService {
    type SubscribeRealtimeLogStream = BoxStream<'static, Result<wire::EventLog, Status>>;

    async fn get_log(&self, request: Request<wire::GetLogRequest>) -> Reply<wire::GetLogResponse> {
        let wire::GetLogRequest { device_id, start_event_id, max_num_of_log } = request.into_inner();
        let page = self.0.page(device_id, start_event_id, max_num_of_log).await?;
        Ok(Response::new(wire::GetLogResponse { events: self.event_logs(device_id, page) }))
    }

    async fn get_log_with_filter(
        &self,
        request: Request<wire::GetLogWithFilterRequest>,
    ) -> Reply<wire::GetLogWithFilterResponse> {
        let request = request.into_inner();
        if request.filters.len() > MAX_FILTERS {
            return Err(Status::invalid_argument(format!("filters: there are more than {MAX_FILTERS}")));
        }
        let mut page = self.0.page(request.device_id, request.start_event_id, 0).await?;
        page.retain(|event| matches_any(&request.filters, event));
        page.truncate(limit(request.max_num_of_log));
        let events = self.event_logs(request.device_id, page);
        Ok(Response::new(wire::GetLogWithFilterResponse { events }))
    }

    async fn get_image_log(
        &self,
        request: Request<wire::GetImageLogRequest>,
    ) -> Reply<wire::GetImageLogResponse> {
        let request = request.into_inner();
        let (after, max) = self.0.after_and_max(request.start_event_id, request.max_num_of_log);
        let device = DeviceId::new(request.device_id);
        let images =
            self.0.call_device(request.device_id, self.0.backend.image_logs(device, after, max)).await?;
        let image_events = images.into_iter().map(|image| image_log(&image.event, image.jpeg)).collect();
        Ok(Response::new(wire::GetImageLogResponse { image_events }))
    }

    async fn get_image_filter(
        &self,
        request: Request<wire::GetImageFilterRequest>,
    ) -> Reply<wire::GetImageFilterResponse> {
        let device = request.into_inner().device_id;
        let filters = self.0.call_device(device, self.0.backend.image_filters(DeviceId::new(device))).await?;
        let filters = filters.into_iter().map(|filter| wire::ImageFilter {
            event_code: filter.code.get().into(),
            schedule_id: filter.schedule_id,
        });
        Ok(Response::new(wire::GetImageFilterResponse { filters: filters.collect() }))
    }

    async fn subscribe_realtime_log(
        &self,
        mut request: Request<wire::SubscribeRealtimeLogRequest>,
    ) -> Reply<Self::SubscribeRealtimeLogStream> {
        self.0.begin_call()?;
        let reserved = request.extensions_mut().remove::<ReservedStream<LiveEvent>>();
        let request = request.into_inner();
        let options = self.0.stream_options(request.queue_size)?;
        let devices: BTreeSet<u32> = request.device_i_ds.into_iter().collect();
        let event_codes: BTreeSet<u32> = request.event_codes.into_iter().collect();
        let reserved = reserved.unwrap_or_else(|| self.0.events.reserve());
        let events = reserved.start(options, move |live: &LiveEvent| {
            // No source says which of the two numbers a gateway compares.
            let numbers = [live.device, live.event.device_id()];
            (devices.is_empty() || numbers.iter().any(|number| devices.contains(&number.get())))
                && (event_codes.is_empty() || event_codes.contains(&codes(live.event.code()).0))
        });
        Ok(Response::new(
            events.map(|live| live.map(|live| event_log(&live.event, live.extras.as_deref()))).boxed(),
        ))
    }

    empty_calls! {
        set_image_filter(wire::SetImageFilterRequest) -> wire::SetImageFilterResponse:
            |service, request| service.set_image_filters(request.device_id, &request.filters).await;
        set_image_filter_multi(wire::SetImageFilterMultiRequest) -> wire::SetImageFilterMultiResponse:
            |service, request| each(request.device_i_ds,
                |device| service.set_image_filters(device, &request.filters)).await;
        enable_monitoring(wire::EnableMonitoringRequest) -> wire::EnableMonitoringResponse:
            |service, request| service.0.monitor(request.device_id, true);
        enable_monitoring_multi(wire::EnableMonitoringMultiRequest) -> wire::EnableMonitoringMultiResponse:
            |service, request| each(request.device_i_ds,
                async |device| service.0.monitor(device, true)).await;
        disable_monitoring(wire::DisableMonitoringRequest) -> wire::DisableMonitoringResponse:
            |service, request| service.0.monitor(request.device_id, false);
        disable_monitoring_multi(wire::DisableMonitoringMultiRequest) -> wire::DisableMonitoringMultiResponse:
            |service, request| each(request.device_i_ds,
                async |device| service.0.monitor(device, false)).await;
        clear_log(wire::ClearLogRequest) -> wire::ClearLogResponse:
            |service, request| service.clear_log(request.device_id).await;
        clear_log_multi(wire::ClearLogMultiRequest) -> wire::ClearLogMultiResponse:
            |service, request| each(request.device_i_ds, |device| service.clear_log(device)).await;
    }
}

#[tonic::async_trait]
impl Tna for EventService {
    async fn get_tna_log(&self, request: Request<GetTnaLogRequest>) -> Reply<GetTnaLogResponse> {
        let request = request.into_inner();
        let page = self.0.page(request.device_id, request.start_event_id, 0).await?;
        let filter = request.filter.unwrap_or_default();
        let users: BTreeSet<&str> = filter.user_i_ds.iter().map(String::as_str).collect();
        let wanted = |log: &TnaLog| {
            (users.is_empty() || users.contains(log.user_id.as_str()))
                && (filter.tna_keys.is_empty() || filter.tna_keys.contains(&log.tna_key))
                && (filter.start_time == 0 || log.timestamp >= filter.start_time)
                && (filter.end_time == 0 || log.timestamp <= filter.end_time)
        };
        let logs = page.iter().filter_map(tna_log).filter(wanted);
        let tna_events = logs.take(limit(request.max_num_of_log)).collect();
        Ok(Response::new(GetTnaLogResponse { tna_events }))
    }

    async fn get_job_code_log(&self, request: Request<GetJobCodeLogRequest>) -> Reply<GetJobCodeLogResponse> {
        let request = request.into_inner();
        let page = self.0.page(request.device_id, request.start_event_id, 0).await?;
        let extras = self.0.extras(request.device_id, &page);
        let logs = page.iter().zip(extras);
        let logs = logs.filter_map(|(event, extras)| Some(job_code_log(event, extras.job_code?.0)));
        let job_code_events = logs.take(limit(request.max_num_of_log)).collect();
        Ok(Response::new(GetJobCodeLogResponse { job_code_events }))
    }
}

impl EventService {
    fn event_logs(&self, device: u32, page: Vec<Record>) -> Vec<wire::EventLog> {
        let extras = self.0.extras(device, &page);
        page.iter().zip(&extras).map(|(event, extras)| event_log(event, Some(extras))).collect()
    }

    async fn set_image_filters(&self, device: u32, filters: &[wire::ImageFilter]) -> Result<(), Status> {
        let filters = filters.iter().map(image_filter).collect::<Result<Vec<_>, _>>()?;
        self.0.call_device(device, self.0.backend.set_image_filters(DeviceId::new(device), &filters)).await
    }

    async fn clear_log(&self, device: u32) -> Result<(), Status> {
        self.0.call_device(device, self.0.backend.clear_log(DeviceId::new(device))).await
    }
}

/// A code with a low byte selects that event alone; a code without one selects all events with its high byte.
fn image_filter(filter: &wire::ImageFilter) -> Result<ImageFilter, Status> {
    let code = u16::try_from(filter.event_code)
        .map_err(|_| Status::invalid_argument(format!("eventCode: there is no {:#X}", filter.event_code)))?;
    let code = EventCode::new(code);
    let made = ImageFilter::new(code).with_schedule(filter.schedule_id);
    Ok(if code.sub() == 0 { made } else { made.exactly() })
}

/// The event with its extras. The interface has no field for the device's time zone, for a job code, and for subjects
/// that no source describes.
fn event_log(event: &Record, extras: Option<&Extras>) -> wire::EventLog {
    let (event_code, sub_code) = codes(event.code());
    let mut log = wire::EventLog {
        id: event.id(),
        timestamp: event.timestamp().as_unix_seconds(),
        device_id: event.device_id().get(),
        event_code,
        sub_code,
        tna_key: event.tna_key().unwrap_or_default().into(),
        has_image: event.flags().has_image(),
        changed_on_device: event.changed_on_device().unwrap_or_default(),
        temperature: extras.and_then(|extras| extras.temperature).map_or(0, |found| found.hundredths()),
        ..Default::default()
    };
    // A further subject must not replace the event's own.
    for further in extras.iter().flat_map(|extras| &extras.subjects) {
        set_subject(&mut log, further.subject());
    }
    set_subject(&mut log, event.subject());
    log
}

/// Sets the field of a subject.
fn set_subject(log: &mut wire::EventLog, subject: Subject<'_>) {
    match subject {
        Subject::User(user) => log.user_id = String::from_utf8_lossy(user.as_bytes()).into_owned(),
        Subject::Card(card) => log.card_data = card.as_bytes().to_vec().into(),
        Subject::Door { door_id: id } | Subject::Lift { lift_id: id } | Subject::Zone { zone_id: id } => {
            log.entity_id = id;
        }
        Subject::Relay { relay_port, input_port } => {
            log.entity_id = u32::from(relay_port) | u32::from(input_port) << 16;
        }
        Subject::Input { io_device_id, port, value } => {
            log.input_info =
                Some(wire::DetectInputInfo { io_device_id, port: port.into(), value: value.get().into() });
        }
        Subject::AlarmZone { zone_id, door_id, io_device_id, port } => {
            log.alarm_zone_info =
                Some(wire::AlarmZoneInfo { zone_id, door_id, io_device_id, port: port.into() });
        }
        Subject::Interlock { zone_id, door_ids } => {
            let door_i_ds = door_ids.into_iter().filter(|door| *door != 0).collect();
            log.interlock_zone_info = Some(wire::InterlockZoneInfo { zone_id, door_i_ds });
        }
        _ => {}
    }
}

/// A log with the fields that all logs have of an event, and these.
macro_rules! log {
    ($Log:path, $event:expr, $field:ident: $value:expr) => {{
        let (event_code, sub_code) = codes($event.code());
        $Log {
            id: $event.id(),
            timestamp: $event.timestamp().as_unix_seconds(),
            device_id: $event.device_id().get(),
            user_id: user_id($event),
            event_code,
            sub_code,
            $field: $value,
        }
    }};
}

fn image_log(event: &Record, jpg_image: bytes::Bytes) -> wire::ImageLog {
    log!(wire::ImageLog, event, jpg_image: jpg_image)
}

/// An event with a T&A key.
fn tna_log(event: &Record) -> Option<TnaLog> {
    let key = event.tna_key().filter(|key| *key > 0)?;
    Some(log!(TnaLog, event, tna_key: key.into()))
}

fn job_code_log(event: &Record, job_code: u32) -> JobCodeLog {
    log!(JobCodeLog, event, job_code: job_code)
}

/// Whether an event matches one of these filters. Without filters every event matches.
fn matches_any(filters: &[wire::EventFilter], event: &Record) -> bool {
    filters.is_empty() || filters.iter().any(|filter| matches(filter, event))
}

/// Whether every condition of a filter holds. The meaning of an event's parameter depends on its code; the filter
/// compares the byte.
fn matches(filter: &wire::EventFilter, event: &Record) -> bool {
    let time = event.timestamp().as_unix_seconds();
    let parameter = match filter.param {
        None => true,
        Some(Param::TnaKey(key)) => event.tna_key().is_some_and(|own| i32::from(own) == key),
        Some(Param::OnDevice(value)) => event.changed_on_device().is_some_and(|own| u32::from(own) == value),
        Some(Param::FloorIndex(value) | Param::AlarmFlag(value) | Param::LicenseType(value)) => {
            u32::from(event.param()) == value
        }
    };
    parameter
        && (filter.user_id.is_empty() || user_id(event) == filter.user_id)
        && (filter.start_time == 0 || time >= filter.start_time)
        && (filter.end_time == 0 || time <= filter.end_time)
        && (filter.event_code == 0 || codes(event.code()).0 == filter.event_code)
}

/// Splits a code into code and sub code. Most low bytes are a sub code; some belong to the code.
fn codes(code: EventCode) -> (u32, u32) {
    match code.get() {
        whole @ (0x3050 | 0x3201 | 0x3202 | 0x3601 | 0x3B10 | 0x3C10 | 0x4501..=0x4504 | 0x4A01) => {
            (whole.into(), 0)
        }
        _ => (code.main().get().into(), code.sub().into()),
    }
}

/// The user id as text. The interface's strings cannot hold bytes that are not UTF-8.
fn user_id(event: &Record) -> String {
    event.user_id().map_or_else(String::new, |user| String::from_utf8_lossy(user.as_bytes()).into_owned())
}

/// The limit of the interface.
const MAX_FILTERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_byte_is_a_sub_code_unless_it_names_another_event() {
        assert_eq!(codes(EventCode::new(0x1301)), (0x1300, 1));
        assert_eq!(codes(EventCode::new(0x3200)), (0x3200, 0));
        assert_eq!(codes(EventCode::new(0x3201)), (0x3201, 0));
        assert_eq!(codes(EventCode::new(0x4505)), (0x4500, 5));
    }
}
