//! The gateway's backend beside tonic and prost as generated: the same server sends both the same encoded bytes, over
//! TLS.
//!
//! `cargo bench --features sim-servers,tls-aws-lc --bench gateway` prints the rates of interleaved rounds, and their ratios.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bs2_events::codec::{DeviceId, Event};
use bs2_events::device::{Client, ClientOptions, Live};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use tokio::sync::Notify;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

#[path = "../tests/support/fake_gateway/mod.rs"]
mod gateway;

use gateway::proto::gsdk::event::event_client::EventClient;
use gateway::proto::gsdk::event::{EventLog, GetLogRequest, SubscribeRealtimeLogRequest};
use gateway::{DEVICE, Fake, message_bytes, response};

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return; // Compiled, and not measured, by `cargo test --benches`.
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fake = Arc::new(Fake::start());
    let go = Arc::new(Notify::new());
    let bytes = serve(&fake, Arc::clone(&go));
    println!(
        "{STREAMED} live events, {PAGES} pages of {PAGE}; {bytes} bytes an event; {ROUNDS} rounds, medians"
    );

    let mut rounds = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        // As tasks, as programs that serve somebody run them.
        let task = |work: BoxFuture<'static, Duration>| runtime.block_on(runtime.spawn(work)).unwrap();
        rounds[0].push(task(generated_stream(Arc::clone(&fake), Arc::clone(&go)).boxed()));
        rounds[1].push(task(own_stream(Arc::clone(&fake), Arc::clone(&go)).boxed()));
        rounds[2].push(task(generated_pages(Arc::clone(&fake)).boxed()));
        rounds[3].push(task(own_pages(Arc::clone(&fake)).boxed()));
    }
    let rate = |events: u32, times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort_unstable();
        f64::from(events) / times[times.len() / 2].as_secs_f64() / 1e3
    };
    let ratio = |theirs: &[Duration], own: &[Duration]| {
        let mut ratios: Vec<f64> =
            theirs.iter().zip(own).map(|(theirs, own)| theirs.as_secs_f64() / own.as_secs_f64()).collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    };
    println!("stream, tonic and prost as generated  {:8.0} k events/s", rate(STREAMED, &rounds[0]));
    println!("stream, bs2-events                    {:8.0} k events/s", rate(STREAMED, &rounds[1]));
    println!("ratio                                 {:8.2}", ratio(&rounds[0], &rounds[1]));
    println!("GetLog, tonic and prost as generated  {:8.0} k events/s", rate(PAGES * PAGE, &rounds[2]));
    println!("GetLog, bs2-events                    {:8.0} k events/s", rate(PAGES * PAGE, &rounds[3]));
    println!("ratio                                 {:8.2}", ratio(&rounds[2], &rounds[3]));
}

/// Lets the server answer with what is encoded and framed already; how long an event is.
fn serve(fake: &Fake, go: Arc<Notify>) -> usize {
    let encoded: Vec<Bytes> = (1..=STREAMED).map(|id| log(id).encode_to_vec().into()).collect();
    let bytes = encoded[STREAMED as usize / 2].len();
    let page = response(encoded.iter().take(PAGE as usize));
    let chunks: Vec<Bytes> = encoded.chunks(CHUNK).map(framed).collect();
    let chunks = Arc::new(chunks);
    fake.state.set_quirk(move |path, _| {
        (path.rsplit('/').next() == Some("GetLog"))
            .then(|| std::future::ready(message_bytes(page.clone())).boxed())
    });
    let body = move |path: &str| {
        (path.rsplit('/').next() == Some("SubscribeRealtimeLog")).then(|| {
            let (go, chunks) = (Arc::clone(&go), Arc::clone(&chunks));
            let frames = stream::once(async move {
                go.notified().await;
                stream::iter(0..chunks.len()).map(move |at| Ok::<_, Status>(Frame::data(chunks[at].clone())))
            });
            // It stays open: its end would be a lost connection.
            Body::new(StreamBody::new(frames.flatten().chain(stream::pending()).boxed()))
        })
    };
    *fake.state.body.lock().unwrap() = Some(Box::new(body));
    bytes
}

