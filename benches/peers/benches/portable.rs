//! Portable blobs read by every rival, in turn, round after round; prints one table.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml --bench portable -- 31` runs 31 rounds.

use std::hint::black_box;

use bs2_events_peers::portable::{self, with_deku, with_nom, with_prost};
use bs2_events_peers::rounds::{self, median, ratio, rival};

fn main() {
    let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(15);
    let blobs = portable::blobs(BLOBS);
    let mut bytes = Vec::new();
    blobs.iter().for_each(|blob| blob.encode(&mut bytes));
    let messages = with_prost::messages(&blobs);

    let mut rivals = [
        rival("bs2-events", || portable::read(black_box(&bytes))),
        rival("nom 8 by itself", || with_nom::read(black_box(&bytes))),
        rival("deku 0.20", || with_deku::read(black_box(&bytes))),
        rival("prost 0.14", || with_prost::read(black_box(&messages))),
    ];
    let expected = portable::read(&bytes);
    assert_eq!(expected.ids, u64::from(BLOBS) * u64::from(BLOBS + 1) / 2);
    assert!(expected.job_codes > 0 && expected.hundredths > 0 && expected.image_ends > 0);
    for rival in &rivals {
        assert_eq!((rival.work)(), expected, "{}", rival.name);
    }
    rounds::run(&mut rivals, rounds, BLOBS);

    println!(
        "\n{BLOBS} blobs of {} bytes, {rounds} rounds; ratios are the medians of each round's\n",
        bytes.len()
    );
    println!("| portable blobs | ns/blob | × bs2-events |\n|---|---:|---:|");
    let [ours, ..] = &rivals;
    for rival in &rivals {
        println!("| {} | {:.1} | {:.2} |", rival.name, median(rival.times.clone()), ratio(rival, ours));
    }
}

const BLOBS: u32 = 200_000;
