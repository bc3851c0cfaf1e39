//! The cost from the vendor's library to the user, compared with a C program that reads the same array.
//!
//! `cargo bench --features native --bench native` prints medians of interleaved rounds. The library is a minimal one in C,
//! so that its own cost is small.
#![allow(unsafe_code, reason = "the library has C functions")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bs2_events::codec::{DeviceId, Event};
use bs2_events::device::native::{NativeBackend, NativeOptions};
use bs2_events::device::{Client, ClientOptions, Live, Subscription};
use libloading::Library;

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return; // Compiled, and not measured, by `cargo test --benches`.
    }
    let folder = tempfile::tempdir().unwrap();
    let path = build(folder.path());
    // SAFETY: it is the library of this bench.
    let library: &Library = Box::leak(Box::new(unsafe { Library::new(&path).unwrap() }));
    let options = NativeOptions::default().with_library(path).with_device("127.0.0.1:51211".parse().unwrap());
    let backend = Arc::new(NativeBackend::open(options).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();

    println!("{EVENTS} events in one page, {ROUNDS} interleaved rounds, medians");
    for (each_of_its_own, text) in
        [(1, "each answer an array of its own, as the vendor's"), (0, "the same array for every answer")]
    {
        // SAFETY: this is the function's type.
        unsafe { library.get::<extern "C" fn(u32, i32)>("bench_prepare").unwrap()(EVENTS, each_of_its_own) };
        let client = Client::new(backend.clone());
        let (ours, c) = pages(library, &runtime, &client);
        println!("  {text}");
        println!("    the C program                    {c:8.2} ns/event");
        println!("    logs                             {ours:8.2} ns/event");
        println!("    ratio                            {:8.2}", ours / c);
    }

    println!("callback → stream, flat out, {REPORTS} events");
    for capacity in [4_096, 65_536] {
        let options = ClientOptions::default().with_queue_capacity(capacity);
        let client = Client::with_options(backend.clone(), options);
        let mut runs: Vec<_> = (0..ROUNDS).map(|_| runtime.block_on(flat_out(library, &client))).collect();
        runs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (rate, delivered) = runs[runs.len() / 2];
        let part = delivered as f64 / f64::from(REPORTS) * 100.0;
        println!(
            "  {capacity:6} slots  {rate:6.2} M events/s delivered, {part:.0} % of all, none unreported"
        );
    }
    let options = ClientOptions::default();
    let client = Client::with_options(backend.clone(), options);
    let mut latencies = runtime.block_on(bursts(library, &client));
    latencies.sort_unstable();
    let at = |part: usize| latencies[(latencies.len() - 1) * part / 100] / 1_000;
    println!("bursts of {BURST}, {BURSTS} of them: p50 {} µs, p99 {} µs", at(50), at(99));
    runtime.block_on(client.close()).unwrap();
}

/// Nanoseconds per event through `logs`, and in the C program.
fn pages(library: &Library, runtime: &tokio::runtime::Runtime, client: &Client) -> (f64, f64) {
    // SAFETY: this is the function's type.
    let read = unsafe { library.get::<extern "C" fn(u32) -> u64>("bench_read").unwrap() };
    let (mut ours, mut c) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let theirs = black_box(read(EVENTS));
        c.push(begun.elapsed());
        let begun = Instant::now();
        let page = runtime.block_on(client.device(DEVICE).logs(0, EVENTS)).unwrap();
        let sum: u64 = page.iter().map(touch).sum();
        drop(page);
        ours.push(begun.elapsed());
        assert_eq!(sum, theirs);
    }
    (per_event(ours), per_event(c))
}

fn touch(event: &Event) -> u64 {
    u64::from(event.id()) + u64::from(event.code().get()) + u64::from(event.flags().bits())
}

fn per_event(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e9 / f64::from(EVENTS)
}

/// Millions of events per second that reached the stream, and their number. The stream reported the others as lost.
async fn flat_out(library: &'static Library, client: &Client) -> (f64, u64) {
    let mut live = client.subscribe(&[DEVICE]).await.unwrap();
    let consumer = tokio::spawn(async move {
        let (mut delivered, mut lost) = (0_u64, 0_u64);
        let mut begun = None;
        while delivered + lost < u64::from(REPORTS) {
            match live.next().await.unwrap() {
                Live::Event { .. } => delivered += 1,
                Live::Lagged { missed, .. } => lost += missed,
                _ => {}
            }
            begun.get_or_insert_with(Instant::now);
        }
        (delivered, begun.map_or(Duration::ZERO, |begun| begun.elapsed()))
    });
    report(library, REPORTS, false);
    let (delivered, time) = consumer.await.unwrap();
    (delivered as f64 / time.as_secs_f64() / 1e6, delivered)
}

/// Nanoseconds from each callback to the stream.
async fn bursts(library: &'static Library, client: &Client) -> Vec<u64> {
    let mut live = client.subscribe(&[DEVICE]).await.unwrap();
    // SAFETY: this is the function's type.
    let now = unsafe { library.get::<extern "C" fn() -> u64>("bench_now").unwrap() };
    let mut latencies = Vec::new();
    for _ in 0..BURSTS {
        let consumer = tokio::spawn(burst(live, now.clone()));
        report(library, BURST, true);
        let (back, times) = consumer.await.unwrap();
        live = back;
        latencies.extend(times);
    }
    latencies
}

async fn burst(
    mut live: Subscription,
    now: libloading::Symbol<'static, extern "C" fn() -> u64>,
) -> (Subscription, Vec<u64>) {
    let mut times = Vec::new();
    while times.len() < BURST as usize {
        if let Some(Live::Event { event, .. }) = live.next().await {
            let called = event.as_bytes()[12..20].try_into().unwrap();
            times.push(now() - u64::from_le_bytes(called));
        }
    }
    (live, times)
}

/// Calls back on a separate thread, as the library does.
fn report(library: &'static Library, count: u32, timed: bool) {
    thread::spawn(move || {
        // SAFETY: this is the function's type.
        unsafe { library.get::<extern "C" fn(u32, i32)>("bench_report").unwrap()(count, timed.into()) };
    });
}

fn build(folder: &Path) -> PathBuf {
    let path = folder.join("libbench.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/native/library.c");
    let mut command = Command::new(std::env::var_os("CC").unwrap_or("cc".into()));
    command.args(["-O3", "-march=native", "-shared", "-fPIC", "-pthread", "-o"]).arg(&path).arg(source);
    assert!(command.status().unwrap().success());
    path
}

const DEVICE: DeviceId = DeviceId::new(1_000);
const EVENTS: u32 = 1_000_000;
const REPORTS: u32 = 5_000_000;
const BURST: u32 = 1_000;
const BURSTS: u32 = 300;
const ROUNDS: usize = 11;
