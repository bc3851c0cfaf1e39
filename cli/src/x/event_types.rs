//! `bs2 x event-types`: the kinds of event that a server knows.

use std::process::ExitCode;

use bs2_events::Result;
use clap::Args;
use serde_json::json;

use super::access::Access;
use crate::output::Output;
use crate::table::table;

/// List the kinds of event that the server knows
#[derive(Args)]
pub(super) struct EventTypes {
    #[command(flatten)]
    access: Access,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl EventTypes {
    pub(super) async fn run(&self) -> Result<ExitCode> {
        let client = self.access.client()?;
        let types = client.event_types().await;
        client.logout().await.ok();
        let mut output = Output::new();
        let mut rows = table([("code", true), ("name", false), ("description", false)]);
        for kind in types? {
            let code = kind.code.map(|code| code.get());
            if self.json {
                output.json(&json!({
                    "code": code, "name": kind.name, "description": kind.description,
                    "alertable": kind.alertable, "enable_alert": kind.enable_alert,
                }))?;
                continue;
            }
            let code = code.map(|code| code.to_string()).unwrap_or_default();
            rows.add_row([code, kind.name.unwrap_or_default(), kind.description.unwrap_or_default()]);
        }
        if !self.json {
            output.line(rows)?;
        }
        output.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}
