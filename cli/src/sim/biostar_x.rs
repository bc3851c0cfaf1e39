//! `bs2 sim biostar-x`: a simulated BioStar X server.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::settings::{DurationText, encoded};
use bs2_events::sim::biostar_x::{Account, BiostarXServer, BiostarXServerOptions, Snapshot};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;
use serde_json::json;

use super::CertificateFiles;
use crate::runtime::{self, Interrupt};
use crate::stdio::Output;

/// Run a simulated BioStar X server: logins, virtual devices, import, search, live events; over TLS
///
/// It runs until Ctrl-C, or for the time of --for. When it is ready it prints its address as one line; with --json an
/// object with `url`, `ca` and `certificate`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct BiostarX {
    /// Where to listen; port 0 is any free one
    #[arg(long, default_value = "127.0.0.1:8443", value_name = "ADDRESS")]
    listen: SocketAddr,
    #[command(flatten)]
    certificate: CertificateFiles,
    /// Who may log in
    #[arg(long, default_value = "admin", value_name = "LOGIN")]
    user: String,
    /// The password, `simulated` unless given; other programs of this machine can see it
    #[arg(long, value_name = "PASSWORD", conflicts_with = "password_file")]
    password: Option<String>,
    /// A file whose first line is the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The dialect of the responses: of each path its own, or one for all
    #[arg(long, default_value = "documented", value_parser = ["documented", "core", "v2"])]
    dialect: String,
    /// Whether the Event Log API is licensed
    #[arg(long, default_value = "on", value_parser = ["on", "off"])]
    licence: String,
    /// A session ends after this time without a request, such as 20s or 5m; 1h unless given
    #[arg(long, value_name = "DURATION", value_parser = runtime::duration)]
    session_ttl: Option<Duration>,
    /// Keep the state in this file, and continue with it at the next start
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Print the state of --state as JSON, without a server
    #[arg(long, requires = "state")]
    print_state: bool,
    /// Faults, joined by commas
    #[arg(long, value_name = "FAULTS", default_value = "")]
    faults: String,
    /// All other settings, as name=value joined by &
    #[arg(long, value_name = "SETTINGS", default_value = "")]
    set: String,
    /// Stop after this time, such as 20s, 5m or 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = runtime::duration)]
    time: Option<Duration>,
    /// Print one JSON object instead of the address
    #[arg(long)]
    json: bool,
}

impl BiostarX {
    pub(super) async fn run(&self) -> Result<ExitCode> {
        let mut output = Output::new();
        if self.print_state {
            let path = self.state.as_deref().unwrap_or(Path::new(""));
            output.json(&Snapshot::read(path)?.to_json())?;
            output.flush()?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut interrupt = Interrupt::new()?;
        let server = BiostarXServer::start(self.options()?).await?;
        if self.json {
            let (url, ca, certificate) = (server.url(), server.ca_pem(), server.certificate_pem());
            output.json(&json!({ "url": url, "ca": ca, "certificate": certificate }))?;
        } else {
            output.line(server.url())?;
        }
        output.flush()?;
        tokio::select! {
            () = runtime::over(self.time) => {}
            () = interrupt.next() => {}
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The settings of `--set` and of the flags, together.
    fn options(&self) -> Result<BiostarXServerOptions> {
        let mut settings = vec![self.set.clone()];
        if !self.faults.is_empty() {
            settings.push(format!("faults={}", encoded(&self.faults)));
        }
        if !self.set.split('&').any(|one| one.starts_with("start=")) {
            // A program's clock runs, unless `start` stops it.
            settings.push("start=now".to_owned());
        }
        if let Some(idle) = self.session_ttl {
            settings.push(format!("session={}", DurationText(idle)));
        }
        if self.dialect != "documented" {
            settings.push(format!("dialect={}", self.dialect));
        }
        if self.licence == "off" {
            settings.push("licence=false".to_owned());
        }
        let mut options: BiostarXServerOptions = settings.join("&").parse()?;
        options =
            options.with_listen(self.listen).with_accounts([Account::new(&self.user, self.password()?)]);
        options = options.with_names(self.certificate.names(self.listen));
        if let Some(certificates) = self.certificate.open(self.listen)? {
            options = options.with_certificates(certificates);
        }
        Ok(match &self.state {
            Some(path) => options.with_state(path),
            None => options,
        })
    }

    fn password(&self) -> Result<String> {
        Ok(match (&self.password, &self.password_file) {
            (Some(password), _) => password.clone(),
            (None, Some(path)) => {
                let text = fs::read_to_string(path).map_err(|error| {
                    let message = format!("cannot read `{}`", path.display());
                    Error::new(ErrorKind::InvalidInput, message).with_source(error)
                })?;
                text.lines().next().unwrap_or_default().to_owned()
            }
            (None, None) => "simulated".to_owned(),
        })
    }
}

const AFTER_HELP: &str = "\
Examples:
  bs2 sim biostar-x --make-certs certs --state server.jsonl
  bs2 sim biostar-x --listen 127.0.0.1:0 --json --licence off --set 'backlog=1000&rate=5'
  bs2 sim biostar-x --state server.jsonl --print-state

Faults:
  slow       one response of four takes 20 to 200 ms
  cut        one connection of ten is cut: before the request is processed, after it, or within the response
  error      one request of twenty gets HTTP 500; half of them were processed
  session    at one request of twenty the session has ended
  rows       rows are missing or \"\" without a result, and a single row is not in an array
  partial    one import of five is stored in part, with code 1
  strings    every second response under /api/v2 has its numbers as text
  wrapped    the error of a missing licence is inside Response

Settings for --set, as name=value joined by &; the same seed gives the same log, faults and sessions:
  seed          any number of 64 bits [1]
  users         the server knows the users 1 to this number, and those of the simulated office [1000]
  devices       the number of devices that report to the server [2]
  backlog       the number of their events at the start [0]
  rate          the number of their live events a second [0]
  start         the clock stands still at `fixed` or at an RFC 3339 time, or runs: now; then the backlog ends now, and
                live events have the time at which they happen [now]
  zone          the server's time zone in minutes ahead of UTC; only server_datetime uses it [540]
  simultaneous  whether an account may have several sessions [true]
  lock          the number of wrong passwords that lock an account, 0 for never [0]
  lowest        the lowest id of a virtual device [100001]
  flag          the accepted form of is_virtual_device: either, boolean, text [either]
  batch         the maximum number of events in an import, 0 for no limit [0]
  rows          the maximum number of rows in the response to a search, 0 for no limit [0]
  encrypted     whether only operators 0, 1 and 2 work on the column of users [false]
  frames        the form of the socket's frames: text, binary, fragmented [text]
  unbound       the response to a start of events without a bound socket: silence, error [silence]
  push          whether the socket sends imported events [true]
  http2         whether the server offers HTTP/2 [false]
  control       whether the paths /sim/ exist, with which a test controls the server; GET /sim/ lists them [false]";
