//! Events of a server as lines, and times as they are written there.

use bs2_events::Result;
use bs2_events::biostar_x::EventRow;
use bs2_events::codec::Timestamp;

use crate::output::Output;

/// For programs the event as it came, for people a line without what is personal.
pub(super) fn print(output: &mut Output, row: &EventRow, json: bool) -> Result<()> {
    if json { output.json(&row.json) } else { output.line(row) }
}

/// A whole second, with `Z` or an offset.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    // A leap second would be read as the one before it.
    if text.contains(":60") {
        return None;
    }
    let time: jiff::Timestamp = text.trim().parse().ok()?;
    let seconds = time.as_second().try_into().ok()?;
    (time.subsec_nanosecond() == 0).then_some(Timestamp::from_unix_seconds(seconds))
}
