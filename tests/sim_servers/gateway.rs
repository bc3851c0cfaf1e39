//! Responses of the simulated gateway.

use bs2_events::codec::{DeviceId, EventCode, Timestamp};
use bs2_events::sim::gateway::{ApiVersion, GatewayFaults, GatewayServer};
use prost::Message;
use tonic::Code;
use tonic::codegen::http::uri::PathAndQuery;

use crate::gateway_client::proto::gsdk::event::event_filter::Param;
use crate::gateway_client::proto::gsdk::event::{EventFilter, ImageFilter};
use crate::gateway_client::proto::gsdk::{admin, connect, device, event, time, tna};
use crate::gateway_client::{GatewayClient, make, quiet, server};

const FIRST: u32 = 541_000_001;

#[tokio::test]
async fn logs_begin_at_the_start_id_and_at_the_oldest_for_0_or_less() {
    let server = server("devices=1&backlog=100&capacity=40").await;
    let mut client = GatewayClient::new(&server).await;
    let device = client.connect_nth(0).await;
    assert_eq!(device, FIRST);
    let whole: Vec<u32> = (61..=100).collect();
    assert_eq!(client.ids(device, 0, 0).await, whole);
    assert_eq!(client.ids(device, 1, 0).await, whole);
    assert_eq!(client.ids(device, 70, 3).await, [70, 71, 72]);
    assert_eq!(client.ids(device, 99, 16_384).await, [99, 100]);
    assert!(client.ids(device, 101, 16_384).await.is_empty());
    make(server.simulator(), device, 1);
    assert_eq!(client.ids(device, 101, 16_384).await, [101]);
}

#[tokio::test]
async fn pages_are_whole_until_the_end() {
    let server = server("devices=1&backlog=50000").await;
    let mut client = GatewayClient::new(&server).await;
    let device = client.connect_nth(0).await;
    let mut last = 0;
    for expected in [16_384, 16_384, 16_384, 848] {
        let page = client.ids(device, last + 1, 16_384).await;
        assert!(page.iter().copied().eq(last + 1..last + 1 + expected));
        last += expected;
    }
}

#[tokio::test]
async fn an_event_has_everything_that_the_interface_has_fields_for() {
    let server = server("devices=1&backlog=5000").await;
    let mut client = GatewayClient::new(&server).await;
    let device = client.connect_nth(0).await;
    let truth = server.simulator().backend();
    truth.connect(DeviceId::new(device)).await.unwrap();
    let truth = truth.logs(DeviceId::new(device), 0, 5_000).await.unwrap();
    let logs = client.log(device, 0, 0).await.unwrap();
    assert_eq!(logs.len(), truth.len());
    for (log, event) in logs.iter().zip(truth.iter()) {
        assert_eq!((log.id, log.device_id), (event.id(), device));
        assert_eq!(log.timestamp, event.timestamp().as_unix_seconds());
        assert_eq!(log.event_code | log.sub_code, u32::from(event.code().get()));
        assert_eq!(log.has_image, event.flags().has_image());
        assert_eq!(log.tna_key, event.tna_key().map_or(0, i32::from));
        assert_eq!(log.changed_on_device, event.changed_on_device() == Some(true));
        let user = event.user_id().and_then(|user| user.as_text()).unwrap_or_default();
        assert_eq!(log.user_id, user);
    }
    let found = |is: fn(&event::EventLog) -> bool| logs.iter().any(is);
    assert!(found(|log| log.temperature > 3_000));
    assert!(found(|log| log.entity_id > 0));
    assert!(found(|log| log.card_data.len() == 32));
    assert!(found(|log| log.input_info.is_some()));
    assert!(found(|log| log.alarm_zone_info.is_some_and(|alarm| alarm.zone_id > 0)));
}

