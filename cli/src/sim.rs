//! `bs2 sim`: shows simulated devices; its verbs serve them to other programs.

mod biostar_x;
mod gateway;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::sim::{Certificates, Reader};
use bs2_events::{Error, ErrorKind, Result};
use clap::{Args, Subcommand};
use comfy_table::Table;
use serde_json::{Value, json};

use crate::runtime::{self, Interrupt, retried};
use crate::source::{self, Source};
use crate::stdio::{Output, count, table};

/// Show the simulated devices of a source, and their logs
///
/// With --for they first make live events for that time, or until Ctrl-C: 5 a second, or as many as the setting `rate`
/// says.
#[derive(Args)]
#[command(after_help = AFTER_HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Sim {
    #[command(subcommand)]
    server: Option<Simulated>,
    /// The devices: sim: and settings joined by &
    #[arg(default_value = "sim:")]
    source: String,
    /// Make live events for this long, such as 20s, 5m or 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = runtime::duration)]
    time: Option<Duration>,
    /// Write every event that the devices ever made: lines of device_id, epoch, event_id and hex
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
}

/// The certificate of a simulated server, as arguments.
#[derive(Args)]
struct CertificateFiles {
    /// Use ca.crt, server.crt and server_key.pem of this folder; make them if none exists
    #[arg(long, value_name = "DIR", conflicts_with = "cert")]
    make_certs: Option<PathBuf>,
    /// The certificate of the server and its chain, in PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// A further name or address for a certificate that is made; it always has localhost, 127.0.0.1, ::1 and the one of
    /// --listen
    #[arg(long = "name", value_name = "NAME", conflicts_with = "cert")]
    names: Vec<String>,
}

impl CertificateFiles {
    /// The certificate of the files; `None` if no file is named.
    fn open(&self, listen: SocketAddr) -> Result<Option<Certificates>> {
        Ok(match (&self.cert, &self.key, &self.make_certs) {
            (Some(cert), Some(key), _) => Some(Certificates::open(cert, key)?),
            (_, _, Some(folder)) => Some(Certificates::open_or_make(folder, self.names(listen))?),
            _ => None,
        })
    }

    /// The names for a certificate that is made.
    fn names(&self, listen: SocketAddr) -> Vec<String> {
        let listen = (!listen.ip().is_unspecified()).then(|| listen.ip().to_string());
        let loopback = Certificates::LOOPBACK.into_iter().map(str::to_owned);
        loopback.chain(self.names.iter().cloned()).chain(listen).collect()
    }
}

/// The simulated servers.
#[derive(Subcommand)]
enum Simulated {
    #[command(name = "biostar-x")]
    BiostarX(Box<biostar_x::BiostarX>),
    Gateway(Box<gateway::Gateway>),
}

impl Sim {
    pub(crate) async fn run(&self) -> Result<ExitCode> {
        match &self.server {
            Some(Simulated::BiostarX(verb)) => verb.run().await,
            Some(Simulated::Gateway(verb)) => verb.run().await,
            None => self.show().await,
        }
    }

    async fn show(&self) -> Result<ExitCode> {
        let source = Source::open_live(&self.source)?;
        let simulator = source.simulator().ok_or_else(|| {
            let message = "the devices of this source are not simulated: name a source `sim:`";
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        if let Some(path) = &self.truth {
            source::write_truth(path, [simulator])?;
        }
        if self.time.is_some() {
            let mut interrupt = Interrupt::new()?;
            simulator.start()?;
            tokio::select! {
                () = runtime::over(self.time) => {}
                () = interrupt.next() => interrupt.exit_at_next(),
            }
            simulator.stop();
        }
        simulator.flush_truth()?;
        let mut devices = Vec::new();
        for id in simulator.device_ids() {
            let device = source.client().device(id);
            // A stuck device never answers.
            let info = tokio::time::timeout(PATIENCE, retried(|| device.info())).await;
            let model = info.ok().and_then(Result::ok).map(|info| info.model);
            devices.push((simulator.reader(id)?, model));
        }
        let mut output = Output::new();
        if self.json {
            let devices: Vec<_> = devices.iter().map(|(device, model)| device_json(device, model)).collect();
            output.json(&json!({ "source": self.source, "devices": devices }))?;
        } else {
            output.line(device_table(&devices))?;
            let events = count(devices.iter().map(|(device, _)| device.len() as u64).sum::<u64>(), "event");
            let devices = count(devices.len() as u64, "device");
            output.line(format_args!("{devices} with {events}: {}", self.source))?;
        }
        output.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

fn device_json(device: &Reader, model: &Option<String>) -> Value {
    json!({
        "device_id": device.id().get(), "model": model, "epoch": device.epoch(), "events": device.len(),
        "slaves": device.slaves().iter().map(|slave| slave.get()).collect::<Vec<_>>(),
        "oldest_id": device.oldest_id(), "newest_id": device.newest_id(), "time_utc": device.time().to_string(),
    })
}

/// A table of devices and their models.
fn device_table(devices: &[(Reader, Option<String>)]) -> Table {
    let mut table = table([
        ("device", true),
        ("model", false),
        ("epoch", true),
        ("events", true),
        ("oldest id", true),
        ("newest id", true),
        ("clock", false),
    ]);
    for (device, model) in devices {
        let id = |id: Option<u32>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        table.add_row([
            device.id().to_string(),
            model.clone().unwrap_or_else(|| "does not answer".into()),
            device.epoch().to_string(),
            device.len().to_string(),
            id(device.oldest_id()),
            id(device.newest_id()),
            device.time().to_string(),
        ]);
    }
    table
}

const PATIENCE: Duration = Duration::from_secs(1);

const AFTER_HELP: &str = "\
Examples:
  bs2 sim 'sim:devices=4&backlog=20000&seed=7'
  bs2 sim gateway 'sim:devices=4&rate=20' --make-certs certs
  bs2 sim 'sim:devices=2&rate=50&faults=drop,reorder' --for 5s --truth truth.tsv --json

Settings of a sim: source, as name=value joined by &; the same seed gives the same events:
  devices    number of generated devices, 1 to 100000 [1; none with replay]
  backlog    events of each device at the start, 0 to 10000000 [1000]
  rate       live events a second, over all devices, 0 to 1000000 [0; 5 for watch and sim]
  seed       any number of 64 bits [1]
  capacity   events that a device keeps before it overwrites the oldest, 1 to 10000000 [50000]
  faults     faults, joined by commas [none]:
               drop        live events are lost, and nothing reports it
               disconnect  connections are lost
               repeat      events are given twice
               reorder     live events come in another order
               slow        pages take 20 to 200 ms longer
               error       calls fail as timed out or busy
               stuck       the first device never answers
               holes       pages lack events for the moment
               large       pages of more than 200 records do not arrive in time
               damaged     some events cannot be read
  replay     a capture, a file of rows event_id, event_code, device_time, device_id, or `bundled` [none]
  replay-live  whether the rows of replay happen one by one, at `rate`, and are reported live, true or false [false]
  start      time of the first event: fixed, or a time as in RFC 3339; now: the log ends now, and each later event has
             the time at which it happens [fixed; now for sim gateway]
  slaves     slaves of each generated device, 0 to 31: readers whose events are in the log of the device [0]
  office     whether anything happens by itself; if not, a test makes every event, true or false [true]
  connections  whether devices behind a server log that a client connects and disconnects [true; false with office=0]
  images     whether the devices take pictures, true or false [true]
  inclusive  whether pages begin at the requested id and not behind it, true or false [false]
  page       most events of a page, 0 for no limit [0]
  queue      live events that wait for each subscriber before some are dropped, 0 for no such queue [0]";