/// Messages one after the other, each with gRPC's head before it.
fn framed(messages: &[Bytes]) -> Bytes {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.push(0);
        bytes.extend_from_slice(&(message.len() as u32).to_be_bytes());
        bytes.extend_from_slice(message);
    }
    bytes.into()
}

async fn own_stream(fake: Arc<Fake>, go: Arc<Notify>) -> Duration {
    let options = ClientOptions::default().with_queue_capacity(STREAMED as usize);
    let client = Client::with_options(Arc::new(fake.gateway()), options);
    let mut live = client.subscribe(&[READER]).await.unwrap();
    let begun = Instant::now();
    go.notify_one();
    let mut sum = 0;
    for _ in 0..STREAMED {
        match live.next().await {
            Some(Live::Event { event, .. }) => sum += u64::from(event.id()),
            other => panic!("{other:?}"),
        }
    }
    let time = begun.elapsed();
    assert_eq!(sum, expected(STREAMED));
    client.close().await.unwrap();
    time
}

async fn generated_stream(fake: Arc<Fake>, go: Arc<Notify>) -> Duration {
    let mut client = EventClient::new(channel(&fake).await);
    let request = SubscribeRealtimeLogRequest { queue_size: 16_384, ..Default::default() };
    let mut live = client.subscribe_realtime_log(request).await.unwrap().into_inner();
    let begun = Instant::now();
    go.notify_one();
    let mut sum = 0;
    for _ in 0..STREAMED {
        sum += u64::from(live.message().await.unwrap().unwrap().id);
    }
    let time = begun.elapsed();
    assert_eq!(sum, expected(STREAMED));
    time
}

async fn own_pages(fake: Arc<Fake>) -> Duration {
    let device = Client::new(Arc::new(fake.gateway())).device(READER);
    device.time().await.unwrap();
    let begun = Instant::now();
    for _ in 0..PAGES {
        let page = device.logs(0, PAGE).await.unwrap();
        assert_eq!(page.iter().map(Event::id).map(u64::from).sum::<u64>(), expected(PAGE));
    }
    begun.elapsed()
}

async fn generated_pages(fake: Arc<Fake>) -> Duration {
    let mut client = EventClient::new(channel(&fake).await).max_decoding_message_size(64 << 20);
    let begun = Instant::now();
    for _ in 0..PAGES {
        let request = GetLogRequest { device_id: DEVICE, start_event_id: 1, max_num_of_log: PAGE };
        let page = client.get_log(request).await.unwrap().into_inner();
        assert_eq!(page.events.iter().map(|log| u64::from(log.id)).sum::<u64>(), expected(PAGE));
    }
    begun.elapsed()
}

async fn channel(fake: &Fake) -> Channel {
    let ca = Certificate::from_pem(std::fs::read(fake.file("ca.crt")).unwrap());
    let endpoint = Endpoint::from_shared(format!("https://{}", fake.address)).unwrap();
    endpoint.tls_config(ClientTlsConfig::new().ca_certificate(ca)).unwrap().connect().await.unwrap()
}

/// What readers report most: somebody is let in.
fn log(id: u32) -> EventLog {
    EventLog {
        id: 1_000_000 + id,
        timestamp: 1_700_000_000 + id,
        device_id: DEVICE,
        user_id: (10_000 + id % 4_000).to_string(),
        event_code: 0x1000,
        sub_code: 4,
        tna_key: 1,
        ..Default::default()
    }
}

fn expected(events: u32) -> u64 {
    (1..=u64::from(events)).map(|id| 1_000_000 + id).sum()
}

const READER: DeviceId = DeviceId::new(DEVICE);
const STREAMED: u32 = 1_000_000;
/// Messages in a frame of HTTP/2, as gateways send them when they are busy.
const CHUNK: usize = 400;
const PAGES: u32 = 100;
const PAGE: u32 = 10_000;
const ROUNDS: usize = 7;
