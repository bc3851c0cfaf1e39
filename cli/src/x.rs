//! `bs2 x`: a BioStar X server.

mod import;
mod import_file;
mod search;
mod virtual_devices;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::Result;
use bs2_events::biostar_x::{BiostarX, BiostarXOptions};
use bs2_events::tls::Trust;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::runtime;
use crate::stdio::{Output, table};

/// Use a BioStar X server: virtual devices, import, search, live events
///
/// The password comes from the variable BS2_X_PASSWORD or from --password-file. It is not an argument, because other
/// programs can see the command line.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct X {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    LoginCheck(LoginCheck),
    VirtualDevices(virtual_devices::VirtualDevices),
    Import(import::Import),
    Search(search::Search),
    Watch(search::Watch),
    EventTypes(EventTypes),
}

impl X {
    pub(crate) async fn run(&self) -> Result<ExitCode> {
        match &self.verb {
            Verb::LoginCheck(verb) => verb.run().await,
            Verb::VirtualDevices(verb) => verb.run().await,
            Verb::Import(verb) => verb.run().await,
            Verb::Search(verb) => verb.run().await,
            Verb::Watch(verb) => verb.run().await,
            Verb::EventTypes(verb) => verb.run().await,
        }
    }
}

/// Log in, and print the server's version and whether it has the Event Log API licence
#[derive(Args)]
struct LoginCheck {
    #[command(flatten)]
    access: Access,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl LoginCheck {
    async fn run(&self) -> Result<ExitCode> {
        let client = BiostarX::new(self.access.options())?;
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
            output.line(format!("version: {}", login.version.as_deref().unwrap_or("not reported")))?;
            let licensed = licensed.map_or("not reported", |licensed| if licensed { "yes" } else { "no" });
            output.line(format!("Event Log API licence: {licensed}"))?;
            if login.must_change_password == Some(true) {
                output.line("the server wants a new password")?;
            }
        }
        output.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// List the kinds of event that the server knows
#[derive(Args)]
struct EventTypes {
    #[command(flatten)]
    access: Access,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl EventTypes {
    async fn run(&self) -> Result<ExitCode> {
        let types = self.access.within(async |client| client.event_types().await).await?;
        let mut output = Output::new();
        let mut rows = table([("code", true), ("name", false), ("description", false)]);
        for kind in types {
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

/// The server and the account.
#[derive(Args, Clone)]
struct Access {
    /// The server's address, such as https://192.0.2.10
    #[arg(long, value_name = "URL")]
    server: String,
    /// The login id
    #[arg(long, value_name = "LOGIN")]
    user: String,
    /// A file whose first line is the password, instead of the variable BS2_X_PASSWORD
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Trust the authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pin", "danger_accept_any_certificate"])]
    ca: Option<PathBuf>,
    /// Trust the certificate in this file, PEM or DER, whatever name it has, and no other
    #[arg(long, value_name = "FILE", conflicts_with = "danger_accept_any_certificate")]
    pin: Option<PathBuf>,
    /// Trust any certificate: anyone on the path can read the password
    #[arg(long)]
    danger_accept_any_certificate: bool,
    /// How long a call may take, such as 500ms, 20s or 5m; 30s by default
    #[arg(long, value_name = "DURATION", value_parser = runtime::duration)]
    timeout: Option<Duration>,
}

impl Access {
    /// Makes a call between a login, which fails for a wrong address or account, and a logout.
    async fn within<T>(&self, call: impl AsyncFnOnce(&BiostarX) -> Result<T>) -> Result<T> {
        let client = BiostarX::new(self.options())?;
        client.login().await?;
        let result = call(&client).await;
        client.logout().await.ok();
        result
    }

    fn options(&self) -> BiostarXOptions {
        let mut options = BiostarXOptions::new(&self.server).with_user(&self.user).with_trust(self.trust());
        if let Some(path) = &self.password_file {
            options = options.with_password_file(path);
        }
        if let Some(timeout) = self.timeout {
            options = options.with_timeout(timeout);
        }
        options
    }

    fn trust(&self) -> Trust {
        match (&self.ca, &self.pin) {
            (Some(path), _) => Trust::ca_file(path),
            (_, Some(path)) => Trust::pin_file(path),
            _ if self.danger_accept_any_certificate => Trust::danger_accept_any_certificate(),
            _ => Trust::system(),
        }
    }
}

const AFTER_HELP: &str = "\
Examples:
  bs2 x login-check --server https://192.0.2.10 --user operator --pin server.pem
  bs2 x virtual-devices create 100001 'Main gate' --server https://192.0.2.10 --user operator
  bs2 x import punches.csv --virtual-device 100001 --server https://192.0.2.10 --user operator
  bs2 x search --since 2026-01-01T00:00:00Z --server https://192.0.2.10 --user operator --json

bs2 sim biostar-x is a simulated server to try this with.";
