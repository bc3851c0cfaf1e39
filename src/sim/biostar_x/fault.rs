//! What goes wrong, by chance or as planned.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bitflags::bitflags;

use crate::Result;
use crate::sim::options::invalid;
use crate::sim::rng::SeededRng;

bitflags! {
    /// What goes wrong by chance, on the paths under `/api`. The log itself is never wrong.
    ///
    /// | fault | as text | what happens |
    /// |---|---|---|
    /// | `SLOW` | `slow` | one answer of four takes 20 to 200 ms |
    /// | `CUT` | `cut` | one connection of ten is cut: before the request is processed, after it, or within the answer |
    /// | `ERROR` | `500` | one request of twenty gets HTTP 500: half of them were processed |
    /// | `SESSION` | `session` | one request of twenty finds that its session has ended |
    /// | `ROWS` | `rows` | searches without a result have no rows, `""` for rows, or no collection; a lone row is no array |
    /// | `PARTIAL` | `partial` | one import of five is stored in part, with code `1` |
    /// | `STRINGS` | `strings` | every second answer under `/api/v2` has its numbers as text |
    /// | `WRAPPED` | `wrapped` | the error of a missing licence is inside `Response` |
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::sim::biostar_x::{Faults, ServerSettings};
    ///
    /// let settings: ServerSettings = "faults=cut,500".parse()?;
    /// # let same = ServerSettings::default().with_faults(Faults::CUT | Faults::ERROR);
    /// # assert_eq!(format!("{settings:?}"), format!("{same:?}"));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct Faults: u8 {
        /// Answers take their time.
        const SLOW = 0x01;
        /// Connections are cut.
        const CUT = 0x02;
        /// Requests fail with HTTP 500.
        const ERROR = 0x04;
        /// Sessions end.
        const SESSION = 0x08;
        /// Rows come in the shapes that were seen in the field.
        const ROWS = 0x10;
        /// Imports are stored in part.
        const PARTIAL = 0x20;
        /// Numbers come as text.
        const STRINGS = 0x40;
        /// The licence error is inside the envelope.
        const WRAPPED = 0x80;
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
        let known = NAMES.iter().find(|(name, _)| *name == word);
        let Some((_, fault)) = known else {
            let known = NAMES.map(|(name, _)| name).join(", ");
            return Err(invalid(format!("setting `faults`: `{word}` is not known; there are {known}")));
        };
        faults |= *fault;
    }
    Ok(faults)
}

/// One thing that is planned to go wrong; see [`Server::plan`](super::Server::plan).
///
/// `Debug` does not show a body.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{Fault, Server, ServerSettings};
///
/// # async fn example() -> bs2_events::Result<()> {
/// let server = Server::start(ServerSettings::default()).await?;
/// server.plan("/api/events/import", Fault::CutAfter);
/// assert_eq!(server.planned(), 1);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The answer is as it should be, later.
    Slow(Duration),
    /// The connection is cut, and the request is not processed.
    CutBefore,
    /// The request is processed, and the connection is cut before the answer.
    CutAfter,
    /// The request is processed, and the connection is cut within the answer.
    CutWithin,
    /// HTTP 500, and the request is not processed.
    Error,
    /// The request is processed, and answered with HTTP 500.
    ErrorAfter,
    /// The session of the request ends before it is processed.
    EndSession,
    /// A search without a result, or with one row, answers in this shape.
    Rows(Rows),
    /// An import is stored in part; the answer has the code `1`. No other request minds.
    Partial,
    /// All numbers of the answer are text.
    Strings,
    /// A bare error comes inside `Response`.
    Wrapped,
    /// The request is not processed, and gets this.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The body, as it goes over the wire.
        body: String,
    },
}

/// How few rows look.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{Fault, Rows};
/// assert_eq!(format!("{:?}", Fault::Rows(Rows::Text)), "Rows(Text)");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Rows {
    /// No rows are `""`.
    Text,
    /// No rows are not there.
    Missing,
    /// Where there are no rows, there is no collection.
    NoCollection,
    /// One row is no array.
    Lone,
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow(by) => f.debug_tuple("Slow").field(by).finish(),
            Self::CutBefore => f.write_str("CutBefore"),
            Self::CutAfter => f.write_str("CutAfter"),
            Self::CutWithin => f.write_str("CutWithin"),
            Self::Error => f.write_str("Error"),
            Self::ErrorAfter => f.write_str("ErrorAfter"),
            Self::EndSession => f.write_str("EndSession"),
            Self::Rows(rows) => f.debug_tuple("Rows").field(rows).finish(),
            Self::Partial => f.write_str("Partial"),
            Self::Strings => f.write_str("Strings"),
            Self::Wrapped => f.write_str("Wrapped"),
            Self::Answer { status, .. } => {
                f.debug_struct("Answer").field("status", status).finish_non_exhaustive()
            }
        }
    }
}

