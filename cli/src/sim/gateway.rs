//! `bs2 sim gateway`: simulated readers behind the vendor's gRPC gateway.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::sim::Certificates;
use bs2_events::sim::gateway::{
    ApiVersion, GatewayFaults, GatewayServer, GatewayServerOptions, SimDeviceAddress,
};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;
use tokio::time::{MissedTickBehavior, interval};

use crate::output::Output;
use crate::runtime::{self, Interrupt};
use crate::source;
use crate::table::count;

/// Serve simulated readers as the vendor's device gateway does: gRPC over TLS
///
/// The readers live while it serves; they make 5 events a second unless the setting `rate` says otherwise. It ends
/// with Ctrl-C.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Gateway {
    /// The readers: sim: and settings joined by & (see bs2 sim --help)
    #[arg(default_value = "sim:")]
    source: String,
    /// Where to listen; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4000")]
    listen: SocketAddr,
    /// The certificate to show, in PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Make ca.crt, server.crt and server_key.pem in this folder, unless they are there, and show those
    #[arg(long, value_name = "DIR", required_unless_present = "cert")]
    make_certs: Option<PathBuf>,
    /// A name or an address in the certificate that is made, beside localhost, 127.0.0.1, ::1 and that of --listen
    #[arg(long = "name", value_name = "NAME", requires = "make_certs")]
    names: Vec<String>,
    /// The version whose interface is spoken: 1.8 renumbered capabilities
    #[arg(long, value_name = "1.7|1.8", default_value = "1.8")]
    api: ApiVersion,
    /// The address of a reader, IP or IP:PORT, the first reader's first; others are at 10.0.0.1 and so on
    #[arg(long = "device", value_name = "IP")]
    devices: Vec<SimDeviceAddress>,
    /// Keep the readers in this file: a gateway started again with it, also after kill -9, is the same one
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Write every event that the readers ever made: lines of device_id, epoch, event_id and hex
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// What goes wrong at the gateway, joined by commas
    #[arg(long, value_name = "FAULTS", default_value = "", hide_default_value = true)]
    faults: GatewayFaults,
    /// End after this time, such as 20s, 5m or 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = runtime::duration)]
    time: Option<Duration>,
}

impl Gateway {
    pub(super) fn run(&self) -> Result<ExitCode> {
        runtime::block_on(self.serve())
    }

    async fn serve(&self) -> Result<ExitCode> {
        let mut interrupt = Interrupt::new()?;
        let server = GatewayServer::start(self.settings()?).await?;
        let simulator = server.simulator();
        source::tell_cut(simulator);
        if let Some(path) = &self.truth {
            let failed = || format!("cannot write the truth into {}", path.display());
            let file = File::create(path)
                .map_err(|error| Error::new(ErrorKind::Storage, failed()).with_source(error))?;
            simulator
                .write_truth_to(file)
                .map_err(|error| Error::new(error.kind(), failed()).with_source(error))?;
        }
        simulator.start()?;
        let mut output = Output::new();
        let readers = server.devices().count();
        for (device, address) in server.devices().take(SHOWN) {
            output.line(format_args!("reader {device} at {address}"))?;
        }
        if readers > SHOWN {
            output.line(format_args!("and {} more", readers - SHOWN))?;
        }
        let version = if self.api == ApiVersion::UpTo17 { "1.7" } else { "1.8" };
        let served = count(readers as u64, "reader");
        output.line(format_args!("gateway {version} with {served} listens at {}", server.address()))?;
        output.flush()?;
        tokio::select! {
            () = runtime::over(self.time) => {}
            () = interrupt.next() => {}
            error = state_lost(&server) => return Err(error),
        }
        simulator.stop();
        simulator.flush_truth()?;
        Ok(ExitCode::SUCCESS)
    }

    fn settings(&self) -> Result<GatewayServerOptions> {
        let certificates = match (&self.cert, &self.key, &self.make_certs) {
            (Some(cert), Some(key), None) => Certificates::open(cert, key)?,
            (cert, key, Some(folder)) => {
                let made = Certificates::open_or_make(folder, self.names())?;
                match (cert, key) {
                    (Some(cert), Some(key)) => Certificates::open(cert, key)?,
                    _ => made,
                }
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "--cert and --key, or --make-certs is needed",
                ));
            }
        };
        let settings = GatewayServerOptions::new(source::live_settings(&self.source)?)
            .with_listen(self.listen)
            .with_certificates(certificates)
            .with_api(self.api)
            .with_faults(self.faults);
        let settings = self.devices.iter().fold(settings, |settings, at| settings.with_device(*at));
        Ok(self.state.iter().fold(settings, |settings, path| settings.with_state(path)))
    }

    /// The names in the certificate: this machine's, those of the command line, and the address of `--listen`.
    fn names(&self) -> Vec<String> {
        let ip = self.listen.ip();
        let listen = (!ip.is_unspecified()).then(|| ip.to_string());
        let loopback = Certificates::LOOPBACK.into_iter().map(str::to_owned);
        loopback.chain(self.names.iter().cloned()).chain(listen).collect()
    }
}

/// Waits until the state cannot be written any more.
async fn state_lost(server: &GatewayServer) -> Error {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        looks.tick().await;
        if let Err(error) = server.simulator().check_state() {
            return error;
        }
    }
}

/// As many readers as one looks at.
const SHOWN: usize = 16;
const LOOK: Duration = Duration::from_millis(200);

const AFTER_HELP: &str = "\
Examples:
  bs2 sim gateway --make-certs certs
  bs2 sim gateway 'sim:devices=2&rate=20&seed=7' --listen 127.0.0.1:4000 --make-certs certs \\
    --device 192.168.0.2 --device 192.168.0.3 --state readers.state --truth truth.tsv
  bs2 sim gateway 'sim:rate=50' --cert server.crt --key server_key.pem --api 1.7 --faults end,frames

Clients trust certs/ca.crt and dial the address of --listen; they connect a reader by its --device address.

Faults of the gateway, beside the setting `faults` of its readers:
  exclusive  logs begin behind the start id
  unordered  pages are shuffled
  short      pages are short before the end
  error      calls fail
  end        streams end, cleanly or not
  silent     streams fall silent
  restart    the gateway drops every client and forgets every connection, now and then
  frames     every event is a frame of its own";
