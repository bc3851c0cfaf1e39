//! The command line: one file for each verb, and what the verbs share.

mod blob_extras;
mod codes;
mod collect;
mod decode;
mod encode;
mod explain;
mod format;
mod images;
mod logs;
mod record;
mod runtime;
mod sim;
mod source;
mod stdio;
mod store;
mod verify;
mod watch;
mod x;

use std::ffi::OsStr;
use std::process::ExitCode;

use bs2_events::{Error, ErrorKind, Result};
use clap::{Parser, Subcommand};
use tokio_rustls::rustls::crypto::ring;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use runtime::block_on;

fn main() -> ExitCode {
    let CommandLine { verb } = CommandLine::parse();
    // Fails only if a provider is installed already, and none is.
    let _ = ring::default_provider().install_default();
    match start_log().and_then(|()| verb.run()) {
        Ok(code) => code,
        Err(error) if stdio::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            stdio::report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Event logs of Suprema access-control readers: collect, read, decode, explain
#[derive(Parser)]
#[command(name = "bs2", version, after_help = AFTER_HELP)]
struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Collect(collect::Collect),
    Verify(verify::Verify),
    Logs(logs::Logs),
    Watch(watch::Watch),
    Images(images::Images),
    Decode(decode::Decode),
    Encode(encode::Encode),
    Codes(codes::Codes),
    Record(record::Record),
    Sim(sim::Sim),
    X(x::X),
}

impl Verb {
    fn run(&self) -> Result<ExitCode> {
        match self {
            Self::Collect(verb) => block_on(verb.run()),
            Self::Verify(verb) => verb.run(),
            Self::Logs(verb) => block_on(verb.run()),
            Self::Watch(verb) => block_on(verb.run()),
            Self::Images(verb) => block_on(verb.run()),
            Self::Decode(verb) => verb.run(),
            Self::Encode(verb) => verb.run(),
            Self::Codes(verb) => verb.run(),
            Self::Record(verb) => block_on(verb.run()),
            Self::Sim(verb) => block_on(verb.run()),
            Self::X(verb) => block_on(verb.run()),
        }
    }
}

/// Writes the log of the library to stderr: what `BS2_LOG` selects, or warnings if it is not set.
fn start_log() -> Result<()> {
    let asked = std::env::var_os(LOG_VARIABLE);
    let directives = asked.as_deref().map_or(WARNINGS.into(), OsStr::to_string_lossy);
    let filter: Targets = directives.parse().map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("variable `{LOG_VARIABLE}`")).with_source(error)
    })?;
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // The default panics if stderr is closed.
        .log_internal_errors(false);
    let registry = tracing_subscriber::registry();
    match asked {
        Some(_) => registry.with(log.with_filter(filter)).init(),
        None => {
            let log = log.without_time().with_level(false).with_target(false);
            registry.with(log.with_filter(filter)).init();
        }
    }
    Ok(())
}

const LOG_VARIABLE: &str = "BS2_LOG";
const WARNINGS: &str = "bs2_events=warn";

const AFTER_HELP: &str = "\
Every verb has an example in its own --help.
Exit code: 0 on success, 1 on failure, 2 for an invalid command line.
BS2_LOG=bs2_events=debug shows on stderr what the library does.";
