//! `bs2 sim biostar-x`: a simulated BioStar X server.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::sim::biostar_x::{Account, Certificates, Dialect, Server, ServerSettings, State};
use bs2_events::{Error, ErrorKind, Result};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::output::Output;
use crate::runtime::{self, Interrupt};

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
    /// Make ca.pem, server.pem and server-key.pem in this directory, or use those that it has
    #[arg(long, value_name = "DIR", conflicts_with_all = ["cert", "key"])]
    make_certs: Option<PathBuf>,
    /// A certificate chain in PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// A name or an address in the certificate that is made [localhost, 127.0.0.1, ::1]
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// Who may log in
    #[arg(long, default_value = "admin", value_name = "LOGIN")]
    user: String,
    /// The password, `simulated` unless given; other programs of this machine can see it
    #[arg(long, value_name = "PASSWORD", conflicts_with = "password_file")]
    password: Option<String>,
    /// A file whose first line is the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// How answers are written: each path in the dialect of its side, or all in one
    #[arg(long, value_enum, default_value_t)]
    dialect: Answers,
    /// Whether the Event Log API is licensed
    #[arg(long, value_enum, default_value_t)]
    licence: Licence,
    /// A session ends after this time without a request, such as 20s or 5m; 1h unless given
    #[arg(long, value_name = "DURATION", value_parser = runtime::duration)]
    session_ttl: Option<Duration>,
    /// Keep the state in this file, and go on with it at the next start
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Print the state as JSON: that of --state, without a server
    #[arg(long, requires = "state")]
    print_state: bool,
    /// What goes wrong, joined by commas
    #[arg(long, value_name = "FAULTS", default_value = "")]
    faults: String,
    /// Everything else, as name=value joined by &
    #[arg(long, value_name = "SETTINGS", default_value = "")]
    set: String,
    /// Stop after this time, such as 20s, 5m or 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = runtime::duration)]
    time: Option<Duration>,
    /// Print one JSON object instead of the address
    #[arg(long)]
    json: bool,
}

/// How answers are written.
#[derive(Clone, Copy, Default, ValueEnum)]
enum Answers {
    #[default]
    Documented,
    Core,
    V2,
}

/// Whether there is a licence.
#[derive(Clone, Copy, Default, Eq, PartialEq, ValueEnum)]
enum Licence {
    #[default]
    On,
    Off,
}

