//! Seeded random numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One stream of random numbers: the same for the same seed and stream on every machine.
///
/// It draws whole numbers only, and the arithmetic is written here, so that a newer version of a library cannot change
/// the events of an old seed.
pub(super) struct SeededRng(ChaCha8Rng);

impl SeededRng {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A number from 0 to `limit - 1`; 0 for a `limit` of 0.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        // The upper half of a product with a number of 32 bits is always below `limit`.
        ((u64::from(self.0.next_u32()) * u64::from(limit)) >> 32) as u32
    }

    /// True in `n` of a thousand cases.
    pub(super) fn per_mille(&mut self, n: u32) -> bool {
        self.below(1_000) < n
    }

    /// One of the items.
    pub(super) fn pick<T: Copy, const N: usize>(&mut self, items: &[T; N]) -> T {
        const { assert!(N > 0) };
        items[self.below(N as u32) as usize]
    }

    /// One of the items, by weight.
    pub(super) fn weighted<T: Copy, const N: usize>(&mut self, items: &[(u32, T); N]) -> T {
        const { assert!(N > 0) };
        let mut roll = self.below(items.iter().map(|(weight, _)| weight).sum());
        for &(weight, item) in items {
            match roll.checked_sub(weight) {
                Some(rest) => roll = rest,
                None => return item,
            }
        }
        items[N - 1].1
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let numbers = |seed, stream| {
            let mut rng = SeededRng::new(seed, stream);
            std::array::from_fn::<_, 20, _>(|_| rng.below(1_000_000))
        };
        assert_eq!(numbers(1, 2), numbers(1, 2));
        assert_ne!(numbers(1, 2), numbers(1, 3));
        assert_ne!(numbers(1, 2), numbers(2, 2));
    }

    #[test]
    fn weights_are_kept_and_an_item_without_weight_is_never_picked() {
        let mut rng = SeededRng::new(7, 0);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[rng.weighted(&[(3, 0), (0, 1), (1, 2)])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((7_200..7_800).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn stays_below_its_limit() {
        let mut rng = SeededRng::new(1, 1);
        assert_eq!(rng.below(0), 0);
        assert!((0..1_000).all(|_| rng.below(3) < 3));
    }
}
