//! What goes wrong.

use bitflags::bitflags;

use super::options::invalid;
use crate::Result;

bitflags! {
    /// What goes wrong. Faults change how events are given, never the events.
    ///
    /// | fault | as text | what happens |
    /// |---|---|---|
    /// | `DROP` | `drop` | one live event of 20 is not reported, and nothing says so |
    /// | `DISCONNECT` | `disconnect` | of 300 live events and 300 calls one loses the connection, before or after the work is done; up to two tries to connect then fail |
    /// | `REPEAT` | `repeat` | one answer of five begins with the event before the ones that were asked for, and one live event of 20 comes twice |
    /// | `REORDER` | `reorder` | one live event of 20 comes after the next one |
    /// | `SLOW` | `slow` | every second page takes 20 to 200 ms |
    /// | `ERROR` | `error` | one call of 50 fails with −601 (timeout) or −10007 (busy) |
    /// | `STUCK` | `stuck` | the first reader never answers |
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::sim::{Faults, SimOptions};
    ///
    /// let settings: SimOptions = "faults=drop,stuck".parse()?;
    /// assert_eq!(settings, SimOptions::default().with_faults(Faults::DROP | Faults::STUCK));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct Faults: u8 {
        /// Live events are lost.
        const DROP = 0x01;
        /// Connections are lost.
        const DISCONNECT = 0x02;
        /// Events are given twice.
        const REPEAT = 0x04;
        /// Live events overtake each other.
        const REORDER = 0x08;
        /// Pages take their time.
        const SLOW = 0x10;
        /// Calls fail.
        const ERROR = 0x20;
        /// One reader never answers.
        const STUCK = 0x40;
    }
}

/// Faults by their names, separated by commas.
///
/// # Errors
///
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a word that is none of them.
pub(super) fn parse(value: &str) -> Result<Faults> {
    let mut faults = Faults::empty();
    for word in value.split(',').filter(|word| !word.is_empty()) {
        let named = Faults::all().iter_names().find(|(name, _)| name.eq_ignore_ascii_case(word));
        let Some((_, fault)) = named else {
            let known: Vec<_> =
                Faults::all().iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect();
            return Err(invalid(format!(
                "setting `faults`: `{word}` is not known; there are {}",
                known.join(", ")
            )));
        };
        faults |= fault;
    }
    Ok(faults)
}