impl BiostarX {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        runtime::block_on(self.serve())
    }

    async fn serve(&self) -> Result<ExitCode> {
        let mut output = Output::new();
        if self.print_state {
            let path = self.state.as_deref().unwrap_or(Path::new(""));
            output.json(&State::read(path)?.to_json())?;
            output.flush()?;
            return Ok(ExitCode::SUCCESS);
        }
        let (settings, ca) = self.certified(self.settings()?)?;
        let mut interrupt = Interrupt::new()?;
        let server = Server::start(settings).await?;
        if self.json {
            let (url, certificate) = (server.url(), server.certificate_pem());
            output.json(
                &json!({ "url": url, "ca": ca.as_deref().or(server.ca_pem()), "certificate": certificate }),
            )?;
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

    fn settings(&self) -> Result<ServerSettings> {
        let faults = (!self.faults.is_empty()).then(|| format!("faults={}", self.faults));
        // A program's clock runs, unless `start` stops it.
        let start = (!self.set.split('&').any(|one| one.starts_with("start="))).then_some("start=now");
        let text: Vec<&str> =
            [Some(self.set.as_str()), faults.as_deref(), start].into_iter().flatten().collect();
        let mut settings: ServerSettings = text.join("&").parse()?;
        settings =
            settings.with_address(self.listen).with_accounts([Account::new(&self.user, self.password()?)]);
        if let Some(idle) = self.session_ttl {
            settings = settings.with_session(idle);
        }
        settings = match self.dialect {
            Answers::Documented => settings,
            Answers::Core => settings.with_dialect(Dialect::Core),
            Answers::V2 => settings.with_dialect(Dialect::V2),
        };
        if self.licence == Licence::Off {
            settings = settings.with_licence(false);
        }
        if !self.names.is_empty() {
            settings = settings.with_names(self.names.clone());
        }
        Ok(match &self.state {
            Some(path) => settings.with_state(path),
            None => settings,
        })
    }

    fn password(&self) -> Result<String> {
        Ok(match (&self.password, &self.password_file) {
            (Some(password), _) => password.clone(),
            (None, Some(path)) => read(path)?.lines().next().unwrap_or_default().to_owned(),
            (None, None) => "simulated".to_owned(),
        })
    }

    /// The settings with the certificate of the files, and the root where it is known.
    fn certified(&self, settings: ServerSettings) -> Result<(ServerSettings, Option<String>)> {
        if let (Some(certificate), Some(key)) = (&self.cert, &self.key) {
            return Ok((settings.with_certificate(read(certificate)?, read(key)?), None));
        }
        let Some(folder) = &self.make_certs else { return Ok((settings, None)) };
        let [ca, certificate, key] = ["ca.pem", "server.pem", "server-key.pem"].map(|name| folder.join(name));
        if !key.exists() {
            let names = if self.names.is_empty() {
                ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
            } else {
                self.names.clone()
            };
            let made = Certificates::make(names)?;
            fs::create_dir_all(folder).map_err(|error| cannot("make the directory", folder, error))?;
            write(&ca, made.ca_pem())?;
            write(&certificate, made.certificate_pem())?;
            // Last: where it is, the others are.
            write_secret(&key, made.key_pem())?;
        }
        Ok((settings.with_certificate(read(&certificate)?, read(&key)?), Some(read(&ca)?)))
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| cannot("read", path, error))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| cannot("write", path, error))
}

/// Writes a file that only its owner can read.
fn write_secret(path: &Path, text: &str) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| cannot("write", path, error))
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("cannot {what} `{}`", path.display())).with_source(error)
}

const AFTER_HELP: &str = "\
Examples:
  bs2 sim biostar-x --make-certs certs --state server.jsonl
  bs2 sim biostar-x --listen 127.0.0.1:0 --json --licence off --set 'backlog=1000&rate=5'
  bs2 sim biostar-x --state server.jsonl --print-state

Faults:
  slow       one answer of four takes 20 to 200 ms
  cut        one connection of ten is cut: before the request is processed, after it, or within the answer
  500        one request of twenty gets HTTP 500: half of them were processed
  session    one request of twenty finds that its session has ended
  rows       no rows are missing or \"\", and a lone row is no array
  partial    one import of five is stored in part, with code 1
  strings    every second answer under /api/v2 has its numbers as text
  wrapped    the error of a missing licence is inside Response

Settings for --set, as name=value joined by &; the same seed gives the same log, faults and sessions:
  seed          any number of 64 bits [1]
  users         the users are 1 to this number, and those of the simulated office [1000]
  devices       readers whose events the server has [2]
  backlog       events of these readers at the start [0]
  rate          live events a second of these readers [0]
  start         the clock stands still at `fixed` or a time as in RFC 3339, or runs: now [now]
  zone          the server's zone in minutes ahead of UTC; only server_datetime has it [540]
  simultaneous  whether an account may have several sessions, 0 or 1 [1]
  lock          wrong passwords after which an account is locked, 0 for never [0]
  lowest        the lowest id of a virtual device [100001]
  flag          what is taken for is_virtual_device: either, boolean, text [either]
  batch         the most events of one import, 0 for no limit [0]
  encrypted     whether the column of users takes operators 0, 1 and 2 only, 0 or 1 [0]
  frames        frames of the socket: text, binary, fragmented [text]
  unbound       a start of events without a bound socket gets silence or error [silence]
  push          whether imported events are told on the socket, 0 or 1 [1]
  http2         whether HTTP/2 is offered, 0 or 1 [0]
  control       whether GET /sim/ shows how a test can look at the server and plan what goes wrong, 0 or 1 [0]";
