//! The codec by itself. Its rivals are in `benches/peers`; `benches/README.md` keeps the last results.

use std::hint::black_box;

use bs2_events::codec::{DeviceId, Event, EventCode, Subject, UserId};
use criterion::{Criterion, Throughput};

// Public for the package of the rivals, which has the same file.
#[allow(unreachable_pub)]
mod four_touches;

use four_touches::{log, read_as_u64, touch, touch_two_at_once};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let million = log::bytes(1_000_000);
    casts(&mut criterion, &million);
    user_ids(&mut criterion);
    searches(&mut criterion, &million);
    touches(&mut criterion, &million);
    criterion.final_summary();
}

/// The time must not depend on the number of events.
fn casts(criterion: &mut Criterion, million: &[u8]) {
    let mut group = criterion.benchmark_group("bytes to events");
    for (name, bytes) in [("1 event", &million[..Event::SIZE]), ("1 M events", million)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| Event::slice_from_bytes(black_box(bytes)).map(<[_]>::len));
        });
    }
    group.finish();
}

/// The user ids of a thousand events as text; the time is that of all of them, so a microsecond is a nanosecond each.
fn user_ids(criterion: &mut Criterion) {
    let mut random = 1;
    let mut digits = |count: u64| -> String {
        (0..count).map(|_| char::from(b'0' + (log::xorshift(&mut random) % 10) as u8)).collect()
    };
    let mut group = criterion.benchmark_group("a thousand user ids as text");
    group.throughput(Throughput::Elements(1_000));
    for (name, lengths) in
        [("4 digits", 4..=4), ("8 digits", 8..=8), ("1 to 12 digits", 1..=12), ("32 digits", 32..=32)]
    {
        let events: Vec<Event> =
            lengths.clone().cycle().take(1_000).map(|length| event_of(&digits(length))).collect();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for event in black_box(&events) {
                    black_box(event.user_id().and_then(UserId::as_text));
                }
            });
        });
    }
    group.finish();
}

/// One user's events in a million, by both ways to ask.
fn searches(criterion: &mut Criterion, million: &[u8]) {
    let (user, (events, _)) = (log::user(), Event::slice_from_prefix(million));
    let mut group = criterion.benchmark_group("search of 1 M events");
    group.throughput(Throughput::Elements(1_000_000)).sample_size(20);
    group.bench_function("is_of_user", |bencher| {
        bencher.iter(|| black_box(events).iter().filter(|event| event.is_of_user(&user)).count());
    });
    group.bench_function("user_id", |bencher| {
        bencher.iter(|| black_box(events).iter().filter(|event| event.user_id() == Some(&user)).count());
    });
    group.finish();
}

fn touches(criterion: &mut Criterion, million: &[u8]) {
    let user = log::user();
    let mut group = criterion.benchmark_group("four touches of 1 M events");
    group.throughput(Throughput::Elements(1_000_000)).sample_size(20);
    group.bench_function("read the bytes as u64", |bencher| bencher.iter(|| read_as_u64(black_box(million))));
    group.bench_function("bs2-events", |bencher| bencher.iter(|| touch(black_box(million), &user)));
    group.bench_function("bs2-events, two at once", |bencher| {
        bencher.iter(|| touch_two_at_once(black_box(million), &user));
    });
    group.finish();
}

fn event_of(id: &str) -> Event {
    let user = UserId::new(id).unwrap();
    Event::builder(DeviceId::new(1), 1, EventCode::IDENTIFY_SUCCESS).subject(Subject::User(&user)).build()
}
