//! Gaps, in words and as JSON.

use bs2_events::sink::Gap;
use serde::Serialize;

/// The object that `collect` and `verify` print for a gap.
#[derive(Serialize)]
pub(crate) struct GapJson {
    from: u32,
    to: u32,
    reason: &'static str,
}

impl GapJson {
    pub(crate) fn list(gaps: &[Gap]) -> Vec<Self> {
        gaps.iter().map(|gap| Self { from: gap.from, to: gap.to, reason: gap.reason.as_str() }).collect()
    }
}

/// A cell of a table: one line for each gap, up to twelve.
pub(crate) fn cell(gaps: &[Gap]) -> String {
    let mut lines: Vec<_> = gaps.iter().take(LINES).map(words).collect();
    if let Some(more) = gaps.len().checked_sub(LINES).filter(|more| *more > 0) {
        lines.push(format!("and {more} more; --json lists them"));
    }
    lines.join("\n")
}

/// How many ids are missing; of an open gap the number is not known.
pub(crate) fn total<'a>(gaps: impl Iterator<Item = &'a Gap> + Clone) -> String {
    let ids: u64 = gaps.clone().filter(|gap| !gap.is_open()).map(Gap::len).sum();
    let more = if gaps.into_iter().any(Gap::is_open) { " or more" } else { "" };
    format!("{ids}{more} missing")
}

fn words(gap: &Gap) -> String {
    let Gap { from, to, reason, .. } = gap;
    if gap.is_open() {
        format!("from {from}, end not seen, {reason}")
    } else if from == to {
        format!("{from} {reason} (1)")
    } else {
        format!("{from}–{to} {reason} ({})", gap.len())
    }
}

/// The gaps beyond these are only counted.
const LINES: usize = 12;

#[cfg(test)]
mod tests {
    use bs2_events::codec::DeviceId;
    use bs2_events::sink::GapReason;

    use super::*;

    fn gap(from: u32, to: u32, reason: GapReason) -> Gap {
        Gap { device: DeviceId::new(7), epoch: 0, from, to, reason }
    }

    #[test]
    fn a_gap_shows_its_ends_its_reason_and_its_size() {
        let gaps = [
            gap(6_911, 7_561, GapReason::Cleared),
            gap(8_000, 8_000, GapReason::Unknown),
            gap(9_000, u32::MAX, GapReason::Reset),
        ];
        assert_eq!(cell(&gaps), "6911–7561 cleared (651)\n8000 unknown (1)\nfrom 9000, end not seen, reset");
        assert_eq!(total(gaps.iter()), "652 or more missing");
        assert_eq!(total(gaps[..1].iter()), "651 missing");
    }

    #[test]
    fn many_gaps_are_counted_and_not_listed() {
        let gaps: Vec<_> = (0..14).map(|id| gap(2 * id, 2 * id, GapReason::Unknown)).collect();
        let cell = cell(&gaps);
        assert_eq!(cell.lines().count(), 13);
        assert!(cell.ends_with("\nand 2 more; --json lists them"), "{cell}");
    }
}
