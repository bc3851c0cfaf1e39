//! Faults of the server: at random, or as a test plans them.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bitflags::bitflags;

use crate::sim::rng::SeededRng;
use crate::sim::setting::fault_text;

bitflags! {
    /// Faults that occur at random, on the paths under `/api`. The database is always correct.
    ///
    /// | fault | as text | what happens |
    /// |---|---|---|
    /// | `SLOW` | `slow` | one response of four takes 20 to 200 ms |
    /// | `CUT` | `cut` | one connection of ten is cut: before the request is processed, after it, or within the response |
    /// | `ERROR` | `error` | one request of twenty gets HTTP 500; half of them were processed |
    /// | `SESSION` | `session` | at one request of twenty the session has ended |
    /// | `ROWS` | `rows` | searches without a result have no rows, `""` for rows, or no collection; a single row is not in an array |
    /// | `PARTIAL` | `partial` | one import of five is stored in part, with code `1` |
    /// | `STRINGS` | `strings` | every second response under `/api/v2` has its numbers as text |
    /// | `WRAPPED` | `wrapped` | the error of a missing licence is inside `Response` |
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct BiostarXFaults: u8 {
        /// Responses are slow.
        const SLOW = 0x01;
        /// Connections are cut.
        const CUT = 0x02;
        /// Requests fail with HTTP 500.
        const ERROR = 0x04;
        /// Sessions end.
        const SESSION = 0x08;
        /// Rows have the shapes that were seen in the field.
        const ROWS = 0x10;
        /// Imports are stored in part.
        const PARTIAL = 0x20;
        /// Numbers are text.
        const STRINGS = 0x40;
        /// The licence error is inside the envelope.
        const WRAPPED = 0x80;
    }
}

fault_text!(BiostarXFaults);

/// A fault that a test plans; see [`BiostarXServer::plan`](super::BiostarXServer::plan).
///
/// `Debug` does not show a body.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum PlannedFault {
    /// The response is correct, but late.
    Slow(Duration),
    /// The connection is cut, and the request is not processed.
    CutBefore,
    /// The request is processed, and the connection is cut before the response.
    CutAfter,
    /// The request is processed, and the connection is cut within the response.
    CutWithin,
    /// HTTP 500, and the request is not processed.
    Error,
    /// The request is processed, and the response is HTTP 500.
    ErrorAfter,
    /// The session of the request ends before the request is processed.
    EndSession,
    /// A search without a result, or with one row, has this shape.
    Rows(RowShape),
    /// An import is stored in part; the response has the code `1`. Other requests ignore it.
    Partial,
    /// All numbers of the response are text.
    Strings,
    /// A bare error is inside `Response`.
    Wrapped,
    /// The request is not processed, and this is the response.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The body, byte for byte.
        body: String,
    },
}

/// The shape of a search result with no row or one row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RowShape {
    /// No rows are `""`.
    Text,
    /// Without rows, the field `rows` is missing.
    Missing,
    /// Without rows, the collection is missing.
    NoCollection,
    /// One row is not in an array.
    Lone,
}

impl fmt::Debug for PlannedFault {
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

/// The planned faults, and those that occur at random.
pub(super) struct FaultPlan {
    faults: BiostarXFaults,
    planned: VecDeque<(String, PlannedFault)>,
    rng: SeededRng,
}

impl FaultPlan {
    pub(super) fn new(faults: BiostarXFaults, seed: u64) -> Self {
        Self { faults, planned: VecDeque::new(), rng: SeededRng::new(seed, STREAM) }
    }

    pub(super) fn plan(&mut self, path: String, fault: PlannedFault) {
        self.planned.push_back((path, fault));
    }

    pub(super) fn planned(&self) -> usize {
        self.planned.len()
    }

    pub(super) fn clear(&mut self) {
        self.planned.clear();
    }

    /// The faults of the next request to this path: the first that is planned for it, otherwise random ones.
    pub(super) fn next(&mut self, path: &str) -> Vec<PlannedFault> {
        let planned = self.planned.iter().position(|(start, _)| path.starts_with(start));
        if let Some((_, fault)) = planned.and_then(|position| self.planned.remove(position)) {
            return vec![fault];
        }
        if !path.starts_with("/api") && path != "/wsapi" {
            return Vec::new();
        }
        let mut faults = Vec::new();
        let mut chance = |fault, per_mille, make: &dyn Fn(&mut SeededRng) -> PlannedFault| {
            if self.faults.contains(fault) && self.rng.per_mille(per_mille) {
                faults.push(make(&mut self.rng));
            }
        };
        chance(BiostarXFaults::SLOW, 250, &|rng| {
            PlannedFault::Slow(Duration::from_millis(u64::from(20 + rng.below(181))))
        });
        chance(BiostarXFaults::CUT, 100, &|rng| match rng.below(3) {
            0 => PlannedFault::CutBefore,
            1 => PlannedFault::CutAfter,
            _ => PlannedFault::CutWithin,
        });
        chance(BiostarXFaults::ERROR, 50, &|rng| match rng.below(2) {
            0 => PlannedFault::Error,
            _ => PlannedFault::ErrorAfter,
        });
        chance(BiostarXFaults::SESSION, 50, &|_| PlannedFault::EndSession);
        chance(BiostarXFaults::ROWS, 1_000, &|rng| PlannedFault::Rows(rng.pick(&EMPTY_SHAPES)));
        chance(BiostarXFaults::ROWS, 1_000, &|_| PlannedFault::Rows(RowShape::Lone));
        chance(BiostarXFaults::PARTIAL, 200, &|_| PlannedFault::Partial);
        chance(BiostarXFaults::STRINGS, 500, &|_| PlannedFault::Strings);
        chance(BiostarXFaults::WRAPPED, 1_000, &|_| PlannedFault::Wrapped);
        faults
    }

    /// Whether a partial import stores the next event.
    pub(super) fn keeps_event(&mut self) -> bool {
        self.rng.per_mille(500)
    }
}

/// The random stream of this seed: not that of devices, users or sessions.
const STREAM: u64 = u64::MAX - 2;
const EMPTY_SHAPES: [RowShape; 3] = [RowShape::Text, RowShape::Missing, RowShape::NoCollection];
