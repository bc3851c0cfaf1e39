//! `bs2 x search`: events of a server.

use std::process::ExitCode;

use bs2_events::biostar_x::{Client, EventQuery};
use bs2_events::codec::{DeviceId, EventCode, Timestamp};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;

use super::access::Access;
use super::row;
use crate::output::Output;

/// Print events of the server, oldest first, each once
///
/// Persons appear with --json only, which prints each event as the server gives it.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Search {
    #[command(flatten)]
    access: Access,
    /// From this second on, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Up to this second; the end of 2037 unless given
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// A device's number; may be given several times
    #[arg(long = "device", value_name = "ID")]
    devices: Vec<u32>,
    /// A code's number or name; may be given several times
    #[arg(long = "code", value_name = "CODE")]
    codes: Vec<EventCode>,
    /// A person's id
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// How many events to ask for at once
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
        let client = self.access.client()?;
        let result = self.print(&client, query).await;
        client.logout().await.ok();
        result.map(|()| ExitCode::SUCCESS)
    }

    async fn print(&self, client: &Client, query: EventQuery) -> Result<()> {
        let mut output = Output::new();
        let mut events = client.events(query);
        let mut printed = 0;
        while self.max.is_none_or(|max| printed < max) {
            let Some(event) = events.next().await else { break };
            match event {
                Ok(event) => row::print(&mut output, &event, self.json)?,
                Err(error) => {
                    output.flush()?;
                    return Err(error.into());
                }
            }
            printed += 1;
        }
        output.flush()
    }

    fn query(&self) -> Result<EventQuery> {
        let mut query = EventQuery::new().limit(self.page);
        let since = self.since.as_deref().map(|text| time("--since", text)).transpose()?;
        let until = self.until.as_deref().map(|text| time("--until", text)).transpose()?;
        if let (Some(since), Some(until)) = (since, until)
            && since > until
        {
            return Err(Error::new(ErrorKind::InvalidInput, "--since is later than --until"));
        }
        query = match (since, until) {
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

fn time(name: &str, text: &str) -> Result<Timestamp> {
    row::time(text).ok_or_else(|| {
        let message = format!("{name}: a time such as 2026-01-31T12:00:00Z is expected");
        Error::new(ErrorKind::InvalidInput, message)
    })
}

const AFTER_HELP: &str = "\
Example:
  bs2 x search --since 2026-01-31T00:00:00Z --code 4088 --server https://192.0.2.10 --user operator

What a reader reports as granted has other codes than 4088: bs2 codes tells them.";
