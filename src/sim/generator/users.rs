//! Who works in the office.

use crate::Result;
use crate::codec::UserId;
use crate::sim::rng::SeededRng;

/// The user ids of a seed, shared by all its readers: all lengths from 1 to 32 bytes, most of them numbers, some
/// badges, mail addresses and names in other scripts.
pub(in crate::sim) fn people(seed: u64) -> Result<Box<[UserId]>> {
    let mut dice = SeededRng::new(seed, STREAM);
    (0..PEOPLE).map(|index| Ok(UserId::new(user_id(index, &mut dice))?)).collect()
}

fn user_id(index: u32, dice: &mut SeededRng) -> String {
    // The first ones make sure of every length, whatever the seed.
    if index < EVERY_LENGTH {
        return of_length(index % 32 + 1, dice);
    }
    match dice.below(100) {
        0..55 => (1_000 + index).to_string(),
        55..70 => format!("{}{index:07}", dice.pick(&["A", "B-", "EXT", "v"])),
        70..84 => format!("{}.{}{index}@example.com", dice.pick(&FIRST_NAMES), dice.pick(&LAST_NAMES)),
        84..92 => format!("{} {index}", dice.pick(&OTHER_SCRIPTS)),
        _ => of_length(32, dice),
    }
}

fn of_length(length: u32, dice: &mut SeededRng) -> String {
    (0..length).map(|_| char::from(dice.pick(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"))).collect()
}

/// Not the number of any reader.
const STREAM: u64 = u64::MAX;
const PEOPLE: u32 = 4_096;
const EVERY_LENGTH: u32 = 128;
const FIRST_NAMES: [&str; 8] = ["anna", "jan", "sofia", "omar", "mei", "lucas", "zoe", "ivo"];
const LAST_NAMES: [&str; 8] = ["novak", "kim", "silva", "haddad", "weber", "rossi", "dubois", "sato"];
const OTHER_SCRIPTS: [&str; 6] = ["Zoë Müller", "김민준", "Иванова", "王芳", "Ångström", "محمد"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_length_from_1_to_32_bytes_occurs_for_any_seed() {
        for seed in [0, 1, u64::MAX] {
            let lengths: BTreeSet<usize> =
                people(seed).unwrap().iter().map(|user| user.as_bytes().len()).collect();
            assert_eq!(lengths, (1..=32).collect());
        }
    }

    #[test]
    fn thousands_of_ids_are_text_and_differ() {
        let people = people(1).unwrap();
        let ids: BTreeSet<&str> = people.iter().map(|user| user.as_text().unwrap()).collect();
        assert!(ids.len() > 4_000, "{}", ids.len());
        assert!(ids.iter().any(|id| !id.is_ascii()));
        assert!(ids.iter().any(|id| id.contains('@')));
    }
}
