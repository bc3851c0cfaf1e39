//! Tables for people.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// An empty table with these columns; those that are `true` hold numbers.
pub(crate) fn table<const N: usize>(columns: [(&str, bool); N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    // A terminal that does not know its width says 0.
    if table.width().is_some_and(|width| width >= NARROW) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(columns.map(|(name, _)| name));
    for (column, (_, is_number)) in table.column_iter_mut().zip(columns) {
        if is_number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A number and its noun: `1 reader`, `2 readers`.
pub(crate) fn count(number: impl Into<u64>, noun: &str) -> String {
    match number.into() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// On a terminal narrower than this a table is better broken by the terminal.
const NARROW: u16 = 40;
