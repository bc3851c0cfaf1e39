//! What the verbs write: data on stdout, one sentence a failure on stderr.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io::{self, BufWriter, Stdout, Write};

use bs2_events::codec::{Event, Extras};
use bs2_events::{Error, ErrorKind, Result};
use serde::Serialize;

/// Lines on stdout, buffered. A verb flushes at its end, where a failure can still be reported.
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

    /// Writes an event and its extras as one line: as JSON with everything, as text without what is personal.
    pub(crate) fn event(&mut self, event: &Event, extras: Option<&Extras>, json: bool) -> Result<()> {
        match (json, extras) {
            (true, None) => self.json(event),
            (true, Some(extras)) => self.json(&WithExtras { event, extras }),
            (false, Some(extras)) if !extras.subjects.is_empty() => {
                let subjects: Vec<_> =
                    extras.subjects.iter().map(|extra| extra.subject().to_string()).collect();
                self.line(format_args!("{event}, also: {}", subjects.join(", ")))
            }
            (false, _) => self.line(event),
        }
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.0.flush().map_err(failed)
    }
}

/// An event's object with one more field.
#[derive(Serialize)]
struct WithExtras<'a> {
    #[serde(flatten)]
    event: &'a Event,
    extras: &'a Extras,
}

/// Whether nobody reads stdout any more, as after `| head -1`: a reason to end, not a failure.
pub(crate) fn is_closed(error: &Error) -> bool {
    error.kind() == ErrorKind::Closed
        && error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>())
            .is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes an error and what caused it to stderr, as one sentence.
pub(crate) fn report(error: &Error) {
    // `eprintln!` panics where stderr is closed; then there is nobody left to tell.
    let _ = writeln!(io::stderr(), "bs2: {}", sentence(error));
}

/// Writes a sentence to stderr that is no error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "bs2: {text}");
}

/// An error and what caused it.
pub(crate) fn sentence(error: &Error) -> String {
    let mut sentence = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Some errors of other crates end with their source's text.
        if !sentence.ends_with(&text) {
            sentence.push_str(": ");
            sentence.push_str(&text);
        }
        source = cause.source();
    }
    sentence
}

pub(crate) fn failed(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::BrokenPipe => ErrorKind::Closed,
        _ => ErrorKind::Other,
    };
    Error::new(kind, "cannot write the output").with_source(error)
}
