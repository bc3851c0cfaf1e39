//! `bs2 x login-check`: whether a login works, and what the server is.

use std::process::ExitCode;

use bs2_events::Result;
use clap::Args;
use serde_json::json;

use super::access::Access;
use crate::output::Output;

/// Log in, and tell the server's version and whether it has the Event Log API licence
#[derive(Args)]
pub(super) struct LoginCheck {
    #[command(flatten)]
    access: Access,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl LoginCheck {
    pub(super) async fn run(&self) -> Result<ExitCode> {
        let client = self.access.client()?;
        let login = client.login().await?;
        // An account may log in and yet not see the settings.
        let licensed = client.licences().await.ok().and_then(|licences| licences.event_log_api());
        client.logout().await?;
        let mut output = Output::new();
        if self.json {
            output.json(&json!({
                "version": login.version,
                "database_version": login.database_version,
                "must_change_password": login.must_change_password,
                "event_log_api": licensed,
            }))?;
        } else {
            output.line(format!("version: {}", login.version.as_deref().unwrap_or("not told")))?;
            let licensed = licensed.map_or("not told", |licensed| if licensed { "yes" } else { "no" });
            output.line(format!("Event Log API licence: {licensed}"))?;
            if login.must_change_password == Some(true) {
                output.line("the server asks for a new password")?;
            }
        }
        output.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}
