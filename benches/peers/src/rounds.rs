//! Rivals that do the same work in turn, round after round.

use std::hint::black_box;
use std::time::Instant;

use crate::four_touches::log;

/// Somebody who does the work, and how long it took in each round.
pub struct Rival<'a, T> {
    pub name: &'static str,
    pub work: Box<dyn Fn() -> T + 'a>,
    /// Nanoseconds a record, one for each round.
    pub times: Vec<f64>,
}

pub fn rival<'a, T>(name: &'static str, work: impl Fn() -> T + 'a) -> Rival<'a, T> {
    Rival { name, work: Box::new(work), times: Vec::new() }
}

/// So many rounds of this many records each.
pub fn run<T>(rivals: &mut [Rival<'_, T>], rounds: usize, records: u32) {
    let mut random = 1;
    for _ in 0..rounds {
        // In another order each round, and each rival once untimed before it is timed: what the one before left in the
        // caches is nobody's burden.
        let mut order: Vec<usize> = (0..rivals.len()).collect();
        order.sort_by_cached_key(|_| log::xorshift(&mut random));
        for at in order {
            black_box((rivals[at].work)());
            let start = Instant::now();
            black_box((rivals[at].work)());
            rivals[at].times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(records));
        }
    }
}

/// The median of the ratios of each round: what slows a whole round down is in both of its times.
pub fn ratio<T>(own: &Rival<'_, T>, base: &Rival<'_, T>) -> f64 {
    median(own.times.iter().zip(&base.times).map(|(own, base)| own / base).collect())
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
