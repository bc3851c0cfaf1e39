//! What verbs read and write: input from a file or stdin, data on stdout, one sentence for each failure on stderr.

use std::error::Error as _;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Read, Stdout, Write};
use std::path::Path;

use bs2_events::codec::LoggedEvent;
use bs2_events::{Error, ErrorKind, Result};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use serde::Serialize;

/// Opens the input: a file, or stdin if the path is `-` or missing.
pub(crate) fn input(path: Option<&Path>) -> Result<Box<dyn Read>> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else { return Ok(Box::new(io::stdin())) };
    let file = File::open(path).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("cannot open {}", path.display())).with_source(error)
    })?;
    Ok(Box::new(file))
}

/// Lines on stdout, buffered. A verb flushes them at its end, so that a failure is still reported.
pub(crate) struct Output(BufWriter<Stdout>);

impl Output {
    pub(crate) fn new() -> Self {
        Self(BufWriter::new(io::stdout()))
    }

    /// Writes one line of text.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<()> {
        writeln!(self.0, "{line}").map_err(failed)
    }

    /// Writes one line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.0, value).map_err(|error| failed(error.into()))?;
        self.0.write_all(b"\n").map_err(failed)
    }

    /// Writes an event of a log as one line: as JSON with everything, as text without personal data.
    pub(crate) fn event(&mut self, event: &LoggedEvent<'_>, json: bool) -> Result<()> {
        if json { self.json(event) } else { self.line(event) }
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.0.flush().map_err(failed)
    }
}

/// Whether stdout is closed, as after `| head -1`. That ends a verb and is no failure.
pub(crate) fn is_closed(error: &Error) -> bool {
    error.kind() == ErrorKind::Closed
        && error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>())
            .is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes an error and its causes to stderr, as one sentence.
pub(crate) fn report(error: &Error) {
    note(&sentence(error));
}

/// Writes a sentence to stderr.
pub(crate) fn note(text: &str) {
    // `eprintln!` panics if stderr is closed.
    let _ = writeln!(io::stderr(), "bs2: {text}");
}

/// An error and its causes.
pub(crate) fn sentence(error: &Error) -> String {
    error.sentence()
}

pub(crate) fn failed(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::BrokenPipe => ErrorKind::Closed,
        _ => ErrorKind::Other,
    };
    Error::new(kind, "cannot write the output").with_source(error)
}

/// A progress bar on stderr if that is a terminal. It is removed at its end.
pub(crate) fn bar(len: u64) -> ProgressBar {
    let bar = ProgressBar::new(len).with_finish(ProgressFinish::AndClear);
    bar.with_style(bar_style("{bar:40} {pos} of {len} events, {elapsed}"))
}

pub(crate) fn bar_style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// An empty table with these columns; those that are `true` hold numbers.
pub(crate) fn table<const N: usize>(columns: [(&str, bool); N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    // A terminal that does not know its width reports 0.
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

/// A number and its noun: `1 event`, `2 events`.
pub(crate) fn count(number: impl Into<u64>, noun: &str) -> String {
    match number.into() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// A narrower terminal breaks the lines of a table itself.
const NARROW: u16 = 40;
