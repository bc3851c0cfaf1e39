//! `bs2 x search` and `bs2 x watch`: events of a server.

use std::process::ExitCode;
use std::time::Duration;

use bs2_events::biostar_x::subscription::{EventSubscriptionOptions, LiveRow};
use bs2_events::biostar_x::{BiostarX, EventQuery, EventRow};
use bs2_events::codec::{DeviceId, EventCode, Timestamp};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;

use super::Access;
use crate::runtime::{self, Interrupt};
use crate::stdio::{Output, note};

/// Print events of the server, oldest first, each once
///
/// Persons appear with --json only, which prints each event as the server sent it.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Search {
    #[command(flatten)]
    access: Access,
    /// From this second on, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Up to this second; the end of 2037 by default
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Timestamp>,
    /// A device's number; may be given several times
    #[arg(long = "device", value_name = "ID")]
    devices: Vec<u32>,
    /// A code's number or name; may be given several times
    #[arg(long = "code", value_name = "CODE")]
    codes: Vec<EventCode>,
    /// A person's id
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// How many events to read at once, 10000 at most
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    page: u32,
    /// End after so many events
    #[arg(long, value_name = "N")]
    max: Option<usize>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Search {
    pub(super) async fn run(&self) -> Result<ExitCode> {
        let query = self.query()?;
        self.access.within(async |client| self.print(client, query).await).await?;
        Ok(ExitCode::SUCCESS)
    }

    async fn print(&self, client: &BiostarX, query: EventQuery) -> Result<()> {
        let mut output = Output::new();
        let mut events = client.events(query);
        let mut printed = 0;
        while self.max.is_none_or(|max| printed < max) {
            let Some(event) = events.next().await else { break };
            match event {
                Ok(event) => print_row(&mut output, &event, self.json)?,
                Err(error) => {
                    output.flush()?;
                    return Err(error);
                }
            }
            printed += 1;
        }
        output.flush()
    }

    fn query(&self) -> Result<EventQuery> {
        let mut query = EventQuery::new().limit(self.page);
        if self.until.is_some_and(|until| self.since > Some(until)) {
            return Err(Error::new(ErrorKind::InvalidInput, "--since is later than --until"));
        }
        query = match (self.since, self.until) {
            (from, Some(to)) => query.between(from.unwrap_or_default(), to),
            (Some(from), None) => query.since(from),
            (None, None) => query,
        };
        if !self.devices.is_empty() {
            query = query.devices(self.devices.iter().copied().map(DeviceId::new));
        }
        if !self.codes.is_empty() {
            query = query.codes(self.codes.iter().copied());
        }
        if let Some(user) = &self.user_id {
            query = query.user(user);
        }
        Ok(query)
    }
}

/// Print the server's events as they happen, until Ctrl-C
///
/// Persons appear with --json only, which prints each event as the server sent it. When the connection is lost, bs2
/// searches for what the server received meanwhile: by time, from ten minutes before the newest event, and by the number
/// of the row, so that events are found that a device delivered hours late or with a wrong clock. It cannot be proved
/// that these are all: late events near the turn of a month, and rows without a number, may be missing. A note on stderr
/// marks each such place, and says what was lost for another reason.
#[derive(Args)]
pub(super) struct Watch {
    #[command(flatten)]
    access: Access,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// End after this time, such as 20s, 5m or 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = runtime::duration)]
    time: Option<Duration>,
    /// End after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
}

impl Watch {
    pub(super) async fn run(&self) -> Result<ExitCode> {
        let watch = async |client: &BiostarX| {
            let mut interrupt = Interrupt::new()?;
            tokio::select! {
                result = self.print(client) => result,
                () = runtime::over(self.time) => Ok(()),
                () = interrupt.next() => Ok(()),
            }
        };
        self.access.within(watch).await?;
        Ok(ExitCode::SUCCESS)
    }

    async fn print(&self, client: &BiostarX) -> Result<()> {
        let mut live = client.subscribe(&EventSubscriptionOptions::default()).await?;
        let mut output = Output::new();
        let mut printed = 0;
        while self.max != Some(printed) {
            let Some(item) = live.next().await else {
                return Err(Error::new(ErrorKind::Disconnected, "the server sends no events any more"));
            };
            match item? {
                LiveRow::Event(event) => {
                    print_row(&mut output, &event, self.json)?;
                    output.flush()?;
                    printed += 1;
                }
                LiveRow::Lagged { missed } => {
                    note(&format!("{missed} events were lost here: the output is too slow"))
                }
                LiveRow::Unreadable { frames } => {
                    note(&format!("{frames} messages of the server could not be read as events"));
                }
                LiveRow::Resumed => note(RESUMED),
                // Items of a later version, which are not events.
                _ => {}
            }
        }
        Ok(())
    }
}

/// Prints the event as the server sent it, or a line without personal data.
fn print_row(output: &mut Output, row: &EventRow, json: bool) -> Result<()> {
    if json { output.json(&row.json) } else { output.line(row) }
}

/// Reads a time in whole seconds, with `Z` or an offset.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, &'static str> {
    let time = || {
        let time: jiff::Timestamp = text.trim().parse().ok()?;
        // jiff reads a leap second as the second before it.
        let is_whole = time.subsec_nanosecond() == 0 && !text.contains(":60");
        let seconds = time.as_second().try_into().ok().filter(|_| is_whole)?;
        Some(Timestamp::from_unix_seconds(seconds))
    };
    time().ok_or("a time such as 2026-01-31T12:00:00Z is expected")
}

const RESUMED: &str = "connected again; the events before this line include what arrived meanwhile, and it cannot be \
                       proved that these are all: late events near the turn of a month may be missing";

const AFTER_HELP: &str = "\
Example:
  bs2 x search --since 2026-01-31T00:00:00Z --code 4088 --server https://192.0.2.10 --user operator

Devices report `granted` with other codes than 4088: see bs2 codes.";
