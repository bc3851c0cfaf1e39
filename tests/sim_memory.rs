//! A thousand idle readers in one process: what each of them costs. Alone in its file, because it counts every
//! allocation of the process.
#![cfg(feature = "sim")]
#![allow(unsafe_code)] // An allocator cannot be written without.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use bs2_events::device::Client;
use bs2_events::sim::Simulator;

#[test]
fn an_idle_reader_with_its_backlog_and_a_subscription_takes_at_most_64_kib() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let before = ALLOCATED.load(Ordering::Relaxed);
    let simulator = Simulator::new("devices=1000").unwrap();
    let client = Client::new(simulator.backend());
    let subscriptions: Vec<_> = simulator
        .device_ids()
        .into_iter()
        .map(|device| runtime.block_on(client.subscribe(&[device])).unwrap())
        .collect();
    let each = (ALLOCATED.load(Ordering::Relaxed) - before) / subscriptions.len();
    println!("{each} bytes a reader");
    assert!((48_000..=65_536).contains(&each), "{each} bytes");
}

/// The system's allocator, with a counter of the bytes that are in use.
struct Counting;

// SAFETY: every call goes to the system's allocator as it came; the counter touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(address, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
