//! The gateway's backend with gateways that behave badly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bs2_events::codec::blob::EventMask;
use bs2_events::codec::{DeviceId, Event, Temperature};
use bs2_events::device::backend::Backend;
use bs2_events::device::gateway::{Gateway, GatewayOptions};
use bs2_events::device::{Client, ClientOptions, Live, Subscription};
use bs2_events::tls::{ClientIdentity, Trust};
use bs2_events::{ErrorKind, RetryPolicy};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use prost::Message;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::fake_gateway::certificates::Certificates;
use crate::fake_gateway::proto::google::rpc;
use crate::fake_gateway::proto::gsdk::{err, event, login};
use crate::fake_gateway::{DEVICE, Fake, Reply, message, message_bytes, response};

#[tokio::test(flavor = "multi_thread")]
async fn one_frame_an_event_and_a_sleeping_consumer_do_not_cost_the_connection() {
    let fake = Fake::start();
    let client = client(&fake);
    let mut live = client.device(READER).subscribe().await.unwrap();
    // The test does not read them yet. They are far more small frames than a connection may hold unread.
    fake.state.make_events(EVENTS);
    let mut counted = 0;
    while counted < u64::from(EVENTS) {
        match next(&mut live).await {
            Live::Event { .. } => counted += 1,
            Live::Lagged { missed, .. } => counted += missed,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(counted, u64::from(EVENTS));
    assert_eq!(fake.state.called("SubscribeRealtimeLog"), 1, "the connection was lost");
    // And what was lost is in the log.
    assert_eq!(client.device(READER).newest_id(0).await.unwrap(), Some(EVENTS));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_records_in_one_response_are_read() {
    let fake = Fake::start();
    let whole = response((1..=200_000).map(|id| log(id).encode_to_vec().into()).collect::<Vec<_>>().iter());
    quirk(&fake, "GetLog", move |_| message_bytes(whole.clone()));
    let device = client(&fake).device(READER);
    let page = device.logs(199_990, 100).await.unwrap();
    assert_eq!(ids(&page), (199_991..=200_000).collect::<Vec<_>>());
    assert_eq!(device.logs(0, 5).await.unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_begin_after_the_start_lose_nothing() {
    let fake = Fake::start();
    fake.state.make_events(50);
    let state = Arc::clone(&fake.state);
    quirk(&fake, "GetLog", move |request| {
        let request = event::GetLogRequest::decode(request).unwrap();
        message_bytes(state.page(request.start_event_id + 1, request.max_num_of_log))
    });
    assert_eq!(walk(&fake, 7).await, (1..=50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn short_and_disordered_pages_lose_nothing() {
    for cap in [1, 2, 3] {
        let fake = Fake::start();
        fake.state.make_events(50);
        let state = Arc::clone(&fake.state);
        quirk(&fake, "GetLog", move |request| {
            let request = event::GetLogRequest::decode(request).unwrap();
            let page = state.page(request.start_event_id, request.max_num_of_log.min(cap));
            let mut page = event::GetLogResponse::decode(page).unwrap();
            page.events.reverse();
            message(&page)
        });
        assert_eq!(walk(&fake, 7).await, (1..=50).collect::<Vec<_>>(), "pages of {cap}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_and_values_change_nothing() {
    let fake = Fake::start();
    let mut bytes = vec![0xA3, 0x01, 0x08, 0x01, 0xA4, 0x01];
    let strange = event::EventLog { event_code: 0xFF00, sub_code: 0xEE, tna_key: 77, ..log(1) };
    bytes.extend(strange.encode_to_vec());
    prost::encoding::bytes::encode(4_000, &vec![1; 300], &mut bytes);
    fake.state.make_encoded(1, bytes.into());
    let page = client(&fake).device(READER).logs(0, 10).await.unwrap();
    assert_eq!((page[0].id(), page[0].code().get(), page[0].param()), (1, 0xFFEE, 77));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_an_error_that_says_so_after_what_does() {
    let fake = Fake::start();
    fake.state.make(log(1));
    fake.state.make(event::EventLog { user_id: "8".repeat(33), ..log(2) });
    fake.state.make(log(3));
    let device = client(&fake).device(READER);
    assert_eq!(ids(&device.logs(0, 10).await.unwrap()), [1]);
    let error = device.logs(1, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("event 2: field `userID`"), "{error}");
    assert!(!format!("{error:?}").contains("888"), "{error:?}");
    assert_eq!(ids(&device.logs(2, 10).await.unwrap()), [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_not_hidden_by_what_did_not_fit_before_it() {
    let fake = Fake::start();
    for id in 1..=5 {
        let user_id = if id % 2 == 0 { "8".repeat(33) } else { "17".to_owned() };
        fake.state.make(event::EventLog { user_id, ..log(id) });
    }
    let device = client(&fake).device(READER);
    // The response begins with event 2, which the caller knows already.
    assert_eq!(ids(&device.logs(2, 10).await.unwrap()), [3]);
    assert_eq!(device.logs(3, 10).await.unwrap_err().unreadable_event(), Some(4));
    assert_eq!(ids(&device.logs(4, 10).await.unwrap()), [5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn temperatures_are_extras_of_their_events() {
    let fake = Fake::start();
    fake.state.make(event::EventLog { temperature: 3_655, ..log(1) });
    fake.state.make(log(2));
    let device = client(&fake).device(READER);
    let blobs = device.blobs(0, 10, EventMask::TEMPERATURE).await.unwrap();
    let temperatures: Vec<_> = blobs.iter().map(|blob| (blob.head().id(), blob.temperature())).collect();
    assert_eq!(temperatures, [(1, Some(Temperature::from_hundredths(3_655)))]);
    let mut live = device.subscribe().await.unwrap();
    fake.state.make(event::EventLog { temperature: 3_700, ..log(3) });
    assert!(matches!(
        next(&mut live).await,
        Live::Event { extras: Some(extras), .. }
            if extras.temperature == Some(Temperature::from_hundredths(3_700))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_message_are_an_error_that_names_field_and_offset() {
    let fake = Fake::start();
    quirk(&fake, "GetLog", |_| message_bytes(Bytes::from_static(&[0x0A, 2, 0x22, 9])));
    let error = client(&fake).device(READER).logs(0, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("field `userID` at offset 4"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_call_ends_at_its_deadline() {
    let fake = Fake::start();
    fake.state.set_quirk(|path, _| path.ends_with("GetLog").then(|| std::future::pending().boxed()));
    let options = fake.options().with_deadline(Duration::from_millis(50));
    let gateway = Gateway::new(options).unwrap();
    gateway.connect(READER).await.unwrap();
    let error = gateway.logs(READER, 0, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    // The connection is as good as before.
    assert_eq!(gateway.devices().await.unwrap().devices, [READER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_responds_ends_at_the_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fake = Fake::start();
    let options = GatewayOptions::new(listener.local_addr().unwrap().to_string())
        .with_trust(Trust::ca_file(fake.file("ca.crt")))
        .with_deadline(Duration::from_millis(50));
    let error = Gateway::new(options).unwrap().devices().await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_silent_until_its_first_event_holds_nothing_up() {
    let fake = Fake::start();
    fake.state.make_events(3);
    // Like a gateway in Go: it sends the headers of the response with the first message.
    fake.state.set_quirk(|path, _| path.contains("Subscribe").then(|| std::future::pending().boxed()));
    let client = client(&fake);
    let _live = client.device(READER).subscribe().await.unwrap();
    assert_eq!(client.device(READER).newest_id(0).await.unwrap(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_restarts_is_reported_in_the_stream_and_used_again() {
    let mut fake = Fake::start();
    let client = client(&fake);
    let mut live = client.device(READER).subscribe().await.unwrap();
    fake.state.make_events(1);
    assert!(matches!(next(&mut live).await, Live::Event { event, .. } if event.id() == 1));
    fake.restart();
    assert_eq!(next(&mut live).await, Live::Resumed { device: READER });
    assert_eq!(fake.state.called("Connect"), 2, "the reader was not added again");
    assert!(fake.state.called("EnableMonitoring") >= 2, "monitoring was not enabled again");
    fake.state.make_events(1);
    assert!(matches!(next(&mut live).await, Live::Event { event, .. } if event.id() == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_well_or_badly_is_opened_again() {
    for status in [None, Some(Status::unavailable("going away"))] {
        let fake = Fake::start();
        let client = client(&fake);
        let mut live = client.device(READER).subscribe().await.unwrap();
        fake.state.end_live(status);
        assert_eq!(next(&mut live).await, Live::Resumed { device: READER });
        fake.state.make_events(1);
        assert!(matches!(next(&mut live).await, Live::Event { event, .. } if event.id() == 1));
        assert_eq!(fake.state.called("SubscribeRealtimeLog"), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_falls_silent_is_given_up_and_tried_again() {
    let fake = Fake::start();
    let mut calls = 0;
    fake.state.set_quirk(move |path, _| {
        calls += u32::from(path.ends_with("GetDeviceList"));
        (path.ends_with("GetDeviceList") && calls == 3).then(|| std::future::pending().boxed())
    });
    let options = fake.options().with_heartbeat(Duration::from_millis(100));
    let client = Client::with_options(Arc::new(Gateway::new(options).unwrap()), client_options());
    let mut live = client.device(READER).subscribe().await.unwrap();
    assert_eq!(next(&mut live).await, Live::Resumed { device: READER });
    assert_eq!(fake.state.called("SubscribeRealtimeLog"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribes_before_it_enables() {
    let fake = Fake::start();
    let _live = client(&fake).device(READER).subscribe().await.unwrap();
    let calls = fake.state.calls.lock().unwrap();
    let at = |name: &str| calls.iter().position(|path| path.ends_with(name)).unwrap();
    assert!(at("SubscribeRealtimeLog") < at("EnableMonitoring"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_is_refused() {
    let (fake, other) = (Fake::start(), Fake::start());
    let gateway = Gateway::new(fake.options().with_trust(Trust::ca_file(other.file("ca.crt")))).unwrap();
    let error = gateway.devices().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CertificateRefused, "{error:?}");
    let gateway = Gateway::new(fake.options().with_trust(Trust::pin_file(other.file("server.crt")))).unwrap();
    assert_eq!(gateway.devices().await.unwrap_err().kind(), ErrorKind::CertificateRefused);
    let any = fake.options().with_trust(Trust::danger_accept_any_certificate());
    assert_eq!(Gateway::new(any).unwrap().devices().await.unwrap().devices, [READER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_not_there_is_named_and_not_lost() {
    let mut fake = Fake::start();
    fake.stop();
    let error = fake.gateway().devices().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    let expected = format!("cannot connect to the gateway at {}: ", fake.address);
    assert!(error.to_string().contains(&expected), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_host_needs_its_name_or_a_pin() {
    let fake = Fake::with_certificates(&Certificates::of("gateway", &["gateway.example"]));
    let error = fake.gateway().devices().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CertificateRefused, "{error:?}");
    let named = Gateway::new(fake.options().with_server_name("gateway.example")).unwrap();
    assert_eq!(named.devices().await.unwrap().devices, [READER]);
    let pinned = Gateway::new(fake.options().with_trust(Trust::pin_file(fake.file("server.crt")))).unwrap();
    assert_eq!(pinned.devices().await.unwrap().devices, [READER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_with_the_authoritys_own_name_is_accepted() {
    let fake = Fake::with_certificates(&Certificates::with_the_authoritys_name());
    assert_eq!(fake.gateway().devices().await.unwrap().devices, [READER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_gateway_gets_the_certificate_and_the_token_and_is_logged_in_again() {
    let fake = Fake::with_certificates(&Certificates::usual().with_tenant());
    let error = fake.gateway().devices().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::CertificateRefused | ErrorKind::Disconnected), "{error:?}");

    let logins = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&logins);
    fake.state.set_quirk(move |path, request| {
        let reply: Option<Reply> = match path.split_once('|') {
            None if path.ends_with("Login") => {
                let request = login::LoginRequest::decode(&**request).unwrap();
                assert!(request.tenant_cert.contains("BEGIN CERTIFICATE"));
                assert!(!request.tenant_cert.contains("PRIVATE KEY"));
                let token = format!("token {}", count.fetch_add(1, Ordering::Relaxed) + 1);
                Some(message(&login::LoginResponse { jwt_token: token }))
            }
            // The first token is good for nothing but the list.
            Some(("token 1", path)) if path.ends_with("GetLog") => Some(Err(Status::unauthenticated("old"))),
            Some(_) => None,
            None => Some(Err(Status::unauthenticated("no token"))),
        };
        reply.map(|reply| std::future::ready(reply).boxed())
    });
    fake.state.make_events(3);
    let options = fake
        .options()
        .with_client_identity(ClientIdentity::from_files(fake.file("tenant.crt"), fake.file("tenant.key")))
        .with_master("north");
    let gateway = Gateway::new(options).unwrap();
    gateway.connect(READER).await.unwrap();
    assert_eq!(gateway.logs(READER, 0, 10).await.unwrap().len(), 3);
    assert_eq!(logins.load(Ordering::Relaxed), 2);
    assert!(!format!("{gateway:?}").contains("token "));
    let calls = fake.state.calls.lock().unwrap();
    assert!(calls.iter().any(|path| path.ends_with("/gsdk.connect_master.ConnectMaster/Connect")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_many_readers_tells_which_failed() {
    let fake = Fake::start();
    fake.state.set_quirk(|path, _| {
        path.ends_with("ClearLogMulti").then(|| {
            let failed = err::ErrorResponse { device_id: 7, code: 14, msg: "Mr Smith is not there".into() };
            let value = err::MultiErrorResponse { device_errors: vec![failed] }.encode_to_vec().into();
            let type_url = "type.googleapis.com/gsdk.err.MultiErrorResponse".into();
            let details = vec![rpc::Detail { type_url, value }];
            let details = rpc::Status { code: 2, message: String::new(), details }.encode_to_vec();
            let status = Status::with_details(Code::Unknown, "some failed", details.into());
            std::future::ready(Err(status)).boxed()
        })
    });
    let errors = fake.gateway().admin().clear_logs(&[READER, DeviceId::new(7)]).await.unwrap();
    let failed: Vec<_> = errors.iter().map(|error| (error.device(), error.kind())).collect();
    assert_eq!(failed, [(Some(DeviceId::new(7)), ErrorKind::Disconnected)]);
    assert!(!format!("{errors:?}").contains("Smith"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_before_it_was_missed_is_enabled_again() {
    let fake = Fake::start();
    let mut live = client(&fake).device(READER).subscribe().await.unwrap();
    fake.state.tell(1);
    while fake.state.called("EnableMonitoring") < 2 {
        tokio::task::yield_now().await;
    }
    fake.state.make_events(1);
    assert!(matches!(next(&mut live).await, Live::Event { event, .. } if event.id() == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_found_whichever_way_the_start_is_taken() {
    for exclusive in [0, 1] {
        let fake = Fake::start();
        let picture =
            |id| event::ImageLog { id, jpg_image: vec![0xFF, id as u8].into(), ..Default::default() };
        let pictures: Vec<_> = [2, 5, 9].map(picture).into();
        quirk(&fake, "GetImageLog", move |request| {
            let request = event::GetImageLogRequest::decode(request).unwrap();
            let wanted = pictures.iter().filter(|picture| picture.id >= request.start_event_id + exclusive);
            let image_events = wanted.take(request.max_num_of_log as usize).cloned().collect();
            message(&event::GetImageLogResponse { image_events })
        });
        fake.state.make_events(10);
        let device = client(&fake).device(READER);
        assert_eq!(device.image_log(5).await.unwrap(), [0xFF, 5].as_slice());
        assert_eq!(device.image_log(6).await.unwrap_err().kind(), ErrorKind::NotFound);
        let images = device.image_logs(2, 10).await.unwrap();
        let found: Vec<_> = images.iter().map(|image| (image.event.id(), image.event.timestamp())).collect();
        let time = |id: u32| bs2_events::codec::Timestamp::from_unix_seconds(1_700_000_000 + id);
        assert_eq!(found, [(5, time(5)), (9, time(9))]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_is_used_only_if_the_options_say_so() {
    let fake = Fake::start();
    let error = Gateway::new(fake.options().danger_with_plaintext()).unwrap().devices().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected, "{error:?}");
}

const READER: DeviceId = DeviceId::new(DEVICE);
const EVENTS: u32 = 100_000;
const PATIENCE: Duration = Duration::from_secs(30);

fn client(fake: &Fake) -> Client {
    Client::with_options(Arc::new(fake.gateway()), client_options())
}

fn client_options() -> ClientOptions {
    let policy =
        RetryPolicy::default().with_first(Duration::from_millis(5)).with_longest(Duration::from_millis(20));
    ClientOptions::default().with_retry(policy)
}

/// Answers one call, by the last part of its path, in a way of its own.
fn quirk(fake: &Fake, name: &'static str, mut reply: impl FnMut(&[u8]) -> Reply + Send + 'static) {
    fake.state.set_quirk(move |path, request| {
        (path.rsplit('/').next() == Some(name)).then(|| std::future::ready(reply(request)).boxed())
    });
}

/// All ids, read in pages until an empty one.
async fn walk(fake: &Fake, max: u32) -> Vec<u32> {
    let device = client(fake).device(READER);
    let pages = stream::unfold((device, 0), move |(device, after)| async move {
        let page = device.logs(after, max).await.unwrap();
        page.last().map(Event::id).map(|last| (ids(&page), (device, last)))
    });
    pages.concat().await
}

async fn next(live: &mut Subscription) -> Live {
    timeout(PATIENCE, live.next()).await.expect("the stream is silent").expect("the stream has ended")
}

fn log(id: u32) -> event::EventLog {
    let (timestamp, user_id) = (1_700_000_000 + id, "17".to_owned());
    event::EventLog { id, timestamp, device_id: DEVICE, user_id, event_code: 0x1000, ..Default::default() }
}

fn ids(page: &[Event]) -> Vec<u32> {
    page.iter().map(Event::id).collect()
}
