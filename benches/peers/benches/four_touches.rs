//! The four touches of a million events by every rival, in turn, round after round; prints one table.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml --bench four_touches -- 31` runs 31 rounds.

use std::hint::black_box;

use bs2_events_peers::four_touches::{self, Touches, log, read_as_u64};
use bs2_events_peers::rounds::{self, Rival, median, ratio, rival};
use bs2_events_peers::{with_binrw, with_c, with_nom, with_prost};

fn main() {
    let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(15);
    let bytes = log::bytes(EVENTS);
    let (each, answer) = (with_prost::each(&bytes), with_prost::answer(&bytes));
    let (user, name) = (log::user(), "1001");

    let mut rivals = [
        rival("read the bytes as u64 (the limit)", || {
            black_box(read_as_u64(black_box(&bytes)));
            None
        }),
        rival("bs2-events", || Some(four_touches::touch(black_box(&bytes), &user))),
        rival("C -O3", || Some(with_c::touch(black_box(&bytes), &user))),
        rival("bs2-events, two at once", || Some(four_touches::touch_two_at_once(black_box(&bytes), &user))),
        rival("C -O3, two at once", || Some(with_c::touch_two(black_box(&bytes), &user))),
        rival("nom 8", || Some(with_nom::touch(black_box(&bytes), &user))),
        rival("binrw 0.15", || Some(with_binrw::touch(black_box(&bytes), &user))),
        rival("prost 0.14, one by one", || Some(with_prost::touch_each(black_box(&each), name))),
        rival("prost 0.14, one answer", || Some(with_prost::touch_answer(black_box(&answer), name))),
    ];
    let expected = four_touches::touch(&bytes, &user);
    assert!(expected.sums.of_user > 0 && expected.sums.ids == u64::from(EVENTS) * u64::from(EVENTS + 1) / 2);
    for rival in &rivals {
        assert_eq!((rival.work)().unwrap_or_else(|| expected.clone()), expected, "{}", rival.name);
    }

    rounds::run(&mut rivals, rounds, EVENTS);
    print(&rivals);
}

fn print(rivals: &[Rival<'_, Option<Touches>>]) {
    let [limit, ours, c, two, two_c, nom, binrw, each, answer] = rivals else { unreachable!("nine rivals") };
    println!("\n{EVENTS} events, {} rounds; ratios are the medians of each round's\n", limit.times.len());
    println!("| four touches | ns/event | × reading the bytes | × C -O3 | × bs2-events, two at once |");
    println!("|---|---:|---:|---:|---:|");
    for rival in rivals {
        let [bytes, c, two] = [limit, c, two].map(|base| ratio(rival, base));
        let time = median(rival.times.clone());
        println!("| {} | {time:.2} | {bytes:.2} | {c:.2} | {two:.2} |", rival.name);
    }
    println!("\n| bar | measured | |\n|---|---:|---|");
    let [at_most, less, at_least]: [fn(&f64, &f64) -> bool; 3] = [f64::le, f64::lt, f64::ge];
    for (bar, ratio, holds, limit) in [
        ("bs2-events ≤ 1.2 × reading the bytes", ratio(ours, limit), at_most, 1.2),
        ("two at once ≤ 1.2 × reading the bytes", ratio(two, limit), at_most, 1.2),
        ("bs2-events < C -O3", ratio(ours, c), less, 1.0),
        ("two at once < C -O3, two at once", ratio(two, two_c), less, 1.0),
        ("nom ≥ 3.5 × two at once", ratio(nom, two), at_least, 3.5),
        ("binrw ≥ 5 × two at once", ratio(binrw, two), at_least, 5.0),
        ("prost, one by one ≥ 20 × two at once", ratio(each, two), at_least, 20.0),
        ("prost, one answer ≥ 20 × two at once", ratio(answer, two), at_least, 20.0),
    ] {
        println!(
            "| {bar} | {ratio:.2} | {} |",
            if holds(&ratio, &limit) { "holds" } else { "does not hold" }
        );
    }
}

const EVENTS: u32 = 1_000_000;
