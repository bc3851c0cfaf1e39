//! `bs2 x`: a BioStar X server.

pub(crate) mod access;
mod event_types;
mod import;
mod login_check;
mod row;
mod search;
pub(crate) mod target;
mod virtual_devices;
mod watch;

use std::process::ExitCode;

use bs2_events::Result;
use clap::{Args, Subcommand};

use crate::runtime;

/// Talk to a BioStar X server: virtual devices, import, search, live events
///
/// The password is taken from the variable BS2_X_PASSWORD or from --password-file, never from the command line, which
/// other programs can see.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct X {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    LoginCheck(login_check::LoginCheck),
    VirtualDevices(virtual_devices::VirtualDevices),
    Import(import::Import),
    Search(search::Search),
    Watch(watch::Watch),
    EventTypes(event_types::EventTypes),
}

impl X {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        runtime::block_on(async {
            match &self.verb {
                Verb::LoginCheck(verb) => verb.run().await,
                Verb::VirtualDevices(verb) => verb.run().await,
                Verb::Import(verb) => verb.run().await,
                Verb::Search(verb) => verb.run().await,
                Verb::Watch(verb) => verb.run().await,
                Verb::EventTypes(verb) => verb.run().await,
            }
        })
    }
}

const AFTER_HELP: &str = "\
Examples:
  bs2 x login-check --server https://192.0.2.10 --user operator --pin server.pem
  bs2 x virtual-devices create 100001 'Main gate' --server https://192.0.2.10 --user operator
  bs2 x import punches.csv --virtual-device 100001 --server https://192.0.2.10 --user operator
  bs2 x search --since 2026-01-01T00:00:00Z --server https://192.0.2.10 --user operator --json

bs2 sim biostar-x is a server to try this on.";