#[tokio::test]
async fn filters_are_met_in_every_condition_and_one_of_them_is_enough() {
    let server = server("devices=1&backlog=3000").await;
    let mut client = GatewayClient::new(&server).await;
    let device = client.connect_nth(0).await;
    let logs = client.log(device, 0, 0).await.unwrap();
    let somebody = logs.iter().find(|log| log.event_code == 0x1300).unwrap().user_id.clone();
    let (start, end) = (logs[500].timestamp, logs[2_500].timestamp);
    let mut ask = async |filters: Vec<EventFilter>, max| {
        let request = event::GetLogWithFilterRequest {
            device_id: device,
            start_event_id: 10,
            max_num_of_log: max,
            filters,
        };
        let answer = client.event.get_log_with_filter(request).await;
        answer.map(|answer| answer.into_inner().events.into_iter().map(|log| log.id).collect::<Vec<_>>())
    };
    let expected = |is: &dyn Fn(&event::EventLog) -> bool| -> Vec<u32> {
        logs.iter().filter(|log| log.id >= 10 && is(log)).map(|log| log.id).collect()
    };
    let user =
        EventFilter { user_id: somebody.clone(), start_time: start, end_time: end, ..Default::default() };
    let in_time = |log: &event::EventLog| (start..=end).contains(&log.timestamp);
    assert_eq!(
        ask(vec![user.clone()], 0).await.unwrap(),
        expected(&|log| log.user_id == somebody && in_time(log))
    );
    let code = EventFilter { event_code: 0x1300, param: Some(Param::TnaKey(1)), ..Default::default() };
    let with_key = expected(&|log| log.event_code == 0x1300 && log.tna_key == 1);
    assert!(!with_key.is_empty());
    assert_eq!(ask(vec![code.clone()], 0).await.unwrap(), with_key);
    let both = expected(&|log| {
        log.user_id == somebody && in_time(log) || log.event_code == 0x1300 && log.tna_key == 1
    });
    assert_eq!(ask(vec![user.clone(), code], 7).await.unwrap(), both[..7]);
    assert_eq!(ask(Vec::new(), 2).await.unwrap(), [10, 11]);
    assert_eq!(ask(vec![user; 33], 0).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn pictures_are_those_of_the_filters() {
    let server = server("devices=2&backlog=0").await;
    let mut client = GatewayClient::new(&server).await;
    let (device, other) = (client.connect_nth(0).await, client.connect_nth(1).await);
    let filters = vec![
        ImageFilter { event_code: 0x1300, schedule_id: 1 },
        ImageFilter { event_code: 0x5001, schedule_id: 1 },
    ];
    let request =
        event::SetImageFilterMultiRequest { device_i_ds: vec![device, other], filters: filters.clone() };
    client.event.set_image_filter_multi(request).await.unwrap();
    let read =
        client.event.get_image_filter(event::GetImageFilterRequest { device_id: other }).await.unwrap();
    assert_eq!(read.into_inner().filters, filters);
    let no_code = vec![ImageFilter { event_code: 0x1_0000, schedule_id: 1 }];
    let request = event::SetImageFilterRequest { device_id: device, filters: no_code };
    assert_eq!(client.event.set_image_filter(request).await.unwrap_err().code(), Code::InvalidArgument);

    make(server.simulator(), device, 500);
    let logs = client.log(device, 0, 0).await.unwrap();
    let with_picture: Vec<u32> = logs.iter().filter(|log| log.has_image).map(|log| log.id).collect();
    assert!(logs.iter().all(|log| log.has_image == (log.event_code == 0x1300)));
    let mut images = async |start_event_id, max_num_of_log| {
        let request = event::GetImageLogRequest { device_id: device, start_event_id, max_num_of_log };
        client.event.get_image_log(request).await.unwrap().into_inner().image_events
    };
    let all = images(0, 0).await;
    assert_eq!(all.iter().map(|image| image.id).collect::<Vec<_>>(), with_picture);
    assert!(all.iter().all(|image| image.jpg_image.starts_with(&[0xFF, 0xD8]) && image.event_code == 0x1300));
    let page = images(with_picture[3], 2).await;
    assert_eq!(page.iter().map(|image| image.id).collect::<Vec<_>>(), with_picture[3..5]);
}

#[tokio::test]
async fn a_device_without_a_camera_refuses_pictures() {
    let server = server("devices=1&images=0").await;
    let mut client = GatewayClient::new(&server).await;
    let device_id = client.connect_nth(0).await;
    let request = event::GetImageLogRequest { device_id, start_event_id: 0, max_num_of_log: 1 };
    assert_eq!(client.event.get_image_log(request).await.unwrap_err().code(), Code::Unimplemented);
    let capability =
        client.device.get_capability(device::GetCapabilityRequest { device_id }).await.unwrap().into_inner();
    assert_eq!(capability.device_capability.unwrap().max_image_logs, 0);
}

#[tokio::test]
async fn a_cleared_log_holds_that_it_was_cleared_and_ids_go_on() {
    let server = server("devices=2&backlog=10").await;
    let mut client = GatewayClient::new(&server).await;
    let (device, other) = (client.connect_nth(0).await, client.connect_nth(1).await);
    client.event.clear_log(event::ClearLogRequest { device_id: device }).await.unwrap();
    let logs = client.log(device, 0, 0).await.unwrap();
    assert_eq!((logs.len(), logs[0].id), (1, 11));
    assert_eq!(logs[0].event_code, u32::from(EventCode::DEVICE_EVENT_LOG_CLEARED.get()));
    let both = event::ClearLogMultiRequest { device_i_ds: vec![device, other] };
    client.event.clear_log_multi(both).await.unwrap();
    assert_eq!((client.ids(device, 0, 0).await, client.ids(other, 0, 0).await), (vec![12], vec![11]));
}

#[tokio::test]
async fn clocks_are_read_and_set() {
    let server = server("devices=1&backlog=10").await;
    let mut client = GatewayClient::new(&server).await;
    let device_id = client.connect_nth(0).await;
    let now = server.simulator().reader(DeviceId::new(device_id)).unwrap().time();
    let read = client.time.get(time::GetRequest { device_id }).await.unwrap().into_inner();
    assert_eq!(read.gmt_time, u64::from(now.as_unix_seconds()));
    client.time.set(time::SetRequest { device_id, gmt_time: 1_600_000_000 }).await.unwrap();
    let set = time::SetMultiRequest { device_i_ds: vec![device_id], gmt_time: 1_600_000_001 };
    client.time.set_multi(set).await.unwrap();
    let reader = server.simulator().reader(DeviceId::new(device_id)).unwrap();
    assert_eq!(reader.time(), Timestamp::from_unix_seconds(1_600_000_001));
    let too_late = time::SetRequest { device_id, gmt_time: 1 << 32 };
    assert_eq!(client.time.set(too_late).await.unwrap_err().code(), Code::InvalidArgument);

    let config = Some(time::TimeConfig { time_zone: 32_400, sync_with_server: true });
    client.time.set_config(time::SetConfigRequest { device_id, config }).await.unwrap();
    let read = client.time.get_config(time::GetConfigRequest { device_id }).await.unwrap();
    assert_eq!(read.into_inner().config, config);
}

#[tokio::test]
async fn working_hours_are_the_events_with_a_key() {
    let server = server("devices=1&backlog=3000").await;
    let mut client = GatewayClient::new(&server).await;
    let device_id = client.connect_nth(0).await;
    let logs = client.log(device_id, 0, 0).await.unwrap();
    let keyed: Vec<_> = logs.iter().filter(|log| log.tna_key > 0).map(|log| (log.id, log.tna_key)).collect();
    let all = tna::GetTnaLogRequest { device_id, ..Default::default() };
    let answer = client.tna.get_tna_log(all).await.unwrap().into_inner().tna_events;
    assert_eq!(answer.iter().map(|log| (log.id, log.tna_key)).collect::<Vec<_>>(), keyed);
    let filter = tna::TnaEventFilter {
        tna_keys: vec![2],
        user_i_ds: vec![answer[0].user_id.clone()],
        ..Default::default()
    };
    let some =
        tna::GetTnaLogRequest { device_id, filter: Some(filter), max_num_of_log: 1, ..Default::default() };
    let some = client.tna.get_tna_log(some).await.unwrap().into_inner().tna_events;
    assert!(some.iter().all(|log| log.tna_key == 2 && log.user_id == answer[0].user_id) && some.len() < 2);
    let jobs = tna::GetJobCodeLogRequest { device_id, start_event_id: keyed[5].0, max_num_of_log: 3 };
    let jobs = client.tna.get_job_code_log(jobs).await.unwrap().into_inner().job_code_events;
    assert_eq!((jobs.len(), jobs[0].id), (3, keyed[5].0));
    assert!(jobs.iter().all(|job| job.job_code > 0));
}

#[tokio::test]
async fn what_gateway_and_readers_are_is_numbered_as_the_version_does() {
    for (api, version, image_field, summer_time_field) in
        [(ApiVersion::UpTo17, "1.7.0", 21, 43), (ApiVersion::From18, "1.8.0", 14, 21)]
    {
        for images in [0, 1] {
            let options = quiet(&format!("devices=1&images={images}")).with_api(api);
            let server = GatewayServer::start(options).await.unwrap();
            let mut client = GatewayClient::new(&server).await;
            let device_id = client.connect_nth(0).await;
            let info = client.admin.get_info(admin::GetInfoRequest {}).await.unwrap().into_inner();
            assert_eq!(info.version, version);
            let request = device::GetCapabilityInfoRequest { device_id };
            let answer = client.device.get_capability_info(request).await.unwrap().into_inner();
            let fields = fields(&answer.cap_info);
            assert_eq!(fields.contains(&image_field), images == 1, "{fields:?}");
            assert!(fields.contains(&summer_time_field), "{fields:?}");
            let request = device::GetCapabilityRequest { device_id };
            let capability = client.device.get_capability(request).await.unwrap().into_inner();
            assert_eq!(capability.device_capability.unwrap().max_image_logs, images * 1_000);
            let info =
                client.device.get_info(device::GetInfoRequest { device_id }).await.unwrap().into_inner();
            assert_eq!(info.info.unwrap().model_name, "simulated reader");
        }
    }
}

#[tokio::test]
async fn paths_of_gateways_before_1_5_lead_to_the_same_services() {
    let server = server("devices=1&backlog=3").await;
    let mut client = GatewayClient::new(&server).await;
    let device_id = client.connect_nth(0).await;
    let request = event::GetLogRequest { device_id, start_event_id: 2, max_num_of_log: 0 };
    let answer: event::GetLogResponse = call(&client, "/event.Event/GetLog", request).await.unwrap();
    assert_eq!(answer.events.iter().map(|log| log.id).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn users_are_answered_with_nothing_and_the_unknown_is_refused() {
    let server = server("devices=1").await;
    let client = GatewayClient::new(&server).await;
    let request = || event::EnableMonitoringRequest { device_id: FIRST };
    for path in
        ["/gsdk.user.User/Get", "/gsdk.user.User/Enroll", "/gsdk.user.User/Delete", "/user.User/Delete"]
    {
        let nothing: connect::GetDeviceListResponse = call(&client, path, request()).await.unwrap();
        assert!(nothing.device_infos.is_empty(), "{path}");
    }
    for path in
        ["/gsdk.user.User/SetCard", "/gsdk.card.Card/Scan", "/gsdk.event.Event/Forge", "/nothing", "/"]
    {
        let refused = call::<_, connect::DisconnectResponse>(&client, path, request()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn faults_of_pages_are_as_they_are_described() {
    let page = async |faults: GatewayFaults| {
        let settings = quiet("devices=1&backlog=100").with_faults(faults);
        let server = GatewayServer::start(settings).await.unwrap();
        let mut client = GatewayClient::new(&server).await;
        let device = client.connect_nth(0).await;
        let mut pages = Vec::new();
        for _ in 0..20 {
            pages.push(client.ids(device, 11, 20).await);
        }
        pages
    };
    let right: Vec<u32> = (11..31).collect();
    assert!(page(GatewayFaults::empty()).await.iter().all(|ids| *ids == right));
    assert!(page(GatewayFaults::EXCLUSIVE).await.iter().all(|ids| ids.iter().copied().eq(12..32)));
    let short = page(GatewayFaults::SHORT).await;
    assert!(short.iter().any(|ids| *ids == right[..10]) && short.contains(&right));
    let shuffled = page(GatewayFaults::UNORDERED).await;
    assert!(shuffled.iter().any(|ids| *ids != right));
    assert!(shuffled.into_iter().all(|mut ids| {
        ids.sort_unstable();
        ids == right
    }));
}

#[tokio::test]
async fn the_same_seed_fails_the_same_calls() {
    let failures = async || {
        let settings = quiet("devices=1&seed=3").with_faults(GatewayFaults::ERROR);
        let server = GatewayServer::start(settings).await.unwrap();
        let mut client = GatewayClient::new(&server).await;
        let mut codes = Vec::new();
        for _ in 0..200 {
            let answer = client.admin.get_info(admin::GetInfoRequest {}).await;
            codes.push(answer.err().map(|status| status.code()));
        }
        codes
    };
    let (once, twice) = (failures().await, failures().await);
    assert_eq!(once, twice);
    let failed = once.iter().flatten().count();
    assert!((2..40).contains(&failed), "{failed}");
}

/// The numbers of the fields of a message.
fn fields(bytes: &[u8]) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let key = prost::encoding::decode_varint(&mut rest).unwrap();
        assert_eq!(key & 7, 0, "every field of capabilities is a number");
        prost::encoding::decode_varint(&mut rest).unwrap();
        numbers.push(key >> 3);
    }
    numbers
}

async fn call<Q, A>(client: &GatewayClient, path: &'static str, request: Q) -> Result<A, tonic::Status>
where
    Q: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    let mut grpc = tonic::client::Grpc::new(client.channel.clone());
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<Q, A>::default();
    let path = PathAndQuery::from_static(path);
    Ok(grpc.unary(tonic::Request::new(request), path, codec).await?.into_inner())
}
