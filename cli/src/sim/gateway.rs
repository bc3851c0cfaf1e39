//! `bs2 sim gateway`: simulated devices behind the vendor's gRPC gateway.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bs2_events::sim::gateway::{
    ApiVersion, GatewayFaults, GatewayServer, GatewayServerOptions, SimDeviceAddress,
};
use bs2_events::{Error, ErrorKind, Result};
use clap::{ArgGroup, Args};

use super::CertificateFiles;
use crate::runtime::{self, Interrupt};
use crate::source;
use crate::stdio::{Output, count};

/// Serve simulated devices as the vendor's device gateway does: gRPC over TLS
///
/// The devices make 5 events a second, or as many as the setting `rate` says. Their log ends now, and each event has the
/// time at which it happens, unless the setting `start` says otherwise. It runs until Ctrl-C, or for the time of --for.
#[derive(Args)]
#[command(after_help = AFTER_HELP, group = ArgGroup::new("files").args(["make_certs", "cert"]).required(true))]
pub(crate) struct Gateway {
    /// The devices: sim: and settings joined by & (see bs2 sim --help)
    #[arg(default_value = "sim:")]
    source: String,
    /// The address to listen on; port 0 is any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4000")]
    listen: SocketAddr,
    #[command(flatten)]
    certificate: CertificateFiles,
    /// The version of the interface: 1.8 changed the field numbers of capabilities
    #[arg(long, value_name = "1.7|1.8", default_value = "1.8")]
    api: ApiVersion,
    /// The address of the next device, IP or IP:PORT; devices without one are at 10.0.0.1 and so on
    #[arg(long = "device", value_name = "IP")]
    devices: Vec<SimDeviceAddress>,
    /// How many devices connect to the gateway by themselves: the last ones, or so many more than addresses. They wait in
    /// the pending list until a client sets an accept filter that lets them in
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    accept: u32,
    /// Keep the devices in this file; a gateway that starts with it again continues with them, also after kill -9
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Write every event that the devices ever made: lines of device_id, epoch, event_id and hex
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Faults of the gateway, joined by commas
    #[arg(long, value_name = "FAULTS", default_value = "", hide_default_value = true)]
    faults: GatewayFaults,
    /// End after this time, such as 20s, 5m or 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = runtime::duration)]
    time: Option<Duration>,
}

impl Gateway {
    pub(super) async fn run(&self) -> Result<ExitCode> {
        let mut interrupt = Interrupt::new()?;
        let server = GatewayServer::start(self.options()?).await?;
        let simulator = server.simulator();
        source::note_cut(simulator);
        if let Some(path) = &self.truth {
            source::write_truth(path, [simulator])?;
        }
        simulator.start()?;
        let mut output = Output::new();
        let devices = server.devices().count();
        let with_address = devices - (self.accept as usize).min(devices);
        for (position, (device, address)) in server.devices().enumerate().take(SHOWN) {
            if position < with_address {
                output.line(format_args!("device {device} at {address}"))?;
            } else {
                output.line(format_args!("device {device} connects by itself"))?;
            }
        }
        if devices > SHOWN {
            output.line(format_args!("and {} more", devices - SHOWN))?;
        }
        let version = if self.api == ApiVersion::UpTo17 { "1.7" } else { "1.8" };
        let served = count(devices as u64, "device");
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

    fn options(&self) -> Result<GatewayServerOptions> {
        let certificates = self.certificate.open(self.listen)?.ok_or_else(|| {
            let message = "the gateway has no certificate: give --make-certs, or --cert and --key";
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        let mut options = GatewayServerOptions::new(source::served_options(&self.source)?)
            .with_listen(self.listen)
            .with_certificates(certificates)
            .with_api(self.api)
            .with_accept(self.accept)
            .with_faults(self.faults);
        for address in &self.devices {
            options = options.with_device(*address);
        }
        Ok(match &self.state {
            Some(path) => options.with_state(path),
            None => options,
        })
    }
}

/// Waits until the state file cannot be written.
async fn state_lost(server: &GatewayServer) -> Error {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = server.simulator().check_state() {
            return error;
        }
    }
}

/// The number of devices to list.
const SHOWN: usize = 16;
const LOOK: Duration = Duration::from_millis(200);

const AFTER_HELP: &str = "\
Examples:
  bs2 sim gateway --make-certs certs
  bs2 sim gateway 'sim:devices=2&rate=20&seed=7' --listen 127.0.0.1:4000 --make-certs certs \\
    --device 192.168.0.2 --device 192.168.0.3 --state devices.state --truth truth.tsv
  bs2 sim gateway 'sim:devices=3&slaves=2' --make-certs certs --accept 2
  bs2 sim gateway 'sim:rate=50' --cert server.crt --key server_key.pem --api 1.7 --faults end,frames

Clients trust certs/ca.crt and connect to the address of --listen. They connect a device by its --device address.

Faults of the gateway; the setting `faults` of the source is about its devices:
  exclusive  logs begin after the start id
  unordered  pages are shuffled
  short      pages are short although the log goes on
  error      calls fail
  end        streams end, cleanly or with an error
  silent     streams stay open and send nothing more
  restart    now and then the gateway drops every client and every connection
  frames     every event is a frame of its own";
