//! `bs2 x watch`: events of a server as they happen.

use std::process::ExitCode;
use std::time::Duration;

use bs2_events::biostar_x::{Client, LiveItem};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;

use super::access::Access;
use super::row;
use crate::output::{Output, note};
use crate::runtime::{self, Interrupt};

/// Print the server's events as they happen, until Ctrl-C
///
/// Persons appear with --json only, which prints each event as the server gives it. When the connection is lost, what
/// happened meanwhile is searched for; what is lost nevertheless is told on stderr.
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
        let client = self.access.client()?;
        let mut interrupt = Interrupt::new()?;
        let result = tokio::select! {
            result = self.print(&client) => result,
            () = runtime::over(self.time) => Ok(()),
            () = interrupt.next() => Ok(()),
        };
        client.logout().await.ok();
        result.map(|()| ExitCode::SUCCESS)
    }

    async fn print(&self, client: &Client) -> Result<()> {
        let mut live = client.live().await?;
        let mut output = Output::new();
        let mut printed = 0;
        while self.max != Some(printed) {
            let Some(item) = live.next().await else {
                return Err(Error::new(ErrorKind::Disconnected, "the server reports nothing any more"));
            };
            match item? {
                LiveItem::Event(event) => {
                    row::print(&mut output, &event, self.json)?;
                    output.flush()?;
                    printed += 1;
                }
                LiveItem::Lagged { missed } => note(&format!("{missed} events were lost here: too slow")),
                LiveItem::Unreadable { frames } => {
                    note(&format!("{frames} messages of the server could not be read as events"));
                }
                LiveItem::Resumed => note("connected again"),
                // What a later client tells beside these is no event.
                _ => {}
            }
        }
        Ok(())
    }
}