/// What is planned, and what chance brings.
pub(super) struct Fate {
    faults: Faults,
    planned: VecDeque<(String, Fault)>,
    dice: SeededRng,
}

impl Fate {
    pub(super) fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, planned: VecDeque::new(), dice: SeededRng::new(seed, STREAM) }
    }

    pub(super) fn plan(&mut self, path: String, fault: Fault) {
        self.planned.push_back((path, fault));
    }

    pub(super) fn planned(&self) -> usize {
        self.planned.len()
    }

    pub(super) fn forget(&mut self) {
        self.planned.clear();
    }

    /// What happens to the next request to this path: the first that is planned for it, and else what chance brings.
    pub(super) fn next(&mut self, path: &str) -> Vec<Fault> {
        let planned = self.planned.iter().position(|(start, _)| path.starts_with(start));
        if let Some((_, fault)) = planned.and_then(|position| self.planned.remove(position)) {
            return vec![fault];
        }
        if !path.starts_with("/api") && path != "/wsapi" {
            return Vec::new();
        }
        let mut faults = Vec::new();
        let mut chance = |fault, per_mille, make: &dyn Fn(&mut SeededRng) -> Fault| {
            if self.faults.contains(fault) && self.dice.per_mille(per_mille) {
                faults.push(make(&mut self.dice));
            }
        };
        chance(Faults::SLOW, 250, &|dice| {
            Fault::Slow(Duration::from_millis(u64::from(20 + dice.below(181))))
        });
        chance(Faults::CUT, 100, &|dice| dice.pick(&CUTS).into());
        chance(Faults::ERROR, 50, &|dice| dice.pick(&ERRORS).into());
        chance(Faults::SESSION, 50, &|_| Fault::EndSession);
        chance(Faults::ROWS, 1_000, &|dice| Fault::Rows(dice.pick(&ROWS)));
        chance(Faults::ROWS, 1_000, &|_| Fault::Rows(Rows::Lone));
        chance(Faults::PARTIAL, 200, &|_| Fault::Partial);
        chance(Faults::STRINGS, 500, &|_| Fault::Strings);
        chance(Faults::WRAPPED, 1_000, &|_| Fault::Wrapped);
        faults
    }

    /// Whether an event of a partial import is kept.
    pub(super) fn keeps(&mut self) -> bool {
        self.dice.per_mille(500)
    }
}

/// The faults that chance picks one of.
#[derive(Clone, Copy)]
enum Plain {
    CutBefore,
    CutAfter,
    CutWithin,
    Error,
    ErrorAfter,
}

impl From<Plain> for Fault {
    fn from(plain: Plain) -> Self {
        match plain {
            Plain::CutBefore => Self::CutBefore,
            Plain::CutAfter => Self::CutAfter,
            Plain::CutWithin => Self::CutWithin,
            Plain::Error => Self::Error,
            Plain::ErrorAfter => Self::ErrorAfter,
        }
    }
}

/// Of the seed, beside those of readers, people and sessions.
const STREAM: u64 = u64::MAX - 2;
const CUTS: [Plain; 3] = [Plain::CutBefore, Plain::CutAfter, Plain::CutWithin];
const ERRORS: [Plain; 2] = [Plain::Error, Plain::ErrorAfter];
const ROWS: [Rows; 3] = [Rows::Text, Rows::Missing, Rows::NoCollection];
const NAMES: [(&str, Faults); 8] = [
    ("slow", Faults::SLOW),
    ("cut", Faults::CUT),
    ("500", Faults::ERROR),
    ("session", Faults::SESSION),
    ("rows", Faults::ROWS),
    ("partial", Faults::PARTIAL),
    ("strings", Faults::STRINGS),
    ("wrapped", Faults::WRAPPED),
];
